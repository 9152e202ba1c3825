//! The damage matrix, and damage at random: `verify` finds all of it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use crate::helpers::{bytes, rich};
use bytes::{Bytes, sha256};
use mlark::archive::verify::{VerifyOptions, VerifyReport, verify};
use mlark::archive::{ArchiveError, ContainerKind};
use mlark::format::Kind;
use mlark::internals::{CHECKSUMS, LOSSES, MANIFEST, SEAL, blob_path};
use mlark::monitor::Silent;
use proptest::prelude::*;
use rich::Size;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::sync::LazyLock;

const BOTH: [ContainerKind; 2] = [ContainerKind::Directory, ContainerKind::Zip];

fn report(path: &Path) -> VerifyReport {
    verify(path, &VerifyOptions { threads: 2 }, &Silent).unwrap()
}

/// Codes of what is found, each once.
fn codes(path: &Path) -> String {
    match verify(path, &VerifyOptions { threads: 2 }, &Silent) {
        Ok(report) => {
            let codes: BTreeSet<_> = report
                .findings
                .iter()
                .map(|finding| finding.code.as_str())
                .collect();
            codes.into_iter().collect::<Vec<_>>().join(" ")
        }
        Err(error) => format!("refused: {error}"),
    }
}

fn codes_of(bytes: &Bytes, kind: ContainerKind) -> String {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("a");
    bytes.write(&out, kind);
    codes(&out)
}

/// The archive of a size, built once.
fn intact(size: Size) -> &'static Bytes {
    static BUILT: LazyLock<[Bytes; 2]> = LazyLock::new(|| {
        [Size::Full, Size::Small].map(|size| {
            let directory = tempfile::tempdir().unwrap();
            let out = directory.path().join("a");
            let mut manifest = rich::build(&out, size);
            let mut bytes = Bytes::read(&out);
            // The clock and the version would change the digits of the seal, and with them what a flipped bit makes of it.
            manifest.created = "2026-01-02T03:04:05Z".to_owned();
            manifest.tool.version = "1.0.0".to_owned();
            for entry in &mut manifest.history {
                entry.tool.version = "1.0.0".to_owned();
            }
            bytes.reseal_manifest(&manifest);
            bytes
        })
    });
    match size {
        Size::Full => &BUILT[0],
        Size::Small => &BUILT[1],
    }
}

#[test]
fn an_intact_archive_of_every_kind_has_no_findings() {
    let directory = tempfile::tempdir().unwrap();
    for size in [Size::Full, Size::Small] {
        for kind in BOTH {
            assert_eq!(codes_of(intact(size), kind), "");
        }
    }
    for name in ["rich", "rich.zip"] {
        let out = directory.path().join(name);
        let manifest = rich::build(&out, Size::Full);
        let report = report(&out);
        assert_eq!(report.findings, [], "{name}");
        assert_eq!(report.content_id, Some(manifest.content_id));
        assert_eq!(report.checked.blobs, manifest.totals.blobs);
        assert_eq!(report.checked.blob_bytes, manifest.totals.blob_bytes);
    }
}

#[test]
fn golden_archives_have_no_findings() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/golden");
    for version in fs::read_dir(golden).into_iter().flatten() {
        for archive in fs::read_dir(version.unwrap().path()).unwrap() {
            let path = archive.unwrap().path();
            if path.is_dir() || path.extension().is_some_and(|extension| extension == "zip") {
                assert_eq!(codes(&path), "", "{}", path.display());
            }
        }
    }
}

#[test]
fn resealing_what_is_not_changed_changes_nothing() {
    let mut resealed = intact(Size::Full).clone();
    resealed.reseal();
    assert!(resealed.entries == intact(Size::Full).entries);
}

/// One kind of file: a file of it, another of its kind to be swapped with, the next name, and one that is extra.
struct Row {
    label: String,
    file: String,
    other: String,
    next: String,
    extra: (String, Vec<u8>),
}

