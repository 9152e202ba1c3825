//! An export of one workspace of a server, kind by kind.

use super::artifacts::{Listed, Route};
use super::choice::{Chosen, Placed};
use super::fields::Fields;
use super::names::Found;
use super::server::{Server, told};
use super::trace_links::Links;
use crate::archive::Owner;
use crate::archive::parallel::Pool;
use crate::client::ClientError;
use crate::format::{Kind, Reason};
use crate::lang::artifacts::walk::walk;
use crate::lang::rest::paging::Pages;
use crate::lang::rest::resume::Key;
use crate::lang::rest::routes;
use crate::lang::session::{Export, ExportError};
use crate::model::Experiment;
use crate::model::field::FieldTable as _;

use crate::select::{Closure, Verdict};
use serde_json::{Value, json};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;

/// A workspace that is exported.
pub(super) struct Place {
    pub(super) server: Arc<Server>,
    pub(super) registry_server: Arc<Server>,
    pub(super) closure: Closure,
    pub(super) experiments: BTreeMap<String, Experiment>,
    pub(super) workspace: Option<String>,
}

/// An export in progress.
pub(super) struct Exporter<'a, 'm> {
    pub(super) export: &'a mut Export<'m>,
    pub(super) server: Arc<Server>,
    /// The server of the registry, mostly the same.
    pub(super) registry_server: Arc<Server>,
    pub(super) pool: Arc<Pool>,
    pub(super) closure: Rc<RefCell<Closure>>,
    /// All experiments of the workspace.
    pub(super) experiments: BTreeMap<String, Experiment>,
    /// The workspace that objects belong to, where the server knows workspaces.
    pub(super) workspace: Option<String>,
    /// Runs written so far, for the links of traces.
    pub(super) run_ids: Vec<String>,
    /// Runs of experiments that are not looked through, where a choice is looked for.
    pub(super) beyond: Vec<Placed>,
    /// Which runs and prompts traces are linked to, when that is known.
    pub(super) links: Option<Rc<Links>>,
    /// Whether it was said that links of points are not told.
    pub(super) told_links: bool,
}

impl<'a, 'm> Exporter<'a, 'm> {
    pub(super) fn new(export: &'a mut Export<'m>, place: Place) -> Self {
        Exporter {
            pool: export.writer.pool(),
            export,
            server: place.server,
            registry_server: place.registry_server,
            closure: Rc::new(RefCell::new(place.closure)),
            experiments: place.experiments,
            workspace: place.workspace,
            run_ids: Vec::new(),
            beyond: Vec::new(),
            links: None,
            told_links: false,
        }
    }

    /// Exports everything of a workspace that was looked through, or a shard's share of what is chosen; what was taken.
    pub(super) fn run(
        export: &'a mut Export<'m>,
        found: Found,
        chosen: Option<Chosen>,
    ) -> Result<Chosen, ExportError> {
        let Found {
            mut place,
            looked_through,
            runs,
        } = found;
        let selection = &export.options.selection;
        let (by_id, links) = match chosen {
            Some(chosen) => {
                place.closure = chosen.closure.shared(selection.share.clone());
                let own = chosen
                    .beyond
                    .into_iter()
                    .filter(|(_, experiment_id, start_time)| {
                        !place.closure.is_elsewhere(experiment_id, *start_time)
                    });
                (own.map(|(run_id, ..)| run_id).collect(), Some(chosen.links))
            }
            None => {
                place.closure.asked_runs(&selection.runs);
                let here = selection.runs.iter().filter(|run_id| runs.contains(run_id));
                (here.cloned().collect(), None)
            }
        };
        let mut exporter = Exporter::new(export, place);
        exporter.links = links;
        exporter.steps(&looked_through, by_id)?;
        Ok(Chosen {
            closure: exporter.closure.take(),
            beyond: exporter.beyond,
            links: exporter.links.unwrap_or_default(),
        })
    }

