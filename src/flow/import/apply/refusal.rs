//! What a target refuses is refused alone: it is a failure by its name, and the rest of the object goes on.
//!
//! An object of which something was refused is whole as far as it can be. The journal keeps what is missing by its names, and the next
//! import sends these parts and no others.

use super::{Apply, lock};
use crate::client::{ClientError, FailureKind};
use crate::flow::import::deviations::owner;
use crate::flow::import::id_map::Parts;
use crate::flow::import::journal::JournalError;
use crate::flow::import::part::PartKind;
use crate::flow::import::{ImportError, Result};
use crate::format::{Kind, Reason};
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

/// Refusals for want of permission, with nothing taken between them, after which nothing more is tried.
const DENIALS: u32 = 100;
/// Parts of one call that a failure names.
const NAMED: usize = 3;

/// The object whose parts are sent.
#[derive(Debug, Clone, Copy)]
pub(super) struct Whole<'a> {
    pub kind: Kind,
    pub id: &'a str,
    /// The parts that are still to be sent, where not all are.
    only: Option<&'a Parts>,
}

impl<'a> Whole<'a> {
    pub(super) fn new(kind: Kind, id: &'a str) -> Self {
        Whole::of(kind, id, None)
    }

    /// An object of which only some parts may be missing.
    pub(super) fn of(kind: Kind, id: &'a str, only: Option<&'a Parts>) -> Self {
        Whole { kind, id, only }
    }

    /// Whether a part is to be sent.
    pub(super) fn wants(self, part: &str) -> bool {
        self.only.is_none_or(|only| only.contains(part))
    }

    /// Whether a part is to be sent that is called by what it is and its name.
    pub(super) fn wants_named(self, kind: PartKind, name: &str) -> bool {
        self.only.is_none_or(|only| only.contains(&kind.of(name)))
    }

    /// Whether any part of this kind is to be sent.
    pub(super) fn wants_any(self, kind: PartKind) -> bool {
        let is_of_kind = |part: &String| PartKind::parse(part).is_some_and(|(found, _)| found == kind);
        self.only.is_none_or(|only| only.iter().any(is_of_kind))
    }
}

