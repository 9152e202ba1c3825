//! A table as Parquet: row groups of bounded size, Snappy, dictionaries for texts; read by everything since 2018.

use super::buffer::{Buffer, Presence, Texts, Values};
use super::layout::{Column, ColumnType};
use super::repeated;
use bytes::Bytes;
use parquet::basic::{Compression, Encoding, LogicalType, Repetition, TimeUnit, Type as Physical};
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DoubleType, Int64Type};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::{ColumnDescPtr, ColumnPath, Type, TypePtr};
use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::sync::Arc;

/// Rows handed to a column's writer at once.
const STEP_ROWS: usize = 8192;
/// A column of texts whose dictionary grows beyond this goes on without one: its texts hardly repeat.
const DICTIONARY_BYTES: usize = 256 << 10;

type Out = BufWriter<File>;

/// A Parquet file that row groups are written to.
pub(super) struct ParquetFile {
    writer: SerializedFileWriter<Out>,
    /// The columns of the file: two of a map, one of each other.
    leaves: Vec<ColumnDescPtr>,
}

impl ParquetFile {
    pub(super) fn create(file: File, columns: &[Column], facts: &[(&str, String)]) -> io::Result<Self> {
        let fields = columns.iter().map(|column| field(column).map(Arc::new));
        let fields = fields.collect::<Result<Vec<_>>>().map_err(plain)?;
        let schema = Type::group_type_builder("schema").with_fields(fields).build();
        let out = BufWriter::with_capacity(128 << 10, file);
        let schema = Arc::new(schema.map_err(plain)?);
        let writer = SerializedFileWriter::new(out, schema, Arc::new(properties(columns, facts)));
        let writer = writer.map_err(plain)?;
        let leaves = writer.schema_descr().columns().to_vec();
        Ok(ParquetFile { writer, leaves })
    }

    /// Writes a row group.
    pub(super) fn write(&mut self, buffers: Vec<Buffer>) -> io::Result<()> {
        let write = || {
            let mut group = self.writer.next_row_group()?;
            let mut leaves = self.leaves.iter();
            for buffer in buffers {
                let leaf = leaves.nth(usize::from(buffer.has_keys()));
                match (leaf, buffer) {
                    (
                        Some(leaf),
                        Buffer::Plain {
                            present,
                            values: Values::Texts(texts),
                        },
                    ) if repeated::is_repeated(&texts) => {
                        let (bytes, close) = repeated::chunk(leaf.clone(), &present, &texts)?;
                        group.append_column(&bytes, close)?;
                    }
                    (_, buffer) => write_column(&mut group, buffer)?,
                }
            }
            group.close()
        };
        write().map(|_| ()).map_err(plain)
    }

    pub(super) fn finish(self) -> io::Result<()> {
        self.writer.into_inner().map_err(plain)?.flush()
    }
}

/// The error of the file system, where it is one.
fn plain(error: ParquetError) -> io::Error {
    match error {
        ParquetError::External(source) => match source.downcast::<io::Error>() {
            Ok(error) => *error,
            Err(other) => io::Error::other(other),
        },
        other => io::Error::other(other),
    }
}

