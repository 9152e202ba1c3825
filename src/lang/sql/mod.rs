//! MLflow's SQL backend stores: a tracking server's database, read directly and never through MLflow, which would
//! migrate it.
//!
//! Everything is read within one read transaction. Which tables and columns there are decides what is read, not a
//! version: see `database::Schema`. Rows come in whatever order the database has them; `spool` puts objects into the archive's
//! order, and their parts are asked for a batch of objects at a time. What a database cannot hold, and which tables are
//! never read, is listed in `docs/reference/sources/sql.md`.

use crate::format::Reason;

mod artifacts;
mod batches;
mod columns;
mod database;
mod evaluation;
mod experiments;
mod exporter;
mod fields;
mod known;
mod location;
mod logged_models;
#[cfg(test)]
mod long_columns;
mod long_rows;
mod metrics;
#[cfg(feature = "mysql")]
mod mysql;
mod orphans;
#[cfg(any(feature = "postgres", feature = "mysql"))]
mod pieces;
#[cfg(feature = "postgres")]
mod postgres;
mod registry;
mod run_parts;
mod runs;
mod spans;
mod spool;
mod sqlite;
mod tables;
mod trace_parts;
mod traces;
mod trees;
mod uri;
mod versions;
pub(crate) mod write;

use crate::format::layout::TEXT_BYTES;
use crate::format::manifest::SourceInfo;
use crate::lang::artifacts::cloud;
use crate::lang::session::{Export, ExportError, ExportOptions, ExportReport};
use crate::model::mask::redact;
use crate::monitor::Monitor;
use database::Database;
use exporter::Exporter;
use location::Location;
use sqlite::Sqlite;
use std::path::Path;
use tables::Tables;

/// What helps against tables that are not shown.
const HIDDEN: &str = "; to be sure that all are exported, run `GRANT SELECT ON DATABASE.* TO USER`";

/// Exports the database that a tracking URI, or the path of a SQLite file, names to the archive `out`.
///
/// # Errors
/// There is no such database or no MLflow data in it, it is locked or damaged, something in it cannot be read and
/// `keep_going` is off, or the archive cannot be written.
pub fn export(
    source: &str,
    out: &Path,
    options: ExportOptions,
    monitor: &dyn Monitor,
) -> Result<ExportReport, ExportError> {
    export_within(TEXT_BYTES, source, out, options, monitor)
}

/// As [`export`], into an archive that holds texts up to this size.
fn export_within(
    text_bytes: u64,
    source: &str,
    out: &Path,
    mut options: ExportOptions,
    monitor: &dyn Monitor,
) -> Result<ExportReport, ExportError> {
    let location = location::parse(source)?;
    let (database, folder): (Box<dyn Database>, _) = match &location {
        Location::Sqlite(path) => (Box::new(Sqlite::open(path)?), path.parent()),
        #[cfg(feature = "postgres")]
        Location::Postgres(uri) => (Box::new(postgres::Postgres::open(uri)?), None),
        #[cfg(feature = "mysql")]
        Location::Mysql(uri) => (Box::new(mysql::Mysql::open(uri)?), None),
    };
    let hides_tables = database.may_hide_tables()?;
    let mut tables = Tables::new(database)?;
    tables.text_bytes = text_bytes;
    if !tables.schema.has("experiments") || !tables.schema.has("runs") {
        return Err(ExportError::NoData {
            source_uri: redact(source),
            detail: match (hides_tables, tables.database.other_place()?) {
                (_, Some(place)) => {
                    format!("the tables `experiments` and `runs` are missing in {place}")
                }
                (false, None) => "the database has no tables `experiments` and `runs`".to_owned(),
                (true, None) => format!("it shows this user no tables `experiments` and `runs`{HIDDEN}"),
            },
        });
    }
    let mut info = SourceInfo {
        kind: "sql".to_owned(),
        uri: redact(source),
        ..SourceInfo::default()
    };
    let release = versions::describe(&tables, &mut info)?;
    if experiments::lie_in_cloud(&tables, options.artifacts_destination.as_deref())? {
        options.writer.threads = options.writer.threads.max(cloud::CONCURRENCY);
    }
    let mut export = Export::create(out, options, monitor)?;
    export.chosen = location.chosen()?;
    export.check_plan(&info.uri)?;
    // What is said once of a database, the first shard of it counts.
    export.count_elsewhere(export.is_rest_elsewhere());
    if hides_tables {
        export.limit("tables", "*", Reason::PerhapsHidden, 1);
        monitor.notice(&format!(
            "the database does not show tables that this user may not read{HIDDEN}"
        ));
    }
    // What is there can be listed whatever is missing.
    if !export.is_survey() {
        known::check(&tables, release, &mut export)?;
    }
    export.count_elsewhere(false);
    let mut exporter = Exporter::new(tables, export, folder)?;
    exporter.run()?;
    exporter.export.finish(info)
}
