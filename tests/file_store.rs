//! Exports of file stores made by real MLflow.

use mlark::archive::Archive;
use mlark::monitor::Silent;
use mlark::source::{ExportOptions, file_store};
use std::path::{Path, PathBuf};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)
}

#[test]
fn each_fixture_exports_without_failure() {
    for version in ["1.30.1", "2.9.2", "2.22.5", "3.18.0"] {
        let directory = tempfile::tempdir().unwrap();
        let out = directory.path().join("archive");
        let options = ExportOptions {
            include_deleted: true,
            ..ExportOptions::default()
        };
        let report =
            file_store::export(&fixture(&format!("filestore-{version}")), &out, options, &Silent).unwrap();
        let archive = Archive::open(&out).unwrap();
        println!(
            "{version}: {:?} {:?} {:?}",
            report.manifest.counts, report.manifest.losses, report.manifest.totals
        );
        assert!(archive.manifest().count(mlark::format::Kind::Runs) > 0);
    }
}
