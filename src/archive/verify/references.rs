//! References between objects, joined in bounded memory: definitions and references are sorted by id, with
//! temporary files where there are many.

use super::place::Place;
use super::report::Findings;
use crate::archive::error::{ArchiveError, Result};
use crate::archive::spill::SpillSorter;
use crate::format::{FindingCode as Code, Kind, Manifest, SortKey};
use std::collections::{BTreeMap, BTreeSet};
use std::io;

/// Whether MLflow lets the referred object be missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Need {
    Required,
    Tolerated,
}

/// One end of a reference.
pub(super) struct Id<'i> {
    /// Kind of the object.
    pub kind: Kind,
    /// Distinguishes it among its kind.
    pub key: SortKey,
    /// For a person.
    pub text: &'i str,
}

impl<'i> Id<'i> {
    /// An id that is one text.
    pub(super) fn new(kind: Kind, text: &'i str) -> Self {
        let key = SortKey::new().text(text);
        Id { kind, key, text }
    }
}

/// A reference as it is sorted: by kind and id, definitions first.
struct Record {
    place: Place,
    /// Number among definitions of its kind, or among groups of followers.
    ordinal: u64,
    need: Need,
    /// Kind of lines that must come in the order of what they refer to.
    follower: Option<u8>,
    text: String,
}

const NO_FOLLOWER: u8 = u8::MAX;
const DEFINITION: u8 = 0;
const REFERENCE: u8 = 1;

impl Record {
    fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(24 + self.text.len());
        self.place.encode(&mut bytes);
        bytes.extend(self.ordinal.to_be_bytes());
        bytes.push(self.need as u8);
        bytes.push(self.follower.unwrap_or(NO_FOLLOWER));
        bytes.extend(self.text.as_bytes());
        bytes
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (place, rest) = Place::decode(bytes)?;
        let (ordinal, rest) = rest.split_first_chunk()?;
        let ([need, follower], text) = rest.split_first_chunk()?;
        Some(Record {
            place,
            ordinal: u64::from_be_bytes(*ordinal),
            need: if *need == Need::Required as u8 {
                Need::Required
            } else {
                Need::Tolerated
            },
            follower: (*follower != NO_FOLLOWER).then_some(*follower),
            text: String::from_utf8_lossy(text).into_owned(),
        })
    }
}

/// Collects definitions and references.
pub(super) struct References {
    by_id: SpillSorter,
    defined: BTreeMap<Kind, u64>,
    followers: u64,
    error: Option<io::Error>,
}

impl References {
    pub(super) fn new() -> Self {
        References {
            by_id: SpillSorter::new(&std::env::temp_dir()),
            defined: BTreeMap::new(),
            followers: 0,
            error: None,
        }
    }

    /// An object that can be referred to, in the order of its kind.
    pub(super) fn define(&mut self, id: Id<'_>, place: Place) {
        let ordinal = self.defined.entry(id.kind).or_insert(0);
        *ordinal += 1;
        let ordinal = *ordinal;
        self.push(&id, DEFINITION, ordinal, place, Need::Required, None);
    }

    /// A reference.
    pub(super) fn refer(&mut self, id: Id<'_>, need: Need, place: Place) {
        self.push(&id, REFERENCE, 0, place, need, None);
    }

    /// A reference to the owner of a group of lines; groups must come in the order of their owners.
    pub(super) fn follow(&mut self, id: Id<'_>, lines: Kind, place: Place) {
        self.followers += 1;
        let ordinal = self.followers;
        self.push(&id, REFERENCE, ordinal, place, Need::Required, Some(lines as u8));
    }

    fn push(&mut self, id: &Id<'_>, role: u8, ordinal: u64, place: Place, need: Need, follower: Option<u8>) {
        let mut key = vec![id.kind as u8];
        key.extend(id.key.as_bytes());
        key.push(role);
        let record = Record {
            place,
            ordinal,
            need,
            follower,
            text: id.text.to_owned(),
        };
        if let Err(error) = self.by_id.push(key, record.encode()) {
            self.error.get_or_insert(error);
        }
    }

