//! Runs with their metric history and artifacts: asked for on many threads, written as they come.

use super::artifacts::{Listed, Route};
use super::exporter::Exporter;
use super::history::{History, Points, RunHistory};
use super::server::{Server, told};
use crate::archive::Owner;
use crate::archive::parallel::map_ordered;
use crate::client::ClientError;
use crate::format::{Kind, Reason};
use crate::lang::rest::read::run_pages::{Batch, Feed, get};
use crate::lang::rest::read::run_wire::FoundRun;
use crate::lang::rest::read::run_writer::Sink;
use crate::lang::rest::resume::{Key, history_part, page_part};
use crate::lang::session::ExportError;
use crate::model::{ModelInput, ModelOutput, OwnerKind, Run};
use crate::select::{Closure, Verdict};
use std::cell::RefCell;
use std::collections::{BTreeMap, HashSet, VecDeque};
use std::rc::Rc;
use std::sync::Arc;

/// Bytes of histories that are read back at once.
const KEPT_BYTES: usize = 256 << 10;

/// A step of the export, in the order in which its results are written.
enum Job {
    /// What needs no more asking.
    Told(Done),
    /// Models a run read and, where searches do not tell them (3.0 to 3.5), made.
    Models(Key),
    /// One metric of some runs.
    History(Vec<Key>, String),
    /// One metric of one run, with what each point is linked to.
    Linked(Key, String),
    /// Metrics of a run that were fetched before.
    Kept(Key, Vec<String>),
    /// What lies below an artifact root.
    Artifacts(Owner, Key, Route),
    /// A run that may go on, as it was when its parts were begun to be read.
    Again(Box<Run>),
}

/// Something to be told.
pub(super) enum Note {
    LeftOut(Reason),
    /// Runs of these experiments, or of this id, that could not be read.
    Failed(String, String),
    /// A run that one answer has twice.
    Twice(String),
    /// A search of these experiments that never rested.
    Unstable(Vec<String>),
}

/// Models that a run read, and that it made.
pub(super) type Models = (Vec<ModelInput>, Vec<ModelOutput>);

/// The result of a step.
pub(super) enum Done {
    /// Runs whose parts come next.
    Open(Vec<FoundRun>),
    Models(String, Result<Models, String>),
    History(String, Vec<RunHistory>),
    Kept(String, Vec<(String, Result<Points, String>)>),
    Artifacts(Owner, Key, Route, Result<(Vec<Listed>, u64), String>),
    /// A run, and its fields that changed while its parts were read.
    Again(String, Vec<&'static str>),
    Close(Vec<String>),
    Note(Note),
}

/// What asks.
struct Worker {
    server: Arc<Server>,
    history: Arc<History>,
}

impl Worker {
    fn work(&self, job: Job) -> Done {
        match job {
            Job::Models(key) => {
                let models = self.server.kept.answer(&key, "models", || {
                    let run = get(&self.server, &key.id)?.run;
                    // What could not be taken for models is there.
                    for links in ["inputs", "outputs"] {
                        if let Some(wrong) = run.extra.get(links) {
                            return Err(ClientError::no_page(links, wrong));
                        }
                    }
                    Ok((run.inputs.model_inputs, run.outputs.model_outputs))
                });
                Done::Models(key.id, models.map_err(|error: ClientError| told(&error)))
            }
            Job::History(runs, key) => {
                let histories = self.history.fetch(runs, &key);
                Done::History(key, histories)
            }
            Job::Linked(run, key) => {
                let history = self.history.one(&run, &key);
                Done::History(key, vec![history])
            }
            Job::Kept(run, keys) => {
                let histories = keys.into_iter().map(|key| {
                    let points = self.history.kept(&run, &key);
                    (key, points)
                });
                let histories = histories.collect();
                Done::Kept(run.id, histories)
            }
            Job::Artifacts(owner, key, route) => {
                let listed = route.list(&self.server, &key);
                Done::Artifacts(owner, key, route, listed)
            }
            Job::Again(before) => Done::Again(before.info.run_id.clone(), self.changed_fields(&before)),
            Job::Told(done) => done,
        }
    }

