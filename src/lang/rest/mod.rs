//! MLflow's REST API: `routes` is the table of its calls, [`read`] asks for what a server holds, [`api`] makes objects,
//! [`version`] says what each version can do, [`limits`] and [`keys`] what it can hold.

pub mod api;
pub mod file_names;
pub mod keys;
pub mod limits;
pub(crate) use crate::format::mark;
mod paging;
pub mod read;
pub mod resume;
pub(crate) mod routes;
pub mod version;
