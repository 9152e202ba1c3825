//! Text from archives made safe to show.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Whether a character could steer a terminal or disguise text: controls, and what changes the direction of writing.
pub(crate) fn is_hidden(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// A sentence as it may be shown: as [`printable`], but for backslashes, since parts of it are printable already.
pub(crate) fn one_line(text: &str) -> Cow<'_, str> {
    if text.chars().any(is_hidden) {
        Cow::Owned(escaped(text, "\\"))
    } else {
        Cow::Borrowed(text)
    }
}

/// Text as it may be shown: `\t`, `\n`, `\r`, `\\`, and `\u{…}` for other control and invisible characters.
///
/// The result has neither tabs nor line ends, and two texts never look the same.
pub(crate) fn printable(text: &str) -> Cow<'_, str> {
    if !text
        .chars()
        .any(|character| character == '\\' || is_hidden(character))
    {
        return Cow::Borrowed(text);
    }
    Cow::Owned(escaped(text, "\\\\"))
}

fn escaped(text: &str, backslash: &str) -> String {
    let mut shown = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        match character {
            '\\' => shown.push_str(backslash),
            hidden if is_hidden(hidden) => write_escape(hidden, &mut shown),
            other => shown.push(other),
        }
    }
    shown
}

/// Writes a character that is not shown itself.
pub(crate) fn write_escape(character: char, shown: &mut String) {
    match character {
        '\t' => shown.push_str("\\t"),
        '\n' => shown.push_str("\\n"),
        '\r' => shown.push_str("\\r"),
        other => {
            let _ = write!(shown, "\\u{{{:x}}}", u32::from(other));
        }
    }
}

/// A number with thousands separated, for people.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// So many of something, whose name is given as it is for many: `2 runs`, `1 run`.
pub(crate) fn counted(count: u64, nouns: &str) -> String {
    let noun = match count {
        1 => nouns.strip_suffix('s').unwrap_or(nouns),
        _ => nouns,
    };
    format!("{} {noun}", grouped(count))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_steers_a_terminal_is_escaped() {
        let cases = [
            ("plain é 😀", "plain é 😀"),
            ("a\tb\nc\r", "a\\tb\\nc\\r"),
            ("\u{1b}[31mred\u{7}", "\\u{1b}[31mred\\u{7}"),
            ("\u{9b}0m", "\\u{9b}0m"),
            ("a\\u{1b}", "a\\\\u{1b}"),
            ("\u{202e}txt.exe\u{2066}", "\\u{202e}txt.exe\\u{2066}"),
        ];
        for (text, expected) in cases {
            assert_eq!(printable(text), expected);
        }
    }
}
