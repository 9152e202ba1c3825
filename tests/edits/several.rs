//! Several archives merged and edited as one result, and an archive compared with another after edits.

use crate::helpers::command::{self, mlark, names, shown};
use crate::helpers::universe::{Holding, verified};
use mlark::archive::Archive;
use std::path::Path;
use std::process::Output;

/// Two archives of two origins, and one of the first that differs.
fn archives(directory: &Path) {
    Holding::all().build(&directory.join("here.zip"));
    let there = Holding {
        origin: "there",
        prefix: "t",
        ..Holding::all()
    };
    there.build(&directory.join("there"));
    let other = Holding {
        other: 1,
        ..Holding::all()
    };
    other.build(&directory.join("other.zip"));
}

fn run(directory: &Path, arguments: &str) -> Output {
    mlark(directory, &arguments.split(' ').collect::<Vec<_>>())
}

fn done(directory: &Path, arguments: &str) -> String {
    let output = run(directory, arguments);
    assert_eq!(output.status.code(), Some(0), "{arguments}: {}", shown(&output));
    shown(&output)
}

#[test]
fn several_archives_are_merged_and_edited_as_one_result() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    archives(at);
    done(at, "merge here.zip there -o merged.zip --no-sync");
    done(
        at,
        "transform merged.zip -o expected.zip --set-tag team=credit --no-sync",
    );
    let before = names(at);
    for out in ["made.zip", "made"] {
        let text = done(
            at,
            &format!("transform here.zip there -o {out} --set-tag team=credit --no-sync"),
        );
        assert!(text.contains("runs 24"), "{text}");
        assert!(
            text.contains("`train` of there is now `train-2`"),
            "what the merge did is said: {text}"
        );
        let path = at.join(out);
        assert!(verified(&path).is_intact());
        let [made, expected, merged] =
            [path, at.join("expected.zip"), at.join("merged.zip")].map(|path| Archive::open(&path).unwrap());
        assert_eq!(made.manifest().content_id, expected.manifest().content_id);
        let history = &made.manifest().history;
        let told: Vec<_> = history.iter().map(|entry| entry.name.as_str()).collect();
        assert_eq!(told, ["merge", "set-tag"]);
        assert_eq!(
            history[0].parent_content_ids,
            merged.manifest().history[0].parent_content_ids
        );
        assert_eq!(history[0].parent_content_ids.len(), 2);
        assert_eq!(history[1].parent_content_id, merged.manifest().content_id);
        assert_eq!(made.manifest().origins, expected.manifest().origins);
        // Back to what was merged, and no further.
        done(
            at,
            &format!("transform {out} -o undone.zip --undo --no-sync --force"),
        );
        done(at, "diff undone.zip merged.zip");
        assert_eq!(
            run(at, "transform undone.zip -o further --undo").status.code(),
            Some(2)
        );
    }
    let mut after = names(at);
    after.retain(|name| !["made", "made.zip", "undone.zip"].contains(&name.as_str()));
    assert_eq!(after, before, "nothing else is left");
    // What a look says, without anything being made.
    let look = done(
        at,
        "transform here.zip there --set-tag team=credit --dry-run --json",
    );
    let look: serde_json::Value = serde_json::from_str(look.lines().next().unwrap())
        .unwrap_or_else(|_| serde_json::from_str(look.trim_end_matches("exit 0")).unwrap());
    assert_eq!(look["changes"]["runs"], 24);
    assert_eq!(look["merged"]["inputs"], serde_json::json!(["here.zip", "there"]));
    assert_eq!(look["merged"]["counts"]["runs"], 24);
}

#[test]
fn what_several_archives_do_not_agree_on_is_decided_or_refused() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    archives(at);
    let before = names(at);
    let refused = |arguments: &str, word: &str| {
        let output = run(at, arguments);
        let text = shown(&output);
        assert_eq!(output.status.code(), Some(2), "{arguments}: {text}");
        assert!(text.contains(word), "{arguments}: {text}");
        assert_eq!(names(at), before, "{arguments}");
    };
    refused("transform here.zip other.zip -o made --set-tag a=b", "run `r0`");
    refused(
        "transform here.zip -o made --set-tag a=b --prefer first",
        "several archives",
    );
    refused("transform here.zip there -o made --undo", "one archive");
    refused(
        "transform here.zip there -o here.zip --force --set-tag a=b",
        "here.zip",
    );
    refused("transform here.zip there -o there --set-tag a=b", "there");
    refused(
        "transform here.zip there -o made --rename-experiment no=yes",
        "no",
    );
    done(
        at,
        "transform here.zip other.zip -o made --set-tag a=b --prefer first --no-sync",
    );
    done(at, "transform here.zip -o alone --set-tag a=b --no-sync");
    done(at, "diff made alone");
    // An edit that removes keeps nothing of what the merge could tell.
    done(
        at,
        "transform here.zip there -o kept --exclude experiment:train --no-sync",
    );
    assert!(verified(&at.join("kept")).is_intact());
}

#[test]
fn an_archive_is_compared_with_what_another_is_after_edits() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    archives(at);
    let edits = "--set-tag team=credit --rename-experiment train=learn";
    done(at, &format!("transform here.zip -o edited --no-sync {edits}"));
    let recipe = run(at, &format!("transform --print-recipe {edits}"));
    std::fs::write(at.join("recipe.json"), recipe.stdout).unwrap();
    std::fs::write(
        at.join("wrong.json"),
        r#"{"edits":[{"edit":"set-tag","key":"team"}]}"#,
    )
    .unwrap();
    std::fs::write(
        at.join("none.json"),
        r#"{"edits":[{"edit":"drop-tag","glob":"nothing*"},{"edit":"set-tag","key":"team","value":"other"}]}"#,
    )
    .unwrap();
    let before = names(at);
    done(at, "diff here.zip edited --recipe recipe.json");
    done(at, "diff here.zip edited --recipe recipe.json --quiet");
    // Without the edits, with them on the side that has them, or with others they differ.
    assert_eq!(run(at, "diff here.zip edited --quiet").status.code(), Some(1));
    assert_eq!(
        run(at, "diff here.zip here.zip --recipe recipe.json")
            .status
            .code(),
        Some(1)
    );
    let other = run(at, "diff here.zip edited --recipe none.json");
    assert_eq!(other.status.code(), Some(1));
    let text = command::shown(&other);
    assert!(text.contains("tags.team\t\"other\"\t\"credit\""), "{text}");
    assert!(text.contains("nothing matches --drop-tag `nothing*`"), "{text}");
    for (recipe, word) in [
        ("wrong.json", "edit 1 of the recipe"),
        ("missing.json", "missing.json"),
    ] {
        let refused = run(at, &format!("diff here.zip edited --recipe {recipe}"));
        let text = command::shown(&refused);
        assert_eq!(refused.status.code(), Some(2), "{text}");
        assert!(text.contains(word), "{text}");
    }
    // A name that the first side has not is no difference, but an error.
    let refused = run(at, "diff there edited --recipe recipe.json");
    assert_eq!(refused.status.code(), Some(1), "{}", command::shown(&refused));
    std::fs::write(
        at.join("gone.json"),
        r#"{"edits":[{"edit":"rename-experiment","names":[{"old":"gone","new":"x"}]}]}"#,
    )
    .unwrap();
    let refused = run(at, "diff here.zip edited --recipe gone.json");
    assert_eq!(refused.status.code(), Some(2), "{}", command::shown(&refused));
    assert_eq!(
        names(at).len(),
        before.len() + 1,
        "nothing is left beside the sides"
    );
}
