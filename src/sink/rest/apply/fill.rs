//! What is in a run: params, late tags, metric history, inputs and outputs, files; status and end last.

use super::batch::Batch;
use super::feed::{Piece, RunFeed, RunLines};
use super::{Apply, DIFFERS, lock};
use crate::client::Body;
use crate::format::Kind;
use crate::model::{ArtifactFile, ArtifactList, Dataset, MetricSlice, Run};
use crate::sink::rest::api::{MetricOut, TargetRun};
use crate::sink::rest::artifacts::{self, Destination};
use crate::sink::rest::limits::{Feature, exceeds};
use crate::sink::rest::mapping::Known;
use crate::sink::rest::report::Done;
use crate::sink::rest::rewrite::FittedRun;
use crate::sink::rest::{ImportError, Result, mlmodel};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

const KIND: Kind = Kind::Runs;

/// Dataset bodies of one experiment, by name and digest.
type Bodies = Arc<HashMap<(String, String), Dataset>>;

/// A run being filled, perhaps by several threads.
struct Filling {
    run: Run,
    known: Known,
    experiment_id: String,
    bodies: Bodies,
    open: Mutex<Open>,
    /// Someone deleted it in the target, where it stays as it is.
    is_closed: AtomicBool,
}

/// How much of a run is still to be done.
#[derive(Default)]
struct Open {
    /// Pieces handed out and not done.
    pieces: usize,
    /// The digest, once all pieces are handed out.
    digest: Option<u64>,
    has_failed: bool,
}

/// One piece of a run on its way to a thread.
struct Job {
    filling: Arc<Filling>,
    piece: Piece,
    is_first: bool,
}