    /// Joins everything. Nothing is said of references to a kind of which lines could not be read.
    pub(super) fn finish(
        self,
        manifest: Option<&Manifest>,
        unreadable: &BTreeSet<Kind>,
        findings: &mut Findings,
    ) -> Result<()> {
        let temporary = std::env::temp_dir();
        let io_error = |error| ArchiveError::io("use a temporary file in", &temporary)(error);
        if let Some(error) = self.error {
            return Err(io_error(error));
        }
        let mut join = Join {
            order: SpillSorter::new(&temporary),
            group: Vec::new(),
            definition: None,
            missing: BTreeMap::new(),
            findings,
        };
        for record in self.by_id.finish().map_err(io_error)? {
            let (key, value) = record.map_err(io_error)?;
            join.take(&key, &value).map_err(io_error)?;
        }
        join.report_missing(manifest, unreadable);
        join.check_order().map_err(io_error)
    }
}

/// The sorted records being read.
struct Join<'f> {
    /// Groups of lines by their own order, with the places of their owners.
    order: SpillSorter,
    /// Key of the object whose records come now.
    group: Vec<u8>,
    definition: Option<Record>,
    missing: BTreeMap<Kind, Missing>,
    findings: &'f mut Findings,
}

/// References to objects of one kind that are not there.
#[derive(Default)]
struct Missing {
    objects: u64,
    last: Vec<u8>,
    references: Vec<Record>,
}

/// References kept per kind before the rest is dropped.
const KEPT: usize = 10_000;

impl Join<'_> {
    fn take(&mut self, key: &[u8], value: &[u8]) -> io::Result<()> {
        let invalid = || io::Error::from(io::ErrorKind::InvalidData);
        let (role, group) = key.split_last().ok_or_else(invalid)?;
        let kind = group.first().and_then(|tag| Kind::ALL.get(usize::from(*tag)));
        let (kind, record) = kind.copied().zip(Record::decode(value)).ok_or_else(invalid)?;
        if self.group != group {
            self.group = group.to_vec();
            self.definition = None;
        }
        match (&self.definition, *role) {
            (None, DEFINITION) => self.definition = Some(record),
            // A model version's id is unique within a workspace only.
            (Some(_), DEFINITION) if kind == Kind::ModelVersions => {}
            (Some(first), DEFINITION) => {
                let message = format!(
                    "{} `{}` appears twice, first at {}",
                    kind.singular(),
                    record.text,
                    first.place
                );
                self.findings.error(Code::Duplicate, record.place, message);
            }
            (Some(owner), _) => {
                if let Some(follower) = record.follower {
                    let mut key = vec![follower, kind as u8];
                    key.extend(record.ordinal.to_be_bytes());
                    let owner = Record {
                        ordinal: owner.ordinal,
                        ..record
                    };
                    self.order.push(key, owner.encode())?;
                }
            }
            (None, _) => self.miss(kind, record),
        }
        Ok(())
    }

    fn miss(&mut self, kind: Kind, record: Record) {
        let missing = self.missing.entry(kind).or_default();
        if record.need == Need::Required && missing.last != self.group {
            missing.last.clone_from(&self.group);
            missing.objects += 1;
        }
        if missing.references.len() < KEPT {
            missing.references.push(record);
        }
    }

    fn report_missing(&mut self, manifest: Option<&Manifest>, unreadable: &BTreeSet<Kind>) {
        for (kind, missing) in std::mem::take(&mut self.missing) {
            if unreadable.contains(&kind) {
                continue;
            }
            // What the manifest says was lost or left out may be missed.
            let is_known = manifest.is_some_and(|manifest| missing.objects <= manifest.lost(kind));
            for record in missing.references {
                let message = format!("{} `{}` is not in the archive", kind.singular(), record.text);
                if record.need == Need::Required && !is_known {
                    self.findings.error(Code::Reference, record.place, message);
                } else {
                    self.findings.warning(Code::Reference, record.place, message);
                }
            }
        }
    }

    /// Lines that belong to objects must come in the order of these.
    fn check_order(self) -> io::Result<()> {
        let mut last: Option<([u8; 2], u64)> = None;
        for record in self.order.finish()? {
            let (key, value) = record?;
            let (Some(group), Some(record)) = (key.first_chunk().copied(), Record::decode(&value)) else {
                continue;
            };
            if last.is_some_and(|last| last.0 == group && last.1 >= record.ordinal) {
                let message = format!(
                    "it does not follow the order of what it belongs to, `{}`",
                    record.text
                );
                self.findings.error(Code::Order, record.place, message);
            }
            last = Some((group, record.ordinal));
        }
        Ok(())
    }
}