impl Apply<'_> {
    /// Sends a part, where it is still to be sent; where it is refused, it is a failure of the part alone.
    pub(super) fn alone<T>(
        &self,
        whole: Whole<'_>,
        part: &str,
        send: impl FnOnce() -> Result<T, ClientError>,
    ) -> Result<()> {
        if !whole.wants(part) {
            return Ok(());
        }
        self.settle(whole, &[part.to_owned()], send().map(drop))
    }

    /// Takes the answer to a call that sent parts: they were taken, or each of them is a failure.
    pub(super) fn settle(
        &self,
        whole: Whole<'_>,
        parts: &[String],
        answer: Result<(), ClientError>,
    ) -> Result<()> {
        match answer {
            Ok(()) => {
                self.taken();
                Ok(())
            }
            Err(error) if error.is_refusal() => self.refuse(whole, parts, &error),
            Err(error) => Err(error.into()),
        }
    }

    /// As [`Apply::alone`], of a file: what is too large for a proxy may also break the connection, while the server is well.
    pub(super) fn file_alone(
        &self,
        whole: Whole<'_>,
        path: &str,
        send: impl FnOnce() -> Result<(), ClientError>,
    ) -> Result<()> {
        let part = PartKind::Artifact.of(path);
        if !whole.wants(&part) {
            return Ok(());
        }
        let parts = [part];
        match send() {
            Err(error) if is_cut(&error) && self.api.version().is_ok() => self.refuse(whole, &parts, &error),
            answer => self.settle(whole, &parts, answer),
        }
    }

    /// Sends the parts that are still to be sent, in one call where they stand side by side; where that is refused in halves, down to
    /// those that are refused by themselves.
    pub(super) fn in_parts<T>(
        &self,
        whole: Whole<'_>,
        parts: &[T],
        name: &dyn Fn(&T) -> String,
        send: &dyn Fn(&[T]) -> Result<(), ClientError>,
    ) -> Result<()> {
        let wants = |part: &T| whole.only.is_none() || whole.wants(&name(part));
        let wanted = parts.chunk_by(|one, next| wants(one) == wants(next));
        let mut wanted = wanted.filter(|parts| wants(&parts[0]));
        wanted.try_for_each(|parts| self.in_halves(whole, parts, name, send))
    }

    fn in_halves<T>(
        &self,
        whole: Whole<'_>,
        parts: &[T],
        name: &dyn Fn(&T) -> String,
        send: &dyn Fn(&[T]) -> Result<(), ClientError>,
    ) -> Result<()> {
        match send(parts) {
            Err(error) if error.is_refusal() && parts.len() > 1 && !error.is_not_found() => {
                let (first, second) = parts.split_at(parts.len() / 2);
                self.in_halves(whole, first, name, send)?;
                self.in_halves(whole, second, name, send)
            }
            answer => {
                let names: Vec<_> = parts.iter().map(name).collect();
                self.settle(whole, &names, answer)
            }
        }
    }

    /// Whether the target lacks a text of an object; another one that it has stays, and is named.
    pub(super) fn lacks(
        &self,
        whole: Whole<'_>,
        part: PartKind,
        (key, value): &(String, String),
        there: &BTreeMap<String, String>,
    ) -> bool {
        let found = there.get(key);
        if found.is_some_and(|found| found != value) {
            self.kept(whole.kind, whole.id, part.of(key), Reason::DiffersInTarget);
        }
        found.is_none()
    }

    /// Counts parts that one call sent as a failure of their object.
    ///
    /// # Errors
    /// Nothing was allowed for long.
    fn refuse(&self, whole: Whole<'_>, names: &[String], error: &ClientError) -> Result<()> {
        if error.status() == Some(403) && self.is_denied() {
            return Err(ImportError::Denied);
        }
        let (kind, id) = owner(whole.kind, whole.id);
        let mut refused = lock(&self.seen.refused);
        let parts = refused.entry((kind, id.to_owned())).or_default();
        parts.extend(names.iter().cloned());
        drop(refused);
        let named = &names[..names.len().min(NAMED)];
        let detail = format!("{}: {error}{}", named.join(", "), remedy(error));
        lock(&self.report).failure(whole.kind, whole.id, detail);
        Ok(())
    }

    /// Names what only the call that makes an object can set, and the target refused: it cannot come later.
    pub(super) fn refused_for_good(&self, whole: Whole<'_>, field: &str) {
        self.left_out(whole.kind, whole.id, field, Reason::RefusedByTarget);
    }

    /// Whether a part of an object was refused.
    pub(super) fn is_refused(&self, kind: Kind, id: &str, part: &str) -> bool {
        let refused = lock(&self.seen.refused);
        let parts = refused.get(&(kind, id.to_owned()));
        parts.is_some_and(|parts| parts.contains(part))
    }

    /// The parts of an object that were refused.
    pub(super) fn refused_parts(&self, kind: Kind, id: &str) -> Parts {
        let refused = lock(&self.seen.refused);
        refused.get(&(kind, id.to_owned())).cloned().unwrap_or_default()
    }

    /// Remembers that the target took something.
    pub(super) fn taken(&self) {
        self.seen.denials.store(0, Ordering::Relaxed);
    }

    /// Counts one more refusal for want of permission; whether there were many, and nothing else.
    pub(super) fn is_denied(&self) -> bool {
        self.seen.denials.fetch_add(1, Ordering::Relaxed) + 1 >= DENIALS
    }

    /// An object as it was made or, where the target refused it as it is, made with `bare`: with little more than its mark.
    pub(super) fn or_bare<T>(
        &self,
        whole: Whole<'_>,
        made: Result<(T, bool)>,
        bare: impl FnOnce() -> Result<T, ClientError>,
    ) -> Result<(T, bool)> {
        let error = match made {
            Err(ImportError::Client(error)) if error.is_refusal() && !error.is_already_there() => error,
            made => return made,
        };
        // Where even that is refused, the first answer tells more.
        let Ok(made) = self.answered(whole, bare()) else {
            return Err(error.into());
        };
        self.made_bare(whole);
        Ok((made, true))
    }

    /// The answer to a call that makes an object; where it is none, whether the target said so is remembered.
    pub(super) fn answered<T>(
        &self,
        whole: Whole<'_>,
        answer: Result<T, ClientError>,
    ) -> Result<T, ClientError> {
        answer.inspect_err(|error| {
            let is_no = error.is_refusal() && !error.is_already_there();
            let mut unmade = lock(&self.seen.unmade);
            let is_sure = unmade.entry((whole.kind, whole.id.to_owned())).or_insert(true);
            *is_sure &= is_no;
        })
    }

    /// Writes down that an object was not made, where that is sure: the next import need not wait for it, and look for it.
    pub(super) fn note_unmade(&self, kind: Kind, id: &str) -> Result<(), JournalError> {
        match lock(&self.seen.unmade).remove(&(kind, id.to_owned())) {
            Some(true) => self.ledger.refused(kind, id),
            _ => Ok(()),
        }
    }

    /// Remembers an object that was made with little more than its mark.
    pub(super) fn made_bare(&self, whole: Whole<'_>) {
        self.taken();
        lock(&self.seen.bare).insert((whole.kind, whole.id.to_owned()));
    }

    /// Whether an object was made with little more than its mark, so that the rest is to follow.
    pub(super) fn is_bare(&self, kind: Kind, id: &str) -> bool {
        lock(&self.seen.bare).contains(&(kind, id.to_owned()))
    }
}

fn is_cut(error: &ClientError) -> bool {
    let kind = FailureKind::Broken;
    matches!(error, ClientError::Failed { kind: found, .. } if *found == kind)
}

/// What a person can do about a refusal, as the rest of its sentence.
pub(super) fn remedy(error: &ClientError) -> String {
    let remedy = match error.status() {
        Some(400 | 422) => Some("use `mlark transform` to change or drop what the server refuses"),
        _ if is_cut(error) => {
            Some("a proxy may refuse requests of this size: raise its limit, then import again")
        }
        _ => error.hint(),
    };
    remedy.map_or(String::new(), |remedy| format!("; {remedy}"))
}
