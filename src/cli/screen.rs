//! The one way to stdout and stderr: what could steer a terminal or disguise text is escaped on it.
//!
//! Texts of archives, sources and servers reach people in many commands. So no command prints by itself: what it
//! prints goes through a [`Screen`] or [`say`]. Only `cat` writes bytes as they are, since they are an artifact's.

use crate::model::mask;
use crate::model::printable::{is_hidden, one_line, write_escape};
use anstyle::Style;
use std::fmt::{self, Display};
use std::io::{self, BufWriter, IsTerminal as _, Write};
use std::sync::atomic::{AtomicBool, Ordering};

/// How a character that must not be shown is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Escapes {
    /// As `\r` or `\u{9b}`.
    Text,
    /// As `\u009b`, which JSON reads as the character.
    Json,
}

/// What is printed, on its way out. Line ends and tabs separate lines and columns, and stay.
pub(super) struct Screen<W: Write> {
    out: W,
    escapes: Escapes,
}

impl Screen<BufWriter<anstream::AutoStream<io::StdoutLock<'static>>>> {
    /// Stdout, for text or for JSON.
    pub(super) fn stdout(json: bool) -> Self {
        #[expect(clippy::disallowed_methods, reason = "the one place that may")]
        let out = BufWriter::new(anstream::stdout().lock());
        if json {
            Screen::json(out)
        } else {
            Screen::text(out)
        }
    }
}

impl<W: Write> Screen<W> {
    /// Prints text.
    pub(super) fn text(out: W) -> Self {
        let escapes = Escapes::Text;
        Screen { out, escapes }
    }

    /// Prints JSON, which stays JSON.
    pub(super) fn json(out: W) -> Self {
        let escapes = Escapes::Json;
        Screen { out, escapes }
    }

    /// The same screen, lent.
    pub(super) fn lent(&mut self) -> Screen<&mut W> {
        Screen {
            out: &mut self.out,
            escapes: self.escapes,
        }
    }

    /// What `write!` calls.
    pub(super) fn write_fmt(&mut self, text: fmt::Arguments<'_>) -> io::Result<()> {
        let mut escaping = Escaping {
            screen: self,
            error: None,
        };
        match fmt::write(&mut escaping, text) {
            Ok(()) => Ok(()),
            Err(fmt::Error) => Err(escaping
                .error
                .unwrap_or_else(|| io::Error::other("a value could not be shown"))),
        }
    }

    /// Prints text in a style; where colours are not wanted, as it is.
    pub(super) fn styled(&mut self, style: Style, text: impl Display) -> io::Result<()> {
        write!(self.out, "{style}")?;
        write!(self, "{text}")?;
        write!(self.out, "{style:#}")
    }

    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

struct Escaping<'a, W: Write> {
    screen: &'a mut Screen<W>,
    error: Option<io::Error>,
}

impl<W: Write> fmt::Write for Escaping<'_, W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let escaped;
        let shown = if text.chars().any(is_unwanted) {
            escaped = self.screen.escapes.escape(text);
            &escaped
        } else {
            text
        };
        self.screen.out.write_all(shown.as_bytes()).map_err(|error| {
            self.error = Some(error);
            fmt::Error
        })
    }
}

fn is_unwanted(character: char) -> bool {
    is_hidden(character) && !matches!(character, '\n' | '\t')
}

impl Escapes {
    fn escape(self, text: &str) -> String {
        let mut escaped = String::with_capacity(text.len() + 8);
        for character in text.chars() {
            match self {
                _ if !is_unwanted(character) => escaped.push(character),
                Escapes::Text => write_escape(character, &mut escaped),
                Escapes::Json => crate::report::text::write_json_escape(character, &mut escaped),
            }
        }
        escaped
    }
}

/// Whether `--quiet` was given.
static IS_QUIET: AtomicBool = AtomicBool::new(false);

/// Leaves out what is neither a result nor an error.
pub(super) fn set_quiet(is_quiet: bool) {
    IS_QUIET.store(is_quiet, Ordering::Relaxed);
}

/// Whether only results and errors are wanted.
pub(super) fn is_quiet() -> bool {
    IS_QUIET.load(Ordering::Relaxed)
}

/// Prints a note on stderr: what a person should know and no program needs.
pub(super) fn note(line: impl Display) {
    if !is_quiet() {
        say(format_args!("note: {line}"));
    }
}

/// Prints a line on stderr: a failure, an error. Where stderr is closed or full there is nobody to tell.
pub(super) fn say(line: impl Display) {
    #[expect(clippy::disallowed_methods, reason = "the one place that may")]
    let mut out = anstream::stderr().lock();
    let line = line.to_string();
    let _ = writeln!(out, "{}", one_line(&mask::hide(&line)));
}

/// Stdout for the bytes of an artifact.
pub(super) fn raw_stdout() -> io::StdoutLock<'static> {
    #[expect(clippy::disallowed_methods, reason = "the one place that may")]
    io::stdout().lock()
}

/// Whether a person reads stdout.
pub(super) fn is_stdout_terminal() -> bool {
    #[expect(clippy::disallowed_methods, reason = "nothing is printed")]
    io::stdout().is_terminal()
}

/// Whether a person reads stderr and wants to see how far the work is.
pub(super) fn shows_progress() -> bool {
    !is_quiet() && is_stderr_terminal()
}

fn is_stderr_terminal() -> bool {
    #[expect(clippy::disallowed_methods, reason = "nothing is printed")]
    io::stderr().is_terminal()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORGED: &str = "a\u{1b}]0;x\u{7}\u{9b}2J\u{202e}\r\u{7f}\u{0}\u{85}\u{2028}\u{e0041}é\tb\n";

    #[test]
    fn what_is_printed_steers_no_terminal() {
        let mut text = Screen::text(Vec::new());
        let heading = Style::new().bold();
        text.styled(heading, FORGED).unwrap();
        let text = String::from_utf8(text.out).unwrap();
        let own = format!("{heading}a\\u{{1b}}]0;x");
        assert!(text.starts_with(&own), "{text}");
        assert!(text.ends_with(&format!("é\tb\n{heading:#}")), "{text}");
        let between = &text[own.len()..text.len() - format!("{heading:#}").len()];
        assert!(!between.chars().any(is_unwanted), "{between}");
    }

    #[test]
    fn json_that_is_printed_stays_the_same_json() {
        let mut json = Screen::json(Vec::new());
        write!(json, "{:#}", serde_json::json!({ "key": FORGED })).unwrap();
        let json = String::from_utf8(json.out).unwrap();
        assert!(!json.chars().any(is_unwanted), "{json}");
        let value: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(value["key"], FORGED);
    }
}
