//! Logged models (MLflow 3) with their metrics and artifacts.

use super::artifacts::{Listed, Route};
use super::exporter::Exporter;
use super::fields::{Fields, as_double};
use super::server::{Server, told};
use crate::archive::Owner;
use crate::archive::parallel::map_ordered;
use crate::format::{Kind, Object, Reason};
use crate::lang::rest::paging::Pages;
use crate::lang::rest::resume::Key;
use crate::lang::rest::routes;
use crate::lang::session::ExportError;
use crate::model::field::FieldTable as _;
use crate::model::metric::{Point, PointLink};
use crate::model::{LoggedModel, OwnerKind};
use crate::select::Verdict;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A logged model as a search gives it.
struct FoundModel {
    model: LoggedModel,
    metrics: BTreeMap<String, Vec<Point>>,
    /// What stands where points belong, and is none.
    no_points: Option<Value>,
}

fn search(server: &Server, experiments: &[String]) -> Pages<'static> {
    let oldest_first = json!([{"field_name": "creation_timestamp", "ascending": true}]);
    let asked = json!({"experiment_ids": experiments, "order_by": oldest_first});
    Pages::of(&server.client, routes::SEARCH_LOGGED_MODELS, asked, None)
}

impl Exporter<'_, '_> {
    /// Whether the server shows any logged model; without one, no run can have read one that it shows.
    pub(super) fn has_logged_models(&mut self) -> Result<bool, ExportError> {
        let ids: Vec<String> = self.experiments.keys().cloned().collect();
        let mut is_any = false;
        for chunk in ids.chunks(routes::SEARCH_LOGGED_MODELS.most) {
            let search = search(&self.server, chunk);
            match self.server.finds_any(routes::SEARCH_LOGGED_MODELS, search)? {
                None => return Ok(false),
                Some(found) => is_any = found,
            }
            if is_any {
                break;
            }
        }
        // Once a server, since nobody can tell how many there are.
        if !self.export.is_rest_elsewhere() {
            self.limit(Kind::LoggedModels, "*", Reason::DeletedNotShown, 1);
        }
        Ok(is_any)
    }

    /// Writes the runs that made logged models which are taken, and what these runs bring, until nothing is new.
    pub(super) fn runs_of_logged_models(&mut self) -> Result<(), ExportError> {
        if self.closure.borrow().takes_all() || self.closure.borrow().is_closed() {
            return Ok(());
        }
        let is_whole = |id: &&String| self.closure.borrow().takes_whole(id);
        let whole: Vec<_> = self.experiments.keys().filter(is_whole).cloned().collect();
        for chunk in whole.chunks(routes::SEARCH_LOGGED_MODELS.most) {
            self.each_page(search, Kind::LoggedModels, chunk, |exporter, rows| {
                for row in rows {
                    let model = read(row).model;
                    exporter.need_run_of(model.source_run_id.as_deref());
                }
                Ok(())
            })?;
        }
        loop {
            let new = self.closure.borrow_mut().new_logged_models();
            for model_id in new {
                let asked = routes::LOGGED_MODEL.of(&model_id).on(&self.server.client);
                match asked.parse::<Value>() {
                    Ok(answer) => self.need_run_of(answer["model"]["info"]["source_run_id"].as_str()),
                    // It may be deleted, or be none at all.
                    Err(error) if matches!(error.status(), Some(400 | 404)) => {}
                    Err(error) => {
                        self.fail(Kind::LoggedModels, &model_id, Reason::Unreadable, &told(&error))?;
                    }
                }
            }
            let needed = self.closure.borrow_mut().new_runs();
            if needed.is_empty() {
                return Ok(());
            }
            self.runs(&[], &needed, true)?;
        }
    }

    fn need_run_of(&self, run_id: Option<&str>) {
        self.closure.borrow_mut().need_run(run_id.unwrap_or_default());
    }

    /// Writes the logged models of all experiments.
    pub(super) fn logged_models(&mut self) -> Result<(), ExportError> {
        for chunk in self.open_experiments().chunks(routes::SEARCH_LOGGED_MODELS.most) {
            self.each_page(search, Kind::LoggedModels, chunk, |exporter, rows| {
                exporter.logged_model_page(rows)
            })?;
        }
        Ok(())
    }

