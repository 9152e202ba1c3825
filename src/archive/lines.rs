//! Lines of object files, parsed strictly and checked against their digest.

use super::error::{ArchiveError, Result};
use super::reader::{Archive, CheckedReader};
use crate::format::layout::{LINE_BYTES, TEXT_BYTES};
use crate::format::manifest::FileDescriptor;
use crate::format::strict_json;
use crate::model::BlobRef;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read};
use std::marker::PhantomData;

/// Reads lines of several files, one after the other.
pub struct Lines<'a> {
    archive: &'a Archive,
    /// Each with the number of lines before it.
    files: VecDeque<(u64, FileDescriptor)>,
    open: Option<(FileDescriptor, BufReader<CheckedReader<'a>>)>,
    line: Vec<u8>,
    number: u64,
    before: u64,
}

/// A line, without its line end.
pub struct Line<'l> {
    /// The text.
    pub bytes: &'l [u8],
    /// The file it is in.
    pub file: &'l str,
    /// Its number, from 1.
    pub number: u64,
}

impl Line<'_> {
    /// File and line for a person.
    pub fn place(&self) -> String {
        format!("{} line {}", self.file, self.number)
    }
}

impl<'a> Lines<'a> {
    pub(crate) fn new(archive: &'a Archive, files: Vec<FileDescriptor>) -> Self {
        let mut before = 0_u64;
        let files = files.into_iter().map(|file| {
            let start = before;
            before = before.saturating_add(file.count);
            (start, file)
        });
        Lines {
            archive,
            files: files.collect(),
            open: None,
            line: Vec::new(),
            number: 0,
            before: 0,
        }
    }

    /// Leaves files out, before the first line is read.
    pub(crate) fn keep_files(&mut self, wanted: &[bool]) {
        let mut wanted = wanted.iter();
        self.files.retain(|_| wanted.next() == Some(&true));
    }

    /// The place of the line that was read last among all of these files, from 0.
    pub(crate) fn place(&self) -> u64 {
        self.before + self.number - 1
    }

    /// The next line.
    ///
    /// # Errors
    /// A file is missing, is not what its descriptor says, or has a line that is too long.
    pub fn next_line(&mut self) -> Result<Option<Line<'_>>> {
        loop {
            if self.open.is_none() {
                let Some((before, file)) = self.files.pop_front() else {
                    return Ok(None);
                };
                let reader = BufReader::with_capacity(128 << 10, self.archive.open_file(&file)?);
                self.open = Some((file, reader));
                (self.number, self.before) = (0, before);
            }
            if self.read_line()? {
                break;
            }
            self.close()?;
        }
        let (file, _) = self.open.as_ref().expect("a line was read from it");
        Ok(Some(Line {
            bytes: &self.line,
            file: file.path.as_str(),
            number: self.number,
        }))
    }

    /// The line that was read last.
    pub(crate) fn line(&self) -> &[u8] {
        &self.line
    }

    /// The bytes of the line that was read last.
    pub(crate) fn take_line(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.line)
    }

    /// Exchanges the bytes of the line that was read last for others, whose room the next line takes.
    pub(crate) fn swap_line(&mut self, bytes: &mut Vec<u8>) {
        std::mem::swap(&mut self.line, bytes);
    }

    /// Reads into `self.line`; false at the end of the file.
    fn read_line(&mut self) -> Result<bool> {
        let (file, reader) = self.open.as_mut().expect("opened by the caller");
        self.line.clear();
        let mut limited = reader.take(LINE_BYTES as u64);
        limited
            .read_until(b'\n', &mut self.line)
            .map_err(|error| self.archive.read_error(file.path.as_str(), error))?;
        if self.line.is_empty() {
            return Ok(false);
        }
        self.number += 1;
        if self.line.pop_if(|last| *last == b'\n').is_none() {
            let reason = if self.line.len() >= LINE_BYTES {
                "the line exceeds 16 MiB"
            } else {
                "the last line has no line end"
            };
            let entry = format!("{} line {}", file.path, self.number);
            return Err(self.archive.damaged(&entry, reason));
        }
        Ok(true)
    }

    fn close(&mut self) -> Result<()> {
        if let Some((file, _)) = self.open.take()
            && file.count != self.number
        {
            let reason = format!("it has {} lines, the manifest says {}", self.number, file.count);
            return Err(self.archive.damaged(file.path.as_str(), &reason));
        }
        Ok(())
    }

    pub(crate) fn archive(&self) -> &'a Archive {
        self.archive
    }
}

