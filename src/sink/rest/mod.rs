//! Replay: an archive arrives in an MLflow tracking server.
//!
//! [`Prepared::new`] reads the archive and the target and makes a [`Plan`], which can be printed and compared; [`Prepared::apply`] carries
//! it out, with a [`journal`] of what was meant and what was made, and gives an [`ImportReport`]. `docs/replay.md` says which call
//! sets which field, in which order, and what no call can set.

pub mod api;
pub mod apply;
pub mod artifacts;
pub mod changes;
pub mod free_text;
pub mod journal;
pub mod limits;
pub mod mapping;
pub mod mark;
pub mod mlmodel;
pub mod options;
pub mod otlp;
pub mod plan;
pub mod report;
pub mod rewrite;
pub mod sources;
pub mod target;
pub mod verify;

pub use options::{ImportOptions, LongValues, OnConflict, Only};
pub use plan::Plan;
pub use report::ImportReport;

use crate::archive::{Archive, ArchiveError, ErrorKind};
use crate::client::{Client, ClientError};
use crate::format::Kind;
use crate::monitor::Monitor;
use api::Api;
use journal::{Journal, JournalError, JournalKey, Ledger};
use mapping::Mapping;
use plan::{Chosen, Named};
use std::path::{Path, PathBuf};
use target::TargetState;

/// An import that cannot be made, or that had to stop.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// The archive cannot be read.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// The target refused or could not be reached.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The journal cannot be used.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// An object's `exim` text cannot be read.
    #[error("{kind} `{id}` has an `exim` text that is not JSON")]
    Exim {
        /// Kind of the object.
        kind: Kind,
        /// Its id.
        id: String,
        /// Why not.
        #[source]
        source: crate::model::pyjson::PyJsonError,
    },
    /// What was asked for does not fit the archive or the target.
    #[error("{detail}")]
    Choice {
        /// What does not fit.
        detail: String,
    },
    /// Names are taken.
    #[error(
        "the target has {count} objects of the same name that no import of this archive's origin made: {names}"
    )]
    Conflict {
        /// How many.
        count: usize,
        /// The first of them.
        names: String,
    },
    /// Values are longer than the target holds.
    #[error("{count} values are longer than the target holds, such as {example}")]
    TooLong {
        /// How many.
        count: u64,
        /// The first of them.
        example: String,
    },
    /// The target lacks what the journal says it has.
    #[error("{kind} `{id}` was imported as `{target_id}`, and the target no longer has that")]
    Gone {
        /// Kind of the object.
        kind: Kind,
        /// Its id in the archive.
        id: String,
        /// Its id in the target.
        target_id: String,
    },
    /// An object needs another one that is not in the target.
    #[error("its {kind} `{id}` is not in the target")]
    Needs {
        /// Kind of the other.
        kind: Kind,
        /// Its id in the archive.
        id: String,
    },
    /// Someone asked to stop.
    #[error("interrupted; what arrived so far is in the journal")]
    Interrupted,
}

impl ImportError {
    /// The kind of error, for those that are no refusal of the target.
    pub fn kind(&self) -> Option<ErrorKind> {
        match self {
            ImportError::Archive(error) => Some(error.kind()),
            ImportError::Client(_) | ImportError::Needs { .. } | ImportError::Gone { .. } => None,
            ImportError::Journal(JournalError::Io { .. }) => Some(ErrorKind::Io),
            ImportError::Journal(JournalError::Damaged { .. }) | ImportError::Exim { .. } => {
                Some(ErrorKind::Damaged)
            }
            ImportError::Journal(_)
            | ImportError::Choice { .. }
            | ImportError::Conflict { .. }
            | ImportError::TooLong { .. } => Some(ErrorKind::Usage),
            ImportError::Interrupted => None,
        }
    }
}

/// How long after its last line a journal's open intents are believed to be under way.
const SETTLING: std::time::Duration = std::time::Duration::from_secs(3);

/// Result of a step of an import.
pub type Result<T, E = ImportError> = std::result::Result<T, E>;

/// The name of a target in journals: its URL without credentials, and the workspace where one was chosen.
pub(crate) fn target_name(client: &Client) -> String {
    match &client.options().workspace {
        Some(workspace) => format!("{} workspace {workspace}", client.base()),
        None => client.base().to_string(),
    }
}

/// An import that is planned and not yet begun.
pub struct Prepared {
    archive: Archive,
    api: Api,
    options: ImportOptions,
    target: TargetState,
    plan: Plan,
    journal_path: PathBuf,
    key: JournalKey,
    /// Whether the journal says that this archive arrived whole, with these options.
    is_complete: bool,
}

impl Prepared {
    /// Reads the archive, the journal and the target, and plans; nothing is written anywhere.
    ///
    /// # Errors
    /// One of them cannot be read, or what was asked for does not fit.
    pub fn new(archive: &Archive, client: Client, options: ImportOptions) -> Result<Self> {
        let api = Api::new(client);
        let origin = archive.manifest().origin.clone();
        let key = JournalKey {
            origin: origin.clone(),
            target: target_name(api.client()),
        };
        let journal_path = match &options.journal {
            Some(path) => path.clone(),
            None => journal::default_path(archive.path(), &key),
        };
        let contents = Journal::read(&journal_path, &key)?;
        let mut target = TargetState::greet(&api)?;
        let chosen = Chosen::resolve(archive, &options.only)?;
        let named = Named::read(archive, &chosen)?;
        target.survey(&api, &origin, &named.wanted(&contents.mapping, &options))?;
        let mut mapping = contents.mapping;
        if !contents.is_recovered {
            recover(&api, &target, &origin, &mut mapping)?;
        }
        let plan = Plan::make(archive, chosen, &named, &target, &mapping, &options)?;
        let stamp = stamp(archive, &options);
        Ok(Prepared {
            archive: archive.clone(),
            api,
            is_complete: contents.complete.as_deref() == Some(stamp.as_str()) && plan.to_create() == 0,
            options,
            target,
            plan,
            journal_path,
            key,
        })
    }

