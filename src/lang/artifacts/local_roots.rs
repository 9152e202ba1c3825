//! Which folders of this machine a source may read artifacts from: the one place that decides it.
//!
//! What a source says of places (an `artifact_uri`, a tag, a symbolic link) is input, and input decides no folder. Read are
//!
//! 1. the source's own tree;
//! 2. what the user named: `--artifacts-destination`, `--artifacts-under`;
//! 3. of trees and databases of this machine, a folder that is MLflow's own for the owner: it ends in `<run id>/artifacts`,
//!    `models/<model id>/artifacts` or `traces/<trace id>/artifacts`, and the id is one that MLflow makes.
//!
//! All of that counts after links are resolved. An [`ArtifactRoot`] is made here alone, and is the only thing that is walked.

use crate::archive::{Owner, open_input};
use crate::format::{Kind, Reason};
use crate::lang::artifacts::walk::served_path;
use crate::lang::session::{ExportError, ExportOptions};
use crate::model::OwnerKind;
use crate::model::uri::local_path;
use std::io;
use std::path::{Path, PathBuf};

/// A folder of artifacts that may be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ArtifactRoot {
    path: PathBuf,
}

impl ArtifactRoot {
    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

/// Whose artifacts are looked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OwnerRef<'a> {
    pub(crate) kind: OwnerKind,
    pub(crate) id: &'a str,
}

impl<'a> From<&'a Owner> for OwnerRef<'a> {
    fn from(owner: &'a Owner) -> Self {
        OwnerRef {
            kind: owner.kind,
            id: &owner.id,
        }
    }
}

/// Whether a symbolic link that was found below a folder leads to what may be read: into that folder, whose links are
/// resolved in `real_root`, or into what the roots hold.
pub(super) fn link_leads_inside(link: &Path, real_root: Option<&Path>, roots: Option<&LocalRoots>) -> bool {
    link.canonicalize().is_ok_and(|target| {
        real_root.is_some_and(|root| target.starts_with(root))
            || roots.is_some_and(|roots| roots.holds(&target))
    })
}

/// What is at a path.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum FolderPlace {
    /// A folder that may be read.
    Root(ArtifactRoot),
    /// No folder.
    Missing,
    /// A folder that may not be read unless it is named.
    Outside(PathBuf),
}

impl FolderPlace {
    /// This, or something else where there is nothing.
    pub(crate) fn or_else(self, other: impl FnOnce() -> Self) -> Self {
        match self {
            FolderPlace::Missing => other(),
            found => found,
        }
    }
}

/// What a source is, as far as it decides what may be read.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Door<'a> {
    /// A tree of folders.
    Tree(&'a Path),
    /// A database, which has no tree of its own.
    Database,
    /// A server, whose paths are those of another machine, whatever its address says.
    Server,
}

/// The folders that may be read.
#[derive(Debug, Clone, Default)]
pub(crate) struct LocalRoots {
    /// The source's own tree and the folders that were named, links resolved.
    trusted: Vec<PathBuf>,
    /// What `--artifacts-destination` names, where that is a folder.
    destination: Option<PathBuf>,
    takes_mlflow_folders: bool,
}

impl LocalRoots {
    /// What may be read of a source.
    ///
    /// # Errors
    /// The source's tree, or a folder that was named, is no folder.
    pub(crate) fn new(door: Door<'_>, options: &ExportOptions) -> Result<Self, ExportError> {
        let destination = options.artifacts_destination.as_ref();
        let destination = destination.filter(|path| path.to_str().and_then(local_path).is_some());
        let mut trusted = Vec::new();
        if let Door::Tree(tree) = door {
            let real = tree
                .canonicalize()
                .map_err(|error| ExportError::unreadable(tree.display().to_string(), error.to_string()));
            trusted.push(real?);
        }
        let under = options
            .artifacts_under
            .iter()
            .map(|path| ("artifacts-under", path));
        let named = destination.map(|path| ("artifacts-destination", path));
        for (option, path) in named.into_iter().chain(under) {
            let real = path.canonicalize().ok().filter(|real| real.is_dir());
            trusted.push(real.ok_or_else(|| ExportError::NoFolder {
                option,
                path: path.clone(),
            })?);
        }
        Ok(LocalRoots {
            trusted,
            destination: destination.cloned(),
            takes_mlflow_folders: !matches!(door, Door::Server) && !options.is_from_elsewhere,
        })
    }

    /// Whether the paths that the source states are of this machine.
    pub(crate) fn takes_mlflow_folders(&self) -> bool {
        self.takes_mlflow_folders
    }

