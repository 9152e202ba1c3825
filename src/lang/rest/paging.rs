//! Pages of a search whose tokens are offsets, read so that a shift under concurrent writes is seen.
//!
//! A token is `base64({"offset": n, …})`. From the second page on, one row more is asked for: the last row of the page
//! before must come again as the first. Where it does not, rows came or went meanwhile, and the search begins anew;
//! rows that were handed out are not handed out again. Tokens of another form are followed as they are. The bounds are
//! those of [`PageWalk`].

use super::routes::{Call, Route};
use crate::client::{Client, ClientError, Page, PageWalk};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use serde_json::Value;
use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};

/// Times a search begins anew before its last reading is taken.
const READINGS: u32 = 5;

/// Asks for a page by its token and number of rows.
type Fetch<'f> = dyn FnMut(Option<&str>, usize) -> Result<Page, ClientError> + Send + 'f;

/// A search in progress.
pub(super) struct Pages<'f> {
    fetch: Box<Fetch<'f>>,
    id_of: fn(&Value) -> Option<String>,
    walk: PageWalk,
    anchor: Option<String>,
    seen: HashSet<[u64; 2]>,
    hashers: [RandomState; 2],
    readings: u32,
    is_done: bool,
    /// Whether rows kept coming and going until patience ended.
    pub(super) is_unstable: bool,
}

