//! Objects on their way to the target: those that are to be made, and those that are to be filled with their lines.

use super::Apply;
use super::refusal::Whole;
use crate::archive::ArchiveError;
use crate::archive::walk::JoinedObjects;
use crate::flow::import::Result;
use crate::flow::import::id_map::{Parts, TargetObject};
use crate::flow::import::run_chunks::{hash_lines, short_digest};
use crate::format::{Kind, Object};
use serde::de::DeserializeOwned;
use sha2::Sha256;
use std::sync::Arc;

/// Objects whose making is written down at once.
const INTENTS: usize = 64;

/// An object with its lines.
pub(super) struct Job<T> {
    pub(super) object: T,
    id: String,
    pub(super) known: Option<TargetObject>,
    /// Lines of the one kind that belongs to it beside artifacts.
    pub(super) lines: Vec<Vec<u8>>,
    pub(super) artifacts: Vec<Vec<u8>>,
    pub(super) digest: u64,
    /// The parts that are to be sent, where not all are.
    pub(super) only: Option<Arc<Parts>>,
}

impl<T> Job<T> {
    /// The object as one of which parts are sent: itself, or what is kept apart of it.
    pub(super) fn whole(&self, kind: Kind) -> Whole<'_> {
        Whole::of(kind, &self.id, self.only.as_deref())
    }
}

impl Apply<'_> {
    /// Lines of a kind as what they say.
    pub(super) fn parsed<T: DeserializeOwned>(&self, kind: Kind, lines: &[Vec<u8>]) -> Result<Vec<T>> {
        let damaged = |error: serde_json::Error| {
            let place = format!("objects/{kind}");
            self.archive.damaged(&place, &error.to_string()).into()
        };
        let parsed = lines
            .iter()
            .map(|line| serde_json::from_slice(line).map_err(damaged));
        parsed.collect()
    }

    /// Hands on objects that are to be made; that they are is written down before.
    pub(super) fn send_intended<T: Object>(
        &self,
        mut objects: impl Iterator<Item = Result<T, ArchiveError>>,
        send: &mut dyn FnMut(T) -> bool,
    ) -> Result<()> {
        loop {
            let batch: Vec<T> = objects.by_ref().take(INTENTS).collect::<Result<_, _>>()?;
            let ids: Vec<_> = batch.iter().map(Object::id).collect();
            let ids: Vec<_> = ids.iter().map(String::as_str).collect();
            self.ledger.intend(T::KIND, &ids)?;
            if batch.is_empty() || !batch.into_iter().all(&mut *send) {
                return Ok(());
            }
        }
    }

    /// Hands on objects that are meant and not whole yet, with their lines of a kind and their artifacts. The digest of what arrives
    /// of one begins as `begin` says of it and its line.
    pub(super) fn send_joined<T: Object>(
        &self,
        kind: Kind,
        begin: impl Fn(&T, &[u8]) -> Sha256,
        is_meant: impl Fn(&T, Option<&TargetObject>) -> bool,
        send: &mut dyn FnMut(Job<T>) -> bool,
    ) -> Result<()> {
        let mut objects = JoinedObjects::<T>::new(self.archive, &[kind, Kind::Artifacts])?;
        while let Some(object) = objects.next()? {
            let mut hasher = begin(&object, objects.line());
            let (lines, artifacts) = (objects.lines(kind)?, objects.lines(Kind::Artifacts)?);
            hash_lines(&mut hasher, &lines);
            hash_lines(&mut hasher, &artifacts);
            let (id, digest) = (object.id(), short_digest(hasher));
            let known = self.ledger.get(T::KIND, &id);
            if !is_meant(&object, known.as_ref()) {
                continue;
            }
            let Some(only) = self.take_up(T::KIND, &id, digest) else {
                continue;
            };
            let job = Job {
                object,
                id,
                known,
                lines,
                artifacts,
                digest,
                only,
            };
            if !send(job) {
                break;
            }
        }
        Ok(())
    }
}
