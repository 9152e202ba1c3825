//! Experiments under other names. Nothing else refers to an experiment by its name.

use super::names::{NewNames, Rename};
use crate::archive::walk::text;
use crate::flow::transform::error::{Result, TransformError};
use crate::flow::transform::step::{EditedLine, Fate, Step};
use crate::flow::transform::view::View;
use crate::format::Kind;
use std::collections::{BTreeMap, BTreeSet};

/// A workspace and a name in it.
type Name = (Option<String>, String);

struct RenameExperiments {
    /// By id, which tells those apart that have one name in several workspaces.
    by_id: BTreeMap<String, String>,
    names: NewNames,
}

/// Works out the new names; experiments are unique within a workspace, deleted ones too. What is no name may be an id.
pub(in super::super) fn experiments(rename: &Rename, view: &View<'_>) -> Result<Box<dyn Step>> {
    rename.check(super::EXPERIMENT)?;
    let mut all: BTreeMap<String, Name> = BTreeMap::new();
    view.for_each_head(Kind::Experiments, |head| {
        let workspace = head.workspace.as_str().map(str::to_owned);
        let name = (workspace, text(&head.name).to_owned());
        all.insert(text(&head.experiment_id).to_owned(), name);
        Ok(())
    })?;
    let names: BTreeSet<&str> = all.values().map(|(_, name)| name.as_str()).collect();
    let is_id = |old: &str| !names.contains(old) && all.contains_key(old);
    let (ids, others): (Vec<_>, Vec<_>) = rename.names.iter().cloned().partition(|pair| is_id(&pair.old));
    let by_id: BTreeMap<String, String> = ids.into_iter().map(|pair| (pair.old, pair.new)).collect();
    let by_name = all.iter().filter(|(id, _)| !by_id.contains_key(*id));
    let by_name: BTreeSet<Name> = by_name.map(|(_, name)| name.clone()).collect();
    let others = Rename { names: others };
    let names = NewNames::plan(&others, super::EXPERIMENT, "--rename-experiment", &by_name)?;
    let now = |(workspace, name): Name| {
        let new = names.of(&name).map(str::to_owned);
        (workspace, new.unwrap_or(name))
    };
    let mut taken: BTreeSet<Name> = by_name.into_iter().map(now).collect();
    for (id, new) in &by_id {
        let name = (all[id].0.clone(), new.clone());
        if !taken.insert(name) {
            let (edit, name) = (super::EXPERIMENT, new.clone());
            return Err(TransformError::Taken { edit, name });
        }
    }
    Ok(Box::new(RenameExperiments { by_id, names }))
}

impl Step for RenameExperiments {
    fn looks_at(&self, kind: Kind) -> bool {
        kind == Kind::Experiments
    }

    fn apply(&self, line: &mut EditedLine) -> Result<Fate> {
        let by_id = self.by_id.get(line.text("experiment_id")).map(String::as_str);
        let new = by_id.or_else(|| self.names.of(line.text("name")));
        if let Some(new) = new.filter(|new| *new != line.text("name")) {
            line.put("name", new);
        }
        Ok(Fate::Kept)
    }

    fn finish(&self) -> Result<Vec<String>> {
        Ok(self.names.silent.clone())
    }
}
