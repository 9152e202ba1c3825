//! Measurements behind the claims of speed and memory; run one at a time, by hand:
//! `cargo test --release --lib -- --ignored --nocapture --exact archive::zip::tests::measure::NAME`.

use std::{fmt::Write as _, time::Instant};

use sha2::{Digest, Sha256};

use super::*;

/// The anonymous memory of this process in bytes, where the system says.
fn memory_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("RssAnon:"))?;
    line.split_whitespace()
        .nth(1)?
        .parse::<u64>()
        .ok()
        .map(|kib| kib * 1024)
}

fn per_entry(before: Option<u64>, entries: u64) -> String {
    match (before, memory_bytes()) {
        (Some(before), Some(after)) => (after.saturating_sub(before) / entries).to_string(),
        _ => "unknown".to_owned(),
    }
}

const ENTRIES: u64 = 200_000;

fn numbered_blob(number: u64) -> String {
    let mut digest = [0; 32];
    digest[..8].copy_from_slice(&number.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes());
    blob_name(&digest)
}

#[test]
#[ignore = "a measurement"]
fn memory_per_entry_of_the_zip_crate() -> anyhow::Result<()> {
    let before = memory_bytes();
    let mut other = zip::ZipWriter::new(tempfile::tempfile()?);
    let options = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    for number in 0..ENTRIES {
        other.start_file(numbered_blob(number), options)?;
        other.write_all(b"content")?;
    }
    println!(
        "zip::ZipWriter: {} bytes of memory per entry",
        per_entry(before, ENTRIES)
    );
    let file = other.finish()?;
    let before = memory_bytes();
    let archive = zip::ZipArchive::new(file)?;
    println!(
        "zip::ZipArchive: {} bytes of memory per entry",
        per_entry(before, ENTRIES)
    );
    drop(archive);
    Ok(())
}

#[test]
#[ignore = "a measurement"]
fn memory_per_entry_of_writer_and_index() -> anyhow::Result<()> {
    let before = memory_bytes();
    let mut writer = writer()?;
    for number in 0..ENTRIES {
        writer.write_small(&numbered_blob(number), b"content", Compression::Stored)?;
    }
    println!(
        "ZipFileWriter: {} bytes of memory per entry",
        per_entry(before, ENTRIES)
    );
    let file = writer.finish()?;
    let before = memory_bytes();
    let start = Instant::now();
    let index = ZipIndex::scan(&file, &ZipLimits::default())?;
    println!(
        "ZipIndex: {} bytes of memory per entry",
        per_entry(before, ENTRIES)
    );
    println!("scan of {} entries: {:?}", index.len(), start.elapsed());
    Ok(())
}

/// 20,000 files of 2 to 38 KB, 400 MB together.
fn small_files() -> Vec<Vec<u8>> {
    (0..20_000_u64)
        .map(|number| random_bytes(2_000 + (number * 7_919 % 36_200) as usize, number))
        .collect()
}

#[test]
#[ignore = "a measurement"]
fn time_of_20_000_small_files() -> anyhow::Result<()> {
    // TMPDIR chooses the file system.
    let folder = std::env::temp_dir();
    let files = small_files();
    let mut report = format!("{} bytes\n", files.iter().map(Vec::len).sum::<usize>());
    for round in 0..3 {
        let start = Instant::now();
        let digests: Vec<[u8; 32]> = files.iter().map(|file| Sha256::digest(file).into()).collect();
        writeln!(report, "round {round}: SHA-256 {:?}", start.elapsed())?;
        for compression in [Compression::Stored, Compression::Probe] {
            let start = Instant::now();
            let mut writer = ZipFileWriter::create(tempfile::tempfile_in(&folder)?, &folder)?;
            for (file, digest) in files.iter().zip(&digests) {
                let mut entry = writer.begin(80, file.len() as u64, compression)?;
                entry.write_all(file)?;
                entry.finish(&blob_name(digest))?;
            }
            let file = writer.finish()?;
            writeln!(
                report,
                "round {round}: write {compression:?} {:?}",
                start.elapsed()
            )?;
            let start = Instant::now();
            let index = ZipIndex::scan(&file, &ZipLimits::default())?;
            writeln!(report, "round {round}: scan {:?}", start.elapsed())?;
            let start = Instant::now();
            let mut buffer = vec![0; 256 << 10];
            for entry in index.blobs() {
                let mut hasher = Sha256::new();
                let mut reader = index.open(&file, &entry.name).expect("it is there");
                loop {
                    match reader.read(&mut buffer)? {
                        0 => break,
                        read => hasher.update(&buffer[..read]),
                    }
                }
                assert_eq!(Some(hasher.finalize().into()), entry.digest);
            }
            writeln!(report, "round {round}: read and SHA-256 {:?}", start.elapsed())?;
            let start = Instant::now();
            let mut copy = ZipFileWriter::create(tempfile::tempfile_in(&folder)?, &folder)?;
            copy.copy_prefix(&index, &file)?;
            copy.finish()?;
            writeln!(report, "round {round}: copy_prefix {:?}", start.elapsed())?;
        }
    }
    println!("{report}");
    Ok(())
}

#[test]
#[ignore = "a measurement"]
fn time_of_deflated_text() -> anyhow::Result<()> {
    let content = text(256 << 20);
    let start = Instant::now();
    let mut writer = writer()?;
    let info = writer.write_small("a", &content, Compression::Probe)?;
    let file = writer.finish()?;
    println!(
        "{} to {} bytes: {:?}",
        info.size,
        info.compressed_size,
        start.elapsed()
    );
    let index = ZipIndex::scan(&file, &ZipLimits::default())?;
    let start = Instant::now();
    let mut reader =
        std::io::BufReader::with_capacity(256 << 10, index.open(&file, "a").expect("it is there"));
    std::io::copy(&mut reader, &mut std::io::sink())?;
    println!("strict decoding: {:?}", start.elapsed());
    let mut raw = vec![0; info.compressed_size as usize];
    file.read_exact_at(&mut raw, 31)?;
    let start = Instant::now();
    let mut decoder = flate2::read::DeflateDecoder::new(&raw[..]);
    let mut buffer = vec![0; 256 << 10];
    while decoder.read(&mut buffer)? > 0 {}
    println!("zlib-rs decoding: {:?}", start.elapsed());
    Ok(())
}
