//! Escapes with a backslash, as in JSON, Python and YAML, and with a percent sign, as in URIs.

use super::layer::{Hits, Layer, Matcher, SEPARATOR, Step};
use memchr::memchr;

/// Bytes that the longest escape has.
pub(super) const ESCAPE_BYTES: usize = 12;

/// What stands at a mark.
#[derive(Debug, PartialEq, Eq)]
enum Escape {
    /// An escape of this length, and the text it stands for.
    Of(usize, Vec<u8>),
    /// None.
    None,
    /// It may become one with what follows.
    Unfinished,
}

impl Escape {
    fn byte(length: usize, byte: u8) -> Self {
        Escape::Of(length, vec![byte])
    }

    fn character(length: usize, code: u32) -> Self {
        let character = char::from_u32(code);
        character.map_or(Escape::None, |character| {
            Escape::Of(length, character.to_string().into_bytes())
        })
    }
}

/// The number of so many hex digits; an error where there is none.
fn hex(text: &[u8], digits: usize) -> Result<u32, Escape> {
    let mut number = 0;
    for place in 0..digits {
        let digit = text.get(place).ok_or(Escape::Unfinished)?;
        let digit = char::from(*digit).to_digit(16).ok_or(Escape::None)?;
        number = number << 4 | digit;
    }
    Ok(number)
}

/// The escape that a text begins with, whose first byte is a backslash.
fn backslash(text: &[u8]) -> Result<Escape, Escape> {
    Ok(match text.get(1).ok_or(Escape::Unfinished)? {
        byte @ (b'"' | b'\\' | b'/' | b'\'') => Escape::byte(2, *byte),
        b'b' => Escape::byte(2, 8),
        b'f' => Escape::byte(2, 12),
        b'n' => Escape::byte(2, b'\n'),
        b'r' => Escape::byte(2, b'\r'),
        b't' => Escape::byte(2, b'\t'),
        // Two digits are a byte.
        b'x' => Escape::byte(4, hex(&text[2..], 2)? as u8),
        b'U' => Escape::character(10, hex(&text[2..], 8)?),
        b'u' => match hex(&text[2..], 4)? {
            high @ 0xd800..=0xdbff => {
                for (place, expected) in [(6, b'\\'), (7, b'u')] {
                    let found = text.get(place).ok_or(Escape::Unfinished)?;
                    if *found != expected {
                        return Ok(Escape::None);
                    }
                }
                match hex(&text[8..], 4)? {
                    low @ 0xdc00..=0xdfff => {
                        Escape::character(12, 0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00))
                    }
                    _ => Escape::None,
                }
            }
            code => Escape::character(6, code),
        },
        _ => Escape::None,
    })
}

/// The escape that a text begins with, whose first byte is a percent sign.
fn percent(text: &[u8]) -> Result<Escape, Escape> {
    Ok(Escape::byte(3, hex(&text[1..], 2)? as u8))
}

/// Decodes escapes of one sort and hands on what lies near them.
pub(super) struct Escapes {
    step: Step,
    /// Bytes at the end of what was seen that may begin an escape.
    undecided: usize,
    /// Bytes that are still near the last escape.
    near: usize,
    layer: Option<Box<Layer>>,
}

impl Escapes {
    pub(super) fn new(step: Step) -> Self {
        Escapes {
            step,
            undecided: 0,
            near: 0,
            layer: None,
        }
    }

    fn read(&self, text: &[u8]) -> Escape {
        let read = match self.step {
            Step::Percent => percent(text),
            _ => backslash(text),
        };
        read.unwrap_or_else(|what| what)
    }

    /// Takes what is new in a window, from `from` on.
    pub(super) fn feed(
        &mut self,
        matcher: &dyn Matcher,
        above: &[Step],
        window: &[u8],
        from: usize,
        is_end: bool,
        hits: &mut Hits<'_>,
    ) {
        let mark = if self.step == Step::Percent { b'%' } else { b'\\' };
        let near = matcher.near();
        let (mut at, mut decoded) = (from - self.undecided, Vec::new());
        self.undecided = 0;
        while at < window.len() {
            let Some(distance) = memchr(mark, &window[at..]) else {
                self.hand_on(&window[at..], &mut decoded);
                break;
            };
            let place = at + distance;
            match self.read(&window[place..]) {
                Escape::Of(length, bytes) => {
                    self.hand_on(&window[at..place], &mut decoded);
                    if self.near == 0 {
                        decoded.push(SEPARATOR);
                        decoded.extend_from_slice(&window[place.saturating_sub(near)..place]);
                    }
                    decoded.extend(bytes);
                    self.near = near;
                    at = place + length;
                }
                Escape::Unfinished if !is_end => {
                    self.hand_on(&window[at..place], &mut decoded);
                    self.undecided = window.len() - place;
                    break;
                }
                _ => {
                    self.hand_on(&window[at..=place], &mut decoded);
                    at = place + 1;
                }
            }
        }
        if !decoded.is_empty() {
            let layer = self
                .layer
                .get_or_insert_with(|| Box::new(Layer::below(above, self.step)));
            layer.push(matcher, &decoded, hits);
        }
        if let Some(layer) = self.layer.as_mut().filter(|_| is_end) {
            layer.finish(matcher, hits);
        }
    }

    /// Hands on what is near the last escape.
    fn hand_on(&mut self, text: &[u8], decoded: &mut Vec<u8>) {
        let near = self.near.min(text.len());
        decoded.extend_from_slice(&text[..near]);
        self.near -= near;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Escape {
        let read = match text.as_bytes()[0] {
            b'%' => percent(text.as_bytes()),
            _ => backslash(text.as_bytes()),
        };
        read.unwrap_or_else(|what| what)
    }

    #[test]
    fn escapes_stand_for_text() {
        for (escape, text) in [
            (r"\n", "\n"),
            (r#"\""#, "\""),
            (r"\u00e9", "é"),
            (r"\u00E9", "é"),
            (r"\ud83d\ude00", "😀"),
            (r"\U0001F600", "😀"),
            (r"\x41", "A"),
            ("%41", "A"),
            ("%2f", "/"),
        ] {
            assert_eq!(
                read(&format!("{escape} more")),
                Escape::Of(escape.len(), text.into())
            );
            for end in 1..escape.len() {
                assert_eq!(read(&escape[..end]), Escape::Unfinished, "{escape} to {end}");
            }
        }
        for text in [
            r"\q",
            r"\u00g0",
            r"\ud83dx",
            r"\ud83d\n",
            r"\ud83d\u0041",
            "%g0",
            "%4 ",
        ] {
            assert_eq!(read(text), Escape::None, "{text}");
        }
    }
}
