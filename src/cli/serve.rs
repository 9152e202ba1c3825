//! `mlark serve`.

use super::{
    CliError, Exit, Progress, Result, clear_leftovers, note, output_path, print_json, print_json_text, say,
    shown,
};
use crate::archive::verify::{VerifyOptions, verify};
use crate::archive::{Archive, ArchiveError};
use crate::cli::signals::end_at_once;
use crate::flow::restore::{ARTIFACTS, DATABASE, RestoreError, RestoreOptions, restore};
use crate::flow::serve::{Ended, Entry, Mlflow, ServeError, Server, default_cache};
use schemars::JsonSchema;
use serde::Serialize;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

/// Show an archive in MLflow's own UI
///
/// mlark restores the archive into a cache once, and starts `mlflow server` (found on the PATH) for this machine only
/// (127.0.0.1). Changes made in the UI go to a copy of the database, which is removed when the server ends (Ctrl-C). MLflow 3.18
/// or newer is needed.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  mlark serve history.zip
  mlark serve history.zip --port 5000")]
pub(super) struct Args {
    /// The archive to read
    archive: PathBuf,
    /// Port to listen on [default: a free port]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    port: Option<u16>,
    /// Folder for restored archives [default: mlark/serve in the user's cache folder]
    #[arg(long, value_name = "DIR", value_parser = output_path())]
    cache: Option<PathBuf>,
    /// Restore again, even if the cache has the archive
    #[arg(long)]
    fresh: bool,
    /// Print the address as JSON
    #[arg(long)]
    json: bool,
}

/// Where an archive is served.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Served {
    /// The address to open.
    url: String,
    /// The store in the cache.
    store: String,
    /// Whether it was there before.
    reused: bool,
    /// The first two numbers of MLflow's version.
    mlflow: String,
}

/// Whether a signal is told to the server, and whether one came.
static IS_SERVING: AtomicBool = AtomicBool::new(false);
static IS_ASKED: AtomicBool = AtomicBool::new(false);

fn is_asked_to_end() -> bool {
    IS_ASKED.load(Ordering::SeqCst)
}

impl Args {
    pub(super) fn run(self) -> Result {
        let archive = Archive::open(&self.archive)?;
        let mlflow = Mlflow::find(std::env::var_os("PATH").as_deref())?;
        let cache = self.cache.clone().or_else(default_cache).ok_or_else(|| {
            CliError::usage("neither XDG_CACHE_HOME nor HOME is set, so the cache folder is unknown")
                .hint("name a folder with --cache DIR")
        })?;
        let cache = std::path::absolute(&cache).map_err(ArchiveError::io("find", &cache))?;
        // Where no handler can be set, a signal ends the process, and the next one clears up.
        let _ = ctrlc::set_handler(|| {
            if !IS_SERVING.load(Ordering::SeqCst) {
                end_at_once();
            }
            IS_ASKED.store(true, Ordering::SeqCst);
        });
        let entry = Entry::of(&archive, &cache)?;
        clear_leftovers(&entry.store());
        if self.fresh {
            entry.remove()?;
        }
        let reused = entry.is_made();
        if !reused {
            self.make(&archive, &entry)?;
        }
        let session = entry.begin(&mlflow, DATABASE, ARTIFACTS)?;
        IS_SERVING.store(true, Ordering::SeqCst);
        let mut server = Server::start(&mlflow, &session, self.port)?;
        if server.wait_until_ready(&is_asked_to_end)?.is_none() {
            return Ok(Exit::Interrupted);
        }
        self.tell(&Served {
            url: server.url(),
            store: shown(&entry.store()),
            reused,
            mlflow: mlflow.version().to_string(),
        })?;
        match server.wait(&is_asked_to_end)? {
            Ended::Asked => Ok(Exit::Done),
            Ended::ByItself(said) => Err(ServeError::Died {
                what: "`mlflow server`",
                said,
            }
            .into()),
        }
    }

    /// Restores the archive, once all of it was checked: its content id names the place.
    fn make(&self, archive: &Archive, entry: &Entry) -> Result<()> {
        let progress = Progress::new();
        let verified = verify(&self.archive, &VerifyOptions::default(), &progress)?;
        if !verified.is_intact() {
            progress.done();
            return Err(CliError::with_exit(
                anyhow::anyhow!("the archive `{}` is damaged", shown(&self.archive)),
                Exit::Damaged,
            )
            .hint(format!(
                "`mlark verify {}` lists all damage",
                shown(&self.archive)
            )));
        }
        let made = restore(archive, &entry.store(), &RestoreOptions::default(), &progress);
        progress.done();
        match made {
            // Another session made it meanwhile.
            Err(RestoreError::Archive(ArchiveError::OutputExists { .. })) => Ok(()),
            Err(error) => Err(error.into()),
            Ok(report) => {
                if !report.limits.is_empty() {
                    note(
                        "MLflow's tables cannot hold all of it; `mlark restore --dry-run` lists what is lost",
                    );
                }
                Ok(entry.seal()?)
            }
        }
    }

    fn tell(&self, served: &Served) -> Result<()> {
        if self.json {
            return print_json(served);
        }
        print_json_text(format_args!("{}\n", served.url))?;
        say("press Ctrl-C to stop; changes made there are not kept");
        Ok(())
    }
}

impl From<ServeError> for CliError {
    fn from(error: ServeError) -> Self {
        let (exit, hint) = match error {
            ServeError::Archive(error) => return error.into(),
            ServeError::NoMlflow | ServeError::TooOld { .. } => (
                Exit::Usage,
                Some(
                    "run `pip install 'mlflow>=3.18'` in an environment whose `bin` is on the PATH; `mlark ls` and `mlark show` need no MLflow",
                ),
            ),
            ServeError::Port { .. } => (Exit::Usage, Some("leave --port out to use a free port")),
            _ => (Exit::Target, None),
        };
        let error = CliError::with_exit(error, exit);
        match hint {
            Some(hint) => error.hint(hint),
            None => error,
        }
    }
}
