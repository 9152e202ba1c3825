//! A named pipe in the place of any file of an input is not waited for: nobody would ever write to it.

use mlark::archive::Archive;
use mlark::flow::export::detect::kind_of;
use mlark::flow::export::{ExportOptions, export};
use mlark::monitor::Silent;
use rustix::fs::{CWD, FileType, Mode, mknodat};
use std::fs::{self, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(files_below(&path));
        } else {
            files.push(path);
        }
    }
    files
}

fn copy(from: &Path, to: &Path) {
    for file in files_below(from) {
        let copy = to.join(file.strip_prefix(from).unwrap());
        fs::create_dir_all(copy.parent().unwrap()).unwrap();
        fs::copy(&file, copy).unwrap();
    }
}

/// Whether anyone waited for the pipe while `work` was done; who does is let go after a while, in which nobody else would still read.
fn is_waited_for(pipe: &Path, work: impl FnOnce()) -> bool {
    let (done, is_done) = std::sync::mpsc::channel::<()>();
    let is_waited_for = AtomicBool::new(false);
    let nonblock = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    std::thread::scope(|scope| {
        let is_waited_for = &is_waited_for;
        scope.spawn(move || {
            let mut pause = Duration::from_secs(5);
            while is_done.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
                // A pipe can be opened so where someone reads, or waits to.
                let writer = OpenOptions::new().write(true).custom_flags(nonblock).open(pipe);
                is_waited_for.fetch_or(writer.is_ok(), Ordering::Relaxed);
                pause = Duration::from_millis(10);
            }
        });
        work();
        drop(done);
    });
    is_waited_for.into_inner()
}

fn make_pipe(path: &Path) {
    mknodat(CWD, path, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
}

/// Does the work with each file of a folder replaced by a pipe in turn.
fn check_each(folder: &Path, work: impl Fn()) {
    let files = files_below(folder);
    assert!(files.len() > 3);
    for file in files {
        let bytes = fs::read(&file).unwrap();
        fs::remove_file(&file).unwrap();
        make_pipe(&file);
        assert!(!is_waited_for(&file, &work), "{} is waited for", file.display());
        fs::remove_file(&file).unwrap();
        fs::write(&file, bytes).unwrap();
    }
}

fn try_export(source: &Path, out: &Path) {
    let mut options = ExportOptions {
        keep_going: true,
        include_deleted: true,
        ..ExportOptions::default()
    };
    options.writer.no_sync = true;
    let source = source.to_str().unwrap();
    if let Ok(kind) = kind_of(source) {
        drop(export(kind, source, out, options, &Silent));
    }
    if out.exists() {
        fs::remove_dir_all(out).unwrap();
    }
}

#[test]
fn no_door_waits_for_a_named_pipe() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    for (number, name) in [
        "filestore-0.9.1",
        "exim-1.30.1/experiment",
        "exim-3.18.0/new-layout",
    ]
    .into_iter()
    .enumerate()
    {
        let source = path(&format!("source {number}"));
        copy(&fixture(name), &source);
        check_each(&source, || try_export(&source, &path("out")));
    }
    let pipe = path("pipe.zip");
    make_pipe(&pipe);
    assert!(!is_waited_for(&pipe, || try_export(&pipe, &path("out"))));
    assert!(!is_waited_for(&pipe, || assert!(Archive::open(&pipe).is_err())));
}

#[test]
fn no_reader_of_archives_waits_for_a_named_pipe() {
    let directory = tempfile::tempdir().unwrap();
    let archive = directory.path().join("archive");
    let source = fixture("exim-1.30.1/experiment");
    let kind = kind_of(source.to_str().unwrap()).unwrap();
    let options = ExportOptions::default();
    export(kind, source.to_str().unwrap(), &archive, options, &Silent).unwrap();
    check_each(&archive, || {
        for command in ["verify", "info", "ls"] {
            let output = std::process::Command::new(env!("CARGO_BIN_EXE_mlark"))
                .args([command, archive.to_str().unwrap()])
                .output()
                .unwrap();
            assert!(output.status.code().is_some());
        }
    });
}
