//! What a selection takes, what is left out, and what the manifest says of it.

use crate::common::*;
use mlark::flow::export::ExportOptions;
use mlark::format::Kind;
use mlark::select::{Selection, TimeRange};
use serde_json::json;

#[test]
fn deleted_objects_are_counted_unless_asked_for() {
    for version in stores() {
        let (all, active) = (
            export(version, with_deleted()),
            export(version, ExportOptions::default()),
        );
        assert_eq!(active.left_out("experiments", "deleted"), 1, "{version}");
        assert_eq!(active.left_out("runs", "deleted"), 2, "{version}");
        for kind in [
            Kind::Experiments,
            Kind::Runs,
            Kind::ModelVersions,
            Kind::LoggedModels,
        ] {
            let left_out = active.left_out(kind.name(), "deleted");
            assert_eq!(active.count(kind) + left_out, all.count(kind), "{version} {kind}");
        }
        let runs = all.by(Kind::Runs, "/info/run_id");
        let deleted = runs
            .values()
            .filter(|run| run["info"]["lifecycle_stage"] == "deleted");
        assert!(deleted.clone().all(|run| run["info"]["deleted_time"].is_i64()));
        assert_eq!(deleted.count(), 2, "{version}");
    }
}

#[test]
fn a_choice_brings_what_it_needs_and_counts_the_rest() {
    let said = said("3.18.0");
    let grandchild = said["made"]["runs"]["grandchild"].as_str().unwrap();
    let exported = export(
        "3.18.0",
        select(Selection {
            runs: vec![grandchild.to_owned()],
            ..Selection::default()
        }),
    );
    // A nested run with its parent and grandparent, the trace of that, and their experiment.
    let runs = exported.by(Kind::Runs, "/info/run_id");
    assert_eq!(runs.len(), 3);
    assert_eq!(exported.count(Kind::Experiments), 1);
    assert_eq!(exported.left_out("experiments", "not-selected"), 7);
    let all = export("3.18.0", with_deleted());
    assert_eq!(
        exported.left_out("runs", "not-selected"),
        all.count(Kind::Runs) - 3
    );
    assert!(
        exported
            .by(Kind::Traces, "/trace_id")
            .contains_key(said["made"]["traces"]["imported"].as_str().unwrap())
    );
    assert_eq!(exported.count(Kind::EvaluationDatasets), 0);

    let by_name = Selection {
        experiments: names(&["12e*"]),
        ..Selection::default()
    };
    let exported = export("3.18.0", select(by_name));
    assert_eq!(exported.count(Kind::Experiments), 1);
    assert_eq!(exported.count(Kind::EvaluationDatasets), 1);

    let by_model = Selection {
        models: names(&["wine"]),
        ..Selection::default()
    };
    let exported = export("3.18.0", select(by_model));
    assert_eq!(exported.count(Kind::RegisteredModels), 1);
    assert!(exported.count(Kind::Runs) > 0);

    let nothing = Selection {
        experiments: names(&["no such"]),
        ..Selection::default()
    };
    let error = try_export(&fixture("3.18.0").join("mlflow.db"), select(nothing))
        .err()
        .unwrap();
    assert_eq!(error.to_string(), "nothing matches --experiment `no such`");
}

#[test]
fn a_time_range_takes_runs_by_their_start() {
    let exported = export(
        "2.9.2",
        select(Selection {
            time: TimeRange {
                since: Some(1_714_979_290_123 + 9_000),
                until: Some(1_714_979_290_123 + 9_001),
            },
            ..Selection::default()
        }),
    );
    let runs = exported.by(Kind::Runs, "/info/run_id");
    let found: Vec<_> = runs.values().map(|run| run["info"]["run_name"].clone()).collect();
    assert_eq!(found, [json!("hostile values")]);
}

#[test]
fn served_artifacts_are_found_beside_the_database() {
    for version in stores() {
        let exported = export(version, ExportOptions::default());
        let run = said(version)["made"]["runs"]["artifacts"].clone();
        let lists = exported.archive.values(Kind::Artifacts).map(Result::unwrap);
        let paths: Vec<String> = lists
            .filter(|list| list["owner_id"] == run)
            .flat_map(|list| list["files"].as_array().unwrap().clone())
            .map(|file| file["path"].as_str().unwrap().to_owned())
            .collect();
        for path in ["empty.txt", "deep/er/and/deeper/leaf.json", "odd/😀.bin"] {
            assert!(
                paths.iter().any(|found| found == path),
                "{version}: {path} in {paths:?}"
            );
        }
        assert!(paths.is_sorted());
    }
}

#[test]
fn the_manifest_tells_the_schema() {
    let exported = export("2.9.2", ExportOptions::default());
    let source = &exported.manifest.source;
    assert_eq!(
        (source.kind.as_str(), source.mlflow_version.as_deref()),
        ("sql", Some("2.9"))
    );
    assert_eq!(source.details["alembic_head"], "acf3f17fdcc7");
    assert_eq!(source.details["dialect"], "sqlite");
}
