//! Errors as people see them: what failed, why, and a hint that can be run.

use super::hints::{
    ARTIFACTS_IN_ARCHIVE, IN_ARCHIVE, LEAVE_OUT, PLAN_HINT, archive_hint, export_hint, import_hint,
    look_hint, merge_hint, names_hint, nearest_hint,
};
use super::json::Failed;
use super::{Exit, say};
use crate::archive::verify::BadSought;
use crate::archive::{ArchiveError, ErrorKind};
use crate::flow::export::plan::PlanError;
use crate::flow::extract::ExtractError;
use crate::flow::import::ImportError;
use crate::flow::merge::MergeError;
use crate::flow::transform::TransformError;
use crate::lang::exim::write::ConvertError;
use crate::lang::session::ExportError;
use crate::lang::tables::TablesError;
use crate::report::ReportError;
use crate::report::text::json_text;
use crate::select::SeekError;
use std::io;

/// An error on its way to the user.
#[derive(Debug)]
pub(super) struct CliError {
    error: anyhow::Error,
    exit: Exit,
    hint: Option<String>,
}

/// Result of a command.
pub(super) type Result<T = Exit> = std::result::Result<T, CliError>;

impl CliError {
    /// A request that cannot be carried out as given.
    pub(super) fn usage(message: impl std::fmt::Display) -> Self {
        CliError::with_exit(anyhow::anyhow!("{message}"), Exit::Usage)
    }

    /// An error with the exit code that it ends in.
    pub(super) fn with_exit(error: impl Into<anyhow::Error>, exit: Exit) -> Self {
        CliError::of(exit, error, None)
    }

    fn of(exit: Exit, error: impl Into<anyhow::Error>, hint: Option<String>) -> Self {
        CliError {
            error: error.into(),
            exit,
            hint,
        }
    }

    /// An error whose kind is known, which says the exit code.
    fn known(kind: ErrorKind, error: impl Into<anyhow::Error>, hint: Option<String>) -> Self {
        CliError::of(Exit::of_error(kind), error, hint)
    }

    /// Adds a hint, such as a command to run.
    #[must_use]
    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The exit code.
    pub(super) fn exit(&self) -> Exit {
        self.exit
    }

    /// What failed and why, the nearest cause first.
    pub(super) fn chain(&self) -> impl Iterator<Item = String> {
        self.error.chain().map(ToString::to_string)
    }

