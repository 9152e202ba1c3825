//! Runs: scanned once, put into the archive's order, their parts read a batch at a time.

use super::batches::stretches;
use super::columns::{INPUTS, LATEST_KEYS, MODEL_LINKS, PARAMS, PARENTS, RUNS, TAGS};
use super::exporter::{Exporter, Result};
use super::fields::pick;
use super::metrics::OpenMetrics;
use super::run_parts::RunParts;
use super::spool::Spool;
use super::tables::{BATCH, Tables};
use crate::archive::Owner;
use crate::format::{Kind, Reason};
use crate::model::run::PARENT_TAG;
use crate::model::{OwnerKind, Run, RunInfo};
use crate::select::{Catalogue, RunNeeds, Verdict};
use std::collections::HashMap;
use std::path::Path;

/// Tells of all runs, with what they need.
pub(super) fn tell(tables: &Tables, catalogue: &mut Catalogue, scratch: &Path) -> Result<()> {
    let mut needs: HashMap<String, RunNeeds> = HashMap::new();
    let key = tables.dialect().quote("key");
    tables.scan_where(PARENTS, &format!("WHERE {key} = ?"), &[PARENT_TAG], |row| {
        let parent = row.bytes(1).and_then(|parent| String::from_utf8(parent).ok());
        needs.entry(row.required_text(0)).or_default().parent = parent;
        Ok(())
    })?;
    let condition = "WHERE destination_type IN ('MODEL_INPUT', 'MODEL_OUTPUT')";
    tables.scan_where(MODEL_LINKS, condition, &[], |row| {
        let needs = needs.entry(row.required_text(0)).or_default();
        needs.logged_models.push(row.required_text(2));
        Ok(())
    })?;
    let mut filtered = Spool::new(scratch);
    tables.scan(RUNS, |row| {
        let info: RunInfo = pick(row);
        let (id, stage) = (&info.run_id, &info.lifecycle_stage);
        let needs = needs.remove(id);
        catalogue.run(id, &info.experiment_id, info.start_time, stage, needs);
        if catalogue.asks_of_run(&info.experiment_id, info.start_time) {
            filtered.push(&info.sort_key(), &info)?;
        }
        Ok(())
    })?;
    tell_filtered(tables, catalogue, filtered)
}

/// Tells what the runs are that a filter asks of.
fn tell_filtered(tables: &Tables, catalogue: &mut Catalogue, filtered: Spool<RunInfo>) -> Result<()> {
    // What is odd in a run is counted when the run is written.
    let odd = tables.oddities.take();
    let mut filtered = filtered.finish()?;
    loop {
        let batch: Vec<RunInfo> = filtered.batch(BATCH)?;
        if batch.is_empty() {
            break;
        }
        let ids: Vec<&str> = batch.iter().map(|info| info.run_id.as_str()).collect();
        let stretches = stretches(tables, &[PARAMS, TAGS, LATEST_KEYS], &ids)?;
        let mut infos = batch.iter();
        for length in stretches {
            let infos: Vec<_> = infos.by_ref().take(length).collect();
            let ids: Vec<&str> = infos.iter().map(|info| info.run_id.as_str()).collect();
            let parts = RunParts::read(tables, &ids)?;
            for (info, run) in infos.into_iter().zip(parts.runs) {
                let info = info.clone();
                catalogue.filtered_run(&Run { info, ..run });
            }
        }
    }
    tables.oddities.put(odd);
    Ok(())
}

impl Exporter<'_> {
    /// Writes the runs with their metrics and artifacts.
    pub(super) fn runs(&mut self) -> Result<()> {
        let mut sorted = self.taken_runs()?.finish()?;
        loop {
            let batch: Vec<RunInfo> = sorted.batch(BATCH)?;
            if batch.is_empty() {
                return Ok(());
            }
            let ids: Vec<&str> = batch.iter().map(|info| info.run_id.as_str()).collect();
            let stretches = stretches(&self.tables, &[PARAMS, TAGS, LATEST_KEYS], &ids)?;
            let mut batch = batch.into_iter();
            for length in stretches {
                self.run_batch(batch.by_ref().take(length).collect())?;
                self.export.monitor().advance(length as u64);
            }
        }
    }

    fn taken_runs(&mut self) -> Result<Spool<RunInfo>> {
        let mut spool = Spool::new(self.export.writer.scratch());
        let mut orphans = Vec::new();
        self.tables.scan(RUNS, |row| {
            let closure = &self.closure;
            if row.is_elsewhere(closure, 1, 5) {
                return Ok(());
            }
            let info: RunInfo = pick(row);
            let is_deleted = closure.is_deleted(&info.lifecycle_stage, &info.experiment_id);
            let verdict = closure.verdict(closure.reaches_run(&info.run_id), is_deleted);
            if let Verdict::LeftOut(reason) = verdict {
                self.export.left_out(Kind::Runs, reason, 1);
                return Ok(());
            }
            if !self.experiments.contains(&info.experiment_id) {
                orphans.push((info.run_id, info.experiment_id));
                return Ok(());
            }
            spool.push(&info.sort_key(), &info)
        })?;
        for (run_id, experiment_id) in orphans {
            let detail = format!("its experiment `{experiment_id}` is not in the database");
            self.export
                .failure("runs", &run_id, "experiment_id", Reason::Orphan, &detail)?;
        }
        Ok(spool)
    }

    fn run_batch(&mut self, batch: Vec<RunInfo>) -> Result<()> {
        let ids: Vec<String> = batch.iter().map(|info| info.run_id.clone()).collect();
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        let parts = RunParts::read(&self.tables, &ids)?;
        if !self.closure.takes_all() {
            self.used_datasets.extend(parts.datasets);
        }
        let mut metrics = OpenMetrics::count(&self.tables, &ids)?;
        self.list_ahead(batch.iter().map(|info| info.artifact_uri.as_deref()))?;
        let runs = batch.into_iter().zip(parts.runs).zip(parts.dangling).enumerate();
        for (place, ((info, run), dangling)) in runs {
            let mut run = Run { info, ..run };
            self.write_metrics(&mut metrics, place, &mut run, &ids)?;
            self.closure.need_experiment(&run.info.experiment_id);
            self.export.write_run(&mut run)?;
            for dataset in dangling {
                let detail = format!("it read dataset {dataset}, which is not in the database");
                self.export
                    .failure("runs", &run.info.run_id, INPUTS.name, Reason::Orphan, &detail)?;
            }
            let owner = Owner::of(OwnerKind::Run, &run);
            self.artifacts(&owner, &run.info.experiment_id, run.info.artifact_uri.as_deref())?;
        }
        Ok(())
    }
}
