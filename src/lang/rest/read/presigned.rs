//! Presigned URLs: where a server will not send the bytes of artifacts itself, it signs URLs of the storage behind it.

use super::artifacts::{Route, joined};
use super::server::Server;
use crate::client::{ClientError, Download, Path, Repeat};
use serde::Deserialize;
use std::collections::BTreeMap;

/// A URL of the storage, with the headers that it wants. Whoever has it may read the file, so that it has no `Debug`.
#[derive(Deserialize)]
struct Signed {
    #[serde(alias = "presigned_url")]
    url: String,
    #[serde(default)]
    headers: BTreeMap<String, String>,
}

impl Route {
    /// The bytes of a file, from the storage.
    pub(super) fn download_presigned(&self, server: &Server, path: &str) -> Result<Download, ClientError> {
        let signed = self.sign(server, path)?;
        let storage = server.storage()?;
        let request = storage.get_url(&signed.url)?;
        let headers = signed.headers.iter();
        headers
            .fold(request, |request, (name, value)| request.header(name, value))
            .download()
    }

    fn sign(&self, server: &Server, path: &str) -> Result<Signed, ClientError> {
        let client = &server.client;
        let request = match self {
            Route::Proxy(root, _) => {
                let signed = Path::artifacts("presigned").below(&joined(root, path));
                client.get(server.proxy(signed))
            }
            Route::Run(run_id) => client
                .post(Path::api2("artifacts/presigned-download-url"), Repeat::Safe)
                .json(&serde_json::json!({"run_id": run_id, "path": path})),
            Route::LoggedModel(model_id) => client
                .get(
                    Path::ajax2("logged-models")
                        .segment(model_id)
                        .below("artifacts/files"),
                )
                .query("artifact_file_path", path)
                .query("presigned", "true"),
            Route::None | Route::Local(_) | Route::Outside(_) => unreachable!("nothing was listed"),
        };
        request.parse()
    }
}
