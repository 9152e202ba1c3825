use proptest::prelude::*;

use super::parse::MAX_DEPTH;
use super::*;

fn parse(text: &str) -> PyJson {
    PyJson::parse(text.as_bytes()).expect("the text parses")
}

fn fault(text: &str) -> (usize, usize, PyJsonErrorKind) {
    let error = PyJson::parse(text.as_bytes()).expect_err("the text is refused");
    (error.line, error.column, error.kind)
}

#[test]
fn int_and_float_differ_by_their_text() {
    assert_eq!(parse("1"), PyJson::Int(PyInt::Small(1)));
    assert_eq!(parse("-0"), PyJson::Int(PyInt::Small(0)));
    assert_eq!(parse("1.0"), PyJson::Float(1.0));
    assert_eq!(parse("1e16"), PyJson::Float(1e16));
    assert_eq!(parse("1e400"), PyJson::Float(f64::INFINITY));
    assert_eq!(parse("-9223372036854775808"), PyJson::Int(PyInt::Small(i64::MIN)));
    assert_eq!(
        parse("-9223372036854775809"),
        PyJson::Int(PyInt::Big("-9223372036854775809".to_owned()))
    );
}

#[test]
fn bare_nan_and_infinity_are_values() {
    assert!(matches!(parse("NaN"), PyJson::Float(value) if value.is_nan()));
    assert_eq!(
        parse("[Infinity,-Infinity]").to_json_text(),
        "[Infinity,-Infinity]"
    );
    assert_eq!(parse("{\"a\": NaN}").to_json_text(), "{\"a\":NaN}");
}

