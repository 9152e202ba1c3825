//! PostgreSQL, within one read-only transaction of repeatable reads.

use super::database::{Cell, Database, Dialect, EachRow, Row, Schema, read_schema};
use super::pieces::{LongQuery, PIECE_BYTES};
use super::uri::{DatabaseUri, refused};
use crate::lang::session::ExportError;
use crate::model::mask;
use crate::model::mask::redact;
use postgres::error::SqlState;
use postgres::fallible_iterator::FallibleIterator;
use postgres::types::{FromSql, ToSql, Type};
use postgres::{Client, Statement};
use std::cell::RefCell;
use std::collections::HashMap;
use std::error::Error;
use std::io::{self, Read};

mod options;
mod tls;
mod variables;

pub(super) use variables::add_variables;

/// A connection within a transaction.
pub(super) struct Postgres {
    connection: RefCell<Connection>,
    source_uri: String,
}

struct Connection {
    client: Client,
    statements: HashMap<String, Statement>,
}

impl Postgres {
    /// Connects and begins the read transaction that the whole export sees.
    ///
    /// # Errors
    /// The URI cannot be read, the server cannot be reached, or it refuses.
    pub(super) fn open(uri: &str) -> Result<Self, ExportError> {
        let source_uri = redact(uri);
        let failed = |error: postgres::Error| source_error(&source_uri, &error);
        let mut client = connect(uri)?;
        client
            .batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            .map_err(failed)?;
        Ok(Postgres {
            connection: RefCell::new(Connection {
                client,
                statements: HashMap::new(),
            }),
            source_uri,
        })
    }

    fn rows(
        &self,
        sql: &str,
        parameters: &[&str],
        each: &mut EachRow<'_>,
    ) -> Result<Result<(), ExportError>, postgres::Error> {
        let Connection { client, statements } = &mut *self.connection.borrow_mut();
        let statement = match statements.get(sql) {
            Some(statement) => statement.clone(),
            None => {
                let statement = client.prepare(&numbered(sql))?;
                statements.insert(sql.to_owned(), statement.clone());
                statement
            }
        };
        let parameters = parameters.iter().map(|parameter| parameter as &dyn ToSql);
        let mut rows = client.query_raw(&statement, parameters)?;
        while let Some(row) = rows.next()? {
            if let Err(error) = each(&row) {
                return Ok(Err(error));
            }
        }
        Ok(Ok(()))
    }
}

/// Connects to the database of a URI.
///
/// # Errors
/// The URI cannot be read, the server cannot be reached, or it refuses.
pub(super) fn connect(uri: &str) -> Result<Client, ExportError> {
    mask::learn(|mask| mask.add_uri(uri));
    let (settings, tls) = options::read(DatabaseUri::parse(uri)?).map_err(|detail| refused(uri, &detail))?;
    let connected = settings.connect(tls);
    connected.map_err(|error| source_error(&redact(uri), &error))
}

/// Turns each `?` into `$1`, `$2`, …; the exporter's queries hold no other question marks.
fn numbered(sql: &str) -> String {
    let mut parts = sql.split('?');
    let mut numbered = parts.next().unwrap_or_default().to_owned();
    for (number, part) in (1..).zip(parts) {
        numbered.push_str(&format!("${number}{part}"));
    }
    numbered
}

impl Database for Postgres {
    fn dialect(&self) -> Dialect {
        Dialect::Postgres
    }

    fn schema(&self) -> Result<Schema, ExportError> {
        // Not the information schema, which hides what this role may not read: a table missing for that reason must
        // not pass for one that is not there.
        // Of varying length, unless it is a varchar of few characters.
        let sql = "SELECT c.relname::text, a.attname::text, \
                   (a.attlen = -1 AND NOT (a.atttypid = 'varchar'::regtype AND a.atttypmod BETWEEN 5 AND 262144)) \
                   FROM pg_catalog.pg_class c \
                   JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
                   JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid \
                   WHERE c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped \
                   AND n.nspname = ANY (current_schemas(false))";
        let views = "SELECT c.relname::text FROM pg_catalog.pg_class c \
                     JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
                     WHERE c.relkind IN ('v', 'm', 'f') AND n.nspname = ANY (current_schemas(false))";
        let mut schema = read_schema(self, sql, views)?;
        // A row of this snapshot keeps its place until the transaction ends; of several tables in one, places are not unique.
        let placed = "SELECT c.relname::text FROM pg_catalog.pg_class c \
                        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
                        WHERE c.relkind = 'r' AND NOT c.relhassubclass AND n.nspname = ANY (current_schemas(false))";
        self.query(placed, &[], &mut |row| {
            if let Cell::Bytes(table) = row.cell(0) {
                schema.add_place(&String::from_utf8_lossy(table), "ctid::text");
            }
            Ok(())
        })?;
        Ok(schema)
    }

    fn row_at(&self, _: &str, place: &str) -> Result<(String, Vec<String>), ExportError> {
        Ok(("ctid = ?::text::tid".to_owned(), vec![place.to_owned()]))
    }

