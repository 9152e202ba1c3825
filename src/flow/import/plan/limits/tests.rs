use super::*;
use crate::format::Reason;
use crate::lang::rest::version::Version;
use crate::model::{RunInfo, Text};

fn fitting(long_values: LongValues) -> Fitting {
    Fitting {
        limits: Limits::of(Version::new(3, 18)),
        is_databricks: false,
        origins: "o".into(),
        long_values,
        source_tags: false,
        user: None,
    }
}

fn run() -> Run {
    let mut run = Run {
        info: RunInfo {
            run_id: "r".to_owned(),
            run_name: Some("name".to_owned()),
            user_id: Some("ana".to_owned()),
            start_time: Some(5),
            status: "FINISHED".to_owned(),
            ..RunInfo::default()
        },
        ..Run::default()
    };
    run.tags.insert(USER_TAG.to_owned(), "ana".into());
    run.params
        .insert("p".to_owned(), "é".repeat(6_001).as_str().into());
    run
}

fn tag<'a>(texts: &'a Texts, key: &str) -> Option<&'a str> {
    texts
        .iter()
        .find(|(found, _)| found == key)
        .map(|(_, value)| value.as_str())
}

#[test]
fn long_values_are_cut_or_left_out_and_always_reported() {
    let fitted = fitting(LongValues::Truncate).run(&run()).unwrap();
    assert_eq!(fitted.params[0].1.chars().count(), 6_000);
    assert_eq!(
        (fitted.changes[0].reason.known(), fitted.changes[0].outcome),
        (Some(Reason::ValueTooLong), Outcome::Truncated)
    );
    let fitted = fitting(LongValues::Skip).run(&run()).unwrap();
    assert!(fitted.params.is_empty());
    assert_eq!(fitted.changes[0].outcome, Outcome::LeftOut);
}

#[test]
fn a_run_carries_its_mark_and_keeps_its_user_unless_told() {
    let fitted = fitting(LongValues::Skip).run(&run()).unwrap();
    assert_eq!(tag(&fitted.tags, mark::KEY), Some("o/runs/r"));
    assert_eq!(
        (tag(&fitted.tags, USER_TAG), fitted.user_id.as_deref()),
        (Some("ana"), Some("ana"))
    );
    let mut other = fitting(LongValues::Skip);
    other.user = Some("ben".to_owned());
    let fitted = other.run(&run()).unwrap();
    assert_eq!(
        (tag(&fitted.tags, USER_TAG), fitted.user_id.as_deref()),
        (Some("ben"), Some("ben"))
    );
}

#[test]
fn source_tags_on_the_fly_are_those_of_the_transform() {
    let mut other = fitting(LongValues::Skip);
    other.source_tags = true;
    let fitted = other.run(&run()).unwrap();
    assert_eq!(tag(&fitted.tags, "mlflow_exim.mlflow_tag.user"), Some("ana"));
    assert_eq!(tag(&fitted.tags, "mlflow_exim.run_info.start_time"), Some("5"));
}

#[test]
fn names_that_differ_and_keys_and_bytes_that_do_not_fit_are_reported() {
    let mut run = run();
    run.params.clear();
    run.tags.insert(RUN_NAME_TAG.to_owned(), "other".into());
    run.tags.insert("a%b".to_owned(), "v".into());
    run.tags.insert("bytes".to_owned(), Text::from_bytes(vec![0xff]));
    let fitted = fitting(LongValues::Error).run(&run).unwrap();
    let mut reasons: Vec<_> = fitted
        .changes
        .iter()
        .map(|change| change.reason.as_str())
        .collect();
    reasons.sort_unstable();
    assert_eq!(reasons, ["differs-from-run-name", "key-refused", "not-utf-8"]);
    assert_eq!(tag(&fitted.tags, RUN_NAME_TAG), Some("name"));
    assert_eq!(tag(&fitted.tags, "a%b"), None);
    let mut databricks = fitting(LongValues::Error);
    databricks.is_databricks = true;
    let fitted = databricks.run(&run).unwrap();
    assert_eq!(tag(&fitted.tags, USER_TAG), None);
    assert!(
        fitted
            .changes
            .iter()
            .any(|change| change.reason.as_str() == "refused-by-databricks")
    );
}
