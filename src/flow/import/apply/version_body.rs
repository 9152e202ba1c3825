//! The body of the call that makes a model version.

use super::versions::{VERSION, is_bare_tag};
use super::{Apply, pairs};
use crate::flow::import::Result;
use crate::flow::import::part::PartKind;
use crate::flow::import::plan::PlannedModel;
use crate::flow::import::version_source::{self, Given, KnownPlaces, PROMPT_SOURCE, Source};
use crate::format::{Object, Reason};
use crate::lang::exim::tags::VersionContexts;
use crate::model::ModelVersion;
use serde_json::{Value, json};

/// What makes a version.
pub(super) struct Body {
    pub(super) json: Value,
    /// Whether it is a copy of a version that has another run than it names, which newer servers refuse.
    pub(super) is_other_run: bool,
}

impl Body {
    pub(super) fn of(json: Value) -> Self {
        Body {
            json,
            is_other_run: false,
        }
    }

    /// The same without what can be added later, and with the link to the run or without.
    pub(super) fn bare(&self, with_link: bool) -> Value {
        let mut bare = self.json.clone();
        if let Some(fields) = bare.as_object_mut() {
            fields.remove("description");
            if !with_link {
                fields.remove("run_link");
            }
        }
        if let Some(tags) = bare["tags"].as_array_mut() {
            tags.retain(|tag| tag["key"].as_str().is_some_and(is_bare_tag));
        }
        bare
    }
}

impl Apply<'_> {
    pub(super) fn version_body(
        &self,
        version: &ModelVersion,
        planned: &PlannedModel,
        contexts: &VersionContexts,
    ) -> Result<Option<Body>> {
        let id = Object::id(version);
        let context = contexts.of(version);
        let (tags, description) = self.version_texts(version, contexts)?;
        let mut body = json!({"name": planned.target_name, "tags": pairs(&tags)});
        if let Some(description) = description {
            body["description"] = description.into();
        }
        if planned.is_prompt {
            let source = version.source.as_deref().unwrap_or_default();
            let is_known = matches!(source, "dummy-source" | PROMPT_SOURCE);
            body["source"] = if is_known { source } else { PROMPT_SOURCE }.into();
            return Ok(Some(Body::of(body)));
        }
        let given = Given::of(version, &context);
        let known = |kind, id: &str| self.ledger.id(kind, id);
        let (plan, api) = (self.plan, self.api);
        let places = KnownPlaces {
            id: &known,
            plan,
            api,
        };
        let mut source: Source = version_source::rewrite(given, &places);
        if let Some(fault) = source.fault {
            self.left_out(VERSION, &id, PartKind::Source.of(given.uri), fault);
            return Ok(None);
        }
        if given.run_id.is_some() && source.run_id.as_deref() == given.run_id {
            self.kept(VERSION, &id, "run_id", Reason::RunNotInTarget);
        }
        if source.is_version {
            self.as_its_source(&mut source)?;
        }
        body["source"] = source.uri.into();
        let optional = [
            ("run_id", source.run_id),
            ("model_id", source.model_id),
            ("run_link", version.run_link.clone()),
        ];
        for (field, value) in optional {
            if let Some(value) = value.filter(|value| !value.is_empty()) {
                body[field] = value.into();
            }
        }
        Ok(Some(Body {
            json: body,
            is_other_run: source.is_other_run,
        }))
    }

    /// Leaves out of a copy what a server refuses: the model's id, unless the server tells it of the version that it was made from.
    fn as_its_source(&self, source: &mut Source) -> Result<()> {
        let named = version_source::source_version(&source.uri, |_, _| None);
        let named = named.and_then(|(name, number)| Some((name, number.parse().ok()?)));
        let Some((name, number)) = named else {
            return Ok(());
        };
        let found = self.api.version_of(name, number)?;
        let found = found.unwrap_or_default();
        // A database tells none of any version: the copy is no worse off than what it was made from.
        source.model_id = source.model_id.take().filter(|model| *model == found.model_id);
        let run = source.run_id.as_ref();
        source.is_other_run = run.is_some_and(|run| *run != found.run_id);
        Ok(())
    }
}
