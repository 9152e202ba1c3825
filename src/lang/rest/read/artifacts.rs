//! Artifacts: listed through whatever route leads to them, read when their turn comes.
//!
//! | root | route |
//! |---|---|
//! | a local path below `--artifacts-under`, or a served one below `--artifacts-destination` | the disk |
//! | `mlflow-artifacts:/…` | `api/2.0/mlflow-artifacts/artifacts` |
//! | a run's, any other scheme | `artifacts/list` and `get-artifact`: the server reads for us |
//! | a logged model's, any other scheme | `logged-models/<id>/artifacts/directories` and the UI's route of files |

use super::fields::Fields;
use super::server::{Server, told};
use crate::archive::{ByteSource, OpenFn};
use crate::client::{ClientError, Download, ENTRIES};
use crate::format::Reason;
use crate::lang::artifacts::local_roots::{ArtifactRoot, FolderPlace, OwnerRef};
use crate::lang::rest::file_names::{is_taken_for_another, may_be_cut};
use crate::lang::rest::limits::Limits;
use crate::lang::rest::resume::{Key, file_part};
use crate::lang::rest::routes::{self, Call};
use crate::lang::rest::version::Version;
use crate::model::OwnerKind;
use crate::model::uri::local_path;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashSet};
use std::io::{self, Read};
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;

/// Deepest folder that is looked into.
const DEPTH: usize = 64;

/// One artifact that a server lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Listed {
    /// Path below the owner's root.
    pub(super) path: String,
    /// Size, where the server says it.
    pub(super) size_bytes: Option<u64>,
    /// Why it cannot be read, known beforehand.
    pub(super) problem: Option<Reason>,
    /// Whether it is a folder, whose content the server does not list.
    pub(super) is_folder: bool,
}

/// A file or folder as a listing tells it.
struct Entry {
    path: String,
    is_folder: bool,
    size_bytes: Option<u64>,
}

/// Where an owner's artifacts are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Route {
    /// A folder of this machine that the user named.
    Local(ArtifactRoot),
    /// A folder of this machine that no route leads to, and that the user did not name.
    Outside(PathBuf),
    /// The proxy, below this path; the owner's own routes where the proxy fails.
    Proxy(String, Box<Route>),
    /// The routes of runs.
    Run(String),
    /// The routes of logged models.
    LoggedModel(String),
    /// No route leads there.
    None,
}

impl Route {
    /// The route to an owner's artifacts.
    pub(super) fn of(server: &Server, kind: OwnerKind, id: &str, uri: Option<&str>) -> Self {
        let place = uri.map_or(FolderPlace::Missing, |uri| {
            local_place(server, uri, OwnerRef { kind, id })
        });
        let own = match (kind, place) {
            (_, FolderPlace::Root(folder)) => return Route::Local(folder),
            (OwnerKind::Run, _) => Route::Run(id.to_owned()),
            (OwnerKind::LoggedModel, _) => Route::LoggedModel(id.to_owned()),
            (OwnerKind::ModelVersion | OwnerKind::Trace, FolderPlace::Outside(folder)) => {
                Route::Outside(folder)
            }
            (OwnerKind::ModelVersion | OwnerKind::Trace, FolderPlace::Missing) => Route::None,
        };
        match uri.and_then(|uri| proxied_path(server, uri)) {
            Some(path) => Route::Proxy(path, Box::new(own)),
            None => own,
        }
    }

    /// Every file below the root of an owner, ordered by path bytes, and the number of empty folders.
    pub(super) fn list(&self, server: &Server, owner: &Key) -> Result<(Vec<Listed>, u64), String> {
        let listing = match self {
            Route::None | Route::Local(_) | Route::Outside(_) => Listing::default(),
            _ => server.kept.answer(owner, "artifacts", || {
                let mut listing = Listing::default();
                self.list_folder(server, "", 0, &mut listing)?;
                Ok::<_, String>(listing)
            })?,
        };
        let files = listing.files.into_iter().map(|(path, size_bytes)| Listed {
            problem: self.may_confuse(server, &path).then_some(Reason::NameNotServed),
            path,
            size_bytes,
            is_folder: false,
        });
        let folders = listing.unlisted_folders.into_iter().map(|path| Listed {
            problem: Some(Reason::NameNotServed),
            path,
            size_bytes: None,
            is_folder: true,
        });
        Ok((files.chain(folders).collect(), listing.empty_folders))
    }

    /// Whether the server may give something else for a path.
    fn may_confuse(&self, server: &Server, path: &str) -> bool {
        let version = server.version.as_deref().and_then(Version::parse);
        // Who does not tell a version is feared to be a newer one.
        let is_url = version.is_none_or(|version| Limits::of(version).paths_are_urls);
        is_taken_for_another(path, is_url, !matches!(self, Route::Proxy(..)))
    }

