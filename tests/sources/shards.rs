//! The shards of an export, merged, are what one export gives: the same content, and the same word on what is not in it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use super::selections::{lay_database, lay_file_store, serve};
use mlark::archive::{Archive, WriterOptions};
use mlark::flow::export::detect::SourceKind;
use mlark::flow::export::{ExportError, ExportOptions, Survey, export, plan, survey};
use mlark::flow::merge::{MergeError, MergeOptions, MergeReport, ShardError, merge};
use mlark::format::{Kind, Manifest};
use mlark::monitor::Silent;
use mlark::select::{Patterns, Selection, Share};
use mlark::{VerifyOptions, verify};
use std::path::{Path, PathBuf};

fn no_sync() -> WriterOptions {
    WriterOptions {
        no_sync: true,
        ..WriterOptions::default()
    }
}

/// A source, and how it is read.
struct Source {
    kind: SourceKind,
    uri: String,
    options: ExportOptions,
}

impl Source {
    fn new(kind: SourceKind, uri: impl Into<String>) -> Self {
        let options = ExportOptions {
            writer: no_sync(),
            // Folders of artifacts may be nowhere.
            keep_going: true,
            ..ExportOptions::default()
        };
        let uri = uri.into();
        Source { kind, uri, options }
    }

    fn fixture(name: &str) -> Self {
        let at = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name);
        let uri = at.to_str().unwrap();
        let kind = if name.ends_with(".db") {
            SourceKind::Sql
        } else {
            SourceKind::FileStore
        };
        let mut source = Source::new(kind, uri);
        source.options.artifacts_destination = at
            .parent()
            .map(|parent| parent.join("mlartifacts"))
            .filter(|at| at.is_dir());
        source
    }

    fn take(&self, share: Option<Share>, out: &Path) -> Result<Manifest, ExportError> {
        let mut options = self.options.clone();
        options.selection.share = share;
        export(self.kind, &self.uri, out, options, &Silent).map(|report| report.manifest)
    }

    fn plan(&self, shards: u64, file: &Path) -> plan::PlanFile {
        let options = ExportOptions {
            include_deleted: true,
            selection: Selection::default(),
            ..self.options.clone()
        };
        let kinds = [Kind::Experiments, Kind::Runs, Kind::LoggedModels, Kind::Traces];
        let looked_at = Survey {
            kinds: kinds.into(),
            links: false,
        };
        let surveyed = survey(self.kind, &self.uri, looked_at, options, &Silent).unwrap();
        let plan = plan::make(&surveyed.archive, shards).unwrap();
        std::fs::write(file, plan.to_text()).unwrap();
        plan
    }

    /// Exports all shards by a plan or by hashes, verifies and merges them, and compares with `whole`.
    fn assert_shards_are(&self, whole: &Manifest, of: u64, plan: Option<&Path>) {
        let folder = tempfile::tempdir().unwrap();
        let what = format!("{:?} {} in {of}, planned {}", self.kind, self.uri, plan.is_some());
        let mut shards = Vec::new();
        for number in 1..=of {
            let out = folder.path().join(format!("part-{number}.zip"));
            let share = match plan {
                Some(plan) => plan::read_share(plan, number, of).unwrap(),
                None => Share::by_hash(number, of),
            };
            let manifest = self
                .take(Some(share), &out)
                .unwrap_or_else(|error| panic!("{what}: {error}"));
            let shard = manifest.shard.unwrap();
            assert_eq!(
                (shard.number, shard.of, shard.plan.is_some()),
                (number, of, plan.is_some())
            );
            let found = verify(&out, &VerifyOptions::default(), &Silent).unwrap();
            assert!(found.is_intact(), "{what}, shard {number}: {:#?}", found.findings);
            shards.push(Archive::open(&out).unwrap());
        }
        // In whatever order they are given.
        shards.rotate_left(1);
        let out = folder.path().join("all.zip");
        let merged = merged(&shards, &out).unwrap_or_else(|error| panic!("{what}: {error}"));
        assert!(merged.notices.is_empty(), "{what}: {:?}", merged.notices);
        let manifest = merged.manifest.unwrap();
        assert_eq!(manifest.counts, whole.counts, "{what}");
        assert_eq!(manifest.losses, whole.losses, "{what}");
        assert_eq!(manifest.selection, whole.selection, "{what}");
        assert_eq!(manifest.totals, whole.totals, "{what}");
        assert_eq!(manifest.content_id, whole.content_id, "{what}");
        assert_eq!(
            (&manifest.origin, &manifest.shard),
            (&whole.origin, &None),
            "{what}"
        );
        let found = verify(&out, &VerifyOptions::default(), &Silent).unwrap();
        assert!(found.is_intact(), "{what}: {:#?}", found.findings);
    }

    /// Does so for every number of shards, with and without a plan.
    fn assert_divides(&self) -> u64 {
        let folder = tempfile::tempdir().unwrap();
        let whole = self.take(None, &folder.path().join("whole.zip")).unwrap();
        assert_eq!(whole.shard, None);
        let mut cut = 0;
        for of in 1..=5 {
            self.assert_shards_are(&whole, of, None);
            let file = folder.path().join("plan.json");
            let plan = self.plan(of, &file);
            assert_eq!(plan.experiments.is_empty(), whole.count(Kind::Experiments) == 0);
            cut += plan.experiments.iter().filter(|one| one.pieces.len() > 1).count() as u64;
            self.assert_shards_are(&whole, of, Some(&file));
        }
        cut
    }
}

