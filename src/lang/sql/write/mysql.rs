//! A MySQL or MariaDB database, filled in one transaction by inserts of many rows.
//!
//! Its servers end a transaction wherever tables are made. So tables are made first, beside one that says so (`mlark_restore`), and the
//! version of the schema, without which MLflow refuses them, comes with the rows. What a restore leaves that was killed is tables without
//! a row: MLflow does not open them, and the next restore knows them by that mark, and makes them anew.

mod rows;
mod tables;

use self::rows::MysqlRows;
use self::tables::{script, tables};
use super::clashes::Weigh;
use super::fill::Filling;
use super::rows::RowSink;
use super::target_tables::{TableLayout, TargetTables};
use super::{Result, WriteError, empty};
use crate::lang::sql::database::Dialect;
use crate::lang::sql::mysql::connect;
use mysql::prelude::Queryable;
use mysql::{Conn, Value};
use std::cell::RefCell;
use std::rc::Rc;

/// The table that is there while tables are made and filled.
const UNFINISHED: &str = "mlark_restore";
/// How the session reads what is sent: zero is an id, a backslash is one, and what does not fit is refused.
const SESSION: &str = "SET SESSION sql_mode = 'NO_AUTO_VALUE_ON_ZERO,STRICT_ALL_TABLES,NO_BACKSLASH_ESCAPES,ERROR_FOR_DIVISION_BY_ZERO', \
     lock_wait_timeout = 5, innodb_lock_wait_timeout = 5, autocommit = 0";

type Shared = Rc<RefCell<Conn>>;

/// A database within the transaction that fills it.
pub(super) struct MysqlTarget {
    connection: Shared,
    /// Whether the tables are made here.
    is_made: bool,
    /// Tables of a restore that was killed.
    leftovers: Vec<String>,
    /// Whether there is something to remove where this does not come to its end.
    is_begun: bool,
}

fn text(name: &str) -> String {
    Dialect::Mysql.quote(name)
}

/// The error of the server.
fn refusal(what: &str, error: &mysql::Error) -> WriteError {
    let remedy = match error {
        mysql::Error::MySqlError(error) => match error.code {
            1044 | 1142 | 1143 | 1227 => {
                "; `GRANT ALL PRIVILEGES ON DATABASE.* TO USER` lets the user fill the database"
            }
            1205 => "; another session is using its tables: stop the server that uses them",
            _ => "",
        },
        _ => "",
    };
    WriteError::Database {
        what: what.to_owned(),
        detail: format!("{}{remedy}", crate::model::mask::hide(&error.to_string())),
    }
}

fn rows(connection: &Shared, what: &str, sql: &str) -> Result<Vec<mysql::Row>> {
    let rows = connection.borrow_mut().query(sql);
    rows.map_err(|error| refusal(what, &error))
}

/// The first value of the first row, as a text.
fn one_text(connection: &Shared, what: &str, sql: &str) -> Result<Option<String>> {
    let row = rows(connection, what, sql)?.into_iter().next();
    Ok(row.and_then(|row| column_text(&row, 0)))
}

