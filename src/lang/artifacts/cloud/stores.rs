//! Connections as the environment sets them up: the variables of each provider's own tools, then those of MLflow.

use super::address::{Bucket, Provider};
use super::profile;
use super::uploads::{Lister, Uploads};
use crate::client::Environment;
use object_store::aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::MicrosoftAzureBuilder;
use object_store::client::{HttpConnector as _, ReqwestConnector};
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::multipart::MultipartStore;
use object_store::{Certificate, ClientOptions, ObjectStore, RetryConfig};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Where Google's storage is.
const GOOGLE: &str = "https://storage.googleapis.com";
/// How long a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long an answer may pause. There is no limit on a whole answer: artifacts may be large.
const READ_TIMEOUT: Duration = Duration::from_secs(60);

/// How often a request is repeated, and for how long in all.
fn retries() -> RetryConfig {
    RetryConfig {
        max_retries: 6,
        retry_timeout: Duration::from_secs(120),
        ..RetryConfig::default()
    }
}

/// A connection to a bucket.
///
/// # Errors
/// A setting that cannot be used: a sentence without values of secrets.
pub(super) fn connect(bucket: &Bucket, environment: &Environment) -> Result<Connected, String> {
    Ok(match &bucket.provider {
        Provider::S3 => {
            let (store, options) = s3(&bucket.name, environment)?;
            Connected::listing(store, &options, Lister::S3)?
        }
        Provider::Gcs => {
            let options = client_options(environment, true)?;
            let builder = GoogleCloudStorageBuilder::from_env()
                .with_bucket_name(&bucket.name)
                .with_retry(retries())
                .with_client_options(options.clone());
            let base = builder.get_config_value(&GoogleConfigKey::BaseUrl);
            let base = base.unwrap_or_else(|| GOOGLE.to_owned());
            let mut url = reqwest::Url::parse(&base).map_err(|error| format!("`{base}`: {error}"))?;
            let mut place = url
                .path_segments_mut()
                .map_err(|()| format!("`{base}` is not the URL of a server"))?;
            place.pop_if_empty().push(&bucket.name);
            drop(place);
            let store = builder.build().map_err(told)?;
            Connected::listing(store, &options, |store| Lister::Google(store, url))?
        }
        Provider::Azure { account, domain } => {
            Connected::of(azure(&bucket.name, account, domain, environment)?)
        }
    })
}

/// A bucket as it is read and listed, and as it is written to in parts.
#[derive(Clone)]
pub(super) struct Connected {
    pub(super) store: Arc<dyn ObjectStore>,
    pub(super) multipart: Arc<dyn MultipartStore>,
    /// Where the store tells which uploads in parts there are.
    pub(super) uploads: Option<Uploads>,
}

impl Connected {
    /// A store that is asked for its uploads too.
    fn listing<S: ObjectStore + MultipartStore>(
        store: S,
        options: &ClientOptions,
        lister: impl FnOnce(Arc<S>) -> Lister,
    ) -> Result<Self, String> {
        let store = Arc::new(store);
        let http = ReqwestConnector::default().connect(options).map_err(told)?;
        Ok(Connected {
            multipart: store.clone(),
            uploads: Some(Uploads {
                lister: lister(store.clone()),
                http,
            }),
            store,
        })
    }

    pub(super) fn of<S: ObjectStore + MultipartStore>(store: S) -> Self {
        let store = Arc::new(store);
        Connected {
            multipart: store.clone(),
            store,
            uploads: None,
        }
    }
}

fn told(error: object_store::Error) -> String {
    super::session::told(&error)
}

fn client_options(environment: &Environment, allow_http: bool) -> Result<ClientOptions, String> {
    let mut options = ClientOptions::new()
        .with_timeout_disabled()
        .with_connect_timeout(CONNECT_TIMEOUT)
        .with_read_timeout(READ_TIMEOUT)
        .with_allow_http(allow_http);
    let bundles = ["AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"];
    if let Some(path) = bundles.iter().find_map(|name| environment.get(name)) {
        let pem =
            std::fs::read(&path).map_err(|error| format!("cannot read the CA bundle `{path}`: {error}"))?;
        for certificate in Certificate::from_pem_bundle(&pem).map_err(told)? {
            options = options.with_root_certificate(certificate);
        }
    }
    Ok(options)
}

