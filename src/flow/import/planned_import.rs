//! An import that is planned and not yet begun: one part for each workspace of the archive.

use super::Result;
use super::experiments::experiments_of;
use super::options::ImportOptions;
use super::plan::Plan;
use super::report::ImportReport;
use super::workspaces::places;
use crate::archive::Archive;
use crate::client::Client;
use crate::flow::import::workspace_import::WorkspaceImport;
use crate::monitor::Monitor;

/// An import that is planned and not yet begun.
///
/// ```no_run
/// use mlark::Archive;
/// use mlark::client::{Client, Environment};
/// use mlark::flow::import::{ImportOptions, PlannedImport};
/// use mlark::monitor::Silent;
///
/// let archive = Archive::open("history.zip".as_ref())?;
/// let client = Client::open("http://localhost:5000", &Environment::of(&[], None))?;
/// let import = PlannedImport::new(&archive, client, ImportOptions::default())?;
/// for plan in import.plans() {
///     print!("{}", plan.to_text());
/// }
/// let report = import.apply(&Silent)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct PlannedImport {
    pub(crate) parts: Vec<WorkspaceImport>,
    silent: Vec<String>,
}

impl PlannedImport {
    /// Reads the archive, the journals and the target, and plans; nothing is written anywhere.
    ///
    /// # Errors
    /// One of them cannot be read, or what was asked for does not fit.
    pub fn new(archive: &Archive, client: Client, mut options: ImportOptions) -> Result<Self> {
        let experiments = experiments_of(archive)?;
        let silent = super::sought::find(archive, &experiments, &mut options)?;
        let places = places(archive, &experiments, &client, &options.only)?;
        let mut greeted = None;
        let parts = places
            .into_iter()
            .map(|place| WorkspaceImport::new(archive, &experiments, &mut greeted, place, options.clone()));
        Ok(PlannedImport {
            parts: parts.collect::<Result<_>>()?,
            silent,
        })
    }

    /// Options with globs that match nothing in the archive, as they are told.
    pub fn silent(&self) -> &[String] {
        &self.silent
    }

    /// The plans, one for each workspace of the archive; one where it knows none.
    pub fn plans(&self) -> impl Iterator<Item = &Plan> {
        self.parts.iter().map(WorkspaceImport::plan)
    }

    /// Whether the plans can be carried out as asked.
    ///
    /// # Errors
    /// Names are taken or values are too long, and nothing was said about that.
    pub fn check(&self) -> Result<()> {
        self.parts.iter().try_for_each(WorkspaceImport::check)
    }

    /// Carries the plans out; the reports as one.
    ///
    /// # Errors
    /// A plan cannot be carried out, or the import had to stop; running it again goes on.
    pub fn apply(&self, monitor: &dyn Monitor) -> Result<ImportReport> {
        self.check()?;
        let mut whole: Option<ImportReport> = None;
        for part in &self.parts {
            let report = part.apply(monitor)?;
            whole = Some(match whole {
                None => report,
                Some(whole) => whole.joined(report),
            });
        }
        Ok(whole.unwrap_or_default())
    }
}
