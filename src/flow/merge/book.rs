//! Which origin knows an object, and under which id: every origin of every archive that is merged.

use super::{MergeError, Result};
use crate::archive::{Archive, ArchiveError, SpillIndex, SpillIndexWriter};
use crate::format::manifest::{FileDescriptor, Manifest};
use crate::format::origin::FurtherOrigin;
use crate::format::{Kind, OriginLine};
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// The origins of all archives; the first is that of the result.
#[derive(Debug, Default)]
pub(super) struct OriginTable {
    pub(super) origins: Vec<FurtherOrigin>,
    /// What origins count as that are one with another.
    same: BTreeMap<String, String>,
    /// Those names of origins that archives have.
    names: BTreeSet<String>,
}

impl OriginTable {
    pub(super) fn new(same: &BTreeMap<String, String>) -> Self {
        OriginTable {
            same: same.clone(),
            ..OriginTable::default()
        }
    }

    /// Refuses what was said of origins that no archive has, after all are known.
    pub(super) fn refuse_unknown(&self) -> Result<()> {
        let mut said = self.same.iter().flat_map(|(old, new)| [old, new]);
        match said.find(|name| !self.names.contains(*name)) {
            Some(origin) => Err(MergeError::UnknownOrigin {
                origin: origin.clone(),
            }),
            None => Ok(()),
        }
    }

    /// Takes the origins of an archive in; the number of its own.
    pub(super) fn add(&mut self, manifest: &Manifest) -> usize {
        let own = FurtherOrigin {
            origin: manifest.origin.clone(),
            source: manifest.source.clone(),
        };
        let number = self.number(own);
        for further in manifest.origins.iter().flat_map(|origins| &origins.further) {
            self.number(further.clone());
        }
        number
    }

    fn number(&mut self, mut origin: FurtherOrigin) -> usize {
        self.names.insert(origin.origin.clone());
        if let Some(same) = self.same.get(&origin.origin) {
            origin.origin.clone_from(same);
        }
        let mut known = self.origins.iter();
        known
            .position(|known| known.origin == origin.origin)
            .unwrap_or_else(|| {
                self.origins.push(origin);
                self.origins.len() - 1
            })
    }

    /// Name of an origin.
    pub(super) fn name(&self, number: usize) -> &str {
        &self.origins[number].origin
    }
}

/// What an origin calls an object.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Identity {
    /// Number of the origin.
    pub(super) origin: usize,
    /// Id there.
    pub(super) id: String,
}

/// What the origins of one archive call its objects.
#[derive(Debug)]
pub(super) struct Book {
    own: usize,
    /// What other origins than the archive's own say, in the order of their lines, by the objects.
    others: Option<Others>,
    /// The workspace of all objects, of an archive that names none.
    workspace: Option<String>,
}

/// Lines about origins, and the numbers of these.
#[derive(Debug)]
struct Others {
    lines: SpillIndex,
    origins: HashMap<String, usize>,
}

impl Book {
    /// Reads what an archive says of its objects.
    pub(super) fn read(archive: &Archive, table: &mut OriginTable) -> Result<Self> {
        let own = table.add(archive.manifest());
        let file = archive
            .manifest()
            .origins
            .as_ref()
            .and_then(|origins| origins.file.clone());
        let others = file.map(|file| Others::read(archive, file, table)).transpose()?;
        Ok(Book {
            own,
            others,
            workspace: None,
        })
    }

    /// What origins call an object, the first of them the one that it is of.
    pub(super) fn identities(&self, kind: Kind, workspace: Option<&str>, id: &str) -> Result<Vec<Identity>> {
        let own = || Identity {
            origin: self.own,
            id: id.to_owned(),
        };
        let Some(others) = &self.others else {
            return Ok(vec![own()]);
        };
        let given = self
            .workspace
            .as_deref()
            .filter(|_| kind.is_named_in_workspaces());
        let workspace = match &self.workspace {
            // As a whole it was put into one.
            Some(_) if workspace == given => None,
            Some(_) => return Ok(vec![own()]),
            None => workspace,
        };
        let others = others.find(kind, workspace, id)?;
        let is_own = others.first().is_none_or(|(_, joined)| *joined);
        let first = is_own.then(own);
        let others = others.into_iter().map(|(identity, _)| identity);
        Ok(first.into_iter().chain(others).collect())
    }

    /// Knows all objects in a workspace, of an archive that names none.
    pub(super) fn put_into(&mut self, workspace: &str) {
        self.workspace = Some(workspace.to_owned());
    }

    /// Number of the archive's own origin.
    pub(super) fn own(&self) -> usize {
        self.own
    }
}

impl Others {
    fn read(archive: &Archive, file: FileDescriptor, table: &mut OriginTable) -> Result<Self> {
        let mut texts = SpillIndexWriter::create()?;
        let mut origins = HashMap::new();
        let mut lines = archive.lines_of(vec![file]);
        while let Some(line) = lines.next_line()? {
            let text = line.bytes;
            let line: OriginLine = serde_json::from_slice(text)
                .map_err(|error| archive.damaged(&line.place(), &error.to_string()))?;
            texts.push(&(line.kind, &line.workspace, &line.id), text)?;
            if let Entry::Vacant(unseen) = origins.entry(line.origin) {
                let number = table.number(FurtherOrigin {
                    origin: unseen.key().clone(),
                    source: archive.manifest().source.clone(),
                });
                unseen.insert(number);
            }
        }
        Ok(Others {
            lines: texts.finish()?,
            origins,
        })
    }

    /// What the lines say of an object; of each whether an origin before knows it too.
    fn find(&self, kind: Kind, workspace: Option<&str>, id: &str) -> Result<Vec<(Identity, bool)>> {
        let mut found = Vec::new();
        for text in self.lines.find(&(kind, workspace, id)) {
            let text = text?;
            let line: OriginLine =
                serde_json::from_slice(&text).map_err(|error| ArchiveError::temporary(error.into()))?;
            if (line.kind, line.workspace.as_deref(), line.id.as_str()) == (kind, workspace, id) {
                let identity = Identity {
                    id: line.origin_id().to_owned(),
                    origin: self.origins[&line.origin],
                };
                found.push((identity, line.joined));
            }
        }
        Ok(found)
    }
}
