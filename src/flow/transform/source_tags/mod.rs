//! Source tags injected into an archive; the rules are those of [`crate::lang::exim::tags`].

mod inject;
mod limits;

pub use inject::{DEFAULT_PROFILE, NAME, inject};
