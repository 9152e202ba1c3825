//! The bytes of a JSON text, read in pieces, with the place of the next one.

use std::io::{self, Read};

/// Bytes read at once.
const CHUNK_BYTES: usize = 64 << 10;

/// A place in a text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mark {
    /// From 1.
    pub(super) line: usize,
    /// In characters, from 1.
    pub(super) column: usize,
    /// In bytes, from 0.
    pub(super) offset: usize,
}

impl Mark {
    /// The place after some text without line ends.
    pub(super) fn after(self, text: &[u8]) -> Self {
        Mark {
            column: self.column + text.len() - continuations(text),
            offset: self.offset + text.len(),
            ..self
        }
    }
}

/// A reader with as much lookahead as is asked for.
pub(super) struct Input<R> {
    reader: R,
    buffer: Vec<u8>,
    at: usize,
    mark: Mark,
}

impl<R: Read> Input<R> {
    pub(super) fn new(reader: R) -> Self {
        let mark = Mark {
            line: 1,
            column: 1,
            offset: 0,
        };
        Input {
            reader,
            buffer: Vec::new(),
            at: 0,
            mark,
        }
    }

    /// The place of the next byte.
    pub(super) fn mark(&self) -> Mark {
        self.mark
    }

    /// The byte that is `ahead` bytes after the next one, if the text goes that far.
    pub(super) fn byte(&mut self, ahead: usize) -> io::Result<Option<u8>> {
        while self.at + ahead >= self.buffer.len() {
            if !self.fill()? {
                return Ok(None);
            }
        }
        Ok(Some(self.buffer[self.at + ahead]))
    }

    /// Reads more; false at the end of the text.
    fn fill(&mut self) -> io::Result<bool> {
        self.buffer.drain(..self.at);
        self.at = 0;
        let limit = CHUNK_BYTES as u64;
        let read = self.reader.by_ref().take(limit).read_to_end(&mut self.buffer)?;
        Ok(read > 0)
    }

    /// Steps over bytes that [`Input::byte`] has shown; they hold no line end.
    pub(super) fn skip(&mut self, count: usize) {
        self.mark = self.mark.after(&self.buffer[self.at..self.at + count]);
        self.at += count;
    }

    /// Steps over space and line ends.
    pub(super) fn skip_space(&mut self) -> io::Result<()> {
        while let Some(byte @ (b' ' | b'\t' | b'\n' | b'\r')) = self.byte(0)? {
            self.skip(1);
            if byte == b'\n' {
                self.mark.line += 1;
                self.mark.column = 1;
            }
        }
        Ok(())
    }

    /// Appends what stands for itself in a string, and tells the byte that ends it; stops soon after `most` bytes of text.
    pub(super) fn plain_text(&mut self, text: &mut Vec<u8>, most: usize) -> io::Result<Option<u8>> {
        loop {
            let rest = &self.buffer[self.at..];
            let is_special = |&byte: &u8| byte == b'"' || byte == b'\\' || byte < 0x20;
            let plain = rest.iter().position(is_special).unwrap_or(rest.len());
            text.extend(&rest[..plain]);
            self.skip(plain);
            let next = self.byte(0)?;
            if text.len() > most || next.is_none_or(|byte| is_special(&byte)) {
                return Ok(next);
            }
        }
    }
}

/// Bytes that go on with a character of UTF-8.
fn continuations(text: &[u8]) -> usize {
    text.iter().filter(|&&byte| byte & 0xC0 == 0x80).count()
}
