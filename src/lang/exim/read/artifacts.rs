//! Artifact trees: every file below a folder, in the archive's order.

use crate::format::Reason;
use crate::lang::artifacts::local_roots::{FolderPlace, LocalRoots, OutsideSource};
use crate::lang::artifacts::walk::{ArtifactWalk, FoundFile};
use std::fs;
use std::io;
use std::path::Path;

/// What lies below an artifact folder of the export, which failures call `shown`; nothing where it is missing. Symbolic links are
/// followed only within the folder.
///
/// # Errors
/// The folder cannot be read, or is a link that leads out of the export.
pub(super) fn files_below(
    roots: &LocalRoots,
    folder: &Path,
    shown: String,
) -> io::Result<impl Iterator<Item = FoundFile>> {
    let root = match roots.own(folder) {
        FolderPlace::Missing => None,
        FolderPlace::Outside(_) => {
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, OutsideSource));
        }
        FolderPlace::Root(root) => {
            fs::read_dir(root.path())?;
            Some(root)
        }
    };
    let walk = root.map(|root| ArtifactWalk::new(root.path(), None));
    Ok(walk
        .into_iter()
        .flatten()
        .map(move |found| as_exported(found, &shown)))
}

/// What cannot be an artifact, by the reasons that directories of mlflow-export-import have for it.
fn as_exported(found: FoundFile, shown: &str) -> FoundFile {
    let FoundFile::Failed(Some(path), reason, detail) = found else {
        return found;
    };
    let (reason, why) = match reason {
        Reason::LinkOutside => (
            Reason::SymlinkOutside,
            "a symbolic link leaves the artifact folder",
        ),
        Reason::LinkLoop => (
            Reason::SymlinkLoop,
            "a symbolic link leads back to a folder above it",
        ),
        Reason::LinkBroken => (Reason::SymlinkBroken, "a symbolic link leads nowhere"),
        Reason::NotAFile => (Reason::SpecialFile, "neither a file nor a folder"),
        reason => return FoundFile::Failed(Some(path), reason, detail),
    };
    let detail = format!("{shown}/{path}: {why}");
    FoundFile::Failed(Some(path), reason, detail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lang::artifacts::local_roots::Door;
    use crate::lang::session::ExportOptions;
    use std::os::unix::fs::symlink;

    fn walk(root: &Path) -> Vec<String> {
        let above = root.parent().expect("a folder above");
        let roots = LocalRoots::new(Door::Tree(above), &ExportOptions::default()).expect("a folder");
        let files = files_below(&roots, root, String::new()).expect("the root can be read");
        let text = |found| match found {
            FoundFile::File(path, at) => format!("{path} {}", fs::metadata(at).expect("a file").len()),
            FoundFile::Failed(path, reason, _) => format!("{} {reason}", path.expect("its name is text")),
            FoundFile::EmptyFolder => "empty".to_owned(),
        };
        files.map(text).collect()
    }

    #[test]
    fn files_come_in_the_order_of_their_paths() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let root = folder.path().join("artifacts");
        fs::create_dir_all(root.join("a/b")).expect("made");
        fs::create_dir_all(root.join("z")).expect("made");
        for path in ["a/b/c", "a.txt", "a/é", "a0"] {
            fs::write(root.join(path), path).expect("written");
        }
        assert_eq!(walk(&root), ["a.txt 5", "a/b/c 5", "a/é 4", "a0 2", "empty"]);
        assert_eq!(walk(&folder.path().join("none")), [""; 0]);
    }

    #[test]
    fn links_are_followed_only_within_the_root() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let root = folder.path().join("artifacts");
        fs::create_dir_all(root.join("a")).expect("made");
        fs::write(folder.path().join("secret"), "s").expect("written");
        fs::write(root.join("a/file"), "inside").expect("written");
        symlink("../secret", root.join("escape")).expect("linked");
        symlink("a/file", root.join("inside")).expect("linked");
        symlink("..", root.join("a/loop")).expect("linked");
        symlink("nowhere", root.join("none")).expect("linked");
        assert_eq!(
            walk(&root),
            [
                "a/file 6",
                "a/loop symlink-loop",
                "escape symlink-outside",
                "inside 6",
                "none symlink-broken"
            ]
        );
    }
}
