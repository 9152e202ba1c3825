//! Archives in buckets whose store lies, and how little of a bucket is asked for.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use crate::helpers::bucket::{Asked, Bucket, Kept};
use crate::helpers::command::done;
use crate::helpers::loopback::Answer;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Small files of the one run.
const FILES: usize = 90;

struct Place {
    bucket: Bucket,
    folder: tempfile::TempDir,
}

impl Place {
    /// A bucket, and a file store of one run with many small files and one that is larger than what is read of a zip at once.
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let artifacts = folder.path().join("mlruns/1/r/artifacts");
        fs::create_dir_all(&artifacts).unwrap();
        let write =
            |path: &str, text: &str| fs::write(folder.path().join("mlruns").join(path), text).unwrap();
        write(
            "1/meta.yaml",
            "experiment_id: '1'\nname: e\nlifecycle_stage: active\n",
        );
        write(
            "1/r/meta.yaml",
            "run_id: r\nrun_uuid: r\nexperiment_id: '1'\nstatus: 3\nlifecycle_stage: active\n",
        );
        for number in 0..FILES {
            fs::write(artifacts.join(format!("{number}.txt")), format!("file {number}")).unwrap();
        }
        let mut state = 1_u64;
        let noise = std::iter::repeat_with(|| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 56) as u8
        });
        fs::write(
            artifacts.join("a.bin"),
            noise.take(300 << 10).collect::<Vec<u8>>(),
        )
        .unwrap();
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
        command.output().unwrap()
    }

    fn done(&self, arguments: &[&str]) -> String {
        done(arguments, self.output(arguments))
    }

    /// What a command says that does not end well.
    fn refused(&self, arguments: &[&str]) -> String {
        let output = self.output(arguments);
        let said = [&output.stdout[..], &output.stderr].concat();
        let said = String::from_utf8_lossy(&said).into_owned();
        assert!(
            matches!(output.status.code(), Some(1 | 4 | 6)),
            "{arguments:?}: {said}"
        );
        said
    }

    /// Requests since that many, by method; a listing is a `LIST`.
    fn requests(&self, since: usize, method: &str) -> usize {
        let received = self.bucket.received();
        let methods = received[since..]
            .iter()
            .map(|request| match request.method.as_str() {
                "GET" if request.target.contains("list-type") => "LIST",
                method => method,
            });
        methods.filter(|found| *found == method).count()
    }
}

/// A row of a listing.
fn row(key: &str, size: usize) -> String {
    format!(
        "<Contents><Key>{key}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified><ETag>e</ETag><Size>{size}</Size></Contents>"
    )
}

/// Lets listings be those of what is there, made by `rows`, with more at their end; `is_cut` says that more follows, always at the same place.
fn list(
    bucket: &Bucket,
    is_cut: bool,
    more: String,
    rows: impl Fn(&str, usize) -> String + Send + Sync + 'static,
) {
    bucket.fail(move |asked, kept| {
        let is_listing = asked.request.method == "GET" && asked.query.contains_key("list-type");
        let prefix = asked.query.get("prefix").filter(|_| is_listing)?;
        let own = kept
            .objects
            .iter()
            .filter(|(key, _)| key.starts_with(prefix.as_str()));
        let rows: String = own.map(|(key, bytes)| rows(key, bytes.len())).collect();
        let next = match is_cut {
            true => "<NextContinuationToken>again</NextContinuationToken>",
            false => "",
        };
        Some(Answer::new(
            200,
            format!(
                "<ListBucketResult><IsTruncated>{is_cut}</IsTruncated>{next}{rows}{more}</ListBucketResult>"
            ),
        ))
    });
}

#[test]
fn a_listing_that_lies_is_no_archive() {
    let place = Place::new();
    place.done(&["export", "mlruns", "-o", "s3://b/folder"]);
    let verify = ["verify", "s3://b/folder"];
    let edit = ["transform", "s3://b/folder", "-o", "out.zip", "--set-tag", "a=b"];
    let refused = |arguments: &[&str], words: &str| {
        let said = place.refused(arguments);
        assert!(said.contains(words), "{words}: {said}");
        assert!(!place.path("out.zip").exists());
    };
    let bucket = &place.bucket;
    // What is not below the key is nobody's, and what is listed twice is there once.
    let elsewhere = row("elsewhere/mlark.json", 7) + &row("folder2/x", 7);
    list(bucket, false, elsewhere, row);
    assert!(place.done(&verify).contains("intact"));
    list(bucket, false, String::new(), |key, size| {
        row(key, size) + &row(key, size)
    });
    assert!(place.done(&verify).contains("intact"));
    list(bucket, false, row("folder/../other/blobs", 7), row);
    refused(&verify, "..");
    list(bucket, false, row("folder/blobs/sha256/x", 7), row);
    refused(&verify, "an archive has no file with this name");
    // Other sizes, and blobs that are not told.
    for shift in [1, 1 << 40] {
        list(bucket, false, String::new(), move |key, size| {
            row(key, size + shift)
        });
        refused(&verify, "totals");
        refused(&edit, "totals");
    }
    list(bucket, false, String::new(), |key, size| {
        match key.contains("blobs/") {
            true => String::new(),
            false => row(key, size),
        }
    });
    refused(&verify, "missing-blob");
    refused(&edit, "blob");
    list(bucket, true, String::new(), row);
    refused(&verify, "the listing does not end");
    // No listing is needed to look at runs.
    assert!(place.done(&["ls", "s3://b/folder", "runs"]).starts_with('r'));
}

