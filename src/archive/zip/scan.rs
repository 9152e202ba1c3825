//! The scan that a file must pass before any entry of it is believed.
//!
//! It reads the end records, the central directory front to back, and every local header; each is parsed for the few
//! values that vary, serialized again by [`profile`](super::profile), and compared byte for byte. Content is not read:
//! that is [`EntryReader`](super::EntryReader)'s part.

use std::io;

use super::{
    bytes::ZipBytes,
    central::CentralReader,
    fault::{LimitKind, ScanError, ZipFault},
    index::{AddProblem, IndexBuilder, MAX_48, ZipIndex},
    name::check_name,
    profile::{
        CENTRAL_FIXED_LEN, CentralFixed, END_LEN, END_SIGNATURE, EndRecords, EntryHeader, MAX_LOCAL_LEN,
        Method, ZIP64_END_LEN, get16, get32,
    },
};

/// Deflate spells at most 258 bytes with 2 bits.
const MAX_DEFLATE_RATIO: u64 = 1032;

/// What a scan puts up with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ZipLimits {
    /// The most blobs; 63 bytes of memory each. Default 100 million, at most 2³² − 1.
    pub(crate) max_blobs: u32,
    /// The most entries that are not blobs; some 300 bytes of memory each. Default 1 million.
    pub(crate) max_others: u64,
    /// The largest content of one entry, in bytes. Default and at most 2⁴⁸ − 1.
    pub(crate) max_entry_bytes: u64,
    /// After this many faults the scan stops. Default 100.
    pub(crate) max_faults: usize,
}

impl Default for ZipLimits {
    fn default() -> Self {
        Self {
            max_blobs: 100_000_000,
            max_others: 1_000_000,
            max_entry_bytes: MAX_48,
            max_faults: 100,
        }
    }
}

impl ZipIndex {
    /// Scans a file and indexes its entries.
    ///
    /// # Errors
    ///
    /// The faults found, as many as can be told apart; or the error that reading gave.
    pub(crate) fn scan<'f>(file: impl Into<ZipBytes<'f>>, limits: &ZipLimits) -> Result<Self, ScanError> {
        let file = file.into();
        let mut scanner = Scanner {
            file,
            limits,
            faults: Vec::new(),
            builder: IndexBuilder::default(),
            scratch: Vec::new(),
        };
        let length = file.size_bytes()?;
        if length > MAX_48 {
            scanner.limit(LimitKind::FileSize, MAX_48, length);
            return Err(ScanError::Faults(scanner.faults));
        }
        if let Some(end) = scanner.scan_end(length)? {
            scanner.scan_central(&end)?;
        }
        scanner.finish()
    }
}

struct Scanner<'s> {
    file: ZipBytes<'s>,
    limits: &'s ZipLimits,
    faults: Vec<ZipFault>,
    builder: IndexBuilder,
    scratch: Vec<u8>,
}

