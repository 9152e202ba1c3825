//! What a user asks for, each from beginning to end: export, transform, import, compare, extract.

pub mod compare;
pub mod export;
pub mod extract;
pub mod import;
pub mod transform;