fn column_text(row: &mysql::Row, at: usize) -> Option<String> {
    match row.as_ref(at)? {
        Value::Bytes(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
        Value::Int(number) => Some(number.to_string()),
        Value::UInt(number) => Some(number.to_string()),
        _ => None,
    }
}

fn open(uri: &str) -> Result<Shared> {
    let connection = connect(uri, &[SESSION]).map_err(|error| WriteError::Target(error.to_string()))?;
    let connection = Rc::new(RefCell::new(connection));
    if one_text(&connection, "a query", "SELECT DATABASE()")?.is_none() {
        return Err(WriteError::Target(
            "it names no database: `mysql://USER@HOST/DATABASE`".to_owned(),
        ));
    }
    Ok(connection)
}

fn names(connection: &Shared) -> Result<Vec<String>> {
    let sql = "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE()";
    let rows = rows(connection, "a query of its tables", sql)?;
    Ok(rows.iter().filter_map(|row| column_text(row, 0)).collect())
}

impl MysqlTarget {
    /// Connects, and takes the tables for this process alone.
    ///
    /// # Errors
    /// The server cannot be reached or refuses, the database is in use, or it holds something already.
    pub(super) fn open(uri: &str) -> Result<Self> {
        let connection = open(uri)?;
        let mut target = MysqlTarget {
            connection,
            is_made: false,
            leftovers: Vec::new(),
            is_begun: false,
        };
        if !target.one("SELECT GET_LOCK(CONCAT('mlark-', MD5(DATABASE())), 0)")? {
            return Err(WriteError::Target(
                "another restore is filling this database".into(),
            ));
        }
        let names = names(&target.connection)?;
        if names.is_empty() {
            target.is_made = true;
        } else if names.iter().any(|name| name == UNFINISHED) {
            target.find_leftovers(names)?;
        } else {
            target.lock(&names)?;
            empty::check(&names, Dialect::Mysql, &mut |sql| target.one(sql))?;
            empty::check_version(&names, &mut |sql| target.one(sql))?;
        }
        Ok(target)
    }

    /// What a database that is in use or not can hold, which is left as it is.
    ///
    /// # Errors
    /// The server cannot be reached or refuses.
    pub(super) fn look(uri: &str) -> Result<(TargetTables, Option<Weigh>)> {
        let connection = open(uri)?;
        let tables = tables(&connection, names(&connection)?.is_empty())?;
        Ok((tables, Some(weigh(&connection))))
    }

    fn batch(&self, what: &str, sql: &str) -> Result<()> {
        let done = self.connection.borrow_mut().query_drop(sql);
        done.map_err(|error| refusal(what, &error))
    }

    /// Whether an answer is other than 0.
    fn one(&self, sql: &str) -> Result<bool> {
        let answer = one_text(&self.connection, "a query", sql)?;
        Ok(answer.is_some_and(|answer| answer != "0"))
    }

    /// Takes what a restore left that was killed: tables without a row, or, where it was all but done, with all of them.
    fn find_leftovers(&mut self, names: Vec<String>) -> Result<()> {
        let is_version = |name: &&String| *name == "alembic_version";
        if names.iter().any(|name| is_version(&name))
            && self.one("SELECT EXISTS (SELECT 1 FROM alembic_version)")?
        {
            self.batch("the mark of a restore", &format!("DROP TABLE {UNFINISHED}"))?;
            return Err(WriteError::Target(
                "a restore has filled it already: name another database".into(),
            ));
        }
        for name in &names {
            if self.one(&format!("SELECT EXISTS (SELECT 1 FROM {})", text(name)))? {
                let text = format!(
                    "a restore that was killed left table `{UNFINISHED}`, and table `{name}` has rows: name another database"
                );
                return Err(WriteError::Target(text));
            }
        }
        self.is_made = true;
        self.leftovers = names;
        Ok(())
    }

    fn lock(&self, names: &[String]) -> Result<()> {
        let locks: Vec<String> = names.iter().map(|name| format!("{} WRITE", text(name))).collect();
        let sql = format!("LOCK TABLES {}", locks.join(", "));
        self.batch("a lock on its tables", &sql)
    }

    /// Makes the tables and takes them.
    fn make(&mut self) -> Result<()> {
        self.is_begun = true;
        let what = "its tables";
        self.batch(what, "SET SESSION foreign_key_checks = 0")?;
        for name in &self.leftovers {
            self.batch(what, &format!("DROP TABLE IF EXISTS {}", text(name)))?;
        }
        let mark = format!("CREATE TABLE {UNFINISHED} (remark TEXT)");
        self.batch(what, &mark)?;
        let (made, version) = script();
        for statement in made {
            self.batch(what, &statement)?;
        }
        self.batch(what, "SET SESSION foreign_key_checks = 1")?;
        self.lock(&names(&self.connection)?)?;
        self.batch(what, version)
    }

    /// Removes what was begun; what the server does not let go stays behind, marked.
    fn undo(&self) {
        let _ = self.batch("nothing", "ROLLBACK");
        let _ = self.batch("nothing", "UNLOCK TABLES");
        let Ok(mut names) = names(&self.connection) else {
            return;
        };
        // The mark goes last.
        names.sort_by_key(|name| name == UNFINISHED);
        let names: Vec<String> = names.iter().map(|name| text(name)).collect();
        let _ = self.batch("nothing", "SET SESSION foreign_key_checks = 0");
        for name in names {
            let _ = self.batch("nothing", &format!("DROP TABLE {name}"));
        }
    }
}

impl Drop for MysqlTarget {
    fn drop(&mut self) {
        if self.is_begun {
            self.undo();
        }
    }
}

impl Filling for MysqlTarget {
    fn tables(&mut self) -> Result<TargetTables> {
        tables(&self.connection, self.is_made)
    }

    fn weigh(&self) -> Option<Weigh> {
        Some(weigh(&self.connection))
    }

    fn clear(&mut self, layout: &TableLayout) -> Result<()> {
        if self.is_made {
            return self.make();
        }
        empty::clearing(layout)
            .iter()
            .try_for_each(|sql| self.batch("the rows of MLflow's own", sql))
    }

    fn rows<'d>(&'d mut self, layout: &TableLayout) -> Box<dyn RowSink + 'd> {
        Box::new(MysqlRows::new(&self.connection, layout))
    }

    fn commit(mut self: Box<Self>) -> Result<()> {
        self.batch("the end of the transaction", "COMMIT")?;
        let made = std::mem::take(&mut self.is_begun);
        // All is there: what follows is tidying, which the next to open the database does otherwise.
        let _ = self.batch("the locks", "UNLOCK TABLES");
        if made {
            let _ = self.batch("the mark", &format!("DROP TABLE {UNFINISHED}"));
        }
        Ok(())
    }
}

/// How the server orders a text.
fn weigh(connection: &Shared) -> Weigh {
    let connection = Rc::clone(connection);
    Box::new(move |collation, name| {
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        if !collation.bytes().all(is_name) {
            return Err(WriteError::Target(format!("`{collation}` is not a collation")));
        }
        let name = name.replace('\'', "''").replace('\0', "\u{fffd}");
        let sql = format!("SELECT WEIGHT_STRING('{name}' COLLATE {collation})");
        let rows = rows(&connection, "a query", &sql)?;
        Ok(match rows.first().and_then(|row| row.as_ref(0)) {
            Some(Value::Bytes(weight)) => weight.clone(),
            _ => Vec::new(),
        })
    })
}
