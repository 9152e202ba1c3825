//! Sizes and counts beyond 32 and 16 bits.

use super::*;
use crate::archive::zip::profile::{EndRecords, EntryHeader, MAX_32, Method};

const HEADER: EntryHeader<'static> = EntryHeader {
    name: "big",
    method: Method::Stored,
    crc32: 0x1234_5678,
    compressed_size: 5,
    size: 5,
    offset: 0,
};

fn central(header: &EntryHeader<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    header.write_central(&mut bytes);
    bytes
}

#[test]
fn zip64_extras_hold_exactly_the_values_that_need_them() {
    for (size, compressed_size, offset, wide) in [
        (5, 5, 0, vec![]),
        (MAX_32 - 1, MAX_32 - 1, MAX_32 - 1, vec![]),
        (MAX_32, 9, 0, vec![MAX_32]),
        (9, MAX_32, 0, vec![MAX_32]),
        (1 << 40, 1 << 41, 1 << 42, vec![1 << 40, 1 << 41, 1_u64 << 42]),
        (5, 5, MAX_32, vec![MAX_32]),
    ] {
        let header = EntryHeader {
            size,
            compressed_size,
            offset,
            ..HEADER
        };
        let bytes = central(&header);
        let mut extra = Vec::new();
        if !wide.is_empty() {
            extra.extend_from_slice(&[1, 0, 8 * wide.len() as u8, 0]);
            wide.iter()
                .for_each(|value| extra.extend_from_slice(&value.to_le_bytes()));
        }
        assert_eq!(bytes[46 + 3..], extra);
        assert_eq!(bytes[6], if wide.is_empty() { 20 } else { 45 });

        let mut local = Vec::new();
        header.write_local(&mut local);
        assert_eq!(local.len(), header.local_len());
        assert_eq!(
            local.len() == 33 + 20,
            size >= MAX_32 || compressed_size >= MAX_32
        );
    }
}

#[test]
fn a_deflated_entry_has_the_crc_of_its_stream_after_the_zip64_extra() {
    let method = Method::Deflate {
        stream_crc32: 0xAABB_CCDD,
    };
    let bytes = central(&EntryHeader { method, ..HEADER });
    assert_eq!(bytes[46 + 3..], [b'm', b'l', 4, 0, 0xDD, 0xCC, 0xBB, 0xAA]);
    let bytes = central(&EntryHeader {
        method,
        offset: 1 << 33,
        ..HEADER
    });
    assert_eq!(bytes[46 + 3 + 12..], [b'm', b'l', 4, 0, 0xDD, 0xCC, 0xBB, 0xAA]);
}

#[test]
fn end_records_switch_to_zip64_exactly_where_a_value_needs_it() {
    for (entries, central_size, central_offset, len) in [
        (65_534, MAX_32 - 1, MAX_32 - 1, 22),
        (65_535, 0, 0, 98),
        (0, MAX_32, 0, 98),
        (0, 0, MAX_32, 98),
        (1 << 40, 1 << 41, 1 << 42, 98),
    ] {
        let end = EndRecords {
            entries,
            central_size,
            central_offset,
        };
        let mut bytes = Vec::new();
        end.write(&mut bytes);
        assert_eq!((bytes.len(), end.len()), (len, len));
        assert_eq!(EndRecords::parse(&bytes), Some(end));
    }
}

#[test]
fn more_entries_than_16_bits_count() -> anyhow::Result<()> {
    for entries in [65_534_u32, 65_535, 65_536, 150_000] {
        let mut writer = writer()?;
        for number in 0..entries {
            let mut digest = [0xA5; 32];
            digest[..4].copy_from_slice(&number.wrapping_mul(0x9E37_79B1).to_be_bytes());
            writer.write_small(&blob_name(&digest), b"x", Compression::Stored)?;
        }
        let file = writer.finish()?;
        let index = ZipIndex::scan(&file, &ZipLimits::default())?;
        assert_eq!(index.blob_count(), entries as usize);
        assert!(index.blobs_by_digest().is_sorted_by_key(|entry| entry.digest));
        for entry in index.blobs().step_by(999) {
            assert_eq!(index.get(&entry.name), Some(entry));
        }
    }
    Ok(())
}

/// A zip of 9 GiB in a file with holes: the first entry needs wide sizes, the second a wide offset.
#[test]
fn a_sparse_zip_beyond_4_gib_is_scanned() -> anyhow::Result<()> {
    let file = tempfile::tempfile()?;
    let (mut local, mut central) = (Vec::new(), Vec::new());
    let first = EntryHeader {
        size: 1 << 33,
        compressed_size: 1 << 33,
        ..HEADER
    };
    let second = EntryHeader {
        name: "small",
        offset: first.end().expect("small enough"),
        ..HEADER
    };
    for header in [first, second] {
        local.clear();
        header.write_local(&mut local);
        file.write_all_at(&local, header.offset)?;
        header.write_central(&mut central);
    }
    let central_offset = second.end().expect("small enough");
    EndRecords {
        entries: 2,
        central_size: central.len() as u64,
        central_offset,
    }
    .write(&mut central);
    file.write_all_at(&central, central_offset)?;

    let index = ZipIndex::scan(&file, &ZipLimits::default())?;
    let found: Vec<_> = index
        .others()
        .iter()
        .map(|entry| (entry.size, entry.offset))
        .collect();
    assert_eq!(found, [(1 << 33, 0), (5, second.offset)]);
    let mut other = zip::ZipArchive::new(file.try_clone()?)?;
    assert_eq!(other.by_index(0)?.size(), 1 << 33);
    Ok(())
}
