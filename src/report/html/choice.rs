//! Which objects of an archive a page is about: what was asked for, and what that needs.

use crate::archive::walk::{each_line, heads, text};
use crate::archive::{Archive, Result};
use crate::format::Kind;
use crate::model::{LoggedModel, ModelVersion, Run, Trace};
use crate::select::{Catalogue, Closure, Matched, RunNeeds, SeekError, Selection};
use serde::de::DeserializeOwned;

/// The objects that belong to a selection.
///
/// # Errors
/// A name or id that nothing has, or the archive cannot be read.
pub(super) fn choose(archive: &Archive, selection: &Selection) -> Result<(Closure, Matched), SeekError> {
    // What an archive holds is shown, deleted or not.
    let include_deleted = true;
    if selection.takes_all_objects() {
        return Ok((Closure::new(selection, include_deleted), Matched::default()));
    }
    let mut catalogue = Catalogue::new(selection, include_deleted);
    tell_runs(archive, &mut catalogue)?;
    each(archive, Kind::LoggedModels, |model: LoggedModel| {
        catalogue.logged_model(&model)
    })?;
    for head in heads(archive, Kind::RegisteredModels)? {
        catalogue.model(text(&head?.name));
    }
    each(archive, Kind::ModelVersions, |version: ModelVersion| {
        catalogue.version(&version)
    })?;
    each(archive, Kind::Traces, |trace: Trace| catalogue.trace(&trace))?;
    Ok(catalogue.close(&|_, _| RunNeeds::default())?)
}

fn tell_runs(archive: &Archive, catalogue: &mut Catalogue) -> Result<()> {
    for head in heads(archive, Kind::Experiments)? {
        let head = head?;
        catalogue.experiment(text(&head.experiment_id), text(&head.name), false);
    }
    each(archive, Kind::Runs, |run: Run| {
        let info = &run.info;
        let outputs = run.outputs.model_outputs.iter();
        let needs = RunNeeds {
            parent: run.parent_id().map(str::to_owned),
            logged_models: outputs.map(|output| output.model_id.clone()).collect(),
        };
        let experiment = &info.experiment_id;
        catalogue.run(
            &info.run_id,
            experiment,
            info.start_time,
            &info.lifecycle_stage,
            Some(needs),
        );
        if catalogue.asks_of_run(experiment, info.start_time) {
            catalogue.filtered_run(&run);
        }
    })
}

fn each<T: DeserializeOwned>(archive: &Archive, kind: Kind, mut see: impl FnMut(T)) -> Result<()> {
    each_line(archive, kind, |cursor| {
        // Long texts stay in their blobs where they can.
        see(cursor.parse().or_else(|_| cursor.object())?);
        Ok(())
    })
}
