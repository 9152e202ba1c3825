//! Texts in quotes: in a filter, in a list of values, in an order.

use super::token::is_space;
use std::iter::Peekable;
use std::str::Chars;

/// Where a text that begins with a quote ends, its closing quote included.
///
/// A doubled quote, and one behind a backslash where that counts, is part of the text, unless no other quote ends it.
pub(super) fn quoted_end(text: &str, quote: char, knows_backslash: bool) -> Option<usize> {
    let mut last_way_out = None;
    let mut at = quote.len_utf8();
    while let Some(c) = text[at..].chars().next() {
        let after = at + c.len_utf8();
        let is_doubled = text[after..].starts_with(quote);
        if c == quote && !is_doubled {
            return Some(after);
        }
        if c == quote {
            last_way_out = Some(after);
            at = after + quote.len_utf8();
        } else if c == '\\' && knows_backslash && is_doubled {
            at = after + quote.len_utf8();
            last_way_out = Some(at);
        } else {
            at = after;
        }
    }
    last_way_out
}

/// A text without the quotes around it, if it has them.
pub(super) fn unquoted(text: &str, quote: char) -> Option<&str> {
    text.strip_prefix(quote)?.strip_suffix(quote)
}

/// The words of a text as a shell parts them; none where a quote is not closed.
pub(super) fn shell_words(text: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            ' ' | '\t' | '\r' | '\n' => words.extend(word.take()),
            '\'' => word
                .get_or_insert_default()
                .push_str(&until_quote(&mut chars, c)?),
            '"' => word
                .get_or_insert_default()
                .push_str(&until_quote(&mut chars, c)?),
            '\\' => word.get_or_insert_default().push(chars.next()?),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Some(words)
}

fn until_quote(chars: &mut Chars<'_>, quote: char) -> Option<String> {
    let mut text = String::new();
    loop {
        match chars.next()? {
            c if c == quote => return Some(text),
            '\\' if quote == '"' => match chars.next()? {
                c @ ('"' | '\\') => text.push(c),
                c => text.extend(['\\', c]),
            },
            c => text.push(c),
        }
    }
}

/// The texts of a list such as `('a', "b")`, which MLflow reads as Python: with Python's escapes, and texts side by side are one.
/// None where it is no list of texts.
pub(super) fn list_of_texts(list: &str) -> Option<Vec<String>> {
    let inner = list.strip_prefix('(')?.strip_suffix(')')?.trim_matches(is_space);
    if inner.starts_with('(') {
        return list_of_texts(inner);
    }
    let mut chars = inner.chars().peekable();
    let mut texts = Vec::new();
    loop {
        let mut text = String::new();
        let mut parts = 0;
        skip_space(&mut chars);
        while let Some(quote) = chars.next_if(|c| matches!(c, '\'' | '"')) {
            python_text(&mut chars, quote, &mut text)?;
            parts += 1;
            skip_space(&mut chars);
        }
        let next = chars.next();
        match (parts, next) {
            (0, None) if !texts.is_empty() => return Some(texts),
            (0, _) => return None,
            (_, None) => {
                texts.push(text);
                return Some(texts);
            }
            (_, Some(',')) => texts.push(text),
            _ => return None,
        }
    }
}

fn skip_space(chars: &mut Peekable<Chars<'_>>) {
    while chars.next_if(|c| is_space(*c)).is_some() {}
}

fn python_text(chars: &mut Peekable<Chars<'_>>, quote: char, text: &mut String) -> Option<()> {
    loop {
        match chars.next()? {
            c if c == quote => return Some(()),
            '\n' | '\r' | '\0' => return None,
            '\\' => python_escape(chars, text)?,
            c => text.push(c),
        }
    }
}

fn python_escape(chars: &mut Peekable<Chars<'_>>, text: &mut String) -> Option<()> {
    let c = chars.next()?;
    let plain = match c {
        '\\' | '\'' | '"' => c,
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'a' => '\x07',
        'b' => '\x08',
        'f' => '\x0c',
        'v' => '\x0b',
        '\n' => return Some(()),
        'x' => digits(chars, 16, 2, 2, 0)?,
        'u' => digits(chars, 16, 4, 4, 0)?,
        'U' => digits(chars, 16, 8, 8, 0)?,
        '0'..='7' => digits(chars, 8, 0, 2, c.to_digit(8)?)?,
        'N' => return None,
        c => {
            text.extend(['\\', c]);
            return Some(());
        }
    };
    text.push(plain);
    Some(())
}

/// A character by the digits of its number.
fn digits(
    chars: &mut Peekable<Chars<'_>>,
    radix: u32,
    least: usize,
    most: usize,
    start: u32,
) -> Option<char> {
    let (mut number, mut count) = (start, 0);
    while count < most
        && let Some(c) = chars.next_if(|c| c.is_digit(radix))
    {
        number = number.checked_mul(radix)?.checked_add(c.to_digit(radix)?)?;
        count += 1;
    }
    (count >= least).then_some(())?;
    char::from_u32(number)
}
