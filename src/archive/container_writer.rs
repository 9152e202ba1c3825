//! The two containers being written: a directory, and a zip with its objects spooled beside it.

mod adoption;

pub(crate) use self::adoption::Adopted;

use super::blob::{GuardedReader, Ingest, IngestError, copy_and_hash};
use super::blob_directory::BlobDirectory;
use super::buffers::Buffers;
use super::container::ContainerKind;
use super::error::{ArchiveError, Result};
use super::reader::Archive;
use super::remote::ObjectWriter;
use super::staging::Staging;
use super::zip::{Made, ZipFileWriter, ZipIndex, ZipLimits, ZipWriteError};
use crate::format::layout::{BLOB_PATH_LEN, MANIFEST, MANIFEST_BYTES, blob_path, checksum_line};
use crate::format::{ArchivePath, Manifest};
use crate::model::{BlobRef, Digest};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Name of the tree within the staging directory.
const TREE: &str = "archive";
/// Name of the zip within the staging directory.
const ZIP: &str = "archive.zip";

/// Where blobs and object files go.
pub(crate) struct Output {
    /// Object files, and in a directory everything else.
    root: PathBuf,
    scratch: PathBuf,
    target: Target,
    /// Where a zip's small content waits.
    buffers: Buffers,
    /// The archives whose blobs were taken over.
    adopted: Vec<Archive>,
    /// Those that were not.
    except: BTreeSet<Digest>,
    /// The only ones to take, where not all are.
    only: Option<BTreeSet<Digest>>,
}

enum Target {
    Directory(Arc<BlobDirectory>),
    Zip {
        writer: Option<Box<ZipFileWriter>>,
        /// The file, or where in an object store it is to be.
        path: PathBuf,
    },
}