fn properties(columns: &[Column], facts: &[(&str, String)]) -> WriterProperties {
    let facts = facts
        .iter()
        .map(|(key, value)| KeyValue::new((*key).to_owned(), value.clone()));
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_dictionary_page_size_limit(DICTIONARY_BYTES)
        .set_offset_index_disabled(true)
        .set_created_by(concat!("mlark version ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_key_value_metadata(Some(facts.collect()));
    for column in columns {
        let path = ColumnPath::new(vec![column.name.clone()]);
        let is_moment = matches!(column.kind, ColumnType::Millis | ColumnType::Nanos)
            || (column.name == "timestamp" && column.kind == ColumnType::Integer);
        // Moments follow each other, and hardly a double comes twice: dictionaries of them would only cost time.
        if is_moment {
            properties = properties
                .set_column_dictionary_enabled(path.clone(), false)
                .set_column_encoding(path, Encoding::DELTA_BINARY_PACKED);
        } else if column.kind == ColumnType::Double {
            properties = properties.set_column_dictionary_enabled(path, false);
        }
    }
    properties.build()
}

fn field(column: &Column) -> Result<Type> {
    let name = column.name.as_str();
    let values = |physical| ("value", physical, None);
    let texts = ("value", Physical::BYTE_ARRAY, Some(LogicalType::String));
    match column.kind {
        ColumnType::Text | ColumnType::Json => {
            primitive(name, Physical::BYTE_ARRAY, Some(LogicalType::String))
        }
        ColumnType::Integer => primitive(name, Physical::INT64, None),
        ColumnType::Double => primitive(name, Physical::DOUBLE, None),
        ColumnType::Boolean => primitive(name, Physical::BOOLEAN, None),
        ColumnType::Millis => moment(name, TimeUnit::MILLIS),
        ColumnType::Nanos => moment(name, TimeUnit::NANOS),
        ColumnType::TextMap | ColumnType::JsonMap => map(name, texts),
        ColumnType::IntegerMap => map(name, values(Physical::INT64)),
        ColumnType::DoubleMap => map(name, values(Physical::DOUBLE)),
        ColumnType::TextList => {
            let element = primitive("element", Physical::BYTE_ARRAY, Some(LogicalType::String))?;
            let list = repeated("list", vec![Arc::new(element)])?;
            group(name, LogicalType::List, list)
        }
    }
}

fn primitive(name: &str, physical: Physical, logical: Option<LogicalType>) -> Result<Type> {
    Type::primitive_type_builder(name, physical)
        .with_repetition(Repetition::OPTIONAL)
        .with_logical_type(logical)
        .build()
}

fn moment(name: &str, unit: TimeUnit) -> Result<Type> {
    primitive(name, Physical::INT64, Some(LogicalType::timestamp(true, unit)))
}

fn map(name: &str, (value, physical, logical): (&str, Physical, Option<LogicalType>)) -> Result<Type> {
    let key = Type::primitive_type_builder("key", Physical::BYTE_ARRAY)
        .with_repetition(Repetition::REQUIRED)
        .with_logical_type(Some(LogicalType::String))
        .build()?;
    let entries = vec![Arc::new(key), Arc::new(primitive(value, physical, logical)?)];
    group(name, LogicalType::Map, repeated("key_value", entries)?)
}

fn repeated(name: &str, fields: Vec<TypePtr>) -> Result<Type> {
    Type::group_type_builder(name)
        .with_repetition(Repetition::REPEATED)
        .with_fields(fields)
        .build()
}

fn group(name: &str, logical: LogicalType, inner: Type) -> Result<Type> {
    Type::group_type_builder(name)
        .with_repetition(Repetition::OPTIONAL)
        .with_logical_type(Some(logical))
        .with_fields(vec![Arc::new(inner)])
        .build()
}

fn write_column(group: &mut SerializedRowGroupWriter<'_, Out>, buffer: Buffer) -> Result<()> {
    match buffer {
        Buffer::Plain { present, values } => {
            let mut column = next_column(group)?;
            write_plain(&mut column, &present, Source::new(values))?;
            column.close()
        }
        Buffer::Nested {
            lengths,
            keys,
            values,
        } => {
            if let Some(keys) = keys {
                let mut column = next_column(group)?;
                write_nested(&mut column, &lengths, Source::new(Values::Texts(keys)), 2)?;
                column.close()?;
            }
            let mut column = next_column(group)?;
            write_nested(&mut column, &lengths, Source::new(values), 3)?;
            column.close()
        }
    }
}

fn next_column<'g>(group: &'g mut SerializedRowGroupWriter<'_, Out>) -> Result<SerializedColumnWriter<'g>> {
    let column = group.next_column()?;
    column.ok_or_else(|| ParquetError::General("there are more values than columns".to_owned()))
}

fn write_plain(
    column: &mut SerializedColumnWriter<'_>,
    present: &Presence,
    mut source: Source,
) -> Result<()> {
    let mut rows = present.rows().peekable();
    let mut levels = Vec::with_capacity(STEP_ROWS);
    while rows.peek().is_some() {
        levels.clear();
        levels.extend(rows.by_ref().take(STEP_ROWS).map(i16::from));
        let count = levels.iter().filter(|level| **level == 1).count();
        source.write(column, count, &levels, None)?;
    }
    Ok(())
}

/// `most` is the level of a value that is there: 1 says that there is a list, 2 that it has an entry.
fn write_nested(
    column: &mut SerializedColumnWriter<'_>,
    lengths: &[Option<u32>],
    mut source: Source,
    most: i16,
) -> Result<()> {
    let (mut levels, mut repetitions) = (Vec::new(), Vec::new());
    let mut rows = lengths.iter().peekable();
    while rows.peek().is_some() {
        levels.clear();
        repetitions.clear();
        let mut count = 0;
        while levels.len() < STEP_ROWS
            && let Some(length) = rows.next()
        {
            let entries = length.unwrap_or(0) as usize;
            repetitions.push(0);
            match length {
                None => levels.push(0),
                Some(0) => levels.push(1),
                Some(_) => {
                    levels.extend(std::iter::repeat_n(most, entries));
                    repetitions.extend(std::iter::repeat_n(1, entries - 1));
                }
            }
            count += entries;
        }
        source.write(column, count, &levels, Some(&repetitions))?;
    }
    Ok(())
}

/// The values of a column, from first to last.
enum Source {
    Texts {
        bytes: Bytes,
        /// Where texts end, and how often each stands there, from the last to the first.
        ends: std::vec::IntoIter<(u32, u32)>,
        start: usize,
        /// The text that is handed out, and how often more.
        current: (ByteArray, u32),
        batch: Vec<ByteArray>,
    },
    Integers(Vec<i64>, usize),
    Doubles(Vec<f64>, usize),
    Booleans(Vec<bool>, usize),
}

impl Source {
    fn new(values: Values) -> Self {
        match values {
            Values::Texts(Texts { bytes, ends }) => Source::Texts {
                bytes: bytes.into(),
                ends: ends.into_iter(),
                start: 0,
                current: (ByteArray::new(), 0),
                batch: Vec::new(),
            },
            Values::Integers(values) => Source::Integers(values, 0),
            Values::Doubles(values) => Source::Doubles(values, 0),
            Values::Booleans(values) => Source::Booleans(values, 0),
        }
    }

    /// Writes the next `count` values with these levels.
    fn write(
        &mut self,
        column: &mut SerializedColumnWriter<'_>,
        count: usize,
        levels: &[i16],
        repetitions: Option<&[i16]>,
    ) -> Result<()> {
        let levels = Some(levels);
        match self {
            Source::Texts {
                bytes,
                ends,
                start,
                current,
                batch,
            } => {
                batch.clear();
                while batch.len() < count {
                    if current.1 == 0 {
                        let Some((end, times)) = ends.next() else { break };
                        let text = bytes.slice(*start..end as usize);
                        (*start, *current) = (end as usize, (text.into(), times));
                    }
                    let times = (count - batch.len()).min(current.1 as usize);
                    batch.extend(std::iter::repeat_n(current.0.clone(), times));
                    current.1 -= u32::try_from(times).unwrap_or(current.1);
                }
                column
                    .typed::<ByteArrayType>()
                    .write_batch(batch, levels, repetitions)
            }
            Source::Integers(values, at) => {
                let batch = &values[*at..*at + count];
                *at += count;
                column
                    .typed::<Int64Type>()
                    .write_batch(batch, levels, repetitions)
            }
            Source::Doubles(values, at) => {
                let batch = &values[*at..*at + count];
                *at += count;
                column
                    .typed::<DoubleType>()
                    .write_batch(batch, levels, repetitions)
            }
            Source::Booleans(values, at) => {
                let batch = &values[*at..*at + count];
                *at += count;
                column.typed::<BoolType>().write_batch(batch, levels, repetitions)
            }
        }
        .map(|_| ())
    }
}
