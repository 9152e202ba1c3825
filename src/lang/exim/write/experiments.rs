//! Experiments, each with all that belongs to it.

use super::document::end;
use super::dump::{count, dict};
use super::logged_models::LoggedModels;
use super::runs::Runs;
use super::scratch::Scratch;
use super::traces::Traces;
use super::{Converter, Layout, Result, fields};
use crate::archive::Result as ArchiveResult;
use crate::archive::walk::JoinedObjects;
use crate::format::{Kind, Reason, order};
use crate::lang::exim::dict::Dict;
use crate::lang::exim::tags::canonical::experiment_dict;
use crate::model::lifecycle;
use crate::model::pyjson::PyJson;
use crate::model::{Experiment, ModelVersion};
use std::path::{Path, PathBuf};

const KIND: Kind = Kind::Experiments;

/// The experiment whose objects are being written.
pub(super) struct Current<'p> {
    pub(super) experiment_id: &'p str,
    /// Its folder, or why its objects are left out.
    pub(super) folder: Result<&'p Path, Reason>,
}

impl Current<'_> {
    /// The folder of an object of the experiment, or why it has none.
    pub(super) fn member(
        &self,
        converter: &mut Converter<'_>,
        kind: Kind,
        id: &str,
        stage: &str,
    ) -> Result<Result<PathBuf, Reason>> {
        let parent = match (self.folder, converter.layout) {
            (Err(reason), _) => return Ok(Err(reason)),
            _ if stage == lifecycle::DELETED => return Ok(Err(Reason::DeletedNotHeld)),
            (Ok(experiment), Layout::New) => experiment.join(kind.name().replace('-', "_")),
            (Ok(experiment), Layout::Old) if kind == Kind::Runs => experiment.to_owned(),
            (Ok(_), Layout::Old) => return Ok(Err(Reason::NotInOldLayout)),
        };
        Ok(converter.folder(&parent, id, kind, id)?.ok_or(Reason::NotHeld))
    }
}

/// All that follows the order of experiments.
struct Members<'a> {
    experiments: JoinedObjects<'a, Experiment>,
    runs: Runs<'a>,
    logged_models: LoggedModels<'a>,
    traces: Traces<'a>,
}

impl Members<'_> {
    /// The experiment that comes next, whether the archive holds it or only what belongs to it.
    fn next_id(&mut self) -> ArchiveResult<Option<String>> {
        let experiment = self.experiments.peek()?;
        let ids = [
            experiment.map(|experiment| experiment.experiment_id.clone()),
            self.runs.next_experiment()?,
            self.logged_models.next_experiment()?,
            self.traces.next_experiment()?,
        ];
        let ids = ids.into_iter().flatten();
        Ok(ids.min_by_key(|id| order::experiment(id)))
    }
}

