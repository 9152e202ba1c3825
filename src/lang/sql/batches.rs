//! How many owners have their parts read at once: as many as memory allows.

use super::columns::Table;
use super::exporter::Result;
use super::tables::{RefusedText, Tables};
use crate::format::layout::LINE_BYTES;

/// Bytes of parts that are held at once, unless one owner has more.
const HELD_BYTES: u64 = 16 << 20;

/// Bytes that a row takes beside its texts: keys, and what holds them.
const ROW_BYTES: u64 = 256;

/// Lengths of the stretches of these owners, one after the other, whose parts in some tables can be held at once.
///
/// An owner's rows of one table that no line can hold together are noted as refused, and not read.
pub(super) fn stretches(tables: &Tables, parts: &[Table], owners: &[&str]) -> Result<Vec<usize>> {
    let mut weights = vec![0; owners.len()];
    for &table in parts {
        let bytes = format!("SUM({})", tables.schema.held_bytes(tables.dialect(), table));
        tables.sums_of_owners(table, &bytes, owners, |place, sums| {
            if sums.sum > LINE_BYTES as u64 {
                refuse(tables, table, owners[place], sums.sum);
                weights[place] += HELD_BYTES;
            } else {
                weights[place] += sums.sum + ROW_BYTES * sums.rows;
            }
        })?;
    }
    Ok(cut(&weights))
}

fn refuse(tables: &Tables, table: Table, owner: &str, bytes: u64) {
    let field = table.field.unwrap_or("*");
    tables.refuse(RefusedText {
        kind: table.kind,
        id: owner.to_owned(),
        field,
        detail: format!(
            "its rows of table `{}` have {bytes} bytes of text, more than {LINE_BYTES}, the longest line",
            table.name
        ),
    });
    let mut too_many = tables.too_many.borrow_mut();
    too_many.insert((table.name, owner.to_owned()));
}

fn cut(weights: &[u64]) -> Vec<usize> {
    let (mut lengths, mut held) = (Vec::new(), 0);
    for &weight in weights {
        held += weight;
        match lengths.last_mut() {
            Some(length) if held <= HELD_BYTES => *length += 1,
            _ => {
                lengths.push(1);
                held = weight;
            }
        }
    }
    lengths
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stretches_are_as_long_as_memory_allows() {
        let half = HELD_BYTES / 2;
        assert_eq!(cut(&[]), [0; 0]);
        assert_eq!(cut(&[1; 64]), [64]);
        assert_eq!(
            cut(&[half, half, 1, half, 2 * half, 3 * half, 1, 1]),
            [2, 2, 1, 1, 2]
        );
    }
}
