//! Archives that are made in a bucket: they go there while they are made, are whole or not there, and every trouble of the store is told.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use crate::helpers::bucket::{Bucket, SECRET, refusal};
use crate::helpers::command::{done, refused};
use crate::helpers::loopback::Answer;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// Bytes of the large artifact: three parts and a rest.
const LARGE: usize = 27 << 20;

struct Place {
    bucket: Bucket,
    folder: tempfile::TempDir,
}

impl Place {
    /// A bucket, and a file store with artifacts of all sizes.
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let write = |path: &str, bytes: &[u8]| {
            let path = folder.path().join("mlruns").join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        };
        for experiment in 1..=3 {
            let meta =
                format!("experiment_id: '{experiment}'\nname: e{experiment}\nlifecycle_stage: active\n");
            write(&format!("{experiment}/meta.yaml"), meta.as_bytes());
            let run = format!(
                "run_id: r{experiment}\nrun_uuid: r{experiment}\nexperiment_id: '{experiment}'\nstatus: 3\nlifecycle_stage: active\n"
            );
            write(&format!("{experiment}/r{experiment}/meta.yaml"), run.as_bytes());
            write(
                &format!("{experiment}/r{experiment}/artifacts/note.txt"),
                format!("note {experiment}").as_bytes(),
            );
        }
        write("1/r1/artifacts/a.bin", &noise(1, 300 << 10));
        write("1/r1/artifacts/model.bin", &noise(2, LARGE));
        // Stored once.
        write("2/r2/artifacts/again.bin", &noise(2, LARGE));
        write("2/r2/artifacts/b.bin", &noise(3, 3 << 20));
        fs::create_dir(folder.path().join("tmp")).unwrap();
        Place {
            bucket: Bucket::start(),
            folder,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn output(&self, arguments: &[&str]) -> Output {
        let mut command = self
            .bucket
            .mlark(self.folder.path(), &self.path("tmp"), arguments);
        let output = command.output().unwrap();
        assert!(!String::from_utf8_lossy(&output.stderr).contains(SECRET));
        output
    }

    /// What a command prints that ends well.
    fn done(&self, arguments: &[&str]) -> String {
        done(arguments, self.output(arguments))
    }

    /// What a command says that ends with this code.
    fn refused(&self, code: i32, arguments: &[&str]) -> String {
        refused(code, arguments, self.output(arguments))
    }

    fn export(&self, out: &str) -> String {
        self.done(&["export", "mlruns", "-o", out])
    }

    fn content_id(&self, archive: &str) -> String {
        let info: Value = serde_json::from_str(&self.done(&["info", archive, "--json"])).unwrap();
        info["content_id"].as_str().unwrap().to_owned()
    }
}

/// Bytes that do not shrink.
fn noise(seed: u64, count: usize) -> Vec<u8> {
    let mut state = seed;
    let bytes = std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 56) as u8
    });
    bytes.take(count).collect()
}

/// Bytes of all files below a folder.
fn bytes_below(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let sizes = entries.map(|entry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => bytes_below(&entry.path()),
        Ok(metadata) => metadata.len(),
        Err(_) => 0,
    });
    sizes.sum()
}

