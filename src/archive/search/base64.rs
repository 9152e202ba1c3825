//! Runs of base64, of both alphabets, decoded from each of the four places where a group may begin.

use super::layer::{Hits, Layer, Matcher, SEPARATOR, Step};

/// Line ends within a run are passed over.
const SKIPPED: u8 = 64;
/// Whatever else is no base64, and ends a run.
const OTHER: u8 = 65;

/// What each byte is in base64.
static VALUES: [u8; 256] = values();

const fn values() -> [u8; 256] {
    let mut table = [OTHER; 256];
    let letters = *b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut place = 0;
    while place < letters.len() {
        table[letters[place] as usize] = place as u8;
        place += 1;
    }
    table[b'-' as usize] = 62;
    table[b'_' as usize] = 63;
    table[b'\r' as usize] = SKIPPED;
    table[b'\n' as usize] = SKIPPED;
    table
}

/// Decodes runs that are long enough to hold what is looked for.
pub(super) struct Base64 {
    /// Values of the run that were not decoded from every place.
    values: Vec<u8>,
    /// Whether a part of the run was decoded.
    is_decoding: bool,
    layers: Vec<Layer>,
}

/// What was decoded from each place.
type Decoded = [Vec<u8>; 4];

impl Base64 {
    pub(super) fn new() -> Self {
        Base64 {
            values: Vec::new(),
            is_decoding: false,
            layers: Vec::new(),
        }
    }

    /// Takes what is new in a window.
    pub(super) fn feed(
        &mut self,
        matcher: &dyn Matcher,
        above: &[Step],
        new: &[u8],
        is_end: bool,
        hits: &mut Hits<'_>,
    ) {
        let least = (matcher.shortest() * 4).div_ceil(3).max(2);
        let mut decoded = Decoded::default();
        for &byte in new {
            match VALUES[usize::from(byte)] {
                SKIPPED => {}
                OTHER => self.end_run(least, &mut decoded),
                value => self.values.push(value),
            }
        }
        if is_end {
            self.end_run(least, &mut decoded);
        } else if self.values.len() >= least.max(7) {
            let whole = (self.values.len() - 3) / 4 * 4;
            for (place, bytes) in decoded.iter_mut().enumerate() {
                decode(&self.values[place..place + whole], bytes);
            }
            self.values.drain(..whole);
            self.is_decoding = true;
        }
        if decoded.iter().any(|bytes| !bytes.is_empty()) && self.layers.is_empty() {
            self.layers = (0..4).map(|_| Layer::below(above, Step::Base64)).collect();
        }
        for (layer, bytes) in self.layers.iter_mut().zip(&decoded) {
            layer.push(matcher, bytes, hits);
            if is_end {
                layer.finish(matcher, hits);
            }
        }
    }

    fn end_run(&mut self, least: usize, decoded: &mut Decoded) {
        if self.is_decoding || self.values.len() >= least {
            for (place, bytes) in decoded.iter_mut().enumerate() {
                decode(self.values.get(place..).unwrap_or_default(), bytes);
                bytes.push(SEPARATOR);
            }
        }
        self.values.clear();
        self.is_decoding = false;
    }
}

/// Decodes groups of four, and what the last begins.
fn decode(values: &[u8], bytes: &mut Vec<u8>) {
    let (groups, rest) = values.as_chunks::<4>();
    for [a, b, c, d] in groups {
        bytes.extend([a << 2 | b >> 4, b << 4 | c >> 2, c << 6 | d]);
    }
    if let [a, b, rest @ ..] = rest {
        bytes.push(a << 2 | b >> 4);
        bytes.extend(rest.first().map(|c| b << 4 | c >> 2));
    }
}
