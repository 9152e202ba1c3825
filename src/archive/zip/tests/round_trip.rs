use std::io::{Read, Write};

use proptest::prelude::*;

use super::*;
use crate::archive::zip::{ZipWriteError, profile::Method};

#[test]
fn what_was_written_is_read_back_in_order() -> anyhow::Result<()> {
    let (long, noise) = (text(700_000), random_bytes(300_000, 9));
    let (blob_1, blob_2, blob_3) = (blob(9), blob(2), blob(5));
    let entries: Vec<(&str, &[u8], Compression)> = vec![
        (&blob_1, b"", Compression::Probe),
        (&blob_2, &noise, Compression::Probe),
        (&blob_3, &long, Compression::Probe),
        ("objects/empty-00000.jsonl", b"", Compression::Deflate),
        ("objects/long-00000.jsonl", &long, Compression::Deflate),
        ("objects/noise-00000.jsonl", &noise, Compression::Deflate),
        ("objects/short-00000.jsonl", b"{}\n", Compression::Deflate),
        ("SHA256SUMS", &long, Compression::Stored),
        ("mlark.json", b"{}", Compression::Probe),
    ];
    let file = file_of(&zip_of(&entries)?)?;
    let found = read_all(&file).expect("an intact zip");
    let expected: Vec<_> = entries
        .iter()
        .map(|(name, content, _)| (name.to_string(), content.to_vec()))
        .collect();
    assert!(found == expected);
    Ok(())
}

#[test]
fn the_probe_deflates_what_shrinks_and_stores_the_rest() -> anyhow::Result<()> {
    let mut writer = writer()?;
    let mixed = [random_bytes(100_000, 1), text(100_000)].concat();
    for (content, is_deflated) in [
        (text(2_000), true),
        (text(64 << 10), true),
        (text(5_000_000), true),
        (vec![0; 100], true),
        (b"{}".to_vec(), false),
        (Vec::new(), false),
        (random_bytes(30_000, 1), false),
        (random_bytes(3_000_000, 1), false),
        (mixed, false),
    ] {
        let name = format!("n{}", writer.entries());
        let info = writer.write_small(&name, &content, Compression::Probe)?;
        assert_eq!(
            matches!(info.method, Method::Deflate { .. }),
            is_deflated,
            "{}",
            content.len()
        );
        assert_eq!(info.size, content.len() as u64);
        assert!(info.compressed_size <= info.size);
    }
    assert_eq!(read_all(&writer.finish()?).map(|found| found.len()), Ok(9));
    Ok(())
}

#[test]
fn entries_that_were_handed_over_stand_between_copied_ones() -> anyhow::Result<()> {
    let contents: Vec<Vec<u8>> = (0..3_000)
        .map(|number| match number % 4 {
            0 => random_bytes(number as usize, number),
            1 => text(number as usize),
            2 => vec![0; 3],
            _ => random_bytes(70_000 + number as usize, number),
        })
        .collect();
    let mut owning = writer()?;
    let mut copying = writer()?;
    for (number, content) in contents.iter().enumerate() {
        let name = format!("n{number:04}");
        if number % 3 == 0 {
            owning.write_small(&name, content, Compression::Probe)?;
        } else {
            owning.write_owned(&name, content.clone())?;
        }
        // What is given up is behind pieces that wait, or in the file.
        let mut entry = owning.begin_in(4, 0, Compression::Stored)?;
        entry.write_all(&content[..content.len() / 2])?;
        entry.abandon()?;
        copying.write_small(&name, content, Compression::Probe)?;
    }
    assert!(bytes_of(&owning.finish()?)? == bytes_of(&copying.finish()?)?);
    Ok(())
}

