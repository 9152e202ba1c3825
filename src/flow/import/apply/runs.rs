//! Runs are made, parents before their children; what is in them comes later.

use super::Apply;
use super::refusal::Whole;
use crate::client::ClientError;
use crate::flow::import::identity::Identity;
use crate::flow::import::part::PartKind;
use crate::flow::import::plan::limits::{FittedRun, PARENT_TAG};
use crate::flow::import::report::Done;
use crate::flow::import::{ImportError, Result};
use crate::format::{Kind, Reason};
use crate::lang::rest::api::{NewRun, Pair, TargetId};
use crate::lang::rest::mark;
use crate::model::Run;
use std::collections::HashSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

const KIND: Kind = Kind::Runs;

/// How far the parent of a run is.
enum Parent {
    /// It has none, or one that is nobody's here.
    None,
    /// It is there, under this id.
    There(TargetId),
    /// It is still to come.
    ToCome,
}

impl Apply<'_> {
    /// Makes the runs that are not there yet, wave after wave: those whose parents are there.
    pub(super) fn create_runs(&self) -> Result<()> {
        let total = self.plan.tallies.get(&KIND).map_or(0, |tally| tally.create);
        if total == 0 {
            return Ok(());
        }
        self.monitor.begin("runs", Some(total));
        let mut in_spite = false;
        let failed = Mutex::default();
        loop {
            let (made, waiting) = self.create_wave(in_spite, &failed)?;
            if waiting == 0 || in_spite {
                return Ok(());
            }
            // Runs that are each other's parents, or children of one that failed: made without, completed later.
            in_spite = made == 0;
        }
    }

    /// Makes the runs whose parents are there, or all in spite of that, but for those that failed; how many were made and how many wait.
    fn create_wave(&self, in_spite: bool, failed: &Mutex<HashSet<String>>) -> Result<(u64, u64)> {
        let made = AtomicU64::new(0);
        let mut waiting = 0;
        let feed = |send: &mut dyn FnMut(Run) -> bool| -> Result<()> {
            let mut is_meant = |run: &Run| {
                let info = &run.info;
                let is_unmade = self.plan.chosen.run(&info.experiment_id, &info.run_id)
                    && self.ledger.get(KIND, &info.run_id).is_none()
                    && !super::lock(failed).contains(&info.run_id);
                let waits = is_unmade && !in_spite && matches!(self.parent(run), Parent::ToCome);
                waiting += u64::from(waits);
                is_unmade && !waits
            };
            let runs = self.archive.objects::<Run>();
            self.send_intended(runs.filter(|run| run.as_ref().map_or(true, &mut is_meant)), send)
        };
        self.in_parallel(feed, |run: Run| {
            if self
                .attempt(KIND, &run.info.run_id, || self.create_run(&run))
                .is_some()
            {
                made.fetch_add(1, Ordering::Relaxed);
            } else {
                super::lock(failed).insert(run.info.run_id);
            }
            self.monitor.advance(1);
        })?;
        Ok((made.into_inner(), waiting))
    }

    fn parent(&self, run: &Run) -> Parent {
        let tag = run.parent_id();
        match tag {
            None => Parent::None,
            Some(parent) => match self.ledger.id(KIND, parent) {
                Some(id) => Parent::There(id),
                None if self.plan.parents.contains(parent) => Parent::ToCome,
                None => Parent::None,
            },
        }
    }

    /// A run's texts as they are sent, its parent's id the target's; the tag of a parent to come is taken out.
    pub(super) fn fitted(&self, run: &Run) -> Result<FittedRun> {
        let fitted = self.fitting.run(run);
        let mut fitted = fitted.map_err(ImportError::exim(KIND, &run.info.run_id))?;
        if let Some(at) = fitted.tags.iter().position(|(key, _)| key == PARENT_TAG) {
            match self.parent(run) {
                Parent::There(id) => fitted.tags[at].1 = id.into_string(),
                Parent::None => {}
                Parent::ToCome => {
                    fitted.tags.remove(at);
                }
            }
        }
        Ok(fitted)
    }

    /// The digest of what has arrived of a run; another one while its parent is not there, so that a later import looks again.
    pub(super) fn whole_digest(&self, run: &Run, digest: u64) -> u64 {
        let is_orphan = run.tags.contains_key(PARENT_TAG) && !matches!(self.parent(run), Parent::There(_));
        if is_orphan { (!digest).max(1) } else { digest }
    }

    /// Names a run whose parent comes with it and could not be made.
    pub(super) fn name_orphan(&self, run: &Run) {
        if matches!(self.parent(run), Parent::ToCome) {
            let field = PartKind::Tag.of(PARENT_TAG);
            self.left_out(KIND, &run.info.run_id, field, Reason::ParentNotInTarget);
        }
    }

    /// Whether a run was made by this process before its parent.
    pub(super) fn was_waiting(&self, run: &Run) -> bool {
        super::lock(&self.seen.late).contains(&run.info.run_id)
    }

    fn create_run(&self, run: &Run) -> Result<()> {
        let info = &run.info;
        let experiment_id = self.need(Kind::Experiments, &info.experiment_id)?;
        if matches!(self.parent(run), Parent::ToCome) {
            super::lock(&self.seen.late).insert(info.run_id.clone());
        }
        let fitted = self.fitted(run)?;
        let new = NewRun {
            experiment_id: &experiment_id,
            run_name: fitted.run_name.as_deref(),
            user_id: fitted.user_id.as_deref(),
            start_time: info.start_time,
            tags: fitted
                .tags
                .iter()
                .map(|(key, value)| Pair { key, value })
                .collect(),
        };
        let mark = self.fitting.mark(KIND, &info.run_id).1;
        let find = || -> Result<Option<TargetId>, ClientError> {
            Ok(self.api.marked_run(&experiment_id, &mark)?.map(|run| run.id))
        };
        let suspect = || super::lock(&self.seen.suspects).insert(info.run_id.clone());
        let create = || match self.api.create_run(&new) {
            Ok(made) => Ok(made.id),
            Err(error) => {
                if error.outcome_unknown() {
                    suspect();
                }
                Err(error)
            }
        };
        let maybe_there = self.ledger.is_intended(KIND, &info.run_id);
        if maybe_there {
            suspect();
        }
        let whole = Whole::new(KIND, &info.run_id);
        let made = self.create_once(whole, maybe_there, find, create);
        let bare = || self.create_bare_run(whole, &new, &mark);
        let (id, is_fresh) = self.or_bare(whole, made, bare)?;
        self.ledger
            .made_as(KIND, &info.run_id, &id, is_fresh, Identity::of_run(run))?;
        self.count(Done::Created, KIND);
        Ok(())
    }

    /// Makes a run with its mark alone; without its name and user too, where these are refused.
    fn create_bare_run(
        &self,
        whole: Whole<'_>,
        new: &NewRun<'_>,
        mark: &str,
    ) -> Result<TargetId, ClientError> {
        let bare = |with_names: bool| NewRun {
            experiment_id: new.experiment_id,
            run_name: new.run_name.filter(|_| with_names),
            user_id: new.user_id.filter(|_| with_names),
            start_time: new.start_time,
            tags: vec![Pair {
                key: mark::KEY,
                value: mark,
            }],
        };
        match self.api.create_run(&bare(true)) {
            Err(error) if error.is_refusal() => {
                let made = self.api.create_run(&bare(false))?;
                if new.run_name.is_some() {
                    self.refused_for_good(whole, &PartKind::Tag.of("mlflow.runName"));
                }
                if new.user_id.is_some() {
                    self.refused_for_good(whole, "user_id");
                }
                Ok(made.id)
            }
            made => made.map(|made| made.id),
        }
    }
}
