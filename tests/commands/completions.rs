//! Completions that complete, in the shells that are here, and manual pages.

use std::path::Path;
use std::process::Command;

fn mlark(args: &[&str]) -> Vec<u8> {
    let output = Command::new(env!("CARGO_BIN_EXE_mlark"))
        .args(args)
        .output()
        .unwrap();
    assert!(output.status.success(), "{args:?}");
    output.stdout
}

/// What a shell prints; none where there is no such shell.
fn told(shell: &str, folder: &Path, script: &str) -> Option<String> {
    let output = Command::new(shell)
        .args(["-c", script])
        .current_dir(folder)
        .env("HOME", folder)
        .output();
    let output = match output {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            eprintln!("SKIPPED: there is no {shell}");
            return None;
        }
        output => output.unwrap(),
    };
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{shell}: {errors}");
    Some(String::from_utf8(output.stdout).unwrap())
}

#[test]
fn completions_complete_commands_options_and_values() {
    let folder = tempfile::tempdir().unwrap();
    for (shell, name) in [("bash", "mlark.bash"), ("zsh", "_mlark"), ("fish", "mlark.fish")] {
        let script = mlark(&["completions", shell]);
        std::fs::write(folder.path().join(name), script).unwrap();
    }
    let bash = "source ./mlark.bash
complete() { COMP_WORDS=(\"$@\"); COMP_CWORD=$(($# - 1)); COMPREPLY=()
  _mlark mlark \"${COMP_WORDS[COMP_CWORD]}\" \"${COMP_WORDS[COMP_CWORD-1]}\"; echo \"${COMPREPLY[@]}\"; }
complete mlark ver; complete mlark export --keep; complete mlark convert --to ''";
    let said = told("bash", folder.path(), bash).unwrap();
    assert_eq!(
        said.lines().collect::<Vec<_>>(),
        ["verify", "--keep-going", "parquet csv exim"]
    );
    let fish = "source ./mlark.fish; complete -C 'mlark ver'; complete -C 'mlark convert --to '";
    if let Some(said) = told("fish", folder.path(), fish) {
        let words = said.lines().map(|line| line.split('\t').next().unwrap());
        let words: Vec<_> = words.map(|word| word.trim_start_matches("--to=")).collect();
        assert_eq!(words, ["verify", "csv", "exim", "parquet"]);
    }
    let zsh = "fpath=($PWD $fpath); autoload -Uz compinit; compinit -u -D; print $_comps[mlark]";
    if let Some(said) = told("zsh", folder.path(), zsh) {
        assert_eq!(said.trim(), "_mlark");
    }
}

#[test]
fn every_command_has_a_manual_page_that_is_rendered_without_a_warning() {
    let folder = tempfile::tempdir().unwrap();
    mlark(&["manual", folder.path().to_str().unwrap()]);
    let pages: Vec<_> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    let help = String::from_utf8(mlark(&["help"])).unwrap();
    let commands = help
        .lines()
        .filter(|line| line.starts_with("  ") && line.as_bytes().get(2).is_some_and(u8::is_ascii_lowercase));
    for name in commands.map(|line| line.split_whitespace().next().unwrap()) {
        let page = folder.path().join(format!("mlark-{name}.1"));
        assert!(name == "help" || page.is_file(), "{name}");
    }
    assert!(pages.len() > 20);
    for page in pages {
        let output = Command::new("man")
            .args(["--warnings", "-l"])
            .arg(&page)
            .env("MANPAGER", "cat")
            .output();
        let Ok(output) = output else {
            eprintln!("SKIPPED: there is no man");
            return;
        };
        let warnings = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(warnings.is_empty(), "{}: {warnings}", page.display());
        assert!(String::from_utf8_lossy(&output.stdout).contains("NAME"));
    }
}