    /// A folder that the listing of the source's own tree found, links out of it refused.
    pub(crate) fn listed(path: &Path) -> ArtifactRoot {
        ArtifactRoot {
            path: path.to_owned(),
        }
    }

    /// What is at a place that the layout of the source's own tree tells: a link out of the tree is refused.
    pub(crate) fn own(&self, path: &Path) -> FolderPlace {
        self.look(path, |_| false)
    }

    /// What is at a path that the source states for an owner.
    pub(crate) fn stated(&self, path: &Path, owner: OwnerRef<'_>) -> FolderPlace {
        self.look(path, |real| {
            self.takes_mlflow_folders && is_mlflow_folder(real, owner)
        })
    }

    /// What is behind an `mlflow-artifacts:` URI in the named destination; none where none is named or the URI is another.
    pub(crate) fn served(&self, uri: &str, owner: OwnerRef<'_>) -> FolderPlace {
        let path = served_path(uri);
        match self.destination.as_ref().zip(path) {
            Some((destination, path)) => self.stated(&destination.join(path), owner),
            None => FolderPlace::Missing,
        }
    }

    /// Whether something lies in the source's tree or in what was named, links resolved.
    pub(crate) fn holds(&self, real: &Path) -> bool {
        self.trusted.iter().any(|root| real.starts_with(root))
    }

    /// A file of an artifact root, unless it is a link that leads out of that and of all that may be read.
    pub(crate) fn file_in(&self, root: &ArtifactRoot, name: &str) -> Option<PathBuf> {
        let path = root.path.join(name);
        let real = path.canonicalize().ok().filter(|real| real.is_file())?;
        let is_inside = || Some(real.starts_with(root.path.canonicalize().ok()?));
        (self.holds(&real) || is_inside()?).then_some(path)
    }

    /// Opens a file of the source's own tree; one that a link leads out of it is refused.
    ///
    /// # Errors
    /// It is refused, or the file system says no.
    pub(crate) fn open(&self, path: &Path) -> io::Result<std::fs::File> {
        open_input(&self.resolve(path)?)
    }

    /// What a path of the source's own tree leads to, links resolved; refused where that may not be read.
    ///
    /// # Errors
    /// As [`LocalRoots::open`].
    pub(crate) fn resolve(&self, path: &Path) -> io::Result<PathBuf> {
        let real = path.canonicalize()?;
        if self.holds(&real) {
            Ok(real)
        } else {
            Err(io::Error::new(io::ErrorKind::PermissionDenied, OutsideSource))
        }
    }

    fn look(&self, path: &Path, is_allowed: impl Fn(&Path) -> bool) -> FolderPlace {
        let Some(real) = path.canonicalize().ok().filter(|real| real.is_dir()) else {
            return FolderPlace::Missing;
        };
        if self.holds(&real) || is_allowed(&real) {
            FolderPlace::Root(ArtifactRoot { path: real })
        } else {
            FolderPlace::Outside(path.to_owned())
        }
    }
}

/// Why a file is not opened.
#[derive(Debug, thiserror::Error)]
#[error("{}", OutsideSource::WHY)]
pub(crate) struct OutsideSource;

impl OutsideSource {
    /// What is said of it.
    pub(crate) const WHY: &str = "it is a symbolic link that leads out of the source; to read it, name its target with --artifacts-under";

    /// Stable code of the failure of a file that was not read.
    pub(crate) fn reason(error: &io::Error) -> Reason {
        if Self::is_cause(error) {
            Reason::OutsideSource
        } else {
            Reason::Unreadable
        }
    }

    /// Whether this is why a file was not opened.
    pub(crate) fn is_cause(error: &io::Error) -> bool {
        error.get_ref().is_some_and(|cause| cause.is::<OutsideSource>())
    }
}

/// What is said of a folder that is refused, and what can be done.
pub(crate) fn refusal(path: &Path, owner: OwnerRef<'_>) -> String {
    let what = match path.canonicalize() {
        Ok(real) if real != path => format!("{}, which leads to {},", path.display(), real.display()),
        _ => path.display().to_string(),
    };
    format!(
        "{what} is outside the source and is not read for {} `{}`; to read it, name it or a folder above it with --artifacts-under",
        owner.kind.as_str(),
        owner.id
    )
}

impl crate::lang::session::Export<'_> {
    /// Reports a folder that may not be read.
    ///
    /// # Errors
    /// As [`crate::lang::session::Export::failure`].
    pub(crate) fn outside_source(&mut self, path: &Path, owner: OwnerRef<'_>) -> Result<(), ExportError> {
        self.failure(
            Kind::Artifacts,
            owner.id,
            "*",
            Reason::OutsideSource,
            &refusal(path, owner),
        )
    }
}

