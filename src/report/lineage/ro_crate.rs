//! A chain as a Process Run Crate (RO-Crate 1.1, profile 0.5) about a tree of extracted files: each run is an action that a program did, with
//! datasets and parameters as its objects and files, models and versions as its results.

use super::line::{self, LineFacts};
use super::openlineage::put_times;
use super::{Lineage, LineageNode, Relation};
use crate::archive::walk::{ArtifactEntry, OwnerFacts, each_line, for_each_artifact};
use crate::archive::{Archive, ArchiveError};
use crate::format::Kind;
use crate::format::mark::encode;
use crate::model::{Text, TextMap};
use crate::report::text::shortened;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

/// Name of the file, at the top of the tree.
pub(crate) const FILE_NAME: &str = "ro-crate-metadata.json";
const PROFILE: &str = "https://w3id.org/ro/wfrun/process/0.5";
/// Longer values are cut.
const VALUE_CHARACTERS: usize = 1000;

/// What a crate is about.
pub(crate) struct Crate<'c> {
    /// The archives.
    pub archives: &'c [Archive],
    /// The chain.
    pub chain: &'c Lineage,
    /// The names, from the tree's top down, of the file that an artifact is in the tree; none where it is not there.
    pub path_of: &'c dyn Fn(&ArtifactEntry<'_>) -> Option<Vec<String>>,
    /// URI of the license of what is in the tree.
    pub license: Option<&'c str>,
}

/// Takes the folder of a file, its owner, its path in the folder, and what the archive says of it.
type FileSink<'s> = dyn FnMut(&str, &OwnerFacts, &str, &ArtifactEntry<'_>) -> Result<(), CrateError> + 's;

/// Why a crate was not written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CrateError {
    /// An archive cannot be read.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// The crate cannot be written.
    #[error("cannot write the crate")]
    Io(#[from] io::Error),
}

