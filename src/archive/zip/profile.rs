//! Every byte of the headers of an archive zip, as `docs/reference/zip-profile.md` lists them.
//!
//! Serializing is the whole knowledge here: a reader takes the few values that vary out of a record, serializes them
//! again with these functions and compares, so that no field is checked by hand and none is forgotten.

use super::name::MAX_NAME_LEN;

/// The largest value of a 32-bit field; a value of this size or more moves to the zip64 extra.
pub(crate) const MAX_32: u64 = 0xFFFF_FFFF;
/// The largest value of a 16-bit field; that many entries or more need the zip64 end record.
pub(crate) const MAX_16: u64 = 0xFFFF;

pub(crate) const LOCAL_SIGNATURE: u32 = 0x0403_4B50;
pub(crate) const CENTRAL_SIGNATURE: u32 = 0x0201_4B50;
pub(crate) const END_SIGNATURE: u32 = 0x0605_4B50;
pub(crate) const ZIP64_END_SIGNATURE: u32 = 0x0606_4B50;
pub(crate) const ZIP64_LOCATOR_SIGNATURE: u32 = 0x0706_4B50;

/// The length of a local header before its name.
pub(crate) const LOCAL_FIXED_LEN: usize = 30;
/// The length of a central record before its name.
pub(crate) const CENTRAL_FIXED_LEN: usize = 46;
/// The length of the end record.
pub(crate) const END_LEN: usize = 22;
/// The length of the zip64 end record and its locator together.
pub(crate) const ZIP64_END_LEN: usize = 56 + 20;
/// The length of the zip64 extra in a local header: id, length and both sizes.
pub(crate) const LOCAL_ZIP64_EXTRA_LEN: usize = 4 + 16;
/// The longest local header.
pub(crate) const MAX_LOCAL_LEN: usize = LOCAL_FIXED_LEN + MAX_NAME_LEN + LOCAL_ZIP64_EXTRA_LEN;

const ZIP64_EXTRA_ID: u16 = 0x0001;
/// The id of mlark's extra in central records of deflated entries, `ml` in the file.
const STREAM_EXTRA_ID: u16 = 0x6C6D;
const STREAM_EXTRA_LEN: usize = 4 + 4;

const VERSION_PLAIN: u16 = 20;
const VERSION_ZIP64: u16 = 45;
/// Made by: unix (3), zip specification 4.5.
const VERSION_MADE_BY: u16 = 3 << 8 | VERSION_ZIP64;
const FLAGS: u16 = 0;
/// 00:00:00.
const DOS_TIME: u16 = 0;
/// 1980-01-01, the first day the field can hold.
const DOS_DATE: u16 = 1 << 5 | 1;
/// A regular file, `rw-r--r--`, in the unix half of the field.
const EXTERNAL_ATTRIBUTES: u32 = 0o100_644 << 16;

/// How an entry's bytes stand in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    /// As they are.
    Stored,
    /// As one deflate stream; its own CRC-32 stands in the central record, because many streams spell the same content
    /// and the content's CRC-32 cannot tell which of them was written.
    Deflate {
        /// CRC-32 of the compressed bytes.
        stream_crc32: u32,
    },
}

impl Method {
    fn code(self) -> u16 {
        match self {
            Self::Stored => 0,
            Self::Deflate { .. } => 8,
        }
    }
}

/// The values of one entry from which both of its headers follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EntryHeader<'a> {
    /// The name, ASCII.
    pub(crate) name: &'a str,
    /// Stored or deflate.
    pub(crate) method: Method,
    /// CRC-32 of the content.
    pub(crate) crc32: u32,
    /// Length of the bytes in the file.
    pub(crate) compressed_size: u64,
    /// Length of the content.
    pub(crate) size: u64,
    /// Where the local header begins.
    pub(crate) offset: u64,
}

