//! What changes an archive: archive in, archive out.

pub mod source_tags;
