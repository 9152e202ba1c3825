//! Source tags beyond those of mlflow-export-import: further kinds, the first origin and the chain of hops.

use crate::helpers::common::{History, MODEL, RUN_A, TRACE};
use mlark::archive::Archive;
use mlark::flow::merge::{MergeOptions, merge};
use mlark::flow::transform::source_tags::{Beyond, LineageTags, SourceTags, SourceTagsBeyond};
use mlark::flow::transform::{self, Edit, Recipe, TransformOptions};
use mlark::model::*;
use mlark::monitor::Silent;
use serde_json::Value;
use std::path::Path;

const CHAIN: &str = "mlflow_exim.lineage";
const ORIGIN_ID: &str = "mlflow_exim.origin.id";

fn lineage() -> Edit {
    Edit::LineageTags(LineageTags::default())
}

fn beyond() -> Edit {
    let kinds = Beyond::ALL.to_vec();
    Edit::SourceTagsBeyond(SourceTagsBeyond { kinds })
}

fn source_tags() -> Edit {
    Edit::SourceTags(SourceTags::default())
}

fn apply(archive: &Archive, out: &Path, edits: &[Edit]) -> Archive {
    let edits = edits.to_vec();
    transform::apply(archive, &Recipe { edits }, out, &TransformOptions::default()).unwrap();
    Archive::open(out).unwrap()
}

fn run(archive: &Archive, id: &str) -> Run {
    let mut runs = archive.objects::<Run>().map(Result::unwrap);
    runs.find(|run| run.info.run_id == id).unwrap()
}

fn chain(tags: &TextMap) -> Vec<Value> {
    serde_json::from_str(tags[CHAIN].as_str().unwrap()).unwrap()
}

/// A history of one more place, whose first run was brought there with these tags.
fn next_place(out: &Path, origin: &str, run_id: &str, tags: &TextMap) -> Archive {
    let mut history = History::new();
    history.runs.truncate(1);
    history.runs[0].info.run_id = run_id.to_owned();
    history.runs[0].tags.extend(tags.clone());
    history.traces.clear();
    history.spans.clear();
    history.metrics.clear();
    history.artifacts.clear();
    history.logged_models.clear();
    history.model_metrics.clear();
    history.evaluation_datasets.clear();
    history.records.clear();
    history.write_of(origin, out)
}

#[test]
fn a_chain_grows_by_one_hop_a_place_and_its_first_origin_stays() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    let first = History::new().write_of("first", &root.join("first"));
    let tagged = apply(&first, &root.join("first tagged"), &[source_tags(), lineage()]);
    let tags = run(&tagged, RUN_A).tags;
    assert_eq!(tags[ORIGIN_ID].as_str(), Some(RUN_A));
    assert_eq!(tags["mlflow_exim.origin.kind"].as_str(), Some("runs"));
    let content_id = first.manifest().content_id.to_string();
    assert_eq!(
        tags["mlflow_exim.origin.archive"].as_str(),
        Some(content_id.as_str())
    );
    let hops = chain(&tags);
    assert_eq!(
        (hops.len(), &hops[0]["origin"], &hops[0]["id"]),
        (1, &"first".into(), &RUN_A.into())
    );
    assert_eq!(hops[0]["time"], first.manifest().created.as_str());

    let second = next_place(&root.join("second"), "second", &"b".repeat(32), &tags);
    let second = apply(&second, &root.join("second tagged"), &[source_tags(), lineage()]);
    let tags = run(&second, &"b".repeat(32)).tags;
    assert_eq!(tags[ORIGIN_ID].as_str(), Some(RUN_A));
    let ids: Vec<_> = chain(&tags)
        .into_iter()
        .map(|hop| hop["id"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(ids, [RUN_A, &"b".repeat(32)]);
}

#[test]
fn a_hop_that_another_tool_made_is_recovered_though_source_tags_overwrite_what_tells_of_it() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    let tags = TextMap::from([("mlflow_exim.run_info.run_id".to_owned(), Text::from("earlier"))]);
    let archive = next_place(&root.join("a"), "here", RUN_A, &tags);
    let one = apply(&archive, &root.join("one"), &[source_tags(), lineage()]);
    let other = apply(&archive, &root.join("other"), &[lineage(), source_tags()]);
    assert_eq!(one.manifest().content_id, other.manifest().content_id);
    let tags = run(&one, RUN_A).tags;
    assert_eq!(tags[ORIGIN_ID].as_str(), Some("earlier"));
    let hops = chain(&tags);
    assert_eq!(
        (&hops[0]["id"], &hops[0]["recovered"]),
        (&"earlier".into(), &"source-tags".into())
    );
    assert_eq!(
        (&hops[1]["id"], &hops[1]["recovered"]),
        (&RUN_A.into(), &Value::Null)
    );
}

#[test]
fn a_long_chain_folds_and_keeps_its_first_and_last_hops() {
    let directory = tempfile::tempdir().unwrap();
    let mut tags = TextMap::new();
    for number in 0..40 {
        let (out, tagged) = (
            directory.path().join(format!("{number}")),
            directory.path().join(format!("{number} tagged")),
        );
        let id = format!("{number:032x}");
        let archive = next_place(&out, &format!("place {number}"), &id, &tags);
        tags = run(&apply(&archive, &tagged, &[lineage()]), &id).tags;
    }
    let text = tags[CHAIN].as_str().unwrap();
    assert!(text.chars().count() <= 4_000, "{}", text.len());
    let hops = chain(&tags);
    let folded = hops[1]["folded"].as_u64().unwrap();
    assert_eq!(folded + hops.len() as u64 - 1, 40);
    assert_eq!(hops[0]["origin"], "place 0");
    assert_eq!(hops.last().unwrap()["origin"], "place 39");
    assert_eq!(tags[ORIGIN_ID].as_str(), Some("0".repeat(32).as_str()));
}

