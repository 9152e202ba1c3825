//! Runs as events of OpenLineage (spec 2-0-2), one JSON object a line: a start, and an end where the run has ended.
//!
//! A run is a run of the job that is its experiment, in the namespace of the archive's source. Datasets that it read are inputs, under the
//! names of their sources where these have URIs; logged models and model versions are outputs. What OpenLineage has no facet for, the hops
//! of a run, stands in a facet of mlark's own.

use super::Lineage;
use super::line::{self, LineFacts};
use super::{ArchiveFacts, Relation};
use crate::archive::walk::Cursor;
use crate::archive::{Archive, ArchiveError, Result};
use crate::format::hops::Chain;
use crate::format::{Kind, order};
use crate::model::Text;
use crate::report::text::shortened;
use jiff::Timestamp;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, BTreeSet};

const SPEC: &str = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent";
const FACETS: &str = "https://openlineage.io/spec/facets";
/// Longer values of tags are cut.
const TAG_CHARACTERS: usize = 1000;

/// Hands the events of runs to `sink`, those of a chain or all, in the order of the archives and of their runs.
///
/// # Errors
/// An archive cannot be read, or `sink` fails.
pub(crate) fn open_lineage<E: From<ArchiveError>>(
    archives: &[Archive],
    chain: Option<&Lineage>,
    sink: &mut dyn FnMut(&Value) -> Result<(), E>,
) -> Result<(), E> {
    for (index, archive) in archives.iter().enumerate() {
        let chosen = chain.map(|chain| chosen_runs(chain, index));
        let experiments = names_of_experiments(archive, chosen.as_ref().map(|(_, ids)| ids))?;
        let versions = versions_of_runs(archive)?;
        let mut events = Events {
            facts: ArchiveFacts::of(archive),
            experiments,
            versions,
            datasets: Datasets::new(archive)?,
        };
        line::try_for_each(archive, Kind::Runs, &mut |run| {
            if chosen.as_ref().is_some_and(|(runs, _)| !runs.contains(&run.id)) {
                return Ok(());
            }
            events.of(&run)?.iter().try_for_each(&mut *sink)
        })?;
    }
    Ok(())
}

/// Runs of a chain that are told by this archive and by no earlier one, and their experiments.
fn chosen_runs(chain: &Lineage, archive: usize) -> (BTreeSet<String>, BTreeSet<String>) {
    let is_chosen =
        |node: &&super::LineageNode| node.kind == Kind::Runs && node.archives.first() == Some(&archive);
    let nodes = chain.nodes.iter().filter(is_chosen);
    nodes
        .map(|node| (node.id.clone(), node.experiment_id.clone().unwrap_or_default()))
        .unzip()
}

fn names_of_experiments(
    archive: &Archive,
    wanted: Option<&BTreeSet<String>>,
) -> Result<BTreeMap<String, String>> {
    let mut names = BTreeMap::new();
    line::for_each(archive, Kind::Experiments, |experiment| {
        if wanted.is_none_or(|wanted| wanted.contains(&experiment.id)) {
            names.extend(experiment.name.map(|name| (experiment.id, name)));
        }
    })?;
    Ok(names)
}

/// Model versions by the runs that made them.
fn versions_of_runs(archive: &Archive) -> Result<BTreeMap<String, Vec<String>>> {
    let mut versions: BTreeMap<String, Vec<String>> = BTreeMap::new();
    line::for_each(archive, Kind::ModelVersions, |version| {
        for link in version
            .links
            .iter()
            .filter(|link| link.relation == Relation::MadeBy)
        {
            versions
                .entry(link.id.clone())
                .or_default()
                .push(version.id.clone());
        }
    })?;
    Ok(versions)
}

struct Events<'a> {
    facts: ArchiveFacts,
    experiments: BTreeMap<String, String>,
    versions: BTreeMap<String, Vec<String>>,
    datasets: Datasets<'a>,
}

