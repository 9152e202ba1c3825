//! Files.

use super::{Api, Result, TargetId};
use crate::client::{Body, ClientError, Response};
use crate::lang::rest::routes::{self, Call};

impl Api {
    /// Stores a file through the server's artifact proxy; `path` is below the proxy's root.
    ///
    /// # Errors
    /// The call failed.
    pub fn put_artifact(&self, path: &str, body: Body) -> Result<()> {
        let call = routes::PUT_PROXIED_FILE.at(path);
        let response = call.on(&self.client).body(body).send()?;
        refuse_page("PUT", "artifact", &response)
    }

    /// Stores a file of a run through the UI's upload, which takes 10 MB.
    ///
    /// # Errors
    /// The call failed.
    pub fn upload_artifact(&self, run_id: &TargetId, path: &str, body: Body) -> Result<()> {
        let request = Call::from(routes::PUT_RUN_FILE)
            .on(&self.client)
            .query("run_uuid", run_id.as_str())
            .query("path", path)
            .body(body);
        refuse_page("POST", "artifact", &request.send()?)
    }
}

/// A page in place of an empty answer did not come from MLflow, whatever its status.
fn refuse_page(method: &str, url: &str, response: &Response) -> Result<()> {
    let is_page = response.body.first() == Some(&b'<');
    if !is_page {
        return Ok(());
    }
    Err(ClientError::NotMlflow {
        method: method.to_owned(),
        url: url.to_owned(),
        found: "an HTML page".to_owned(),
        source: None,
    })
}
