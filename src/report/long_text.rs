//! Texts that stand as blobs: their start for people, or all of them as JSON in pieces, and none of them whole in memory.

use super::text::{cut_text, json_text};
use crate::archive::{Archive, ArchiveError, Result, blob_reference};
use crate::format::layout::blob_path;
use crate::model::BlobRef;
use serde_json::Value;
use std::io::Read as _;

/// Characters that are shown of a text too long for a line.
const START_CHARACTERS: usize = 200;
/// Bytes of a text that are read at once.
const PIECE_BYTES: u64 = 64 << 10;

/// The start of a text, with the size and digest that it has in the archive.
pub(super) fn start_of(archive: &Archive, blob: &BlobRef) -> Result<String> {
    let mut bytes = Vec::new();
    archive
        .blob(blob)?
        .take(4 * START_CHARACTERS as u64)
        .read_to_end(&mut bytes)
        .map_err(|error| archive.read_error(&blob_path(&blob.sha256), error))?;
    let start = String::from_utf8_lossy(&bytes);
    let start: String = start.chars().take(START_CHARACTERS).collect();
    Ok(cut_text(&start, blob.size_bytes, &blob.sha256))
}

/// Puts the starts of long texts in their places.
///
/// # Errors
/// The archive cannot be read.
pub(crate) fn with_starts(archive: &Archive, value: &mut Value) -> Result<()> {
    if let Some(blob) = blob_reference(value) {
        *value = Value::String(start_of(archive, &blob)?);
        return Ok(());
    }
    match value {
        Value::Array(items) => items.iter_mut().try_for_each(|item| with_starts(archive, item)),
        Value::Object(map) => map.values_mut().try_for_each(|item| with_starts(archive, item)),
        _ => Ok(()),
    }
}

/// Hands out a value as JSON on one line, piece by piece, with long texts in their places.
///
/// # Errors
/// The archive cannot be read, or a piece was not taken.
pub(crate) fn json_pieces<E: From<ArchiveError>>(
    archive: &Archive,
    value: &Value,
    put: &mut dyn FnMut(&str) -> Result<(), E>,
) -> Result<(), E> {
    if let Some(blob) = blob_reference(value) {
        return text_pieces(archive, &blob, put);
    }
    match value {
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                put(if index == 0 { "[" } else { "," })?;
                json_pieces(archive, item, put)?;
            }
            put(if items.is_empty() { "[]" } else { "]" })
        }
        Value::Object(map) => {
            for (index, (key, item)) in map.iter().enumerate() {
                put(if index == 0 { "{" } else { "," })?;
                put(&json_text(key))?;
                put(":")?;
                json_pieces(archive, item, put)?;
            }
            put(if map.is_empty() { "{}" } else { "}" })
        }
        plain => put(&json_text(plain)),
    }
}

fn text_pieces<E: From<ArchiveError>>(
    archive: &Archive,
    blob: &BlobRef,
    put: &mut dyn FnMut(&str) -> Result<(), E>,
) -> Result<(), E> {
    let name = blob_path(&blob.sha256);
    let (mut reader, mut bytes) = (archive.blob(blob)?, Vec::new());
    put("\"")?;
    loop {
        let read = reader.by_ref().take(PIECE_BYTES).read_to_end(&mut bytes);
        let is_end = read.map_err(|error| archive.read_error(&name, error))? == 0;
        // A character may go on in the next piece.
        let (text, rest) = match std::str::from_utf8(&bytes) {
            Ok(text) => (text, 0),
            Err(error) if error.error_len().is_none() && !is_end => {
                let (text, rest) = bytes.split_at(error.valid_up_to());
                (std::str::from_utf8(text).unwrap_or_default(), rest.len())
            }
            Err(_) => {
                return Err(archive
                    .damaged(&name, "it should be text, but is not UTF-8")
                    .into());
            }
        };
        let json = json_text(&text);
        put(&json[1..json.len() - 1])?;
        bytes.drain(..bytes.len() - rest);
        if is_end {
            return put("\"");
        }
    }
}
