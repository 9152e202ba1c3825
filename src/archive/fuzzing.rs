//! What [`crate::fuzzing`] needs of this layer.

use super::search::{Needle, Needles, Stream};
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

/// Searches bytes, once as a whole and once in pieces; whether both found the same.
pub(crate) fn search(bytes: &[u8]) -> bool {
    let patterns =
        [r"(?i)key[^x]{0,9}x", r"[0-9]{3,}"].map(|pattern| Needle::pattern(pattern).expect("it is one"));
    let texts = [&b"key"[..], b"\\n\n", b"a b", b"\xff\0"].map(Needle::text);
    let needles = [&texts[..], &patterns].concat();
    let needles = Needles::new(&needles).expect("they are few");
    let search = |piece: usize| {
        let (mut stream, mut found) = (Stream::new(&needles), vec![false; needles.count()]);
        let mut add = |hit: super::search::Hit<'_>| found[needles.told(hit.number).needle] = true;
        bytes.chunks(piece).for_each(|piece| stream.push(piece, &mut add));
        stream.finish(&mut add);
        found
    };
    search(bytes.len().max(1)) == search(7)
}
