use super::*;
use crate::archive::Archive;
use crate::format::Manifest;
use crate::model::{Double, Experiment, OwnerKind, Point, Run, RunInfo};
use std::io::Read;

fn fill(out: &Path) -> Manifest {
    let mut writer = ArchiveWriter::create(out, WriterOptions::default()).unwrap();
    let experiment = Experiment {
        experiment_id: "1".into(),
        name: "é\u{2028}\0".into(),
        lifecycle_stage: "active".into(),
        ..Experiment::default()
    };
    writer.write(&experiment).unwrap();
    writer.sort_at_end(Kind::Runs);
    for run_id in ["b", "a"] {
        let info = RunInfo {
            run_id: run_id.into(),
            experiment_id: "1".into(),
            status: "FINISHED".into(),
            lifecycle_stage: "active".into(),
            ..RunInfo::default()
        };
        let mut run = Run {
            info,
            ..Run::default()
        };
        run.tags
            .insert("long".into(), "x".repeat(STRING_BYTES + 1).as_str().into());
        writer.write(&run).unwrap();
    }
    let run = crate::format::order::run("1", None, "a");
    let mut series = writer.point_series();
    for step in 0..12_000 {
        let point = Point {
            timestamp: 5,
            step,
            value: Double(0.1),
            link: None,
        };
        series.push(point).unwrap();
    }
    writer.write_metric(&run, "a", "loss", series).unwrap();
    let owner = Owner {
        kind: OwnerKind::Run,
        id: "a".into(),
        sort_key: run,
    };
    let large = vec![7; 3 << 20];
    for (path, bytes) in [
        ("large", large.clone()),
        ("same", large),
        ("small", b"text".to_vec()),
    ] {
        let source = ByteSource::Open(Box::new(move || Ok(Box::new(std::io::Cursor::new(bytes)))));
        let source = if path == "small" {
            ByteSource::Bytes(b"text".to_vec())
        } else {
            source
        };
        writer
            .artifact(&owner, path.into(), source, &mut |_, _| unreachable!())
            .unwrap();
    }
    writer.drain_artifacts(&mut |_, _| unreachable!()).unwrap();
    let head = ManifestHead {
        origin: "test".into(),
        ..ManifestHead::default()
    };
    writer.finish(head, Duplicates::Refuse).unwrap()
}

#[test]
fn both_containers_hold_the_same_content() {
    let directory = tempfile::tempdir().unwrap();
    let manifests = ["a", "a.zip"].map(|name| fill(&directory.path().join(name)));
    assert_eq!(manifests[0].content_id, manifests[1].content_id);
    assert_eq!(manifests[0].totals, manifests[1].totals);
    assert_eq!(
        manifests[0].totals.blobs, 3,
        "the long tag, the large file and the small one"
    );
    assert_eq!(manifests[0].count(Kind::Metrics), 3);
    for name in ["a", "a.zip"] {
        let archive = Archive::open(&directory.path().join(name)).unwrap();
        let runs: Vec<Run> = archive.objects().map(Result::unwrap).collect();
        assert_eq!(
            runs.iter()
                .map(|run| run.info.run_id.as_str())
                .collect::<Vec<_>>(),
            ["a", "b"]
        );
        assert_eq!(runs[0].tags["long"].as_str().unwrap().len(), STRING_BYTES + 1);
        let digest = &Digest(<sha2::Sha256 as sha2::Digest>::digest(b"text").into());
        let mut text = String::new();
        archive
            .stored_blob(digest)
            .unwrap()
            .read_to_string(&mut text)
            .unwrap();
        assert_eq!(text, "text");
    }
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 2);
}
