//! Every changed bit is noticed, by the scan or by reading.

use std::io::Read;

use super::*;
use crate::archive::zip::{
    index::IndexEntry,
    inflate::{InflateProblem, Inflater},
    profile::Method,
};

/// Flips every bit in turn and gives the places that nobody noticed.
fn unnoticed_flips(bytes: &[u8]) -> anyhow::Result<Vec<(usize, u8)>> {
    let file = file_of(bytes)?;
    let mut unnoticed = Vec::new();
    for (at, byte) in bytes.iter().enumerate() {
        for bit in 0..8 {
            file.write_all_at(&[byte ^ 1 << bit], at as u64)?;
            if read_all(&file).is_ok() {
                unnoticed.push((at, bit));
            }
        }
        file.write_all_at(&[*byte], at as u64)?;
    }
    assert!(read_all(&file).is_ok());
    Ok(unnoticed)
}

#[test]
fn every_flipped_bit_of_a_small_zip_is_noticed() -> anyhow::Result<()> {
    let bytes = zip_of(&[
        (&blob(7), b"stored blob", Compression::Stored),
        (&blob(8), &text(300), Compression::Deflate),
        ("objects/a-00000.jsonl", &[b'0'; 300], Compression::Deflate),
        ("empty", b"", Compression::Deflate),
        ("nothing", b"", Compression::Stored),
        ("mlark.json", b"{}", Compression::Probe),
    ])?;
    assert_eq!(unnoticed_flips(&bytes)?, []);
    Ok(())
}

#[test]
fn every_flipped_bit_is_noticed_with_zip64_end_records() -> anyhow::Result<()> {
    let mut writer = writer()?;
    for number in 0..65_535 {
        writer.write_small(&format!("{number}"), b"", Compression::Stored)?;
    }
    let bytes = bytes_of(&writer.finish()?)?;
    let file = file_of(&bytes)?;
    for (at, byte) in bytes.iter().enumerate().skip(bytes.len() - 98) {
        for bit in [0, 7] {
            file.write_all_at(&[byte ^ 1 << bit], at as u64)?;
            let limits = ZipLimits {
                max_faults: 1,
                ..ZipLimits::default()
            };
            let scanned = ZipIndex::scan(&file, &limits);
            assert!(matches!(scanned, Err(ScanError::Faults(_))), "{at} {bit}");
        }
        file.write_all_at(&[*byte], at as u64)?;
    }
    Ok(())
}

/// What a reader of one deflate stream says when the stream's own CRC-32 is as claimed.
fn read_stream(stream: &[u8], content: &[u8]) -> Result<(), ZipFault> {
    let file = file_of(&[&[0; 31], stream].concat()).expect("a temporary file");
    let entry = IndexEntry {
        name: "a".into(),
        digest: None,
        method: Method::Deflate {
            stream_crc32: crc32fast::hash(stream),
        },
        crc32: crc32fast::hash(content),
        compressed_size: stream.len() as u64,
        size: content.len() as u64,
        offset: 0,
    };
    let mut found = Vec::new();
    match super::super::EntryReader::new((&file).into(), &entry).read_to_end(&mut found) {
        Ok(_) => {
            assert!(found == content);
            Ok(())
        }
        Err(error) => Err(ZipFault::from_io(&error).expect("a fault").clone()),
    }
}

fn deflate(content: &[u8]) -> Vec<u8> {
    let level = flate2::Compression::new(6);
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), level);
    encoder.write_all(content).expect("memory");
    encoder.finish().expect("memory")
}

/// Why the stream has a CRC-32 of its own: without it these flips would be the same content.
#[test]
fn the_content_alone_does_not_notice_every_flip_in_a_stream() {
    let content = vec![0; 100_000];
    let stream = deflate(&content);
    let mut equal = 0;
    for at in 0..stream.len() {
        for bit in 0..8 {
            let mut changed = stream.clone();
            changed[at] ^= 1 << bit;
            equal += usize::from(read_stream(&changed, &content).is_ok());
        }
    }
    assert!(equal > stream.len(), "{equal} flips in {} bytes", stream.len());
}

#[test]
fn set_padding_bits_are_faults_even_when_the_stream_has_its_crc() {
    let mut seen = [false; 8];
    for len in 0..200 {
        let content = random_bytes(len, 77)
            .iter()
            .map(|byte| b'a' + byte % 5)
            .collect::<Vec<_>>();
        let stream = deflate(&content);
        assert_eq!(read_stream(&stream, &content), Ok(()));
        let last = stream.len() - 1;
        // From the top down, bits are padding until the first that is not.
        let padding = (0..8).rev().take_while(|bit| {
            let mut changed = stream.clone();
            changed[last] ^= 1 << bit;
            let is_padding = decodes_with_flate2(&changed, &content);
            if is_padding {
                let found = read_stream(&changed, &content);
                assert_eq!(
                    found,
                    Err(ZipFault::Padding {
                        entry: "a".into(),
                        found: changed[last]
                    })
                );
            }
            is_padding
        });
        seen[padding.count()] = true;
    }
    assert_eq!(seen, [true; 8], "some amounts of padding were not tried");
}

/// Deflate streams put together bit by bit, with the places of the bits that padding takes.
#[derive(Default)]
struct Bits {
    stream: Vec<u8>,
    len: usize,
    padding: Vec<usize>,
}

impl Bits {
    fn push(&mut self, bits: &str) {
        for bit in bits.bytes() {
            self.stream.resize(self.len / 8 + 1, 0);
            self.stream[self.len / 8] |= (bit - b'0') << (self.len % 8);
            self.len += 1;
        }
    }

