//! Reading the central directory front to back, in memory that does not grow with it.

use std::io::{self, BufReader, Read};

use super::bytes::ZipBytes;
use super::profile::{CENTRAL_FIXED_LEN, CentralFixed, EndRecords};

const CENTRAL_BUFFER_LEN: usize = 256 << 10;

/// Reads the central directory front to back, one record at a time.
pub(super) struct CentralReader<'f> {
    reader: BufReader<Box<dyn Read + Send + 'f>>,
    position: u64,
    end: u64,
    /// The record read last, whole: at most 46 + 3 × 65,535 bytes.
    pub(super) record: Vec<u8>,
}

impl<'f> CentralReader<'f> {
    /// A reader of the central directory these end records speak of.
    pub(super) fn new(file: ZipBytes<'f>, end: &EndRecords) -> io::Result<Self> {
        let (position, end) = (end.central_offset, end.central_offset + end.central_size);
        let reader = BufReader::with_capacity(CENTRAL_BUFFER_LEN, file.read(position..end)?);
        Ok(Self {
            reader,
            position,
            end,
            record: Vec::new(),
        })
    }

    /// The start of the next record and its values (nothing when there is no record), or nothing at the end.
    pub(super) fn read_record(&mut self) -> io::Result<Option<(u64, Option<CentralFixed>)>> {
        let start = self.position;
        let rest = self.end - start;
        if rest == 0 {
            return Ok(None);
        }
        let mut fixed_bytes = [0; CENTRAL_FIXED_LEN];
        if rest < fixed_bytes.len() as u64 {
            return Ok(Some((start, None)));
        }
        self.reader.read_exact(&mut fixed_bytes)?;
        let fixed = CentralFixed::parse(&fixed_bytes);
        let Some(fixed) = fixed.filter(|fixed| fixed.record_len() as u64 <= rest) else {
            return Ok(Some((start, None)));
        };
        self.record.clear();
        self.record.extend_from_slice(&fixed_bytes);
        self.record.resize(fixed.record_len(), 0);
        self.reader.read_exact(&mut self.record[CENTRAL_FIXED_LEN..])?;
        self.position += fixed.record_len() as u64;
        Ok(Some((start, Some(fixed))))
    }
}
