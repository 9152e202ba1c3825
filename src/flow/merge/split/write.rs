//! Parts being written, several of them in one pass over the archive.

use super::assign::Assigned;
use super::needs::{ModelNames, Name, OtherNames, RunNames, TraceNames, VersionNames, model_of};
use super::{Every, NAME, SplitBy, SplitOptions};
use crate::archive::{Archive, ArchiveWriter, Duplicates, ManifestHead, digests_in};
use crate::flow::merge::Result;
use crate::flow::merge::moves::Moves;
use crate::flow::merge::orphans::Orphans;
use crate::flow::merge::output::count;
use crate::flow::merge::source::{Owner, Source};
use crate::flow::merge::weave::place_of;
use crate::format::manifest::{HistoryEntry, Tool};
use crate::format::origin::PartOfWhole;
use crate::format::undo::UNDO_LINES;
use crate::format::{ArchivePath, Kind, Manifest};
use crate::model::Digest;
use serde::de::DeserializeOwned;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;
use std::path::PathBuf;

/// Kinds in an order in which what is needed comes after what needs it, and artifacts come by kind of owner.
const KINDS: [Kind; Kind::ROOTS] = [
    Kind::Runs,
    Kind::LoggedModels,
    Kind::ModelVersions,
    Kind::Traces,
    Kind::EvaluationDatasets,
    Kind::Scorers,
    Kind::Datasets,
    Kind::RegisteredModels,
    Kind::Experiments,
    Kind::Workspaces,
];

type Parts = BTreeSet<usize>;

/// Parts that need something, by its id.
#[derive(Debug, Default)]
struct Needed {
    experiments: HashMap<String, Parts>,
    models: HashMap<(Option<String>, String), Parts>,
    workspaces: HashMap<String, Parts>,
}

impl Needed {
    fn experiment(&mut self, id: &Name, parts: &Parts) {
        let needed = self.experiments.entry(id.or_empty().to_owned());
        needed.or_default().extend(parts);
    }

    fn workspace(&mut self, name: &Name, parts: &Parts) {
        if let Some(name) = name.text() {
            self.workspaces.entry(name.to_owned()).or_default().extend(parts);
        }
    }
}

/// A part being written, and the blobs that its lines refer to.
struct Part {
    writer: ArchiveWriter,
    blobs: BTreeSet<Digest>,
}

/// Writes some of the parts of an archive.
pub(super) struct PartsWriter<'s> {
    archive: &'s Archive,
    assigned: &'s Assigned,
    batch: Range<usize>,
    parts: Vec<Part>,
    needed: Needed,
    shared: BTreeMap<Kind, u64>,
}

impl<'s> PartsWriter<'s> {
    pub(super) fn create(
        archive: &'s Archive,
        assigned: &'s Assigned,
        batch: Range<usize>,
        paths: impl Iterator<Item = PathBuf>,
        options: &SplitOptions,
    ) -> Result<Self> {
        let part = |path: PathBuf| {
            let writer = ArchiveWriter::create(&path, options.writer.clone())?;
            Ok(Part {
                writer,
                blobs: BTreeSet::new(),
            })
        };
        Ok(PartsWriter {
            archive,
            assigned,
            batch,
            parts: paths.map(part).collect::<Result<_>>()?,
            needed: Needed::default(),
            shared: BTreeMap::new(),
        })
    }

    /// Reads the archive once and writes each line to the parts that need it.
    pub(super) fn write(&mut self, orphans: &Orphans) -> Result<()> {
        let moves = Moves::default();
        let mut artifacts = None;
        for kind in KINDS {
            let mut source = Source::open(self.archive, kind, &moves, &mut artifacts, orphans)?;
            // Lines of lost objects go where those before them went.
            let mut parts = Parts::from([0]);
            let mut place = 0;
            while let Some(owner) = source.head() {
                if let Some(line) = &owner.line {
                    parts = self.parts_of(kind, place, owner, line)?;
                    place += 1;
                }
                if parts.len() > 1 && owner.line.is_some() {
                    *self.shared.entry(kind).or_default() += 1;
                }
                let (key, id) = (owner.key.clone(), owner.id.clone());
                if let Some(line) = &owner.line {
                    self.put(&parts, kind, key.clone(), &id, line)?;
                }
                for (index, &child) in kind.children().iter().enumerate() {
                    let mut number = 0;
                    while let Some(line) = source.next_child(index)? {
                        self.put(&parts, child, place_of(kind, child, &key, number), &id, &line)?;
                        number += 1;
                    }
                }
                source.advance()?;
            }
            source.finish(&mut artifacts);
        }
        Ok(())
    }

    fn put(
        &mut self,
        parts: &Parts,
        kind: Kind,
        key: crate::format::SortKey,
        id: &str,
        line: &[u8],
    ) -> Result<()> {
        for number in parts.range(self.batch.clone()) {
            let part = &mut self.parts[number - self.batch.start];
            count(&mut part.writer, kind, line);
            part.blobs.extend(digests_in(line));
            part.writer.write_line(kind, key.clone(), id, line)?;
        }
        Ok(())
    }

