//! The two containers being written: a directory, and a zip with its objects spooled beside it.

use super::blob::{BlobDirectory, GuardedReader, Ingest, IngestError, copy_and_hash};
use super::buffers::Buffers;
use super::checksums::{ChecksumWriter, Checksums};
use super::container::ContainerKind;
use super::error::{ArchiveError, Result};
use super::reader::Archive;
use super::sharing::{Taken, create_blob, link_blob};
use super::staging::{Staging, create_parents_below};
use super::zip::{Compression, WriteError, ZipFileWriter, ZipIndex, ZipLimits};
use crate::format::layout::{BLOB_PATH_LEN, MANIFEST, MANIFEST_BYTES, blob_path, checksum_line};
use crate::format::manifest::FileDescriptor;
use crate::format::{ArchivePath, Manifest};
use crate::model::{BlobRef, Digest};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read, Write};
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
    /// The archive whose blobs were taken over.
    adopted: Option<Archive>,
    /// Those that were not.
    except: BTreeSet<Digest>,
}

enum Target {
    Directory(Arc<BlobDirectory>),
    Zip {
        writer: Option<Box<ZipFileWriter>>,
        path: PathBuf,
    },
}

impl Output {
    pub(crate) fn create(kind: ContainerKind, staging: &Staging, scratch: &Path) -> Result<Self> {
        let root = staging.root().join(TREE);
        fs::create_dir(&root).map_err(ArchiveError::io("create directory", &root))?;
        let buffers = Buffers::default();
        let target = match kind {
            ContainerKind::Directory => Target::Directory(Arc::new(BlobDirectory::new(&root, scratch))),
            ContainerKind::Zip => {
                let path = staging.root().join(ZIP);
                let writer = Some(create_zip(&path, scratch, &buffers)?);
                Target::Zip { writer, path }
            }
        };
        Ok(Output {
            root,
            scratch: scratch.to_owned(),
            target,
            buffers,
            adopted: None,
            except: BTreeSet::new(),
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
        let mut entry = zip
            .begin(BLOB_PATH_LEN, size_hint, Compression::Probe)
            .map_err(write_error)?;
        let io_error = |error| ArchiveError::io("write", path)(error);
        let copied = copy_and_hash(&mut reader, &mut entry, io_error);
        let is_known = |digest: &Digest| {
            is_known(digest) || adopted.as_ref().is_some_and(|archive| archive.has_blob(digest))
        };
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

    /// Whether the archive that was taken over holds a blob.
    pub(crate) fn has_adopted(&self, digest: &Digest) -> bool {
        self.adopted
            .as_ref()
            .is_some_and(|archive| archive.has_blob(digest))
    }

    /// Takes over all blobs of another archive, before any other blob comes; how many, and their bytes.
    pub(crate) fn adopt_blobs(
        &mut self,
        archive: &Archive,
        copy: bool,
        except: &BTreeSet<Digest>,
    ) -> Result<Taken> {
        self.except = except.clone();
        let mut taken = Taken::default();
        match (&mut self.target, archive.zip()) {
            (
                Target::Zip {
                    writer: Some(writer),
                    path,
                },
                Some((file, index)),
            ) if except.is_empty() => {
                let mut blobs = index.blobs();
                blobs.try_for_each(|blob| taken.add(archive, blob.size))?;
                writer.copy_prefix(index, file).map_err(zip_error(path))?;
            }
            (Target::Directory(blobs), None) => {
                let blobs = blobs.clone();
                for_each_blob(archive, except, |digest| {
                    link_blob(archive, &blobs, digest, copy, &mut taken)
                })?;
            }
            _ => self.copy_blobs(archive, &mut taken)?,
        }
        self.adopted = Some(archive.clone());
        Ok(taken)
    }

    /// Copies blobs from one kind of container to the other; their digests are checked.
    fn copy_blobs(&mut self, archive: &Archive, taken: &mut Taken) -> Result<()> {
        let except = self.except.clone();
        for_each_blob(archive, &except, |digest| {
            let reader = archive.stored_blob(digest)?;
            let size = reader.size_bytes();
            taken.add(archive, size)?;
            match &mut self.target {
                Target::Directory(blobs) => {
                    let path = blobs.path_of(digest)?;
                    let mut file = create_blob(&path).map_err(ArchiveError::io("create", &path))?;
                    copy_checked(archive, digest, reader, &mut file, &path)
                }
                Target::Zip { writer, path } => {
                    let writer = writer.as_mut().expect("the zip is open until it is sealed");
                    let mut entry = writer
                        .begin(BLOB_PATH_LEN, size, Compression::Probe)
                        .map_err(zip_error(path))?;
                    copy_checked(archive, digest, reader, &mut entry, path)?;
                    entry.finish(&blob_path(digest)).map_err(zip_error(path))?;
                    Ok(())
                }
            }
        })
    }

    /// Takes blobs out again; their bytes.
    pub(crate) fn remove_blobs(&mut self, blobs: &BTreeSet<Digest>) -> Result<u64> {
        match &self.target {
            _ if blobs.is_empty() => Ok(0),
            Target::Directory(_) => blobs.iter().map(|digest| self.remove_file(digest)).sum(),
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
            let begun = new.begin(BLOB_PATH_LEN, size_bytes, Compression::Probe);
            let mut entry = begun.map_err(zip_error(path))?;
            io::copy(&mut index.open_blob(&old, place), &mut entry).map_err(io_error)?;
            entry.finish(&blob_path(&digest)).map_err(zip_error(path))?;
        }
        *writer = Some(new);
        Ok(removed_bytes)
    }

    /// Copies a file of another archive below the root; its bytes are checked.
    pub(crate) fn adopt_file(&self, archive: &Archive, file: &FileDescriptor) -> Result<()> {
        let path = file.path.below(&self.root);
        create_parents_below(&self.root, &path)?;
        let mut reader = archive.open_file(file)?;
        let mut writer = File::create_new(&path).map_err(ArchiveError::io("create", &path))?;
        let mut buffer = vec![0; 256 << 10];
        loop {
            let read = reader
                .read(&mut buffer)
                .map_err(|error| archive.read_error(file.path.as_str(), error))?;
            if read == 0 {
                return Ok(());
            }
            writer
                .write_all(&buffer[..read])
                .map_err(ArchiveError::io("write", &path))?;
        }
    }

    /// Writes `SHA256SUMS`; its digest is the content id.
    pub(crate) fn write_checksums(&self, own: &BTreeSet<Digest>, files: &[FileDescriptor]) -> Result<Digest> {
        let mut writer = ChecksumWriter::create(&ArchivePath::checksums().below(&self.root))?;
        let mut own = own.iter().copied().peekable();
        if let Some(archive) = &self.adopted {
            for_each_blob(archive, &self.except, |digest| {
                while let Some(next) = own.next_if(|next| next < digest) {
                    writer.write(&next, &ArchivePath::blob(&next))?;
                }
                writer.write(digest, &ArchivePath::blob(digest))
            })?;
        }
        for digest in own {
            writer.write(&digest, &ArchivePath::blob(&digest))?;
        }
        for file in files.iter().filter(|file| file.path.is_objects()) {
            writer.write(&file.sha256, &file.path)?;
        }
        writer.finish()
    }

    /// Writes the manifest and its seal and closes the container; the name to publish.
    pub(crate) fn seal(&mut self, manifest: &Manifest) -> Result<String> {
        let text = manifest.to_text();
        if text.len() as u64 > MANIFEST_BYTES {
            return Err(ArchiveError::Object {
                kind: "manifest",
                id: MANIFEST.to_owned(),
                reason: format!("it would have {} bytes, more than {MANIFEST_BYTES}", text.len()),
            });
        }
        let digest = Digest(Sha256::digest(&text).into());
        let seal = checksum_line(&digest, MANIFEST);
        for (path, content) in [(ArchivePath::manifest(), &text), (ArchivePath::seal(), &seal)] {
            let path = path.below(&self.root);
            fs::write(&path, content).map_err(ArchiveError::io("write", &path))?;
        }
        match &mut self.target {
            Target::Directory(_) => Ok(TREE.to_owned()),
            Target::Zip { writer, path } => {
                let writer = writer.take().expect("an archive is sealed once");
                close_zip(*writer, path, &self.root, manifest)?;
                Ok(ZIP.to_owned())
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
fn close_zip(mut zip: ZipFileWriter, path: &Path, root: &Path, manifest: &Manifest) -> Result<()> {
    let listed = manifest.files.iter().map(|file| file.path.clone());
    let (objects, others): (Vec<_>, Vec<_>) = listed.partition(ArchivePath::is_objects);
    let last = [
        ArchivePath::checksums(),
        ArchivePath::manifest(),
        ArchivePath::seal(),
    ];
    for name in objects.into_iter().chain(others).chain(last) {
        let from = name.below(root);
        let mut file = File::open(&from).map_err(ArchiveError::io("open", &from))?;
        let size = file.metadata().map_err(ArchiveError::io("read", &from))?.len();
        let mut entry = zip
            .begin(name.as_str().len(), size, Compression::Probe)
            .map_err(zip_error(path))?;
        io::copy(&mut file, &mut entry).map_err(ArchiveError::io("write", path))?;
        entry.finish(name.as_str()).map_err(zip_error(path))?;
        fs::remove_file(&from).map_err(ArchiveError::io("remove", &from))?;
    }
    zip.finish().map_err(zip_error(path))?;
    Ok(())
}

/// Wraps an error of the zip writer.
fn zip_error(path: &Path) -> impl FnOnce(WriteError) -> ArchiveError {
    let path = path.to_owned();
    move |error| ArchiveError::Io {
        action: "write",
        path,
        source: match error {
            WriteError::Io(error) => error,
            error => io::Error::other(error),
        },
    }
}

/// Calls `visit` with each blob of an archive but those of `except`, by digest.
fn for_each_blob(
    archive: &Archive,
    except: &BTreeSet<Digest>,
    mut visit: impl FnMut(&Digest) -> Result<()>,
) -> Result<()> {
    let mut checksums = Checksums::open(archive)?;
    while let Some((digest, path)) = checksums.next()? {
        if path.blob_digest().is_some() && !except.contains(&digest) {
            visit(&digest)?;
        }
    }
    Ok(())
}

/// Copies a blob whose reader checks the digest, keeping errors of reading and writing apart.
fn copy_checked(
    archive: &Archive,
    digest: &Digest,
    mut reader: impl Read,
    writer: &mut impl Write,
    path: &Path,
) -> Result<()> {
    let mut buffer = vec![0; 256 << 10];
    loop {
        let read = reader
            .read(&mut buffer)
            .map_err(|error| archive.read_error(&blob_path(digest), error))?;
        if read == 0 {
            return Ok(());
        }
        writer
            .write_all(&buffer[..read])
            .map_err(ArchiveError::io("write", path))?;
    }
}
