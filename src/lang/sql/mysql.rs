//! MySQL and MariaDB, within one read-only transaction with a consistent snapshot.

use super::database::{Cell, Database, Dialect, EachRow, Row, Schema, read_schema};
use super::pieces::{LongQuery, PIECE_BYTES};
use super::uri::{DatabaseUri, refused};
use crate::lang::session::ExportError;
use crate::model::mask;
use crate::model::mask::redact;
use mysql::prelude::Queryable;
use mysql::{Conn, Params, Value};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{self, Read};

mod options;

/// Connects to the database of a URI, and runs statements first.
///
/// # Errors
/// The URI cannot be read, the server cannot be reached, or it refuses.
pub(super) fn connect(uri: &str, begin: &[&str]) -> Result<Conn, ExportError> {
    mask::learn(|mask| mask.add_uri(uri));
    let options = options::read(DatabaseUri::parse(uri)?).map_err(|detail| refused(uri, &detail))?;
    let begin = ["SET NAMES utf8mb4"].into_iter().chain(begin.iter().copied());
    let options = options
        .stmt_cache_size(64)
        .init(begin.map(str::to_owned).collect::<Vec<_>>());
    Conn::new(options).map_err(|error| ExportError::unreadable(redact(uri), told(&error)))
}

/// Bytes of a character at the most.
const MAX_CHAR_BYTES: u64 = 4;

/// A connection within a transaction.
pub(super) struct Mysql {
    connection: RefCell<Conn>,
    source_uri: String,
}

impl Mysql {
    /// Connects and begins the read transaction that the whole export sees.
    ///
    /// # Errors
    /// The URI cannot be read, the server cannot be reached, or it refuses.
    pub(super) fn open(uri: &str) -> Result<Self, ExportError> {
        let begin = [
            "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ",
            "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY",
        ];
        Ok(Mysql {
            connection: RefCell::new(connect(uri, &begin)?),
            source_uri: redact(uri),
        })
    }

    fn rows(
        &self,
        sql: &str,
        parameters: &[&str],
        each: &mut EachRow<'_>,
    ) -> Result<Result<(), ExportError>, mysql::Error> {
        let mut connection = self.connection.borrow_mut();
        // The binary protocol: doubles come as they are stored.
        let parameters = match parameters {
            [] => Params::Empty,
            _ => Params::Positional(parameters.iter().map(Value::from).collect()),
        };
        let statement = connection.prep(sql)?;
        let rows = connection.exec_iter(&statement, parameters)?;
        for row in rows {
            if let Err(error) = each(&row?) {
                return Ok(Err(error));
            }
        }
        Ok(Ok(()))
    }
}

impl Mysql {
    /// The columns of each table's primary key, in its order.
    fn primary_keys(&self) -> Result<BTreeMap<String, Vec<String>>, ExportError> {
        let sql = "SELECT table_name, column_name FROM information_schema.statistics \
                   WHERE index_name = 'PRIMARY' AND table_schema = DATABASE() ORDER BY table_name, seq_in_index";
        let mut keys: BTreeMap<String, Vec<String>> = BTreeMap::new();
        self.query(sql, &[], &mut |row| {
            if let (Cell::Bytes(table), Cell::Bytes(column)) = (row.cell(0), row.cell(1)) {
                let key = keys
                    .entry(String::from_utf8_lossy(table).into_owned())
                    .or_default();
                key.push(String::from_utf8_lossy(column).into_owned());
            }
            Ok(())
        })?;
        Ok(keys)
    }
}

/// An error with what may help.
fn told(error: &mysql::Error) -> String {
    let remedy = match error {
        mysql::Error::MySqlError(error) => match error.code {
            // Of a table, of a column, of the database.
            1142 | 1143 | 1044 => "; `GRANT SELECT ON DATABASE.* TO USER` lets the user read everything",
            1045 => "; user and password are taken from the URI",
            _ => "",
        },
        error if error.to_string().contains("UnsupportedCertVersion") => {
            "; a certificate of X.509 version 1 cannot be used: sign it again with extensions, as `openssl x509 -req … -extfile FILE` does"
        }
        _ => "",
    };
    let error = error.to_string();
    format!("{}{remedy}", mask::hide(&error))
}

impl Database for Mysql {
    fn dialect(&self) -> Dialect {
        Dialect::Mysql
    }

