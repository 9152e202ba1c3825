//! `databricks` and `databricks://PROFILE`: host and token from the environment or `~/.databrickscfg`.
//!
//! Made after open-source clients; no Databricks workspace was there to try it on.

use super::auth::UserInfo;
use super::environment::Environment;
use super::error::ClientError;
use super::ini;
use super::options::Auth;
use super::path::BaseUrl;
use super::secret::Secret;
use std::collections::BTreeMap;

/// Whether a URI means Databricks.
pub(super) fn is_databricks(uri: &str) -> bool {
    uri == "databricks" || uri.starts_with("databricks://")
}

/// The workspace and credentials that a URI names.
pub(super) fn resolve(uri: &str, environment: &Environment) -> Result<(BaseUrl, Auth), ClientError> {
    let profile = uri
        .strip_prefix("databricks://")
        .filter(|profile| !profile.is_empty());
    let values = match profile {
        Some(profile) if profile.contains(':') => {
            return Err(ClientError::config(
                "secret scopes (`databricks://scope:prefix`) exist within Databricks only: name a profile of ~/.databrickscfg",
            ));
        }
        Some(profile) => from_file(profile, environment)?,
        None => match from_variables(environment) {
            values if values.contains_key("host") => values,
            _ => {
                let profile = environment.get("DATABRICKS_CONFIG_PROFILE");
                from_file(profile.as_deref().unwrap_or("DEFAULT"), environment)?
            }
        },
    };
    let host = values
        .get("host")
        .filter(|host| !host.is_empty())
        .ok_or_else(|| {
            ClientError::config("no Databricks host: set DATABRICKS_HOST, or `host` in ~/.databrickscfg")
        })?;
    let host = if host.contains("://") {
        host.clone()
    } else {
        format!("https://{host}")
    };
    let (base, user_info) = BaseUrl::parse(&host)?;
    Ok((base, auth_of(&values, user_info)?))
}

fn auth_of(values: &BTreeMap<String, String>, user_info: Option<UserInfo>) -> Result<Auth, ClientError> {
    let value = |key: &str| values.get(key).filter(|value| !value.is_empty()).cloned();
    if let Some(token) = value("token") {
        return Ok(Auth::Bearer(Secret::new(token)));
    }
    if let (Some(user), Some(password)) = (value("username"), value("password")) {
        return Ok(Auth::Basic {
            user,
            password: Secret::new(password),
        });
    }
    if let Some(UserInfo { user, password }) = user_info {
        return Ok(Auth::Basic { user, password });
    }
    Err(ClientError::config(match value("client_id") {
        Some(_) => "OAuth (client_id) is not supported: make a token and set DATABRICKS_TOKEN",
        None => "no Databricks token: set DATABRICKS_TOKEN, or `token` in ~/.databrickscfg",
    }))
}

fn from_variables(environment: &Environment) -> BTreeMap<String, String> {
    ["host", "token", "username", "password", "client_id"]
        .into_iter()
        .filter_map(|key| {
            let value = environment.get(&format!("DATABRICKS_{}", key.to_ascii_uppercase()))?;
            Some((key.to_owned(), value))
        })
        .collect()
}

fn from_file(profile: &str, environment: &Environment) -> Result<BTreeMap<String, String>, ClientError> {
    let path = environment
        .get("DATABRICKS_CONFIG_FILE")
        .map(std::path::PathBuf::from)
        .or_else(|| environment.home_file(".databrickscfg"))
        .ok_or_else(|| ClientError::config("no home directory is set, so there is no .databrickscfg"))?;
    let text = std::fs::read_to_string(&path)
        .map_err(|error| ClientError::config(format!("cannot read `{}`: {error}", path.display())))?;
    ini::section(&text, profile)
        .ok_or_else(|| ClientError::config(format!("no profile `{profile}` in `{}`", path.display())))
}
