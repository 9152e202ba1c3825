//! Carries a plan out: objects in the order of their dependencies, several requests at once, each noted in the journal.

mod assessments;
mod batch;
mod bodies;
mod check;
mod deletions;
mod evaluation;
mod experiments;
mod files;
mod fill;
mod joined;
mod links;
mod logged_models;
mod model_points;
mod refusal;
mod registry;
mod runs;
mod settled;
mod trace_parts;
mod traces;
mod traces_v2;
mod version_body;
mod versions;

use super::journal::Ledger;
use super::options::ImportOptions;
use super::plan::Plan;
use super::report::{Done, ImportReport};
use super::target::TargetState;
use super::{ImportError, Result};
use crate::archive::Archive;
use crate::client::ClientError;
use crate::flow::import::deviations::{Deviation, NotedDeviations, Outcome};
use crate::flow::import::id_map::Parts;
use crate::flow::import::plan::limits::{Fitting, Texts};
use crate::format::{Kind, Reason};
use crate::lang::rest::api::{Api, TargetId};
use crate::lang::rest::routes;
use crate::monitor::Monitor;
use serde_json::{Value, json};
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::mpsc::sync_channel;
use std::sync::{Mutex, MutexGuard};

/// Server errors in a row after which the target is taken for broken.
const SERVER_ERRORS: u32 = 8;
/// How often an object is looked for and made again where no answer said whether it was.
const CREATE_TRIES: u32 = 6;

/// Carries a plan out.
///
/// # Errors
/// The archive or the journal failed, the target is broken or gone, or someone asked to stop.
pub(crate) fn apply(
    archive: &Archive,
    api: &Api,
    plan: &Plan,
    target: &TargetState,
    options: &ImportOptions,
    ledger: &Ledger,
    monitor: &dyn Monitor,
) -> Result<ImportReport> {
    let apply = Apply {
        archive,
        api,
        plan,
        target,
        options,
        ledger,
        monitor,
        fitting: Fitting::new(target.limits(), target.is_databricks, &plan.origins, options),
        report: Mutex::new(ImportReport::of_plan(plan, &ledger.path())),
        seen: Seen::default(),
        batch_bytes: AtomicUsize::new(routes::LOG_BATCH.bytes),
        salt: salt(options),
    };
    apply.run()?;
    let report = apply.report.into_inner();
    let mut report = report.unwrap_or_else(|poison| poison.into_inner());
    report.requests = api.client().requests();
    report.retries = api.client().retries();
    Ok(report)
}

/// The options that change what is sent of an object, as part of the digest of what has arrived of it.
pub(crate) fn salt(options: &ImportOptions) -> String {
    format!(
        "{:?} {:?} {} {}",
        options.long_values, options.user, options.source_tags, options.fix_mlmodel
    )
}

/// An import under way.
pub(crate) struct Apply<'a> {
    archive: &'a Archive,
    api: &'a Api,
    plan: &'a Plan,
    target: &'a TargetState,
    options: &'a ImportOptions,
    ledger: &'a Ledger,
    monitor: &'a dyn Monitor,
    fitting: Fitting,
    report: Mutex<ImportReport>,
    seen: Seen,
    /// Bytes of a call that the target took, or may take.
    batch_bytes: AtomicUsize,
    salt: String,
}

