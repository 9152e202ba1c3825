//! The yardsticks that `scripts/bench` runs beside mlark: the least work that a job cannot do without.
//!
//! `yardstick hash DIR` reads every file below DIR and hashes it with SHA-256 on one thread;
//! `yardstick read DIR THREADS` walks the tree and reads every file;
//! `yardstick json FILE…` reads, parses and re-serializes JSON lines with serde_json.

use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, mpsc};

fn main() -> io::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["hash", directory] => hash(Path::new(directory)),
        ["read", directory, threads] => {
            read(Path::new(directory), threads.parse().map_err(io::Error::other)?)
        }
        ["json", files @ ..] => files.iter().try_for_each(|file| json(Path::new(file))),
        _ => Err(io::Error::other(
            "usage: yardstick hash DIR | read DIR THREADS | json FILE…",
        )),
    }
}

fn files_below(directory: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    walkdir::WalkDir::new(directory)
        .into_iter()
        .filter_map(Result::ok)
        .filter(|entry| entry.file_type().is_file())
        .map(walkdir::DirEntry::into_path)
}

fn hash(directory: &Path) -> io::Result<()> {
    let mut buffer = vec![0; 1 << 20];
    let mut total = 0;
    for path in files_below(directory) {
        let mut file = File::open(path)?;
        let mut hasher = Sha256::new();
        loop {
            let read = file.read(&mut buffer)?;
            if read == 0 {
                break;
            }
            hasher.update(&buffer[..read]);
            total += read;
        }
        std::hint::black_box(hasher.finalize());
    }
    println!("{total} bytes");
    Ok(())
}

fn read(directory: &Path, threads: usize) -> io::Result<()> {
    let (sender, receiver) = mpsc::sync_channel::<Vec<PathBuf>>(64);
    let receiver = Arc::new(Mutex::new(receiver));
    let readers: Vec<_> = (0..threads.max(1))
        .map(|_| {
            let receiver = receiver.clone();
            std::thread::spawn(move || {
                let mut total = 0;
                loop {
                    let batch = receiver.lock().ok().and_then(|queue| queue.recv().ok());
                    let Some(batch) = batch else { return total };
                    for path in batch {
                        total += fs::read(path).map_or(0, |bytes| std::hint::black_box(bytes).len());
                    }
                }
            })
        })
        .collect();
    let mut batch = Vec::with_capacity(256);
    for path in files_below(directory) {
        batch.push(path);
        if batch.len() == 256 {
            sender
                .send(std::mem::take(&mut batch))
                .map_err(io::Error::other)?;
        }
    }
    sender.send(batch).map_err(io::Error::other)?;
    drop(sender);
    let total: usize = readers.into_iter().filter_map(|reader| reader.join().ok()).sum();
    println!("{total} bytes");
    Ok(())
}

fn json(path: &Path) -> io::Result<()> {
    let mut writer = BufWriter::new(File::create("/dev/null")?);
    for line in BufReader::with_capacity(1 << 20, File::open(path)?).lines() {
        let value: serde_json::Value = serde_json::from_str(&line?)?;
        serde_json::to_writer(&mut writer, &value)?;
        writer.write_all(b"\n")?;
    }
    writer.flush()
}