impl Crate<'_> {
    /// Writes the metadata.
    ///
    /// # Errors
    /// An archive cannot be read, or `out` cannot be written.
    pub(crate) fn write(&self, out: &mut dyn Write) -> Result<(), CrateError> {
        let mut graph = Graph { out, is_first: true };
        graph.begin()?;
        let folders = self.folders()?;
        let runs: Vec<&LineageNode> = self
            .nodes(|node| node.kind == Kind::Runs && !node.archives.is_empty())
            .collect();
        for entity in self.frame(&folders, &runs) {
            graph.add(&entity)?;
        }
        self.write_folders(&mut graph)?;
        self.write_files(&mut graph)?;
        for node in self.nodes(|node| node.kind != Kind::Runs && node.kind != Kind::Experiments) {
            graph.add(&thing(node))?;
        }
        self.write_runs(&mut graph, &folders)?;
        for user in runs
            .iter()
            .filter_map(|node| node.user.as_ref())
            .collect::<BTreeSet<_>>()
        {
            graph.add(&json!({"@id": local("user", &[user]), "@type": "Person", "name": user}))?;
        }
        graph.end()?;
        Ok(())
    }

    fn nodes(&self, is_wanted: impl Fn(&LineageNode) -> bool) -> impl Iterator<Item = &LineageNode> {
        self.chain.nodes.iter().filter(move |node| is_wanted(node))
    }

    /// Owners of the chain that have files in the tree, by their folders.
    fn folders(&self) -> Result<BTreeMap<String, (Kind, String)>, CrateError> {
        let mut folders = BTreeMap::new();
        self.for_each_file(&mut |folder, owner, _, _| {
            if !folders.contains_key(folder) {
                folders.insert(folder.to_owned(), (Kind::from(owner.kind), owner.id.clone()));
            }
            Ok(())
        })?;
        Ok(folders)
    }

    /// The crate itself, its profile and its license.
    fn frame(&self, folders: &BTreeMap<String, (Kind, String)>, runs: &[&LineageNode]) -> Vec<Value> {
        let created = self
            .chain
            .archives
            .iter()
            .map(|archive| archive.created.as_str())
            .max();
        let license = self.license.unwrap_or("#license");
        let asked = &self.chain.asked;
        let parts: Vec<_> = folders.keys().map(|folder| json!({ "@id": folder })).collect();
        let mentions: Vec<_> = runs.iter().map(|run| json!({"@id": action_id(run)})).collect();
        vec![
            json!({
                "@id": FILE_NAME, "@type": "CreativeWork", "about": {"@id": "./"},
                "conformsTo": {"@id": "https://w3id.org/ro/crate/1.1"},
            }),
            json!({
                "@id": "./", "@type": "Dataset", "conformsTo": {"@id": PROFILE},
                "name": format!("MLflow history of {asked}"),
                "description": format!("Files of MLflow and the runs that made them: {asked}"),
                "datePublished": created, "license": {"@id": license},
                "hasPart": parts, "mentions": mentions,
            }),
            json!({"@id": PROFILE, "@type": "CreativeWork", "name": "Process Run Crate", "version": "0.5"}),
            json!({
                "@id": license, "@type": "CreativeWork",
                "name": self.license.unwrap_or("No license is stated"),
            }),
        ]
    }

    fn write_folders(&self, graph: &mut Graph<'_>) -> Result<(), CrateError> {
        let mut current = String::new();
        self.for_each_file(&mut |folder, owner, path, _| {
            let reference = json!({"@id": format!("{folder}{path}")}).to_string();
            if current != folder {
                if !current.is_empty() {
                    graph.out.write_all(b"]}")?;
                }
                folder.clone_into(&mut current);
                graph.separate()?;
                let name = format!("Files of {} {}", Kind::from(owner.kind), owner.id);
                write!(
                    graph.out,
                    "{{\"@id\":{},\"@type\":\"Dataset\",\"name\":{},\"hasPart\":[{reference}",
                    json!(folder),
                    json!(name)
                )?;
            } else {
                write!(graph.out, ",{reference}")?;
            }
            Ok(())
        })?;
        if !current.is_empty() {
            graph.out.write_all(b"]}")?;
        }
        Ok(())
    }

    fn write_files(&self, graph: &mut Graph<'_>) -> Result<(), CrateError> {
        self.for_each_file(&mut |folder, _, path, entry| {
            let name = entry.file.path.rsplit('/').next().unwrap_or_default();
            let mut file = json!({"@id": format!("{folder}{path}"), "@type": "File", "name": name});
            if let Some(size_bytes) = entry.file.size_bytes {
                file["contentSize"] = size_bytes.to_string().into();
            }
            if let Some(sha256) = entry.file.sha256 {
                // The context of RO-Crate 1.1 has no term for digests.
                file["identifier"] = format!("sha256:{sha256}").into();
            }
            Ok(graph.add(&file)?)
        })
    }

    /// Files of the tree that belong to the chain: the folder of their owner, the owner, the path within.
    fn for_each_file(&self, sink: &mut FileSink<'_>) -> Result<(), CrateError> {
        for (index, archive) in self.archives.iter().enumerate() {
            let is_told = |node: &&LineageNode| node.archives.first() == Some(&index);
            let nodes = self.chain.nodes.iter().filter(is_told);
            let owners: BTreeSet<(Kind, &str)> = nodes.map(|node| (node.kind, node.id.as_str())).collect();
            for_each_artifact(archive, &mut |entry| {
                if !owners.contains(&(Kind::from(entry.owner.kind), entry.owner.id.as_str())) {
                    return Ok::<_, CrateError>(());
                }
                let Some(names) = (self.path_of)(&entry) else {
                    return Ok(());
                };
                let of_path = entry.file.path.split('/').count();
                let (folder, path) = names.split_at(names.len().saturating_sub(of_path));
                let folder = format!("{}/", encoded(folder));
                sink(&folder, entry.owner, &encoded(path), &entry)
            })?;
        }
        Ok(())
    }

    fn write_runs(
        &self,
        graph: &mut Graph<'_>,
        folders: &BTreeMap<String, (Kind, String)>,
    ) -> Result<(), CrateError> {
        let mut programs = BTreeMap::new();
        for (index, archive) in self.archives.iter().enumerate() {
            let is_told =
                |node: &LineageNode| node.kind == Kind::Runs && node.archives.first() == Some(&index);
            let runs: BTreeMap<&str, &LineageNode> =
                self.nodes(is_told).map(|node| (node.id.as_str(), node)).collect();
            each_line::<CrateError>(archive, Kind::Runs, |cursor| {
                let run = line::read(cursor, Kind::Runs)?;
                if let Some(node) = runs.get(run.id.as_str()) {
                    let params = cursor.parse::<Params>()?.params;
                    let program = program(&run);
                    let action = self.action(node, &program["@id"], &params, folders);
                    programs.entry(program["@id"].to_string()).or_insert(program);
                    graph.add(&action)?;
                    params
                        .iter()
                        .try_for_each(|(key, value)| graph.add(&param(&run.id, key, value)))?;
                }
                Ok(())
            })?;
        }
        programs.values().try_for_each(|program| graph.add(program))?;
        Ok(())
    }

    fn action(
        &self,
        node: &LineageNode,
        program: &Value,
        params: &TextMap,
        folders: &BTreeMap<String, (Kind, String)>,
    ) -> Value {
        let nodes = &self.chain.nodes;
        let me = nodes.iter().position(|other| other == node).unwrap_or_default();
        let reference = |id: String| json!({ "@id": id });
        let edges = self.chain.edges.iter();
        let read = edges
            .clone()
            .filter(|edge| edge.from == me && edge.relation == Relation::Read);
        let mut objects: Vec<_> = read.map(|edge| reference(thing_id(&nodes[edge.to]))).collect();
        objects.extend(params.keys().map(|key| reference(param_id(&node.id, key))));
        let made = edges.filter(|edge| edge.to == me && edge.relation == Relation::MadeBy);
        let made: Vec<&LineageNode> = made.map(|edge| &nodes[edge.from]).collect();
        let mut results: Vec<_> = made.iter().map(|made| reference(thing_id(made))).collect();
        let is_mine = |(kind, id): &(Kind, String)| {
            (*kind, id) == (node.kind, &node.id)
                || made.iter().any(|made| (made.kind, &made.id) == (*kind, id))
        };
        let mine = folders.iter().filter(|(_, owner)| is_mine(owner));
        results.extend(mine.map(|(folder, _)| reference(folder.clone())));
        let status = match node.status.as_deref() {
            Some("FINISHED") => "CompletedActionStatus",
            Some("FAILED" | "KILLED") => "FailedActionStatus",
            _ => "ActiveActionStatus",
        };
        let mut action = json!({
            "@id": action_id(node), "@type": "CreateAction",
            "name": node.name.as_ref().unwrap_or(&node.id),
            "instrument": {"@id": program}, "object": objects, "result": results,
            "actionStatus": {"@id": format!("http://schema.org/{status}")},
            "identifier": node.id,
        });
        if let Some(user) = &node.user {
            action["agent"] = json!({"@id": local("user", &[user])});
        }
        put_times(&mut action, ["startTime", "endTime"], node);
        action
    }
}

