//! Which options are edits, and how their values are read.

use crate::flow::transform::Edit;
use crate::flow::transform::descriptions::{Described, DescribedKind, SetDescription};
use crate::flow::transform::move_runs::MoveRuns;
use crate::flow::transform::redact::{DropArtifacts, Plain};
use crate::flow::transform::relocate::{Relocate, RelocatePair};
use crate::flow::transform::rename::{IntoWorkspace, Rename, RenamePair};
use crate::flow::transform::source_tags::{LineageTags, SourceTags, SourceTagsBeyond};
use crate::flow::transform::tags::{EraseTexts, RenameText, SetText, TagKind, UnsetText};
use std::fs;
use std::path::Path;

/// Largest recipe, or file of names, that is read.
const FILE_BYTES: u64 = 64 << 20;

/// An option that is an edit.
pub(super) struct EditOption {
    pub(super) name: &'static str,
    /// What its value is called; a flag has none.
    pub(super) value: Option<&'static str>,
    pub(super) help: &'static str,
    /// Makes the edit of the value.
    pub(super) edit: fn(&str) -> Result<Edit, String>,
}

/// Every edit that has an option of its own, as help lists them.
pub(super) const OPTIONS: &[EditOption] = &[
    EditOption {
        name: "source-tags",
        value: None,
        help: "Add the source tags that mlflow-export-import adds with --import-source-tags (`mlflow_exim.*`)",
        edit: |_| Ok(Edit::SourceTags(SourceTags::default())),
    },
    EditOption {
        name: "source-tags-beyond",
        value: Some("KIND,…"),
        help: "Add source tags to kinds that mlflow-export-import leaves without: registered-models, logged-models, traces, prompts, evaluation-datasets, or all",
        edit: |value| {
            let edit = SourceTagsBeyond::parse(value).map(Edit::SourceTagsBeyond);
            edit.ok_or_else(|| {
                "expected `all`, or some of registered-models, logged-models, traces, prompts, evaluation-datasets".to_owned()
            })
        },
    },
    EditOption {
        name: "lineage-tags",
        value: None,
        help: "Add to every object its first origin (`mlflow_exim.origin.*`, never replaced) and the chain of all hops (`mlflow_exim.lineage`)",
        edit: |_| Ok(Edit::LineageTags(LineageTags::default())),
    },
    EditOption {
        name: "lineage-tags-plain",
        value: None,
        help: "Like --lineage-tags, but with keys without dots, as Unity Catalog requires (`mlflow_exim_lineage`)",
        edit: |_| Ok(Edit::LineageTags(LineageTags { plain: true })),
    },
    EditOption {
        name: "exclude",
        value: Some("KIND:NAME"),
        help: "Remove an experiment, run or model and everything that belongs to it (`experiment:tmp*`, `run:0af3`, `model:old`)",
        edit: super::select_edits::exclude,
    },
    EditOption {
        name: "rename-experiment",
        value: Some("OLD=NEW"),
        help: "Rename an experiment, given by name or id; `*` on both sides matches any text, and @FILE reads one pair per line",
        edit: |value| Ok(Edit::RenameExperiment(pairs(value)?)),
    },
    EditOption {
        name: "rename-model",
        value: Some("OLD=NEW"),
        help: "Rename a registered model or prompt; versions, files, links and `models:/` URIs follow",
        edit: |value| Ok(Edit::RenameModel(pairs(value)?)),
    },
    EditOption {
        name: "rename-workspace",
        value: Some("OLD=NEW"),
        help: "Rename a workspace",
        edit: |value| Ok(Edit::RenameWorkspace(pairs(value)?)),
    },
    EditOption {
        name: "into-workspace",
        value: Some("NAME"),
        help: "Move everything into one workspace",
        edit: |value| {
            let name = value.to_owned();
            Ok(Edit::IntoWorkspace(IntoWorkspace { name }))
        },
    },
    EditOption {
        name: "rename-user",
        value: Some("OLD=NEW"),
        help: "Rename a user for good; two users may become one",
        edit: |value| Ok(Edit::RenameUser(pairs(value)?)),
    },
    EditOption {
        name: "hash-users",
        value: None,
        help: "Replace user names with keyed hashes, for good; needs --hash-key-file",
        edit: |_| Err("needs --hash-key-file".to_owned()),
    },
    EditOption {
        name: "move-runs",
        value: Some("ID,…=EXPERIMENT"),
        help: "Move runs, or all runs of `experiment:NAME`, to an experiment; children, logged models and traces follow",
        edit: |value| {
            let edit = MoveRuns::parse(value);
            edit.map(Edit::MoveRuns)
                .ok_or_else(|| "expected ID,…=EXPERIMENT or experiment:NAME=EXPERIMENT".to_owned())
        },
    },
    EditOption {
        name: "relocate",
        value: Some("OLD=NEW"),
        help: "Change artifact and source URIs below OLD to NEW (`mlark ls IN locations` lists them)",
        edit: |value| {
            let places = vec![RelocatePair::parse(value).ok_or("expected OLD=NEW")?];
            Ok(Edit::Relocate(Relocate { places }))
        },
    },
    EditOption {
        name: "set-tag",
        value: Some("[KIND:]KEY=VALUE"),
        help: "Set a tag on every run, or on every experiment, logged-model, model, version, trace or dataset",
        edit: |value| Ok(Edit::SetTag(set_text(value)?)),
    },
    EditOption {
        name: "unset-tag",
        value: Some("[KIND:]KEY"),
        help: "Remove a tag from runs, or from another KIND; --undo brings it back",
        edit: |value| Ok(Edit::UnsetTag(unset_text(value)?)),
    },
    EditOption {
        name: "rename-tag",
        value: Some("[KIND:]OLD=NEW"),
        help: "Rename a tag on all objects that have tags, or only on those of KIND",
        edit: |value| Ok(Edit::RenameTag(rename_text(value)?)),
    },
    EditOption {
        name: "drop-tag",
        value: Some("[KIND:]GLOB"),
        help: "Remove tags for good, from all objects that have tags or only from those of KIND",
        edit: |value| Ok(Edit::DropTag(erase_texts(value)?)),
    },
    EditOption {
        name: "mask-tag",
        value: Some("[KIND:]GLOB"),
        help: "Replace tag values with `***`, for good",
        edit: |value| Ok(Edit::MaskTag(erase_texts(value)?)),
    },
    EditOption {
        name: "set-param",
        value: Some("[KIND:]KEY=VALUE"),
        help: "Set a param on every run, or on every logged-model",
        edit: |value| Ok(Edit::SetParam(set_text(value)?)),
    },
    EditOption {
        name: "unset-param",
        value: Some("[KIND:]KEY"),
        help: "Remove a param from runs, or from logged-models; --undo brings it back",
        edit: |value| Ok(Edit::UnsetParam(unset_text(value)?)),
    },
    EditOption {
        name: "rename-param",
        value: Some("[KIND:]OLD=NEW"),
        help: "Rename a param on runs and logged models, or only on those of KIND",
        edit: |value| Ok(Edit::RenameParam(rename_text(value)?)),
    },
    EditOption {
        name: "drop-param",
        value: Some("[KIND:]GLOB"),
        help: "Remove params for good, from runs and logged models or only from those of KIND",
        edit: |value| Ok(Edit::DropParam(erase_texts(value)?)),
    },
    EditOption {
        name: "mask-param",
        value: Some("[KIND:]GLOB"),
        help: "Replace param values with `***`, for good",
        edit: |value| Ok(Edit::MaskParam(erase_texts(value)?)),
    },
    EditOption {
        name: "set-description",
        value: Some("[KIND:]NAME=TEXT"),
        help: "Set the description of objects with this name (`*` matches any text); KIND is workspace, experiment, run, logged-model, model or version (`version:fraud/3`)",
        edit: |value| {
            let (names, text) = value.split_once('=').ok_or("expected NAME=TEXT")?;
            let (kind, name) = DescribedKind::split(names);
            Ok(Edit::SetDescription(SetDescription {
                kind,
                name: name.to_owned(),
                description: text.to_owned(),
            }))
        },
    },
    EditOption {
        name: "unset-description",
        value: Some("[KIND:]NAME"),
        help: "Remove the description of objects with this name; --undo brings it back",
        edit: |value| Ok(Edit::UnsetDescription(described(value))),
    },
    EditOption {
        name: "drop-description",
        value: Some("[KIND:]NAME"),
        help: "Remove the description of objects with this name, for good",
        edit: |value| Ok(Edit::DropDescription(described(value))),
    },
    EditOption {
        name: "mask-description",
        value: Some("[KIND:]NAME"),
        help: "Replace the description of objects with this name with `***`, for good",
        edit: |value| Ok(Edit::MaskDescription(described(value))),
    },
    EditOption {
        name: "drop-artifact",
        value: Some("GLOB"),
        help: "Remove the bytes of artifacts whose path matches, for good; the artifacts stay listed",
        edit: |value| {
            let glob = value.to_owned();
            Ok(Edit::DropArtifact(DropArtifacts { glob }))
        },
    },
    EditOption {
        name: "drop-trace-inputs",
        value: None,
        help: "Remove the inputs of traces and spans, for good",
        edit: |_| Ok(Edit::DropTraceInputs(Plain {})),
    },
    EditOption {
        name: "mask-trace-inputs",
        value: None,
        help: "Replace the inputs of traces and spans with `***`, for good",
        edit: |_| Ok(Edit::MaskTraceInputs(Plain {})),
    },
    EditOption {
        name: "drop-trace-outputs",
        value: None,
        help: "Remove the outputs of traces and spans, for good",
        edit: |_| Ok(Edit::DropTraceOutputs(Plain {})),
    },
    EditOption {
        name: "mask-trace-outputs",
        value: None,
        help: "Replace the outputs of traces and spans with `***`, for good",
        edit: |_| Ok(Edit::MaskTraceOutputs(Plain {})),
    },
];

