//! Any text in any form that is promised is found, wherever it stands and however it comes in pieces; and nothing else is.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use super::{Needle, Needles, Step, Stream};
use ::base64::Engine as _;
use ::base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use proptest::prelude::*;
use std::fmt::Write as _;

/// Whether each needle is found in bytes that come in pieces of these sizes, over and over.
fn found(needles: &[Needle], bytes: &[u8], pieces: &[usize]) -> Vec<bool> {
    let ready = Needles::new(needles).unwrap();
    let mut seen = vec![0_u16; needles.len()];
    let mut stream = Stream::new(&ready);
    let (mut rest, mut sizes) = (bytes, pieces.iter().cycle());
    let mut add = |hit: super::Hit<'_>| {
        assert!(hit.offset <= bytes.len() as u64);
        let told = ready.told(hit.number);
        seen[told.needle] |= told.piece;
    };
    while !rest.is_empty() {
        let (piece, more) = rest.split_at((*sizes.next().unwrap()).clamp(1, rest.len()));
        stream.push(piece, &mut add);
        rest = more;
    }
    stream.finish(&mut add);
    let whole = |(needle, pieces): (usize, &u16)| *pieces == ready.all_pieces(needle);
    seen.iter().enumerate().map(whole).collect()
}

fn has(text: &str, bytes: &[u8]) -> bool {
    found(&[Needle::text(text.as_bytes())], bytes, &[usize::MAX])[0]
}

/// A text as one step writes it; `how` picks among the ways in which that is done.
fn encoded(step: Step, text: &[u8], how: u8) -> Vec<u8> {
    match step {
        Step::Json => {
            let Ok(text) = std::str::from_utf8(text) else {
                return text.escape_ascii().to_string().into_bytes();
            };
            let mut out = String::new();
            for (place, character) in text.chars().enumerate() {
                let is_plain = !matches!(character, '"' | '\\') && character >= ' ';
                match how % 4 {
                    0 if is_plain => out.push(character),
                    1 if is_plain && character.is_ascii() => out.push(character),
                    2 if is_plain && place % 3 > 0 => out.push(character),
                    _ => {
                        let mut units = [0; 2];
                        for unit in character.encode_utf16(&mut units) {
                            let _ = match how % 3 {
                                0 => write!(out, "\\u{unit:04X}"),
                                _ => write!(out, "\\u{unit:04x}"),
                            };
                        }
                    }
                }
            }
            out.into_bytes()
        }
        Step::Percent => {
            let mut out = String::new();
            for byte in text {
                if byte.is_ascii_alphanumeric() && how.is_multiple_of(2) {
                    out.push(char::from(*byte));
                } else if how.is_multiple_of(3) {
                    let _ = write!(out, "%{byte:02x}");
                } else {
                    let _ = write!(out, "%{byte:02X}");
                }
            }
            out.into_bytes()
        }
        Step::Base64 => {
            // Bytes before shift the text within its groups, and letters before shift the groups.
            let text = [&b"ab"[..usize::from(how % 3)], text, b"~"].concat();
            let mut out = if how.is_multiple_of(2) {
                STANDARD.encode(text)
            } else {
                URL_SAFE_NO_PAD.encode(text)
            };
            if how.is_multiple_of(5) {
                let lines = out
                    .as_bytes()
                    .chunks(19)
                    .map(|line| String::from_utf8(line.to_vec()).unwrap());
                out = lines.collect::<Vec<_>>().join("\r\n");
            }
            let before = "xyz";
            format!("{}{out}", &before[..usize::from(how % 4)]).into_bytes()
        }
    }
}

