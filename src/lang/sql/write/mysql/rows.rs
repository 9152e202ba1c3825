//! Rows as inserts of many.

use super::{Shared, refusal, text};
use crate::lang::sql::database::Cell;
use crate::lang::sql::write::Result;
use crate::lang::sql::write::rows::{RowSink, Target};
use crate::lang::sql::write::target_tables::TableLayout;
use mysql::prelude::Queryable;

/// Bytes of rows that wait before they are sent.
const WAITING_BYTES: usize = 1 << 20;

/// Begins the statement that inserts rows of a table.
fn head_of(target: Target, layout: &TableLayout) -> String {
    let names: Vec<String> = layout.names(target).into_iter().map(text).collect();
    format!(
        "INSERT INTO {} ({}) VALUES ",
        text(target.name()),
        names.join(",")
    )
}

/// Rows that are sent table by table, in the order of foreign keys.
pub(super) struct MysqlRows<'c> {
    connection: &'c Shared,
    heads: Vec<String>,
    waiting: Vec<Vec<u8>>,
    bytes: usize,
}

impl<'c> MysqlRows<'c> {
    pub(super) fn new(connection: &'c Shared, layout: &TableLayout) -> Self {
        let heads = Target::ALL.iter().map(|target| head_of(*target, layout));
        MysqlRows {
            connection,
            heads: heads.collect(),
            waiting: Target::ALL.iter().map(|_| Vec::new()).collect(),
            bytes: 0,
        }
    }
}

impl RowSink for MysqlRows<'_> {
    fn insert(&mut self, target: Target, row: &[Cell<'_>]) -> Result<()> {
        let mut text = vec![b'('];
        for (at, cell) in row.iter().enumerate() {
            if at > 0 {
                text.push(b',');
            }
            push(&mut text, *cell);
        }
        text.push(b')');
        if self.bytes + text.len() > WAITING_BYTES {
            self.flush()?;
        }
        let waiting = &mut self.waiting[target as usize];
        if waiting.is_empty() {
            waiting.extend_from_slice(self.heads[target as usize].as_bytes());
        } else {
            waiting.push(b',');
        }
        waiting.extend_from_slice(&text);
        self.bytes += text.len();
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        for &target in Target::ALL {
            let waiting = std::mem::take(&mut self.waiting[target as usize]);
            if !waiting.is_empty() {
                // All of it was text.
                let sent = self
                    .connection
                    .borrow_mut()
                    .query_drop(String::from_utf8_lossy(&waiting));
                sent.map_err(|error| refusal(&format!("rows of `{}`", target.name()), &error))?;
            }
        }
        self.bytes = 0;
        Ok(())
    }
}

/// A value as a literal of a session in which a backslash is one.
fn push(out: &mut Vec<u8>, cell: Cell<'_>) {
    match cell {
        Cell::Null => out.extend_from_slice(b"NULL"),
        Cell::Integer(number) => out.extend_from_slice(number.to_string().as_bytes()),
        // With an exponent it is a double, and not a decimal.
        Cell::Real(number) => out.extend_from_slice(format!("{number:e}").as_bytes()),
        Cell::Bytes(text) => {
            out.push(b'\'');
            for &byte in text {
                if byte == b'\'' {
                    out.push(b'\'');
                }
                out.push(byte);
            }
            out.push(b'\'');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_literals_of_a_session_without_escapes() {
        let text = |cell: Cell<'_>| {
            let mut out = Vec::new();
            push(&mut out, cell);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(text("it's \\ \n".into()), "'it''s \\ \n'");
        assert_eq!(text(Cell::Null), "NULL");
        let numbers = [-0.0, 1e-7, 5e-324, f64::MAX, 0.1].map(|number| text(number.into()));
        assert_eq!(
            numbers,
            ["-0e0", "1e-7", "5e-324", "1.7976931348623157e308", "1e-1"]
        );
    }
}