#[test]
fn an_entry_is_the_same_however_it_is_written() -> anyhow::Result<()> {
    for content in [
        text(300_000),
        random_bytes(300_000, 2),
        text(65_536),
        text(65_537),
        Vec::new(),
    ] {
        let at_once = zip_of(&[("a", &content, Compression::Probe)])?;
        let mut owning = writer()?;
        owning.write_owned("a", content.clone())?;
        assert!(bytes_of(&owning.finish()?)? == at_once);
        for piece in [1_000, 65_536, 1 << 20] {
            let mut writer = writer()?;
            let mut entry = writer.begin_in(1, 0, Compression::Probe)?;
            for piece in content.chunks(piece) {
                entry.write_all(piece)?;
            }
            entry.finish("a")?;
            assert!(bytes_of(&writer.finish()?)? == at_once);
        }
    }
    Ok(())
}

#[test]
fn an_abandoned_entry_leaves_no_trace() -> anyhow::Result<()> {
    let kept: [(&str, &[u8], Compression); 2] = [
        ("a", b"first", Compression::Stored),
        ("b", b"second", Compression::Stored),
    ];
    let expected = zip_of(&kept)?;
    for len in [0, 10, 100_000, 5_000_000] {
        for is_dropped in [false, true] {
            let mut writer = writer()?;
            writer.write_small("a", b"first", Compression::Stored)?;
            let mut entry = writer.begin_in(80, len as u64, Compression::Probe)?;
            entry.write_all(&random_bytes(len, 4))?;
            if is_dropped {
                drop(entry)
            } else {
                entry.abandon()?
            }
            writer.write_small("b", b"second", Compression::Stored)?;
            assert!(bytes_of(&writer.finish()?)? == expected);
        }
    }
    Ok(())
}

#[test]
fn a_dropped_writer_leaves_nothing_a_reader_takes() -> anyhow::Result<()> {
    let file = tempfile::NamedTempFile::new()?;
    let mut writer = ZipFileWriter::create(file.reopen()?, &std::env::temp_dir())?;
    writer.write_small("a", &random_bytes(3_000_000, 1), Compression::Probe)?;
    drop(writer);
    assert_eq!(codes(&std::fs::read(file.path())?), ["zip-no-end"]);
    assert!(zip::ZipArchive::new(file.reopen()?).is_err());
    Ok(())
}

#[test]
fn wrong_names_and_announcements_are_errors_and_leave_no_trace() -> anyhow::Result<()> {
    let mut writer = writer()?;
    let refused = writer.write_small("../a", b"", Compression::Stored);
    assert!(matches!(refused, Err(ZipWriteError::Name { .. })));
    let mut entry = writer.begin_in(3, 10, Compression::Stored)?;
    entry.write_all(b"content")?;
    assert!(matches!(
        entry.finish("four"),
        Err(ZipWriteError::NameLength { announced: 3, .. })
    ));
    let mut entry = writer.begin_in(1, 1 << 33, Compression::Stored)?;
    entry.write_all(b"content")?;
    let error = entry.finish("a").expect_err("it is small");
    assert_eq!(
        error.to_string(),
        "entry `a` was announced with 8589934592 bytes and has 7, across the border of 4 GiB"
    );
    assert!(bytes_of(&writer.finish()?)? == zip_of(&[])?);
    Ok(())
}

#[test]
fn a_zip_without_entries_is_its_end_record() -> anyhow::Result<()> {
    let bytes = zip_of(&[])?;
    assert_eq!(bytes.len(), 22);
    assert_eq!(codes(&bytes), [""; 0]);
    Ok(())
}

#[test]
fn copied_blobs_are_as_if_written_anew() -> anyhow::Result<()> {
    let (noise, long) = (random_bytes(2_000_000, 3), text(100_000));
    let (blob_1, blob_2) = (blob(8), blob(3));
    let blobs: [(&str, &[u8], Compression); 2] = [
        (&blob_1, &noise, Compression::Probe),
        (&blob_2, &long, Compression::Probe),
    ];
    let old = [("objects/a", &long[..], Compression::Probe)];
    let new = [("objects/b", &noise[..10], Compression::Probe)];
    let source = file_of(&zip_of(&[&blobs[..], &old].concat())?)?;
    let index = ZipIndex::scan(&source, &ZipLimits::default())?;

    let mut writer = writer()?;
    writer.copy_prefix(&index, &source)?;
    writer.write_small("objects/b", &noise[..10], Compression::Probe)?;
    assert!(matches!(
        writer.copy_prefix(&index, &source),
        Err(ZipWriteError::NotEmpty { entries: 3 })
    ));
    assert!(bytes_of(&writer.finish()?)? == zip_of(&[&blobs[..], &new].concat())?);
    Ok(())
}

