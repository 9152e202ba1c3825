use super::*;
use crate::flow::import::deviations::{Deviation, Deviations, NotedDeviations, Outcome};
use crate::flow::import::id_map::{MISSING, Parts};
use crate::flow::import::options::ToldOptions;
use crate::format::Reason;

fn key() -> JournalKey {
    JournalKey {
        origin: "o".to_owned(),
        target: "http://127.0.0.1:5000".to_owned(),
    }
}

fn noted(changes: usize) -> NotedDeviations {
    let mut noted = NotedDeviations::default();
    for number in 0..changes {
        noted.add(Deviation {
            kind: Kind::Runs,
            id: "a".to_owned(),
            field: format!("param {number}"),
            reason: Reason::DiffersInTarget.into(),
            outcome: Outcome::Kept,
        });
    }
    noted
}

fn made(journal: &Ledger, kind: Kind, id: &str, new_id: &str) -> Result<(), JournalError> {
    journal.made(kind, id, &TargetId::new(new_id), false)
}

/// Opens a journal to be written.
fn open(path: &Path, content_id: &str) -> (Ledger, JournalContents) {
    let (journal, contents) = Journal::open(path, &key(), content_id, None, &ToldOptions::new()).unwrap();
    (Ledger::new(journal, IdMap::default()), contents)
}

fn written(path: &Path) -> Vec<u8> {
    let (journal, contents) = open(path, "c1");
    assert_eq!(contents.sessions, 0);
    journal.intend(Kind::Runs, &["a", "b"]).unwrap();
    made(&journal, Kind::Runs, "a", "x").unwrap();
    journal
        .done(Kind::Runs, "a", 0xfe, &noted(1), &Parts::new())
        .unwrap();
    drop(journal);
    std::fs::read(path).unwrap()
}

#[test]
fn a_journal_says_again_what_was_written() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("j");
    written(&path);
    let (journal, contents) = open(&path, "c2");
    let known = contents.mapping.get(Kind::Runs, "a").unwrap();
    assert_eq!(
        (known.id.as_str(), known.state.done, known.state.is_fresh),
        ("x", 0xfe, false)
    );
    assert_eq!(contents.mapping.noted(Kind::Runs, "a"), Some(&noted(1)));
    assert!(contents.mapping.is_intended(Kind::Runs, "b") && !contents.mapping.is_intended(Kind::Runs, "a"));
    journal.complete("c2").unwrap();
    drop(journal);
    let contents = Journal::read(&path, &key()).unwrap();
    assert_eq!((contents.sessions, contents.complete.as_deref()), (2, Some("c2")));
}

#[test]
fn of_an_object_with_many_limits_the_first_are_named_and_the_rest_is_counted() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("j");
    let (journal, _) = open(&path, "c1");
    for id in ["a", "b"] {
        made(&journal, Kind::Runs, id, "x").unwrap();
        journal
            .done(Kind::Runs, id, 1, &noted(1_002), &Parts::new())
            .unwrap();
    }
    // What comes again is told anew.
    journal
        .done(Kind::Runs, "b", 1, &NotedDeviations::default(), &Parts::new())
        .unwrap();
    drop(journal);
    let contents = Journal::read(&path, &key()).unwrap();
    let found = contents.mapping.noted(Kind::Runs, "a").unwrap();
    assert_eq!((found, found.named.len()), (&noted(1_002), 1_000));
    let mut changes = Deviations::default();
    changes.note(found);
    assert_eq!(changes.of_reason(Reason::DiffersInTarget), 1_002);
    assert_eq!(contents.mapping.noted(Kind::Runs, "b"), None);
}

#[test]
fn a_torn_last_line_is_cut_and_any_other_damage_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("j");
    let bytes = written(&path);
    let line_ends: Vec<_> = (0..bytes.len()).filter(|&at| bytes[at] == b'\n').collect();
    for cut in 0..bytes.len() {
        std::fs::write(&path, &bytes[..cut]).unwrap();
        let contents = Journal::read(&path, &key()).unwrap();
        let whole = line_ends.iter().rfind(|end| **end < cut).map_or(0, |end| end + 1);
        assert_eq!(contents.whole_bytes, whole as u64);
        drop(open(&path, "c1"));
        assert!(Journal::read(&path, &key()).is_ok());
    }
    for at in 0..bytes.len() - 1 {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        std::fs::write(&path, &changed).unwrap();
        let error = Journal::read(&path, &key()).unwrap_err();
        assert!(matches!(error, JournalError::Damaged { .. }), "{at}: {error}");
    }
}

#[test]
fn a_journal_of_another_import_is_refused_by_name() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("j");
    written(&path);
    let other = JournalKey {
        origin: "p".to_owned(),
        ..key()
    };
    let error = Journal::read(&path, &other).unwrap_err().to_string();
    assert!(error.contains("its origin is `o`, expected `p`"), "{error}");
}

