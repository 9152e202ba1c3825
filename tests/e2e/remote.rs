//! Archives in a bucket of a server that speaks Amazon's S3 protocol: made there, listed, read, verified, merged, imported from there.
//!
//! Runs where MLARK_E2E_VENVS names the folder of `scripts/cloud-env`'s environment.
#![cfg(feature = "cloud")]

use super::cloud::{Cloud, SECRET};
use crate::helpers::command::{done, refused};
use crate::helpers::servers::{run, venvs};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

struct Bucket {
    cloud: Cloud,
    folder: PathBuf,
    /// Where this process's folders of what is being made go.
    temporary: PathBuf,
}

impl Bucket {
    fn new() -> Option<Self> {
        let bucket = Bucket::of(Cloud::s3(venvs("no archive in a bucket is read")?));
        bucket.boto("s3.create_bucket(Bucket='history')");
        Some(bucket)
    }

    fn of(cloud: Cloud) -> Self {
        let folder = cloud.path("work");
        let temporary = cloud.path("tmp");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::create_dir_all(&temporary).unwrap();
        Bucket {
            cloud,
            folder,
            temporary,
        }
    }

    /// Runs a line of Python with a client `s3`; what it prints.
    fn boto(&self, line: &str) -> String {
        let python = self.cloud.venvs.join("cloud/bin/python");
        let program = format!(
            "import boto3, json, os\ns3 = boto3.client('s3', endpoint_url=os.environ['MLFLOW_S3_ENDPOINT_URL'])\n{line}"
        );
        let output = run(self.cloud.command(&python).args(["-c", &program]));
        String::from_utf8(output.stdout).unwrap()
    }

    fn mlark(&self, arguments: &[&str]) -> Command {
        let mut command = self.cloud.command(env!("CARGO_BIN_EXE_mlark").as_ref());
        command
            .current_dir(&self.folder)
            .env("TMPDIR", &self.temporary)
            .args(arguments);
        command
    }

    fn output(&self, arguments: &[&str]) -> Output {
        let output = self.mlark(arguments).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!said.contains(SECRET), "{said}");
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

    /// Keys of the bucket, and uploads in parts that are under way.
    fn keys(&self) -> (Vec<String>, usize) {
        let line = "print(json.dumps([[o['Key'] for o in s3.list_objects_v2(Bucket='history').get('Contents', [])], \
                    len(s3.list_multipart_uploads(Bucket='history').get('Uploads', []))]))";
        serde_json::from_str(&self.boto(line)).unwrap()
    }
}

fn fixture(name: &str) -> String {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    fixtures.join(name).to_str().unwrap().to_owned()
}

fn content_id(info: &str) -> String {
    let info: Value = serde_json::from_str(info).unwrap();
    info["content_id"].as_str().unwrap().to_owned()
}

#[test]
fn every_command_reads_and_makes_archives_in_a_bucket() {
    let Some(bucket) = Bucket::new() else { return };
    let source = fixture("sql-3.18.0/mlflow.db");
    for name in ["whole.zip", "whole"] {
        let (here, there) = (format!("here-{name}"), format!("s3://history/a b/{name}"));
        bucket.done(&["export", &source, "-o", &here]);
        bucket.done(&["export", &source, "-o", &there]);
        let ids = [&here, &there].map(|archive| content_id(&bucket.done(&["info", archive, "--json"])));
        assert_eq!(ids[0], ids[1]);
        for arguments in [
            &["ls", "runs", "--json"][..],
            &["ls", "artifacts", "--json"],
            &["snapshot"],
        ] {
            let ask = |archive: &str| bucket.done(&[&[arguments[0], archive], &arguments[1..]].concat());
            let (expected, found) = (ask(&here), ask(&there));
            assert_eq!(expected.replace(&here, &there), found, "{arguments:?}");
        }
        assert!(bucket.done(&["verify", &there]).contains("intact"));
        assert_eq!(bucket.done(&["diff", &here, &there]), "");
        bucket.done(&["extract", &there, "-o", &format!("files-{name}")]);

        // What is there is not replaced; a directory never is.
        let said = bucket.refused(2, &["export", &source, "-o", &there]);
        assert!(said.contains("` exists"), "{said}");
        if name == "whole" {
            let said = bucket.refused(2, &["export", &source, "-o", &there, "--force"]);
            assert!(said.contains("--force does not replace"), "{said}");
        } else {
            bucket.done(&["export", &source, "-o", &there, "--force"]);
        }
        let tagged = format!("s3://history/tagged-{name}");
        bucket.done(&["transform", &there, "-o", &tagged, "--source-tags"]);
        assert!(bucket.done(&["verify", &tagged]).contains("intact"));
        let back = format!("s3://history/back-{name}");
        bucket.done(&["transform", &tagged, "-o", &back, "--undo"]);
        assert_eq!(content_id(&bucket.done(&["info", &back, "--json"])), ids[0]);
    }
    let (keys, uploads) = bucket.keys();
    assert!(
        keys.iter().any(|key| key == "a b/whole/mlark.json.sha256"),
        "{keys:?}"
    );
    assert_eq!(uploads, 0);
    assert_eq!(std::fs::read_dir(&bucket.temporary).unwrap().count(), 0);
}

