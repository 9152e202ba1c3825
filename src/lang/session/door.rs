//! What an export remembers at the archive's door, so that `verify` accepts what it writes: what was refused, where ids have
//! their place, what objects need, and the last artifact.

use super::Export;
use crate::archive::Owner;
use crate::format::typed::{Fault, Needed, is_artifact_path};
use crate::format::{Kind, Object, Reason, SortKey, Typed};
use crate::lang::session::ExportError;
use crate::model::OwnerKind;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// Ids by their places, per kind.
type Ids = BTreeMap<Kind, BTreeMap<Vec<u8>, String>>;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Door {
    /// Objects that were not written, and so own nothing.
    refused: HashSet<(Kind, String)>,
    /// Of ids whose place depends on more than the id, the place; digests, since there may be many.
    places: HashMap<[u32; 3], u32>,
    defined: BTreeMap<Kind, BTreeSet<Vec<u8>>>,
    needed: Ids,
    /// What was needed last; most objects need the same as the one before.
    last_needed: Option<Needed>,
    last_artifact: Option<(OwnerKind, String, String)>,
}

impl Door {
    /// Notes that an object was not written.
    pub(super) fn refuse(&mut self, kind: Kind, id: &str) {
        self.refused.insert((kind, id.to_owned()));
    }

    /// Whether an object was not written.
    pub(super) fn has_refused(&self, kind: Kind, id: &str) -> bool {
        // Nearly always nothing was.
        !self.refused.is_empty() && self.refused.contains(&(kind, id.to_owned()))
    }

    /// Whether an id has no other place than this one, which the first that asks decides.
    pub(super) fn is_in_place(&mut self, kind: Kind, id: &str, place: &SortKey) -> bool {
        if !matches!(kind, Kind::Runs | Kind::LoggedModels | Kind::Traces) {
            return true;
        }
        let id = words(
            Sha256::new_with_prefix(kind.name())
                .chain_update([0])
                .chain_update(id),
        );
        let [place, ..] = words(Sha256::new_with_prefix(place.as_bytes()));
        *self.places.entry(id).or_insert(place) == place
    }

    /// Whether parts of an owner at a place have something to belong to.
    pub(super) fn takes_parts(&mut self, kind: Kind, id: &str, place: &SortKey) -> bool {
        !self.has_refused(kind, id) && self.is_in_place(kind, id, place)
    }

    /// Notes what an object is and needs.
    pub(super) fn note<T: Typed>(&mut self, object: &T) {
        if let Some(Needed { kind, key, .. }) = object.defined() {
            self.defined
                .entry(kind)
                .or_default()
                .insert(key.as_bytes().to_vec());
        }
        for Needed { kind, key, id } in object.needed_datasets() {
            let ids = self.needed.entry(kind).or_default();
            ids.insert(key.as_bytes().to_vec(), id);
        }
        let needed = object.needed();
        if needed != self.last_needed
            && let Some(Needed { kind, key, id }) = &needed
        {
            let ids = self.needed.entry(*kind).or_default();
            ids.insert(key.as_bytes().to_vec(), id.clone());
        }
        self.last_needed = needed;
    }

    /// Ids of what is needed and not there.
    pub(super) fn missing(&mut self) -> BTreeMap<Kind, Vec<String>> {
        let defined = &self.defined;
        let missing = std::mem::take(&mut self.needed).into_iter().map(|(kind, ids)| {
            let is_there = |key: &Vec<u8>| defined.get(&kind).is_some_and(|keys| keys.contains(key));
            let ids = ids.into_iter().filter(|(key, _)| !is_there(key));
            (kind, ids.map(|(_, id)| id).collect::<Vec<_>>())
        });
        missing.filter(|(_, ids)| !ids.is_empty()).collect()
    }