#[test]
fn archives_go_to_the_bucket_while_they_are_made() {
    let place = Place::new();
    let expected = {
        place.export("here.zip");
        place.content_id("here.zip")
    };
    let (temporary, most) = (place.path("tmp"), Arc::new(AtomicU64::new(0)));
    let seen = most.clone();
    place.bucket.fail(move |_, _| {
        seen.fetch_max(bytes_below(&temporary), Ordering::Relaxed);
        None
    });
    for out in ["s3://b/a b/whole.zip", "s3://b/folder"] {
        place.export(out);
        assert_eq!(place.content_id(out), expected, "{out}");
        assert!(place.done(&["verify", out]).contains("intact"), "{out}");
        let tagged = out.replace("b/", "b/tagged-");
        place.done(&["transform", out, "-o", &tagged, "--source-tags"]);
        assert!(place.done(&["verify", &tagged]).contains("intact"), "{tagged}");
    }
    assert_eq!(place.bucket.uploads(), 0);
    assert_eq!(bytes_below(&place.path("tmp")), 0);
    // Lines wait on the disk, and for a moment one file of a stream whose digest is not known; no artifact of a file does.
    let most = most.load(Ordering::Relaxed);
    assert!(most < LARGE as u64 + (4 << 20), "{most} bytes on the disk");
    let seal = |request: &&crate::helpers::loopback::Received| {
        request.method == "PUT" && request.path().starts_with("/b/folder/")
    };
    let received = place.bucket.received();
    let last = received.iter().rfind(seal).unwrap();
    assert_eq!(last.path(), "/b/folder/mlark.json.sha256");
    // A zip and a directory on the disk become one another there, and shards are merged there.
    place.export("here");
    place.done(&[
        "transform",
        "here",
        "-o",
        "s3://b/from-here.zip",
        "--set-tag",
        "a=b",
    ]);
    place.done(&[
        "transform",
        "here.zip",
        "-o",
        "s3://b/from-zip",
        "--set-tag",
        "a=b",
    ]);
    assert_eq!(
        place.content_id("s3://b/from-here.zip"),
        place.content_id("s3://b/from-zip")
    );
    for number in ["1", "2"] {
        let out = format!("s3://b/part-{number}");
        place.done(&["export", "mlruns", "--shard", &format!("{number}/2"), "-o", &out]);
    }
    for out in ["s3://b/all.zip", "s3://b/all"] {
        place.done(&["merge", "s3://b/part-1", "s3://b/part-2", "-o", out]);
        assert_eq!(place.content_id(out), expected);
        assert!(place.done(&["verify", out]).contains("intact"));
    }
}

#[test]
fn a_store_that_throttles_is_asked_again() {
    let place = Place::new();
    let refused = Arc::new(AtomicUsize::new(0));
    let count = refused.clone();
    place.bucket.fail(move |asked, _| {
        let is_refused = asked.is_part() && count.fetch_add(1, Ordering::Relaxed) < 3;
        is_refused.then(|| refusal(503, "SlowDown"))
    });
    place.export("s3://b/a.zip");
    assert!(refused.load(Ordering::Relaxed) > 5);
    assert!(place.done(&["verify", "s3://b/a.zip"]).contains("intact"));
}

#[test]
fn a_bucket_without_conditional_puts_is_asked_what_it_has() {
    let place = Place::new();
    place.bucket.fail(|asked, _| {
        let condition = asked.request.header("if-none-match");
        condition.map(|_| refusal(501, "NotImplemented"))
    });
    place.export("s3://b/folder");
    assert!(place.done(&["verify", "s3://b/folder"]).contains("intact"));
    let said = place.refused(2, &["export", "mlruns", "-o", "s3://b/folder"]);
    assert!(said.contains("` exists"), "{said}");
}

#[test]
fn of_two_that_make_one_directory_one_is_refused_by_the_seal() {
    let place = Place::new();
    place.export("s3://b/other");
    let other = place.bucket.kept.lock().unwrap().objects["other/mlark.json.sha256"].clone();
    place.bucket.fail(move |asked, _| {
        let is_seal = asked.request.method == "PUT" && asked.key == "folder/mlark.json.sha256";
        is_seal.then(|| refusal(412, "PreconditionFailed"))
    });
    place
        .bucket
        .kept
        .lock()
        .unwrap()
        .objects
        .insert("folder.txt".to_owned(), other);
    let output = place.output(&["export", "mlruns", "-o", "s3://b/folder"]);
    assert!(!output.status.success());
    // Nothing without a seal is left by who was refused.
    assert!(place.bucket.keys().iter().all(|key| !key.starts_with("folder/")));
}