    /// The plan.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Where the journal is, or will be.
    pub fn journal_path(&self) -> &Path {
        &self.journal_path
    }

    /// Whether the plan can be carried out as asked.
    ///
    /// # Errors
    /// Names are taken or values are too long, and nothing was said about that.
    pub fn check(&self) -> Result<()> {
        let conflicts: Vec<_> = self.plan.conflicts().collect();
        if !conflicts.is_empty() {
            let name =
                |item: &&plan::Item| format!("{} `{}`", item.kind, item.name.as_ref().unwrap_or(&item.id));
            let names: Vec<_> = conflicts.iter().take(5).map(name).collect();
            return Err(ImportError::Conflict {
                count: conflicts.len(),
                names: names.join(", "),
            });
        }
        let too_long = self.plan.changes.of_reason(changes::TOO_LONG);
        if too_long > 0 && self.options.long_values == LongValues::Error {
            let named = self.plan.changes.named().iter();
            let example = named
                .filter(|change| change.reason == changes::TOO_LONG)
                .map(|change| format!("{} of {} `{}`", change.field, change.kind, change.id));
            return Err(ImportError::TooLong {
                count: too_long,
                example: example.take(1).collect(),
            });
        }
        Ok(())
    }

    /// What the journal says now, or without one the target's marks.
    fn current_mapping(&self) -> Result<Mapping> {
        let contents = Journal::read(&self.journal_path, &self.key)?;
        let mut mapping = contents.mapping;
        if !contents.is_recovered {
            recover(&self.api, &self.target, &self.key.origin, &mut mapping)?;
        }
        Ok(mapping)
    }

    /// Carries the plan out.
    ///
    /// # Errors
    /// The plan cannot be carried out, or the import had to stop; running it again goes on.
    pub fn apply(&self, monitor: &dyn Monitor) -> Result<ImportReport> {
        self.check()?;
        let stamp = stamp(&self.archive, &self.options);
        if self.is_complete {
            let mut report = ImportReport::nothing_to_do(&self.plan, &self.journal_path);
            report.requests = self.api.client().requests();
            report.retries = self.api.client().retries();
            return Ok(report);
        }
        let content_id = self.archive.manifest().content_id.to_string();
        let (mut journal, contents) = Journal::open(&self.journal_path, &self.key, &content_id)?;
        let mut mapping = contents.mapping;
        let since = contents.written.and_then(|written| written.elapsed().ok());
        if let Some(left) = since.and_then(|since| SETTLING.checked_sub(since))
            && (mapping.has_intents() || !contents.is_recovered && contents.sessions > 0)
        {
            // A request of a process that was just killed may still be under way in the server.
            std::thread::sleep(left);
        }
        if !contents.is_recovered {
            recover(&self.api, &self.target, &self.key.origin, &mut mapping)?;
            // A death from here on must not make the next import believe that nothing is there.
            journal.recovered(&mapping)?;
        }
        let ledger = Ledger::new(journal, mapping);
        let report = apply::apply(
            &self.archive,
            &self.api,
            &self.plan,
            &self.target,
            &self.options,
            &ledger,
            monitor,
        )?;
        if report.failures.is_empty() {
            ledger.complete(&stamp)?;
        }
        Ok(report)
    }
}

/// What says that an archive arrived whole: its content and the options that change what is sent.
fn stamp(archive: &Archive, options: &ImportOptions) -> String {
    let salt = apply::salt(options);
    let only = format!("{:?}", options.only);
    use sha2::{Digest as _, Sha256};
    let digest = Sha256::digest(format!("{salt}\0{only}"));
    let hex: String = digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    format!("{} {hex}", archive.manifest().content_id)
}

/// Fills the mapping of a lost journal from the target's marks.
fn recover(api: &Api, target: &TargetState, origin: &str, mapping: &mut Mapping) -> Result<()> {
    for (id, target_id) in &target.marked {
        mapping.insert(Kind::Experiments, id, target_id, false);
    }
    // Runs of this origin may also be in experiments that took them in.
    let prefix = mark::prefix(origin, Kind::Runs);
    let filter = format!("tags.`{}` LIKE '{prefix}%'", mark::KEY);
    for experiment in target.experiments.values() {
        let mut found = Vec::new();
        api.each_run(&experiment.id, &filter, |run| {
            let mark = run.tags.get(mark::KEY);
            if let Some(id) = mark.and_then(|mark| mark::id_of(mark, origin, Kind::Runs)) {
                found.push((id, run.id));
            }
        })?;
        // Of several, made by two imports at once, all take the least.
        found.sort_unstable_by(|a, b| b.cmp(a));
        for (id, target_id) in found {
            mapping.insert(Kind::Runs, &id, &target_id, false);
        }
        if !target.has(limits::Feature::LoggedModels) || experiment.is_deleted {
            continue;
        }
        api.each_logged_model(&experiment.id, |model| {
            let mark = model.tags.get(mark::KEY);
            if let Some(id) = mark.and_then(|mark| mark::id_of(mark, origin, Kind::LoggedModels)) {
                mapping.insert(Kind::LoggedModels, &id, &model.id, false);
            }
        })?;
    }
    Ok(())
}
