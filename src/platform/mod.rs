//! What belongs to one operating system: how files are opened, placed, shared and locked, and how their names become bytes.
//!
//! Everything else is the same code everywhere. Linux is what mlark is made for and tested on; macOS and Windows take the plain way where
//! they have no better one.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
pub(crate) use unix::*;
#[cfg(windows)]
pub(crate) use windows::*;

use std::path::{Path, PathBuf};

/// Options for opening files that not every system has.
pub(crate) trait OpenMore {
    /// The mode of a file that is made; Windows has none.
    fn with_mode(&mut self, mode: u32) -> &mut Self;
    /// A named pipe in the file's place is not waited for; Windows has none among files.
    fn no_wait(&mut self) -> &mut Self;
    /// The same, and no symbolic link in the file's place is followed: it is an error, for which [`is_link_error`] holds, or on Windows
    /// opened itself, and no regular file.
    fn no_follow(&mut self) -> &mut Self;
}

/// How the processes of a group are asked to end.
#[cfg(feature = "doors")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EndRequest {
    Kindly,
    AtOnce,
}

/// What an entry of a folder is, as far as its listing says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Listed {
    File,
    Folder,
    /// A symbolic link, or what the listing does not tell.
    Unknown,
    /// A pipe, socket or device.
    #[cfg_attr(windows, expect(dead_code, reason = "there are none among its files"))]
    Special,
}

/// A folder of the user's: where a variable says, or below the home folder; none where neither is an absolute path.
pub(crate) fn user_folder(variable: &str, below_home: &str) -> Option<PathBuf> {
    let absolute = |name: &str| {
        let path = PathBuf::from(std::env::var_os(name)?);
        path.is_absolute().then_some(path)
    };
    absolute(variable).or_else(|| Some(absolute("HOME")?.join(below_home)))
}

/// The `file:` URI of an absolute path.
pub(crate) fn file_uri(path: &Path) -> String {
    format!("file://{}", uri_path(path))
}

/// An absolute path as that of a URI, percent-encoded.
pub(crate) fn uri_path(path: &Path) -> String {
    let mut text = String::new();
    for byte in slashed(path) {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' | b'~' => {
                text.push(char::from(byte));
            }
            _ => text.push_str(&format!("%{byte:02X}")),
        }
    }
    text
}
