//! Reading and writing archives: directory and zip containers, the strict scan, `verify`.

mod blob;
mod buffers;
mod checksums;
mod clock;
mod container;
mod error;
pub(crate) mod fuzzing;
mod kind_writer;
mod leftovers;
mod lines;
mod long_text;
mod loss_log;
mod output;
pub mod parallel;
mod part;
mod points;
mod reader;
mod sharing;
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
pub(crate) use leftovers::TemporaryFolder;
pub use leftovers::{Fate, Leftover, abandon_all, remove_leftovers};
pub use lines::{Line, Lines, Objects};
pub(crate) use lines::{
    blob_reference, blob_reference_of, inlined, parse_line, parse_line_but, parse_object,
};
pub(crate) use long_text::LongTexts;
pub use parallel::Pending;
pub(crate) use part::PartWriter;
pub use points::PointSeries;
pub use reader::{Archive, CheckedReader};
pub(crate) use spill::{Merge, SpillSorter};
pub(crate) use staging::{Replace, Staging, parent_of};
pub use writer::{ArchiveWriter, Duplicates, FileFailure, ManifestHead, Owner, WriterOptions};
