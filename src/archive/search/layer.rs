//! Layers of decoding, each of which is searched.

use super::base64::Base64;
use super::escapes::{ESCAPE_BYTES, Escapes};
use crate::model::named::named;

/// Stands between stretches that do not follow each other. It is in no text of UTF-8.
pub(super) const SEPARATOR: u8 = 0xff;
/// Decodings one within the other, at most.
const STEPS: usize = 5;
/// The same where one of two is base64, which has four layers each time.
const STEPS_OF_TWICE_BASE64: usize = 3;

named! {
    /// A decoding.
    pub(crate) enum Step {
        /// Escapes with a backslash.
        Json = "escaped",
        /// Percent-encoding.
        Percent = "percent-encoded",
        /// Base64.
        Base64 = "base64",
    }
}

/// What a layer sees at once.
pub(crate) struct Window<'w> {
    /// The end of what was seen before, and what is new.
    pub(crate) bytes: &'w [u8],
    /// How many of these were seen before.
    pub(crate) seen: usize,
    /// Whether nothing follows.
    pub(crate) is_end: bool,
}

/// What is looked for.
pub(crate) trait Matcher: Sync {
    /// Bytes that a match has at the most.
    fn reach(&self) -> usize;

    /// Bytes on each side of an escape that may belong to a match which the escape is part of. Decodings within take more bytes than the
    /// match has: percent-encoding three for one, base64 four for three, a `\u` six for one.
    fn near(&self) -> usize {
        4 * self.reach() + (12 * self.reach()).min(4096)
    }

    /// Bytes that a match has at the least.
    fn shortest(&self) -> usize;

    /// Tells the number of each thing that ends in what is new, and where it begins in the window.
    fn find(&self, window: &Window<'_>, found: &mut dyn FnMut(usize, usize));
}

/// Something that was found.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Hit<'h> {
    /// Number of what was looked for.
    pub(crate) number: usize,
    /// The decodings through which it was found, the outermost first.
    pub(crate) steps: &'h [Step],
    /// Where it begins, as bytes from the start of the stream; where it was decoded, near that.
    pub(crate) offset: u64,
}

/// Who is told of hits, and where the current piece is in the stream.
pub(super) struct Hits<'h> {
    found: &'h mut dyn FnMut(Hit<'_>),
    start: u64,
}

/// Bytes to be searched, given piece by piece.
pub(crate) struct Stream<'m> {
    matcher: &'m dyn Matcher,
    root: Layer,
    position: u64,
}

impl<'m> Stream<'m> {
    /// At the start.
    pub(crate) fn new(matcher: &'m dyn Matcher) -> Self {
        Stream {
            matcher,
            root: Layer::new(Vec::new()),
            position: 0,
        }
    }

    /// Takes the next piece.
    pub(crate) fn push(&mut self, piece: &[u8], found: &mut dyn FnMut(Hit<'_>)) {
        let start = self.position;
        self.root.push(self.matcher, piece, &mut Hits { found, start });
        self.position += piece.len() as u64;
    }

    /// Nothing follows.
    pub(crate) fn finish(mut self, found: &mut dyn FnMut(Hit<'_>)) {
        let start = self.position;
        self.root.finish(self.matcher, &mut Hits { found, start });
    }

    /// Searches bytes that are there as a whole.
    pub(crate) fn search(matcher: &'m dyn Matcher, bytes: &[u8], found: &mut dyn FnMut(Hit<'_>)) {
        let mut stream = Stream::new(matcher);
        stream.push(bytes, found);
        stream.finish(found);
    }
}

enum Decoder {
    Escapes(Escapes),
    Base64(Base64),
}

/// Bytes that came out of decodings, or the stream itself.
pub(super) struct Layer {
    steps: Vec<Step>,
    /// The end of what was seen.
    tail: Vec<u8>,
    decoders: Vec<Decoder>,
}

impl Layer {
    /// A layer below another.
    pub(super) fn below(above: &[Step], step: Step) -> Self {
        Layer::new([above, &[step]].concat())
    }

    fn new(steps: Vec<Step>) -> Self {
        let count = |step: Step| steps.iter().filter(|other| **other == step).count();
        let base64 = count(Step::Base64);
        let has_room = steps.len() < if base64 < 2 { STEPS } else { STEPS_OF_TWICE_BASE64 };
        let mut decoders = Vec::new();
        if has_room && count(Step::Json) < 4 {
            decoders.push(Decoder::Escapes(Escapes::new(Step::Json)));
        }
        if has_room && count(Step::Percent) < 2 {
            decoders.push(Decoder::Escapes(Escapes::new(Step::Percent)));
        }
        if base64 == 0 && has_room || base64 == 1 && steps.len() < STEPS_OF_TWICE_BASE64 {
            decoders.push(Decoder::Base64(Base64::new()));
        }
        Layer {
            steps,
            tail: Vec::new(),
            decoders,
        }
    }

    /// Takes the next piece.
    pub(super) fn push(&mut self, matcher: &dyn Matcher, piece: &[u8], hits: &mut Hits<'_>) {
        if !piece.is_empty() {
            self.take(matcher, piece, false, hits);
        }
    }

    /// Nothing follows.
    pub(super) fn finish(&mut self, matcher: &dyn Matcher, hits: &mut Hits<'_>) {
        self.take(matcher, &[], true, hits);
    }

    fn take(&mut self, matcher: &dyn Matcher, piece: &[u8], is_end: bool, hits: &mut Hits<'_>) {
        let seen = self.tail.len();
        let bytes = [&self.tail, piece].concat();
        let start_of_window = seen.saturating_sub(matcher.reach());
        let window = Window {
            bytes: &bytes[start_of_window..],
            seen: seen - start_of_window,
            is_end,
        };
        let is_root = self.steps.is_empty();
        matcher.find(&window, &mut |number, start| {
            let exact = (hits.start + start as u64).saturating_sub(window.seen as u64);
            let offset = if is_root { exact } else { hits.start };
            (hits.found)(Hit {
                number,
                steps: &self.steps,
                offset,
            });
        });
        for decoder in &mut self.decoders {
            match decoder {
                Decoder::Escapes(escapes) => {
                    escapes.feed(matcher, &self.steps, &bytes, seen, is_end, hits);
                }
                Decoder::Base64(base64) => base64.feed(matcher, &self.steps, piece, is_end, hits),
            }
        }
        let kept = bytes.len().min(matcher.near() + ESCAPE_BYTES);
        self.tail = bytes[bytes.len() - kept..].to_vec();
    }
}
