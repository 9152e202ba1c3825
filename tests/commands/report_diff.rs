//! Differences between archives, from the library and from the command line.

use crate::helpers::{command, common};
use command::{mlark, shown};
use common::{History, MODEL, RUN_A, RUN_B, TRACE, point};
use mlark::archive::{Archive, ArchiveError};
use mlark::format::Reason;
use mlark::internals::json_text;
use mlark::model::{OwnerKind, Run, RunInfo, Span};
use mlark::monitor::Silent;
use mlark::report::{DiffOptions, diff};

/// Differences as lines: sign, kind, id, key, values, points.
fn differences(before: &Archive, after: &Archive, options: DiffOptions) -> Vec<String> {
    let mut lines = Vec::new();
    diff(before, after, options, &Silent, &mut |difference| {
        let side = |value: &Option<serde_json::Value>| value.as_ref().map_or("-".to_owned(), json_text);
        let is_whole = difference.key.is_empty();
        let values = match (&difference.points, is_whole) {
            (Some(points), _) => json_text(points),
            (None, true) => String::new(),
            (None, false) => format!("{} > {}", side(&difference.before), side(&difference.after)),
        };
        let parts = [
            difference.change.as_str(),
            &difference.kind,
            &difference.id,
            &difference.key_text(),
            &values,
        ];
        lines.push(parts.join(" ").trim_end().to_owned());
        Ok::<_, ArchiveError>(())
    })
    .unwrap();
    lines
}

/// What a change of the history makes of the diff, there and back.
fn changed(change: impl Fn(&mut History)) -> Vec<String> {
    changed_with(DiffOptions::default(), change)
}

fn changed_with(options: DiffOptions, change: impl Fn(&mut History)) -> Vec<String> {
    let directory = tempfile::tempdir().unwrap();
    let before = History::new().write(&directory.path().join("a"));
    let mut history = History::new();
    change(&mut history);
    let after = history.write(&directory.path().join("b.zip"));
    let there = differences(&before, &after, options);
    let back = differences(&after, &before, options);
    assert_eq!(there.len(), back.len(), "{there:?} {back:?}");
    there
}

#[test]
fn equal_content_has_no_differences_in_any_container() {
    assert_eq!(changed(|_| ()), [""; 0]);
}

