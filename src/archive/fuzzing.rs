//! What [`crate::fuzzing`] needs of this layer.

use super::zip::{ZipIndex, ZipLimits};
use std::io::{Read, Write};

/// Scans bytes as a zip and reads every entry; whether all of it was accepted.
pub(crate) fn read_zip(bytes: &[u8]) -> bool {
    let Ok(mut file) = tempfile::tempfile() else {
        return false;
    };
    if file.write_all(bytes).is_err() {
        return false;
    }
    let Ok(index) = ZipIndex::scan(&file, &ZipLimits::default()) else {
        return false;
    };
    let mut buffer = vec![0; 64 << 10];
    let mut names = index
        .blobs()
        .chain(index.others().iter().cloned())
        .map(|entry| entry.name.into_owned());
    names.all(|name| {
        let Some(mut reader) = index.open(&file, &name) else {
            return false;
        };
        loop {
            match reader.read(&mut buffer) {
                Ok(0) => return true,
                Ok(_) => {}
                Err(_) => return false,
            }
        }
    })
}
