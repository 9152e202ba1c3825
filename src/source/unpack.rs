//! A zip of an `mlruns` tree or of an export: unpacked beside the output, read, and removed.

use super::ExportError;
use crate::archive::{TemporaryFolder, parent_of};
use crate::model::uri::redact;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use zip::ZipArchive;

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
    let zip = File::open(path).map(io::BufReader::new).map(ZipArchive::new);
    let own = [crate::format::layout::SEAL, crate::format::layout::MANIFEST];
    zip.is_ok_and(|zip| zip.is_ok_and(|zip| own.iter().all(|name| zip.index_for_name(name).is_none())))
}

/// Unpacks a zip into a temporary folder beside `out`; modes, times and links of the zip are not taken.
///
/// # Errors
/// It is not a zip, it is an archive of mlark's, an entry's name leads outside or is a link, or the disk is full.
pub(super) fn unpack(path: &Path, out: &Path) -> Result<Unpacked, ExportError> {
    let error = |detail: String| ExportError::Source {
        source_uri: redact(&path.display().to_string()),
        detail,
    };
    let file = File::open(path).map_err(|cause| error(cause.to_string()))?;
    let mut zip = ZipArchive::new(io::BufReader::new(file)).map_err(|cause| error(cause.to_string()))?;
    if zip.index_for_name(crate::format::layout::SEAL).is_some() {
        return Err(error(super::detect::OWN_ARCHIVE.to_owned()));
    }
    let directory = TemporaryFolder::create_in(&parent_of(out))?;
    let unpacked = Unpacked { directory };
    fs::create_dir(unpacked.top()).map_err(|cause| error(cause.to_string()))?;
    for index in 0..zip.len() {
        let mut entry = zip.by_index(index).map_err(|cause| error(cause.to_string()))?;
        let name = entry.name().map_err(|cause| error(cause.to_string()))?;
        let name = name.escape_default().to_string();
        let Some(relative) = entry.enclosed_name().filter(|_| !entry.is_symlink()) else {
            return Err(error(format!(
                "its entry `{name}` leads outside of it or is a link"
            )));
        };
        unpack_entry(&mut entry, &unpacked.top().join(relative))
            .map_err(|cause| error(format!("its entry `{name}`: {cause}")))?;
    }
    Ok(unpacked)
}

fn unpack_entry<R: io::Read + ?Sized>(entry: &mut zip::read::ZipFile<'_, R>, to: &Path) -> io::Result<()> {
    if entry.is_dir() {
        return fs::create_dir_all(to);
    }
    if let Some(parent) = to.parent() {
        fs::create_dir_all(parent)?;
    }
    let claimed = entry.size();
    let mut limited = io::Read::take(&mut *entry, claimed.saturating_add(1));
    let copied = io::copy(&mut limited, &mut File::create_new(to)?)?;
    if copied != claimed {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            format!("it has another size than the {claimed} bytes it claims"),
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use zip::write::SimpleFileOptions;

    fn zip_of(directory: &Path, entries: &[(&str, &str)]) -> PathBuf {
        let path = directory.join("data.zip");
        let mut zip = zip::ZipWriter::new(File::create(&path).unwrap());
        for (name, text) in entries {
            zip.start_file(*name, SimpleFileOptions::default()).unwrap();
            zip.write_all(text.as_bytes()).unwrap();
        }
        zip.finish().unwrap();
        path
    }

    #[test]
    fn a_single_folder_in_a_zip_is_the_root() {
        let directory = tempfile::tempdir().unwrap();
        let path = zip_of(
            directory.path(),
            &[("mlruns/0/meta.yaml", "a: 1"), ("mlruns/1/meta.yaml", "a: 2")],
        );
        let unpacked = unpack(&path, &directory.path().join("out")).unwrap();
        assert_eq!(
            fs::read_to_string(unpacked.root().join("1/meta.yaml")).unwrap(),
            "a: 2"
        );
        let folder = unpacked.directory.path().to_owned();
        drop(unpacked);
        assert!(!folder.exists());
    }

    #[test]
    fn names_that_lead_outside_are_refused_and_nothing_is_left() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["../x", "a/../../x", "/etc/x"] {
            let path = zip_of(directory.path(), &[(name, "x")]);
            let error = unpack(&path, &directory.path().join("out")).err();
            // An absolute name is taken as a relative one by the zip crate, or refused; it never leads outside.
            assert!(error.is_some() || name.starts_with('/'), "{name}");
            assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "{name}");
        }
    }

    #[test]
    fn an_archive_of_mlark_is_no_source() {
        let directory = tempfile::tempdir().unwrap();
        let path = zip_of(
            directory.path(),
            &[("mlark.json", "{}"), ("mlark.json.sha256", "")],
        );
        let error = unpack(&path, &directory.path().join("out")).err().unwrap();
        assert!(error.to_string().contains("archive of mlark"), "{error}");
    }
}
