//! What a user asks for, each from beginning to end: export, transform, import, compare, convert, extract, restore, serve.

pub(crate) mod compare;
pub mod convert;
pub mod export;
pub mod extract;
pub mod import;
pub mod merge;
pub mod restore;
pub(crate) mod serve;
pub mod transform;
