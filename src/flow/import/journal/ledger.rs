//! What several threads share of an import: the journal and the mapping.

use super::{Journal, JournalError, Journals, can_resume};
use crate::flow::import::deviations::NotedDeviations;
use crate::flow::import::id_map::{IdMap, MISSING, Parts, TargetObject};
use crate::flow::import::identity::Identity;
use crate::format::Kind;
use crate::lang::rest::api::TargetId;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

/// What several threads share: the journal and the mapping, always of one mind.
pub(crate) struct Ledger {
    inner: std::sync::Mutex<(Journals, IdMap)>,
}

impl Ledger {
    /// Joins journals with what they said.
    pub(crate) fn new(journals: impl Into<Journals>, mapping: IdMap) -> Self {
        Ledger {
            inner: std::sync::Mutex::new((journals.into(), mapping)),
        }
    }

    /// What is known of an object.
    pub(crate) fn get(&self, kind: Kind, id: &str) -> Option<TargetObject> {
        self.lock().1.get(kind, id)
    }

    /// The id in the target.
    pub(crate) fn id(&self, kind: Kind, id: &str) -> Option<TargetId> {
        self.lock().1.id(kind, id)
    }

    /// The name or number in the target of an object that is known by one.
    pub(crate) fn name(&self, kind: Kind, id: &str) -> Option<String> {
        self.lock().1.name(kind, id)
    }

    /// What of an object did not arrive as it is, when an earlier session brought it.
    pub(crate) fn noted(&self, kind: Kind, id: &str) -> Option<NotedDeviations> {
        self.lock().1.noted(kind, id).cloned()
    }

    /// The parts that are all that is missing of an object, when an earlier session brought the rest.
    pub(crate) fn missing(&self, kind: Kind, id: &str) -> Option<Arc<Parts>> {
        self.lock().1.missing(kind, id)
    }

    /// Whether an earlier session may have made an object under an id that nobody knows.
    pub(crate) fn is_intended(&self, kind: Kind, id: &str) -> bool {
        self.lock().1.is_intended(kind, id)
    }

    /// Writes down objects that are about to be made; they are on disk when this returns.
    ///
    /// # Errors
    /// The journal cannot be written.
    pub(crate) fn intend(&self, kind: Kind, ids: &[&str]) -> Result<(), JournalError> {
        let Journals { origins, journals } = &mut self.lock().0;
        let mut by_origin: BTreeMap<usize, Vec<&str>> = BTreeMap::new();
        for id in ids {
            let (number, id) = origins.owner(kind, id);
            by_origin.entry(number).or_default().push(id);
        }
        for (number, ids) in by_origin {
            journals[number].append(&json!({"ids": ids, "intent": kind}))?;
            journals[number].sync()?;
        }
        Ok(())
    }

    /// Writes down an object that is there; `is_fresh` where this process made it.
    ///
    /// # Errors
    /// The journal cannot be written.
    pub(crate) fn made(
        &self,
        kind: Kind,
        id: &str,
        new_id: &TargetId,
        is_fresh: bool,
    ) -> Result<(), JournalError> {
        self.made_as(kind, id, new_id, is_fresh, Identity::default())
    }

    /// The same, with what tells it from others of its id.
    ///
    /// # Errors
    /// The journal cannot be written.
    pub(crate) fn made_as(
        &self,
        kind: Kind,
        id: &str,
        new_id: &TargetId,
        is_fresh: bool,
        identity: Identity,
    ) -> Result<(), JournalError> {
        let (journals, mapping) = &mut *self.lock();
        let (journal, own_id) = journals.of(kind, id);
        journal.made_as(kind, own_id, new_id, identity)?;
        mapping.insert(kind, id, new_id, is_fresh);
        mapping.identify(kind, id, identity);
        Ok(())
    }

    /// Writes down that an object that was meant to be made was not: the target said so.
    ///
    /// # Errors
    /// The journal cannot be written.
    pub(crate) fn refused(&self, kind: Kind, id: &str) -> Result<(), JournalError> {
        let (journals, mapping) = &mut *self.lock();
        let (journal, own_id) = journals.of(kind, id);
        journal.append(&json!({"id": own_id, "refused": kind}))?;
        mapping.drop_intent(kind, id);
        Ok(())
    }

    /// Writes down that all of an object has arrived, but for what is noted and what is missing; with a digest of 0 that it has not.
    ///
    /// # Errors
    /// The journal cannot be written.
    pub(crate) fn done(
        &self,
        kind: Kind,
        id: &str,
        digest: u64,
        noted: &NotedDeviations,
        missing: &Parts,
    ) -> Result<(), JournalError> {
        let (journals, mapping) = &mut *self.lock();
        let (journal, own_id) = journals.of(kind, id);
        let is_named = can_resume(kind) && missing.len() <= MISSING;
        let told = if is_named || missing.is_empty() { digest } else { 0 };
        let mut line = json!({"digest": format!("{told:016x}"), "done": kind, "id": own_id});
        if is_named && !missing.is_empty() {
            line["missing"] = json!(missing);
        }
        if !noted.is_empty() {
            line["limits"] = json!(noted);
        }
        journal.append(&line)?;
        mapping.set_done(kind, id, digest);
        Ok(())
    }

    /// Writes down that all that is done of a kind was compared with what the target says.
    ///
    /// # Errors
    /// The journal cannot be written.
    pub(crate) fn checked(&self, kind: Kind) -> Result<(), JournalError> {
        let journals = &mut self.lock().0.journals;
        let mut all = journals.iter_mut();
        all.try_for_each(|journal| journal.append(&json!({"checked": kind})))
    }

    /// Writes down that all of an archive has arrived.
    ///
    /// # Errors
    /// The journal cannot be written.
    pub(crate) fn complete(&self, content_id: &str) -> Result<(), JournalError> {
        let journals = &mut self.lock().0.journals;
        journals.iter_mut().skip(1).try_for_each(Journal::sync)?;
        journals[0].append(&json!({"complete": content_id, "time": crate::archive::now_text()}))?;
        journals[0].sync()
    }

    /// Where the journal is.
    pub(crate) fn path(&self) -> PathBuf {
        self.lock().0.path().to_owned()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, (Journals, IdMap)> {
        self.inner.lock().unwrap_or_else(|poison| poison.into_inner())
    }
}