    fn steps(&mut self, looked_through: &[String], mut by_id: BTreeSet<String>) -> Result<(), ExportError> {
        let mut prompts = Vec::new();
        let of_runs = self.export.looks_at(&[Kind::Runs, Kind::Datasets]);
        let of_models = self.export.looks_at(&[Kind::LoggedModels]);
        let has_models = (of_runs || of_models) && self.has_logged_models()?;
        if of_runs {
            self.begin("runs");
            by_id.extend(self.closure.borrow_mut().new_runs());
            let by_id: Vec<_> = by_id.into_iter().collect();
            self.runs(looked_through, &by_id, has_models)?;
            if has_models {
                self.runs_of_logged_models()?;
            }
        }
        if of_models && has_models {
            self.begin("logged models");
            self.logged_models()?;
        }
        if self
            .export
            .looks_at(&[Kind::RegisteredModels, Kind::ModelVersions])
        {
            self.begin("registered models");
            prompts = if self.export.is_rest_elsewhere() {
                self.prompt_versions()?
            } else {
                self.registry()?
            };
        }
        if self.export.looks_at(&[Kind::Traces]) {
            self.begin("traces");
            self.traces(&prompts)?;
        }
        if !self.server.is_file_store() {
            self.evaluation()?;
        }
        self.write_experiments()
    }

    fn evaluation(&mut self) -> Result<(), ExportError> {
        self.begin("evaluation");
        let is_here = !self.export.is_rest_elsewhere();
        if is_here && self.export.looks_at(&[Kind::EvaluationDatasets]) {
            self.evaluation_datasets()?;
        }
        if self.export.looks_at(&[Kind::Scorers]) {
            self.scorers()?;
        }
        Ok(())
    }

    fn begin(&self, phase: &str) {
        self.export.monitor().begin(phase, None);
    }

    /// Tells that a whole object, or all of a kind, could not be read.
    pub(super) fn fail(
        &mut self,
        kind: Kind,
        id: &str,
        reason: Reason,
        detail: &str,
    ) -> Result<(), ExportError> {
        self.export.failure(kind, id, "*", reason, detail)
    }

    /// Counts what the server does not show.
    pub(super) fn limit(&mut self, kind: Kind, field: &str, reason: Reason, count: u64) {
        self.export.limit(kind, field, reason, count);
    }

    /// Experiments of which something may be exported beside runs.
    pub(super) fn open_experiments(&self) -> Vec<String> {
        let closure = self.closure.borrow();
        let ids = self.experiments.keys();
        ids.filter(|id| closure.looks_beside_runs(id) && !closure.is_all_elsewhere(id))
            .cloned()
            .collect()
    }

    /// Tells of requests that were repeated.
    pub(super) fn tell_notices(&self) {
        for notice in self.server.client.take_notices() {
            self.export.monitor().notice(&notice);
        }
    }

    /// Finds all experiments; returns those whose runs are looked through.
    pub(super) fn find_experiments(&mut self) -> Result<Vec<String>, ExportError> {
        let asked = json!({"view_type": "ALL", "order_by": ["creation_time ASC"]});
        let pages = Pages::of(&self.server.client, routes::SEARCH_EXPERIMENTS, asked, None);
        let rows = self.listed(Kind::Experiments, pages.all())?;
        let mut looked_through = Vec::new();
        let mut experiments: Vec<_> = rows.into_iter().map(experiment).collect();
        experiments.sort_by_cached_key(crate::format::Object::sort_key);
        for mut experiment in experiments {
            experiment.workspace = experiment.workspace.take().or_else(|| self.workspace.clone());
            let (id, is_deleted) = (&experiment.experiment_id, experiment.is_deleted());
            let mut closure = self.closure.borrow_mut();
            closure.experiment(id, &experiment.name, is_deleted);
            if closure.looks_through(id) && !closure.is_all_elsewhere(id) {
                looked_through.push(id.clone());
            }
            drop(closure);
            self.workspace = experiment.workspace.clone().or_else(|| self.workspace.take());
            self.experiments
                .insert(experiment.experiment_id.clone(), experiment);
        }
        self.export.saw(&self.closure.borrow());
        let is_here = !self.export.is_rest_elsewhere();
        if is_here && self.workspace.is_some() && !self.server.has_workspaces() {
            self.limit(Kind::Workspaces, "*", Reason::NotShown, 1);
        }
        Ok(looked_through)
    }

    fn write_experiments(&mut self) -> Result<(), ExportError> {
        for experiment in std::mem::take(&mut self.experiments).into_values() {
            let id = &experiment.experiment_id;
            if self.closure.borrow().is_all_elsewhere(id) {
                continue;
            }
            let is_led_elsewhere = self.closure.borrow().is_led_elsewhere(id);
            self.export.count_elsewhere(is_led_elsewhere);
            match self.closure.borrow().takes(&experiment) {
                Verdict::Kept => self.export.write(&experiment)?,
                Verdict::LeftOut(reason) => self.export.left_out(Kind::Experiments, reason, 1),
            }
        }
        self.export.count_elsewhere(false);
        Ok(())
    }

