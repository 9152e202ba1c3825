//! A side of a comparison: an archive, or anything that can be exported, which is then exported to a temporary archive.

use super::last_lines::{say_of_export, say_of_source};
use super::source_args::{ReadArgs, SelectionArgs};
use super::{CliError, Progress, Result, say_silent};
use crate::archive::{Archive, ArchiveError, ContainerKind, WriterOptions};
use crate::flow::export::detect::{self, SourceKind};
use crate::flow::transform::{self, Recipe, TransformOptions};
use crate::lang::session::ExportOptions;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

/// How sides that are no archives are read; archives are taken as they are.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Sides that are not archives")]
pub(super) struct LiveArgs {
    /// Leave out what cannot be read; exit with 3 if something was left out and nothing else differs
    #[arg(long)]
    keep_going: bool,
    #[command(flatten)]
    read: ReadArgs,
    #[command(flatten)]
    selection: SelectionArgs,
}

/// The two sides, and how many failures reading them left out; temporary archives end with it.
pub(super) struct Sides {
    pub before: Archive,
    pub after: Archive,
    pub failures: u64,
    _scratch: Option<tempfile::TempDir>,
}

/// What a name on the command line leads to.
pub(super) enum Side {
    Archive(PathBuf),
    Live(SourceKind, String),
}

impl LiveArgs {
    /// Opens both sides; an archive that cannot be opened is said before anything is exported.
    /// A recipe is carried out on the first.
    pub(super) fn open(
        self,
        before: OsString,
        after: OsString,
        recipe: Option<&Recipe>,
        progress: &Progress,
    ) -> Result<Sides> {
        let sides = [Side::of(before)?, Side::of(after)?];
        let is_live = |side: &Side| matches!(side, Side::Live(..));
        if self.is_given() && !sides.iter().any(is_live) {
            return Err(CliError::usage(
                "options for reading a source were given, but both sides are archives",
            )
            .hint("leave these options out: archives are compared as they are"));
        }
        for side in &sides {
            if let Side::Archive(path) = side {
                Archive::open(path)?;
            }
        }
        let scratch = if recipe.is_some() || sides.iter().any(is_live) {
            Some(tempfile::tempdir().map_err(ArchiveError::temporary)?)
        } else {
            None
        };
        let options = ExportOptions {
            writer: WriterOptions {
                no_sync: true,
                ..WriterOptions::default()
            },
            keep_going: self.keep_going,
            selection: self.selection.into_selection()?,
            ..self.read.into_options()?
        };
        let reading = Reading {
            scratch: scratch.as_ref().map(|scratch| scratch.path().to_owned()),
            options,
            progress,
        };
        let [before, after] = sides;
        let (mut before, left_out) = reading.read(before, "before")?;
        if let Some(recipe) = recipe {
            before = reading.edit(&before, recipe)?;
        }
        let (after, left_out_after) = reading.read(after, "after")?;
        Ok(Sides {
            before,
            after,
            failures: left_out + left_out_after,
            _scratch: scratch,
        })
    }

    fn is_given(&self) -> bool {
        self.keep_going || self.read.is_given() || self.selection.is_given()
    }
}

impl Side {
    /// What lies there decides.
    pub(super) fn of(text: OsString) -> Result<Self> {
        let path = PathBuf::from(&text);
        let Some(source) = text.to_str() else {
            return if detect::is_archive(&path) {
                Ok(Side::Archive(path))
            } else {
                Err(not_utf8(&text))
            };
        };
        if detect::is_archive(&path) {
            return Ok(Side::Archive(path));
        }
        match detect::kind_of(source) {
            Ok(kind) => Ok(Side::Live(kind, source.to_owned())),
            // A URI of something else; a path that is nothing known is an archive that cannot be opened.
            Err(error) if source.contains("://") => Err(error.into()),
            Err(_) => Ok(Side::Archive(path)),
        }
    }
}

/// A source, name or pattern whose bytes are no text.
pub(super) fn not_utf8(text: &OsStr) -> CliError {
    let shown = text.as_encoded_bytes().escape_ascii();
    CliError::usage(format!(
        "`{shown}` is not UTF-8; only the paths of archives and outputs may have other bytes"
    ))
    .hint("make a symbolic link to it with a UTF-8 name")
}

/// What one side after the other is read with.
struct Reading<'a> {
    scratch: Option<PathBuf>,
    options: ExportOptions,
    progress: &'a Progress,
}

impl Reading<'_> {
    fn place(&self, name: &str) -> PathBuf {
        self.scratch.as_deref().unwrap_or(Path::new(".")).join(name)
    }

    /// The archive after a recipe.
    fn edit(&self, archive: &Archive, recipe: &Recipe) -> Result<Archive> {
        let out = self.place("edited");
        // Blobs stay packed as they are.
        let container = match archive.zip() {
            Some(_) => ContainerKind::Zip,
            None => ContainerKind::Directory,
        };
        let options = TransformOptions {
            writer: WriterOptions {
                container: Some(container),
                ..self.options.writer.clone()
            },
            ..TransformOptions::default()
        };
        let report = transform::apply(archive, recipe, &out, &options)?;
        say_silent(&report.silent);
        Ok(Archive::open(&out)?)
    }

    fn read(&self, side: Side, name: &str) -> Result<(Archive, u64)> {
        let (kind, source) = match side {
            Side::Archive(path) => return Ok((Archive::open(&path)?, 0)),
            Side::Live(kind, source) => (kind, source),
        };
        let out = self.place(name);
        let options = self.options.clone();
        let report = crate::flow::export::export(kind, &source, &out, options, self.progress)
            .map_err(CliError::of_look)?;
        self.progress.done();
        say_of_export(&report);
        say_of_source(kind, &source);
        Ok((Archive::open(&out)?, report.failures))
    }
}