#[test]
fn once_is_enough_and_undo_brings_back_the_content() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    let archive = History::new().write(&root.join("a"));
    for (name, edits) in [
        ("all", vec![source_tags(), beyond(), lineage()]),
        ("plain", vec![Edit::LineageTags(LineageTags { plain: true })]),
        ("beyond", vec![beyond()]),
    ] {
        let once = apply(&archive, &root.join(name), &edits);
        assert_ne!(once.manifest().content_id, archive.manifest().content_id);
        let twice = apply(&once, &root.join(format!("{name} twice")), &edits);
        assert_eq!(twice.manifest().content_id, once.manifest().content_id, "{name}");
        assert_eq!(twice.manifest().history.len(), 1, "{name}");
        let undone = root.join(format!("{name} undone"));
        let undone = transform::undo(&once, &undone, &TransformOptions::default()).unwrap();
        assert_eq!(
            undone.manifest.content_id,
            archive.manifest().content_id,
            "{name}"
        );
        let report = mlark::verify(once.path(), &mlark::VerifyOptions::default(), &Silent).unwrap();
        assert!(report.is_intact(), "{name}");
    }
    let plain = Archive::open(&root.join("plain")).unwrap();
    let run = run(&plain, RUN_A);
    assert!(run.tags.contains_key("mlflow_exim_lineage") && run.tags.contains_key("mlflow_exim_origin_id"));
    assert!(!run.tags.keys().any(|key| key.starts_with("mlflow_exim.")));
}

#[test]
fn further_kinds_get_source_tags_where_they_are_asked_for_alone() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    let archive = History::new().write(&root.join("a"));
    let tagged = apply(&archive, &root.join("all"), &[beyond()]);
    fn field<'t>(tags: &'t TextMap, name: &str) -> Option<&'t str> {
        tags.get(&format!("mlflow_exim.field.{name}"))?.as_str()
    }
    let models: Vec<RegisteredModel> = tagged.objects().map(Result::unwrap).collect();
    assert_eq!(field(&models[0].tags, "name"), Some("churn"));
    assert_eq!(field(&models[1].tags, "name"), Some("greet"));
    let logged: Vec<LoggedModel> = tagged.objects().map(Result::unwrap).collect();
    assert_eq!(field(&logged[0].tags, "model_id"), Some(MODEL));
    assert_eq!(field(&logged[0].tags, "source_run_id"), Some(RUN_A));
    let traces: Vec<Trace> = tagged.objects().map(Result::unwrap).collect();
    assert_eq!(field(&traces[0].tags, "trace_id"), Some(TRACE));
    let datasets: Vec<EvaluationDataset> = tagged.objects().map(Result::unwrap).collect();
    assert_eq!(field(&datasets[0].tags, "name"), Some("questions"));
    let versions: Vec<ModelVersion> = tagged.objects().map(Result::unwrap).collect();
    let tagged_versions: Vec<_> = versions
        .iter()
        .map(|version| field(&version.tags, "version"))
        .collect();
    assert_eq!(tagged_versions, [None, None, Some("1")], "prompts alone");
    assert!(
        versions[2]
            .tags
            .contains_key("mlflow_exim.mlflow_tag.prompt.is_prompt")
    );
    assert!(
        !versions[2]
            .tags
            .contains_key("mlflow_exim.mlflow_tag.prompt.text")
    );

    let kinds = vec![Beyond::Traces];
    let some = apply(
        &archive,
        &root.join("some"),
        &[Edit::SourceTagsBeyond(SourceTagsBeyond { kinds })],
    );
    let counted = &some.manifest().history[0].counts;
    assert_eq!(counted.get("traces"), Some(&1));
    assert_eq!(counted.get("registered-models"), None);
    assert!(SourceTagsBeyond::parse("traces,prompts").is_some() && SourceTagsBeyond::parse("runs").is_none());
}

#[test]
fn objects_of_merged_archives_keep_the_origin_that_each_came_from() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    let first = History::new().write_of("first", &root.join("first"));
    let other_id = "e".repeat(32);
    let second = next_place(&root.join("second"), "second", &other_id, &TextMap::new());
    let out = root.join("merged");
    merge(&[first, second], Some(&out), &MergeOptions::default()).unwrap();
    let merged = apply(&Archive::open(&out).unwrap(), &root.join("tagged"), &[lineage()]);
    for (id, origin) in [(RUN_A, "first"), (other_id.as_str(), "second")] {
        let hops = chain(&run(&merged, id).tags);
        assert_eq!(
            (hops.len(), &hops[0]["origin"], &hops[0]["id"]),
            (1, &origin.into(), &id.into())
        );
    }
    // Its experiment had the id of one of the first, and got another.
    let experiments: Vec<Experiment> = merged.objects().map(Result::unwrap).collect();
    let renumbered = experiments
        .iter()
        .find(|one| chain(&one.tags)[0]["origin"] == "second")
        .unwrap();
    let old_id = chain(&renumbered.tags)[0]["id"].clone();
    assert!(old_id == "1" && renumbered.experiment_id != "1", "{old_id}");
}
