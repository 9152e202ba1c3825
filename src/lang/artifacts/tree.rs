//! Names and bytes of the files that a sink makes: no name leads out of the tree, and none is taken twice.

use crate::archive::{Archive, ArchiveError, clone_blob};
use crate::format::layout::blob_path;
use crate::model::printable::printable as shown;
use crate::model::{ArtifactFile, BlobRef};
use crate::platform::OpenMore as _;
use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{BufWriter, Read, Write};
use std::path::Path;

/// Bytes of a name that file systems allow.
const NAME_BYTES: usize = 255;
/// Characters that no name on Windows holds, beside control characters.
const NOT_ON_WINDOWS: &str = "<>:\"|?*";
/// Mode of a file that its owner may change.
const LIVE_MODE: u32 = 0o644;
/// Bytes copied at once.
const CHUNK_BYTES: usize = 128 << 10;

/// Refuses what is not one plain name on every common system, or that this one cannot hold.
pub(crate) fn check_name(name: &str) -> Result<(), String> {
    check_name_on(name, cfg!(windows))
}

fn check_name_on(name: &str, is_windows: bool) -> Result<(), String> {
    let device = name
        .split('.')
        .next()
        .unwrap_or_default()
        .trim_end()
        .to_ascii_uppercase();
    let is_device = matches!(
        device.as_str(),
        "CON" | "PRN" | "AUX" | "NUL" | "CONIN$" | "CONOUT$"
    ) || (device.strip_prefix("COM").or_else(|| device.strip_prefix("LPT")))
        .is_some_and(|number| matches!(number, "1" | "2" | "3" | "4" | "5" | "6" | "7" | "8" | "9"));
    let reason = match name {
        "" => "a name in it is empty",
        "." | ".." => "a name in it leads elsewhere",
        _ if name.contains('/') => "a name in it holds a slash",
        _ if name.contains('\\') => "a name in it holds a backslash",
        _ if name.contains('\0') => "a name in it holds a NUL",
        _ if name.as_bytes().get(1) == Some(&b':') && name.as_bytes()[0].is_ascii_alphabetic() => {
            "a name in it begins like a drive"
        }
        _ if name.len() > NAME_BYTES => "a name in it is longer than 255 bytes",
        _ if is_windows && is_device => "a name in it is the name of a device",
        _ if is_windows && name.ends_with(['.', ' ']) => "a name in it ends in a dot or a space",
        _ if is_windows && name.contains(|next: char| next < ' ' || NOT_ON_WINDOWS.contains(next)) => {
            "a name in it holds a character that Windows does not allow"
        }
        _ => return Ok(()),
    };
    Err(reason.to_owned())
}

/// Names of folders, of which each belongs to one object.
pub(crate) struct NameOwners {
    folds_case: bool,
    /// Where case is folded, what was taken.
    taken: HashMap<String, String>,
}

impl NameOwners {
    pub(crate) fn new(folds_case: bool) -> Self {
        NameOwners {
            folds_case,
            taken: HashMap::new(),
        }
    }

    /// Takes a name; an error says which other name would be the same folder.
    pub(crate) fn claim(&mut self, name: &str) -> Result<(), String> {
        // Elsewhere the ids of an archive, which are unique, are folders of their own.
        if !self.folds_case {
            return Ok(());
        }
        let spelled = self
            .taken
            .entry(name.to_lowercase())
            .or_insert_with(|| name.to_owned());
        if spelled == name {
            Ok(())
        } else {
            Err(format!("`{}` differs from it only by case", shown(spelled)))
        }
    }
}

/// Paths of files below one folder.
pub(crate) struct Paths {
    folds_case: bool,
    /// What is at a path: true for a file; and its spelling.
    taken: HashMap<String, (bool, String)>,
}

impl Paths {
    pub(crate) fn new(folds_case: bool) -> Self {
        Paths {
            folds_case,
            taken: HashMap::new(),
        }
    }

    /// Begins another folder.
    pub(crate) fn clear(&mut self) {
        self.taken.clear();
    }

