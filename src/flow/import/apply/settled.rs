//! What of an object is still to be sent, and what is written down once it has arrived.

use super::{Apply, lock};
use crate::flow::import::Result;
use crate::flow::import::deviations::{Deviation, owner};
use crate::flow::import::id_map::Parts;
use crate::flow::import::report::Done;
use crate::format::Kind;
use std::sync::Arc;

impl Apply<'_> {
    /// Whether all of an object came with an earlier import, and nothing that it waits for can have come since.
    pub(super) fn is_done(&self, kind: Kind, id: &str, digest: u64) -> bool {
        let is_same = self
            .ledger
            .get(kind, id)
            .is_some_and(|known| known.state.done == digest);
        is_same && self.ledger.noted(kind, id).is_none_or(|noted| !noted.waits())
    }

    /// Takes an object up, where anything is to be sent of it: which parts, where not all are. Of one that comes in parts, what else
    /// did not arrive is said again.
    pub(super) fn take_up(&self, kind: Kind, id: &str, digest: u64) -> Option<Option<Arc<Parts>>> {
        if !self.is_done(kind, id, digest) {
            return Some(None);
        }
        let Some(parts) = self.ledger.missing(kind, id) else {
            self.reused(kind, id);
            return None;
        };
        let key = (kind, id.to_owned());
        if let Some(noted) = self.ledger.noted(kind, id) {
            lock(&self.report).changes.note(&noted);
            lock(&self.seen.found).insert(key.clone(), noted);
        }
        lock(&self.seen.resumed).insert(key);
        Some(Some(parts))
    }

    /// Counts an object that an earlier import brought, and says again what did not arrive of it.
    pub(super) fn reused(&self, kind: Kind, id: &str) {
        self.count(Done::Reused, kind);
        if let Some(noted) = self.ledger.noted(kind, id) {
            lock(&self.report).changes.note(&noted);
        }
    }

    /// Writes down that all of an object has arrived, but for what was found and for what the next import is to send.
    pub(super) fn done(&self, kind: Kind, id: &str, digest: u64) -> Result<()> {
        let noted = lock(&self.seen.found).remove(&(kind, id.to_owned()));
        let missing = self.refused_parts(kind, id);
        Ok(self
            .ledger
            .done(kind, id, digest, &noted.unwrap_or_default(), &missing)?)
    }

    /// Reports something that does not arrive as it is, and remembers it for the journal.
    pub(super) fn limit(&self, change: Deviation) {
        let (kind, id) = owner(change.kind, &change.id);
        let key = (kind, id.to_owned());
        let is_resumed = lock(&self.seen.resumed).contains(&key);
        let mut found = lock(&self.seen.found);
        let noted = found.entry(key).or_default();
        if is_resumed && noted.holds(&change) {
            return;
        }
        noted.add(change.clone());
        drop(found);
        lock(&self.report).change(change);
    }
}