    fn list_folder(
        &self,
        server: &Server,
        folder: &str,
        depth: usize,
        listing: &mut Listing,
    ) -> Result<(), String> {
        if depth > DEPTH {
            return Err(format!("`{folder}` is more than {DEPTH} folders deep"));
        }
        let mut entries = match self.entries(server, folder) {
            // One name that the server does not read costs no other file of the owner.
            Err(error) if depth > 0 && error.is_refused() && may_be_cut(folder) => {
                listing.unlisted_folders.push(folder.to_owned());
                return Ok(());
            }
            answer => answer.map_err(|error| told(&error))?,
        };
        if entries.is_empty() && depth > 0 {
            // An empty listing is believed where nothing speaks against it.
            if let Route::Proxy(_, own) = self
                && !own.may_confuse(server, folder)
            {
                entries = own.entries(server, folder).unwrap_or_default();
            }
        }
        if listing.files.len() + listing.folders.len() + entries.len() > ENTRIES {
            return Err(format!("the server lists more than {ENTRIES} files and folders"));
        }
        if entries.is_empty() && depth > 0 {
            if may_be_cut(folder) {
                listing.unlisted_folders.push(folder.to_owned())
            } else {
                listing.empty_folders += 1
            }
        }
        for Entry {
            path,
            is_folder,
            size_bytes,
        } in entries
        {
            let is_below = path
                .strip_prefix(folder)
                .is_some_and(|rest| folder.is_empty() || rest.starts_with('/'));
            if !is_below || path.split('/').any(|part| matches!(part, "" | "." | "..")) {
                return Err(format!("the server lists `{path}` in folder `{folder}`"));
            }
            if is_folder && self.may_confuse(server, &path) {
                listing.unlisted_folders.push(path);
            } else if is_folder {
                if listing.folders.insert(path.clone(), ()).is_none() {
                    self.list_folder(server, &path, depth + 1, listing)?;
                }
            } else {
                listing.files.insert(path, size_bytes);
            }
        }
        Ok(())
    }

    fn entries(&self, server: &Server, folder: &str) -> Result<Vec<Entry>, ClientError> {
        let mut entries = Vec::new();
        let mut seen = HashSet::new();
        let Some((call, mut asked)) = self.listing(server, folder) else {
            return Ok(entries);
        };
        let mut walk = call.walk();
        loop {
            asked["page_token"] = walk.token().into();
            let page = call.rows(call.with(&server.client, &asked).parse()?)?;
            let before = entries.len();
            for row in page.rows {
                let mut fields = Fields::of(row);
                let name = fields.named("path")?;
                // The proxy gives names, the other routes paths from the root on.
                let path = match self {
                    Route::Proxy(..) if !folder.is_empty() => format!("{folder}/{name}"),
                    _ => name,
                };
                if seen.insert(path.clone()) {
                    entries.push(Entry {
                        path,
                        is_folder: fields.bool("is_dir") == Some(true),
                        size_bytes: fields.int("file_size").and_then(|size| u64::try_from(size).ok()),
                    });
                }
            }
            let new_rows = entries.len() - before;
            if !walk.advance(page.next, new_rows)? {
                return Ok(entries);
            }
        }
    }

    /// The call that lists a folder, and what it asks.
    fn listing(&self, server: &Server, folder: &str) -> Option<(Call, Value)> {
        let below = (!folder.is_empty()).then_some(folder);
        Some(match self {
            Route::Proxy(root, _) => {
                let call = server.proxy(routes::PROXIED_FILES);
                (call, json!({"path": joined(root, folder)}))
            }
            Route::Run(run_id) => {
                let call = Call::from(routes::RUN_FILES);
                (call, json!({"run_id": run_id, "path": below}))
            }
            Route::LoggedModel(model_id) => {
                let call = routes::LOGGED_MODEL_FILES.of(model_id);
                (call, json!({"artifact_directory_path": below}))
            }
            Route::None | Route::Local(_) | Route::Outside(_) => return None,
        })
    }

    /// The bytes of an owner's file, asked for when they are read.
    pub(super) fn open(&self, server: &Arc<Server>, owner: &Key, file: &Listed) -> ByteSource {
        let part = file_part(&file.path, file.size_bytes);
        let kept = server.kept.clone();
        let (route, server, file) = (self.clone(), server.clone(), file.clone());
        let open: OpenFn = Box::new(move || {
            let download = route.download(&server, &file.path)?;
            let expected = file.size_bytes;
            Ok(Box::new(Sized {
                inner: download,
                expected,
                read_bytes: 0,
            }) as Box<dyn Read + Send>)
        });
        kept.file(owner, &part, open)
    }