#[test]
fn shards_in_a_bucket_are_merged_from_there() {
    let Some(bucket) = Bucket::new() else { return };
    let source = fixture("sql-3.18.0/mlflow.db");
    bucket.done(&["export", &source, "-o", "whole.zip"]);
    let parts: Vec<String> = (1..=3)
        .map(|number| format!("s3://history/part-{number}.zip"))
        .collect();
    for (number, part) in (1..).zip(&parts) {
        bucket.done(&["export", &source, "--shard", &format!("{number}/3"), "-o", part]);
    }
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    bucket.done(&[&["merge"], &parts[..], &["-o", "s3://history/all.zip"]].concat());
    let id = |archive: &str| content_id(&bucket.done(&["info", archive, "--json"]));
    assert_eq!(id("whole.zip"), id("s3://history/all.zip"));
}

/// An archive whose upload has several parts.
fn large(bucket: &Bucket) -> &'static str {
    let artifacts = bucket.folder.join("mlruns/1/r/artifacts");
    std::fs::create_dir_all(&artifacts).unwrap();
    let write =
        |path: &str, text: &str| std::fs::write(bucket.folder.join("mlruns").join(path), text).unwrap();
    write(
        "1/meta.yaml",
        "experiment_id: '1'\nname: large\nlifecycle_stage: active\n",
    );
    write(
        "1/r/meta.yaml",
        "run_id: r\nrun_uuid: r\nexperiment_id: '1'\nstatus: 3\nlifecycle_stage: active\n",
    );
    let mut state = 1_u64;
    let bytes = std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 56) as u8
    });
    let bytes: Vec<u8> = bytes.take(40 << 20).collect();
    std::fs::write(artifacts.join("model.bin"), bytes).unwrap();
    "mlruns"
}

