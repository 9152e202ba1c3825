//! What an export, a verification and a transform spend their time in; `cargo bench` takes less than a minute.
//!
//! `scripts/bench` measures whole commands beside yardsticks; this is for comparing two builds of one part.

#![allow(clippy::unwrap_used, reason = "a benchmark that cannot go on ends")]

use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};
use mlark::archive::{Archive, ArchiveWriter, ByteSource, Duplicates, ManifestHead, Owner, WriterOptions};
use mlark::internals::{canonical, exim::tags::canonical::run_source, order, strict_json, to_value};
use mlark::model::{LatestMetric, OwnerKind, Run, RunInfo};
use serde::Deserialize;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

fn main() {
    divan::main();
}

/// Bytes that do not shrink, different for each seed.
fn noise(len: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 24) as u8
    };
    (0..len).map(|_| next()).collect()
}

/// A folder with 2,000 files of 2 to 38 KB, and what they have together.
static FILES: LazyLock<(tempfile::TempDir, Vec<PathBuf>, u64)> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    let mut total = 0;
    let paths = (0..2_000_u64).map(|number| {
        let bytes = noise(2_000 + (number * 7_919 % 36_200) as usize, number);
        total += bytes.len() as u64;
        let path = folder.path().join(format!("{number:04}"));
        fs::write(&path, bytes).unwrap();
        path
    });
    let paths = paths.collect();
    (folder, paths, total)
});

fn write(out: &Path, contents: impl Iterator<Item = ByteSource>) {
    let options = WriterOptions {
        threads: 1,
        no_sync: true,
        ..WriterOptions::default()
    };
    let mut writer = ArchiveWriter::create(out, options).unwrap();
    writer.write(&run()).unwrap();
    let owner = Owner {
        kind: OwnerKind::Run,
        id: "r".into(),
        sort_key: order::run("1", None, "r"),
    };
    for (number, content) in contents.enumerate() {
        let path = format!("{number:06}");
        writer
            .artifact(&owner, path, content, &mut |_, failure| {
                panic!("{}", failure.error)
            })
            .unwrap();
    }
    writer
        .drain_artifacts(&mut |_, failure| panic!("{}", failure.error))
        .unwrap();
    writer
        .finish(ManifestHead::default(), Duplicates::Refuse)
        .unwrap();
}

#[divan::bench(args = ["archive", "archive.zip"], max_time = 4, sample_size = 1)]
fn write_2000_small_files(bencher: Bencher, name: &str) {
    let (_, paths, total) = &*FILES;
    bencher
        .counter(BytesCount::new(*total))
        .with_inputs(|| tempfile::tempdir().unwrap())
        .bench_refs(|folder| {
            write(
                &folder.path().join(name),
                paths.iter().cloned().map(ByteSource::File),
            )
        });
}

#[divan::bench(max_time = 4, sample_size = 1)]
fn scan_a_zip_of_20000_blobs(bencher: Bencher) {
    static ZIP: LazyLock<tempfile::TempDir> = LazyLock::new(|| {
        let folder = tempfile::tempdir().unwrap();
        let contents = (0..20_000_u32).map(|number| ByteSource::Bytes(number.to_le_bytes().to_vec()));
        write(&folder.path().join("a.zip"), contents);
        folder
    });
    let path = ZIP.path().join("a.zip");
    bencher
        .counter(ItemsCount::new(20_000_u32))
        .bench(|| Archive::open(black_box(&path)).unwrap());
}

/// A run of twenty parameters, twenty metrics and a few tags.
fn run() -> Run {
    let info = RunInfo {
        run_id: "0123456789abcdef0123456789abcdef".into(),
        experiment_id: "1".into(),
        run_name: Some("placid-shrimp-42".into()),
        user_id: Some("ana".into()),
        status: "FINISHED".into(),
        start_time: Some(1_700_000_000_000),
        end_time: Some(1_700_000_060_000),
        lifecycle_stage: "active".into(),
        artifact_uri: Some("mlflow-artifacts:/1/0123456789abcdef0123456789abcdef/artifacts".into()),
        ..RunInfo::default()
    };
    let mut run = Run {
        info,
        ..Run::default()
    };
    for number in 0..20 {
        let value = mlark::model::Double(0.1 * f64::from(number));
        let (timestamp, step) = (1_700_000_000_000, 9);
        run.params
            .insert(format!("param_{number}"), format!("{}", value.0).as_str().into());
        run.metrics.insert(
            format!("metric_{number}"),
            LatestMetric {
                timestamp,
                step,
                value,
            },
        );
    }
    for (key, value) in [
        ("mlflow.user", "ana"),
        ("mlflow.source.name", "train.py"),
        ("team", "vision"),
    ] {
        run.tags.insert(key.into(), value.into());
    }
    run
}

#[divan::bench(max_time = 2)]
fn parse_a_line_of_a_run(bencher: Bencher) {
    let line = canonical(&to_value(&run()));
    bencher
        .counter(BytesCount::of_slice(&line))
        .bench(|| Run::deserialize(strict_json::parse(black_box(&line)).unwrap()).unwrap());
}

#[divan::bench(max_time = 2)]
fn write_a_line_of_a_run(bencher: Bencher) {
    let run = run();
    bencher
        .counter(BytesCount::new(canonical(&to_value(&run)).len()))
        .bench(|| canonical(&to_value(black_box(&run))));
}

#[divan::bench(max_time = 2)]
fn parse_1000_metric_lines(bencher: Bencher) {
    let line = |step: u32| {
        format!(
            "{} {} {step}\n",
            1_700_000_000_000_u64 + u64::from(step),
            1.0 / f64::from(step + 1)
        )
    };
    let text: String = (0..1000).map(line).collect();
    assert_eq!(mlark::fuzzing::metric_lines(text.as_bytes()), 1000);
    bencher
        .counter(ItemsCount::new(1000_u32))
        .bench(|| mlark::fuzzing::metric_lines(black_box(text.as_bytes())));
}

#[divan::bench(max_time = 2)]
fn source_tags_of_a_run(bencher: Bencher) {
    let run = run();
    bencher
        .counter(ItemsCount::new(1_u32))
        .bench(|| run_source(black_box(&run)).unwrap());
}
