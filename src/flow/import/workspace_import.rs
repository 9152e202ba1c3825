//! An import into one place: a server, or one workspace of it.

use super::identity::{self, Identity};
use super::journal::{self, JournalContents, JournalPlaces, Ledger};
use super::options::{ImportOptions, LongValues, differences};
use super::origins::TargetOrigins;
use super::plan::{self, Chosen, Named, Plan};
use super::report::ImportReport;
use super::target::TargetState;
use super::workspaces::{WorkspacePlace, known_origin, origin_within};
use super::{ImportError, Result, apply, target_name};
use crate::archive::Archive;
use crate::flow::import::id_map::IdMap;
use crate::format::{Kind, Reason};
use crate::lang::rest::api::Api;
use crate::lang::rest::mark;
use crate::lang::rest::version::Feature;
use crate::model::Experiment;
use crate::monitor::Monitor;
use std::borrow::Cow;

/// How long after its last line a journal's open intents are believed to be under way.
const SETTLING: std::time::Duration = std::time::Duration::from_secs(3);

/// An import of what is in one workspace, planned and not yet begun.
pub(crate) struct WorkspaceImport {
    pub(crate) archive: Archive,
    pub(crate) api: Api,
    pub(crate) options: ImportOptions,
    pub(crate) target: TargetState,
    pub(crate) plan: Plan,
    journals: JournalPlaces,
    /// What the target's marks told, where the journals know less.
    recovered: Option<IdMap>,
    /// Whether the journal says that this archive arrived whole, with these options.
    is_complete: bool,
}

impl WorkspaceImport {
    /// Reads the archive, whose experiments are given, the journal and the target, and plans; nothing is written anywhere. Who the
    /// target is, is asked once for all parts.
    pub(crate) fn new(
        archive: &Archive,
        experiments: &[Experiment],
        greeted: &mut Option<TargetState>,
        place: WorkspacePlace,
        options: ImportOptions,
    ) -> Result<Self> {
        let api = Api::new(place.client);
        let journals = journals_of(archive, place.workspace.as_deref(), &api, &options)?;
        let mut contents = journals.read(None)?;
        let greeted = match greeted {
            Some(greeted) => greeted,
            greeted => greeted.insert(TargetState::greet(api.client())?),
        };
        let mut target = TargetState {
            url: target_name(api.client()),
            origins: journals.origins().clone(),
            workspace: place.workspace,
            missing: place.missing,
            is_flat: place.is_flat,
            ..greeted.clone()
        };
        if let Some(version) = target.told_version() {
            contents.meet(version);
        }
        let mut chosen = Chosen::resolve(archive, experiments, &options.only)?;
        if let Some(workspace) = &target.workspace {
            chosen = chosen.within(experiments, workspace);
        }
        let named = Named::read(archive, experiments, &chosen)?;
        let mut mapping = std::mem::take(&mut contents.mapping);
        if target.missing.is_none() {
            target.survey(&api, &named.wanted(&mapping, &options))?;
            if !contents.is_recovered {
                recover(&api, &target, &mut mapping)?;
            }
        }
        let mut plan = Plan::make(archive, chosen, named, &target, &mapping, &options)?;
        let recovered = (!contents.is_recovered).then_some(mapping);
        let stamp = stamp(archive, &options);
        plan.changed_options = changed_options(&contents, &options, &stamp);
        Ok(WorkspaceImport {
            archive: archive.clone(),
            api,
            is_complete: contents.complete.as_deref() == Some(stamp.as_str()) && plan.to_create() == 0,
            options,
            target,
            plan,
            journals,
            recovered,
        })
    }

    pub(crate) fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Whether the plan can be carried out as asked.
    pub(crate) fn check(&self) -> Result<()> {
        let conflicts: Vec<_> = self.plan.conflicts().collect();
        if !conflicts.is_empty() {
            let name = |item: &&plan::Item| {
                let note = self.deleted(item).map_or("", |_| " (deleted there)");
                format!("{} `{}`{note}", item.kind, item.name.as_ref().unwrap_or(&item.id))
            };
            let names: Vec<_> = conflicts.iter().take(5).map(name).collect();
            return Err(ImportError::Conflict {
                count: conflicts.len(),
                names: names.join(", "),
                deleted: conflicts.iter().find_map(|item| self.deleted(item)),
                is_live: conflicts.iter().any(|item| self.deleted(item).is_none()),
            });
        }
        let too_long = self.plan.changes.of_reason(Reason::ValueTooLong);
        if too_long > 0 && self.options.long_values == LongValues::Error {
            let named = self.plan.changes.named().iter();
            let example = named
                .filter(|change| change.reason == Reason::ValueTooLong)
                .map(|change| format!("{} of {} `{}`", change.field, change.kind, change.id));
            return Err(ImportError::TooLong {
                count: too_long,
                example: example.take(1).collect(),
            });
        }
        Ok(())
    }

    /// The id in the target of a deleted experiment that has the name of an item; nothing else that is deleted there keeps its name.
    fn deleted(&self, item: &plan::Item) -> Option<String> {
        let id = item
            .target_id
            .as_ref()
            .filter(|_| item.kind == Kind::Experiments)?;
        let found = self.target.experiments.get(id)?;
        found.is_deleted.then(|| id.to_string())
    }