/// Names and what becomes of them: one pair, or a file of pairs.
fn pairs(value: &str) -> Result<Rename, String> {
    let pair = |text: &str| RenamePair::parse(text).ok_or_else(|| format!("`{text}` is not OLD=NEW"));
    let names = match value.strip_prefix('@') {
        Some(path) => {
            let text = read(Path::new(path))?;
            let lines = text.lines().filter(|line| !line.is_empty());
            lines.map(pair).collect::<Result<_, _>>()?
        }
        None => vec![pair(value)?],
    };
    Ok(Rename { names })
}

/// Reads a file that an option names.
pub(super) fn read(path: &Path) -> Result<String, String> {
    let failed = |error: std::io::Error| format!("cannot read `{}`: {error}", path.display());
    if fs::metadata(path).map_err(failed)?.len() > FILE_BYTES {
        return Err(format!("`{}` is larger than {FILE_BYTES} bytes", path.display()));
    }
    fs::read_to_string(path).map_err(failed)
}

fn set_text(value: &str) -> Result<SetText, String> {
    let (kind, text) = TagKind::split(value);
    let (key, value) = text.split_once('=').ok_or("expected KEY=VALUE")?;
    Ok(SetText {
        kind,
        key: key.to_owned(),
        value: value.to_owned(),
    })
}

fn unset_text(value: &str) -> Result<UnsetText, String> {
    let (kind, key) = TagKind::split(value);
    let key = key.to_owned();
    Ok(UnsetText { kind, key })
}

fn rename_text(value: &str) -> Result<RenameText, String> {
    let (kind, text) = TagKind::split(value);
    let (old, new) = text.split_once('=').ok_or("expected OLD=NEW")?;
    Ok(RenameText {
        kind,
        old: old.to_owned(),
        new: new.to_owned(),
    })
}

fn described(value: &str) -> Described {
    let (kind, name) = DescribedKind::split(value);
    let name = name.to_owned();
    Described { kind, name }
}

fn erase_texts(value: &str) -> Result<EraseTexts, String> {
    let (kind, glob) = TagKind::split(value);
    let glob = glob.to_owned();
    Ok(EraseTexts { kind, glob })
}
