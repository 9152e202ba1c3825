//! The entry points of the fuzz targets, under proptest: any bytes come back as accepted or not, and never panic.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use crate::helpers::{bytes, rich};
use bytes::Bytes;
use mlark::format::{ArchivePath, Kind};
use mlark::fuzzing;
use mlark::internals::MANIFEST;
use proptest::prelude::*;
use rich::Size;
use std::fs;
use std::sync::LazyLock;

/// Real input to start from: a zip, a manifest, and lines with the byte that picks their kind.
struct Seeds {
    zip: Vec<u8>,
    manifest: Vec<u8>,
    lines: Vec<Vec<u8>>,
}

static SEEDS: LazyLock<Seeds> = LazyLock::new(|| {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    rich::build(&path("a.zip"), Size::Small);
    rich::build(&path("a"), Size::Small);
    let mut bytes = Bytes::read(&path("a"));
    let mut lines = Vec::new();
    for entry in &bytes.entries {
        let path: ArchivePath = entry.name.parse().unwrap();
        let Some(kind) = path.kind() else {
            continue;
        };
        let kind = Kind::ALL.iter().position(|other| *other == kind).unwrap() as u8;
        for line in entry
            .bytes
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
        {
            lines.push([&[kind], line].concat());
        }
    }
    Seeds {
        zip: fs::read(path("a.zip")).unwrap(),
        manifest: bytes.bytes(MANIFEST).clone(),
        lines,
    }
});

#[test]
fn real_input_is_accepted() {
    assert!(fuzzing::zip(&SEEDS.zip));
    assert!(fuzzing::manifest(&SEEDS.manifest));
    for line in &SEEDS.lines {
        assert!(fuzzing::object_line(line), "{}", String::from_utf8_lossy(line));
    }
}

/// Some bytes replaced, removed or added at some places.
fn mutate(seed: &[u8], edits: &[(prop::sample::Index, u8, u8)]) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for (place, edit, byte) in edits {
        let place = place.index(bytes.len() + 1);
        match edit % 4 {
            0 if place < bytes.len() => bytes[place] = *byte,
            1 if place < bytes.len() => {
                bytes.remove(place);
            }
            2 => bytes.truncate(place),
            _ => bytes.insert(place, *byte),
        }
    }
    bytes
}

fn edits() -> impl Strategy<Value = Vec<(prop::sample::Index, u8, u8)>> {
    prop::collection::vec(any::<(prop::sample::Index, u8, u8)>(), 1..6)
}

proptest! {
    #[test]
    fn any_bytes_return(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        fuzzing::zip(&bytes);
        fuzzing::manifest(&bytes);
        fuzzing::object_line(&bytes);
        fuzzing::metric_lines(&bytes);
        fuzzing::search(&bytes);
    }

    #[test]
    fn a_changed_zip_is_refused(edits in edits()) {
        let bytes = mutate(&SEEDS.zip, &edits);
        prop_assert!(bytes == SEEDS.zip || !fuzzing::zip(&bytes));
    }

    #[test]
    fn a_changed_manifest_returns(edits in edits()) {
        fuzzing::manifest(&mutate(&SEEDS.manifest, &edits));
    }

    #[test]
    fn a_changed_line_returns(line: prop::sample::Index, edits in edits()) {
        fuzzing::object_line(&mutate(&SEEDS.lines[line.index(SEEDS.lines.len())], &edits));
    }
}
