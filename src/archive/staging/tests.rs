use super::*;

fn publish(out: &Path, replace: Replace, text: &str) -> Result<()> {
    let staging = Staging::create(out, replace)?;
    let made = staging.root().join("archive");
    fs::create_dir(&made).unwrap();
    fs::write(made.join("x"), text).unwrap();
    staging.publish("archive", true)
}

#[test]
fn folders_are_made_below_a_root_and_never_a_root() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("archive");
    let path = root.join("experiments/1/runs.jsonl");
    assert!(create_parents_below(&root, &path).is_err());
    assert!(!root.exists());
    fs::create_dir(&root).unwrap();
    create_parents_below(&root, &path).unwrap();
    create_parents_below(&root, &path).unwrap();
    assert!(path.parent().unwrap().is_dir());
    assert!(!path.exists());
}

#[test]
fn an_output_is_replaced_only_when_forced() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("out");
    publish(&out, Replace::Nothing, "one").unwrap();
    assert!(matches!(
        publish(&out, Replace::Nothing, "two"),
        Err(ArchiveError::OutputExists { .. })
    ));
    publish(&out, Replace::Marked("x"), "three").unwrap();
    assert_eq!(fs::read_to_string(out.join("x")).unwrap(), "three");
    assert_eq!(
        fs::read_dir(directory.path()).unwrap().count(),
        1,
        "nothing else is left"
    );
}

#[test]
fn a_directory_of_something_else_is_not_replaced() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("out");
    fs::create_dir(&out).unwrap();
    let force = Replace::Marked("x");
    publish(&out, force, "an empty one is").unwrap();
    fs::remove_file(out.join("x")).unwrap();
    fs::write(out.join("thesis"), "years of work").unwrap();
    let error = publish(&out, force, "two").unwrap_err();
    assert!(matches!(error, ArchiveError::OutputForeign { .. }), "{error}");
    // It may come while the output is made.
    let staging = Staging::create(&directory.path().join("late"), force).unwrap();
    fs::create_dir(staging.root().join("archive")).unwrap();
    fs::rename(&out, directory.path().join("late")).unwrap();
    let error = staging.publish("archive", false).unwrap_err();
    assert!(matches!(error, ArchiveError::OutputForeign { .. }), "{error}");
    assert!(directory.path().join("late/thesis").exists());
}

#[test]
fn a_dropped_staging_leaves_nothing() {
    let directory = tempfile::tempdir().unwrap();
    drop(Staging::create(&directory.path().join("out"), Replace::Nothing).unwrap());
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
}