    /// The rows of a listing without which nothing is whole.
    pub(super) fn listed(
        &mut self,
        what: Kind,
        listed: Result<(Vec<Value>, bool), ClientError>,
    ) -> Result<Vec<Value>, ExportError> {
        let (rows, is_unstable) = match listed {
            Ok(listed) => listed,
            Err(error) if error.is_answer() => {
                let reason = match error {
                    ClientError::NoPage { .. } => Reason::WrongType,
                    _ => Reason::Unreadable,
                };
                self.fail(what, "*", reason, &told(&error))?;
                return Ok(Vec::new());
            }
            Err(error) => return Err(self.server.error(&error)),
        };
        if is_unstable {
            let detail = format!("{what} came and went while they were listed");
            self.fail(what, "*", Reason::UnstableListing, &detail)?;
        }
        Ok(rows)
    }

    /// Takes the rows of a search in some experiments, page by page. One that breaks off is made in each alone, and is a failure of those
    /// where it breaks off again.
    pub(super) fn each_page(
        &mut self,
        search: impl Fn(&Server, &[String]) -> Pages<'static>,
        kind: Kind,
        experiments: &[String],
        mut take: impl FnMut(&mut Self, Vec<Value>) -> Result<(), ExportError>,
    ) -> Result<(), ExportError> {
        let mut pages = search(&self.server, experiments);
        let (mut asked, mut alone) = (experiments, [].chunks(1));
        loop {
            match pages.next_rows() {
                Ok(Some(rows)) => {
                    take(self, rows)?;
                    continue;
                }
                Ok(None) => {}
                // One experiment of them may be at fault.
                Err(error) if asked.len() > 1 && error.is_answer() => alone = asked.chunks(1),
                Err(error) => self.fail(kind, &asked.join(","), Reason::Unreadable, &told(&error))?,
            }
            let Some(next) = alone.next() else { break };
            asked = next;
            pages.turn_to(search(&self.server, asked));
        }
        if pages.is_unstable {
            let what = kind.name().replace('-', " ");
            let detail = format!("{what} of experiments {} came and went", experiments.join(", "));
            self.fail(kind, &experiments.join(","), Reason::UnstableListing, &detail)?;
        }
        Ok(())
    }

    /// Queues the artifacts of an owner.
    pub(super) fn artifacts(
        &mut self,
        owner: &Owner,
        key: &Key,
        route: &Route,
        listed: Result<(Vec<Listed>, u64), String>,
    ) -> Result<(), ExportError> {
        match route {
            Route::Local(folder) => {
                let roots = self.server.roots.clone();
                return walk(folder, &roots, &mut |file| self.export.found_file(owner, file));
            }
            Route::Outside(folder) => {
                return self.export.outside_source(folder, owner.into());
            }
            _ => {}
        }
        let (files, empty_folders) = match listed {
            Ok(listed) => listed,
            Err(detail) => {
                return self.fail(Kind::Artifacts, &owner.id, Reason::Unlisted, &detail);
            }
        };
        self.limit(Kind::Artifacts, "*", Reason::EmptyDirectory, empty_folders);
        for file in files {
            if let (true, Some(reason)) = (file.is_folder, file.problem) {
                let (path, id) = (&file.path, &owner.id);
                let detail = format!(
                    "folder `{path}` of `{id}`: the server lists nothing there, or something else, because it drops a part of such a name"
                );
                self.fail(Kind::Artifacts, &owner.id, reason, &detail)?;
                continue;
            }
            let is_taken = self.export.options.selection.takes_artifact(&file.path);
            match file.problem.filter(|_| is_taken) {
                Some(reason) => {
                    let detail = format!(
                        "artifact `{}` of `{}` cannot be requested by its name",
                        file.path, owner.id
                    );
                    self.export.failed_artifact(owner, file.path, reason, &detail)?;
                }
                None => {
                    let source = route.open(&self.server, key, &file);
                    self.export.artifact(owner, file.path, file.size_bytes, source)?;
                }
            }
        }
        Ok(())
    }
}

fn experiment(value: Value) -> Experiment {
    let mut fields = Fields::of(value);
    // What the server works out from its own settings.
    fields.ignore(&["effective_trace_archival_retention", "trace_location"]);
    let experiment = Experiment::pick(&mut fields);
    Experiment {
        extra: fields.finish(),
        ..experiment
    }
}
