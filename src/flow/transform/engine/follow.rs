//! The places of lines that follow the order of what they belong to.

use super::super::error::Result;
use super::places::{Place, Places};
use crate::archive::walk::{Head, OwnerWalk, Owners, text};
use crate::archive::{Archive, ArchiveError};
use crate::format::{Kind, SortKey, order};
use crate::model::OwnerKind;
use serde::Deserialize;

/// Tells the places of a kind's lines, in their order.
pub(super) enum Follow<'a> {
    /// Each line tells its own.
    Own,
    /// They belong to objects of one kind.
    One(Box<OneOwner<'a>>),
    /// Artifacts belong to objects of several.
    Artifacts(Box<OwnerWalk<'a>>),
}

/// Owners of one kind, and the slice that came last.
pub(super) struct OneOwner<'a> {
    kind: Kind,
    owners: Owners<'a>,
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
    pub(super) fn new(archive: &'a Archive, kind: Kind) -> Result<Self> {
        let owner = match kind {
            Kind::Metrics => Kind::Runs,
            Kind::ModelMetrics => Kind::LoggedModels,
            Kind::Spans => Kind::Traces,
            Kind::Artifacts => return Ok(Follow::Artifacts(Box::new(OwnerWalk::new(archive)))),
            _ => return Ok(Follow::Own),
        };
        Ok(Follow::One(Box::new(OneOwner {
            kind: owner,
            owners: Owners::new(archive, owner)?,
            series: Default::default(),
            slices: 0,
        })))
    }

    /// The place of a line, by its head before any edit and its text after; none where its owner was dropped.
    pub(super) fn place(
        &mut self,
        kind: Kind,
        places: &Places,
        head: &Head,
        line: &[u8],
        orphan: impl Fn(&str) -> ArchiveError,
    ) -> Result<Option<SortKey>> {
        match self {
            Follow::Own => {
                let is_dropped = kind == Kind::DatasetRecords
                    && places.of(Kind::EvaluationDatasets, text(&head.dataset_id)) == Some(&Place::Dropped);
                Ok((!is_dropped).then(|| head.sort_key(kind)))
            }
            Follow::One(one) => {
                let id = text(head.owner(kind));
                let key = match places.of(one.kind, id) {
                    Some(Place::Dropped) => return Ok(None),
                    Some(Place::At(key)) => key.clone(),
                    None => one.owners.find(id)?.ok_or_else(|| orphan(id))?.key.clone(),
                };
                Ok(Some(one.place(kind, head, key)))
            }
            Follow::Artifacts(walk) => {
                let id = text(&head.owner_id);
                let kind = OwnerKind::deserialize(&head.owner_kind).map_err(|_| orphan(id))?;
                let list: Listed = serde_json::from_slice(line).map_err(|_| orphan(id))?;
                let key = match places.of_owner(kind, id) {
                    Some(Place::Dropped) => return Ok(None),
                    Some(Place::At(key)) => key.clone(),
                    None => walk.find(kind, id)?.ok_or_else(|| orphan(id))?.key.clone(),
                };
                let first = list.files.first().map_or("", |file| &file.path);
                Ok(Some(order::artifacts(kind, &key, first)))
            }
        }
    }
}

impl OneOwner<'_> {
    fn place(&mut self, kind: Kind, head: &Head, owner: SortKey) -> SortKey {
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
