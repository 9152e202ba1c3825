//! Listings that come in pages: followed to their end, and no further.
//!
//! A page that is too large to be held is asked again with fewer rows. Tokens that do not advance, pages that bring
//! nothing new and listings without end are failures, after bounds that no real listing meets.

use super::error::ClientError;
use serde_json::Value;

/// Pages in a row that may bring nothing new.
pub const BARREN_PAGES: u64 = 100;
/// Pages of one listing.
pub const PAGES: u64 = 100_000;
/// Files and folders below one owner.
pub const ENTRIES: usize = 2_000_000;

/// Where an answer names the next page.
const NEXT: &str = "next_page_token";

/// One page as it came.
#[derive(Debug, Default)]
pub struct Page {
    /// The rows.
    pub rows: Vec<Value>,
    /// Token of the next page.
    pub next: Option<String>,
}

impl Page {
    /// The rows under a key of an answer; MLflow leaves out a list without rows and the token of no page.
    ///
    /// # Errors
    /// Something else is there, which may stand for rows.
    pub fn of(mut answer: Value, key: &str) -> Result<Self, ClientError> {
        let rows = match answer.get_mut(key).map(Value::take) {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::Array(rows)) => rows,
            Some(other) => return Err(ClientError::no_page(key, &other)),
        };
        let next = Page::next_of(&answer)?;
        Ok(Page { rows, next })
    }

    /// The token of the next page that an answer names.
    ///
    /// # Errors
    /// Something else is there.
    pub fn next_of(answer: &Value) -> Result<Option<String>, ClientError> {
        match &answer[NEXT] {
            Value::Null => Ok(None),
            Value::String(token) => Ok(Some(token.clone()).filter(|token| !token.is_empty())),
            other => Err(ClientError::no_page(NEXT, other)),
        }
    }
}

/// How far a listing was followed.
#[derive(Debug)]
pub struct PageWalk {
    listing: String,
    full_rows: usize,
    rows: usize,
    token: Option<String>,
    pages: u64,
    barren: u64,
    /// Pages that were read before the listing began anew.
    known_pages: u64,
}

impl PageWalk {
    /// Begins a listing, of so many rows a page.
    pub fn new(listing: impl Into<String>, rows: usize) -> Self {
        PageWalk {
            listing: listing.into(),
            full_rows: rows,
            rows,
            token: None,
            pages: 0,
            barren: 0,
            known_pages: 0,
        }
    }

    /// The token of the page that comes next; none before the first.
    pub fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    /// Asks for a page by the number of its rows, and for fewer where the answer is too large.
    ///
    /// # Errors
    /// The call failed; one row alone may be too large.
    pub fn ask<T>(&mut self, mut ask: impl FnMut(usize) -> Result<T, ClientError>) -> Result<T, ClientError> {
        loop {
            match ask(self.rows) {
                Err(error) if error.is_too_large() && self.rows > 1 => self.rows = (self.rows / 4).max(1),
                Err(error) => return Err(error),
                Ok(page) => {
                    self.rows = (self.rows * 2).min(self.full_rows);
                    return Ok(page);
                }
            }
        }
    }

    /// Goes on after a page that brought so many new rows; whether there is another.
    ///
    /// # Errors
    /// The listing does not end.
    pub fn advance(&mut self, next: Option<String>, new_rows: usize) -> Result<bool, ClientError> {
        self.pages += 1;
        self.barren = if new_rows == 0 { self.barren + 1 } else { 0 };
        if next.is_some() && next == self.token {
            return Err(self.endless("a page names itself as the next one".to_owned()));
        }
        self.token = next;
        if self.token.is_some() && self.barren >= BARREN_PAGES + self.known_pages {
            return Err(self.endless(format!("{} pages in a row brought nothing new", self.barren)));
        }
        if self.token.is_some() && self.pages >= PAGES {
            return Err(self.endless(format!("there are more than {PAGES} pages")));
        }
        Ok(self.token.is_some())
    }

    /// Begins anew; what was read before may come again.
    pub fn restart(&mut self) {
        (self.token, self.known_pages, self.barren) = (None, self.pages, 0);
    }

    fn endless(&self, why: String) -> ClientError {
        ClientError::Endless {
            listing: self.listing.clone(),
            why,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_no_list_of_rows_is_not_taken_for_none() {
        let of = |answer: Value| Page::of(answer, "runs");
        assert!(of(json!({})).unwrap().rows.is_empty() && of(json!({"runs": null})).is_ok());
        for wrong in [
            json!({"runs": {}}),
            json!({"runs": "x"}),
            json!({"next_page_token": 7}),
        ] {
            assert!(of(wrong.clone()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_was_read_before_a_new_beginning_may_come_again() {
        let mut walk = PageWalk::new("things", 1);
        for number in 0..500 {
            walk.advance(Some(number.to_string()), 1).unwrap();
        }
        walk.restart();
        for number in 0..500 {
            walk.advance(Some(number.to_string()), 0).unwrap();
        }
        assert!(!walk.advance(None, 1).unwrap());
    }
}
