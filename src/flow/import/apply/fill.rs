//! What is in a run: params, late tags, metric history, inputs and outputs, files; status and end last.

use super::batch::Batch;
use super::bodies::{Bodies, DatasetBodies};
use super::refusal::Whole;
use super::{Apply, lock};
use crate::archive::walk::JoinedObjects;
use crate::flow::import::id_map::{Parts, TargetObject};
use crate::flow::import::part::PartKind;
use crate::flow::import::plan::limits::{FittedRun, PARENT_TAG};
use crate::flow::import::report::Done;
use crate::flow::import::run_chunks::{RunChunk, RunDigests, short_digest};
use crate::flow::import::{ImportError, Result};
use crate::format::{Kind, Reason};
use crate::lang::rest::api::{MetricOut, TargetId, TargetRun};
use crate::lang::rest::mark;
use crate::model::{MetricSlice, Run, RunInfo};
use sha2::{Digest as _, Sha256};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

const KIND: Kind = Kind::Runs;
/// What the last call for a run sets.
pub(super) const END: &str = "status and end_time";

/// A run being filled, perhaps by several threads.
pub(super) struct Filling {
    pub(super) run: Run,
    pub(super) known: TargetObject,
    pub(super) experiment_id: TargetId,
    pub(super) bodies: Bodies,
    /// The parts that are to be sent, where not all are.
    only: Option<Arc<Parts>>,
    open: Mutex<Open>,
    /// Someone deleted it in the target, where it stays as it is.
    is_closed: AtomicBool,
}

impl Filling {
    pub(super) fn whole(&self) -> Whole<'_> {
        Whole::of(KIND, &self.run.info.run_id, self.only.as_deref())
    }
}

/// How much of a run is still to be done.
#[derive(Default)]
struct Open {
    /// Chunks handed out and not done.
    chunks: usize,
    /// The digest, once all chunks are handed out.
    digest: Option<u64>,
    has_failed: bool,
}

/// A chunk of a run on its way to a thread.
struct Job {
    filling: Arc<Filling>,
    chunk: RunChunk,
    is_first: bool,
}

