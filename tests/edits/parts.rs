//! Files of lines that a choice does not need: they are not read, and those that are read are checked.

use crate::helpers::bytes::Bytes;
use crate::helpers::universe::Holding;
use mlark::archive::{Archive, ContainerKind};
use mlark::flow::transform::select::{Exclude, Select};
use mlark::flow::transform::{self, Edit, Recipe, TransformOptions};
use mlark::format::{ArchivePath, Kind, Manifest};
use mlark::internals::MANIFEST;
use mlark::model::Experiment;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Kinds whose lines belong to others.
const FOLLOWING: [&str; 5] = [
    "metrics",
    "model-metrics",
    "spans",
    "artifacts",
    "dataset-records",
];

/// The same archive with a file for every few lines of these kinds, as one has that is larger.
fn in_many_files(archive: &Archive, each: usize) -> Bytes {
    let mut bytes = Bytes::read(archive.path());
    let mut manifest: Manifest = serde_json::from_slice(bytes.bytes(MANIFEST)).unwrap();
    for kind in FOLLOWING {
        let name = format!("objects/{kind}-00000.jsonl");
        let Some(listed) = manifest.files.iter().position(|file| file.path.as_str() == name) else {
            continue;
        };
        let lines = bytes.bytes(&name).clone();
        let lines: Vec<&[u8]> = lines.split_inclusive(|byte| *byte == b'\n').collect();
        let file = manifest.files.remove(listed);
        bytes.entries.retain(|entry| entry.name != name);
        for (part, lines) in lines.chunks(each).enumerate() {
            let name = format!("objects/{kind}-{part:05}.jsonl");
            bytes.add(&name, lines.concat());
            let mut file = file.clone();
            file.path = name.parse::<ArchivePath>().unwrap();
            manifest.files.push(file);
        }
    }
    manifest.files.sort_by(|a, b| a.path.cmp(&b.path));
    bytes.reseal_manifest(&manifest);
    bytes.reseal();
    bytes
}

fn apply(archive: &Path, edit: &Edit, out: &Path) -> Result<Manifest, String> {
    let recipe = Recipe {
        edits: vec![edit.clone()],
    };
    let archive = Archive::open(archive).map_err(|error| error.to_string())?;
    let options = TransformOptions::default();
    transform::apply(&archive, &recipe, out, &options)
        .map(|report| report.manifest)
        .map_err(|error| format!("{error}"))
}

/// All lines, however they are cut into files.
fn lines(path: &Path) -> BTreeMap<Kind, Vec<String>> {
    let archive = Archive::open(path).unwrap();
    let of_kind = |kind: &Kind| {
        let mut all = Vec::new();
        let mut lines = archive.lines(*kind);
        while let Some(line) = lines.next_line().unwrap() {
            all.push(String::from_utf8_lossy(line.bytes).into_owned());
        }
        (*kind, all)
    };
    Kind::ALL.iter().map(of_kind).collect()
}

fn choices(archive: &Archive) -> Vec<Edit> {
    let names = archive
        .objects::<Experiment>()
        .map(|experiment| experiment.unwrap().experiment_id);
    let both = |id: String| {
        [
            Edit::Select(Select {
                experiments: vec![id.clone()],
                ..Select::default()
            }),
            Edit::Exclude(Exclude {
                experiments: vec![id],
                ..Exclude::default()
            }),
        ]
    };
    names.take(4).flat_map(both).collect()
}

#[test]
fn files_that_a_choice_does_not_need_are_not_read_and_those_that_are_read_are_checked() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let whole = Holding::all().build(&at("whole"));
    let many = in_many_files(&whole, 2);
    many.write(&at("many"), ContainerKind::Directory);
    let zip = at("many.zip");
    many.write(&zip, ContainerKind::Zip);
    let (mut unread, mut read) = (BTreeSet::new(), 0);
    for (number, edit) in choices(&whole).iter().enumerate() {
        let expected = apply(whole.path(), edit, &at("expected")).unwrap();
        for from in [at("many"), zip.clone()] {
            let made = apply(&from, edit, &at("made")).unwrap();
            assert_eq!(lines(&at("made")), lines(&at("expected")), "{edit:?}");
            assert_eq!(made.totals, expected.totals, "{edit:?}");
            assert_eq!(made.selection, expected.selection, "{edit:?}");
            assert_eq!(
                made.history.last().unwrap().counts,
                expected.history.last().unwrap().counts
            );
            std::fs::remove_dir_all(at("made")).unwrap();
        }
        let expected = lines(&at("expected"));
        std::fs::remove_dir_all(at("expected")).unwrap();
        if number > 1 {
            continue;
        }
        for entry in many.entries.iter().filter(|entry| is_following(&entry.name)) {
            let mut damaged = many.clone();
            // At its end: its first line says where it begins.
            let bytes = damaged.bytes(&entry.name);
            if bytes.iter().filter(|byte| **byte == b'\n').count() < 2 {
                continue;
            }
            let last = bytes.len() - 2;
            bytes[last] ^= 1;
            damaged.write(&at("damaged"), ContainerKind::Directory);
            match apply(&at("damaged"), edit, &at("made")) {
                Ok(_) => {
                    assert_eq!(lines(&at("made")), expected, "{edit:?} {}", entry.name);
                    std::fs::remove_dir_all(at("made")).unwrap();
                    unread.insert(entry.name.clone());
                }
                Err(error) => {
                    assert!(error.contains(&entry.name), "{edit:?}: {error}");
                    read += 1;
                }
            }
            std::fs::remove_dir_all(at("damaged")).unwrap();
        }
    }
    assert!(!unread.is_empty() && read > 0, "{unread:?}, {read} read");
    std::fs::remove_dir_all(at("many")).unwrap();
    std::fs::remove_file(zip).unwrap();
}

fn is_following(name: &str) -> bool {
    let kind = name
        .strip_prefix("objects/")
        .and_then(|name| name.rsplit_once('-'));
    kind.is_some_and(|(kind, _)| FOLLOWING.contains(&kind))
}
