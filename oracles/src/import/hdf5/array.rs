//! Arrays of numbers, read in blocks of rows.

use hdf5_pure::{
    Dataset, Datatype, DatatypeByteOrder, FixedPointLayout, FloatingPointLayout, Layout,
};

use super::Hdf5;
use super::headers::Types;
use crate::dataset::DatasetError;

/// Bytes of a block, about: it should stay in the cache.
const BLOCK: u64 = 256 << 10;

/// An array of numbers whose first dimension counts rows.
pub(in crate::import) struct Array<'f> {
    file: &'f Hdf5<'f>,
    /// Its path in the file.
    pub name: String,
    data: Dataset,
    number: Number,
    /// Its dimensions, at least one.
    pub shape: Vec<u64>,
    /// Numbers in a row.
    pub width: usize,
    /// Bytes of a row in the file.
    row: u64,
    /// Where it lies in the file, if it lies there in one piece.
    place: Option<u64>,
    /// Rows of a block; whole chunks.
    block: u64,
    /// Bytes that it takes to read a block, the block's own included.
    cost: u64,
    /// Bytes of the file that the library may read for a block.
    step: u64,
}

/// How a number is stored.
#[derive(Copy, Clone)]
struct Number {
    kind: Kind,
    big_endian: bool,
}

#[derive(Copy, Clone)]
enum Kind {
    F32,
    F64,
    Signed(u8),
    Unsigned(u8),
}

impl<'f> Array<'f> {
    /// What can be told of it without reading it.
    pub(super) fn of(
        file: &'f Hdf5<'f>,
        name: String,
        data: Dataset,
    ) -> Result<Self, DatasetError> {
        let wrong = |reason: &dyn std::fmt::Display| file.wrong(&name, reason);
        let datatype = data.datatype().map_err(|e| wrong(&e))?;
        let number = Number::of(&datatype)
            .ok_or_else(|| wrong(&format!("numbers are expected, not {}", class(&datatype))))?;
        let shape = data.shape().map_err(|e| wrong(&e))?;
        let layout = data.layout().map_err(|e| {
            // Layouts of HDF5 2.0 are not known to hdf5-pure 0.47.
            wrong(&format!(
                "{e}; if it opens in h5py, save it again with libver=\"earliest\""
            ))
        })?;
        let Some((&rows, inner)) = shape.split_first() else {
            return Err(wrong(&"an array is expected, not a single value"));
        };
        let product = |dims: &[u64]| dims.iter().try_fold(1u64, |n, &d| n.checked_mul(d));
        let size = u64::from(number.size());
        let measure = || {
            let width = product(inner)?;
            let row = width.checked_mul(size)?;
            Some((usize::try_from(width).ok()?, row, row.checked_mul(rows)?))
        };
        let (width, row, bytes) = measure().ok_or_else(|| wrong(&"its shape is absurd"))?;
        let mut block = (BLOCK / row.max(1)).max(1);
        let mut place = None;
        let mut chunks = Some((0, 0));
        match layout {
            Layout::Contiguous {
                address: Some(address),
                size,
            } => {
                let end = address.checked_add(bytes);
                if size < bytes || end.is_none_or(|end| end > file.file.file_size()) {
                    let reason =
                        format!("its {bytes} bytes are not all there: the file is cut off");
                    return Err(wrong(&reason));
                }
                place = Some(address);
            }
            Layout::Chunked { chunk_shape, .. } => {
                let first = chunk_shape.first().copied().unwrap_or(0).max(1);
                block = block.div_ceil(first).saturating_mul(first);
                chunks = chunk_costs(&shape, &chunk_shape, size, block / first);
            }
            _ => {}
        }
        let cost = || {
            let numbers = row.checked_add(width as u64 * 4)?;
            chunks?.0.checked_add(numbers.checked_mul(block.min(rows))?)
        };
        let cost = cost().unwrap_or(u64::MAX);
        let step = chunks.map_or(0, |(_, step)| step);
        Ok(Array {
            file,
            name,
            data,
            number,
            shape,
            width,
            row,
            place,
            block,
            cost,
            step,
        })
    }

    /// Number of rows.
    pub fn rows(&self) -> u64 {
        self.shape.first().copied().unwrap_or(0)
    }

    /// An error about it.
    pub fn wrong(&self, reason: impl std::fmt::Display) -> DatasetError {
        self.file.wrong(&self.name, reason)
    }

