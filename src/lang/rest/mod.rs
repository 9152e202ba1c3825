//! MLflow's REST API: [`read`] asks it for what a server holds, [`api`] makes objects with it, [`limits`] says what each version can hold.

pub mod api;
pub mod file_names;
pub mod limits;
pub(crate) use crate::format::mark;
pub mod read;
mod version;
