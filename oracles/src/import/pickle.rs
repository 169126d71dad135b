//! Pickles, protocols 0 to 5, of plain data and NumPy arrays.
//!
//! A pickle is a program, and an ordinary unpickler lets it call anything. This one builds `None`,
//! booleans, numbers, strings, bytes, tuples, lists, dicts and NumPy's arrays, scalars and dtypes, by
//! Rust code that knows their constructors' names, and nothing else. Whatever else a pickle asks
//! for, be it a class, a function, an extension or a persistent object, is an error that names the
//! opcode, the name and the place. Nothing is ever executed.
//!
//! Objects lie in one flat table, so that neither deep nesting nor a structure that contains itself
//! can exhaust the stack, and sharing costs nothing. Memory is bounded by the file's size.

mod machine;
mod numpy;
mod text;

use std::borrow::Cow;
use std::path::Path;

use super::npy::{Array, Dtype, Header, Kind, Number, whole};
use crate::dataset::DatasetError;

/// Numbers in a row of a list of rows. A row may be shared, so longer ones could need far more memory
/// than the file; arrays have no such limit.
const MAX_ROW: usize = 2;

/// A pickle's objects.
#[derive(Debug)]
pub struct Pickle<'a> {
    objects: Vec<Object<'a>>,
    root: Value,
    /// Bytes that may still be unpacked from it.
    left: usize,
}

const DISPROPORTION: &str = "That is out of all proportion to the file: if it is meant so, save \
                             arrays instead of lists of numbers, and nothing twice";

/// A value in a [`Pickle`]: look at it with [`Pickle::view`].
#[derive(Copy, Clone, Debug, PartialEq)]
pub struct Value(Inner);

#[derive(Copy, Clone, Debug, PartialEq)]
enum Inner {
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    Object(u32),
}

