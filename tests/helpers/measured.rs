//! Memory of commands, as Linux counts it for the binary.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

pub(crate) const MIB: u64 = 1 << 20;

/// Runs an export and gives the exit code and the most memory that it had.
pub(crate) fn export(source: impl AsRef<OsStr>, out: &Path, options: &[&str]) -> (i32, u64) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mlark"));
    measured(command.arg("export").arg(source).arg("-o").arg(out).args(options))
}

/// The exit code of a command and the most memory that it had.
pub(crate) fn measured(command: &mut Command) -> (i32, u64) {
    let mut child = command
        .env_clear()
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let status = format!("/proc/{}/status", child.id());
    let mut peak_bytes = 0;
    loop {
        // The mark only rises, so that the last look before the end tells nearly all.
        let text = fs::read_to_string(&status).unwrap_or_default();
        let mark = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        if let Some(kib) = mark.and_then(|mark| mark.split_whitespace().next()?.parse::<u64>().ok()) {
            peak_bytes = peak_bytes.max(kib << 10);
        }
        if let Some(status) = child.try_wait().unwrap() {
            return (status.code().unwrap(), peak_bytes);
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// The sizes of an archive's blobs over 1 MiB.
pub(crate) fn large_blobs(archive: &Path) -> Vec<u64> {
    let mut sizes = Vec::new();
    let mut folders = vec![archive.join("blobs")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().map(Result::unwrap) {
            match entry.file_type().unwrap().is_dir() {
                true => folders.push(entry.path()),
                false => sizes.push(entry.metadata().unwrap().len()),
            }
        }
    }
    sizes.retain(|size| *size > MIB);
    sizes.sort_unstable();
    sizes
}