    /// Checks the path of an owner's next artifact; what is wrong with it, or nothing where its owner was refused already.
    pub(super) fn artifact(
        &mut self,
        owner: &Owner,
        path: &str,
    ) -> Result<(), Option<(Reason, &'static str)>> {
        if !self.takes_parts(Kind::from(owner.kind), &owner.id, &owner.sort_key) {
            return Err(None);
        }
        if !is_artifact_path(path) {
            return Err(Some((
                Reason::WrongPath,
                "it is not a path below the owner's artifacts",
            )));
        }
        if let Some((kind, id, last)) = &mut self.last_artifact
            && *kind == owner.kind
            && *id == owner.id
        {
            return match (*last).as_str().cmp(path) {
                std::cmp::Ordering::Less => {
                    path.clone_into(last);
                    Ok(())
                }
                std::cmp::Ordering::Equal => Err(Some((Reason::Duplicate, "its path is listed twice"))),
                std::cmp::Ordering::Greater => Err(Some((Reason::Unwritable, "it comes out of order"))),
            };
        }
        self.last_artifact = Some((owner.kind, owner.id.clone(), path.to_owned()));
        Ok(())
    }
}

impl Export<'_> {
    /// An object without the fields that it has under a name and of a type that no reader would accept; each is a failure.
    pub(super) fn mended<T: Typed>(&mut self, kind: Kind, id: &str, object: &T) -> Result<T, ExportError> {
        let (mut object, mut taken) = (object.clone(), Vec::new());
        object.take_misplaced("", &mut taken);
        for (field, value) in taken {
            let detail = format!(
                "field `{field}` holds {}, which MLflow would not write",
                kind_of(&value)
            );
            self.failure(kind, id, &field, Reason::WrongType, &detail)?;
        }
        Ok(object)
    }

    /// Whether an object's id is not one that an object at another place has: of those the first counts.
    pub(super) fn admits_place<T: Object>(&mut self, object: &T) -> Result<bool, ExportError> {
        let id = object.id();
        if self.door.is_in_place(T::KIND, &id, &object.sort_key()) {
            return Ok(true);
        }
        let detail = "its id is there twice, with two times or in two experiments: the first counts, this one is left out";
        self.failure(T::KIND, &id, "*", Reason::Duplicate, detail)?;
        Ok(false)
    }

    /// Whether an object passes the check that `verify` makes; one that does not is a failure.
    pub(super) fn admits<T: Typed>(
        &mut self,
        kind: Kind,
        id: impl FnOnce() -> String,
        object: &T,
    ) -> Result<bool, ExportError> {
        let Some(Fault { field, reason, .. }) = object.fault() else {
            return Ok(true);
        };
        let id = id();
        self.door.refuse(kind, &id);
        self.failure(
            kind,
            &id,
            "*",
            Reason::WrongId,
            &format!("its `{field}` {reason}"),
        )?;
        Ok(false)
    }

    /// Whether a list of artifacts can hold this path next; one that it cannot is a failure.
    pub(super) fn admits_artifact(&mut self, owner: &Owner, path: &str) -> Result<bool, ExportError> {
        let Err(why) = self.door.artifact(owner, path) else {
            return Ok(true);
        };
        if let Some((reason, why)) = why {
            let id = format!("{}/{path}", owner.id);
            self.failure(Kind::Artifacts, &id, "*", reason, why)?;
        }
        Ok(false)
    }

    /// Reports what objects need and no source gave, where neither a choice nor a failure accounts for it.
    pub(super) fn report_missing(&mut self) -> Result<(), ExportError> {
        for (kind, ids) in self.door.missing() {
            let left_out = self.left_out.iter().filter(|((of, _), _)| of == kind.name());
            let accounted = left_out.map(|(_, count)| count).sum::<u64>() + self.writer.lost(kind);
            if self.is_survey() || ids.len() as u64 <= accounted {
                continue;
            }
            for id in ids {
                let detail = format!("something belongs to {kind} `{id}`, which the source does not have");
                self.failure(kind, &id, "*", Reason::ListedButMissing, &detail)?;
            }
        }
        Ok(())
    }
}

/// The first words of a digest.
fn words(hasher: Sha256) -> [u32; 3] {
    let digest: [u8; 32] = hasher.finalize().into();
    [0, 4, 8].map(|at| u32::from_le_bytes(digest[at..at + 4].try_into().expect("four bytes")))
}