impl Apply<'_> {
    /// Fills the runs that are not whole yet.
    pub(super) fn fill_runs(&self) -> Result<()> {
        if !self.plan.chosen.kind(KIND) {
            return Ok(());
        }
        let total = self
            .plan
            .tallies
            .get(&KIND)
            .map_or(0, |tally| tally.create + tally.reuse);
        self.monitor.begin("contents of runs", Some(total));
        let mut runs = JoinedObjects::new(self.archive, &RunChunk::KINDS)?;
        let mut datasets = DatasetBodies::new(self);
        let mut digests = RunDigests::new(self.archive);
        let feed = |send: &mut dyn FnMut(Job) -> bool| -> Result<()> {
            while let Some(run) = runs.next()? {
                if !self.send_run(run, &mut runs, &mut digests, &mut datasets, send)? {
                    break;
                }
            }
            Ok(())
        };
        self.in_parallel(feed, |job: Job| self.work(&job))
    }

    /// Hands a run out in chunks, where it is not whole; false where the work has stopped.
    fn send_run(
        &self,
        run: Run,
        runs: &mut JoinedObjects<'_, Run>,
        digests: &mut RunDigests<'_>,
        datasets: &mut DatasetBodies<'_>,
        send: &mut dyn FnMut(Job) -> bool,
    ) -> Result<bool> {
        let Some((known, experiment_id)) = self.to_fill(&run.info) else {
            return Ok(true);
        };
        let mut hasher = Sha256::new_with_prefix(&self.salt).chain_update(runs.line());
        let mut chunk = RunChunk::next(runs)?;
        chunk.hash(&mut hasher);
        let id = &run.info.run_id;
        let digest = |hasher: &Sha256, run: &Run| self.whole_digest(run, short_digest(hasher.clone()));
        let taken_up = if chunk.is_last {
            self.take_up(KIND, id, digest(&hasher, &run))
        } else {
            self.take_up_long(&run, &known, digests)?
        };
        let Some(only) = taken_up else {
            self.check_again(&run, &known)?;
            return Ok(true);
        };
        let bodies = datasets.of(&run)?;
        let filling = Arc::new(Filling {
            run,
            known,
            experiment_id,
            bodies,
            only,
            open: Mutex::default(),
            is_closed: AtomicBool::new(false),
        });
        let mut is_first = true;
        loop {
            let is_last = chunk.is_last;
            {
                let mut open = lock(&filling.open);
                open.chunks += 1;
                open.digest = is_last.then(|| digest(&hasher, &filling.run));
            }
            let job = Job {
                filling: filling.clone(),
                chunk,
                is_first,
            };
            if !send(job) {
                return Ok(false);
            }
            if is_last {
                return Ok(true);
            }
            is_first = false;
            chunk = RunChunk::next(runs)?;
            chunk.hash(&mut hasher);
        }
    }

    /// Takes a run up that comes in several chunks.
    fn take_up_long(
        &self,
        run: &Run,
        known: &TargetObject,
        digests: &mut RunDigests<'_>,
    ) -> Result<Option<Option<Arc<Parts>>>> {
        if known.state.done == 0 {
            return Ok(Some(None));
        }
        let id = &run.info.run_id;
        let digest = self.whole_digest(run, digests.of(id, &self.salt)?);
        Ok(self.take_up(KIND, id, digest))
    }

    /// Has a run checked that is whole since an earlier import, where that import did not come so far.
    fn check_again(&self, run: &Run, known: &TargetObject) -> Result<()> {
        let noted = self.ledger.noted(KIND, &run.info.run_id);
        if !known.state.is_checked && noted.is_none_or(|noted| !noted.has(Reason::DeletedInTarget)) {
            self.expect(run, &known.id)?;
        }
        self.monitor.advance(1);
        Ok(())
    }

    /// The run in the target and its experiment, where a run was chosen and made; one that could not be made was a failure then.
    fn to_fill(&self, info: &RunInfo) -> Option<(TargetObject, TargetId)> {
        let known = self.ledger.get(KIND, &info.run_id);
        if !self.plan.chosen.run(&info.experiment_id, &info.run_id) {
            let is_unchecked = known.is_some_and(|known| known.state.done != 0 && !known.state.is_checked);
            self.seen.has_unchecked.fetch_or(is_unchecked, Ordering::Relaxed);
            return None;
        }
        Some((known?, self.ledger.id(Kind::Experiments, &info.experiment_id)?))
    }

    fn work(&self, job: &Job) {
        let filling = &job.filling;
        let id = &filling.run.info.run_id;
        let done = self.attempt(KIND, id, || self.fill(job));
        let digest = {
            let mut open = lock(&filling.open);
            open.chunks -= 1;
            open.has_failed |= done.is_none();
            open.digest.filter(|_| open.chunks == 0 && !open.has_failed)
        };
        if let Some(digest) = digest {
            self.attempt(KIND, id, || self.complete(filling, digest));
            self.monitor.advance(1);
        }
    }

    fn fill(&self, job: &Job) -> Result<()> {
        let filling = &job.filling;
        let new_id = &filling.known.id;
        let whole = filling.whole();
        let mut batch = Batch::new(self, whole, new_id);
        let is_fresh = filling.known.state.is_fresh;
        let target = if job.is_first && !is_fresh {
            Some(self.target_run(filling)?)
        } else {
            None
        };
        if filling.is_closed.load(Ordering::Relaxed) {
            return Ok(());
        }
        if job.is_first {
            let fitted = self.fitted(&filling.run)?;
            self.texts(filling, fitted, target.as_ref(), &mut batch)?;
        }
        let slices: Vec<MetricSlice> = self.parsed(Kind::Metrics, &job.chunk.metrics)?;
        for slice in slices
            .iter()
            .filter(|slice| whole.wants_named(PartKind::Metric, &slice.key))
        {
            self.points(slice, &mut batch)?;
        }
        batch.send()?;
        if job.is_first {
            self.inputs(filling)?;
            self.outputs(filling, target.as_ref())?;
        }
        self.files(filling, &job.chunk.artifacts)
    }

    /// A run that may hold something already, opened where it is deleted and will be again.
    pub(super) fn target_run(&self, filling: &Filling) -> Result<TargetRun> {
        let id = &filling.known.id;
        let info = &filling.run.info;
        let found = self
            .api
            .run(id)?
            .ok_or_else(|| ImportError::gone(KIND, &info.run_id, id))?;
        if found.is_deleted && info.is_deleted() {
            self.api.restore_run(id)?;
        } else if found.is_deleted {
            self.kept(KIND, &info.run_id, "lifecycle_stage", Reason::DeletedInTarget);
            filling.is_closed.store(true, Ordering::Relaxed);
        }
        Ok(found)
    }

    /// Params, and tags that could not be sent when the run was made; of a run that was there, what it lacks.
    fn texts<'b>(
        &self,
        filling: &Filling,
        fitted: FittedRun,
        target: Option<&TargetRun>,
        batch: &mut Batch<'b>,
    ) -> Result<()> {
        let id = &filling.run.info.run_id;
        for param in fitted.params {
            let lacks =
                |target: &TargetRun| self.lacks(filling.whole(), PartKind::Param, &param, &target.params);
            if target.is_none_or(lacks) {
                batch.param(param)?;
            }
        }
        let Some(target) = target else {
            // Made by this process: only a parent's id can have been left out then, or all but the mark.
            let is_bare = self.is_bare(KIND, id);
            let is_late = |key: &str| match key {
                PARENT_TAG => is_bare || self.was_waiting(&filling.run),
                mark::KEY => false,
                _ => is_bare,
            };
            for tag in fitted.tags.into_iter().filter(|(key, _)| is_late(key)) {
                batch.tag(tag)?;
            }
            return Ok(());
        };
        let own_parent = filling.run.parent_id();
        for tag in fitted.tags {
            match target.tags.get(&tag.0) {
                None => batch.tag(tag)?,
                Some(there) if *there == tag.1 => {}
                // An import that came before the parent left the id that it has in the archive.
                Some(there) if tag.0 == PARENT_TAG && own_parent == Some(there.as_str()) => batch.tag(tag)?,
                Some(_) => self.kept(KIND, id, PartKind::Tag.of(&tag.0), Reason::DiffersInTarget),
            }
        }
        Ok(())
    }

    fn points<'s>(&self, slice: &'s MetricSlice, batch: &mut Batch<'s>) -> Result<()> {
        if self.fitting.limits.key_fault(&slice.key).is_some() {
            return Ok(());
        }
        let cell = |column: &'s Option<Vec<Option<String>>>, row: usize| {
            column.as_ref().and_then(|column| column.get(row)?.as_deref())
        };
        let rows = slice.timestamps.iter().zip(&slice.steps).zip(&slice.values);
        for (row, ((&timestamp, &step), &value)) in rows.enumerate() {
            if timestamp < 0 {
                continue;
            }
            let model_id = cell(&slice.model_ids, row);
            batch.metric(MetricOut {
                key: &slice.key,
                value,
                timestamp,
                step,
                model_id: model_id.and_then(|id| self.ledger.id(Kind::LoggedModels, id)),
                dataset_name: cell(&slice.dataset_names, row),
                dataset_digest: cell(&slice.dataset_digests, row),
            })?;
        }
        Ok(())
    }

    fn complete(&self, filling: &Filling, digest: u64) -> Result<()> {
        let info = &filling.run.info;
        let is_running = info.status == "RUNNING" && info.end_time.is_none();
        let is_closed = filling.is_closed.load(Ordering::Relaxed);
        if !is_closed && (!is_running || !filling.known.state.is_fresh) {
            let update = || {
                self.api
                    .update_run(&filling.known.id, &info.status, info.end_time)
            };
            self.alone(filling.whole(), END, update)?;
        }
        self.name_orphan(&filling.run);
        if !is_closed {
            self.expect(&filling.run, &filling.known.id)?;
        }
        if !filling.known.state.is_fresh {
            self.count(Done::Completed, KIND);
        }
        self.done(KIND, &info.run_id, digest)
    }

    /// Remembers what the target should say of a run, for the check.
    fn expect(&self, run: &Run, target_id: &TargetId) -> Result<()> {
        let fitted = self.fitted(run)?;
        let expected = super::check::expected(run, &fitted, &self.fitting.limits);
        lock(&self.seen.expected).insert(target_id.clone(), expected);
        Ok(())
    }
}
