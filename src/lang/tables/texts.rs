//! A column of texts as Parquet: a dictionary where texts repeat, else one after the other.
//!
//! The writer of `parquet` counts, compares and hashes the text of each row, as a value of its own; here that happens once for all rows that
//! follow each other, and hardly ever where texts come in the same order again, as the keys of a map do. What is written is Parquet's own: a page
//! of the dictionary, and a data page whose levels and indexes are its hybrid of runs and packed bits (`RLE` in Encodings.md of the format).

use super::buffer::Texts;
use super::levels::{Levels, Runs, encoded, width};
use bytes::Bytes;
use parquet::basic::{Compression, Encoding};
use parquet::column::page::{CompressedPage, Page, PageWriter as _};
use parquet::column::writer::ColumnCloseResult;
use parquet::data_type::ByteArray;
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::statistics::Statistics;
use parquet::file::writer::{SerializedPageWriter, TrackedWrite};
use parquet::schema::types::ColumnDescPtr;
use std::collections::HashMap;

/// A dictionary that grows beyond this is given up, where its texts do not stand one after the other.
const DICTIONARY_BYTES: usize = 256 << 10;

/// A dictionary of so many texts is given up too, where half of the texts of rows were new.
const DIFFERENT: usize = 4096;

/// Longer texts make no statistics.
const BOUND_BYTES: usize = 64;

/// The different texts of a column, each with its number.
#[derive(Default)]
struct Dictionary<'t> {
    numbers: HashMap<&'t [u8], u32>,
    /// Each with the number of the text that came after it last.
    texts: Vec<(&'t [u8], u32)>,
    size_bytes: usize,
    last: u32,
}

impl<'t> Dictionary<'t> {
    fn number_of(&mut self, text: &'t [u8]) -> u32 {
        let guess = self.texts.get(self.last as usize).map_or(0, |(_, next)| *next);
        let number = match self.texts.get(guess as usize) {
            Some((known, _)) if *known == text => guess,
            _ => *self.numbers.entry(text).or_insert_with(|| {
                self.size_bytes += 4 + text.len();
                self.texts.push((text, 0));
                self.texts.len() as u32 - 1
            }),
        };
        if let Some((_, next)) = self.texts.get_mut(self.last as usize) {
            *next = number;
        }
        self.last = number;
        number
    }

    /// The number of each text, unless the dictionary grows too large.
    fn numbers_of(&mut self, texts: &'t Texts) -> Option<Runs> {
        // One after the other, they would take more memory than the rows do.
        let is_repeated = plain_bytes(texts) > 2 * (texts.bytes.len() + 4 * texts.ends.len()) as u64;
        let most = if is_repeated { usize::MAX } else { DICTIONARY_BYTES };
        let mut runs = Runs::with_capacity(texts.ends.len());
        for (text, times) in texts.iter() {
            runs.push((self.number_of(text), times));
            let is_new_mostly = self.texts.len() >= DIFFERENT && 2 * self.texts.len() > runs.len();
            if self.size_bytes > most || (is_new_mostly && !is_repeated) {
                return None;
            }
        }
        Some(runs)
    }

    fn page(&self) -> Page {
        let mut buf = Vec::with_capacity(self.size_bytes);
        self.texts.iter().for_each(|(text, _)| push_plain(&mut buf, text));
        Page::DictionaryPage {
            buf: buf.into(),
            num_values: self.texts.len() as u32,
            encoding: Encoding::PLAIN,
            is_sorted: false,
        }
    }
}

/// The chunk of a column, and what the file says of it.
pub(super) fn chunk(
    column: ColumnDescPtr,
    levels: &Levels,
    texts: &Texts,
) -> Result<(Bytes, ColumnCloseResult)> {
    let mut data = Vec::new();
    let kinds = [
        (&levels.repetitions, column.max_rep_level()),
        (&levels.definitions, column.max_def_level()),
    ];
    for (runs, most) in kinds.into_iter().filter(|(_, most)| *most > 0) {
        let encoded = encoded(runs, width(most.unsigned_abs().into()));
        data.extend((encoded.len() as u32).to_le_bytes());
        data.extend(encoded);
    }
    let mut dictionary = Dictionary::default();
    let numbers = dictionary.numbers_of(texts);
    let different = dictionary.texts.iter().map(|(text, _)| *text);
    let (encoding, page, bounds) = match numbers {
        Some(numbers) if !numbers.is_empty() => {
            let width = width(dictionary.texts.len() as u32 - 1);
            data.push(width as u8);
            data.extend(encoded(&numbers, width));
            let bounds = (different.clone().min(), different.max());
            (Encoding::RLE_DICTIONARY, Some(dictionary.page()), bounds)
        }
        _ => {
            data.reserve(texts.bytes.len() + 4 * texts.ends.len());
            for (text, times) in texts.iter() {
                (0..times).for_each(|_| push_plain(&mut data, text));
            }
            let all = || texts.iter().map(|(text, _)| text);
            (Encoding::PLAIN, None, (all().min(), all().max()))
        }
    };
    let count = |is_counted: &dyn Fn(u32) -> bool| {
        let runs = levels.definitions.iter().filter(|(level, _)| is_counted(*level));
        runs.map(|(_, times)| times).sum::<u32>()
    };
    let most = u32::from(column.max_def_level().unsigned_abs());
    let bound = |text: Option<&[u8]>| {
        text.filter(|text| text.len() <= BOUND_BYTES)
            .map(|text| ByteArray::from(text.to_vec()))
    };
    let nulls = u64::from(count(&|level| level < most));
    let statistics = Statistics::byte_array(bound(bounds.0), bound(bounds.1), None, Some(nulls), false);
    let data = Page::DataPage {
        buf: data.into(),
        num_values: count(&|_| true),
        encoding,
        def_level_encoding: Encoding::RLE,
        rep_level_encoding: Encoding::RLE,
        statistics: None,
    };
    let pages = page.into_iter().chain([data]);
    close(column, pages, levels.rows, statistics)
}

