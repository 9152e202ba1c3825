//! Divides a source: looked at once, its experiments weighed, huge ones cut by time, and all given to the shard that has least.
//!
//! What is weighed are the lines of runs, logged models and traces, with a constant for each: what an object costs beside its size.

use super::{FORMAT_MAJOR, FORMAT_NAME, Piece, PlanFile, PlanFormat, PlannedExperiment, PlannedSource};
use crate::archive::walk::{Cursor, each_line, text};
use crate::archive::{Archive, ArchiveError};
use crate::format::manifest::Tool;
use crate::format::{Kind, SortKey, order};
use crate::model::lifecycle::is_deleted;
use serde::Deserialize;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

/// What an object weighs beside the bytes of its line: its artifacts, its history, its requests.
const OBJECT_WEIGHT: u64 = 4_096;
/// An experiment is cut where it weighs more than this many hundredths of an even share.
const HUGE_PERCENT: u64 = 120;
/// Pieces that an even share has, so that they can be spread.
const PIECES_A_SHARE: u64 = 2;

/// Objects of an experiment, by kind.
#[derive(Debug, Default)]
struct Weighed {
    id: String,
    weights: BTreeMap<Kind, u64>,
    is_deleted: bool,
    /// Whether a run has no start time.
    has_timeless_runs: bool,
    /// Where it is cut.
    cuts: Vec<i64>,
    pieces: Vec<Heap>,
}

/// What a piece or a shard has.
#[derive(Debug, Default, Clone, Copy)]
struct Heap {
    weight: u64,
    runs: u64,
    deleted_runs: u64,
}

impl Heap {
    fn add(&mut self, object: &Object) {
        self.weight = self.weight.saturating_add(object.weight);
        if object.kind == Kind::Runs {
            *(if object.is_deleted {
                &mut self.deleted_runs
            } else {
                &mut self.runs
            }) += 1;
        }
    }
}

/// An object of a kind that is cut by its time.
struct Object {
    kind: Kind,
    key: SortKey,
    time: Option<i64>,
    weight: u64,
    is_deleted: bool,
}

impl Weighed {
    fn weight(&self) -> u64 {
        self.weights
            .values()
            .fold(OBJECT_WEIGHT, |sum, weight| sum.saturating_add(*weight))
    }

    /// The piece of a moment.
    fn piece(&self, time: Option<i64>) -> usize {
        time.map_or(0, |time| self.cuts.partition_point(|cut| *cut <= time))
    }
}

type Experiments = BTreeMap<SortKey, Weighed>;

/// Divides what a survey saw of a source, deleted objects included.
///
/// # Errors
/// The survey's archive cannot be read.
pub fn make(survey: &Archive, shards: u64) -> Result<PlanFile, ArchiveError> {
    let manifest = survey.manifest();
    let mut experiments = weigh(survey)?;
    let total = experiments
        .values()
        .fold(0, |sum: u64, one| sum.saturating_add(one.weight()));
    let share = (total / shards).max(1);
    // No filter of a server finds runs without a start time.
    let can_cut = |one: &Weighed| manifest.source.kind != "rest" || !one.has_timeless_runs;
    let is_huge = |one: &Weighed| one.weight() > share.saturating_mul(HUGE_PERCENT) / 100;
    if shards > 1 && experiments.values().any(|one| is_huge(one) && can_cut(one)) {
        cut(survey, &mut experiments, share / PIECES_A_SHARE, |one| {
            is_huge(one) && can_cut(one)
        })?;
    }
    Ok(give(manifest, experiments, shards))
}