fn rows() -> Vec<Row> {
    let bytes = intact(Size::Full);
    let is_blob = |name: &str| name.starts_with("blobs/");
    let blob = |is_wanted: fn(usize) -> bool, number: usize| {
        let wanted = |entry: &&bytes::Entry| is_blob(&entry.name) && is_wanted(entry.bytes.len());
        let mut blobs = bytes.entries.iter().filter(wanted);
        blobs.nth(number).unwrap().name.clone()
    };
    let small = |size: usize| (1..1 << 20).contains(&size);
    let large = |size: usize| size >= 1 << 20;
    let new_blob = |text: &str| (blob_path(&sha256(text.as_bytes())), text.as_bytes().to_vec());
    let mut rows = vec![
        Row {
            label: "blob, small".into(),
            file: blob(small, 0),
            other: blob(small, 1),
            next: blob_path(&sha256(b"not its digest")),
            extra: new_blob("a new small blob"),
        },
        Row {
            label: "blob, large".into(),
            file: blob(large, 0),
            other: blob(large, 1),
            next: blob_path(&sha256(b"not its digest either")),
            extra: new_blob(&"a new large blob".repeat(100_000)),
        },
    ];
    for (&kind, number) in Kind::ALL.iter().zip(1..) {
        let other = Kind::ALL[number % Kind::ALL.len()];
        let name = |kind: Kind, part| mlark::internals::object_path(kind, part);
        rows.push(Row {
            label: format!("objects/{kind}"),
            file: name(kind, 0),
            other: name(other, 0),
            next: name(kind, 1),
            extra: (format!("objects/{kind}-0.jsonl"), b"{}\n".to_vec()),
        });
    }
    for (file, other, next, extra) in [
        (LOSSES, "undo/1-00000.jsonl", "losses-00001.jsonl", "losses.json"),
        (
            "undo/1-00000.jsonl",
            LOSSES,
            "undo/1-00001.jsonl",
            "undo/2-00000.jsonl",
        ),
        (CHECKSUMS, MANIFEST, "SHA256SUMS.1", "SHA512SUMS"),
        (MANIFEST, CHECKSUMS, "mlark-1.json", "mlark.jsonl"),
        (SEAL, CHECKSUMS, "SHA256SUMS.sha256", "mlark.json.sha512"),
    ] {
        rows.push(Row {
            label: file.to_owned(),
            file: file.to_owned(),
            other: other.to_owned(),
            next: next.to_owned(),
            extra: (extra.to_owned(), b"{}\n".to_vec()),
        });
    }
    rows
}

const DAMAGES: [&str; 6] = [
    "missing",
    "truncated",
    "bit flipped",
    "swapped",
    "duplicated",
    "extra",
];

fn damage(row: &Row, name: &str, kind: ContainerKind) -> Bytes {
    let mut bytes = intact(Size::Full).clone();
    let position = bytes.position(&row.file);
    match name {
        "missing" => {
            bytes.entries.remove(position);
        }
        "truncated" => {
            let content = bytes.bytes(&row.file);
            content.truncate(content.len() / 2);
        }
        "bit flipped" => {
            let content = bytes.bytes(&row.file);
            let middle = content.len() / 2;
            content[middle] ^= 1;
        }
        "swapped" => {
            let other = bytes.position(&row.other);
            let content = std::mem::take(&mut bytes.entries[position].bytes);
            let content = std::mem::replace(&mut bytes.entries[other].bytes, content);
            bytes.entries[position].bytes = content;
        }
        "duplicated" if kind == ContainerKind::Zip => {
            let entry = bytes.entries[position].clone();
            bytes.entries.insert(position, entry);
        }
        "duplicated" => {
            let content = bytes.entries[position].bytes.clone();
            bytes.add(&row.next, content);
        }
        _ => bytes.add(&row.extra.0, row.extra.1.clone()),
    }
    bytes
}

#[test]
fn the_damage_matrix_names_the_findings_of_each_cell() {
    let mut table = String::new();
    for row in rows() {
        let _ = writeln!(table, "{}", row.label);
        for name in DAMAGES {
            let found = BOTH.map(|kind| codes_of(&damage(&row, name, kind), kind));
            assert!(
                found.iter().all(|codes| !codes.is_empty()),
                "{} {name}",
                row.label
            );
            match found[0] == found[1] {
                true => writeln!(table, "  {name:<12} {}", found[0]).unwrap(),
                false => {
                    let _ = writeln!(table, "  {name:<12} directory: {}", found[0]);
                    let _ = writeln!(table, "  {:<12} zip: {}", "", found[1]);
                }
            }
        }
    }
    println!("{table}");
    insta::assert_snapshot!("damage_matrix", table);
}

#[cfg(unix)]
#[test]
fn what_has_no_place_in_a_directory_is_found() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("a");
    intact(Size::Small).write(&out, ContainerKind::Directory);
    std::os::unix::fs::symlink("mlark.json", out.join("objects/link.jsonl")).unwrap();
    std::os::unix::fs::symlink("/", out.join("undo/link")).unwrap();
    let socket = std::os::unix::net::UnixListener::bind(out.join("objects/socket")).unwrap();
    fs::create_dir_all(out.join("objects/deep/er")).unwrap();
    fs::create_dir(out.join("blobs/sha256/0")).unwrap();
    fs::create_dir_all(out.join("blobs/sha256/zz/x")).unwrap();
    let empty = (0..=255)
        .map(|byte| out.join(format!("blobs/sha256/{byte:02x}")))
        .find(|path| !path.exists());
    fs::create_dir(empty.as_ref().unwrap()).unwrap();
    fs::write(out.join("blobs/x"), "").unwrap();
    let found: Vec<_> = report(&out)
        .findings
        .into_iter()
        .map(|finding| (finding.code.as_str(), finding.place))
        .collect();
    let empty = empty
        .unwrap()
        .strip_prefix(&out)
        .unwrap()
        .to_str()
        .unwrap()
        .to_owned();
    let mut expected: Vec<(&str, String)> = [
        ("extra-directory", "blobs/sha256/0"),
        ("empty-directory", &empty),
        ("extra-directory", "blobs/sha256/zz"),
        ("extra-file", "blobs/x"),
        ("extra-directory", "objects/deep"),
        ("symlink", "objects/link.jsonl"),
        ("special-file", "objects/socket"),
        ("symlink", "undo/link"),
    ]
    .map(|(code, place)| (code, place.to_owned()))
    .to_vec();
    expected.sort_by(|a, b| a.1.cmp(&b.1));
    assert_eq!(found, expected);
    drop(socket);
}

