//! Whether a folder is an export, told by what lies in it.

use super::layout::{
    EVALUATION_DATASET, EVALUATION_DATASETS_INDEX, EXPERIMENT, EXPERIMENTS_INDEX, Entries, LOGGED_MODEL,
    MANIFEST, MODEL, MODELS_INDEX, PROMPT, RUN, TRACE, VERSION,
};
use crate::archive::open_input;
use std::io::Read;
use std::path::Path;

/// Files that tell, the most telling first.
const TELLING: &[&str] = &[
    EXPERIMENT,
    RUN,
    MODEL,
    VERSION,
    EXPERIMENTS_INDEX,
    MODELS_INDEX,
    LOGGED_MODEL,
    TRACE,
    PROMPT,
    EVALUATION_DATASET,
    MANIFEST,
    "models_manifest.json",
    "prompts_summary.json",
    EVALUATION_DATASETS_INDEX,
];

/// Bytes of a file that are looked at.
const HEAD_BYTES: u64 = 64 << 10;
/// Folders of one level that are looked into.
const MAX_FOLDERS: usize = 100;

/// Whether mlflow-export-import wrote this folder: a file of its own with `system` and `mlflow` at the top, or with
/// `export_info`, lies in it or up to two levels below. A file whose JSON is broken further down still tells.
pub fn looks_like_exim(path: &Path) -> bool {
    tells(path, 2)
}

/// Whether a file of mlflow-export-import lies in the folder itself.
pub(crate) fn is_exim(folder: &Path) -> bool {
    TELLING.iter().any(|name| is_exported(&folder.join(name)))
}

fn tells(folder: &Path, levels: usize) -> bool {
    if is_exim(folder) {
        return true;
    }
    if levels == 0 {
        return false;
    }
    let folders = Entries::of(folder).unwrap_or_default().folders;
    let mut folders = folders.iter().take(MAX_FOLDERS);
    folders.any(|name| tells(&folder.join(name), levels - 1))
}

fn is_exported(file: &Path) -> bool {
    let Some(head) = head_of(file) else { return false };
    let format_2 = head.contains("\"system\"") && head.contains("\"mlflow_version\"");
    // Indexes of format 1 have only `info`.
    let format_1 = head.contains("\"export_info\"")
        || (head.contains("\"info\"") && head.contains("\"mlflow_tracking_uri\""));
    head.trim_start().starts_with('{') && (format_2 || format_1)
}

/// The first bytes of a file, as text.
pub(super) fn head_of(file: &Path) -> Option<String> {
    let mut head = Vec::new();
    open_input(file)
        .ok()?
        .take(HEAD_BYTES)
        .read_to_end(&mut head)
        .ok()?;
    Some(String::from_utf8_lossy(&head).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::export::detect::tests::folder_with;

    #[test]
    fn an_export_is_known_by_its_files_even_where_they_are_broken() {
        for (file, text) in [
            (
                "experiment.json",
                r#"{"system": {"mlflow_version": "2.0.1"}, "mlflow": {"#,
            ),
            ("run.json", r#"{"export_info": {}, "info": {}}"#),
            (
                "manifest.json",
                r#"{"experiment": {}, "export_info": {"ok_runs": []}}"#,
            ),
            (
                "models/m/model.json",
                r#"{"system": {"mlflow_version": "3.18.0"}}"#,
            ),
            (
                "models_manifest.json",
                r#"{"info": {"mlflow_tracking_uri": "http://h"}}"#,
            ),
        ] {
            assert!(looks_like_exim(folder_with(&[(file, text)]).path()), "{file}");
        }
    }

    #[test]
    fn other_folders_are_not() {
        for (file, text) in [
            ("run.json", "{}"),
            ("0/meta.yaml", "experiment_id: '0'"),
            ("a/b/c/run.json", r#"{"export_info": {}}"#),
            ("experiment.json", r#"["system", "mlflow_version"]"#),
        ] {
            assert!(!looks_like_exim(folder_with(&[(file, text)]).path()), "{file}");
        }
        assert!(!looks_like_exim(Path::new("no such folder")));
    }
}
