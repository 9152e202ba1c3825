//! Errors as people see them: what failed, why, and a hint that can be run.

use super::Exit;
use super::hints::{
    IN_ARCHIVE, PLAN_HINT, archive_hint, export_hint, import_hint, look_hint, merge_hint, names_hint,
    nearest_hint,
};
use super::json::Failed;
use super::screen::say;
use crate::archive::ArchiveError;
use crate::archive::verify::BadSought;
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

    /// Adds a hint, such as a command to run.
    #[must_use]
    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl CliError {
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
}

impl CliError {
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

impl From<ArchiveError> for CliError {
    fn from(error: ArchiveError) -> Self {
        let hint = archive_hint(&error);
        CliError::of(Exit::of_error(error.kind()), error, hint)
    }
}

impl From<BadSought> for CliError {
    fn from(error: BadSought) -> Self {
        let exit = match &error {
            BadSought::Io { source, .. } if source.kind() != io::ErrorKind::NotFound => Exit::Io,
            _ => Exit::Usage,
        };
        CliError::with_exit(error, exit)
    }
}

impl From<ExportError> for CliError {
    fn from(error: ExportError) -> Self {
        let error = match error {
            ExportError::Archive(error) => return error.into(),
            error => error,
        };
        let hint = export_hint(&error);
        CliError::of(Exit::of_error(error.kind()), error, hint)
    }
}

impl From<TransformError> for CliError {
    fn from(error: TransformError) -> Self {
        match error {
            TransformError::Archive(error) => error.into(),
            error => {
                let hint = match &error {
                    TransformError::NoMatch(error) => {
                        Some(names_hint(error, "`mlark ls IN` shows what is there"))
                    }
                    _ => None,
                };
                CliError::of(Exit::of_error(error.kind()), error, hint)
            }
        }
    }
}

impl From<MergeError> for CliError {
    fn from(error: MergeError) -> Self {
        match error {
            MergeError::Archive(error) => error.into(),
            error => {
                let hint = merge_hint(&error).map(str::to_owned);
                CliError::of(Exit::of_error(error.kind()), error, hint)
            }
        }
    }
}

impl From<PlanError> for CliError {
    fn from(error: PlanError) -> Self {
        let exit = match &error {
            PlanError::Io { source, .. } if source.kind() != io::ErrorKind::NotFound => Exit::Io,
            _ => Exit::Usage,
        };
        CliError::of(exit, error, Some(PLAN_HINT.to_owned()))
    }
}

impl From<ImportError> for CliError {
    fn from(error: ImportError) -> Self {
        let error = match error {
            ImportError::Archive(error) => return error.into(),
            error => error,
        };
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
        let (exit, hint) = match &error {
            ReportError::NotFound { nearest, .. } => (Exit::Usage, Some(nearest_hint(nearest, IN_ARCHIVE))),
            ReportError::NoArtifact { nearest, .. } => (
                Exit::Usage,
                Some(nearest_hint(
                    nearest,
                    "`mlark ls ARCHIVE artifacts` shows what is there",
                )),
            ),
            ReportError::NoBytes { .. } => (
                Exit::Usage,
                Some("`mlark ls ARCHIVE artifacts` shows what is there".to_owned()),
            ),
            ReportError::Twice { .. } => (Exit::Usage, None),
            ReportError::Ambiguous { .. } => (Exit::Usage, Some("give a whole id, or --kind".to_owned())),
            ReportError::Absent { failed: true, .. } => (Exit::Incomplete, None),
            error => (Exit::of_error(error.kind()), None),
        };
        match error {
            ReportError::Archive(error) => error.into(),
            error => CliError::of(exit, error, hint),
        }
    }
}

impl From<ExtractError> for CliError {
    fn from(error: ExtractError) -> Self {
        let hint = "use --keep-going to leave it out; mlark then exits with 3";
        match error {
            ExtractError::Archive(ArchiveError::OutputExists { path }) => CliError {
                exit: Exit::Usage,
                error: ArchiveError::OutputExists { path }.into(),
                hint: Some("artifacts are extracted to a directory that does not exist yet".to_owned()),
            },
            ExtractError::Archive(error) => error.into(),
            error => CliError::of(Exit::of_error(error.kind()), error, Some(hint.to_owned())),
        }
    }
}

impl From<TablesError> for CliError {
    fn from(error: TablesError) -> Self {
        match error {
            TablesError::Archive(error) => error.into(),
            TablesError::NotBuilt => CliError::of(
                Exit::of_error(error.kind()),
                error,
                Some("`--to csv` needs nothing; `cargo install mlark` builds with the feature `parquet`".to_owned()),
            ),
            error => CliError::of(
                Exit::of_error(error.kind()),
                error,
                Some("without --wide they are rows of `params`, `metrics` and `tags`; --experiment and --filter choose runs".to_owned()),
            ),
        }
    }
}

impl From<ConvertError> for CliError {
    fn from(error: ConvertError) -> Self {
        let hint = match &error {
            ConvertError::Name { .. } => {
                Some("use --keep-going to leave it out; mlark then exits with 3".to_owned())
            }
            _ => None,
        };
        match error {
            ConvertError::Archive(error) => error.into(),
            error => CliError::of(Exit::of_error(error.kind()), error, hint),
        }
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
        CliError::with_exit(anyhow::Error::new(error).context("write the output"), exit)
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
