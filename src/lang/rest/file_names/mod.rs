//! Paths of files that servers refuse, change, or take and do not list.
//!
//! `measured.tsv` says what real servers made of each character at each position; `scripts/probe-names` wrote it. The rules here
//! are those of the code that was seen to make it so: servers percent-decode a path until nothing changes, and since some version after
//! 2.9 read it as a URL, which loses control characters, a fragment, and the mark of a query or of parameters that are empty.

mod served;

pub use served::{is_taken_for_another, may_be_cut};

use crate::format::Reason;

/// What a server makes of a path that it does not keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathFault {
    /// It takes none such.
    Refused,
    /// It keeps the file under another name, or does not give it out again.
    Changed,
    /// It keeps and gives out the file, and no listing shows it.
    Unlisted,
}

impl PathFault {
    /// The code of the reason.
    pub const fn reason(self) -> Reason {
        match self {
            PathFault::Refused => Reason::PathRefused,
            PathFault::Changed => Reason::PathChangedByServer,
            PathFault::Unlisted => Reason::PathNotListedByServer,
        }
    }
}

/// What becomes of a file's path; `is_url` where the server reads paths as URLs.
pub fn path_fault(path: &str, is_url: bool) -> Option<PathFault> {
    let (folders, name) = path.rsplit_once('/').unwrap_or(("", path));
    let is_no_path = path.split('/').any(|part| matches!(part, "" | "." | ".."));
    if is_no_path
        || path.contains('#')
        || path.contains('\n')
        || is_url && matches!(name, "?" | ";" | "\t" | "\r")
    {
        return Some(PathFault::Refused);
    }
    let is_control = |next: char| next.is_ascii_control();
    // Older servers put the file's own name into a header, which holds a tab but no other control character.
    let loses_control = if is_url {
        path.contains(is_control)
    } else {
        name.contains(|next| is_control(next) && next != '\t')
    };
    if has_escape(path)
        || loses_control
        || is_url && (loses_end(path) || folders.split('/').any(|part| part == ";"))
    {
        return Some(PathFault::Changed);
    }
    let mut ends = path.match_indices('/').map(|(end, _)| &path[..end]);
    (is_url && ends.any(loses_end)).then_some(PathFault::Unlisted)
}

fn has_escape(path: &str) -> bool {
    let is_escape =
        |window: &[u8]| window[0] == b'%' && window[1].is_ascii_hexdigit() && window[2].is_ascii_hexdigit();
    path.as_bytes().windows(3).any(is_escape)
}

/// Whether a path ends in the mark of a query or of parameters, with nothing after it.
fn loses_end(path: &str) -> bool {
    let name = path.rsplit_once('/').map_or(path, |(_, name)| name);
    match (path.find('?'), name.find(';')) {
        (Some(at), _) => at + 1 == path.len(),
        (None, Some(at)) => at + 1 == name.len(),
        (None, None) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lang::rest::keys::takes_alias;
    use crate::lang::rest::limits::Limits;
    use crate::lang::rest::version::Version;

    pub(super) struct Row {
        pub(super) kind: String,
        pub(super) name: String,
        /// By version.
        pub(super) answers: Vec<(Version, String)>,
    }

    /// Every name that was tried for a table.
    pub(super) fn rows_of(table: &str) -> Vec<Row> {
        let mut lines = table.lines().map(|line| line.split('\t').collect::<Vec<_>>());
        let versions: Vec<_> = lines.next().unwrap()[3..]
            .iter()
            .map(|text| Version::parse(text).unwrap())
            .collect();
        let mut rows = Vec::new();
        for cells in lines {
            let texts: Vec<String> = match serde_json::from_str(cells[2]).unwrap() {
                serde_json::Value::String(characters) => characters.chars().map(String::from).collect(),
                texts => serde_json::from_value(texts).unwrap(),
            };
            let answers = cells[3..].iter().map(|answer| (*answer).to_owned());
            rows.extend(texts.into_iter().map(|text| Row {
                kind: cells[0].to_owned(),
                name: cells[1].replace("{}", &text),
                answers: versions.iter().copied().zip(answers.clone()).collect(),
            }));
        }
        rows
    }

    /// Names that servers over SQLite keep, and an import leaves out nevertheless: other databases have shorter columns, and a line end
    /// after a key passes by an oversight that later versions mended.
    fn is_kept_by_chance(kind: &str, name: &str) -> bool {
        name.ends_with('\n')
            || kind == "model" && name.len() > 256
            || kind == "experiment" && name.len() > 256
            || kind == "key" && name.len() > 250
    }

    #[test]
    fn the_rules_say_of_every_name_what_servers_were_seen_to_make_of_it() {
        let mut wrong = Vec::new();
        let rows = rows_of(include_str!("measured.tsv"));
        assert!(rows.len() > 2_500, "{}", rows.len());
        for row in rows {
            for (version, answer) in &row.answers {
                let limits = Limits::of(*version);
                let is_kept = match row.kind.as_str() {
                    "file" | "folder" => match path_fault(&row.name, limits.paths_are_urls) {
                        None => "kept",
                        Some(PathFault::Unlisted) => "unlisted",
                        Some(_) => "not kept",
                    },
                    kind if is_kept_by_chance(kind, &row.name) => continue,
                    "key" if limits.key_fault(&row.name).is_some() => "not kept",
                    "model" if !limits.takes_model_name(&row.name) => "not kept",
                    "experiment" if !limits.takes_experiment_name(&row.name) => "not kept",
                    "alias" if !takes_alias(&row.name) => "not kept",
                    _ => "kept",
                };
                let found = match answer.as_str() {
                    "kept" | "unlisted" => answer.as_str(),
                    _ => "not kept",
                };
                if is_kept != found {
                    wrong.push(format!(
                        "{} {:?} on {version}: {answer}, the rules say {is_kept}",
                        row.kind, row.name
                    ));
                }
            }
        }
        assert!(wrong.is_empty(), "{} of them:\n{}", wrong.len(), wrong.join("\n"));
    }

    #[test]
    fn a_path_that_does_not_arrive_has_a_reason() {
        for (path, fault) in [
            ("a#b", PathFault::Refused),
            ("../a", PathFault::Refused),
            ("a%2Fb", PathFault::Changed),
            ("file?", PathFault::Changed),
            ("file;", PathFault::Changed),
            ("x?/MLmodel", PathFault::Unlisted),
            ("x;/a?b", PathFault::Unlisted),
        ] {
            assert_eq!(path_fault(path, true), Some(fault), "{path}");
        }
        assert_eq!(path_fault("x?/MLmodel", false), None);
    }
}
