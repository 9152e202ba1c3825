//! `mlark map`.

use super::error::{CliError, Result};
use super::exit::Exit;
use super::json::Mapped;
use super::screen::Screen;
use crate::archive::Archive;
use crate::cli::output_args::output_path;
use crate::cli::server_args::tracking_uri;
use crate::client::Client;
use crate::flow::import::ImportError;
use crate::flow::import::workspaces::journals_of;
use crate::report::text::{json_text, printable};
use std::path::PathBuf;

/// Print which object of an archive became which object of a server
///
/// One line an object: kind, id in the archive, id in the server and the workspace where it is not the default one, tab-separated.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The archive
    archive: PathBuf,
    /// The server [default: MLFLOW_TRACKING_URI]
    target: Option<String>,
    /// Where the journal is [default: beside the archive, named by origin and target]
    #[arg(long, value_name = "PATH", value_parser = output_path())]
    journal: Option<PathBuf>,
    /// Origin that the archive was given in its import
    #[arg(long, value_name = "NAME")]
    origin: Option<String>,
    /// Prints an object a line as JSON
    #[arg(long)]
    json: bool,
}

impl Args {
    pub(super) fn run(self) -> Result {
        let target = tracking_uri(self.target.as_deref(), "TARGET")?;
        let archive = Archive::open(&self.archive)?;
        let connection = super::target::connection(&target)?;
        let client = Client::new(connection.base, connection.options).map_err(ImportError::from)?;
        let mut out = Screen::stdout(self.json);
        let mut has_journal = false;
        for journal in journals_of(&archive, &client, self.journal.as_deref(), self.origin.as_deref())? {
            has_journal = true;
            for (kind, id, known) in journal.contents.mapping.entries() {
                let workspace = &journal.workspace;
                if self.json {
                    let line = Mapped {
                        kind,
                        id: &id,
                        target_id: &known.id,
                        workspace: workspace.as_deref(),
                    };
                    writeln!(out, "{}", json_text(&line))?;
                } else {
                    let workspace = workspace.iter().map(|name| format!("\t{}", printable(name)));
                    let workspace = workspace.collect::<String>();
                    writeln!(
                        out,
                        "{kind}\t{}\t{}{workspace}",
                        printable(&id),
                        printable(&known.id)
                    )?;
                }
            }
        }
        if !has_journal {
            return Err(
                CliError::usage("there is no journal of an import of this archive into that server")
                    .hint("--journal PATH names it; `mlark import` makes it anew from the server's marks"),
            );
        }
        out.flush()?;
        Ok(Exit::Done)
    }
}
