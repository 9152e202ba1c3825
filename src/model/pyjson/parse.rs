//! The parser behind [`PyJson::parse`].

use std::collections::HashMap;

use super::{PyInt, PyJson};

/// The deepest nesting of lists and objects that is read.
pub const MAX_DEPTH: usize = 128;

/// The longest integer that Python turns into text and back (`sys.get_int_max_str_digits()`).
const MAX_INT_DIGITS: usize = 4300;

/// Objects with more keys than this find repeated keys through a hash table.
const SCANNED_KEYS: usize = 16;

/// Where a text stops being JSON as Python reads it, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line} column {column}: {kind}")]
#[non_exhaustive]
pub struct PyJsonError {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// Offset in bytes, from 0.
    pub offset: usize,
    /// What is wrong there.
    pub kind: PyJsonErrorKind,
}

/// What is wrong with a text that should be JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PyJsonErrorKind {
    /// The bytes are not UTF-8.
    #[error("not UTF-8")]
    NotUtf8,
    /// No value starts here.
    #[error("a value is expected")]
    ExpectedValue,
    /// An object wants a key here.
    #[error("a key in double quotes is expected")]
    ExpectedKey,
    /// A key wants its colon here.
    #[error("`:` is expected")]
    ExpectedColon,
    /// A list or object goes on or ends here.
    #[error("`,` or the closing bracket is expected")]
    ExpectedComma,
    /// A string never ends.
    #[error("the string that starts here does not end")]
    UnterminatedString,
    /// A character below U+0020 stands unescaped in a string.
    #[error("raw control character in a string")]
    ControlCharacter,
    /// A backslash is followed by what is no escape.
    #[error("not an escape")]
    BadEscape,
    /// An escape of half a surrogate pair.
    #[error("lone surrogate in a string")]
    LoneSurrogate,
    /// An integer of more digits than Python converts.
    #[error("integer of more than 4300 digits")]
    IntTooLong,
    /// Nested too deeply.
    #[error("nested more than 128 deep")]
    TooDeep,
    /// Something follows the value.
    #[error("data after the end of the value")]
    TrailingData,
}

use PyJsonErrorKind as Kind;

/// A fault before its line and column are worked out.
type Fault = (usize, Kind);

pub(super) fn parse(bytes: &[u8]) -> Result<PyJson, PyJsonError> {
    let text = std::str::from_utf8(bytes)
        .map_err(|error| locate(bytes, (error.valid_up_to(), Kind::NotUtf8)))?;
    let mut parser = Parser {
        text,
        at: if text.starts_with('\u{feff}') { 3 } else { 0 },
    };
    parser.document().map_err(|fault| locate(bytes, fault))
}

