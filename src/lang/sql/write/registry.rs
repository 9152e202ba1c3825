//! Registered models and prompts with their versions.

use super::rows::Target;
use super::{Edit, Place, Result, Subject, Writer, uris};
use crate::archive::walk::JoinedObjects;
use crate::format::{Kind, Reason};
use crate::lang::sql::database::Cell;
use crate::model::registry::is_prompt;
use crate::model::{ArtifactList, ModelVersion, RegisteredModel};
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

/// What MLflow has as the source of versions that are no files.
const NO_SOURCES: [&str; 2] = ["dummy-source", "prompt-template"];
/// Tag of a prompt that lists the experiments it belongs to.
const PROMPT_EXPERIMENTS: &str = "_mlflow_experiment_ids";
/// What it leaves of the source of a deleted version.
const REDACTED: &str = "REDACTED-SOURCE-PATH";

/// Roots of artifacts that versions may lie below, by the id of the run or logged model.
#[derive(Debug, Default)]
pub(super) struct Sources {
    /// Ids that versions name, in their fields or in their URIs.
    named: HashSet<String>,
    /// The root in the archive and the one in the target.
    roots: HashMap<String, (Option<String>, String)>,
}

/// Names in a URI that may be the id of a run or logged model.
fn names_in(uri: &str) -> impl Iterator<Item = &str> {
    uri.split('/').filter(|name| name.len() > 1)
}

fn uris_of(version: &ModelVersion) -> impl Iterator<Item = &str> {
    [&version.source, &version.storage_location]
        .into_iter()
        .flatten()
        .map(String::as_str)
}

impl Sources {
    fn name(&mut self, version: &ModelVersion) {
        let ids = version
            .run_id
            .as_deref()
            .into_iter()
            .chain(version.logged_model_id());
        self.named.extend(ids.map(str::to_owned));
        let names = uris_of(version).flat_map(names_in);
        self.named.extend(names.map(str::to_owned));
    }

    /// Learns where a run or logged model keeps its artifacts.
    pub(super) fn learn(&mut self, id: &str, stated: Option<&str>, uri: &str) {
        if self.named.remove(id) {
            let roots = (stated.map(str::to_owned), uri.to_owned());
            self.roots.insert(id.to_owned(), roots);
        }
    }

    /// The place in the target of what lies among the artifacts of a run or logged model.
    fn find(&self, version: &ModelVersion, uri: &str) -> Option<String> {
        let ids = version
            .logged_model_id()
            .into_iter()
            .chain(version.run_id.as_deref());
        ids.chain(names_in(uri)).find_map(|id| {
            let (stated, own) = self.roots.get(id)?;
            let by_root = stated.as_deref().and_then(|root| uris::below(uri, root));
            let by_name = || {
                let folder = format!("/{id}/artifacts");
                let at = uri.find(&folder)? + folder.len();
                uris::below(uri, &uri[..at])
            };
            match by_root.or_else(by_name)? {
                "" => Some(own.clone()),
                path => Some(format!("{}/{path}", own.trim_end_matches('/'))),
            }
        })
    }
}

