//! Experiments under other names. Nothing else refers to an experiment by its name.

use super::names::{NewNames, Rename};
use crate::archive::walk::text;
use crate::flow::transform::error::Result;
use crate::flow::transform::step::{EditedLine, Fate, Step};
use crate::flow::transform::view::View;
use crate::format::Kind;
use std::collections::BTreeSet;

struct RenameExperiments(NewNames);

/// Works out the new names; experiments are unique within a workspace, deleted ones too.
pub(in super::super) fn experiments(rename: &Rename, view: &View<'_>) -> Result<Box<dyn Step>> {
    let mut there = BTreeSet::new();
    view.for_each_head(Kind::Experiments, |head| {
        let workspace = head.workspace.as_str().map(str::to_owned);
        there.insert((workspace, text(&head.name).to_owned()));
        Ok(())
    })?;
    let names = NewNames::plan(rename, super::EXPERIMENT, "--rename-experiment", &there)?;
    Ok(Box::new(RenameExperiments(names)))
}

impl Step for RenameExperiments {
    fn kinds(&self) -> &[Kind] {
        &[Kind::Experiments]
    }

    fn apply(&self, line: &mut EditedLine) -> Result<Fate> {
        if let Some(new) = self.0.of(line.text("name")) {
            line.rewrite(|line| {
                line["name"] = new.into();
                true
            });
        }
        Ok(Fate::Kept)
    }

    fn finish(&self) -> Result<Vec<String>> {
        Ok(self.0.silent.clone())
    }
}