#[test]
fn a_range_of_another_length_or_of_another_object_is_refused() {
    let place = Place::new();
    place.done(&["export", "mlruns", "-o", "s3://b/a.zip"]);
    let ranged = |asked: &Asked<'_>, kept: &Kept| -> Option<(u64, u64, Vec<u8>)> {
        let bytes = &kept.objects[&asked.key];
        let range = asked.request.header("range")?.strip_prefix("bytes=")?.to_owned();
        let (start, end) = range.split_once('-')?;
        let (start, end): (u64, u64) = (start.parse().unwrap(), end.parse().unwrap());
        let end = end.min(bytes.len() as u64 - 1);
        Some((start, end, bytes[start as usize..=end as usize].to_vec()))
    };
    let answer = |(start, end, bytes): (u64, u64, Vec<u8>), of: usize, tag: &str| {
        Answer::new(206, bytes)
            .header("Content-Range", &format!("bytes {start}-{end}/{of}"))
            .header("ETag", tag)
            .header("Last-Modified", "Thu, 01 Jan 2026 00:00:00 GMT")
    };
    type Lie = fn((u64, u64, Vec<u8>)) -> (u64, u64, Vec<u8>);
    let lies: [(&str, Lie); 4] = [
        ("shorter", |(start, end, mut bytes)| {
            bytes.pop();
            (start, end, bytes)
        }),
        ("longer", |(start, end, mut bytes)| {
            bytes.push(0);
            (start, end, bytes)
        }),
        ("another range", |(start, end, bytes)| (start - 1, end - 1, bytes)),
        ("to another end", |(start, end, mut bytes)| {
            bytes.pop();
            (start, end - 1, bytes)
        }),
    ];
    for (name, lie) in lies {
        place.bucket.fail(move |asked, kept| {
            let of = kept.objects.get(&asked.key)?.len();
            Some(answer(lie(ranged(asked, kept)?), of, "\"e\""))
        });
        let said = place.refused(&["ls", "s3://b/a.zip", "runs"]);
        assert!(said.contains("s3://b/a.zip"), "{name}: {said}");
    }
    // All of it instead of a range.
    place.bucket.fail(|asked, kept| {
        asked.request.header("range")?;
        let whole = Answer::new(200, kept.objects[&asked.key].clone()).header("ETag", "\"e\"");
        Some(whole.header("Last-Modified", "Thu, 01 Jan 2026 00:00:00 GMT"))
    });
    place.refused(&["ls", "s3://b/a.zip", "runs"]);
    // Another object after the first answers, by its tag or by its size; a condition is not looked at.
    for (tag, more) in [("\"f\"", 0), ("\"e\"", 5)] {
        let answered = AtomicUsize::new(0);
        place.bucket.fail(move |asked, kept| {
            let range = ranged(asked, kept)?;
            let of = kept.objects[&asked.key].len();
            match answered.fetch_add(1, Ordering::Relaxed) {
                0 => None,
                _ => Some(answer(range, of + more, tag)),
            }
        });
        let said = place.refused(&["extract", "s3://b/a.zip", "-o", "files"]);
        assert!(said.contains("replaced while it was read"), "{said}");
        assert!(!place.path("files").exists());
    }
}

#[test]
fn the_sizes_of_a_directory_in_a_bucket_are_asked_for_by_one_listing() {
    let place = Place::new();
    for number in ["1", "2"] {
        let out = format!("s3://b/part-{number}");
        place.done(&["export", "mlruns", "--shard", &format!("{number}/2"), "-o", &out]);
    }
    place.done(&["export", "mlruns", "-o", "whole.zip"]);
    for out in ["all.zip", "s3://b/all"] {
        let since = place.bucket.received().len();
        place.done(&["merge", "s3://b/part-1", "s3://b/part-2", "-o", out]);
        let [heads, gets, lists] = ["HEAD", "GET", "LIST"].map(|method| place.requests(since, method));
        // Of each part: whether it is a zip or a directory, and some blobs before its listing is made.
        assert!(heads <= 2 * 20, "{out}: {heads} HEAD");
        assert!(lists <= 4, "{out}: {lists} LIST");
        assert!((FILES..FILES + 40).contains(&gets), "{out}: {gets} GET");
        assert_eq!(place.done(&["diff", "whole.zip", out]), "");
    }
    // A file is one request, and a look at runs asks for no sizes.
    let since = place.bucket.received().len();
    place.done(&["ls", "s3://b/all", "runs"]);
    let asked = ["HEAD", "GET", "LIST"].map(|method| place.requests(since, method));
    assert!(asked[0] <= 3 && asked[1] <= 6 && asked[2] == 0, "{asked:?}");
    let since = place.bucket.received().len();
    place.done(&["extract", "s3://b/all", "-o", "files"]);
    let heads = place.requests(since, "HEAD");
    assert!(heads <= 3, "{heads} HEAD");
    assert_eq!(
        fs::read(Path::new(&place.path("files/r/7.txt"))).unwrap(),
        b"file 7"
    );
}

#[test]
fn an_endpoint_that_is_no_url_is_told_of() {
    let place = Place::new();
    for endpoint in ["", "localhost:9000", "nonsense", "http://"] {
        let arguments = ["ls", "s3://b/folder"];
        let mut command = place
            .bucket
            .mlark(place.folder.path(), &place.path("tmp"), &arguments);
        let output = command.env("AWS_ENDPOINT_URL", endpoint).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(6), "{endpoint}: {said}");
        assert!(
            said.contains("is not a URL such as https://host"),
            "{endpoint}: {said}"
        );
    }
}
