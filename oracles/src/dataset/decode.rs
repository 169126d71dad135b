//! The values of a plain, uncompressed Parquet page.
//!
//! The parquet crate reads the footer and cuts columns into pages. What is in a page is decoded
//! here: the crate's own decoders panic on damaged pages, and a format that allows one encoding only
//! (PLAIN, in data pages of version 1) needs little.

use parquet::basic::Encoding;
use parquet::column::page::Page;

/// Visits every value of a page, in order; `None` is a gap. `gaps` says whether the column may have
/// some, and so whether the page begins with definition levels.
pub(super) fn visit<'a>(
    page: &'a Page,
    gaps: bool,
    mut visit: impl FnMut(Option<&mut Values<'a>>) -> Result<(), &'static str>,
) -> Result<(), &'static str> {
    let Page::DataPage {
        buf,
        num_values,
        encoding,
        def_level_encoding,
        ..
    } = page
    else {
        return Err(
            "it has dictionaries or pages of version 2, which these tables must not: \
                    write it with to_parquet(..., compression=None, use_dictionary=False)",
        );
    };
    if *encoding != Encoding::PLAIN || (gaps && *def_level_encoding != Encoding::RLE) {
        return Err("its encoding is not PLAIN: write it with \
                    to_parquet(..., compression=None, use_dictionary=False)");
    }
    let mut values = Values { bytes: buf, bit: 0 };
    if !gaps {
        for _ in 0..*num_values {
            visit(Some(&mut values))?;
        }
        return Ok(());
    }
    let len = values.i32()?;
    let levels = usize::try_from(len)
        .ok()
        .and_then(|len| values.bytes.split_at_checked(len));
    let (levels, rest) = levels.ok_or(DAMAGED)?;
    values.bytes = rest;
    let mut levels = Levels {
        bytes: levels,
        left: 0,
        run: Run::Same(false),
    };
    for _ in 0..*num_values {
        match levels.next()? {
            true => visit(Some(&mut values))?,
            false => visit(None)?,
        }
    }
    Ok(())
}

const DAMAGED: &str = "a page ends before its values do: it is damaged";

/// Takes values off the front of a page.
pub(super) struct Values<'a> {
    bytes: &'a [u8],
    /// Flags already taken from the first byte.
    bit: u8,
}

impl<'a> Values<'a> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], &'static str> {
        let (value, rest) = self.bytes.split_first_chunk::<N>().ok_or(DAMAGED)?;
        self.bytes = rest;
        Ok(*value)
    }

    pub fn i32(&mut self) -> Result<i32, &'static str> {
        self.take().map(i32::from_le_bytes)
    }

    pub fn i64(&mut self) -> Result<i64, &'static str> {
        self.take().map(i64::from_le_bytes)
    }

    pub fn f32(&mut self) -> Result<f32, &'static str> {
        self.take().map(f32::from_le_bytes)
    }

    pub fn f64(&mut self) -> Result<f64, &'static str> {
        self.take().map(f64::from_le_bytes)
    }

    pub fn flag(&mut self) -> Result<bool, &'static str> {
        let (&first, rest) = self.bytes.split_first().ok_or(DAMAGED)?;
        let flag = first >> self.bit & 1 == 1;
        self.bit = (self.bit + 1) % 8;
        if self.bit == 0 {
            self.bytes = rest;
        }
        Ok(flag)
    }

    pub fn word(&mut self) -> Result<&'a str, &'static str> {
        let len = usize::try_from(self.i32()?).map_err(|_| DAMAGED)?;
        let (word, rest) = self.bytes.split_at_checked(len).ok_or(DAMAGED)?;
        self.bytes = rest;
        std::str::from_utf8(word).map_err(|_| "a word is not UTF-8")
    }
}

/// Definition levels of 0 or 1, in Parquet's hybrid of run lengths and packed bits.
struct Levels<'a> {
    bytes: &'a [u8],
    /// Levels left in the run.
    left: u64,
    run: Run<'a>,
}

enum Run<'a> {
    Same(bool),
    Bits(Values<'a>),
}

impl Levels<'_> {
    fn next(&mut self) -> Result<bool, &'static str> {
        while self.left == 0 {
            self.begin_run()?;
        }
        self.left -= 1;
        match &mut self.run {
            Run::Same(level) => Ok(*level),
            Run::Bits(bits) => bits.flag(),
        }
    }

    fn begin_run(&mut self) -> Result<(), &'static str> {
        let mut header = 0u64;
        for shift in (0..35).step_by(7) {
            let byte = self.byte()?;
            header |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                break;
            }
        }
        let count = header >> 1;
        if header & 1 == 0 {
            self.left = count;
            self.run = Run::Same(self.byte()? != 0);
        } else {
            let bytes = usize::try_from(count)
                .ok()
                .and_then(|n| self.bytes.split_at_checked(n));
            let (bytes, rest) = bytes.ok_or(DAMAGED)?;
            (self.left, self.bytes) = (8 * count, rest);
            self.run = Run::Bits(Values { bytes, bit: 0 });
        }
        Ok(())
    }

    fn byte(&mut self) -> Result<u8, &'static str> {
        let (&byte, rest) = self.bytes.split_first().ok_or(DAMAGED)?;
        self.bytes = rest;
        Ok(byte)
    }
}
