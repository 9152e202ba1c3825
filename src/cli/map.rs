//! `mlark map`.

use super::common::tracking_uri;
use super::error::{CliError, Result};
use super::exit::Exit;
use crate::archive::Archive;
use crate::sink::rest::journal::{self, Journal, JournalKey};
use crate::sink::rest::ImportError;
use serde_json::json;
use std::io::Write as _;
use std::path::PathBuf;

/// Print which object of an archive became which object of a server
///
/// One line an object: kind, id in the archive, id in the server, tab-separated.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The archive
    archive: PathBuf,
    /// The server [default: MLFLOW_TRACKING_URI]
    target: Option<String>,
    /// Where the journal is [default: beside the archive, named by origin and target]
    #[arg(long, value_name = "PATH")]
    journal: Option<PathBuf>,
    /// Prints an object a line as JSON
    #[arg(long)]
    json: bool,
}

impl Args {
    pub(super) fn run(self) -> Result {
        let target = tracking_uri(self.target.as_deref(), "TARGET")?;
        let archive = Archive::open(&self.archive)?;
        let client = crate::client::Client::open(&target, &crate::client::Environment::of_process());
        let client = client.map_err(ImportError::from)?;
        let key = JournalKey {
            origin: archive.manifest().origin.clone(),
            target: crate::sink::rest::target_name(&client),
        };
        let path = self.journal.unwrap_or_else(|| journal::default_path(&self.archive, &key));
        if !path.exists() {
            return Err(CliError::usage(format!("there is no journal `{}`", path.display()))
                .hint("`mlark import` makes it anew from the server's marks"));
        }
        let contents = Journal::read(&path, &key).map_err(ImportError::from)?;
        let mut out = std::io::BufWriter::new(std::io::stdout().lock());
        for (kind, id, known) in contents.mapping.entries() {
            match self.json {
                true => writeln!(out, "{}", json!({"kind": kind, "id": id, "target_id": known.id}))?,
                false => writeln!(out, "{kind}\t{id}\t{}", known.id)?,
            }
        }
        out.flush()?;
        Ok(Exit::Done)
    }
}
