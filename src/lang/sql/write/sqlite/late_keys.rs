//! Primary keys that are made over the rows, as other indexes are.
//!
//! Rows come by their owner, and these keys begin with the name of a metric, param or tag: kept while rows come in, they would put each
//! row at another place of a file that is larger than the cache. SQLite has no statement for a primary key that comes later; but such a
//! key is a unique index under a name that SQLite chose. So the table is made without it, the index is made over the rows, and then the
//! two entries of the schema say what MLflow's own say.

use rusqlite::{Connection, params};

/// Tables whose key begins with a name, each with this one key.
const TABLES: [&str; 6] = [
    "metrics",
    "latest_metrics",
    "params",
    "tags",
    "trace_tags",
    "trace_request_metadata",
];

/// A table that is made without its key.
struct LateKey {
    table: &'static str,
    /// The statement that makes the table, key included.
    statement: String,
    /// The columns of the key, in brackets.
    columns: String,
}

/// The keys that a script of tables waits for.
pub(super) struct LateKeys(Vec<LateKey>);

impl LateKeys {
    /// Takes the keys out of a script that makes tables.
    pub(super) fn take(tables: &str) -> (String, Self) {
        let mut script = tables.to_owned();
        let keys = TABLES.map(|table| {
            let begin = script
                .find(&format!("CREATE TABLE \"{table}\" ("))
                .expect("the script makes the table");
            let length = script[begin..].find(";\n").expect("a statement ends");
            let statement = script[begin..begin + length].to_owned();
            let line = statement
                .split_inclusive('\n')
                .find(|line| line.contains(" PRIMARY KEY ("))
                .expect("the table has a key, and more lines behind it");
            let columns = &line[line.find('(').expect("columns are in brackets")..];
            let columns = columns.trim_end_matches([',', '\n']).to_owned();
            script.replace_range(begin..begin + length, &statement.replacen(line, "", 1));
            LateKey {
                table,
                statement,
                columns,
            }
        });
        (script, LateKeys(keys.into()))
    }

    /// Makes the keys over the rows.
    pub(super) fn make(&self, connection: &Connection) -> rusqlite::Result<()> {
        for LateKey { table, columns, .. } in &self.0 {
            let index = format!("CREATE UNIQUE INDEX late_key_{table} ON \"{table}\" {columns}");
            connection.execute_batch(&index)?;
        }
        connection.execute_batch("PRAGMA writable_schema = ON")?;
        let mut tables =
            connection.prepare("UPDATE sqlite_master SET sql = ?2 WHERE type = 'table' AND name = ?1")?;
        let mut indexes = connection.prepare(
            "UPDATE sqlite_master SET name = 'sqlite_autoindex_' || ?1 || '_1', sql = NULL WHERE name = 'late_key_' || ?1",
        )?;
        for LateKey { table, statement, .. } in &self.0 {
            tables.execute(params![table, statement])?;
            indexes.execute(params![table])?;
        }
        connection.execute_batch("PRAGMA writable_schema = OFF")
    }
}
