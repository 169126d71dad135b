//! Flat Parquet tables: named columns of numbers, flags and words, without nesting.
//!
//! Written plain: no compression and no dictionaries, so that a column is read at the speed of the
//! disk, and so that a file's size bounds what reading it may allocate. A table that a data frame
//! library has rewritten is welcome if it is uncompressed as well; its columns may then be optional
//! and wider (INT64 for INT32, DOUBLE for FLOAT).

use std::fmt::Display;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parquet::basic::{Compression, ConvertedType, Repetition, Type as Physical};
use parquet::data_type::{
    BoolType, ByteArray, ByteArrayType, DataType, DoubleType, FloatType, Int32Type, Int64Type,
};
use parquet::errors::ParquetError;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::file::writer::{
    SerializedColumnWriter, SerializedFileWriter, SerializedRowGroupWriter,
};
use parquet::schema::types::Type;

use super::DatasetError;
use super::decode::{self, Values};

/// Rows of one column. Only `F32` and `U32` cannot have gaps.
pub(super) enum Cells {
    F32(Vec<f32>),
    U32(Vec<u32>),
    U64(Vec<Option<u64>>),
    F64(Vec<Option<f64>>),
    Bool(Vec<Option<bool>>),
    Text(Vec<Option<Arc<str>>>),
}

/// What a column holds.
#[derive(Copy, Clone)]
pub(super) enum Kind {
    F32,
    U32,
    U64,
    F64,
    Bool,
    Text,
}

/// Writes a table, row group by row group.
pub(super) struct TableWriter {
    path: PathBuf,
    writer: SerializedFileWriter<File>,
    names: Vec<String>,
}

impl TableWriter {
    pub fn create(path: &Path, columns: Vec<(String, Kind)>) -> Result<Self, DatasetError> {
        let file = File::create(path).map_err(|e| DatasetError::new(path, "", e))?;
        let fail = |e: ParquetError| DatasetError::new(path, "", e);
        let fields = columns
            .iter()
            .map(|(name, kind)| Ok(Arc::new(leaf(name, *kind)?)));
        let schema = Type::group_type_builder("table")
            .with_fields(fields.collect::<Result<_, _>>().map_err(fail)?)
            .build()
            .map_err(fail)?;
        let properties = WriterProperties::builder()
            .set_compression(Compression::UNCOMPRESSED)
            .set_dictionary_enabled(false)
            .set_statistics_enabled(EnabledStatistics::None)
            .set_created_by("prefbench".to_owned())
            .build();
        Ok(TableWriter {
            path: path.to_path_buf(),
            writer: SerializedFileWriter::new(file, Arc::new(schema), Arc::new(properties))
                .map_err(fail)?,
            names: columns.into_iter().map(|(name, _)| name).collect(),
        })
    }

    /// Appends a row group; `column` gives the values of each column in turn.
    pub fn group(&mut self, mut column: impl FnMut(usize) -> Cells) -> Result<(), DatasetError> {
        let fail = |e: ParquetError| DatasetError::new(&self.path, "", e);
        let mut group = self.writer.next_row_group().map_err(fail)?;
        for (i, name) in self.names.iter().enumerate() {
            put(&mut group, column(i)).map_err(|e| DatasetError::new(&self.path, name, e))?;
        }
        group.close().map_err(fail)?;
        Ok(())
    }

    /// Writes the footer and waits until all is on the disk.
    pub fn finish(self) -> Result<(), DatasetError> {
        let TableWriter { path, writer, .. } = self;
        let file = writer
            .into_inner()
            .map_err(|e| DatasetError::new(&path, "", e))?;
        file.sync_all().map_err(|e| DatasetError::new(&path, "", e))
    }
}

fn leaf(name: &str, kind: Kind) -> Result<Type, ParquetError> {
    const OPTIONAL: Repetition = Repetition::OPTIONAL;
    const REQUIRED: Repetition = Repetition::REQUIRED;
    let (physical, converted, repetition) = match kind {
        Kind::F32 => (Physical::FLOAT, ConvertedType::NONE, REQUIRED),
        Kind::U32 => (Physical::INT32, ConvertedType::UINT_32, REQUIRED),
        Kind::U64 => (Physical::INT64, ConvertedType::UINT_64, OPTIONAL),
        Kind::F64 => (Physical::DOUBLE, ConvertedType::NONE, OPTIONAL),
        Kind::Bool => (Physical::BOOLEAN, ConvertedType::NONE, OPTIONAL),
        Kind::Text => (Physical::BYTE_ARRAY, ConvertedType::UTF8, OPTIONAL),
    };
    Type::primitive_type_builder(name, physical)
        .with_converted_type(converted)
        .with_repetition(repetition)
        .build()
}

