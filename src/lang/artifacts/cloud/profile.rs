//! Keys from AWS's own files, as boto3 finds them; of a profile only what stands in the file.

use crate::client::{Environment, Secret, ini};
use std::path::PathBuf;

/// What a profile says.
#[derive(Debug, Default)]
pub(super) struct Profile {
    /// Key id, secret key and session token.
    pub(super) keys: Option<(String, Secret, Option<Secret>)>,
    pub(super) region: Option<String>,
    pub(super) endpoint_url: Option<String>,
}

/// The profile that the environment names, or `default`.
///
/// # Errors
/// A profile that is named and has no keys of its own: a sentence.
pub(super) fn read(environment: &Environment) -> Result<Profile, String> {
    let named = environment.get("AWS_PROFILE");
    let name = named.as_deref().unwrap_or("default");
    let credentials = file(environment, "AWS_SHARED_CREDENTIALS_FILE", ".aws/credentials");
    let config = file(environment, "AWS_CONFIG_FILE", ".aws/config");
    let secrets = credentials.as_deref().and_then(|text| ini::section(text, name));
    let heading = match name {
        "default" => name.to_owned(),
        _ => format!("profile {name}"),
    };
    let settings = config.as_deref().and_then(|text| ini::section(text, &heading));
    let value = |key: &str| {
        let sections = [&secrets, &settings];
        let mut values = sections
            .into_iter()
            .flatten()
            .filter_map(|section| section.get(key));
        values.find(|value| !value.is_empty()).cloned()
    };
    let keys = value("aws_access_key_id")
        .zip(value("aws_secret_access_key"))
        .map(|(id, key)| (id, Secret::new(key), value("aws_session_token").map(Secret::new)));
    if keys.is_none() && named.is_some() {
        return Err(format!(
            "profile `{name}` of AWS_PROFILE has no keys in ~/.aws/credentials; mlark does not support roles, SSO or credential_process: set the variables that `aws configure export-credentials --format env` prints"
        ));
    }
    Ok(Profile {
        keys,
        region: value("region"),
        endpoint_url: value("endpoint_url"),
    })
}

fn file(environment: &Environment, variable: &str, usual: &str) -> Option<String> {
    let path = environment.get(variable).map(PathBuf::from);
    std::fs::read_to_string(path.or_else(|| environment.home_file(usual))?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_the_named_profile_are_taken() {
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir(home.path().join(".aws")).unwrap();
        let write =
            |name: &str, text: &str| std::fs::write(home.path().join(".aws").join(name), text).unwrap();
        write(
            "credentials",
            "[default]\naws_access_key_id=a\naws_secret_access_key=b\n[lab]\naws_access_key_id = c\naws_secret_access_key = d\naws_session_token = e\n",
        );
        write(
            "config",
            "[profile lab]\nregion = eu-north-1\n[profile sso]\nsso_session = x\n",
        );
        let read =
            |variables: &[(&str, &str)]| read(&Environment::of(variables, Some(home.path().to_owned())));
        let lab = read(&[("AWS_PROFILE", "lab")]).unwrap();
        let keys = ("c".to_owned(), Secret::new("d"), Some(Secret::new("e")));
        assert_eq!(
            (lab.keys, lab.region.as_deref()),
            (Some(keys), Some("eu-north-1"))
        );
        assert_eq!(read(&[]).unwrap().keys.unwrap().0, "a");
        let error = read(&[("AWS_PROFILE", "sso")]).unwrap_err();
        assert!(error.contains("profile `sso`"), "{error}");
    }
}
