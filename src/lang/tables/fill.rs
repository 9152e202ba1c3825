//! Walks along the kinds of an archive, and writes the rows of each.

use super::cells::{Cell, RowMaker, double};
use super::choice::{Choice, kind_of};
use super::layout::{self, TableSpec};
use super::sink::{Piece, Place, Sink};
use super::wide::Wide;
use super::{TableReport, TablesError};
use crate::archive::Archive;
use crate::archive::walk::{Slice, Wanted, each_line, newer_fields, newer_kinds};
use crate::format::strict_json::Json;
use crate::format::{Kind, LossCount, Reason};
use crate::model::{ArtifactList, MetricSlice, ModelMetricSlice};
use crate::monitor::Monitor;
use std::collections::BTreeMap;

/// What a row group takes in memory; two of a table are there at once. Tables of runs are made while those of points are.
const ALONE_BYTES: usize = 6 << 20;
/// The same of tables that are made of one reading of runs, or of traces: runs or traces, and each of the others.
const OWNER_BYTES: usize = 3 << 20;
const PART_BYTES: usize = 3 << 19;

type Result<T> = std::result::Result<T, TablesError>;

pub(super) struct Filler<'a> {
    pub(super) archive: &'a Archive,
    pub(super) choice: Choice,
    pub(super) wide: bool,
    pub(super) place: Place<'a>,
    pub(super) maker: RowMaker,
    pub(super) tables: BTreeMap<String, TableReport>,
    pub(super) monitor: &'a dyn Monitor,
}

impl Filler<'_> {
    /// Writes every table; what was not held as it is.
    pub(super) fn fill(&mut self) -> Result<Vec<LossCount>> {
        let lines = Kind::ALL.iter().map(|kind| self.archive.manifest().count(*kind));
        self.monitor.begin("write tables", Some(lines.sum()));
        self.runs_and_points()?;
        for table in super::objects::OBJECTS {
            match table.kind {
                Kind::Traces => self.traces()?,
                _ => self.objects(table)?,
            }
        }
        let table = &layout::MODEL_METRICS;
        let table = points::<ModelMetricSlice>(self.archive, &self.choice, &self.place, table, self.monitor)?;
        self.tables.insert(table.name.clone(), table);
        self.artifacts()?;
        let limits = std::mem::take(&mut self.maker.limits);
        let mut limits: Vec<_> = limits
            .into_iter()
            .map(|((kind, field, reason), count)| loss(kind.name(), &field, reason, count))
            .collect();
        // Other lines keep what they are made of in `extra`; these have no place for it.
        for ((kind, field), found) in newer_fields(self.archive, Kind::ALL, Wanted::All)? {
            if matches!(kind, Kind::Metrics | Kind::ModelMetrics | Kind::Artifacts) {
                limits.push(loss(kind.name(), &field, Reason::NewerVersion, found.count));
            }
        }
        for (kind, count) in newer_kinds(self.archive) {
            limits.push(loss(&kind, "*", Reason::NewerVersion, count));
        }
        limits.sort();
        Ok(limits)
    }

    fn sink(&self, table: &TableSpec, group_bytes: usize) -> Result<Sink> {
        Ok(self.place.table(table.name, table.columns(), group_bytes)?)
    }

    fn finish(&mut self, sinks: impl IntoIterator<Item = Sink>) -> Result<()> {
        for sink in sinks {
            let report = sink.finish()?;
            self.tables.insert(report.name.clone(), report);
        }
        Ok(())
    }

    /// Hands each line of a kind that is chosen to `sink`.
    fn each(
        &mut self,
        kind: Kind,
        sink: &mut dyn FnMut(&mut RowMaker, &Json<'_>) -> std::result::Result<(), Failure>,
    ) -> Result<()> {
        each_line(self.archive, kind, |cursor| {
            let line = cursor.json()?;
            if self.choice.takes(kind, &line) {
                sink(&mut self.maker, &line).map_err(|failure| match failure {
                    Failure::Wrong(reason) => cursor.damaged(&reason).into(),
                    Failure::Tables(error) => error,
                })?;
            }
            self.monitor.advance(1);
            Ok(())
        })
    }

    fn objects(&mut self, table: &TableSpec) -> Result<()> {
        let mut sink = self.sink(table, ALONE_BYTES)?;
        self.each(table.kind, &mut |maker, line| {
            Ok(sink.row(&maker.row(table, line)?)?)
        })?;
        self.finish([sink])
    }

    fn runs(&mut self) -> Result<()> {
        let wide = match self.wide {
            true => Some(Wide::of(self.archive, &mut self.choice)?),
            false => None,
        };
        let columns = wide
            .as_ref()
            .map_or_else(|| layout::RUNS.columns(), Wide::columns);
        let mut runs = self.place.table(layout::RUNS.name, columns, OWNER_BYTES)?;
        let mut params = self.sink(&layout::PARAMS, PART_BYTES)?;
        let mut tags = self.sink(&layout::TAGS, PART_BYTES)?;
        let mut latest = self.sink(&layout::LATEST_METRICS, PART_BYTES)?;
        self.each(Kind::Runs, &mut |maker, line| {
            let cells = maker.row(&layout::RUNS, line)?;
            for (name, sink) in [("params", &mut params), ("tags", &mut tags)] {
                for (key, value) in texts_of(&cells, name) {
                    sink.row(&[
                        cells[0].clone(),
                        Cell::Text(key.clone()),
                        Cell::Text(value.clone()),
                    ])?;
                }
            }
            for (key, point) in line.object_of("metrics") {
                latest.row(&latest_row(&cells[0], key, point)?)?;
            }
            match &wide {
                Some(wide) => runs.row(&wide.row(&cells))?,
                None => runs.row(&cells)?,
            }
            Ok(())
        })?;
        self.finish([runs, params, tags, latest])
    }

    fn traces(&mut self) -> Result<()> {
        let mut traces = self.sink(&layout::TRACES, OWNER_BYTES)?;
        let mut assessments = self.sink(&layout::ASSESSMENTS, PART_BYTES)?;
        self.each(Kind::Traces, &mut |maker, line| {
            traces.row(&maker.row(&layout::TRACES, line)?)?;
            for assessment in line.list_of("assessments") {
                let mut row = maker.row(&layout::ASSESSMENTS, assessment)?;
                row[0] = line
                    .get("trace_id")
                    .and_then(Json::as_text)
                    .map_or(Cell::Null, Cell::from);
                assessments.row(&row)?;
            }
            Ok(())
        })?;
        self.finish([traces, assessments])
    }

    /// Runs and the points of their metrics, at once: they are most of what there is, and neither waits for the other.
    fn runs_and_points(&mut self) -> Result<()> {
        let choice = self.choice.clone();
        let (archive, place, monitor) = (self.archive, self.place.clone(), self.monitor);
        let table = std::thread::scope(|scope| {
            let points =
                scope.spawn(|| points::<MetricSlice>(archive, &choice, &place, &layout::METRICS, monitor));
            self.runs()?;
            points
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })?;
        self.tables.insert(table.name.clone(), table);
        Ok(())
    }

    fn artifacts(&mut self) -> Result<()> {
        let mut sink = self.sink(&layout::ARTIFACTS, ALONE_BYTES)?;
        each_line::<TablesError>(self.archive, Kind::Artifacts, |cursor| {
            let list: ArtifactList = cursor.parse()?;
            if self.choice.takes_owner(kind_of(list.owner_kind), &list.owner_id) {
                for file in &list.files {
                    let size_bytes = match file.size_bytes.map(i64::try_from) {
                        None => Cell::Null,
                        Some(Ok(size)) => Cell::Integer(size),
                        Some(Err(_)) => {
                            return Err(cursor.damaged("a file of more than 8 EiB").into());
                        }
                    };
                    let text = |text: Option<String>| text.map_or(Cell::Null, Cell::from);
                    let absent = file.absent.map(|absent| serde_json::json!(absent));
                    sink.row(&[
                        list.owner_kind.as_str().into(),
                        list.owner_id.as_str().into(),
                        file.path.as_str().into(),
                        size_bytes,
                        text(file.sha256.map(|digest| digest.to_string())),
                        text(absent.and_then(|absent| absent.as_str().map(str::to_owned))),
                    ])?;
                }
            }
            self.monitor.advance(1);
            Ok(())
        })?;
        self.finish([sink])
    }
}