impl Scanner<'_> {
    fn fault(&mut self, fault: ZipFault) {
        self.faults.push(fault);
    }

    fn limit(&mut self, what: LimitKind, limit: u64, found: u64) {
        self.fault(ZipFault::Limit { what, limit, found });
    }

    /// Reads the end records; nothing when they do not say where the central directory is.
    fn scan_end(&mut self, length: u64) -> io::Result<Option<EndRecords>> {
        let tail_len = length.min((END_LEN + ZIP64_END_LEN) as u64);
        let tail_start = length - tail_len;
        let mut tail = vec![0; tail_len as usize];
        self.file.read_exact_at(&mut tail, tail_start)?;
        let Some(end) = EndRecords::parse(&tail) else {
            let fault = self.explain_missing_end(length)?;
            self.fault(fault);
            return Ok(None);
        };
        let mut expected = Vec::new();
        end.write(&mut expected);
        let start = length.saturating_sub(expected.len() as u64);
        let found = &tail[tail.len().saturating_sub(expected.len())..];
        if let Some((at, expected, found)) = first_difference(&expected, found) {
            self.fault(ZipFault::EndRecord {
                offset: start + at,
                expected,
                found,
            });
        }
        let (offset, size) = (end.central_offset, end.central_size);
        if offset.checked_add(size) != Some(start) {
            self.fault(ZipFault::CentralRange {
                offset,
                size,
                expected_end: start,
            });
            return Ok(None);
        }
        Ok(Some(end))
    }

    /// Looks for an end record elsewhere, only to say what is wrong.
    fn explain_missing_end(&self, length: u64) -> io::Result<ZipFault> {
        let tail_len = length.min(0xFFFF + END_LEN as u64);
        let tail_start = length - tail_len;
        let mut tail = vec![0; tail_len as usize];
        self.file.read_exact_at(&mut tail, tail_start)?;
        let found = (0..(tail.len() + 1).saturating_sub(END_LEN))
            .rev()
            .find(|at| get32(&tail, *at) == END_SIGNATURE);
        let Some(at) = found else {
            return Ok(ZipFault::NoEnd { length });
        };
        let (offset, end) = (tail_start + at as u64, tail_start + (at + END_LEN) as u64);
        let (comment_len, trailing) = (u64::from(get16(&tail, at + 20)), length - end);
        Ok(match comment_len {
            _ if trailing == 0 => ZipFault::NoEnd { length },
            0 => ZipFault::TrailingBytes { end, trailing },
            _ if comment_len == trailing => ZipFault::Comment {
                offset,
                length: trailing,
            },
            _ => ZipFault::TrailingBytes { end, trailing },
        })
    }

    fn scan_central(&mut self, end: &EndRecords) -> io::Result<()> {
        let mut central = CentralReader::new(self.file, end)?;
        let mut next_entry = Some(0);
        let mut count = 0;
        while let Some((start, fixed)) = central.read_record()? {
            let Some(fixed) = fixed else {
                self.fault(ZipFault::CentralRecord { offset: start });
                return Ok(());
            };
            count += 1;
            next_entry = self.scan_entry(start, &central.record, &fixed, next_entry, end.central_offset)?;
            if self.must_stop() {
                return Ok(());
            }
        }
        if count != end.entries {
            self.fault(ZipFault::Count {
                expected: end.entries,
                found: count,
            });
        }
        match next_entry {
            Some(found) if found != end.central_offset => {
                self.fault(ZipFault::CentralGap {
                    expected: end.central_offset,
                    found,
                });
            }
            _ => {}
        }
        Ok(())
    }

    /// Whether there are too many faults or entries to go on.
    fn must_stop(&mut self) -> bool {
        let ZipLimits {
            max_blobs,
            max_others,
            max_faults,
            ..
        } = *self.limits;
        let (blobs, others) = (self.builder.blob_count(), self.builder.other_count());
        if blobs > u64::from(max_blobs) {
            self.limit(LimitKind::Blobs, u64::from(max_blobs), blobs);
        } else if others > max_others {
            self.limit(LimitKind::OtherEntries, max_others, others);
        } else if self.faults.len() >= max_faults {
            self.fault(ZipFault::More {
                shown: max_faults as u64,
            });
        } else {
            return false;
        }
        true
    }

    /// Checks one entry and says where the next should begin, when this one's values can be believed so far.
    fn scan_entry(
        &mut self,
        start: u64,
        record: &[u8],
        fixed: &CentralFixed,
        expected_offset: Option<u64>,
        central: u64,
    ) -> io::Result<Option<u64>> {
        let Some(header) = self.parse_header(record, fixed) else {
            return Ok(None);
        };
        self.check_central(start, record, fixed, &header);
        self.check_offset(&header, expected_offset);
        let Some(end) = header.end().filter(|end| *end <= central) else {
            self.fault(ZipFault::Range {
                entry: header.name.to_owned(),
                central,
            });
            return Ok(None);
        };
        if !self.file.checks_headers_late() {
            self.check_local(&header)?;
        }
        if self.check_sizes(&header) {
            self.add(&header);
        }
        Ok(Some(end))
    }

    fn parse_header<'r>(&mut self, record: &'r [u8], fixed: &CentralFixed) -> Option<EntryHeader<'r>> {
        let (name, rest) = record[CENTRAL_FIXED_LEN..].split_at(fixed.name_len);
        let entry = || name.escape_ascii().to_string();
        let header = match check_name(name) {
            Ok(checked) => {
                fixed
                    .header(checked, &rest[..fixed.extra_len])
                    .map_err(|found| ZipFault::Method {
                        entry: entry(),
                        found,
                    })
            }
            Err(problem) => Err(ZipFault::Name {
                entry: entry(),
                problem,
            }),
        };
        header.map_err(|fault| self.fault(fault)).ok()
    }

    fn check_central(&mut self, start: u64, record: &[u8], fixed: &CentralFixed, header: &EntryHeader<'_>) {
        let entry = || header.name.to_owned();
        if fixed.comment_len > 0 {
            self.fault(ZipFault::EntryComment {
                entry: entry(),
                offset: start,
                length: fixed.comment_len as u64,
            });
            return;
        }
        self.scratch.clear();
        header.write_central(&mut self.scratch);
        if let Some((at, expected, found)) = first_difference(&self.scratch, record) {
            self.fault(ZipFault::Header {
                entry: entry(),
                offset: start + at,
                expected,
                found,
            });
        }
    }

    fn check_local(&mut self, header: &EntryHeader<'_>) -> io::Result<()> {
        self.scratch.clear();
        header.write_local(&mut self.scratch);
        let mut found = [0; MAX_LOCAL_LEN];
        let found = &mut found[..self.scratch.len()];
        self.file.read_exact_at(found, header.offset)?;
        if let Some((at, expected, found)) = first_difference(&self.scratch, found) {
            let offset = header.offset + at;
            self.fault(ZipFault::Header {
                entry: header.name.to_owned(),
                offset,
                expected,
                found,
            });
        }
        Ok(())
    }

    fn check_offset(&mut self, header: &EntryHeader<'_>, expected: Option<u64>) {
        let entry = || header.name.to_owned();
        let found = header.offset;
        match expected {
            Some(0) if found > 0 => self.fault(ZipFault::Prefix {
                entry: entry(),
                found,
            }),
            Some(expected) if found > expected => self.fault(ZipFault::Gap {
                entry: entry(),
                expected,
                found,
            }),
            Some(expected) if found < expected => self.fault(ZipFault::Overlap {
                entry: entry(),
                expected,
                found,
            }),
            _ => {}
        }
    }

    fn check_sizes(&mut self, header: &EntryHeader<'_>) -> bool {
        let EntryHeader {
            size,
            compressed_size,
            ..
        } = *header;
        let is_possible = match header.method {
            Method::Stored => size == compressed_size,
            Method::Deflate { .. } => size <= compressed_size.saturating_mul(MAX_DEFLATE_RATIO),
        };
        if !is_possible {
            self.fault(ZipFault::Size {
                entry: header.name.to_owned(),
                size,
                compressed_size,
            });
            return false;
        }
        let limit = self.limits.max_entry_bytes.min(MAX_48);
        if size > limit {
            self.limit(LimitKind::EntrySize, limit, size);
        }
        size <= limit
    }

    fn add(&mut self, header: &EntryHeader<'_>) {
        let entry = header.name.to_owned();
        match self.builder.add(header) {
            Ok(()) => {}
            Err(AddProblem::OutOfOrder) => self.fault(ZipFault::Order { entry }),
            Err(AddProblem::Clash { other }) if other == entry => self.fault(ZipFault::Duplicate { entry }),
            Err(AddProblem::Clash { other }) => self.fault(ZipFault::CaseClash { entry, other }),
        }
    }

    fn finish(self) -> Result<ZipIndex, ScanError> {
        let Self {
            mut faults, builder, ..
        } = self;
        faults.extend(
            builder
                .folder_clashes()
                .map(|(entry, other)| ZipFault::FolderClash { entry, other }),
        );
        match builder.finish() {
            Ok(index) if faults.is_empty() => return Ok(index),
            Ok(_) => {}
            Err(twice) => faults.extend(twice.into_iter().map(|entry| ZipFault::Duplicate { entry })),
        }
        Err(ScanError::Faults(faults))
    }
}

/// The first place where two byte strings differ, with both bytes; a missing byte counts as zero.
pub(super) fn first_difference(expected: &[u8], found: &[u8]) -> Option<(u64, u8, u8)> {
    if expected == found {
        return None;
    }
    let common = expected
        .iter()
        .zip(found)
        .take_while(|(expected, found)| expected == found)
        .count();
    let at = |bytes: &[u8]| bytes.get(common).copied().unwrap_or(0);
    Some((common as u64, at(expected), at(found)))
}
