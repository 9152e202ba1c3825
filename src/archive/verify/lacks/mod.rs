//! The proof that texts are not in an archive: every byte of every file is searched, as it stands and decoded.
//!
//! | module   | what it does                                                       |
//! |----------|--------------------------------------------------------------------|
//! | `sought` | the texts and patterns, and what they are called                   |
//! | `lines`  | files of lines: the field of the object that a text is in          |
//! | `owners` | blobs: the artifact or the long text that has those bytes          |
//! | `report` | what was found, what was searched, what could not be               |

mod lines;
mod owners;
mod packed;
mod report;
mod sought;

use self::lines::LineSearch;
use self::sought::Finder;
use super::report::Findings;
use super::tree::Tree;
use super::{VerifyOptions, open};
use crate::archive::error::Result;
use crate::archive::parallel::threads_or_default;
use crate::archive::search::Stream;
use crate::archive::walk::TextPlace;
use crate::format::ArchivePath;
use crate::format::layout::{CHECKSUMS, LINE_BYTES, MANIFEST, SEAL, blob_path};
use crate::monitor::Monitor;
use report::Collected;
use std::io::{self, BufReader, Read};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

pub(crate) use owners::find as owners_of_blobs;
pub use report::{FoundText, LacksReport, Searched, Unread};
pub use sought::{BadSought, SoughtTexts};

/// Bytes read at once.
const BUFFER_BYTES: usize = 64 << 10;
/// Bytes of a manifest whose fields are told.
const DOCUMENT_BYTES: u64 = 1 << 20;
/// Texts and patterns that are searched for in one pass, by the bytes that their automaton is made of.
const PASS_BYTES: usize = 1 << 20;

/// Searches all of an archive for texts that should not be in it; what is damaged is for [`verify`](super::verify) to say.
///
/// # Errors
/// There is no archive, or the file system refuses.
pub fn lacks(
    path: &Path,
    sought: &SoughtTexts,
    options: &VerifyOptions,
    monitor: &dyn Monitor,
) -> Result<LacksReport> {
    let mut findings = Findings::default();
    let Some(container) = open(path, &mut findings)? else {
        return Ok(LacksReport::unread_zip(sought));
    };
    let tree = Tree::list(path, &container, &mut findings)?;
    let items = items(&tree);
    let collected = Collected::default();
    let threads = threads_or_default(options.threads);
    for (pass, finder) in sought.passes(PASS_BYTES)?.iter().enumerate() {
        let bytes = items.iter().map(|item| item.size_bytes(&tree));
        monitor.begin("bytes", Some(bytes.fold(0, u64::saturating_add)));
        let search = Search {
            tree: &tree,
            finder,
            collected: &collected,
            is_first: pass == 0,
        };
        let next = AtomicUsize::new(0);
        thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
                        search.item(item);
                        monitor.advance(item.size_bytes(&tree));
                    }
                });
            }
        });
    }
    let mut report = collected.into_report(sought);
    owners::name(path, sought, &mut report)?;
    Ok(report)
}

/// What is searched as one stream.
enum Item {
    /// The names of all files.
    Names,
    File(ArchivePath, u64),
    Blob(usize),
}

impl Item {
    fn size_bytes(&self, tree: &Tree<'_>) -> u64 {
        match self {
            Item::Names => 0,
            Item::File(_, size_bytes) => *size_bytes,
            Item::Blob(place) => tree.blob_in_file_order(*place).1,
        }
    }
}

fn items(tree: &Tree<'_>) -> Vec<Item> {
    let files = tree
        .files
        .iter()
        .map(|(path, size_bytes)| Item::File(path.clone(), *size_bytes));
    let blobs = (0..tree.blob_count()).map(Item::Blob);
    [Item::Names].into_iter().chain(files).chain(blobs).collect()
}

/// One pass over all of an archive.
struct Search<'s> {
    tree: &'s Tree<'s>,
    finder: &'s Finder<'s>,
    collected: &'s Collected,
    /// Whether files and bytes are counted.
    is_first: bool,
}

impl Search<'_> {
    fn item(&self, item: &Item) {
        let (name, searched) = match item {
            Item::Names => ("names of files".to_owned(), self.names().map(|()| 0)),
            Item::File(path, _) => (path.to_string(), self.file(path)),
            Item::Blob(place) => {
                let name = blob_path(&self.tree.blob_in_file_order(*place).0);
                let searched = self.blob(*place, &name);
                (name, searched)
            }
        };
        match searched {
            Err(error) => self.collected.unread(name, &error),
            Ok(bytes) if self.is_first => self.collected.searched(matches!(item, Item::Blob(_)), bytes),
            Ok(_) => {}
        }
    }

    fn names(&self) -> io::Result<()> {
        let mut lines = LineSearch::new(self.finder, self.collected, "names of files", None);
        let blobs = (0..self.tree.blob_count()).map(|rank| blob_path(&self.tree.blob_at(rank).0));
        let files = self.tree.files.keys().map(ArchivePath::to_string);
        for name in files.chain(blobs) {
            lines.add(&mut format!("{name}\n").as_bytes())?;
        }
        lines.finish();
        Ok(())
    }

    /// Searches a file that is no blob; its bytes.
    fn file(&self, path: &ArchivePath) -> io::Result<u64> {
        let reader = self.tree.open(path)?;
        let size_bytes = self.tree.files.get(path).copied().unwrap_or(u64::MAX);
        let is_document = path.as_str() == MANIFEST && size_bytes <= DOCUMENT_BYTES;
        if !is_document && [MANIFEST, SEAL, CHECKSUMS].contains(&path.as_str()) {
            return self.stream(reader, path.as_str(), u64::MAX);
        }
        let mut reader = BufReader::with_capacity(BUFFER_BYTES, reader);
        let mut lines = LineSearch::new(self.finder, self.collected, path.as_str(), path.kind());
        if is_document {
            return lines.document(&mut reader);
        }
        let mut bytes = 0;
        loop {
            match lines.add(&mut (&mut reader).take(LINE_BYTES as u64))? {
                0 => break,
                read => bytes += read as u64,
            }
        }
        lines.finish();
        Ok(bytes)
    }

    fn blob(&self, place: usize, name: &str) -> io::Result<u64> {
        let size_bytes = self.tree.blob_in_file_order(place).1;
        self.stream(self.tree.open_blob(place)?, name, size_bytes)
    }

    /// Searches bytes that have no lines of objects; each text is told once.
    fn stream(&self, mut reader: impl Read, name: &str, size_bytes: u64) -> io::Result<u64> {
        let mut stream = Stream::new(self.finder.needles());
        let mut seen = self.finder.seen();
        let (mut buffer, mut bytes) = (vec![0; BUFFER_BYTES], 0);
        while bytes < size_bytes {
            let read = match reader.read(&mut buffer) {
                Ok(0) => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                read => read?,
            };
            if bytes == 0 && self.is_first {
                self.collected.packed(packed::sort_of(&buffer[..read]));
            }
            bytes += read as u64;
            stream.push(&buffer[..read], &mut |hit| seen.add(&hit));
        }
        stream.finish(&mut |hit| seen.add(&hit));
        for found in seen.into_found() {
            let place = TextPlace {
                file: name.to_owned(),
                offset: Some(found.offset),
                ..TextPlace::default()
            };
            self.collected.found(self.finder.tell(found, place));
        }
        if size_bytes != u64::MAX && bytes < size_bytes {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
        }
        Ok(bytes)
    }
}
