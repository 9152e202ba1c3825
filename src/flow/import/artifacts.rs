//! Files on their way to a target: which paths it takes, where they go, and bytes read as they are sent.

use crate::archive::Archive;
use crate::client::Body;
use crate::format::Reason;
use crate::lang::rest::file_names::{PathFault, path_fault};
use crate::lang::rest::limits::Limits;
use crate::lang::rest::routes::{Call, PROXIED_FILES};
use crate::model::{ArtifactFile, BlobRef};
use std::io::{self, Read};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

/// Smaller files are held whole while they are sent.
const HELD_BYTES: u64 = 1 << 20;
/// Bytes per piece of a larger file.
const PIECE_BYTES: usize = 256 << 10;
/// Pieces read ahead.
const PIECES: usize = 4;

/// Why a file does not go to a server, where it does not.
pub(crate) fn fault(file: &ArtifactFile, limits: &Limits) -> Option<Reason> {
    if file.sha256.is_none() {
        return Some(Reason::NotInArchive);
    }
    let fault = path_fault(&file.path, limits.paths_are_urls).filter(|fault| *fault != PathFault::Unlisted);
    fault.map(PathFault::reason)
}

/// Where files of an owner go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Destination {
    /// Below this path of the server's artifact proxy.
    Proxy(String),
    /// Elsewhere: only the UI's upload for runs is left.
    Elsewhere,
}

impl Destination {
    /// What an artifact URI of the target means.
    pub(crate) fn of(uri: &str) -> Self {
        let proxied = |rest: &str| Destination::Proxy(rest.trim_matches('/').to_owned());
        if let Some(rest) = uri.strip_prefix("mlflow-artifacts:") {
            return match rest.strip_prefix("//") {
                Some(rest) => proxied(rest.split_once('/').map_or("", |(_, path)| path)),
                None => proxied(rest),
            };
        }
        if uri.starts_with("http")
            && let Some(rest) = Call::from(PROXIED_FILES).below(uri)
        {
            return proxied(rest);
        }
        Destination::Elsewhere
    }
}

/// The bytes of a blob as the body of a request, opened anew for each try.
///
/// # Errors
/// A small blob cannot be read.
pub(crate) fn body(archive: &Archive, blob: BlobRef) -> crate::archive::Result<Body> {
    let size_bytes = blob.size_bytes;
    if size_bytes <= HELD_BYTES {
        return Ok(Body::Bytes(read(archive, &blob)?));
    }
    let archive = archive.clone();
    Ok(Body::Stream {
        size_bytes,
        open: Box::new(move || {
            let reader: Box<dyn Read + Send> = Box::new(ReadAhead::start(archive.clone(), blob));
            Ok(reader)
        }),
    })
}

/// The bytes of a small blob.
///
/// # Errors
/// It cannot be read.
pub(crate) fn read(archive: &Archive, blob: &BlobRef) -> crate::archive::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let name = || crate::format::layout::blob_path(&blob.sha256);
    archive
        .blob(blob)?
        .read_to_end(&mut bytes)
        .map_err(|error| archive.read_error(&name(), error))?;
    Ok(bytes)
}

/// Reads a blob on a thread of its own: a blob's reader borrows its archive, and a body may not.
struct ReadAhead {
    pieces: Receiver<io::Result<Vec<u8>>>,
    piece: io::Cursor<Vec<u8>>,
}

impl ReadAhead {
    fn start(archive: Archive, blob: BlobRef) -> Self {
        let (sender, pieces) = sync_channel(PIECES);
        std::thread::spawn(move || send_pieces(&archive, &blob, &sender));
        ReadAhead {
            pieces,
            piece: io::Cursor::default(),
        }
    }
}

fn send_pieces(archive: &Archive, blob: &BlobRef, sender: &SyncSender<io::Result<Vec<u8>>>) {
    let mut reader = match archive.blob(blob) {
        Ok(reader) => reader,
        Err(error) => {
            let _ = sender.send(Err(io::Error::other(error)));
            return;
        }
    };
    loop {
        let mut piece = Vec::with_capacity(PIECE_BYTES);
        let read = (&mut reader).take(PIECE_BYTES as u64).read_to_end(&mut piece);
        let answer = read.map(|_| piece);
        let is_last = answer.as_ref().map_or(true, Vec::is_empty);
        // Whoever read has enough, or is gone; either way there is no more to do.
        if sender.send(answer).is_err() || is_last {
            return;
        }
    }
}

impl Read for ReadAhead {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.piece.read(buffer)?;
        if read > 0 || buffer.is_empty() {
            return Ok(read);
        }
        match self.pieces.recv() {
            Ok(piece) => self.piece = io::Cursor::new(piece?),
            Err(_) => return Ok(0),
        }
        self.piece.read(buffer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uris_of_the_proxy_give_paths_below_it() {
        let path = |uri| match Destination::of(uri) {
            Destination::Proxy(path) => path,
            Destination::Elsewhere => "elsewhere".to_owned(),
        };
        assert_eq!(path("mlflow-artifacts:/1/r/artifacts"), "1/r/artifacts");
        assert_eq!(path("mlflow-artifacts://host:5000/1/r"), "1/r");
        assert_eq!(path("http://h/api/2.0/mlflow-artifacts/artifacts/1/r"), "1/r");
        assert_eq!(path("s3://bucket/1"), "elsewhere");
    }
}
