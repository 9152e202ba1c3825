//! Several workspaces of one server: names are unique only within each, and nothing is asked twice for them.

use crate::helpers::scripted;
use mlark::archive::{Archive, ArchiveWriter, Duplicates, ManifestHead, WriterOptions};
use mlark::model::{Experiment, ModelVersion, RegisteredModel, Run, RunInfo, Workspace};
use mlark::monitor::Silent;
use mlark::report::Difference;
use scripted::*;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

const TEAMS: [&str; 3] = ["default", "team-a", "team-b"];

/// Teams that call everything alike.
fn archive_of_teams(directory: &Path) -> Archive {
    let out = directory.join("teams");
    let mut writer = ArchiveWriter::create(&out, WriterOptions::default()).unwrap();
    for team in TEAMS {
        let workspace = Workspace {
            name: team.into(),
            ..Workspace::default()
        };
        writer.write(&workspace).unwrap();
    }
    let ids = || TEAMS.into_iter().zip(10_u32..);
    for (team, id) in ids() {
        let experiment = Experiment {
            experiment_id: id.to_string(),
            name: "fraud".into(),
            lifecycle_stage: "active".into(),
            workspace: Some(team.into()),
            ..Experiment::default()
        };
        writer.write(&experiment).unwrap();
    }
    for (_, id) in ids() {
        let run = Run {
            info: RunInfo {
                run_id: format!("{id:032x}"),
                experiment_id: id.to_string(),
                status: "FINISHED".into(),
                start_time: Some(1_000),
                end_time: Some(2_000),
                lifecycle_stage: "active".into(),
                ..RunInfo::default()
            },
            ..Run::default()
        };
        writer.write(&run).unwrap();
    }
    for (team, _) in ids() {
        let model = RegisteredModel {
            name: "wine".into(),
            description: Some(format!("of {team}")),
            workspace: Some(team.into()),
            ..RegisteredModel::default()
        };
        writer.write(&model).unwrap();
    }
    for (team, _) in ids() {
        let version = ModelVersion {
            name: "wine".into(),
            version: 1,
            source: Some("s3://bucket/model".into()),
            workspace: Some(team.into()),
            ..ModelVersion::default()
        };
        writer.write(&version).unwrap();
    }
    let head = ManifestHead {
        origin: "test".into(),
        ..ManifestHead::default()
    };
    writer.finish(head, Duplicates::Refuse).unwrap();
    Archive::open(&out).unwrap()
}

/// A server with a workspace for each team, which ids are of one row for.
fn target_of_teams() -> (Target, Arc<Mutex<BTreeMap<String, State>>>) {
    let states: BTreeMap<_, _> = TEAMS
        .into_iter()
        .zip(1..)
        .map(|(team, number)| {
            let mut state = State::default();
            for other in 0..number * 10 {
                let name = if other == 0 { "Default" } else { "of nobody" };
                let id = format!("{}", if other == 0 { 0 } else { 1_000 + other });
                state.experiments.push(json!({"experiment_id": id, "name": name}));
                state
                    .runs
                    .push(json!({"info": {"run_id": format!("other-{other}")}}));
            }
            (team.to_owned(), state)
        })
        .collect();
    let states = Arc::new(Mutex::new(states));
    let shared = states.clone();
    let target = Target::start(move |request| {
        let answer = match request.path() {
            "/api/3.0/mlflow/workspaces" => {
                let teams = TEAMS.map(|team| json!({"name": team}));
                reply(json!({"workspaces": teams}))
            }
            "/api/3.0/mlflow/server-info" => {
                reply(json!({"store_type": "SqlStore", "workspaces_enabled": true}))
            }
            path if path.ends_with("traces/search") => reply(json!({"traces": []})),
            path if path.ends_with("scorers/list") => reply(json!({"scorers": []})),
            _ => {
                let team = request.header("x-mlflow-workspace").unwrap_or("default");
                shared.lock().unwrap().get_mut(team).unwrap().answer(request)
            }
        };
        Some(Fault::Before(answer))
    });
    (target, states)
}

/// Differences, and how often each request was sent, by workspace, while an import was planned and then compared.
fn compared(archive: &Archive, target: &Target) -> (Vec<String>, BTreeMap<String, u32>) {
    let before = target.server.received().len();
    let prepared = prepare(archive, target, Default::default()).unwrap();
    let planned = target.server.received().len();
    let mut differences = Vec::new();
    let mut sink = |difference: Difference| {
        differences.push(format!("{} {}", difference.kind, difference.id));
        Ok(())
    };
    prepared.verify(&target.server.url(), &Silent, &mut sink).unwrap();
    let mut asked = BTreeMap::new();
    for (number, request) in target.server.received().iter().enumerate().skip(before) {
        let team = request.header("x-mlflow-workspace").unwrap_or_default();
        let body = String::from_utf8_lossy(&request.body);
        let phase = if number < planned { "plan" } else { "compare" };
        let key = format!("{phase} {team} {} {body}", request.target);
        *asked.entry(key).or_default() += 1;
    }
    (differences, asked)
}

#[test]
fn a_comparison_of_several_workspaces_asks_nothing_twice() {
    let directory = tempfile::tempdir().unwrap();
    let archive = archive_of_teams(directory.path());
    let (target, _) = target_of_teams();
    let report = import(&archive, &target).unwrap();
    assert!(report.failures.is_empty(), "{:?}", report.failures);
    for is_journal_lost in [false, true] {
        if is_journal_lost {
            let left = journals(directory.path());
            left.iter()
                .for_each(|journal| std::fs::remove_file(journal).unwrap());
        }
        let (differences, asked) = compared(&archive, &target);
        // Marks tell runs and no versions.
        assert!(is_journal_lost || differences.is_empty(), "{differences:?}");
        for (request, count) in &asked {
            // Names are sought in the registry before anything is taken; what an account may read is asked without it too.
            let is_sought =
                request.contains("registered-models/search") || request.contains("model-versions/search");
            let is_probe = request.contains("\"max_results\":1,\"view_type\"");
            assert_eq!(*count, if is_sought || is_probe { 2 } else { 1 }, "{request}");
        }
        let server_wide = ["/version", "/server-info", "/workspaces"];
        for phase in ["plan", "compare"] {
            for route in server_wide {
                let found = asked
                    .keys()
                    .filter(|request| request.starts_with(phase) && request.contains(route));
                assert_eq!(found.count(), 1, "{phase} {route}");
            }
        }
    }
}

#[test]
fn a_comparison_tells_objects_of_one_name_apart_by_their_workspaces() {
    let directory = tempfile::tempdir().unwrap();
    let archive = archive_of_teams(directory.path());
    let (target, states) = target_of_teams();
    import(&archive, &target).unwrap();
    let change = |team: &str, text: &str| {
        let mut states = states.lock().unwrap();
        states.get_mut(team).unwrap().registry.models[0]["description"] = text.into();
    };
    change("team-a", "of nobody");
    let (differences, _) = compared(&archive, &target);
    assert_eq!(differences, ["registered-models wine"]);
    // Each the other's.
    change("team-a", "of team-b");
    change("team-b", "of team-a");
    let (differences, _) = compared(&archive, &target);
    assert_eq!(differences, ["registered-models wine", "registered-models wine"]);
}
