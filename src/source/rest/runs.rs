//! Runs with their metric history and artifacts: asked for on many threads, written as they come.

use super::artifacts::{Listed, Route};
use super::choice::Verdict;
use super::exporter::Exporter;
use super::feed::{Batch, Feed, get};
use super::history::{History, RunHistory};
use super::run::FoundRun;
use super::run_sink::Sink;
use super::server::{Server, told};
use crate::archive::Owner;
use crate::archive::parallel::map_ordered;
use crate::format::SortKey;
use crate::model::{ModelInput, OwnerKind};
use crate::source::context::ExportError;
use std::cell::RefCell;
use std::collections::{BTreeMap, HashSet, VecDeque};
use std::rc::Rc;
use std::sync::Arc;

/// A step of the export, in the order in which its results are written.
enum Job {
    /// Runs whose parts come next.
    Open(Vec<FoundRun>),
    /// Models a run read.
    Inputs(String),
    /// One metric of some runs.
    History(Vec<String>, String),
    /// What lies below an artifact root.
    Artifacts(Owner, Route),
    /// Runs that are whole now.
    Close(Vec<String>),
    /// Something that needs no more asking.
    Note(Note),
}

/// Something to be told.
pub(super) enum Note {
    LeftOut(&'static str),
    Failed(String, String),
    Unstable(Vec<String>),
}

/// The result of a step.
pub(super) enum Done {
    Open(Vec<FoundRun>),
    Inputs(String, Result<Vec<ModelInput>, String>),
    History(String, Vec<RunHistory>),
    Artifacts(Owner, Route, Result<(Vec<Listed>, u64), String>),
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
            Job::Open(runs) => Done::Open(runs),
            Job::Inputs(run_id) => {
                let run = get(&self.server, &run_id);
                let inputs = run.map(|found| found.run.inputs.model_inputs);
                Done::Inputs(run_id, inputs.map_err(|error| told(&error)))
            }
            Job::History(run_ids, key) => {
                let histories = self.history.fetch(run_ids, &key);
                Done::History(key, histories)
            }
            Job::Artifacts(owner, route) => {
                let listed = route.list(&self.server);
                Done::Artifacts(owner, route, listed)
            }
            Job::Close(run_ids) => Done::Close(run_ids),
            Job::Note(note) => Done::Note(note),
        }
    }
}

impl Exporter<'_, '_> {
    /// Writes the runs of all experiments that are looked through, and those asked for by id.
    pub(super) fn runs(&mut self, experiments: &[String], with_inputs: bool) -> Result<(), ExportError> {
        let mut feed = Feed::new(self.server.clone(), self.pool.clone());
        feed.add_experiments(experiments);
        feed.add_ids(&self.choice.borrow().runs_by_id());
        let history = History::new(self.server.clone(), self.export.writer.scratch().to_owned());
        let history = Arc::new(history);
        let jobs = Jobs {
            feed,
            server: self.server.clone(),
            choice: self.choice.clone(),
            history: history.clone(),
            with_inputs,
            queue: VecDeque::new(),
            handed_out: HashSet::new(),
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
        )
    }
}

/// Turns runs into steps, as they come.
struct Jobs {
    feed: Feed,
    server: Arc<Server>,
    choice: Rc<RefCell<super::choice::Choice>>,
    history: Arc<History>,
    with_inputs: bool,
    queue: VecDeque<Job>,
    handed_out: HashSet<String>,
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
                Batch::Failed(id, detail) => self.queue.push_back(Job::Note(Note::Failed(id, detail))),
                Batch::Unstable(ids) => self.queue.push_back(Job::Note(Note::Unstable(ids))),
            }
        }
    }
}

impl Jobs {
    fn queue_runs(&mut self, runs: Vec<FoundRun>) {
        let takes_all = self.choice.borrow().takes_all();
        let mut kept = Vec::with_capacity(runs.len());
        for found in runs {
            // A run may be found by a search and be asked for by id.
            if !takes_all && self.handed_out.contains(&found.run.info.run_id) {
                continue;
            }
            let (verdict, parent) = self.choice.borrow_mut().run(&found.run);
            if let Some(parent) = parent {
                self.feed.add_ids(&[parent]);
            }
            match verdict {
                Verdict::Kept => {
                    if !takes_all {
                        self.handed_out.insert(found.run.info.run_id.clone());
                    }
                    kept.push(found);
                }
                Verdict::LeftOut(reason) => self.queue.push_back(Job::Note(Note::LeftOut(reason))),
            }
        }
        if !kept.is_empty() {
            self.queue_kept(kept);
        }
    }

    fn queue_kept(&mut self, runs: Vec<FoundRun>) {
        let mut by_key: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let mut parts = Vec::new();
        for FoundRun { run, .. } in &runs {
            let run_id = &run.info.run_id;
            for key in run.metrics.keys() {
                by_key.entry(key.clone()).or_default().push(run_id.clone());
            }
            if self.with_inputs {
                parts.push(Job::Inputs(run_id.clone()));
            }
            let route = Route::of(
                &self.server,
                OwnerKind::Run,
                run_id,
                run.info.artifact_uri.as_deref(),
            );
            if route != Route::None {
                parts.push(Job::Artifacts(owner_of(run_id, run.info.sort_key()), route));
            }
        }
        let ids = runs.iter().map(|found| found.run.info.run_id.clone()).collect();
        self.queue.push_back(Job::Open(runs));
        for (key, run_ids) in by_key {
            let group = self.history.group_runs(&key);
            let groups = run_ids.chunks(group);
            self.queue
                .extend(groups.map(|group| Job::History(group.to_vec(), key.clone())));
        }
        self.queue.extend(parts);
        self.queue.push_back(Job::Close(ids));
    }
}

fn owner_of(run_id: &str, sort_key: SortKey) -> Owner {
    Owner {
        kind: OwnerKind::Run,
        id: run_id.to_owned(),
        sort_key,
    }
}
