//! Files of lines: parts in a row, read to their end and compared with what is stated of them.

use super::check::Check;
use super::lines::{FileLines, NextLine};
use super::place::{LineFile, Place};
use super::report::read_finding;
use crate::format::layout::{CHECKSUMS, LINE_BYTES, MANIFEST, PART_BYTES};
use crate::format::{ArchivePath, FindingCode as Code, Kind};
use std::collections::VecDeque;

/// The lines of several files that are one list cut into parts.
pub(super) struct PartLines<'t> {
    files: VecDeque<LineFile>,
    open: Option<(LineFile, FileLines<'t>)>,
    /// A part ends after the line that reaches this size.
    part_bytes: u64,
}

impl<'t> PartLines<'t> {
    /// Lines of a kind's parts; a gap in their numbers is a finding.
    pub(super) fn of_kind(check: &mut Check<'t>, kind: Kind) -> Self {
        let parts = check.tree.parts_of(kind);
        let listed = check
            .manifest
            .map_or(0, |manifest| manifest.files_of(kind).count());
        if parts.len() < listed {
            check.unreadable.insert(kind);
        }
        let files = parts.into_iter().map(|part| LineFile::Objects(kind, part));
        Self::new(check, files.collect(), PART_BYTES)
    }

    /// Lines of files in the order of their part numbers.
    pub(super) fn new(check: &mut Check<'t>, files: VecDeque<LineFile>, part_bytes: u64) -> Self {
        for (file, expected) in files.iter().zip(0..) {
            if let LineFile::Objects(_, part) | LineFile::Undo(_, part) = *file
                && part != expected
            {
                let message = format_args!("part {expected} is missing before it");
                check.findings.error(Code::Part, file.path(), message);
                check.unreadable(*file);
                break;
            }
        }
        PartLines {
            files,
            open: None,
            part_bytes,
        }
    }

    /// Reads the next line that is one; findings are made of what is not.
    pub(super) fn next(&mut self, check: &mut Check<'t>) -> Option<Place> {
        loop {
            if self.open.is_none() {
                let file = self.files.pop_front()?;
                match check.tree.open(&file.path()) {
                    Ok(reader) => self.open = Some((file, FileLines::new(reader, LINE_BYTES))),
                    Err(error) => self.fail(check, file, &error),
                }
                continue;
            }
            let (file, lines) = self.open.as_mut()?;
            let file = *file;
            let next = lines.next();
            let place = Place {
                file,
                line: lines.number(),
            };
            match next {
                NextLine::Line => {
                    check.lines += 1;
                    return Some(place);
                }
                NextLine::TooLong => {
                    check.findings.error(Code::Line, place, "the line exceeds 16 MiB");
                    check.unreadable(file);
                }
                NextLine::Unterminated => {
                    check.error(Code::Line, place, "the last line has no line end");
                    check.unreadable(file);
                }
                NextLine::End => self.close(check),
                NextLine::Failed(error) => self.fail(check, file, &error),
            }
        }
    }

    /// The line that was read last.
    pub(super) fn line(&self) -> &[u8] {
        self.open.as_ref().map_or(&[], |(_, lines)| lines.line())
    }

    fn fail(&mut self, check: &mut Check<'t>, file: LineFile, error: &std::io::Error) {
        self.open = None;
        check
            .findings
            .extend(vec![read_finding(file.path().as_str(), error)]);
        check.unreadable(file);
    }

    fn close(&mut self, check: &mut Check<'t>) {
        if let Some((file, lines)) = self.open.take() {
            let path = file.path();
            check_file(check, &path, &lines);
            if check
                .descriptor(&path)
                .is_some_and(|stated| stated.count != lines.number())
            {
                check.unreadable(file);
            }
            self.check_cut(check, &path, &lines);
        }
    }

    /// A part ends after the line that reaches the limit, and not before.
    fn check_cut(&self, check: &mut Check<'t>, path: &ArchivePath, lines: &FileLines<'_>) {
        let size_bytes = lines.size_bytes();
        let before_last = size_bytes - lines.last_line_bytes();
        if lines.number() == 0 {
            check.findings.error(Code::Part, path, "it has no lines");
        } else if before_last >= self.part_bytes {
            let message = "it continues after the line that reached 64 MiB";
            check.findings.error(Code::Part, path, message);
        } else if !self.files.is_empty() && size_bytes < self.part_bytes {
            let message = "it ends before 64 MiB, and there is another part";
            check.findings.error(Code::Part, path, message);
        }
    }
}

/// Compares a file that was read to its end with what the manifest and the checksums say of it.
pub(super) fn check_file(check: &mut Check<'_>, path: &ArchivePath, lines: &FileLines<'_>) {
    let found = lines.digest();
    if let Some(file) = check.descriptor(path) {
        if file.sha256 != found {
            let message = format_args!("it has SHA-256 {found}, {MANIFEST} says {}", file.sha256);
            check.findings.error(Code::Digest, path, message);
        }
        if file.size_bytes != lines.size_bytes() {
            let message = format_args!(
                "it has {} bytes, {MANIFEST} says {}",
                lines.size_bytes(),
                file.size_bytes
            );
            check.findings.error(Code::Size, path, message);
        }
        if file.count != lines.number() {
            let message = format_args!("it has {} lines, {MANIFEST} says {}", lines.number(), file.count);
            check.findings.error(Code::Count, path, message);
        }
    }
    if let Some(stated) = check
        .checksums
        .objects
        .get(path)
        .filter(|stated| **stated != found)
    {
        let message = format_args!("it has SHA-256 {found}, {CHECKSUMS} says {stated}");
        check.findings.error(Code::Digest, path, message);
    }
}
