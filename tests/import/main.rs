//! Imports into a scripted server.

#[path = "../helpers/mod.rs"]
mod helpers;

mod faults;
mod limits;
mod merged;
mod old_traces;
mod refusals;
mod replay;
mod told;
mod workspaces;
