//! What can be done about an error, in a sentence.

use super::shown;
use crate::archive::ArchiveError;
use crate::flow::export::detect;
use crate::flow::import::ImportError;
use crate::flow::import::journal::JournalError;
use crate::flow::merge::{MergeError, ShardError};
use crate::format::layout::MANIFEST;
use crate::lang::session::ExportError;
use crate::model::printable::printable;
use crate::model::uri;
use crate::select::NoMatch;
use std::io;
use std::path::Path;

/// What can be given where no data was found.
pub(super) fn sources_hint(source: &str) -> String {
    if let Some(database) = detect::database_in(source) {
        return format!("it contains a database: give `sqlite:///{}`", database.display());
    }
    if let Some(packed) = detect::packed(Path::new(source)) {
        return unpack_hint(packed);
    }
    if is_host(source) {
        return format!("for a server, give the scheme too: `http://{source}` or `https://{source}`");
    }
    "a source is an mlruns folder, a directory of mlflow-export-import, a database (sqlite:///PATH, \
         postgresql://…) or a server (http://…)"
        .to_owned()
}

pub(super) fn unpack_hint(packed: &str) -> String {
    format!("it is {packed}: unpack it, and give the path of its content")
}

/// Whether a text that leads to no file looks like a server's URL without its scheme.
pub(super) fn is_host(text: &str) -> bool {
    let host = text.split('/').next().unwrap_or_default();
    let (name, port) = host.split_once(':').unwrap_or((host, ""));
    let is_name = !name.is_empty()
        && name
            .chars()
            .all(|next| next.is_ascii_alphanumeric() || matches!(next, '.' | '-'));
    let has_port = !port.is_empty() && port.chars().all(|digit| digit.is_ascii_digit());
    let has_domain = name.contains('.') && !name.starts_with('.') && text.contains('/');
    is_name && (has_port || has_domain && port.is_empty()) && !Path::new(text).exists()
}

/// What can be done about names that are taken, perhaps by deleted experiments.
pub(super) fn conflict_hint(deleted: Option<&str>, is_live: bool) -> String {
    let mut hints = Vec::new();
    if let Some(id) = deleted {
        hints.push(format!(
            "a deleted experiment, which the UI does not show, still has the name: restore it with `mlflow experiments restore --experiment-id {id}`, or remove it for good with `mlflow gc --experiment-ids {id}`"
        ));
    }
    if is_live {
        hints.push("use --on-conflict merge to add to the existing ones".to_owned());
    }
    hints.push("use --on-conflict rename to choose other names".to_owned());
    hints.join("; ")
}

/// Where names of an archive are seen.
pub(super) const IN_ARCHIVE: &str = "`mlark ls ARCHIVE` shows what is there";

/// Where artifacts of an archive are seen.
pub(super) const ARTIFACTS_IN_ARCHIVE: &str = "`mlark ls ARCHIVE artifacts` shows what is there";

/// What can be done about a name that no file can have.
pub(super) const LEAVE_OUT: &str = "use --keep-going to leave it out; mlark then exits with 3";

/// What may have been meant by a name that leads nowhere.
pub(super) fn names_hint(error: &NoMatch, list: &str) -> String {
    match error {
        NoMatch::Nothing { nearest, .. } => nearest_hint(nearest, list),
        NoMatch::Ambiguous { .. } => "give more characters of the id".to_owned(),
    }
}

pub(super) fn nearest_hint(nearest: &[String], list: &str) -> String {
    if nearest.is_empty() {
        return list.to_owned();
    }
    let names: Vec<_> = nearest
        .iter()
        .map(|name| format!("`{}`", printable(name)))
        .collect();
    format!("did you mean {}? {list}", names.join(" or "))
}

/// What can be done about an archive that cannot be read or written.
pub(super) fn archive_hint(error: &ArchiveError) -> Option<String> {
    match error {
        ArchiveError::ForcedBucket { .. } => Some(
            "give another key to -o; a name that ends in .zip makes a single object, which --force can replace".to_owned(),
        ),
        ArchiveError::OutputUnsealed { .. } => Some(
            "if no other process is writing it, run the same command with --cleanup to remove those objects first".to_owned(),
        ),
        ArchiveError::OutputExists { .. } => Some("use --force to replace it".to_owned()),
        ArchiveError::OutputForeign { .. } | ArchiveError::OutputHolds { .. } => {
            Some("give another path to -o, or remove it yourself".to_owned())
        }
        ArchiveError::OutputIsInput { .. } => Some("give another path to -o".to_owned()),
        ArchiveError::Damaged { path, .. } | ArchiveError::DigestMismatch { path, .. } => {
            Some(format!("`mlark verify {}` lists all damage", shown(path)))
        }
        ArchiveError::NotAnArchive { path, .. } if path.join(MANIFEST).exists() => Some(format!(
            "it may be an incomplete copy; `mlark verify {}` lists what is missing",
            shown(path)
        )),
        ArchiveError::NotAnArchive { path, .. } if detect::packed(path).is_some() => {
            detect::packed(path).map(unpack_hint)
        }
        ArchiveError::Io { path, source, .. }
            if source.kind() == io::ErrorKind::NotFound && uri::scheme(&path.to_string_lossy()).is_some() =>
        {
            Some("archives can be read from a disk, or from s3:, gs:, abfss: or wasbs:".to_owned())
        }
        ArchiveError::Io { path, source, .. }
            if source.kind() == io::ErrorKind::NotFound && path.to_str().is_some_and(is_host) =>
        {
            path.to_str().map(sources_hint)
        }
        ArchiveError::NotAnArchive { path, .. } if is_source(path) => Some(format!(
            "it is a source: make an archive of it with `mlark export {} -o history.zip`",
            shown(path)
        )),
        ArchiveError::NotAnArchive { .. } => {
            Some("an archive is a zip or a folder with `mlark.json`, made by `mlark export`".to_owned())
        }
        ArchiveError::Io { source, .. } if is_full(source) => Some(
            "nothing was made; temporary files are next to the output, so give -o a path on another disk; for an output in an object store they are in TMPDIR, so set it to another disk"
                .to_owned(),
        ),
        _ => None,
    }
}

