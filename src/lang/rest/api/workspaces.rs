//! Workspaces (MLflow 3.10).

use super::{Api, Result, if_found, text};
use crate::lang::rest::routes;
use crate::model::Workspace;
use serde_json::json;

impl Api {
    /// Names of the server's workspaces; none where it has none.
    ///
    /// # Errors
    /// A call failed.
    pub fn workspaces(&self) -> Result<Option<Vec<String>>> {
        // Without workspaces their own route answers 503, which says nothing for certain.
        let info = if_unknown(self.ask(routes::SERVER_INFO, &()))?;
        if info.is_none_or(|info| info["workspaces_enabled"] != true) {
            return Ok(None);
        }
        let answer = self.ask(routes::WORKSPACES, &())?;
        let found = answer["workspaces"].as_array().into_iter().flatten();
        Ok(Some(found.map(|one| text(one, "name")).collect()))
    }

    /// Creates a workspace, or finds that it is there.
    ///
    /// # Errors
    /// The call failed.
    pub fn create_workspace(&self, workspace: &Workspace) -> Result<()> {
        let mut body = json!({"name": workspace.name});
        if let Some(description) = &workspace.description {
            body["description"] = description.as_str().into();
        }
        match self.tell(routes::CREATE_WORKSPACE, &body) {
            Err(error) if !error.is_already_there() => Err(error),
            _ => Ok(()),
        }
    }
}

/// The answer, or none where the server does not know the route.
fn if_unknown<T>(answer: Result<T>) -> Result<Option<T>> {
    match answer {
        Err(error) if error.is_unknown_route() => Ok(None),
        answer => if_found(answer),
    }
}
