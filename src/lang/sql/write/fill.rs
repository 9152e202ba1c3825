//! A database that is there, and is filled: SQLite, PostgreSQL, MySQL and MariaDB, each in one transaction.

use super::clashes::Weigh;
use super::fit::{Fitted, LongValueRule};
use super::rows::{NoRows, RowSink};
use super::target_tables::{TableLayout, TargetTables};
use super::{FileSink, Numbers, Result, TargetOptions, WriteOutcome, write};
use crate::archive::{Archive, ArchiveError};
use crate::monitor::Monitor;
use std::path::Path;

/// A database within the transaction that fills it.
pub(super) trait Filling {
    /// The tables as they are, or as they will be made.
    ///
    /// # Errors
    /// The database cannot be read.
    fn tables(&mut self) -> Result<TargetTables>;

    /// How it orders texts, where that is not by their bytes.
    fn weigh(&self) -> Option<Weigh> {
        None
    }

    /// Removes what MLflow itself put there, or makes the tables.
    ///
    /// # Errors
    /// The database refuses.
    fn clear(&mut self, layout: &TableLayout) -> Result<()>;

    /// What takes the rows, with the columns of a layout alone.
    fn rows<'d>(&'d mut self, layout: &TableLayout) -> Box<dyn RowSink + 'd>;

    /// Shows all at once.
    ///
    /// # Errors
    /// The database refuses.
    fn commit(self: Box<Self>) -> Result<()>;
}

/// A database that is empty but for what MLflow put there, and is taken for this process alone.
pub(crate) struct OpenTarget {
    database: Box<dyn Filling>,
    looked_at: LookedAt,
}

/// What is written, and how.
pub(crate) struct Load<'a> {
    pub(crate) archive: &'a Archive,
    pub(crate) options: TargetOptions,
    pub(crate) long_values: LongValueRule,
    pub(crate) monitor: &'a dyn Monitor,
}

impl Load<'_> {
    /// Writes all rows, fitted to the tables that are there.
    fn pass(
        &self,
        target: &LookedAt,
        rows: &mut dyn RowSink,
        files: &mut dyn FileSink,
    ) -> Result<WriteOutcome> {
        let mut fitted = Fitted::new(
            &target.tables,
            &target.layout,
            rows,
            self.long_values,
            target.weigh.as_ref(),
        );
        let outcome = write(
            self.archive,
            &mut fitted,
            files,
            self.options.clone(),
            self.monitor,
        )?;
        fitted.finish(outcome)
    }
}

impl OpenTarget {
    /// Opens the database behind a URI; `sqlite:///PATH` names a file that is there.
    ///
    /// # Errors
    /// It cannot be reached, is in use, holds something already, or this build knows none of its kind.
    pub(crate) fn open(uri: &str, numbers: Numbers) -> Result<Self> {
        let mut database: Box<dyn Filling> = match numbers {
            Numbers::Sqlite => Box::new(super::sqlite::SqliteTarget::open(path_of(uri))?),
            #[cfg(feature = "postgres")]
            Numbers::Postgres => Box::new(super::postgres::PostgresTarget::open(uri)?),
            #[cfg(feature = "mysql")]
            Numbers::Mysql => Box::new(super::mysql::MysqlTarget::open(uri)?),
            #[cfg(not(all(feature = "postgres", feature = "mysql")))]
            other => return Err(other.unknown()),
        };
        let looked_at = LookedAt::of(database.tables()?, database.weigh())?;
        Ok(OpenTarget { database, looked_at })
    }

    /// Which tables and columns it has.
    pub(crate) fn layout(&self) -> &TableLayout {
        &self.looked_at.layout
    }

    /// Says what would be written; files are shown to `files`.
    ///
    /// # Errors
    /// The archive is damaged or cannot be such a database, or texts are too long.
    pub(crate) fn plan(&self, load: &Load<'_>, files: &mut dyn FileSink) -> Result<WriteOutcome> {
        self.looked_at.plan(load, files)
    }

    /// Writes all; `publish` is called when all is written, before it is seen.
    ///
    /// # Errors
    /// As [`OpenTarget::plan`], or the database refuses.
    pub(crate) fn fill(
        mut self,
        load: &Load<'_>,
        files: &mut dyn FileSink,
        publish: impl FnOnce() -> Result<(), ArchiveError>,
    ) -> Result<WriteOutcome> {
        self.database.clear(&self.looked_at.layout)?;
        let mut rows = self.database.rows(&self.looked_at.layout);
        let outcome = load.pass(&self.looked_at, &mut *rows, files)?;
        rows.flush()?;
        drop(rows);
        publish()?;
        self.database.commit()?;
        Ok(outcome)
    }
}

/// A database as it is, in use or not: what it could hold.
pub(crate) struct LookedAt {
    tables: TargetTables,
    layout: TableLayout,
    weigh: Option<Weigh>,
}

impl LookedAt {
    /// Looks at the database behind a URI; one that has no tables yet gets those of the newest MLflow.
    ///
    /// # Errors
    /// It cannot be reached, has tables of others, or this build knows none of its kind.
    pub(crate) fn at(uri: &str, numbers: Numbers) -> Result<Self> {
        let (tables, weigh) = match numbers {
            Numbers::Sqlite => (super::sqlite::look(path_of(uri))?, None),
            #[cfg(feature = "postgres")]
            Numbers::Postgres => (super::postgres::PostgresTarget::look(uri)?, None),
            #[cfg(feature = "mysql")]
            Numbers::Mysql => super::mysql::MysqlTarget::look(uri)?,
            #[cfg(not(all(feature = "postgres", feature = "mysql")))]
            other => return Err(other.unknown()),
        };
        Self::of(tables, weigh)
    }

    fn of(tables: TargetTables, weigh: Option<Weigh>) -> Result<Self> {
        let layout = match tables.is_empty() {
            true => TableLayout::default(),
            false => tables.layout()?,
        };
        Ok(LookedAt {
            tables,
            layout,
            weigh,
        })
    }

    /// Whether it has no tables yet.
    pub(crate) fn is_empty(&self) -> bool {
        self.tables.is_empty()
    }

    /// Which tables and columns it has.
    pub(crate) fn layout(&self) -> &TableLayout {
        &self.layout
    }

    /// Says what it cannot hold of an archive; files are shown to `files`.
    ///
    /// # Errors
    /// The archive is damaged or cannot be such a database.
    pub(crate) fn plan(&self, load: &Load<'_>, files: &mut dyn FileSink) -> Result<WriteOutcome> {
        load.pass(self, &mut NoRows, files)
    }
}

/// The file that a URI of SQLite names, or that stands for itself.
fn path_of(uri: &str) -> &Path {
    Path::new(uri.strip_prefix("sqlite:///").unwrap_or(uri))
}

impl Numbers {
    #[cfg(not(all(feature = "postgres", feature = "mysql")))]
    fn unknown(self) -> super::WriteError {
        let (name, feature) = match self {
            Numbers::Mysql => ("MySQL", "mysql"),
            _ => ("PostgreSQL", "postgres"),
        };
        super::WriteError::Impossible(format!(
            "this build cannot fill {name}: use one built with `--features {feature}`"
        ))
    }
}
