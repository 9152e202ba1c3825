//! Which files of lines are read where objects are chosen: those in which something may stand that stays. A file is read whole, and its
//! digest checked, or not at all.
//!
//! Of a file that may be left out only the first line is read, which tells where it begins. Lines follow the order of what they belong to,
//! so that all lines of a file belong to objects from its first line's to that of the file after it.

use super::super::error::Result;
use super::Engine;
use super::places::{Place, Places};
use crate::archive::walk::{Head, text};
use crate::archive::{Archive, add_totals, totals_of};
use crate::format::Kind;
use crate::format::layout::LINE_BYTES;
use crate::format::manifest::FileDescriptor;
use crate::model::OwnerKind;
use serde::Deserialize as _;
use std::io::{BufRead as _, BufReader, Read as _};

/// For each file of a kind whether it is to be read; none where that cannot be told without reading more.
pub(super) fn wanted(archive: &Archive, kind: Kind, places: &Places) -> Result<Option<Vec<bool>>> {
    let owner_kinds = kind.owners().iter().copied();
    let owner_kinds: Vec<Kind> = owner_kinds
        .filter(|owner| archive.manifest().count(*owner) > 0)
        .collect();
    let is_known = |owner: &Kind| archive.manifest().lost(*owner) == 0 && places.has_track(*owner);
    if owner_kinds.is_empty() || !owner_kinds.iter().all(is_known) {
        return Ok(None);
    }
    let mut begins = Vec::new();
    for file in archive.manifest().files_of(kind) {
        match first_owner(archive, kind, file)? {
            Some(owner) => begins.push(owner),
            None => return Ok(None),
        }
    }
    let mut wanted = vec![false; begins.len()];
    // Files that have begun.
    let mut begun = 0;
    for owner_kind in owner_kinds {
        let mut track = places.read(owner_kind)?;
        while let Some((id, place)) = track.next_place()? {
            let is_kept = place != Place::Dropped;
            // Its lines may begin in the file before.
            let first = begun;
            while begins
                .get(begun)
                .is_some_and(|(kind, begin)| *kind == owner_kind && *begin == id)
            {
                begun += 1;
            }
            if is_kept {
                let last_before = first.saturating_sub(1);
                wanted[last_before..begun].fill(true);
            }
        }
    }
    // An owner that is not there, or not where it should be: reading all tells more.
    Ok((begun == begins.len()).then_some(wanted))
}

/// Whom the first line of a file belongs to.
fn first_owner(archive: &Archive, kind: Kind, file: &FileDescriptor) -> Result<Option<(Kind, String)>> {
    let mut line = Vec::new();
    let reader = archive.open_entry(&file.path)?.take(LINE_BYTES as u64);
    BufReader::new(reader)
        .read_until(b'\n', &mut line)
        .map_err(|error| archive.read_error(file.path.as_str(), error))?;
    let Ok(head) = Head::read(kind, &line) else {
        return Ok(None);
    };
    let owner_kind = match kind {
        Kind::Artifacts => OwnerKind::deserialize(&head.owner_kind).ok().map(Kind::from),
        _ => kind.owners().first().copied(),
    };
    Ok(owner_kind.map(|owner| (owner, text(head.owner(kind)).to_owned())))
}

impl Engine<'_> {
    /// Counts the lines of files that are not read, which are of objects that were dropped.
    pub(super) fn leave_out(&mut self, kind: Kind, wanted: Option<&[bool]>) {
        let files = self.archive.manifest().files_of(kind);
        let unread = files
            .zip(wanted.unwrap_or_default())
            .filter(|(_, wanted)| !**wanted);
        let lines = unread.fold(0, |sum: u64, (file, _)| sum.saturating_add(file.count));
        if lines > 0 {
            self.count(&format!("{kind} dropped"), lines);
            self.unread.insert(kind);
        }
    }

    /// Takes the counts from what was written, where not all was read.
    pub(in super::super) fn settle_unread(&mut self) -> Result<()> {
        let points = [Kind::Metrics, Kind::ModelMetrics];
        if points.iter().any(|kind| self.unread.contains(kind)) {
            for kind in points.into_iter().filter(|kind| self.adopted.contains(kind)) {
                let mut lines = self.archive.lines(kind);
                while let Some(line) = lines.next_line()? {
                    add_totals(&mut self.written, totals_of(kind, line.bytes));
                }
            }
        }
        match &mut self.writer {
            Some(writer) if !self.unread.is_empty() => writer.count_written(&self.unread, self.written),
            _ => {}
        }
        Ok(())
    }
}
