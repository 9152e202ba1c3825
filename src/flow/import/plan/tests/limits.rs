//! What a target cannot hold as it is.

use super::*;
use crate::format::Reason;

#[test]
fn long_values_are_decided_about_before_anything_is_sent() {
    let mut content = Content::small();
    content.runs.truncate(1);
    content.runs[0].params = texts(&[("short", "1"), ("long", &"é".repeat(6_001))]);
    content.runs[0].tags = texts(&[("long", &"x".repeat(8_001))]);
    let written = content.write();
    let with = |long_values| ImportOptions {
        long_values,
        ..ImportOptions::default()
    };
    let outcome = |plan: &Plan| {
        let limits = limits(plan);
        assert_eq!(limits.len(), 2, "{limits:?}");
        assert!(limits.iter().all(|limit| limit.2 == "value-too-long"));
        (limits[0].3, limits[1].3)
    };
    let plan = |version, long_values| written.plan(&server(version), &with(long_values));
    for (long_values, expected) in [
        (LongValues::Error, Outcome::LeftOut),
        (LongValues::Skip, Outcome::LeftOut),
        (LongValues::Truncate, Outcome::Truncated),
    ] {
        assert_eq!(
            outcome(&plan("3.18.0", long_values)),
            (expected, expected),
            "{long_values:?}"
        );
    }
    // One that fits 3.18 may be too long for an older server.
    content.runs[0].params = texts(&[("long", &"x".repeat(501))]);
    content.runs[0].tags.clear();
    let written = content.write();
    let named = |version| {
        let plan = written.plan(&server(version), &with(LongValues::Truncate));
        plan.changes.named().len()
    };
    assert_eq!((named("2.4.2"), named("2.9.2")), (1, 0));
}

#[test]
fn points_and_files_that_no_server_takes_are_counted_and_files_are_named() {
    let point = |timestamp, value| Point {
        timestamp,
        step: 0,
        value: Double(value),
        link: None,
    };
    let mut content = Content::small();
    content.runs.truncate(1);
    content.points = vec![
        point(-1, 1.0),
        point(1, f64::INFINITY),
        point(2, f64::NEG_INFINITY),
        point(3, 0.5),
    ];
    content.files = vec!["a#b", "dir/fine.txt", "x%41"];
    let plan = content.write().plan(&server("3.18.0"), &ImportOptions::default());
    assert_eq!(
        counts(&plan),
        [
            (Kind::Metrics, "infinity".into(), Outcome::Replaced, 2),
            (Kind::Metrics, "negative-timestamp".into(), Outcome::LeftOut, 1),
            (
                Kind::Artifacts,
                "path-changed-by-server".into(),
                Outcome::LeftOut,
                1
            ),
            (Kind::Artifacts, "path-refused".into(), Outcome::LeftOut, 1),
        ]
    );
    let paths: Vec<_> = limits(&plan).iter().map(|limit| limit.1).collect();
    assert_eq!(paths, ["a#b", "x%41"]);
}

#[test]
fn keys_follow_the_rules_of_the_target_s_version() {
    let mut content = Content::small();
    content.runs.truncate(1);
    content.runs[0].params = texts(&[("a:b", "1"), ("a@b", "2")]);
    let written = content.write();
    let refused = |version| {
        let plan = written.plan(&server(version), &ImportOptions::default());
        let names = plan.changes.named().iter().map(|change| change.field.clone());
        names.collect::<Vec<_>>()
    };
    assert_eq!(refused("3.18.0"), ["param a@b"]);
    assert_eq!(refused("2.9.2"), ["param a:b", "param a@b"]);
}

#[test]
fn an_older_server_gets_what_it_knows_and_the_rest_is_counted() {
    let mut content = Content::with_model("wine", &[], &[("champion", 1)]);
    content.experiments = vec![experiment("7", "fraud")];
    content.logged_models = vec![LoggedModel {
        model_id: format!("m-{}", run_id(1)),
        experiment_id: "7".to_owned(),
        lifecycle_stage: "active".to_owned(),
        status: "LOGGED_MODEL_READY".to_owned(),
        ..LoggedModel::default()
    }];
    let written = content.write();
    let old = written.plan(&server("2.0.1"), &ImportOptions::default());
    assert_eq!(
        counts(&old),
        [
            (Kind::LoggedModels, "target-too-old".into(), Outcome::LeftOut, 1),
            (
                Kind::RegisteredModels,
                "target-too-old".into(),
                Outcome::LeftOut,
                1
            ),
        ]
    );
    assert_eq!(old.tallies[&Kind::RegisteredModels].create, 1);
    assert!(!old.tallies.contains_key(&Kind::LoggedModels));
    let new = written.plan(&server("3.18.0"), &ImportOptions::default());
    assert!(new.changes.is_empty());
    assert_eq!(new.tallies[&Kind::LoggedModels].create, 1);
}

#[test]
fn a_server_that_tells_no_version_is_taken_for_the_oldest() {
    let mut target = server("3.18.0");
    target.version_text = None;
    let mut content = Content::with_model("wine", &[], &[("champion", 1)]);
    content.experiments = vec![experiment("7", "fraud")];
    let plan = content.write().plan(&target, &ImportOptions::default());
    assert_eq!(plan.changes.of_reason(Reason::TargetTooOld), 1);
    assert!(
        plan.to_text().contains("MLflow of unknown version"),
        "{}",
        plan.to_text()
    );
}

