//! The places of lines that follow the order of what they belong to.

use super::super::error::Result;
use super::places::{Place, PlaceWalk, Places};
use crate::archive::walk::{Head, lost_owners, text};
use crate::archive::{Archive, ArchiveError};
use crate::format::{Kind, SortKey, order};
use crate::model::OwnerKind;
use serde::Deserialize;
use std::collections::{BTreeMap, HashSet};

/// Tells the places of a kind's lines, in their order.
pub(super) struct Follow<'a> {
    archive: &'a Archive,
    owners: Owned<'a>,
    lost: Lost,
}

/// Lines of objects that the archive lost, as it says itself: they stay behind the lines before them, or are dropped.
struct Lost {
    /// By kind of the objects.
    ids: BTreeMap<Kind, HashSet<String>>,
    are_dropped: bool,
    /// The place of the last object that is not lost, and its kind.
    last: Option<(Kind, SortKey)>,
    count: u64,
}

impl Lost {
    fn is(&self, kind: Kind, id: &str) -> bool {
        self.ids.get(&kind).is_some_and(|ids| ids.contains(id))
    }

    /// The place of the next such line; none where they are dropped.
    fn place(&mut self, kind: Kind) -> Option<SortKey> {
        self.count += 1;
        let before = match &self.last {
            Some((last, key)) if *last == kind => SortKey::from([key.as_bytes(), &[u8::MAX]].concat()),
            _ => SortKey::new().number(0),
        };
        (!self.are_dropped).then(|| before.number(self.count))
    }

    fn pass(&mut self, kind: Kind, key: &SortKey) {
        if !self.ids.is_empty() {
            self.last = Some((kind, key.clone()));
        }
    }
}

/// What lines belong to.
enum Owned<'a> {
    /// Each line tells its own.
    Own,
    /// They belong to objects of one kind.
    One(Box<OneOwner<'a>>),
    /// Artifacts belong to objects of several, one kind after the other.
    Artifacts(Option<(OwnerKind, PlaceWalk<'a>)>),
}

/// Owners of one kind, and the slice that came last.
pub(super) struct OneOwner<'a> {
    kind: Kind,
    owners: PlaceWalk<'a>,
    series: (String, String),
    slices: u64,
}

/// What a list of artifacts says of its place beside its owner.
#[derive(Deserialize)]
struct Listed {
    files: Vec<FirstFile>,
}

#[derive(Deserialize)]
struct FirstFile {
    path: String,
}

impl<'a> Follow<'a> {
    /// Before the first line; `drops_lost` tells whether lines of lost objects go.
    pub(super) fn new(archive: &'a Archive, kind: Kind, places: &Places, drops_lost: bool) -> Result<Self> {
        let mut ids = BTreeMap::new();
        for &owner in kind.owners() {
            ids.insert(owner, lost_owners(archive, kind, owner, &std::env::temp_dir())?);
        }
        ids.retain(|_, ids: &mut HashSet<String>| !ids.is_empty());
        Ok(Follow {
            archive,
            owners: Owned::new(archive, kind, places)?,
            lost: Lost {
                ids,
                are_dropped: drops_lost,
                last: None,
                count: 0,
            },
        })
    }
}

impl<'a> Owned<'a> {
    fn new(archive: &'a Archive, kind: Kind, places: &Places) -> Result<Self> {
        let owner = match kind.owners() {
            // Their ids tell their places: only whether their datasets are there is to be found out.
            _ if kind == Kind::DatasetRecords && !places.touches(kind) => return Ok(Owned::Own),
            [] => return Ok(Owned::Own),
            [one] => *one,
            [..] => return Ok(Owned::Artifacts(None)),
        };
        Ok(Owned::One(Box::new(OneOwner {
            kind: owner,
            owners: places.walk(archive, owner)?,
            series: Default::default(),
            slices: 0,
        })))
    }
}

impl Follow<'_> {
    /// The place of a line, by its head before any edit and its text after; none where its owner was dropped.
    pub(super) fn place(
        &mut self,
        kind: Kind,
        places: &Places,
        head: &Head,
        line: &[u8],
        orphan: impl Fn(&str) -> ArchiveError,
    ) -> Result<Option<SortKey>> {
        let lost = &mut self.lost;
        match &mut self.owners {
            Owned::Own => {
                let is_dropped =
                    lost.are_dropped && lost.is(Kind::EvaluationDatasets, text(&head.dataset_id));
                Ok((!is_dropped).then(|| head.sort_key(kind)))
            }
            Owned::One(one) => {
                let id = text(head.owner(kind));
                let key = match places.of_added(one.kind, id)? {
                    Some(key) => key,
                    None if lost.is(one.kind, id) && kind == Kind::DatasetRecords => {
                        return Ok((!lost.are_dropped).then(|| head.sort_key(kind)));
                    }
                    None if lost.is(one.kind, id) => return Ok(lost.place(one.kind)),
                    None => match one.owners.find(id)?.ok_or_else(|| orphan(id))? {
                        Place::Dropped => return Ok(None),
                        Place::At(key) => key,
                    },
                };
                lost.pass(one.kind, &key);
                Ok(Some(one.place(kind, head, key)))
            }
            Owned::Artifacts(walk) => {
                let id = text(&head.owner_id);
                let kind = OwnerKind::deserialize(&head.owner_kind).map_err(|_| orphan(id))?;
                let list: Listed = serde_json::from_slice(line).map_err(|_| orphan(id))?;
                let owner_kind = Kind::from(kind);
                let key = match places.of_added(owner_kind, id)? {
                    Some(key) => key,
                    None if lost.is(owner_kind, id) => {
                        let key = lost.place(owner_kind);
                        return Ok(key.map(|key| order::artifacts(kind, &key, "")));
                    }
                    None => {
                        let owners = match walk {
                            Some((last, _)) if *last > kind => return Err(orphan(id).into()),
                            Some((last, owners)) if *last == kind => owners,
                            _ => &mut walk.insert((kind, places.walk(self.archive, owner_kind)?)).1,
                        };
                        match owners.find(id)?.ok_or_else(|| orphan(id))? {
                            Place::Dropped => return Ok(None),
                            Place::At(key) => key,
                        }
                    }
                };
                lost.pass(owner_kind, &key);
                let first = list.files.first().map_or("", |file| &file.path);
                Ok(Some(order::artifacts(kind, &key, first)))
            }
        }
    }
}

impl OneOwner<'_> {
    fn place(&mut self, kind: Kind, head: &Head, owner: SortKey) -> SortKey {
        if kind == Kind::DatasetRecords {
            return head.sort_key(kind);
        }
        if kind == Kind::Spans {
            let start = head.start_time_unix_nano.as_i64();
            return order::span(&owner, start, text(&head.span_id));
        }
        let (id, key) = (text(head.owner(kind)), text(&head.key));
        if self.series.0 == id && self.series.1 == key {
            self.slices += 1;
        } else {
            self.series = (id.to_owned(), key.to_owned());
            self.slices = 0;
        }
        owner.text(key).number(self.slices)
    }
}
