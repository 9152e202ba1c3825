//! The journals of an import whose objects are of several origins: each object stands in the journal of its origin, under its id
//! there, so that imports of the archives of single origins know what this one made.

use super::{Journal, JournalContents, JournalError, JournalKey, default_path, state_folder};
use crate::archive::remote::is_remote;
use crate::flow::import::id_map::{IdMap, Parts};
use crate::flow::import::options::ToldOptions;
use crate::flow::import::origins::TargetOrigins;
use crate::format::Kind;
use crate::lang::rest::version::Version;
use serde_json::json;
use std::path::{Path, PathBuf};

/// Where the journals of an import are, in the order of origins; the first is that of the archive's own.
#[derive(Debug, Clone)]
pub(crate) struct JournalPlaces {
    origins: TargetOrigins,
    places: Vec<(PathBuf, JournalKey)>,
}

impl JournalPlaces {
    /// Beside the archive, named by origin and target; the first where it was given, the others then beside it.
    pub(crate) fn new(archive: &Path, origins: &TargetOrigins, target: &str, given: Option<PathBuf>) -> Self {
        if given.is_none() && is_remote(archive) {
            // What cannot be made is told of when a journal is.
            let _ = std::fs::create_dir_all(state_folder());
        }
        let place = |(number, origin): (usize, &String)| {
            let key = JournalKey {
                origin: origin.clone(),
                target: target.to_owned(),
            };
            let path = match (&given, number) {
                (Some(given), 0) => given.clone(),
                (Some(given), _) => default_path(given, &key),
                (None, _) => default_path(archive, &key),
            };
            (path, key)
        };
        JournalPlaces {
            places: origins.names().iter().enumerate().map(place).collect(),
            origins: origins.clone(),
        }
    }

    /// Whose objects they are about.
    pub(crate) fn origins(&self) -> &TargetOrigins {
        &self.origins
    }

    /// The journal of the archive's own origin.
    pub(crate) fn first(&self) -> &Path {
        &self.places[0].0
    }

    /// Whether any of them is there.
    pub(crate) fn exist(&self) -> bool {
        self.places.iter().any(|(path, _)| path.exists())
    }

    /// Reads all journals that are there.
    ///
    /// # Errors
    /// As [`Journal::read`].
    pub(crate) fn read(&self, version: Option<Version>) -> Result<JournalContents, JournalError> {
        let read = self.places.iter().map(|(path, key)| Journal::read(path, key));
        Ok(self.together(read.collect::<Result<_, _>>()?, version))
    }

    /// Opens all journals for appending.
    ///
    /// # Errors
    /// As [`Journal::open`].
    pub(crate) fn open(
        &self,
        content_id: &str,
        version: Option<Version>,
        told: &ToldOptions,
    ) -> Result<(Journals, JournalContents), JournalError> {
        let mut journals = Vec::new();
        let mut contents = Vec::new();
        for (path, key) in &self.places {
            let (journal, said) = Journal::open(path, key, content_id, version, told)?;
            journals.push(journal);
            contents.push(said);
        }
        let journals = Journals {
            origins: self.origins.clone(),
            journals,
        };
        Ok((journals, self.together(contents, version)))
    }

    /// What all journals say together, under the ids of the archive.
    fn together(&self, mut all: Vec<JournalContents>, version: Option<Version>) -> JournalContents {
        if let Some(version) = version {
            all.iter_mut().for_each(|contents| contents.meet(version));
        }
        if all.len() == 1 {
            return all.swap_remove(0);
        }
        let mut mapping = IdMap::default();
        for (number, contents) in all.iter().enumerate() {
            for (kind, id, known) in contents.mapping.entries() {
                let new = self.origins.archive_id(number, kind, &id);
                let Some(new) = new.filter(|new| mapping.get(kind, new).is_none()) else {
                    continue;
                };
                mapping.insert(kind, &new, &known.id, false);
                mapping.identify(kind, &new, known.state.identity);
                mapping.set_done(kind, &new, known.state.done);
                if let Some(noted) = contents.mapping.noted(kind, &id) {
                    mapping.note(kind, &new, noted.clone());
                }
                if let Some(missing) = contents.mapping.missing(kind, &id) {
                    mapping.set_missing(kind, &new, Parts::clone(&missing));
                }
            }
            for (kind, id) in contents.mapping.intents() {
                if let Some(new) = self.origins.archive_id(number, kind, id) {
                    mapping.intend(kind, &new);
                }
            }
        }
        let is_recovered = all.iter().all(|contents| contents.is_recovered);
        let written = all.iter().filter_map(|contents| contents.written).max();
        JournalContents {
            mapping,
            is_recovered,
            written,
            ..all.swap_remove(0)
        }
    }
}

/// The journals of all origins, open for appending.
#[derive(Debug)]
pub(crate) struct Journals {
    pub(super) origins: TargetOrigins,
    /// That of the archive's own origin, which tells of the whole import, then the others.
    pub(super) journals: Vec<Journal>,
}

impl From<Journal> for Journals {
    fn from(journal: Journal) -> Self {
        Journals {
            origins: "".into(),
            journals: vec![journal],
        }
    }
}

impl Journals {
    /// The journal of an object, and its id there.
    pub(super) fn of<'j>(&'j mut self, kind: Kind, id: &'j str) -> (&'j mut Journal, &'j str) {
        let (number, id) = self.origins.owner(kind, id);
        (&mut self.journals[number], id)
    }

    /// Where that of the archive's own origin is.
    pub(crate) fn path(&self) -> &Path {
        self.journals[0].path()
    }

    /// Writes all that the target's marks told, in new journals.
    ///
    /// # Errors
    /// A journal cannot be written.
    pub(crate) fn recovered(&mut self, mapping: &IdMap) -> Result<(), JournalError> {
        let mut counts = vec![0_u64; self.journals.len()];
        for (kind, id, known) in mapping.entries() {
            let (number, id) = self.origins.owner(kind, &id);
            self.journals[number].made_as(kind, id, &known.id, known.state.identity)?;
            counts[number] += 1;
        }
        for (journal, count) in self.journals.iter_mut().zip(counts) {
            journal.append(&json!({ "recovered": count }))?;
            journal.sync()?;
        }
        Ok(())
    }
}