#[test]
fn models_whose_names_are_refused_and_prompts_for_old_servers_are_left_out_with_their_versions() {
    let prompt = Content::with_model("ask", &[("mlflow.prompt.is_prompt", "true")], &[]).write();
    let slash = Content::with_model("a:b", &[], &[]).write();
    for (written, version, reason) in [
        (&prompt, "2.9.2", "target-too-old"),
        (&slash, "3.18.0", "name-refused"),
    ] {
        let plan = written.plan(&server(version), &ImportOptions::default());
        let skipped = Tally {
            skip: 1,
            ..Tally::default()
        };
        assert_eq!(plan.tallies[&Kind::RegisteredModels], skipped);
        assert_eq!(plan.tallies[&Kind::ModelVersions], skipped);
        assert_eq!(
            limits(&plan),
            [(Kind::RegisteredModels, "*", reason, Outcome::LeftOut)]
        );
    }
    let plan = slash.plan(&server("3.10.0"), &ImportOptions::default());
    assert_eq!(plan.tallies[&Kind::RegisteredModels].create, 1);
}

#[test]
fn aliases_that_servers_refuse_are_left_out_and_the_others_stay() {
    let written = Content::with_model("wine", &[], &[("champion", 1), ("latest", 1), ("v7", 1)]).write();
    let plan = written.plan(&server("3.18.0"), &ImportOptions::default());
    let refused: Vec<_> = limits(&plan).iter().map(|limit| (limit.1, limit.2)).collect();
    assert_eq!(
        refused,
        [("alias latest", "alias-refused"), ("alias v7", "alias-refused")]
    );
}

#[test]
fn a_databricks_target_gets_no_tags_that_it_refuses() {
    let mut content = Content::small();
    content.runs.truncate(1);
    content.runs[0].tags = texts(&[("mlflow.user", "ana"), ("mine", "1")]);
    let mut target = server("3.18.0");
    target.is_databricks = true;
    let plan = content.write().plan(&target, &ImportOptions::default());
    assert_eq!(
        limits(&plan),
        [(
            Kind::Runs,
            "tag mlflow.user",
            "refused-by-databricks",
            Outcome::LeftOut
        )]
    );
}

#[test]
fn traces_are_planned_by_what_the_target_s_api_can_hold() {
    let trace = Trace {
        trace_id: format!("tr-{}", run_id(1)),
        experiment_id: "7".to_owned(),
        state: "OK".to_owned(),
        request_preview: Some("why?".to_owned()),
        linked_runs: vec![run_id(1)],
        tags: texts(&[("long", &"x".repeat(8_001))]),
        ..Trace::default()
    };
    let mut content = Content::small();
    content.traces = vec![trace];
    let written = content.write();
    let plan = |version| written.plan(&server(version), &ImportOptions::default());
    let left_out = |plan: &Plan| {
        let limits = limits(plan)
            .into_iter()
            .map(|limit| format!("{}: {}", limit.1, limit.2));
        limits.collect::<Vec<_>>()
    };
    let new = plan("3.18.0");
    assert_eq!(left_out(&new), ["tag long: value-too-long"]);
    assert_eq!(new.tallies[&Kind::Traces].create, 1);
    let old = plan("2.22.5");
    assert_eq!(
        left_out(&old),
        [
            "tag long: value-too-long",
            "linked_runs: target-too-old",
            "request_preview: target-too-old"
        ]
    );
    assert_eq!(old.changes.of_reason(Reason::IdChosenByServer), 1);
    assert_eq!(old.tallies[&Kind::Traces].create, 1);
    let oldest = plan("2.9.2");
    assert_eq!(
        counts(&oldest),
        [(Kind::Traces, "target-too-old".into(), Outcome::LeftOut, 1)]
    );
}

#[test]
fn files_of_a_version_s_own_are_named_as_left_out() {
    let mut content = Content::with_model("wine", &[], &[]);
    content.version_files = vec!["MLmodel", "model.pkl"];
    let plan = content.write().plan(&server("3.18.0"), &ImportOptions::default());
    let left_out = |path| (Kind::Artifacts, path, "no-place-in-target", Outcome::LeftOut);
    assert_eq!(limits(&plan), [left_out("MLmodel"), left_out("model.pkl")]);
}

#[test]
fn files_of_a_version_that_its_run_has_too_arrive_with_the_run() {
    let mut content = Content::with_model("wine", &[], &[]);
    let small = Content::small();
    (content.experiments, content.runs) = (small.experiments, small.runs);
    content.versions[0].source = Some(format!("mlflow-artifacts:/7/{}/artifacts/model", run_id(1)));
    content.versions[0].run_id = Some(run_id(1));
    content.files = vec!["model/MLmodel", "model/model.pkl"];
    content.version_files = vec!["MLmodel", "extra.txt"];
    let written = content.write();
    let plan = written.plan(&server("3.18.0"), &ImportOptions::default());
    let left_out = |path| (Kind::Artifacts, path, "no-place-in-target", Outcome::LeftOut);
    assert_eq!(limits(&plan), [left_out("extra.txt")]);
}