fn merged(shards: &[Archive], out: &Path) -> Result<MergeReport, MergeError> {
    let options = MergeOptions {
        writer: no_sync(),
        ..MergeOptions::default()
    };
    merge(shards, Some(out), &options)
}

#[test]
fn shards_of_file_stores_are_the_whole() {
    let mut cut = 0;
    for version in ["0.9.1", "1.30.1", "2.9.2", "2.22.5", "3.18.0"] {
        cut += Source::fixture(&format!("filestore-{version}/mlruns")).assert_divides();
    }
    assert!(cut > 5, "only {cut} experiments were cut");
}

#[test]
fn shards_of_databases_are_the_whole() {
    let mut cut = 0;
    for version in ["1.30.1", "2.9.2", "2.22.5", "3.18.0"] {
        let mut source = Source::fixture(&format!("sql-{version}/mlflow.db"));
        cut += source.assert_divides();
        source.options.include_deleted = true;
        cut += source.assert_divides();
    }
    assert!(cut > 5, "only {cut} experiments were cut");
}

#[test]
fn shards_of_broken_file_stores_are_the_whole() {
    for case in ["01-id-in-root-and-trash", "03-trash-without-meta"] {
        let at = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("fixtures/cases")
            .join(case);
        let root = [at.join("mlruns"), at]
            .into_iter()
            .find(|at| at.is_dir())
            .unwrap();
        let source = Source::new(SourceKind::FileStore, root.to_str().unwrap());
        if source
            .take(None, &tempfile::tempdir().unwrap().path().join("out"))
            .is_ok()
        {
            source.assert_divides();
        }
    }
}

/// One history behind every door, with what refers to other experiments.
fn doors(folder: &Path) -> [(SourceKind, String); 2] {
    let (mlruns, database) = (folder.join("mlruns"), folder.join("mlflow.db"));
    lay_file_store(&mlruns);
    lay_database(&database);
    let text = |path: PathBuf| path.to_str().unwrap().to_owned();
    [
        (SourceKind::FileStore, text(mlruns)),
        (SourceKind::Sql, text(database)),
    ]
}

#[test]
fn shards_of_every_door_are_the_whole_with_and_without_what_is_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let server = serve();
    let doors = doors(folder.path())
        .into_iter()
        .chain([(SourceKind::Rest, server.url())]);
    for (kind, uri) in doors {
        for include_deleted in [false, true] {
            let mut source = Source::new(kind, uri.clone());
            source.options.include_deleted = include_deleted;
            source.assert_divides();
        }
    }
}

#[test]
fn shards_of_a_choice_are_the_choice() {
    let folder = tempfile::tempdir().unwrap();
    for (kind, uri) in doors(folder.path()) {
        let chosen = [
            Selection {
                experiments: Patterns::names(vec!["te*".to_owned()]).unwrap(),
                ..Selection::default()
            },
            Selection {
                models: Patterns::names(vec!["alpha".to_owned()]).unwrap(),
                ..Selection::default()
            },
            Selection {
                no_artifacts: true,
                ..Selection::default()
            },
        ];
        for selection in chosen {
            let mut source = Source::new(kind, uri.clone());
            source.options.selection = selection;
            source.assert_divides();
        }
    }
}

/// Three shards of a database, and a folder for more.
fn three() -> (tempfile::TempDir, Source, Vec<Archive>) {
    let folder = tempfile::tempdir().unwrap();
    let [_, (kind, uri)] = doors(folder.path());
    let source = Source::new(kind, uri);
    let take = |number| {
        let out = folder.path().join(format!("part-{number}.zip"));
        source.take(Some(Share::by_hash(number, 3)), &out).unwrap();
        Archive::open(&out).unwrap()
    };
    let shards = (1..=3).map(take).collect();
    (folder, source, shards)
}

fn refusal(shards: &[Archive], folder: &Path) -> ShardError {
    let out = folder.join("all.zip");
    let refused = merged(shards, &out).unwrap_err();
    assert!(!out.exists());
    match refused {
        MergeError::Shard(error) => error,
        other => panic!("{other}"),
    }
}

