//! One archive split into several, each whole: what an object needs comes with it, so that some are in several parts. All parts
//! merged are the archive again.
//!
//! | module    | does                                                        |
//! |-----------|-------------------------------------------------------------|
//! | `needs`   | reads what objects name of one another                      |
//! | `assign`  | decides where each object belongs                           |
//! | `weight`  | says what objects weigh, where parts are made by size       |
//! | `closure` | brings runs and logged models to where something needs them |
//! | `every`   | says which span of time a moment is in                        |
//! | `write`   | writes the parts                                            |

mod assign;
mod closure;
mod every;
mod needs;
mod weight;
mod write;

use self::assign::Assigned;
use self::write::PartsWriter;
use super::orphans::{Orphans, staying};
use super::{MergeError, Result};
use crate::archive::remote::TreeNote;
use crate::archive::{Archive, ArchiveError, ContainerKind, PART, Replace, Staging, WriterOptions};
use crate::format::{Kind, Manifest};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Name of a split in an archive's history.
pub const NAME: &str = "split";
/// The most parts that are made at once.
const MOST_PARTS: usize = 10_000;
/// Parts that are written in one pass over the archive.
const BATCH: usize = 16;

/// What parts are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SplitBy {
    /// An experiment each.
    Experiment,
    /// A workspace each.
    Workspace,
    /// Runs in their order, up to about so many bytes.
    Size(u64),
    /// Runs that began in one span of time.
    Time(Every),
}

/// A span of time, in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Every {
    /// A day.
    Day,
    /// A week from Monday.
    Week,
    /// A month.
    Month,
    /// A year.
    Year,
}

/// How an archive is split.
#[derive(Debug, Clone, Default)]
pub struct SplitOptions {
    /// How parts are written; with `force`, a directory in which nothing lies but parts is replaced.
    pub writer: WriterOptions,
    /// Copies blobs instead of linking them.
    pub copy: bool,
}

/// A part that was made.
#[derive(Debug, Clone)]
pub struct PartReport {
    /// Its name in the directory.
    pub name: String,
    /// What is in it, for a person.
    pub label: String,
    /// Its manifest.
    pub manifest: Manifest,
}

/// What a split made.
#[derive(Debug, Clone)]
pub struct SplitReport {
    /// The parts in order.
    pub parts: Vec<PartReport>,
    /// Objects that are in several parts, by kind.
    pub shared: BTreeMap<Kind, u64>,
}

/// Splits an archive into the archives of a new directory.
///
/// # Errors
/// The archive cannot be read, the directory exists or cannot be written, or there would be too many parts; nothing is made then.
pub fn split(archive: &Archive, out: &Path, by: SplitBy, options: &SplitOptions) -> Result<SplitReport> {
    let replace = match options.writer.force {
        true => Replace::Parts,
        false => Replace::Nothing,
    };
    let staging = Staging::create(out, replace)?;
    let scratch = staging.scratch()?;
    let place = Place::of(archive, &staging, out, options)?;
    let mut orphans = Orphans::default();
    loop {
        place.clear()?;
        match attempt(archive, &place, by, options, &orphans) {
            Err(MergeError::Orphan {
                archive: path,
                kind,
                owner,
            }) => {
                let found = staying(archive, &scratch)?;
                if !orphans.is_empty() || found.is_empty() {
                    return Err(MergeError::Orphan {
                        archive: path,
                        kind,
                        owner,
                    });
                }
                orphans = found;
            }
            Err(error) => return Err(error),
            Ok(report) => {
                match &place.note {
                    Some(note) => note.done().map_err(ArchiveError::io("upload to", out))?,
                    None => staging.publish(PARTS, !options.writer.no_sync)?,
                }
                return Ok(report);
            }
        }
    }
}

/// Where parts are made: in a folder that gets its name when all are there, or zips in an object store, each whole when its upload is.
struct Place {
    folder: PathBuf,
    /// Names the parts that are in the store.
    note: Option<TreeNote>,
}

impl Place {
    fn of(archive: &Archive, staging: &Staging, out: &Path, options: &SplitOptions) -> Result<Self> {
        let note = match container(archive, options) {
            ContainerKind::Zip => staging.note_of_tree()?,
            // What is below the key of a directory has too many names.
            ContainerKind::Directory => None,
        };
        let folder = match note {
            Some(_) => out.to_owned(),
            None => staging.root().join(PARTS),
        };
        Ok(Place { folder, note })
    }

    /// Removes what an attempt left.
    fn clear(&self) -> Result<()> {
        let folder = &self.folder;
        if let Some(note) = &self.note {
            let cleared = note.take_back();
            return Ok(cleared.map_err(ArchiveError::io("remove from", folder))?);
        }
        if folder.exists() {
            std::fs::remove_dir_all(folder).map_err(ArchiveError::io("remove", folder))?;
        }
        std::fs::create_dir(folder).map_err(ArchiveError::io("create directory", folder))?;
        Ok(())
    }

    /// The path of a part that is about to be made.
    fn part(&self, name: &str) -> Result<PathBuf> {
        if let Some(note) = &self.note {
            note.add(name)
                .map_err(ArchiveError::io("upload to", &self.folder))?;
        }
        Ok(self.folder.join(name))
    }
}

/// Name of the folder of parts before it has its name.
const PARTS: &str = "parts";

fn attempt(
    archive: &Archive,
    place: &Place,
    by: SplitBy,
    options: &SplitOptions,
    orphans: &Orphans,
) -> Result<SplitReport> {
    let assigned = Assigned::read(archive, by, orphans)?;
    let count = assigned.labels.len();
    if count > MOST_PARTS {
        return Err(MergeError::TooManyParts {
            count,
            most: MOST_PARTS,
        });
    }
    let (container, names) = names(archive, options, count);
    let options = SplitOptions {
        writer: WriterOptions {
            container: Some(container),
            // All of them are synced at once at the end.
            no_sync: true,
            force: false,
            ..options.writer.clone()
        },
        ..options.clone()
    };
    let mut report = SplitReport {
        parts: Vec::new(),
        shared: BTreeMap::new(),
    };
    for first in (0..count).step_by(BATCH) {
        let batch = first..(first + BATCH).min(count);
        let paths = names[batch.clone()].iter().map(|name| place.part(name));
        let paths = paths.collect::<Result<Vec<_>>>()?.into_iter();
        let mut writer = PartsWriter::create(archive, &assigned, batch.clone(), paths, &options)?;
        writer.write(orphans)?;
        if first == 0 {
            report.shared = writer.take_shared();
        }
        for (number, manifest) in batch.zip(writer.finish(count, &options)?) {
            report.parts.push(PartReport {
                name: names[number].clone(),
                label: assigned.labels[number].clone(),
                manifest,
            });
        }
    }
    Ok(report)
}

/// What parts are.
fn container(archive: &Archive, options: &SplitOptions) -> ContainerKind {
    let own = archive.container().kind();
    options.writer.container.unwrap_or(own)
}

/// The containers of parts, and their names.
fn names(archive: &Archive, options: &SplitOptions, count: usize) -> (ContainerKind, Vec<String>) {
    let container = container(archive, options);
    let ending = match container {
        ContainerKind::Zip => ".zip",
        ContainerKind::Directory => "",
    };
    let width = count.to_string().len();
    let names = (1..=count).map(|number| format!("{PART}{number:0width$}{ending}"));
    (container, names.collect())
}