/// Pages, the data page last, as the bytes of a chunk.
fn close(
    column: ColumnDescPtr,
    pages: impl Iterator<Item = Page>,
    rows: u64,
    statistics: Statistics,
) -> Result<(Bytes, ColumnCloseResult)> {
    let (mut offset, mut dictionary_offset, mut values, mut size_bytes) = (0, None, 0, 0);
    let mut out = TrackedWrite::new(Vec::new());
    let mut writer = SerializedPageWriter::new(&mut out);
    let mut snappy = snap::raw::Encoder::new();
    for mut page in pages {
        let (Page::DictionaryPage { buf, .. } | Page::DataPage { buf, .. } | Page::DataPageV2 { buf, .. }) =
            &mut page;
        let uncompressed = buf.len();
        *buf = snappy
            .compress_vec(buf)
            .map_err(|error| ParquetError::External(Box::new(error)))?
            .into();
        let is_dictionary = matches!(page, Page::DictionaryPage { .. });
        let written = writer.write_page(CompressedPage::new(page, uncompressed))?;
        size_bytes += written.uncompressed_size as i64;
        if is_dictionary {
            dictionary_offset = Some(written.offset as i64);
        } else {
            (offset, values) = (written.offset as i64, written.num_values.into());
        }
    }
    let bytes = out.into_inner()?;
    let metadata = ColumnChunkMetaData::builder(column)
        .set_compression(Compression::SNAPPY)
        .set_encodings(vec![Encoding::PLAIN, Encoding::RLE, Encoding::RLE_DICTIONARY])
        .set_total_compressed_size(bytes.len() as i64)
        .set_total_uncompressed_size(size_bytes)
        .set_num_values(values)
        .set_dictionary_page_offset(dictionary_offset)
        .set_data_page_offset(offset)
        .set_statistics(statistics)
        .build()?;
    let close = ColumnCloseResult {
        bytes_written: bytes.len() as u64,
        rows_written: rows,
        metadata,
        bloom_filter: None,
        column_index: None,
        offset_index: None,
    };
    Ok((bytes.into(), close))
}

/// What texts take one after the other.
fn plain_bytes(texts: &Texts) -> u64 {
    let sizes = texts
        .iter()
        .map(|(text, times)| (4 + text.len() as u64) * u64::from(times));
    sizes.fold(0, u64::saturating_add)
}

