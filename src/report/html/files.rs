//! Artifacts: which files there are, and what some of them look like.
//!
//! The files of an owner are `[[path, bytes, digest in base64, why absent] …, how many there are]`. A preview is found by the digest: an
//! image `{"y": media type, "b": base64}`, or the start of a text `{"t": …, "n": bytes of all of it}`.

use super::spool::Spool;
use super::text::{inert, name};
use crate::archive::walk::{OwnerWalk, each_line};
use crate::archive::{Archive, ArchiveError, CheckedReader, Result, SpillSorter};
use crate::format::Kind;
use crate::model::{ArtifactFile, ArtifactList, BlobRef, Digest, OwnerKind};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use std::collections::HashSet;
use std::io::Read as _;
use std::path::Path;

/// Files of one owner that are listed.
const MOST_FILES: usize = 1_000;
/// The largest file of which the start is shown: it is read whole, since only then its digest is known to be right.
const MOST_TEXT_BYTES: u64 = 8 << 20;
/// Bytes of a text that are shown.
const SHOWN_BYTES: usize = 16 << 10;
/// The largest image.
const MOST_IMAGE_BYTES: u64 = 512 << 10;
/// The most pixels of an image, as far as its first bytes tell them: few bytes can be very many pixels.
const MOST_PIXELS: u64 = 40_000_000;
/// Bytes that are read for all previews.
const MOST_READ_BYTES: u64 = 2 << 30;
/// Bytes by which a file's type is told.
const HEAD_BYTES: usize = 512;
/// Digests that are held, so that no file is looked at twice.
const MOST_DIGESTS: usize = 200_000;

/// The files of the page's owners.
pub(super) struct Files {
    pub(super) spool: Spool,
    /// The elements that have them, in the order of the spool.
    pub(super) owners: Vec<(OwnerKind, u32)>,
    /// Files beyond those that are listed.
    pub(super) left_out: u64,
    /// What may be shown, the newest owners first.
    candidates: SpillSorter,
    count: u64,
}

/// The name of the element with an owner's files.
pub(super) fn element(kind: OwnerKind, row: u32) -> String {
    format!("f-{}-{row}", kind.as_str())
}

/// The name of the element with a preview.
fn preview_element(digest: &Digest) -> String {
    format!("b-{}", URL_SAFE_NO_PAD.encode(digest.0))
}

/// Lists the files of the owners whose row `row_of` knows, by kind and number in the archive.
pub(super) fn files(
    archive: &Archive,
    scratch: &Path,
    row_of: &dyn Fn(OwnerKind, usize) -> Option<u32>,
) -> Result<Files> {
    let mut files = Files {
        spool: Spool::new(scratch)?,
        owners: Vec::new(),
        left_out: 0,
        candidates: SpillSorter::new(scratch),
        count: 0,
    };
    let mut walk = OwnerWalk::new(archive);
    let mut open: Option<OpenOwner> = None;
    each_line(archive, Kind::Artifacts, |cursor| {
        let list: ArtifactList = cursor.parse()?;
        if open
            .as_ref()
            .is_none_or(|owner| (owner.kind, &owner.id) != (list.owner_kind, &list.owner_id))
        {
            files.take(open.take())?;
            let owner = walk.owner(&list, cursor)?;
            let times = [
                &owner.head.start_time,
                &owner.head.creation_timestamp_ms,
                &owner.head.request_time,
            ];
            open = Some(OpenOwner {
                kind: list.owner_kind,
                row: row_of(list.owner_kind, owner.number),
                time: times.into_iter().find_map(Value::as_i64),
                id: list.owner_id.clone(),
                files: Vec::new(),
                count: 0,
            });
        }
        if let Some(owner) = open.as_mut().filter(|owner| owner.row.is_some()) {
            for file in &list.files {
                owner.count += 1;
                if owner.files.len() < MOST_FILES {
                    owner.files.push(file_value(file));
                    files.offer(owner.time, file, scratch)?;
                }
            }
        }
        Ok(())
    })?;
    files.take(open)?;
    Ok(files)
}

struct OpenOwner {
    kind: OwnerKind,
    id: String,
    row: Option<u32>,
    time: Option<i64>,
    files: Vec<Value>,
    count: u64,
}

