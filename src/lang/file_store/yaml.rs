//! YAML as PyYAML's safe loader reads it, with the source text of every scalar kept.
//!
//! MLflow writes its `meta.yaml` files with PyYAML, a YAML 1.1 implementation with a narrower rule for floats: it
//! leaves strings such as `1e3`, `12e45678`, `0o17`, `NaN` and `y` unquoted. A field that is known to be a string
//! takes [`Node::text`], the scalar's text; a field that is not known is resolved by [`Node::resolve`].

use super::yaml_scalar::resolve;
use super::yaml_simple;
use crate::model::keyed::KeyedEntries;
use crate::model::pyjson::PyJson;
use saphyr_parser::{Event, Parser, ScalarStyle, Span};
use std::borrow::Cow;
use std::collections::HashMap;

/// Deepest nesting that is read.
const MAX_DEPTH: usize = 64;
/// Most nodes that aliases may copy into one document.
const MAX_COPIES: usize = 10_000;

/// Why a text is not the YAML of a mapping.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}")]
pub(super) struct YamlError {
    /// From 1.
    pub(super) line: usize,
    /// What is wrong there.
    pub(super) reason: String,
}

/// A value of a YAML document.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Node {
    /// A scalar.
    Scalar {
        /// Its text, escapes and folding undone.
        text: String,
        /// Whether it stood without quotes, so that it may be something else than a string.
        is_plain: bool,
    },
    /// A sequence.
    List(Vec<Node>),
    /// A mapping, keys as texts in the order of the file.
    Map(Vec<(String, Node)>),
}

impl Node {
    /// Whether it is null: nothing, `~` or `null`.
    pub(super) fn is_null(&self) -> bool {
        matches!(self, Node::Scalar { text, is_plain: true }
            if matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL"))
    }

    /// The text of a scalar that is not null.
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Node::Scalar { text, .. } if !self.is_null() => Some(text),
            _ => None,
        }
    }

    /// The value as PyYAML's safe loader has it.
    pub(super) fn resolve(&self) -> PyJson {
        match self {
            Node::Scalar { text, is_plain: true } => resolve(text),
            Node::Scalar { text, .. } => PyJson::Str(text.clone()),
            Node::List(items) => PyJson::List(items.iter().map(Node::resolve).collect()),
            Node::Map(entries) => {
                let entries = entries.iter().map(|(key, value)| (key.clone(), value.resolve()));
                PyJson::Dict(entries.collect())
            }
        }
    }
}

/// Parses a document that holds one mapping.
///
/// # Errors
/// It is empty, not UTF-8, not YAML, or not a mapping.
pub(super) fn parse_mapping(bytes: &[u8]) -> Result<Vec<(String, Node)>, YamlError> {
    let text = std::str::from_utf8(bytes).map_err(|error| YamlError {
        line: line_of(bytes, error.valid_up_to()),
        reason: "not UTF-8".to_owned(),
    })?;
    if text.trim().is_empty() {
        return Err(YamlError {
            line: 1,
            reason: "it is empty".to_owned(),
        });
    }
    match yaml_simple::parse(text) {
        Some(entries) => Ok(entries),
        None => parse_whole(text),
    }
}

/// Parses a document by the rules of YAML.
fn parse_whole(text: &str) -> Result<Vec<(String, Node)>, YamlError> {
    let text = with_yaml_11_breaks(text);
    match Loader::new(&text).document()? {
        (Node::Map(entries), _) => Ok(entries),
        (_, line) => Err(YamlError {
            line,
            reason: "it is not a mapping".to_owned(),
        }),
    }
}

fn line_of(bytes: &[u8], offset: usize) -> usize {
    1 + bytes[..offset].iter().filter(|&&byte| byte == b'\n').count()
}

/// U+2028 and U+2029 are line breaks in YAML 1.1, which PyYAML writes raw into quoted scalars and indents after;
/// in YAML 1.2 they are characters. They are kept by both where no space surrounds them and a line break that follows
/// is doubled (a single one would fold to a space). U+0085 is an ordinary line break in YAML 1.1.
fn with_yaml_11_breaks(text: &str) -> Cow<'_, str> {
    const BREAKS: [char; 2] = ['\u{2028}', '\u{2029}'];
    if !text.contains(['\u{85}', '\u{2028}', '\u{2029}']) {
        return Cow::Borrowed(text);
    }
    let mut fixed = String::with_capacity(text.len() + 8);
    let mut rest = text.chars().peekable();
    while let Some(next) = rest.next() {
        if next == '\u{85}' {
            fixed.push('\n');
        } else if BREAKS.contains(&next) {
            fixed.truncate(fixed.trim_end_matches([' ', '\t']).len());
            if fixed.ends_with('\n') {
                // A line of a scalar must be indented, however deep the scalar stands; the space is no part of it.
                fixed.push_str(&" ".repeat(4 * MAX_DEPTH));
            }
            fixed.push(next);
            while rest.next_if(|&space| matches!(space, ' ' | '\t')).is_some() {}
            if rest.peek() == Some(&'\n') {
                fixed.push('\n');
            }
        } else {
            fixed.push(next);
        }
    }
    Cow::Owned(fixed)
}

