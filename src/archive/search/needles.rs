//! Texts and patterns that are looked for together.

use super::layer::{Matcher, Window};
use crate::platform::FileAt as _;
use aho_corasick::{AhoCorasick, MatchKind};
use regex_automata::Input;
use regex_automata::meta::{Config, Regex};
use regex_automata::util::syntax;
use std::fs::File;
use std::io;
use std::path::Path;

/// Bytes of a text that are looked for as one; of a longer text so many pieces of it.
const PIECE_BYTES: usize = 2048;
/// Pieces of a longer text, spread evenly from its start to its end.
const PIECES: u64 = 16;
/// Bytes that the match of a pattern has at the most, to be found for certain.
pub(crate) const MATCH_BYTES: usize = 4096;
/// Runs of base64 that hold fewer bytes are not searched for patterns.
const LEAST_MATCH_BYTES: usize = 6;
/// Bytes of a pattern's automaton.
const PATTERN_BYTES: usize = 4 << 20;

/// One thing that is looked for.
#[derive(Debug, Clone)]
pub(crate) enum Needle {
    /// A text, as the pieces of it that are looked for.
    Text(Vec<Vec<u8>>),
    /// A pattern.
    Pattern(Regex),
}

/// Why a pattern cannot be looked for.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct BadPattern(String);

impl Needle {
    /// A text; of a long one, pieces.
    pub(crate) fn text(text: &[u8]) -> Self {
        let pieces = piece_starts(text.len() as u64).into_iter().map(|start| {
            let start = start as usize;
            text[start..(start + PIECE_BYTES).min(text.len())].to_vec()
        });
        Needle::Text(pieces.collect())
    }

    /// The bytes of a file; none where it is empty.
    ///
    /// # Errors
    /// It cannot be read.
    pub(crate) fn file(path: &Path) -> io::Result<Option<Self>> {
        let file = File::open(path)?;
        let size_bytes = file.metadata()?.len();
        let mut pieces = Vec::new();
        for start in piece_starts(size_bytes) {
            let mut piece = vec![0; (size_bytes - start).min(PIECE_BYTES as u64) as usize];
            file.read_exact_at(&mut piece, start)?;
            pieces.push(piece);
        }
        Ok((size_bytes > 0).then_some(Needle::Text(pieces)))
    }

    /// A regular expression, over bytes.
    ///
    /// # Errors
    /// It is none, is too large, or matches where there is nothing.
    pub(crate) fn pattern(pattern: &str) -> Result<Self, BadPattern> {
        let config = Config::new()
            .utf8_empty(false)
            .nfa_size_limit(Some(PATTERN_BYTES))
            .hybrid_cache_capacity(PATTERN_BYTES);
        let regex = Regex::builder()
            .configure(config)
            .syntax(syntax::Config::new().utf8(false))
            .build(pattern)
            .map_err(|error| match (error.size_limit(), error.syntax_error()) {
                (Some(limit), _) => BadPattern(format!("it takes more than {limit} bytes")),
                (None, Some(error)) => BadPattern(error.to_string()),
                (None, None) => BadPattern(error.to_string()),
            })?;
        if regex.is_match("") {
            return Err(BadPattern("it matches the empty text".to_owned()));
        }
        Ok(Needle::Pattern(regex))
    }

    /// Bytes that it takes to look for it.
    pub(crate) fn size_bytes(&self) -> usize {
        match self {
            // Also as UTF-16, in both orders.
            Needle::Text(pieces) => pieces.iter().map(|piece| 5 * piece.len()).sum(),
            Needle::Pattern(_) => PATTERN_BYTES / 8,
        }
    }
}

/// Where the pieces of a text begin.
fn piece_starts(size_bytes: u64) -> Vec<u64> {
    let piece = PIECE_BYTES as u64;
    if size_bytes <= piece {
        return vec![0];
    }
    let count = size_bytes.div_ceil(piece).min(PIECES);
    (0..count)
        .map(|number| (u128::from(size_bytes - piece) * u128::from(number) / u128::from(count - 1)) as u64)
        .collect()
}

/// What a number that is told stands for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Told {
    /// Place of the needle in the list.
    pub(crate) needle: usize,
    /// The piece of it, as a bit.
    pub(crate) piece: u16,
    /// Whether it is written as UTF-16.
    pub(crate) is_utf16: bool,
}

/// Needles made ready.
pub(crate) struct Needles {
    texts: AhoCorasick,
    patterns: Vec<Regex>,
    told: Vec<Told>,
    pieces: Vec<u16>,
    reach: usize,
    shortest: usize,
}