fn put(group: &mut SerializedRowGroupWriter<'_, File>, values: Cells) -> Result<(), ParquetError> {
    let Some(mut column) = group.next_column()? else {
        return Err(ParquetError::General("a column too many".to_owned()));
    };
    match values {
        Cells::F32(v) => required::<FloatType>(&mut column, &v)?,
        Cells::U32(v) => {
            let v: Vec<i32> = v.into_iter().map(u32::cast_signed).collect();
            required::<Int32Type>(&mut column, &v)?;
        }
        Cells::U64(v) => optional::<Int64Type, _>(&mut column, v, u64::cast_signed)?,
        Cells::F64(v) => optional::<DoubleType, _>(&mut column, v, |x| x)?,
        Cells::Bool(v) => optional::<BoolType, _>(&mut column, v, |x| x)?,
        Cells::Text(v) => {
            optional::<ByteArrayType, _>(&mut column, v, |x| {
                ByteArray::from(x.as_bytes().to_vec())
            })?;
        }
    }
    column.close()
}

fn required<T: DataType>(
    column: &mut SerializedColumnWriter<'_>,
    values: &[T::T],
) -> Result<(), ParquetError> {
    column.typed::<T>().write_batch(values, None, None)?;
    Ok(())
}

fn optional<T: DataType, V>(
    column: &mut SerializedColumnWriter<'_>,
    values: Vec<Option<V>>,
    convert: impl Fn(V) -> T::T,
) -> Result<(), ParquetError> {
    let levels: Vec<i16> = values.iter().map(|v| i16::from(v.is_some())).collect();
    let values: Vec<T::T> = values.into_iter().flatten().map(convert).collect();
    column
        .typed::<T>()
        .write_batch(&values, Some(&levels), None)?;
    Ok(())
}

/// Reads a table.
pub(super) struct Table {
    path: PathBuf,
    reader: SerializedFileReader<File>,
    names: Vec<String>,
    size: u64,
}

impl Table {
    /// Opens a table whose rows take `row_bytes` or more; a file that is too small for its rows is
    /// refused before anything is allocated for them.
    pub fn open(path: &Path, row_bytes: u64) -> Result<Self, DatasetError> {
        let fail = |reason: String| DatasetError::new(path, "", reason);
        let file = File::open(path).map_err(|e| fail(e.to_string()))?;
        let size = file.metadata().map_err(|e| fail(e.to_string()))?.len();
        let reader = SerializedFileReader::new(file).map_err(|e| fail(plain(&e)))?;
        let schema = reader.metadata().file_metadata().schema_descr_ptr();
        let names = schema.columns().iter().map(|c| c.path().string()).collect();
        let table = Table {
            path: path.to_path_buf(),
            reader,
            names,
            size,
        };
        table.check(row_bytes)?;
        Ok(table)
    }

    fn check(&self, row_bytes: u64) -> Result<(), DatasetError> {
        let damaged = "the footer claims more than the file holds: it is damaged";
        let mut rows = 0u64;
        for group in self.reader.metadata().row_groups() {
            let claimed = u64::try_from(group.num_rows()).ok();
            rows = claimed
                .and_then(|n| rows.checked_add(n))
                .ok_or_else(|| self.error("", damaged))?;
            for (name, column) in self.names.iter().zip(group.columns()) {
                if column.compression() != Compression::UNCOMPRESSED {
                    let codec = column.compression();
                    return Err(self.error(
                        name,
                        format!(
                            "it is compressed ({codec}), which these tables must not be: write it with \
                             to_parquet(..., compression=None)"
                        ),
                    ));
                }
                let start = column.dictionary_page_offset();
                let start = u64::try_from(start.unwrap_or(column.data_page_offset()));
                let len = u64::try_from(column.compressed_size());
                let inside = match (start, len) {
                    (Ok(start), Ok(len)) => {
                        start.checked_add(len).is_some_and(|end| end <= self.size)
                    }
                    _ => false,
                };
                if !inside || column.num_values() != group.num_rows() {
                    return Err(self.error(name, damaged));
                }
            }
        }
        if rows
            .checked_mul(row_bytes)
            .is_none_or(|bytes| bytes > self.size)
        {
            let reason = format!(
                "{rows} rows in {} bytes: it is damaged, or dictionary-encoded, and must be written \
                 with to_parquet(..., compression=None, use_dictionary=False)",
                self.size
            );
            return Err(self.error("", reason));
        }
        Ok(())
    }

