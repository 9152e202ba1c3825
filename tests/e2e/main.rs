//! Real MLflow servers; `scripts/test` runs these.

#[path = "../helpers/mod.rs"]
mod helpers;

mod cloud;
mod databases;
mod demos;
mod exim;
mod exim_tags;
mod lineage;
mod remote;
mod replay;
mod report;
mod rest;
mod rest_live;
mod restore;
mod restore_servers;
mod resume;
mod spans;
mod tables;
mod workspaces;
