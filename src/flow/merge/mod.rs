//! Archives put together, and one archive split into several.
//!
//! | module    | does                                                                      |
//! |-----------|---------------------------------------------------------------------------|
//! | `survey`  | reads what has to be known of all archives first: ids, names               |
//! | `book`    | which origin knows an object, and under which id                           |
//! | `plan`    | decides which ids and names are others in the result                       |
//! | `models`  | decides so of registered models and versions                              |
//! | `moves`   | says in lines what was decided                                             |
//! | `source`  | the objects of one archive, in the order of the result                     |
//! | `children`| the lines that belong to them                                             |
//! | `orphans` | lines whose object is lost                                                 |
//! | `weave`   | takes them from all archives in turn; finds what is there twice            |
//! | `joined`  | one line of two objects that become one                                    |
//! | `output`  | where lines go, and what is counted of them                                |
//! | `shards`  | whether all shards of an export are there, and what they say together        |
//! | `united`  | the manifest of the result                                                 |

mod book;
mod children;
mod error;
mod joined;
mod models;
mod moves;
mod orphans;
mod output;
mod plan;
mod shards;
mod source;
pub mod split;
mod survey;
mod united;
mod weave;

use self::error::Result;
use self::orphans::Decided;
use self::output::MergeOutput;
use self::plan::Plan;
use self::shards::Links;
use self::source::Source;
use self::survey::for_each_shared;
use self::weave::Weave;
use crate::archive::walk::newer_kinds;
use crate::archive::{Archive, ArchiveError, ArchiveWriter, Duplicates, WriterOptions};
use crate::format::{Kind, Manifest, order};
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

pub use self::error::MergeError;
pub use self::plan::{ChangeKind, MergeChange};
pub use self::shards::ShardError;
pub use self::united::NAME;
pub use self::weave::Conflict;

/// Conflicts that an error names.
const PLACES: usize = 5;

/// Which archive an object is taken from that several have with other content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
pub enum Prefer {
    /// None: list the conflicts and make nothing
    #[default]
    Fail,
    /// The archive given first
    First,
    /// The archive where the object changed last
    // As far as it says so; else the archive that was written last.
    Newer,
}

/// How archives are merged.
#[derive(Debug, Clone, Default)]
pub struct MergeOptions {
    /// How the result is written.
    pub writer: WriterOptions,
    /// Copies blobs instead of linking them.
    pub copy: bool,
    /// What becomes of objects that several archives have with other content.
    pub prefer: Prefer,
    /// Makes one experiment of those of one name of several origins.
    pub join_experiments: bool,
    /// Makes one model of those of one name of several origins.
    pub join_models: bool,
    /// Origins that are one with another, under an earlier name; each with that other.
    pub same_origins: BTreeMap<String, String>,
}

/// What a merge made, or would make.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct MergeReport {
    /// The manifest of the result; none where nothing was written.
    #[serde(skip)]
    pub manifest: Option<Manifest>,
    /// Objects by kind; of metrics and artifacts, lines.
    #[serde(rename = "counts")]
    pub lines: BTreeMap<String, u64>,
    /// Objects that several archives had, each of which stands once, by kind.
    pub united: BTreeMap<Kind, u64>,
    /// Ids and names that are different in the result.
    pub changes: Vec<MergeChange>,
    /// Objects that several archives had with other content.
    pub conflict_count: u64,
    /// The first of them.
    pub conflicts: Vec<Conflict>,
    /// A notice, and how often it applies.
    pub notices: BTreeMap<String, u64>,
}