/// What came up so far.
#[derive(Default)]
struct Seen {
    fatal: Mutex<Option<ImportError>>,
    stop: AtomicBool,
    server_errors: AtomicU32,
    /// Artifact locations of the target's experiments, by their ids there.
    locations: Mutex<HashMap<TargetId, String>>,
    /// Digests of what runs filled by this process should look like, by their ids in the target.
    expected: Mutex<HashMap<TargetId, u64>>,
    /// Whether runs stay unchecked: such as were not chosen now, or could not be compared.
    has_unchecked: AtomicBool,
    /// What was found of objects that are not done yet.
    found: Mutex<HashMap<(Kind, String), NotedDeviations>>,
    /// Objects of which only parts are sent; what else did not arrive of them is among what was found from the start.
    resumed: Mutex<HashSet<(Kind, String)>>,
    /// Runs that were made before their parents.
    late: Mutex<HashSet<String>>,
    /// Datasets that this process brought: experiment in the target, name, digest.
    datasets: Mutex<HashSet<(TargetId, String, String)>>,
    /// Runs whose making got no answer, here or in an earlier session: a second one may turn up.
    suspects: Mutex<HashSet<String>>,
    /// Objects that were meant to be made and were not, and whether the target said so each time.
    unmade: Mutex<HashMap<(Kind, String), bool>>,
    /// Traces whose assessments are still to come, with the digests of what arrives with them.
    assessed: Mutex<HashMap<String, u64>>,
    /// Parts that the target refused, by their objects.
    refused: Mutex<HashMap<(Kind, String), Parts>>,
    /// Objects that were made with nothing but their marks.
    bare: Mutex<HashSet<(Kind, String)>>,
    /// Refusals for want of permission, with nothing taken between them.
    denials: AtomicU32,
}

