//! Each value in each answer of a server is, once, one of another type: what is lost by it is told.
//!
//! `any_types` tries a few at random, of every door; this tries all of them, of the door whose other side may be anything.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use crate::any_types::{answer, answers, options};
use crate::helpers::loopback::{Answer, Loopback, Received};
use crate::odd_values::{
    Held, Judge, add_field, assert_no_fault, fault, is_leaf, is_of_type_of, names, pointers, replace,
};
use mlark::flow::export::detect::SourceKind;
use mlark::flow::export::{ExportReport, export};
use mlark::monitor::Silent;
use serde_json::{Value, json};
use std::path::Path;

type Answers = Vec<(&'static str, Value)>;

/// What a server may be that answers by one route and not by another that is asked first.
fn servers() -> Vec<(Answers, Vec<&'static str>)> {
    let without = |route: &str| {
        let all = answers().into_iter();
        all.filter(|(name, _)| *name != route).collect::<Answers>()
    };
    let mut elsewhere = answers();
    for (_, answer) in &mut elsewhere {
        *answer =
            serde_json::from_str(&answer.to_string().replace("mlflow-artifacts:/", "s3://bucket/")).unwrap();
    }
    let mut with_workspaces = answers();
    with_workspaces.push((
        "server-info",
        json!({"store_type": "SqlStore", "workspaces_enabled": true}),
    ));
    with_workspaces.push((
        "workspaces",
        json!({"workspaces": [{"name": "default", "description": "d"}]}),
    ));
    let names = answers().into_iter().map(|(name, _)| name);
    let apart = ["metrics/get-history", "artifacts/list", "artifacts/directories"];
    vec![
        (answers(), names.filter(|name| !apart.contains(name)).collect()),
        (without("metrics/get-history-bulk"), vec!["metrics/get-history"]),
        (elsewhere, vec!["artifacts/list", "artifacts/directories"]),
        (with_workspaces, vec!["workspaces"]),
    ]
}

fn export_of(
    respond: impl Fn(&Received) -> Answer + Send + Sync + 'static,
    out: &Path,
) -> Result<ExportReport, String> {
    let server = Loopback::start(respond);
    export(SourceKind::Rest, &server.url(), out, options(true), &Silent).map_err(|error| error.to_string())
}

fn of(answers: Answers) -> impl Fn(&Received) -> Answer {
    move |request| answer(&answers, request)
}

/// A server whose answers are sound, the routes to try of it, and what an export of it holds.
struct Sound {
    answers: Answers,
    routes: Vec<&'static str>,
    held: Held,
}

fn sound_servers() -> Vec<Sound> {
    let servers = servers().into_iter().map(|(answers, routes)| {
        let directory = tempfile::tempdir().unwrap();
        let out = directory.path().join("out");
        let report = export_of(of(answers.clone()), &out).unwrap();
        assert_eq!(report.failures, 0);
        let held = Held::of(&out, &report);
        Sound {
            answers,
            routes,
            held,
        }
    });
    servers.collect()
}

/// Every place of every answer that is tried: the server, the route, and a pointer into what it answers.
fn places(servers: &[Sound]) -> Vec<(&Sound, &'static str, String)> {
    let mut places = Vec::new();
    for server in servers {
        let tried = server
            .answers
            .iter()
            .filter(|(route, _)| server.routes.contains(route));
        for (route, value) in tried {
            places.extend(
                pointers(value)
                    .into_iter()
                    .map(|pointer| (server, *route, pointer)),
            );
        }
    }
    places
}

impl Sound {
    /// The answers, and what `change` makes of the one by a route.
    fn changed<T>(&self, route: &str, change: impl FnOnce(&mut Value) -> T) -> (Answers, T) {
        let mut answers = self.answers.clone();
        let one = answers.iter_mut().find(|(name, _)| *name == route).unwrap();
        let told = change(&mut one.1);
        (answers, told)
    }
}

/// Why an export of a server is not right, if it is not.
fn fault_of(
    respond: impl Fn(&Received) -> Answer + Send + Sync + 'static,
    route: &str,
    sound: &Held,
    judge: Judge,
) -> Option<String> {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("out");
    match export_of(respond, &out) {
        Ok(report) => fault(&report, &out, sound, judge),
        // Without these there is nothing to export.
        Err(_) if ["workspaces", "experiments/search"].contains(&route) => None,
        Err(error) => Some(error),
    }
}

#[test]
fn whatever_an_answer_holds_in_one_place_nothing_is_lost_silently() {
    let servers = sound_servers();
    let mut changes = Vec::new();
    for with in [json!("x"), json!({"a": [null]}), json!(true)] {
        let places = places(&servers).into_iter();
        changes.extend(places.map(|(server, route, pointer)| (server, route, pointer, with.clone())));
    }
    assert_no_fault(&changes, |(server, route, pointer, with), _| {
        let (answers, before) = server.changed(route, |answer| replace(answer, pointer, with));
        if is_of_type_of(&before, with) {
            return None;
        }
        let judge = Judge {
            is_leaf: is_leaf(&before),
            is_said: false,
        };
        let fault = fault_of(of(answers), route, &server.held, judge)?;
        Some(format!("{route} {pointer} {before:.80} -> {with}: {fault}"))
    });
}

/// Answers that are asked for something else than what their objects say: a run for its models and whether it changed,
/// a listing for the names of files, scorers for their names.
const ASKED_FOR_LESS: &[&str] = &[
    "runs/get",
    "mlflow-artifacts/artifacts",
    "artifacts/list",
    "artifacts/directories",
    "scorers/list",
];

#[test]
fn a_field_that_nobody_knows_is_held_or_told() {
    let servers = sound_servers();
    let mut changes = places(&servers);
    // What an answer says of itself is not of objects.
    changes.retain(|(_, route, pointer)| !pointer.is_empty() && !ASKED_FOR_LESS.contains(route));
    assert_no_fault(&changes, |(server, route, pointer), _| {
        let (answers, is_object) = server.changed(route, |answer| add_field(answer, pointer));
        if !is_object {
            return None;
        }
        let judge = Judge {
            is_leaf: true,
            is_said: true,
        };
        let fault = fault_of(of(answers), route, &server.held, judge)?;
        Some(format!("{route} {}: {fault}", names(pointer)))
    });
}

#[test]
fn what_is_no_answer_is_not_taken_for_none() {
    let servers = sound_servers();
    let bodies = [
        "<html><title>Sign in</title></html>",
        "{\"cut",
        "",
        "\"x\"",
        "[]",
        "null",
    ];
    let mut changes = Vec::new();
    for server in &servers {
        for route in &server.routes {
            changes.extend(bodies.map(|body| (server, *route, Answer::new(200, body))));
            changes.push((server, *route, Answer::new(500, "{}")));
            changes.push((server, *route, Answer::new(403, "{}")));
        }
    }
    assert_no_fault(&changes, |(server, route, odd), _| {
        let (answers, path, odd) = (server.answers.clone(), *route, odd.clone());
        let respond = move |request: &Received| match request.path().ends_with(path) {
            true => odd.clone(),
            false => answer(&answers, request),
        };
        let judge = Judge {
            is_leaf: true,
            is_said: false,
        };
        let fault = fault_of(respond, route, &server.held, judge)?;
        Some(format!("{route}: {fault}"))
    });
}

#[test]
fn one_experiment_at_fault_costs_no_other() {
    let mut answers = answers();
    let mut second = answers[0].1["experiments"][0].clone();
    (second["experiment_id"], second["name"]) = (json!("2"), json!("f"));
    answers[0].1["experiments"].as_array_mut().unwrap().push(second);
    let respond = move |request: &Received| {
        let asked = String::from_utf8_lossy(&request.body);
        let is_listing = ["runs/search", "logged-models/search", "traces/search"]
            .iter()
            .any(|route| request.path().ends_with(route));
        match is_listing && asked.contains("\"2\"") {
            true => Answer::new(500, "{}"),
            false => answer(&answers, request),
        }
    };
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("out");
    let report = export_of(respond, &out).unwrap();
    let failures = report.manifest.losses.failures.iter();
    let failures: Vec<_> = failures
        .map(|loss| format!("{} {} {}", loss.kind, loss.count, loss.reason))
        .collect();
    let expected = [
        "logged-models 1 unreadable",
        "runs 1 unreadable",
        "traces 1 unreadable",
    ];
    assert_eq!(failures, expected);
    for kind in ["runs", "logged-models", "traces"] {
        assert_eq!(report.manifest.counts[kind], 1, "{kind}");
    }
}