    /// What may help.
    pub(super) fn hint_text(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// Adds a further hint.
    #[must_use]
    pub(super) fn also_hint(mut self, hint: String) -> Self {
        self.hint = Some(match self.hint {
            Some(first) => format!("{first}; {hint}"),
            None => hint,
        });
        self
    }

    /// An error of reading a source into an archive that nobody keeps, as for a list or a comparison.
    pub(super) fn of_look(error: ExportError) -> Self {
        let hint = look_hint(&error);
        let error = CliError::from(error);
        CliError {
            hint: hint.or(error.hint),
            ..error
        }
    }
}

/// Makes errors of a library those of the command line, each with its hint.
macro_rules! known_errors {
    ($($error:ty, $hint:expr;)*) => {
        $(impl From<$error> for CliError {
            fn from(error: $error) -> Self {
                let hint = $hint(&error);
                CliError::known(error.kind(), error, hint)
            }
        })*
    };
}

known_errors! {
    ArchiveError, archive_hint;
    ExportError, export_hint;
    TransformError, transform_hint;
    MergeError, merge_hint;
    ExtractError, extract_hint;
    TablesError, tables_hint;
    ConvertError, convert_hint;
}

fn transform_hint(error: &TransformError) -> Option<String> {
    match error {
        TransformError::Archive(error) => archive_hint(error),
        TransformError::NoMatch(error) => Some(names_hint(error, "`mlark ls IN` shows what is there")),
        _ => None,
    }
}

fn extract_hint(error: &ExtractError) -> Option<String> {
    match error {
        ExtractError::Archive(ArchiveError::OutputExists { .. }) => {
            Some("give -o a directory that does not exist yet".to_owned())
        }
        ExtractError::Archive(error) => archive_hint(error),
        ExtractError::Name { .. } => Some(LEAVE_OUT.to_owned()),
    }
}

fn tables_hint(error: &TablesError) -> Option<String> {
    match error {
        TablesError::Archive(error) => archive_hint(error),
        TablesError::NotBuilt => Some(
            "use --to csv, or a build with the feature `parquet`, such as `cargo install mlark`".to_owned(),
        ),
        TablesError::Alike { .. } | TablesError::TooManyColumns { .. } => Some(
            "leave --wide out to get them as rows of `params`, `metrics` and `tags`, or choose fewer runs with --experiment or --filter"
                .to_owned(),
        ),
    }
}

fn convert_hint(error: &ConvertError) -> Option<String> {
    match error {
        ConvertError::Archive(error) => archive_hint(error),
        ConvertError::Name { .. } => Some(LEAVE_OUT.to_owned()),
        ConvertError::Exim { .. } => None,
    }
}

impl From<BadSought> for CliError {
    fn from(error: BadSought) -> Self {
        let exit = match &error {
            BadSought::Io { source, .. } => of_reading(source),
            _ => Exit::Usage,
        };
        CliError::with_exit(error, exit)
    }
}

impl From<PlanError> for CliError {
    fn from(error: PlanError) -> Self {
        let exit = match &error {
            PlanError::Io { source, .. } => of_reading(source),
            _ => Exit::Usage,
        };
        CliError::with_exit(error, exit).hint(PLAN_HINT)
    }
}

impl From<ImportError> for CliError {
    fn from(error: ImportError) -> Self {
        let hint = import_hint(&error);
        CliError::of(error.kind().map_or(Exit::Target, Exit::of_error), error, hint)
    }
}

impl From<SeekError> for CliError {
    fn from(error: SeekError) -> Self {
        match error {
            SeekError::Archive(error) => error.into(),
            SeekError::NoMatch(error) => {
                let hint = names_hint(&error, IN_ARCHIVE);
                CliError::usage(error).hint(hint)
            }
        }
    }
}

impl From<ReportError> for CliError {
    fn from(error: ReportError) -> Self {
        let hint = match &error {
            ReportError::Archive(error) => archive_hint(error),
            ReportError::NotFound { nearest, .. } => Some(nearest_hint(nearest, IN_ARCHIVE)),
            ReportError::NoArtifact { nearest, .. } => Some(nearest_hint(nearest, ARTIFACTS_IN_ARCHIVE)),
            ReportError::NoBytes { .. } => Some(ARTIFACTS_IN_ARCHIVE.to_owned()),
            ReportError::Ambiguous { .. } => Some("give a whole id, or --kind".to_owned()),
            ReportError::Twice { .. } | ReportError::Absent { .. } => None,
        };
        let exit = match &error {
            ReportError::Absent { failed: true, .. } => Exit::Incomplete,
            error => Exit::of_error(error.kind()),
        };
        CliError::of(exit, error, hint)
    }
}

/// What a failure to read a file that was named ends in.
fn of_reading(error: &io::Error) -> Exit {
    match error.kind() {
        io::ErrorKind::NotFound => Exit::Usage,
        _ => Exit::Io,
    }
}

/// An error of writing results to stdout.
impl From<io::Error> for CliError {
    fn from(error: io::Error) -> Self {
        // A reader that has seen enough, such as `head`, is not an error.
        let exit = match error.kind() {
            io::ErrorKind::BrokenPipe => Exit::Done,
            _ => Exit::Io,
        };
        CliError::with_exit(anyhow::Error::new(error).context("cannot write the output"), exit)
    }
}

/// Prints an error with its causes and the hint; the exit code to end with.
pub(super) fn report(error: &CliError, json: bool) -> Exit {
    if error.exit == Exit::Done {
        return Exit::Done;
    }
    if json {
        say(json_text(&Failed::new(error)));
        return error.exit;
    }
    say(format_args!("error: {}", error.error));
    for cause in error.error.chain().skip(1) {
        say(format_args!("  because: {cause}"));
    }
    if let Some(hint) = &error.hint {
        say(format_args!("hint: {hint}"));
    }
    error.exit
}
