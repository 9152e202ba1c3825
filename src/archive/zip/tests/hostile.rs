//! Zips that other tools accept and this profile does not.

use proptest::prelude::*;

use super::*;
use crate::archive::zip::profile::{EndRecords, EntryHeader, MAX_32, Method};

/// Assembles a zip out of headers and contents, right or wrong.
#[derive(Default)]
struct Assembly {
    bytes: Vec<u8>,
    central: Vec<u8>,
    entries: u64,
}

impl Assembly {
    fn header<'a>(&self, name: &'a str, content: &[u8]) -> EntryHeader<'a> {
        EntryHeader {
            name,
            method: Method::Stored,
            crc32: crc32fast::hash(content),
            compressed_size: content.len() as u64,
            size: content.len() as u64,
            offset: self.bytes.len() as u64,
        }
    }

    fn push(&mut self, header: &EntryHeader<'_>, content: &[u8]) {
        header.write_local(&mut self.bytes);
        self.bytes.extend_from_slice(content);
        header.write_central(&mut self.central);
        self.entries += 1;
    }

    fn add(mut self, name: &str, content: &[u8]) -> Self {
        let header = self.header(name, content);
        self.push(&header, content);
        self
    }

    fn finish(mut self) -> Vec<u8> {
        let (central_size, central_offset) = (self.central.len() as u64, self.bytes.len() as u64);
        self.bytes.append(&mut self.central);
        EndRecords {
            entries: self.entries,
            central_size,
            central_offset,
        }
        .write(&mut self.bytes);
        self.bytes
    }
}

fn codes_of(names: &[&str]) -> Vec<&'static str> {
    let mut assembly = Assembly::default();
    for name in names {
        assembly = assembly.add(name, b"content");
    }
    codes(&assembly.finish())
}

#[test]
fn the_assembly_itself_is_intact() {
    assert_eq!(codes_of(&[&blob(1), "a", "b/c"]), [""; 0]);
}

#[test]
fn names_must_be_plain_unique_and_in_order() {
    let (blob_1, upper) = (blob(0xab), format!("blobs/sha256/AB/{}", "AB".repeat(32)));
    for (names, expected) in [
        (vec!["../a"], "zip-name"),
        (vec!["/a"], "zip-name"),
        (vec!["a\\b"], "zip-name"),
        (vec!["a/"], "zip-name"),
        (vec!["c:x"], "zip-name"),
        (vec![&upper], "zip-name"),
        (vec!["blobs/x"], "zip-name"),
        (vec!["a", "a"], "zip-duplicate"),
        (vec![&blob_1, &blob_1], "zip-duplicate"),
        (vec!["a", "b", "A"], "zip-case-clash"),
        (vec!["A", "a/b"], "zip-folder-clash"),
        (vec!["a/b", "a-", "a"], "zip-folder-clash"),
        (vec!["a", &blob_1], "zip-order"),
    ] {
        assert_eq!(codes_of(&names), [expected], "{names:?}");
    }
}

#[test]
fn a_name_outside_the_grammar_is_shown_escaped() {
    let bytes = Assembly::default().add("a\n\u{1b}[31m\u{202e}", b"").finish();
    let faults = read_all(&file_of(&bytes).expect("a file")).expect_err("a fault");
    assert_eq!(
        faults[0].to_string(),
        "entry name `a\\n\\x1b[31m\\xe2\\x80\\xae` is refused: it has a byte outside A-Z a-z 0-9 . - _ /"
    );
}

#[test]
fn stray_bytes_are_found_wherever_they_are() {
    let intact = Assembly::default().add("a", b"one").add("b", b"two").finish();
    assert_eq!(
        codes(&[b"#!/bin/sh\n", &intact[..]].concat()),
        ["zip-central-range"]
    );
    assert_eq!(codes(&[&intact[..], b"x"].concat()), ["zip-trailing-bytes"]);
    assert_eq!(codes(&[&intact[..], &[0; 70_000]].concat()), ["zip-no-end"]);
    assert_eq!(codes(&intact[..intact.len() - 1]), ["zip-no-end"]);
    assert_eq!(codes(b""), ["zip-no-end"]);

    let mut commented = [&intact[..], b"hello"].concat();
    commented[intact.len() - 2] = 5;
    assert_eq!(codes(&commented), ["zip-comment"]);

    let mut prefixed = Assembly {
        bytes: b"MZ".to_vec(),
        ..Assembly::default()
    };
    prefixed = prefixed.add("a", b"one");
    assert_eq!(codes(&prefixed.finish()), ["zip-prefix"]);

    let mut gap = Assembly::default().add("a", b"one");
    gap.bytes.push(0);
    assert_eq!(codes(&gap.add("b", b"two").finish()), ["zip-gap"]);

    let mut gap_at_end = Assembly::default().add("a", b"one");
    gap_at_end.bytes.push(0);
    assert_eq!(codes(&gap_at_end.finish()), ["zip-gap"]);
}

#[test]
fn entries_cannot_share_bytes() {
    let mut same = Assembly::default();
    let header = same.header("a", b"content");
    same.push(&header, b"content");
    EntryHeader { name: "b", ..header }.write_central(&mut same.central);
    same.entries += 1;
    let found = codes(&same.finish());
    assert_eq!(found, ["zip-overlap", "zip-header"]);

    let mut reversed = Assembly::default().add("a", b"").add("b", b"");
    let half = reversed.central.len() / 2;
    reversed.central.rotate_left(half);
    assert!(codes(&reversed.finish()).contains(&"zip-overlap"));
}

