//! What can be done about an error, in a sentence.

use crate::flow::export::detect;
use crate::model::printable::printable;
use crate::select::NoMatch;
use std::path::Path;

/// What can be given where no data was found.
pub(super) fn sources_hint(source: &str) -> String {
    if let Some(database) = detect::database_in(source) {
        return format!("there is a database: give `sqlite:///{}`", database.display());
    }
    if let Some(packed) = detect::packed(Path::new(source)) {
        return unpack_hint(packed);
    }
    if is_host(source) {
        return format!("a server is given with its scheme: `http://{source}` or `https://{source}`");
    }
    "a source is an mlruns folder, a folder of mlflow-export-import, a database (sqlite:///PATH, \
         postgresql://…) or a server (http://…)"
        .to_owned()
}

pub(super) fn unpack_hint(packed: &str) -> String {
    format!("it is {packed}: unpack it, and give what was in it")
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
            "a deleted experiment, which the UI does not show, keeps its name: `mlflow experiments restore --experiment-id {id}` brings it back, \
             `mlflow gc --experiment-ids {id}` removes it for good"
        ));
    }
    if is_live {
        hints.push("--on-conflict merge adds to those that are there".to_owned());
    }
    hints.push("--on-conflict rename takes other names".to_owned());
    hints.join("; ")
}

/// Where names of an archive are seen.
pub(super) const IN_ARCHIVE: &str = "`mlark ls ARCHIVE` shows what is there";

/// What may have been meant by a name that leads nowhere.
pub(super) fn names_hint(error: &NoMatch, list: &str) -> String {
    match error {
        NoMatch::Nothing { nearest, .. } => nearest_hint(nearest, list),
        NoMatch::Ambiguous { .. } => "give more of the id".to_owned(),
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
    format!("is it {}? {list}", names.join(" or "))
}
