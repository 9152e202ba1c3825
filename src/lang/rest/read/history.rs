//! Metric history: many runs at once where the server can, one by one where it cannot, never cut.
//!
//! | server | route | runs a call | points a call |
//! |---|---|---|---|
//! | 2.x and later | `ajax-api/2.0/mlflow/metrics/get-history-bulk` | 20 (2.9), 100 | 25,000 |
//! | all | `api/2.0/mlflow/metrics/get-history`, `max_results` always said | 1 | pages of 25,000 from 3.1 on |
//!
//! A bulk answer that is full may have been cut: the runs before the last one in it are whole, the others are asked
//! for again, and a run that fills an answer alone is read by pages.

mod wire;

use self::wire::{Bulk, ask_page, parse_bulk};
use super::server::{Server, told};
use crate::archive::PointSeries;
use crate::client::{ClientError, PageWalk};
use crate::lang::rest::resume::{Key, decode, encode, history_part, page_part};
use crate::lang::rest::routes::{self, Call};
use crate::model::metric::Point;
use serde_json::json;
use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// Points a group of runs is made for.
const AIM: usize = 15_000;
/// Metrics whose density is remembered.
const REMEMBERED: usize = 10_000;

/// The points of one metric of one run, or why there are none.
pub(super) type RunHistory = (String, Result<Points, String>);

/// Points, with what can be said of them.
pub(super) struct Points {
    pub(super) series: PointSeries,
    /// Values at the end of the range of doubles, which SQL stores put in place of infinities.
    pub(super) extremes: u64,
}

impl Points {
    fn new(scratch: &std::path::Path) -> Self {
        Points {
            series: PointSeries::new(scratch),
            extremes: 0,
        }
    }

    fn push(&mut self, point: Point) -> std::io::Result<()> {
        self.extremes += u64::from(point.value.0.abs() == f64::MAX);
        self.series.push(point)
    }
}

/// Fetches metric history; used from several threads.
pub(super) struct History {
    server: Arc<Server>,
    scratch: PathBuf,
    used_bulk: AtomicBool,
    saw_links: AtomicBool,
    says_more: AtomicBool,
    state: Mutex<State>,
}

struct State {
    has_bulk: bool,
    runs_per_call: usize,
    /// Most points of one run seen so far, by metric.
    density: HashMap<String, usize>,
}

impl History {
    /// Fetches from a server; long series spill into `scratch`.
    pub(super) fn new(server: Arc<Server>, scratch: PathBuf) -> Self {
        let state = State {
            has_bulk: true,
            runs_per_call: routes::HISTORIES.most,
            density: HashMap::new(),
        };
        History {
            server,
            scratch,
            used_bulk: AtomicBool::new(false),
            saw_links: AtomicBool::new(false),
            says_more: AtomicBool::new(false),
            state: Mutex::new(state),
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poison| poison.into_inner())
    }

    /// Whether any history came by the route that tells no links of points.
    pub(super) fn used_bulk(&self) -> bool {
        self.used_bulk.load(Ordering::Relaxed)
    }

    /// Whether any point was linked to a dataset or a model.
    pub(super) fn saw_links(&self) -> bool {
        self.saw_links.load(Ordering::Relaxed)
    }

    /// Whether any point has a field that is not known.
    pub(super) fn says_more(&self) -> bool {
        self.says_more.load(Ordering::Relaxed)
    }

    /// How many runs to ask for at once.
    pub(super) fn group_runs(&self, key: &str) -> usize {
        let state = self.state();
        if !state.has_bulk {
            return 1;
        }
        let density = state.density.get(key).copied().unwrap_or(1).max(1);
        (AIM / density).clamp(1, state.runs_per_call)
    }

    fn remember(&self, key: &str, points: usize) {
        let mut state = self.state();
        let has_room = state.density.len() < REMEMBERED;
        match state.density.get_mut(key) {
            Some(density) => *density = points.max(*density),
            None if has_room => {
                state.density.insert(key.to_owned(), points);
            }
            None => {}
        }
    }

    /// The history of one metric of some runs.
    pub(super) fn fetch(&self, runs: Vec<Key>, key: &str) -> Vec<RunHistory> {
        let mut found = Vec::with_capacity(runs.len());
        let mut left = runs;
        // Also a run alone, so that which route its points come by depends on nothing but the run.
        while !left.is_empty() && self.state().has_bulk {
            let count = left.len().min(self.state().runs_per_call);
            match self.bulk(&left[..count], key) {
                Ok(Some(answer)) => {
                    let is_cut = answer.points >= routes::HISTORIES.rows;
                    let whole = if is_cut {
                        answer.runs.len() - 1
                    } else {
                        answer.runs.len()
                    };
                    let mut whole: BTreeMap<_, _> = answer.runs.into_iter().take(whole).collect();
                    if is_cut && whole.is_empty() {
                        // Its last run fills the answer, so it comes by pages.
                        let last = left.iter().position(|run| run.id == answer.last_run);
                        let Some(last) = last else { break };
                        let run = left.remove(last);
                        found.push(self.one(&run, key));
                        continue;
                    }
                    let mut rest = left.split_off(count);
                    for run in left {
                        match whole.remove(&run.id) {
                            Some(series) => found.push(self.keep(run, key, series)),
                            None if is_cut => rest.push(run),
                            None => found.push(self.keep(run, key, Ok(Points::new(&self.scratch)))),
                        }
                    }
                    left = rest;
                }
                Ok(None) => self.state().has_bulk = false,
                // One run of them may be at fault.
                Err(error) if !self.learn_limit(&error) => break,
                Err(_) => {}
            }
        }
        found.extend(left.iter().map(|run| self.one(run, key)));
        found
    }