    /// The parts of an object at a place among its kind; what it needs is remembered for them.
    fn parts_of(&mut self, kind: Kind, place: u64, owner: &Owner, line: &[u8]) -> Result<Parts> {
        let first = || Parts::from([0]);
        let (assigned, needed) = (self.assigned, &mut self.needed);
        let or_first = |parts: Parts| if parts.is_empty() { first() } else { parts };
        Ok(match kind {
            Kind::Runs => {
                let run: RunNames = read(self.archive, kind, owner, line)?;
                let parts = or_first(assigned.of_maker(kind, place));
                needed.experiment(&run.info.experiment_id, &parts);
                parts
            }
            Kind::LoggedModels => {
                let model: ModelNames = read(self.archive, kind, owner, line)?;
                let parts = or_first(assigned.of_maker(kind, place));
                needed.experiment(&model.experiment_id, &parts);
                parts
            }
            Kind::ModelVersions => {
                let version: VersionNames = read(self.archive, kind, owner, line)?;
                let parts = assigned.of_version(place, &version);
                let model = model_of(&version.workspace, &version.name);
                needed.models.entry(model).or_default().extend(&parts);
                needed.workspace(&version.workspace, &parts);
                parts
            }
            Kind::Traces => {
                let trace: TraceNames = read(self.archive, kind, owner, line)?;
                let parts = assigned.of_trace(place, &trace);
                needed.experiment(&trace.experiment_id, &parts);
                parts
            }
            _ => self.parts_of_other(kind, place, owner, line)?,
        })
    }

    /// The same of what has no runs of its own, and comes after all that needs it.
    fn parts_of_other(&mut self, kind: Kind, place: u64, owner: &Owner, line: &[u8]) -> Result<Parts> {
        let other: OtherNames = read(self.archive, kind, owner, line)?;
        let (assigned, needed) = (self.assigned, &mut self.needed);
        let of_experiment = |id: &str| assigned.of_experiment(id);
        let of_workspace = |name: Option<&str>| assigned.of_workspace(name);
        let mut parts = match kind {
            Kind::Workspaces => needed.workspaces.remove(&owner.id),
            Kind::Experiments => needed.experiments.remove(&owner.id),
            Kind::RegisteredModels => needed.models.remove(&model_of(&other.workspace, &other.name)),
            Kind::Datasets => Some(assigned.of_dataset(place)),
            _ => None,
        }
        .unwrap_or_default();
        match kind {
            Kind::Workspaces => parts.extend(of_workspace(Some(&owner.id))),
            Kind::Experiments => parts.extend(of_experiment(&owner.id)),
            Kind::RegisteredModels => parts.extend(of_workspace(other.workspace.text())),
            Kind::EvaluationDatasets => match of_workspace(other.workspace.text()) {
                Some(part) => parts.extend([part]),
                None => parts.extend(other.experiments().filter_map(of_experiment)),
            },
            _ => parts.extend(of_experiment(other.experiment_id.or_empty())),
        }
        if parts.is_empty() {
            parts.insert(0);
        }
        if kind.is_in_experiment() {
            needed.experiment(&other.experiment_id, &parts);
        }
        needed.workspace(&other.workspace, &parts);
        Ok(parts)
    }

    /// How many objects are in several parts.
    pub(super) fn take_shared(&mut self) -> BTreeMap<Kind, u64> {
        std::mem::take(&mut self.shared)
    }

    /// Completes the parts.
    pub(super) fn finish(self, of: usize, options: &SplitOptions) -> Result<Vec<Manifest>> {
        let manifest = self.archive.manifest();
        let mut made = Vec::new();
        for (number, part) in self.batch.zip(self.parts) {
            let (mut writer, mut blobs) = (part.writer, part.blobs);
            let is_first = number == 0;
            for file in &manifest.files {
                let is_unknown = is_first && file.path.is_newer();
                if is_unknown {
                    let mut lines = self.archive.lines_of(vec![file.clone()]);
                    while let Some(line) = lines.next_line()? {
                        blobs.extend(digests_in(line.bytes));
                    }
                }
                if is_unknown || file.path == ArchivePath::losses() {
                    writer.adopt_file(self.archive, file)?;
                }
            }
            writer.adopt_losses(&manifest.losses);
            writer.adopt_origins(self.archive)?;
            writer.adopt_only(self.archive, options.copy, blobs)?;
            let mut head = ManifestHead::of_parent(manifest);
            if let Some(format) = &mut head.format {
                // Undo records stay behind.
                format.requires.retain(|name| name != UNDO_LINES);
            }
            head.part = Some(PartOfWhole {
                number: number as u64 + 1,
                of: of as u64,
                whole: manifest.content_id,
            });
            head.history.push(HistoryEntry {
                name: NAME.to_owned(),
                parameters: parameters(self.assigned.by),
                tool: Tool::current(),
                time: crate::archive::now_text(),
                parent_content_id: manifest.content_id,
                parent_content_ids: Vec::new(),
                counts: BTreeMap::new(),
            });
            made.push(writer.finish(head, Duplicates::Refuse)?);
        }
        Ok(made)
    }
}

fn read<T: DeserializeOwned>(archive: &Archive, kind: Kind, owner: &Owner, line: &[u8]) -> Result<T> {
    serde_json::from_slice(line).map_err(|error| {
        let place = format!("{kind} `{}`", owner.id);
        archive.damaged(&place, &error.to_string()).into()
    })
}

fn parameters(by: SplitBy) -> BTreeMap<String, serde_json::Value> {
    let (by, more) = match by {
        SplitBy::Experiment => ("experiment", None),
        SplitBy::Workspace => ("workspace", None),
        SplitBy::Size(bytes) => ("size", Some(("size", json!(bytes)))),
        SplitBy::Time(every) => {
            let every = match every {
                Every::Day => "day",
                Every::Week => "week",
                Every::Month => "month",
                Every::Year => "year",
            };
            ("time", Some(("every", json!(every))))
        }
    };
    let more = more.map(|(name, value)| (name.to_owned(), value));
    [("by".to_owned(), json!(by))].into_iter().chain(more).collect()
}