#[test]
fn a_shard_that_is_missing_doubled_or_of_another_export_is_named() {
    let (folder, source, shards) = three();
    let [first, second, third] = &shards[..] else {
        panic!()
    };
    let given = |shards: &[&Archive]| -> Vec<Archive> {
        shards
            .iter()
            .map(|shard| Archive::open(shard.path()).unwrap())
            .collect()
    };
    let missing = refusal(&given(&[first, third]), folder.path());
    assert!(
        matches!(&missing, ShardError::Missing { missing, count: 1, of: 3 } if missing == &[2]),
        "{missing}"
    );
    assert_eq!(missing.to_string(), "1 of 3 shards were not given: 2");

    let again = folder.path().join("again.zip");
    source.take(Some(Share::by_hash(2, 3)), &again).unwrap();
    let again = Archive::open(&again).unwrap();
    let twice = refusal(&given(&[first, second, third, &again]), folder.path());
    assert!(
        matches!(&twice, ShardError::Twice { number: 2, second, .. } if second == again.path()),
        "{twice}"
    );
    // Exported again alone, it takes the place of the first.
    merged(&given(&[first, &again, third]), &folder.path().join("whole.zip")).unwrap();

    let of_four = folder.path().join("of-four.zip");
    source.take(Some(Share::by_hash(2, 4)), &of_four).unwrap();
    let of_four = Archive::open(&of_four).unwrap();
    let foreign = refusal(&given(&[first, &of_four, third]), folder.path());
    assert!(
        foreign.to_string().contains("it is one of 4, not of 3"),
        "{foreign}"
    );

    let [(kind, uri), _] = doors(&folder.path().join("other"));
    let other = folder.path().join("other.zip");
    Source::new(kind, uri)
        .take(Some(Share::by_hash(2, 3)), &other)
        .unwrap();
    let other = Archive::open(&other).unwrap();
    let foreign = refusal(&given(&[first, &other, third]), folder.path());
    assert!(
        matches!(&foreign, ShardError::Foreign { path, .. } if path == other.path()),
        "{foreign}"
    );

    let plan = folder.path().join("plan.json");
    source.plan(3, &plan);
    let planned = folder.path().join("planned.zip");
    source
        .take(Some(plan::read_share(&plan, 2, 3).unwrap()), &planned)
        .unwrap();
    let planned = Archive::open(&planned).unwrap();
    let foreign = refusal(&given(&[first, &planned, third]), folder.path());
    assert!(foreign.to_string().contains("another plan"), "{foreign}");

    let whole = folder.path().join("unsharded.zip");
    source.take(None, &whole).unwrap();
    let whole = Archive::open(&whole).unwrap();
    let mixed = refusal(&given(&[first, second, third, &whole]), folder.path());
    assert!(
        matches!(&mixed, ShardError::NoShard { other, .. } if other == whole.path()),
        "{mixed}"
    );
}

#[test]
fn a_source_that_changed_between_shards_is_named() {
    let (folder, source, mut shards) = three();
    let database = rusqlite::Connection::open(folder.path().join("mlflow.db")).unwrap();
    database
        .execute(
            "UPDATE experiments SET name = 'other' WHERE experiment_id = 1",
            [],
        )
        .unwrap();
    drop(database);
    let again = folder.path().join("again.zip");
    source.take(Some(Share::by_hash(3, 3)), &again).unwrap();
    shards[2] = Archive::open(&again).unwrap();
    let report = merged(&shards, &folder.path().join("all.zip")).unwrap();
    let notices: Vec<_> = report.notices.keys().collect();
    assert!(
        notices.len() == 1 && notices[0].starts_with("the source changed between the shards: 3 saw"),
        "{notices:?}"
    );
}

#[test]
fn a_plan_of_another_source_and_one_that_the_source_outgrew_are_told() {
    let (folder, source, _) = three();
    let plan = folder.path().join("plan.json");
    source.plan(2, &plan);
    let [(kind, uri), _] = doors(&folder.path().join("other"));
    let share = |number| plan::read_share(&plan, number, 2).unwrap();
    let out = folder.path().join("out.zip");
    let refused = Source::new(kind, uri).take(Some(share(1)), &out).unwrap_err();
    assert!(
        matches!(&refused, ExportError::OtherPlan { .. }) && !out.exists(),
        "{refused}"
    );
    assert!(matches!(
        plan::read_share(&plan, 1, 3),
        Err(plan::PlanError::OtherNumber { planned: 2, .. })
    ));

    // A run that came since is in one of the shards, and the merge says that something changed.
    let database = rusqlite::Connection::open(folder.path().join("mlflow.db")).unwrap();
    let copied = "INSERT INTO runs (run_uuid, name, status, start_time, lifecycle_stage, experiment_id)
        SELECT 'abcdefabcdefabcdefabcdefabcdefab', name, status, start_time, lifecycle_stage, experiment_id FROM runs LIMIT 1";
    assert_eq!(database.execute(copied, []).unwrap(), 1);
    drop(database);
    let take = |number| {
        let out = folder.path().join(format!("planned-{number}.zip"));
        source.take(Some(share(number)), &out).unwrap();
        Archive::open(&out).unwrap()
    };
    let report = merged(&[take(1), take(2)], &folder.path().join("grown.zip")).unwrap();
    assert!(
        report
            .notices
            .keys()
            .any(|notice| notice.contains("other runs than the plan")),
        "{:?}",
        report.notices
    );
    let whole = source.take(None, &folder.path().join("whole.zip")).unwrap();
    assert_eq!(report.manifest.unwrap().content_id, whole.content_id);
}
