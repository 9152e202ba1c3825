//! Why a text is not JSON as Python reads it.

use std::io;

/// Where a text stops being JSON as Python reads it, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line} column {column}: {kind}")]
#[non_exhaustive]
pub struct PyJsonError {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// Offset in bytes, from 0.
    pub offset: usize,
    /// What is wrong there.
    pub kind: PyJsonErrorKind,
}

/// What is wrong with a text that should be JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PyJsonErrorKind {
    /// The bytes are not UTF-8.
    #[error("not UTF-8")]
    NotUtf8,
    /// No value starts here.
    #[error("a value is expected")]
    ExpectedValue,
    /// An object wants a key here.
    #[error("a key in double quotes is expected")]
    ExpectedKey,
    /// A key wants its colon here.
    #[error("`:` is expected")]
    ExpectedColon,
    /// A list or object goes on or ends here.
    #[error("`,` or the closing bracket is expected")]
    ExpectedComma,
    /// A string never ends.
    #[error("the string that starts here does not end")]
    UnterminatedString,
    /// A character below U+0020 stands unescaped in a string.
    #[error("raw control character in a string")]
    ControlCharacter,
    /// A backslash is followed by what is no escape.
    #[error("not an escape")]
    BadEscape,
    /// An escape of half a surrogate pair.
    #[error("lone surrogate in a string")]
    LoneSurrogate,
    /// An integer of more digits than Python converts.
    #[error("integer of more than 4300 digits")]
    IntTooLong,
    /// Nested too deeply.
    #[error("nested more than 128 deep")]
    TooDeep,
    /// More than may be held.
    #[error("more than the 256 MiB of JSON that are read")]
    TooLarge,
    /// Something follows the value.
    #[error("data after the end of the value")]
    TrailingData,
}

/// Why a stream was not read as JSON.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PyJsonReadError {
    /// The stream failed.
    #[error("cannot be read")]
    Io(#[from] io::Error),
    /// It is not JSON as Python reads it.
    #[error("is not JSON")]
    Json(#[from] PyJsonError),
}
