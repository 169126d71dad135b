//! The opcodes, as `pickletools` documents them.

use std::borrow::Cow;

use super::text::{asks, opcode, parsed, quoted, short, signed, unescaped};
use super::{DISPROPORTION, Global, Inner, Object, Pickle, Value};

/// What may be unpacked from every byte, and from a file however small. A value on a growing vector is
/// charged three times, for the copy while it grows.
const EXPANSION: usize = 8;
const FREE: usize = 768 << 10;
const SLOT: usize = 3 * size_of::<Value>();
const OBJECT: usize = 3 * size_of::<Object<'static>>();
/// How far a memo index may skip ahead; picklers number without gaps, from 0 or 1.
const MEMO_GAP: usize = 64;

/// Where and why it stopped.
pub(super) struct Failure {
    pub at: usize,
    pub op: Option<&'static str>,
    pub reason: String,
}

pub(super) struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    pub stack: Vec<Value>,
    marks: Vec<usize>,
    memo: Vec<Option<Value>>,
    pub objects: Vec<Object<'a>>,
    deepest: usize,
    most_marks: usize,
    spent: usize,
}

pub(super) fn run(bytes: &[u8]) -> Result<Pickle<'_>, Failure> {
    let mut machine = Machine {
        bytes,
        at: 0,
        stack: Vec::new(),
        marks: Vec::new(),
        memo: Vec::new(),
        objects: Vec::new(),
        deepest: 0,
        most_marks: 0,
        spent: 0,
    };
    loop {
        let at = machine.at;
        let op = machine.byte().map_err(|_| Failure {
            at,
            op: None,
            reason: "the pickle ends before its STOP: the file is cut short".into(),
        })?;
        match machine.step(op) {
            Ok(None) => {}
            Ok(Some(root)) => {
                return Ok(Pickle {
                    left: machine.most().saturating_sub(machine.spent),
                    objects: machine.objects,
                    root,
                });
            }
            Err(reason) => {
                let op = Some(opcode(op));
                return Err(Failure { at, op, reason });
            }
        }
    }
}

