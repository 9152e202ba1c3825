//! Lists of artifacts: cut and ordered as the format says, each file in a blob or with the reason of its absence.

use super::check::Check;
use super::parts::PartLines;
use super::place::Place;
use super::references::Id;
use crate::format::layout::ARTIFACT_FILES;
use crate::format::typed::is_artifact_path;
use crate::format::{FindingCode as Code, Kind};
use crate::model::{ArtifactFile, ArtifactList, OwnerKind};
use std::fmt;

/// What the last line said.
struct Last {
    owner_kind: OwnerKind,
    owner_id: String,
    path: String,
    is_full: bool,
}

/// Checks all artifact lines.
pub(super) fn check(check: &mut Check<'_>) {
    let mut lines = PartLines::of_kind(check, Kind::Artifacts);
    let mut last: Option<Last> = None;
    while let Some(place) = lines.next(check) {
        let Some(list) = check.parse_sorted::<ArtifactList>(lines.line(), place) else {
            continue;
        };
        check_list(check, &list, last.as_ref(), place);
        last = list.files.last().map(|file| Last {
            owner_kind: list.owner_kind,
            owner_id: list.owner_id.clone(),
            path: file.path.clone(),
            is_full: list.files.len() == ARTIFACT_FILES,
        });
    }
}

fn check_list(check: &mut Check<'_>, list: &ArtifactList, last: Option<&Last>, place: Place) {
    let mut wrong = |message: &str| check.findings.error(Code::ArtifactList, place, message);
    if list.files.is_empty() {
        wrong("it has no files");
    }
    if list.files.len() > ARTIFACT_FILES {
        wrong("it has more than 1,000 files");
    }
    let same = last.filter(|last| last.owner_kind == list.owner_kind && last.owner_id == list.owner_id);
    if same.is_some_and(|last| !last.is_full) {
        wrong("the list before it, of the same owner, is not full");
    }
    if same.is_none() {
        if last.is_some_and(|last| last.owner_kind > list.owner_kind) {
            check.error(Code::Order, place, "its kind of owner is out of order");
        }
        let kind = Kind::from(list.owner_kind);
        check.follow(Id::new(kind, &list.owner_id), Kind::Artifacts, place);
    }
    let before = same.map(|last| last.path.as_str());
    let paths = before
        .into_iter()
        .chain(list.files.iter().map(|file| file.path.as_str()));
    if !paths.is_sorted_by(|a, b| a.as_bytes() < b.as_bytes()) {
        check.error(Code::Order, place, "its paths are out of order or repeated");
    }
    for file in &list.files {
        check_file(check, file, place);
    }
}

fn check_file(check: &mut Check<'_>, file: &ArtifactFile, line: Place) {
    let place = FilePlace {
        line,
        path: &file.path,
    };
    if !is_artifact_path(&file.path) {
        let message = "it is not a path below the owner's artifacts";
        check.findings.error(Code::ArtifactPath, place, message);
    }
    check.totals.artifact_files += 1;
    match (&file.sha256, file.size_bytes, file.absent) {
        (Some(digest), Some(size_bytes), None) => {
            check.totals.artifact_bytes = check.totals.artifact_bytes.saturating_add(size_bytes);
            check.blob(digest, size_bytes, place);
        }
        (None, _, Some(_)) => {}
        _ => {
            let message = "it needs a digest and a size, or the reason of its absence";
            check.findings.error(Code::Artifact, place, message);
        }
    }
}

/// A file of a list.
#[derive(Clone, Copy)]
struct FilePlace<'p> {
    line: Place,
    path: &'p str,
}

impl fmt::Display for FilePlace<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}, `{}`", self.line, self.path.escape_debug())
    }
}