#[test]
fn two_imports_never_share_a_journal() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("j");
    let first = Journal::open(&path, &key(), "c", None, &ToldOptions::new()).unwrap();
    let error = Journal::open(&path, &key(), "c", None, &ToldOptions::new()).unwrap_err();
    assert!(matches!(error, JournalError::InUse { .. }), "{error}");
    drop(first);
    Journal::open(&path, &key(), "c", None, &ToldOptions::new()).unwrap();
}

#[test]
fn what_was_done_is_unchecked_until_a_line_says_otherwise() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("j");
    let (journal, _) = open(&path, "c1");
    let checked = |id: &str| {
        let contents = Journal::read(&path, &key()).unwrap();
        contents.mapping.get(Kind::Runs, id).unwrap().state.is_checked
    };
    for id in ["a", "b"] {
        made(&journal, Kind::Runs, id, id).unwrap();
    }
    journal
        .done(Kind::Runs, "a", 1, &NotedDeviations::default(), &Parts::new())
        .unwrap();
    assert!(!checked("a"));
    journal.checked(Kind::Runs).unwrap();
    assert!(checked("a") && !checked("b"));
    journal
        .done(Kind::Runs, "a", 2, &NotedDeviations::default(), &Parts::new())
        .unwrap();
    assert!(!checked("a"));
}

#[test]
fn another_version_of_the_target_opens_everything_again() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("j");
    let (old, new) = (Version::new(2, 22), Version::new(3, 18));
    let done = |version| {
        let (journal, contents) = Journal::open(&path, &key(), "c1", version, &ToldOptions::new()).unwrap();
        let known = contents
            .mapping
            .get(Kind::Runs, "a")
            .map_or(0, |known| known.state.done);
        let is_noted = contents.mapping.noted(Kind::Runs, "a").is_some();
        let journal = Ledger::new(journal, IdMap::default());
        made(&journal, Kind::Runs, "a", "x").unwrap();
        if known == 0 {
            journal
                .done(Kind::Runs, "a", 7, &noted(1), &Parts::new())
                .unwrap();
            journal.complete("c1").unwrap();
        }
        (known, is_noted, contents.complete.is_some())
    };
    assert_eq!(done(Some(old)), (0, false, false));
    // A server that tells no version is the one it was.
    for version in [Some(old), None] {
        assert_eq!(done(version), (7, true, true));
    }
    assert_eq!(done(Some(new)), (0, false, false));
    assert_eq!(done(Some(new)), (7, true, true));
    let contents = Journal::read(&path, &key()).unwrap();
    assert_eq!(contents.target_version, Some(new));
}

#[test]
fn refused_parts_are_kept_by_name_and_too_many_of_them_send_all_again() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("j");
    let parts = |count: usize| -> Parts { (0..count).map(|number| format!("metric {number}")).collect() };
    let (journal, _) = open(&path, "c1");
    let ids = ["few", "many", "whole", "other kind"];
    for (id, count) in ids.into_iter().zip([2, MISSING + 1, 0, 2]) {
        let kind = if id == "other kind" {
            Kind::Experiments
        } else {
            Kind::Runs
        };
        made(&journal, kind, id, "x").unwrap();
        journal
            .done(kind, id, 7, &NotedDeviations::default(), &parts(count))
            .unwrap();
    }
    let known = |kind: Kind, id: &str| {
        let mapping = Journal::read(&path, &key()).unwrap().mapping;
        let missing = mapping.missing(kind, id).map(|parts| (*parts).clone());
        (mapping.get(kind, id).unwrap().state.done, missing)
    };
    assert_eq!(known(Kind::Runs, "few"), (7, Some(parts(2))));
    assert_eq!(known(Kind::Runs, "many"), (0, None));
    assert_eq!(known(Kind::Runs, "whole"), (7, None));
    assert_eq!(known(Kind::Experiments, "other kind"), (0, None));
    // Once it is taken, nothing is missing.
    journal
        .done(Kind::Runs, "few", 7, &NotedDeviations::default(), &Parts::new())
        .unwrap();
    assert_eq!(known(Kind::Runs, "few"), (7, None));
}

#[test]
fn the_journal_of_an_archive_in_a_bucket_lies_in_the_users_folder() {
    let beside = default_path(Path::new("/x/a.zip"), &key());
    assert_eq!(beside.parent(), Some(Path::new("/x")));
    for archive in ["s3://b/a.zip", "gs://b/a", "abfss://c@a.dfs.core.windows.net/a"] {
        let journal = default_path(Path::new(archive), &key());
        assert_eq!(journal.parent(), Some(state_folder().as_path()), "{archive}");
        assert_eq!(journal.file_name(), beside.file_name());
    }
    assert!(state_folder().ends_with("mlark") && state_folder().is_absolute());
}
