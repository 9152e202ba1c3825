use super::*;
use crate::archive::ErrorKind;
use std::io::Write;
use zip::write::SimpleFileOptions;

fn zip_of(directory: &Path, entries: &[(&str, &str)]) -> PathBuf {
    let path = directory.join("data.zip");
    let mut zip = zip::ZipWriter::new(File::create(&path).unwrap());
    for (name, text) in entries {
        zip.start_file(*name, SimpleFileOptions::default()).unwrap();
        zip.write_all(text.as_bytes()).unwrap();
    }
    zip.finish().unwrap();
    path
}

#[test]
fn a_single_folder_in_a_zip_is_the_root() {
    let directory = tempfile::tempdir().unwrap();
    let path = zip_of(
        directory.path(),
        &[("mlruns/0/meta.yaml", "a: 1"), ("mlruns/1/meta.yaml", "a: 2")],
    );
    let unpacked = unpack(&path, &directory.path().join("out"), UnpackLimits::default()).unwrap();
    assert_eq!(
        fs::read_to_string(unpacked.root().join("1/meta.yaml")).unwrap(),
        "a: 2"
    );
    let folder = unpacked.directory.path().to_owned();
    drop(unpacked);
    assert!(!folder.exists());
}

#[test]
fn names_that_lead_outside_are_refused_and_nothing_is_left() {
    let directory = tempfile::tempdir().unwrap();
    for name in ["../x", "a/../../x", "/etc/x", "a/../x"] {
        let path = zip_of(directory.path(), &[(name, "x")]);
        let error = unpack(&path, &directory.path().join("out"), UnpackLimits::default()).err();
        assert!(error.is_some(), "{name}");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "{name}");
    }
}

#[test]
fn an_archive_of_mlark_is_no_source() {
    let directory = tempfile::tempdir().unwrap();
    let path = zip_of(
        directory.path(),
        &[("mlark.json", "{}"), ("mlark.json.sha256", "")],
    );
    let error = unpack(&path, &directory.path().join("out"), UnpackLimits::default())
        .err()
        .unwrap();
    assert!(error.to_string().contains("an mlark archive"), "{error}");
}

fn refusal(path: &Path, limits: UnpackLimits) -> String {
    let beside = path.with_file_name("out");
    let error = unpack(path, &beside, limits).err().expect("it is refused");
    assert_eq!(error.kind(), ErrorKind::Source);
    assert!(
        fs::read_dir(path.parent().unwrap()).unwrap().count() == 1,
        "nothing is left"
    );
    error.to_string()
}

#[test]
fn a_zip_that_asks_for_too_much_is_refused_with_the_option_that_allows_it() {
    let directory = tempfile::tempdir().unwrap();
    let big = "0".repeat(usize::try_from(FREE_BYTES).unwrap() + 1);
    let path = zip_of(directory.path(), &[("a", &big), ("b", "")]);
    let limits = UnpackLimits::default();
    for (limits, option) in [
        (UnpackLimits { entries: 1, ..limits }, "entries"),
        (
            UnpackLimits {
                bytes: 1 << 20,
                ..limits
            },
            "bytes",
        ),
        (limits, "ratio"),
    ] {
        let refusal = refusal(&path, limits);
        assert!(refusal.contains(&format!("--zip-limit {option}=N")), "{refusal}");
    }
    let generous = UnpackLimits {
        ratio: 2_000,
        ..limits
    };
    assert!(unpack(&path, &directory.path().join("out"), generous).is_ok());
}

/// The bytes of a zip of stored entries, its names and the places of its local headers as given.
fn forged(entries: &[(&str, u32)]) -> Vec<u8> {
    let (crc, content) = (0x3610_a686_u32, b"hello");
    let header = |name: &str, central: Option<u32>| {
        let mut bytes = Vec::new();
        match central {
            None => bytes.extend(b"PK\x03\x04\x14\0"),
            Some(_) => bytes.extend(b"PK\x01\x02\x14\x03\x14\0"),
        }
        bytes.extend([0; 8]);
        bytes.extend(crc.to_le_bytes());
        bytes.extend([5, 0, 0, 0, 5, 0, 0, 0]);
        bytes.extend((name.len() as u16).to_le_bytes());
        bytes.extend([0; 2]);
        if let Some(offset) = central {
            bytes.extend([0; 6]);
            bytes.extend((0o100_644_u32 << 16).to_le_bytes());
            bytes.extend(offset.to_le_bytes());
        }
        bytes.extend(name.as_bytes());
        bytes
    };
    let mut bytes = Vec::new();
    for (name, offset) in entries {
        if *offset == bytes.len() as u32 {
            bytes.extend(header(name, None));
            bytes.extend(content);
        }
    }
    let start = bytes.len();
    for (name, offset) in entries {
        bytes.extend(header(name, Some(*offset)));
    }
    let size = (bytes.len() - start) as u32;
    let count = (entries.len() as u16).to_le_bytes();
    bytes.extend(b"PK\x05\x06\0\0\0\0");
    bytes.extend(count);
    bytes.extend(count);
    bytes.extend(size.to_le_bytes());
    bytes.extend((start as u32).to_le_bytes());
    bytes.extend([0; 2]);
    bytes
}

#[test]
fn entries_that_share_bytes_or_a_name_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("data.zip");
    let second = 30 + 1 + 5;
    fs::write(&path, forged(&[("a", 0), ("b", second)])).unwrap();
    assert!(unpack(&path, &directory.path().join("out"), UnpackLimits::default()).is_ok());
    for (entries, expected) in [
        (vec![("a", 0), ("a", second)], "the same name"),
        (vec![("a", 0), ("a", 0), ("a", 0)], "the same name"),
        (vec![("a", 0), ("b", 0)], "share bytes"),
        (vec![("a", 0), ("./a", second)], "twice"),
        (vec![("a", 0), ("a/b", second)], "has the same path"),
    ] {
        fs::write(&path, forged(&entries)).unwrap();
        let refusal = refusal(&path, UnpackLimits::default());
        assert!(refusal.contains(expected), "{entries:?}: {refusal}");
    }
}

#[test]
fn names_that_differ_in_case_are_two_names() {
    let directory = tempfile::tempdir().unwrap();
    let path = zip_of(directory.path(), &[("x/lr", "1"), ("x/LR", "2")]);
    let unpacked = unpack(&path, &directory.path().join("out"), UnpackLimits::default()).unwrap();
    assert_eq!(fs::read_to_string(unpacked.root().join("LR")).unwrap(), "2");
}

#[test]
fn a_full_disk_is_the_file_systems_fault_and_a_wrong_size_is_the_zips() {
    struct Full;
    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    assert!(matches!(
        copy(&mut &b"abc"[..], 3, &mut Full),
        Err(Fault::Disk(_))
    ));
    for claimed in [2, 4] {
        let copied = copy(&mut &b"abc"[..], claimed, &mut Vec::new());
        assert!(matches!(copied, Err(Fault::Zip(_))), "{claimed}");
    }
    let full = ArchiveError::io("unpack to", "x")(io::ErrorKind::StorageFull.into());
    assert_eq!(ExportError::from(full).kind(), ErrorKind::Io);
}