/// What a person calls a JSON value.
fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a truth value",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::verify::{VerifyOptions, verify};
    use crate::archive::{Archive, ByteSource, WriterOptions};
    use crate::format::manifest::SourceInfo;
    use crate::lang::session::ExportOptions;
    use crate::model::{Double, Experiment, Point, Run, RunInfo};
    use crate::monitor::Silent;

    fn run(id: &str, start_time: i64) -> Run {
        Run {
            info: RunInfo {
                run_id: id.into(),
                experiment_id: "1".into(),
                status: "FINISHED".into(),
                lifecycle_stage: "active".into(),
                start_time: Some(start_time),
                ..RunInfo::default()
            },
            ..Run::default()
        }
    }

    /// A run with a point and an artifact, the point before it as most sources have it.
    fn write_whole(export: &mut Export<'_>, mut run: Run) {
        let (key, id) = (run.sort_key(), run.info.run_id.clone());
        let mut series = export.writer.point_series();
        let point = Point {
            timestamp: 1,
            step: 1,
            value: Double(0.5),
            link: None,
        };
        series.push(point).unwrap();
        run.metrics
            .insert("loss".into(), series.latest().unwrap().clone());
        export
            .write_points(Kind::Runs, &key, &id, "loss", series)
            .unwrap();
        export.write_run(&mut run).unwrap();
        write_artifact(export, &id, key);
    }

    fn write_artifact(export: &mut Export<'_>, id: &str, sort_key: SortKey) {
        let owner = Owner {
            kind: OwnerKind::Run,
            id: id.to_owned(),
            sort_key,
        };
        let bytes = ByteSource::Bytes(id.as_bytes().to_vec());
        export.artifact(&owner, "a.txt".to_owned(), None, bytes).unwrap();
    }

    /// The failures of an export, and the runs in it, which `verify` accepts.
    fn exported(is_sorted_at_end: bool, fill: impl Fn(&mut Export<'_>)) -> (Vec<String>, Vec<String>) {
        let directory = tempfile::tempdir().unwrap();
        let out = directory.path().join("out.zip");
        let writer = WriterOptions {
            no_sync: true,
            ..WriterOptions::default()
        };
        let options = ExportOptions {
            keep_going: true,
            writer,
            ..ExportOptions::default()
        };
        let mut export = Export::create(&out, options, &Silent).unwrap();
        if is_sorted_at_end {
            Kind::ALL.iter().for_each(|&kind| export.writer.sort_at_end(kind));
        }
        let experiment = Experiment {
            experiment_id: "1".into(),
            name: "e".into(),
            lifecycle_stage: "active".into(),
            ..Experiment::default()
        };
        export.write(&experiment).unwrap();
        fill(&mut export);
        let report = export
            .finish(SourceInfo {
                kind: "test".into(),
                ..SourceInfo::default()
            })
            .unwrap();
        let found = verify(&out, &VerifyOptions::default(), &Silent).unwrap();
        assert!(found.is_intact(), "{:?}", found.findings);
        let failures = report.manifest.losses.failures.iter();
        let runs = Archive::open(&out).unwrap();
        let runs = runs
            .values(Kind::Runs)
            .map(|value| value.unwrap()["info"]["start_time"].to_string());
        (
            failures
                .map(|loss| format!("{} {} {}", loss.kind, loss.reason, loss.count))
                .collect(),
            runs.collect(),
        )
    }

    #[test]
    fn of_an_id_at_two_places_the_first_counts_with_all_its_parts() {
        for is_sorted_at_end in [false, true] {
            let (failures, runs) = exported(is_sorted_at_end, |export| {
                write_whole(export, run("r", 1));
                write_whole(export, run("r", 2));
            });
            assert_eq!(failures, ["runs duplicate 1"]);
            assert_eq!(runs, ["1"]);
        }
    }

    #[test]
    fn a_list_of_artifacts_that_comes_twice_is_a_failure_of_its_files() {
        let (failures, _) = exported(false, |export| {
            write_whole(export, run("a", 1));
            write_whole(export, run("b", 2));
            export.drain().unwrap();
            write_artifact(export, "b", run("b", 2).sort_key());
            export.door.last_artifact = None;
            write_artifact(export, "b", run("b", 2).sort_key());
            export.drain().unwrap();
            write_artifact(export, "a", run("a", 1).sort_key());
        });
        assert_eq!(failures, ["artifacts duplicate 1", "artifacts unwritable 2"]);
    }
}
