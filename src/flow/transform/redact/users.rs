//! Users under other names: hashed with a key, or as a list of pairs says. Who they were is not told any more.

use super::hmac::hmac;
use crate::flow::transform::error::{Result, TransformError};
use crate::flow::transform::rename::{Rename, UserNames};
use crate::flow::transform::step::{EditedLine, Fate, Step};
use crate::flow::transform::tags::drop_exim_of;
use crate::format::Kind;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::path::PathBuf;
use std::sync::Mutex;

/// The key of a hash of users.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HashUsers {
    /// A file whose bytes are the key; it is read when the recipe is carried out, and never kept.
    pub key_file: PathBuf,
}

/// Fields that name a user, of whatever kind.
const FIELDS: [&str; 3] = ["user_id", "created_by", "last_updated_by"];

/// Tags, metadata and attributes whose value is a user's name; source tags have copies of them.
const KEYS: [&str; 13] = [
    "mlflow.user",
    "mlflow.trace.user",
    "mlflow.ownerId",
    "mlflow.ownerEmail",
    "mlflow.experiment.ownerEmail",
    "user.id",
    "mlflow_exim.mlflow_tag.user",
    "mlflow_exim.mlflow_tag.trace.user",
    "mlflow_exim.mlflow_tag.ownerId",
    "mlflow_exim.mlflow_tag.ownerEmail",
    "mlflow_exim.mlflow_tag.experiment.ownerEmail",
    "mlflow_exim.run_info.user_id",
    "mlflow_exim.field.user_id",
];

/// Shortest key that is taken.
const KEY_BYTES: usize = 16;
/// Largest file of a key.
const KEY_FILE_BYTES: u64 = 1 << 20;

enum Naming {
    Hashed(Vec<u8>),
    Renamed(Mutex<UserNames>),
}

struct Users(Naming);

/// Puts a keyed hash in the place of each user's name.
pub(in super::super) fn hash_users(edit: &'static str, hash: &HashUsers) -> Result<Box<dyn Step>> {
    let refused = |reason: String| TransformError::because(edit, reason);
    let path = hash.key_file.display();
    let failed = |error: std::io::Error| refused(format!("cannot read `{path}`: {error}"));
    let size_bytes = std::fs::metadata(&hash.key_file).map_err(failed)?.len();
    if size_bytes < KEY_BYTES as u64 || size_bytes > KEY_FILE_BYTES {
        return Err(refused(format!(
            "`{path}` has {size_bytes} bytes; a key has {KEY_BYTES} to {KEY_FILE_BYTES}"
        )));
    }
    let key = std::fs::read(&hash.key_file).map_err(failed)?;
    Ok(Box::new(Users(Naming::Hashed(key))))
}

/// Gives users other names; two may become one.
pub(in super::super) fn rename_users(edit: &'static str, rename: &Rename) -> Result<Box<dyn Step>> {
    let names = UserNames::new(rename, edit)?;
    Ok(Box::new(Users(Naming::Renamed(Mutex::new(names)))))
}

impl Users {
    fn new_name(&self, user: &str) -> Option<String> {
        match &self.0 {
            _ if user.is_empty() => None,
            Naming::Hashed(key) => Some(format!("user-{}", &hmac(key, user.as_bytes()).to_string()[..32])),
            Naming::Renamed(names) => {
                let mut names = names.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                names.see(user)
            }
        }
    }

    fn rename(&self, value: Option<&mut Value>) -> bool {
        let Some(value) = value else { return false };
        let new = match value.as_str() {
            Some(user) => self.new_name(user),
            // A name that is no text, or too long for one, is none that a list has.
            None => matches!(self.0, Naming::Hashed(_)).then(|| super::super::tags::MASK.to_owned()),
        };
        let is_changed = new.as_deref().is_some_and(|new| value.as_str() != Some(new));
        if let Some(new) = new.filter(|_| is_changed) {
            *value = new.into();
        }
        is_changed
    }

    fn rename_keys(&self, map: Option<&mut Value>) -> bool {
        let Some(map) = map.and_then(Value::as_object_mut) else {
            return false;
        };
        KEYS.iter().fold(false, |is_changed, key| {
            self.rename(map.get_mut(*key)) | is_changed
        })
    }

    fn rename_fields(&self, object: &mut Map<String, Value>) -> bool {
        FIELDS.iter().fold(false, |is_changed, field| {
            self.rename(object.get_mut(*field)) | is_changed
        })
    }

    fn line(&self, line: &mut Map<String, Value>) -> bool {
        let mut is_changed = self.rename_fields(line);
        for field in ["tags", "trace_metadata", "attributes"] {
            is_changed |= self.rename_keys(line.get_mut(field));
        }
        if let Some(info) = line.get_mut("info").and_then(Value::as_object_mut) {
            is_changed |= self.rename_fields(info);
        }
        let assessments = line.get_mut("assessments").and_then(Value::as_array_mut);
        for assessment in assessments.into_iter().flatten() {
            is_changed |= self.rename_keys(assessment.get_mut("metadata"));
            let source = assessment.get_mut("source").and_then(Value::as_object_mut);
            let is_person = |source: &Map<String, Value>| {
                source
                    .get("source_type")
                    .and_then(Value::as_str)
                    .is_none_or(|kind| kind == "HUMAN")
            };
            if let Some(source) = source.filter(|source| is_person(source)) {
                is_changed |= self.rename(source.get_mut("source_id"));
            }
        }
        is_changed
    }
}

impl Step for Users {
    fn looks_at(&self, kind: Kind) -> bool {
        kind.has_tags() || kind == Kind::Spans || FIELDS.iter().any(|field| kind.has_field(field))
    }

    fn redacts(&self) -> bool {
        true
    }

    fn apply(&self, line: &mut EditedLine) -> Result<Fate> {
        let is_changed = line.rewrite(|line| line.as_object_mut().is_some_and(|line| self.line(line)));
        match &self.0 {
            Naming::Hashed(_) => drop_exim_of(line, is_changed, |key| {
                FIELDS.contains(&key) || KEYS.contains(&key)
            }),
            Naming::Renamed(_) if is_changed => drop_exim_of(line, true, |_| true),
            Naming::Renamed(_) => {}
        }
        Ok(Fate::Kept)
    }

    fn finish(&self) -> Result<Vec<String>> {
        match &self.0 {
            Naming::Hashed(_) => Ok(Vec::new()),
            Naming::Renamed(names) => {
                let names = names.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                names.finish()
            }
        }
    }
}