fn locate(bytes: &[u8], (offset, kind): Fault) -> PyJsonError {
    let before = &bytes[..offset];
    let line_start = before
        .iter()
        .rposition(|&byte| byte == b'\n')
        .map_or(0, |at| at + 1);
    let is_char_start = |byte: &&u8| (**byte & 0xC0) != 0x80;
    PyJsonError {
        line: 1 + before.iter().filter(|&&byte| byte == b'\n').count(),
        column: 1 + before[line_start..].iter().filter(is_char_start).count(),
        offset,
        kind,
    }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl Parser<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn rest(&self) -> &[u8] {
        &self.text.as_bytes()[self.at..]
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// Steps over `byte` if it is next.
    fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn document(&mut self) -> Result<PyJson, Fault> {
        self.skip_space();
        let value = self.value(0)?;
        self.skip_space();
        if self.at == self.text.len() {
            Ok(value)
        } else {
            Err((self.at, Kind::TrailingData))
        }
    }

    fn value(&mut self, depth: usize) -> Result<PyJson, Fault> {
        match self.peek() {
            Some(b'"') => Ok(PyJson::Str(self.string()?)),
            Some(b'{' | b'[') if depth == MAX_DEPTH => Err((self.at, Kind::TooDeep)),
            Some(b'{') => self.dict(depth + 1),
            Some(b'[') => self.list(depth + 1),
            Some(b'n') => self.constant("null", PyJson::Null),
            Some(b't') => self.constant("true", PyJson::Bool(true)),
            Some(b'f') => self.constant("false", PyJson::Bool(false)),
            Some(b'N') => self.constant("NaN", PyJson::Float(f64::NAN)),
            Some(b'I') => self.constant("Infinity", PyJson::Float(f64::INFINITY)),
            Some(b'-') if self.rest().starts_with(b"-I") => {
                self.constant("-Infinity", PyJson::Float(f64::NEG_INFINITY))
            }
            _ => self.number(),
        }
    }

    fn constant(&mut self, name: &str, value: PyJson) -> Result<PyJson, Fault> {
        if !self.rest().starts_with(name.as_bytes()) {
            return Err((self.at, Kind::ExpectedValue));
        }
        self.at += name.len();
        Ok(value)
    }

    fn number(&mut self) -> Result<PyJson, Fault> {
        let start = self.at;
        self.eat(b'-');
        let digits = self.digits();
        if digits == 0 {
            return Err((start, Kind::ExpectedValue));
        }
        let fraction = self.fraction();
        let exponent = self.exponent();
        let text = &self.text[start..self.at];
        if fraction || exponent {
            // The grammar just read is a subset of what Rust reads, so this cannot fail.
            return text
                .parse()
                .map(PyJson::Float)
                .map_err(|_| (start, Kind::ExpectedValue));
        }
        match text.parse() {
            Ok(value) => Ok(PyJson::Int(PyInt::Small(value))),
            Err(_) if digits > MAX_INT_DIGITS => Err((start, Kind::IntTooLong)),
            Err(_) => Ok(PyJson::Int(PyInt::Big(text.to_owned()))),
        }
    }

    /// Steps over the digits of an integer, of which only a lone one may be 0, and counts them.
    fn digits(&mut self) -> usize {
        let limit = if self.peek() == Some(b'0') {
            1
        } else {
            usize::MAX
        };
        let count = self
            .rest()
            .iter()
            .take(limit)
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        self.at += count;
        count
    }

    /// Steps over `.` and digits, or over nothing.
    fn fraction(&mut self) -> bool {
        let [b'.', after @ ..] = self.rest() else {
            return false;
        };
        let count = after
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        self.at += if count == 0 { 0 } else { 1 + count };
        count != 0
    }

    /// Steps over an exponent, or over nothing.
    fn exponent(&mut self) -> bool {
        let [b'e' | b'E', after @ ..] = self.rest() else {
            return false;
        };
        let sign = usize::from(matches!(after.first(), Some(b'+' | b'-')));
        let count = after[sign..]
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        self.at += if count == 0 { 0 } else { 1 + sign + count };
        count != 0
    }

    fn list(&mut self, depth: usize) -> Result<PyJson, Fault> {
        self.at += 1;
        self.skip_space();
        let mut items = Vec::new();
        if self.eat(b']') {
            return Ok(PyJson::List(items));
        }
        loop {
            self.skip_space();
            items.push(self.value(depth)?);
            self.skip_space();
            if self.eat(b']') {
                return Ok(PyJson::List(items));
            }
            if !self.eat(b',') {
                return Err((self.at, Kind::ExpectedComma));
            }
        }
    }

    fn dict(&mut self, depth: usize) -> Result<PyJson, Fault> {
        self.at += 1;
        self.skip_space();
        let mut entries = Entries::default();
        if self.eat(b'}') {
            return Ok(entries.finish());
        }
        loop {
            self.skip_space();
            if self.peek() != Some(b'"') {
                return Err((self.at, Kind::ExpectedKey));
            }
            let key = self.string()?;
            self.skip_space();
            if !self.eat(b':') {
                return Err((self.at, Kind::ExpectedColon));
            }
            self.skip_space();
            entries.insert(key, self.value(depth)?);
            self.skip_space();
            if self.eat(b'}') {
                return Ok(entries.finish());
            }
            if !self.eat(b',') {
                return Err((self.at, Kind::ExpectedComma));
            }
        }
    }

    fn string(&mut self) -> Result<String, Fault> {
        let start = self.at;
        self.at += 1;
        let mut text = String::new();
        loop {
            let plain = self
                .rest()
                .iter()
                .position(|&byte| byte == b'"' || byte == b'\\' || byte < 0x20)
                .ok_or((start, Kind::UnterminatedString))?;
            text.push_str(&self.text[self.at..self.at + plain]);
            self.at += plain;
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(text);
                }
                Some(b'\\') => text.push(self.escape()?),
                _ => return Err((self.at, Kind::ControlCharacter)),
            }
        }
    }

    fn escape(&mut self) -> Result<char, Fault> {
        let start = self.at;
        let letter = self.rest().get(1).copied();
        self.at += 2;
        let plain = match letter {
            Some(b'u') => return self.unicode_escape(start),
            Some(byte @ (b'"' | b'\\' | b'/')) => char::from(byte),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            _ => return Err((start, Kind::BadEscape)),
        };
        Ok(plain)
    }

    fn unicode_escape(&mut self, start: usize) -> Result<char, Fault> {
        let high = self.four_hex().ok_or((start, Kind::BadEscape))?;
        if let Some(found) = char::from_u32(high) {
            return Ok(found);
        }
        if (0xD800..0xDC00).contains(&high) && self.rest().starts_with(b"\\u") {
            self.at += 2;
            let low = self.four_hex().ok_or((self.at - 2, Kind::BadEscape))?;
            if (0xDC00..0xE000).contains(&low) {
                let code = 0x1_0000 + ((high - 0xD800) << 10) + (low - 0xDC00);
                return char::from_u32(code).ok_or((start, Kind::LoneSurrogate));
            }
        }
        Err((start, Kind::LoneSurrogate))
    }

    fn four_hex(&mut self) -> Option<u32> {
        let digits = self.rest().get(..4)?;
        let mut code = 0;
        for digit in digits {
            code = code * 16 + char::from(*digit).to_digit(16)?;
        }
        self.at += 4;
        Some(code)
    }
}

/// The entries of an object while it is read.
#[derive(Default)]
struct Entries {
    entries: Vec<(String, PyJson)>,
    positions: HashMap<String, usize>,
}

impl Entries {
    fn insert(&mut self, key: String, value: PyJson) {
        match self.position(&key) {
            Some(at) => self.entries[at].1 = value,
            None => self.push(key, value),
        }
    }

    fn position(&self, key: &str) -> Option<usize> {
        if self.entries.len() > SCANNED_KEYS {
            return self.positions.get(key).copied();
        }
        self.entries.iter().position(|(name, _)| name == key)
    }

    fn push(&mut self, key: String, value: PyJson) {
        self.entries.push((key, value));
        let already = self.positions.len();
        if self.entries.len() > SCANNED_KEYS {
            for at in already..self.entries.len() {
                self.positions.insert(self.entries[at].0.clone(), at);
            }
        }
    }

    fn finish(self) -> PyJson {
        PyJson::Dict(self.entries)
    }
}
