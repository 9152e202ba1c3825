//! A column of texts that stand in many rows one after the other: a dictionary, and one page of how often each stands there.
//!
//! The writer of `parquet` hashes, compares and counts the text of each row; here that happens once for all rows that follow each other. What
//! is written is Parquet's own: a page of the dictionary, and a data page whose levels and indexes are runs of its hybrid of runs and packed bits
//! (`RLE` in Encodings.md of the format).

use super::buffer::{Presence, Texts};
use bytes::Bytes;
use parquet::basic::{Compression, Encoding};
use parquet::column::page::{CompressedPage, Page, PageWriter as _};
use parquet::column::writer::ColumnCloseResult;
use parquet::data_type::ByteArray;
use parquet::errors::Result;
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::statistics::Statistics;
use parquet::file::writer::{SerializedPageWriter, TrackedWrite};
use parquet::schema::types::ColumnDescPtr;
use std::collections::HashMap;

/// How often a text stands one after the other, on average, where this is worth it.
const TIMES: u64 = 4;
/// Longer texts make no statistics.
const BOUND_BYTES: usize = 64;

/// Whether texts repeat so much that [`chunk`] is the way to write them.
pub(super) fn is_repeated(texts: &Texts) -> bool {
    let rows: u64 = texts.ends.iter().map(|(_, times)| u64::from(*times)).sum();
    !texts.ends.is_empty() && rows >= TIMES * texts.ends.len() as u64
}

/// The chunk of a column, and what the file says of it.
pub(super) fn chunk(
    column: ColumnDescPtr,
    present: &Presence,
    texts: &Texts,
) -> Result<(Bytes, ColumnCloseResult)> {
    let (mut dictionary, mut places, mut indexes) =
        (Vec::new(), HashMap::new(), Vec::with_capacity(texts.ends.len()));
    for (text, times) in texts.iter() {
        let next = places.len() as u64;
        let index = *places.entry(text).or_insert_with(|| {
            dictionary.extend((text.len() as u32).to_le_bytes());
            dictionary.extend(text);
            next
        });
        indexes.push((index, times));
    }
    let width = u64::BITS - (places.len() as u64 - 1).leading_zeros();
    let mut data = Vec::new();
    let levels = encoded(
        present
            .runs()
            .map(|(is_present, rows)| (u64::from(is_present), rows)),
        1,
    );
    data.extend((levels.len() as u32).to_le_bytes());
    data.extend(levels);
    data.push(width as u8);
    data.extend(encoded(indexes.into_iter(), width));
    let (mut rows, mut nulls) = (0, 0);
    for (is_present, count) in present.runs() {
        rows += count;
        nulls += if is_present { 0 } else { count };
    }
    let bound = |text: Option<&&[u8]>| {
        text.filter(|text| text.len() <= BOUND_BYTES)
            .map(|text| ByteArray::from(text.to_vec()))
    };
    let statistics = Statistics::byte_array(
        bound(places.keys().min()),
        bound(places.keys().max()),
        None,
        Some(u64::from(nulls)),
        false,
    );
    let dictionary = Page::DictionaryPage {
        buf: dictionary.into(),
        num_values: places.len() as u32,
        encoding: Encoding::PLAIN,
        is_sorted: false,
    };
    let page = Page::DataPage {
        buf: data.into(),
        num_values: rows,
        encoding: Encoding::RLE_DICTIONARY,
        def_level_encoding: Encoding::RLE,
        rep_level_encoding: Encoding::RLE,
        statistics: None,
    };
    close(column, dictionary, page, statistics)
}

