//! The parser behind [`PyJson::parse`] and [`PyJson::read`]: one pass over a stream, one item of lookahead.

use super::error::{PyJsonError, PyJsonErrorKind as Kind, PyJsonReadError};
use super::input::{Input, Mark};
use super::{ListSink, PyInt, PyJson};
use crate::model::keyed::KeyedEntries;
use std::io::Read;

/// The deepest nesting of lists and objects that is read.
pub(crate) const MAX_DEPTH: usize = 128;

/// The longest integer that Python turns into text and back (`sys.get_int_max_str_digits()`).
const MAX_INT_DIGITS: usize = 4300;

/// Most bytes that a value holds, less the lists that are streamed: far more than any object of an archive.
pub(crate) const MAX_HELD_BYTES: usize = 256 << 20;

/// A longer text may be taken in pieces.
const LONG_BYTES: usize = 1 << 20;

/// Bytes that a value takes besides its text.
const VALUE_BYTES: usize = 32;

type Result<T> = std::result::Result<T, PyJsonReadError>;

pub(super) fn read(reader: impl Read, sink: &mut dyn ListSink) -> Result<PyJson> {
    read_within(reader, sink, MAX_HELD_BYTES)
}

pub(super) fn read_within(reader: impl Read, sink: &mut dyn ListSink, room: usize) -> Result<PyJson> {
    let mut parser = Parser {
        input: Input::new(reader),
        sink,
        room,
        path: Vec::new(),
        lists: 0,
    };
    parser.document()
}

struct Parser<'a, R> {
    input: Input<R>,
    sink: &'a mut dyn ListSink,
    path: Vec<String>,
    /// Bytes that may still be held.
    room: usize,
    /// Lists around the next value.
    lists: usize,
}