#[test]
fn what_is_no_archive_is_refused_and_what_was_one_is_not() {
    let directory = tempfile::tempdir().unwrap();
    let empty = verify(directory.path(), &VerifyOptions::default(), &Silent);
    assert!(matches!(empty, Err(ArchiveError::NotAnArchive { .. })));
    let gone = verify(&directory.path().join("gone"), &VerifyOptions::default(), &Silent);
    assert!(matches!(gone, Err(ArchiveError::Io { .. })));
    fs::write(directory.path().join(SEAL), "").unwrap();
    assert_eq!(codes(directory.path()), "missing-file");
}

#[test]
fn an_archive_of_a_newer_version_is_refused_by_name() {
    for (old, new, expected) in [
        ("\"major\": 1", "\"major\": 1000", "1000.0"),
        (
            "\"requires\": []",
            "\"requires\": [\n      \"time-travel\"\n    ]",
            "`time-travel`",
        ),
    ] {
        let mut bytes = intact(Size::Small).clone();
        let text = String::from_utf8(bytes.bytes(MANIFEST).clone())
            .unwrap()
            .replace(old, new);
        let seal = mlark::internals::checksum_line(&sha256(text.as_bytes()), MANIFEST);
        *bytes.bytes(MANIFEST) = text.into_bytes();
        for kind in BOTH {
            assert_eq!(
                codes_of(&bytes, kind),
                "digest format",
                "the change is not sealed"
            );
        }
        *bytes.bytes(SEAL) = seal.into_bytes();
        for kind in BOTH {
            let directory = tempfile::tempdir().unwrap();
            let out = directory.path().join("a");
            bytes.write(&out, kind);
            let error = verify(&out, &VerifyOptions::default(), &Silent).unwrap_err();
            let ArchiveError::Format { source, .. } = error else {
                panic!("{error}");
            };
            assert!(source.to_string().contains(expected), "{source}");
            assert!(source.to_string().contains("use a newer mlark"), "{source}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn one_flipped_bit_is_found_in_a_directory(file: prop::sample::Index, at: prop::sample::Index, bit in 0..8_u8) {
        let mut bytes = intact(Size::Small).clone();
        let file = file.index(bytes.entries.len());
        let content = &mut bytes.entries[file].bytes;
        if !content.is_empty() {
            let at = at.index(content.len());
            content[at] ^= 1 << bit;
            prop_assert_ne!(codes_of(&bytes, ContainerKind::Directory), "");
        }
    }

    #[test]
    fn flipped_bits_are_found_in_a_zip(flips in prop::collection::vec((any::<prop::sample::Index>(), 0..8_u8), 1..4)) {
        static ZIP: LazyLock<Vec<u8>> = LazyLock::new(|| {
            let directory = tempfile::tempdir().unwrap();
            let out = directory.path().join("a.zip");
            rich::build(&out, Size::Small);
            fs::read(out).unwrap()
        });
        let mut zip = ZIP.clone();
        for (at, bit) in flips {
            let at = at.index(zip.len());
            zip[at] ^= 1 << bit;
        }
        prop_assume!(zip != *ZIP);
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), &zip).unwrap();
        prop_assert_ne!(codes(file.path()), "");
    }

    #[test]
    fn a_truncated_or_longer_zip_is_found(cut: prop::sample::Index, tail in prop::collection::vec(any::<u8>(), 0..40)) {
        static ZIP: LazyLock<Vec<u8>> = LazyLock::new(|| {
            let directory = tempfile::tempdir().unwrap();
            intact(Size::Small).write(&directory.path().join("a.zip"), ContainerKind::Zip);
            fs::read(directory.path().join("a.zip")).unwrap()
        });
        let cut = cut.index(ZIP.len() + 1);
        let bytes = [&ZIP[..cut], &tail].concat();
        prop_assume!(bytes != *ZIP);
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), &bytes).unwrap();
        prop_assert_ne!(codes(file.path()), "");
    }

    #[test]
    fn random_bytes_are_no_archive(bytes in prop::collection::vec(any::<u8>(), 0..3000)) {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), &bytes).unwrap();
        prop_assert_ne!(codes(file.path()), "");
    }

    #[test]
    fn random_files_in_place_of_an_archives_own_are_found(file: prop::sample::Index, content in prop::collection::vec(any::<u8>(), 0..300)) {
        let mut bytes = intact(Size::Small).clone();
        let file = file.index(bytes.entries.len());
        prop_assume!(bytes.entries[file].bytes != content);
        bytes.entries[file].bytes = content;
        prop_assert_ne!(codes_of(&bytes, ContainerKind::Directory), "");
    }
}
