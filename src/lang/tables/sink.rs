//! A table that is being written, in either form.

use super::cells::Cell;
use super::csv::CsvFile;
#[cfg(feature = "parquet")]
use super::groups::Groups;
use super::layout::Column;
#[cfg(feature = "parquet")]
use super::parquet::ParquetFile;
use super::{TableForm, TableReport};
#[cfg(feature = "parquet")]
use crate::archive::parallel::Pool;
use crate::archive::{ArchiveError, Result};
use crate::model::Double;
use std::borrow::Cow;
use std::fs::File;
use std::path::{Path, PathBuf};
#[cfg(feature = "parquet")]
use std::sync::Arc;

/// Values of one column, the same for many rows or one for each.
pub(super) enum Piece<'p> {
    Same(&'p str),
    Integers(&'p [i64]),
    Doubles(&'p [Double]),
    /// Texts of some rows; of none where there are no texts.
    Texts(Option<&'p [Option<String>]>),
}

/// Where tables are written.
#[derive(Clone)]
pub(super) struct Place<'p> {
    pub(super) folder: &'p Path,
    pub(super) form: TableForm,
    /// What each Parquet file says of itself.
    pub(super) facts: Vec<(&'static str, String)>,
    /// Encodes row groups while others are read.
    #[cfg(feature = "parquet")]
    pub(super) encoder: Arc<Pool>,
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
    Parquet(Box<Groups>),
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
                let groups = |file| Groups::new(file, &columns, group_bytes, self.encoder.clone());
                let file = ParquetFile::create(file, &columns, &facts).map(groups);
                file.map(|groups| SinkFile::Parquet(Box::new(groups)))
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
            SinkFile::Parquet(groups) => groups.row(cells),
        };
        written.map_err(ArchiveError::io("write", &self.path))
    }

    /// Adds many rows, a piece a column.
    pub(super) fn rows(&mut self, pieces: &[Piece<'_>], rows: usize) -> Result<()> {
        match &mut self.file {
            SinkFile::Csv(_) => (0..rows).try_for_each(|row| {
                let cells: Vec<_> = pieces.iter().map(|piece| cell_of(piece, row)).collect();
                self.row(&cells)
            }),
            #[cfg(feature = "parquet")]
            SinkFile::Parquet(groups) => {
                self.rows += rows as u64;
                let added = groups.rows(pieces, rows);
                added.map_err(ArchiveError::io("write", &self.path))
            }
        }
    }

    /// Completes the file.
    pub(super) fn finish(self) -> Result<TableReport> {
        let finished = match self.file {
            SinkFile::Csv(file) => file.finish(),
            #[cfg(feature = "parquet")]
            SinkFile::Parquet(groups) => groups.finish(),
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
