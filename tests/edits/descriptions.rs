//! Descriptions: those that are set or unset can be undone, those that are dropped or masked are gone with their copies.

use crate::recipes::Made;
use crate::tags::files_with;
use mlark::flow::transform::descriptions::{Described, DescribedKind, SetDescription};
use mlark::flow::transform::source_tags::{Beyond, SourceTags, SourceTagsBeyond};
use mlark::flow::transform::{Edit, TransformError};
use mlark::model::{Experiment, LoggedModel, ModelVersion, RegisteredModel, Run, Workspace};

const KINDS: [DescribedKind; 6] = [
    DescribedKind::Workspace,
    DescribedKind::Experiment,
    DescribedKind::Run,
    DescribedKind::LoggedModel,
    DescribedKind::Model,
    DescribedKind::Version,
];

fn set(kind: Option<DescribedKind>, name: &str, description: &str) -> Edit {
    Edit::SetDescription(SetDescription {
        kind,
        name: name.into(),
        description: description.into(),
    })
}

fn of(kind: Option<DescribedKind>, name: &str) -> Described {
    Described {
        kind,
        name: name.into(),
    }
}

/// All descriptions of an archive, by kind in the order of [`KINDS`].
fn descriptions(made: &Made, name: &str) -> Vec<Vec<Option<String>>> {
    let archive = made.archive(name);
    let note = |tags: &mlark::model::TextMap| Some(tags.get("mlflow.note.content")?.as_str()?.to_owned());
    vec![
        archive
            .objects::<Workspace>()
            .map(|it| it.unwrap().description)
            .collect(),
        archive
            .objects::<Experiment>()
            .map(|it| note(&it.unwrap().tags))
            .collect(),
        archive
            .objects::<Run>()
            .map(|it| note(&it.unwrap().tags))
            .collect(),
        archive
            .objects::<LoggedModel>()
            .map(|it| note(&it.unwrap().tags))
            .collect(),
        archive
            .objects::<RegisteredModel>()
            .map(|it| it.unwrap().description)
            .collect(),
        archive
            .objects::<ModelVersion>()
            .map(|it| it.unwrap().description)
            .collect(),
    ]
}

fn aliases(made: &Made, name: &str) -> Vec<String> {
    let models = made.archive(name);
    let models = models.objects::<RegisteredModel>();
    models
        .map(|model| format!("{:?}", model.unwrap().aliases))
        .collect()
}

#[test]
fn a_description_of_any_kind_is_set_unset_and_undone() {
    let made = Made::rich();
    let before = descriptions(&made, "in");
    for (place, kind) in KINDS.into_iter().enumerate() {
        let out = format!("set-{place}");
        made.apply("in", vec![set(Some(kind), "*", "what it is for")], &out);
        let mut expected = before.clone();
        assert!(!expected[place].is_empty(), "{kind:?}");
        expected[place].fill(Some("what it is for".into()));
        assert_eq!(descriptions(&made, &out), expected);
        assert_eq!(aliases(&made, &out), aliases(&made, "in"));
        // The same again changes nothing.
        let again = made.apply(
            &out,
            vec![set(Some(kind), "*", "what it is for")],
            &format!("again-{place}"),
        );
        assert!(again.counts.is_empty(), "{kind:?} {:?}", again.counts);
        made.apply(
            &out,
            vec![Edit::UnsetDescription(of(Some(kind), "*"))],
            &format!("unset-{place}"),
        );
        expected[place].fill(None);
        assert_eq!(descriptions(&made, &format!("unset-{place}")), expected);
        made.undo(&format!("unset-{place}"), &format!("back-{place}"));
        assert_eq!(made.id(&format!("back-{place}")), made.id(&out));
        made.undo(&out, &format!("first-{place}"));
        assert_eq!(made.id(&format!("first-{place}")), made.id("in"));
    }
}

#[test]
fn descriptions_that_are_dropped_or_masked_are_gone_with_their_copies() {
    const SECRET: &str = "the patient of room 12";
    for (erase, left) in [
        (Edit::DropDescription as fn(Described) -> Edit, None),
        (Edit::MaskDescription, Some("***".to_owned())),
    ] {
        let made = Made::rich();
        let edits = vec![
            set(None, "*", SECRET),
            Edit::SourceTags(SourceTags::default()),
            Edit::SourceTagsBeyond(SourceTagsBeyond {
                kinds: Beyond::ALL.to_vec(),
            }),
        ];
        made.apply("in", edits, "told");
        assert!(!files_with(&made.path("told"), SECRET).is_empty());
        made.apply("told", vec![erase(of(None, "*"))], "out");
        assert_eq!(files_with(&made.path("out"), SECRET), [""; 0]);
        for of_kind in descriptions(&made, "out") {
            assert!(
                !of_kind.is_empty() && of_kind.iter().all(|found| *found == left),
                "{of_kind:?}"
            );
        }
        // One kind of object alone: the text stays elsewhere, which shows that the search can find it.
        made.apply("told", vec![erase(of(Some(DescribedKind::Model), "*"))], "some");
        let files = files_with(&made.path("some"), SECRET);
        assert!(
            !files.iter().any(|file| file.contains("registered-models")),
            "{files:?}"
        );
        assert!(files.iter().any(|file| file.contains("runs-")), "{files:?}");
    }
}

#[test]
fn a_name_that_nothing_has_is_an_error_and_a_glob_is_told() {
    let made = Made::golden();
    let refused = made.try_apply("in", vec![set(Some(DescribedKind::Model), "no such", "x")], "out");
    let error = refused.unwrap_err();
    assert!(matches!(error, TransformError::Edit { .. }));
    assert_eq!(
        error.to_string(),
        "set-description: no object that can have a description is named `no such`"
    );
    assert!(!made.path("out").exists());
    let report = made.apply("in", vec![Edit::DropDescription(of(None, "no such*"))], "out");
    assert_eq!(report.silent, ["--drop-description `no such*`"]);
    assert!(report.counts.is_empty());
    // A version is called by its model and number.
    let wine = set(Some(DescribedKind::Version), "wine/2", "the second");
    made.apply("in", vec![wine], "wine");
    let versions = made.archive("wine");
    let described: Vec<_> = versions
        .objects::<ModelVersion>()
        .map(|version| version.unwrap())
        .filter(|version| version.description.as_deref() == Some("the second"))
        .map(|version| (version.name, version.version))
        .collect();
    assert_eq!(described, [("wine".to_owned(), 2)]);
}
