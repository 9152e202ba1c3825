//! How an archive becomes a store: what `restore` and `migrate` share.

use super::{
    CliError, Exit, Progress, Result, clear_leftovers, counted, counted_artifacts, counted_kind, grouped,
    remove_on_signal, shown,
};
use crate::archive::{Archive, ArchiveError, TemporaryFolder, parent_of, remote};
use crate::flow::restore::{
    DATABASE, EditCount, FillOptions, RestoreError, RestoreOptions, RestoreReport, WriteError, artifacts_of,
    destination, fill, plan, restore,
};
use crate::flow::transform::IntoStore;
use crate::format::Kind;
use clap::ValueEnum;
use std::path::{Path, PathBuf};

/// How a store is made.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct HowArgs {
    /// How the store refers to artifacts: through its server, or as folders on this machine
    #[arg(long, value_enum, value_name = "HOW", default_value = "proxied")]
    artifact_uris: ArtifactUris,
    /// Keep URIs of remote storage (`s3:`, `gs:`, `https:` …) and leave those files where they are
    #[arg(long)]
    keep_uris: bool,
    /// Leaves local URIs below this folder as they are, and their files where they lie; a server shows these files. May be repeated
    #[arg(long, value_name = "DIR")]
    trust_local: Vec<PathBuf>,
    /// Workspace for objects that have none
    #[arg(long, value_name = "NAME")]
    workspace: Option<String>,
    /// What to do with texts that are too long for a column of the database
    #[arg(long, value_enum, value_name = "WHAT", default_value = "fail")]
    long_values: LongValues,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ArtifactUris {
    Proxied,
    Direct,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum LongValues {
    /// Write nothing
    Fail,
    /// Write as much as fits
    Truncate,
}

/// Where a store is made.
#[derive(Debug, Clone)]
pub(super) enum Target {
    /// In a folder of its own.
    Folder(PathBuf),
    /// In a database, with a folder of artifacts.
    Database { uri: String, artifacts: PathBuf },
}

/// Where a store is, and how it is served.
pub(super) struct Place {
    /// For people.
    pub(super) output: String,
    /// URI of the database, with its credentials.
    pub(super) database: String,
    pub(super) artifacts: PathBuf,
}

/// What was made, or would be.
pub(super) struct Made {
    pub(super) place: Place,
    pub(super) report: RestoreReport,
    pub(super) is_made: bool,
}

/// What a restore ends in.
type Restore = std::result::Result<RestoreReport, RestoreError>;

impl Target {
    /// The target that a text names; a database needs a folder of artifacts.
    pub(super) fn of(text: &str, artifacts: Option<PathBuf>) -> Result<Self> {
        let scheme = crate::model::uri::scheme(text);
        let dialect = scheme.and_then(crate::model::uri::dialect);
        match (dialect, scheme) {
            (Some("postgresql" | "mysql" | "sqlite"), _) => match artifacts {
                Some(artifacts) => Ok(Target::Database {
                    uri: text.to_owned(),
                    artifacts,
                }),
                None => Err(CliError::usage(
                    "a database cannot hold artifacts: name a new folder for them with --artifacts-destination DIR",
                )),
            },
            (None, None) if artifacts.is_none() => Ok(Target::Folder(text.into())),
            (None, None) => Err(CliError::usage(
                "--artifacts-destination is only for databases: a restore into a folder makes `artifacts` in it",
            )),
            _ => Err(CliError::usage(format!(
                "a restore fills PostgreSQL (`postgresql://…`), MySQL (`mysql://…`) or SQLite (`sqlite:///…`), but `{}` is none of them",
                crate::model::mask::redact(text)
            ))
            .hint("give the path of a new folder to make a SQLite store")),
        }
    }

    /// What is made on the disk.
    pub(super) fn output(&self) -> &Path {
        match self {
            Target::Folder(folder) => folder,
            Target::Database { artifacts, .. } => artifacts,
        }
    }

    /// A folder for an archive that nobody keeps: beside what is made, so that it can share bytes with it.
    pub(super) fn scratch(&self, is_looked_at: bool) -> Result<TemporaryFolder> {
        let parent = match is_looked_at || remote::is_remote(self.output()) {
            true => std::env::temp_dir(),
            false => parent_of(self.output()),
        };
        std::fs::create_dir_all(&parent).map_err(ArchiveError::io("create directory", &parent))?;
        Ok(TemporaryFolder::create_in(&parent)?)
    }

    pub(super) fn place(&self) -> Result<Place> {
        let absolute = |path: &Path| std::path::absolute(path).map_err(ArchiveError::io("find", path));
        Ok(match self {
            Target::Folder(folder) => Place {
                output: folder.to_string_lossy().into_owned(),
                database: format!("sqlite:///{}", absolute(folder)?.join(DATABASE).display()),
                artifacts: artifacts_of(folder)?,
            },
            Target::Database { uri, artifacts } => Place {
                output: crate::model::mask::redact(uri),
                database: uri.clone(),
                artifacts: destination(artifacts)?,
            },
        })
    }
}

impl HowArgs {
    pub(super) fn options(&self) -> RestoreOptions {
        RestoreOptions {
            direct_uris: self.artifact_uris == ArtifactUris::Direct,
            keep_uris: self.keep_uris,
            workspace: self.workspace.clone(),
            trusted: self.trust_local.clone(),
        }
    }

    /// The edit that changes an archive as the restore does.
    pub(super) fn store_edit(&self, target: &Target) -> Result<IntoStore> {
        let place = target.place()?;
        Ok(match target {
            Target::Folder(_) => self.options().store_edit(&place.artifacts),
            Target::Database { uri, .. } => self.options().database_edit(uri, &place.artifacts)?,
        })
    }

    /// Makes the store; of a dry run, and where a strict one would lose something, only the plan.
    pub(super) fn make(
        &self,
        archive: &Archive,
        target: &Target,
        is_dry: bool,
        is_strict: bool,
    ) -> Result<Made> {
        let place = target.place()?;
        let progress = Progress::new();
        let made = |report, is_made| Made {
            place,
            report,
            is_made,
        };
        if is_dry || is_strict {
            let planned = self.run(archive, target, true, &progress);
            progress.done();
            let planned = planned?;
            if is_dry || !planned.limits.is_empty() {
                return Ok(made(planned, false));
            }
        }
        clear_leftovers(target.output());
        remove_on_signal();
        let report = self.run(archive, target, false, &progress);
        progress.done();
        Ok(made(report?, true))
    }

    fn run(&self, archive: &Archive, target: &Target, is_dry: bool, progress: &Progress) -> Restore {
        match target {
            Target::Folder(folder) if is_dry => plan(archive, folder, &self.options(), progress),
            Target::Folder(folder) => restore(archive, folder, &self.options(), progress),
            Target::Database { uri, artifacts } => {
                let options = FillOptions {
                    store: self.options(),
                    cuts_long_values: self.long_values == LongValues::Truncate,
                    is_dry,
                };
                fill(archive, uri, artifacts, &options, progress)
            }
        }
    }

    /// What a user runs to see the store.
    pub(super) fn serve_command(&self, made: &Made) -> String {
        let database = crate::model::mask::redact(&made.place.database);
        let (database, folder) = (word(Path::new(&database)), word(&made.place.artifacts));
        let artifacts = match self.artifact_uris {
            ArtifactUris::Proxied => format!("--artifacts-destination {folder} --serve-artifacts"),
            ArtifactUris::Direct => format!("--default-artifact-root {folder} --no-serve-artifacts"),
        };
        let workspaces = if made.report.has_workspaces {
            " --enable-workspaces"
        } else {
            ""
        };
        format!("mlflow server --backend-store-uri {database} {artifacts}{workspaces}")
    }
}

/// A word of a shell's command line.
fn word(path: &Path) -> String {
    let text = shown(&crate::platform::typed(path));
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/:._-+=@%,".contains(c);
    if text.chars().all(is_plain) {
        text
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

/// What a store has, in a line.
pub(super) fn contents(report: &RestoreReport) -> String {
    let kinds = Kind::ALL
        .iter()
        .filter(|kind| !matches!(kind, Kind::Metrics | Kind::ModelMetrics));
    let count = |kind: &Kind| {
        report
            .counts
            .get(kind.name())
            .map(|count| counted_kind(*count, *kind))
    };
    let mut words: Vec<String> = kinds.filter_map(count).collect();
    words.push(counted(report.metric_points, "metric points"));
    words.push(counted_artifacts(report.files, report.bytes));
    words.join(", ")
}

/// What was set anew, in a line.
pub(super) fn edit_line(edit: &EditCount) -> String {
    format!(
        "{} {} {}: {}\n",
        grouped(edit.count),
        edit.kind,
        edit.field,
        edit.words()
    )
}

impl From<RestoreError> for CliError {
    fn from(error: RestoreError) -> Self {
        match error {
            RestoreError::Archive(ArchiveError::OutputExists { path }) => {
                let hint = "give -o a folder that does not exist yet";
                CliError::with_exit(ArchiveError::OutputExists { path }, Exit::Usage).hint(hint)
            }
            RestoreError::Archive(error) => error.into(),
            RestoreError::Target { .. } => CliError::with_exit(error, Exit::Target),
            RestoreError::Write(WriteError::TooLong { .. }) => CliError::with_exit(error, Exit::Usage)
                .hint("use --long-values truncate to cut them; with it, --dry-run --json lists them"),
            error => {
                let exit = Exit::of_error(error.kind());
                CliError::with_exit(error, exit)
            }
        }
    }
}
