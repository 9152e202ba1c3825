//! The tables of a MySQL database: those that are there, and the script that makes them.

use super::{Shared, column_text, one_text, rows};
use crate::lang::sql::write::target_tables::{Column, TargetTables};
use crate::lang::sql::write::{Result, WriteError, halves};

/// Tables, then the rows that MLflow itself puts into them.
const DDL: &str = include_str!("../ddl/mysql.sql");
const MARK: &str = "-- The rows.\n";
/// Bytes of a packet that are no rows.
const STATEMENT_BYTES: usize = 16 << 10;

/// The statements that make tables, and the one that says of which version they are.
pub(super) fn script() -> (Vec<String>, &'static str) {
    let (made, rows) = halves(DDL, MARK);
    let is_version = |row: &&str| row.starts_with("INSERT INTO `alembic_version`");
    let version = rows.lines().find(is_version).unwrap_or_default();
    (statements(made), version.trim_end_matches(';'))
}

/// The statements of a script, in which each begins in the first column of a line.
fn statements(script: &str) -> Vec<String> {
    let mut statements: Vec<String> = Vec::new();
    for line in script.lines().filter(|line| !line.starts_with("--")) {
        match statements.last_mut() {
            Some(last) if !line.starts_with("CREATE ") => {
                last.push('\n');
                last.push_str(line);
            }
            _ => statements.push(line.to_owned()),
        }
    }
    for statement in &mut statements {
        statement.truncate(statement.trim_end_matches(';').len());
    }
    statements
}

/// What the tables hold: those that are there, or those that will be made.
pub(super) fn tables(connection: &Shared, is_made: bool) -> Result<TargetTables> {
    let packet = one_text(connection, "a query", "SELECT @@max_allowed_packet")?;
    let packet = packet
        .and_then(|bytes| bytes.parse::<usize>().ok())
        .unwrap_or(1 << 20);
    let mut tables = TargetTables {
        row_bytes: Some(packet.saturating_sub(STATEMENT_BYTES)),
        ..TargetTables::default()
    };
    if is_made {
        let settings = "SELECT @@character_set_database UNION ALL SELECT @@collation_database";
        let settings = rows(connection, "a query", settings)?;
        let setting = |at: usize| {
            settings
                .get(at)
                .and_then(|row| column_text(row, 0))
                .unwrap_or_default()
        };
        check_characters(&setting(0), "the database")?;
        carried(&setting(1), &mut tables);
        return Ok(tables);
    }
    let sql = "SELECT c.table_name, c.column_name, c.data_type, c.character_maximum_length, c.character_octet_length, \
               c.collation_name, c.character_set_name, c.is_nullable = 'NO' AND c.column_default IS NULL AND c.extra = '' \
               FROM information_schema.columns c WHERE c.table_schema = DATABASE()";
    for row in rows(connection, "a query of its tables", sql)? {
        let at = |at: usize| column_text(&row, at).unwrap_or_default();
        if let Some(set) = column_text(&row, 6) {
            check_characters(&set, &format!("column `{}.{}`", at(0), at(1)))?;
        }
        let kind = at(2);
        let number = |at: usize| column_text(&row, at).and_then(|number| number.parse().ok());
        let facts = Column {
            collation: column_text(&row, 5),
            is_required: at(7) == "1",
            ..column(&kind, number(3), number(4))
        };
        tables.add(&at(0), &at(1), facts);
    }
    Ok(tables)
}

/// Refuses characters of fewer than four bytes, in which texts would be lost.
fn check_characters(set: &str, what: &str) -> Result<()> {
    if set == "utf8mb4" {
        return Ok(());
    }
    Err(WriteError::Target(format!(
        "{what} has the characters of `{set}`, which does not hold every text: `CREATE DATABASE … CHARACTER SET utf8mb4` does"
    )))
}

fn column(kind: &str, characters: Option<usize>, octets: Option<usize>) -> Column {
    Column {
        width: characters.filter(|_| matches!(kind, "varchar" | "char")),
        octets: octets.filter(|_| kind.ends_with("text")),
        is_narrow: kind == "int",
        ..Column::default()
    }
}

/// Reads the tables that will be made out of the script that makes them.
fn carried(collation: &str, tables: &mut TargetTables) {
    let mut table = "";
    for line in DDL.lines() {
        if let Some(rest) = line.strip_prefix("CREATE TABLE `") {
            table = rest.split('`').next().unwrap_or_default();
        }
        let Some((name, rest)) = line.strip_prefix("  `").and_then(|rest| rest.split_once("` ")) else {
            continue;
        };
        let kind = rest.split([' ', '(', ',']).next().unwrap_or_default();
        let within = rest[kind.len()..]
            .strip_prefix('(')
            .and_then(|rest| rest.split(')').next());
        let octets = match kind {
            "text" => Some(65_535),
            "mediumtext" => Some(16_777_215),
            "longtext" => Some(4_294_967_295),
            _ => None,
        };
        let is_text = octets.is_some() || kind == "varchar";
        let own = rest.split_once("COLLATE ").map_or(collation, |(_, rest)| {
            rest.split([' ', ',']).next().unwrap_or_default()
        });
        let facts = Column {
            collation: is_text.then(|| own.to_owned()),
            is_required: false,
            ..column(kind, within.and_then(|width| width.parse().ok()), octets)
        };
        tables.add(table, name, facts);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lang::sql::write::rows::Target;

    #[test]
    fn the_tables_that_will_be_made_are_read_out_of_their_script() {
        let mut tables = TargetTables::default();
        carried("utf8mb4_general_ci", &mut tables);
        let layout = tables.layout().unwrap();
        for target in Target::ALL {
            assert_eq!(layout.names(*target), target.columns(), "{target:?}");
        }
        let tags = tables.columns(Target::Tags);
        let experiments = tables.columns(Target::Experiments);
        assert!(experiments[0].is_narrow && !experiments[5].is_narrow);
        assert_eq!(tags[1].width, Some(250));
        assert_eq!(tags[1].collation.as_deref(), Some("utf8mb4_general_ci"));
        let (made, version) = script();
        assert!(version.contains('f'), "{version}");
        assert!(made.iter().all(|statement| !statement.ends_with(';')));
        assert_eq!(
            made.iter()
                .filter(|sql| sql.starts_with("CREATE TRIGGER"))
                .count(),
            1
        );
    }
}