#[test]
fn the_index_finds_blobs_by_digest_and_others_by_exact_name() -> anyhow::Result<()> {
    let (blob_1, blob_2) = (blob(200), blob(100));
    let file = file_of(&zip_of(&[
        (&blob_1, b"one", Compression::Stored),
        (&blob_2, b"two", Compression::Stored),
        ("Readme", b"three", Compression::Stored),
    ])?)?;
    let index = ZipIndex::scan(&file, &ZipLimits::default())?;
    let names = |entries: Vec<super::super::IndexEntry<'_>>| -> Vec<String> {
        entries.into_iter().map(|entry| entry.name.into_owned()).collect()
    };
    assert_eq!(names(index.blobs().collect()), [blob_1.as_str(), &blob_2]);
    assert_eq!(
        names(index.blobs_by_digest().collect()),
        [blob_2.as_str(), &blob_1]
    );
    assert_eq!((index.len(), index.blob_count(), index.others().len()), (3, 2, 1));
    assert_eq!(index.blob(&[100; 32]).map(|entry| entry.size), Some(3));
    assert!(index.blob(&[1; 32]).is_none());
    assert!(index.get("readme").is_none() && index.open(&file, "Readme").is_some());
    Ok(())
}

#[test]
fn threads_read_at_once_from_one_file() -> anyhow::Result<()> {
    let contents: Vec<Vec<u8>> = (0..8).map(|seed| random_bytes(400_000, seed)).collect();
    let mut writer = writer()?;
    for (number, content) in contents.iter().enumerate() {
        let compression = [Compression::Stored, Compression::Deflate][number % 2];
        writer.write_small(&format!("n{number}"), content, compression)?;
    }
    let file = writer.finish()?;
    let index = ZipIndex::scan(&file, &ZipLimits::default())?;
    std::thread::scope(|scope| {
        for (number, content) in contents.iter().enumerate() {
            let (index, file) = (&index, &file);
            scope.spawn(move || {
                let mut reader = index.open(file, &format!("n{number}")).expect("it is there");
                let mut found = vec![0; content.len()];
                let (first, second) = found.split_at_mut(1_000);
                reader.read_exact(first).expect("readable");
                std::thread::yield_now();
                reader.read_exact(second).expect("readable");
                assert!(&found == content);
            });
        }
    });
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn any_content_comes_back_whatever_the_compression(
        parts in prop::collection::vec((any::<u8>(), 1_usize..200_000, any::<bool>()), 0..4),
        choice in 0_usize..3,
        step in 1_usize..300_000,
    ) {
        let mut content = Vec::new();
        for (byte, len, is_random) in parts {
            content.extend(if is_random { random_bytes(len, byte.into()) } else { vec![byte; len] });
        }
        let compression = [Compression::Stored, Compression::Deflate, Compression::Probe][choice];
        let file = file_of(&zip_of(&[("a", &content, compression)]).expect("a zip")).expect("a file");
        let index = ZipIndex::scan(&file, &ZipLimits::default()).expect("an intact zip");
        let mut reader = index.open(&file, "a").expect("it is there");
        let mut found = Vec::new();
        let mut buffer = vec![0; step];
        loop {
            let read = reader.read(&mut buffer).expect("intact content");
            if read == 0 { break; }
            found.extend_from_slice(&buffer[..read]);
        }
        prop_assert!(found == content);
    }
}
