//! Parameters, tags and metadata: one file per key, its bytes the value; a `/` in a key is a folder.

use crate::format::{Kind, Reason};

use super::folder::{EntryKind, Folder};
use super::notes::{self, Notes};
use super::store::Store;
use crate::archive::LongTexts;
use crate::format::layout::STRING_BYTES;
use crate::model::{Text, TextMap};
use std::io::{self, ErrorKind};

/// Deepest nesting of keys; a path cannot be much longer.
const MAX_DEPTH: usize = 256;

/// Whose keys are read, for failures.
#[derive(Clone, Copy)]
pub(super) struct KeyOwner<'a> {
    pub(super) kind: Kind,
    pub(super) id: &'a str,
    pub(super) field: &'a str,
}

impl<'a> KeyOwner<'a> {
    pub(super) fn of(kind: Kind, id: &'a str, field: &'a str) -> Self {
        KeyOwner { kind, id, field }
    }
}

/// Takes a key, the folder that holds its file, and the file's name there.
pub(super) type Visit<'v> = dyn FnMut(String, &Folder, &[u8], &mut Notes) + 'v;

/// Reads the values below a folder named `name`; none where it is missing.
pub(super) fn read_values(
    store: &Store,
    parent: &Folder,
    name: &str,
    owner: KeyOwner<'_>,
    buffer: &mut Vec<u8>,
    notes: &mut Notes,
) -> TextMap {
    // Many keys at once make full nodes of a map, which one after the other leave half empty.
    let mut values = Vec::new();
    walk(
        parent,
        name,
        owner,
        notes,
        &mut |key, folder, file, notes| match read_value(store, folder, file, buffer) {
            Ok(text) => values.push((key, text)),
            Err(error) if error.kind() == ErrorKind::FileTooLarge => {
                let detail = format!("{}: {error}", folder.path_of(file).display());
                notes.failure(owner.kind, owner.id, owner.field, Reason::Unwritable, detail);
            }
            Err(error) => unreadable(owner, folder, file, &error, notes),
        },
    );
    values.into_iter().collect()
}

/// Reads the value in a file; one that no line holds is laid aside, one that no archive holds is not read.
fn read_value(store: &Store, folder: &Folder, name: &[u8], buffer: &mut Vec<u8>) -> io::Result<Text> {
    if let Some(bytes) = folder.read_up_to(name, STRING_BYTES, buffer)? {
        return Ok(Text::from_bytes(bytes.to_vec()));
    }
    let mut file = folder.open_file(name)?;
    match LongTexts::refused(file.metadata()?.len()) {
        Some(reason) => Err(io::Error::new(ErrorKind::FileTooLarge, reason)),
        None => store.long_texts().keep(&mut file),
    }
}

/// Notes a file that cannot be read.
pub(super) fn unreadable(
    owner: KeyOwner<'_>,
    folder: &Folder,
    file: &[u8],
    error: &io::Error,
    notes: &mut Notes,
) {
    let fault = notes::unreadable(&folder.path_of(file), error);
    notes.fault(owner.kind, owner.id, owner.field, fault);
}

/// Visits the file of each key below a folder.
pub(super) fn walk(
    parent: &Folder,
    name: &str,
    owner: KeyOwner<'_>,
    notes: &mut Notes,
    visit: &mut Visit<'_>,
) {
    match parent.sub(name.as_bytes()) {
        Ok(folder) => walk_folder(folder, "", 0, owner, notes, visit),
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => unreadable(owner, parent, name.as_bytes(), &error, notes),
    }
}

fn walk_folder(
    mut folder: Folder,
    prefix: &str,
    depth: usize,
    owner: KeyOwner<'_>,
    notes: &mut Notes,
    visit: &mut Visit<'_>,
) {
    let entries = match folder.entries() {
        Ok(entries) => entries,
        Err(error) => return unreadable(owner, &folder, b"", &error, notes),
    };
    for entry in entries {
        let place = || folder.path_of(&entry.name).display().to_string();
        let Some(name) = entry.name() else {
            let detail = format!("the name of {} is not UTF-8", place());
            notes.failure(owner.kind, owner.id, owner.field, Reason::NameNotUtf8, detail);
            continue;
        };
        match entry.kind {
            EntryKind::File => visit([prefix, name].concat(), &folder, &entry.name, notes),
            EntryKind::Folder if depth < MAX_DEPTH => match folder.sub(&entry.name) {
                Ok(inner) => {
                    let prefix = format!("{prefix}{name}/");
                    walk_folder(inner, &prefix, depth + 1, owner, notes, visit);
                }
                Err(error) => unreadable(owner, &folder, &entry.name, &error, notes),
            },
            EntryKind::Folder => {
                let detail = format!("{} is nested too deeply", place());
                notes.failure(owner.kind, owner.id, owner.field, Reason::Unreadable, detail);
            }
            EntryKind::Refused(reason, why) => {
                let detail = format!("cannot read {}: {why}", place());
                notes.failure(owner.kind, owner.id, owner.field, reason, detail);
            }
        }
    }
}
