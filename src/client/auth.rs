//! Who asks: MLflow's own order of credentials.
//!
//! In the URL before all else (as Python's `requests` does); then Basic, from `MLFLOW_TRACKING_USERNAME` and
//! `MLFLOW_TRACKING_PASSWORD`, each else from `~/.mlflow/credentials`; then Bearer from `MLFLOW_TRACKING_TOKEN`.

use super::environment::Environment;
use super::error::ClientError;
use super::ini;
use super::options::Auth;
use super::secret::Secret;
use crate::model::mask::Mask;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// User and password of a URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserInfo {
    /// The user.
    pub user: String,
    /// The password, possibly empty.
    pub password: Secret,
}

impl Auth {
    /// Hides the credentials in what is said.
    pub(super) fn hide(&self, mask: &mut Mask) {
        match self {
            Auth::None => {}
            Auth::Basic { user, password } => mask.add_pair(user, password.expose()),
            Auth::Bearer(token) => mask.add_header(token.expose()),
        }
    }

    /// The value of the `Authorization` header.
    pub(super) fn header(&self) -> Option<Secret> {
        match self {
            Auth::None => None,
            Auth::Basic { user, password } => {
                let pair = STANDARD.encode(format!("{user}:{}", password.expose()));
                Some(Secret::new(format!("Basic {pair}")))
            }
            Auth::Bearer(token) => Some(Secret::new(format!("Bearer {}", token.expose()))),
        }
    }
}

/// The credentials of a tracking server.
pub(super) fn of_server(url: Option<UserInfo>, environment: &Environment) -> Result<Auth, ClientError> {
    if let Some(UserInfo { user, password }) = url {
        return Ok(Auth::Basic { user, password });
    }
    for (name, remedy) in [
        ("MLFLOW_TRACKING_AUTH", "names a Python plugin"),
        ("MLFLOW_TRACKING_AWS_SIGV4", "asks for AWS signatures"),
    ] {
        let value = environment.get(name);
        if value.is_some_and(|value| !matches!(value.to_ascii_lowercase().as_str(), "false" | "0")) {
            return Err(ClientError::config(format!(
                "{name} {remedy}, which mlark does not support: unset it and give credentials or a header instead"
            )));
        }
    }
    let file = credentials_file(environment);
    let field = |variable: &str, key: &str| {
        let in_file = || file.as_ref().and_then(|values| values.get(key)).cloned();
        environment
            .get(variable)
            .or_else(in_file)
            .filter(|value| !value.is_empty())
    };
    let user = field("MLFLOW_TRACKING_USERNAME", "mlflow_tracking_username");
    let password = field("MLFLOW_TRACKING_PASSWORD", "mlflow_tracking_password");
    Ok(match (user, password, environment.get("MLFLOW_TRACKING_TOKEN")) {
        (Some(user), Some(password), _) => Auth::Basic {
            user,
            password: Secret::new(password),
        },
        (_, _, Some(token)) => Auth::Bearer(Secret::new(token)),
        _ => Auth::None,
    })
}

/// Section `mlflow` of `~/.mlflow/credentials`; a file that cannot be read is none, as in MLflow.
fn credentials_file(environment: &Environment) -> Option<std::collections::BTreeMap<String, String>> {
    let path = environment.home_file(".mlflow/credentials")?;
    ini::section(&std::fs::read_to_string(path).ok()?, "mlflow")
}
