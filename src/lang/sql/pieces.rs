//! A long text of a database server, read piece by piece: each piece is a query.

use super::database::{Cell, Database};
use std::io::{self, Read};

/// Bytes asked for at once, at the most: under what every server sends in a packet, and few enough queries, since a server
/// may read the whole text for each.
pub(super) const PIECE_BYTES: u64 = 3 << 20;

/// How to ask for a text.
pub(super) struct LongQuery {
    /// Asks for the number of units in which pieces are counted: bytes or characters.
    pub(super) size: String,
    /// Asks for a piece; the first `?` is the unit where it begins, from 1.
    pub(super) piece: String,
    pub(super) piece_units: u64,
    /// The row's place, which stands for the last `?`s of both queries.
    pub(super) row: Vec<String>,
}

impl LongQuery {
    /// Opens the text.
    ///
    /// # Errors
    /// The database cannot be read.
    pub(super) fn open(self, database: &dyn Database) -> io::Result<Box<dyn Read + '_>> {
        let row: Vec<&str> = self.row.iter().map(String::as_str).collect();
        let mut units = 0;
        let asked = database.query(&self.size, &row, &mut |row| {
            if let Cell::Integer(number) = row.cell(0) {
                units = u64::try_from(number).unwrap_or(0);
            }
            Ok(())
        });
        asked.map_err(io::Error::other)?;
        if units == 0 {
            return Err(no_piece(1));
        }
        Ok(Box::new(Pieces {
            query: self,
            database,
            piece: io::Cursor::default(),
            next: 1,
            units,
        }))
    }
}

fn no_piece(from: u64) -> io::Error {
    io::Error::other(format!(
        "the server gives nothing of its long text from place {from} on"
    ))
}

struct Pieces<'a> {
    query: LongQuery,
    database: &'a dyn Database,
    piece: io::Cursor<Vec<u8>>,
    /// Where the next piece begins, from 1.
    next: u64,
    units: u64,
}

impl Pieces<'_> {
    fn ask(&mut self) -> io::Result<()> {
        let from = self.next.to_string();
        let row = self.query.row.iter().map(String::as_str);
        let parameters: Vec<&str> = std::iter::once(from.as_str()).chain(row).collect();
        let mut piece = std::mem::take(&mut self.piece).into_inner();
        piece.clear();
        let asked = self.database.query(&self.query.piece, &parameters, &mut |row| {
            if let Cell::Bytes(bytes) = row.cell(0) {
                piece.extend_from_slice(bytes);
            }
            Ok(())
        });
        asked.map_err(io::Error::other)?;
        if piece.is_empty() {
            return Err(no_piece(self.next));
        }
        self.next += self.query.piece_units;
        self.piece = io::Cursor::new(piece);
        Ok(())
    }
}

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let is_read = self.piece.position() == self.piece.get_ref().len() as u64;
        if is_read && self.next <= self.units {
            self.ask()?;
        }
        self.piece.read(buffer)
    }
}
