//! The rules made ready: a quick search for marks, then the pattern of the rule at each.

use super::rules::{Rule, TOKENS, WORDS};
use crate::archive::search::{Matcher, Window};
use aho_corasick::{AhoCorasick, MatchKind};
use regex_automata::meta::{Config, Regex};
use regex_automata::util::syntax;
use regex_automata::{Anchored, Input};
use std::sync::LazyLock;

/// Bytes that a secret has at the most.
const SECRET_BYTES: usize = 2300;
/// Runs of base64 that hold fewer bytes hold no secret.
const LEAST_SECRET_BYTES: usize = 12;

/// The rules of this build.
pub(super) static RULES: LazyLock<Rules> = LazyLock::new(|| Rules {
    tokens: Marks::new(TOKENS, false),
    words: Marks::new(WORDS, true),
});

/// Rules made ready.
pub(super) struct Rules {
    tokens: Marks,
    words: Marks,
}

/// Rules with one search for their marks.
struct Marks {
    rules: &'static [Rule],
    patterns: Vec<Regex>,
    finder: AhoCorasick,
    /// The rule of each mark.
    owners: Vec<usize>,
    is_words: bool,
}

impl Marks {
    fn new(rules: &'static [Rule], is_words: bool) -> Self {
        let pattern = |rule: &Rule| {
            Regex::builder()
                .configure(Config::new().utf8_empty(false))
                .syntax(syntax::Config::new().utf8(false).unicode(false))
                .build(rule.pattern)
                .expect("the patterns of rules are right")
        };
        let marks: Vec<(usize, &str)> = (0..)
            .zip(rules)
            .flat_map(|(number, rule)| rule.marks.iter().map(move |mark| (number, *mark)))
            .collect();
        Marks {
            rules,
            patterns: rules.iter().map(pattern).collect(),
            finder: AhoCorasick::builder()
                .match_kind(MatchKind::Standard)
                .ascii_case_insensitive(is_words)
                .build(marks.iter().map(|(_, mark)| mark))
                .expect("the marks are few"),
            owners: marks.into_iter().map(|(number, _)| number).collect(),
            is_words,
        }
    }

    /// Tells of each secret its rule, where it begins and its length.
    fn find(&self, window: &Window<'_>, found: &mut dyn FnMut(usize, usize, usize)) {
        let bytes = window.bytes;
        if !self.finder.is_match(bytes) {
            return;
        }
        for mark in self.finder.find_overlapping_iter(bytes) {
            let number = self.owners[mark.pattern().as_usize()];
            let rule = &self.rules[number];
            let first = mark.start().saturating_sub(rule.back);
            // The earliest start is the whole of it, such as a scheme of which `s://` is the end.
            let secret = (first..=mark.start()).find_map(|start| self.secret_at(number, window, start));
            if let Some((start, end)) = secret
                && end >= window.seen
                && (rule.check)(&bytes[start..end])
            {
                found(number, start, end - start);
            }
        }
    }

    /// Start and end of the secret of a match that begins at a place.
    fn secret_at(&self, number: usize, window: &Window<'_>, start: usize) -> Option<(usize, usize)> {
        let bytes = window.bytes;
        // Part of a longer word is something else; what a telling word ends may be of any name.
        if !self.is_words && start > 0 && is_word(bytes[start - 1]) && bytes[start] != b'-' {
            return None;
        }
        let regex = &self.patterns[number];
        let input = Input::new(bytes).span(start..bytes.len()).anchored(Anchored::Yes);
        // Nearly always nothing fits, and this says so soonest.
        regex.search_half(&input)?;
        let mut captures = regex.create_captures();
        regex.search_captures(&input, &mut captures);
        let all = captures.get_match()?;
        // What follows may belong to it, and then it is seen again.
        let is_open = all.end() == bytes.len() && !window.is_end;
        let goes_on =
            bytes.get(all.end()).is_some_and(|next| is_word(*next)) && is_word(bytes[all.end() - 1]);
        if is_open || goes_on && self.rules[number].name != "uri-credentials" {
            return None;
        }
        let secret = captures.get_group(1).unwrap_or(all.span());
        Some((secret.start, secret.end))
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

impl Rules {
    /// Name of the rule of a number that was told.
    pub(super) fn name(&self, number: usize) -> &'static str {
        let rules = self.tokens.rules.iter().chain(self.words.rules);
        rules
            .map(|rule| rule.name)
            .nth(number / LENGTHS)
            .unwrap_or_default()
    }

    /// Length of the secret of a number that was told.
    pub(super) fn length(number: usize) -> usize {
        number % LENGTHS
    }
}

/// A number tells a rule and a length, which is smaller than this.
const LENGTHS: usize = 1 << 16;

impl Matcher for Rules {
    fn reach(&self) -> usize {
        SECRET_BYTES
    }

    fn near(&self) -> usize {
        SECRET_BYTES
    }

    fn shortest(&self) -> usize {
        LEAST_SECRET_BYTES
    }

    fn find(&self, window: &Window<'_>, found: &mut dyn FnMut(usize, usize)) {
        let number = |rule: usize, length: usize| rule * LENGTHS + length.min(LENGTHS - 1);
        self.tokens.find(window, &mut |rule, start, length| {
            found(number(rule, length), start)
        });
        let before = self.tokens.rules.len();
        self.words.find(window, &mut |rule, start, length| {
            found(number(before + rule, length), start)
        });
    }
}
