//! Options that several commands share, and small helpers of printing.

use super::error::{CliError, Result};
use super::exit::Exit;
use super::screen::{Screen, is_quiet, note, say};
use crate::archive::{ContainerKind, WriterOptions};
use crate::format::Kind;
use crate::model::uri::scheme;
use crate::report::text::printable;
use clap::ValueEnum;
use clap::builder::{PathBufValueParser, RangedU64ValueParser, TypedValueParser};
use std::fmt::Display;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Where and how a new archive is written.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Output")]
pub(super) struct OutputArgs {
    /// The archive to make: a zip where the name ends in `.zip`, else a directory
    #[arg(short, long, value_name = "OUT", value_parser = output_path())]
    pub output: PathBuf,
    /// Makes a directory or a zip whatever the name is
    #[arg(long, value_enum, value_name = "KIND")]
    container: Option<ContainerArg>,
    /// Replaces OUT where it exists, but no directory that is not an archive; until the new one is whole, the old one stays
    #[arg(long)]
    force: bool,
    /// Leaves syncing to disk to the operating system
    #[arg(long)]
    no_sync: bool,
    /// Threads that read and hash [default: one per core]
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true, value_parser = threads())]
    threads: usize,
}

/// The most threads or requests at once.
const MAX_THREADS: u64 = 1024;

/// A parser of a number of threads; 0 is the default.
pub(super) fn threads() -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(0..=MAX_THREADS)
}

/// A parser of a number of requests under way at once.
pub(super) fn connections() -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(1..=MAX_THREADS)
}

/// A parser of a path where something is to be made.
pub(super) fn output_path() -> impl TypedValueParser<Value = PathBuf> {
    PathBufValueParser::new().try_map(|path| {
        if path.as_os_str() == "-" {
            return Err("it is made on disk, never on stdout; `./-` would name a file".to_owned());
        }
        match path.to_str().and_then(scheme) {
            Some(scheme) => Err(format!(
                "it is made on a disk, and nothing is written to `{scheme}:` URIs; make it here and copy it"
            )),
            None => Ok(path),
        }
    })
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ContainerArg {
    Directory,
    Zip,
}

impl OutputArgs {
    pub(super) fn writer_options(&self) -> WriterOptions {
        WriterOptions {
            container: self.container.map(|container| match container {
                ContainerArg::Directory => ContainerKind::Directory,
                ContainerArg::Zip => ContainerKind::Zip,
            }),
            force: self.force,
            threads: self.threads,
            no_sync: self.no_sync,
        }
    }

    /// Refuses an output that is the input or lies within it.
    pub(super) fn refuse_input(&self, input: &Path) -> Result<()> {
        refuse_input(&self.output, input)
    }
}

/// Refuses an output that is the input, or where one of the two lies within the other.
pub(super) fn refuse_input(output: &Path, input: &Path) -> Result<()> {
    let (Ok(input), Ok(real_output)) = (input.canonicalize(), output.canonicalize()) else {
        return Ok(());
    };
    if input == real_output {
        let path = output.to_owned();
        return Err(crate::archive::ArchiveError::OutputIsInput { path }.into());
    }
    if real_output.starts_with(&input) || input.starts_with(&real_output) {
        return Err(CliError::usage(format!(
            "output `{}` and input `{}` lie within each other",
            real_output.display(),
            input.display()
        )));
    }
    Ok(())
}

/// Removes what an earlier run left beside the output when it was killed, and says so.
pub(super) fn clear_leftovers(output: &Path) {
    for left in crate::archive::remove_leftovers(output) {
        note(left);
    }
}

/// Lets Ctrl-C and SIGTERM remove what is being made before they end the process.
pub(super) fn remove_on_signal() {
    // Where no handler can be set, a signal ends the process, and the next one clears up.
    let _ = ctrlc::set_handler(|| end_at_once());
}

/// Ends the process and leaves nothing half-made.
pub(super) fn end_at_once() -> ! {
    crate::archive::abandon_all();
    say("error: interrupted: nothing was made");
    std::process::exit(Exit::Interrupted as i32);
}

/// Writes a command's result to stdout.
///
/// A reader that has seen enough, such as `head`, is no error, and changes neither what is done next nor the exit code.
pub(super) fn print_result(text: impl Display) -> Result<()> {
    print(Screen::stdout(false), text)
}

/// Prints a summary of what was done, which `--quiet` leaves out.
pub(super) fn print_summary(text: impl Display) -> Result<()> {
    if is_quiet() {
        return Ok(());
    }
    print_result(text)
}

/// The same as [`print_result`] for a result that is JSON.
pub(super) fn print_json(text: impl Display) -> Result<()> {
    print(Screen::stdout(true), text)
}

fn print<W: Write>(mut screen: Screen<W>, text: impl Display) -> Result<()> {
    match write!(screen, "{text}").and_then(|()| screen.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

/// The tracking URI that stands for a source or target that was not given.
pub(super) fn tracking_uri(given: Option<&str>, what: &str) -> Result<String> {
    let from_environment = || {
        std::env::var("MLFLOW_TRACKING_URI")
            .ok()
            .filter(|uri| !uri.is_empty())
    };
    given
        .map(str::to_owned)
        .or_else(from_environment)
        .ok_or_else(|| CliError::usage(format!("no {what} was given, and MLFLOW_TRACKING_URI is not set")))
}

/// A path for people, on one line.
pub(super) fn shown(path: &Path) -> String {
    printable(&path.to_string_lossy()).into_owned()
}

/// A number with thousands separated, for people.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// So many of something, whose name is given as it is for many: `2 runs`, `1 run`.
pub(super) fn counted(count: u64, nouns: &str) -> String {
    let noun = match count {
        1 => nouns.strip_suffix('s').unwrap_or(nouns),
        _ => nouns,
    };
    format!("{} {noun}", grouped(count))
}

/// So many objects of a kind.
pub(super) fn counted_kind(count: u64, kind: Kind) -> String {
    counted(count, &kind.name().replace('-', " "))
}

/// A size in bytes, for people.
pub(super) fn bytes(size_bytes: u64) -> String {
    let mut size = size_bytes as f64;
    for unit in ["B", "kB", "MB", "GB"] {
        if size < 1000.0 {
            let decimals = usize::from(unit != "B");
            return format!("{size:.decimals$} {unit}");
        }
        size /= 1000.0;
    }
    format!("{size:.1} TB")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_made_for_reading() {
        assert_eq!(
            [0, 999, 1000, 1_234_567].map(grouped),
            ["0", "999", "1,000", "1,234,567"]
        );
        assert_eq!(
            [0, 999, 1000, 1_500_000].map(bytes),
            ["0 B", "999 B", "1.0 kB", "1.5 MB"]
        );
    }
}
