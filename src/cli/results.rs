//! A command's result on stdout.

use super::screen::is_quiet;
use super::{Result, Screen};
use crate::report::text::json_text;
use serde::Serialize;
use std::fmt::Display;
use std::io::{self, Write};

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
pub(super) fn print_json(value: &impl Serialize) -> Result<()> {
    print_json_text(format_args!("{}\n", json_text(value)))
}

/// The same for the text of a JSON document.
pub(super) fn print_json_text(text: impl Display) -> Result<()> {
    print(Screen::stdout(true), text)
}

/// Prints what was made: as JSON, or in words, which `--quiet` leaves out.
pub(super) fn print_made(json: bool, made: &impl Serialize, words: impl FnOnce() -> String) -> Result<()> {
    match json {
        true => print_json(made),
        false => print_summary(words()),
    }
}

fn print<W: Write>(mut screen: Screen<W>, text: impl Display) -> Result<()> {
    match write!(screen, "{text}").and_then(|()| screen.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}
