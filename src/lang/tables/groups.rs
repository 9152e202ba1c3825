//! The row groups of a Parquet table: one fills while the one before it is encoded and written on another thread.

use super::buffer::Buffer;
use super::cells::Cell;
use super::layout::Column;
use super::parquet::ParquetFile;
use super::sink::Piece;
use crate::archive::parallel::{Pending, Pool};
use std::io;
use std::sync::Arc;

/// Rows of a row group at most: as many as DuckDB and Spark like to read at once.
const GROUP_ROWS: usize = 1 << 20;

type Written = io::Result<Box<ParquetFile>>;

/// A file, and the row group that comes next in it.
pub(super) struct Groups {
    encoder: Arc<Pool>,
    columns: Vec<Column>,
    buffers: Vec<Buffer>,
    rows: usize,
    /// Bytes of a row group at most, before they are encoded; two are in memory at once.
    group_bytes: usize,
    /// The file, once the group before is in it.
    file: Pending<Written>,
}

impl Groups {
    pub(super) fn new(file: ParquetFile, columns: &[Column], group_bytes: usize, encoder: Arc<Pool>) -> Self {
        Groups {
            encoder,
            columns: columns.to_vec(),
            buffers: empty(columns),
            rows: 0,
            group_bytes,
            file: Pending::ready(Ok(Box::new(file))),
        }
    }

    /// Adds a row, a cell a column.
    pub(super) fn row(&mut self, cells: &[Cell<'_>]) -> io::Result<()> {
        let buffers = self.buffers.iter_mut().zip(cells);
        buffers.for_each(|(buffer, cell)| buffer.push(cell));
        self.added(1)
    }

    /// Adds many rows, a piece a column.
    pub(super) fn rows(&mut self, pieces: &[Piece<'_>], rows: usize) -> io::Result<()> {
        let buffers = self.buffers.iter_mut().zip(pieces);
        buffers.for_each(|(buffer, piece)| buffer.extend(piece, rows));
        self.added(rows)
    }

    fn added(&mut self, rows: usize) -> io::Result<()> {
        self.rows += rows;
        // Sizes of many columns take time to add up.
        let is_measured = self.rows.is_multiple_of(1 + self.buffers.len() / 16);
        let size_bytes = || self.buffers.iter().map(Buffer::size_bytes).sum::<usize>();
        if self.rows >= GROUP_ROWS || (is_measured && size_bytes() >= self.group_bytes) {
            self.hand_over()?;
        }
        Ok(())
    }

    /// Lets the encoder write the group, once it is done with the one before.
    fn hand_over(&mut self) -> io::Result<()> {
        let gone = Pending::ready(Err(io::Error::other("an earlier row group was not written")));
        let mut file = std::mem::replace(&mut self.file, gone).wait()?;
        let buffers = std::mem::replace(&mut self.buffers, empty(&self.columns));
        self.rows = 0;
        self.file = self.encoder.submit(move || {
            file.write(buffers)?;
            Ok(file)
        });
        Ok(())
    }

    /// Writes what is left, and completes the file.
    pub(super) fn finish(mut self) -> io::Result<()> {
        if self.rows > 0 {
            self.hand_over()?;
        }
        self.file.wait()?.finish()
    }
}

fn empty(columns: &[Column]) -> Vec<Buffer> {
    columns.iter().map(|column| Buffer::new(column.kind)).collect()
}
