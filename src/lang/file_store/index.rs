//! The objects of one kind in a folder (runs, logged models, traces), in the order of the archive.
//!
//! The order depends on times that stand in each object's file, so those files are read first, on all threads. What was read is
//! held for as many objects as fit a few MB; beyond that it is read again when its turn comes.

use super::folder::{Entry, EntryKind, Folder};
use super::notes::{Fault, Notes, unreadable};
use super::store::{Store, note_folder_without_meta};
use crate::archive::parallel::{Pool, map_ordered};
use crate::format::{Kind, Reason};
use crate::model::lifecycle;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// Objects whose parsed files are held.
const HELD_OBJECTS: usize = 8_000;
/// Folders one job looks into.
const BATCH: usize = 32;

/// An object of the index.
#[derive(Debug)]
pub(super) struct Indexed<T> {
    /// Its id, which is the name of its folder.
    pub(super) id: String,
    /// What orders it before its id.
    pub(super) time: Option<i64>,
    /// Whether it is deleted.
    pub(super) is_deleted: bool,
    /// What its file says, unless there are too many of them.
    pub(super) held: Option<T>,
}

/// What an object's file says, as far as the index needs it.
pub(super) trait Described: Sized + Send + 'static {
    /// Kind of the objects.
    const KIND: Kind;
    /// Name of the file.
    const FILE: &'static str;

    /// Parses the file of the object in a folder named `id`.
    ///
    /// # Errors
    /// A stable code and a sentence with the place.
    fn parse(bytes: &[u8], id: &str, place: &Place, path: &Path, notes: &mut Notes) -> Result<Self, Fault>;

    /// What orders the object before its id.
    fn time(&self) -> Option<i64>;

    /// Whether it is deleted.
    fn is_deleted(&self) -> bool;
}

/// The experiment that objects are in.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) experiment_id: String,
    /// Whether it lies in the trash.
    pub(super) is_deleted: bool,
}

impl Place {
    /// The stage of an object whose file says this; nothing, where it never was deleted or, of a logged model, is finalized.
    pub(super) fn stage(&self, said: Option<String>) -> String {
        if self.is_deleted {
            lifecycle::DELETED.to_owned()
        } else {
            said.unwrap_or_else(|| lifecycle::ACTIVE.to_owned())
        }
    }
}

/// The objects below `path`, and what was found beside them.
pub(super) fn index<T: Described>(
    store: &Arc<Store>,
    pool: &Pool,
    path: &Path,
    reserved: &'static [&'static str],
    place: &Arc<Place>,
) -> (Vec<Indexed<T>>, Notes) {
    let mut notes = Notes::default();
    let names = folder_names(store, T::KIND, path, reserved, &mut notes);
    let Some(names) = notes.of_path(T::KIND, &place.experiment_id, "*", path, names) else {
        return (Vec::new(), notes);
    };
    let hold = names.len() <= HELD_OBJECTS;
    let mut objects = Vec::with_capacity(names.len());
    let batches: Vec<Vec<String>> = names.chunks(BATCH).map(<[String]>::to_vec).collect();
    let (store, path, place) = (store.clone(), path.to_owned(), place.clone());
    let work = move |batch: Vec<String>| read_batch::<T>(&store, &path, batch, &place, hold);
    let done = map_ordered(pool, pool.threads() * 4, batches, work, |(found, found_notes)| {
        objects.extend(found);
        notes.append(found_notes);
        Ok::<(), std::convert::Infallible>(())
    });
    let Ok(()) = done;
    objects.sort_unstable_by(|a, b| (a.time, &a.id).cmp(&(b.time, &b.id)));
    (objects, notes)
}

/// The names of folders; other entries are noted.
fn folder_names(
    store: &Store,
    kind: Kind,
    path: &Path,
    reserved: &[&str],
    notes: &mut Notes,
) -> io::Result<Vec<String>> {
    let Some(mut folder) = store.open_optional(path)? else {
        return Ok(Vec::new());
    };
    let entries = folder.entries()?;
    let mut names = Vec::with_capacity(entries.len());
    for entry in entries {
        match (entry.name(), entry.kind) {
            (Some(name), EntryKind::Folder) if !reserved.contains(&name) => names.push(name.to_owned()),
            (Some(name), EntryKind::Folder | EntryKind::File) if reserved.contains(&name) => {}
            _ => note_stray(kind, &folder, &entry, notes),
        }
    }
    Ok(names)
}