    /// Checks that it has `rows` rows, as `other` has.
    pub fn expect_rows(&self, rows: u64, other: &str) -> Result<(), DatasetError> {
        if self.rows() == rows {
            return Ok(());
        }
        Err(self.wrong(format!(
            "{} rows, where {rows} are expected from {other}",
            self.rows()
        )))
    }

    /// Checks that it has one number a row.
    pub fn expect_column(&self) -> Result<(), DatasetError> {
        if self.width == 1 {
            return Ok(());
        }
        Err(self.wrong(format!(
            "a row has {} numbers, where 1 is expected",
            self.width
        )))
    }

    /// Checks that it is a table: one or two dimensions, with at least one number a row.
    pub fn expect_table(&self) -> Result<(), DatasetError> {
        if self.shape.len() <= 2 && self.width > 0 {
            return Ok(());
        }
        Err(self.wrong(format!(
            "a table is expected, not shape {:?}: images are not supported",
            self.shape
        )))
    }

    /// Gives the finite numbers of the rows `start..start + count` to `take`, block by block with
    /// the first row of each. A block that is asked for in parts is read again each time, so ask
    /// for much at once.
    pub fn read(
        &self,
        start: u64,
        count: u64,
        take: &mut dyn FnMut(u64, &[f32]),
    ) -> Result<(), DatasetError> {
        self.file.needs(&self.name, self.cost)?;
        let end = start.saturating_add(count).min(self.rows());
        let (mut bytes, mut numbers) = (Vec::new(), Vec::new());
        let mut at = start;
        while at < end {
            // To the next multiple of a block.
            let n = (self.block - at % self.block).min(end - at);
            self.fetch(at, n, &mut bytes)?;
            numbers.clear();
            self.number.decode(&bytes, &mut numbers);
            if numbers.len() as u64 != n * self.width as u64 {
                return Err(self.wrong(format!("rows {at} to {} are not all there", at + n)));
            }
            if let Some(bad) = numbers.iter().position(|x| !x.is_finite()) {
                let row = at + (bad / self.width) as u64;
                return Err(self.wrong(format!("row {row} has a number that is not finite")));
            }
            take(at, &numbers);
            at += n;
        }
        Ok(())
    }

    /// Appends the rows `start..start + count` to `out`.
    pub fn append(&self, start: u64, count: u64, out: &mut Vec<f32>) -> Result<(), DatasetError> {
        self.read(start, count, &mut |_, block| out.extend_from_slice(block))
    }

    /// Which of the rows are true, that is not zero.
    pub fn flags(&self) -> Result<Vec<bool>, DatasetError> {
        self.expect_column()?;
        self.file.keep(&self.name, self.rows())?;
        let mut out = Vec::with_capacity(usize::try_from(self.rows()).unwrap_or(0));
        self.read(0, self.rows(), &mut |_, block| {
            out.extend(block.iter().map(|&x| x != 0.0))
        })?;
        Ok(out)
    }

    /// Whether a single row costs no more to read than its bytes.
    pub fn in_one_piece(&self) -> bool {
        self.place.is_some()
    }

    fn fetch(&self, at: u64, rows: u64, bytes: &mut Vec<u8>) -> Result<(), DatasetError> {
        if let Some(place) = self.place {
            let size = usize::try_from(rows * self.row).unwrap_or(usize::MAX);
            bytes.resize(size, 0);
            return (self.file.source.payload(place + at * self.row, bytes))
                .map_err(|e| self.wrong(e));
        }
        self.file.source.step(self.step, Types::Arrays);
        *bytes = self
            .data
            .read_raw_rows(at, rows)
            .map_err(|e| self.wrong(e))?;
        Ok(())
    }
}

/// Numbers in a row of arrays side by side.
pub(in crate::import) fn total(widths: impl Iterator<Item = usize>) -> usize {
    // A file can claim anything; what is absurd is refused for its size.
    widths.fold(0, usize::saturating_add)
}