impl Converter<'_> {
    /// Writes the experiments with their runs, logged models and traces, and the list of them.
    pub(super) fn experiments(&mut self) -> Result<()> {
        self.experiment_names()?;
        let mut members = Members {
            experiments: JoinedObjects::new(self.archive, &[])?,
            runs: Runs::new(self.archive, &self.scratch)?,
            logged_models: LoggedModels::new(self.archive, &self.scratch)?,
            traces: Traces::new(self.archive, &self.scratch)?,
        };
        members.runs.models_from(&members.logged_models);
        let mut listed = Scratch::create(&self.scratch)?;
        let total = self.archive.manifest().count(Kind::Runs);
        self.monitor.begin("convert", Some(total));
        while let Some(id) = members.next_id()? {
            let found = members.experiments.next_if(|next| next.experiment_id == id)?;
            self.experiment(&id, found, &mut members, &mut listed)?;
        }
        self.experiment_list(&mut listed)
    }

    /// Names of experiments that versions tell, for an archive of models alone.
    fn experiment_names(&mut self) -> Result<()> {
        for version in self.archive.objects::<ModelVersion>() {
            let version = version?;
            let Some(exported) =
                fields::exported(Kind::ModelVersions, &version.name, version.exim.as_deref())?
            else {
                continue;
            };
            let name = exported.get("_experiment_name").and_then(PyJson::as_str);
            if let (Some(name), Some(run_id)) = (name, version.run_id) {
                self.experiments.insert(run_id, name.to_owned());
            }
        }
        Ok(())
    }

    fn experiment(
        &mut self,
        id: &str,
        found: Option<Experiment>,
        members: &mut Members<'_>,
        listed: &mut Scratch,
    ) -> Result<()> {
        let is_deleted = found.as_ref().is_some_and(|found| found.is_deleted());
        let parent = self.root.join("experiments");
        let folder = if is_deleted {
            Err(Reason::DeletedNotHeld)
        } else {
            self.folder(&parent, id, KIND, id)?.ok_or(Reason::NotHeld)
        };
        let current = Current {
            experiment_id: id,
            folder: folder.as_deref().map_err(|reason| *reason),
        };
        // Runs list their traces, and logged models tell the datasets of their runs.
        members.traces.write(self, &current)?;
        members.runs.write(self, &current, &members.traces)?;
        members.logged_models.write(self, &current, &mut members.runs)?;
        match &folder {
            Ok(folder) => {
                let experiment = self.experiment_or_stub(id, found, &members.runs);
                self.experiment_file(&experiment, folder, members)?;
                let (ok, name) = (members.runs.written.count(), experiment.name);
                listed.push(&dict([
                    ("id", PyJson::from(id)),
                    ("name", PyJson::from(name)),
                    ("ok_runs", count(ok)),
                    ("failed_runs", count(0)),
                    ("duration", PyJson::Float(0.0)),
                ]))?;
            }
            Err(reason) => self.limit(KIND, "*", *reason, u64::from(found.is_some())),
        }
        Ok(())
    }

    /// The experiment; for one that the archive does not hold, what is known of it.
    fn experiment_or_stub(&mut self, id: &str, found: Option<Experiment>, runs: &Runs<'_>) -> Experiment {
        if let Some(found) = found {
            self.wrote(KIND);
            return found;
        }
        self.limit(KIND, "*", Reason::MadeUp, 1);
        let told = runs.told_experiment_name.clone();
        Experiment {
            experiment_id: id.to_owned(),
            name: told.unwrap_or_else(|| format!("experiment {id}")),
            lifecycle_stage: "active".to_owned(),
            ..Experiment::default()
        }
    }

    /// Counts what the exporter would not write as it is.
    fn changed_by_export(&mut self, experiment: &Experiment) {
        self.extra_not_held(KIND, "", &experiment.extra);
        self.made_up(
            KIND,
            [
                ("artifact_location", experiment.artifact_location.is_none()),
                ("workspace", experiment.workspace.is_none()),
            ],
        );
        self.zero_times(
            KIND,
            [
                ("creation_time", experiment.creation_time),
                ("last_update_time", experiment.last_update_time),
            ],
        );
    }

    fn experiment_file(
        &mut self,
        experiment: &Experiment,
        folder: &Path,
        members: &mut Members<'_>,
    ) -> Result<()> {
        let exported = fields::exported(KIND, &experiment.experiment_id, experiment.exim.as_deref())?;
        if exported.is_none() {
            self.changed_by_export(experiment);
        }
        self.count_not_utf8(KIND, "tags", &experiment.tags);
        let tags = fields::tags_in_order(
            exported.as_ref().and_then(|dict| dict.get("tags")),
            &experiment.tags,
        );
        let body = exported.unwrap_or_else(|| experiment_dict(experiment));
        let body = fields::with(body, "tags", tags);
        let runs = members.runs.written.count();
        let mut info = Dict::default();
        info.put("num_total_runs", count(runs));
        info.put("num_ok_runs", count(runs));
        info.put("num_failed_runs", count(0));
        info.put("failed_runs", PyJson::List(Vec::new()));
        if self.layout == Layout::New {
            info.put("ok_logged_models", count(members.logged_models.written.count()));
            info.put("failed_logged_models", PyJson::List(Vec::new()));
            info.put("ok_traces", count(members.traces.written.count()));
            info.put("failed_traces", PyJson::List(Vec::new()));
        }
        let path = folder.join("experiment.json");
        let mut dump = self.begin(&path, "export_experiment.py", Some(&info.finish()))?;
        dump.entry("experiment", &body)?;
        let mut lists = vec![("runs", &mut members.runs.written)];
        if self.layout == Layout::New {
            lists.push(("logged_models", &mut members.logged_models.written));
            lists.push(("traces", &mut members.traces.written));
        }
        for (key, ids) in lists {
            dump.list(key, ids)?;
        }
        end(dump)?;
        match self.layout {
            Layout::New => self.member_lists(experiment, folder, members),
            Layout::Old => Ok(()),
        }
    }

    /// The lists of an experiment's logged models and traces, of which the newest layout has files of their own.
    fn member_lists(
        &mut self,
        experiment: &Experiment,
        folder: &Path,
        members: &mut Members<'_>,
    ) -> Result<()> {
        let (models, traces) = (&mut members.logged_models.written, &mut members.traces.written);
        let lists = [
            ("logged_models", ["logged_models"; 3], models, true),
            ("traces", ["trace", "traces", "traces"], traces, false),
        ];
        for (name, words, ids, is_always_there) in lists {
            if ids.count() == 0 && !is_always_there {
                continue;
            }
            let total = count(ids.count());
            let info = dict([
                (&format!("num_total_{}", words[0]), total.clone()),
                (&format!("num_ok_{}", words[1]), total),
                (&format!("num_failed_{}", words[1]), count(0)),
                (&format!("failed_{}", words[2]), PyJson::List(Vec::new())),
            ]);
            let path = folder.join(name).join(format!("{name}.json"));
            let mut dump = self.begin(&path, &format!("export_{name}.py"), Some(&info))?;
            dump.key("experiments")?;
            dump.begin("[")?;
            dump.item()?;
            dump.begin("{")?;
            dump.entry("id", &PyJson::from(experiment.experiment_id.as_str()))?;
            dump.entry("name", &PyJson::from(experiment.name.as_str()))?;
            dump.list(name, ids)?;
            dump.end("}")?;
            dump.end("]")?;
            end(dump)?;
        }
        Ok(())
    }

    fn experiment_list(&mut self, listed: &mut Scratch) -> Result<()> {
        let runs = self.report.counts.get(Kind::Runs.name()).copied().unwrap_or(0);
        let info = dict([
            ("duration", PyJson::Float(0.0)),
            ("experiments", count(listed.count())),
            ("total_runs", count(runs)),
            ("ok_runs", count(runs)),
            ("failed_runs", count(0)),
        ]);
        let path = self.root.join("experiments/experiments.json");
        let mut dump = self.begin(&path, "export_experiments.py", Some(&info))?;
        dump.list("experiments", listed)?;
        Ok(end(dump)?)
    }
}
