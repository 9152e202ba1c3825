//! `mlark info`.

use super::{Exit, Result, bytes, counted, counted_kinds, grouped, print_json_text, print_result};
use crate::archive::Archive;
use crate::format::Manifest;
use crate::model::mask::redact;
use crate::model::printable::one_line;
use std::fmt::Write as _;
use std::path::PathBuf;

/// Show where an archive comes from, when it was made, what it holds, what was edited, and what is missing
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The archive to read
    archive: PathBuf,
    /// Print the manifest
    #[arg(long)]
    json: bool,
}

impl Args {
    pub(super) fn run(self) -> Result {
        let archive = Archive::open(&self.archive)?;
        let manifest = archive.manifest();
        if self.json {
            print_json_text(manifest.to_text())?;
        } else {
            print_result(describe(manifest))?;
        }
        Ok(Exit::Done)
    }
}

/// The manifest for people.
fn describe(manifest: &Manifest) -> String {
    let mut text = String::new();
    let mut row = |name: &str, value: &str| {
        let _ = writeln!(text, "{name:<14}{}", one_line(value));
    };
    let format = &manifest.format;
    let words = format!("{} {}.{}", format.name, format.major, format.minor);
    row("format", &words);
    row("content id", &manifest.content_id.to_string());
    row("origin", &manifest.origin);
    let source = &manifest.source;
    let version = source
        .mlflow_version
        .as_ref()
        .map_or(String::new(), |version| format!(", MLflow {version}"));
    let words = format!("{} ({}{version})", redact(&source.uri), source.kind);
    row("source", &words);
    row(
        "created",
        &format!(
            "{} by {} {}",
            manifest.created, manifest.tool.name, manifest.tool.version
        ),
    );
    for (name, value) in &manifest.selection.options {
        row("selection", &format!("--{name} {value}"));
    }
    if let Some(shard) = &manifest.shard {
        row("shard", &format!("{} of {}", shard.number, shard.of));
    }
    describe_counts(manifest, &mut row);
    for entry in &manifest.history {
        let counts: Vec<_> = entry
            .counts
            .iter()
            .map(|(name, count)| format!("{name} {}", grouped(*count)))
            .collect();
        let words = format!("{} at {} ({})", entry.name, entry.time, counts.join(", "));
        row("transform", &words);
    }
    describe_losses(manifest, &mut row);
    text
}

fn describe_losses(manifest: &Manifest, row: &mut impl FnMut(&str, &str)) {
    for (label, losses) in [
        ("left out", &manifest.selection.left_out),
        ("limit", &manifest.losses.limits),
        ("failure", &manifest.losses.failures),
    ] {
        for loss in losses {
            let place = if loss.field == "*" {
                loss.kind.clone()
            } else {
                format!("{} {}", loss.kind, loss.field)
            };
            let words = format!("{place}: {} ({})", loss.reason, grouped(loss.count));
            row(label, &words);
        }
    }
}

fn describe_counts(manifest: &Manifest, row: &mut impl FnMut(&str, &str)) {
    for words in counted_kinds(|kind| manifest.count(kind)) {
        row("holds", &words);
    }
    let totals = &manifest.totals;
    row("holds", &counted(totals.metric_points, "metric points"));
    for (count, nouns, size_bytes) in [
        (totals.artifact_files, "artifacts", totals.artifact_bytes),
        (totals.blobs, "distinct blobs", totals.blob_bytes),
    ] {
        let words = format!("{}, {}", counted(count, nouns), bytes(size_bytes));
        row("holds", &words);
    }
}