/// Merges archives into a new one; without `out` it only says what would be made.
///
/// ```no_run
/// use mlark::Archive;
/// use mlark::flow::merge::{MergeOptions, merge};
///
/// let archives = [Archive::open("a.zip".as_ref())?, Archive::open("b.zip".as_ref())?];
/// let report = merge(&archives, Some("all.zip".as_ref()), &MergeOptions::default())?;
/// println!("{} changes", report.changes.len());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// An archive cannot be read, the archives do not fit together, or the result cannot be written; nothing is made then.
pub fn merge(archives: &[Archive], out: Option<&Path>, options: &MergeOptions) -> Result<MergeReport> {
    let archives: Vec<&Archive> = archives.iter().collect();
    refuse(&archives)?;
    shards::refuse(&archives)?;
    let plan = Plan::make(&archives, options)?;
    refuse_moved_unknown(&archives, &plan)?;
    let scratch = tempfile::tempdir_in(std::env::temp_dir());
    let scratch = scratch.map_err(ArchiveError::io("create directory in", std::env::temp_dir()))?;
    let losers = losers(&archives, &plan, options, scratch.path())?;
    let job = |decided: &Decided| {
        let job = Job {
            archives: &archives,
            plan: &plan,
            losers: &losers,
            decided,
            options,
        };
        job.run(out, scratch.path())
    };
    match job(&Decided::nothing(archives.len())) {
        // Rare: lines whose objects are lost. Only then they are looked for.
        Err(error @ MergeError::Orphan { .. }) => {
            match orphans::decide(&archives, &plan, options.prefer, scratch.path())? {
                decided if decided.is_empty() => Err(error),
                decided => job(&decided),
            }
        }
        done => done,
    }
}

/// Refuses archives that cannot be put together, whatever is in them.
fn refuse(archives: &[&Archive]) -> Result<()> {
    let first = archives[0];
    for archive in archives {
        let (major, other) = (archive.manifest().format.major, first.manifest().format.major);
        if major != other {
            return Err(MergeError::Majors {
                path: archive.path().to_owned(),
                major,
                first: first.path().to_owned(),
                other,
            });
        }
    }
    Ok(())
}

/// Kinds that this build does not know pass through untouched, where only one archive has them.
fn refuse_moved_unknown(archives: &[&Archive], plan: &Plan) -> Result<()> {
    let mut holder: Option<usize> = None;
    for (number, archive) in archives.iter().enumerate() {
        let kinds = newer_kinds(archive);
        let Some(kind) = kinds.keys().next() else {
            continue;
        };
        let is_same = |other: usize| unknown_files(archives[other]).eq(unknown_files(archive));
        let moves = &plan.inputs[number].moves;
        let is_still = moves.experiments.is_empty() && moves.models.is_empty() && moves.workspace.is_none();
        if !is_still || holder.is_some_and(|other| !is_same(other)) {
            return Err(MergeError::NewerKind {
                path: archive.path().to_owned(),
                kind: kind.clone(),
            });
        }
        holder.get_or_insert(number);
    }
    Ok(())
}

/// Files of kinds that this build does not know.
fn unknown_files(archive: &Archive) -> impl Iterator<Item = &crate::format::manifest::FileDescriptor> {
    let files = archive.manifest().files.iter();
    files.filter(|file| file.path.is_newer())
}

/// Objects of one id that stand at several places, but for the one that is taken: archive, kind and id, and the archive of that one.
pub(super) type Losers = HashMap<(usize, Kind), HashMap<String, usize>>;

fn losers(archives: &[&Archive], plan: &Plan, options: &MergeOptions, scratch: &Path) -> Result<Losers> {
    let mut losers = Losers::new();
    let has_times = options.prefer == Prefer::Newer;
    for &kind in Kind::ALL.iter().filter(|kind| kind.has_ids_of_its_own()) {
        for_each_shared(archives, kind, has_times, scratch, |id, found| {
            let key = |at: &survey::Found| {
                let experiment = plan.inputs[at.input].moves.experiment(&at.experiment_id);
                order::run(experiment, at.time, id)
            };
            let newest =
                |at: &&survey::Found| (at.changed_at, &archives[at.input].manifest().created, at.input);
            let winner = match options.prefer {
                Prefer::Newer => found.iter().max_by_key(newest),
                Prefer::Fail | Prefer::First => found.first(),
            };
            let Some(winner) = winner else { return };
            for at in found.iter().filter(|at| key(at) != key(winner)) {
                let of_kind = losers.entry((at.input, kind)).or_default();
                of_kind.insert(id.to_owned(), winner.input);
            }
        })?;
    }
    Ok(losers)
}

