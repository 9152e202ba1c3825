//! Progress: a phase whose steps are known comes to its end.

use mlark::archive::verify::{VerifyOptions, verify};
use mlark::archive::{ContainerKind, WriterOptions};
use mlark::flow::export::detect::SourceKind;
use mlark::flow::export::{ExportOptions, export};
use mlark::monitor::Monitor;
use std::path::Path;
use std::sync::Mutex;

/// Phases with their totals and the steps that were done.
#[derive(Default)]
struct Phases(Mutex<Vec<(String, Option<u64>, u64)>>);

impl Monitor for Phases {
    fn begin(&self, phase: &str, total: Option<u64>) {
        self.0.lock().unwrap().push((phase.to_owned(), total, 0));
    }

    fn advance(&self, steps: u64) {
        self.0.lock().unwrap().last_mut().unwrap().2 += steps;
    }
}

impl Phases {
    fn check(self, phase: &str) {
        let phases = self.0.into_inner().unwrap();
        let (_, total, done) = phases.iter().find(|(name, ..)| name == phase).unwrap();
        assert!(*done > 0 && *total == Some(*done), "{phase}: {done} of {total:?}");
    }
}

#[test]
fn what_is_counted_beforehand_is_done_in_the_end() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    for (kind, source, phase) in [
        (SourceKind::FileStore, "filestore-3.18.0", "runs"),
        (
            SourceKind::ExportImport,
            "exim-3.18.0/new-layout/all",
            "directories",
        ),
        (SourceKind::Sql, "sql-3.18.0/mlflow.db", "runs"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("out");
        let options = ExportOptions {
            include_deleted: true,
            keep_going: true,
            writer: WriterOptions {
                container: Some(ContainerKind::Directory),
                no_sync: true,
                ..WriterOptions::default()
            },
            ..ExportOptions::default()
        };
        let phases = Phases::default();
        let source = fixtures.join(source).display().to_string();
        export(kind, &source, &out, options, &phases).unwrap();
        phases.check(phase);
        if kind == SourceKind::FileStore {
            let phases = Phases::default();
            verify(&out, &VerifyOptions::default(), &phases).unwrap();
            phases.check("bytes of blobs");
        }
    }
}