impl Apply<'_> {
    /// Fills the runs that are not whole yet.
    pub(super) fn fill_runs(&self) -> Result<()> {
        if !self.plan.chosen.kind(KIND) {
            return Ok(());
        }
        let total = self.plan.tallies.get(&KIND).map_or(0, |tally| tally.create + tally.reuse);
        self.monitor.begin("contents of runs", Some(total));
        let mut feed = RunFeed::new(self.archive)?;
        let mut datasets = DatasetBodies::new(self);
        let feed = |send: &mut dyn FnMut(Job) -> bool| -> Result<()> {
            while let Some(lines) = feed.next(&self.salt)? {
                if !self.send_run(lines, &mut datasets, send)? {
                    break;
                }
            }
            Ok(())
        };
        self.in_parallel(feed, |job: Job| self.work(&job))
    }

    /// Hands a run out in pieces, where it is not whole; false where the work has stopped.
    fn send_run(
        &self,
        mut lines: RunLines<'_, '_>,
        datasets: &mut DatasetBodies<'_>,
        send: &mut dyn FnMut(Job) -> bool,
    ) -> Result<bool> {
        let info = &lines.run.info;
        if !self.plan.chosen.run(&info.experiment_id, &info.run_id) {
            lines.skip()?;
            return Ok(true);
        }
        // A run that could not be made was a failure then.
        let known = self.ledger.get(KIND, &info.run_id);
        let experiment_id = self.ledger.id(Kind::Experiments, &info.experiment_id);
        let (Some(known), Some(experiment_id)) = (known, experiment_id) else {
            lines.skip()?;
            return Ok(true);
        };
        let (mut piece, mut is_last) = lines.piece()?;
        if is_last && known.done == lines.digest() {
            self.count(Done::Reused, KIND);
            self.monitor.advance(1);
            return Ok(true);
        }
        let bodies = datasets.of(&lines.run)?;
        let filling = Arc::new(Filling {
            run: std::mem::take(&mut lines.run),
            known,
            experiment_id,
            bodies,
            open: Mutex::default(),
            is_closed: AtomicBool::new(false),
        });
        lines.run.info.run_id.clone_from(&filling.run.info.run_id);
        let mut is_first = true;
        loop {
            {
                let mut open = lock(&filling.open);
                open.pieces += 1;
                open.digest = is_last.then(|| lines.digest());
            }
            let job = Job {
                filling: filling.clone(),
                piece,
                is_first,
            };
            if !send(job) {
                return Ok(false);
            }
            if is_last {
                return Ok(true);
            }
            is_first = false;
            (piece, is_last) = lines.piece()?;
        }
    }

    fn work(&self, job: &Job) {
        let filling = &job.filling;
        let id = &filling.run.info.run_id;
        let done = self.attempt(KIND, id, || self.fill(job));
        let digest = {
            let mut open = lock(&filling.open);
            open.pieces -= 1;
            open.has_failed |= done.is_none();
            open.digest.filter(|_| open.pieces == 0 && !open.has_failed)
        };
        if let Some(digest) = digest {
            self.attempt(KIND, id, || self.complete(filling, digest));
            self.monitor.advance(1);
        }
    }

    fn fill(&self, job: &Job) -> Result<()> {
        let filling = &job.filling;
        let new_id = &filling.known.id;
        let mut batch = Batch::new(self.api, new_id);
        let is_fresh = filling.known.is_fresh;
        let target = match job.is_first && !is_fresh {
            true => Some(self.target_run(filling)?),
            false => None,
        };
        if filling.is_closed.load(Ordering::Relaxed) {
            return Ok(());
        }
        if job.is_first {
            let fitted = self.fitted(&filling.run)?;
            self.texts(filling, fitted, target.as_ref(), &mut batch)?;
        }
        let slices = self.slices(&job.piece.metrics)?;
        for slice in &slices {
            self.points(slice, &mut batch)?;
        }
        batch.send()?;
        if job.is_first {
            self.inputs(filling)?;
            self.outputs(filling, target.as_ref())?;
        }
        self.files(filling, &job.piece.artifacts)
    }

    /// A run that may hold something already, opened where it is deleted and will be again.
    fn target_run(&self, filling: &Filling) -> Result<TargetRun> {
        let id = &filling.known.id;
        let info = &filling.run.info;
        let found = self.api.run(id)?.ok_or_else(|| ImportError::Gone {
            kind: KIND,
            id: info.run_id.clone(),
            target_id: id.clone(),
        })?;
        if found.is_deleted && info.lifecycle_stage == "deleted" {
            self.api.restore_run(id)?;
        } else if found.is_deleted {
            self.kept(KIND, &info.run_id, "lifecycle_stage".to_owned(), "deleted-in-target");
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
            match target.and_then(|target| target.params.get(&param.0)) {
                None => batch.param(param)?,
                Some(there) if *there == param.1 => {}
                Some(_) => self.kept(KIND, id, format!("param {}", param.0), DIFFERS),
            }
        }
        let Some(target) = target else {
            // Made by this process: only a parent's id can have been left out then.
            let is_late = |key: &str| key == crate::sink::rest::rewrite::PARENT_TAG && self.was_waiting(&filling.run);
            for tag in fitted.tags.into_iter().filter(|(key, _)| is_late(key)) {
                batch.tag(tag)?;
            }
            return Ok(());
        };
        for tag in fitted.tags {
            match target.tags.get(&tag.0) {
                None => batch.tag(tag)?,
                Some(there) if *there == tag.1 => {}
                Some(_) => self.kept(KIND, id, format!("tag {}", tag.0), DIFFERS),
            }
        }
        Ok(())
    }

    fn slices(&self, lines: &[Vec<u8>]) -> Result<Vec<MetricSlice>> {
        let parse = |line: &Vec<u8>| {
            let slice = serde_json::from_slice::<MetricSlice>(line);
            slice.map_err(|error| self.archive.damaged("objects/metrics", &error.to_string()).into())
        };
        lines.iter().map(parse).collect()
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

    fn inputs(&self, filling: &Filling) -> Result<()> {
        let run = &filling.run;
        let id = &run.info.run_id;
        let mut datasets = Vec::new();
        for input in &run.inputs.dataset_inputs {
            if !self.target.has(Feature::DatasetInputs) {
                break;
            }
            let key = (input.name.clone(), input.digest.clone());
            let Some(body) = filling.bodies.get(&key) else {
                self.left_out(KIND, id, format!("input {} {}", input.name, input.digest), "no-dataset-body");
                continue;
            };
            let (tags, changes) = self.fitting.other(KIND, id, "input tag", &input.tags, self.fitting.limits.input_tag);
            lock(&self.report).changes.extend(changes);
            let tags: Vec<_> = tags.iter().map(|(key, value)| json!({"key": key, "value": value})).collect();
            if let Some(dataset) = self.dataset(id, body) {
                datasets.push(json!({"tags": tags, "dataset": dataset}));
            }
        }
        let models = run.inputs.model_inputs.iter();
        let models: Vec<_> = models.filter_map(|input| self.linked_model(id, &input.model_id)).collect();
        if datasets.is_empty() && models.is_empty() {
            return Ok(());
        }
        let new: Vec<_> = run
            .inputs
            .dataset_inputs
            .iter()
            .map(|input| (filling.experiment_id.clone(), input.name.clone(), input.digest.clone()))
            .collect();
        // Two runs that bring the same new dataset at the same moment would collide in the server's database.
        let mut brought = lock(&self.datasets);
        if new.iter().all(|key| brought.contains(key)) {
            drop(brought);
            return Ok(self.api.log_inputs(&filling.known.id, &datasets, &models)?);
        }
        self.api.log_inputs(&filling.known.id, &datasets, &models)?;
        brought.extend(new);
        Ok(())
    }

    /// A dataset as a call takes it, where its texts fit.
    fn dataset(&self, run_id: &str, body: &Dataset) -> Option<Value> {
        let mut value = json!({"name": body.name, "digest": body.digest});
        let optional = [
            ("source_type", &body.source_type),
            ("source", &body.source),
            ("schema", &body.schema),
            ("profile", &body.profile),
        ];
        let limits = self.fitting.limits.dataset;
        for (field, text) in optional {
            let limit = match field {
                "source" => limits[2],
                "schema" => limits[3],
                "profile" => limits[4],
                _ => limits[1],
            };
            match text {
                Some(text) if exceeds(text, limit) => {
                    self.left_out(KIND, run_id, format!("input {} {field}", body.name), "value-too-long");
                    if matches!(field, "source" | "source_type") {
                        return None;
                    }
                }
                Some(text) => value[field] = text.as_str().into(),
                None => {}
            }
        }
        Some(value)
    }

    fn linked_model(&self, run_id: &str, model_id: &str) -> Option<String> {
        if !self.target.has(Feature::LoggedModels) {
            return None;
        }
        let found = self.ledger.id(Kind::LoggedModels, model_id);
        if found.is_none() {
            self.left_out(KIND, run_id, format!("model {model_id}"), "model-not-in-target");
        }
        found
    }

    fn outputs(&self, filling: &Filling, target: Option<&TargetRun>) -> Result<()> {
        let id = &filling.run.info.run_id;
        let outputs = filling.run.outputs.model_outputs.iter();
        let outputs: Vec<_> = outputs
            .filter_map(|output| Some((self.linked_model(id, &output.model_id)?, output.step)))
            .filter(|(model_id, _)| {
                target.is_none_or(|target| target.model_outputs.iter().all(|(there, _)| there != model_id))
            })
            .collect();
        if !outputs.is_empty() {
            self.api.log_outputs(&filling.known.id, &outputs)?;
        }
        Ok(())
    }

    fn files(&self, filling: &Filling, lines: &[Vec<u8>]) -> Result<()> {
        if lines.is_empty() {
            return Ok(());
        }
        let new_id = &filling.known.id;
        let uri = match self.artifact_uri(&filling.experiment_id, new_id) {
            Some(uri) => uri,
            None => self.target_run(filling)?.artifact_uri,
        };
        let destination = Destination::of(&uri);
        for line in lines {
            let list: ArtifactList = serde_json::from_slice(line)
                .map_err(|error| self.archive.damaged("objects/artifacts", &error.to_string()))?;
            for file in &list.files {
                if artifacts::fault(file).is_none() {
                    self.file(filling, &destination, file)?;
                }
            }
        }
        Ok(())
    }

    fn file(&self, filling: &Filling, destination: &Destination, file: &ArtifactFile) -> Result<()> {
        let Some(body) = self.body(file)? else { return Ok(()) };
        match destination {
            Destination::Proxy(root) => self.api.put_artifact(&format!("{root}/{}", file.path), body)?,
            Destination::Elsewhere => {
                let id = &filling.run.info.run_id;
                if file.size_bytes.is_none_or(|size| size > UI_UPLOAD_BYTES) {
                    self.left_out(KIND, id, format!("artifact {}", file.path), "no-artifact-proxy");
                    return Ok(());
                }
                self.api.upload_artifact(&filling.known.id, &file.path, body)?;
            }
        }
        Ok(())
    }

    /// A file's bytes, ids in an `MLmodel` rewritten where that was asked.
    pub(super) fn body(&self, file: &ArtifactFile) -> Result<Option<Body>> {
        let (Some(digest), Some(size_bytes)) = (file.sha256, file.size_bytes) else {
            return Ok(None);
        };
        let is_mlmodel = self.options.fix_mlmodel && mlmodel::is_mlmodel(&file.path);
        if is_mlmodel && size_bytes <= mlmodel::LARGEST_BYTES {
            let bytes = artifacts::read(self.archive, &digest)?;
            let new_id = |key: &str, word: &str| mlmodel::new_id(key, word, |kind, id| self.ledger.id(kind, id));
            return Ok(Some(Body::Bytes(mlmodel::rewrite(&bytes, new_id).unwrap_or(bytes))));
        }
        Ok(Some(artifacts::body(self.archive, digest, size_bytes)?))
    }

    fn complete(&self, filling: &Filling, digest: u64) -> Result<()> {
        let info = &filling.run.info;
        let is_running = info.status == "RUNNING" && info.end_time.is_none();
        let is_closed = filling.is_closed.load(Ordering::Relaxed);
        if !is_closed && (!is_running || !filling.known.is_fresh) {
            self.api.update_run(&filling.known.id, &info.status, info.end_time)?;
        }
        if !is_closed {
            self.expect(filling)?;
        }
        if !filling.known.is_fresh {
            self.count(Done::Completed, KIND);
        }
        self.ledger.done(KIND, &info.run_id, digest)?;
        Ok(())
    }

    fn expect(&self, filling: &Filling) -> Result<()> {
        let fitted = self.fitted(&filling.run)?;
        let expected = super::check::expected(&filling.run, &fitted, &self.fitting.limits);
        lock(&self.expected).insert(filling.known.id.clone(), expected);
        Ok(())
    }
}

