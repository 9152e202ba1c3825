//! An archive as the edits so far leave it, for an edit that must know what is there before it begins.

use super::error::Result;
use super::step::{EditedLine, Fate, Step, for_each_added};
use crate::archive::walk::Head;
use crate::archive::{Archive, parse_line_but};
use crate::format::Kind;
use crate::format::line::canonical;
use serde_json::Value;

/// An archive seen through edits.
pub(super) struct View<'a> {
    archive: &'a Archive,
    steps: &'a [Box<dyn Step>],
}

impl<'a> View<'a> {
    pub(super) fn new(archive: &'a Archive, steps: &'a [Box<dyn Step>]) -> Self {
        View { archive, steps }
    }

    pub(super) fn archive(&self) -> &'a Archive {
        self.archive
    }

    /// Whether an edit before this one looks at a kind.
    pub(super) fn is_edited(&self, kind: Kind) -> bool {
        self.steps.iter().any(|step| step.looks_at(kind))
    }

    /// Hands each line of a kind to `visit`, in the order of the archive, with its place among those of its kind there; those that an
    /// edit adds follow.
    pub(super) fn for_each_placed(
        &self,
        kind: Kind,
        mut visit: impl FnMut(u64, Value) -> Result<()>,
    ) -> Result<()> {
        let mut lines = self.archive.lines(kind);
        let steps = || self.steps.iter().filter(|step| step.looks_at(kind));
        while let Some(line) = lines.next_line()? {
            let is_left =
                |path: &[&str], text: &Value| !steps().any(|step| step.reads_text(kind, path, text));
            let value = parse_line_but(self.archive, &line, is_left)?;
            let place = lines.place();
            let mut line = EditedLine::new(kind, place, value);
            if line.under(steps())? == Fate::Kept {
                visit(place, line.finish().value)?;
            }
        }
        for_each_added(self.archive, self.steps, kind, |place, line| {
            visit(place, self.read(kind, serde_json::from_slice(&line))?)
        })
    }

    /// As [`View::for_each_placed`], with the text of each line, of which `visit` may read as little as it needs.
    pub(super) fn for_each_placed_text(
        &self,
        kind: Kind,
        mut visit: impl FnMut(u64, &[u8]) -> Result<()>,
    ) -> Result<()> {
        if self.is_edited(kind) {
            return self.for_each_placed(kind, |place, value| {
                let text = canonical(&value);
                // A parsed line takes a multiple of its text.
                drop(value);
                visit(place, &text)
            });
        }
        let mut lines = self.archive.lines(kind);
        while lines.next_line()?.is_some() {
            visit(lines.place(), lines.line())?;
        }
        Ok(())
    }

    /// Hands the head of each line of a kind to `visit`.
    pub(super) fn for_each_head(&self, kind: Kind, mut visit: impl FnMut(Head) -> Result<()>) -> Result<()> {
        self.for_each_placed_text(kind, |_, line| visit(self.read(kind, Head::read(kind, line))?))
    }

    /// What was read of a line.
    pub(super) fn read<T>(&self, kind: Kind, read: serde_json::Result<T>) -> Result<T> {
        read.map_err(|error| self.archive.damaged(kind.name(), &error.to_string()).into())
    }
}
