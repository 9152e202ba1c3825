//! Files of an input are opened only where they are regular: a named pipe would be waited for, for ever.

use super::container::check_regular;
use rustix::fs::OFlags;
use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Opens a file for reading, links followed.
///
/// # Errors
/// It is no regular file, or the file system says no.
pub(crate) fn open_input(path: &Path) -> io::Result<File> {
    check(&path.metadata()?)?;
    // NONBLOCK: a pipe may have taken its place since.
    let nonblock = OFlags::NONBLOCK.bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(nonblock).open(path)?;
    check(&file.metadata()?)?;
    Ok(file)
}

fn check(metadata: &Metadata) -> io::Result<()> {
    if metadata.is_dir() {
        return Err(rustix::io::Errno::ISDIR.into());
    }
    check_regular(metadata).map(drop)
}
