//! Options that several commands share, and small helpers of printing.

use super::{CliError, Result, clear_leftovers, counted, say};
use crate::archive::remote::{self, is_remote};
use crate::archive::{ArchiveError, ContainerKind, WriterOptions};
use crate::model::uri::scheme;
use clap::builder::{PathBufValueParser, PossibleValuesParser, RangedU64ValueParser, TypedValueParser};
use std::path::{Path, PathBuf};

/// Where and how a new archive is written.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Output")]
pub(super) struct OutputArgs {
    /// Archive to make: a zip if the name ends in `.zip`, else a directory
    #[arg(short, long, value_name = "OUT", value_parser = possibly_remote())]
    pub output: PathBuf,
    /// Make a directory or a zip, whatever the name is
    #[arg(long, value_name = "KIND", value_parser = one_of(ContainerKind::ALL, ContainerKind::as_str))]
    container: Option<ContainerKind>,
    /// Replace OUT if it exists (a directory only if it is an archive); the old one stays until the new one is complete
    #[arg(long)]
    force: bool,
    /// In an object store, first remove what a killed attempt left at OUT
    ///
    /// It gives up unfinished uploads to OUT, and removes the objects of a directory there that has no seal. Let no other process be making
    /// OUT then. Azure does not tell of unfinished uploads: it removes them by itself after a week.
    #[arg(long)]
    cleanup: bool,
    /// Do not wait until the data is synced to disk
    #[arg(long)]
    no_sync: bool,
    /// Threads for reading and hashing [default: one per core]
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

/// A parser of the texts of some values.
pub(super) fn one_of<T: Copy + Send + Sync + 'static>(
    all: &'static [T],
    text: fn(T) -> &'static str,
) -> impl TypedValueParser<Value = T> {
    PossibleValuesParser::new(all.iter().map(|one| text(*one))).map(move |given| {
        let named = all.iter().find(|one| text(**one) == given);
        *named.expect("the parser takes no other text")
    })
}

/// A parser of a path where something is to be made, which may be in an object store.
pub(super) fn possibly_remote() -> impl TypedValueParser<Value = PathBuf> {
    PathBufValueParser::new().try_map(|path| match is_remote(&path) {
        true => Ok(path),
        false => on_disk(path),
    })
}

/// Reads a size such as `10GB`: bytes, or thousands of them with `kB`, `MB`, `GB` or `TB`.
pub(super) fn size(text: &str) -> std::result::Result<u64, String> {
    let refused = || "expected a number with kB, MB, GB or TB, such as 10GB".to_owned();
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit: u64 = match text[digits.len()..].to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "tb" => 1_000_000_000_000,
        _ => return Err(refused()),
    };
    let number: u64 = digits.trim().parse().map_err(|_| refused())?;
    let bytes = number.checked_mul(unit).filter(|bytes| *bytes > 0);
    bytes.ok_or_else(refused)
}

/// A parser of a path where something is to be made.
pub(super) fn output_path() -> impl TypedValueParser<Value = PathBuf> {
    PathBufValueParser::new().try_map(on_disk)
}

fn on_disk(path: PathBuf) -> std::result::Result<PathBuf, String> {
    if path.as_os_str() == "-" {
        return Err(
            "the output is written to disk, not to stdout; write `./-` for a file named `-`".to_owned(),
        );
    }
    match path.to_str().and_then(scheme) {
        Some(scheme) => Err(format!(
            "this output cannot be written to a `{scheme}:` URI; write it to a disk and copy it"
        )),
        None => Ok(path),
    }
}

impl OutputArgs {
    pub(super) fn writer_options(&self) -> WriterOptions {
        WriterOptions {
            container: self.container,
            force: self.force,
            threads: self.threads,
            no_sync: self.no_sync,
        }
    }

    /// Removes what an attempt that was killed left, and tells of it.
    pub(super) fn clear_leftovers(&self) -> Result<()> {
        clear_leftovers(&self.output);
        if !self.cleanup {
            return Ok(());
        }
        let Some(cleaned) = remote::clean(&self.output) else {
            return Ok(());
        };
        let cleaned = cleaned.map_err(ArchiveError::io("clean up", &self.output))?;
        let (uploads, objects) = (cleaned.uploads, cleaned.objects);
        if uploads + objects > 0 {
            say(format_args!(
                "removed {} and {} of an unfinished directory, left behind by an interrupted run",
                counted(uploads, "unfinished uploads"),
                counted(objects, "objects")
            ));
        }
        if !cleaned.knows_uploads {
            say("this store does not list unfinished uploads; Azure removes them by itself after a week");
        }
        Ok(())
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
            "output `{}` and input `{}` overlap: one is inside the other",
            real_output.display(),
            input.display()
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::size;

    #[test]
    fn sizes_have_units_of_a_thousand() {
        assert_eq!(size("10GB"), Ok(10_000_000_000));
        assert_eq!(size("7"), Ok(7));
        assert_eq!(size("5 kB"), Ok(5_000));
        for wrong in ["", "GB", "0", "1.5GB", "-1", "10XB", "99999999999999999TB"] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
    }
}
