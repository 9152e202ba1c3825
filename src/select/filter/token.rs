//! The words of a filter, cut as MLflow's SQL parser (sqlparse 0.6) cuts them.
//!
//! MLflow hands a filter to a general SQL lexer, so what is a word depends on its rules: `params.order` is a key although `order` is SQL,
//! `params.in` is none. The rules are tried in that lexer's order. SQL words that no filter may hold are names here, since both end in
//! an error.

use super::quoted::quoted_end;

/// The most words of a filter; MLflow's parser takes no more.
const MOST_TOKENS: usize = 10_000;

/// What a word is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TokenKind {
    /// A bare word, or one in backticks.
    Name,
    /// In double quotes.
    Symbol,
    /// In single quotes.
    Single,
    Integer,
    Float,
    Hexadecimal,
    Placeholder,
    Keyword,
    /// `ASC`, `DESC`.
    Order,
    /// `=`, `LIKE` and their like.
    Comparison,
    Operator,
    Wildcard,
    /// `.` and the arrows of JSON.
    Joiner,
    /// `::`.
    Cast,
    Comma,
    Semicolon,
    Open,
    Close,
    OpenSquare,
    CloseSquare,
    /// Comments and what else no filter may hold.
    Other,
}

/// A word and where it stands, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) kind: TokenKind,
    pub(super) start: usize,
    pub(super) end: usize,
}

/// The words of a text, without spaces; none where there are too many.
pub(super) fn tokens(text: &str) -> Option<Vec<Token>> {
    let mut lexer = Lexer {
        text,
        start: 0,
        last_comment_end: text.rfind("*/").unwrap_or(0),
    };
    let (mut tokens, mut count) = (Vec::new(), 0);
    while lexer.start < text.len() {
        let start = lexer.start;
        let (kind, length) = lexer.next();
        lexer.start += length;
        count += 1;
        if count > MOST_TOKENS {
            return None;
        }
        if let Some(kind) = kind {
            let end = lexer.start;
            tokens.push(Token { kind, start, end });
        }
    }
    Some(tokens)
}

struct Lexer<'t> {
    text: &'t str,
    start: usize,
    last_comment_end: usize,
}

