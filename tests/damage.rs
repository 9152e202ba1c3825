//! The damage matrix, and damage at random: `verify` finds all of it.

#[path = "common/rich.rs"]
mod rich;

use mlark::archive::verify::{VerifyOptions, VerifyReport, verify};
use mlark::monitor::Silent;
use std::path::Path;

fn report(path: &Path) -> VerifyReport {
    verify(path, &VerifyOptions { threads: 2 }, &Silent).unwrap()
}

#[test]
fn an_intact_archive_of_every_kind_has_no_findings() {
    let directory = tempfile::tempdir().unwrap();
    for name in ["rich", "rich.zip"] {
        let out = directory.path().join(name);
        let manifest = rich::build(&out);
        let report = report(&out);
        assert_eq!(report.findings, [], "{name}");
        assert_eq!(report.content_id, Some(manifest.content_id));
        assert_eq!(report.checked.blobs, manifest.totals.blobs);
    }
}