impl<'a> Machine<'a> {
    /// Executes one opcode; the result, if it was STOP.
    fn step(&mut self, op: u8) -> Result<Option<Value>, String> {
        match op {
            b'.' => return self.stop().map(Some),
            0x80 => {
                let version = self.byte()?;
                if version > 5 {
                    return Err(format!("protocol {version} is unknown: 0 to 5 are read"));
                }
            }
            0x95 => {
                let len = self.length(8)?;
                if len > self.bytes.len() - self.at {
                    return Err(format!("a frame of {len} bytes in a file cut short"));
                }
            }
            b'N' => self.push(Inner::None)?,
            0x88 => self.push(Inner::Bool(true))?,
            0x89 => self.push(Inner::Bool(false))?,
            b'K' => {
                let value = self.byte()?;
                self.push(Inner::Int(value.into()))?;
            }
            b'M' => {
                let [a, b] = self.array()?;
                self.push(Inner::Int(u16::from_le_bytes([a, b]).into()))?;
            }
            b'J' => {
                let value = i32::from_le_bytes(self.array()?);
                self.push(Inner::Int(value.into()))?;
            }
            b'G' => {
                let value = f64::from_be_bytes(self.array()?);
                self.push(Inner::Float(value))?;
            }
            0x8a => self.long(1)?,
            0x8b => self.long(4)?,
            b'I' | b'L' => {
                let line = self.line()?;
                let value = match (op, line) {
                    (b'I', b"00") => Inner::Bool(false),
                    (b'I', b"01") => Inner::Bool(true),
                    _ => Inner::Int(parsed(line.strip_suffix(b"L").unwrap_or(line))?),
                };
                self.push(value)?;
            }
            b'F' => {
                let value = parsed(self.line()?)?;
                self.push(Inner::Float(value))?;
            }
            b'S' => {
                let bytes = quoted(self.line()?)?;
                self.make_bytes(bytes.into())?;
            }
            b'T' | b'B' => self.sized_bytes(4)?,
            b'U' | b'C' => self.sized_bytes(1)?,
            0x8e | 0x96 => self.sized_bytes(8)?,
            b'V' => {
                let text = unescaped(self.line()?)?;
                self.spend(text.capacity())?;
                self.make(Object::Text(text.into()))?;
            }
            b'X' => self.sized_text(4)?,
            0x8c => self.sized_text(1)?,
            0x8d => self.sized_text(8)?,
            b'(' => self.mark()?,
            b'0' => match self.marks.last() {
                // Python's POP takes a mark off as well.
                Some(&mark) if mark == self.stack.len() => {
                    self.marks.pop();
                }
                _ => _ = self.pop()?,
            },
            b'1' => drop(self.since_mark()?),
            b'2' => {
                let top = self.pop()?;
                self.push(top.0)?;
                self.push(top.0)?;
            }
            b')' => self.make(Object::Tuple(Vec::new()))?,
            b't' => {
                let items = self.since_mark()?;
                self.make_tuple(items)?;
            }
            0x85 => self.small_tuple(1)?,
            0x86 => self.small_tuple(2)?,
            0x87 => self.small_tuple(3)?,
            b']' => self.make(Object::List(Vec::new()))?,
            b'l' => {
                let items = self.since_mark()?;
                self.make(Object::List(Vec::new()))?;
                self.append(&items)?;
            }
            b'a' => {
                let item = self.pop()?;
                self.append(&[item])?;
            }
            b'e' => {
                let items = self.since_mark()?;
                self.append(&items)?;
            }
            b'}' => self.make(Object::Dict(Vec::new()))?,
            b'd' => {
                let items = self.since_mark()?;
                self.make(Object::Dict(Vec::new()))?;
                self.insert(&items)?;
            }
            b's' => {
                let value = self.pop()?;
                let key = self.pop()?;
                self.insert(&[key, value])?;
            }
            b'u' => {
                let items = self.since_mark()?;
                self.insert(&items)?;
            }
            b'p' | b'q' | b'r' => {
                let index = self.index(op)?;
                self.put(index)?;
            }
            0x94 => self.put(self.memo.len())?,
            b'g' | b'h' | b'j' => {
                let index = self.index(op)?;
                self.get(index)?;
            }
            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                self.global(&short(module), &short(name))?;
            }
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                let (module, name) = (self.text(module)?, self.text(name)?);
                let (module, name) = (module.into_owned(), name.into_owned());
                self.global(&module, &name)?;
            }
            b'R' => {
                let arguments = self.pop()?;
                let callable = self.pop()?;
                self.reduce(callable, arguments)?;
            }
            b'b' => {
                let state = self.pop()?;
                let object = self.pop()?;
                self.build(object, state)?;
                self.push(object.0)?;
            }
            _ => return Err(self.refusal(op)),
        }
        Ok(None)
    }

    fn refusal(&mut self, op: u8) -> String {
        let of = match op {
            b'i' => match (self.line(), self.line()) {
                (Ok(module), Ok(name)) => format!(", {}.{}", short(module), short(name)),
                _ => String::new(),
            },
            b'P' => match self.line() {
                Ok(id) => format!(", {:?}", short(id)),
                Err(_) => String::new(),
            },
            _ => String::new(),
        };
        match asks(op) {
            Some(asks) => format!("{asks}{of}. {ONLY}"),
            None => "no such opcode: not a pickle, or a damaged one".into(),
        }
    }

    fn stop(&mut self) -> Result<Value, String> {
        let root = self.pop()?;
        let after = self.bytes.len() - self.at;
        if !self.stack.is_empty() || after > 0 {
            return Err(format!(
                "{} values are left over and {after} bytes follow: one value a file is read",
                self.stack.len()
            ));
        }
        Ok(root)
    }

    fn most(&self) -> usize {
        self.bytes
            .len()
            .saturating_mul(EXPANSION)
            .saturating_add(FREE)
    }

    /// Accounts for memory about to be used.
    pub fn spend(&mut self, bytes: usize) -> Result<(), String> {
        self.spent = self.spent.saturating_add(bytes);
        if self.spent <= self.most() {
            return Ok(());
        }
        Err(format!(
            "by here it needs more than {} bytes. {DISPROPORTION}",
            self.most()
        ))
    }

    pub fn push(&mut self, value: Inner) -> Result<(), String> {
        self.stack.push(Value(value));
        if self.stack.len() > self.deepest {
            self.deepest += 1;
            self.spend(SLOT)?;
        }
        Ok(())
    }

    pub fn pop(&mut self) -> Result<Value, String> {
        if self.marks.last() == Some(&self.stack.len()) {
            return Err("a value is missing".into());
        }
        self.stack.pop().ok_or_else(|| "a value is missing".into())
    }

    pub fn make(&mut self, object: Object<'a>) -> Result<(), String> {
        self.spend(OBJECT)?;
        let id = u32::try_from(self.objects.len()).map_err(|_| "too many objects")?;
        self.objects.push(object);
        self.push(Inner::Object(id))
    }

    pub fn make_bytes(&mut self, bytes: Cow<'a, [u8]>) -> Result<(), String> {
        if let Cow::Owned(owned) = &bytes {
            self.spend(owned.capacity())?;
        }
        self.make(Object::Bytes(bytes))
    }

    fn make_tuple(&mut self, items: Vec<Value>) -> Result<(), String> {
        self.spend(items.len() * SLOT)?;
        self.make(Object::Tuple(items))
    }

    fn small_tuple(&mut self, len: usize) -> Result<(), String> {
        let least = self.marks.last().copied().unwrap_or(0);
        match self.stack.len().checked_sub(len) {
            Some(from) if from >= least => {
                let items = self.stack.drain(from..).collect();
                self.make_tuple(items)
            }
            _ => Err("a value is missing".into()),
        }
    }

    fn mark(&mut self) -> Result<(), String> {
        self.marks.push(self.stack.len());
        if self.marks.len() > self.most_marks {
            self.most_marks += 1;
            self.spend(3 * size_of::<usize>())?;
        }
        Ok(())
    }

    fn since_mark(&mut self) -> Result<Vec<Value>, String> {
        let mark = self.marks.pop().ok_or("there is no MARK before it")?;
        // Not split_off, which hands out the whole capacity. The copy is of the stack, which is paid for.
        Ok(self.stack.drain(mark.min(self.stack.len())..).collect())
    }

    fn top(&mut self) -> Result<&mut Object<'a>, String> {
        let least = self.marks.last().copied().unwrap_or(0);
        match self.stack.get(least..).and_then(|s| s.last()) {
            Some(Value(Inner::Object(id))) => self
                .objects
                .get_mut(*id as usize)
                .ok_or_else(|| "a value is missing".into()),
            _ => Err("there is no object to add to".into()),
        }
    }

    fn append(&mut self, items: &[Value]) -> Result<(), String> {
        self.spend(items.len() * SLOT)?;
        match self.top()? {
            Object::List(list) => list.extend_from_slice(items),
            _ => return Err("adds to something that is not a list".into()),
        }
        Ok(())
    }

    fn insert(&mut self, items: &[Value]) -> Result<(), String> {
        self.spend(items.len() * SLOT)?;
        let (pairs, rest) = items.as_chunks::<2>();
        if !rest.is_empty() {
            return Err("a key has no value".into());
        }
        match self.top()? {
            Object::Dict(dict) => dict.extend(pairs.iter().map(|&[k, v]| (k, v))),
            _ => return Err("adds keys to something that is not a dict".into()),
        }
        Ok(())
    }

    /// The memo index that PUT or GET of a kind comes with.
    fn index(&mut self, op: u8) -> Result<usize, String> {
        match op {
            b'p' | b'g' => parsed(self.line()?),
            b'q' | b'h' => Ok(self.byte()?.into()),
            _ => self.length(4),
        }
    }

    fn put(&mut self, index: usize) -> Result<(), String> {
        let least = self.marks.last().copied().unwrap_or(0);
        let top = self.stack.get(least..).and_then(|s| s.last().copied());
        let top = top.ok_or("there is no value to remember")?;
        if index > self.memo.len() + MEMO_GAP {
            return Err(format!("memo {index} skips ahead of {}", self.memo.len()));
        }
        if index >= self.memo.len() {
            self.spend((index + 1 - self.memo.len()) * SLOT)?;
            self.memo.resize(index + 1, None);
        }
        self.memo[index] = Some(top);
        Ok(())
    }

    fn get(&mut self, index: usize) -> Result<(), String> {
        match self.memo.get(index) {
            Some(Some(value)) => {
                let value = value.0;
                self.push(value)
            }
            _ => Err(format!("nothing is remembered as {index}")),
        }
    }

    /// A name: a short string, or short bytes where Python 2 has one.
    pub fn text(&self, value: Value) -> Result<Cow<'_, str>, String> {
        const LONGEST: usize = 256;
        match self.object(value) {
            Some(Object::Text(text)) if text.len() <= LONGEST => Ok(Cow::Borrowed(text)),
            Some(Object::Bytes(bytes)) if bytes.len() <= LONGEST => {
                Ok(String::from_utf8_lossy(bytes))
            }
            Some(Object::Text(_) | Object::Bytes(_)) => {
                Err("a string of more than 256 bytes where a name is expected".into())
            }
            _ => Err("a string is expected".into()),
        }
    }

    pub fn object(&self, value: Value) -> Option<&Object<'a>> {
        match value.0 {
            Inner::Object(id) => self.objects.get(id as usize),
            _ => None,
        }
    }

    fn global(&mut self, module: &str, name: &str) -> Result<(), String> {
        let global = match (module, name) {
            ("numpy.core.multiarray" | "numpy._core.multiarray", "_reconstruct") => {
                Global::Reconstruct
            }
            ("numpy.core.multiarray" | "numpy._core.multiarray", "scalar") => Global::Scalar,
            ("numpy.core.numeric" | "numpy._core.numeric", "_frombuffer") => Global::FromBuffer,
            ("numpy", "ndarray") => Global::Ndarray,
            ("numpy", "dtype") => Global::Dtype,
            ("_codecs", "encode") => Global::Encode,
            ("builtins" | "__builtin__", "bytes") => Global::Bytes,
            ("builtins" | "__builtin__", "bytearray") => Global::ByteArray,
            _ => {
                return Err(format!("asks for {module}.{name}. {ONLY}"));
            }
        };
        self.make(Object::Global(global))
    }

    fn byte(&mut self) -> Result<u8, String> {
        Ok(self.array::<1>()?[0])
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let bytes = self.take(N)?;
        bytes.try_into().map_err(|_| CUT.into())
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], String> {
        let rest = &self.bytes[self.at..];
        let taken = rest.get(..len).ok_or(CUT)?;
        self.at += len;
        Ok(taken)
    }

    /// A length of `width` bytes, little-endian.
    fn length(&mut self, width: usize) -> Result<usize, String> {
        let mut wide = [0; 8];
        wide[..width].copy_from_slice(self.take(width)?);
        usize::try_from(u64::from_le_bytes(wide)).map_err(|_| CUT.into())
    }

    fn line(&mut self) -> Result<&'a [u8], String> {
        let rest = &self.bytes[self.at..];
        let len = rest.iter().position(|&b| b == b'\n').ok_or(CUT)?;
        self.at += len + 1;
        Ok(&rest[..len])
    }

    fn sized_bytes(&mut self, width: usize) -> Result<(), String> {
        let len = self.length(width)?;
        let bytes = self.take(len)?;
        self.make_bytes(Cow::Borrowed(bytes))
    }

    fn sized_text(&mut self, width: usize) -> Result<(), String> {
        let len = self.length(width)?;
        let text = std::str::from_utf8(self.take(len)?).map_err(|_| "a string is not UTF-8")?;
        self.make(Object::Text(Cow::Borrowed(text)))
    }

    /// A little-endian two's complement integer.
    fn long(&mut self, width: usize) -> Result<(), String> {
        let len = self.length(width)?;
        let bytes = self.take(len)?;
        if len > 8 {
            return Err("an integer of more than 64 bits".into());
        }
        self.push(Inner::Int(signed(bytes)))
    }
}

const CUT: &str = "the file is cut short";
const ONLY: &str = "Only plain data and NumPy arrays are read from a pickle, and nothing in it is \
                    ever executed: where you trust the file, load it and save its arrays with np.savez";
