//! What is taken over from other archives: their blobs, each once, undecoded where the containers are alike, and files of lines.

use super::{Output, Target, zip_error};
use crate::archive::blob_directory::BlobDirectory;
use crate::archive::checksums::{ChecksumWriter, Checksums};
use crate::archive::container::Container;
use crate::archive::error::{ArchiveError, Result};
use crate::archive::reader::Archive;
use crate::archive::reflink::{Taken, create_blob, link_blob};
use crate::archive::staging::create_parents_below;
use crate::format::ArchivePath;
use crate::format::layout::{BLOB_PATH_LEN, blob_path};
use crate::format::manifest::FileDescriptor;
use crate::model::Digest;
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
use std::thread;

/// Blobs that are copied to a directory in an object store at once.
const COPIED_AT_ONCE: usize = 8;

/// Blobs of one archive, and how many of them were taken over.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Adopted {
    /// All that were found.
    pub(crate) found: Taken,
    /// Those that were taken.
    pub(crate) taken: Taken,
}

impl Adopted {
    /// Counts a blob.
    fn add(&mut self, archive: &Archive, size_bytes: u64, is_taken: bool) -> Result<()> {
        self.found.add(archive, size_bytes)?;
        if is_taken {
            self.taken.blobs += 1;
            self.taken.bytes += size_bytes;
        }
        Ok(())
    }
}

impl Output {
    /// Whether an archive that was taken over holds a blob, which was taken with it.
    pub(crate) fn has_adopted(&self, digest: &Digest) -> bool {
        self.is_chosen(digest) && self.adopted.iter().any(|archive| archive.has_blob(digest))
    }

    /// Takes over the blobs of another archive but those of `except` and those that are here already; `own` came by themselves.
    pub(crate) fn adopt_blobs(
        &mut self,
        archive: &Archive,
        copy: bool,
        except: &BTreeSet<Digest>,
        own: &BTreeSet<Digest>,
    ) -> Result<Adopted> {
        self.except.extend(except);
        let is_first = self.adopted.is_empty() && own.is_empty();
        let mut adopted = Adopted::default();
        match (&self.target, archive.zip()) {
            (Target::Zip { .. }, Some(_)) => {
                self.copy_entries(archive, own, is_first, &mut adopted)?;
            }
            (Target::Directory(blobs), None)
                if blobs.remote().is_none() && matches!(archive.container(), Container::Directory(_)) =>
            {
                let blobs = blobs.clone();
                for_each_blob(archive, |digest| {
                    let is_taken = self.is_wanted(digest, own);
                    adopted.add(archive, size_of(archive, digest)?, is_taken)?;
                    if is_taken {
                        link_blob(archive, &blobs, digest, copy)?;
                    }
                    Ok(())
                })?;
            }
            _ => self.copy_blobs(archive, own, &mut adopted)?,
        }
        self.adopted.push(archive.clone());
        Ok(adopted)
    }

    /// Whether a blob is to be taken and not here yet.
    fn is_wanted(&self, digest: &Digest, own: &BTreeSet<Digest>) -> bool {
        let is_here = || own.contains(digest) || self.adopted.iter().any(|archive| archive.has_blob(digest));
        self.is_chosen(digest) && !is_here()
    }

    /// Whether a blob is one to take, wherever it is.
    fn is_chosen(&self, digest: &Digest) -> bool {
        let only = self.only.as_ref();
        only.is_none_or(|only| only.contains(digest)) && !self.except.contains(digest)
    }

    /// Takes nothing over from now on but these.
    pub(crate) fn adopt_only(&mut self, only: BTreeSet<Digest>) {
        self.only = Some(only);
    }

