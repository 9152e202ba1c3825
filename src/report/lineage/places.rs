//! Where objects are: the origins of archives, and the places before that their hops tell of.

use super::ArchiveFacts;
use super::line::LineFacts;
use crate::archive::{Archive, ForeignObjects, Result};
use crate::format::Kind;
use crate::format::hops::{Chain, Evidence, Hop};
use crate::model::TextMap;
use crate::model::mask::redact;
use std::collections::BTreeSet;

/// An object: archives of one origin tell of the same ones.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    /// Which origin.
    pub(super) place: usize,
    pub(super) kind: Kind,
    pub(super) id: String,
    pub(super) workspace: Option<String>,
}

/// The origins of archives, each once.
pub(super) struct Places<'a> {
    archives: &'a [Archive],
    pub(super) origins: Vec<&'a str>,
    foreign: Vec<ForeignObjects>,
}

impl<'a> Places<'a> {
    pub(super) fn of(archives: &'a [Archive]) -> Result<Self> {
        let mut origins: Vec<&str> = Vec::new();
        for archive in archives {
            let origin = archive.manifest().origin.as_str();
            if !origins.contains(&origin) {
                origins.push(origin);
            }
        }
        let foreign = archives
            .iter()
            .map(ForeignObjects::read)
            .collect::<Result<_, _>>()?;
        Ok(Places {
            archives,
            origins,
            foreign,
        })
    }

    /// The origin of an archive.
    pub(super) fn of_archive(&self, index: usize) -> usize {
        let origin = &self.archives[index].manifest().origin;
        self.origins
            .iter()
            .position(|known| known == origin)
            .unwrap_or_default()
    }

    /// The chain of an object, as its tags and the archive tell it.
    pub(super) fn chain(
        &self,
        archive: usize,
        kind: Kind,
        facts: &LineFacts,
        faults: &mut Vec<String>,
    ) -> Chain {
        chain(&self.foreign[archive], kind, facts, faults)
    }

    /// The origins that a hop may tell of; `here` is that of the object itself.
    pub(super) fn of_hop(&self, hop: &Hop, kind: Kind, here: usize) -> Vec<usize> {
        let is_told = |index: &usize| {
            let manifest = self.archives[*index].manifest();
            hop.origin.as_ref() == Some(&manifest.origin)
                || hop
                    .archive
                    .as_ref()
                    .is_some_and(|id| *id == manifest.content_id.to_string())
                || hop.server.is_some()
                    && hop.origin.is_none()
                    && hop.server == ArchiveFacts::of(&self.archives[*index]).source.uri.into()
        };
        let indices = 0..self.archives.len();
        let told: BTreeSet<usize> = indices
            .filter(is_told)
            .map(|index| self.of_archive(index))
            .collect();
        // Ids of these are drawn by chance, so that an equal one is the same object wherever it is.
        let is_unique = matches!(kind, Kind::Runs | Kind::LoggedModels | Kind::Traces);
        if told.is_empty() && hop.origin.is_none() && is_unique {
            return (0..self.origins.len()).filter(|place| *place != here).collect();
        }
        told.into_iter().collect()
    }
}

/// The chain of an object, as its tags and what the archive says of merges tell it.
pub(super) fn chain(
    foreign: &ForeignObjects,
    kind: Kind,
    facts: &LineFacts,
    faults: &mut Vec<String>,
) -> Chain {
    let own = Own::new(kind, &facts.id, facts.workspace.as_deref(), &facts.tags);
    chain_of(foreign, &own, faults)
}

/// An object whose chain is asked for.
pub(in crate::report) struct Own<'o> {
    kind: Kind,
    id: &'o str,
    workspace: Option<&'o str>,
    tags: &'o TextMap,
}

impl<'o> Own<'o> {
    pub(in crate::report) fn new(
        kind: Kind,
        id: &'o str,
        workspace: Option<&'o str>,
        tags: &'o TextMap,
    ) -> Self {
        Own {
            kind,
            id,
            workspace,
            tags,
        }
    }
}

/// The same as [`chain`].
pub(in crate::report) fn chain_of(
    foreign: &ForeignObjects,
    own: &Own<'_>,
    faults: &mut Vec<String>,
) -> Chain {
    let mut chain = Chain::read(own.kind, own.tags, faults);
    if let Some((further, id)) = foreign.of(own.kind, own.workspace, own.id) {
        let told = Hop {
            server: Some(redact(&further.source.uri)),
            origin: Some(further.origin.clone()),
            id: id.to_owned(),
            recovered: Some(Evidence::Merge),
            ..Hop::default()
        };
        if chain.hops.last().is_none_or(|last| !last.is_same(&told)) {
            chain.hops.push(told);
        }
    }
    chain
}
