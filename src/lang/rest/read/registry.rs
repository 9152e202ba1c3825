//! Registered models, their versions, and prompts, which plain searches hide.

use super::exporter::Exporter;
use super::fields::Fields;
use super::server::{Server, told};
use crate::archive::parallel::map_ordered;
use crate::client::ClientError;
use crate::format::{Kind, Object, Reason};
use crate::lang::rest::paging::Pages;
use crate::lang::rest::resume::Key;
use crate::lang::rest::routes::{self, Call, Route, version_id};
use crate::lang::rest::version::Feature;
use crate::lang::session::ExportError;
use crate::model::field::FieldTable as _;
use crate::model::registry::is_prompt;
use crate::model::{ModelVersion, RegisteredModel};
use crate::select::{AskedNames, Verdict};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashSet};

/// Names prompts, for servers that hide them.
const PROMPT_FILTER: &str = "tags.`mlflow.prompt.is_prompt` = 'true'";

/// What a server over a file store of MLflow 1 says.
const NO_REGISTRY: &str = "Model registry functionality is unavailable";

impl Exporter<'_, '_> {
    /// Looks through the versions of chosen models for the runs they need.
    pub(super) fn find_registry(&mut self, asked: &mut AskedNames) -> Result<(), ExportError> {
        if asked.models.is_empty() {
            return Ok(());
        }
        let models = self.rows(Kind::RegisteredModels, routes::SEARCH_MODELS)?;
        for name in models.iter().filter_map(|row| row["name"].as_str()) {
            asked.models.see(&[name]);
        }
        let versions = self.rows(Kind::ModelVersions, routes::SEARCH_VERSIONS)?;
        for version in versions {
            let version = self.version(version);
            let mut closure = self.closure.borrow_mut();
            if closure.takes_model(&version.name) {
                closure.need_version(&version);
            }
        }
        Ok(())
    }

    /// Writes models and versions; returns the versions of prompts, as `name/version`.
    pub(super) fn registry(&mut self) -> Result<Vec<String>, ExportError> {
        let models = self.rows(Kind::RegisteredModels, routes::SEARCH_MODELS)?;
        let versions = self.rows(Kind::ModelVersions, routes::SEARCH_VERSIONS)?;
        let (kept, prompts) = self.versions(versions)?;
        for row in models {
            let model = self.model(row);
            if model.description.is_none() {
                self.limit(Kind::RegisteredModels, "description", Reason::EmptyNotShown, 1);
            }
            if self.closure.borrow().takes_model(&model.name) || kept.contains(&model.name) {
                self.export.write(&model)?;
            } else {
                self.export
                    .left_out(Kind::RegisteredModels, Reason::NotSelected, 1);
            }
        }
        Ok(prompts)
    }

    /// The versions of prompts, as `name/version`, where another shard writes them.
    pub(super) fn prompt_versions(&mut self) -> Result<Vec<String>, ExportError> {
        let versions = self
            .rows(Kind::ModelVersions, routes::SEARCH_VERSIONS)?
            .into_iter();
        let versions = versions.map(|row| self.version(row));
        let prompts = versions.filter(|version| is_prompt(&version.tags));
        Ok(prompts.map(|version| version.id()).collect())
    }

    /// Writes versions; returns the names of their models, and the versions of prompts.
    fn versions(&mut self, rows: Vec<Value>) -> Result<(HashSet<String>, Vec<String>), ExportError> {
        let (mut kept, mut prompts) = (HashSet::new(), Vec::new());
        let mut numbers: BTreeMap<String, (u64, u64)> = BTreeMap::new();
        let mut chosen = Vec::new();
        for row in rows {
            let version = self.version(row);
            let (count, last) = numbers.entry(version.name.clone()).or_default();
            (*count, *last) = (*count + 1, (*last).max(version.version));
            match self.closure.borrow().version(&version) {
                Verdict::LeftOut(reason) => self.export.left_out(Kind::ModelVersions, reason, 1),
                Verdict::Kept => chosen.push(version),
            }
        }
        // Deleted versions leave gaps, and are not shown.
        let gaps = numbers
            .values()
            .map(|(count, last)| last.saturating_sub(*count))
            .sum();
        self.limit(Kind::ModelVersions, "*", Reason::DeletedNotShown, gaps);
        self.locate(chosen, &mut kept, &mut prompts)?;
        Ok((kept, prompts))
    }

