//! Which object of the archive is which object of the target, and how far it has come.

use super::identity::Identity;
use crate::flow::import::deviations::{self, NotedDeviations};
use crate::format::Kind;
use crate::lang::rest::api::TargetId;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

/// Names of parts of an object that a target refused.
pub(crate) type Parts = BTreeSet<String>;

/// Parts of one object that are known by name; where more are missing, all of it is sent again.
pub(super) const MISSING: usize = 1_000;
/// Bytes of the names of all missing parts that are held; objects beyond are sent again whole.
const MISSING_BYTES: usize = 8 << 20;

/// What is known of one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetObject {
    /// Id in the target.
    pub id: TargetId,
    /// How far it has come.
    pub state: ObjectState,
}

/// How far an object has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ObjectState {
    /// Digest of what of it has arrived; 0 where it may be incomplete.
    pub done: u64,
    /// Whether this process made it, so that nothing else can be in it.
    pub is_fresh: bool,
    /// Whether what has arrived was compared with what the target then said.
    pub is_checked: bool,
    /// What it was called in the archive, and when it was made.
    pub identity: Identity,
}

/// Ids of the archive → what is known in the target; 100 bytes an object where ids are 32 hex digits.
#[derive(Debug, Clone, Default)]
pub struct IdMap {
    kinds: BTreeMap<Kind, Ids>,
    /// What of objects did not arrive as it is when they last came.
    noted: HashMap<(Kind, String), NotedDeviations>,
    /// How many of those are named.
    named: usize,
    /// The parts that the target refused of objects whose rest has arrived.
    missing: HashMap<(Kind, String), Arc<Parts>>,
    /// Bytes of their names.
    missing_bytes: usize,
}

#[derive(Debug, Clone, Default)]
struct Ids {
    /// `m-`, `tr-` or nothing before 32 hex digits on both sides, the same prefix for the whole kind.
    hex: HashMap<u128, (u128, ObjectState)>,
    others: HashMap<String, TargetObject>,
    intents: HashSet<String>,
}

impl Ids {
    fn states(&mut self) -> impl Iterator<Item = &mut ObjectState> {
        let hex = self.hex.values_mut().map(|(_, state)| state);
        hex.chain(self.others.values_mut().map(|known| &mut known.state))
    }
}

impl IdMap {
    /// What is known of an object.
    pub fn get(&self, kind: Kind, id: &str) -> Option<TargetObject> {
        let ids = self.kinds.get(&kind)?;
        let Some((new, state)) = parse_hex(kind, id).and_then(|hex| ids.hex.get(&hex)) else {
            return ids.others.get(id).cloned();
        };
        Some(TargetObject {
            id: TargetId::new(format!("{}{new:032x}", prefix(kind))),
            state: *state,
        })
    }

    fn state_mut(&mut self, kind: Kind, id: &str) -> Option<&mut ObjectState> {
        let ids = self.kinds.get_mut(&kind)?;
        match parse_hex(kind, id).and_then(|hex| ids.hex.get_mut(&hex)) {
            Some((_, state)) => Some(state),
            None => ids.others.get_mut(id).map(|known| &mut known.state),
        }
    }

    /// The id in the target.
    pub fn id(&self, kind: Kind, id: &str) -> Option<TargetId> {
        self.get(kind, id).map(|known| known.id)
    }

    /// The name or number in the target of an object that is known by one.
    pub fn name(&self, kind: Kind, id: &str) -> Option<String> {
        self.id(kind, id).map(TargetId::into_string)
    }

    /// Remembers that an object is there; what had arrived of it stays known while the id is the same.
    pub fn insert(&mut self, kind: Kind, id: &str, new_id: &TargetId, is_fresh: bool) {
        let known = self.get(kind, id).filter(|known| known.id == *new_id);
        let state = ObjectState {
            is_fresh,
            ..known.map(|known| known.state).unwrap_or_default()
        };
        let ids = self.kinds.entry(kind).or_default();
        ids.intents.remove(id);
        if let (Some(hex), Some(new)) = (parse_hex(kind, id), parse_hex(kind, new_id.as_str())) {
            ids.hex.insert(hex, (new, state));
        } else {
            let id_there = new_id.clone();
            ids.others
                .insert(id.to_owned(), TargetObject { id: id_there, state });
        }
    }

