//! Artifact URIs of cloud storage, read as MLflow's artifact repositories read them.

use crate::model::mask::redact;

/// Which protocol.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Provider {
    /// Amazon S3 and what speaks its protocol.
    S3,
    /// Google Cloud Storage.
    Gcs,
    /// Azure Blob Storage, of this account below this domain (`core.windows.net`).
    Azure { account: String, domain: String },
}

/// A bucket or container, which has one connection.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Bucket {
    pub(super) provider: Provider,
    pub(super) name: String,
}

/// A bucket or container and a path in it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Address {
    pub(super) bucket: Bucket,
    /// Without a slash at either end.
    pub(super) prefix: String,
    /// For people.
    pub(super) uri: String,
}

impl Address {
    /// The place that an artifact URI names; none where it is not of cloud storage or cannot be read.
    pub(crate) fn of(uri: &str) -> Option<Self> {
        let (scheme, rest) = uri.split_once("://")?;
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (provider, name) = match scheme {
            "s3" => (Provider::S3, authority),
            "gs" => (Provider::Gcs, authority),
            "wasb" | "wasbs" => azure(authority, "blob.")?,
            "abfs" | "abfss" => azure(authority, "dfs.")?,
            _ => return None,
        };
        let bucket = Bucket {
            provider,
            name: name.to_owned(),
        };
        (!name.is_empty()).then(|| Address {
            bucket,
            prefix: path.trim_matches('/').to_owned(),
            uri: match scheme {
                // The container is no user info.
                "wasb" | "wasbs" | "abfs" | "abfss" => uri.to_owned(),
                _ => redact(uri),
            },
        })
    }

    /// The place at a path below.
    pub(crate) fn below(&self, path: &str) -> Self {
        let path = path.trim_matches('/');
        let join = |base: &str| match (base.is_empty(), path.is_empty()) {
            (_, true) => base.to_owned(),
            (true, _) => path.to_owned(),
            _ => format!("{}/{path}", base.trim_end_matches('/')),
        };
        Address {
            bucket: self.bucket.clone(),
            prefix: join(&self.prefix),
            uri: join(&self.uri),
        }
    }
}

/// `container@account.blob.core.windows.net`.
fn azure<'u>(authority: &'u str, service: &str) -> Option<(Provider, &'u str)> {
    let (container, host) = authority.split_once('@')?;
    let (account, rest) = host.split_once('.')?;
    let provider = Provider::Azure {
        account: account.to_owned(),
        domain: rest.strip_prefix(service)?.to_owned(),
    };
    Some((provider, container))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uris_are_read_as_mlflow_reads_them() {
        let azure = |domain: &str| Provider::Azure {
            account: "acc".to_owned(),
            domain: domain.to_owned(),
        };
        for (uri, provider, name, prefix) in [
            ("s3://bucket/a b/c", Provider::S3, "bucket", "a b/c"),
            ("s3://bucket", Provider::S3, "bucket", ""),
            ("gs://bucket//x/", Provider::Gcs, "bucket", "x"),
            (
                "wasbs://box@acc.blob.core.windows.net/1/r",
                azure("core.windows.net"),
                "box",
                "1/r",
            ),
            (
                "abfss://box@acc.dfs.core.chinacloudapi.cn/1",
                azure("core.chinacloudapi.cn"),
                "box",
                "1",
            ),
        ] {
            let address = Address::of(uri).unwrap();
            assert_eq!(address.bucket.provider, provider, "{uri}");
            assert_eq!(
                (address.bucket.name.as_str(), address.prefix.as_str()),
                (name, prefix),
                "{uri}"
            );
        }
        for uri in [
            "s3:/bucket",
            "s3:///a",
            "wasbs://acc.blob.core.windows.net/x",
            "abfss://c@acc.blob.core.windows.net/x",
            "http://s3/a",
        ] {
            assert_eq!(Address::of(uri), None, "{uri}");
        }
    }

    #[test]
    fn a_place_below_joins_with_one_slash() {
        let root = Address::of("s3://bucket").unwrap();
        assert_eq!(root.below("/1/r/").prefix, "1/r");
        assert_eq!(root.below("1").below("r").uri, "s3://bucket/1/r");
        assert_eq!(root.below(""), root);
    }
}