    /// What a run shows now that it did not show before; nothing where it cannot be asked any more.
    fn changed_fields(&self, before: &Run) -> Vec<&'static str> {
        let Ok(FoundRun { run: after, .. }) = get(&self.server, &before.info.run_id) else {
            return Vec::new();
        };
        let fields = [
            ("info", before.info != after.info),
            ("params", before.params != after.params),
            ("tags", before.tags != after.tags),
            ("metrics", before.metrics != after.metrics),
        ];
        let changed = fields.into_iter().filter(|(_, is_changed)| *is_changed);
        changed.map(|(field, _)| field).collect()
    }
}

impl Exporter<'_, '_> {
    /// Writes the runs of all experiments that are looked through, and those asked for by id.
    pub(super) fn runs(
        &mut self,
        experiments: &[String],
        ids: &[String],
        with_models: bool,
    ) -> Result<(), ExportError> {
        let mut feed = Feed::new(self.server.clone(), self.pool.clone());
        let closure = self.closure.borrow();
        let cut = |id: &&String| !closure.stretches(id).is_empty();
        let (cut, whole): (Vec<_>, Vec<_>) = experiments.iter().partition(cut);
        feed.add_experiments(&whole.into_iter().cloned().collect::<Vec<_>>());
        for id in cut {
            feed.add_stretches(id, closure.stretches(id));
        }
        drop(closure);
        feed.add_ids(ids);
        let history = History::new(self.server.clone(), self.export.writer.scratch().to_owned());
        let history = Arc::new(history);
        // A survey lists; where all is taken, the models a run read bring nothing else.
        let parts = Parts {
            models: with_models && !(self.export.is_survey() && self.closure.borrow().takes_all()),
            history: !self.export.is_survey(),
            artifacts: self.export.looks_at(&[Kind::Artifacts]),
        };
        let asked = history.clone();
        let jobs = Jobs {
            feed,
            server: self.server.clone(),
            closure: self.closure.clone(),
            history: history.clone(),
            parts,
            queue: VecDeque::new(),
        };
        let worker = Worker {
            server: self.server.clone(),
            history: history.clone(),
        };
        let pool = self.pool.clone();
        let mut sink = Sink::new(self, history);
        let window = pool.threads() * 3;
        map_ordered(
            &pool,
            window,
            jobs,
            move |job| worker.work(job),
            |done| sink.take(done),
        )?;
        if !self.told_links && asked.used_bulk() && (self.server.is_file_store() || asked.saw_links()) {
            self.told_links = true;
            // Once a server, since nobody can tell how many there are.
            self.limit(Kind::Metrics, "link", Reason::NotInBulkHistory, 1);
        }
        self.limit(Kind::Metrics, "*", Reason::NotHeld, u64::from(asked.says_more()));
        Ok(())
    }
}

/// Which parts of runs are asked for.
#[derive(Clone, Copy)]
struct Parts {
    models: bool,
    history: bool,
    artifacts: bool,
}

/// Turns runs into steps, as they come.
struct Jobs {
    feed: Feed,
    server: Arc<Server>,
    closure: Rc<RefCell<Closure>>,
    history: Arc<History>,
    parts: Parts,
    queue: VecDeque<Job>,
}

impl Iterator for Jobs {
    type Item = Job;

    fn next(&mut self) -> Option<Job> {
        loop {
            if let Some(job) = self.queue.pop_front() {
                return Some(job);
            }
            match self.feed.next()? {
                Batch::Runs(runs) => self.queue_runs(runs),
                Batch::Note(note) => self.queue.push_back(Job::Told(Done::Note(note))),
            }
        }
    }
}

