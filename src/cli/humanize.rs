//! Numbers, sizes and paths for people.

use crate::format::Kind;
pub(super) use crate::model::printable::{counted, grouped};
use crate::report::text::printable;
use std::path::Path;

/// A path for people, on one line.
pub(super) fn shown(path: &Path) -> String {
    printable(&path.to_string_lossy()).into_owned()
}

/// So many objects of a kind.
pub(super) fn counted_kind(count: u64, kind: Kind) -> String {
    counted(count, &kind.name().replace('-', " "))
}

/// How many objects of each kind there are; lines of metrics and artifacts mean nothing to a person.
pub(super) fn counted_kinds(count: impl Fn(Kind) -> u64) -> Vec<String> {
    let is_told = |kind: &&Kind| !matches!(kind, Kind::Metrics | Kind::ModelMetrics | Kind::Artifacts);
    let kinds = Kind::ALL.iter().filter(is_told).filter(|kind| count(**kind) > 0);
    kinds.map(|kind| counted_kind(count(*kind), *kind)).collect()
}

/// So many files of artifacts, of so many bytes.
pub(super) fn counted_artifacts(files: u64, size_bytes: u64) -> String {
    format!("{} ({})", counted(files, "artifacts"), bytes(size_bytes))
}

/// A size in bytes, for people.
pub(super) fn bytes(size_bytes: u64) -> String {
    let mut size = size_bytes as f64;
    for unit in ["B", "kB", "MB", "GB"] {
        if size < 1000.0 {
            let decimals = usize::from(unit != "B");
            return format!("{size:.decimals$} {unit}");
        }
        size /= 1000.0;
    }
    format!("{size:.1} TB")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_made_for_reading() {
        assert_eq!(
            [0, 999, 1000, 1_234_567].map(grouped),
            ["0", "999", "1,000", "1,234,567"]
        );
        assert_eq!(
            [0, 999, 1000, 1_500_000].map(bytes),
            ["0 B", "999 B", "1.0 kB", "1.5 MB"]
        );
    }
}
