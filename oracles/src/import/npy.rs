//! NumPy arrays: the `.npy` format, versions 1 to 3 (NEP 1 and `numpy.lib.format`), and what
//! numbers a buffer of a given dtype holds.
//!
//! Read are booleans, integers of 1 to 8 bytes and floats of 4 and 8 bytes, in either byte order, in
//! C or Fortran order. Object arrays are pickles, and are refused like strings, dates, complex
//! numbers and structured dtypes.

use std::borrow::Cow;
use std::io::Read;

/// What NumPy itself accepts as a header (`max_header_size`).
const MAX_HEADER: usize = 10_000;
const MAX_DIMENSIONS: usize = 32;

/// What a number is.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `b1`
    Bool,
    /// `i1` to `i8`
    Int,
    /// `u1` to `u8`
    Uint,
    /// `f4` and `f8`
    Float,
}

/// The type of an array's numbers.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Dtype {
    /// What they are.
    pub kind: Kind,
    /// Bytes of each.
    pub size: usize,
    /// Whether the most significant byte comes first.
    pub big_endian: bool,
}

impl Dtype {
    /// Parses NumPy's short name, such as `<f4`; without a byte order it is little-endian.
    ///
    /// # Errors
    /// What the dtype is, and why it is not read.
    pub fn parse(name: &str) -> Result<Dtype, String> {
        let (order, code) = match name.as_bytes().first() {
            Some(b'<' | b'>' | b'|' | b'=') => name.split_at(1),
            _ => ("<", name),
        };
        let (kind, size) = match code {
            "b1" | "?" => (Kind::Bool, 1),
            "i1" => (Kind::Int, 1),
            "i2" => (Kind::Int, 2),
            "i4" => (Kind::Int, 4),
            "i8" => (Kind::Int, 8),
            "u1" => (Kind::Uint, 1),
            "u2" => (Kind::Uint, 2),
            "u4" => (Kind::Uint, 4),
            "u8" => (Kind::Uint, 8),
            "f4" => (Kind::Float, 4),
            "f8" => (Kind::Float, 8),
            _ => {
                let what = match code.as_bytes().first() {
                    Some(b'O') => "Python objects, which only a full unpickler could read",
                    Some(b'U' | b'S' | b'a') => "strings",
                    Some(b'V') => "records (a structured dtype)",
                    Some(b'c') => "complex numbers",
                    Some(b'M' | b'm') => "dates",
                    Some(b'f') => "floats of a size other than 4 and 8 bytes",
                    _ => "of an unknown kind",
                };
                return Err(format!(
                    "the array's values are {what} (dtype {}): convert it to numbers with astype",
                    shown(name)
                ));
            }
        };
        Ok(Dtype {
            kind,
            size,
            big_endian: order == ">",
        })
    }
}

/// A name from a file, short enough for a message.
pub(super) fn shown(name: &str) -> String {
    let short: String = name.chars().take(40).collect();
    format!("{short:?}")
}

/// What stands before an array's numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// The type of its numbers.
    pub dtype: Dtype,
    /// Whether the first index varies fastest.
    pub fortran: bool,
    /// Its size along each axis; empty for a scalar.
    pub shape: Vec<usize>,
}

impl Header {
    /// Reads the magic bytes and the header; what follows in `source` are the numbers. Returns the
    /// bytes read as well.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(source: &mut impl Read) -> Result<(Header, usize), String> {
        let mut start = [0; 8];
        fill(source, &mut start, "magic bytes")?;
        if &start[..6] != b"\x93NUMPY" {
            return Err("not a .npy array: it does not begin with \\x93NUMPY".into());
        }
        let (len, prefix) = match start[6] {
            1 => {
                let mut len = [0; 2];
                fill(source, &mut len, "header's length")?;
                (usize::from(u16::from_le_bytes(len)), 10)
            }
            2 | 3 => {
                let mut len = [0; 4];
                fill(source, &mut len, "header's length")?;
                (u32::from_le_bytes(len) as usize, 12)
            }
            other => {
                return Err(format!(
                    "version {other} of .npy is unknown: 1 to 3 are read"
                ));
            }
        };
        if len > MAX_HEADER {
            return Err(format!(
                "its header claims {len} bytes, and may have at most {MAX_HEADER}"
            ));
        }
        let mut text = vec![0; len];
        fill(source, &mut text, "header")?;
        let text = std::str::from_utf8(&text).map_err(|_| "its header is not text")?;
        Ok((Literal { rest: text }.header()?, prefix + len))
    }

    /// Number of values; `None` if it overflows.
    pub fn count(&self) -> Option<usize> {
        self.shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d))
    }

    /// Bytes of all values; `None` if it overflows.
    pub fn bytes(&self) -> Option<usize> {
        self.count()?.checked_mul(self.dtype.size)
    }
}

