//! The command line: one file per command, each with its `Args` and a `run` that reads like a recipe.

mod cat;
mod choice_args;
mod compare;
mod completions;
mod convert;
mod diff;
mod diff_sides;
mod edit_args;
mod edit_options;
mod error;
mod exit;
mod export;
mod extract;
mod hints;
mod humanize;
mod import;
mod info;
mod json;
mod lacks_args;
mod last_lines;
mod lineage;
mod ls;
mod map;
mod merge;
mod merge_args;
mod migrate;
mod output_args;
mod plan;
mod progress;
mod replay_args;
mod report;
mod restore;
mod restore_inputs;
mod restoring;
mod results;
mod scan;
mod screen;
mod secrets;
mod select_edits;
mod serve;
mod server_args;
mod shard_args;
mod show;
mod signals;
mod snapshot;
mod source_args;
mod split;
mod table;
mod target;
mod transform;
mod transform_inputs;
mod verify;
mod verify_store;

use crate::model::mask;
use crate::model::printable::one_line;
use clap::{Parser, Subcommand};
use error::{CliError, Result};
use humanize::{bytes, counted, counted_artifacts, counted_kind, counted_kinds, grouped, shown};
use last_lines::say_silent;
use output_args::{OutputArgs, output_path, possibly_remote, refuse_input};
use progress::{Progress, with_progress};
use results::{print_json, print_json_text, print_made, print_result, print_summary};
use screen::{Screen, note, say};
use signals::{clear_leftovers, making, remove_on_signal};
use std::ffi::OsString;
use std::process::ExitCode;

pub use exit::Exit;
pub use json::schemas as json_schemas;

/// Export, check, edit and move MLflow history as a file
///
/// mlark writes experiments, runs, models, traces, prompts and artifacts into one archive that can be verified. It keeps their
/// lineage as source tags, and imports them into any MLflow server.
#[derive(Debug, Parser)]
#[command(name = "mlark", version = version(), max_term_width = 110, after_help = exit::HELP)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// Print results as JSON, and errors as JSON on stderr (schemas: `schema/cli/`)
    #[arg(long, global = true)]
    json: bool,
    /// Print only results and errors: no progress, no notes, no success messages
    #[arg(short, long, global = true)]
    quiet: bool,
}

/// The version, and the features of this build, which decide what it can read.
fn version() -> String {
    let features = [
        ("postgres", cfg!(feature = "postgres")),
        ("mysql", cfg!(feature = "mysql")),
        ("cloud", cfg!(feature = "cloud")),
        ("parquet", cfg!(feature = "parquet")),
    ];
    let names: Vec<_> = features
        .iter()
        .filter(|(_, is_on)| *is_on)
        .map(|(name, _)| *name)
        .collect();
    let features = if names.is_empty() {
        "no optional features".to_owned()
    } else {
        format!("features: {}", names.join(", "))
    };
    format!("{} ({features})", env!("CARGO_PKG_VERSION"))
}

/// Makes the enum of all commands, and what runs one.
macro_rules! commands {
    ($($(#[$meta:meta])* $name:ident($args:ty);)*) => {
        #[derive(Debug, Subcommand)]
        enum Command {
            $($(#[$meta])* $name($args),)*
        }

        impl Command {
            fn run(self) -> Result {
                match self {
                    $(Command::$name(args) => args.run(),)*
                }
            }
        }
    };
}

commands! {
    Export(Box<export::Args>);
    Plan(Box<plan::Args>);
    Import(Box<import::Args>);
    Info(info::Args);
    Map(map::Args);
    Ls(Box<ls::Args>);
    Show(show::Args);
    Compare(compare::Args);
    Lineage(lineage::Args);
    Report(report::Args);
    Cat(cat::Args);
    Extract(extract::Args);
    Restore(Box<restore::Args>);
    Migrate(Box<migrate::Args>);
    Serve(serve::Args);
    Snapshot(snapshot::Args);
    Diff(diff::Args);
    Transform(Box<transform::Args>);
    Merge(merge::Args);
    Split(split::Args);
    Convert(convert::Args);
    Verify(verify::Args);
    Scan(scan::Args);
    Completions(completions::Args);
    #[command(hide = true)]
    Manual(completions::ManualArgs);
}

/// Prints help, the version, or what is wrong with the arguments.
fn print_of_parser(error: &clap::Error, args: &[OsString]) -> Exit {
    if !error.use_stderr() {
        // Help and version are results; a closed pipe while they are printed is not an error.
        let _ = error.print();
        return Exit::Done;
    }
    // The parser repeats arguments as they are, so it is asked again with what may be shown of them.
    let shown = args
        .iter()
        .map(|arg| one_line(&mask::hide(&arg.to_string_lossy())).into_owned());
    match Cli::try_parse_from(shown) {
        Err(error) => {
            let _ = error.print();
        }
        Ok(_) => error.render().to_string().lines().for_each(screen::say),
    }
    Exit::Usage
}

/// Runs the command line; what it found or made decides the exit code.
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args: Vec<_> = args.into_iter().collect();
    secrets::learn(&args);
    crate::archive::remote::install(crate::lang::artifacts::cloud::STORES);
    let cli = match Cli::try_parse_from(&args) {
        Ok(cli) => cli,
        Err(error) => {
            // The parser's own words do not say which argument it was.
            let no_text = args.iter().skip(1).find(|arg| arg.to_str().is_none());
            if let (clap::error::ErrorKind::InvalidUtf8, Some(arg)) = (error.kind(), no_text) {
                return error::report(&diff_sides::not_utf8(arg), false).into();
            }
            return print_of_parser(&error, &args).into();
        }
    };
    screen::set_quiet(cli.quiet);
    match cli.command.run() {
        Ok(exit) => exit.into(),
        Err(error) => error::report(&error, cli.json).into(),
    }
}
