use super::*;
use crate::format::line::to_value;
use proptest::prelude::*;
use serde_json::json;

#[test]
fn artifact_paths_stay_below_their_root() {
    for path in ["a", "a/b", "..a/b..", "a\\..\\b", "ü/\u{2028}", "..."] {
        assert!(is_artifact_path(path), "{path}");
    }
    for path in ["", "/a", "a/", "a//b", ".", "..", "a/../b", "./a", "a\0"] {
        assert!(!is_artifact_path(path), "{path:?}");
    }
}

#[test]
fn a_misplaced_field_is_taken_out_with_its_path() {
    let mut run = Run::default();
    run.info.extra.insert("start_time".to_owned(), json!("9e99"));
    run.info.extra.insert("new".to_owned(), json!(1));
    run.extra.insert("tags".to_owned(), json!([null]));
    assert!(run.has_misplaced());
    let mut taken = Vec::new();
    run.take_misplaced("", &mut taken);
    let expected = [("tags", json!([null])), ("info.start_time", json!("9e99"))];
    assert_eq!(taken, expected.map(|(path, value)| (path.to_owned(), value)));
    assert!(!run.has_misplaced() && run.info.extra.len() == 1);
}

/// What the check lets pass is read back as it is; what it does not is not.
fn agrees<T: Typed>(object: &T) -> Result<(), TestCaseError> {
    let value = to_value(object);
    let is_same = T::deserialize(&value).is_ok_and(|read| to_value(&read) == value && !read.has_misplaced());
    prop_assert!(is_same || object.has_misplaced(), "{value}");
    let mut mended = object.clone();
    mended.take_misplaced("", &mut Vec::new());
    let value = to_value(&mended);
    prop_assert_eq!(to_value(&T::deserialize(&value).unwrap()), value);
    Ok(())
}

fn any_extra() -> impl Strategy<Value = Extra> {
    let name = prop::sample::select(vec![
        "info",
        "params",
        "tags",
        "metrics",
        "start_time",
        "status",
        "name",
        "exim",
        "assessments",
        "attributes",
        "trace_id",
        "version",
        "aliases",
        "new",
        "description",
        "valid",
        "source",
        "events",
    ]);
    let value = prop::sample::select(vec![
        json!(null),
        json!(1),
        json!("x"),
        json!([null]),
        json!({"a": 1}),
        json!(1.5),
        json!(true),
    ]);
    prop::collection::btree_map(name.prop_map(str::to_owned), value, 0..4)
}

proptest! {
    #[test]
    fn the_check_tells_what_is_read_back_as_it_is(outer in any_extra(), inner in any_extra()) {
        let mut run = Run { extra: outer.clone(), ..Run::default() };
        run.info.extra = inner.clone();
        agrees(&run)?;
        let assessment = Assessment { extra: inner.clone(), ..Assessment::default() };
        agrees(&Trace { extra: outer.clone(), assessments: vec![assessment], ..Trace::default() })?;
        let event = SpanEvent { extra: inner.clone(), ..SpanEvent::default() };
        let link = SpanLink { extra: inner, ..SpanLink::default() };
        agrees(&Span { extra: outer.clone(), events: vec![event], links: vec![link], ..Span::default() })?;
        agrees(&Experiment { extra: outer.clone(), ..Experiment::default() })?;
        agrees(&ModelVersion { extra: outer.clone(), ..ModelVersion::default() })?;
        agrees(&RegisteredModel { extra: outer, ..RegisteredModel::default() })?;
    }
}