/// What chunks cost in memory, and how much of the file is read for a block of `layers` layers of
/// them; the index, which comes with the first block, included.
fn chunk_costs(shape: &[u64], chunk_shape: &[u64], size: u64, layers: u64) -> Option<(u64, u64)> {
    let mut counts = shape
        .iter()
        .zip(chunk_shape)
        .map(|(&d, &c)| d.div_ceil(c.max(1)));
    let layer_count = counts.next()?;
    let layer = counts.try_fold(1u64, u64::checked_mul)?;
    let chunk = chunk_shape
        .iter()
        .try_fold(size, |n, &c| n.checked_mul(c))?;
    let count = layer_count.checked_mul(layer)?;
    // A chunk is there as stored, as inflated (with up to twice the room) and as unshuffled; the
    // library keeps some 200 bytes of an entry of the index, read twice if it is repeated.
    let cost = chunk.checked_mul(4)?.checked_add(count.checked_mul(512)?)?;
    // An entry is 40 bytes in an array of two dimensions; neighbouring chunks are read together.
    let stored = layers
        .min(layer_count)
        .checked_mul(layer)?
        .checked_mul(chunk)?;
    let step = stored.checked_mul(2)?.checked_add(count.checked_mul(96)?)?;
    Some((cost, step.checked_add(BLOCK)?))
}

impl Number {
    fn of(datatype: &Datatype) -> Option<Number> {
        let (kind, order) = match datatype {
            Datatype::FloatingPoint {
                size,
                byte_order,
                layout,
            } => {
                let kind = match (*size, *layout) {
                    (4, FloatingPointLayout::IEEE754_BINARY32) => Kind::F32,
                    (8, FloatingPointLayout::IEEE754_BINARY64) => Kind::F64,
                    _ => return None,
                };
                (kind, byte_order)
            }
            Datatype::FixedPoint {
                size,
                byte_order,
                layout,
            } => {
                let FixedPointLayout {
                    signed,
                    bit_offset,
                    bit_precision,
                } = *layout;
                let size = u8::try_from(*size)
                    .ok()
                    .filter(|n| [1, 2, 4, 8].contains(n))?;
                (bit_offset == 0 && bit_precision == u16::from(size) * 8).then_some(())?;
                (
                    if signed {
                        Kind::Signed(size)
                    } else {
                        Kind::Unsigned(size)
                    },
                    byte_order,
                )
            }
            // What h5py makes of booleans.
            Datatype::Enumeration { base_type, .. } => match base_type.as_ref() {
                Datatype::FixedPoint { .. } => return Number::of(base_type),
                _ => return None,
            },
            _ => return None,
        };
        let big_endian = match order {
            DatatypeByteOrder::LittleEndian => false,
            DatatypeByteOrder::BigEndian => true,
            DatatypeByteOrder::Vax => return None,
        };
        Some(Number { kind, big_endian })
    }

    fn size(self) -> u8 {
        match self.kind {
            Kind::F32 => 4,
            Kind::F64 => 8,
            Kind::Signed(size) | Kind::Unsigned(size) => size,
        }
    }

    fn decode(self, bytes: &[u8], out: &mut Vec<f32>) {
        fn each<const N: usize>(
            bytes: &[u8],
            big: bool,
            out: &mut Vec<f32>,
            f: impl Fn([u8; N]) -> f32,
        ) {
            let items = bytes.as_chunks::<N>().0.iter();
            if big {
                out.extend(items.map(|&b| {
                    let mut b = b;
                    b.reverse();
                    f(b)
                }));
            } else {
                out.extend(items.map(|&b| f(b)));
            }
        }
        let big = self.big_endian;
        match self.kind {
            Kind::F32 => each(bytes, big, out, f32::from_le_bytes),
            Kind::F64 => each(bytes, big, out, |b| f64::from_le_bytes(b) as f32),
            Kind::Signed(1) => each(bytes, big, out, |b| f32::from(i8::from_le_bytes(b))),
            Kind::Signed(2) => each(bytes, big, out, |b| f32::from(i16::from_le_bytes(b))),
            Kind::Signed(4) => each(bytes, big, out, |b| i32::from_le_bytes(b) as f32),
            Kind::Signed(_) => each(bytes, big, out, |b| i64::from_le_bytes(b) as f32),
            Kind::Unsigned(1) => each(bytes, big, out, |b| f32::from(u8::from_le_bytes(b))),
            Kind::Unsigned(2) => each(bytes, big, out, |b| f32::from(u16::from_le_bytes(b))),
            Kind::Unsigned(4) => each(bytes, big, out, |b| u32::from_le_bytes(b) as f32),
            Kind::Unsigned(_) => each(bytes, big, out, |b| u64::from_le_bytes(b) as f32),
        }
    }
}

/// What a datatype that is no number is called.
fn class(datatype: &Datatype) -> &'static str {
    match datatype {
        Datatype::String { .. } => "text",
        Datatype::VariableLength { .. } => "values of variable length",
        Datatype::FixedPoint { .. } | Datatype::FloatingPoint { .. } => {
            "numbers of an unusual layout"
        }
        _ => "values of another kind",
    }
}
