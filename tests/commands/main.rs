//! The binary, and what all commands must agree on.

#[path = "../helpers/mod.rs"]
mod helpers;

mod bad_input;
mod bad_usage;
#[cfg(feature = "cloud")]
mod buckets;
mod completions;
mod diff_sides;
mod every_command;
mod examples;
mod exim_convert;
mod extract;
mod filters;
#[cfg(feature = "cloud")]
mod hostile_buckets;
mod hostile_texts;
mod interrupted;
mod lineage;
mod ls_sources;
mod report_diff;
mod report_look;
mod report_page;
mod scan;
mod schema;
mod secrets;
mod serve;
mod tables;
mod terminal;