/// Notes an entry that is no object's folder.
pub(super) fn note_stray(kind: Kind, folder: &Folder, entry: &Entry, notes: &mut Notes) {
    let place = folder.path_of(&entry.name);
    match entry.kind {
        EntryKind::File => notes.limit(kind, "*", Reason::Stray),
        EntryKind::Folder => {
            let detail = format!("the name of {} is not UTF-8", place.display());
            notes.failure(kind, &entry.shown(), "*", Reason::NameNotUtf8, detail);
        }
        EntryKind::Refused(reason, why) => {
            let detail = format!("cannot read {}: {why}", place.display());
            notes.failure(kind, &entry.shown(), "*", reason, detail);
        }
    }
}

fn read_batch<T: Described>(
    store: &Store,
    path: &Path,
    names: Vec<String>,
    place: &Place,
    hold: bool,
) -> (Vec<Indexed<T>>, Notes) {
    let mut notes = Notes::default();
    let mut objects = Vec::with_capacity(names.len());
    let folder = notes.of_path(T::KIND, &place.experiment_id, "*", path, store.open(path));
    let Some(folder) = folder else {
        return (objects, notes);
    };
    let mut buffer = Vec::new();
    for id in names {
        if let Some(described) = describe::<T>(&folder, &id, place, &mut buffer, &mut notes) {
            objects.push(Indexed {
                time: described.time(),
                is_deleted: place.is_deleted || described.is_deleted(),
                held: hold.then_some(described),
                id,
            });
        }
    }
    (objects, notes)
}

/// Reads the file of one object; what is wrong is noted.
pub(super) fn describe<T: Described>(
    folder: &Folder,
    id: &str,
    place: &Place,
    buffer: &mut Vec<u8>,
    notes: &mut Notes,
) -> Option<T> {
    let name = format!("{id}/{}", T::FILE);
    let path = folder.path_of(name.as_bytes());
    let parsed = match folder.read(name.as_bytes(), buffer) {
        Ok(bytes) => {
            note_if_unterminated(T::KIND, bytes, notes);
            T::parse(bytes, id, place, &path, notes)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            note_folder_without_meta(T::KIND, id, &folder.path_of(id.as_bytes()), notes);
            return None;
        }
        Err(error) => Err(unreadable(&path, &error)),
    };
    parsed.map_err(|fault| notes.fault(T::KIND, id, "*", fault)).ok()
}

/// The object of an index, and its folder; none where it cannot be read any more.
pub(super) fn open<T: Described>(
    store: &Store,
    folder: &Path,
    place: &Place,
    id: &str,
    held: Option<T>,
    buffer: &mut Vec<u8>,
    notes: &mut Notes,
) -> Option<(T, Folder)> {
    let opened = store.open(folder).and_then(|parent| {
        let own = parent.sub(id.as_bytes())?;
        Ok((parent, own))
    });
    let (parent, own) = notes.of_path(T::KIND, id, "*", &folder.join(id), opened)?;
    // What is wrong with its file was noted by the index.
    let object = held.or_else(|| describe(&parent, id, place, buffer, &mut Notes::default()))?;
    Some((object, own))
}

/// Notes a file whose last line has no end, which MLflow writes always: it may be cut off, and its last value with it.
pub(super) fn note_if_unterminated(kind: Kind, bytes: &[u8], notes: &mut Notes) {
    if bytes.last().is_some_and(|last| *last != b'\n') {
        notes.limit(kind, "*", Reason::UnterminatedFile);
    }
}

/// The fault of an id in a file that differs from the name of the folder.
pub(super) fn id_mismatch(path: &Path, field: &str, found: &str, expected: &str) -> Fault {
    let path = path.display();
    let detail = match found {
        "" => format!("{path} has no {field}, so MLflow does not see it; it may be half-written"),
        _ => format!(
            "{path} says {field} `{found}` but is in the folder of `{expected}`, so MLflow does not see it"
        ),
    };
    (Reason::IdMismatch, detail)
}
