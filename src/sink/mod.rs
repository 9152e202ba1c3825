//! Where archives go; each sink reads an archive and knows nothing of sources.

pub mod exim;
pub mod extract;
pub mod rest;
mod span_file;
mod tree;
