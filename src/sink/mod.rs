//! Where an archive goes: each sink reads an archive and knows nothing of sources.

pub mod rest;
