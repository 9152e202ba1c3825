//! Files.

use super::{Api, Result, TargetId};
use crate::client::{Body, ClientError, Path, Repeat, Response};

impl Api {
    /// Stores a file through the server's artifact proxy; `path` is below the proxy's root.
    ///
    /// # Errors
    /// The call failed.
    pub fn put_artifact(&self, path: &str, body: Body) -> Result<()> {
        let path = Path::artifacts("artifacts").below(path);
        let response = self.client.put(path).body(body).send()?;
        refuse_page("PUT", "artifact", &response)
    }

    /// Stores a file of a run through the UI's upload, which takes 10 MB.
    ///
    /// # Errors
    /// The call failed.
    pub fn upload_artifact(&self, run_id: &TargetId, path: &str, body: Body) -> Result<()> {
        let request = self.client.post(Path::ajax2("upload-artifact"), Repeat::Safe);
        let request = request
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