#[derive(Debug)]
enum Object<'a> {
    Bytes(Cow<'a, [u8]>),
    Text(Cow<'a, str>),
    Tuple(Vec<Value>),
    List(Vec<Value>),
    Dict(Vec<(Value, Value)>),
    Dtype(Dtype),
    Array(Box<Array<'a>>),
    /// An array before it gets its numbers.
    Empty,
    Global(Global),
}

/// The callables that are known by name.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum Global {
    Reconstruct,
    FromBuffer,
    Scalar,
    Ndarray,
    Dtype,
    Encode,
    Bytes,
    ByteArray,
}

/// What a [`Value`] is.
#[derive(Copy, Clone, Debug)]
pub enum View<'p, 'a> {
    /// `None`
    None,
    /// A boolean.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A float.
    Float(f64),
    /// Bytes, a bytearray or a string of Python 2.
    Bytes(&'p [u8]),
    /// A string.
    Text(&'p str),
    /// A tuple.
    Tuple(&'p [Value]),
    /// A list.
    List(&'p [Value]),
    /// A dict's items, in the order of their insertion; of equal keys the last counts.
    Dict(&'p [(Value, Value)]),
    /// An array.
    Array(&'p Array<'a>),
    /// A dtype, a callable or an unfinished array on its own.
    Other,
}

impl View<'_, '_> {
    fn kind(&self) -> &'static str {
        match self {
            View::None => "None",
            View::Bool(_) => "a boolean",
            View::Int(_) | View::Float(_) => "a number",
            View::Bytes(_) => "bytes",
            View::Text(_) => "a string",
            View::Tuple(_) => "a tuple",
            View::List(_) => "a list",
            View::Dict(_) => "a dict",
            View::Array(_) => "an array",
            View::Other => "a dtype or a function",
        }
    }
}

impl<'a> Pickle<'a> {
    /// Reads a whole pickle; `file` is its name in errors.
    ///
    /// # Errors
    /// If it asks for anything but plain data and arrays, is damaged, or would unpack to far more than
    /// its size. The error's field is the offset of the opcode.
    pub fn parse(bytes: &'a [u8], file: &Path) -> Result<Self, DatasetError> {
        machine::run(bytes).map_err(|failure| {
            let reason = match failure.op {
                Some(op) => format!("{op}: {}", failure.reason),
                None => failure.reason,
            };
            DatasetError::new(file, format!("byte {}", failure.at), reason)
        })
    }

    /// The pickled value itself.
    pub fn root(&self) -> Value {
        self.root
    }

    /// Checks that so many bytes more are in proportion to the file. Readers call it with all that
    /// they are about to keep, since a pickle may name the same array over and over.
    pub(super) fn afford(&self, bytes: u128) -> Result<(), String> {
        if bytes <= self.left as u128 {
            return Ok(());
        }
        Err(format!(
            "it would need {bytes} bytes of memory. {DISPROPORTION}"
        ))
    }

    /// What `value` is.
    pub fn view(&self, value: Value) -> View<'_, 'a> {
        match value.0 {
            Inner::None => View::None,
            Inner::Bool(b) => View::Bool(b),
            Inner::Int(i) => View::Int(i),
            Inner::Float(f) => View::Float(f),
            Inner::Object(id) => match self.objects.get(id as usize) {
                Some(Object::Bytes(b)) => View::Bytes(b),
                Some(Object::Text(t)) => View::Text(t),
                Some(Object::Tuple(t)) => View::Tuple(t),
                Some(Object::List(l)) => View::List(l),
                Some(Object::Dict(d)) => View::Dict(d),
                Some(Object::Array(a)) => View::Array(a),
                _ => View::Other,
            },
        }
    }

    /// What a human would call `value`, such as `a list`.
    pub fn kind(&self, value: Value) -> &'static str {
        self.view(value).kind()
    }

    /// The entry of a dict under a key that is a string.
    pub fn get(&self, dict: Value, key: &str) -> Option<Value> {
        let View::Dict(items) = self.view(dict) else {
            return None;
        };
        let named = |k: Value| match self.view(k) {
            View::Text(text) => text == key,
            View::Bytes(bytes) => bytes == key.as_bytes(),
            _ => false,
        };
        items.iter().rev().find(|(k, _)| named(*k)).map(|(_, v)| *v)
    }

    /// An array, or a list or tuple of numbers or of rows of numbers, as numbers in C order and their
    /// shape.
    ///
    /// # Errors
    /// What the value is instead.
    pub fn numbers<T: Number>(&self, value: Value) -> Result<(Vec<T>, Vec<usize>), String> {
        let items = match self.view(value) {
            View::Array(array) => return Ok((array.to_vec(), array.shape().to_vec())),
            View::List(items) | View::Tuple(items) => items,
            other => return Err(format!("{} where an array is expected", other.kind())),
        };
        let mut out = Vec::with_capacity(items.len());
        let mut width = None;
        for (i, &item) in items.iter().enumerate() {
            let row = match self.view(item) {
                View::Tuple(row) | View::List(row) => row,
                _ => std::slice::from_ref(&item),
            };
            let scalar = matches!(
                self.view(item),
                View::Bool(_) | View::Int(_) | View::Float(_)
            );
            let this = (!scalar).then_some(row.len());
            if *width.get_or_insert(this) != this || row.len() > MAX_ROW {
                return Err(format!(
                    "item {i} has another length than those before it, or more than {MAX_ROW}"
                ));
            }
            for &number in row {
                out.push(match self.view(number) {
                    View::Bool(b) => T::uint(b.into()),
                    View::Int(n) => T::int(n),
                    View::Float(f) => T::float(f),
                    other => return Err(format!("item {i} is {}, not a number", other.kind())),
                });
            }
        }
        let shape = [Some(items.len()), width.flatten()];
        Ok((out, shape.into_iter().flatten().collect()))
    }
}

/// A dtype's one number, as a scalar.
fn scalar(dtype: Dtype, bytes: &[u8]) -> Result<Inner, String> {
    let header = Header {
        dtype,
        fortran: false,
        shape: Vec::new(),
    };
    let real = Array::new(header, Cow::Borrowed(bytes))?.to_vec::<f64>();
    let real = real.first().copied().unwrap_or(0.0);
    Ok(match dtype.kind {
        Kind::Bool => Inner::Bool(real != 0.0),
        Kind::Float => Inner::Float(real),
        Kind::Int | Kind::Uint => match whole(vec![real]).as_deref() {
            Ok(&[integer]) => Inner::Int(integer),
            _ => Inner::Float(real),
        },
    })
}