    /// What the journal says now, or without one the target's marks.
    pub(crate) fn current_mapping(&self) -> Result<Cow<'_, IdMap>> {
        let contents = self.journals.read(None)?;
        match &self.recovered {
            Some(mapping) if !contents.is_recovered => Ok(Cow::Borrowed(mapping)),
            _ => Ok(Cow::Owned(contents.mapping)),
        }
    }

    /// Carries the plan out.
    pub(crate) fn apply(&self, monitor: &dyn Monitor) -> Result<ImportReport> {
        self.check()?;
        let stamp = stamp(&self.archive, &self.options);
        if self.is_complete {
            let mut report = ImportReport::nothing_to_do(&self.plan, self.journals.first());
            report.requests = self.api.client().requests();
            report.retries = self.api.client().retries();
            return Ok(report);
        }
        let content_id = self.archive.manifest().content_id.to_string();
        let (mut journal, contents) =
            self.journals
                .open(&content_id, self.target.told_version(), &self.options.told())?;
        let mut mapping = contents.mapping;
        let since = contents.written.and_then(|written| written.elapsed().ok());
        if let Some(left) = since.and_then(|since| SETTLING.checked_sub(since))
            && (mapping.has_intents() || !contents.is_recovered && contents.sessions > 0)
        {
            // A request of a process that was just killed may still be under way in the server.
            std::thread::sleep(left);
        }
        if !contents.is_recovered {
            recover(&self.api, &self.target, &mut mapping)?;
            // A death from here on must not make the next import believe that nothing is there.
            journal.recovered(&mapping)?;
        }
        let ledger = Ledger::new(journal, mapping);
        let (plan, target) = (&self.plan, &self.target);
        let report = apply::apply(
            &self.archive,
            &self.api,
            plan,
            target,
            &self.options,
            &ledger,
            monitor,
        )?;
        if report.failures.is_empty() {
            ledger.complete(&stamp)?;
        }
        Ok(report)
    }
}

/// What the journals of an import are about, and where they are.
fn journals_of(
    archive: &Archive,
    workspace: Option<&str>,
    api: &Api,
    options: &ImportOptions,
) -> Result<JournalPlaces> {
    let target = target_name(api.client());
    let given = options.journal.as_deref();
    let origins = match &options.origin {
        Some(named) => origin_within(named, workspace).into(),
        None => {
            let own = known_origin(archive, workspace, &target, given);
            TargetOrigins::read(archive, own, workspace)?
        }
    };
    let given = given.map(|path| journal::path_within(path, workspace));
    Ok(JournalPlaces::new(archive.path(), &origins, &target, given))
}

/// What says that an archive arrived whole: its content and the options that change what is sent.
fn stamp(archive: &Archive, options: &ImportOptions) -> String {
    let salt = apply::salt(options);
    let only = format!("{:?}", options.only);
    use sha2::{Digest as _, Sha256};
    let digest = Sha256::digest(format!("{salt}\0{only}"));
    let hex: String = digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    format!("{} {hex}", archive.manifest().content_id)
}

/// Which options are others than those of the last import.
fn changed_options(contents: &JournalContents, options: &ImportOptions, stamp: &str) -> Vec<String> {
    match &contents.options {
        Some(before) => differences(before, &options.told()),
        None => {
            let complete = contents.complete.iter();
            complete.filter_map(|complete| changed(complete, stamp)).collect()
        }
    }
}

/// What is known of options where a journal holds only a digest of them.
fn changed(before: &str, now: &str) -> Option<String> {
    let digest = |stamp: &str| stamp.rsplit_once(' ').map(|(_, digest)| digest.to_owned());
    let text = "the options differ; the journal comes from an older mlark and does not say which";
    (digest(before) != digest(now)).then(|| text.to_owned())
}

/// Fills the mapping of a lost journal from the target's marks.
fn recover(api: &Api, target: &TargetState, mapping: &mut IdMap) -> Result<()> {
    let origins = &target.origins;
    for (id, target_id) in &target.marked {
        mapping.insert(Kind::Experiments, id, target_id, false);
        let tags = target.experiments.get(target_id).map(|found| &found.tags);
        let identity = tags.and_then(|tags| Identity::parse(tags.get(identity::KEY)?));
        mapping.identify(Kind::Experiments, id, identity.unwrap_or_default());
    }
    // Runs of these origins may also be in experiments that took them in.
    let filters = origins.prefixes(Kind::Runs);
    let filters: Vec<_> = filters
        .map(|prefix| format!("tags.`{}` LIKE '{prefix}%'", mark::KEY))
        .collect();
    for experiment in target.experiments.values() {
        let mut found = Vec::new();
        for filter in &filters {
            api.each_run(&experiment.id, filter, |run| {
                let mark = run.tags.get(mark::KEY);
                if let Some(id) = mark.and_then(|mark| origins.id_of(mark, Kind::Runs)) {
                    let identity = Identity::of(Some(&run.run_name), run.start_time);
                    found.push((id, run.id, identity));
                }
            })?;
        }
        // Of several, made by two imports at once, all take the least.
        found.sort_unstable_by(|a, b| (&b.0, &b.1).cmp(&(&a.0, &a.1)));
        for (id, target_id, identity) in found {
            mapping.insert(Kind::Runs, &id, &target_id, false);
            mapping.identify(Kind::Runs, &id, identity);
        }
        if !target.has(Feature::LoggedModels) || experiment.is_deleted {
            continue;
        }
        api.each_logged_model(&experiment.id, |model| {
            let mark = model.tags.get(mark::KEY);
            if let Some(id) = mark.and_then(|mark| origins.id_of(mark, Kind::LoggedModels)) {
                mapping.insert(Kind::LoggedModels, &id, &model.id, false);
            }
        })?;
    }
    Ok(())
}
