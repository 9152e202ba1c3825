//! MLflow's REST API: [`read`] asks it for what a server holds, [`api`] makes objects with it, [`version`] says what each
//! version can do, [`limits`] and [`keys`] what it can hold.

pub mod api;
pub mod file_names;
pub mod keys;
pub mod limits;
pub(crate) use crate::format::mark;
pub mod read;
pub mod version;