    /// The bytes as the server sends them or, where it refuses to, as the storage behind it does.
    fn download(&self, server: &Server, path: &str) -> Result<Download, ClientError> {
        if server.is_presigned_only() {
            return self.download_presigned(server, path);
        }
        self.download_sent(server, path)
            .or_else(|refused| match refused.status() {
                // The storage's refusal would only hide the server's.
                Some(403) => self.download_presigned(server, path).map_err(|_| refused),
                _ => Err(refused),
            })
    }

    fn download_sent(&self, server: &Server, path: &str) -> Result<Download, ClientError> {
        let client = &server.client;
        match self {
            Route::Proxy(root, own) => {
                let proxied = routes::PROXIED_FILE.at(&joined(root, path));
                let request = server.proxy(proxied).on(client);
                match **own {
                    // Servers up to 3.10 at least put such names raw into a header of the proxy's answer, which breaks it.
                    Route::Run(_) | Route::LoggedModel(_)
                        if !path.is_ascii() && !own.may_confuse(server, path) =>
                    {
                        let proxied = request.attempts(1).download();
                        proxied.or_else(|_| own.download_sent(server, path))
                    }
                    _ => request.download(),
                }
            }
            Route::Run(run_id) => Call::from(routes::RUN_FILE)
                .with(client, &json!({"run_id": run_id, "path": path}))
                .download(),
            Route::LoggedModel(model_id) => routes::LOGGED_MODEL_FILE
                .of(model_id)
                .with(client, &json!({"artifact_file_path": path}))
                .download(),
            Route::None | Route::Local(_) | Route::Outside(_) => unreachable!("nothing was listed"),
        }
    }
}

/// The folder of this machine that a URI names, if the user named it too. That a server elsewhere names one that happens to be here
/// says nothing.
fn local_place(server: &Server, uri: &str, owner: OwnerRef<'_>) -> FolderPlace {
    let served = server.roots.served(uri, owner);
    let stated = || {
        let path = local_path(uri).filter(|path| FilePath::new(path).is_absolute());
        match path.map(|path| server.roots.stated(FilePath::new(&path), owner)) {
            Some(FolderPlace::Outside(_)) if !server.client.base().is_loopback() => FolderPlace::Missing,
            Some(place) => place,
            None => FolderPlace::Missing,
        }
    };
    served.or_else(stated)
}

#[derive(Default, Serialize, Deserialize)]
struct Listing {
    files: BTreeMap<String, Option<u64>>,
    folders: BTreeMap<String, ()>,
    empty_folders: u64,
    /// Folders whose content the server cannot be asked for.
    #[serde(default)]
    unlisted_folders: Vec<String>,
}

pub(super) fn joined(root: &str, below: &str) -> String {
    match (root.is_empty(), below.is_empty()) {
        (_, true) => root.to_owned(),
        (true, _) => below.to_owned(),
        _ => format!("{root}/{below}"),
    }
}

/// The path below the proxy's root, where a URI leads through this server's proxy.
fn proxied_path(server: &Server, uri: &str) -> Option<String> {
    let rest = uri.strip_prefix("mlflow-artifacts:")?;
    let path = match rest.strip_prefix("//") {
        None => rest,
        // Another server's proxy is none of ours.
        Some(rest) => {
            let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            if !host.is_empty() && !server.client.base().to_string().contains(host) {
                return None;
            }
            path
        }
    };
    Some(path.trim_matches('/').to_owned())
}

/// Content whose size a listing has told.
struct Sized<R> {
    inner: R,
    expected: Option<u64>,
    read_bytes: u64,
}

impl<R: Read> Read for Sized<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.read_bytes += read as u64;
        match self.expected {
            Some(expected) if self.read_bytes > expected => Err(io::Error::other(format!(
                "more bytes came than the {expected} that the file is listed with"
            ))),
            Some(expected) if read == 0 && !buffer.is_empty() && self.read_bytes != expected => {
                let found = self.read_bytes;
                Err(io::Error::other(format!(
                    "{found} bytes came of a file listed with {expected}"
                )))
            }
            _ => Ok(read),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_that_differs_is_an_error() {
        let read = |expected| {
            let mut sized = Sized {
                inner: &b"abc"[..],
                expected,
                read_bytes: 0,
            };
            sized.read_to_end(&mut Vec::new())
        };
        assert_eq!(read(Some(3)).unwrap(), 3);
        assert_eq!(read(None).unwrap(), 3);
        assert_eq!(
            read(Some(4)).unwrap_err().to_string(),
            "3 bytes came of a file listed with 4"
        );
    }
}