    /// Takes a path for a file; an error says what is in its way.
    pub(crate) fn claim(&mut self, path: &[&str]) -> Result<(), String> {
        let mut spelled = String::new();
        for (index, part) in path.iter().enumerate() {
            if index > 0 {
                spelled.push('/');
            }
            spelled.push_str(part);
            let is_file = index + 1 == path.len();
            let folded = if self.folds_case {
                spelled.to_lowercase()
            } else {
                spelled.clone()
            };
            match self.taken.get(&folded) {
                None => {
                    self.taken.insert(folded, (is_file, spelled.clone()));
                }
                Some((_, other)) if *other != spelled => {
                    return Err(format!("`{}` differs from it only by case", shown(other)));
                }
                Some((false, _)) if !is_file => {}
                Some(_) => {
                    return Err(format!(
                        "`{}` is both a file and a folder, or appears twice",
                        shown(&spelled)
                    ));
                }
            }
        }
        Ok(())
    }
}

/// Whether names that differ by case alone are one in a directory.
pub(crate) fn folds_case(directory: &Path) -> Result<bool, ArchiveError> {
    let probe = directory.join("case-probe");
    File::create_new(&probe).map_err(ArchiveError::io("create", &probe))?;
    let folds = fs::symlink_metadata(directory.join("CASE-PROBE")).is_ok();
    fs::remove_file(&probe).map_err(ArchiveError::io("remove", &probe))?;
    Ok(folds)
}

/// Writes an artifact's bytes, checked, to a new file, with the folders above it; how many.
pub(crate) fn write_artifact(
    archive: &Archive,
    artifact: &ArtifactFile,
    to: &Path,
) -> Result<u64, ArchiveError> {
    let blob = blob_of(archive, artifact, to)?;
    // Exclusive creation follows no symlink and overwrites nothing.
    let file = File::create_new(to).map_err(ArchiveError::io("create", to))?;
    copy_blob(archive, &blob, to, file)
}

/// The same for a file that will live on: where the file system can, it shares the bytes of the archive until it is changed, and
/// the archive's stay as they are.
pub(crate) fn write_live_artifact(
    archive: &Archive,
    artifact: &ArtifactFile,
    to: &Path,
) -> Result<u64, ArchiveError> {
    let blob = blob_of(archive, artifact, to)?;
    if clone_blob(archive, &blob.sha256, to) {
        return copy_blob(archive, &blob, to, std::io::sink());
    }
    let mut options = File::options();
    let file = options.write(true).create_new(true).with_mode(LIVE_MODE).open(to);
    copy_blob(archive, &blob, to, file.map_err(ArchiveError::io("create", to))?)
}

/// Makes the folders above a file; the blob that it is to be.
fn blob_of(archive: &Archive, artifact: &ArtifactFile, to: &Path) -> Result<BlobRef, ArchiveError> {
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder).map_err(ArchiveError::io("create directory", folder))?;
    }
    artifact.blob().ok_or_else(|| unread(archive, artifact))
}

/// What is said of an artifact that the archive says nothing of.
pub(crate) fn unread(archive: &Archive, artifact: &ArtifactFile) -> ArchiveError {
    let reason = format!(
        "artifact `{}` has neither bytes nor a reason why not",
        shown(&artifact.path)
    );
    archive.damaged("objects/artifacts", &reason)
}

/// Copies a blob, checked.
fn copy_blob(archive: &Archive, blob: &BlobRef, to: &Path, out: impl Write) -> Result<u64, ArchiveError> {
    let mut reader = archive.blob(blob)?;
    let mut writer = BufWriter::with_capacity(CHUNK_BYTES, out);
    let mut buffer = vec![0; CHUNK_BYTES];
    let mut bytes = 0;
    loop {
        let read = reader
            .read(&mut buffer)
            .map_err(|error| archive.read_error(&blob_path(&blob.sha256), error))?;
        if read == 0 {
            break;
        }
        writer
            .write_all(&buffer[..read])
            .map_err(ArchiveError::io("write", to))?;
        bytes += read as u64;
    }
    writer.flush().map_err(ArchiveError::io("write", to))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_and_odd_ends_are_names_where_the_system_can_hold_them() {
        for name in [
            "con",
            "aux.txt",
            "trailing.",
            "trailing ",
            "ab:c",
            "a|b",
            "why?",
            "a\tb",
        ] {
            assert!(check_name_on(name, false).is_ok(), "{name}");
            assert!(check_name_on(name, true).is_err(), "{name}");
        }
        for name in ["é😀", "-rf", "~", "a.b", "console"] {
            assert!(check_name_on(name, true).is_ok(), "{name}");
        }
    }
}
