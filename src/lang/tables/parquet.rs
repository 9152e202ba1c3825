//! A table as Parquet: row groups of bounded size, Snappy, dictionaries for texts; read by everything since 2018.

use super::buffer::{Buffer, Values};
use super::layout::{Column, ColumnType};
use super::levels::Levels;
use super::texts;
use parquet::basic::{Compression, Encoding, LogicalType, Repetition, TimeUnit, Type as Physical};
use parquet::data_type::{BoolType, DoubleType, Int64Type};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::{ColumnDescPtr, ColumnPath, Type, TypePtr};
use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::sync::Arc;

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
                let mut next = || leaves.next().cloned().ok_or_else(too_many);
                match buffer {
                    Buffer::Plain { present, values } => {
                        write_column(&mut group, next()?, &Levels::of_rows(&present), &values)?;
                    }
                    Buffer::Nested {
                        lengths,
                        keys,
                        values,
                    } => {
                        for values in keys.map(Values::Texts).into_iter().chain([values]) {
                            let leaf = next()?;
                            let levels = Levels::of_lists(&lengths, leaf.max_def_level());
                            write_column(&mut group, leaf, &levels, &values)?;
                        }
                    }
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
        .set_offset_index_disabled(true)
        .set_created_by(concat!("mlark version ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_key_value_metadata(Some(facts.collect()));
    for column in columns {
        let path = ColumnPath::new(vec![column.name.clone()]);
        let is_sequence = matches!(column.kind, ColumnType::Millis | ColumnType::Nanos)
            || (matches!(column.name.as_str(), "step" | "timestamp") && column.kind == ColumnType::Integer);
        // Steps and moments follow each other, and hardly a double comes twice: dictionaries of them would only cost time.
        if is_sequence {
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

fn write_column(
    group: &mut SerializedRowGroupWriter<'_, Out>,
    leaf: ColumnDescPtr,
    levels: &Levels,
    values: &Values,
) -> Result<()> {
    if let Values::Texts(texts) = values {
        let (bytes, close) = texts::chunk(leaf, levels, texts)?;
        return group.append_column(&bytes, close);
    }
    let (definitions, repetitions) = levels.of_each();
    let (definitions, repetitions) = (Some(&definitions[..]), repetitions.as_deref());
    let mut column = group.next_column()?.ok_or_else(too_many)?;
    match values {
        Values::Texts(_) => Ok(0),
        Values::Integers(values) => {
            let column = column.typed::<Int64Type>();
            column.write_batch(values, definitions, repetitions)
        }
        Values::Doubles(values) => {
            let column = column.typed::<DoubleType>();
            column.write_batch(values, definitions, repetitions)
        }
        Values::Booleans(values) => {
            let column = column.typed::<BoolType>();
            column.write_batch(values, definitions, repetitions)
        }
    }?;
    column.close()
}

fn too_many() -> ParquetError {
    ParquetError::General("there are more values than columns".to_owned())
}
