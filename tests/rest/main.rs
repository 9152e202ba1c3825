//! The client, and a tracking server as a source; the servers are scripted.

#[path = "../helpers/mod.rs"]
mod helpers;

mod bounds;
mod client;
mod resume;
mod routes;
mod source;
mod tls;
