//! The folder beside an export's output that outlives an interruption.
//!
//! ```text
//! OUT.mlark-resume/
//!   lock         held while an export uses the folder
//!   head.json    which source the parts came from, and which mlark asked
//!   parts…       answers by object (see `log`)
//!   blobs/ab/…   bytes by digest, whole ones only
//! ```

use super::log::PartLog;
use crate::archive::remote::is_remote;
use crate::archive::{ArchiveError, IngestError, OpenFn, StoredFile, digest_of, parent_of, store_content};
use crate::lang::session::ExportError;
use crate::model::printable::counted;
use crate::model::{BlobRef, Digest};
use crate::monitor::Monitor;
use crate::platform::identity_of;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Layout of the folder.
const LAYOUT: u32 = 2;
const SUFFIX: &str = ".mlark-resume";

/// What an export to an output keeps until the output is whole.
pub fn resume_folder(out: &Path) -> PathBuf {
    let mut name = out.file_name().unwrap_or_default().to_owned();
    if is_remote(out) {
        // Several buckets may have an object of that name.
        let digest = Digest(Sha256::digest(out.as_os_str().as_encoded_bytes()).into());
        name.push(format!("-{}{SUFFIX}", &digest.hex().as_str()[..16]));
        return parent_of(out).join(name);
    }
    name.push(SUFFIX);
    out.with_file_name(name)
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Head {
    layout: u32,
    tool: String,
    source: String,
}

/// The folder, locked.
pub(crate) struct Folder {
    path: PathBuf,
    pub(crate) log: PartLog,
    next_temporary: AtomicU64,
    _lock: File,
}

impl Folder {
    /// Opens the folder of an output; without `resume`, or where another mlark made it, it is made anew.
    pub(crate) fn open(
        out: &Path,
        source: &str,
        resume: bool,
        monitor: &dyn Monitor,
    ) -> Result<Self, ExportError> {
        let path = resume_folder(out);
        let lock = lock(&path)?;
        let head = Head {
            layout: LAYOUT,
            tool: env!("CARGO_PKG_VERSION").to_owned(),
            source: source.to_owned(),
        };
        let log = if reusable(&path, &head, resume, monitor)? {
            PartLog::open(&path.join("parts"))
        } else {
            begin(&path, &head)
        };
        let log = log.map_err(ArchiveError::io("use", &path))?;
        let found = log.len();
        if found > 0 {
            let parts = counted(found as u64, "parts");
            monitor.notice(&format!("continuing with {parts} in `{}`", path.display()));
        }
        Ok(Folder {
            path,
            log,
            next_temporary: AtomicU64::new(0),
            _lock: lock,
        })
    }

    /// Fetches content into the folder.
    pub(crate) fn store(&self, open: OpenFn) -> Result<StoredFile, IngestError> {
        let number = self.next_temporary.fetch_add(1, Ordering::Relaxed);
        let temporary = self.path.join(format!("blob-{}-{number}", std::process::id()));
        let stored = store_content(open, &temporary);
        let blob = stored.inspect_err(|_| drop(fs::remove_file(&temporary)))?;
        let path = self.blob_path(&blob.sha256);
        let folder = path.parent().expect("a blob is in a folder");
        let kept = fs::create_dir_all(folder).and_then(|()| fs::rename(&temporary, &path));
        kept.map_err(|error| IngestError::Write(ArchiveError::io("rename to", &path)(error)))?;
        Ok(StoredFile { path, blob })
    }

    /// Bytes that were fetched before; none where they are not there any more, or are others.
    pub(crate) fn stored(&self, blob: BlobRef) -> Option<StoredFile> {
        let path = self.blob_path(&blob.sha256);
        is_blob(&path, &blob).then_some(StoredFile { path, blob })
    }

    fn blob_path(&self, digest: &Digest) -> PathBuf {
        let hex = digest.hex();
        self.path
            .join("blobs")
            .join(&hex.as_str()[..2])
            .join(hex.as_str())
    }

    /// Whether anything is worth keeping.
    pub(crate) fn is_empty(&self) -> bool {
        self.log.len() == 0
    }

    /// Removes the folder.
    pub(crate) fn remove(&self) {
        // The lock goes last, and with it the name; what cannot be removed is replaced by the next export.
        for name in ["head.json", "parts-wal", "parts", "blobs"] {
            let path = self.path.join(name);
            drop(fs::remove_file(&path).or_else(|_| fs::remove_dir_all(&path)));
        }
        drop(fs::remove_dir_all(&self.path));
    }
}

fn usage(path: &Path, detail: &str) -> ExportError {
    ExportError::Resume {
        path: path.to_owned(),
        detail: detail.to_owned(),
    }
}

/// Takes the folder for this process.
fn lock(path: &Path) -> Result<File, ExportError> {
    let file_path = path.join("lock");
    loop {
        fs::create_dir_all(path).map_err(ArchiveError::io("create directory", path))?;
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&file_path);
        let file = match file {
            // Another export has just removed the folder.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            file => file.map_err(ArchiveError::io("create", &file_path))?,
        };
        // Another error means a file system without locks: as good as it gets there.
        if let Err(TryLockError::WouldBlock) = file.try_lock() {
            return Err(usage(path, "another export to the same output is using it"));
        }
        let identity = |metadata: io::Result<fs::Metadata>| metadata.as_ref().map(identity_of).ok();
        if identity(file.metadata()) == identity(fs::metadata(&file_path)) {
            return Ok(file);
        }
    }
}

/// Whether what lies in the folder is gone on with.
fn reusable(path: &Path, head: &Head, resume: bool, monitor: &dyn Monitor) -> Result<bool, ExportError> {
    let Ok(text) = fs::read(path.join("head.json")) else {
        return Ok(false);
    };
    let found: Option<Head> = serde_json::from_slice(&text).ok();
    let Some(found) = found else { return Ok(false) };
    if !resume {
        monitor.notice(&format!(
            "replacing `{}` of an interrupted export, which --resume would have continued",
            path.display()
        ));
        return Ok(false);
    }
    if found.source != head.source {
        let detail = format!(
            "it holds parts of `{}`: remove it, or write to another output",
            found.source
        );
        return Err(usage(path, &detail));
    }
    let is_same = found == *head;
    if !is_same {
        monitor.notice(&format!(
            "`{}` was made by mlark {}, so everything is fetched again",
            path.display(),
            found.tool
        ));
    }
    Ok(is_same && path.join("parts").exists())
}

/// Makes the folder anew.
fn begin(path: &Path, head: &Head) -> io::Result<PartLog> {
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if entry.file_name() == "lock" {
            continue;
        }
        if entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?
        } else {
            fs::remove_file(entry.path())?
        }
    }
    let log = PartLog::create(&path.join("parts"))?;
    let text = serde_json::to_vec(head).expect("texts can be written");
    fs::write(path.join("head.json"), text)?;
    Ok(log)
}

/// Whether a file holds just these bytes.
pub(crate) fn is_blob(path: &Path, blob: &BlobRef) -> bool {
    let is_it = File::open(path).and_then(|file| {
        let has_its_size = file.metadata()?.len() == blob.size_bytes;
        Ok(has_its_size && digest_of(file)? == blob.sha256)
    });
    is_it.unwrap_or(false)
}
