//! What a request carries, and whether it may be sent twice.

use std::io::{self, Read};

/// Whether sending a request twice does what sending it once does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeat {
    /// It does: repeated after every failure that may pass.
    Safe,
    /// It does not, as with calls that create: repeated only where the server certainly did nothing (no
    /// connection, 429). After other failures [`ClientError::outcome_unknown`](super::ClientError::outcome_unknown) says whether to look first.
    Unsafe,
}

/// Opens a body anew for each try.
pub type OpenBody = Box<dyn Fn() -> io::Result<Box<dyn Read + Send>> + Send>;

/// What a request carries.
#[derive(Default)]
pub enum Body {
    /// Nothing.
    #[default]
    None,
    /// JSON text.
    Json(Vec<u8>),
    /// Bytes.
    Bytes(Vec<u8>),
    /// Bytes of a known size, opened anew for each try.
    Stream {
        /// Size in bytes.
        size_bytes: u64,
        /// Opens them.
        open: OpenBody,
    },
}
