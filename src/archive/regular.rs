//! Files of an input are opened only where they are regular: a named pipe would be waited for, for ever.

use super::container::check_regular;
use crate::platform::{OpenMore as _, is_a_folder};
use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::path::Path;

/// Opens a file for reading, links followed.
///
/// # Errors
/// It is no regular file, or the file system says no.
pub(crate) fn open_input(path: &Path) -> io::Result<File> {
    check(&path.metadata()?)?;
    // A pipe may have taken its place since.
    let file = OpenOptions::new().read(true).no_wait().open(path)?;
    check(&file.metadata()?)?;
    Ok(file)
}

fn check(metadata: &Metadata) -> io::Result<()> {
    if metadata.is_dir() {
        return Err(is_a_folder());
    }
    check_regular(metadata).map(drop)
}