impl Files {
    fn take(&mut self, owner: Option<OpenOwner>) -> Result<()> {
        let Some((owner, row)) = owner.and_then(|owner| owner.row.map(|row| (owner, row))) else {
            return Ok(());
        };
        self.left_out += owner.count - owner.files.len() as u64;
        self.owners.push((owner.kind, row));
        self.spool
            .push(owner.time, &inert(&json!([owner.files, owner.count])))
    }

    /// Notes a file that may have a preview.
    fn offer(&mut self, time: Option<i64>, file: &ArtifactFile, scratch: &Path) -> Result<()> {
        let Some(blob) = file
            .blob()
            .filter(|blob| blob.size_bytes > 0 && blob.size_bytes <= MOST_TEXT_BYTES)
        else {
            return Ok(());
        };
        // The newest first, and in the archive's order.
        let age = !(time.unwrap_or(i64::MIN).cast_unsigned() ^ (1 << 63));
        let mut key = age.to_be_bytes().to_vec();
        key.extend(self.count.to_be_bytes());
        self.count += 1;
        let mut value = blob.sha256.0.to_vec();
        value.extend(blob.size_bytes.to_be_bytes());
        self.candidates
            .push(key, value)
            .map_err(ArchiveError::io("write a file in", scratch))
    }
}

fn file_value(file: &ArtifactFile) -> Value {
    let digest = file.sha256.map(|digest| URL_SAFE_NO_PAD.encode(digest.0));
    match &file.absent {
        Some(absent) => json!([name(&file.path), file.size_bytes, digest, absent]),
        None => json!([name(&file.path), file.size_bytes, digest]),
    }
}

/// How many previews there are, and how many files had no room for one.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Previews {
    pub(super) shown: u64,
    pub(super) left_out: u64,
}

/// Hands the previews for which there is room to `sink`: the element's name and its JSON.
pub(super) fn previews(
    archive: &Archive,
    files: Files,
    mut room_bytes: u64,
    scratch: &Path,
    sink: &mut dyn FnMut(&str, &[u8]) -> Result<()>,
) -> Result<Previews> {
    let failed = |error| ArchiveError::io("read a file in", scratch)(error);
    let mut previews = Previews::default();
    let (mut seen, mut read_bytes) = (HashSet::new(), 0_u64);
    let sorted = files.candidates.finish();
    for record in sorted.map_err(failed)? {
        let (_, value) = record.map_err(failed)?;
        let Some(blob) = blob_of(&value) else { continue };
        if seen.len() >= MOST_DIGESTS || !seen.insert(blob.sha256) {
            continue;
        }
        if read_bytes >= MOST_READ_BYTES || room_bytes < 4 * HEAD_BYTES as u64 {
            previews.left_out += 1;
            continue;
        }
        let (preview, bytes) = look(archive, &blob)?;
        read_bytes += bytes;
        let Some(preview) = preview else { continue };
        let json = inert(&preview);
        let cost = json.len() as u64 + 128;
        if cost > room_bytes {
            previews.left_out += 1;
            continue;
        }
        room_bytes -= cost;
        previews.shown += 1;
        sink(&preview_element(&blob.sha256), &json)?;
    }
    Ok(previews)
}

fn blob_of(value: &[u8]) -> Option<BlobRef> {
    let (digest, size) = value.split_first_chunk::<32>()?;
    Some(BlobRef {
        sha256: Digest(*digest),
        size_bytes: u64::from_be_bytes(*size.first_chunk::<8>()?),
    })
}

