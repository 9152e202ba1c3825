//! Objects with names: made, found again, merged into, renamed, in conflict.

use super::*;

#[test]
fn all_is_made_in_an_empty_target_and_default_goes_into_its_own() {
    let plan = Content::small()
        .write()
        .plan(&server("3.18.0"), &ImportOptions::default());
    insta::assert_snapshot!(plan.to_text(), @r"
    plan for http://127.0.0.1:5000 (MLflow 3.18.0)
      experiments          create 2, merge 1
      runs                 create 2
    ");
    assert_eq!(decided(&plan, "0"), (Action::Merge, "Default", Some("0")));
    assert_eq!(decided(&plan, "7"), (Action::Create, "fraud", None));
    assert_eq!(plan.to_create(), 4);
    assert!(plan.changes.is_empty() && plan.conflicts().next().is_none());
}

#[test]
fn a_plan_names_each_object_when_asked_in_both_forms() {
    let options = ImportOptions {
        list_objects: true,
        ..ImportOptions::default()
    };
    let mut content = Content::small();
    content.runs.truncate(1);
    let plan = content.write().plan(&server("3.18.0"), &options);
    insta::assert_snapshot!(plan.to_text(), @r"
    plan for http://127.0.0.1:5000 (MLflow 3.18.0)
      experiments          create 2, merge 1
      runs                 create 1
      merge    experiments 0 `Default` -> 0
      create   experiments 7 `fraud`
      create   experiments 8 `churn`
      create   runs 00000000000000000000000000000001 `run 1`
    ");
    insta::assert_json_snapshot!(plan.to_json()["objects"][3], @r#"
    {
      "action": "create",
      "id": "00000000000000000000000000000001",
      "kind": "runs",
      "name": "run 1"
    }
    "#);
}

#[test]
fn what_an_earlier_import_made_is_reused_whatever_its_name_is_now() {
    let written = Content::small().write();
    let mut target = server("3.18.0");
    add_marked(&mut target, "31", "fraud, renamed since", "7");
    let mut mapping = IdMap::default();
    mapping.insert(Kind::Runs, &run_id(1), &TargetId::new(run_id(91)), false);
    let plan = written
        .try_plan(&target, &mapping, &ImportOptions::default())
        .unwrap();
    assert_eq!(
        decided(&plan, "7"),
        (Action::Reuse, "fraud, renamed since", Some("31"))
    );
    let runs = Tally {
        create: 1,
        reuse: 1,
        ..Tally::default()
    };
    assert_eq!(plan.tallies[&Kind::Runs], runs);
}

#[test]
fn a_marked_experiment_of_another_origin_is_not_ours() {
    let written = Content::small().write();
    let mut target = server("3.18.0");
    let other = mark::mark("elsewhere", Kind::Experiments, "7");
    add(&mut target, "31", "fraud")
        .tags
        .insert(mark::KEY.to_owned(), other);
    let plan = written.plan(&target, &ImportOptions::default());
    assert_eq!(decided(&plan, "7"), (Action::Conflict, "fraud", Some("31")));
}

#[test]
fn what_the_journal_knows_and_the_target_lacks_ends_the_plan() {
    let written = Content::small().write();
    let mut mapping = IdMap::default();
    mapping.insert(Kind::Experiments, "7", &TargetId::new("31"), false);
    let error = written
        .try_plan(&server("3.18.0"), &mapping, &ImportOptions::default())
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "experiments `7` was imported as `31`, but the target no longer has it"
    );
}

#[test]
fn a_taken_name_is_a_conflict_is_merged_into_or_gets_a_number() {
    let written = Content::small().write();
    let mut target = server("3.18.0");
    add(&mut target, "1", "fraud");
    add(&mut target, "2", "fraud-2");
    let plan = written.plan(&target, &on_conflict(OnConflict::Fail));
    assert_eq!(decided(&plan, "7"), (Action::Conflict, "fraud", Some("1")));
    let conflicts: Vec<_> = plan.conflicts().map(|item| item.id.as_str()).collect();
    assert_eq!(conflicts, ["7"]);
    let plan = written.plan(&target, &on_conflict(OnConflict::Merge));
    assert_eq!(decided(&plan, "7"), (Action::Merge, "fraud", Some("1")));
    let plan = written.plan(&target, &on_conflict(OnConflict::Rename));
    assert_eq!(decided(&plan, "7"), (Action::Create, "fraud-3", None));
    // A deleted experiment blocks its name and takes nothing in.
    target
        .experiments
        .get_mut(&TargetId::new("1"))
        .unwrap()
        .is_deleted = true;
    let plan = written.plan(&target, &on_conflict(OnConflict::Merge));
    assert_eq!(decided(&plan, "7").0, Action::Conflict);
}

#[test]
fn two_objects_of_one_name_in_the_archive_conflict_with_each_other() {
    let written = Content::small().write();
    let renamed = |on_conflict| ImportOptions {
        rename_experiments: [("churn".to_owned(), "fraud".to_owned())].into(),
        on_conflict,
        ..ImportOptions::default()
    };
    let plan = written.plan(&server("3.18.0"), &renamed(OnConflict::Fail));
    assert_eq!(decided(&plan, "7").0, Action::Create);
    assert_eq!(decided(&plan, "8").0, Action::Conflict);
    let plan = written.plan(&server("3.18.0"), &renamed(OnConflict::Rename));
    assert_eq!(decided(&plan, "8"), (Action::Create, "fraud-2", None));
}

#[test]
fn a_deleted_experiment_yields_its_name_and_is_not_deleted_where_it_is_not_ours() {
    let mut content = Content::small();
    content.experiments[1].name = "churn".to_owned();
    content.experiments[1].lifecycle_stage = "deleted".to_owned();
    let written = content.write();
    let plan = written.plan(&server("3.18.0"), &on_conflict(OnConflict::Rename));
    assert_eq!(decided(&plan, "8"), (Action::Create, "churn", None));
    assert_eq!(decided(&plan, "7"), (Action::Create, "churn-2", None));
    assert!(plan.experiment("7").unwrap().delete && !plan.experiment("8").unwrap().delete);

    content.experiments[1].name = "fraud".to_owned();
    let mut target = server("3.18.0");
    add(&mut target, "1", "fraud");
    let plan = content.write().plan(&target, &on_conflict(OnConflict::Merge));
    assert!(!plan.experiment("7").unwrap().delete);
    let kept = (
        Kind::Experiments,
        "lifecycle_stage",
        "not-ours-to-delete",
        Outcome::Kept,
    );
    assert_eq!(limits(&plan), [kept]);
}

#[test]
fn one_name_fits_one_experiment() {
    let options = ImportOptions {
        experiment_name: Some("all".to_owned()),
        ..ImportOptions::default()
    };
    let written = Content::small().write();
    let error = written
        .try_plan(&server("3.18.0"), &IdMap::default(), &options)
        .unwrap_err();
    assert_eq!(error.to_string(), "one new name was given for 3 experiments");
    let one = ImportOptions {
        only: Only {
            experiments: Patterns::names(vec!["fraud".to_owned()]).unwrap(),
            ..Only::default()
        },
        ..options
    };
    let plan = written.plan(&server("3.18.0"), &one);
    assert_eq!(decided(&plan, "7"), (Action::Create, "all", None));
}

#[test]
fn a_taken_model_name_is_a_conflict_is_merged_into_or_gets_a_number() {
    let written = Content::with_model("wine", &[], &[]).write();
    let mut target = server("3.18.0");
    target.models.insert("wine".to_owned(), TargetModel::default());
    let decided = |target: &TargetState, how| {
        let plan = written.plan(target, &on_conflict(how));
        (plan.models[0].action, plan.models[0].target_name.clone())
    };
    let expected = |action, name: &str| (action, name.to_owned());
    assert_eq!(
        decided(&target, OnConflict::Fail),
        expected(Action::Conflict, "wine")
    );
    assert_eq!(
        decided(&target, OnConflict::Merge),
        expected(Action::Merge, "wine")
    );
    assert_eq!(
        decided(&target, OnConflict::Rename),
        expected(Action::Create, "wine-2")
    );
    // The one that an earlier import had to call otherwise is found again by its mark.
    let mut ours = TargetModel::default();
    let mark = mark::mark(ORIGIN, Kind::RegisteredModels, "wine");
    ours.tags.insert(mark::KEY.to_owned(), mark);
    target.models.insert("wine-2".to_owned(), ours);
    assert_eq!(
        decided(&target, OnConflict::Fail),
        expected(Action::Reuse, "wine-2")
    );
}

#[test]
fn a_name_that_the_target_refuses_as_too_long_ends_the_plan() {
    let content = Content {
        experiments: vec![experiment("7", &"n".repeat(257))],
        ..Content::default()
    };
    let written = content.write();
    let plan = |version| written.try_plan(&server(version), &IdMap::default(), &ImportOptions::default());
    assert!(plan("3.18.0").is_ok());
    let error = plan("2.9.2").unwrap_err().to_string();
    assert!(error.contains("--rename-experiment"), "{error}");
}

#[test]
fn an_experiment_that_only_a_run_names_is_made_up_without_source_tags() {
    let mut content = Content::with_model("wine", &[], &[]);
    content.runs = vec![run(1, "7"), run(2, "8")];
    content.versions[0].run_id = Some(run_id(1));
    content.versions[0].exim = Some(r#"{"name":"wine","version":"1","_experiment_name":"fraud"}"#.to_owned());
    let options = ImportOptions {
        source_tags: true,
        ..ImportOptions::default()
    };
    let plan = content.write().plan(&server("3.18.0"), &options);
    let names: Vec<_> = plan
        .experiments
        .iter()
        .map(|planned| planned.target_name.as_str())
        .collect();
    assert_eq!(names, ["fraud", "experiment 8"]);
    assert_eq!(plan.tallies[&Kind::Experiments].create, 2);
    assert_eq!(
        counts(&plan)
            .into_iter()
            .filter(|count| count.0 == Kind::Experiments)
            .collect::<Vec<_>>(),
        [(
            Kind::Experiments,
            "experiment-not-in-archive".into(),
            Outcome::Replaced,
            2
        )]
    );
    let experiments = experiments_of(&content.write().archive).unwrap();
    let fitting = Fitting::new(server("3.18.0").limits(), false, &ORIGIN.into(), &options);
    let (tags, _) = fitting.experiment(&experiments[0]).unwrap();
    let own = tags.iter().all(|(key, _)| key.starts_with("mlflow_exim.mlark."));
    assert!(own, "{tags:?}");
}
