//! `LIKE` and `ILIKE` as MLflow's file store reads them: a regular expression.
//!
//! `%` is any text on one line, `_` any character but a line end. A pattern that does not end in `%` must reach the text's end, or a
//! line end there.

/// Whether a text is like a pattern.
pub(super) fn is_like(text: &str, pattern: &str, any_case: bool) -> bool {
    let same = if any_case { same_in_any_case } else { |a, b| a == b };
    let pattern: Vec<char> = pattern.chars().collect();
    let text: Vec<char> = text.chars().collect();
    if pattern.last() == Some(&'%') {
        return matches(&text, &pattern, same);
    }
    let before_end = text.strip_suffix(&['\n']);
    matches(&text, &pattern, same) || before_end.is_some_and(|text| matches(text, &pattern, same))
}

/// Whether a text matches; after a last `%`, whatever follows does. Takes time as the product of both lengths at most.
fn matches(text: &[char], pattern: &[char], same: fn(char, char) -> bool) -> bool {
    let fits = |wanted: char, c: char| if wanted == '_' { c != '\n' } else { same(wanted, c) };
    let (mut at, mut place) = (0, 0);
    // Where the last `%` stands in the pattern, and up to where it reaches in the text.
    let mut open: Option<(usize, usize)> = None;
    loop {
        match pattern.get(place) {
            None if at == text.len() => return true,
            Some('%') => {
                place += 1;
                if pattern[place..].iter().all(|c| *c == '%') {
                    return true;
                }
                open = Some((place, at));
                continue;
            }
            Some(wanted) if text.get(at).is_some_and(|c| fits(*wanted, *c)) => {
                at += 1;
                place += 1;
                continue;
            }
            _ => {}
        }
        // The last `%` takes one character more; an earlier one need not, since what follows it matched at the first place where it can.
        match open {
            Some((after, reach)) if text.get(reach).is_some_and(|c| *c != '\n') => {
                (place, at) = (after, reach + 1);
                open = Some((after, reach + 1));
            }
            _ => return false,
        }
    }
}

/// Whether two characters are the same but for their case, as Python's regular expressions have it.
fn same_in_any_case(a: char, b: char) -> bool {
    fn lower(c: char) -> char {
        let mut lower = c.to_lowercase();
        match (lower.next(), lower.next()) {
            (Some(lower), None) => lower,
            // `İ` is the only one whose small form is two characters; the simple form is the first.
            (Some(first), Some(_)) => first,
            (None, _) => c,
        }
    }
    a == b || lower(a) == lower(b) || lower(a).to_uppercase().eq(lower(b).to_uppercase())
}

#[cfg(test)]
mod tests {
    use super::is_like;

    #[test]
    fn patterns_stay_on_a_line_and_reach_its_end() {
        let like = |text, pattern| is_like(text, pattern, false);
        assert!(like("abc", "a%") && like("abc", "%b%") && like("abc", "a_c") && like("abc", "abc"));
        assert!(!like("abc", "b%") && !like("abc", "a_") && !like("abc", "ABC") && !like("abc", ""));
        assert!(like("a\nb", "a%") && !like("a\nb", "%b") && !like("a\nb", "a_b"));
        assert!(like("abc\n", "abc") && like("abc\n", "%c") && !like("abc\n\n", "abc"));
        assert!(like("aab", "%ab") && like("a.c", "a.c") && !like("abc", "a.c"));
    }

    #[test]
    fn cases_are_equal_beyond_ascii() {
        let like = |text, pattern| is_like(text, pattern, true);
        assert!(like("STRASSE", "strasse") && like("ÄÖ", "äö") && like("ſ", "S") && like("\u{212a}", "k"));
        assert!(!like("ß", "SS") && like("ı", "I") && like("İ", "i") && like("ı", "İ"));
    }
}
