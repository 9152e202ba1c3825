//! Exit codes.

use crate::archive::ErrorKind;
use std::process::ExitCode;

/// Shown below the list of commands.
pub(super) const HELP: &str = "\
Exit codes:
  0  done
  1  findings (verify, scan) or differences (diff)
  2  usage: an option or output is not valid
  3  incomplete: something could not be read or written (--keep-going), or not be held (--strict)
  4  the archive is damaged
  5  the archive has a newer version or another format
  6  the file system refused to read or write
  7  the source could not be read
  8  the target refused or could not be reached
  9  interrupted (Ctrl-C, SIGTERM): nothing was made; run an import again to continue it";

/// What a run of mlark ends with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// All was done.
    Done = 0,
    /// `verify` or `scan` found something, `diff` found differences.
    Findings = 1,
    /// The request cannot be carried out as given.
    Usage = 2,
    /// Made, but with failures.
    Incomplete = 3,
    /// The archive is damaged.
    Damaged = 4,
    /// The archive is newer or of another format.
    Unsupported = 5,
    /// The file system refused.
    Io = 6,
    /// The source could not be read.
    Source = 7,
    /// The target refused or could not be reached.
    Target = 8,
    /// Asked to end before all was done.
    Interrupted = 9,
}

impl Exit {
    /// The code of a command that may have left something out.
    pub(super) fn incomplete_if(is_incomplete: bool) -> Self {
        if is_incomplete {
            Exit::Incomplete
        } else {
            Exit::Done
        }
    }

    /// The code of a command that looks for something.
    pub(super) fn findings_if(has_findings: bool) -> Self {
        if has_findings { Exit::Findings } else { Exit::Done }
    }

    /// The code for an error; a new kind of error does not compile without one.
    pub(super) fn of_error(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::Damaged => Exit::Damaged,
            ErrorKind::Unsupported => Exit::Unsupported,
            ErrorKind::Io => Exit::Io,
            ErrorKind::Usage => Exit::Usage,
            ErrorKind::Source => Exit::Source,
            ErrorKind::Interrupted => Exit::Interrupted,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit as u8)
    }
}