impl<'f> Pages<'f> {
    /// A search by a route; `attempts` limits the tries where the server may well not know such a search.
    pub(super) fn of(client: &Client, route: Route, asked: Value, attempts: Option<u32>) -> Pages<'static> {
        let (client, call) = (client.clone(), Call::from(route));
        Pages::new(call.walk(), route.row_id, move |token, rows| {
            let request = call.page(&client, &asked, token, rows);
            let request = match attempts {
                Some(attempts) => request.attempts(attempts),
                None => request,
            };
            call.rows(request.parse()?)
        })
    }

    /// A search by `fetch` (token, rows), whose rows `id_of` names.
    fn new(
        walk: PageWalk,
        id_of: fn(&Value) -> Option<String>,
        fetch: impl FnMut(Option<&str>, usize) -> Result<Page, ClientError> + Send + 'f,
    ) -> Self {
        Pages {
            fetch: Box::new(fetch),
            id_of,
            walk,
            anchor: None,
            seen: HashSet::new(),
            hashers: [RandomState::new(), RandomState::new()],
            readings: 1,
            is_done: false,
            is_unstable: false,
        }
    }

    /// The next rows, or none at the end; a page may turn out empty.
    pub(super) fn next_rows(&mut self) -> Result<Option<Vec<Value>>, ClientError> {
        if self.is_done {
            return Ok(None);
        }
        let overlapping = self.overlapping_token();
        let fetch = &mut self.fetch;
        let page = match &overlapping {
            Some(token) => {
                let page = self.walk.ask(|rows| fetch(Some(token), rows + 1))?;
                let first = page.rows.first().and_then(self.id_of);
                if first != self.anchor && self.readings < READINGS {
                    self.readings += 1;
                    self.anchor = None;
                    self.walk.restart();
                    return Ok(Some(Vec::new()));
                }
                self.is_unstable |= first != self.anchor;
                page
            }
            None => {
                let token = self.walk.token().map(str::to_owned);
                self.walk.ask(|rows| fetch(token.as_deref(), rows))?
            }
        };
        let Page { mut rows, next } = page;
        self.anchor = rows.last().and_then(self.id_of);
        let mut new_rows = 0;
        rows.retain(|row| {
            let id = (self.id_of)(row);
            // Of rows without names, several may be alike.
            let is_new = match &id {
                Some(id) => self.is_new(id),
                None => self.is_new(&row.to_string()),
            };
            new_rows += usize::from(is_new);
            is_new || id.is_none()
        });
        self.is_done = !self.walk.advance(next, new_rows)?;
        Ok(Some(rows))
    }

    /// Goes on with another search, of which no row comes that came already.
    pub(super) fn turn_to(&mut self, other: Pages<'f>) {
        self.fetch = other.fetch;
        self.walk.restart();
        (self.anchor, self.readings, self.is_done) = (None, 1, false);
    }

    /// Takes every row, whatever comes and goes meanwhile.
    pub(super) fn each(
        mut self,
        mut take: impl FnMut(Value) -> Result<(), ClientError>,
    ) -> Result<(), ClientError> {
        while let Some(rows) = self.next_rows()? {
            rows.into_iter().try_for_each(&mut take)?;
        }
        Ok(())
    }

    /// All rows at once, for searches whose rows are few.
    pub(super) fn all(mut self) -> Result<(Vec<Value>, bool), ClientError> {
        let mut rows = Vec::new();
        while let Some(page) = self.next_rows()? {
            rows.extend(page);
        }
        Ok((rows, self.is_unstable))
    }

    /// Whether there is any row at all.
    pub(super) fn first(mut self) -> Result<bool, ClientError> {
        let page = (self.fetch)(None, 1)?;
        Ok(!page.rows.is_empty())
    }

    /// The token of one row earlier, where the token is an offset and the last row of the page has a name.
    fn overlapping_token(&self) -> Option<String> {
        self.anchor.as_ref()?;
        let token = self.walk.token()?;
        let bytes = STANDARD.decode(token).or_else(|_| URL_SAFE.decode(token)).ok()?;
        let mut value: Value = serde_json::from_slice(&bytes).ok()?;
        let offset = value.get("offset")?.as_u64()?.checked_sub(1)?;
        value["offset"] = offset.into();
        Some(STANDARD.encode(value.to_string()))
    }

    fn is_new(&mut self, id: &str) -> bool {
        let hash = [self.hashers[0].hash_one(id), self.hashers[1].hash_one(id)];
        self.seen.insert(hash)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::sync::atomic::{AtomicU64, Ordering};

    fn id_of(row: &Value) -> Option<String> {
        Some(row.to_string())
    }

    /// Pages over rows that `change` alters before each request.
    fn read(rows: Vec<i64>, change: impl Fn(usize, &mut Vec<i64>) + Send + Sync) -> (Vec<i64>, bool) {
        let mut rows = rows;
        let mut request = 0;
        let pages = Pages::new(PageWalk::new("rows", 3), id_of, |token, count| {
            change(request, &mut rows);
            request += 1;
            let offset = token.map_or(0, |token| {
                let value: Value = serde_json::from_slice(&STANDARD.decode(token).unwrap()).unwrap();
                usize::try_from(value["offset"].as_u64().unwrap()).unwrap()
            });
            let end = (offset + count).min(rows.len());
            let next = (end < rows.len()).then(|| STANDARD.encode(format!("{{\"offset\": {end}}}")));
            Ok(Page {
                rows: rows[offset.min(end)..end].iter().map(|row| json!(row)).collect(),
                next,
            })
        });
        let (found, is_unstable) = pages.all().unwrap();
        (
            found.iter().map(|row| row.as_i64().unwrap()).collect(),
            is_unstable,
        )
    }

    /// Follows a listing whose pages are made by `page` (number, rows); rows taken, and how it ended.
    fn follow(
        rows: usize,
        page: impl Fn(u64, usize) -> Result<Page, ClientError> + Sync,
    ) -> (usize, Option<String>) {
        let (mut number, mut taken) = (0, 0);
        let pages = Pages::new(
            PageWalk::new("things", rows),
            |_| None,
            |_, rows| {
                let page = page(number, rows);
                number += u64::from(page.is_ok());
                page
            },
        );
        let ended = pages.each(|_| {
            taken += 1;
            Ok(())
        });
        (taken, ended.err().map(|error| error.to_string()))
    }

    fn page(rows: usize, next: Option<String>) -> Result<Page, ClientError> {
        static ROW: AtomicU64 = AtomicU64::new(0);
        let row = |_| json!(ROW.fetch_add(1, Ordering::Relaxed));
        Ok(Page {
            rows: (0..rows).map(row).collect(),
            next,
        })
    }

    #[test]
    fn all_rows_come_once() {
        let rows: Vec<i64> = (0..10).collect();
        assert_eq!(read(rows.clone(), |_, _| {}), (rows, false));
        assert_eq!(read(Vec::new(), |_, _| {}), (Vec::new(), false));
    }

    #[test]
    fn rows_that_shift_away_are_found_by_reading_again() {
        let (mut found, is_unstable) = read((0..10).collect(), |request, rows| {
            if request == 2 {
                rows.remove(0);
            }
        });
        found.sort_unstable();
        assert_eq!((found, is_unstable), ((0..10).collect(), false));
    }

    #[test]
    fn rows_that_come_in_front_are_not_repeated() {
        let (mut found, is_unstable) = read((0..10).collect(), |request, rows| {
            if request == 1 {
                rows.insert(0, 99);
            }
        });
        found.sort_unstable();
        assert_eq!(found, (0..10).chain([99]).collect::<Vec<_>>());
        assert!(!is_unstable);
    }

    #[test]
    fn a_source_that_never_rests_is_reported() {
        let (_, is_unstable) = read((0..10).collect(), |request, rows| {
            rows.insert(0, 100 + request as i64)
        });
        assert!(is_unstable);
    }

    #[test]
    fn a_token_that_does_not_advance_is_a_failure() {
        let pages = Pages::new(PageWalk::new("rows", 3), id_of, |_, _| {
            Ok(Page {
                rows: vec![json!(1)],
                next: Some("same".into()),
            })
        });
        assert!(pages.all().is_err());
    }

    #[test]
    fn a_listing_is_followed_to_its_end() {
        let next = |number: u64| (number < 9).then(|| number.to_string());
        assert_eq!(follow(3, |number, rows| page(rows, next(number))), (30, None));
    }

    #[test]
    fn listings_without_end_are_failures() {
        let empty = follow(3, |number, _| page(0, Some(number.to_string())));
        let words = "things does not end: 100 pages in a row brought nothing new";
        assert_eq!(empty, (0, Some(words.to_owned())));
        let same = follow(3, |_, _| page(1, Some("same".to_owned())));
        let words = "things does not end: a page names itself as the next one";
        assert_eq!(same, (1, Some(words.to_owned())));
        let ever_new = follow(3, |number, _| page(1, Some(number.to_string())));
        let words = "things does not end: there are more than 100000 pages";
        assert_eq!(ever_new, (99_999, Some(words.to_owned())));
    }
}
