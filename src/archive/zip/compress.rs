//! The choice between stored and deflate, and deflate itself.
//!
//! The choice looks at content only, so equal content is written equally, in one call or streamed. It looks at the
//! first [`SAMPLE_LEN`] bytes:
//!
//! 1. bytes as evenly spread as random ones are stored without a try (compressed formats, encrypted or random data);
//! 2. what deflate level 1 does not shrink by 5 % is stored;
//! 3. the rest is deflated at level 6. Content no longer than the sample is stored after all if that did not shrink it.

use std::io;

use flate2::{Compress, FlushCompress, Status};

/// How many bytes at the start of an entry decide how it is written.
pub(super) const SAMPLE_LEN: usize = 64 << 10;

/// Below this length the statistic says nothing, and a try costs nothing.
const STATISTIC_MIN_LEN: usize = 512;
/// At most this many bytes go into the statistic, in [`STATISTIC_SLICES`] slices spread over the sample.
const STATISTIC_LEN: usize = 4096;
const STATISTIC_SLICES: usize = 4;

const CHUNK_LEN: usize = 64 << 10;

/// The two compressors of a writer, made once and reset for each entry.
pub(super) struct Deflater {
    probe: Compress,
    stream: Compress,
    /// Whether the stream has begun and not ended.
    is_open: bool,
    /// Input waits here until it fills a block: what the compressor writes depends on how it is fed.
    block: Vec<u8>,
    chunk: Vec<u8>,
}

impl std::fmt::Debug for Deflater {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Deflater").finish_non_exhaustive()
    }
}

impl Deflater {
    /// Makes both compressors.
    pub(super) fn new() -> Self {
        Self {
            probe: Compress::new(flate2::Compression::new(1), false),
            stream: new_stream(),
            is_open: false,
            block: Vec::with_capacity(CHUNK_LEN),
            chunk: vec![0; CHUNK_LEN],
        }
    }

    /// Whether content that begins like this is worth deflating.
    pub(super) fn is_worth_it(&mut self, sample: &[u8]) -> io::Result<bool> {
        debug_assert!(sample.len() <= SAMPLE_LEN);
        if looks_random(sample) {
            return Ok(false);
        }
        let room = sample.len() - sample.len().div_ceil(20);
        self.probe.reset();
        let mut status = self
            .probe
            .compress(sample, &mut self.chunk[..room], FlushCompress::Finish)?;
        let is_worth_it = status == Status::StreamEnd;
        // The compressor is reset only at the end of a stream: with zlib-rs 0.6, what it had handed out of its buffer
        // before is lost to the next streams, until there is no room left and it panics.
        while status != Status::StreamEnd {
            let rest = &sample[self.probe.total_in() as usize..];
            let written = self.probe.total_out();
            status = self
                .probe
                .compress(rest, &mut self.chunk, FlushCompress::Finish)?;
            if self.probe.total_out() == written && status != Status::StreamEnd {
                return Err(no_progress());
            }
        }
        Ok(is_worth_it)
    }

    /// Begins a new deflate stream.
    pub(super) fn begin(&mut self) {
        // One that was broken off is not reset, for the same reason as in the probe.
        if std::mem::replace(&mut self.is_open, true) {
            self.stream = new_stream()
        } else {
            self.stream.reset()
        }
        self.block.clear();
    }