    /// Copies entries from one zip to another as they stand.
    fn copy_entries(
        &mut self,
        archive: &Archive,
        own: &BTreeSet<Digest>,
        is_first: bool,
        adopted: &mut Adopted,
    ) -> Result<()> {
        let Some((file, index)) = archive.zip() else {
            return Ok(());
        };
        let takes_all = is_first && self.except.is_empty() && self.only.is_none();
        let mut wanted = Vec::with_capacity(if takes_all { 0 } else { index.blob_count() });
        for place in 0..index.blob_count() {
            let (digest, size_bytes) = index.blob_in_file_order(place);
            let is_taken = takes_all || self.is_wanted(&digest, own);
            adopted.add(archive, size_bytes, is_taken)?;
            if !takes_all {
                wanted.push(is_taken);
            }
        }
        let (writer, path) = self.zip();
        let copied = if takes_all {
            writer.copy_prefix(index, file)
        } else {
            writer.copy_entries(index, file, &wanted)
        };
        copied.map_err(zip_error(path))
    }

    /// Copies blobs from one kind of container to the other; their digests are checked.
    fn copy_blobs(&mut self, archive: &Archive, own: &BTreeSet<Digest>, adopted: &mut Adopted) -> Result<()> {
        let mut together = Vec::new();
        for_each_blob(archive, |digest| {
            let is_taken = self.is_wanted(digest, own);
            adopted.add(archive, size_of(archive, digest)?, is_taken)?;
            if !is_taken {
                return Ok(());
            }
            if !self.waits_for_store() {
                return self.copy_blob(archive, digest);
            }
            together.push(*digest);
            match together.len() {
                COPIED_AT_ONCE => self.copy_together(archive, &std::mem::take(&mut together)),
                _ => Ok(()),
            }
        })?;
        self.copy_together(archive, &together)
    }

    /// Whether to copy a blob is to wait for an object store.
    fn waits_for_store(&self) -> bool {
        matches!(&self.target, Target::Directory(blobs) if blobs.remote().is_some())
    }

    /// Copies blobs to a directory in an object store at once.
    fn copy_together(&self, archive: &Archive, digests: &[Digest]) -> Result<()> {
        let Target::Directory(blobs) = &self.target else {
            return Ok(());
        };
        thread::scope(|scope| {
            let copying: Vec<_> = digests
                .iter()
                .map(|digest| scope.spawn(move || copy_to_store(archive, blobs, digest)))
                .collect();
            let mut copied = copying
                .into_iter()
                .map(|copying| copying.join().expect("no copy panics"));
            copied.try_for_each(|copied| copied)
        })
    }

    fn copy_blob(&mut self, archive: &Archive, digest: &Digest) -> Result<()> {
        let reader = archive.stored_blob(digest)?;
        let size = reader.size_bytes();
        match &mut self.target {
            Target::Directory(blobs) => {
                let path = blobs.path_of(digest)?;
                let mut file = create_blob(&path).map_err(ArchiveError::io("create", &path))?;
                copy_checked(archive, &ArchivePath::blob(digest), reader, &mut file, &path)
            }
            Target::Zip { writer, path } => {
                let writer = writer.as_mut().expect("the zip is open until it is sealed");
                let mut entry = writer.begin(BLOB_PATH_LEN, size).map_err(zip_error(path))?;
                copy_checked(archive, &ArchivePath::blob(digest), reader, &mut entry, path)?;
                entry.finish(&blob_path(digest)).map_err(zip_error(path))?;
                Ok(())
            }
        }
    }

    /// Copies a file of another archive below the root; its bytes are checked.
    pub(crate) fn adopt_file(&self, archive: &Archive, file: &FileDescriptor) -> Result<()> {
        let path = file.path.below(&self.root);
        create_parents_below(&self.root, &path)?;
        let reader = archive.open_file(file)?;
        let mut writer = File::create_new(&path).map_err(ArchiveError::io("create", &path))?;
        copy_checked(archive, &file.path, reader, &mut writer, &path)
    }

