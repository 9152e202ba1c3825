//! Presigned URLs: where a server will not send the bytes of artifacts itself, it signs URLs of the storage behind it.

use super::artifacts::{Route, joined};
use super::server::Server;
use crate::client::{ClientError, Download};
use crate::lang::rest::routes::{self, Call};
use serde::Deserialize;
use serde_json::json;
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
                let signed = routes::SIGN_PROXIED_FILE.at(&joined(root, path));
                server.proxy(signed).on(client)
            }
            Route::Run(run_id) => {
                Call::from(routes::SIGN_RUN_FILE).with(client, &json!({"run_id": run_id, "path": path}))
            }
            Route::LoggedModel(model_id) => routes::LOGGED_MODEL_FILE
                .of(model_id)
                .with(client, &json!({"artifact_file_path": path, "presigned": "true"})),
            Route::None | Route::Local(_) | Route::Outside(_) => unreachable!("nothing was listed"),
        };
        request.parse()
    }
}