    /// Compresses input into the stream and hands what comes out to `sink`.
    pub(super) fn write(
        &mut self,
        input: &[u8],
        mut sink: impl FnMut(&[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut rest = input;
        while !rest.is_empty() {
            let (head, tail) = rest.split_at(rest.len().min(CHUNK_LEN - self.block.len()));
            self.block.extend_from_slice(head);
            rest = tail;
            if self.block.len() == CHUNK_LEN {
                self.write_block(&mut sink)?;
            }
        }
        Ok(())
    }

    /// Ends the stream.
    pub(super) fn finish(&mut self, mut sink: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        self.write_block(&mut sink)?;
        while self.step(&[], FlushCompress::Finish, &mut sink)?.1 != Status::StreamEnd {}
        self.is_open = false;
        Ok(())
    }

    fn write_block(&mut self, sink: &mut impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        let mut block = std::mem::take(&mut self.block);
        let mut rest = &block[..];
        while !rest.is_empty() {
            rest = self.step(rest, FlushCompress::None, sink)?.0;
        }
        block.clear();
        self.block = block;
        Ok(())
    }

    fn step<'i>(
        &mut self,
        input: &'i [u8],
        flush: FlushCompress,
        sink: &mut impl FnMut(&[u8]) -> io::Result<()>,
    ) -> io::Result<(&'i [u8], Status)> {
        let (read, written) = (self.stream.total_in(), self.stream.total_out());
        let status = self.stream.compress(input, &mut self.chunk, flush)?;
        let read = (self.stream.total_in() - read) as usize;
        let written = (self.stream.total_out() - written) as usize;
        if read == 0 && written == 0 && status != Status::StreamEnd {
            return Err(no_progress());
        }
        sink(&self.chunk[..written])?;
        Ok((&input[read..], status))
    }
}

fn new_stream() -> Compress {
    Compress::new(flate2::Compression::new(6), false)
}

fn no_progress() -> io::Error {
    io::Error::other("the deflate compressor made no progress")
}

/// Whether the bytes are as evenly spread as random ones.
///
/// Pearson's chi-squared of the byte counts against an even spread: about 255 for random bytes, and above
/// `255 + 0.55 n` where the spread alone would let a coder save 5 %. The line is drawn at `255 + 0.2 n`.
fn looks_random(sample: &[u8]) -> bool {
    if sample.len() < STATISTIC_MIN_LEN {
        return false;
    }
    // Four counters for each byte, so that one addition need not wait for the one before.
    let mut counts = [[0_u32; 4]; 256];
    let mut counted = 0;
    for slice in statistic_slices(sample) {
        let (chunks, rest) = slice.as_chunks::<4>();
        for chunk in chunks {
            for (lane, byte) in chunk.iter().enumerate() {
                counts[usize::from(*byte)][lane] += 1;
            }
        }
        rest.iter().for_each(|byte| counts[usize::from(*byte)][0] += 1);
        counted += slice.len() as u64;
    }
    let squares: u64 = counts
        .iter()
        .map(|lanes| u64::from(lanes.iter().sum::<u32>()).pow(2))
        .sum();
    let chi_squared = (256 * squares / counted).saturating_sub(counted);
    chi_squared < 255 + counted / 5
}

fn statistic_slices(sample: &[u8]) -> impl Iterator<Item = &[u8]> {
    let slice_len = (STATISTIC_LEN / STATISTIC_SLICES).min(sample.len() / STATISTIC_SLICES);
    let stride = (sample.len() - slice_len) / (STATISTIC_SLICES - 1);
    (0..STATISTIC_SLICES).map(move |i| &sample[i * stride..i * stride + slice_len])
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::archive::zip::tests::random_bytes;

    #[test]
    fn random_bytes_are_recognized_and_text_is_not() {
        for len in [512, 777, 2_000, 4_096, 20_000, SAMPLE_LEN] {
            for seed in 0..20 {
                assert!(looks_random(&random_bytes(len, seed)), "{len}");
            }
            let base64: Vec<u8> = random_bytes(len, 1).iter().map(|b| b'0' + b % 64).collect();
            assert!(!looks_random(&base64));
            assert!(!looks_random(&vec![0; len]));
        }
    }

    #[test]
    fn what_does_not_save_five_percent_is_not_worth_it() -> anyhow::Result<()> {
        let mut deflater = Deflater::new();
        assert!(!deflater.is_worth_it(b"")?);
        assert!(!deflater.is_worth_it(b"abc")?);
        assert!(!deflater.is_worth_it(&random_bytes(300, 3))?);
        assert!(!deflater.is_worth_it(&random_bytes(SAMPLE_LEN, 3))?);
        assert!(deflater.is_worth_it(&[0; 100])?);
        let hex: Vec<u8> = random_bytes(30_000, 3).iter().map(|b| b'a' + b % 16).collect();
        assert!(deflater.is_worth_it(&hex)?);
        Ok(())
    }

    #[test]
    fn a_probe_leaves_nothing_behind_in_the_compressor() -> anyhow::Result<()> {
        let mut deflater = Deflater::new();
        for len in [4, 100, 400, 511] {
            for seed in 0..30_000 / len as u64 {
                assert!(!deflater.is_worth_it(&random_bytes(len, seed))?);
            }
        }
        assert!(deflater.is_worth_it(&[0; 100])?);
        Ok(())
    }

    #[test]
    fn a_stream_that_was_broken_off_leaves_nothing_behind_in_the_compressor() -> anyhow::Result<()> {
        let mut deflater = Deflater::new();
        for _ in 0..100 {
            deflater.begin();
            let broken = deflater.write(&random_bytes(3 * CHUNK_LEN, 7), |_| {
                Err(io::Error::from(io::ErrorKind::StorageFull))
            });
            assert!(broken.is_err());
        }
        deflater.begin();
        let mut out = Vec::new();
        deflater.write(&random_bytes(3 * CHUNK_LEN, 7), |bytes| out.write_all(bytes))?;
        deflater.finish(|bytes| out.write_all(bytes))?;
        assert!(out.len() >= 3 * CHUNK_LEN);
        Ok(())
    }

    #[test]
    fn a_reset_compressor_writes_the_same_stream_again() -> anyhow::Result<()> {
        let text: Vec<u8> = random_bytes(300_000, 5).iter().map(|b| b'a' + b % 7).collect();
        let mut deflater = Deflater::new();
        let mut run = |pieces: usize| -> io::Result<Vec<u8>> {
            let mut out = Vec::new();
            deflater.begin();
            for piece in text.chunks(pieces) {
                deflater.write(piece, |bytes| out.write_all(bytes))?;
            }
            deflater.finish(|bytes| out.write_all(bytes))?;
            Ok(out)
        };
        let first = run(300_000)?;
        assert!(first.len() < 150_000);
        assert!(first == run(300_000)?, "a second use differs");
        assert!(first == run(1_001)?, "the stream depends on how it was fed");
        Ok(())
    }
}
