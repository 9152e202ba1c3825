//! What a trace is made with, whole or part by part: making a trace once more merges.

use super::Apply;
use super::refusal::Whole;
use super::traces::Job;
use crate::flow::import::part::PartKind;
use crate::flow::import::{ImportError, Result};
use crate::format::Kind;
use crate::lang::rest::api::TargetId;
use crate::lang::rest::mark;
use serde_json::{Value, json};
use std::cell::RefCell;

const KIND: Kind = Kind::Traces;

/// A part of a trace by its name, and as it is sent.
type Part = (String, Value);

impl Apply<'_> {
    /// Makes a trace; where it is refused as it is, with its mark and then what can be added. Of one that is taken up, what is missing
    /// is added. `info` is then what the target took of it.
    pub(super) fn made_trace(&self, job: &Job, info: &mut Value) -> Result<Value> {
        let whole = job.whole(KIND);
        let refusal = if job.only.is_some() {
            None
        } else {
            match self.answered(whole, self.api.create_trace(info)) {
                Err(error) if error.is_refusal() => Some(error),
                made => return Ok(made?),
            }
        };
        let (bare, parts) = in_parts(info);
        let answer = match refusal {
            None => self.there(whole)?,
            Some(refusal) => {
                let made = self.answered(whole, self.api.create_trace(&bare));
                // Where even that is refused, the first answer tells more.
                made.map_err(|_| refusal)?
            }
        };
        self.taken();
        let taken = RefCell::new(bare);
        let send = |parts: &[Part]| {
            let mut info = taken.borrow().clone();
            parts.iter().for_each(|(_, part)| merge(&mut info, part));
            self.api.create_trace(&info)?;
            taken.replace(info);
            Ok(())
        };
        self.in_parts(whole, &parts, &|(name, _)| name.clone(), &send)?;
        *info = taken.into_inner();
        Ok(answer)
    }

    /// A trace that an earlier import made.
    fn there(&self, whole: Whole<'_>) -> Result<Value> {
        self.api
            .trace(&TargetId::kept(whole.id))?
            .ok_or_else(|| ImportError::gone(KIND, whole.id, whole.id))
    }
}

/// A trace with nothing but its mark, and what can be added to it.
fn in_parts(info: &Value) -> (Value, Vec<Part>) {
    let mut bare = info.clone();
    let mut parts = Vec::new();
    for (field, kind) in [("trace_metadata", PartKind::Metadata), ("tags", PartKind::Tag)] {
        let texts = bare[field]
            .as_object_mut()
            .map(std::mem::take)
            .unwrap_or_default();
        for (key, value) in texts {
            if key == mark::KEY {
                bare[field][key] = value
            } else {
                parts.push((kind.of(&key), json!({field: {key: value}})))
            }
        }
    }
    for field in ["client_request_id", "request_preview", "response_preview"] {
        if let Some(value) = bare.as_object_mut().and_then(|bare| bare.remove(field)) {
            parts.push((field.to_owned(), json!({field: value})));
        }
    }
    (bare, parts)
}

/// Adds fields to an object, those of objects within one by one.
fn merge(into: &mut Value, part: &Value) {
    for (field, value) in part.as_object().into_iter().flatten() {
        if value.is_object() {
            merge(&mut into[field], value)
        } else {
            into[field] = value.clone()
        }
    }
}
