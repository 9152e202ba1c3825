//! Archives of every released format version stay readable, and equal content keeps its id.

use mlark::archive::{Archive, verify};
use mlark::flow::export::ExportOptions;
use mlark::flow::export::{self, detect};
use mlark::flow::transform::{self, TransformOptions, source_tags};
use mlark::monitor::Silent;
use std::fs;
use std::path::{Path, PathBuf};

/// Format versions this test knows; a new folder in `fixtures/golden` must be added here.
const VERSIONS: [&str; 1] = ["v1.0"];
/// The archives of a version, in the order of its `content-ids`.
const ARCHIVES: [&str; 3] = ["directory", "archive.zip", "tagged.zip"];

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

#[test]
fn every_golden_version_is_tested() {
    let mut found: Vec<_> = fs::read_dir(fixtures().join("golden"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    found.sort();
    assert_eq!(found, VERSIONS);
}

#[test]
fn golden_archives_are_intact_and_have_their_content_ids() {
    for version in VERSIONS {
        let folder = fixtures().join("golden").join(version);
        let ids = fs::read_to_string(folder.join("content-ids")).unwrap();
        for (name, expected) in ARCHIVES.iter().zip(ids.split_whitespace()) {
            let path = folder.join(name);
            let report = verify::verify(&path, &verify::VerifyOptions::default(), &Silent).unwrap();
            assert!(report.is_intact(), "{}: {report:?}", path.display());
            let archive = Archive::open(&path).unwrap();
            assert_eq!(
                archive.manifest().content_id.to_string(),
                expected,
                "{}",
                path.display()
            );
        }
    }
}

#[test]
fn the_same_source_gives_the_golden_content_still() {
    let folder = fixtures().join("golden/v1.0");
    let ids = fs::read_to_string(folder.join("content-ids")).unwrap();
    let ids: Vec<_> = ids.split_whitespace().collect();
    let store = fixtures().join("filestore-3.18.0/mlruns").display().to_string();
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("out.zip");
    let options = ExportOptions {
        include_deleted: true,
        ..ExportOptions::default()
    };
    let kind = detect::kind_of(&store).unwrap();
    let report = export::export(kind, &store, &out, options, &Silent).unwrap();
    assert_eq!(report.manifest.content_id.to_string(), ids[0]);

    let archive = Archive::open(&folder.join("directory")).unwrap();
    let tagged = directory.path().join("tagged");
    let report = source_tags::inject(&archive, &tagged, &TransformOptions::default()).unwrap();
    assert_eq!(report.manifest.content_id.to_string(), ids[2]);
    let archive = Archive::open(&folder.join("tagged.zip")).unwrap();
    let undone = directory.path().join("undone");
    let report = transform::undo(&archive, &undone, &TransformOptions::default()).unwrap();
    assert_eq!(report.manifest.content_id.to_string(), ids[1]);
}

/// Copies the golden directory with another text in its manifest, sealed anew.
fn with_manifest(edit: impl Fn(&str) -> String) -> (tempfile::TempDir, String) {
    use sha2::Digest as _;
    let directory = tempfile::tempdir().unwrap();
    let manifest = fs::read_to_string(fixtures().join("golden/v1.0/directory/mlark.json")).unwrap();
    let edited = edit(&manifest);
    assert_ne!(edited, manifest, "the edit found its place");
    let digest = mlark::model::Digest(sha2::Sha256::digest(&edited).into());
    fs::write(directory.path().join("mlark.json"), edited).unwrap();
    fs::write(
        directory.path().join("mlark.json.sha256"),
        format!("{digest}  mlark.json\n"),
    )
    .unwrap();
    let error = Archive::open(directory.path())
        .err()
        .expect("it is from the future");
    let cause = std::error::Error::source(&error).unwrap().to_string();
    (directory, cause)
}

#[test]
fn an_archive_from_the_future_is_refused_by_name_with_the_remedy() {
    let (_directory, cause) = with_manifest(|text| text.replace("\"major\": 1", "\"major\": 1000"));
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(
        cause,
        format!("archive has format version 1000.0, and mlark {version} reads up to 1.x: use a newer mlark")
    );
    let (_directory, cause) =
        with_manifest(|text| text.replace("\"requires\": []", "\"requires\": [\"quantum\"]"));
    assert_eq!(
        cause,
        format!(
            "archive needs the format feature `quantum`, which mlark {version} does not know: use a newer mlark"
        )
    );
}