/// Objects of one kind, in order.
pub struct Objects<'a, T> {
    lines: Lines<'a>,
    done: bool,
    object: PhantomData<T>,
}

impl<'a, T> Objects<'a, T> {
    pub(crate) fn new(lines: Lines<'a>) -> Self {
        Objects {
            lines,
            done: false,
            object: PhantomData,
        }
    }
}

impl<T: DeserializeOwned> Iterator for Objects<'_, T> {
    type Item = Result<T>;

    fn next(&mut self) -> Option<Result<T>> {
        if self.done {
            return None;
        }
        let archive = self.lines.archive();
        let object = self.lines.next_line().and_then(|line| match line {
            None => Ok(None),
            Some(line) => parse_object(archive, &line).map(Some),
        });
        // After an error the place in the file is lost.
        self.done = !matches!(object, Ok(Some(_)));
        object.transpose()
    }
}

/// Parses the object of a line.
pub(crate) fn parse_object<T: DeserializeOwned>(archive: &Archive, line: &Line<'_>) -> Result<T> {
    let object = serde_json::from_value(parse_line(archive, line)?);
    object.map_err(|error| archive.damaged(&line.place(), &error.to_string()))
}

/// Parses a line and puts long strings back in their places.
pub(crate) fn parse_line(archive: &Archive, line: &Line<'_>) -> Result<Value> {
    parse_line_but(archive, line, |_, _| false)
}

/// As [`parse_line`], with references left where the path of an object's field says so: its name and the key within.
pub(crate) fn parse_line_but(
    archive: &Archive,
    line: &Line<'_>,
    is_left: impl Fn(&[&str], &Value) -> bool,
) -> Result<Value> {
    let mut value =
        strict_json::parse(line.bytes).map_err(|error| archive.damaged(&line.place(), &error.to_string()))?;
    // Whoever changes a line relies on that.
    if !value.is_object() {
        return Err(archive.damaged(&line.place(), "it is not an object"));
    }
    // Only a line that has the marker can have a reference; a false alarm costs one walk.
    if contains(line.bytes, b"\"$blob\"") {
        inline_but(archive, &mut value, &is_left)?;
    }
    Ok(value)
}

fn inline_but(
    archive: &Archive,
    object: &mut Value,
    is_left: impl Fn(&[&str], &Value) -> bool,
) -> Result<()> {
    for (name, field) in object.as_object_mut().into_iter().flatten() {
        match field {
            Value::Object(map) if blob_reference_of(map).is_none() => {
                let read = map.iter_mut().filter(|(key, item)| !is_left(&[name, key], item));
                read.into_iter()
                    .try_for_each(|(_, item)| inline_blobs(archive, item))?;
            }
            field => inline_blobs(archive, field)?,
        }
    }
    Ok(())
}

/// Whether bytes occur within others.
pub(crate) fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    memchr::memmem::find(haystack, needle).is_some()
}

/// The blob that a value refers to, where it is a reference.
pub(crate) fn blob_reference(value: &Value) -> Option<BlobRef> {
    value.as_object().and_then(blob_reference_of)
}

/// The blob that an object refers to, where it is a reference.
pub(crate) fn blob_reference_of(map: &Map<String, Value>) -> Option<BlobRef> {
    match map.get("$blob") {
        Some(blob) if map.len() == 1 => BlobRef::deserialize(blob).ok(),
        _ => None,
    }
}

use serde::Deserialize as _;

fn inline_blobs(archive: &Archive, value: &mut Value) -> Result<()> {
    if let Some(blob) = blob_reference(value) {
        *value = Value::String(read_text(archive, &blob)?);
        return Ok(());
    }
    match value {
        Value::Array(items) => items.iter_mut().try_for_each(|item| inline_blobs(archive, item)),
        Value::Object(map) => map.values_mut().try_for_each(|item| inline_blobs(archive, item)),
        _ => Ok(()),
    }
}

fn read_text(archive: &Archive, blob: &BlobRef) -> Result<String> {
    let name = crate::format::layout::blob_path(&blob.sha256);
    if blob.size_bytes > TEXT_BYTES {
        let size_bytes = blob.size_bytes;
        let reason = format!("it has {size_bytes} bytes, more than the limit of {TEXT_BYTES}");
        return Err(ArchiveError::object("text", name, reason));
    }
    let mut bytes = Vec::new();
    let reader = archive.blob(blob)?;
    reader
        .take(TEXT_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| archive.read_error(&name, error))?;
    String::from_utf8(bytes).map_err(|_| archive.damaged(&name, "it should be text, but is not UTF-8"))
}