/// Whether `mlark export` would read what lies there.
fn is_source(path: &Path) -> bool {
    path.to_str().is_some_and(|path| detect::kind_of(path).is_ok())
}

fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
    )
}

/// What can be done about an import that failed.
pub(super) fn import_hint(error: &ImportError) -> Option<String> {
    let go_on = "run the same command again to continue";
    match error {
        ImportError::Archive(error) => archive_hint(error),
        ImportError::Client(error) => Some(
            error
                .hint()
                .map_or(go_on.to_owned(), |hint| format!("{hint}; then {go_on}")),
        ),
        ImportError::NoMatch(error) => Some(names_hint(error, IN_ARCHIVE)),
        ImportError::Conflict { deleted, is_live, .. } => {
            Some(conflict_hint(deleted.as_deref(), *is_live))
        }
        ImportError::Denied => Some(format!(
            "ask for the permission, or use another account; then {go_on}"
        )),
        ImportError::OtherObjects { .. } => Some(
            "two sources were read at the same address: give this archive its own origin with --origin NAME, in this import and in every later one"
                .to_owned(),
        ),
        ImportError::TooLong { .. } => {
            Some("use --long-values truncate to cut them, or --long-values skip to leave them out".to_owned())
        }
        ImportError::Gone { .. } => {
            Some("if this is another server at the old URL, give --journal another path".to_owned())
        }
        ImportError::Journal(JournalError::Damaged { .. }) => {
            Some("move the journal away: the next import makes a new one from the marks on the server".to_owned())
        }
        ImportError::Journal(JournalError::OtherImport { .. }) => {
            Some("give --journal another path".to_owned())
        }
        ImportError::Interrupted => Some(go_on.to_owned()),
        _ => None,
    }
}

/// As [`export_hint`], where a source is only looked at.
pub(super) fn look_hint(error: &ExportError) -> Option<String> {
    let hint = match error {
        ExportError::Failure { .. } => "use --keep-going to leave it out and list it",
        ExportError::Archive(ArchiveError::Io { source, .. }) if is_full(source) => {
            "set TMPDIR to a directory on another disk"
        }
        _ => return None,
    };
    Some(hint.to_owned())
}

/// What can be done about an export that failed.
pub(super) fn export_hint(error: &ExportError) -> Option<String> {
    match error {
        ExportError::Archive(error) => archive_hint(error),
        ExportError::Failure { .. } => Some(
            "use --keep-going to leave it out and list it in the archive; mlark then exits with 3".to_owned(),
        ),
        ExportError::NoData { source_uri, .. } => Some(sources_hint(source_uri)),
        ExportError::NoMatch(error) => Some(names_hint(error, "`mlark ls SOURCE` shows what is there")),
        _ => None,
    }
}

/// What can be done about archives that do not go together.
pub(super) fn merge_hint(error: &MergeError) -> Option<String> {
    let hint = match error {
        MergeError::Archive(error) => return archive_hint(error),
        MergeError::Conflict { .. } => "use --prefer first or --prefer newer to choose one side of each",
        MergeError::Shard(error) => shard_hint(error),
        _ => return None,
    };
    Some(hint.to_owned())
}

fn shard_hint(error: &ShardError) -> &'static str {
    match error {
        ShardError::NoShard { .. } => {
            "merge all shards of the export first, then merge the result with the other archive"
        }
        ShardError::Foreign { .. } => {
            "give only the shards of one export; merge those of another export first"
        }
        ShardError::Twice { .. } => "leave out one of the two: the older one if a shard was exported again",
        ShardError::Missing { .. } => {
            "export the missing ones with the same options and --shard N/OF; the others can stay"
        }
    }
}

/// What can be done about a plan of shards.
pub(super) const PLAN_HINT: &str = "make a plan with `mlark plan SOURCE --shards N -o FILE`";
