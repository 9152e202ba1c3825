//! A route, a call of it, and the request that makes it.

use crate::client::{Client, ClientError, Page, PageWalk, Path, Repeat, Request};
use crate::lang::rest::version::Version;
use serde::Serialize;
use serde_json::Value;

/// How a route is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    Get,
    /// As often as is wanted: once more has no other effect.
    Post,
    /// Once: whether a call without an answer did its work is not known.
    Create,
    Patch,
    Put,
    Delete,
}

/// What a row is known by, where it has a name.
type RowId = fn(&Value) -> Option<String>;

/// What is known of a route.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Known {
    verb: Verb,
    pub(super) root: fn(&str) -> Path,
    pub(crate) text: &'static str,
    key: &'static str,
    /// What a row is known by.
    pub(crate) row_id: RowId,
    /// The first version seen with it.
    pub(crate) since: Version,
    /// Rows on a page.
    pub(crate) rows: usize,
    /// The most things that a call takes.
    pub(crate) most: usize,
    /// The most bytes that a call takes, about.
    pub(crate) bytes: usize,
}

/// A route.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Route(pub(super) Known);

/// A route of one object, whose id or path stands in it as `{}`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RouteOf(pub(super) Known);

impl Known {
    pub(super) const fn new(verb: Verb, (root, text): (fn(&str) -> Path, &'static str)) -> Self {
        Known {
            verb,
            root,
            text,
            key: "",
            row_id: |_| None,
            since: Version::OLDEST,
            rows: 0,
            most: usize::MAX,
            bytes: usize::MAX,
        }
    }

    pub(super) const fn lists(self, key: &'static str, rows: usize, row_id: RowId) -> Self {
        Known {
            key,
            rows,
            row_id,
            ..self
        }
    }

    pub(super) const fn most(self, most: usize) -> Self {
        Known { most, ..self }
    }

    pub(super) const fn bytes(self, bytes: usize) -> Self {
        Known { bytes, ..self }
    }

    pub(super) const fn since(self, major: u32, minor: u32) -> Self {
        Known {
            since: Version::new(major, minor),
            ..self
        }
    }

    /// Whether an object stands in the path.
    const fn is_of_one(&self) -> bool {
        let (text, mut at) = (self.text.as_bytes(), 0);
        while at < text.len() {
            if text[at] == b'{' {
                return true;
            }
            at += 1;
        }
        false
    }
}

impl Route {
    pub(super) const fn new(known: Known) -> Self {
        assert!(!known.is_of_one(), "the route of one object is a `RouteOf`");
        Route(known)
    }
}

impl RouteOf {
    pub(super) const fn new(known: Known) -> Self {
        assert!(known.is_of_one(), "an object must stand in the path");
        RouteOf(known)
    }

    /// The call about the object of an id.
    pub(crate) fn of(self, id: &str) -> Call {
        self.call(|path| path.segment(id))
    }

    /// The call about the file of a path, which has parts of its own.
    pub(crate) fn at(self, path: &str) -> Call {
        self.call(|route| route.below(path))
    }

    fn call(self, put_in: impl FnOnce(Path) -> Path) -> Call {
        let (before, after) = self.0.text.split_once("/{}").unwrap_or((self.0.text, ""));
        Call {
            path: put_in((self.0.root)(before)).below(after),
            known: self.0,
        }
    }
}

impl std::ops::Deref for Route {
    type Target = Known;

    fn deref(&self) -> &Known {
        &self.0
    }
}

impl std::ops::Deref for RouteOf {
    type Target = Known;

    fn deref(&self) -> &Known {
        &self.0
    }
}

/// A call: a route with the object that it is about.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    known: Known,
    path: Path,
}

impl From<Route> for Call {
    fn from(route: Route) -> Self {
        Call {
            path: (route.0.root)(route.0.text),
            known: route.0,
        }
    }
}

impl Call {
    /// Without the server's static prefix, as some servers have the proxy.
    pub(crate) fn without_prefix(self, without_prefix: bool) -> Self {
        let path = self.path.without_prefix(without_prefix);
        Call { path, ..self }
    }

    /// What stands below the call's path in a URL, whichever server it is of.
    pub(crate) fn below<'u>(&self, url: &'u str) -> Option<&'u str> {
        Some(url.split_once(&format!("{}/", self.path))?.1)
    }

    /// The request, with nothing in it.
    pub(crate) fn on<'c>(&self, client: &'c Client) -> Request<'c> {
        let path = self.path.clone();
        match self.known.verb {
            Verb::Get => client.get(path),
            Verb::Post => client.post(path, Repeat::Safe),
            Verb::Create => client.post(path, Repeat::Unsafe),
            Verb::Patch => client.patch(path, Repeat::Safe),
            Verb::Put => client.put(path),
            Verb::Delete => client.delete(path, Repeat::Safe),
        }
    }

    /// The request that asks or tells something: in its query or in its body. A query leaves out what is null.
    pub(crate) fn with<'c>(&self, client: &'c Client, what: &impl Serialize) -> Request<'c> {
        let request = self.on(client);
        if self.known.verb != Verb::Get {
            return request.json(what);
        }
        let what = serde_json::to_value(what).expect("what is sent has text keys");
        let fields = what.as_object().into_iter().flatten();
        fields.fold(request, |request, (name, value)| in_query(request, name, value))
    }

    /// The request for a page of a listing.
    pub(crate) fn page<'c>(
        &self,
        client: &'c Client,
        asked: &Value,
        token: Option<&str>,
        rows: usize,
    ) -> Request<'c> {
        let mut asked = asked.clone();
        asked["max_results"] = rows.into();
        asked["page_token"] = token.into();
        if let Some(fields) = asked.as_object_mut() {
            fields.retain(|_, value| !value.is_null());
        }
        self.with(client, &asked)
    }

    /// The rows of an answer.
    pub(crate) fn rows(&self, answer: Value) -> Result<Page, ClientError> {
        Page::of(answer, self.known.key)
    }

    /// Begins a listing.
    pub(crate) fn walk(&self) -> PageWalk {
        PageWalk::new(self.known.text.replace("{}/", ""), self.known.rows)
    }
}

fn in_query<'c>(request: Request<'c>, name: &str, value: &Value) -> Request<'c> {
    match value {
        Value::Null => request,
        Value::String(text) => request.query(name, text),
        Value::Array(values) => {
            let values = values.iter();
            values.fold(request, |request, value| in_query(request, name, value))
        }
        other => request.query(name, other.to_string()),
    }
}