impl EntryHeader<'_> {
    /// Whether the local header has a zip64 extra: exactly when one of the sizes does not fit 32 bits.
    pub(crate) fn has_local_zip64(&self) -> bool {
        self.size >= MAX_32 || self.compressed_size >= MAX_32
    }

    /// The length of the local header with name and extra.
    pub(crate) fn local_len(&self) -> usize {
        local_len(self.name.len(), self.has_local_zip64())
    }

    /// Where the entry's bytes end: the next local header, or the central directory.
    pub(crate) fn end(&self) -> Option<u64> {
        self.offset
            .checked_add(self.local_len() as u64)?
            .checked_add(self.compressed_size)
    }

    /// Appends the local header.
    pub(crate) fn write_local(&self, out: &mut Vec<u8>) {
        let zip64 = self.has_local_zip64();
        let (compressed_size, size) = if zip64 {
            (MAX_32, MAX_32)
        } else {
            (self.compressed_size, self.size)
        };
        let extra_len = if zip64 { LOCAL_ZIP64_EXTRA_LEN } else { 0 };
        put32(out, LOCAL_SIGNATURE);
        self.write_shared(out, zip64, compressed_size, size, extra_len);
        out.extend_from_slice(self.name.as_bytes());
        if zip64 {
            write_zip64_extra(out, &[self.size, self.compressed_size]);
        }
    }

    /// Appends the record of the central directory.
    pub(crate) fn write_central(&self, out: &mut Vec<u8>) {
        let (wide, wide_count) = self.wide_values();
        let zip64_len = if wide_count > 0 { 4 + 8 * wide_count } else { 0 };
        let stream_len = if self.method == Method::Stored {
            0
        } else {
            STREAM_EXTRA_LEN
        };
        put32(out, CENTRAL_SIGNATURE);
        put16(out, VERSION_MADE_BY);
        self.write_shared(
            out,
            wide_count > 0,
            self.compressed_size,
            self.size,
            zip64_len + stream_len,
        );
        put16(out, 0); // comment length
        put16(out, 0); // disk
        put16(out, 0); // internal attributes
        put32(out, EXTERNAL_ATTRIBUTES);
        put32(out, cap32(self.offset));
        out.extend_from_slice(self.name.as_bytes());
        if wide_count > 0 {
            write_zip64_extra(out, &wide[..wide_count]);
        }
        if let Method::Deflate { stream_crc32 } = self.method {
            put16(out, STREAM_EXTRA_ID);
            put16(out, 4);
            put32(out, stream_crc32);
        }
    }

    /// The values that do not fit 32 bits, and how many they are.
    fn wide_values(&self) -> ([u64; 3], usize) {
        let mut wide = [0; 3];
        let mut count = 0;
        for value in [self.size, self.compressed_size, self.offset] {
            if value >= MAX_32 {
                wide[count] = value;
                count += 1;
            }
        }
        (wide, count)
    }

    /// The fields both headers share, in their common order: version needed to extra length.
    fn write_shared(
        &self,
        out: &mut Vec<u8>,
        zip64: bool,
        compressed_size: u64,
        size: u64,
        extra_len: usize,
    ) {
        put16(out, if zip64 { VERSION_ZIP64 } else { VERSION_PLAIN });
        put16(out, FLAGS);
        put16(out, self.method.code());
        put16(out, DOS_TIME);
        put16(out, DOS_DATE);
        put32(out, self.crc32);
        put32(out, cap32(compressed_size));
        put32(out, cap32(size));
        put16(out, self.name.len() as u16);
        put16(out, extra_len as u16);
    }
}

/// The length of a local header for a name of this length.
pub(crate) fn local_len(name_len: usize, zip64: bool) -> usize {
    LOCAL_FIXED_LEN + name_len + if zip64 { LOCAL_ZIP64_EXTRA_LEN } else { 0 }
}

/// The values at the start of a central record that vary, before they are believed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CentralFixed {
    method: u16,
    crc32: u32,
    compressed_size: u32,
    size: u32,
    offset: u32,
    /// The length of the name that follows.
    pub(crate) name_len: usize,
    /// The length of the extra after the name.
    pub(crate) extra_len: usize,
    /// The length of the comment after the extra.
    pub(crate) comment_len: usize,
}

impl CentralFixed {
    /// The length of the whole record, as claimed.
    pub(crate) fn record_len(&self) -> usize {
        CENTRAL_FIXED_LEN + self.name_len + self.extra_len + self.comment_len
    }

    /// Takes the values out of a record; nothing when it does not begin like one.
    pub(crate) fn parse(bytes: &[u8; CENTRAL_FIXED_LEN]) -> Option<Self> {
        (get32(bytes, 0) == CENTRAL_SIGNATURE).then(|| Self {
            method: get16(bytes, 10),
            crc32: get32(bytes, 16),
            compressed_size: get32(bytes, 20),
            size: get32(bytes, 24),
            name_len: usize::from(get16(bytes, 28)),
            extra_len: usize::from(get16(bytes, 30)),
            comment_len: usize::from(get16(bytes, 32)),
            offset: get32(bytes, 42),
        })
    }

