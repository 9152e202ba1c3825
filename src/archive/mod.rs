//! Reading and writing archives: directory and zip containers, the strict scan, `verify`.

mod blob;
mod checksums;
mod clock;
mod container;
mod error;
pub(crate) mod fuzzing;
mod kind_writer;
mod lines;
mod loss_log;
mod output;
pub mod parallel;
mod part;
mod points;
mod reader;
mod spill;
mod staging;
pub mod verify;
pub mod walk;
mod writer;
mod zip;

pub(crate) use blob::store_content;
pub use blob::{ByteSource, IngestError, OpenFn, StoreFn, StoredFile};
pub(crate) use clock::now_text;
pub use container::ContainerKind;
pub use error::{ArchiveError, ErrorKind, Result};
pub use lines::{Line, Lines, Objects};
pub(crate) use lines::{inlined, parse_line};
pub use parallel::Pending;
pub(crate) use part::PartWriter;
pub use points::PointSeries;
pub use reader::{Archive, CheckedReader};
pub(crate) use spill::{Merge, SpillSorter};
pub(crate) use staging::Staging;
pub use writer::{ArchiveWriter, Duplicates, FileFailure, ManifestHead, Owner, WriterOptions};