impl<R: Read> Parser<'_, R> {
    fn document(&mut self) -> Result<PyJson> {
        if [0, 1, 2].map(|at| self.input.byte(at).ok().flatten()) == [0xEF, 0xBB, 0xBF].map(Some) {
            self.input.skip(3);
        }
        self.input.skip_space()?;
        let value = self.value(0)?;
        self.input.skip_space()?;
        match self.input.byte(0)? {
            None => Ok(value),
            Some(_) => self.fail(Kind::TrailingData),
        }
    }

    fn fail<T>(&self, kind: Kind) -> Result<T> {
        Err(fault(self.input.mark(), kind))
    }

    fn value(&mut self, depth: usize) -> Result<PyJson> {
        self.hold(VALUE_BYTES)?;
        match self.input.byte(0)? {
            Some(b'"') => Ok(PyJson::Str(self.string(true)?)),
            Some(b'{' | b'[') if depth == MAX_DEPTH => self.fail(Kind::TooDeep),
            Some(b'{') => self.dict(depth + 1),
            Some(b'[') => self.list(depth + 1),
            Some(b'n') => self.constant("null", PyJson::Null),
            Some(b't') => self.constant("true", PyJson::Bool(true)),
            Some(b'f') => self.constant("false", PyJson::Bool(false)),
            Some(b'N') => self.constant("NaN", PyJson::Float(f64::NAN)),
            Some(b'I') => self.constant("Infinity", PyJson::Float(f64::INFINITY)),
            Some(b'-') if self.input.byte(1)? == Some(b'I') => {
                self.constant("-Infinity", PyJson::Float(f64::NEG_INFINITY))
            }
            _ => self.number(),
        }
    }

    fn hold(&mut self, bytes: usize) -> Result<()> {
        match self.room.checked_sub(bytes) {
            Some(room) => self.room = room,
            None => return self.fail(Kind::TooLarge),
        }
        Ok(())
    }

    fn constant(&mut self, name: &str, value: PyJson) -> Result<PyJson> {
        for (at, byte) in name.bytes().enumerate() {
            if self.input.byte(at)? != Some(byte) {
                return self.fail(Kind::ExpectedValue);
            }
        }
        self.input.skip(name.len());
        Ok(value)
    }

    fn number(&mut self) -> Result<PyJson> {
        let start = self.input.mark();
        let mut text = String::new();
        if self.input.byte(0)? == Some(b'-') {
            self.take(1, &mut text)?;
        }
        let sign_bytes = text.len();
        // Only a lone digit may be 0.
        let limit = if self.input.byte(0)? == Some(b'0') {
            1
        } else {
            usize::MAX
        };
        self.digits(limit, &mut text)?;
        let digits = text.len() - sign_bytes;
        if digits == 0 {
            return Err(fault(start, Kind::ExpectedValue));
        }
        let fraction = self.fraction(&mut text)?;
        let exponent = self.exponent(&mut text)?;
        if fraction || exponent {
            let value = text.parse().expect("the grammar is one that Rust reads");
            return Ok(PyJson::Float(value));
        }
        match text.parse() {
            Ok(value) => Ok(PyJson::Int(PyInt::Small(value))),
            Err(_) if digits > MAX_INT_DIGITS => Err(fault(start, Kind::IntTooLong)),
            Err(_) => Ok(PyJson::Int(PyInt::Big(text))),
        }
    }

    /// Moves `count` bytes, which are there and are ASCII, into a text.
    fn take(&mut self, count: usize, text: &mut String) -> Result<()> {
        for at in 0..count {
            text.extend(self.input.byte(at)?.map(char::from));
        }
        self.input.skip(count);
        Ok(())
    }

    fn digits(&mut self, limit: usize, text: &mut String) -> Result<()> {
        let mut taken = 0;
        while taken < limit && self.is_digit(0)? {
            self.take(1, text)?;
            taken += 1;
        }
        Ok(())
    }

    fn is_digit(&mut self, at: usize) -> Result<bool> {
        Ok(self.input.byte(at)?.is_some_and(|byte| byte.is_ascii_digit()))
    }

    /// Steps over `.` and digits, or over nothing.
    fn fraction(&mut self, text: &mut String) -> Result<bool> {
        let found = self.input.byte(0)? == Some(b'.') && self.is_digit(1)?;
        if found {
            self.take(1, text)?;
            self.digits(usize::MAX, text)?;
        }
        Ok(found)
    }

    /// Steps over an exponent, or over nothing.
    fn exponent(&mut self, text: &mut String) -> Result<bool> {
        if !matches!(self.input.byte(0)?, Some(b'e' | b'E')) {
            return Ok(false);
        }
        let sign = usize::from(matches!(self.input.byte(1)?, Some(b'+' | b'-')));
        let found = self.is_digit(1 + sign)?;
        if found {
            self.take(1 + sign, text)?;
            self.digits(usize::MAX, text)?;
        }
        Ok(found)
    }

    fn list(&mut self, depth: usize) -> Result<PyJson> {
        self.input.skip(1);
        let streamed = self.lists == 0 && self.sink.begin(&self.path);
        self.lists += 1;
        let items = self.items(depth, streamed)?;
        self.lists -= 1;
        Ok(PyJson::List(items))
    }

    fn items(&mut self, depth: usize, streamed: bool) -> Result<Vec<PyJson>> {
        let mut items = Vec::new();
        if self.ends_with(b']')? {
            return Ok(items);
        }
        loop {
            self.input.skip_space()?;
            let room = self.room;
            let item = self.value(depth)?;
            if streamed {
                self.sink.item(item);
                self.room = room;
            } else {
                items.push(item);
            }
            if self.ends_with(b']')? {
                return Ok(items);
            }
            self.expect(b',', Kind::ExpectedComma)?;
        }
    }

    fn dict(&mut self, depth: usize) -> Result<PyJson> {
        self.input.skip(1);
        let mut entries = KeyedEntries::default();
        if self.ends_with(b'}')? {
            return Ok(PyJson::Dict(entries.finish()));
        }
        loop {
            self.input.skip_space()?;
            if self.input.byte(0)? != Some(b'"') {
                return self.fail(Kind::ExpectedKey);
            }
            let key = self.string(false)?;
            self.input.skip_space()?;
            self.expect(b':', Kind::ExpectedColon)?;
            self.input.skip_space()?;
            self.path.push(key);
            let value = self.value(depth)?;
            let key = self.path.pop().expect("it was pushed before the value");
            entries.insert(key, value);
            if self.ends_with(b'}')? {
                return Ok(PyJson::Dict(entries.finish()));
            }
            self.expect(b',', Kind::ExpectedComma)?;
        }
    }

    /// Steps over space, and over the closing bracket if it is next.
    fn ends_with(&mut self, bracket: u8) -> Result<bool> {
        self.input.skip_space()?;
        let found = self.input.byte(0)? == Some(bracket);
        self.input.skip(usize::from(found));
        Ok(found)
    }

    fn expect(&mut self, byte: u8, kind: Kind) -> Result<()> {
        if self.input.byte(0)? != Some(byte) {
            return self.fail(kind);
        }
        self.input.skip(1);
        Ok(())
    }

    fn string(&mut self, may_be_taken: bool) -> Result<String> {
        let start = self.input.mark();
        self.input.skip(1);
        let mut text = Vec::new();
        // Bytes of it that are known to be UTF-8.
        let mut checked = 0;
        let mut is_taken = false;
        let most = if may_be_taken {
            self.room.min(LONG_BYTES)
        } else {
            self.room
        };
        loop {
            let before = self.input.mark();
            let stop = self.input.plain_text(&mut text, most)?;
            match std::str::from_utf8(&text[checked..]) {
                Ok(_) => checked = text.len(),
                // It stopped within a character, which goes on.
                Err(error) if error.error_len().is_none() && stop.is_some_and(goes_on) => {
                    checked += error.valid_up_to();
                }
                Err(error) => {
                    let good = &text[checked..checked + error.valid_up_to()];
                    return Err(fault(before.after(good), Kind::NotUtf8));
                }
            }
            if checked > LONG_BYTES && may_be_taken && self.sink.text_piece(&text[..checked])? {
                is_taken = true;
                text.drain(..checked);
                checked = 0;
            }
            match stop {
                _ if text.len() > self.room => return self.fail(Kind::TooLarge),
                Some(byte) if byte >= 0x20 && byte != b'"' && byte != b'\\' => {}
                Some(b'"') => {
                    self.input.skip(1);
                    if is_taken {
                        self.sink.text_piece(&text)?;
                        text = self.sink.text_end()?.into_bytes();
                    }
                    self.hold(text.len())?;
                    return Ok(String::from_utf8(text).expect("each part was checked"));
                }
                Some(b'\\') => {
                    let character = self.escape()?;
                    text.extend(character.encode_utf8(&mut [0; 4]).bytes());
                    checked = text.len();
                }
                Some(_) => return self.fail(Kind::ControlCharacter),
                None => return Err(fault(start, Kind::UnterminatedString)),
            }
        }
    }

    fn escape(&mut self) -> Result<char> {
        let plain = match self.input.byte(1)? {
            Some(b'u') => return self.unicode_escape(),
            Some(byte @ (b'"' | b'\\' | b'/')) => char::from(byte),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            _ => return self.fail(Kind::BadEscape),
        };
        self.input.skip(2);
        Ok(plain)
    }

    fn unicode_escape(&mut self) -> Result<char> {
        let Some(high) = self.four_hex(2)? else {
            return self.fail(Kind::BadEscape);
        };
        if let Some(character) = char::from_u32(high) {
            self.input.skip(6);
            return Ok(character);
        }
        let next = [self.input.byte(6)?, self.input.byte(7)?];
        let low = if next == [Some(b'\\'), Some(b'u')] {
            self.four_hex(8)?
        } else {
            None
        };
        match low {
            Some(low @ 0xDC00..0xE000) if high < 0xDC00 => {
                self.input.skip(12);
                let code = 0x1_0000 + ((high - 0xD800) << 10) + (low - 0xDC00);
                Ok(char::from_u32(code).expect("a surrogate pair names a character"))
            }
            _ => self.fail(Kind::LoneSurrogate),
        }
    }

    /// The four hex digits at a distance.
    fn four_hex(&mut self, from: usize) -> Result<Option<u32>> {
        let mut code = 0;
        for at in from..from + 4 {
            let digit = self
                .input
                .byte(at)?
                .and_then(|byte| char::from(byte).to_digit(16));
            let Some(digit) = digit else { return Ok(None) };
            code = code * 16 + digit;
        }
        Ok(Some(code))
    }
}

/// Whether a byte goes on with a character of UTF-8.
fn goes_on(byte: u8) -> bool {
    byte & 0xC0 == 0x80
}

fn fault(mark: Mark, kind: Kind) -> PyJsonReadError {
    let Mark { line, column, offset } = mark;
    PyJsonReadError::Json(PyJsonError {
        line,
        column,
        offset,
        kind,
    })
}

#[cfg(test)]
mod tests;