    pub fn error(&self, field: &str, reason: impl Display) -> DatasetError {
        DatasetError::new(&self.path, field, reason)
    }

    /// Number of row groups.
    pub fn groups(&self) -> usize {
        self.reader.num_row_groups()
    }

    /// Rows of a row group.
    pub fn group_rows(&self, group: usize) -> usize {
        usize::try_from(self.reader.metadata().row_group(group).num_rows()).unwrap_or(0)
    }

    /// Rows of the table.
    pub fn rows(&self) -> usize {
        (0..self.groups()).map(|g| self.group_rows(g)).sum()
    }

    /// Whether there is such a column.
    pub fn has(&self, name: &str) -> bool {
        self.names.iter().any(|n| n == name)
    }

    /// Where a column stands.
    pub fn index(&self, name: &str) -> Result<usize, DatasetError> {
        self.names.iter().position(|n| n == name).ok_or_else(|| {
            let known = self.names.join(", ");
            self.error(
                name,
                format!("there is no such column; the table has {known}"),
            )
        })
    }

    /// A row group's numbers as f32, with NaN for a gap.
    pub fn f32(&self, group: usize, index: usize, out: &mut Vec<f32>) -> Result<(), DatasetError> {
        out.clear();
        match self.physical(index) {
            Physical::FLOAT => self.read(group, index, |v| {
                out.push(v.map_or(Ok(f32::NAN), |v| v.f32())?);
                Ok(())
            }),
            Physical::DOUBLE => self.read(group, index, |v| {
                out.push(v.map_or(Ok(f64::NAN), |v| v.f64())? as f32);
                Ok(())
            }),
            _ => Err(self.wrong(index, "numbers (FLOAT or DOUBLE)")),
        }
    }

    /// Visits a column of numbers; `None` is a gap.
    pub fn numbers(&self, name: &str, visit: impl Visit<Option<f64>>) -> Result<(), DatasetError> {
        let index = self.index(name)?;
        match self.physical(index) {
            Physical::DOUBLE => self.each(index, |v| v.f64(), visit),
            Physical::FLOAT => self.each(index, |v| v.f32().map(f64::from), visit),
            _ => Err(self.wrong(index, "numbers (DOUBLE or FLOAT)")),
        }
    }

    /// Visits a column of flags; `None` is a gap.
    pub fn flags(&self, name: &str, visit: impl Visit<Option<bool>>) -> Result<(), DatasetError> {
        let index = self.index(name)?;
        match self.physical(index) {
            Physical::BOOLEAN => self.each(index, |v| v.flag(), visit),
            _ => Err(self.wrong(index, "true or false (BOOLEAN)")),
        }
    }