    /// Writes `SHA256SUMS`; its digest is the content id.
    pub(crate) fn write_checksums(&self, own: &BTreeSet<Digest>, files: &[FileDescriptor]) -> Result<Digest> {
        let mut writer = ChecksumWriter::create(&ArchivePath::checksums().below(&self.root))?;
        let mut own = own.iter().copied().peekable();
        let mut adopted = DistinctBlobs::new(&self.adopted)?;
        while let Some(digest) = adopted.next()? {
            if !self.is_chosen(&digest) {
                continue;
            }
            while let Some(next) = own.next_if(|next| *next <= digest) {
                if next < digest {
                    writer.write(&next, &ArchivePath::blob(&next))?;
                }
            }
            writer.write(&digest, &ArchivePath::blob(&digest))?;
        }
        for digest in own {
            writer.write(&digest, &ArchivePath::blob(&digest))?;
        }
        for file in files.iter().filter(|file| file.path.is_objects()) {
            writer.write(&file.sha256, &file.path)?;
        }
        writer.finish()
    }
}

/// The blobs of several archives by digest, each once.
struct DistinctBlobs<'a> {
    lists: Vec<(Checksums<'a>, Option<Digest>)>,
}

impl<'a> DistinctBlobs<'a> {
    fn new(archives: &'a [Archive]) -> Result<Self> {
        let lists = archives.iter().map(|archive| {
            let mut checksums = Checksums::open(archive)?;
            let first = next_blob(&mut checksums)?;
            Ok((checksums, first))
        });
        Ok(DistinctBlobs {
            lists: lists.collect::<Result<_>>()?,
        })
    }

    fn next(&mut self) -> Result<Option<Digest>> {
        let Some(least) = self.lists.iter().filter_map(|(_, next)| *next).min() else {
            return Ok(None);
        };
        for (checksums, next) in self.lists.iter_mut().filter(|(_, next)| *next == Some(least)) {
            *next = next_blob(checksums)?;
        }
        Ok(Some(least))
    }
}

/// The next blob of a list; at its end the list is checked.
fn next_blob(checksums: &mut Checksums<'_>) -> Result<Option<Digest>> {
    while let Some((digest, path)) = checksums.next()? {
        if path.blob_digest().is_some() {
            return Ok(Some(digest));
        }
    }
    Ok(None)
}

/// Copies a blob to an object store; on a disk its digest is checked before.
fn copy_to_store(archive: &Archive, blobs: &BlobDirectory, digest: &Digest) -> Result<()> {
    let (path, mut file) = blobs.temporary()?;
    let (from, reader) = (ArchivePath::blob(digest), archive.stored_blob(digest)?);
    copy_checked(archive, &from, reader, &mut file, &path)?;
    blobs.keep(&path, &file, digest)
}

/// Calls `visit` with each blob of an archive, by digest.
fn for_each_blob(archive: &Archive, mut visit: impl FnMut(&Digest) -> Result<()>) -> Result<()> {
    let mut checksums = Checksums::open(archive)?;
    while let Some(digest) = next_blob(&mut checksums)? {
        visit(&digest)?;
    }
    Ok(())
}

fn size_of(archive: &Archive, digest: &Digest) -> Result<u64> {
    let path = ArchivePath::blob(digest);
    match archive.container().entry_size(&path) {
        Some(size_bytes) => Ok(size_bytes),
        // To open it tells what is in its place.
        None => match archive.open_entry(&path) {
            Ok(_) => Err(archive.damaged(path.as_str(), "the blob is missing")),
            Err(error) => Err(error),
        },
    }
}

/// Copies a blob whose reader checks the digest, keeping errors of reading and writing apart.
fn copy_checked(
    archive: &Archive,
    from: &ArchivePath,
    mut reader: impl Read,
    writer: &mut impl Write,
    path: &Path,
) -> Result<()> {
    let mut buffer = vec![0; 256 << 10];
    loop {
        let read = reader
            .read(&mut buffer)
            .map_err(|error| archive.read_error(from.as_str(), error))?;
        if read == 0 {
            return Ok(());
        }
        writer
            .write_all(&buffer[..read])
            .map_err(ArchiveError::io("write", path))?;
    }
}
