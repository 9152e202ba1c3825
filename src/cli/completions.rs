//! `mlark completions`: what a shell needs to complete commands and options; and the manual pages of the wheel.

use super::screen::raw_stdout;
use super::{Exit, Result};
use clap::CommandFactory;
use clap_complete::Shell;
use std::io::Write as _;
use std::path::PathBuf;

/// Print completions for a shell
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  mlark completions bash > ~/.local/share/bash-completion/completions/mlark"
)]
pub(super) struct Args {
    /// The shell to print completions for
    shell: Shell,
}

impl Args {
    pub(super) fn run(self) -> Result {
        let mut text = Vec::new();
        clap_complete::generate(self.shell, &mut super::Cli::command(), "mlark", &mut text);
        raw_stdout().write_all(&text)?;
        Ok(Exit::Done)
    }
}

/// Write the manual pages into a folder
#[derive(Debug, clap::Args)]
pub(super) struct ManualArgs {
    /// The folder, which must exist
    folder: PathBuf,
}

impl ManualArgs {
    pub(super) fn run(self) -> Result {
        clap_mangen::generate_to(super::Cli::command(), &self.folder)?;
        Ok(Exit::Done)
    }
}
