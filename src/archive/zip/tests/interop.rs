//! Other readers take what we write.

use std::{path::Path, process::Command};

use super::*;

fn zip_for_others(path: &Path, entries: u32) -> anyhow::Result<()> {
    let file = File::options()
        .read(true)
        .write(true)
        .create_new(true)
        .open(path)?;
    let mut writer = ZipFileWriter::create(file, path.parent().expect("a folder"))?;
    for number in 0..entries {
        let mut digest = [0; 32];
        digest[..4].copy_from_slice(&number.to_be_bytes());
        writer.write_small(&blob_name(&digest), &number.to_le_bytes(), Compression::Stored)?;
    }
    writer.write_small("objects/runs-00000.jsonl", &text(400_000), Compression::Probe)?;
    writer.write_small(
        "objects/noise-00000.jsonl",
        &random_bytes(100_000, 1),
        Compression::Deflate,
    )?;
    writer.write_small("empty", b"", Compression::Deflate)?;
    writer.write_small("mlark.json", b"{}\n", Compression::Probe)?;
    writer.finish()?;
    Ok(())
}

/// Runs a reader of someone else's, or says that it is not there.
fn accepts(command: &str, args: &[&str], path: &Path) -> anyhow::Result<()> {
    match Command::new(command).args(args).arg(path).output() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            eprintln!("skipped: `{command}` is not installed");
        }
        output => {
            let output = output?;
            let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{command}: {said}");
            assert!(!said.contains("warning"), "{command}: {said}");
        }
    }
    Ok(())
}

#[test]
fn stock_tools_accept_archives_small_and_with_zip64() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    for entries in [10, 65_531, 70_000] {
        let path = folder.path().join(format!("{entries}.zip"));
        zip_for_others(&path, entries)?;
        accepts("unzip", &["-tqq"], &path)?;
        accepts("python3", &["-m", "zipfile", "-t"], &path)?;
        accepts("7z", &["t"], &path)?;
        accepts("bsdtar", &["-tf"], &path)?;
        assert!(ZipIndex::scan(&File::open(&path)?, &ZipLimits::default()).is_ok());
    }
    Ok(())
}

#[test]
fn the_zip_crate_reads_the_same() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("a.zip");
    zip_for_others(&path, 70_000)?;
    let file = File::open(&path)?;
    let index = ZipIndex::scan(&file, &ZipLimits::default())?;
    let mut other = zip::ZipArchive::new(File::open(&path)?)?;
    assert_eq!(other.len(), index.len());
    for (number, entry) in index.entries().enumerate().skip(69_990) {
        let mut theirs = other.by_index(number)?;
        assert_eq!(theirs.name()?, entry.name);
        assert_eq!(theirs.unix_mode(), Some(0o100_644));
        let (mut found, mut expected) = (Vec::new(), Vec::new());
        index
            .open(&file, &entry.name)
            .expect("it is there")
            .read_to_end(&mut found)?;
        theirs.read_to_end(&mut expected)?;
        assert!(found == expected, "{}", entry.name);
    }
    Ok(())
}