impl<'t> Lexer<'t> {
    fn rest(&self) -> &'t str {
        &self.text[self.start..]
    }

    fn before(&self) -> Option<char> {
        self.text[..self.start].chars().next_back()
    }

    /// The kind of the next word, none for spaces, and its length.
    fn next(&self) -> (Option<TokenKind>, usize) {
        let rest = self.rest();
        let first = rest.chars().next().unwrap_or_default();
        if is_space(first) {
            return (None, first.len_utf8());
        }
        let (kind, length) = self
            .comment()
            .or_else(|| self.marked(first))
            .or_else(|| self.word(first))
            .or_else(|| number(rest))
            .or_else(|| self.text_or_brackets(first))
            .or_else(|| self.bare_word(first))
            .unwrap_or_else(|| sign(rest, first));
        (Some(kind), length)
    }

    fn comment(&self) -> Option<(TokenKind, usize)> {
        let rest = self.rest();
        if rest.starts_with("/*") && self.start + 2 <= self.last_comment_end {
            return Some((TokenKind::Other, rest[2..].find("*/")? + 4));
        }
        let is_line = rest.starts_with("--") || rest.starts_with("# ");
        is_line.then(|| (TokenKind::Other, rest.find(['\n', '\r']).unwrap_or(rest.len())))
    }

    /// What its first character tells.
    fn marked(&self, first: char) -> Option<(TokenKind, usize)> {
        let rest = self.rest();
        let after = &rest[first.len_utf8()..];
        let word = word_length(after);
        match first {
            '*' => Some((TokenKind::Wildcard, 1)),
            ':' if after.starts_with('=') => Some((TokenKind::Other, 2)),
            ':' if after.starts_with(':') => Some((TokenKind::Cast, 2)),
            '`' | '´' => Some((TokenKind::Name, quoted_end(rest, first, false)?)),
            '?' => Some((TokenKind::Placeholder, 1)),
            '%' => Some((TokenKind::Placeholder, percent_length(after)? + 1)),
            '$' | ':' if word > 0 && !self.before().is_some_and(is_word) => {
                Some((TokenKind::Placeholder, 1 + word))
            }
            '\\' if word > 0 => Some((TokenKind::Other, 1 + word)),
            '@' | '#' => {
                let marks = if rest.starts_with("##") { 2 } else { 1 };
                let word = &rest[marks..];
                let is_name =
                    word.chars().next().is_some_and(is_head) && word.chars().nth(1).is_some_and(is_word);
                is_name.then(|| (TokenKind::Name, marks + word_length(word)))
            }
            _ => None,
        }
    }

    /// A word that begins with a letter and that its neighbours make a name or a keyword.
    fn word(&self, first: char) -> Option<(TokenKind, usize)> {
        let rest = self.rest();
        let length = word_length(rest);
        let (word, after) = rest.split_at(length);
        let is_fixed = ["CASE", "IN", "VALUES", "USING", "FROM", "AS"]
            .iter()
            .any(|fixed| word.eq_ignore_ascii_case(fixed));
        if is_fixed {
            return Some((TokenKind::Keyword, length));
        }
        let is_named = || {
            let dotted = after.trim_start_matches(is_space).strip_prefix('.');
            dotted.is_some_and(|after| !after.starts_with(|c: char| c.is_ascii_digit()))
                || self.before() == Some('.')
                || after.starts_with('(')
        };
        (is_head(first) && is_named()).then_some((TokenKind::Name, length))
    }

    fn text_or_brackets(&self, first: char) -> Option<(TokenKind, usize)> {
        let rest = self.rest();
        match first {
            '\'' => Some((TokenKind::Single, quoted_end(rest, first, true)?)),
            '"' => Some((TokenKind::Symbol, quoted_end(rest, first, true)?)),
            '[' if !self.before().is_some_and(|c| is_word(c) || c == ']' || c == ')') => {
                let inner = rest[1..].find(['[', ']'])?;
                let is_name = inner > 0 && rest[1 + inner..].starts_with(']');
                is_name.then_some((TokenKind::Name, inner + 2))
            }
            _ => None,
        }
    }

    /// A word by itself alone, or several that make one operator.
    fn bare_word(&self, first: char) -> Option<(TokenKind, usize)> {
        if !is_word(first) {
            return None;
        }
        let rest = self.rest();
        let (word, after) = rest.split_at(word_length(rest));
        let is = |text: &str| word.eq_ignore_ascii_case(text);
        if is("NOT") {
            let spaces = after.len() - after.trim_start_matches(is_space).len();
            let second = &after[spaces..];
            let second = &second[..word_length(second)];
            let whole = word.len() + spaces + second.len();
            let is_one_of = |texts: &[&str]| texts.iter().any(|text| second.eq_ignore_ascii_case(text));
            if spaces > 0 && is_one_of(&["NULL"]) {
                return Some((TokenKind::Keyword, whole));
            }
            if spaces > 0 && is_one_of(&["LIKE", "ILIKE", "RLIKE", "REGEXP"]) {
                return Some((TokenKind::Comparison, whole));
            }
        }
        if is("ASC") || is("DESC") {
            return Some((TokenKind::Order, word.len()));
        }
        if ["LIKE", "ILIKE", "RLIKE", "REGEXP"].iter().any(|text| is(text)) {
            return Some((TokenKind::Comparison, word.len()));
        }
        let is_inside = |c: char| is_word(c) || c == '$' || c == '#';
        let length = rest.find(|c| !is_inside(c)).unwrap_or(rest.len());
        let keywords = [
            "AND",
            "OR",
            "IS",
            "NOT",
            "NULL",
            "BETWEEN",
            "PARAMETER",
            "PARAMETERS",
        ];
        let is_keyword = keywords
            .iter()
            .any(|text| rest[..length].eq_ignore_ascii_case(text));
        Some((
            if is_keyword {
                TokenKind::Keyword
            } else {
                TokenKind::Name
            },
            length,
        ))
    }
}