/// Pages as the bytes of a chunk.
fn close(
    column: ColumnDescPtr,
    dictionary: Page,
    page: Page,
    statistics: Statistics,
) -> Result<(Bytes, ColumnCloseResult)> {
    let rows = page.num_values();
    let mut out = TrackedWrite::new(Vec::new());
    let mut writer = SerializedPageWriter::new(&mut out);
    let mut offset_of = |page: Page| {
        let size = page.buffer().len();
        writer
            .write_page(CompressedPage::new(page, size))
            .map(|page| page.offset as i64)
    };
    let (dictionary_offset, offset) = (offset_of(dictionary)?, offset_of(page)?);
    let bytes = out.into_inner()?;
    let metadata = ColumnChunkMetaData::builder(column)
        .set_compression(Compression::UNCOMPRESSED)
        .set_encodings(vec![Encoding::PLAIN, Encoding::RLE, Encoding::RLE_DICTIONARY])
        .set_total_compressed_size(bytes.len() as i64)
        .set_total_uncompressed_size(bytes.len() as i64)
        .set_num_values(i64::from(rows))
        .set_dictionary_page_offset(Some(dictionary_offset))
        .set_data_page_offset(offset)
        .set_statistics(statistics)
        .build()?;
    let close = ColumnCloseResult {
        bytes_written: bytes.len() as u64,
        rows_written: u64::from(rows),
        metadata,
        bloom_filter: None,
        column_index: None,
        offset_index: None,
    };
    Ok((bytes.into(), close))
}

/// Values as runs: twice how often, as a varint, then the value in as many bytes as `width` bits need.
fn encoded(runs: impl Iterator<Item = (u64, u32)>, width: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (value, times) in runs {
        let mut header = u64::from(times) << 1;
        while header >= 0x80 {
            bytes.push(header as u8 | 0x80);
            header >>= 7;
        }
        bytes.push(header as u8);
        bytes.extend(&value.to_le_bytes()[..width.div_ceil(8) as usize]);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lang::tables::buffer::{Buffer, Values};
    use crate::lang::tables::cells::Cell;
    use crate::lang::tables::layout::{Column, ColumnType};
    use crate::lang::tables::parquet::ParquetFile;
    use parquet::file::reader::{FileReader, SerializedFileReader};
    use parquet::record::Field;
    use proptest::prelude::*;

    fn column(name: &str) -> Column {
        Column {
            name: name.to_owned(),
            kind: ColumnType::Text,
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn texts_that_repeat_come_back_with_their_bounds(
            runs in proptest::collection::vec((proptest::option::of("[a-c]{0,2}|é{40}"), 8u32..600), 1..40)
        ) {
            let mut buffer = Buffer::new(ColumnType::Text);
            let mut rows = Vec::new();
            for (text, times) in &runs {
                for _ in 0..*times {
                    buffer.push(&text.as_deref().map_or(Cell::Null, Cell::from));
                    rows.push(text.clone());
                }
            }
            let Buffer::Plain { values: Values::Texts(texts), .. } = &buffer else { unreachable!() };
            prop_assert_eq!(is_repeated(texts), rows.iter().any(Option::is_some));
            let file = tempfile::NamedTempFile::new().unwrap();
            let mut made = ParquetFile::create(file.reopen().unwrap(), &[column("text")], &[]).unwrap();
            made.write(vec![buffer]).unwrap();
            made.finish().unwrap();

            let reader = SerializedFileReader::new(file.reopen().unwrap()).unwrap();
            let read = reader.get_row_iter(None).unwrap().map(|row| {
                match row.unwrap().get_column_iter().next().unwrap().1 {
                    Field::Str(text) => Some(text.clone()),
                    _ => None,
                }
            });
            let nulls = rows.iter().filter(|text| text.is_none()).count() as u64;
            let bounds = [rows.iter().flatten().min(), rows.iter().flatten().max()];
            prop_assert_eq!(read.collect::<Vec<_>>(), rows.clone());
            let group = reader.metadata().row_group(0);
            let statistics = group.column(0).statistics().unwrap();
            prop_assert_eq!(statistics.null_count_opt(), Some(nulls));
            for (bound, stated) in bounds.into_iter().zip([statistics.min_bytes_opt(), statistics.max_bytes_opt()]) {
                if let Some(bound) = bound.filter(|bound| bound.len() <= BOUND_BYTES) {
                    prop_assert_eq!(stated, Some(bound.as_bytes()));
                }
            }
        }
    }
}
