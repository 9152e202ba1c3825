//! Texts too long for a line, laid aside while a source reads and stored as blobs when the object that holds them is
//! written: so no such text is ever held, and blobs come in the order of first reference whatever thread read them.

use super::part::finish_digest;
use crate::format::layout::{STRING_BYTES, TEXT_BYTES};
use crate::model::text::LongText;
use crate::model::{BlobRef, Text};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::fs;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Bytes read at once; a multiple of three, so that base64 of pieces is base64 of all.
const PIECE_BYTES: usize = 192 << 10;

/// Where texts are laid aside; shared with the threads of a source.
#[derive(Debug, Clone)]
pub(crate) struct LongTexts {
    folder: Arc<Path>,
    has_any: Arc<AtomicBool>,
    /// What stand-ins of this process begin with: no source can guess it.
    mark: Arc<str>,
}

impl LongTexts {
    /// Texts below a directory for temporary files.
    pub(crate) fn new(scratch: &Path) -> Self {
        LongTexts {
            folder: scratch.join("long-texts").into(),
            has_any: Arc::default(),
            mark: unguessable().into(),
        }
    }

    /// A text of a field that holds texts only, in place of one that was laid aside; what writes the object puts the blob
    /// there.
    pub(crate) fn stand_in(&self, blob: &BlobRef) -> String {
        format!("{}{}/{}", self.mark, blob.sha256.hex().as_str(), blob.size_bytes)
    }

    /// What a text stands for, if it stands for one that was laid aside.
    pub(super) fn behind(&self, text: &str) -> Option<BlobRef> {
        let (digest, size) = text.strip_prefix(&*self.mark)?.split_once('/')?;
        Some(BlobRef {
            sha256: digest.parse().ok()?,
            size_bytes: size.parse().ok()?,
        })
    }

    /// Whether a stand-in is where no blob can be: in a key, or within a longer text.
    pub(super) fn is_misplaced(&self, value: &Value) -> bool {
        let is_part = |text: &str| text.contains(&*self.mark);
        match value {
            Value::String(text) => is_part(text) && self.behind(text).is_none(),
            Value::Array(items) => items.iter().any(|item| self.is_misplaced(item)),
            Value::Object(map) => map
                .iter()
                .any(|(key, item)| is_part(key) || self.is_misplaced(item)),
            _ => false,
        }
    }

    /// Takes pieces of a UTF-8 text of more than 1 MiB.
    ///
    /// # Errors
    /// No temporary file can be made.
    pub(crate) fn begin(&self) -> io::Result<LongTextWriter> {
        fs::create_dir_all(&self.folder)?;
        Ok(LongTextWriter {
            aside: Aside::create(&self.folder)?,
            texts: self.clone(),
        })
    }

    /// Why a text of this size can be in no archive, if it cannot.
    pub(crate) fn refused(size_bytes: u64) -> Option<String> {
        (size_bytes > TEXT_BYTES).then(|| format!("a text of {size_bytes} bytes, more than {TEXT_BYTES}"))
    }

    /// Reads a text of more than 1 MiB.
    ///
    /// # Errors
    /// It cannot be read, no line can hold it, or the temporary file cannot be written.
    pub(crate) fn keep(&self, reader: &mut dyn Read) -> io::Result<Text> {
        fs::create_dir_all(&self.folder)?;
        let mut aside = Aside::create(&self.folder)?;
        let (mut buffer, mut utf8) = (vec![0; PIECE_BYTES], Utf8Scan::default());
        loop {
            let filled = fill(reader, &mut buffer)?;
            utf8.push(&buffer[..filled]);
            aside.write(&buffer[..filled])?;
            if filled < buffer.len() {
                break;
            }
        }
        let is_utf8 = utf8.finish();
        if !is_utf8 {
            let mut base64 = Aside::create(&self.folder)?;
            aside.file.rewind()?;
            loop {
                let filled = fill(aside.file.as_file_mut(), &mut buffer)?;
                base64.write(STANDARD.encode(&buffer[..filled]).as_bytes())?;
                if filled < buffer.len() {
                    break;
                }
            }
            aside = base64;
        }
        let blob = self.finish(aside)?;
        Ok(Text::Long(Box::new(LongText { blob, is_utf8 })))
    }

    fn finish(&self, aside: Aside) -> io::Result<BlobRef> {
        let blob = aside.finish(&self.folder)?;
        self.has_any.store(true, Ordering::Release);
        Ok(blob)
    }

    /// Whether any text was laid aside.
    pub(crate) fn has_any(&self) -> bool {
        self.has_any.load(Ordering::Acquire)
    }

    /// The file of a text that was laid aside.
    pub(crate) fn file_of(&self, blob: &BlobRef) -> Option<PathBuf> {
        let path = self.folder.join(blob.sha256.hex().as_str());
        path.exists().then_some(path)
    }
}

/// A text that comes in pieces.
pub(crate) struct LongTextWriter {
    aside: Aside,
    texts: LongTexts,
}