/// Writes a table of points.
fn points<S: Slice>(
    archive: &Archive,
    choice: &Choice,
    place: &Place<'_>,
    table: &TableSpec,
    monitor: &dyn Monitor,
) -> Result<TableReport> {
    let mut sink = place.table(table.name, table.columns(), ALONE_BYTES)?;
    let mut slice = S::default();
    each_line::<TablesError>(archive, S::KIND, |cursor| {
        slice.take(cursor)?;
        if !slice.has_equal_columns() {
            return Err(cursor.damaged("its columns are not of one length").into());
        }
        if choice.takes_owner(S::OWNER_KIND, slice.owner()) {
            let (steps, timestamps, values) = slice.numbers();
            let [names, digests, ids] = slice.links().map(Option::as_deref);
            let pieces = [
                Piece::Same(slice.owner()),
                Piece::Same(slice.key()),
                Piece::Integers(steps),
                Piece::Integers(timestamps),
                Piece::Doubles(values),
                Piece::Texts(names),
                Piece::Texts(digests),
                Piece::Texts(ids),
            ];
            sink.rows(&pieces, values.len())?;
        }
        monitor.advance(1);
        Ok(())
    })?;
    Ok(sink.finish()?)
}

/// Why a line makes no rows.
enum Failure {
    /// What is wrong with the line.
    Wrong(String),
    Tables(TablesError),
}

impl From<String> for Failure {
    fn from(reason: String) -> Self {
        Failure::Wrong(reason)
    }
}

impl<E: Into<TablesError>> From<E> for Failure {
    fn from(error: E) -> Self {
        Failure::Tables(error.into())
    }
}

fn loss(kind: &str, field: &str, reason: Reason, count: u64) -> LossCount {
    LossCount {
        kind: kind.to_owned(),
        field: field.to_owned(),
        reason: reason.into(),
        count,
    }
}

/// The entries of a map of texts among the cells of a run.
fn texts_of<'c, 'v>(
    cells: &'c [Cell<'v>],
    name: &str,
) -> &'c [(std::borrow::Cow<'v, str>, std::borrow::Cow<'v, str>)] {
    let place = layout::RUNS.columns.iter().position(|column| column.name == name);
    match place.and_then(|place| cells.get(place)) {
        Some(Cell::TextMap(entries)) => entries,
        _ => &[],
    }
}

/// The row of a run's latest point.
fn latest_row<'v>(
    run_id: &Cell<'v>,
    key: &'v str,
    point: &Json<'_>,
) -> std::result::Result<[Cell<'v>; 5], String> {
    let integer = |name| point.get(name)?.as_number()?.as_i64();
    let value = || double(point.get("value")?);
    let cells = (|| Some((integer("step")?, integer("timestamp")?, value()?)))();
    let (step, timestamp, value) =
        cells.ok_or_else(|| format!("`metrics.{key}` is not a step, a timestamp and a value"))?;
    Ok([
        run_id.clone(),
        key.into(),
        Cell::Integer(step),
        Cell::Integer(timestamp),
        Cell::Double(value),
    ])
}
