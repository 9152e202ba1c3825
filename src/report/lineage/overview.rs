//! Where the objects of archives came from, counted.

use super::ArchiveFacts;
use super::line::{self, KINDS};
use super::places::chain;
use crate::archive::{Archive, ForeignObjects, Result};
use crate::format::Kind;
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;

/// Origins that are told apart; objects of further ones are counted together.
const MOST_ORIGINS: usize = 100;

/// An archive, and where its objects were first.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(crate) struct Overview {
    /// The archive and its past.
    pub archive: ArchiveFacts,
    /// First origins of objects that tell of one.
    pub origins: Vec<Origin>,
    /// Objects whose tags tell of an earlier place wrongly.
    pub wrong: u64,
}

/// Objects of one first origin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct Origin {
    /// The server, or else the stable name, where one is told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// Hops between that place and the archive's source, those that were folded counted.
    pub hops: u64,
    /// Objects by kind.
    pub objects: BTreeMap<Kind, u64>,
}

/// Counts where the objects of an archive were first.
///
/// # Errors
/// The archive cannot be read.
pub(crate) fn overview(archive: &Archive) -> Result<Overview> {
    let mut origins: BTreeMap<(Option<String>, u64), BTreeMap<Kind, u64>> = BTreeMap::new();
    let mut wrong = 0;
    let foreign = ForeignObjects::read(archive)?;
    for kind in KINDS {
        line::for_each(archive, kind, |facts| {
            let mut faults = Vec::new();
            let chain = chain(&foreign, kind, &facts, &mut faults);
            wrong += u64::from(!faults.is_empty());
            let Some(first) = chain.hops.first() else { return };
            let hops = chain.folded.saturating_add(chain.hops.len() as u64);
            let place = first.server.clone().or_else(|| first.origin.clone());
            let mut origin = (place, hops);
            if origins.len() >= MOST_ORIGINS && !origins.contains_key(&origin) {
                origin = (Some("other places".to_owned()), 0);
            }
            *origins.entry(origin).or_default().entry(kind).or_default() += 1;
        })?;
    }
    let origin = |((place, hops), objects)| Origin { place, hops, objects };
    Ok(Overview {
        archive: ArchiveFacts::of(archive),
        origins: origins.into_iter().map(origin).collect(),
        wrong,
    })
}
