//! What objects weigh, where parts are made by size.

use crate::archive::Archive;
use crate::flow::merge::Result;
use crate::flow::merge::moves::Moves;
use crate::flow::merge::orphans::Orphans;
use crate::flow::merge::source::Source;
use crate::format::Kind;
use crate::model::{ArtifactList, Digest};
use std::collections::{HashMap, HashSet};

/// A part being filled up to a size.
pub(super) struct Filling {
    pub(super) most_bytes: u64,
    pub(super) home: i64,
    pub(super) bytes: u64,
    pub(super) blobs: HashSet<Digest>,
}

impl Filling {
    /// Puts something into the part, or begins the next; where it went.
    pub(super) fn put(&mut self, weight: &Weight) -> i64 {
        let new = |blobs: &HashSet<Digest>| {
            let blobs = weight.blobs.iter().filter(|(digest, _)| !blobs.contains(digest));
            blobs.fold(weight.bytes, |sum, (_, size)| sum.saturating_add(*size))
        };
        if self.bytes > 0 && self.bytes.saturating_add(new(&self.blobs)) > self.most_bytes {
            self.home += 1;
            self.bytes = 0;
            self.blobs.clear();
        }
        self.bytes = self.bytes.saturating_add(new(&self.blobs));
        self.blobs.extend(weight.blobs.keys());
        self.home
    }
}

/// Bytes of lines, and blobs.
#[derive(Debug, Default)]
pub(super) struct Weight {
    bytes: u64,
    blobs: HashMap<Digest, u64>,
}

impl Weight {
    pub(super) fn add(&mut self, other: Weight) {
        self.bytes += other.bytes;
        self.blobs.extend(other.blobs);
    }
}

/// What the objects of a kind weigh with their lines; `visit` is told their places, ids and lines too.
pub(super) fn for_each_weight(
    archive: &Archive,
    kind: Kind,
    orphans: &Orphans,
    mut visit: impl FnMut(u64, &str, &[u8], Weight),
) -> Result<()> {
    let moves = Moves::default();

    let mut source = Source::open(archive, kind, &moves, &mut None, orphans)?;
    // Lines of lost objects weigh with the object before them.
    let mut last: Option<(String, Vec<u8>)> = None;
    let mut weight = Weight::default();
    let mut place = 0;
    while let Some(owner) = source.head() {
        if let Some(line) = &owner.line {
            let next = (owner.id.clone(), line.clone());
            if let Some((id, line)) = last.replace(next) {
                visit(place, &id, &line, std::mem::take(&mut weight));
                place += 1;
            }
            weight.bytes += line.len() as u64;
        }
        for (place, child) in kind.children().iter().enumerate() {
            while let Some(line) = source.next_child(place)? {
                weight.bytes += line.len() as u64;
                let list = (*child == Kind::Artifacts).then(|| serde_json::from_slice::<ArtifactList>(&line));
                let files = list
                    .and_then(std::result::Result::ok)
                    .map_or(Vec::new(), |list| list.files);
                let blobs = files.iter().filter_map(|file| file.blob());
                weight
                    .blobs
                    .extend(blobs.map(|blob| (blob.sha256, blob.size_bytes)));
            }
        }
        source.advance()?;
    }
    if let Some((id, line)) = last {
        visit(place, &id, &line, weight);
    }
    Ok(())
}