#[test]
fn each_changed_key_of_an_object_is_named() {
    let lines = changed(|history| {
        history.experiments[0]
            .tags
            .insert("mlflow_exim.field.name".into(), "training".into());
        history.runs[0].info.status = "FAILED".into();
        history.runs[0].params.remove("lr");
        history.runs[0].outputs.model_outputs[0].step = 3;
        history.model_versions[1].description = Some("better".into());
        history.traces[0].assessments[0].rationale = None;
    });
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn objects_added_and_removed_are_named_whole() {
    let lines = changed(|history| {
        history.experiments.remove(1);
        let mut run = history.runs[1].clone();
        run.info.run_id = "cccc1111bbbb2222cccc3333dddd4444".into();
        run.info.experiment_id = "1".into();
        history.runs.push(run);
        history.scorers.clear();
    });
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn points_are_compared_one_by_one() {
    let lines = changed(|history| {
        let loss = &mut history.metrics[1].2;
        loss[3].value = mlark::model::Double(9.0);
        loss.remove(5);
        loss.push(point(99, 99, 0.0));
        loss.push(point(99, 99, 0.0));
        history.metrics.remove(0);
        history.metrics.push((
            RUN_B.into(),
            "new".into(),
            vec![point(1, 1, 1.0), point(1, 1, 1.0)],
        ));
        history.model_metrics[0].2[0].link = None;
    });
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn slices_that_are_cut_elsewhere_are_the_same_series() {
    let long = |first: i64, count: i64| {
        (first..first + count)
            .map(|step| point(step, step, 0.5))
            .collect::<Vec<_>>()
    };
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, points: Vec<mlark::model::Point>| {
        let mut history = History::new();
        history.metrics[1].2 = points;
        history.write(&directory.path().join(name))
    };
    let whole = write("whole", long(0, 12_000));
    let shifted = write("shifted", long(1, 11_999));
    let shorter = write("shorter", long(0, 5_000));
    let options = DiffOptions::default();
    let lines = [
        differences(&whole, &shifted, options),
        differences(&whole, &shorter, options),
        differences(&shorter, &whole, options),
    ];
    insta::assert_snapshot!(lines.concat().join("\n"));
}

#[test]
fn artifacts_are_compared_file_by_file() {
    let lines = changed(|history| {
        history.artifacts[0].3 = Ok(b"other".to_vec());
        drop(history.artifacts.remove(1));
        history.artifacts[2].3 = Ok(b"there now".to_vec());
        history.artifacts.insert(
            3,
            (
                OwnerKind::LoggedModel,
                MODEL.into(),
                "A".into(),
                Ok(b"12345".to_vec()),
            ),
        );
        history.artifacts.last_mut().unwrap().3 = Err(mlark::model::Absent::Failed);
    });
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn lists_that_are_cut_elsewhere_hold_the_same_files() {
    let with_files = |history: &mut History, first: usize| {
        let files = (first..2_500).map(|n| {
            (
                OwnerKind::Run,
                RUN_A.to_owned(),
                format!("f/{n:05}"),
                Ok(b"x".to_vec()),
            )
        });
        history.artifacts.splice(0..0, files.collect::<Vec<_>>());
    };
    let directory = tempfile::tempdir().unwrap();
    let archives = [0, 1].map(|first| {
        let mut history = History::new();
        with_files(&mut history, first);
        history.write(&directory.path().join(format!("{first}.zip")))
    });
    let lines = differences(&archives[0], &archives[1], DiffOptions::default());
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(
        lines[0].starts_with(&format!("removed artifacts {RUN_A} f/00000 ")),
        "{lines:?}"
    );
}

#[test]
fn spans_are_paired_by_their_id_whatever_their_order() {
    let lines = changed(|history| {
        history.spans.swap(1, 3);
        history.spans[2].name = "embed text".into();
        history.spans.pop();
        history.spans.push(Span {
            trace_id: TRACE.into(),
            span_id: "2000000000000000".into(),
            ..Span::default()
        });
    });
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn limits_of_either_archive_can_be_ignored() {
    let change = |history: &mut History| {
        history.runs[0].info.deleted_time = Some(5);
        history.runs[0].info.user_id = None;
        let long = "x".repeat(300);
        history.traces[0]
            .trace_metadata
            .insert("long".into(), long.as_str().into());
        history.metrics[1].2[3].value = mlark::model::Double(9.0);
        history.scorers.clear();
        history.limits = vec![
            ("runs", "info.deleted_time", Reason::NotShown),
            ("traces", "trace_metadata", Reason::CutByServer),
            ("metrics", "values", Reason::SqlInfinity),
            ("scorers", "*", Reason::NotShown),
        ];
    };
    assert_eq!(changed(change).len(), 5);
    let ignored = changed_with(DiffOptions { ignore_limits: true }, change);
    assert_eq!(
        ignored,
        [format!("removed runs {RUN_A} info.user_id \"ana\" > -")]
    );
}

#[test]
fn a_limit_that_hides_an_object_hides_what_belongs_to_it() {
    let hide = |history: &mut History| {
        let hidden = history.runs.pop().unwrap().info.run_id;
        history.metrics.retain(|(run_id, ..)| *run_id != hidden);
        history.artifacts.retain(|artifact| artifact.1 != hidden);
    };
    let ignoring = DiffOptions { ignore_limits: true };
    assert!(!changed_with(ignoring, hide).is_empty());
    let lines = changed_with(ignoring, |history| {
        hide(history);
        history.limits = vec![("runs", "*", Reason::NotShown)];
    });
    assert_eq!(lines, Vec::<String>::new());
}

#[test]
fn many_runs_align_after_one_that_only_one_side_has() {
    let many = |history: &mut History| {
        for number in 0..300_i64 {
            let run_id = format!("{number:032x}");
            history.runs.push(Run {
                info: RunInfo {
                    run_id: run_id.clone(),
                    experiment_id: "2".into(),
                    start_time: Some(number),
                    status: "FINISHED".into(),
                    lifecycle_stage: "active".into(),
                    ..RunInfo::default()
                },
                ..Run::default()
            });
            history.metrics.push((run_id, "m".into(), vec![point(1, 1, 0.5)]));
        }
    };
    let directory = tempfile::tempdir().unwrap();
    let mut history = History::new();
    many(&mut history);
    let before = history.write(&directory.path().join("a.zip"));
    let mut history = History::new();
    many(&mut history);
    history.runs.remove(100);
    history.metrics.remove(100);
    let after = history.write(&directory.path().join("b.zip"));
    let lines = differences(&before, &after, DiffOptions::default());
    assert_eq!(lines.len(), 2, "{lines:?}");
}

#[test]
fn the_command_prints_lines_and_says_by_its_exit_code_whether_content_is_equal() {
    let directory = tempfile::tempdir().unwrap();
    History::new().write(&directory.path().join("a"));
    let mut history = History::new();
    history.experiments[0]
        .tags
        .insert("new\tkey\u{1b}".into(), "a\tb\u{9b}".into());
    history.metrics[1].2[3].value = mlark::model::Double(f64::INFINITY);
    history.datasets.clear();
    history.write(&directory.path().join("b.zip"));
    let piped = mlark(directory.path(), &["diff", "a", "b.zip"]);
    insta::assert_snapshot!(shown(&piped));
    let json = mlark(directory.path(), &["diff", "a", "b.zip", "--json"]);
    insta::assert_snapshot!(shown(&json));
    for (args, code) in [
        (["diff", "-q", "a", "b.zip"], 1),
        (["diff", "-q", "a", "a"], 0),
        (["diff", "a", "b.zip", "-q"], 1),
    ] {
        let output = mlark(directory.path(), &args);
        assert_eq!((output.status.code(), output.stdout.len()), (Some(code), 0));
    }
    let missing = mlark(directory.path(), &["diff", "a", "nothing"]);
    insta::assert_snapshot!(shown(&missing));
}

#[test]
fn a_model_without_a_workspace_is_the_one_in_default() {
    let in_workspace = |name: &'static str| {
        move |history: &mut History| {
            for model in &mut history.registered_models {
                model.workspace = Some(name.into());
            }
            for version in &mut history.model_versions {
                version.workspace = Some(name.into());
            }
        }
    };
    let moved = changed(in_workspace("default"));
    assert!(
        !moved.is_empty()
            && moved
                .iter()
                .all(|line| line.ends_with(r#"workspace - > "default""#)),
        "{moved:#?}"
    );
    let elsewhere = changed(in_workspace("blue"));
    assert_eq!(elsewhere.len(), 2 * moved.len(), "{elsewhere:#?}");
    assert!(
        elsewhere.iter().all(|line| !line.contains("workspace")),
        "{elsewhere:#?}"
    );
}