fn fill(source: &mut impl Read, buffer: &mut [u8], what: &str) -> Result<(), String> {
    source
        .read_exact(buffer)
        .map_err(|error| format!("the array's {what} cannot be read: {error}"))
}

/// What is left of a header, `{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }`.
struct Literal<'a> {
    rest: &'a str,
}

impl<'a> Literal<'a> {
    fn header(mut self) -> Result<Header, String> {
        let (mut dtype, mut fortran, mut shape) = (None, None, None);
        self.expect('{')?;
        while !self.eat('}') {
            let key = self.string()?;
            self.expect(':')?;
            match key {
                "descr" => dtype = Some(self.descr()?),
                "fortran_order" => fortran = Some(self.boolean()?),
                "shape" => shape = Some(self.shape()?),
                other => return Err(format!("its header has an unknown key {}", shown(other))),
            }
            if !self.eat(',') {
                self.expect('}')?;
                break;
            }
        }
        match (dtype, fortran, shape) {
            (Some(dtype), Some(fortran), Some(shape)) => Ok(Header {
                dtype,
                fortran,
                shape,
            }),
            _ => Err("its header lacks descr, fortran_order or shape".into()),
        }
    }

    fn descr(&mut self) -> Result<Dtype, String> {
        if self.eat('[') {
            return Err("the array has a structured dtype: save each field on its own".into());
        }
        Dtype::parse(self.string()?)
    }

    fn boolean(&mut self) -> Result<bool, String> {
        for (word, value) in [("True", true), ("False", false)] {
            if let Some(rest) = self.rest.trim_start().strip_prefix(word) {
                self.rest = rest;
                return Ok(value);
            }
        }
        Err(self.unexpected("True or False"))
    }

    fn shape(&mut self) -> Result<Vec<usize>, String> {
        self.expect('(')?;
        let mut shape = Vec::new();
        while !self.eat(')') {
            let text = self.rest.trim_start();
            let digits = text.bytes().take_while(u8::is_ascii_digit).count();
            let size = text[..digits]
                .parse()
                .map_err(|_| self.unexpected("a size"))?;
            // Python 2 wrote 3L.
            self.rest = &text[digits..];
            self.eat('L');
            if shape.len() == MAX_DIMENSIONS {
                return Err(format!("it has more than {MAX_DIMENSIONS} dimensions"));
            }
            shape.push(size);
            if !self.eat(',') {
                self.expect(')')?;
                break;
            }
        }
        Ok(shape)
    }

    fn string(&mut self) -> Result<&'a str, String> {
        let text = self.rest.trim_start();
        for quote in ['\'', '"'] {
            if let Some((inside, rest)) = text
                .strip_prefix(quote)
                .and_then(|text| text.split_once(quote))
            {
                self.rest = rest;
                return Ok(inside);
            }
        }
        Err(self.unexpected("a quoted string"))
    }

    fn eat(&mut self, token: char) -> bool {
        match self.rest.trim_start().strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn expect(&mut self, token: char) -> Result<(), String> {
        if self.eat(token) {
            return Ok(());
        }
        Err(self.unexpected(&format!("{token:?}")))
    }

    fn unexpected(&self, wanted: &str) -> String {
        let found = shown(self.rest.trim_start());
        format!("its header has {found} where {wanted} is expected")
    }
}

/// A type that the numbers of an array are turned into.
pub trait Number: Copy {
    /// From a float.
    fn float(value: f64) -> Self;
    /// From an integer.
    fn int(value: i64) -> Self;
    /// From an unsigned integer.
    fn uint(value: u64) -> Self;
}

impl Number for f32 {
    fn float(value: f64) -> Self {
        value as f32
    }
    fn int(value: i64) -> Self {
        value as f32
    }
    fn uint(value: u64) -> Self {
        value as f32
    }
}

impl Number for f64 {
    fn float(value: f64) -> Self {
        value
    }
    fn int(value: i64) -> Self {
        value as f64
    }
    fn uint(value: u64) -> Self {
        value as f64
    }
}

