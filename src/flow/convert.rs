//! An archive as the directories of another tool.

pub use crate::lang::exim::write::{ConvertError, ConvertOptions, ConvertReport, Layout, Orphan, convert};