/// Whether MLflow itself makes such a folder for an owner.
fn is_mlflow_folder(real: &Path, owner: OwnerRef<'_>) -> bool {
    let parent = match owner.kind {
        OwnerKind::Run => "",
        OwnerKind::LoggedModel => "models",
        OwnerKind::Trace => "traces",
        OwnerKind::ModelVersion => return false,
    };
    is_mlflow_id(owner.id) && real.ends_with(Path::new(parent).join(owner.id).join("artifacts"))
}

/// Whether an id is one that MLflow makes: a UUID's 32 digits, after `m-` or `tr-` where it is a model's or a trace's. The name of a
/// folder that is there anyhow is none.
fn is_mlflow_id(id: &str) -> bool {
    let digits = id.strip_prefix("m-").or_else(|| id.strip_prefix("tr-"));
    let digits = digits.unwrap_or(id);
    digits.len() == 32 && digits.bytes().all(|digit| digit.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    const ID: &str = "0123456789abcdef0123456789abcdef";

    #[test]
    fn a_folder_of_mlflows_own_ends_in_an_id_that_mlflow_makes() {
        for (path, kind, id, expected) in [
            (format!("/data/{ID}/artifacts"), OwnerKind::Run, ID, true),
            (format!("/data/{ID}"), OwnerKind::Run, ID, false),
            (format!("/data/x{ID}/artifacts"), OwnerKind::Run, ID, false),
            (
                format!("/d/models/m-{ID}/artifacts"),
                OwnerKind::LoggedModel,
                &*format!("m-{ID}"),
                true,
            ),
            (
                format!("/d/m-{ID}/artifacts"),
                OwnerKind::LoggedModel,
                &*format!("m-{ID}"),
                false,
            ),
            (
                format!("/d/traces/tr-{ID}/artifacts"),
                OwnerKind::Trace,
                &*format!("tr-{ID}"),
                true,
            ),
            (
                "/home/secret/artifacts".to_owned(),
                OwnerKind::Run,
                "secret",
                false,
            ),
            ("/home/artifacts".to_owned(), OwnerKind::Run, "..", false),
            (
                format!("/data/{ID}/artifacts"),
                OwnerKind::ModelVersion,
                ID,
                false,
            ),
        ] {
            assert_eq!(
                is_mlflow_folder(Path::new(&path), OwnerRef { kind, id }),
                expected,
                "{path}"
            );
        }
    }

    #[test]
    fn links_are_resolved_before_a_folder_is_judged() {
        let directory = tempfile::tempdir().unwrap();
        let directory = directory.path().canonicalize().unwrap();
        let (tree, secret) = (directory.join("tree"), directory.join("secret"));
        fs::create_dir_all(tree.join("inside")).unwrap();
        fs::create_dir_all(&secret).unwrap();
        fs::create_dir_all(directory.join(ID)).unwrap();
        symlink(&secret, directory.join(ID).join("artifacts")).unwrap();
        symlink(&secret, tree.join("out")).unwrap();
        let owner = OwnerRef {
            kind: OwnerKind::Run,
            id: ID,
        };
        let roots = LocalRoots::new(Door::Tree(&tree), &ExportOptions::default()).unwrap();
        let disguised = directory.join(ID).join("artifacts");
        assert_eq!(
            roots.stated(&disguised, owner),
            FolderPlace::Outside(disguised.clone())
        );
        let out = tree.join("out");
        assert_eq!(roots.own(&out), FolderPlace::Outside(out.clone()));
        assert_eq!(
            roots.own(&tree.join("inside")),
            FolderPlace::Root(ArtifactRoot {
                path: tree.join("inside")
            })
        );
        assert_eq!(roots.own(&tree.join("none")), FolderPlace::Missing);
        assert!(roots.open(&out).is_err());
        let named = ExportOptions {
            artifacts_under: vec![secret.clone()],
            ..ExportOptions::default()
        };
        let roots = LocalRoots::new(Door::Server, &named).unwrap();
        assert_eq!(
            roots.stated(&disguised, owner),
            FolderPlace::Root(ArtifactRoot { path: secret })
        );
        let wrong = ExportOptions {
            artifacts_under: vec![tree.join("none")],
            ..ExportOptions::default()
        };
        assert!(LocalRoots::new(Door::Server, &wrong).is_err());
    }
}