impl Needles {
    /// Makes needles ready.
    ///
    /// # Errors
    /// They are too many.
    pub(crate) fn new(needles: &[Needle]) -> Result<Self, BadPattern> {
        let (mut texts, mut patterns) = (Vec::new(), Vec::new());
        let (mut told, mut told_patterns, mut pieces) = (Vec::new(), Vec::new(), Vec::new());
        for (needle, sought) in needles.iter().enumerate() {
            let tell = |piece, is_utf16| Told {
                needle,
                piece,
                is_utf16,
            };
            match sought {
                Needle::Text(list) => {
                    for (number, text) in list.iter().enumerate() {
                        for (form, is_utf16) in forms(text) {
                            texts.push(form);
                            told.push(tell(1 << number, is_utf16));
                        }
                    }
                    pieces.push(u16::MAX >> (16 - list.len().clamp(1, 16)));
                }
                Needle::Pattern(regex) => {
                    patterns.push(regex.clone());
                    told_patterns.push(tell(1, false));
                    pieces.push(1);
                }
            }
        }
        told.extend(told_patterns);
        let lengths = || texts.iter().map(Vec::len);
        let (longest, shortest) = (
            lengths().max().unwrap_or(1),
            lengths().min().unwrap_or(usize::MAX),
        );
        let has_patterns = !patterns.is_empty();
        Ok(Needles {
            reach: longest.max(if has_patterns { MATCH_BYTES } else { 0 }),
            shortest: shortest.min(if has_patterns {
                LEAST_MATCH_BYTES
            } else {
                usize::MAX / 8
            }),
            texts: AhoCorasick::builder()
                .match_kind(MatchKind::Standard)
                .build(&texts)
                .map_err(|error| BadPattern(error.to_string()))?,
            patterns,
            told,
            pieces,
        })
    }

    /// What a number stands for.
    pub(crate) fn told(&self, number: usize) -> Told {
        self.told[number]
    }

    /// How many needles there are.
    pub(crate) fn count(&self) -> usize {
        self.pieces.len()
    }

    /// All pieces of a needle, as bits.
    pub(crate) fn all_pieces(&self, needle: usize) -> u16 {
        self.pieces[needle]
    }
}

/// A text as it stands, with `+` for spaces, and as UTF-16.
fn forms(text: &[u8]) -> Vec<(Vec<u8>, bool)> {
    let mut forms = vec![(text.to_vec(), false)];
    if text.contains(&b' ') {
        let plus = text.iter().map(|byte| if *byte == b' ' { b'+' } else { *byte });
        forms.push((plus.collect(), false));
    }
    if let Ok(text) = std::str::from_utf8(text) {
        let units = || text.encode_utf16();
        forms.push((units().flat_map(u16::to_le_bytes).collect(), true));
        forms.push((units().flat_map(u16::to_be_bytes).collect(), true));
    }
    forms
}

impl Matcher for Needles {
    fn reach(&self) -> usize {
        self.reach
    }

    fn shortest(&self) -> usize {
        self.shortest
    }

    fn find(&self, window: &Window<'_>, found: &mut dyn FnMut(usize, usize)) {
        // Most windows have nothing, which is known fastest without overlaps.
        if self.texts.is_match(window.bytes) {
            for hit in self.texts.find_overlapping_iter(window.bytes) {
                if hit.end() > window.seen {
                    found(hit.pattern().as_usize(), hit.start());
                }
            }
        }
        let first = self.told.len() - self.patterns.len();
        for (number, regex) in (first..).zip(&self.patterns) {
            if let Some(start) = pattern_start(regex, window, self.reach) {
                found(number, start);
            }
        }
    }
}

/// Where a match of a pattern is. One that ends with the window is none yet: what follows may say otherwise, and has it again.
fn pattern_start(regex: &Regex, window: &Window<'_>, reach: usize) -> Option<usize> {
    // A full window begins with a byte that is there to be looked back at.
    let mut start = usize::from(window.seen == reach);
    while start <= window.bytes.len() {
        let input = Input::new(window.bytes).span(start..window.bytes.len());
        let end = regex.search_half(&input.earliest(true))?.offset();
        if end == window.bytes.len() && !window.is_end {
            return None;
        }
        if end >= window.seen {
            return Some(end.saturating_sub(1));
        }
        // It was told before; another may follow it.
        start = end.max(start + 1);
    }
    None
}