/// A text as Parquet's `PLAIN` has it.
fn push_plain(bytes: &mut Vec<u8>, text: &[u8]) {
    bytes.extend((text.len() as u32).to_le_bytes());
    bytes.extend(text);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lang::tables::buffer::Buffer;
    use crate::lang::tables::cells::Cell;
    use crate::lang::tables::layout::{Column, ColumnType};
    use crate::lang::tables::parquet::ParquetFile;
    use parquet::file::reader::{FileReader, SerializedFileReader};
    use parquet::record::Field;
    use proptest::prelude::*;

    /// A file of one column with these cells, a row each.
    fn written(kind: ColumnType, cells: &[Cell<'_>]) -> SerializedFileReader<std::fs::File> {
        let mut buffer = Buffer::new(kind);
        cells.iter().for_each(|cell| buffer.push(cell));
        let column = Column {
            name: "texts".to_owned(),
            kind,
        };
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut made = ParquetFile::create(file.reopen().unwrap(), &[column], &[]).unwrap();
        made.write(vec![buffer]).unwrap();
        made.finish().unwrap();
        SerializedFileReader::new(file.reopen().unwrap()).unwrap()
    }

    fn fields(reader: &SerializedFileReader<std::fs::File>) -> Vec<Field> {
        let rows = reader.get_row_iter(None).unwrap();
        rows.map(|row| row.unwrap().get_column_iter().next().unwrap().1.clone())
            .collect()
    }

    fn text_of(field: &Field) -> Option<String> {
        match field {
            Field::Str(text) => Some(text.clone()),
            _ => None,
        }
    }

    fn encodings_of(reader: &SerializedFileReader<std::fs::File>) -> Vec<Encoding> {
        let pages = reader
            .get_row_group(0)
            .unwrap()
            .get_column_page_reader(0)
            .unwrap();
        pages.map(|page| page.unwrap().encoding()).collect()
    }

    fn check(rows: &[Option<String>], reader: &SerializedFileReader<std::fs::File>) {
        let read: Vec<_> = fields(reader).iter().map(text_of).collect();
        assert_eq!(read, rows);
        let statistics = reader.metadata().row_group(0).column(0).statistics().unwrap();
        let nulls = rows.iter().filter(|text| text.is_none()).count() as u64;
        assert_eq!(statistics.null_count_opt(), Some(nulls));
        let bounds = [rows.iter().flatten().min(), rows.iter().flatten().max()];
        for (bound, stated) in bounds
            .into_iter()
            .zip([statistics.min_bytes_opt(), statistics.max_bytes_opt()])
        {
            let bound = bound.filter(|bound| bound.len() <= BOUND_BYTES);
            assert_eq!(stated, bound.map(|bound| bound.as_bytes()));
        }
    }

    #[test]
    fn texts_that_do_not_repeat_have_no_dictionary() {
        let rows: Vec<_> = (0..3000).map(|row| Some(format!("{row:0200}"))).collect();
        let cells: Vec<_> = rows.iter().map(|row| row.as_deref().unwrap().into()).collect();
        let reader = written(ColumnType::Text, &cells);
        assert_eq!(encodings_of(&reader), [Encoding::PLAIN]);
        check(&rows, &reader);
        let cells: Vec<_> = (0..3000)
            .map(|row| if row % 3 == 0 { "a" } else { "b" }.into())
            .collect();
        let encodings = encodings_of(&written(ColumnType::Text, &cells));
        assert_eq!(encodings, [Encoding::PLAIN, Encoding::RLE_DICTIONARY]);
        check(
            &[None, None],
            &written(ColumnType::Text, &[Cell::Null, Cell::Null]),
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn texts_come_back_with_their_bounds(
            runs in proptest::collection::vec(
                (proptest::option::of("[a-c]{0,2}|é{40}"), prop_oneof![1..9u32, 1..600u32]), 1..60)
        ) {
            let rows: Vec<_> = runs.iter().flat_map(|(text, times)| vec![text.clone(); *times as usize]).collect();
            let cells: Vec<_> = rows.iter().map(|text| text.as_deref().map_or(Cell::Null, Cell::from)).collect();
            check(&rows, &written(ColumnType::Text, &cells));
        }

        #[test]
        fn maps_and_lists_come_back(
            rows in proptest::collection::vec(
                proptest::option::of(proptest::collection::vec(("[a-e]{1,2}", "[x-z]{0,3}"), 0..12)), 1..60)
        ) {
            let maps = rows.iter().map(|row| row.as_ref().map_or(Cell::Null, |entries| {
                Cell::TextMap(entries.iter().map(|(key, value)| (key.into(), value.into())).collect())
            }));
            let read = fields(&written(ColumnType::TextMap, &maps.collect::<Vec<_>>()));
            let read: Vec<_> = read.iter().map(|field| match field {
                Field::MapInternal(map) => Some(
                    map.entries().iter().map(|(key, value)| (text_of(key).unwrap(), text_of(value).unwrap())).collect::<Vec<_>>()),
                _ => None,
            }).collect();
            prop_assert_eq!(&read, &rows);
            let lists = rows.iter().map(|row| row.as_ref().map_or(Cell::Null, |entries| {
                Cell::TextList(entries.iter().map(|(_, value)| value.into()).collect())
            }));
            let read = fields(&written(ColumnType::TextList, &lists.collect::<Vec<_>>()));
            let read: Vec<_> = read.iter().map(|field| match field {
                Field::ListInternal(list) => Some(list.elements().iter().map(|value| text_of(value).unwrap()).collect::<Vec<_>>()),
                _ => None,
            }).collect();
            let values = |entries: &Vec<(String, String)>| entries.iter().map(|(_, value)| value.clone()).collect();
            prop_assert_eq!(read, rows.iter().map(|row| row.as_ref().map(values)).collect::<Vec<Option<Vec<_>>>>());
        }
    }
}