impl Apply<'_> {
    fn run(&self) -> Result<()> {
        self.workspace()?;
        self.experiments()?;
        self.create_runs()?;
        self.create_logged_models()?;
        self.fill_runs()?;
        self.fill_logged_models()?;
        self.registry()?;
        self.evaluation_datasets()?;
        self.scorers()?;
        self.traces()?;
        self.check_runs()?;
        self.delete_runs()?;
        self.assessments()?;
        self.delete_logged_models()?;
        self.delete_experiments()
    }

    /// Makes the workspace that everything goes into, where it is not there.
    fn workspace(&self) -> Result<()> {
        let Some(workspace) = &self.target.missing else {
            return Ok(());
        };
        let outside = Api::new(self.api.client().in_workspace(None)?);
        outside.create_workspace(workspace)?;
        self.count(Done::Created, Kind::Workspaces);
        if workspace.default_artifact_root.is_some() {
            let (kind, name) = (Kind::Workspaces, &workspace.name);
            self.left_out(kind, name, "default_artifact_root", Reason::NoCall);
            self.done(kind, name, 1)?;
        }
        Ok(())
    }

    /// Runs jobs on several threads; `feed` makes them and ends when its `send` says false.
    fn in_parallel<J: Send>(
        &self,
        feed: impl FnOnce(&mut dyn FnMut(J) -> bool) -> Result<()>,
        work: impl Fn(J) + Sync,
    ) -> Result<()> {
        let threads = self.options.connections.max(1);
        let (sender, receiver) = sync_channel::<J>(threads);
        let receiver = Mutex::new(receiver);
        let fed = std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    loop {
                        let job = lock(&receiver).recv();
                        match job {
                            Ok(job) if !self.is_stopped() => work(job),
                            // Those that wait are dropped: the journal knows them as intended at most.
                            Ok(_) => {}
                            Err(_) => break,
                        }
                    }
                });
            }
            let fed = feed(&mut |job| !self.is_stopped() && sender.send(job).is_ok());
            drop(sender);
            fed
        });
        self.end_of_phase()?;
        fed
    }

    /// The error that stopped the work, where one did.
    fn end_of_phase(&self) -> Result<()> {
        // Whoever asked for the end knows better than the request that the end cut short.
        if self.options.interrupt.is_set() {
            return Err(ImportError::Interrupted);
        }
        match lock(&self.seen.fatal).take() {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    fn is_stopped(&self) -> bool {
        self.seen.stop.load(Ordering::Relaxed) || self.options.interrupt.is_set()
    }

    /// Does one object's work; an error is that object's failure, or ends the import where the next would fail alike.
    fn attempt<T>(&self, kind: Kind, id: &str, work: impl FnOnce() -> Result<T>) -> Option<T> {
        match work() {
            Ok(value) => {
                self.seen.server_errors.store(0, Ordering::Relaxed);
                Some(value)
            }
            Err(error) => {
                let error = self
                    .note_unmade(kind, id)
                    .map_or_else(ImportError::from, |()| error);
                if self.is_fatal(&error) {
                    self.seen.stop.store(true, Ordering::Relaxed);
                    lock(&self.seen.fatal).get_or_insert(error);
                } else {
                    self.fail(kind, id, &error);
                }
                None
            }
        }
    }

    fn fail(&self, kind: Kind, id: &str, error: &ImportError) {
        match error {
            ImportError::Client(refused) if refused.is_refusal() => {
                let detail = format!("{refused}{}", refusal::remedy(refused));
                lock(&self.report).failure(kind, id, detail);
            }
            error => lock(&self.report).fail(kind, id, error),
        }
    }

    fn is_fatal(&self, error: &ImportError) -> bool {
        match error {
            ImportError::Client(ClientError::Status {
                status: 500..=599, ..
            }) => self.seen.server_errors.fetch_add(1, Ordering::Relaxed) + 1 >= SERVER_ERRORS,
            ImportError::Client(ClientError::Status {
                status: 401 | 429, ..
            }) => true,
            ImportError::Client(ClientError::Status { status: 403, .. }) => self.is_denied(),
            ImportError::Client(ClientError::Status { .. })
            | ImportError::Needs { .. }
            | ImportError::Exim { .. } => false,
            _ => true,
        }
    }

    /// Makes an object that carries a mark; where no answer says whether it was made, it is looked for first.
    fn create_once<T>(
        &self,
        whole: refusal::Whole<'_>,
        maybe_there: bool,
        find: impl Fn() -> Result<Option<T>, ClientError>,
        create: impl Fn() -> Result<T, ClientError>,
    ) -> Result<(T, bool)> {
        if maybe_there && let Some(found) = find()? {
            return Ok((found, false));
        }
        let mut wait = self.api.client().options().retry_base * 2;
        for _ in 1..CREATE_TRIES {
            match self.answered(whole, create()) {
                Ok(made) => {
                    self.taken();
                    return Ok((made, true));
                }
                Err(error) if error.outcome_unknown() => {
                    std::thread::sleep(wait);
                    if let Some(found) = find()? {
                        return Ok((found, false));
                    }
                    wait *= 2;
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok((self.answered(whole, create())?, true))
    }

    /// The id in the target of an object that must be there.
    fn need(&self, kind: Kind, id: &str) -> Result<TargetId> {
        let found = self.ledger.id(kind, id);
        found.ok_or_else(|| ImportError::needs(kind, id))
    }

    fn count(&self, done: Done, kind: Kind) {
        lock(&self.report).count(done, kind);
    }

    fn kept(&self, kind: Kind, id: &str, field: impl Into<String>, reason: Reason) {
        self.limited(kind, id, field, reason, Outcome::Kept);
    }

    fn left_out(&self, kind: Kind, id: &str, field: impl Into<String>, reason: Reason) {
        self.limited(kind, id, field, reason, Outcome::LeftOut);
    }

    fn limited(&self, kind: Kind, id: &str, field: impl Into<String>, reason: Reason, outcome: Outcome) {
        self.limit(Deviation::new(kind, id, field, reason, outcome));
    }

    /// Tells of a phase that looks at all objects of a kind.
    fn begin(&self, what: &str, kind: Kind) {
        self.monitor
            .begin(what, Some(self.archive.manifest().count(kind)));
    }
}

/// Texts as the body of a call lists them.
fn pairs(texts: &Texts) -> Vec<Value> {
    let pair = |(key, value): &(String, String)| json!({"key": key, "value": value});
    texts.iter().map(pair).collect()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poison| poison.into_inner())
}
