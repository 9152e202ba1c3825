//! Which URIs of an archive a target may have.
//!
//! Those that name an object of the store (`runs:/…`, `models:/…`) stay, and, where the user says so, those of remote storage.
//! Every other becomes its owner's place, whatever it names.

use crate::model::uri::percent_decode;

/// Schemes of remote storage.
const REMOTE: [&str; 14] = [
    "s3", "r2", "b2", "gs", "wasbs", "abfss", "dbfs", "hdfs", "viewfs", "ftp", "sftp", "http", "https", "oss",
];
/// How often a percent escape may be escaped itself; servers decode ten times.
const MOST_ESCAPES: usize = 12;

/// Whether a URI names remote storage, and no more than that.
pub(crate) fn is_remote(uri: &str) -> bool {
    let Some((scheme, rest)) = uri.split_once("://") else {
        // Databricks' own file system is named without a host.
        return uri.strip_prefix("dbfs:/").is_some_and(is_plain_path);
    };
    REMOTE.contains(&scheme) && is_plain_path(rest)
}

/// Whether a URI names a place of the server's own artifacts, and no more than that.
pub(crate) fn is_proxied(uri: &str) -> bool {
    let path = uri.strip_prefix("mlflow-artifacts:/");
    path.is_some_and(|path| is_plain_path(path.trim_start_matches('/')))
}

/// Whether a URI names an object of the store by its id or name, and perhaps a file of it.
pub(crate) fn names_an_object(uri: &str) -> bool {
    let rest = uri
        .strip_prefix("runs:/")
        .or_else(|| uri.strip_prefix("models:/"));
    rest.is_some_and(is_plain_path)
}

/// The path that a URI of this machine names, decoded, where it is absolute and plain.
fn local_path(uri: &str) -> Option<String> {
    let path = uri.strip_prefix("file://").unwrap_or(uri);
    let below = path.strip_prefix('/').filter(|below| is_plain_path(below))?;
    if path == uri {
        return Some(format!("/{below}"));
    }
    percent_decode(below).map(|below| format!("/{below}"))
}

/// The path of a folder that a user trusts, which is not the whole machine.
pub(crate) fn trusted_folder(uri: &str) -> Option<String> {
    let path = local_path(uri.trim_end_matches('/')).filter(|_| uri.starts_with("file:///"))?;
    Some(path)
}

/// Whether a URI names what lies below a folder, or the folder, and can be read in no other way.
pub(crate) fn is_below(uri: &str, folder: &str) -> bool {
    let path = local_path(uri.trim_end_matches('/'));
    let rest = path.as_deref().and_then(|path| path.strip_prefix(folder));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Whether a path leads down alone, however often a server decodes it.
pub(crate) fn is_plain_path(path: &str) -> bool {
    let mut text = path.to_owned();
    for _ in 0..MOST_ESCAPES {
        let is_odd = |c: char| c.is_control() || matches!(c, '\\' | '#' | '?');
        if text.is_empty() || text.starts_with('/') || text.contains(is_odd) || text.split('/').any(leads_up)
        {
            return false;
        }
        match percent_decode(&text) {
            Some(decoded) if decoded == text => return true,
            Some(decoded) => text = decoded,
            None => return false,
        }
    }
    false
}

fn leads_up(name: &str) -> bool {
    matches!(name.trim(), "." | "..")
}

/// What stands in a URI behind the root of an owner, without slashes around it; none where it lies elsewhere.
pub(crate) fn below<'u>(uri: &'u str, root: &str) -> Option<&'u str> {
    let root = root.trim_end_matches('/');
    let rest = uri.strip_prefix(root).filter(|_| !root.is_empty())?;
    match rest.strip_prefix('/') {
        None => rest.is_empty().then_some(""),
        Some(path) => Some(path.trim_end_matches('/')).filter(|path| path.is_empty() || is_plain_path(path)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_names_this_machine_in_any_spelling_is_not_remote() {
        for uri in [
            "/etc",
            "etc",
            "",
            "file:///etc",
            "FILE:///etc",
            "file:etc",
            "file://host/etc",
            "mlflow-artifacts:/../../etc",
            "mlflow-artifacts://h/x",
            "S3://b/x",
            "s3:/etc",
            "s3:///etc",
            "s3://b/../x",
            "s3://b/%2e%2e/x",
            "s3://b/%25252e%25252E/x",
            "s3://b/x#y",
            "s3://b\\x",
            "sqlite:///x",
            "dbfs:/../etc",
            " s3://b/x",
        ] {
            assert!(!is_remote(uri), "{uri}");
        }
        for uri in [
            "s3://b/x",
            "dbfs:/databricks/x",
            "https://h/x",
            "abfss://c@a.dfs.core.windows.net/x",
        ] {
            assert!(is_remote(uri), "{uri}");
        }
    }

    #[test]
    fn what_a_user_trusts_is_below_one_folder_and_plain() {
        let folder = trusted_folder("file:///data/m%20l/").unwrap();
        assert_eq!(folder, "/data/m l");
        for uri in ["file:///data/m%20l/1", "/data/m l", "file:///data/m l/a/b/"] {
            assert!(is_below(uri, &folder), "{uri}");
        }
        for uri in [
            "/data/m l2",
            "/data/m l/../x",
            "file:///data/m%20l/%2e%2e/x",
            "file:///data/m%20l/%252e%252e/x",
            "file:/data/m l/1",
            "FILE:///data/m l/1",
            "file://host/data/m l/1",
            "//data/m l/1",
            "data/m l/1",
            "s3://data/m l/1",
        ] {
            assert!(!is_below(uri, &folder), "{uri}");
        }
        for uri in [
            "file:///",
            "/data",
            "file:///a/../b",
            "s3://b",
            "file:///a/%2e%2e",
        ] {
            assert_eq!(trusted_folder(uri), None, "{uri}");
        }
    }

    #[test]
    fn objects_of_the_store_are_named_by_plain_paths() {
        for uri in [
            "runs:/r1/model",
            "models:/m-1",
            "models:/wine/3",
            "models:/wine@best",
        ] {
            assert!(names_an_object(uri), "{uri}");
        }
        for uri in [
            "runs:/",
            "runs://p@databricks/r1/model",
            "runs:/r1/../../etc",
            "runs:/r1/%2E%2e/x",
            "models:/m-1/..",
            "models:/m-1/.. /x",
            "RUNS:/r1/x",
            "runs:/r1/a\nb",
        ] {
            assert!(!names_an_object(uri), "{uri}");
        }
    }

    #[test]
    fn what_lies_below_a_root_is_found_and_nothing_beside_it() {
        assert_eq!(below("file:///a/b/model", "file:///a/b/"), Some("model"));
        assert_eq!(below("s3://b/x", "s3://b/x"), Some(""));
        for uri in [
            "file:///a/bc",
            "file:///a/b/../c",
            "file:///a/b/%2e%2e/c",
            "file:///a",
        ] {
            assert_eq!(below(uri, "file:///a/b"), None, "{uri}");
        }
        assert_eq!(below("/etc/passwd", ""), None);
    }
}