#[test]
fn credentials_that_expire_in_the_middle_leave_nothing_that_is_not_told() {
    let place = Place::new();
    // The parts and whatever comes after them.
    place.bucket.fail(|asked, kept| {
        let parts = kept.uploads.values().map(|(_, parts)| parts.len()).sum::<usize>();
        (parts >= 2 && asked.request.method != "GET").then(|| refusal(400, "ExpiredToken"))
    });
    let said = place.refused(6, &["export", "mlruns", "-o", "s3://b/a.zip"]);
    for words in [
        "s3://b/a.zip",
        "ExpiredToken",
        "--cleanup",
        "AWS_SECRET_ACCESS_KEY",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    assert_eq!((place.bucket.keys().len(), place.bucket.uploads()), (0, 1));
    // With new ones, what was left goes.
    place.bucket.fail(|_, _| None);
    let output = place.output(&["export", "mlruns", "-o", "s3://b/a.zip", "--cleanup"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        output.status.success() && said.contains("removed 1 unfinished upload "),
        "{said}"
    );
    assert_eq!(
        (place.bucket.keys(), place.bucket.uploads()),
        (vec!["a.zip".to_owned()], 0)
    );
}

#[test]
fn an_upload_that_breaks_gives_its_parts_back() {
    for status in [403, 400] {
        let place = Place::new();
        place.bucket.fail(move |asked, kept| {
            let parts = kept.uploads.values().map(|(_, parts)| parts.len()).sum::<usize>();
            (parts >= 2 && asked.is_part()).then(|| refusal(status, "AccessDenied"))
        });
        for out in ["s3://b/a.zip", "s3://b/folder"] {
            let said = place.refused(6, &["export", "mlruns", "-o", out]);
            assert!(said.contains("nothing was left behind"), "{said}");
            assert_eq!(
                (place.bucket.keys(), place.bucket.uploads()),
                (Vec::new(), 0),
                "{out}"
            );
        }
    }
    // One that cannot be put together.
    let place = Place::new();
    place.bucket.fail(|asked, _| {
        let completes = asked.request.method == "POST" && asked.query.contains_key("uploadId");
        completes.then(|| refusal(400, "InvalidPart"))
    });
    let said = place.refused(6, &["export", "mlruns", "-o", "s3://b/a.zip"]);
    assert!(said.contains("InvalidPart"), "{said}");
    assert_eq!((place.bucket.keys(), place.bucket.uploads()), (Vec::new(), 0));
    // An export that fails itself.
    fs::write(place.path("mlruns/3/meta.yaml"), "no: yaml: at: all").unwrap();
    place.bucket.fail(|_, _| None);
    for out in ["s3://b/a.zip", "s3://b/folder"] {
        let output = place.output(&["export", "mlruns", "-o", out]);
        assert!(!output.status.success());
        assert_eq!(
            (place.bucket.keys(), place.bucket.uploads()),
            (Vec::new(), 0),
            "{out}"
        );
    }
}

/// Kills an export in the middle; all that its machine knows of it is gone.
fn killed(place: &Place, out: &str) {
    let begun = Arc::new(AtomicUsize::new(0));
    let seen = begun.clone();
    place.bucket.fail(move |asked, _| {
        if asked.is_part() && seen.fetch_add(1, Ordering::Relaxed) == 1 {
            std::thread::sleep(std::time::Duration::from_millis(200));
        }
        None
    });
    let mut command = place.bucket.mlark(
        place.folder.path(),
        &place.path("tmp"),
        &["export", "mlruns", "-o", out],
    );
    let mut child = command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    while begun.load(Ordering::Relaxed) < 2 {
        assert!(child.try_wait().unwrap().is_none(), "it ended");
        std::thread::yield_now();
    }
    child.kill().unwrap();
    child.wait().unwrap();
    place.bucket.fail(|_, _| None);
    fs::remove_dir_all(place.path("tmp")).unwrap();
    fs::create_dir(place.path("tmp")).unwrap();
}

#[test]
fn what_a_killed_process_left_is_found_by_cleanup_on_any_machine() {
    let place = Place::new();
    place
        .bucket
        .kept
        .lock()
        .unwrap()
        .objects
        .insert("folder.txt".to_owned(), b"mine".to_vec());
    for out in ["s3://b/a.zip", "s3://b/folder"] {
        killed(&place, out);
        assert_eq!(place.bucket.uploads(), 1, "{out}");
        if out == "s3://b/folder" {
            let said = place.refused(2, &["export", "mlruns", "-o", out]);
            assert!(
                said.contains("was never finished") && said.contains("--cleanup"),
                "{said}"
            );
        }
        let output = place.output(&["export", "mlruns", "-o", out, "--cleanup"]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            output.status.success() && said.contains("removed 1 unfinished upload "),
            "{said}"
        );
        assert_eq!(place.bucket.uploads(), 0, "{out}");
        assert!(place.done(&["verify", out]).contains("intact"), "{out}");
    }
    // What is whole, and what is somebody else's, is not cleaned up.
    let said = place.refused(2, &["export", "mlruns", "-o", "s3://b/folder", "--cleanup"]);
    assert!(said.contains("` exists"), "{said}");
    assert!(place.bucket.keys().contains(&"folder.txt".to_owned()));
}

#[test]
fn files_tables_and_parts_are_made_in_buckets_too_and_never_replaced() {
    let place = Place::new();
    place.export("here.zip");
    place.done(&["extract", "here.zip", "-o", "s3://b/files"]);
    place.done(&["convert", "here.zip", "-o", "s3://b/tables", "--to", "csv"]);
    place.done(&["convert", "here.zip", "-o", "s3://b/exim", "--to", "exim"]);
    place.done(&["split", "here.zip", "-o", "s3://b/parts", "--by", "experiment"]);
    let keys = place.bucket.keys();
    for key in [
        "files/r1/model.bin",
        "tables/runs.csv",
        "parts/part-1.zip",
        "parts/part-3.zip",
    ] {
        assert!(keys.iter().any(|found| found == key), "{key}: {keys:?}");
    }
    assert!(place.bucket.kept.lock().unwrap().objects["files/r1/model.bin"] == noise(2, LARGE));
    place.done(&[
        "merge",
        "s3://b/parts/part-1.zip",
        "s3://b/parts/part-2.zip",
        "s3://b/parts/part-3.zip",
        "-o",
        "again.zip",
    ]);
    assert_eq!(place.content_id("again.zip"), place.content_id("here.zip"));
    for arguments in [
        &["extract", "here.zip", "-o", "s3://b/files"][..],
        &["convert", "here.zip", "-o", "s3://b/tables", "--to", "csv"],
        &["split", "here.zip", "-o", "s3://b/parts", "--by", "experiment"],
        &["export", "mlruns", "-o", "s3://b/files"],
    ] {
        let said = place.refused(2, arguments);
        assert!(said.contains("` exists"), "{said}");
    }
    for arguments in [
        &[
            "convert",
            "here.zip",
            "-o",
            "s3://b/tables",
            "--to",
            "csv",
            "--force",
        ][..],
        &[
            "split",
            "here.zip",
            "-o",
            "s3://b/parts",
            "--by",
            "experiment",
            "--force",
        ],
        &["export", "mlruns", "-o", "s3://b/folder", "--force"],
    ] {
        let said = place.refused(2, arguments);
        assert!(said.contains("--force does not replace"), "{said}");
    }
    // Given up in the middle, nothing of it is left.
    place.bucket.fail(|asked, _| {
        (asked.request.method == "PUT" && asked.key == "broken/r2/note.txt")
            .then(|| refusal(403, "AccessDenied"))
    });
    place.refused(6, &["extract", "here.zip", "-o", "s3://b/broken"]);
    assert!(place.bucket.keys().iter().all(|key| !key.starts_with("broken/")));
    place.bucket.fail(|asked, _| {
        (asked.request.method == "PUT" && asked.key == "broken/part-3.zip")
            .then(|| refusal(403, "AccessDenied"))
    });
    place.refused(
        6,
        &["split", "here.zip", "-o", "s3://b/broken", "--by", "experiment"],
    );
    assert!(place.bucket.keys().iter().all(|key| !key.starts_with("broken/")));
    assert_eq!(bytes_below(&place.path("tmp")), 0);
}

#[test]
fn files_that_a_killed_process_put_are_taken_back_by_the_next() {
    let place = Place::new();
    place.export("here.zip");
    for command in [&["extract"][..], &["split", "--by", "experiment"]] {
        let put = Arc::new(AtomicUsize::new(0));
        let seen = put.clone();
        place.bucket.fail(move |asked, _| {
            // Two are taken; the process tries again with the others until it is killed.
            let is_put = asked.request.method == "PUT";
            let is_taken = !is_put || seen.fetch_add(1, Ordering::Relaxed) < 2;
            (!is_taken).then(|| Answer::new(503, Vec::new()))
        });
        let arguments = [command, &["here.zip", "-o", "s3://b/files"]].concat();
        let mut command = place
            .bucket
            .mlark(place.folder.path(), &place.path("tmp"), &arguments);
        let mut child = command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        while put.load(Ordering::Relaxed) < 3 {
            assert!(child.try_wait().unwrap().is_none(), "it ended");
            std::thread::yield_now();
        }
        // An upload whose id is just being answered is known to nobody: `--cleanup` finds those.
        std::thread::sleep(std::time::Duration::from_millis(300));
        assert!(child.try_wait().unwrap().is_none(), "it ended");
        child.kill().unwrap();
        child.wait().unwrap();
        place.bucket.fail(|_, _| None);
        // What was sent is answered still.
        std::thread::sleep(std::time::Duration::from_millis(500));
        let output = place.output(&[
            "transform",
            "here.zip",
            "-o",
            "s3://b/next.zip",
            "--set-tag",
            "a=b",
            "--force",
        ]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            output.status.success() && said.contains("left behind by an interrupted run"),
            "{said}"
        );
        assert_eq!(
            (place.bucket.keys(), place.bucket.uploads()),
            (vec!["next.zip".to_owned()], 0)
        );
    }
}

#[test]
fn looking_at_an_archive_in_a_bucket_asks_for_little() {
    let place = Place::new();
    place.export("s3://b/a.zip");
    let before = place.bucket.received().len();
    for arguments in [
        &["ls", "s3://b/a.zip", "runs"][..],
        &["ls", "s3://b/a.zip", "artifacts"],
        &["info", "s3://b/a.zip"],
        &["show", "s3://b/a.zip", "r1"],
    ] {
        place.done(arguments);
    }
    let asked = place.bucket.received();
    let ranges = asked[before..].iter().filter(|request| request.method == "GET");
    let bytes: u64 = ranges
        .map(|request| {
            let range = request
                .header("range")
                .unwrap()
                .strip_prefix("bytes=")
                .unwrap()
                .to_owned();
            let (start, end) = range.split_once('-').unwrap();
            end.parse::<u64>().unwrap() + 1 - start.parse::<u64>().unwrap()
        })
        .sum();
    assert!(bytes <= 4 * (130 << 10), "{bytes} bytes of {LARGE}");
}

/// Restores into a new database; its exit code, and what it says.
fn restored(place: &Place, database: &str, destination: &str) -> (Option<i32>, String) {
    let uri = format!("sqlite:///{database}");
    let output = place.output(&["restore", "a.zip", &uri, "--artifacts-destination", destination]);
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn artifacts_of_a_restore_go_to_the_bucket_while_they_come_and_a_killed_one_is_gone_on_with() {
    let place = Place::new();
    place.export("a.zip");
    let files = |destination: &str| {
        let begin = format!("{destination}/");
        let keys = place.bucket.keys().into_iter();
        keys.filter_map(|key| key.strip_prefix(&begin).map(str::to_owned))
            .collect::<Vec<_>>()
    };
    // Nothing of 57 MB lies on this machine meanwhile but what says where they are.
    let (temporary, most) = (place.path("tmp"), Arc::new(AtomicU64::new(0)));
    let seen = most.clone();
    place.bucket.fail(move |asked, _| {
        if asked.request.method == "PUT" {
            seen.fetch_max(bytes_below(&temporary), Ordering::Relaxed);
        }
        None
    });
    assert_eq!(restored(&place, "whole.db", "s3://b/whole").0, Some(0));
    assert!(most.load(Ordering::Relaxed) < 1 << 20, "{most:?}");
    let whole = files("whole");
    assert_eq!(whole.len(), 7, "{whole:?}");
    let model = "whole/1/r1/artifacts/model.bin";
    assert!(place.bucket.kept.lock().unwrap().objects[model] == noise(2, LARGE));

    // Refused in the middle: nothing is left.
    place.bucket.fail(|asked, _| {
        let is_last = asked.key.ends_with("r3/artifacts/note.txt") && asked.request.method == "PUT";
        is_last.then(|| refusal(403, "AccessDenied"))
    });
    let (code, said) = restored(&place, "refused.db", "s3://b/refused");
    assert!(code != Some(0) && said.contains("AccessDenied"), "{said}");
    assert_eq!((files("refused"), place.bucket.uploads()), (Vec::new(), 0));
    assert!(!place.path("refused.db").exists());

    // Killed there: the same restore goes on, and another one is refused.
    let stopped = Arc::new(AtomicUsize::new(0));
    let seen = stopped.clone();
    place.bucket.fail(move |asked, _| {
        if asked.key.ends_with("r3/artifacts/note.txt") && asked.request.method == "PUT" {
            seen.store(1, Ordering::Relaxed);
            std::thread::sleep(std::time::Duration::from_secs(1));
        }
        None
    });
    let restore = [
        "restore",
        "a.zip",
        "sqlite:///killed.db",
        "--artifacts-destination",
        "s3://b/killed",
    ];
    let mut command = place
        .bucket
        .mlark(place.folder.path(), &place.path("tmp"), &restore);
    let mut child = command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    while stopped.load(Ordering::Relaxed) == 0 {
        assert!(child.try_wait().unwrap().is_none(), "it ended");
        std::thread::yield_now();
    }
    child.kill().unwrap();
    child.wait().unwrap();
    place.bucket.fail(|_, _| None);
    assert!(files("killed").contains(&".mlark-restore".to_owned()));
    place.done(&[
        "transform",
        "a.zip",
        "-o",
        "b.zip",
        "--rename-experiment",
        "e1=other",
    ]);
    let other = ["restore", "b.zip", restore[2], restore[3], restore[4]];
    let said = place.refused(2, &other);
    assert!(said.contains("exists"), "{said}");
    assert_eq!(restored(&place, "killed.db", "s3://b/killed").0, Some(0));
    let mut found = files("killed");
    found.sort();
    assert_eq!(found, whole, "no mark is left");
}

/// Google's storage speaks the same XML; its own service cannot be tried here.
#[test]
fn archives_are_made_in_a_storage_of_googles_protocol_and_read_from_there() {
    let place = Place::new();
    place.export("here.zip");
    let account = format!(
        r#"{{"gcs_base_url": "{}", "disable_oauth": true, "client_email": "", "private_key": "", "private_key_id": ""}}"#,
        place.bucket.url()
    );
    fs::write(place.path("account.json"), account).unwrap();
    let google = |arguments: &[&str]| {
        let mut command = place
            .bucket
            .mlark(place.folder.path(), &place.path("tmp"), arguments);
        command
            .env("GOOGLE_SERVICE_ACCOUNT", place.path("account.json"))
            .env("GOOGLE_BASE_URL", place.bucket.url());
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{arguments:?}: {said}");
        String::from_utf8(output.stdout).unwrap()
    };
    for there in ["gs://b/a b/whole.zip", "gs://b/folder"] {
        google(&["export", "mlruns", "-o", there]);
        assert!(google(&["verify", there]).contains("intact"), "{there}");
        assert_eq!(google(&["diff", "here.zip", there]), "");
    }
    let received = place.bucket.received();
    assert!(
        received
            .iter()
            .any(|request| request.target.contains("partNumber=3"))
    );
    // Artifacts of a restore go there too, and come back by the URIs that the database has.
    let options = [
        "--artifacts-destination",
        "gs://b/restored",
        "--artifact-uris",
        "direct",
    ];
    google(&[&["restore", "here.zip", "sqlite:///mlflow.db"], &options[..]].concat());
    google(&["export", "mlflow.db", "-o", "back.zip"]);
    let files = |archive: &str| {
        let listed = google(&["ls", archive, "artifacts", "--json"]);
        let lines = listed
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines
            .map(|file| (file["path"].clone(), file["sha256"].clone()))
            .collect::<Vec<_>>()
    };
    assert_eq!(files("here.zip"), files("back.zip"));
    assert_eq!(files("back.zip").len(), 7);
    assert_eq!(place.bucket.uploads(), 0);
    // What another machine left there goes; what is somebody else's stays.
    let left = |key: &str| (key.to_owned(), (key.to_owned(), Default::default()));
    let unfinished = ["left.zip", "left.zip.old", "other/left.zip"].map(left);
    place.bucket.kept.lock().unwrap().uploads.extend(unfinished);
    google(&["export", "mlruns", "-o", "gs://b/left.zip", "--cleanup"]);
    assert_eq!(place.bucket.uploads(), 2);
}
