//! Which version of MLflow a server is.

use crate::client::{Client, ClientError, Path};

/// Asks a server for its version; none where it tells none.
///
/// # Errors
/// The server cannot be reached, or refuses.
pub(crate) fn ask_version(client: &Client) -> Result<Option<String>, ClientError> {
    match client.get(Path::root("version")).send() {
        Ok(response) => Ok(as_version(&response.body)),
        Err(error) if error.is_unknown_route() || error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}

/// The version, where the text is one and not some page.
fn as_version(body: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(body).ok()?.trim();
    let is_version = text.starts_with(|first: char| first.is_ascii_digit())
        && text.len() < 40
        && text
            .chars()
            .all(|next| next.is_ascii_alphanumeric() || matches!(next, '.' | '-' | '+'));
    is_version.then(|| text.to_owned())
}
