//! What was asked for by name, and whether it is there: one rule for every command and every source.

mod asked;
mod catalogue;
mod closure;
mod filter;
mod graph;
mod nearest;
mod patterns;
mod selection;
mod share;
mod within;

pub(crate) use asked::{Asked, AskedNames};
pub use asked::{Matched, NoMatch};
pub(crate) use catalogue::{Catalogue, RunNeeds};
pub(crate) use closure::{Closure, NAMING_METADATA, Verdict, names_of};
pub use filter::{FilterError, OrderBy, RunColumn, RunFilter};
pub(crate) use graph::{Graph, GraphBuilder, Marks, Node};
pub(crate) use nearest::Nearest;
pub(crate) use patterns::is_glob;
pub use patterns::{PatternError, Patterns};
pub use selection::{Selection, TimeRange};
pub use share::{Division, MOST_SHARDS, Piece, Share};
pub use within::{Names, SeekError, Sought};