    fn schema(&self) -> Result<Schema, ExportError> {
        let sql = "SELECT c.table_name, c.column_name, \
                   CASE WHEN c.data_type = 'json' OR c.character_octet_length > 1048576 THEN 1 ELSE 0 END \
                   FROM information_schema.columns c \
                   JOIN information_schema.tables t ON t.table_schema = c.table_schema AND t.table_name = c.table_name \
                   WHERE t.table_type = 'BASE TABLE' AND c.table_schema = DATABASE()";
        let views = "SELECT table_name FROM information_schema.tables \
                     WHERE table_type <> 'BASE TABLE' AND table_schema = DATABASE()";
        let mut schema = read_schema(self, sql, views)?;
        for (table, key) in self.primary_keys()? {
            let key = key.iter().map(|column| self.dialect().quote(column));
            let texts = key.map(|column| format!("CAST({column} AS CHAR)"));
            let row = format!("JSON_ARRAY({})", texts.collect::<Vec<_>>().join(", "));
            schema.add_place(&table, &row);
        }
        Ok(schema)
    }

    fn row_at(&self, table: &str, place: &str) -> Result<(String, Vec<String>), ExportError> {
        let changed = |detail: String| ExportError::unreadable(self.source_uri.clone(), detail);
        let place: Vec<String> = serde_json::from_str(place).map_err(|error| changed(error.to_string()))?;
        let keys = self.primary_keys()?;
        let key = keys.get(table).filter(|key| key.len() == place.len());
        let key = key.ok_or_else(|| changed(format!("table `{table}` has another primary key now")))?;
        let equal = key
            .iter()
            .map(|column| format!("{} = ?", self.dialect().quote(column)));
        Ok((equal.collect::<Vec<_>>().join(" AND "), place))
    }

    fn open_long<'d>(&'d self, table: &str, column: &str, place: &str) -> io::Result<Box<dyn Read + 'd>> {
        let (condition, row) = self.row_at(table, place).map_err(io::Error::other)?;
        let (table, column) = (self.dialect().quote(table), self.dialect().quote(column));
        // By characters: of a whole text, a server makes bytes only up to a packet.
        let piece_units = PIECE_BYTES / MAX_CHAR_BYTES;
        let rest = format!("FROM {table} WHERE {condition}");
        let query = LongQuery {
            size: format!("SELECT CHAR_LENGTH({column}) {rest}"),
            piece: format!("SELECT SUBSTRING({column}, CAST(? AS SIGNED), {piece_units}) {rest}"),
            piece_units,
            row,
        };
        query.open(self)
    }

    /// MySQL shows a user only the tables that the user has some right to, unless the right is to the whole database.
    fn may_hide_tables(&self) -> Result<bool, ExportError> {
        let sql = "SELECT 1 FROM information_schema.user_privileges WHERE privilege_type = 'SELECT' \
                   UNION ALL SELECT 1 FROM information_schema.schema_privileges \
                   WHERE privilege_type = 'SELECT' AND DATABASE() LIKE table_schema";
        let mut sees_all = false;
        self.query(sql, &[], &mut |_| {
            sees_all = true;
            Ok(())
        })?;
        Ok(!sees_all)
    }

    fn query(&self, sql: &str, parameters: &[&str], each: &mut EachRow<'_>) -> Result<(), ExportError> {
        let rows = self.rows(sql, parameters, each);
        rows.map_err(|error| ExportError::unreadable(self.source_uri.clone(), told(&error)))?
    }
}

impl Row for mysql::Row {
    fn cell(&self, column: usize) -> Cell<'_> {
        match self.as_ref(column) {
            Some(Value::Bytes(bytes)) => Cell::Bytes(bytes),
            Some(Value::Int(value)) => Cell::Integer(*value),
            Some(Value::UInt(value)) => i64::try_from(*value).map_or(Cell::Null, Cell::Integer),
            Some(Value::Float(value)) => Cell::Real((*value).into()),
            Some(Value::Double(value)) => Cell::Real(*value),
            // No column that is read holds dates or times.
            Some(Value::NULL | Value::Date(..) | Value::Time(..)) | None => Cell::Null,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_is_not_there_is_named_without_its_password() {
        let error = Mysql::open("mysql+pymysql://me:hidden@127.0.0.1:1/db?charset=utf8mb4")
            .err()
            .unwrap()
            .to_string();
        assert!(error.contains("mysql+pymysql://127.0.0.1:1/db"), "{error}");
        assert!(!error.contains("hidden"), "{error}");
    }
}