/// What a file looks like, where that can be shown, and how many bytes of it were read.
fn look(archive: &Archive, blob: &BlobRef) -> Result<(Option<Value>, u64)> {
    let path = crate::format::ArchivePath::blob(&blob.sha256);
    let failed = |error| archive.read_error(path.as_str(), error);
    let mut reader = archive.blob(blob)?;
    let mut head = Vec::new();
    reader
        .by_ref()
        .take(HEAD_BYTES as u64)
        .read_to_end(&mut head)
        .map_err(failed)?;
    let head_bytes = head.len() as u64;
    if let Some(media_type) = image_type(&head) {
        if blob.size_bytes > MOST_IMAGE_BYTES || pixels(&head).is_some_and(|pixels| pixels > MOST_PIXELS) {
            return Ok((None, head_bytes));
        }
        let mut bytes = head;
        reader.read_to_end(&mut bytes).map_err(failed)?;
        return Ok((
            Some(json!({"y": media_type, "b": STANDARD.encode(&bytes)})),
            blob.size_bytes,
        ));
    }
    if !is_text(&head, blob.size_bytes > head_bytes) {
        return Ok((None, head_bytes));
    }
    let text = start_of_text(head, &mut reader).map_err(failed)?;
    let preview = text.map(|text| json!({"t": text, "n": blob.size_bytes}));
    Ok((preview, blob.size_bytes))
}

/// The first part of a text, after all of it was read: its digest is right then.
fn start_of_text(head: Vec<u8>, reader: &mut CheckedReader<'_>) -> std::io::Result<Option<String>> {
    let mut start = head;
    reader
        .by_ref()
        .take((SHOWN_BYTES - start.len()) as u64)
        .read_to_end(&mut start)?;
    let rest = std::io::copy(reader, &mut std::io::sink())?;
    if !is_text(&start, rest > 0) {
        return Ok(None);
    }
    Ok(Some(
        String::from_utf8_lossy(whole_characters(&start)).into_owned(),
    ))
}

/// The bytes without a character at the end that is not whole.
fn whole_characters(bytes: &[u8]) -> &[u8] {
    match std::str::from_utf8(bytes) {
        Err(error) if error.error_len().is_none() => &bytes[..error.valid_up_to()],
        _ => bytes,
    }
}

fn is_text(bytes: &[u8], goes_on: bool) -> bool {
    let bytes = if goes_on { whole_characters(bytes) } else { bytes };
    let is_control = |c: char| c.is_control() && !matches!(c, '\t' | '\n' | '\r' | '\x0c' | '\x1b');
    std::str::from_utf8(bytes).is_ok_and(|text| !text.contains(is_control))
}

/// The media type of an image that is only pixels, by its first bytes and never by its name.
fn image_type(head: &[u8]) -> Option<&'static str> {
    match head {
        [0x89, b'P', b'N', b'G', 0x0d, 0x0a, 0x1a, 0x0a, ..] => Some("image/png"),
        [0xff, 0xd8, 0xff, ..] => Some("image/jpeg"),
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some("image/gif"),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some("image/webp"),
        _ => None,
    }
}

/// Width times height, of formats that tell them in their first bytes.
fn pixels(head: &[u8]) -> Option<u64> {
    let (width, height) = match image_type(head)? {
        "image/png" => {
            let size = head.get(16..24)?;
            let (width, height) = size.split_first_chunk::<4>()?;
            (
                u32::from_be_bytes(*width),
                u32::from_be_bytes(*height.first_chunk()?),
            )
        }
        "image/gif" => {
            let size = head.get(6..10)?;
            let side = |at: usize| u32::from(u16::from_le_bytes([size[at], size[at + 1]]));
            (side(0), side(2))
        }
        _ => return None,
    };
    Some(u64::from(width) * u64::from(height))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_known_by_their_bytes() {
        assert_eq!(image_type(b"\x89PNG\r\n\x1a\n...."), Some("image/png"));
        assert_eq!(image_type(b"<svg onload=alert(1)>"), None);
        assert!(is_text("<svg onload=alert(1)> é".as_bytes(), false));
        assert!(!is_text(b"\x80\x04\x95pickle\0", false));
        // A character cut in two at the end of what was read is no fault; in a whole file it is.
        assert!(is_text(&"é".as_bytes()[..1], true) && !is_text(&"é".as_bytes()[..1], false));
    }

    #[test]
    fn an_image_of_very_many_pixels_is_told_by_its_head() {
        let mut head = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec();
        head.extend(100_000_u32.to_be_bytes());
        head.extend(100_000_u32.to_be_bytes());
        assert_eq!(pixels(&head), Some(10_000_000_000));
        assert_eq!(pixels(b"GIF89a\x02\0\x03\0"), Some(6));
    }
}
