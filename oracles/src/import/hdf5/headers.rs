//! What an object's header says of types, looked at before hdf5-pure parses it.
//!
//! The library (0.47) parses a datatype by recursion without limit, and reserves room for as many
//! members as it claims to have: in 64 KiB a file could nest 6,000 records of 65,535 members each,
//! for a stack overflow and 30 GB. Of types that contain types, our formats need only booleans and
//! texts; the others are refused here.

use std::collections::BTreeSet;

/// A stretch of the file that the library is about to read.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Stretch {
    pub(super) offset: u64,
    pub(super) len: u64,
    pub(super) kind: Kind,
}

/// What lies there.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// The names of a group of the old kind.
    Names,
    /// Messages of an object header, each after `prefix` bytes.
    Messages {
        /// 8 in version 1; 4 in version 2, or 6 with the order of creation.
        prefix: usize,
    },
}

/// Which types the library will parse.
#[derive(Copy, Clone, PartialEq, Eq)]
pub(super) enum Types {
    /// None.
    Unused,
    /// The types of arrays.
    Arrays,
    /// The types of attributes.
    Attributes,
}

/// More members than the two of a boolean type are fine, but not any number.
const MOST_MEMBERS: u16 = 256;

/// Looks at what was read at `offset`: adds to `next` what it announces, and refuses types that
/// contain types. `kind` is what was announced of it, if something was.
pub(super) fn inspect(
    offset: u64,
    buf: &[u8],
    kind: Option<Kind>,
    types: Types,
    next: &mut BTreeSet<Stretch>,
) -> Result<(), &'static str> {
    if types == Types::Attributes && buf.starts_with(b"FRHP") {
        return Err("it has more attributes than fit its header");
    }
    match kind {
        // A continuation of version 2 has a signature before, and a checksum after its messages.
        Some(Kind::Messages { prefix: 8 }) => return messages(buf, 8, types, next),
        Some(Kind::Messages { prefix }) => {
            let inner = buf.get(4..buf.len().saturating_sub(4)).unwrap_or(&[]);
            return messages(inner, prefix, types, next);
        }
        Some(Kind::Names) => return Ok(()),
        None => {}
    }
    if buf.starts_with(b"OHDR") {
        let flags = buf.get(5).copied().unwrap_or(0);
        let times = if flags & 0x20 != 0 { 16 } else { 0 };
        let phases = if flags & 0x10 != 0 { 4 } else { 0 };
        let start = 6 + times + phases + (1 << (flags & 3));
        let prefix = if flags & 4 != 0 { 6 } else { 4 };
        let inner = buf.get(start..buf.len().saturating_sub(4)).unwrap_or(&[]);
        return messages(inner, prefix, types, next);
    }
    if let (16, Some(1), Some(len)) = (buf.len(), buf.first(), number(buf, 8, 4)) {
        announce(
            next,
            offset.saturating_add(16),
            len,
            Kind::Messages { prefix: 8 },
        );
    }
    if let (32, true) = (buf.len(), buf.starts_with(b"HEAP"))
        && let (Some(len), Some(offset)) = (number(buf, 8, 8), number(buf, 24, 8))
    {
        announce(next, offset, len, Kind::Names);
    }
    Ok(())
}

fn announce(next: &mut BTreeSet<Stretch>, offset: u64, len: u64, kind: Kind) {
    next.insert(Stretch { offset, len, kind });
}

fn messages(
    mut rest: &[u8],
    prefix: usize,
    types: Types,
    next: &mut BTreeSet<Stretch>,
) -> Result<(), &'static str> {
    // Type, length and flags: 2 bytes, 2 and 1 in version 1; 1, 2 and 1 in version 2.
    let wide = usize::from(prefix == 8);
    while let (Some(kind), Some(len), Some(flags)) = (
        number(rest, 0, 1 + wide),
        number(rest, 1 + wide, 2),
        rest.get(3 + wide),
    ) {
        let end = prefix + len as usize;
        let Some(body) = rest.get(prefix..end) else {
            break;
        };
        let shared = flags & 2 != 0;
        match (kind, types) {
            (0x03, Types::Arrays) if !shared => plain(body)?,
            (0x0C, Types::Attributes) if shared => return Err("it shares an attribute"),
            (0x0C, Types::Attributes) => attribute(body)?,
            (0x10, _) => {
                if let (Some(offset), Some(len)) = (number(body, 0, 8), number(body, 8, 8)) {
                    announce(next, offset, len, Kind::Messages { prefix });
                }
            }
            _ => {}
        }
        rest = &rest[end..];
    }
    Ok(())
}

/// Looks at the type of an attribute.
fn attribute(body: &[u8]) -> Result<(), &'static str> {
    let (Some(version), Some(name), Some(len)) =
        (body.first(), number(body, 2, 2), number(body, 4, 2))
    else {
        return Ok(());
    };
    let start = match version {
        1 => 8 + name.next_multiple_of(8),
        2 => 8 + name,
        _ => 9 + name,
    };
    let shared = *version > 1 && body.get(1).is_some_and(|flags| flags & 1 != 0);
    match body.get(start as usize..(start + len) as usize) {
        Some(datatype) if !shared => plain(datatype),
        _ => Ok(()),
    }
}

/// Refuses a type that contains others, except booleans and texts.
fn plain(datatype: &[u8]) -> Result<(), &'static str> {
    let class = |at: usize| datatype.get(at).map_or(0, |byte| byte & 15);
    let members = number(datatype, 1, 2).unwrap_or(0);
    match (class(0), class(8)) {
        (6, _) => Err("it holds records"),
        (8, 0) if members <= u64::from(MOST_MEMBERS) => Ok(()),
        (8, _) => Err("it holds an enumeration of unusual values"),
        (9, 0 | 1 | 3) => Ok(()),
        (9, _) => Err("it holds values of variable length that contain others"),
        (0..=7, _) => Ok(()),
        _ => Err("it holds elements that are arrays, or of an unknown kind"),
    }
}

/// The `len` bytes at `at` as a little-endian number.
fn number(bytes: &[u8], at: usize, len: usize) -> Option<u64> {
    let bytes = bytes.get(at..at + len)?;
    Some(
        bytes
            .iter()
            .rev()
            .fold(0, |n, &byte| n << 8 | u64::from(byte)),
    )
}