    fn logged_model_page(&mut self, rows: Vec<Value>) -> Result<(), ExportError> {
        let mut kept = Vec::new();
        for row in rows {
            let found = read(row);
            let model = &found.model;
            let is_elsewhere =
                (self.closure.borrow()).is_elsewhere(&model.experiment_id, model.creation_timestamp_ms);
            if is_elsewhere {
                continue;
            }
            let verdict = self.closure.borrow_mut().logged_model(&found.model);
            match verdict {
                Verdict::Kept => kept.push(found),
                Verdict::LeftOut(reason) => self.export.left_out(Kind::LoggedModels, reason, 1),
            }
        }
        let (server, pool) = (self.server.clone(), self.pool.clone());
        let with_artifacts = self.export.looks_at(&[Kind::Artifacts]);
        let work = move |found: FoundModel| {
            let model = &found.model;
            let route = if with_artifacts {
                Route::of(
                    &server,
                    OwnerKind::LoggedModel,
                    &model.model_id,
                    model.artifact_uri.as_deref(),
                )
            } else {
                Route::None
            };
            let key = Key::of_model(model);
            let listed = route.list(&server, &key);
            (found, key, route, listed)
        };
        let window = pool.threads() * 2;
        map_ordered(&pool, window, kept, work, |(found, key, route, listed)| {
            self.write_model(&found, &key, &route, listed)
        })
    }

    fn write_model(
        &mut self,
        found: &FoundModel,
        kept: &Key,
        route: &Route,
        listed: Result<(Vec<Listed>, u64), String>,
    ) -> Result<(), ExportError> {
        let model = &found.model;
        let key = model.sort_key();
        self.export.write(model)?;
        if let Some(wrong) = &found.no_points {
            let detail = format!("`metrics` holds {wrong:.100}");
            let (kind, id) = (Kind::LoggedModels, &model.model_id);
            self.export
                .failure(kind, id, "metrics", Reason::WrongType, &detail)?;
        }
        for (name, points) in &found.metrics {
            let mut series = self.export.writer.point_series();
            for point in points {
                let pushed = series.push(point.clone());
                pushed.map_err(|error| self.scratch_error(&error))?;
            }
            self.export
                .write_points(Kind::LoggedModels, &key, &model.model_id, name, series)?;
        }
        let owner = Owner::of(OwnerKind::LoggedModel, model);
        self.artifacts(&owner, kept, route, listed)
    }

    fn scratch_error(&self, error: &std::io::Error) -> ExportError {
        ExportError::unreadable(
            self.server.client.base().to_string(),
            format!("temporary file: {error}"),
        )
    }
}

fn read(value: Value) -> FoundModel {
    let mut fields = Fields::of(value);
    let mut info = fields.object("info");
    let mut data = fields.object_of("data", "params");
    // The registry says which versions were made of it.
    info.ignore(&["registrations"]);
    let points = data.items("metrics", point);
    let no_points = data.take("metrics");
    let mut model = LoggedModel::pick(&mut info);
    model.params.extend(data.text_map("params"));
    info.keep_rest("data", data, &[("params", "params")]);
    info.keep_rest("model", fields, &[("params", "params")]);
    model.extra = info.finish();
    let mut metrics: BTreeMap<String, Vec<Point>> = BTreeMap::new();
    for (key, point) in points {
        metrics.entry(key).or_default().push(point);
    }
    FoundModel {
        model,
        metrics,
        no_points,
    }
}

fn point(fields: &mut Fields) -> Option<(String, Point)> {
    let key = fields.text("key")?;
    let mut text = |name: &str| match fields.text(name) {
        // What is no text makes it no point.
        None => fields.take(name).is_none().then_some(None),
        text => Some(text.filter(|text| !text.is_empty())),
    };
    let link = PointLink {
        // The model that it is of.
        model_id: text("model_id")?.and(None),
        dataset_name: text("dataset_name")?,
        dataset_digest: text("dataset_digest")?,
        run_id: text("run_id")?,
    };
    let point = Point {
        timestamp: fields.int_or_zero("timestamp")?,
        step: fields.int_or_zero("step")?,
        value: as_double(&fields.take("value").unwrap_or_else(|| 0.into()))?,
        link: link.boxed(),
    };
    Some((key, point))
}
