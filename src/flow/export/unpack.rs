//! A zip of an `mlruns` tree or of an export: checked, unpacked beside the output, read, and removed.
//!
//! What is in a zip is believed nowhere. Before anything is unpacked: no more entries, bytes and growth than [`UnpackLimits`] allow, no
//! two entries that share bytes of the file, no name twice, none that leads out, no link. While it is unpacked: no entry has other bytes
//! than it claimed. Names that differ in case only are two names, as params `lr` and `LR` are; where the disk
//! takes them for one, the second is refused when it is made.

use crate::archive::{ArchiveError, TemporaryFolder, open_input, parent_of};
use crate::lang::session::{ExportError, UnpackLimits};
use crate::model::mask::redact;
use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, BufReader, Read, Seek, Write};
use std::path::{Path, PathBuf};
use zip::ZipArchive;
use zip::read::{Config, ZipFileEntry};
use zip::unstable::read::ZipIterable;

/// What a zip may grow to whatever its size: small files of MLflow pack well.
const FREE_BYTES: u64 = 64 << 20;

/// A zip's content on disk; gone when dropped.
pub(super) struct Unpacked {
    directory: TemporaryFolder,
}

impl Unpacked {
    fn top(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// The folder the data is in: the zip's only top-level folder, where it has just one.
    pub(super) fn root(&self) -> PathBuf {
        let top = self.top();
        let entries: Vec<_> = fs::read_dir(&top)
            .into_iter()
            .flatten()
            .filter_map(Result::ok)
            .take(2)
            .collect();
        match entries.as_slice() {
            [only] if only.file_type().is_ok_and(|kind| kind.is_dir()) && !is_root(&only.path()) => {
                only.path()
            }
            _ => top,
        }
    }
}

/// Whether a folder is itself an experiment of a file store, so that its parent is the root.
fn is_root(folder: &Path) -> bool {
    folder.join("meta.yaml").exists()
}

/// Whether a path is a zip file that is no archive of mlark's.
pub(super) fn is_foreign_zip(path: &Path) -> bool {
    let is_zip = path
        .extension()
        .is_some_and(|extension| extension.eq_ignore_ascii_case("zip"));
    is_zip && path.is_file()
}

/// Whether a zip file can be read and has nothing of an archive of mlark's.
pub(super) fn is_foreign(path: &Path) -> bool {
    let zip = open_input(path).map(io::BufReader::new).map(ZipArchive::new);
    let own = [crate::format::layout::SEAL, crate::format::layout::MANIFEST];
    zip.is_ok_and(|zip| zip.is_ok_and(|zip| own.iter().all(|name| zip.index_for_name(name).is_none())))
}

/// Unpacks a zip into a temporary folder beside `out`; modes, times and links of the zip are not taken.
///
/// # Errors
/// It is not a zip, it is an archive of mlark's, it breaks a rule of this module, or the file system refused.
pub(super) fn unpack(path: &Path, out: &Path, limits: UnpackLimits) -> Result<Unpacked, ExportError> {
    let error = |detail: String| ExportError::Source {
        source_uri: redact(&path.display().to_string()),
        detail,
    };
    let mut zip = open(path, limits).map_err(error)?;
    let names = check(&mut zip, path, limits).map_err(error)?;
    let directory = TemporaryFolder::create_in(&parent_of(out))?;
    let unpacked = Unpacked { directory };
    let top = unpacked.top();
    fs::create_dir(&top).map_err(ArchiveError::io("create", &top))?;
    for (index, name) in names.iter().enumerate() {
        let place = top.join(name);
        let unpacked = match zip.by_index(index) {
            Ok(mut entry) => unpack_entry(&mut entry, &place),
            Err(cause) => Err(Fault::Zip(cause.to_string())),
        };
        unpacked.map_err(|fault| match fault {
            Fault::Zip(cause) => error(format!("its entry `{}`: {cause}", name.escape_default())),
            Fault::Disk(cause) => ArchiveError::io("unpack to", &place)(cause).into(),
        })?;
    }
    Ok(unpacked)
}

/// Opens a zip that has no more entries than allowed: how many there are is known before they are read.
fn open(path: &Path, limits: UnpackLimits) -> Result<ZipArchive<BufReader<File>>, String> {
    let file = || {
        open_input(path)
            .map(BufReader::new)
            .map_err(|cause| cause.to_string())
    };
    let entries = ZipIterable::try_new(file()?, Config::default()).map_err(|cause| cause.to_string())?;
    within("entries", entries.len() as u64, limits.entries, "entries")?;
    let zip = ZipArchive::new(file()?).map_err(|cause| cause.to_string())?;
    match zip.index_for_name(crate::format::layout::SEAL) {
        Some(_) => Err(super::detect::OWN_ARCHIVE.to_owned()),
        None => Ok(zip),
    }
}

/// Checks all that can be known before a byte is unpacked; the paths of the entries below the top.
fn check<R: Read + Seek>(
    zip: &mut ZipArchive<R>,
    path: &Path,
    limits: UnpackLimits,
) -> Result<Vec<String>, String> {
    if zip.has_duplicate_names() {
        return Err("it has two entries with the same name".to_owned());
    }
    if zip.has_overlapping_entries().map_err(|cause| cause.to_string())? {
        return Err("two of its entries share bytes, as those of a zip bomb do".to_owned());
    }
    let mut names = Vec::with_capacity(zip.len());
    let (mut seen, mut bytes) = (HashSet::with_capacity(zip.len()), 0_u64);
    for index in 0..zip.len() {
        let entry = zip.by_index_data(index).map_err(|cause| cause.to_string())?;
        let name = name_within(&entry)?;
        bytes = bytes.saturating_add(entry.size());
        if !seen.insert(name.clone()) {
            return Err(format!("its entry `{}` appears twice", name.escape_default()));
        }
        names.push(name);
    }
    within("bytes", bytes, limits.bytes, "bytes")?;
    let own = path.metadata().map_err(|cause| cause.to_string())?.len();
    if bytes > FREE_BYTES {
        within(
            "times its own size",
            bytes.div_ceil(own.max(1)),
            limits.ratio,
            "ratio",
        )?;
    }
    Ok(names)
}

fn within(what: &str, found: u64, limit: u64, option: &str) -> Result<(), String> {
    if found <= limit {
        Ok(())
    } else {
        Err(format!(
            "it unpacks to {found} {what}, more than the limit of {limit}: if you trust it, raise the limit with --zip-limit {option}=N"
        ))
    }
}

/// The path of an entry below the top, its parts joined with `/`.
fn name_within(entry: &ZipFileEntry<'_>) -> Result<String, String> {
    let name = entry.name().map_err(|cause| cause.to_string())?;
    // Elsewhere than on Unix a backslash may stand between the parts.
    let plain = match entry.system() {
        zip::System::Unix => name.clone(),
        _ => name.replace('\\', "/").into(),
    };
    let parts: Vec<&str> = plain
        .split('/')
        .filter(|part| !matches!(*part, "" | "."))
        .collect();
    let leads_out = plain.starts_with('/') || parts.contains(&"..") || plain.contains('\0');
    if leads_out || entry.is_symlink() {
        let name = name.escape_default();
        return Err(format!("its entry `{name}` points outside of it, or is a link"));
    }
    Ok(parts.join("/"))
}

/// Why an entry cannot be unpacked.
enum Fault {
    /// For what it is.
    Zip(String),
    /// The file system refused.
    Disk(io::Error),
}

impl Fault {
    /// A name that the file system cannot hold beside the others is the zip's fault, a full disk is not.
    fn of_disk(error: io::Error) -> Self {
        use io::ErrorKind::{AlreadyExists, InvalidFilename, IsADirectory, NotADirectory};
        match error.kind() {
            AlreadyExists | IsADirectory | NotADirectory => {
                Fault::Zip("another entry has the same path, or the path of its folder".to_owned())
            }
            InvalidFilename => Fault::Zip("its name is too long for the file system".to_owned()),
            _ => Fault::Disk(error),
        }
    }
}

fn unpack_entry<R: Read + ?Sized>(entry: &mut zip::read::ZipFile<'_, R>, to: &Path) -> Result<(), Fault> {
    if entry.is_dir() {
        return fs::create_dir_all(to).map_err(Fault::of_disk);
    }
    if let Some(parent) = to.parent() {
        fs::create_dir_all(parent).map_err(Fault::of_disk)?;
    }
    let claimed = entry.size();
    let mut file = File::create_new(to).map_err(Fault::of_disk)?;
    copy(entry, claimed, &mut file)
}

/// Copies an entry's bytes, which must be as many as it claims.
fn copy(entry: &mut (impl Read + ?Sized), claimed: u64, to: &mut impl Write) -> Result<(), Fault> {
    let mut buffer = vec![0; 64 << 10];
    let mut copied = 0_u64;
    loop {
        let read = match entry.read(&mut buffer) {
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(Fault::Zip(error.to_string())),
        };
        copied += read as u64;
        if copied > claimed || (read == 0 && copied < claimed) {
            let cause = format!("its size is not the {claimed} bytes that it claims");
            return Err(Fault::Zip(cause));
        }
        if read == 0 {
            return Ok(());
        }
        to.write_all(&buffer[..read]).map_err(Fault::Disk)?;
    }
}

#[cfg(test)]
mod tests;