    /// Visits a column of words; `None` is a gap.
    pub fn words(
        &self,
        name: &str,
        mut visit: impl for<'a> FnMut(usize, Option<&'a str>) -> Result<(), &'static str>,
    ) -> Result<(), DatasetError> {
        let index = self.index(name)?;
        if self.physical(index) != Physical::BYTE_ARRAY {
            return Err(self.wrong(index, "text (BYTE_ARRAY)"));
        }
        let mut row = 0;
        for group in 0..self.groups() {
            self.read(group, index, |v| {
                visit(row, v.map(Values::word).transpose()?)?;
                row += 1;
                Ok(())
            })?;
        }
        Ok(())
    }

    /// Visits a column of u32 without gaps.
    pub fn indices(&self, name: &str, mut visit: impl Visit<u32>) -> Result<(), DatasetError> {
        self.whole(name, |row, value| {
            let value = value.ok_or("a value is missing")?;
            visit(
                row,
                u32::try_from(value).map_err(|_| "a value is too large")?,
            )
        })
    }

    /// Visits a column of whole numbers; `None` is a gap.
    pub fn whole(&self, name: &str, visit: impl Visit<Option<u64>>) -> Result<(), DatasetError> {
        let index = self.index(name)?;
        // Unsigned numbers are stored in signed ones of the same bits.
        let schema = self.reader.metadata().file_metadata().schema_descr();
        let unsigned = matches!(
            schema.column(index).converted_type(),
            ConvertedType::UINT_32 | ConvertedType::UINT_64
        );
        let positive = |x: i64| u64::try_from(x).map_err(|_| "a value is negative");
        match (self.physical(index), unsigned) {
            (Physical::INT32, true) => {
                self.each(index, |v| Ok(v.i32()?.cast_unsigned().into()), visit)
            }
            (Physical::INT32, false) => self.each(index, |v| positive(v.i32()?.into()), visit),
            (Physical::INT64, true) => self.each(index, |v| Ok(v.i64()?.cast_unsigned()), visit),
            (Physical::INT64, false) => self.each(index, |v| positive(v.i64()?), visit),
            _ => Err(self.wrong(
                index,
                "whole numbers (INT32 or INT64; pandas keeps them with dtype_backend=\"pyarrow\")",
            )),
        }
    }

    fn physical(&self, index: usize) -> Physical {
        let schema = self.reader.metadata().file_metadata().schema_descr();
        schema.column(index).physical_type()
    }

    /// Visits a column over all row groups.
    fn each<V>(
        &self,
        index: usize,
        value: impl Fn(&mut Values<'_>) -> Result<V, &'static str>,
        mut visit: impl Visit<Option<V>>,
    ) -> Result<(), DatasetError> {
        let mut row = 0;
        for group in 0..self.groups() {
            self.read(group, index, |v| {
                visit(row, v.map(&value).transpose()?)?;
                row += 1;
                Ok(())
            })?;
        }
        Ok(())
    }

    /// Visits every row of a column of a row group; `None` is a gap.
    fn read(
        &self,
        group: usize,
        index: usize,
        mut visit: impl FnMut(Option<&mut Values<'_>>) -> Result<(), &'static str>,
    ) -> Result<(), DatasetError> {
        let name = &self.names[index];
        let schema = self.reader.metadata().file_metadata().schema_descr();
        let descr = schema.column(index);
        if descr.max_rep_level() > 0 || descr.max_def_level() > 1 {
            return Err(self.error(name, "it is nested, but must be a plain column"));
        }
        let gaps = descr.max_def_level() == 1;
        let pages = self.reader.get_row_group(group);
        let pages = pages.and_then(|group| group.get_column_page_reader(index));
        let mut pages = pages.map_err(|e| self.error(name, plain(&e)))?;
        let claimed = self.group_rows(group);
        let mut rows = 0;
        while let Some(page) = pages
            .get_next_page()
            .map_err(|e| self.error(name, plain(&e)))?
        {
            let more = page.num_values() as usize;
            if more > claimed - rows {
                return Err(self.error(name, "it has more values than rows: it is damaged"));
            }
            decode::visit(&page, gaps, &mut visit).map_err(|why| {
                let place = format!("{why} (row group {group}, rows {rows} to {})", rows + more);
                self.error(name, place)
            })?;
            rows += more;
        }
        if rows == claimed {
            return Ok(());
        }
        let reason =
            format!("row group {group} has {claimed} rows, but this column {rows}: it is damaged");
        Err(self.error(name, reason))
    }

    fn wrong(&self, index: usize, needed: &str) -> DatasetError {
        let schema = self.reader.metadata().file_metadata().schema_descr();
        let found = schema.column(index).physical_type();
        self.error(
            &self.names[index],
            format!("it holds {found}, but must hold {needed}"),
        )
    }
}

/// Takes a row's number and its value; the error is a reason in words.
pub(super) trait Visit<V>: FnMut(usize, V) -> Result<(), &'static str> {}

impl<V, F: FnMut(usize, V) -> Result<(), &'static str>> Visit<V> for F {}

/// The library's message without its own prefix.
fn plain(e: &ParquetError) -> String {
    format!("not a readable Parquet file: {e}")
}