/// Appends the numbers that `bytes` holds, in their order there. Bytes that do not make up a whole
/// number at the end are left out.
pub fn decode<T: Number>(dtype: Dtype, bytes: &[u8], out: &mut Vec<T>) {
    let big = dtype.big_endian;
    match (dtype.kind, dtype.size) {
        (Kind::Bool, _) => each(bytes, big, |b: [u8; 1]| T::uint(u64::from(b != [0])), out),
        (Kind::Int, 1) => each(bytes, big, |b| T::int(i8::from_le_bytes(b).into()), out),
        (Kind::Int, 2) => each(bytes, big, |b| T::int(i16::from_le_bytes(b).into()), out),
        (Kind::Int, 4) => each(bytes, big, |b| T::int(i32::from_le_bytes(b).into()), out),
        (Kind::Int, _) => each(bytes, big, |b| T::int(i64::from_le_bytes(b)), out),
        (Kind::Uint, 1) => each(bytes, big, |b| T::uint(u8::from_le_bytes(b).into()), out),
        (Kind::Uint, 2) => each(bytes, big, |b| T::uint(u16::from_le_bytes(b).into()), out),
        (Kind::Uint, 4) => each(bytes, big, |b| T::uint(u32::from_le_bytes(b).into()), out),
        (Kind::Uint, _) => each(bytes, big, |b| T::uint(u64::from_le_bytes(b)), out),
        (Kind::Float, 4) => each(bytes, big, |b| T::float(f32::from_le_bytes(b).into()), out),
        (Kind::Float, _) => each(bytes, big, |b| T::float(f64::from_le_bytes(b)), out),
    }
}

fn each<const N: usize, T>(
    bytes: &[u8],
    big_endian: bool,
    convert: impl Fn([u8; N]) -> T,
    out: &mut Vec<T>,
) {
    let (numbers, _) = bytes.as_chunks::<N>();
    if big_endian {
        let reversed = |mut b: [u8; N]| {
            b.reverse();
            b
        };
        out.extend(numbers.iter().map(|&b| convert(reversed(b))));
    } else {
        out.extend(numbers.iter().map(|&b| convert(b)));
    }
}

/// An array whose bytes lie in a file at hand.
#[derive(Clone, Debug, PartialEq)]
pub struct Array<'a> {
    header: Header,
    data: Cow<'a, [u8]>,
}

impl<'a> Array<'a> {
    /// Parses a whole `.npy` file.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(bytes: &'a [u8]) -> Result<Array<'a>, String> {
        let mut rest = bytes;
        let (header, _) = Header::read(&mut rest)?;
        Array::new(header, Cow::Borrowed(rest))
    }

    /// An array of these bytes, which must be as many as its shape says.
    ///
    /// # Errors
    /// If they are not.
    pub fn new(header: Header, data: Cow<'a, [u8]>) -> Result<Array<'a>, String> {
        if header.bytes() != Some(data.len()) {
            return Err(format!(
                "an array of shape {:?} of {}-byte values does not fit the {} bytes at hand",
                header.shape,
                header.dtype.size,
                data.len()
            ));
        }
        Ok(Array { header, data })
    }

    /// Its size along each axis.
    pub fn shape(&self) -> &[usize] {
        &self.header.shape
    }

    /// The type of its numbers.
    pub fn dtype(&self) -> Dtype {
        self.header.dtype
    }

    /// Its numbers in C order, the last index fastest.
    pub fn to_vec<T: Number>(&self) -> Vec<T> {
        let Header {
            dtype,
            fortran,
            ref shape,
        } = self.header;
        let mut out = Vec::with_capacity(self.data.len() / dtype.size);
        if !fortran || shape.len() < 2 {
            decode(dtype, &self.data, &mut out);
            return out;
        }
        let mut strides = vec![1; shape.len()];
        for axis in 1..shape.len() {
            strides[axis] = strides[axis - 1] * shape[axis - 1];
        }
        let (mut index, mut at) = (vec![0; shape.len()], 0);
        for _ in 0..out.capacity().min(self.data.len() / dtype.size) {
            let from = at * dtype.size;
            decode(dtype, &self.data[from..from + dtype.size], &mut out);
            for axis in (0..shape.len()).rev() {
                index[axis] += 1;
                at += strides[axis];
                if index[axis] < shape[axis] {
                    break;
                }
                at -= strides[axis] * shape[axis];
                index[axis] = 0;
            }
        }
        out
    }
}

/// These numbers, which must all be whole and at most 2⁵³ in size, as every index is.
///
/// # Errors
/// If one is not.
pub fn whole(values: Vec<f64>) -> Result<Vec<i64>, String> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let whole = |(i, v): (usize, f64)| {
        if v.trunc() == v && v.abs() <= EXACT {
            Ok(v as i64)
        } else {
            Err(format!("value {i} is {v}, and a whole number is expected"))
        }
    };
    values.into_iter().enumerate().map(whole).collect()
}