/// What was made of an archive, and waits for its name.
pub(crate) enum Sealed {
    /// A file or directory of this name within the staging directory.
    Name(&'static str),
    /// A zip in an object store, of which the last parts are not sent.
    Parts(Box<ObjectWriter>),
}

impl Output {
    pub(crate) fn create(kind: ContainerKind, staging: &Staging, scratch: &Path) -> Result<Self> {
        let root = staging.root().join(TREE);
        fs::create_dir(&root).map_err(ArchiveError::io("create directory", &root))?;
        let buffers = Buffers::default();
        let target = match kind {
            ContainerKind::Directory => {
                let remote = staging.remote_blobs()?;
                Target::Directory(Arc::new(BlobDirectory::new(&root, scratch, remote)))
            }
            ContainerKind::Zip => {
                let (path, writer) = match staging.remote() {
                    Some(target) => {
                        let path = staging.out().to_owned();
                        let parts = staging.parts(target.as_ref())?;
                        let writer = ZipFileWriter::in_parts(parts, scratch);
                        let writer = writer.map_err(zip_error(&path))?.with_buffers(buffers.clone());
                        (path, Box::new(writer))
                    }
                    None => {
                        let path = staging.root().join(ZIP);
                        let writer = create_zip(&path, scratch, &buffers)?;
                        (path, writer)
                    }
                };
                let writer = Some(writer);
                Target::Zip { writer, path }
            }
        };
        Ok(Output {
            root,
            scratch: scratch.to_owned(),
            target,
            buffers,
            adopted: Vec::new(),
            except: BTreeSet::new(),
            only: None,
        })
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// What worker threads do with content.
    pub(crate) fn ingest(&self) -> Ingest {
        match &self.target {
            Target::Directory(blobs) => Ingest::Directory(blobs.clone()),
            Target::Zip { .. } => Ingest::Memory(self.scratch.as_path().into(), self.buffers.clone()),
        }
    }

    fn zip(&mut self) -> (&mut ZipFileWriter, &Path) {
        match &mut self.target {
            Target::Zip {
                writer: Some(writer),
                path,
            } => (writer, path),
            _ => unreachable!("only content for a zip comes back from a worker thread"),
        }
    }

    pub(crate) fn zip_small(&mut self, name: &str, bytes: Vec<u8>) -> Result<()> {
        let (zip, path) = self.zip();
        zip.write_owned(name, bytes).map_err(zip_error(path))?;
        Ok(())
    }

    /// Streams content into the zip; content that `is_known` is read, hashed and not kept.
    pub(crate) fn zip_large(
        &mut self,
        mut reader: GuardedReader,
        is_known: impl Fn(&Digest) -> bool,
    ) -> Result<BlobRef, IngestError> {
        let adopted = self.adopted.clone();
        let (zip, path) = self.zip();
        let write_error = |error| IngestError::Write(zip_error(path)(error));
        let size_hint = reader.size_hint().unwrap_or(0);
        let mut entry = zip.begin(BLOB_PATH_LEN, size_hint).map_err(write_error)?;
        let io_error = |error| ArchiveError::io("write", path)(error);
        let copied = copy_and_hash(&mut reader, &mut entry, io_error);
        let is_known =
            |digest: &Digest| is_known(digest) || adopted.iter().any(|archive| archive.has_blob(digest));
        match copied {
            Ok(blob) if !is_known(&blob.sha256) => {
                entry.finish(&blob_path(&blob.sha256)).map_err(write_error)?;
                Ok(blob)
            }
            copied => {
                entry.abandon().map_err(write_error)?;
                copied
            }
        }
    }

    /// Takes blobs out again; their bytes.
    pub(crate) fn remove_blobs(&mut self, blobs: &BTreeSet<Digest>) -> Result<u64> {
        match &self.target {
            _ if blobs.is_empty() => Ok(0),
            Target::Directory(directory) => match directory.remote() {
                Some(remote) => blobs.iter().map(|digest| remote.remove(digest)).sum(),
                None => blobs.iter().map(|digest| self.remove_file(digest)).sum(),
            },
            Target::Zip { .. } => self.rewrite_without(blobs),
        }
    }

    fn remove_file(&self, digest: &Digest) -> Result<u64> {
        let path = ArchivePath::blob(digest).below(&self.root);
        let size_bytes = fs::metadata(&path)
            .map_err(ArchiveError::io("read", &path))?
            .len();
        fs::remove_file(&path).map_err(ArchiveError::io("remove", &path))?;
        // No archive has an empty folder; one with other blobs stays.
        let _ = path.parent().map(fs::remove_dir);
        Ok(size_bytes)
    }

    /// Writes the blobs of a zip anew. That is slow, and as rare as objects that are there twice.
    fn rewrite_without(&mut self, blobs: &BTreeSet<Digest>) -> Result<u64> {
        let Target::Zip { writer, path } = &mut self.target else {
            return Ok(0);
        };
        let io_error = |error| ArchiveError::io("write", &*path)(error);
        if crate::archive::remote::is_remote(path) {
            return Err(io_error(io::Error::new(
                io::ErrorKind::Unsupported,
                "an object came twice, and its first copy is already uploaded; a zip in an object store cannot drop it again: write a directory there, or write the zip to a disk and copy it",
            )));
        }
        let old = writer.take().expect("the zip is open until it is sealed");
        let old = old.finish().map_err(zip_error(path))?;
        let index = ZipIndex::scan(&old, &ZipLimits::default());
        let index = index.map_err(|error| io_error(io::Error::other(error)))?;
        fs::remove_file(&*path).map_err(io_error)?;
        let mut new = create_zip(path, &self.scratch, &self.buffers)?;
        let mut removed_bytes = 0;
        for place in 0..index.blob_count() {
            let (digest, size_bytes) = index.blob_in_file_order(place);
            if blobs.contains(&digest) {
                removed_bytes += size_bytes;
                continue;
            }
            let begun = new.begin(BLOB_PATH_LEN, size_bytes);
            let mut entry = begun.map_err(zip_error(path))?;
            io::copy(&mut index.open_blob(&old, place), &mut entry).map_err(io_error)?;
            entry.finish(&blob_path(&digest)).map_err(zip_error(path))?;
        }
        *writer = Some(new);
        Ok(removed_bytes)
    }

    /// Writes the manifest and its seal and closes the container; the name to publish.
    pub(crate) fn seal(&mut self, manifest: &Manifest) -> Result<Sealed> {
        let text = manifest.to_text();
        if text.len() as u64 > MANIFEST_BYTES {
            let reason = format!("it would have {} bytes, more than {MANIFEST_BYTES}", text.len());
            return Err(ArchiveError::object("manifest", MANIFEST, reason));
        }
        let digest = Digest(Sha256::digest(&text).into());
        let seal = checksum_line(&digest, MANIFEST);
        for (path, content) in [(ArchivePath::manifest(), &text), (ArchivePath::seal(), &seal)] {
            let path = path.below(&self.root);
            fs::write(&path, content).map_err(ArchiveError::io("write", &path))?;
        }
        match &mut self.target {
            Target::Directory(_) => Ok(Sealed::Name(TREE)),
            Target::Zip { writer, path } => {
                let writer = writer.take().expect("an archive is sealed once");
                Ok(match close_zip(*writer, path, &self.root, manifest)? {
                    Made::File(_) => Sealed::Name(ZIP),
                    Made::Parts(parts) => Sealed::Parts(parts),
                })
            }
        }
    }
}

fn create_zip(path: &Path, scratch: &Path, buffers: &Buffers) -> Result<Box<ZipFileWriter>> {
    let mut options = File::options();
    let file = options.read(true).write(true).create_new(true).open(path);
    let file = file.map_err(ArchiveError::io("create", path))?;
    let writer = ZipFileWriter::create(file, scratch).map_err(zip_error(path))?;
    Ok(Box::new(writer.with_buffers(buffers.clone())))
}

/// Appends everything but the blobs to a zip: object files, optional files, checksums, manifest, seal.
fn close_zip(mut zip: ZipFileWriter, path: &Path, root: &Path, manifest: &Manifest) -> Result<Made> {
    let listed = manifest.all_files().map(|file| file.path.clone());
    let (objects, mut others): (Vec<_>, Vec<_>) = listed.partition(ArchivePath::is_objects);
    others.sort();
    let last = [
        ArchivePath::checksums(),
        ArchivePath::manifest(),
        ArchivePath::seal(),
    ];
    for name in objects.into_iter().chain(others).chain(last) {
        let from = name.below(root);
        let mut file = File::open(&from).map_err(ArchiveError::io("open", &from))?;
        let size = file.metadata().map_err(ArchiveError::io("read", &from))?.len();
        let mut entry = zip.begin(name.as_str().len(), size).map_err(zip_error(path))?;
        io::copy(&mut file, &mut entry).map_err(ArchiveError::io("write", path))?;
        entry.finish(name.as_str()).map_err(zip_error(path))?;
        fs::remove_file(&from).map_err(ArchiveError::io("remove", &from))?;
    }
    zip.end().map_err(zip_error(path))
}

/// Wraps an error of the zip writer.
fn zip_error(path: &Path) -> impl FnOnce(ZipWriteError) -> ArchiveError {
    let path = path.to_owned();
    move |error| ArchiveError::Io {
        action: "write",
        path,
        source: match error {
            ZipWriteError::Io(error) => error,
            error => io::Error::other(error),
        },
    }
}
