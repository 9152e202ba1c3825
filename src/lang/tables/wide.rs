//! Runs with a column for each param, metric and tag.
//!
//! A column is called `params.KEY`, `metrics.KEY` or `tags.KEY`. Params and tags are texts, as MLflow has them; metrics are doubles, the
//! latest value of each. A run that has no such key has no value: NaN is a value that was logged.

use super::TablesError;
use super::cells::Cell;
use super::choice::Choice;
use super::layout::{Column, ColumnType, RUNS};
use crate::archive::Archive;
use crate::archive::walk::each_line;
use crate::format::Kind;
use std::collections::{BTreeSet, HashMap};

/// More columns than this no reader is fond of, and memory has to hold their names.
const MOST_COLUMNS: usize = 10_000;

/// The maps that become columns.
const MAPS: [(&str, ColumnType); 3] = [
    ("params", ColumnType::Text),
    ("metrics", ColumnType::Double),
    ("tags", ColumnType::Text),
];

/// The columns of wide runs.
pub(super) struct Wide {
    keys: [Vec<String>; 3],
}

impl Wide {
    /// Looks for the keys of all runs that are chosen.
    pub(super) fn of(archive: &Archive, choice: &mut Choice) -> Result<Self, TablesError> {
        let mut keys: [BTreeSet<String>; 3] = Default::default();
        let mut count = 0;
        each_line(archive, Kind::Runs, |cursor| {
            let line = cursor.json()?;
            if choice.takes(Kind::Runs, &line) {
                for (place, (map, _)) in MAPS.iter().enumerate() {
                    for (key, _) in line.object_of(map) {
                        if !keys[place].contains(key.as_ref()) {
                            keys[place].insert(key.to_string());
                            count += 1;
                        }
                    }
                }
                if count > MOST_COLUMNS {
                    return Err(TablesError::TooManyColumns { most: MOST_COLUMNS });
                }
            }
            Ok(())
        })?;
        let wide = Wide {
            keys: keys.map(|keys| keys.into_iter().collect()),
        };
        alike(&wide.columns()).map_or(Ok(wide), |[first, second]| {
            Err(TablesError::Alike { first, second })
        })
    }

    pub(super) fn columns(&self) -> Vec<Column> {
        let plain = RUNS.columns();
        let mut columns = Vec::new();
        for column in plain {
            match MAPS.iter().position(|(map, _)| *map == column.name) {
                None => columns.push(column),
                Some(place) => columns.extend(self.keys[place].iter().map(|key| Column {
                    name: format!("{}.{key}", column.name),
                    kind: MAPS[place].1,
                })),
            }
        }
        columns
    }

    /// The row of a run: its cells as they are, but for those of the maps.
    pub(super) fn row<'c>(&self, cells: &[Cell<'c>]) -> Vec<Cell<'c>> {
        let mut row = Vec::new();
        for (column, cell) in RUNS.columns().iter().zip(cells) {
            let Some(place) = MAPS.iter().position(|(map, _)| *map == column.name) else {
                row.push(cell.clone());
                continue;
            };
            let value = |key: &String| match cell {
                Cell::TextMap(entries) => {
                    let at = entries.binary_search_by(|(name, _)| (**name).cmp(key));
                    at.map_or(Cell::Null, |at| Cell::Text(entries[at].1.clone()))
                }
                Cell::DoubleMap(entries) => {
                    let at = entries.binary_search_by(|(name, _)| (**name).cmp(key));
                    at.map_or(Cell::Null, |at| Cell::Double(entries[at].1))
                }
                _ => Cell::Null,
            };
            row.extend(self.keys[place].iter().map(value));
        }
        row
    }
}

/// Two columns that readers which do not look at case cannot tell apart.
fn alike(columns: &[Column]) -> Option<[String; 2]> {
    let mut seen: HashMap<String, &str> = HashMap::new();
    columns.iter().find_map(|column| {
        let first = seen.insert(column.name.to_lowercase(), &column.name)?;
        Some([first.to_owned(), column.name.clone()])
    })
}
