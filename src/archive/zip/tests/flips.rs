//! Every changed bit is noticed, by the scan or by reading.

use std::io::Read;

use super::*;
use crate::archive::zip::{index::IndexEntry, profile::Method};

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
    match super::super::EntryReader::new(&file, &entry).read_to_end(&mut found) {
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
        let code = |stream: &[u8], content: &[u8]| read_stream(stream, content).map_err(|fault| fault.code());
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
        read_stream(&stream, content).map_err(|fault| fault.code()),
        Err("zip-deflate")
    );
}
