//! Artifacts and long texts, on several threads.

use super::matcher::{RULES, Rules};
use super::{FoundSecret, Scan, ScanOptions, place, secrets_in};
use crate::archive::parallel::threads_or_default;
use crate::archive::search::{Hit, Stream};
use crate::archive::verify::owners_of_blobs;
use crate::archive::walk::TextPlace;
use crate::archive::{Archive, Result};
use crate::format::layout::blob_path;
use crate::model::Digest;
use crate::monitor::Monitor;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

/// Bytes of lines that are searched together; longer lines are cut.
const BLOCK_BYTES: usize = 64 << 10;
/// Bytes by which text is told from what is none.
const START_BYTES: usize = 8 << 10;
/// Secrets that are told of one text.
const LISTED_OF_ONE: usize = 100;

/// Line, rule and length.
type Secret = (u64, &'static str, usize);

/// What threads found.
#[derive(Default)]
struct Shared {
    secrets: BTreeMap<Digest, BTreeSet<Secret>>,
    texts: u64,
    binary: u64,
}

/// Searches blobs and adds what is found, by those whose blobs they are.
pub(super) fn scan(
    archive: &Archive,
    blobs: &[Digest],
    options: &ScanOptions,
    monitor: &dyn Monitor,
    scan: &mut Scan,
) -> Result<()> {
    let threads = threads_or_default(options.threads);
    monitor.begin("artifacts", Some(blobs.len() as u64));
    let (next, shared) = (AtomicUsize::new(0), Mutex::new(Shared::default()));
    let work = || -> Result<()> {
        while let Some(digest) = blobs.get(next.fetch_add(1, Ordering::Relaxed)) {
            let secrets = secrets_of_blob(archive, digest).inspect_err(|_| {
                // The others end too.
                next.store(blobs.len(), Ordering::Relaxed);
            })?;
            let mut shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
            match secrets {
                None => shared.binary += 1,
                Some(secrets) => {
                    shared.texts += 1;
                    if !secrets.is_empty() {
                        shared.secrets.insert(*digest, secrets);
                    }
                }
            }
            monitor.advance(1);
        }
        Ok(())
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let ends = workers.into_iter().map(|worker| worker.join());
        ends.map(|end| end.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect::<Result<Vec<()>>>()
    })?;
    let shared = shared.into_inner().unwrap_or_else(PoisonError::into_inner);
    scan.report.texts += shared.texts;
    scan.report.binary += shared.binary;
    add(archive, shared.secrets, scan)
}

fn add(archive: &Archive, secrets: BTreeMap<Digest, BTreeSet<Secret>>, scan: &mut Scan) -> Result<()> {
    if secrets.is_empty() {
        return Ok(());
    }
    let mut owners: BTreeMap<String, Vec<TextPlace>> = secrets
        .keys()
        .map(|digest| (blob_path(digest), Vec::new()))
        .collect();
    owners_of_blobs(archive, &mut owners)?;
    for (digest, secrets) in secrets {
        let file = blob_path(&digest);
        let named = owners.remove(&file).filter(|places| !places.is_empty());
        for at in named.unwrap_or_else(|| vec![place(&file)]) {
            for (line, rule, length) in &secrets {
                let at = TextPlace {
                    artifact_line: Some(*line),
                    ..at.clone()
                };
                scan.add(FoundSecret::new(at, rule, *length));
            }
        }
    }
    Ok(())
}

/// The secrets of a blob; none where it does not look like text.
fn secrets_of_blob(archive: &Archive, digest: &Digest) -> Result<Option<BTreeSet<Secret>>> {
    let name = blob_path(digest);
    let failed = |error| archive.read_error(&name, error);
    let mut reader = BufReader::with_capacity(BLOCK_BYTES, archive.stored_blob(digest)?);
    let mut start = Vec::new();
    reader
        .by_ref()
        .take(START_BYTES as u64)
        .read_to_end(&mut start)
        .map_err(failed)?;
    if !is_text(&start) {
        return Ok(None);
    }
    let mut reader = BufReader::with_capacity(BLOCK_BYTES, start.chain(reader));
    let (mut stream, mut secrets) = (Stream::new(&*RULES), BTreeSet::new());
    let (mut block, mut line) = (Vec::new(), 1);
    loop {
        block.clear();
        while block.len() < BLOCK_BYTES {
            let rest = (BLOCK_BYTES - block.len()) as u64;
            if reader
                .by_ref()
                .take(rest)
                .read_until(b'\n', &mut block)
                .map_err(failed)?
                == 0
            {
                break;
            }
        }
        let mut here = BTreeSet::new();
        let mut add = |hit: Hit<'_>| {
            here.insert((RULES.name(hit.number), Rules::length(hit.number)));
        };
        if block.is_empty() {
            stream.finish(&mut add);
            secrets.extend(here.into_iter().map(|(rule, length)| (line, rule, length)));
            break;
        }
        stream.push(&block, &mut add);
        if !here.is_empty() && secrets.len() < LISTED_OF_ONE {
            in_lines(&block, line, here, &mut secrets);
        }
        line += block.iter().filter(|byte| **byte == b'\n').count() as u64;
    }
    Ok(Some(secrets))
}

/// Finds the lines of what was found in a block; what is in no single line gets the first.
fn in_lines(
    block: &[u8],
    first: u64,
    mut here: BTreeSet<(&'static str, usize)>,
    secrets: &mut BTreeSet<Secret>,
) {
    for (line, text) in (first..).zip(block.split_inclusive(|byte| *byte == b'\n')) {
        for secret in secrets_in(text) {
            here.remove(&secret);
            secrets.insert((line, secret.0, secret.1));
        }
    }
    let anywhere = here.into_iter().map(|(rule, length)| (first, rule, length));
    secrets.extend(anywhere);
}

/// Whether bytes look like the start of a text: UTF-8 or UTF-16, and hardly a control character.
fn is_text(start: &[u8]) -> bool {
    if start.starts_with(&[0xff, 0xfe]) || start.starts_with(&[0xfe, 0xff]) {
        return true;
    }
    let is_control = |byte: &&u8| **byte < b' ' && !b"\t\n\r\x0c\x1b".contains(byte);
    let is_utf8 = match std::str::from_utf8(start) {
        Ok(_) => true,
        // A character that is cut off at the end is none that is wrong.
        Err(error) => error.error_len().is_none() && start.len() == START_BYTES,
    };
    !start.contains(&0)
        && (is_utf8 || start.iter().filter(|byte| !byte.is_ascii()).count() * 8 < start.len())
        && start.iter().filter(is_control).count() * 50 <= start.len()
}

#[cfg(test)]
mod tests {
    use super::is_text;

    #[test]
    fn text_is_told_from_what_is_none() {
        for text in [
            &b""[..],
            b"a\tb\r\n",
            "é😀".as_bytes(),
            b"\xff\xfea\0",
            b"latin \xe9 is text as well",
        ] {
            assert!(is_text(text), "{text:?}");
        }
        for binary in [&b"PK\x03\x04\0\0"[..], b"\x80\x04\x95", b"a\0b", &[0xe9; 100]] {
            assert!(!is_text(binary), "{binary:?}");
        }
    }
}
