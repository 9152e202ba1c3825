//! Artifacts in cloud storage (`s3:`, `gs:`, `wasbs:`, `abfss:`), read directly where the feature `cloud` is built in.
//!
//! The rest of mlark is blocking; what is asynchronous stays in here, on a runtime of this module's own. Listings come page
//! by page and are sorted in bounded memory, content is streamed, and whoever wants many files at once asks on many
//! threads. Credentials come from the environment, as MLflow's own clients take them (`stores`), and are never shown.
//!
//! - [`Address`]: a bucket and a prefix, as an artifact URI names them.
//! - [`Cloud`]: the connections; cheap to clone.
//! - [`Listing`]: what lies below an address, in the archive's order.
//! - [`STORES`]: archives that lie there, or are put there.

#[cfg(not(feature = "cloud"))]
mod absent;
#[cfg(feature = "cloud")]
mod address;
#[cfg(feature = "cloud")]
mod bounds;
#[cfg(feature = "cloud")]
mod cleanup;
#[cfg(feature = "cloud")]
mod profile;
#[cfg(feature = "cloud")]
mod remote;
#[cfg(feature = "cloud")]
mod session;
#[cfg(feature = "cloud")]
mod stores;
#[cfg(feature = "cloud")]
mod upload;
#[cfg(feature = "cloud")]
mod uploads;

#[cfg(not(feature = "cloud"))]
pub(crate) use absent::{Address, Cloud, CloudFile, Listing, STORES};
#[cfg(feature = "cloud")]
pub(crate) use {
    address::Address,
    remote::STORES,
    session::{Cloud, CloudFile, Listing},
};

use crate::archive::remote::SCHEMES;
use crate::archive::{ArchiveError, Pending};
use std::path::Path;

/// Requests under way at once: a request mostly waits.
pub(crate) const CONCURRENCY: usize = 16;

/// Whether an artifact URI leads to cloud storage that a build with the feature reads.
pub(crate) fn is_cloud_uri(uri: &str) -> bool {
    uri.split_once("://")
        .is_some_and(|(scheme, _)| SCHEMES.contains(&scheme))
}

/// What to do about an artifact URI that this build does not read, if there is something.
pub(crate) fn remedy(uri: &str) -> &'static str {
    if is_cloud_uri(uri) && cfg!(not(feature = "cloud")) {
        "; a build with the feature `cloud`, which is on unless it was turned off, reads it"
    } else {
        ""
    }
}

/// Cloud storage that cannot be asked, or refuses.
#[derive(Debug, thiserror::Error)]
#[error("{place}: {detail}")]
pub(crate) struct CloudError {
    /// The URI.
    pub(crate) place: String,
    /// What happened and what may help, without credentials.
    pub(crate) detail: String,
}

/// A listing that cannot be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ListingError {
    /// The storage refuses.
    #[error(transparent)]
    Cloud(#[from] CloudError),
    /// It does not fit in memory and cannot be spilled.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
}

/// A listing that a thread of the archive's pool is making.
pub(crate) type PendingListing = Pending<Result<Listing, ListingError>>;

/// The job that lists an address, for a thread of a pool.
pub(crate) fn listing_job(
    cloud: &Cloud,
    address: &Address,
    scratch: &Path,
) -> impl FnOnce() -> Result<Listing, ListingError> + Send + 'static {
    let (cloud, address, scratch) = (cloud.clone(), address.clone(), scratch.to_owned());
    move || cloud.list(&address, &scratch)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cloud_uris_are_told_by_their_scheme() {
        for (uri, expected) in [
            ("s3://bucket/a", true),
            ("abfss://c@a.dfs.core.windows.net/x", true),
            ("mlflow-artifacts:/s3://x", false),
            ("dbfs:/a", false),
            ("/s3/a", false),
        ] {
            assert_eq!(is_cloud_uri(uri), expected, "{uri}");
        }
    }
}
