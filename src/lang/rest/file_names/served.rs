//! Paths of files and folders for which servers give something else, or nothing.
//!
//! `served.tsv` says what real servers gave of each name on their disk; `scripts/probe-names` wrote it. The routes of runs and models read
//! a path from its start as a URL, so that a scheme and a space before it count; behind the proxy another path comes before it.

use super::loses_end;
use crate::model::uri::percent_decode;

/// Whether a server may give another file, or list another folder, than the one of this path, or fails at it; `is_url` where it reads paths as
/// URLs, `is_whole` where nothing comes before the path.
pub fn is_taken_for_another(path: &str, is_url: bool, is_whole: bool) -> bool {
    let is_decoded = percent_decode(path).is_none_or(|decoded| decoded != path);
    let scheme = path.split_once(':').map(|(scheme, _)| scheme);
    let is_file_uri = is_whole && scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case("file"));
    let mut prefixes = path.match_indices('/').map(|(end, _)| &path[..end]).chain([path]);
    let is_cut = path.contains(|next: char| next.is_ascii_control())
        || is_whole && path.starts_with(' ')
        || prefixes.any(|prefix| prefix.ends_with('#') || loses_end(prefix));
    // Older servers fail at such a name of a file, after which asking again is of no use.
    let name = path.rsplit_once('/').map_or(path, |(_, name)| name);
    let breaks_header = name.contains(|next: char| next.is_ascii_control() && next != '\t');
    is_decoded || is_file_uri || if is_url { is_cut } else { breaks_header }
}

/// Whether an empty listing of a folder proves nothing: of such names servers lose a part, for they take them for URLs with a drive,
/// parameters, a query or a fragment, and for ones with escapes.
pub fn may_be_cut(folder: &str) -> bool {
    folder.contains(['?', ';', '#', '%', ':']) || folder.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Row, rows_of};
    use super::*;
    use crate::lang::rest::limits::Limits;

    /// Why the rules are wrong about a name, if they are.
    fn wrong(row: &Row, is_url: bool, answer: &str) -> Option<&'static str> {
        let is_feared = is_taken_for_another(&row.name, is_url, row.kind != "proxy");
        let mut folders = row.name.match_indices('/').map(|(end, _)| &row.name[..end]);
        match answer {
            "given" => is_feared.then_some("it comes, and is not asked for"),
            "other" => (!is_feared).then_some("another comes, and is taken for it"),
            "unlisted" => {
                (!is_feared && !folders.any(may_be_cut)).then_some("its folder passes for an empty one")
            }
            // A refusal names the file by itself.
            "refused" | "-" => None,
            answer => panic!("no answer is `{answer}`"),
        }
    }

    #[test]
    fn no_name_that_servers_were_seen_to_take_for_another_is_believed() {
        let rows = rows_of(include_str!("served.tsv"));
        assert!(rows.len() > 5_000, "{}", rows.len());
        let mut found = Vec::new();
        for row in &rows {
            for (version, answer) in &row.answers {
                let why = wrong(row, Limits::of(*version).paths_are_urls, answer);
                found.extend(why.map(|why| format!("{} {:?} on {version}: {why}", row.kind, row.name)));
            }
        }
        assert!(found.is_empty(), "{} of them:\n{}", found.len(), found.join("\n"));
    }

    #[test]
    fn names_with_escapes_are_not_asked_for() {
        for (path, expected) in [
            ("a b/ü?", false),
            ("50%", false),
            ("a%20b", true),
            ("%zz", false),
            ("%ff", true),
        ] {
            assert_eq!(is_taken_for_another(path, false, false), expected, "{path}");
        }
    }
}
