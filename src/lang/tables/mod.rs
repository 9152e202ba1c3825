//! Tables of an archive, as Parquet or CSV.
//!
//! ```text
//! tables.json           which tables there are, of which archive, with columns, rows and limits
//! runs.parquet          one file a table
//! metrics.parquet  …
//! ```
//!
//! Lines stream into rows kind by kind. A Parquet table holds at most two row groups in memory, one that fills and one that is encoded; what a column cannot hold as it is is counted
//! as a limit. `docs/reference/tables.md` names every table and column, and is made of `layout`.

#[cfg(feature = "parquet")]
mod buffer;
mod cells;
mod choice;
mod csv;
mod fill;
#[cfg(feature = "parquet")]
mod groups;
mod layout;
#[cfg(feature = "parquet")]
mod levels;
mod objects;
#[cfg(feature = "parquet")]
mod parquet;
mod sink;
#[cfg(feature = "parquet")]
mod texts;
mod wide;

#[cfg(feature = "parquet")]
use crate::archive::parallel::Pool;
use crate::archive::{Archive, ArchiveError, ErrorKind, Replace, StagedTree};
use crate::format::LossCount;
use crate::model::Digest;
use crate::model::printable::printable;
use crate::monitor::Monitor;
use crate::select::Names;
use cells::RowMaker;
use choice::Choice;
use fill::Filler;
pub use layout::{Column, ColumnType};
use schemars::JsonSchema;
use serde::Serialize;
use sink::Place;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
#[cfg(feature = "parquet")]
use std::sync::Arc;

/// The file that says what the tables are.
const TABLES: &str = "tables.json";

/// The version of the tables: a new column or table keeps it, any other change raises it.
const VERSION: u32 = 1;

/// How tables are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TableForm {
    /// Comma-separated values of RFC 4180.
    Csv,
    /// Apache Parquet; a build without the feature `parquet` refuses it.
    Parquet,
}

impl TableForm {
    fn extension(self) -> &'static str {
        match self {
            TableForm::Csv => "csv",
            TableForm::Parquet => "parquet",
        }
    }
}

/// Which tables are made, and how.
#[derive(Debug, Clone)]
pub struct TablesOptions {
    /// How they are written.
    pub form: TableForm,
    /// Whether runs have a column for each param, metric and tag.
    pub wide: bool,
    /// The rows of these alone; runs by whole id, as [`Names::find`] gives them. Models are not looked at.
    pub names: Names,
    /// Replaces the output where it exists.
    pub force: bool,
    /// Leaves syncing to disk to the operating system.
    pub no_sync: bool,
}

impl TablesOptions {
    /// Everything in this form.
    pub fn new(form: TableForm) -> Self {
        TablesOptions {
            form,
            wide: false,
            names: Names::default(),
            force: false,
            no_sync: false,
        }
    }
}

/// What was made: also the text of `tables.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct TablesReport {
    /// What this is.
    pub format: TablesFormat,
    /// Content id of the archive.
    pub content_id: Digest,
    /// How the tables are written.
    pub form: TableForm,
    /// The tables, by name.
    pub tables: Vec<TableReport>,
    /// What the columns cannot hold unchanged.
    pub limits: Vec<LossCount>,
}

/// Name and version of what a directory of tables is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct TablesFormat {
    /// `mlark-tables`.
    pub name: String,
    /// Raised where a column or table changes or goes; new ones may come.
    pub version: u32,
}

/// A table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct TableReport {
    /// Its name.
    pub name: String,
    /// Its file.
    pub file: String,
    /// How many rows it has.
    pub rows: u64,
    /// Its columns, in their order.
    pub columns: Vec<Column>,
}

/// Why an archive makes no tables.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TablesError {
    /// The archive cannot be read, or a file cannot be written.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// Two columns that differ in nothing but case.
    #[error(
        "columns `{}` and `{}` differ only in case, which DuckDB and Spark do not look at",
        printable(first),
        printable(second)
    )]
    Alike {
        /// One of the two.
        first: String,
        /// The other.
        second: String,
    },
    /// Parquet, which this build does not write.
    #[error("this mlark was built without Parquet")]
    NotBuilt,
    /// More columns than can be made.
    #[error("the runs have more than {most} different params, metrics and tags")]
    TooManyColumns {
        /// How many can be.
        most: usize,
    },
}

impl TablesError {
    /// The kind of error.
    pub fn kind(&self) -> ErrorKind {
        match self {
            TablesError::Archive(error) => error.kind(),
            TablesError::NotBuilt => ErrorKind::Unsupported,
            TablesError::Alike { .. } | TablesError::TooManyColumns { .. } => ErrorKind::Usage,
        }
    }
}

/// Writes the tables of an archive into the new directory `out`.
///
/// # Errors
/// `out` exists (without `force`), the archive is damaged, wide runs have columns that are alike or too many, or a file cannot be
/// written; nothing is left under the name `out` then, and what was there stays.
///
/// ```
/// use mlark::Archive;
/// use mlark::flow::convert::{TableForm, TablesOptions, write_tables};
/// use mlark::monitor::Silent;
///
/// let archive = Archive::open("fixtures/golden/v1.0/archive.zip".as_ref())?;
/// let folder = tempfile::tempdir()?;
/// let report = write_tables(&archive, &folder.path().join("csv"), &TablesOptions::new(TableForm::Csv), &Silent)?;
/// assert_eq!(report.content_id, archive.manifest().content_id);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn write_tables(
    archive: &Archive,
    out: &Path,
    options: &TablesOptions,
    monitor: &dyn Monitor,
) -> Result<TablesReport, TablesError> {
    if options.form == TableForm::Parquet && cfg!(not(feature = "parquet")) {
        return Err(TablesError::NotBuilt);
    }
    let staged = StagedTree::create(out, Replace::if_forced(options.force, TABLES))?;
    let root = staged.root().to_owned();
    let content_id = archive.manifest().content_id;
    let mut filler = Filler {
        archive,
        choice: Choice::new(archive, &options.names)?,
        wide: options.wide,
        place: Place {
            folder: &root,
            form: options.form,
            facts: vec![
                ("mlark.tables", VERSION.to_string()),
                ("mlark.content_id", content_id.to_string()),
            ],
            #[cfg(feature = "parquet")]
            encoder: Arc::new(Pool::new(1)),
        },
        maker: RowMaker::default(),
        tables: BTreeMap::new(),
        monitor,
    };
    let limits = filler.fill()?;
    let report = TablesReport {
        format: TablesFormat {
            name: "mlark-tables".to_owned(),
            version: VERSION,
        },
        content_id,
        form: options.form,
        tables: filler.tables.into_values().collect(),
        limits,
    };
    let path = root.join(TABLES);
    let mut text = serde_json::to_string_pretty(&report).expect("a report is JSON");
    text.push('\n');
    fs::write(&path, text).map_err(ArchiveError::io("write", &path))?;
    staged.publish(!options.no_sync)?;
    Ok(report)
}

/// Every table and its columns as Markdown, as docs/reference/tables.md has them.
pub fn documentation() -> String {
    let mut text = String::new();
    for table in layout::all() {
        text.push_str(&format!("### {}\n\nOne row a {}.\n\n", table.name, table.row));
        text.push_str("| column | type |\n|---|---|\n");
        for column in table.columns() {
            let kind = serde_json::json!(column.kind);
            text.push_str(&format!(
                "| `{}` | {} |\n",
                column.name,
                kind.as_str().unwrap_or_default()
            ));
        }
        text.push('\n');
    }
    text
}