#[test]
fn claimed_sizes_are_not_believed() {
    let mut sizes = Assembly::default();
    let header = EntryHeader {
        size: 1 << 40,
        ..sizes.header("a", b"content")
    };
    sizes.push(&header, b"content");
    assert_eq!(codes(&sizes.finish()), ["zip-size"]);

    let mut far = Assembly::default();
    let header = EntryHeader {
        size: u64::MAX,
        compressed_size: u64::MAX,
        ..far.header("a", b"")
    };
    far.push(&header, b"content");
    assert_eq!(codes(&far.finish()), ["zip-overlap"]);

    let mut bomb = Assembly::default();
    let method = Method::Deflate {
        stream_crc32: crc32fast::hash(b"content"),
    };
    let header = EntryHeader {
        method,
        size: 7 * 1032 + 1,
        ..bomb.header("a", b"content")
    };
    bomb.push(&header, b"content");
    assert_eq!(codes(&bomb.finish()), ["zip-size"]);

    for end in [
        EndRecords {
            entries: u64::MAX,
            central_size: 0,
            central_offset: 0,
        },
        EndRecords {
            entries: 5,
            central_size: u64::MAX,
            central_offset: 0,
        },
        EndRecords {
            entries: 5,
            central_size: 10,
            central_offset: u64::MAX,
        },
        EndRecords {
            entries: 5,
            central_size: MAX_32,
            central_offset: 0,
        },
    ] {
        let mut bytes = Vec::new();
        end.write(&mut bytes);
        assert!(!codes(&bytes).is_empty(), "{end:?}");
    }
}

#[test]
fn zip64_where_no_value_needs_it_is_refused() {
    let mut bytes = zip_of(&[("a", b"one", Compression::Stored)]).expect("a zip");
    let end = bytes.split_off(bytes.len() - 22);
    let central_offset = bytes.len() as u64 - 47;
    let mut zip64 = Vec::new();
    EndRecords {
        entries: 1 << 20,
        central_size: 47,
        central_offset,
    }
    .write(&mut zip64);
    zip64[24..40].copy_from_slice(&[1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
    let unneeded = [&bytes[..], &zip64].concat();
    assert!(codes(&unneeded).contains(&"zip-end-record"));
    assert_eq!(
        codes(&[&bytes[..], &zip64[..76], &end].concat()),
        ["zip-central-range"]
    );
}

#[test]
fn comments_methods_and_counts_of_others_are_refused() {
    let mut commented = Assembly::default().add("a", b"");
    commented.central[32] = 3;
    commented.central.extend_from_slice(b"abc");
    assert_eq!(codes(&commented.finish()), ["zip-comment"]);

    let mut bzip2 = Assembly::default().add("a", b"");
    (bzip2.central[10], bzip2.bytes[8]) = (12, 12);
    assert_eq!(codes(&bzip2.finish()), ["zip-method"]);

    let mut counted = Assembly::default().add("a", b"");
    counted.entries = 2;
    assert_eq!(codes(&counted.finish()), ["zip-count"]);
}

#[test]
fn zips_of_other_writers_are_refused() -> anyhow::Result<()> {
    let mut other = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    other.start_file("a", zip::write::SimpleFileOptions::default())?;
    other.write_all(b"content")?;
    assert_eq!(codes(&other.finish()?.into_inner())[0], "zip-header");
    Ok(())
}

#[test]
fn limits_are_kept() -> anyhow::Result<()> {
    let (blob_1, blob_2) = (blob(1), blob(2));
    let assembly = Assembly::default().add(&blob_1, b"").add(&blob_2, b"1234");
    let file = file_of(&assembly.add("a", b"").add("b", b"").finish())?;
    for limits in [
        ZipLimits {
            max_blobs: 1,
            ..ZipLimits::default()
        },
        ZipLimits {
            max_others: 1,
            ..ZipLimits::default()
        },
        ZipLimits {
            max_entry_bytes: 3,
            ..ZipLimits::default()
        },
    ] {
        let Err(ScanError::Faults(faults)) = ZipIndex::scan(&file, &limits) else {
            panic!("{limits:?} was not kept");
        };
        assert_eq!(
            faults
                .iter()
                .map(|fault| fault.code().as_str())
                .collect::<Vec<_>>(),
            ["zip-limit"]
        );
    }
    let limits = ZipLimits {
        max_blobs: 2,
        max_others: 2,
        max_entry_bytes: 4,
        ..ZipLimits::default()
    };
    assert!(ZipIndex::scan(&file, &limits).is_ok());
    Ok(())
}

#[test]
fn faults_are_collected_up_to_a_limit() -> anyhow::Result<()> {
    let mut assembly = Assembly::default();
    for number in 0..300 {
        assembly = assembly.add(&format!("../{number}"), b"");
    }
    let file = file_of(&assembly.finish())?;
    let limits = ZipLimits {
        max_faults: 10,
        ..ZipLimits::default()
    };
    let Err(ScanError::Faults(faults)) = ZipIndex::scan(&file, &limits) else {
        panic!("faults expected")
    };
    assert_eq!(faults.len(), 11);
    assert_eq!(faults[10].to_string(), "more faults than the 10 shown");
    Ok(())
}

proptest! {
    #[test]
    fn any_bytes_give_a_result(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(!codes(&bytes).is_empty());
    }

    #[test]
    fn any_damage_to_an_intact_zip_gives_a_fault(
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        end in any::<u16>(),
    ) {
        let entries: [(&str, &[u8], Compression); 3] = [
            (&blob(1), b"content", Compression::Stored),
            ("a", &text(900), Compression::Deflate),
            ("b", b"", Compression::Stored),
        ];
        let intact = zip_of(&entries).expect("a zip");
        let mut bytes = intact.clone();
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        bytes.truncate(bytes.len().saturating_sub(usize::from(end % 64) / 2));
        prop_assert_eq!(codes(&bytes).is_empty(), bytes == intact);
    }
}
