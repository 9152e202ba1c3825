//! MLflow's calls that an import makes, one function each: what goes in, what comes out.
//!
//! Calls that create are sent once; whether one that got no answer did its work is the caller's question.

mod artifacts;
mod experiments;
mod id;
mod models;
mod registry;
mod runs;
mod traces;
mod traces_v2;
mod workspaces;

pub use experiments::TargetExperiment;
pub use id::TargetId;
pub use models::{NewLoggedModel, TargetLoggedModel};
pub use registry::{TargetModel, TargetVersion};
pub use runs::{MetricOut, NewRun, Pair, TargetRun};
pub use traces::TargetDataset;
pub use traces_v2::TargetTrace;

use crate::client::{Client, ClientError, Request};
use crate::lang::rest::paging::Pages;
use crate::lang::rest::routes::{Call, Route};
use crate::lang::rest::version::ask_version;
use serde::Serialize;
use serde_json::Value;

/// Result of a call.
pub type Result<T, E = ClientError> = std::result::Result<T, E>;

/// A target, as its calls.
#[derive(Debug, Clone)]
pub struct Api {
    client: Client,
}

impl Api {
    /// Calls through a client.
    pub fn new(client: Client) -> Self {
        Api { client }
    }

    /// The client below.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The server's version, where it tells one.
    ///
    /// # Errors
    /// The server cannot be reached.
    pub fn version(&self) -> Result<Option<String>> {
        ask_version(&self.client)
    }

    /// Asks, or does something that has an answer.
    fn ask(&self, call: impl Into<Call>, what: &impl Serialize) -> Result<Value> {
        call.into().with(&self.client, what).parse()
    }

    /// Asks for something that need not be there.
    fn find(&self, call: impl Into<Call>, what: &impl Serialize) -> Result<Option<Value>> {
        if_found(self.ask(call, what))
    }

    /// All rows of a listing, as they are read.
    fn all<T>(&self, route: Route, asked: Value, read: fn(&Value) -> Result<T>) -> Result<Vec<T>> {
        let mut found = Vec::new();
        self.each(route, asked, |row| {
            found.push(read(&row)?);
            Ok(())
        })?;
        Ok(found)
    }

    /// Follows the pages of a search.
    fn each(&self, route: Route, asked: Value, take: impl FnMut(Value) -> Result<()>) -> Result<()> {
        Pages::of(&self.client, route, asked, None).each(take)
    }

    /// Sends what has no answer but that it was taken.
    fn tell(&self, call: impl Into<Call>, what: &impl Serialize) -> Result<()> {
        sent(call.into().with(&self.client, what))
    }
}

/// Sends a request whose answer says nothing more than that it was taken.
fn sent(request: Request<'_>) -> Result<()> {
    request.parse::<Value>().map(drop)
}

/// The answer, or none where the object is not there.
fn if_found<T>(answer: Result<T>) -> Result<Option<T>> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}

/// A text field of an answer, empty where it is not there; servers leave out what is empty.
fn text(value: &Value, field: &str) -> String {
    match &value[field] {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => String::new(),
    }
}

/// An id in a field of an answer, where there must be one.
fn id(value: &Value, field: &str) -> Result<TargetId> {
    match text(value, field) {
        id if id.is_empty() => Err(ClientError::no_page(field, &value[field])),
        id => Ok(TargetId::new(id)),
    }
}

/// An integer that may be a number or a text.
fn integer(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

/// The texts in a list of `{key, value}` or an object.
fn pairs(value: &Value) -> std::collections::BTreeMap<String, String> {
    match value {
        Value::Array(items) => items
            .iter()
            .map(|item| (text(item, "key"), text(item, "value")))
            .collect(),
        Value::Object(map) => map
            .iter()
            .map(|(key, value)| (key.clone(), value.as_str().unwrap_or_default().to_owned()))
            .collect(),
        _ => Default::default(),
    }
}