/// Largest file that the UI's upload takes.
const UI_UPLOAD_BYTES: u64 = 10_000_000;

/// Dataset bodies, read experiment by experiment.
struct DatasetBodies<'a> {
    datasets: std::iter::Peekable<crate::archive::Objects<'a, Dataset>>,
    experiment_id: Option<String>,
    bodies: Bodies,
}

impl<'a> DatasetBodies<'a> {
    fn new(apply: &Apply<'a>) -> Self {
        DatasetBodies {
            datasets: apply.archive.objects::<Dataset>().peekable(),
            experiment_id: None,
            bodies: Bodies::default(),
        }
    }

    /// The bodies of a run's experiment.
    fn of(&mut self, run: &Run) -> Result<Bodies> {
        let id = &run.info.experiment_id;
        if self.experiment_id.as_ref() == Some(id) {
            return Ok(self.bodies.clone());
        }
        let wanted = crate::format::order::experiment(id);
        let mut bodies = HashMap::new();
        loop {
            let is_behind = match self.datasets.peek() {
                None => break,
                Some(Err(_)) => true,
                Some(Ok(next)) => crate::format::order::experiment(&next.experiment_id) <= wanted,
            };
            if !is_behind {
                break;
            }
            let Some(dataset) = self.datasets.next().transpose()? else { break };
            if dataset.experiment_id == *id {
                bodies.insert((dataset.name.clone(), dataset.digest.clone()), dataset);
            }
        }
        self.experiment_id = Some(id.clone());
        self.bodies = Arc::new(bodies);
        Ok(self.bodies.clone())
    }
}