#[test]
fn repeated_key_keeps_first_position_and_last_value() {
    assert_eq!(
        parse(r#"{"a": 1, "b": 2, "a": 3}"#).to_json_text(),
        r#"{"a":3,"b":2}"#
    );
    let many: Vec<String> = (0..40).map(|n| format!("\"k{n}\": {n}")).collect();
    let text = format!("{{{}, \"k0\": -1, \"k39\": -39}}", many.join(","));
    let dict = parse(&text);
    assert_eq!(dict.as_dict().map(<[_]>::len), Some(40));
    assert_eq!(dict.get("k0").and_then(PyJson::as_i64), Some(-1));
    assert_eq!(dict.get("k39").and_then(PyJson::as_i64), Some(-39));
}

#[test]
fn surrogate_pairs_join_and_lone_surrogates_are_refused() {
    assert_eq!(parse(r#""\ud83d\ude00""#), PyJson::from("😀"));
    assert_eq!(fault(r#"["\ud800"]"#), (1, 3, PyJsonErrorKind::LoneSurrogate));
    assert_eq!(fault(r#""\udc00\ud800""#), (1, 2, PyJsonErrorKind::LoneSurrogate));
    assert_eq!(fault(r#""\ud800\u0041""#), (1, 2, PyJsonErrorKind::LoneSurrogate));
}

#[test]
fn faults_are_named_with_line_and_column() {
    use PyJsonErrorKind as Kind;
    assert_eq!(fault("{\n  \"é\": \"a\tb\"}"), (2, 10, Kind::ControlCharacter));
    assert_eq!(fault(""), (1, 1, Kind::ExpectedValue));
    assert_eq!(fault("[1,]"), (1, 4, Kind::ExpectedValue));
    assert_eq!(fault("[1 2]"), (1, 4, Kind::ExpectedComma));
    assert_eq!(fault("{\"a\" 1}"), (1, 6, Kind::ExpectedColon));
    assert_eq!(fault("{a: 1}"), (1, 2, Kind::ExpectedKey));
    assert_eq!(fault("{\"a\": 1,}"), (1, 9, Kind::ExpectedKey));
    assert_eq!(fault("\"abc"), (1, 1, Kind::UnterminatedString));
    assert_eq!(fault("\"\\x\""), (1, 2, Kind::BadEscape));
    assert_eq!(fault("\"\\u12\""), (1, 2, Kind::BadEscape));
    assert_eq!(fault("\"\\"), (1, 2, Kind::BadEscape));
    assert_eq!(fault("1 2"), (1, 3, Kind::TrailingData));
    assert_eq!(fault("01"), (1, 2, Kind::TrailingData));
    assert_eq!(fault("[1.]"), (1, 3, Kind::ExpectedComma));
    assert_eq!(fault("nul"), (1, 1, Kind::ExpectedValue));
    assert_eq!(fault("-"), (1, 1, Kind::ExpectedValue));
    assert_eq!(fault(&"9".repeat(4301)), (1, 1, Kind::IntTooLong));
    let error = PyJson::parse(b"[\"\xff\"]").expect_err("the bytes are refused");
    assert_eq!((error.offset, error.kind), (2, Kind::NotUtf8));
    assert_eq!(error.to_string(), "line 1 column 3: not UTF-8");
}

/// Gives one byte a call.
struct Dripping<'a>(&'a [u8]);

impl std::io::Read for Dripping<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = buffer.len().min(1);
        (&mut self.0).read(&mut buffer[..count])
    }
}

/// Takes the lists two keys deep.
#[derive(Default)]
struct Taken(Vec<(String, Vec<PyJson>)>);

impl ListSink for Taken {
    fn begin(&mut self, path: &[String]) -> bool {
        if path.len() == 2 {
            self.0.push((path[1].clone(), Vec::new()));
        }
        path.len() == 2
    }

    fn item(&mut self, item: PyJson) {
        if let Some((_, items)) = self.0.last_mut() {
            items.push(item);
        }
    }
}

#[test]
fn a_sink_takes_the_lists_it_wants_from_a_stream() {
    let text = r#"{"m": {"a": [{"é": 1.5}, [2]], "b": []}, "n": [3]}"#;
    let mut taken = Taken::default();
    let value = PyJson::read(Dripping(text.as_bytes()), &mut taken).expect("the text parses");
    assert_eq!(value.to_json_text(), r#"{"m":{"a":[],"b":[]},"n":[3]}"#);
    let items = vec![parse(r#"{"é": 1.5}"#), parse("[2]")];
    assert_eq!(taken.0, [("a".to_owned(), items), ("b".to_owned(), vec![])]);
}

#[test]
fn nesting_is_read_to_its_limit() {
    let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    assert!(PyJson::parse(nested(MAX_DEPTH).as_bytes()).is_ok());
    assert_eq!(
        fault(&nested(MAX_DEPTH + 1)),
        (1, MAX_DEPTH + 1, PyJsonErrorKind::TooDeep)
    );
}

#[test]
fn floats_print_as_in_python() {
    let cases = [
        (0.0, "0.0"),
        (-0.0, "-0.0"),
        (1.0, "1.0"),
        (0.1, "0.1"),
        (1e15, "1000000000000000.0"),
        (1e16, "1e+16"),
        (1.2345e16, "1.2345e+16"),
        (123456789012345680.0, "1.2345678901234568e+17"),
        (0.0001, "0.0001"),
        (-0.00012, "-0.00012"),
        (1234.5, "1234.5"),
        (-120.0, "-120.0"),
        (2_325_634_988_157_177.0 / 4.0, "581408747039294.2"),
        (2f64.powi(-44), "5.684341886080802e-14"),
        (0.00001, "1e-05"),
        (1.5e-7, "1.5e-07"),
        (1e100, "1e+100"),
        (5e-324, "5e-324"),
        (f64::MAX, "1.7976931348623157e+308"),
        (f64::NAN, "nan"),
        (f64::NEG_INFINITY, "-inf"),
    ];
    for (value, expected) in cases {
        assert_eq!(py_float_repr(value), expected);
    }
}

#[test]
fn strings_print_as_in_python() {
    let cases = [
        ("plain", "'plain'"),
        ("x'y", "\"x'y\""),
        ("x'y\"z", "'x\\'y\"z'"),
        ("x\"y", "'x\"y'"),
        ("a\\b\n\r\t", "'a\\\\b\\n\\r\\t'"),
        ("\0\u{1f}\u{7f}", "'\\x00\\x1f\\x7f'"),
        ("\u{80}\u{a0}\u{ad}", "'\\x80\\xa0\\xad'"),
        ("é漢😀", "'é漢😀'"),
        (
            "\u{200b}\u{2028}\u{3000}\u{e000}\u{feff}",
            "'\\u200b\\u2028\\u3000\\ue000\\ufeff'",
        ),
        ("\u{10ffff}\u{e0001}", "'\\U0010ffff\\U000e0001'"),
        // Assigned after Unicode 14.0, so Python 3.11 escapes it.
        ("\u{1fa75}", "'\\U0001fa75'"),
    ];
    for (text, expected) in cases {
        assert_eq!(py_str_repr(text), expected);
    }
}

#[test]
fn str_of_nested_values_is_their_repr() {
    assert_eq!(
        parse("[\"also-champion\", \"champion\"]").py_str(),
        "['also-champion', 'champion']"
    );
    assert_eq!(parse("[]").py_str(), "[]");
    assert_eq!(
        parse(r#"{"a": null, "b": [true, false, 1, 1.0, NaN]}"#).py_str(),
        "{'a': None, 'b': [True, False, 1, 1.0, nan]}"
    );
    assert_eq!(parse("\"x'\\n\"").py_str(), "x'\n");
    assert_eq!(
        parse("123456789012345678901234567890").py_str(),
        "123456789012345678901234567890"
    );
}

#[test]
fn dumps_text_is_that_of_python() {
    let value = parse(r#"{"é😀": [1, 1e16, "\u0001\b\f\u007f/\""], "a": NaN}"#);
    assert_eq!(
        value.to_dumps_text(),
        r#"{"\u00e9\ud83d\ude00": [1, 1e+16, "\u0001\b\f\u007f/\""], "a": NaN}"#
    );
}

fn any_value() -> impl Strategy<Value = PyJson> {
    let number = any::<f64>().prop_filter("NaN is not equal to itself", |value| !value.is_nan());
    let leaf = prop_oneof![
        Just(PyJson::Null),
        any::<bool>().prop_map(PyJson::Bool),
        any::<i64>().prop_map(PyJson::from),
        number.prop_map(PyJson::Float),
        any::<String>().prop_map(PyJson::Str),
    ];
    leaf.prop_recursive(4, 48, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(PyJson::List),
            prop::collection::btree_map(any::<String>(), inner, 0..6)
                .prop_map(|map| PyJson::Dict(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn text_of_a_value_parses_back_to_it(value in any_value()) {
        prop_assert_eq!(parse(&value.to_dumps_text()), value.clone());
        prop_assert_eq!(parse(&value.to_json_text()), value);
    }

    #[test]
    fn a_stream_is_read_as_its_bytes_are(value in any_value()) {
        let text = value.to_json_text();
        let read = PyJson::read(Dripping(text.as_bytes()), &mut KeepAll);
        prop_assert_eq!(read.expect("the text parses"), value);
    }

    #[test]
    fn any_bytes_return(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let _ = PyJson::parse(&bytes);
    }

    #[test]
    fn any_json_like_text_returns(text in r#"[\[\]{}",:\\u0-9eE.+\-NaItrfls \n]{0,40}"#) {
        let _ = PyJson::parse(text.as_bytes());
    }

    #[test]
    fn serde_json_reads_the_same(value in any_value()) {
        let text = value.to_json_text();
        prop_assume!(!text.contains("Infinity"));
        prop_assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok());
    }
}
