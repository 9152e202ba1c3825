//! What a request carries.

use std::io::{self, Read};

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
