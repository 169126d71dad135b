//! Text in pickles: numbers, literals, and the opcodes' names.

/// The beginning of a name.
pub(super) fn short(name: &[u8]) -> String {
    String::from_utf8_lossy(&name[..name.len().min(80)]).into_owned()
}

/// The number in a line.
pub(super) fn parsed<T: std::str::FromStr>(line: &[u8]) -> Result<T, String> {
    let text = std::str::from_utf8(line).unwrap_or_default().trim();
    text.parse()
        .map_err(|_| format!("{:?} is not such a number", short(line)))
}

/// The bytes of a Python 2 string literal.
pub(super) fn quoted(line: &[u8]) -> Result<Vec<u8>, String> {
    let inside = [b'\'', b'"']
        .iter()
        .find_map(|quote| line.strip_prefix(&[*quote])?.strip_suffix(&[*quote]))
        .ok_or("a string without quotes")?;
    let mut out = Vec::with_capacity(inside.len());
    let mut rest = inside.iter().copied();
    while let Some(b) = rest.next() {
        if b != b'\\' {
            out.push(b);
            continue;
        }
        out.push(match rest.next() {
            Some(b'n') => b'\n',
            Some(b't') => b'\t',
            Some(b'r') => b'\r',
            Some(b'x') => {
                let digit = |b: Option<u8>| char::from(b?).to_digit(16);
                match (digit(rest.next()), digit(rest.next())) {
                    (Some(high), Some(low)) => (16 * high + low) as u8,
                    _ => return Err("a bad \\x escape".into()),
                }
            }
            Some(other @ (b'\\' | b'\'' | b'"')) => other,
            _ => return Err("an unknown escape in a string".into()),
        });
    }
    Ok(out)
}

/// Python's raw-unicode-escape: Latin-1, with `\u` and `\U` escapes.
pub(super) fn unescaped(line: &[u8]) -> Result<String, String> {
    let mut out = String::with_capacity(2 * line.len());
    let mut rest = line;
    while let Some((&b, after)) = rest.split_first() {
        rest = after;
        let digits = match after.first() {
            Some(b'u') if b == b'\\' => 4,
            Some(b'U') if b == b'\\' => 8,
            _ => {
                out.push(char::from(b));
                continue;
            }
        };
        let code = after
            .get(1..=digits)
            .and_then(|hex| std::str::from_utf8(hex).ok())
            .and_then(|hex| u32::from_str_radix(hex, 16).ok())
            .and_then(char::from_u32);
        out.push(code.ok_or("a bad \\u escape")?);
        rest = &after[1 + digits..];
    }
    Ok(out)
}

/// An opcode's name in `pickletools`, or what a group of them makes.
pub(super) fn opcode(op: u8) -> &'static str {
    match op {
        b'(' => "MARK",
        b'.' => "STOP",
        b'c' => "GLOBAL",
        0x93 => "STACK_GLOBAL",
        b'R' => "REDUCE",
        b'b' => "BUILD",
        b'i' => "INST",
        b'o' => "OBJ",
        0x81 => "NEWOBJ",
        0x92 => "NEWOBJ_EX",
        b'P' => "PERSID",
        b'Q' => "BINPERSID",
        0x82 => "EXT1",
        0x83 => "EXT2",
        0x84 => "EXT4",
        0x8f => "EMPTY_SET",
        0x90 => "ADDITEMS",
        0x91 => "FROZENSET",
        0x97 => "NEXT_BUFFER",
        0x98 => "READONLY_BUFFER",
        0x80 => "PROTO",
        0x95 => "FRAME",
        b'p' | b'q' | b'r' | 0x94 => "memo PUT",
        b'g' | b'h' | b'j' => "memo GET",
        b'a' | b'e' => "APPENDS",
        b'd' | b's' | b'u' => "SETITEMS",
        b'l' => "LIST",
        b't' | 0x85..=0x87 | b')' => "TUPLE",
        b'0' | b'1' | b'2' => "POP",
        b'I' | b'K' | b'L' | b'M' | b'J' | 0x8a | 0x8b => "integer",
        b'F' | b'G' => "float",
        b'S' | b'T' | b'U' | b'B' | b'C' | 0x8e | 0x96 => "bytes",
        b'V' | b'X' | 0x8c | 0x8d => "string",
        b'N' | 0x88 | 0x89 => "constant",
        b']' | b'}' => "EMPTY_LIST",
        _ => "unknown opcode",
    }
}

/// What a refused opcode of the pickle language does.
pub(super) fn asks(op: u8) -> Option<&'static str> {
    Some(match op {
        b'i' | b'o' | 0x81 | 0x92 => "makes an object of a class",
        b'P' | b'Q' => "loads a persistent object",
        0x82..=0x84 => "loads from the extension registry",
        0x8f..=0x91 => "makes a set",
        0x97 | 0x98 => "takes a buffer from outside of the file",
        _ => return None,
    })
}

/// A little-endian two's complement integer of at most eight bytes.
pub(super) fn signed(bytes: &[u8]) -> i64 {
    let negative = bytes.last().is_some_and(|b| b & 0x80 != 0);
    let mut wide = [if negative { 0xff } else { 0 }; 8];
    for (to, from) in wide.iter_mut().zip(bytes) {
        *to = *from;
    }
    i64::from_le_bytes(wide)
}
