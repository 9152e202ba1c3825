use super::*;
use crate::model::pyjson::KeepAll;

/// Takes the list `points`.
struct TakePoints(usize);

impl ListSink for TakePoints {
    fn begin(&mut self, path: &[String]) -> bool {
        path == ["points"]
    }

    fn item(&mut self, _: PyJson) {
        self.0 += 1;
    }
}

/// Takes long texts.
#[derive(Default)]
struct TakeTexts(Vec<u8>);

impl ListSink for TakeTexts {
    fn begin(&mut self, _: &[String]) -> bool {
        false
    }

    fn item(&mut self, _: PyJson) {}

    fn text_piece(&mut self, piece: &[u8]) -> std::io::Result<bool> {
        assert!(
            std::str::from_utf8(piece).is_ok(),
            "pieces end between characters"
        );
        self.0.extend(piece);
        Ok(true)
    }

    fn text_end(&mut self) -> std::io::Result<String> {
        Ok(format!("{} bytes", self.0.len()))
    }
}

#[test]
fn long_texts_are_taken_in_pieces_whatever_they_hold() {
    for character in ["x", "é", "€", "😀", "a€", r#"\"é"#, r"\u20ac€"] {
        let raw = character.repeat(3 * LONG_BYTES / character.len());
        let text = format!(r#"{{"short": "{character}", "long": "{raw}", "then": 1}}"#);
        let held = PyJson::parse(text.as_bytes()).unwrap();
        let mut sink = TakeTexts::default();
        let value = read_within(text.as_bytes(), &mut sink, 2 * LONG_BYTES).unwrap();
        assert_eq!(held.get("long").unwrap().as_str().unwrap().as_bytes(), sink.0);
        assert_eq!(
            value.get("long").unwrap().as_str().unwrap(),
            format!("{} bytes", sink.0.len())
        );
        assert_eq!(
            (value.get("short"), value.get("then")),
            (held.get("short"), held.get("then"))
        );
    }
    let cut = format!("[\"{}\u{e9}", "x".repeat(LONG_BYTES));
    let bad = [cut.as_bytes(), b"\xff\"]"].concat();
    for (text, kind) in [(cut.as_bytes(), Kind::UnterminatedString), (&bad, Kind::NotUtf8)] {
        let error = read_within(text, &mut TakeTexts::default(), 2 * LONG_BYTES).unwrap_err();
        assert!(
            matches!(&error, PyJsonReadError::Json(error) if error.kind == kind),
            "{error}"
        );
    }
}

#[test]
fn what_is_held_is_bounded_and_what_is_streamed_is_not() {
    let text = format!(r#"{{"points": [{}0]}}"#, "1, ".repeat(1_000));
    let mut sink = TakePoints(0);
    assert!(read_within(text.as_bytes(), &mut sink, 1_000).is_ok());
    assert_eq!(sink.0, 1_001);
    for text in [
        text,
        format!(r#"["{}"]"#, "x".repeat(1_000)),
        format!("[{}", "[],".repeat(1_000)),
    ] {
        let error = read_within(text.as_bytes(), &mut KeepAll, 1_000).unwrap_err();
        let PyJsonReadError::Json(error) = error else {
            panic!("a slice can be read");
        };
        assert_eq!(error.kind, Kind::TooLarge);
        assert!(error.offset < 1_100, "it ends early: {error}");
    }
}