/// The rest of a placeholder such as `%s` or `%(name)s`.
fn percent_length(after: &str) -> Option<usize> {
    let named = after.strip_prefix('(').and_then(|inner| {
        let length = word_length(inner);
        (length > 0 && inner[length..].starts_with(')')).then_some(length + 2)
    });
    let length = named.unwrap_or(0);
    after[length..].starts_with(['s', 'S']).then_some(length + 1)
}

/// A number, as long as no letter follows; one digit less where a letter does.
fn number(rest: &str) -> Option<(TokenKind, usize)> {
    let bytes = rest.as_bytes();
    let byte = |at: usize| bytes.get(at).copied().unwrap_or(0);
    let digits = |from: usize| {
        let digits = bytes.iter().skip(from).take_while(|byte| byte.is_ascii_digit());
        from + digits.count()
    };
    let sign = usize::from(byte(0) == b'-');
    let whole = digits(sign);
    if byte(sign) == b'0' && whole == sign + 1 && matches!(byte(whole), b'x' | b'X') {
        let hexes = bytes
            .iter()
            .skip(whole + 1)
            .take_while(|byte| byte.is_ascii_hexdigit());
        let count = hexes.count();
        if count > 0 {
            return Some((TokenKind::Hexadecimal, whole + 1 + count));
        }
    }
    let dotted = if byte(whole) == b'.' {
        digits(whole + 1)
    } else {
        whole
    };
    if whole > sign {
        for end in [dotted, whole] {
            let power = end + 1 + usize::from(byte(end + 1) == b'-');
            let is_fraction = end == whole || end > whole + 1;
            if is_fraction && matches!(byte(end), b'e' | b'E') && digits(power) > power {
                return Some((TokenKind::Float, digits(power)));
            }
        }
    }
    let without_letter = |end: usize, least: usize| {
        let is_free = !rest[end..].starts_with(|c| c == '_' || is_head(c));
        if is_free {
            Some(end)
        } else {
            (end > least).then(|| end - 1)
        }
    };
    if byte(whole) == b'.' {
        let least = if whole > sign { whole + 1 } else { whole + 2 };
        if dotted >= least
            && let Some(end) = without_letter(dotted, least)
        {
            return Some((TokenKind::Float, end));
        }
    }
    if whole > sign {
        let end = without_letter(whole, sign + 1)?;
        return Some((TokenKind::Integer, end));
    }
    None
}

fn sign(rest: &str, first: char) -> (TokenKind, usize) {
    let punctuation = match first {
        ';' => TokenKind::Semicolon,
        ',' => TokenKind::Comma,
        '.' => TokenKind::Joiner,
        '(' => TokenKind::Open,
        ')' => TokenKind::Close,
        '[' => TokenKind::OpenSquare,
        ']' => TokenKind::CloseSquare,
        _ => TokenKind::Other,
    };
    if punctuation != TokenKind::Other {
        return (punctuation, 1);
    }
    let arrows = [("->>", TokenKind::Joiner), ("->", TokenKind::Joiner)];
    let json = ["#>>", "#>", "@>", "<@", "-", "#-"].map(|text| (text, TokenKind::Operator));
    if let Some((text, kind)) = arrows
        .iter()
        .chain(&json)
        .find(|(text, _)| rest.starts_with(text))
    {
        return (*kind, text.len());
    }
    for (characters, kind) in [
        ("<>=~!", TokenKind::Comparison),
        ("+/@#%^&|-", TokenKind::Operator),
    ] {
        let length = rest.find(|c| !characters.contains(c)).unwrap_or(rest.len());
        if length > 0 {
            return (kind, length);
        }
    }
    (TokenKind::Other, first.len_utf8())
}

fn word_length(text: &str) -> usize {
    text.find(|c| !is_word(c)).unwrap_or(text.len())
}

fn is_word(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}

/// Letters with which the SQL lexer lets a name begin, in any case.
fn is_head(c: char) -> bool {
    c.is_ascii_alphabetic()
        || matches!(c, 'À'..='Ü' | 'à'..='ö' | 'ø'..='ü' | 'ſ' | 'ı' | 'İ' | '\u{212a}' | '\u{212b}')
}

/// Spaces as Python has them.
pub(super) fn is_space(c: char) -> bool {
    c.is_whitespace() || matches!(c, '\x1c'..='\x1f')
}