#[derive(Deserialize)]
struct Params {
    #[serde(default)]
    params: TextMap,
}

/// The graph of a crate, an entity at a time.
struct Graph<'o> {
    out: &'o mut dyn Write,
    is_first: bool,
}

impl Graph<'_> {
    fn begin(&mut self) -> io::Result<()> {
        self.out
            .write_all(b"{\"@context\":\"https://w3id.org/ro/crate/1.1/context\",\"@graph\":[\n")
    }

    fn separate(&mut self) -> io::Result<()> {
        if !std::mem::replace(&mut self.is_first, false) {
            self.out.write_all(b",\n")?;
        }
        Ok(())
    }

    fn add(&mut self, entity: &Value) -> io::Result<()> {
        self.separate()?;
        self.out.write_all(entity.to_string().as_bytes())
    }

    fn end(&mut self) -> io::Result<()> {
        self.out.write_all(b"\n]}\n")
    }
}

/// Names as one path, each with what separates others encoded.
pub(super) fn encoded<T: AsRef<str>>(names: &[T]) -> String {
    let mut path = String::new();
    for (index, name) in names.iter().enumerate() {
        path.push_str(if index == 0 { "" } else { "/" });
        encode(name.as_ref(), &mut path);
    }
    path
}

/// The id of an entity that is no file.
fn local(kind: &str, parts: &[&str]) -> String {
    format!("#{kind}/{}", encoded(parts))
}

fn action_id(node: &LineageNode) -> String {
    local("run", &[&node.origin, &node.id])
}

fn thing_id(node: &LineageNode) -> String {
    local(node.kind.name(), &[&node.origin, &node.id])
}

fn param_id(run_id: &str, key: &str) -> String {
    local("param", &[run_id, key])
}

fn param(run_id: &str, key: &str, value: &Text) -> Value {
    let value = value.to_display();
    json!({
        "@id": param_id(run_id, key), "@type": "PropertyValue", "name": key,
        "value": shortened(&value, VALUE_CHARACTERS),
    })
}

/// What a run was an execution of.
fn program(run: &LineFacts) -> Value {
    let fact = |name: &str| run.facts.get(name).map(String::as_str);
    let name = fact("source_name").unwrap_or("an unknown program");
    let version = fact("git_commit").unwrap_or_default();
    let mut program = json!({
        "@id": local("program", &[name, version]), "@type": "SoftwareApplication", "name": name,
    });
    if !version.is_empty() {
        program["softwareVersion"] = version.into();
    }
    if let Some(url) = fact("git_repository").filter(|url| url.contains("://")) {
        program["url"] = url.into();
    }
    program
}

/// A dataset, model, version or trace.
fn thing(node: &LineageNode) -> Value {
    let name = node.name.as_ref().unwrap_or(&node.id);
    let kind = match node.kind {
        Kind::Datasets | Kind::EvaluationDatasets => "Dataset",
        _ => "CreativeWork",
    };
    let mut thing = json!({
        "@id": thing_id(node), "@type": kind, "name": name, "identifier": node.id,
        "description": format!("MLflow {} {}", node.kind, node.id),
    });
    if node.kind == Kind::ModelVersions
        && let Some((_, version)) = node.id.rsplit_once('/')
    {
        thing["version"] = version.into();
    }
    thing
}
