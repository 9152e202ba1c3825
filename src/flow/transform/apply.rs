//! A recipe carried out: an archive made from another, or only what would be made.

use super::engine::{Engine, Example, Steps};
use super::error::{Result, TransformError};
use super::recipe::Recipe;
use super::step::Step;
use super::view::View;
use super::{relocate, removal};
use crate::archive::{Archive, ArchiveWriter, Duplicates, ManifestHead, WriterOptions};
use crate::format::manifest::{FileDescriptor, HistoryEntry, Manifest, Tool};
use crate::format::undo::UNDO_LINES;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

/// How a transform writes its result.
#[derive(Debug, Clone, Default)]
pub struct TransformOptions {
    /// How the archive is written.
    pub writer: WriterOptions,
    /// Copies blobs instead of linking them to the input's.
    pub copy: bool,
}

/// What a transform did.
#[derive(Debug, Clone)]
pub struct TransformReport {
    /// The manifest of the result.
    pub manifest: Manifest,
    /// What was done, counted.
    pub counts: BTreeMap<String, u64>,
    /// What a person should know, counted by text.
    pub notices: BTreeMap<String, u64>,
    /// Options whose globs, filters or times matched nothing.
    pub silent: Vec<String>,
}

/// What a recipe would do.
#[derive(Debug, Clone)]
pub struct Preview {
    /// What would be done, counted.
    pub counts: BTreeMap<String, u64>,
    /// What a person should know, counted by text.
    pub notices: BTreeMap<String, u64>,
    /// Options whose globs, filters or times matched nothing.
    pub silent: Vec<String>,
    /// Some of the objects that would change.
    pub examples: Vec<Example>,
}

/// Carries out a recipe on a copy of an archive. What no edit looks at is taken over as it is.
///
/// # Errors
/// The recipe does not fit the archive, or one of the archives cannot be read or written; nothing is made then.
///
/// ```
/// use mlark::Archive;
/// use mlark::flow::transform::{Recipe, TransformOptions, apply};
///
/// let archive = Archive::open("fixtures/golden/v1.0/archive.zip".as_ref())?;
/// let recipe: Recipe = serde_json::from_str(r#"{"edits": [{"edit": "set-tag", "key": "team", "value": "credit"}]}"#)?;
/// let folder = tempfile::tempdir()?;
/// let report = apply(&archive, &recipe, &folder.path().join("tagged"), &TransformOptions::default())?;
/// assert_ne!(report.manifest.content_id, archive.manifest().content_id);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn apply(
    archive: &Archive,
    recipe: &Recipe,
    out: &Path,
    options: &TransformOptions,
) -> Result<TransformReport> {
    let mut writer = ArchiveWriter::create(out, options.writer.clone())?;
    let steps = plan(archive, recipe)?;
    let manifest = archive.manifest();
    let mut head = ManifestHead::of_parent(manifest);
    let mut format = manifest.format.clone();
    let removes = recipe.removes();
    if removes {
        removal::leave_undo(&mut writer, archive, &mut format.requires)?;
        writer.adopt_blobs_at_end(archive, options.copy);
    } else {
        writer.adopt_blobs(archive, options.copy, &BTreeSet::new())?;
    }
    let stays = |file: &FileDescriptor| file.path.undo_part().is_none() && !removal::is_losses(file);
    adopt_others(&mut writer, archive, |file| !removes || stays(file))?;
    writer.adopt_sums(archive);
    let mut engine = Engine::new(archive, steps.clone(), Some(writer))?;
    if !removes {
        engine.record_undo(manifest.history.len() + 1);
    }
    engine.run()?;
    let silent = silent(&steps)?;
    engine.settle_unread()?;
    head.origins = engine.finish_origins()?;
    if removes {
        engine.take_losses()?;
    } else if let Some(writer) = &mut engine.writer {
        writer.adopt_losses(&manifest.losses);
    }
    if engine.finish_undo()? && !format.requires.iter().any(|name| name == UNDO_LINES) {
        format.requires.push(UNDO_LINES.to_owned());
        format.requires.sort();
    }
    head.format = Some(format);
    // A recipe that changes nothing leaves no trace: equal content has an equal history.
    if !engine.counts.is_empty() {
        if removes {
            removal::leave_names(&mut head.selection);
            removal::count_left_out(&mut head.selection, &engine.counts);
        }
        head.history
            .push(history_entry(recipe, engine.counts.clone(), manifest));
    }
    finish(engine, head, silent)
}

/// What a recipe would do to an archive; nothing is made.
///
/// # Errors
/// As [`apply`].
pub fn preview(archive: &Archive, recipe: &Recipe) -> Result<Preview> {
    let steps = plan(archive, recipe)?;
    let mut engine = Engine::new(archive, steps.clone(), None)?;
    engine.run()?;
    Ok(Preview {
        counts: engine.counts,
        notices: engine.notices,
        silent: silent(&steps)?,
        examples: engine.examples.into_list(),
    })
}

/// Works out what each edit means for the archive, as the edits before it leave that.
fn plan(archive: &Archive, recipe: &Recipe) -> Result<Steps> {
    if let Some(edit) = recipe.edits.iter().find(|edit| edit.removes()) {
        removal::refuse_newer_kinds(archive, edit.name())?;
    }
    relocate::refuse_shared(&recipe.edits)?;
    let mut steps: Vec<Box<dyn Step>> = Vec::new();
    for edit in &recipe.edits {
        let step = edit.plan(&View::new(archive, &steps))?;
        steps.push(step);
    }
    Ok(Arc::new(steps))
}

fn silent(steps: &Steps) -> Result<Vec<String>> {
    let told: Vec<_> = steps.iter().map(|step| step.finish()).collect::<Result<_>>()?;
    Ok(told.concat())
}

/// Takes over what is no line of a known kind.
pub(super) fn adopt_others(
    writer: &mut ArchiveWriter,
    archive: &Archive,
    keep: impl Fn(&FileDescriptor) -> bool,
) -> Result<()> {
    let files = archive.manifest().files.iter();
    for file in files.filter(|file| file.path.kind().is_none() && keep(file)) {
        writer.adopt_file(archive, file)?;
    }
    Ok(())
}

/// Completes an archive.
pub(super) fn finish(
    mut engine: Engine<'_>,
    head: ManifestHead,
    silent: Vec<String>,
) -> Result<TransformReport> {
    let writer = engine
        .writer
        .take()
        .ok_or_else(|| TransformError::because("transform", "nothing was to be written"))?;
    Ok(TransformReport {
        manifest: writer.finish(head, Duplicates::Refuse)?,
        counts: engine.counts,
        notices: engine.notices,
        silent,
    })
}

fn history_entry(recipe: &Recipe, counts: BTreeMap<String, u64>, parent: &Manifest) -> HistoryEntry {
    let (name, parameters) = recipe.told();
    HistoryEntry {
        name,
        parameters,
        tool: Tool::current(),
        time: crate::archive::now_text(),
        parent_content_id: parent.content_id,
        parent_content_ids: Vec::new(),
        counts,
    }
}
