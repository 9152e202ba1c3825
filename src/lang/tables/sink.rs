//! A table that is being written, in either form.

#[cfg(feature = "parquet")]
use super::buffer::Buffer;
use super::cells::Cell;
use super::csv::CsvFile;
use super::layout::Column;
#[cfg(feature = "parquet")]
use super::parquet::ParquetFile;
use super::{TableForm, TableReport};
use crate::archive::{ArchiveError, Result};
use crate::model::Double;
use std::borrow::Cow;
use std::fs::File;
use std::path::{Path, PathBuf};

/// Rows of a row group at most: as many as DuckDB and Spark like to read at once.
#[cfg(feature = "parquet")]
const GROUP_ROWS: usize = 1 << 20;

/// Values of one column, the same for many rows or one for each.
pub(super) enum Piece<'p> {
    Same(&'p str),
    Integers(&'p [i64]),
    Doubles(&'p [Double]),
    /// Texts of some rows; of none where there are no texts.
    Texts(Option<&'p [Option<String>]>),
}

/// Where tables are written.
pub(super) struct Place<'p> {
    pub(super) folder: &'p Path,
    pub(super) form: TableForm,
    /// What each Parquet file says of itself.
    pub(super) facts: Vec<(&'static str, String)>,
}

/// A table that is being written.
pub(super) struct Sink {
    path: PathBuf,
    name: &'static str,
    columns: Vec<Column>,
    rows: u64,
    file: SinkFile,
}

enum SinkFile {
    Csv(CsvFile),
    #[cfg(feature = "parquet")]
    Parquet {
        file: Box<ParquetFile>,
        buffers: Vec<Buffer>,
        buffered_rows: usize,
        /// Bytes of a row group at most, before they are encoded.
        group_bytes: usize,
    },
}

impl Place<'_> {
    /// Creates the file of a table; `group_bytes` is what it may hold in memory.
    pub(super) fn table(&self, name: &'static str, columns: Vec<Column>, group_bytes: usize) -> Result<Sink> {
        let path = self.folder.join(format!("{name}.{}", self.form.extension()));
        let file = File::create_new(&path).map_err(ArchiveError::io("create", &path))?;
        let file = match self.form {
            TableForm::Csv => CsvFile::create(file, &columns).map(SinkFile::Csv),
            #[cfg(feature = "parquet")]
            TableForm::Parquet => {
                let mut facts = self.facts.clone();
                facts.push(("mlark.table", name.to_owned()));
                ParquetFile::create(file, &columns, &facts).map(|file| SinkFile::Parquet {
                    file: Box::new(file),
                    buffers: columns.iter().map(|column| Buffer::new(column.kind)).collect(),
                    buffered_rows: 0,
                    group_bytes,
                })
            }
            #[cfg(not(feature = "parquet"))]
            TableForm::Parquet => Err(std::io::ErrorKind::Unsupported.into()),
        };
        #[cfg(not(feature = "parquet"))]
        let _ = (group_bytes, &self.facts);
        Ok(Sink {
            file: file.map_err(ArchiveError::io("write", &path))?,
            path,
            name,
            columns,
            rows: 0,
        })
    }
}

impl Sink {
    /// Adds a row, a cell a column.
    pub(super) fn row(&mut self, cells: &[Cell<'_>]) -> Result<()> {
        self.rows += 1;
        let written = match &mut self.file {
            SinkFile::Csv(file) => file.row(cells),
            #[cfg(feature = "parquet")]
            SinkFile::Parquet {
                buffers,
                buffered_rows,
                ..
            } => {
                buffers
                    .iter_mut()
                    .zip(cells)
                    .for_each(|(buffer, cell)| buffer.push(cell));
                *buffered_rows += 1;
                Ok(())
            }
        };
        written.map_err(ArchiveError::io("write", &self.path))?;
        self.write_full()
    }

    /// Adds many rows, a piece a column.
    pub(super) fn rows(&mut self, pieces: &[Piece<'_>], rows: usize) -> Result<()> {
        match &mut self.file {
            SinkFile::Csv(_) => {
                for row in 0..rows {
                    let cells: Vec<_> = pieces.iter().map(|piece| cell_of(piece, row)).collect();
                    self.row(&cells)?;
                }
                Ok(())
            }
            #[cfg(feature = "parquet")]
            SinkFile::Parquet {
                buffers,
                buffered_rows,
                ..
            } => {
                self.rows += rows as u64;
                let buffers = buffers.iter_mut().zip(pieces);
                buffers.for_each(|(buffer, piece)| buffer.extend(piece, rows));
                *buffered_rows += rows;
                self.write_full()
            }
        }
    }

    /// Writes a row group where there is enough for one.
    #[cfg(feature = "parquet")]
    fn write_full(&mut self) -> Result<()> {
        let SinkFile::Parquet {
            buffers,
            buffered_rows,
            group_bytes,
            ..
        } = &self.file
        else {
            return Ok(());
        };
        // Sizes of many columns take time to add up.
        let is_measured = buffered_rows.is_multiple_of(1 + buffers.len() / 16);
        let size_bytes = || buffers.iter().map(Buffer::size_bytes).sum::<usize>();
        if *buffered_rows >= GROUP_ROWS || (is_measured && size_bytes() >= *group_bytes) {
            self.write_group()?;
        }
        Ok(())
    }

    #[cfg(not(feature = "parquet"))]
    fn write_full(&mut self) -> Result<()> {
        self.write_group()
    }

    #[cfg(not(feature = "parquet"))]
    fn write_group(&mut self) -> Result<()> {
        Ok(())
    }

    #[cfg(feature = "parquet")]
    fn write_group(&mut self) -> Result<()> {
        let SinkFile::Parquet {
            file,
            buffers,
            buffered_rows,
            ..
        } = &mut self.file
        else {
            return Ok(());
        };
        if *buffered_rows > 0 {
            let written = file.write(&self.columns, buffers);
            written.map_err(ArchiveError::io("write", &self.path))?;
            *buffered_rows = 0;
        }
        Ok(())
    }

    /// Completes the file.
    pub(super) fn finish(mut self) -> Result<TableReport> {
        self.write_group()?;
        let finished = match self.file {
            SinkFile::Csv(file) => file.finish(),
            #[cfg(feature = "parquet")]
            SinkFile::Parquet { file, .. } => file.finish(),
        };
        finished.map_err(ArchiveError::io("write", &self.path))?;
        let file = self.path.file_name().unwrap_or_default();
        Ok(TableReport {
            name: self.name.to_owned(),
            file: file.to_string_lossy().into_owned(),
            rows: self.rows,
            columns: self.columns,
        })
    }
}

fn cell_of<'c>(piece: &Piece<'c>, row: usize) -> Cell<'c> {
    match piece {
        Piece::Same(text) => Cell::Text(Cow::Borrowed(text)),
        Piece::Integers(values) => values.get(row).map_or(Cell::Null, |value| Cell::Integer(*value)),
        Piece::Doubles(values) => values.get(row).map_or(Cell::Null, |value| Cell::Double(value.0)),
        Piece::Texts(texts) => {
            let text = texts.and_then(|texts| texts.get(row)?.as_deref());
            text.map_or(Cell::Null, |text| Cell::Text(Cow::Borrowed(text)))
        }
    }
}