impl Events<'_> {
    fn of(&mut self, run: &LineFacts) -> Result<Vec<Value>> {
        let experiment = run.experiment_id.as_deref().unwrap_or_default();
        let job_name = self
            .experiments
            .get(experiment)
            .map_or(experiment, String::as_str);
        let job_name = if job_name.is_empty() { "runs" } else { job_name }.to_owned();
        let inputs = self.inputs(run)?;
        let job = json!({
            "namespace": self.namespace(),
            "name": job_name,
            "facets": job_facets(run),
        });
        let body = json!({
            "producer": producer(),
            "schemaURL": SPEC,
            "run": {"runId": self.uuid(&run.id), "facets": self.run_facets(run, &job)},
            "job": job,
            "inputs": inputs,
            "outputs": self.outputs(run),
        });
        let event = |kind: &str, time: Option<String>| {
            let mut event = body.clone();
            event["eventType"] = kind.into();
            event["eventTime"] = time.unwrap_or_else(|| self.facts.created.clone()).into();
            event
        };
        let [start, end] = [run.start_time, run.end_time].map(|time| time.and_then(calendar_time));
        let mut events = vec![event("START", start.clone().or_else(|| end.clone()))];
        let ended = match run.status.as_deref() {
            Some("FINISHED") => Some("COMPLETE"),
            Some("FAILED") => Some("FAIL"),
            Some("KILLED") => Some("ABORT"),
            _ => None,
        };
        events.extend(ended.map(|kind| event(kind, end.or(start))));
        Ok(events)
    }

    fn namespace(&self) -> &str {
        &self.facts.source.uri
    }

    /// Ids of runs are nearly always the digits of one; of others one is made.
    fn uuid(&self, run_id: &str) -> String {
        let is_uuid = run_id.len() == 32 && run_id.bytes().all(|byte| byte.is_ascii_hexdigit());
        let digits = if is_uuid {
            run_id.to_ascii_lowercase()
        } else {
            let mut bytes = Sha256::digest(format!("{}\0{run_id}", self.facts.origin));
            // Version 8: made as its maker likes.
            bytes[6] = bytes[6] & 0x0f | 0x80;
            bytes[8] = bytes[8] & 0x3f | 0x80;
            bytes[..16].iter().map(|byte| format!("{byte:02x}")).collect()
        };
        [
            &digits[..8],
            &digits[8..12],
            &digits[12..16],
            &digits[16..20],
            &digits[20..],
        ]
        .join("-")
    }

    fn run_facets(&self, run: &LineFacts, job: &Value) -> Value {
        let mut facets = json!({});
        if let Some(parent) = run.links.iter().find(|link| link.relation == Relation::ChildOf) {
            let parent = json!({
                "run": {"runId": self.uuid(&parent.id)},
                "job": {"namespace": job["namespace"], "name": job["name"]},
            });
            facets["parent"] = facet("1-2-0", "ParentRunFacet", parent);
        }
        let tags: Vec<Value> = run
            .tags
            .iter()
            .filter(|(key, _)| !key.starts_with("mlflow.") && !key.starts_with("mlflow_exim"))
            .filter_map(|(key, text)| match text {
                Text::Utf8(text) => Some((key, shortened(text, TAG_CHARACTERS))),
                Text::Bytes(_) | Text::Long(_) => None,
            })
            .map(|(key, value)| json!({"key": key, "value": value, "source": "MLflow"}))
            .collect();
        if !tags.is_empty() {
            facets["tags"] = facet("1-0-0", "TagsRunFacet", json!({ "tags": tags }));
        }
        let chain = Chain::read(Kind::Runs, &run.tags, &mut Vec::new());
        if !chain.hops.is_empty() {
            facets["mlark_hops"] = json!({
                "_producer": producer(),
                "_schemaURL": "urn:mlark:facet:hops:1",
                "hops": chain.hops,
                "folded": chain.folded,
            });
        }
        facets
    }

    fn inputs(&mut self, run: &LineFacts) -> Result<Vec<Value>> {
        let mut inputs = Vec::new();
        for link in run.links.iter().filter(|link| link.relation == Relation::Read) {
            if link.kind == Kind::LoggedModels {
                inputs.push(self.model(&link.id));
                continue;
            }
            let experiment = run.experiment_id.as_deref().unwrap_or_default();
            let body = self.datasets.get(experiment, &link.id)?.cloned();
            inputs.push(self.dataset(&link.id, body));
        }
        Ok(inputs)
    }

    fn dataset(&self, id: &str, body: Option<LineFacts>) -> Value {
        let mut parts = id.rsplitn(2, '/');
        let digest = parts.next().unwrap_or_default();
        let name = parts
            .next()
            .and_then(|rest| rest.split_once('/'))
            .map_or(id, |(_, name)| name);
        let mut dataset = self.versioned(name, digest);
        let Some(body) = body else { return dataset };
        let source: Option<Value> = body
            .facts
            .get("source")
            .and_then(|text| serde_json::from_str(text).ok());
        let uri = source
            .as_ref()
            .and_then(|source| source["uri"].as_str().or(source["path"].as_str()));
        if let Some(uri) = uri.map(crate::model::mask::redact) {
            // As OpenLineage names what lies in stores, so that other programs' events are about the same.
            if let Some((authority, path)) = split_uri(&uri) {
                dataset["namespace"] = authority.into();
                dataset["name"] = path.into();
            }
            let kind = body.facts.get("source_type").cloned().unwrap_or_default();
            let source = json!({"name": kind, "uri": uri});
            dataset["facets"]["dataSource"] = facet("1-0-1", "DatasourceDatasetFacet", source);
        }
        dataset
    }

    /// Something of a version in the namespace of the source.
    fn versioned(&self, name: &str, version: &str) -> Value {
        let version = json!({ "datasetVersion": version });
        let version = facet("1-0-1", "DatasetVersionDatasetFacet", version);
        json!({"namespace": self.namespace(), "name": name, "facets": {"version": version}})
    }

    fn model(&self, model_id: &str) -> Value {
        json!({"namespace": self.namespace(), "name": format!("logged-models/{model_id}")})
    }

    fn outputs(&self, run: &LineFacts) -> Vec<Value> {
        let made = run
            .links
            .iter()
            .filter(|link| link.is_reversed && link.kind == Kind::LoggedModels);
        let models = made.map(|link| self.model(&link.id));
        let versions = self.versions.get(&run.id).into_iter().flatten().map(|id| {
            let (name, version) = id.rsplit_once('/').unwrap_or((id, ""));
            self.versioned(&format!("models/{name}"), version)
        });
        models.chain(versions).collect()
    }
}

