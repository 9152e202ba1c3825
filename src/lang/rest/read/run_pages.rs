//! Runs as they come: pages of searches, read ahead on another thread, and runs asked for by id.

use super::run_export::Note;
use super::server::{Server, told};
use crate::archive::parallel::{Pending, Pool};
use crate::client::ClientError;
use crate::lang::rest::paging::Pages;
use crate::lang::rest::read::run_wire::{self, FoundRun};
use crate::lang::rest::routes::{self, Call};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::sync::Arc;

/// Runs asked for by id at once.
const IDS: usize = 20;

/// Some runs, or why they could not be read.
pub(super) enum Batch {
    Runs(Vec<FoundRun>),
    Note(Note),
}

/// What is still to be asked for.
enum Wanted {
    Experiments(Vec<String>),
    /// Runs of an experiment that meet a filter.
    Filtered(String, String),
    Ids(Vec<String>),
}

type Reading = (Pages<'static>, Result<Option<Vec<FoundRun>>, ClientError>);

/// Reads runs one page ahead.
pub(super) struct Feed {
    server: Arc<Server>,
    pool: Arc<Pool>,
    wanted: VecDeque<Wanted>,
    /// The search under way, with the experiments it is about.
    current: Option<(Vec<String>, Pending<Reading>)>,
}

impl Feed {
    /// A feed that asks for nothing yet.
    pub(super) fn new(server: Arc<Server>, pool: Arc<Pool>) -> Self {
        Feed {
            server,
            pool,
            wanted: VecDeque::new(),
            current: None,
        }
    }

    /// Asks for all runs of experiments.
    pub(super) fn add_experiments(&mut self, ids: &[String]) {
        let chunks = ids.chunks(routes::SEARCH_RUNS.most);
        self.wanted
            .extend(chunks.map(|chunk| Wanted::Experiments(chunk.to_vec())));
    }

    /// Asks for the runs of an experiment that started in some stretches of time. A plan cuts none that has runs without a start time, since
    /// no filter finds them.
    pub(super) fn add_stretches(&mut self, id: &str, stretches: Vec<(Option<i64>, Option<i64>)>) {
        for (since, until) in stretches {
            let since = since.map(|since| format!("attributes.start_time >= {since}"));
            let until = until.map(|until| format!("attributes.start_time < {until}"));
            let filter: Vec<_> = since.into_iter().chain(until).collect();
            self.wanted
                .push_back(Wanted::Filtered(id.to_owned(), filter.join(" AND ")));
        }
    }

    /// Asks for runs by id.
    pub(super) fn add_ids(&mut self, ids: &[String]) {
        self.wanted
            .extend(ids.chunks(IDS).map(|chunk| Wanted::Ids(chunk.to_vec())));
    }

    fn read_on(&self, mut pages: Pages<'static>) -> Pending<Reading> {
        self.pool.submit(move || {
            let rows = pages.next_rows();
            let runs = rows.map(|rows| rows.map(|rows| rows.into_iter().map(run_wire::read).collect()));
            (pages, runs)
        })
    }

    fn begin(&mut self, experiments: Vec<String>, filter: Option<String>) {
        let pages = search(&self.server, &experiments, filter.as_deref());
        self.current = Some((experiments, self.read_on(pages)));
    }

    /// Takes what was read, and reads on.
    fn take_page(&mut self, experiments: Vec<String>, reading: Pending<Reading>) -> Option<Batch> {
        let (pages, runs) = reading.wait();
        match runs {
            Ok(Some(runs)) => {
                self.current = Some((experiments, self.read_on(pages)));
                Some(Batch::Runs(runs))
            }
            Ok(None) if pages.is_unstable => Some(Batch::Note(Note::Unstable(experiments))),
            Ok(None) => None,
            // One experiment of them may be at fault.
            Err(_) if experiments.len() > 1 => {
                let each = experiments
                    .into_iter()
                    .rev()
                    .map(|id| Wanted::Experiments(vec![id]));
                each.for_each(|wanted| self.wanted.push_front(wanted));
                None
            }
            Err(error) => Some(Batch::Note(Note::Failed(experiments.concat(), told(&error)))),
        }
    }
}

impl Iterator for Feed {
    type Item = Batch;

    fn next(&mut self) -> Option<Batch> {
        loop {
            if let Some((experiments, reading)) = self.current.take() {
                match self.take_page(experiments, reading) {
                    Some(batch) => return Some(batch),
                    None => continue,
                }
            }
            match self.wanted.pop_front()? {
                Wanted::Experiments(experiments) => self.begin(experiments, None),
                Wanted::Filtered(id, filter) => self.begin(vec![id], Some(filter)),
                Wanted::Ids(mut ids) => {
                    let Some(id) = ids.pop() else { continue };
                    if !ids.is_empty() {
                        self.wanted.push_front(Wanted::Ids(ids));
                    }
                    match get(&self.server, &id) {
                        Ok(run) => return Some(Batch::Runs(vec![run])),
                        // What something else names need not be there any more.
                        Err(error) if error.is_not_found() => {}
                        Err(error) => return Some(Batch::Note(Note::Failed(id, told(&error)))),
                    }
                }
            }
        }
    }
}

/// One run by id.
pub(super) fn get(server: &Server, run_id: &str) -> Result<FoundRun, ClientError> {
    let request = Call::from(routes::RUN).with(&server.client, &json!({"run_id": run_id}));
    let answer = request.parse::<Value>();
    let found = run_wire::read(answer?["run"].take());
    let told = &found.run.info.run_id;
    match told == run_id {
        true => Ok(found),
        false => Err(ClientError::no_page("run_id", &told.as_str().into())),
    }
}

/// Ids of runs that begin so, as far as the server looks for them itself, else among all runs.
pub(super) fn ids_starting(
    server: &Arc<Server>,
    experiments: &[String],
    start: &str,
) -> Result<Vec<String>, ClientError> {
    let mut ids = Vec::new();
    // Ids have no other characters, and these would mean something in a filter.
    if !start.chars().all(|character| character.is_ascii_alphanumeric()) {
        return Ok(ids);
    }
    let filter = format!("attributes.run_id LIKE '{start}%'");
    for chunk in experiments.chunks(routes::SEARCH_RUNS.most) {
        let filtered = search(server, chunk, Some(&filter)).all();
        let (rows, _) = match filtered {
            Err(error) if error.is_refused() => search(server, chunk, None).all()?,
            filtered => filtered?,
        };
        let found = rows.iter().filter_map(routes::run_id);
        ids.extend(found.filter(|id| id.starts_with(start)));
    }
    Ok(ids)
}

/// Runs of some experiments, oldest first, so that new ones come behind what was read.
fn search(server: &Server, experiments: &[String], filter: Option<&str>) -> Pages<'static> {
    let asked = json!({
        "experiment_ids": experiments,
        "run_view_type": "ALL",
        "order_by": ["attributes.start_time ASC"],
        "filter": filter,
    });
    Pages::of(&server.client, routes::SEARCH_RUNS, asked, None)
}
