//! `mlark map`.

use super::json::Mapped;
use super::{CliError, Exit, Result, Screen, output_path};
use crate::archive::Archive;
use crate::cli::server_args::tracking_uri;
use crate::client::Client;
use crate::flow::import::ImportError;
use crate::flow::import::workspaces::journals_of;
use crate::flow::restore::{RestoreOptions, ids_in};
use crate::format::Kind;
use crate::report::text::{json_text, printable};
use std::path::PathBuf;

/// Show which object on a server each object of an archive became
///
/// Prints one line per object, separated by tabs: kind, id in the archive, id on the server, and the workspace if it is not the
/// default one. For a database that `restore` filled, it prints the experiments: all else keeps its id.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The archive to read
    archive: PathBuf,
    /// The tracking server, or the database [default: MLFLOW_TRACKING_URI]
    target: Option<String>,
    /// Path of the journal [default: beside the archive, named by origin and target]
    #[arg(long, value_name = "PATH", value_parser = output_path())]
    journal: Option<PathBuf>,
    /// Origin that the import gave the archive
    #[arg(long, value_name = "NAME")]
    origin: Option<String>,
    /// Print one JSON object per line
    #[arg(long)]
    json: bool,
}

impl Args {
    pub(super) fn run(self) -> Result {
        let target = tracking_uri(self.target.as_deref(), "TARGET")?;
        let archive = Archive::open(&self.archive)?;
        if crate::model::uri::scheme(&target)
            .is_some_and(|scheme| crate::model::uri::dialect(scheme).is_some())
        {
            return self.of_database(&archive, &target);
        }
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
                        target_id: known.id.as_str(),
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
                        printable(known.id.as_str())
                    )?;
                }
            }
        }
        if !has_journal {
            return Err(
                CliError::usage("no journal of an import of this archive into that server was found")
                    .hint("name it with --journal PATH, or run `mlark import`, which makes a new one from the marks on the server"),
            );
        }
        out.flush()?;
        Ok(Exit::Done)
    }

    /// The experiments of an archive by their ids in a database that a restore filled.
    fn of_database(&self, archive: &Archive, uri: &str) -> Result {
        let mut out = Screen::stdout(self.json);
        for id in ids_in(archive, uri, &RestoreOptions::default())? {
            let (kind, target_id) = (Kind::Experiments, id.target_id.to_string());
            if self.json {
                let line = Mapped {
                    kind,
                    id: &id.experiment_id,
                    target_id: &target_id,
                    workspace: None,
                };
                writeln!(out, "{}", json_text(&line))?;
            } else {
                writeln!(out, "{kind}\t{}\t{target_id}", printable(&id.experiment_id))?;
            }
        }
        out.flush()?;
        Ok(Exit::Done)
    }
}