#[test]
fn a_large_archive_goes_up_in_parts_and_a_killed_upload_is_given_back() {
    let Some(bucket) = Bucket::new() else { return };
    let source = large(&bucket);
    bucket.done(&["export", source, "-o", "s3://history/large.zip"]);
    assert!(
        bucket
            .done(&["verify", "s3://history/large.zip"])
            .contains("intact")
    );
    let listed = bucket.done(&["ls", "s3://history/large.zip", "runs", "--json"]);
    assert!(listed.contains("\"r\""), "{listed}");

    // Killed in the middle of an upload: nothing has its name, and the next command gives back what is left.
    let mut is_seen = false;
    for _ in 0..20 {
        let mut killed = bucket.mlark(&["export", source, "-o", "s3://history/killed.zip"]);
        let mut killed = killed
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let has_note = || {
            let mut folders = std::fs::read_dir(&bucket.temporary).unwrap().flatten();
            folders.any(|folder| {
                let mut files = std::fs::read_dir(folder.path()).into_iter().flatten().flatten();
                files.any(|file| {
                    file.file_name().to_string_lossy().starts_with("upload-")
                        && file.path().extension().is_none()
                })
            })
        };
        while killed.try_wait().unwrap().is_none() && !has_note() {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        let _ = killed.kill();
        killed.wait().unwrap();
        is_seen = has_note();
        if is_seen {
            break;
        }
        bucket.boto("s3.delete_object(Bucket='history', Key='killed.zip')");
    }
    assert!(is_seen, "no upload was met");
    let (keys, uploads) = bucket.keys();
    assert_eq!((keys, uploads), (vec!["large.zip".to_owned()], 1));
    let output = bucket.output(&["export", source, "-o", "s3://history/killed.zip"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        output.status.success() && said.contains("left behind by an interrupted run"),
        "{said}"
    );
    let (keys, uploads) = bucket.keys();
    assert_eq!((keys.len(), uploads), (2, 0), "{keys:?}");
    assert!(
        bucket
            .done(&["verify", "s3://history/killed.zip"])
            .contains("intact")
    );
}

#[test]
fn what_is_missing_refused_or_replaced_meanwhile_is_told_without_secrets() {
    let Some(bucket) = Bucket::new() else { return };
    let said = bucket.refused(6, &["info", "s3://history/none.zip"]);
    assert!(said.contains("no `mlark.json` below it"), "{said}");
    let said = bucket.refused(6, &["verify", "s3://nobody-has-this/none.zip"]);
    assert!(said.contains("nobody-has-this"), "{said}");
    let said = bucket.refused(
        6,
        &[
            "export",
            &fixture("sql-3.18.0/mlflow.db"),
            "-o",
            "s3://nobody-has-this/new.zip",
        ],
    );
    assert!(said.contains("nobody-has-this"), "{said}");
    bucket.boto("s3.put_object(Bucket='history', Key='text.zip', Body=b'no zip at all')");
    bucket.refused(7, &["info", "s3://history/text.zip"]);
    bucket.done(&[
        "export",
        &fixture("sql-3.18.0/mlflow.db"),
        "-o",
        "s3://history/cut.zip",
    ]);
    bucket.boto(
        "b = s3.get_object(Bucket='history', Key='cut.zip')['Body'].read()\ns3.put_object(Bucket='history', Key='cut.zip', Body=b[:-1])",
    );
    bucket.refused(4, &["info", "s3://history/cut.zip"]);
}

/// An archive as a zip and as a directory, made there, read from there, and cleaned up.
fn check_store(bucket: &Bucket, root: &str) {
    let source = large(bucket);
    bucket.done(&["export", source, "-o", "here.zip", "--force"]);
    let expected = content_id(&bucket.done(&["info", "here.zip", "--json"]));
    for name in ["large.zip", "folder"] {
        let there = format!("{root}/a b/{name}");
        bucket.done(&["export", source, "-o", &there, "--cleanup"]);
        assert_eq!(content_id(&bucket.done(&["info", &there, "--json"])), expected);
        assert!(bucket.done(&["verify", &there]).contains("intact"), "{there}");
        let ask = |archive: &str| bucket.done(&["ls", archive, "artifacts", "--json"]);
        assert_eq!(ask("here.zip").replace("here.zip", &there), ask(&there));
        assert_eq!(bucket.done(&["diff", "here.zip", &there]), "");
        let said = bucket.refused(2, &["export", source, "-o", &there]);
        assert!(said.contains("` exists"), "{said}");
        bucket.done(&[
            "transform",
            &there,
            "-o",
            &format!("{root}/tagged-{name}"),
            "--source-tags",
        ]);
    }
    assert_eq!(std::fs::read_dir(&bucket.temporary).unwrap().count(), 0);
}

#[test]
fn archives_are_made_in_azures_storage_and_read_from_there() {
    let Some(cloud) = venvs("no archive in a bucket is read").and_then(Cloud::azure) else {
        return;
    };
    let bucket = Bucket::of(cloud);
    let make = "import os, sys\nfrom azure.storage.blob import BlobServiceClient\n\
                BlobServiceClient.from_connection_string(os.environ['AZURE_STORAGE_CONNECTION_STRING']).create_container('box')";
    let python = bucket.cloud.venvs.join("cloud/bin/python");
    run(bucket.cloud.command(&python).args(["-c", make]));
    for scheme in [
        "wasbs://box@devstoreaccount1.blob",
        "abfss://box@devstoreaccount1.dfs",
    ] {
        let root = format!("{scheme}.core.windows.net/{}", &scheme[..5]);
        check_store(&bucket, &root);
        // Parts that were never put together are no blob there, and cannot be listed or given back.
        let there = format!("{root}/killed.zip");
        let mut killed = bucket.mlark(&["export", "mlruns", "-o", &there]);
        let mut killed = killed
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(std::time::Duration::from_millis(150));
        let _ = killed.kill();
        killed.wait().unwrap();
        let output = bucket.output(&["export", "mlruns", "-o", &there, "--force", "--cleanup"]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            output.status.success() && said.contains("by itself after a week"),
            "{said}"
        );
        assert!(bucket.done(&["verify", &there]).contains("intact"));
    }
    // Artifacts of a restore go there too, and come back by the URIs that the database has.
    let destination = "abfss://box@devstoreaccount1.dfs.core.windows.net/restored";
    let options = [
        "--artifacts-destination",
        destination,
        "--artifact-uris",
        "direct",
    ];
    bucket.done(&[&["restore", "here.zip", "sqlite:///azure.db"], &options[..]].concat());
    bucket.done(&["export", "azure.db", "-o", "back.zip"]);
    let digests = |archive: &str| {
        let listed = bucket.done(&["ls", archive, "artifacts", "--json"]);
        let files = listed
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap());
        files.map(|file| file["sha256"].clone()).collect::<Vec<_>>()
    };
    assert!(!digests("back.zip").is_empty());
    assert_eq!(digests("here.zip"), digests("back.zip"));
}

#[test]
fn artifacts_of_a_restore_go_into_a_bucket() {
    let Some(bucket) = Bucket::new() else { return };
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/sql-3.18.0");
    let (database, artifacts) = (source.join("mlflow.db"), source.join("mlartifacts"));
    let (database, artifacts) = (database.to_str().unwrap(), artifacts.to_str().unwrap());
    let from = ["--artifacts-destination", artifacts, "--include-deleted"];
    bucket.done(&[&["export", database, "-o", "a.zip"], &from[..]].concat());
    let to = |name: &str| format!("s3://history/{name}");
    let options = |name: &str| ["--artifacts-destination".to_owned(), to(name)];
    for (name, how) in [("proxied", "proxied"), ("direct", "direct")] {
        let uri = format!("sqlite:///{name}.db");
        let [option, destination] = &options(name);
        let restore = [
            "restore",
            "a.zip",
            &uri,
            option,
            destination,
            "--artifact-uris",
            how,
        ];
        let planned = bucket.done(&[&restore[..], &["--dry-run", "--json"]].concat());
        assert!(
            bucket.keys().0.iter().all(|key| !key.starts_with(name)),
            "{planned}"
        );
        let report: Value =
            serde_json::from_str(&bucket.done(&[&restore[..], &["--json"]].concat())).unwrap();
        let keys = bucket.keys().0.iter().filter(|key| key.starts_with(name)).count() as u64;
        assert_eq!(keys, report["files"].as_u64().unwrap(), "{name}");
        let serve = report["serve"].as_str().unwrap();
        assert!(serve.contains(destination.as_str()), "{serve}");
        // Nothing is written over, and nothing is made then.
        let other = "sqlite:///other.db";
        let said = bucket.refused(2, &["restore", "a.zip", other, option, destination]);
        assert!(said.contains(destination.as_str()), "{said}");
        assert!(!bucket.folder.join("other.db").exists());
    }
    // What came back through the URIs themselves is what went in.
    bucket.done(&["export", "direct.db", "-o", "back.zip", "--include-deleted"]);
    bucket.done(&["verify", "back.zip"]);
    let recipe = bucket.done(&[
        "restore",
        "a.zip",
        "sqlite:///direct.db",
        "--artifacts-destination",
        "s3://history/direct",
        "--artifact-uris",
        "direct",
        "--print-recipe",
    ]);
    std::fs::write(bucket.folder.join("recipe"), recipe).unwrap();
    bucket.done(&["transform", "a.zip", "-o", "edited.zip", "--recipe", "recipe"]);
    bucket.done(&["diff", "edited.zip", "back.zip"]);
}