/// Chains of steps that are promised, the outermost first.
fn steps() -> impl Strategy<Value = Vec<(Step, u8)>> {
    let step = prop_oneof![Just(Step::Json), Just(Step::Percent), Just(Step::Base64)];
    prop::collection::vec((step, any::<u8>()), 0..=5).prop_filter("a promised chain", |steps| {
        let count = |wanted| steps.iter().filter(|(step, _)| *step == wanted).count();
        let base64 = count(Step::Base64);
        count(Step::Json) <= 4
            && count(Step::Percent) <= 2
            && (base64 <= 1 || base64 == 2 && steps.len() <= 3)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn a_text_in_any_form_is_found(
        text in "[a-z \"\\\\/%+é😀\u{1}\n]{3,40}",
        steps in steps(),
        before in "[ -~]{0,200}\\PC{0,20}",
        after in "[ -~]{0,20}",
        pieces in prop::collection::vec(1_usize..90, 1..6),
    ) {
        let mut written = text.clone().into_bytes();
        for (step, how) in steps.iter().rev() {
            written = encoded(*step, &written, *how);
        }
        // An odd backslash before would be part of the text's own escape, and letters glue to base64.
        let bytes = [before.as_bytes(), b" \"", &written, b"\" ", after.as_bytes()].concat();
        let needles = [Needle::text(text.as_bytes()), Needle::text(b"never there \xfe")];
        prop_assert_eq!(found(&needles, &bytes, &pieces), [true, false], "{:?} as {}", steps, bytes.escape_ascii());
    }

    #[test]
    fn pieces_change_nothing(
        bytes in "[ab\\\\u0041n%26Q=\\PC]{0,300}",
        text in "[abA\\\\&0n]{1,6}",
        pattern in prop::sample::select(vec!["a.*b", "A+n", "(?s-u:.)A", "a{2,5}b", "\\bA", "[0-9]+$", "ab|b&"]),
        pieces in prop::collection::vec(1_usize..40, 1..6),
    ) {
        let needles = [Needle::text(text.as_bytes()), Needle::pattern(pattern).unwrap()];
        let whole = found(&needles, bytes.as_bytes(), &[usize::MAX]);
        prop_assert_eq!(&found(&needles, bytes.as_bytes(), &pieces), &whole);
        if bytes.contains(&text) {
            prop_assert!(whole[0]);
        }
    }

    #[cfg(feature = "doors")]
    #[test]
    fn any_bytes_come_to_an_end(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        crate::fuzzing::search(&bytes);
    }
}

#[test]
fn a_text_in_utf_16_is_found() {
    for order in [u16::to_le_bytes, u16::to_be_bytes] {
        let written: Vec<u8> = "x née y".encode_utf16().flat_map(order).collect();
        assert!(has("née", &written));
        assert!(has("née", STANDARD.encode(&written).as_bytes()));
    }
}

#[test]
fn a_space_may_be_a_plus() {
    assert!(has("Ana Li", b"q=Ana+Li") && has("Ana Lí", b"q=Ana+L%C3%AD"));
}

#[test]
fn a_long_text_is_found_where_all_of_its_pieces_are() {
    let text: String = (0..9000).map(|number| format!("{number} ")).collect();
    let needle = Needle::text(text.as_bytes());
    for step in [None, Some(Step::Json), Some(Step::Percent), Some(Step::Base64)] {
        let written = step.map_or(text.clone().into_bytes(), |step| {
            encoded(step, text.as_bytes(), 3)
        });
        assert!(
            found(std::slice::from_ref(&needle), &written, &[29_999])[0],
            "{step:?}"
        );
        assert!(
            !found(
                std::slice::from_ref(&needle),
                &written[..written.len() / 2],
                &[999]
            )[0]
        );
    }
}

#[test]
fn a_match_of_a_pattern_is_found_over_every_border() {
    let needle = [Needle::pattern("key-[0-9]{4000}x").unwrap()];
    let text = format!(
        "{}key-{}x{}",
        "k".repeat(9000),
        "7".repeat(4000),
        "y".repeat(9000)
    );
    for piece in [1, 63, 4096, 5000, usize::MAX] {
        assert!(found(&needle, text.as_bytes(), &[piece])[0], "{piece}");
    }
}

#[test]
fn a_pattern_that_is_slow_elsewhere_is_not_slow_here() {
    let needle = [
        Needle::pattern("(a+)+$").unwrap(),
        Needle::pattern("(?:a?){40}a{40}b").unwrap(),
    ];
    let text = "a".repeat(100_000) + "!";
    assert_eq!(found(&needle, text.as_bytes(), &[4096]), [false, false]);
    for pattern in ["a*", "(", "(a{1000}){1000}", "(?:)"] {
        assert!(Needle::pattern(pattern).is_err(), "{pattern}");
    }
}