    /// Joins the values with name and extra; the error is a method the profile does not have.
    ///
    /// A missing or strange extra is no error here: what is not where the profile has it is taken as zero, and the
    /// comparison with the serialized record finds it.
    pub(crate) fn header<'a>(&self, name: &'a str, extra: &[u8]) -> Result<EntryHeader<'a>, u16> {
        let mut rest = extra;
        let in_32 = [self.size, self.compressed_size, self.offset];
        if in_32.iter().any(|value| u64::from(*value) == MAX_32) {
            take(&mut rest, 4);
        }
        let [size, compressed_size, offset] = in_32.map(|value| match u64::from(value) {
            MAX_32 => take(&mut rest, 8),
            value => value,
        });
        let method = match self.method {
            0 => Method::Stored,
            8 => {
                take(&mut rest, 4);
                Method::Deflate {
                    stream_crc32: take(&mut rest, 4) as u32,
                }
            }
            other => return Err(other),
        };
        Ok(EntryHeader {
            name,
            method,
            crc32: self.crc32,
            compressed_size,
            size,
            offset,
        })
    }
}

/// The little-endian number in the next `len` (at most 8) bytes; missing bytes are zero.
fn take(rest: &mut &[u8], len: usize) -> u64 {
    let (head, tail) = rest.split_at(len.min(rest.len()));
    *rest = tail;
    head.iter()
        .rev()
        .fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// The values from which the end of the zip follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EndRecords {
    /// How many entries there are.
    pub(crate) entries: u64,
    /// The length of the central directory.
    pub(crate) central_size: u64,
    /// Where the central directory begins.
    pub(crate) central_offset: u64,
}

impl EndRecords {
    /// Whether the zip64 end record and its locator are there: exactly when a value does not fit the end record.
    pub(crate) fn has_zip64(&self) -> bool {
        self.entries >= MAX_16 || self.central_size >= MAX_32 || self.central_offset >= MAX_32
    }

    /// Appends the end records.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        if self.has_zip64() {
            self.write_zip64(out);
        }
        let entries = self.entries.min(MAX_16) as u16;
        put32(out, END_SIGNATURE);
        put16(out, 0); // this disk
        put16(out, 0); // disk of the central directory
        put16(out, entries);
        put16(out, entries);
        put32(out, cap32(self.central_size));
        put32(out, cap32(self.central_offset));
        put16(out, 0); // comment length
    }

    fn write_zip64(&self, out: &mut Vec<u8>) {
        put32(out, ZIP64_END_SIGNATURE);
        put64(out, 44); // length of the rest of this record
        put16(out, VERSION_MADE_BY);
        put16(out, VERSION_ZIP64);
        put32(out, 0); // this disk
        put32(out, 0); // disk of the central directory
        put64(out, self.entries);
        put64(out, self.entries);
        put64(out, self.central_size);
        put64(out, self.central_offset);
        put32(out, ZIP64_LOCATOR_SIGNATURE);
        put32(out, 0); // disk of the zip64 end record
        put64(out, self.central_offset.wrapping_add(self.central_size));
        put32(out, 1); // number of disks
    }

    /// Takes the values out of the last bytes of a file (at most [`END_LEN`] + [`ZIP64_END_LEN`] of them are looked at);
    /// nothing when the end record is not exactly at the end.
    pub(crate) fn parse(tail: &[u8]) -> Option<Self> {
        let (before, end) = tail.split_at_checked(tail.len().checked_sub(END_LEN)?)?;
        if get32(end, 0) != END_SIGNATURE {
            return None;
        }
        let plain = Self {
            entries: u64::from(get16(end, 10)),
            central_size: u64::from(get32(end, 12)),
            central_offset: u64::from(get32(end, 16)),
        };
        if !plain.has_zip64() {
            return Some(plain);
        }
        let zip64 = before
            .split_at_checked(before.len().checked_sub(ZIP64_END_LEN)?)?
            .1;
        Some(Self {
            entries: get64(zip64, 32),
            central_size: get64(zip64, 40),
            central_offset: get64(zip64, 48),
        })
    }
}

fn write_zip64_extra(out: &mut Vec<u8>, values: &[u64]) {
    put16(out, ZIP64_EXTRA_ID);
    put16(out, (8 * values.len()) as u16);
    values.iter().for_each(|value| put64(out, *value));
}

fn cap32(value: u64) -> u32 {
    value.min(MAX_32) as u32
}

fn put16(out: &mut Vec<u8>, value: u16) {
    out.extend_from_slice(&value.to_le_bytes());
}

fn put32(out: &mut Vec<u8>, value: u32) {
    out.extend_from_slice(&value.to_le_bytes());
}

fn put64(out: &mut Vec<u8>, value: u64) {
    out.extend_from_slice(&value.to_le_bytes());
}

pub(crate) fn get16(bytes: &[u8], at: usize) -> u16 {
    take(&mut &bytes[at..], 2) as u16
}

pub(crate) fn get32(bytes: &[u8], at: usize) -> u32 {
    take(&mut &bytes[at..], 4) as u32
}

fn get64(bytes: &[u8], at: usize) -> u64 {
    take(&mut &bytes[at..], 8)
}