    /// Keeps a whole history for an export that goes on from this one.
    fn keep(&self, run: Key, key: &str, points: Result<Points, String>) -> RunHistory {
        if let Ok(points) = &points
            && let Some(series) = points.series.in_memory()
        {
            let kept = &self.server.kept;
            kept.keep(&run, &history_part(key), &encode(series, None));
        }
        (run.id, points)
    }

    /// A history that was fetched before; what cannot be read back is fetched again.
    pub(super) fn kept(&self, run: &Key, key: &str) -> Result<Points, String> {
        let kept = self.server.kept.bytes(run, &history_part(key));
        let Some((points, _)) = kept.and_then(|bytes| decode(&bytes)) else {
            return self.one(run, key).1;
        };
        let mut found = Points::new(&self.scratch);
        let pushed = points.into_iter().try_for_each(|point| found.push(point));
        pushed.map(|()| found).map_err(|error| error.to_string())
    }

    /// Learns how many runs a call takes from the server's refusal.
    fn learn_limit(&self, error: &ClientError) -> bool {
        let ClientError::Status {
            status: 400, message, ..
        } = error
        else {
            return false;
        };
        let limit = message
            .split_once("more than ")
            .and_then(|(_, rest)| rest.split_whitespace().next()?.parse::<usize>().ok());
        let mut state = self.state();
        match limit {
            Some(limit) if limit > 0 && limit < state.runs_per_call => {
                state.runs_per_call = limit;
                true
            }
            _ => false,
        }
    }

    fn bulk(&self, runs: &[Key], key: &str) -> Result<Option<Bulk>, ClientError> {
        let answer = self.server.optional(routes::HISTORIES, |client| {
            let ids: Vec<_> = runs.iter().map(|run| &run.id).collect();
            let asked = json!({"run_id": ids, "metric_key": key});
            let call = Call::from(routes::HISTORIES);
            let response = call.page(client, &asked, None, routes::HISTORIES.rows).send()?;
            Ok(parse_bulk(&response.body, &self.scratch))
        })?;
        // An answer that is no JSON: a page, or an interpreter's way of writing numbers that nobody knows yet.
        let Some(Ok(bulk)) = answer else { return Ok(None) };
        self.used_bulk.store(true, Ordering::Relaxed);
        self.says_more.fetch_or(bulk.says_more, Ordering::Relaxed);
        self.remember(key, bulk.densest);
        Ok(Some(bulk))
    }

    /// The history of one metric of one run, page by page.
    pub(super) fn one(&self, run: &Key, key: &str) -> RunHistory {
        let read = self.read_pages(run, key);
        if let Ok(points) = &read {
            self.remember(key, usize::try_from(points.series.len()).unwrap_or(usize::MAX));
        }
        (run.id.clone(), read)
    }

    fn read_pages(&self, run: &Key, key: &str) -> Result<Points, String> {
        let mut points = Points::new(&self.scratch);
        let mut walk = Call::from(routes::HISTORY).walk();
        for page in 0.. {
            let (rows, next) = self.page(run, key, page, &mut walk)?;
            let count = rows.len();
            if rows.iter().any(|point| point.link.is_some()) {
                self.saw_links.store(true, Ordering::Relaxed);
            }
            let pushed = rows.into_iter().try_for_each(|point| points.push(point));
            pushed.map_err(|error| error.to_string())?;
            if !walk.advance(next, count).map_err(|error| told(&error))? {
                break;
            }
        }
        Ok(points)
    }

    fn page(&self, run: &Key, key: &str, page: usize, walk: &mut PageWalk) -> Result<HistoryRows, String> {
        let (kept, part) = (&self.server.kept, page_part(key, page));
        if let Some(rows) = kept.bytes(run, &part).and_then(|bytes| decode(&bytes)) {
            return Ok(rows);
        }
        let token = walk.token().map(str::to_owned);
        let client = &self.server.client;
        let rows = walk.ask(|points| ask_page(client, &run.id, key, token.as_deref(), points));
        let (rows, says_more) = rows.map_err(|error| told(&error))?;
        self.says_more.fetch_or(says_more, Ordering::Relaxed);
        kept.keep(run, &part, &encode(&rows.0, rows.1.as_deref()));
        Ok(rows)
    }
}

/// Points of a page, and the token of the next.
type HistoryRows = (Vec<Point>, Option<String>);