fn s3(bucket: &str, environment: &Environment) -> Result<(AmazonS3, ClientOptions), String> {
    let mut builder = AmazonS3Builder::from_env().with_bucket_name(bucket);
    let mut endpoint = environment.get("MLFLOW_S3_ENDPOINT_URL");
    let has_keys = environment.get("AWS_ACCESS_KEY_ID").is_some();
    if !has_keys || environment.get("AWS_PROFILE").is_some() {
        let profile = profile::read(environment)?;
        if let Some((id, key, token)) = profile.keys.filter(|_| !has_keys) {
            builder = builder
                .with_access_key_id(id)
                .with_secret_access_key(key.expose());
            if let Some(token) = token {
                builder = builder.with_token(token.expose());
            }
        }
        let regions = ["AWS_REGION", "AWS_DEFAULT_REGION"];
        if let Some(region) = profile
            .region
            .filter(|_| regions.iter().all(|name| environment.get(name).is_none()))
        {
            builder = builder.with_region(region);
        }
        endpoint = endpoint.or(profile.endpoint_url);
    }
    let variables = ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"];
    let endpoint = endpoint.or_else(|| variables.iter().find_map(|name| environment.get(name)));
    let is_virtual = environment.get("MLFLOW_BOTO_CLIENT_ADDRESSING_STYLE").as_deref() == Some("virtual");
    let allow_http = endpoint
        .as_ref()
        .is_some_and(|endpoint| endpoint.starts_with("http://"));
    if let Some(endpoint) = endpoint {
        let endpoint = match endpoint.split_once("://").filter(|_| is_virtual) {
            Some((scheme, host)) => format!("{scheme}://{bucket}.{host}"),
            None => endpoint,
        };
        builder = builder.with_endpoint(endpoint);
    }
    let ignores_tls = environment.get("MLFLOW_S3_IGNORE_TLS");
    let ignores_tls =
        ignores_tls.is_some_and(|value| matches!(value.to_ascii_lowercase().as_str(), "true" | "1"));
    let options = client_options(environment, allow_http)?.with_allow_invalid_certificates(ignores_tls);
    // Where it is none, the client of stores panics.
    let endpoint = builder.get_config_value(&AmazonS3ConfigKey::Endpoint);
    if let Some(endpoint) = endpoint.filter(|endpoint| !is_url_of_a_server(endpoint)) {
        return Err(format!(
            "the endpoint `{endpoint}` is not a URL such as https://host: it comes from AWS_ENDPOINT_URL, MLFLOW_S3_ENDPOINT_URL or a profile"
        ));
    }
    let store = builder
        .with_virtual_hosted_style_request(is_virtual)
        .with_retry(retries())
        .with_client_options(options.clone())
        .build();
    Ok((store.map_err(told)?, options))
}

fn is_url_of_a_server(text: &str) -> bool {
    reqwest::Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
}

fn azure(
    container: &str,
    account: &str,
    domain: &str,
    environment: &Environment,
) -> Result<object_store::azure::MicrosoftAzure, String> {
    let mut builder = MicrosoftAzureBuilder::from_env()
        .with_account(account)
        .with_container_name(container);
    let mut endpoint = (domain != "core.windows.net").then(|| format!("https://{account}.blob.{domain}"));
    if let Some(text) = environment.get("AZURE_STORAGE_CONNECTION_STRING") {
        let parts = connection_string(&text);
        if let Some(key) = parts.get("accountkey") {
            builder = builder.with_access_key(*key);
        }
        if let Some(signature) = parts.get("sharedaccesssignature") {
            builder = builder.with_config(object_store::azure::AzureConfigKey::SasKey, *signature);
        }
        // The connection string decides, as it does for MLflow's client.
        if let Some(account) = parts.get("accountname") {
            builder = builder.with_account(*account);
        }
        endpoint = parts
            .get("blobendpoint")
            .map(|url| (*url).to_owned())
            .or(endpoint);
    }
    let allow_http = endpoint
        .as_ref()
        .is_some_and(|endpoint| endpoint.starts_with("http://"));
    if let Some(endpoint) = endpoint {
        builder = builder.with_endpoint(endpoint.trim_end_matches('/').to_owned());
    }
    builder
        .with_retry(retries())
        .with_client_options(client_options(environment, allow_http)?)
        .build()
        .map_err(told)
}

/// `Name=value;…`, names in lower case.
fn connection_string(text: &str) -> BTreeMap<String, &str> {
    let parts = text.split(';').filter_map(|part| part.split_once('='));
    parts
        .map(|(name, value)| (name.trim().to_ascii_lowercase(), value.trim()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_string_is_taken_apart() {
        let parts = connection_string(
            "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=b==;BlobEndpoint=http://h/a;",
        );
        assert_eq!((parts["accountname"], parts["accountkey"]), ("a", "b=="));
        assert_eq!(parts["blobendpoint"], "http://h/a");
    }
}