fn producer() -> String {
    format!("urn:mlark:{}", env!("CARGO_PKG_VERSION"))
}

fn facet(version: &str, name: &str, mut fields: Value) -> Value {
    fields["_producer"] = producer().into();
    fields["_schemaURL"] = format!("{FACETS}/{version}/{name}.json#/$defs/{name}").into();
    fields
}

fn job_facets(run: &LineFacts) -> Value {
    let mut facets = json!({});
    if let Some(user) = &run.user {
        let owners = json!({"owners": [{"name": user}]});
        facets["ownership"] = facet("1-0-1", "OwnershipJobFacet", owners);
    }
    let fact = |name: &str| run.facts.get(name).filter(|text| !text.is_empty());
    if let Some(url) = fact("git_repository").filter(|url| split_uri(url).is_some()) {
        let mut code = json!({"type": "git", "url": url, "repoUrl": url});
        for (name, key) in [
            ("git_commit", "version"),
            ("git_branch", "branch"),
            ("source_name", "path"),
        ] {
            if let Some(value) = fact(name) {
                code[key] = value.as_str().into();
            }
        }
        facets["sourceCodeLocation"] = facet("1-1-0", "SourceCodeLocationJobFacet", code);
    }
    facets
}

/// `scheme://host` and the path of a URI.
fn split_uri(uri: &str) -> Option<(String, String)> {
    let (scheme, rest) = uri.split_once("://")?;
    let (host, path) = rest.split_once('/')?;
    let is_plain = !scheme.is_empty() && !uri.contains(char::is_whitespace) && !path.is_empty();
    is_plain.then(|| (format!("{scheme}://{host}"), path.to_owned()))
}

/// A time as RFC 3339 has it, which knows years of four digits alone.
fn calendar_time(milliseconds: i64) -> Option<String> {
    let is_in_calendar = (-62_135_596_800_000..=253_402_300_799_999).contains(&milliseconds);
    let time = Timestamp::from_millisecond(milliseconds)
        .ok()
        .filter(|_| is_in_calendar)?;
    Some(time.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string())
}

/// Says when an object began and ended, as far as calendars know it.
pub(super) fn put_times(value: &mut Value, [start, end]: [&str; 2], node: &super::LineageNode) {
    for (key, time) in [(start, node.start_time), (end, node.end_time)] {
        if let Some(time) = time.and_then(calendar_time) {
            value[key] = time.into();
        }
    }
}

/// Datasets of the experiment at hand: both follow the order of experiments.
struct Datasets<'a> {
    cursor: Cursor<'a>,
    experiment_id: Option<String>,
    bodies: BTreeMap<String, LineFacts>,
}

impl<'a> Datasets<'a> {
    fn new(archive: &'a Archive) -> Result<Self> {
        Ok(Datasets {
            cursor: Cursor::new(archive, Kind::Datasets)?,
            experiment_id: None,
            bodies: BTreeMap::new(),
        })
    }

    fn get(&mut self, experiment_id: &str, id: &str) -> Result<Option<&LineFacts>> {
        if self.experiment_id.as_deref() != Some(experiment_id) {
            self.bodies.clear();
            self.experiment_id = Some(experiment_id.to_owned());
            let wanted = order::experiment(experiment_id);
            while self.cursor.line().is_some() {
                let dataset = line::read(&self.cursor, Kind::Datasets)?;
                let place = order::experiment(dataset.experiment_id.as_deref().unwrap_or_default());
                if place > wanted {
                    break;
                }
                if place == wanted {
                    self.bodies.insert(dataset.id.clone(), dataset);
                }
                self.cursor.advance()?;
            }
        }
        Ok(self.bodies.get(id))
    }
}