impl Jobs {
    fn queue_runs(&mut self, runs: Vec<FoundRun>) {
        let mut closure = self.closure.borrow_mut();
        let mut kept = Vec::with_capacity(runs.len());
        let mut ids = HashSet::new();
        for found in runs {
            let info = &found.run.info;
            if closure.is_elsewhere(&info.experiment_id, info.start_time) {
                continue;
            }
            let id = &info.run_id;
            // One in another answer is met when all are sorted.
            if !ids.insert(id.clone()) {
                self.queue
                    .push_back(Job::Told(Done::Note(Note::Twice(id.clone()))));
                continue;
            }
            // A run may be found by a search and be asked for by id.
            if closure.met_run(&found.run.info.run_id) {
                continue;
            }
            let verdict = closure.run(&found.run);
            self.feed.add_ids(&closure.new_runs());
            match verdict {
                Verdict::Kept => kept.push(found),
                Verdict::LeftOut(reason) => {
                    self.queue.push_back(Job::Told(Done::Note(Note::LeftOut(reason))))
                }
            }
        }
        drop(closure);
        if !kept.is_empty() {
            self.queue_kept(kept);
        }
    }

    fn queue_kept(&mut self, runs: Vec<FoundRun>) {
        let mut by_metric: BTreeMap<String, Vec<Key>> = BTreeMap::new();
        let mut parts = Vec::new();
        for FoundRun { run, key, linked, .. } in &runs {
            let run_id = &run.info.run_id;
            let kept = self.server.kept.names(key);
            let (kept, missing): (Vec<_>, Vec<_>) = run
                .metrics
                .keys()
                .filter(|_| self.parts.history)
                .map(|metric| (metric, kept_bytes(&kept, metric)))
                .partition(|(_, bytes)| bytes.is_some());
            for (metric, _) in missing {
                if linked.contains(metric) {
                    parts.push(Job::Linked(key.clone(), metric.clone()));
                } else {
                    by_metric.entry(metric.clone()).or_default().push(key.clone());
                }
            }
            parts.extend(kept_jobs(key, kept));
            if self.parts.models {
                parts.push(Job::Models(key.clone()));
            }
            if !self.parts.artifacts {
                continue;
            }
            let route = Route::of(
                &self.server,
                OwnerKind::Run,
                run_id,
                run.info.artifact_uri.as_deref(),
            );
            if route != Route::None {
                let owner = Owner::of(OwnerKind::Run, run);
                parts.push(Job::Artifacts(owner, key.clone(), route));
            }
        }
        let ids = runs.iter().map(|found| found.run.info.run_id.clone()).collect();
        let may_go_on = |run: &&FoundRun| matches!(run.run.info.status.as_str(), "RUNNING" | "SCHEDULED");
        let going_on = runs.iter().filter(|_| self.parts.history).filter(may_go_on);
        let again: Vec<Job> = going_on
            .map(|found| Job::Again(Box::new(found.run.clone())))
            .collect();
        self.queue.push_back(Job::Told(Done::Open(runs)));
        for (metric, runs) in by_metric {
            let group = self.history.group_runs(&metric);
            let groups = runs.chunks(group);
            self.queue
                .extend(groups.map(|group| Job::History(group.to_vec(), metric.clone())));
        }
        self.queue.extend(parts);
        self.queue.extend(again);
        self.queue.push_back(Job::Told(Done::Close(ids)));
    }
}

/// Size of a metric's history, where it was fetched before.
fn kept_bytes(kept: &BTreeMap<String, usize>, metric: &str) -> Option<usize> {
    let part = kept.get(&history_part(metric));
    part.or_else(|| kept.get(&page_part(metric, 0))).copied()
}

/// Groups histories that are there already, so that what is under way stays small.
fn kept_jobs(key: &Key, kept: Vec<(&String, Option<usize>)>) -> Vec<Job> {
    let (mut jobs, mut group, mut group_bytes) = (Vec::new(), Vec::new(), 0);
    for (metric, bytes) in kept {
        let bytes = bytes.unwrap_or(0);
        if group_bytes + bytes > KEPT_BYTES && !group.is_empty() {
            jobs.push(Job::Kept(key.clone(), std::mem::take(&mut group)));
            group_bytes = 0;
        }
        group.push(metric.clone());
        group_bytes += bytes;
    }
    if !group.is_empty() {
        jobs.push(Job::Kept(key.clone(), group));
    }
    jobs
}