/// One attempt to merge.
struct Job<'j> {
    archives: &'j [&'j Archive],
    plan: &'j Plan,
    losers: &'j Losers,
    decided: &'j Decided,
    options: &'j MergeOptions,
}

impl Job<'_> {
    fn run(&self, out: Option<&Path>, scratch: &Path) -> Result<MergeReport> {
        let writer = out.map(|out| ArchiveWriter::create(out, self.options.writer.clone()));
        let mut output = MergeOutput::new(writer.transpose()?, Links::of(self.archives));
        let mut artifacts: Vec<_> = self.archives.iter().map(|_| None).collect();
        let mut weave = Weave::new(self.archives, self.plan, self.losers, self.options.prefer);
        weave.tell_of_lost(&self.decided.conflicts);
        for kind in source::KINDS {
            let mut sources = Vec::new();
            for (number, archive) in self.archives.iter().enumerate() {
                let input = &self.plan.inputs[number];
                let artifacts = &mut artifacts[number];
                let source = Source::open(
                    archive,
                    kind,
                    &input.moves,
                    artifacts,
                    &self.decided.orphans[number],
                )?;
                let is_sorted = input.sorts_models && kind.is_named_in_workspaces()
                    || input.sorts_experiments && kind.has_field("experiment_id");
                sources.push(if is_sorted {
                    source.sorted(scratch, artifacts)?
                } else {
                    source
                });
            }
            weave.family(kind, &mut sources, &mut output)?;
            for (source, artifacts) in sources.into_iter().zip(&mut artifacts) {
                source.finish(artifacts);
            }
        }
        if self.options.prefer == Prefer::Fail && weave.conflict_count > 0 {
            return Err(MergeError::Conflict {
                count: weave.conflict_count,
                places: self.places(&weave),
                conflicts: weave.conflicts,
            });
        }
        let manifest = self.finish(&mut output, &weave)?;
        Ok(MergeReport {
            manifest,
            lines: output.lines,
            united: weave.united,
            changes: self.plan.changes.clone(),
            conflict_count: weave.conflict_count,
            conflicts: weave.conflicts,
            notices: united::missing_parts(self.archives)
                .into_iter()
                .chain(shards::changed_between(self.archives))
                .chain(self.plan.given_workspace())
                .chain(weave.notices)
                .collect(),
        })
    }

    /// The first conflicts for a person.
    fn places(&self, weave: &Weave<'_>) -> String {
        let place = |conflict: &Conflict| {
            let inputs = conflict.inputs.iter();
            let inputs = inputs.map(|number| self.archives[number - 1].path().display().to_string());
            let inputs = inputs.collect::<Vec<_>>().join(", ");
            format!("{} `{}` ({inputs})", conflict.kind.singular(), conflict.id)
        };
        let mut places: Vec<_> = weave.conflicts.iter().take(PLACES).map(place).collect();
        if weave.conflict_count > places.len() as u64 {
            places.push("…".to_owned());
        }
        places.join("; ")
    }

    fn finish(&self, output: &mut MergeOutput, weave: &Weave<'_>) -> Result<Option<Manifest>> {
        let Some(mut writer) = output.writer.take() else {
            return Ok(None);
        };
        let origins = output.finish_origins(&self.plan.table)?;
        united::take_losses(&mut writer, self.archives)?;
        if let Some(archive) = self
            .archives
            .iter()
            .find(|archive| unknown_files(archive).next().is_some())
        {
            for file in unknown_files(archive) {
                writer.adopt_file(archive, file)?;
            }
        }
        let mut suspects = std::mem::take(&mut output.suspects);
        for archive in self.archives {
            united::suspects_of_undo(archive, &mut suspects)?;
        }
        let except = writer.unreferenced(suspects)?;
        for archive in self.archives {
            writer.adopt_blobs(archive, self.options.copy, &except)?;
        }
        let counts = united::counts(self.plan, weave);
        let mut head = united::head(self.archives, origins, counts, self.options);
        self.plan.table.name(0).clone_into(&mut head.origin);
        Ok(Some(writer.finish(head, Duplicates::Refuse)?))
    }
}