    /// Remembers which object of the archive it was.
    pub fn identify(&mut self, kind: Kind, id: &str, identity: Identity) {
        if let Some(state) = self.state_mut(kind, id).filter(|_| !identity.is_unknown()) {
            state.identity = identity;
        }
    }

    /// Remembers what of an object has arrived.
    pub fn set_done(&mut self, kind: Kind, id: &str, done: u64) {
        if let Some(state) = self.state_mut(kind, id) {
            (state.done, state.is_checked) = (done, false);
        }
    }

    /// Remembers that what has arrived of a kind was compared with what the target then said.
    pub fn check(&mut self, kind: Kind) {
        let states = self.kinds.get_mut(&kind).into_iter().flat_map(Ids::states);
        states.for_each(|state| state.is_checked = state.done != 0);
    }

    /// Forgets how far objects have come, and what did not arrive of them: the target can hold other things than it could.
    pub fn reopen(&mut self) {
        let states = self.kinds.values_mut().flat_map(Ids::states);
        states.for_each(|state| (state.done, state.is_checked) = (0, false));
        self.noted.clear();
        self.named = 0;
        self.missing.clear();
        self.missing_bytes = 0;
    }

    /// Remembers which parts are all that is missing of an object.
    pub fn set_missing(&mut self, kind: Kind, id: &str, parts: Parts) {
        let bytes = |parts: &Parts| parts.iter().map(String::len).sum::<usize>();
        let key = (kind, id.to_owned());
        if let Some(old) = self.missing.remove(&key) {
            self.missing_bytes -= bytes(&old);
        }
        let added = bytes(&parts);
        if parts.is_empty() {
            return;
        }
        if self.missing_bytes + added > MISSING_BYTES {
            return self.set_done(kind, id, 0);
        }
        self.missing_bytes += added;
        self.missing.insert(key, Arc::new(parts));
    }

    /// The parts that are all that is missing of an object.
    pub fn missing(&self, kind: Kind, id: &str) -> Option<Arc<Parts>> {
        self.missing.get(&(kind, id.to_owned())).cloned()
    }

    /// Remembers what of an object did not arrive as it is, instead of what was known of that.
    pub fn note(&mut self, kind: Kind, id: &str, noted: NotedDeviations) {
        let key = (kind, id.to_owned());
        if let Some(old) = self.noted.remove(&key) {
            self.named -= old.named.len();
        }
        if noted.is_empty() {
            return;
        }
        let noted = if self.named + noted.named.len() <= deviations::NAMED {
            noted
        } else {
            noted.counted()
        };
        self.named += noted.named.len();
        self.noted.insert(key, noted);
    }

    /// What of an object did not arrive as it is when it last came.
    pub fn noted(&self, kind: Kind, id: &str) -> Option<&NotedDeviations> {
        self.noted.get(&(kind, id.to_owned()))
    }

    /// Whether an earlier import found that the target does not take an object.
    pub fn is_refused(&self, kind: Kind, id: &str) -> bool {
        let (owner_kind, owner) = deviations::owner(kind, id);
        let noted = self.noted(owner_kind, owner);
        let is_named = |noted: &NotedDeviations| {
            let mut named = noted.named.iter();
            named.any(|change| change.kind == kind && change.id == id)
        };
        self.get(kind, id).is_none() && noted.is_some_and(is_named)
    }

    /// Remembers that an object may have been made.
    pub fn intend(&mut self, kind: Kind, id: &str) {
        if self.get(kind, id).is_none() {
            let ids = self.kinds.entry(kind).or_default();
            ids.intents.insert(id.to_owned());
        }
    }

    /// Whether an object may have been made, under an id that nobody knows.
    pub fn is_intended(&self, kind: Kind, id: &str) -> bool {
        let ids = self.kinds.get(&kind);
        ids.is_some_and(|ids| ids.intents.contains(id))
    }

