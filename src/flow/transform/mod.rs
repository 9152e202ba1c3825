//! What changes an archive: archive in, archive out.
//!
//! | module        | is                                                              |
//! |---------------|-----------------------------------------------------------------|
//! | `recipe`      | edits as people write them                                      |
//! | `sought`      | what an edit looks for by name                                  |
//! | `step`        | what an edit does, line by line, once it knows its archive      |
//! | `view`        | an archive as earlier edits leave it, for an edit being planned |
//! | `engine`      | lines through all steps, in one pass                            |
//! | `apply`       | a recipe from beginning to end                                  |
//! | `undo`        | the last recipe reversed                                        |
//! | all others    | one family of edits each                                        |

mod apply;
pub mod descriptions;
mod engine;
mod error;
pub mod move_runs;
mod recipe;
pub mod redact;
pub mod relocate;
mod removal;
pub mod rename;
pub mod select;
mod sought;
pub mod source_tags;
mod step;
mod store;
pub mod tags;
mod typed;
mod undo;
mod view;

pub use crate::lang::sql::write::IntoStore;
pub use apply::{Preview, TransformOptions, TransformReport, apply, preview};
pub use engine::Example;
pub use error::TransformError;
pub use recipe::{Edit, Recipe, schema};
pub use undo::undo;
