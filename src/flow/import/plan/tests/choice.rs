//! What is chosen, and what that needs.

use super::*;

#[test]
fn a_choice_brings_what_it_needs_and_skips_the_rest() {
    let only = ImportOptions {
        only: Only {
            runs: [run_id(2)].into(),
            ..Only::default()
        },
        ..ImportOptions::default()
    };
    let plan = Content::small().write().plan(&server("3.18.0"), &only);
    let names: Vec<_> = plan
        .experiments
        .iter()
        .map(|planned| planned.name.as_str())
        .collect();
    assert_eq!(names, ["churn"]);
    let runs = Tally {
        create: 1,
        skip: 1,
        ..Tally::default()
    };
    assert_eq!(plan.tallies[&Kind::Runs], runs);
}

#[test]
fn only_parents_that_come_are_waited_for() {
    let mut content = Content::small();
    let parent = |id: String| texts(&[("mlflow.parentRunId", &id)]);
    content.runs = vec![run(1, "7"), run(2, "7"), run(3, "7")];
    content.runs[1].tags = parent(run_id(1));
    content.runs[2].tags = parent(run_id(99));
    let plan = content.write().plan(&server("3.18.0"), &ImportOptions::default());
    assert_eq!(plan.parents, [run_id(1)].into());
}

#[test]
fn a_plan_is_about_one_workspace_and_counts_only_what_is_in_it() {
    let mut content = Content::small();
    content.experiments[2].workspace = Some("team-a".to_owned());
    content.models = vec![RegisteredModel {
        name: "wine".to_owned(),
        workspace: Some("team-a".to_owned()),
        ..RegisteredModel::default()
    }];
    content.files = vec!["a#b"];
    let written = content.write();
    let plan = |workspace: &str, is_flat| {
        let target = TargetState {
            workspace: Some(workspace.to_owned()),
            is_flat,
            ..server("3.18.0")
        };
        written.plan(&target, &ImportOptions::default())
    };
    // The file that servers refuse is in a run of the other one.
    insta::assert_snapshot!(plan("team-a", false).to_text(), @r"
    plan for http://127.0.0.1:5000 (MLflow 3.18.0)
      workspaces           reuse 1
      experiments          create 1
      runs                 create 1
      registered-models    create 1
    ");
    insta::assert_snapshot!(plan("default", false).to_text(), @r"
    plan for http://127.0.0.1:5000 (MLflow 3.18.0)
      experiments          create 1, merge 1
      runs                 create 1
    limit: 1 artifacts: path-refused (left out)
      00000000000000000000000000000001 a#b
    ");
    insta::assert_snapshot!(plan("team-a", true).to_text(), @r"
    plan for http://127.0.0.1:5000 (MLflow 3.18.0)
      experiments          create 1
      runs                 create 1
      registered-models    create 1
    limit: 1 workspaces: no-workspaces-in-target (left out)
      team-a *
    ");
}

#[test]
fn what_is_left_out_by_choice_is_no_limit() {
    let mut content = Content::small();
    content.files = vec!["a#b"];
    content.points = vec![Point {
        timestamp: -1,
        step: 0,
        value: Double(1.0),
        link: None,
    }];
    let only = ImportOptions {
        only: Only {
            runs: [run_id(2)].into(),
            ..Only::default()
        },
        ..ImportOptions::default()
    };
    let plan = content.write().plan(&server("3.18.0"), &only);
    assert!(plan.changes.is_empty(), "{:?}", plan.changes);
}