/// Builds nodes from the parser's events.
struct Loader<'a> {
    parser: Parser<'a, saphyr_parser::StrInput<'a>>,
    anchors: HashMap<usize, Node>,
    copies: usize,
}

impl<'a> Loader<'a> {
    fn new(text: &'a str) -> Self {
        Loader {
            parser: Parser::new_from_str(text),
            anchors: HashMap::new(),
            copies: 0,
        }
    }

    fn event(&mut self) -> Result<(Event<'a>, Span), YamlError> {
        match self.parser.next_event() {
            Some(Ok(event)) => Ok(event),
            Some(Err(error)) => Err(YamlError {
                line: error.marker().line(),
                reason: error.info().to_owned(),
            }),
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    /// The first document and the line it starts on; a second one is refused.
    fn document(&mut self) -> Result<(Node, usize), YamlError> {
        let (event, span) = loop {
            match self.event()? {
                (Event::StreamStart | Event::DocumentStart(_) | Event::Nothing, _) => {}
                other => break other,
            }
        };
        let line = span.start.line();
        let node = self.node(event, line, 0)?;
        loop {
            match self.event()? {
                (Event::DocumentEnd | Event::Nothing, _) => {}
                (Event::StreamEnd, _) => return Ok((node, line)),
                (_, span) => return Err(fault(span.start.line(), "a second document follows")),
            }
        }
    }

    fn node(&mut self, event: Event<'a>, line: usize, depth: usize) -> Result<Node, YamlError> {
        if depth > MAX_DEPTH {
            return Err(fault(line, "it is nested too deeply"));
        }
        let (node, anchor) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                let is_string = tag.as_ref().is_some_and(|tag| tag.suffix == "str");
                let is_plain = style == ScalarStyle::Plain && !is_string;
                let text = text.into_owned();
                (Node::Scalar { text, is_plain }, anchor)
            }
            Event::SequenceStart(anchor, _) => (self.list(depth)?, anchor),
            Event::MappingStart(anchor, _) => (self.map(depth)?, anchor),
            Event::Alias(anchor) => return self.copy(anchor, line),
            _ => return Err(fault(line, "a value is expected")),
        };
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn list(&mut self, depth: usize) -> Result<Node, YamlError> {
        let mut items = Vec::new();
        loop {
            match self.event()? {
                (Event::SequenceEnd, _) => return Ok(Node::List(items)),
                (event, span) => items.push(self.node(event, span.start.line(), depth + 1)?),
            }
        }
    }

    /// A repeated key keeps its first place and takes its last value, as in a Python dict.
    fn map(&mut self, depth: usize) -> Result<Node, YamlError> {
        let mut entries = KeyedEntries::default();
        loop {
            let (event, span) = self.event()?;
            let line = span.start.line();
            if event == Event::MappingEnd {
                return Ok(Node::Map(entries.finish()));
            }
            let Node::Scalar { text: key, .. } = self.node(event, line, depth + 1)? else {
                return Err(fault(line, "a key is not a scalar"));
            };
            let (event, span) = self.event()?;
            let value = self.node(event, span.start.line(), depth + 1)?;
            entries.insert(key, value);
        }
    }

    fn copy(&mut self, anchor: usize, line: usize) -> Result<Node, YamlError> {
        let node = self.anchors.get(&anchor);
        let node = node.ok_or_else(|| fault(line, "an alias names no anchor before it"))?;
        self.copies += size(node);
        if self.copies > MAX_COPIES {
            return Err(fault(line, "aliases copy too much"));
        }
        Ok(node.clone())
    }
}

fn size(node: &Node) -> usize {
    1 + match node {
        Node::Scalar { .. } => 0,
        Node::List(items) => items.iter().map(size).sum(),
        Node::Map(entries) => entries.iter().map(|(_, value)| size(value)).sum(),
    }
}

fn fault(line: usize, reason: &str) -> YamlError {
    YamlError {
        line,
        reason: reason.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text_of(yaml: &str, key: &str) -> Option<String> {
        let entries = parse_mapping(yaml.as_bytes()).unwrap();
        let (_, node) = entries.into_iter().find(|(name, _)| name == key).unwrap();
        node.text().map(str::to_owned)
    }

    #[test]
    fn strings_that_other_yaml_takes_for_numbers_keep_their_text() {
        for text in ["12e45678", "1e3", "1.5e3", "0o17", "y", "NaN", "-.5"] {
            assert_eq!(text_of(&format!("name: {text}\n"), "name").as_deref(), Some(text));
        }
        assert_eq!(text_of("name: 'null'\n", "name").as_deref(), Some("null"));
        assert_eq!(text_of("name: null\n", "name"), None);
    }

    #[test]
    fn escapes_and_folding_are_undone() {
        let yaml = "a: \"b: \\\"c\\\"\\n#d \\U0001F600 \\L\\N\\0\"\nb: 'two\n\n  lines'\nc: 'it''s'\nd: long\n  plain\n";
        assert_eq!(
            text_of(yaml, "a").unwrap(),
            "b: \"c\"\n#d \u{1F600} \u{2028}\u{85}\0"
        );
        assert_eq!(text_of(yaml, "b").unwrap(), "two\nlines");
        assert_eq!(text_of(yaml, "c").unwrap(), "it's");
        assert_eq!(text_of(yaml, "d").unwrap(), "long plain");
    }

    #[test]
    fn raw_line_separators_are_breaks_as_in_yaml_11() {
        // As PyYAML writes the strings "ls\u2028", "\u2028\nb", "\u2028\n\nb" and "a\n\u2028b".
        for (yaml, expected) in [
            ("a: 'ls\u{2028}  '\n", "ls\u{2028}"),
            ("a: '\u{2028}\n  b'\n", "\u{2028}\nb"),
            ("a: '\u{2028}\n\n  b'\n", "\u{2028}\n\nb"),
            ("a: 'a\n\n\u{2028}  b'\n", "a\n\u{2028}b"),
            ("a: 'a\n\n\u{2028}\n  b'\n", "a\n\u{2028}\nb"),
            ("a: 'a\u{2028}\u{2029}\n\n  b'\n", "a\u{2028}\u{2029}\n\nb"),
            (
                "a: 'a\n\n\n\u{2028}\n\u{2029}  b c'\n",
                "a\n\n\u{2028}\n\u{2029}b c",
            ),
        ] {
            assert_eq!(text_of(yaml, "a").unwrap(), expected, "{yaml:?}");
        }
    }

    #[test]
    fn faults_name_the_line() {
        for (yaml, line) in [
            ("", 1),
            ("- a\n", 1),
            ("a: 1\nb: 'open\n", 2),
            ("a: 1\n b: 2\n", 2),
        ] {
            let error = parse_mapping(yaml.as_bytes()).unwrap_err();
            assert!(error.line >= line, "{yaml:?}: {error}");
        }
        assert_eq!(parse_mapping(b"a: 1\nb: \xff\n").unwrap_err().line, 2);
        assert!(parse_mapping(b"a: *x\n").is_err());
    }

    #[test]
    fn a_hundred_thousand_keys_are_read_either_way() {
        let simple: String = (0..100_000)
            .map(|number| format!("extra_{number}: 1\n"))
            .collect();
        assert_eq!(yaml_simple::parse(&simple).unwrap().len(), 100_000);
        // A quoted key is more than the short way takes.
        let whole = format!("'quoted': 1\n{simple}");
        assert!(yaml_simple::parse(&whole).is_none());
        assert_eq!(parse_mapping(whole.as_bytes()).unwrap().len(), 100_001);
    }

    #[test]
    fn aliases_are_copies() {
        let entries = parse_mapping(b"a: &id001\n- 1\nb: *id001\n").unwrap();
        assert_eq!(entries[0].1, entries[1].1);
    }

    #[test]
    fn what_pyyaml_dumps_reads_as_pyyaml_reads_it() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/pyyaml/cases.jsonl");
        let cases = std::fs::read(path).unwrap();
        for line in cases.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
            let case = PyJson::parse(line).unwrap();
            let (yaml, expected) = (
                case.get("yaml").unwrap().as_str().unwrap(),
                case.get("json").unwrap(),
            );
            let found = parse_mapping(yaml.as_bytes()).map(|entries| Node::Map(entries).resolve());
            assert_eq!(found.as_ref(), Ok(expected), "{yaml}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_parse_or_not_without_panic(bytes: Vec<u8>) {
            let _ = parse_mapping(&bytes);
        }

        #[test]
        fn simple_documents_read_alike_either_way(
            lines in proptest::collection::vec("[a-z_]{1,3}: ('[a-z0-9_./: -]{0,6}'|[A-Za-z0-9_./: -]{0,8}|\\[\\]|\\{\\}|~|'')\n", 1..5)
        ) {
            let text = lines.concat();
            if let Some(entries) = yaml_simple::parse(&text) {
                proptest::prop_assert_eq!(Ok(entries), parse_whole(&text));
            }
        }

        #[test]
        fn any_text_of_yaml_characters_parses_or_not_without_panic(text in "[a-z:'\"&*\\[\\]{}|>!# \n\u{2028}-]{0,60}") {
            let _ = parse_mapping(text.as_bytes());
        }
    }
}
