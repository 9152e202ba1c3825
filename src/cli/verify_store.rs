//! `mlark verify --against` a database.

use super::export::loss_line;
use super::import::difference_line;
use super::screen::is_quiet;
use super::{CliError, Exit, Result, Screen, counted, grouped, note, print_summary, with_progress};
use crate::archive::Archive;
use crate::flow::compare::{StoreComparison, StoreError, StoreOptions, compare_store};
use crate::flow::restore::RestoreOptions;
use std::path::PathBuf;

/// How a database was filled.
#[derive(Debug, Default, clap::Args)]
pub(super) struct StoreArgs {
    /// Folder of the database's artifacts, as given to the restore; without it artifacts are not compared
    #[arg(long, value_name = "DIR")]
    artifacts_destination: Option<PathBuf>,
    /// The restore kept URIs of remote storage
    #[arg(long)]
    keep_uris: bool,
    /// Workspace that the restore gave to objects that had none
    #[arg(long, value_name = "NAME")]
    workspace: Option<String>,
}

impl StoreArgs {
    /// Whether any of them was given.
    pub(super) fn is_given(&self) -> bool {
        self.artifacts_destination.is_some() || self.keep_uris || self.workspace.is_some()
    }

    /// Compares a database with an archive, and prints each difference.
    pub(super) fn run(self, archive: &Archive, target: &str, json: bool) -> Result {
        let options = StoreOptions {
            restore: RestoreOptions {
                keep_uris: self.keep_uris,
                workspace: self.workspace,
                ..RestoreOptions::default()
            },
            artifacts: self.artifacts_destination,
        };
        let mut out = Screen::stdout(json);
        let mut print = |difference| writeln!(out, "{}", difference_line(&difference, json));
        let compared =
            with_progress(|progress| compare_store(archive, target, &options, progress, &mut print))?;
        out.flush()?;
        drop(out);
        if !json {
            if compared.differences > 0 || !is_quiet() {
                print_summary(told(&compared))?;
            }
            say_what_was_not_compared(&compared);
        }
        Ok(Exit::findings_if(compared.differences > 0))
    }
}

/// The verdict, and what the database does not hold.
pub(super) fn told(compared: &StoreComparison) -> String {
    let limits = compared.limits.iter().map(|loss| loss_line("limit", loss));
    let beyond = compared.beyond.iter().map(|(kind, count)| {
        format!(
            "the target has {} {kind} that the archive does not have\n",
            grouped(*count)
        )
    });
    let files = compared.files.map_or(String::new(), |files| {
        format!(", {} compared", counted(files, "artifacts"))
    });
    let verdict = match compared.differences {
        0 => format!("the target matches the archive{files}\n"),
        count => format!("{}{files}\n", counted(count, "differences")),
    };
    limits.chain(beyond).chain([verdict]).collect()
}

/// Says what was left out.
pub(super) fn say_what_was_not_compared(compared: &StoreComparison) {
    if compared.files.is_none() {
        let spans = match compared.unread_spans {
            0 => String::new(),
            count => format!(", and {} among them", counted(count, "spans")),
        };
        note(format_args!(
            "artifacts{spans} were not compared; name their folder with --artifacts-destination DIR"
        ));
    }
}

impl From<StoreError> for CliError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Archive(error) => error.into(),
            StoreError::Restore(error) => error.into(),
            StoreError::Transform(error) => error.into(),
            error @ StoreError::Target(_) => CliError::with_exit(error, Exit::Target),
        }
    }
}