impl Writer<'_> {
    /// Looks which runs and logged models the versions come from.
    pub(super) fn find_sources(&mut self) -> Result<()> {
        for version in self.archive.objects::<ModelVersion>() {
            self.sources.name(&version?);
        }
        Ok(())
    }

    pub(super) fn registry(&mut self) -> Result<()> {
        self.begin(Kind::RegisteredModels);
        for model in self.archive.objects::<RegisteredModel>() {
            self.registered_model(&model?)?;
            self.monitor.advance(1);
        }
        self.begin(Kind::ModelVersions);
        let mut versions = JoinedObjects::<ModelVersion>::new(self.archive, &[Kind::Artifacts])?;
        while let Some(version) = versions.next()? {
            let mut lists = Vec::new();
            while let Some(list) = versions.child::<ArtifactList>()? {
                lists.push(list);
            }
            self.model_version(&version, &lists)?;
            self.monitor.advance(1);
        }
        Ok(())
    }

    fn registered_model(&mut self, model: &RegisteredModel) -> Result<()> {
        let kind = Kind::RegisteredModels;
        let subject = Subject {
            kind,
            id: &model.name,
        };
        let workspace = self.workspace_of(kind, model.workspace.as_deref());
        self.lose_extra(subject, &model.extra, "");
        self.outcome.count(kind);
        let key = [Cell::from(&workspace), Cell::from(&model.name)];
        let row = [
            key[0],
            key[1],
            model.creation_timestamp.into(),
            model.last_updated_timestamp.into(),
            model.description.as_deref().into(),
        ];
        self.rows.insert(Target::RegisteredModels, &row)?;
        self.tags(subject, &model.tags, &mut |writer, name, value| {
            let value = writer.with_new_ids(name, value);
            let row = [key[0], key[1], name.into(), Cell::from(&value)];
            writer.rows.insert(Target::RegisteredModelTags, &row)
        })?;
        for (alias, version) in &model.aliases {
            let row = [
                key[0],
                key[1],
                Cell::from(alias),
                self.version_number(subject, *version),
            ];
            self.rows.insert(Target::Aliases, &row)?;
        }
        Ok(())
    }

    /// The experiments that a tag of a prompt lists, by their ids in the target.
    fn with_new_ids<'v>(&mut self, name: &str, value: &'v str) -> Cow<'v, str> {
        if name != PROMPT_EXPERIMENTS {
            return value.into();
        }
        let new = |id: &str| match self.experiments.get(id) {
            Some(known) => known.id.to_string(),
            None => id.to_owned(),
        };
        let listed: Vec<String> = value.split(',').map(new).collect();
        let listed = listed.join(",");
        if listed != value {
            self.outcome
                .edit(Edit::NewId, Kind::RegisteredModels, "tags._mlflow_experiment_ids");
        }
        listed.into()
    }

    /// A number of a version; columns hold fewer than an archive.
    fn version_number(&mut self, subject: Subject<'_>, version: u64) -> Cell<'static> {
        let number = i64::try_from(version).unwrap_or_else(|_| {
            self.lose(subject, "version", Reason::VersionNumber);
            i64::MAX
        });
        Cell::Integer(number)
    }

    fn model_version(&mut self, version: &ModelVersion, lists: &[ArtifactList]) -> Result<()> {
        let kind = Kind::ModelVersions;
        let id = format!("{}/{}", version.name, version.version);
        let subject = Subject { kind, id: &id };
        let workspace = self.workspace_of(kind, version.workspace.as_deref());
        let own = Place::of_version(
            Some(&*workspace).filter(|name| *name != super::DEFAULT_WORKSPACE),
            &version.name,
            version.version,
        );
        let has_files = lists
            .iter()
            .any(|list| list.files.iter().any(|file| file.absent.is_none()));
        let place = |writer: &mut Self, field, uri: &Option<String>| {
            let uri = uri.as_deref()?;
            Some(writer.version_uri(version, field, uri, has_files.then_some(&own), &own))
        };
        let source = place(self, "source", &version.source);
        let storage_location = place(self, "storage_location", &version.storage_location);
        self.lose_of_version(subject, version);
        self.outcome.count(kind);
        let number = self.version_number(subject, version.version);
        let key = [Cell::from(&workspace), Cell::from(&version.name)];
        let row = [
            key[0],
            key[1],
            number,
            version.creation_timestamp.into(),
            version.last_updated_timestamp.into(),
            version.description.as_deref().into(),
            version.user_id.as_deref().into(),
            version.current_stage.as_deref().into(),
            source.as_deref().into(),
            version.run_id.as_deref().into(),
            version.status.as_deref().into(),
            version.status_message.as_deref().into(),
            version.run_link.as_deref().into(),
            storage_location.as_deref().into(),
        ];
        self.rows.insert(Target::ModelVersions, &row)?;
        self.tags(subject, &version.tags, &mut |writer, name, value| {
            let row = [key[0], key[1], number, name.into(), value.into()];
            writer.rows.insert(Target::ModelVersionTags, &row)
        })?;
        for list in lists {
            self.artifacts(&own, list, version.source.as_deref())?;
        }
        Ok(())
    }

    fn lose_of_version(&mut self, subject: Subject<'_>, version: &ModelVersion) {
        // MLflow finds it by the source.
        if version.model_id.is_some() {
            self.lose(subject, "model_id", Reason::NotHeld);
        }
        if version.exim.is_some() {
            self.lose(subject, "exim", Reason::NotHeld);
        }
        self.lose_extra(subject, &version.extra, "");
    }

    /// What a version is said to come from in the target; `files` is the place of its own files, where it has any.
    fn version_uri(
        &mut self,
        version: &ModelVersion,
        field: &'static str,
        uri: &str,
        files: Option<&Place>,
        own: &Place,
    ) -> String {
        let is_none = (version.is_deleted() && uri == REDACTED)
            || (is_prompt(&version.tags) && NO_SOURCES.contains(&uri));
        if is_none || self.stays(uri) || (files.is_none() && uris::names_an_object(uri)) {
            return uri.to_owned();
        }
        let found = match files {
            Some(place) => Some(self.options.uris.uri(place)),
            None => self.sources.find(version, uri),
        };
        // Nothing of the archive lies there, and nobody else says where it is.
        let elsewhere = || uris::is_remote(uri).then(|| uri.to_owned());
        let found = found
            .or_else(elsewhere)
            .unwrap_or_else(|| self.options.uris.uri(own));
        if found != uri {
            self.note_place(Kind::ModelVersions, field, Some(uri));
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_lies_where_the_run_or_model_that_it_names_does() {
        let mut sources = Sources::default();
        let version = |uri: &str, run_id: Option<&str>| ModelVersion {
            source: Some(uri.to_owned()),
            run_id: run_id.map(str::to_owned),
            ..ModelVersion::default()
        };
        let of_run = version("file:///old/1/r1/artifacts/model", Some("r1"));
        let of_model = version("s3://b/1/models/m-2/artifacts", None);
        let elsewhere = version("file:///old/1/r1/artifacts/../../../etc", Some("r1"));
        [&of_run, &of_model, &elsewhere]
            .into_iter()
            .for_each(|version| sources.name(version));
        sources.learn(
            "r1",
            Some("file:///old/1/r1/artifacts"),
            "mlflow-artifacts:/1/r1/artifacts",
        );
        sources.learn(
            "m-2",
            Some("s3://b/1/models/m-2/artifacts"),
            "mlflow-artifacts:/1/models/m-2/artifacts",
        );
        let find = |version: &ModelVersion| sources.find(version, version.source.as_deref().unwrap());
        assert_eq!(
            find(&of_run).as_deref(),
            Some("mlflow-artifacts:/1/r1/artifacts/model")
        );
        assert_eq!(
            find(&of_model).as_deref(),
            Some("mlflow-artifacts:/1/models/m-2/artifacts")
        );
        assert_eq!(find(&elsewhere), None);
        let moved = version("/new/place/1/r1/artifacts/model", Some("r1"));
        assert_eq!(
            find(&moved).as_deref(),
            Some("mlflow-artifacts:/1/r1/artifacts/model")
        );
    }
}
