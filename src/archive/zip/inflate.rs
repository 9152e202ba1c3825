//! Deflate decoding that accepts no slack: the stream ends with its last byte, and the bits after its end are zero,
//! as are those between the header of a stored block and its length.
//!
//! The decoder skips the latter unseen, so it is stopped before each block. A stored block has four bytes after those
//! bits, so none of them are in the last byte.
//!
//! The last byte is held back until everything before it is decoded. A stream that ends without it was too long. Then
//! it is tried with its highest set bit cleared, on a copy of the decoder: when the stream ends all the same with the
//! same content, that bit was padding.

use miniz_oxide::inflate::{
    TINFLStatus,
    core::{
        DecompressorOxide, decompress,
        inflate_flags::{
            TINFL_FLAG_HAS_MORE_INPUT, TINFL_FLAG_STOP_ON_BLOCK_BOUNDARY,
            TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF,
        },
    },
};

/// How far back a match can reach.
const HISTORY_LEN: usize = 32 << 10;
/// How much is decoded at a time.
const CHUNK_LEN: usize = 128 << 10;
/// More than one byte of input can spell: eight matches of 258 bytes, and the one begun before.
const LAST_BYTE_ROOM: usize = 4096;

/// Why a stream is not accepted; the reader of the entry adds where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum InflateProblem {
    /// It breaks the rules of deflate.
    Invalid,
    /// It ends before its last byte.
    EndsEarly,
    /// It does not end with its last byte.
    EndsLate,
    /// The last byte has a set bit after the end of the stream.
    Padding(u8),
    /// A stored block has a set bit between its header and its length.
    BlockPadding,
}

/// A decoder with the window its matches reach into.
pub(super) struct Inflater {
    state: Box<DecompressorOxide>,
    window: Vec<u8>,
    /// Decoded and not yet taken: `window[start..end]`.
    start: usize,
    end: usize,
    decoded: u64,
    needs_input: bool,
    is_done: bool,
    /// Where the next input begins with a block: the bits of it that the decoder has taken already, and their number.
    next_block: Option<(u32, u32)>,
}

impl std::fmt::Debug for Inflater {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inflater")
            .field("is_done", &self.is_done)
            .finish_non_exhaustive()
    }
}

impl Inflater {
    /// A decoder for content of about this size, which limits what is allocated and not what is decoded.
    pub(super) fn new(size: u64) -> Self {
        let chunk = size.min(CHUNK_LEN as u64) as usize;
        let window = vec![0; HISTORY_LEN.min(chunk) + chunk + LAST_BYTE_ROOM];
        Self {
            state: Box::default(),
            window,
            start: 0,
            end: 0,
            decoded: 0,
            needs_input: true,
            is_done: false,
            next_block: Some((0, 0)),
        }
    }

    /// Whether the stream has ended.
    pub(super) fn is_done(&self) -> bool {
        self.is_done
    }

    /// Whether all input so far is decoded.
    pub(super) fn needs_input(&self) -> bool {
        self.needs_input
    }

    /// How much was decoded so far.
    pub(super) fn decoded(&self) -> u64 {
        self.decoded
    }

    /// What is decoded and not yet taken.
    pub(super) fn pending(&self) -> &[u8] {
        &self.window[self.start..self.end]
    }

    /// Marks bytes of [`pending`](Self::pending) as taken.
    pub(super) fn consume(&mut self, len: usize) {
        self.start += len;
        debug_assert!(self.start <= self.end);
    }