impl LongTextWriter {
    /// Takes a piece.
    ///
    /// # Errors
    /// No archive holds so long a text ([`io::ErrorKind::FileTooLarge`]), or the temporary file cannot be written.
    pub(crate) fn push(&mut self, piece: &[u8]) -> io::Result<()> {
        self.aside.write(piece)
    }

    /// What stands for the text.
    ///
    /// # Errors
    /// The temporary file cannot be written.
    pub(crate) fn finish(self) -> io::Result<String> {
        let blob = self.texts.finish(self.aside)?;
        Ok(self.texts.stand_in(&blob))
    }
}

/// Text that nobody knows who does not read this process's memory.
fn unguessable() -> String {
    let random = || RandomState::new().build_hasher().finish();
    format!("long text {:016x}{:016x} ", random(), random())
}

/// A temporary file being filled.
struct Aside {
    file: tempfile::NamedTempFile,
    hasher: Sha256,
    size_bytes: u64,
}

impl Aside {
    fn create(folder: &Path) -> io::Result<Self> {
        Ok(Aside {
            file: tempfile::NamedTempFile::new_in(folder)?,
            hasher: Sha256::new(),
            size_bytes: 0,
        })
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.size_bytes += bytes.len() as u64;
        if let Some(reason) = LongTexts::refused(self.size_bytes) {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, reason));
        }
        self.hasher.update(bytes);
        self.file.write_all(bytes)
    }

    /// Gives the file the name of its digest.
    fn finish(self, folder: &Path) -> io::Result<BlobRef> {
        let blob = BlobRef {
            sha256: finish_digest(self.hasher),
            size_bytes: self.size_bytes,
        };
        if blob.size_bytes <= STRING_BYTES as u64 {
            // Shorter texts stand in lines, and its size said that this is none.
            let detail = format!(
                "it became shorter while it was read: {} bytes are left",
                blob.size_bytes
            );
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, detail));
        }
        self.file.persist(folder.join(blob.sha256.hex().as_str()))?;
        Ok(blob)
    }
}

/// Fills a buffer as far as there are bytes.
fn fill(reader: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match reader.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// Whether pieces make up UTF-8.
#[derive(Debug, Default)]
pub(super) struct Utf8Scan {
    /// The beginning of a character that goes on in the next piece.
    open: Vec<u8>,
    is_wrong: bool,
}

impl Utf8Scan {
    /// Takes the next piece.
    pub(super) fn push(&mut self, mut piece: &[u8]) {
        while !self.open.is_empty() && !self.is_wrong {
            let Some((first, rest)) = piece.split_first() else {
                return;
            };
            self.open.push(*first);
            piece = rest;
            match std::str::from_utf8(&self.open) {
                Ok(_) => self.open.clear(),
                Err(error) => self.is_wrong = error.error_len().is_some(),
            }
        }
        if let Err(error) = std::str::from_utf8(piece) {
            self.is_wrong |= error.error_len().is_some();
            self.open = piece[error.valid_up_to()..].to_vec();
        }
        if self.is_wrong {
            self.open.clear();
        }
    }

    /// Whether all of it was.
    pub(super) fn finish(self) -> bool {
        !self.is_wrong && self.open.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_may_be_cut_anywhere() {
        let text = "aé€😀".repeat(3);
        for bytes in [
            text.as_bytes(),
            b"a\xff",
            "é".as_bytes().split_last().unwrap().1,
            b"\xc3a",
        ] {
            for piece in 1..=bytes.len() {
                let mut scan = Utf8Scan::default();
                bytes.chunks(piece).for_each(|piece| scan.push(piece));
                assert_eq!(
                    scan.finish(),
                    std::str::from_utf8(bytes).is_ok(),
                    "{bytes:?} by {piece}"
                );
            }
        }
    }

    #[test]
    fn a_text_is_laid_aside_as_it_would_be_written() {
        let directory = tempfile::tempdir().unwrap();
        let texts = LongTexts::new(directory.path());
        for bytes in [vec![b'x'; STRING_BYTES + 1], vec![0xff; STRING_BYTES + 2]] {
            let expected = match String::from_utf8(bytes.clone()) {
                Ok(text) => text,
                Err(_) => STANDARD.encode(&bytes),
            };
            let Text::Long(long) = texts.keep(&mut bytes.as_slice()).unwrap() else {
                panic!("it is long");
            };
            let blob = long.blob;
            let path = texts.file_of(&blob).unwrap();
            assert_eq!(fs::read_to_string(path).unwrap(), expected);
            assert_eq!(blob.size_bytes, expected.len() as u64);
        }
        assert_eq!(
            fs::read_dir(directory.path().join("long-texts")).unwrap().count(),
            2
        );
        let mut endless = io::repeat(b'x');
        assert!(
            texts
                .keep(&mut endless)
                .unwrap_err()
                .to_string()
                .contains("more than")
        );
    }

    #[test]
    fn a_text_that_became_shorter_while_it_was_read_is_a_failure() {
        let directory = tempfile::tempdir().unwrap();
        let texts = LongTexts::new(directory.path());
        let error = texts.keep(&mut &b"little is left"[..]).unwrap_err();
        assert!(error.to_string().contains("became shorter"), "{error}");
        assert!(!texts.has_any());
    }
}