    /// Asks for the storage location of each version and writes it; takes note of the models' names and of prompts.
    fn locate(
        &mut self,
        chosen: Vec<ModelVersion>,
        kept: &mut HashSet<String>,
        prompts: &mut Vec<String>,
    ) -> Result<(), ExportError> {
        let (server, pool) = (self.registry_server.clone(), self.pool.clone());
        let is_survey = self.export.is_survey();
        let work = move |mut version: ModelVersion| {
            if is_survey {
                return (version, None);
            }
            let key = Key::new(
                "version",
                format!("{} {}", server.scope(), version.id()),
                &version,
            );
            let located = server
                .kept
                .answer(&key, "location", || storage_location(&server, &version));
            version.storage_location = located.as_ref().ok().cloned().flatten();
            (version, located.err())
        };
        map_ordered(&pool, pool.threads() * 2, chosen, work, |(version, problem)| {
            if let Some(detail) = problem {
                let id = version.id();
                self.export.failure(
                    Kind::ModelVersions,
                    &id,
                    "storage_location",
                    Reason::Unreadable,
                    &detail,
                )?;
            }
            if is_prompt(&version.tags) {
                prompts.push(version.id());
            }
            kept.insert(version.name.clone());
            self.export.write(&version)
        })
    }

    /// All rows of a search of the registry, prompts included.
    fn rows(&mut self, what: Kind, route: Route) -> Result<Vec<Value>, ExportError> {
        let client = self.registry_server.client.clone();
        let plain = Pages::of(&client, route, json!({}), None).all();
        if let Err(error) = &plain
            && (error.is_unknown_route() || error.to_string().contains(NO_REGISTRY))
        {
            return Ok(Vec::new());
        }
        let mut rows = self.listed(what, plain)?;
        let asked = json!({"filter": PROMPT_FILTER});
        let prompts = match Pages::of(&client, route, asked, Some(2)).all() {
            // An older server cannot search so, and hides nothing.
            Err(error) if matches!(error.status(), Some(400 | 404 | 500)) => Vec::new(),
            prompts => self.listed(what, prompts)?,
        };
        let mut seen: HashSet<String> = rows.iter().filter_map(version_id).collect();
        rows.extend(
            prompts
                .into_iter()
                .filter(|row| version_id(row).is_none_or(|id| seen.insert(id))),
        );
        Ok(rows)
    }

    fn model(&self, value: Value) -> RegisteredModel {
        let mut fields = Fields::of(value);
        fields.ignore(&["latest_versions"]);
        let aliases = fields.items("aliases", |alias| {
            Some((alias.text("alias")?, alias.unsigned("version")?))
        });
        let aliases = aliases.into_iter().collect();
        let model = RegisteredModel::pick(&mut fields);
        RegisteredModel {
            aliases,
            workspace: model.workspace.or_else(|| self.workspace.clone()),
            extra: fields.finish(),
            ..model
        }
    }

    fn version(&self, value: Value) -> ModelVersion {
        let mut fields = Fields::of(value);
        // Aliases stand with the model; parameters and metrics with the logged model.
        fields.ignore(&["aliases", "model_params", "model_metrics"]);
        let version = ModelVersion::pick(&mut fields);
        ModelVersion {
            version: fields.unsigned("version").unwrap_or(0),
            workspace: version.workspace.or_else(|| self.workspace.clone()),
            extra: fields.finish(),
            ..version
        }
    }
}

/// Where the files of a version are, which the search does not tell.
fn storage_location(server: &Server, version: &ModelVersion) -> Result<Option<String>, String> {
    let asked = server.optional(routes::STORAGE_LOCATION, |client| {
        let asked = json!({"name": version.name, "version": version.version});
        let request = Call::from(routes::STORAGE_LOCATION).with(client, &asked);
        request.parse::<Value>()
    });
    let answer = asked.map_err(|error| told(&error))?;
    let uri = match answer.map(|mut answer| answer["artifact_uri"].take()) {
        None | Some(Value::Null) => None,
        Some(Value::String(uri)) => Some(uri),
        Some(other) => return Err(told(&ClientError::no_page("artifact_uri", &other))),
    };
    // Where nothing is stored, the server answers with the source.
    let since = Feature::StorageLocations.since();
    let is_kept = server.told_version().is_some_and(|told| told >= since);
    Ok(uri.filter(|uri| is_kept || version.source.as_ref() != Some(uri)))
}
