//! Tags that carry the whole lineage: the first origin, written once, and the chain of hops, to which each further hop is added.

use super::lay;
use crate::archive::{Archive, ForeignObjects};
use crate::flow::transform::error::Result;
use crate::flow::transform::step::{EditedLine, Fate, Step};
use crate::flow::transform::view::View;
use crate::format::Kind;
use crate::format::hops::{
    Chain, Hop, KeyStyle, LINEAGE, ORIGIN_ARCHIVE, ORIGIN_ID, ORIGIN_KIND, ORIGIN_SERVER,
};
use crate::format::manifest::Tool;
use crate::lang::exim::tags::rules::PREFIX_ROOT;
use crate::model::mask::redact;
use crate::model::{Text, TextMap};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Tags with lineage, and how their keys are spelled.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LineageTags {
    /// Without dots, which Unity Catalog does not take: `mlflow_exim_lineage` in place of `mlflow_exim.lineage`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub plain: bool,
}

impl LineageTags {
    pub(in super::super) fn plan(&self, view: &View<'_>) -> Result<Box<dyn Step>> {
        Ok(Box::new(LineageStep::new(self.plain, view.archive())?))
    }
}

/// A longer chain is folded: servers show no more of a tag of a trace.
const TAG_CHARACTERS: usize = 4_000;

struct LineageStep {
    archive: Archive,
    style: KeyStyle,
    /// The hop from the archive's source into the archive, but for the object's id.
    hop: Hop,
    /// Objects that merges brought from other sources.
    foreign: ForeignObjects,
}

impl LineageStep {
    fn new(is_plain: bool, archive: &Archive) -> Result<Self> {
        let manifest = archive.manifest();
        let tool = Tool::current();
        Ok(LineageStep {
            foreign: ForeignObjects::read(archive)?,
            archive: archive.clone(),
            style: if is_plain {
                KeyStyle::Plain
            } else {
                KeyStyle::Dotted
            },
            hop: Hop {
                server: Some(redact(&manifest.source.uri)).filter(|uri| !uri.is_empty()),
                origin: Some(manifest.origin.clone()),
                id: String::new(),
                // Not the time of the edit: the same archive gives the same tags.
                time: Some(manifest.created.clone()),
                archive: Some(manifest.content_id.to_string()),
                tool: Some(format!("{} {}", tool.name, tool.version)),
                recovered: None,
            },
        })
    }

    /// The hop of an object.
    fn here(&self, line: &EditedLine) -> Hop {
        let (id, workspace) = (line.id(), line.value()["workspace"].as_str());
        let mut hop = self.hop.clone();
        if let Some((further, id)) = self.foreign.of(line.kind(), workspace, &id) {
            hop.server = Some(redact(&further.source.uri));
            hop.origin = Some(further.origin.clone());
            hop.id = id.to_owned();
        } else {
            hop.id = id;
        }
        hop
    }

    /// The tags of an object; `faults` gets what its own tags say wrongly.
    fn tags(&self, kind: Kind, here: Hop, own: &TextMap, faults: &mut Vec<String>) -> Vec<(String, Text)> {
        let mut chain = Chain::read(kind, own, faults);
        match chain.hops.last_mut() {
            // Recorded before, from this archive or one that it was made of.
            Some(last) if last.is_same(&here) && last.recovered.is_none() => {}
            Some(last) if last.is_same(&here) => *last = here,
            _ => chain.hops.push(here),
        }
        let mut tags = vec![(self.style.key(LINEAGE), chain.to_text(TAG_CHARACTERS).into())];
        let styles = [KeyStyle::Dotted, KeyStyle::Plain];
        let has_origin = styles.iter().any(|style| own.contains_key(&style.key(ORIGIN_ID)));
        if let Some(first) = chain.hops.first().filter(|_| !has_origin) {
            let parts = [
                (ORIGIN_SERVER, first.server.as_deref()),
                (ORIGIN_ID, Some(first.id.as_str())),
                (ORIGIN_KIND, Some(kind.name())),
                (ORIGIN_ARCHIVE, first.archive.as_deref()),
            ];
            let told = parts.into_iter();
            tags.extend(told.filter_map(|(key, value)| Some((self.style.key(key), value?.into()))));
        }
        tags
    }
}

impl Step for LineageStep {
    fn looks_at(&self, kind: Kind) -> bool {
        kind.has_tags()
    }

    fn apply(&self, line: &mut EditedLine) -> Result<Fate> {
        let (kind, mut faults) = (line.kind(), Vec::new());
        // Source tags of the same recipe have overwritten those that tell of the hop before.
        let own = line.tags_before();
        let own = own.filter(|(key, _)| key.starts_with(PREFIX_ROOT));
        let own: TextMap = own
            .filter_map(|(key, text)| Some((key.clone(), Text::deserialize(text).ok()?)))
            .collect();
        let tags = self.tags(kind, self.here(line), &own, &mut faults);
        for fault in faults {
            line.notice(format!("{kind}: {fault}"));
        }
        lay(&self.archive, line, &tags)?;
        Ok(Fate::Kept)
    }
}
