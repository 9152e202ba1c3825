//! Tags and params that are dropped or masked: what they were may not survive anywhere.

use super::exim::drop_exim_of;
use super::set::Texts;
use super::{EraseTexts, Erasure, MASK, TagKind};
use crate::flow::transform::error::Result;
use crate::flow::transform::sought::{self, Sought};
use crate::flow::transform::step::{EditedLine, Fate, Step};
use crate::format::Kind;
use crate::select::Patterns;
use serde_json::{Map, Value};

/// What source tags put before the keys of MLflow's own tags, in place of `mlflow.`.
const COPIED: &str = "mlflow_exim.mlflow_tag.";

struct Erase {
    kinds: Vec<Kind>,
    texts: Texts,
    sought: Sought,
    globs: Patterns,
    erasure: Erasure,
}

/// Tags or params that no longer have their value.
pub(in super::super) fn erase(
    edit: &'static str,
    erase: &EraseTexts,
    erasure: Erasure,
    texts: Texts,
) -> Result<Box<dyn Step>> {
    Ok(Box::new(Erase {
        kinds: texts.kinds(erase.kind),
        texts,
        sought: Sought::new(edit, &erase.glob),
        globs: sought::names(edit, std::slice::from_ref(&erase.glob))?,
        erasure,
    }))
}

impl Erase {
    /// Whether a key is meant; a copy that source tags made of a tag of MLflow goes with it.
    fn is_meant(&self, key: &str) -> bool {
        let is_copy = || {
            let copied = key.strip_prefix(COPIED).filter(|_| self.texts == Texts::Tags);
            copied.is_some_and(|key| self.globs.matches(&format!("mlflow.{key}")))
        };
        self.globs.matches(key) || is_copy()
    }

    fn keys(&self, texts: &Map<String, Value>) -> Vec<String> {
        let mut meant: Vec<_> = texts.iter().filter(|(key, _)| self.is_meant(key)).collect();
        self.sought.see(!meant.is_empty());
        meant.retain(|(_, value)| self.erasure == Erasure::Drop || *value != MASK);
        meant.into_iter().map(|(key, _)| key.clone()).collect()
    }

    fn erase(&self, texts: &mut Map<String, Value>) -> bool {
        let keys = self.keys(texts);
        for key in &keys {
            match self.erasure {
                Erasure::Drop => texts.remove(key),
                Erasure::Mask => texts.insert(key.clone(), MASK.into()),
            };
        }
        !keys.is_empty()
    }
}

impl Step for Erase {
    fn looks_at(&self, kind: Kind) -> bool {
        self.kinds.contains(&kind)
    }

    fn redacts(&self) -> bool {
        true
    }

    fn apply(&self, line: &mut EditedLine) -> Result<Fate> {
        let keys = self
            .texts
            .of(line)
            .map_or_else(Vec::new, |texts| self.keys(texts));
        for key in &keys {
            match self.erasure {
                Erasure::Drop => drop(self.texts.remove(line, key)),
                Erasure::Mask => self.texts.set(line, key, MASK.into()),
            }
        }
        let mut is_changed = !keys.is_empty();
        if self.texts == Texts::Tags && line.kind() == TagKind::Run.kind() {
            is_changed |= line.rewrite(|line| {
                let inputs = line
                    .get_mut("inputs")
                    .and_then(|inputs| inputs.get_mut("dataset_inputs"));
                let inputs = inputs.and_then(Value::as_array_mut).into_iter().flatten();
                let tags = inputs.filter_map(|input| input.get_mut("tags")?.as_object_mut());
                tags.fold(false, |is_changed, tags| self.erase(tags) | is_changed)
            });
        }
        drop_exim_of(line, is_changed, |key| self.is_meant(key));
        Ok(Fate::Kept)
    }

    fn finish(&self) -> Result<Vec<String>> {
        Ok(self.sought.silent())
    }
}