    fn open_long<'d>(&'d self, table: &str, column: &str, place: &str) -> io::Result<Box<dyn Read + 'd>> {
        let (table, column) = (self.dialect().quote(table), self.dialect().quote(column));
        let bytes = format!("convert_to({column}::text, 'UTF8')");
        let rest = format!("FROM {table} WHERE ctid = ?::text::tid");
        let query = LongQuery {
            size: format!("SELECT octet_length({bytes}) {rest}"),
            piece: format!("SELECT substring({bytes} FROM ?::text::int FOR {PIECE_BYTES}) {rest}"),
            piece_units: PIECE_BYTES,
            row: vec![place.to_owned()],
        };
        query.open(self)
    }

    fn other_place(&self) -> Result<Option<String>, ExportError> {
        let sql = "SELECT n.nspname::text FROM pg_catalog.pg_class c \
                   JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
                   WHERE c.relkind IN ('r', 'p') AND c.relname IN ('experiments', 'runs') \
                   GROUP BY 1 HAVING count(*) = 2 ORDER BY 1";
        let mut schemas = Vec::new();
        self.query(sql, &[], &mut |row| {
            if let Cell::Bytes(name) = row.cell(0) {
                schemas.push(format!("`{}`", String::from_utf8_lossy(name)));
            }
            Ok(())
        })?;
        Ok((!schemas.is_empty()).then(|| {
            format!(
                "they are in schema {}; `?options=-csearch_path%3DNAME` at the end of the URI names one",
                schemas.join(", ")
            )
        }))
    }

    fn query(&self, sql: &str, parameters: &[&str], each: &mut EachRow<'_>) -> Result<(), ExportError> {
        self.rows(sql, parameters, each)
            .map_err(|error| source_error(&self.source_uri, &error))?
    }
}

/// A value as the server sent it.
struct Raw<'a>(&'a Type, &'a [u8]);

impl<'a> FromSql<'a> for Raw<'a> {
    fn from_sql(kind: &Type, bytes: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        // The type outlives the row only as one of the built-in ones, which are all that is looked at.
        Ok(Raw(built_in(kind), bytes))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

fn built_in(kind: &Type) -> &'static Type {
    const KINDS: [&Type; 7] = [
        &Type::BOOL,
        &Type::INT2,
        &Type::INT4,
        &Type::INT8,
        &Type::FLOAT4,
        &Type::FLOAT8,
        &Type::JSONB,
    ];
    let known = KINDS.into_iter().find(|known| *known == kind);
    known.unwrap_or(&Type::TEXT)
}

impl Row for postgres::Row {
    fn cell(&self, column: usize) -> Cell<'_> {
        let Ok(Some(Raw(kind, bytes))) = self.try_get::<_, Option<Raw<'_>>>(column) else {
            return Cell::Null;
        };
        let cell = match *kind {
            Type::BOOL => bytes.first().map(|&byte| Cell::Integer(i64::from(byte))),
            Type::INT2 => array(bytes).map(|bytes| Cell::Integer(i16::from_be_bytes(bytes).into())),
            Type::INT4 => array(bytes).map(|bytes| Cell::Integer(i32::from_be_bytes(bytes).into())),
            Type::INT8 => array(bytes).map(|bytes| Cell::Integer(i64::from_be_bytes(bytes))),
            Type::FLOAT4 => array(bytes).map(|bytes| Cell::Real(f32::from_be_bytes(bytes).into())),
            Type::FLOAT8 => array(bytes).map(|bytes| Cell::Real(f64::from_be_bytes(bytes))),
            Type::JSONB => bytes.get(1..).map(Cell::Bytes),
            _ => Some(Cell::Bytes(bytes)),
        };
        cell.unwrap_or(Cell::Null)
    }
}

fn array<const N: usize>(bytes: &[u8]) -> Option<[u8; N]> {
    bytes.try_into().ok()
}

fn remedy(code: &SqlState) -> &'static str {
    match *code {
        SqlState::INSUFFICIENT_PRIVILEGE => {
            "; `GRANT SELECT ON ALL TABLES IN SCHEMA public TO ROLE` lets the role read everything"
        }
        SqlState::INVALID_PASSWORD | SqlState::INVALID_AUTHORIZATION_SPECIFICATION => {
            "; the password is taken from the URI, else from PGPASSWORD"
        }
        _ => "",
    }
}

fn source_error(source_uri: &str, error: &postgres::Error) -> ExportError {
    let mut detail = match error.as_db_error() {
        Some(error) => format!("{}{}", error.message(), remedy(error.code())),
        None => error.to_string(),
    };
    let mut cause = error.source().filter(|_| error.as_db_error().is_none());
    while let Some(next) = cause {
        detail.push_str(&format!(": {next}"));
        cause = next.source();
    }
    ExportError::unreadable(source_uri.to_owned(), mask::hide(&detail).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn question_marks_are_numbered() {
        assert_eq!(numbered("a IN (?, ?) AND b = ?"), "a IN ($1, $2) AND b = $3");
    }

    #[test]
    fn a_server_that_is_not_there_is_named_without_its_password() {
        let error = Postgres::open("postgresql+psycopg2://me:hidden@127.0.0.1:1/db")
            .err()
            .unwrap()
            .to_string();
        assert!(error.contains("postgresql+psycopg2://127.0.0.1:1/db"), "{error}");
        assert!(!error.contains("hidden"), "{error}");
    }
}
