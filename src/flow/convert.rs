//! An archive as the directories of another tool, or as tables.

pub use crate::lang::exim::write::{ConvertError, ConvertOptions, ConvertReport, Layout, Orphan, convert};
pub use crate::lang::tables::{
    Column, ColumnType, TableForm, TableReport, TablesError, TablesFormat, TablesOptions, TablesReport,
    documentation, write_tables,
};
