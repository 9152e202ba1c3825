//! What stands for cloud storage in a build without it: types that have no values.

use super::ListingError;
use crate::archive::remote::Stores;
use crate::archive::{ArchiveError, ByteSource};
use std::io::{self, Read};
use std::path::Path;

/// A place that this build does not read.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Address(Never);

/// What there is none of.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Never {}

impl Address {
    /// Never one.
    pub(crate) fn of(_uri: &str) -> Option<Self> {
        None
    }

    /// The place below.
    pub(crate) fn below(&self, _path: &str) -> Self {
        match self.0 {}
    }
}

/// Connections that this build does not make.
#[derive(Clone)]
pub(crate) struct Cloud;

impl Cloud {
    /// Never succeeds.
    pub(crate) fn open() -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// What lies below an address.
    pub(crate) fn list(&self, address: &Address, _scratch: &Path) -> Result<Listing, ListingError> {
        match address.0 {}
    }
}

/// Stores that this build does not speak to.
pub(crate) const STORES: Stores = Stores {
    open: |_| Err(unsupported()),
    target: |_| Err(unsupported()),
    give_back: |_| Err(unsupported()),
};

fn unsupported() -> io::Error {
    let message = "this build cannot read or write object stores: use one with the feature `cloud`";
    io::Error::new(io::ErrorKind::Unsupported, message)
}

/// Files that there are none of.
pub(crate) struct Listing {
    pub(crate) empty_folders: u64,
    never: Never,
}

impl Iterator for Listing {
    type Item = Result<CloudFile, ArchiveError>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.never {}
    }
}

/// A file that there is not.
pub(crate) struct CloudFile {
    pub(crate) path: String,
    pub(crate) size_bytes: u64,
    never: Never,
}

impl CloudFile {
    /// The bytes.
    pub(crate) fn source(self) -> ByteSource {
        match self.never {}
    }

    /// The bytes, now.
    pub(crate) fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        match self.never {}
    }
}