    /// A fixed block of so many letters `a`; each of the first two hundred characters has eight bits.
    fn fixed(&mut self, letters: usize) {
        self.push(&format!("010{}0000000", "10010001".repeat(letters)));
    }

    fn stored(&mut self, is_last: bool, content: &[u8]) {
        self.push(if is_last { "100" } else { "000" });
        let end = self.len.next_multiple_of(8);
        self.padding.extend(self.len..end);
        let len = content.len() as u16;
        self.stream
            .extend([len.to_le_bytes(), (!len).to_le_bytes()].concat());
        self.stream.extend(content);
        self.len = 8 * self.stream.len();
    }
}

#[test]
fn set_padding_bits_before_the_length_of_a_stored_block_are_faults() {
    let mut amounts = [false; 8];
    // Each fixed block moves the padding by two bits; long ones spread the blocks over several reads.
    for (before, letters) in (0..8).flat_map(|before| [0, 1, 40_000].map(|letters| (before, letters))) {
        let mut bits = Bits::default();
        bits.stored(false, b"begin");
        (0..before).for_each(|_| bits.fixed(letters));
        bits.stored(false, b"");
        bits.stored(before % 2 == 0, b"end");
        if before % 2 == 1 {
            bits.push("1100000000");
        }
        let content = [&b"begin"[..], &vec![b'a'; before * letters], b"end"].concat();
        assert_eq!(read_stream(&bits.stream, &content), Ok(()), "{before} {letters}");
        for at in &bits.padding {
            let mut changed = bits.stream.clone();
            changed[at / 8] ^= 1 << (at % 8);
            assert!(decodes_with_flate2(&changed, &content));
            let entry = "a".into();
            assert_eq!(
                read_stream(&changed, &content),
                Err(ZipFault::BlockPadding { entry }),
                "{before} {letters} {at}"
            );
            amounts[8 - at % 8] = true;
        }
    }
    assert_eq!(amounts[1..], [true; 7], "some amounts of padding were not tried");
}

/// Some parts shrink and some do not, so that there are blocks of all kinds.
fn mixed(seed: u64) -> Vec<u8> {
    (0..6)
        .flat_map(|part| [random_bytes(70_001 + 977 * part, seed), text(30_001 * part)].concat())
        .collect()
}

#[test]
fn the_compressor_pads_stored_blocks_with_zeros() {
    for seed in 0..8 {
        let content = mixed(seed);
        let stream = deflate(&content);
        assert!(
            stream.windows(30).any(|part| part == &content[..30]),
            "nothing is stored"
        );
        assert_eq!(read_stream(&stream, &content), Ok(()));
    }
}

#[test]
fn a_stream_decodes_alike_in_pieces_of_any_length() -> Result<(), InflateProblem> {
    let content = mixed(9);
    let stream = deflate(&content);
    let (most, last) = stream.split_at(stream.len() - 1);
    for piece_len in [1, 2, 3, 7, 14, 15, 1_000, 65_535] {
        let mut inflater = Inflater::new(content.len() as u64);
        let mut found = Vec::new();
        for mut piece in most.chunks(piece_len) {
            while !piece.is_empty() || !inflater.needs_input() {
                let is_complete = inflater.decoded() == content.len() as u64;
                piece = &piece[inflater.decode(piece, is_complete)?..];
                found.extend_from_slice(inflater.pending());
                inflater.consume(inflater.pending().len());
            }
        }
        inflater.decode_last(last[0])?;
        found.extend_from_slice(inflater.pending());
        assert!(inflater.is_done() && found == content, "{piece_len}");
    }
    Ok(())
}

fn decodes_with_flate2(stream: &[u8], content: &[u8]) -> bool {
    let mut found = Vec::new();
    let decoded = flate2::read::DeflateDecoder::new(stream).read_to_end(&mut found);
    decoded.is_ok() && found == content
}

#[test]
fn a_stream_ends_exactly_at_its_size() {
    for len in [0, 1, 300, 5_000, 131_072, 131_073, 163_840, 400_000] {
        let content = text(len);
        let stream = deflate(&content);
        assert_eq!(read_stream(&stream, &content), Ok(()), "{len}");
        let code = |stream: &[u8], content: &[u8]| {
            read_stream(stream, content).map_err(|fault| fault.code().as_str())
        };
        for extra in [&[0][..], &[0, 0], &[255; 9]] {
            assert_eq!(
                code(&[&stream, extra].concat(), &content),
                Err("zip-stream-end"),
                "{len}"
            );
        }
        assert_eq!(
            code(&stream[..stream.len() - 1], &content),
            Err("zip-stream-end"),
            "{len}"
        );
        assert_eq!(code(&[], &content), Err("zip-stream-end"));
        assert_eq!(code(&stream, &text(len + 1)), Err("zip-size"), "{len}");
        if len > 0 {
            assert_eq!(code(&stream, &content[..len - 1]), Err("zip-size"), "{len}");
        }
    }
}

#[test]
fn a_match_before_the_start_of_the_content_is_refused() {
    // Fixed block: literal `a` (0x91: 8 bits), length 3 (0000001), distance 2 (00001), end (0000000).
    let content = b"a\0aa";
    let bits = concat!("1", "10", "10010001", "0000001", "00001", "0000000");
    let mut stream = vec![0_u8; bits.len().div_ceil(8)];
    for (at, bit) in bits.bytes().enumerate() {
        stream[at / 8] |= (bit - b'0') << (at % 8);
    }
    assert_eq!(
        read_stream(&stream, content).map_err(|fault| fault.code().as_str()),
        Err("zip-deflate")
    );
}
