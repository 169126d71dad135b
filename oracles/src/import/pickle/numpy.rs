//! The constructors of NumPy's arrays, dtypes and scalars, and of bytes, as pickles call them.

use std::borrow::Cow;

use super::machine::Machine;
use super::{Global, Inner, Object, Value, scalar};
use crate::import::npy::{Array, Dtype, Header};

impl<'a> Machine<'a> {
    /// Calls one of the known callables.
    pub fn reduce(&mut self, callable: Value, arguments: Value) -> Result<(), String> {
        let Some(&Object::Global(global)) = self.object(callable) else {
            return Err("calls something that is not a constructor of NumPy's".into());
        };
        let arguments = self.tuple(arguments)?;
        match (global, arguments.as_slice()) {
            (Global::Reconstruct, &[class, _, _]) => match self.object(class) {
                Some(Object::Global(Global::Ndarray)) => self.make(Object::Empty),
                _ => Err("makes an array of a class other than numpy.ndarray".into()),
            },
            (Global::Dtype, &[name, ..]) => {
                let dtype = Dtype::parse(&self.text(name)?)?;
                self.make(Object::Dtype(dtype))
            }
            (Global::FromBuffer, &[data, dtype, shape, order]) => {
                let fortran = self.text(order)? == "F";
                let header = self.header(dtype, shape, fortran)?;
                self.fill(header, data).and_then(|array| self.make(array))
            }
            (Global::Scalar, &[dtype, data]) => {
                let dtype = self.dtype(dtype)?;
                let number = match self.object(data) {
                    Some(Object::Bytes(bytes)) => scalar(dtype, bytes)?,
                    Some(Object::Text(text)) => scalar(dtype, &latin1(text)?)?,
                    _ => return Err("a scalar of something that is not bytes".into()),
                };
                self.push(number)
            }
            (Global::Encode, &[text, encoding]) => {
                let name = self.text(encoding)?.to_ascii_lowercase();
                self.encode(text, &name)
            }
            (Global::Bytes | Global::ByteArray, &[]) => self.make_bytes(Cow::Borrowed(&[])),
            (Global::Bytes | Global::ByteArray, &[data]) => {
                let bytes = self.data(data)?;
                self.make_bytes(bytes)
            }
            (Global::ByteArray, &[text, encoding]) => {
                let name = self.text(encoding)?.to_ascii_lowercase();
                self.encode(text, &name)
            }
            _ => Err(format!(
                "calls {global:?} with {} arguments",
                arguments.len()
            )),
        }
    }

    /// Gives an array its numbers, or a dtype its byte order.
    pub fn build(&mut self, object: Value, state: Value) -> Result<(), String> {
        let done = match self.object(object) {
            Some(Object::Empty | Object::Array(_)) => {
                let state = self.tuple(state)?;
                let [.., shape, dtype, fortran, data] = state[..] else {
                    return Err("an array's state has too few parts".into());
                };
                let header = self.header(dtype, shape, self.truth(fortran)?)?;
                self.fill(header, data)?
            }
            Some(&Object::Dtype(dtype)) => {
                let state = self.tuple(state)?;
                let &[_, order, subarray, names, ref rest @ ..] = state.as_slice() else {
                    return Err("a dtype's state has too few parts".into());
                };
                let fields = rest.first().copied().unwrap_or(Value(Inner::None));
                if [subarray, names, fields].iter().any(|v| v.0 != Inner::None) {
                    return Err("a structured dtype: save each field on its own".into());
                }
                let big_endian = self.text(order)? == ">";
                Object::Dtype(Dtype {
                    big_endian,
                    ..dtype
                })
            }
            _ => return Err("sets the state of something that is not an array".into()),
        };
        if let Inner::Object(id) = object.0
            && let Some(slot) = self.objects.get_mut(id as usize)
        {
            *slot = done;
        }
        Ok(())
    }

    fn fill(&mut self, header: Header, data: Value) -> Result<Object<'a>, String> {
        let data = self.data(data)?;
        self.spend(size_of::<Array<'_>>() + 8 * header.shape.len())?;
        Ok(Object::Array(Box::new(Array::new(header, data)?)))
    }

    fn header(&self, dtype: Value, shape: Value, fortran: bool) -> Result<Header, String> {
        let dtype = self.dtype(dtype)?;
        let sizes = self.tuple(shape)?;
        if sizes.len() > 32 {
            return Err("an array of more than 32 dimensions".into());
        }
        let size = |value: &Value| match value.0 {
            Inner::Int(n) => usize::try_from(n).map_err(|_| "an array of negative size".into()),
            _ => Err("an array's size is not an integer".to_string()),
        };
        Ok(Header {
            dtype,
            fortran,
            shape: sizes.iter().map(size).collect::<Result<_, _>>()?,
        })
    }

    fn dtype(&self, value: Value) -> Result<Dtype, String> {
        match self.object(value) {
            Some(&Object::Dtype(dtype)) => Ok(dtype),
            _ => Err("an array without a dtype".into()),
        }
    }

    fn truth(&self, value: Value) -> Result<bool, String> {
        match value.0 {
            Inner::Bool(b) => Ok(b),
            Inner::Int(n) => Ok(n != 0),
            _ => Err("a truth value is expected".into()),
        }
    }

    /// The items of an argument tuple; those of NumPy's have at most nine.
    fn tuple(&self, value: Value) -> Result<Vec<Value>, String> {
        match self.object(value) {
            Some(Object::Tuple(items)) if items.len() <= 64 => Ok(items.clone()),
            Some(Object::Tuple(_)) => Err("more arguments than NumPy has".into()),
            _ => Err("a tuple is expected".into()),
        }
    }

    /// The bytes of a bytes object: where the file holds them as they are, the file's.
    fn data(&mut self, value: Value) -> Result<Cow<'a, [u8]>, String> {
        let owned = match self.object(value) {
            Some(Object::Bytes(Cow::Borrowed(bytes))) => return Ok(Cow::Borrowed(bytes)),
            Some(Object::Bytes(Cow::Owned(bytes))) => bytes.len(),
            Some(Object::Text(text)) => text.len(),
            Some(Object::List(_)) => {
                return Err("an object array: its values are Python objects".into());
            }
            _ => return Err("bytes are expected".into()),
        };
        self.spend(owned)?;
        match self.object(value) {
            Some(Object::Bytes(bytes)) => Ok(Cow::Owned(bytes.to_vec())),
            Some(Object::Text(text)) => Ok(Cow::Owned(latin1(text)?)),
            _ => Err("bytes are expected".into()),
        }
    }

    /// `_codecs.encode(text, 'latin1')`, which is how protocols 0 to 2 hold bytes.
    fn encode(&mut self, text: Value, encoding: &str) -> Result<(), String> {
        if !matches!(encoding, "latin1" | "latin-1") {
            return Err("encodes a string as something other than latin1".into());
        }
        let len = match self.object(text) {
            Some(Object::Text(text)) => text.len(),
            _ => return Err("encodes something that is not a string".into()),
        };
        self.spend(len)?;
        let bytes = match self.object(text) {
            Some(Object::Text(text)) => latin1(text)?,
            _ => Vec::new(),
        };
        self.make(Object::Bytes(bytes.into()))
    }
}

fn latin1(text: &str) -> Result<Vec<u8>, String> {
    let mut out = Vec::with_capacity(text.len());
    for c in text.chars() {
        out.push(u8::try_from(u32::from(c)).map_err(|_| "a string that is not Latin-1")?);
    }
    Ok(out)
}