    /// Forgets that an object may have been made: it was not.
    pub fn drop_intent(&mut self, kind: Kind, id: &str) {
        if let Some(ids) = self.kinds.get_mut(&kind) {
            ids.intents.remove(id);
        }
    }

    /// Whether anything may have been made under an id that nobody knows.
    pub fn has_intents(&self) -> bool {
        self.kinds.values().any(|ids| !ids.intents.is_empty())
    }

    /// Objects that may have been made under ids that nobody knows.
    pub fn intents(&self) -> impl Iterator<Item = (Kind, &str)> {
        let kinds = self.kinds.iter();
        kinds.flat_map(|(kind, ids)| ids.intents.iter().map(|id| (*kind, id.as_str())))
    }

    /// All that is known, ordered by kind and id.
    pub fn entries(&self) -> Vec<(Kind, String, TargetObject)> {
        let mut entries = Vec::new();
        for (&kind, ids) in &self.kinds {
            let hex = ids.hex.keys().map(|hex| format!("{}{hex:032x}", prefix(kind)));
            let mut old: Vec<_> = hex.chain(ids.others.keys().cloned()).collect();
            old.sort_unstable();
            entries.extend(old.into_iter().filter_map(|id| {
                let known = self.get(kind, &id)?;
                Some((kind, id, known))
            }));
        }
        entries
    }
}

/// What stands before the 32 hex digits of most ids of a kind.
fn prefix(kind: Kind) -> &'static str {
    match kind {
        Kind::LoggedModels => "m-",
        Kind::Traces => "tr-",
        Kind::EvaluationDatasets => "d-",
        _ => "",
    }
}

/// The number of an id in its only spelling.
fn parse_hex(kind: Kind, id: &str) -> Option<u128> {
    let digits = id.strip_prefix(prefix(kind))?;
    let is_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    if digits.len() != 32 || !digits.bytes().all(is_hex) {
        return None;
    }
    u128::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_any_shape_come_back() {
        let hex = "00ff".repeat(8);
        let upper = "00FF".repeat(8);
        let mut mapping = IdMap::default();
        mapping.intend(Kind::Runs, &hex);
        assert!(mapping.is_intended(Kind::Runs, &hex));
        mapping.insert(Kind::Runs, &hex, &TargetId::new("1".repeat(32)), true);
        mapping.insert(Kind::Runs, &upper, &TargetId::new("other"), false);
        mapping.insert(
            Kind::LoggedModels,
            &format!("m-{hex}"),
            &TargetId::new(format!("m-{}", "2".repeat(32))),
            false,
        );
        mapping.set_done(Kind::Runs, &hex, 7);
        assert!(!mapping.is_intended(Kind::Runs, &hex));
        let known = mapping.get(Kind::Runs, &hex).unwrap();
        assert_eq!(
            (known.id.as_str(), known.state.done, known.state.is_fresh),
            (&*"1".repeat(32), 7, true)
        );
        assert_eq!(mapping.name(Kind::Runs, &upper).as_deref(), Some("other"));
        assert_eq!(
            mapping.id(Kind::LoggedModels, &format!("m-{hex}")),
            Some(TargetId::new(format!("m-{}", "2".repeat(32))))
        );
        assert_eq!(mapping.entries().len(), 3);
        assert_eq!(mapping.get(Kind::Runs, "x"), None);
    }

    #[test]
    fn another_id_has_nothing_done() {
        let mut mapping = IdMap::default();
        mapping.insert(Kind::Experiments, "1", &TargetId::new("7"), false);
        mapping.set_done(Kind::Experiments, "1", 5);
        mapping.insert(Kind::Experiments, "1", &TargetId::new("7"), false);
        assert_eq!(mapping.get(Kind::Experiments, "1").unwrap().state.done, 5);
        mapping.insert(Kind::Experiments, "1", &TargetId::new("8"), false);
        assert_eq!(mapping.get(Kind::Experiments, "1").unwrap().state.done, 0);
    }
}