/// Visits the objects of the kinds that are cut.
fn each(survey: &Archive, mut see: impl FnMut(Object)) -> Result<(), ArchiveError> {
    for &kind in Kind::ALL.iter().filter(|kind| kind.has_ids_of_its_own()) {
        let mut cursor = Cursor::new(survey, kind)?;
        while let Some(line) = cursor.line() {
            let head = cursor.head(kind)?;
            see(Object {
                kind,
                key: order::experiment(text(&head.experiment_id)),
                time: head.time(kind),
                weight: OBJECT_WEIGHT + line.len() as u64,
                is_deleted: kind == Kind::Runs && is_deleted_run(line),
            });
            cursor.advance()?;
        }
    }
    Ok(())
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Stage {
    lifecycle_stage: String,
    info: Option<Box<Stage>>,
}

fn is_deleted_run(line: &[u8]) -> bool {
    let run: Stage = serde_json::from_slice(line).unwrap_or_default();
    run.info.is_some_and(|info| is_deleted(&info.lifecycle_stage))
}

fn weigh(survey: &Archive) -> Result<Experiments, ArchiveError> {
    let mut experiments = Experiments::new();
    each_line(survey, Kind::Experiments, |cursor| {
        let id = text(&cursor.head(Kind::Experiments)?.experiment_id).to_owned();
        let stage: Stage = cursor.parse()?;
        let one = Weighed {
            is_deleted: is_deleted(&stage.lifecycle_stage),
            pieces: vec![Heap {
                weight: OBJECT_WEIGHT,
                ..Heap::default()
            }],
            ..Weighed::default()
        };
        experiments.insert(order::experiment(&id), Weighed { id, ..one });
        Ok(())
    })?;
    each(survey, |mut object| {
        let Some(one) = experiments.get_mut(&object.key) else {
            return;
        };
        let weight = one.weights.entry(object.kind).or_default();
        *weight = weight.saturating_add(object.weight);
        one.has_timeless_runs |= object.kind == Kind::Runs && object.time.is_none();
        object.is_deleted |= one.is_deleted;
        one.pieces[0].add(&object);
    })?;
    Ok(experiments)
}

/// Cuts experiments into pieces of about a weight, by the times of the kind that weighs most; lines come in the order of their times.
fn cut(
    survey: &Archive,
    experiments: &mut Experiments,
    piece: u64,
    is_cut: impl Fn(&Weighed) -> bool,
) -> Result<(), ArchiveError> {
    let mut huge: Experiments = std::mem::take(experiments);
    huge.retain(|key, one| {
        let stays = is_cut(one);
        if !stays {
            experiments.insert(key.clone(), std::mem::take(one));
        }
        stays
    });
    let mut sums: BTreeMap<SortKey, (u64, Option<i64>)> = BTreeMap::new();
    each(survey, |object| {
        let Some(one) = huge.get_mut(&object.key) else {
            return;
        };
        let most = one.weights.values().max().copied().unwrap_or(0);
        let heaviest = one.weights.iter().find(|(_, weight)| **weight == most);
        if heaviest.is_none_or(|(heaviest, _)| *heaviest != object.kind) {
            return;
        }
        // What the other kinds weigh is spread as this one is.
        let weight = u128::from(object.weight) * u128::from(one.weight()) / u128::from(most.max(1));
        let (sum, last) = sums.entry(object.key).or_default();
        if let Some(time) = object.time.filter(|time| *sum >= piece && Some(*time) != *last) {
            one.cuts.push(time);
            *sum = 0;
        }
        *sum = sum.saturating_add(u64::try_from(weight).unwrap_or(u64::MAX));
        *last = object.time.or(*last);
    })?;
    for one in huge.values_mut() {
        one.pieces = vec![Heap::default(); one.cuts.len() + 1];
        one.pieces[0].weight = OBJECT_WEIGHT;
    }
    each(survey, |mut object| {
        let Some(one) = huge.get_mut(&object.key) else {
            return;
        };
        let at = one.piece(object.time);
        object.is_deleted |= one.is_deleted;
        one.pieces[at].add(&object);
    })?;
    experiments.append(&mut huge);
    Ok(())
}

/// Gives all pieces to shards, the heaviest first, each to the shard that has least.
fn give(manifest: &crate::format::Manifest, experiments: Experiments, shards: u64) -> PlanFile {
    let experiments: Vec<Weighed> = experiments.into_values().collect();
    let mut pieces: Vec<(u64, usize, usize)> = Vec::new();
    for (number, one) in experiments.iter().enumerate() {
        let all = one.pieces.iter().enumerate();
        pieces.extend(all.map(|(piece, heap)| (heap.weight, number, piece)));
    }
    pieces.sort_unstable_by_key(|(weight, number, piece)| (Reverse(*weight), *number, *piece));
    let mut least: BinaryHeap<Reverse<(u64, u64)>> = (1..=shards).map(|shard| Reverse((0, shard))).collect();
    let mut owners: Vec<Vec<u64>> = experiments.iter().map(|one| vec![0; one.pieces.len()]).collect();
    for (weight, number, piece) in pieces {
        let Some(Reverse((sum, shard))) = least.pop() else {
            break;
        };
        owners[number][piece] = shard;
        least.push(Reverse((sum.saturating_add(weight), shard)));
    }
    let place = |shard: u64| usize::try_from(shard - 1).expect("a shard is one of a list");
    let mut heaps = vec![Heap::default(); place(shards) + 1];
    for (one, owners) in experiments.iter().zip(&owners) {
        for (piece, shard) in one.pieces.iter().zip(owners) {
            let heap = &mut heaps[place(*shard)];
            heap.weight = heap.weight.saturating_add(piece.weight);
            heap.runs += piece.runs;
            heap.deleted_runs += piece.deleted_runs;
        }
    }
    let planned = experiments
        .into_iter()
        .zip(owners)
        .map(|(one, owners)| PlannedExperiment {
            pieces: joined(&owners, &one.cuts),
            experiment_id: one.id,
        });
    PlanFile {
        format: PlanFormat {
            name: FORMAT_NAME.to_owned(),
            major: FORMAT_MAJOR,
        },
        tool: Tool::current(),
        origin: manifest.origin.clone(),
        source: PlannedSource {
            kind: manifest.source.kind.clone(),
            uri: manifest.source.uri.clone(),
        },
        choices: BTreeMap::new(),
        shards,
        runs: heaps.iter().map(|heap| heap.runs).collect(),
        deleted_runs: heaps.iter().map(|heap| heap.deleted_runs).collect(),
        weights: heaps.iter().map(|heap| heap.weight).collect(),
        experiments: planned.collect(),
    }
}

/// Pieces in order; neighbours of one shard are one.
fn joined(owners: &[u64], cuts: &[i64]) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = Vec::new();
    for (at, &shard) in owners.iter().enumerate() {
        let until = cuts.get(at).copied();
        match pieces.last_mut() {
            Some(last) if last.shard == shard => last.until = until,
            _ => pieces.push(Piece { shard, until }),
        }
    }
    pieces
}