    /// Decodes input that does not have the stream's last byte, until it or the window is used up; says how much of the
    /// input was.
    ///
    /// Once all content `is_complete`, room that is otherwise kept free lets the decoder go on to the end of the stream.
    pub(super) fn decode(&mut self, input: &[u8], is_complete: bool) -> Result<usize, InflateProblem> {
        self.make_room();
        let limit = self.window.len() - if is_complete { 0 } else { LAST_BYTE_ROOM };
        self.check_block_padding(input)?;
        let (status, read) = self.step(
            input,
            limit,
            TINFL_FLAG_HAS_MORE_INPUT | TINFL_FLAG_STOP_ON_BLOCK_BOUNDARY,
        );
        let is_boundary = status == TINFLStatus::BlockBoundary;
        if is_boundary {
            let boundary = self.state.block_boundary_state();
            self.next_block = boundary.map(|bits| (bits.bit_buf.into(), bits.num_bits.into()));
        }
        self.needs_input = status == TINFLStatus::NeedsMoreInput || is_boundary && read == input.len();
        match status {
            TINFLStatus::NeedsMoreInput | TINFLStatus::HasMoreOutput | TINFLStatus::BlockBoundary => Ok(read),
            TINFLStatus::Done => Err(InflateProblem::EndsEarly),
            _ => Err(InflateProblem::Invalid),
        }
    }

    /// Looks at the bits that a stored block at the start of the input would skip.
    fn check_block_padding(&mut self, input: &[u8]) -> Result<(), InflateProblem> {
        let Some((first, (bits, len))) = input.first().zip(self.next_block.take()) else {
            return Ok(());
        };
        let (bits, len) = match len {
            // The header ends in the byte that comes next.
            0..3 => (bits | u32::from(*first) << len, len + 8),
            _ => (bits, len),
        };
        let (kind, padding) = (bits >> 1 & 3, bits >> 3 & ((1 << (len - 3)) - 1));
        match (kind, padding) {
            (0, 1..) => Err(InflateProblem::BlockPadding),
            _ => Ok(()),
        }
    }

    /// Decodes the last byte of the stream, when [all before it](Self::needs_input) is decoded.
    pub(super) fn decode_last(&mut self, byte: u8) -> Result<(), InflateProblem> {
        let without_highest_bit = byte & !(0x80_u8.checked_shr(byte.leading_zeros()).unwrap_or(0));
        let other = (byte != 0).then(|| self.end_with(without_highest_bit)).flatten();
        let begin = self.end;
        match self.step(&[byte], self.window.len(), 0) {
            (TINFLStatus::Done, 1) if other.is_some_and(|other| other == self.window[begin..self.end]) => {
                Err(InflateProblem::Padding(byte))
            }
            (TINFLStatus::Done, 1) => {
                self.is_done = true;
                Ok(())
            }
            (TINFLStatus::Done, _) => Err(InflateProblem::EndsEarly),
            (TINFLStatus::Failed, _) => Err(InflateProblem::Invalid),
            _ => Err(InflateProblem::EndsLate),
        }
    }

    /// What a last byte would give, if the stream would end with it.
    fn end_with(&self, byte: u8) -> Option<Vec<u8>> {
        let history = self.end - HISTORY_LEN.min(self.end);
        let mut window = self.window[history..self.end].to_vec();
        let end = window.len();
        window.resize(end + LAST_BYTE_ROOM, 0);
        let flags = TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;
        let (status, read, written) = decompress(&mut self.state.clone(), &[byte], &mut window, end, flags);
        (status == TINFLStatus::Done && read == 1).then(|| window[end..end + written].to_vec())
    }

    fn step(&mut self, input: &[u8], limit: usize, flags: u32) -> (TINFLStatus, usize) {
        let flags = flags | TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;
        let (status, read, written) =
            decompress(&mut self.state, input, &mut self.window[..limit], self.end, flags);
        self.end += written;
        self.decoded += written as u64;
        (status, read)
    }

    /// Moves the history to the front when the window is full and everything in it was taken.
    fn make_room(&mut self) {
        if self.start == self.end && self.end >= self.window.len() - LAST_BYTE_ROOM {
            let kept = HISTORY_LEN.min(self.end);
            self.window.copy_within(self.end - kept..self.end, 0);
            (self.start, self.end) = (kept, kept);
        }
    }
}
