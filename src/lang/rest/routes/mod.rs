//! The calls of MLflow's REST API: what is known of each stands here once, for whoever reads a server or writes to it.

mod call;

pub(crate) use call::{Call, Route, RouteOf};

use crate::client::Path;
use call::{Known, Verb};
use serde_json::Value;

/// The routes. `lists` says under which key rows stand, how many are asked for at once, and what a row is known by;
/// `most` and `bytes` what one call takes; `since` the first version of MLflow that was seen with it.
macro_rules! routes {
    ($($(#[$about:meta])* $name:ident: $kind:ident = $verb:ident $at:tt $(.$what:ident $how:tt)*;)*) => {
        $($(#[$about])* pub(crate) const $name: $kind = $kind::new(Known::new(Verb::$verb, $at)$(.$what $how)*);)*

        #[cfg(test)]
        const ALL: &[&Known] = &[$(&$name.0),*];
    };
}

routes! {
    VERSION: Route = Get(Path::root, "version");
    SERVER_INFO: Route = Get(Path::api3, "server-info").since(3, 10);
    USER: Route = Get(Path::api2, "users/get");
    WORKSPACES: Route = Get(Path::api3, "workspaces").since(3, 10);
    /// Once more finds that the workspace is there.
    CREATE_WORKSPACE: Route = Post(Path::api3, "workspaces").since(3, 10);

    SEARCH_EXPERIMENTS: Route = Post(Path::api2, "experiments/search").lists("experiments", 1_000, experiment_id);
    EXPERIMENT: Route = Get(Path::api2, "experiments/get");
    EXPERIMENT_BY_NAME: Route = Get(Path::api2, "experiments/get-by-name");
    CREATE_EXPERIMENT: Route = Create(Path::api2, "experiments/create");
    TAG_EXPERIMENT: Route = Post(Path::api2, "experiments/set-experiment-tag");
    DELETE_EXPERIMENT: Route = Post(Path::api2, "experiments/delete");
    RESTORE_EXPERIMENT: Route = Post(Path::api2, "experiments/restore");

    /// Rows as many as a call for their history takes, which are in memory twice while they are parsed; of so many
    /// experiments.
    SEARCH_RUNS: Route = Post(Path::api2, "runs/search").lists("runs", 100, run_id).most(50);
    RUN: Route = Get(Path::api2, "runs/get");
    CREATE_RUN: Route = Create(Path::api2, "runs/create");
    /// Params, tags and points.
    LOG_BATCH: Route = Post(Path::api2, "runs/log-batch").most(1_000).bytes(900_000);
    LOG_INPUTS: Route = Post(Path::api2, "runs/log-inputs").since(2, 4);
    /// A link that is there already is an error.
    LOG_OUTPUTS: Route = Create(Path::api2, "runs/outputs").since(3, 0);
    UPDATE_RUN: Route = Post(Path::api2, "runs/update");
    DELETE_RUN: Route = Post(Path::api2, "runs/delete");
    RESTORE_RUN: Route = Post(Path::api2, "runs/restore");
    UNTAG_RUN: Route = Create(Path::api2, "runs/delete-tag");
    HISTORY: Route = Get(Path::api2, "metrics/get-history").lists("metrics", 25_000, nameless);
    /// Of so many runs, in the servers that take most.
    HISTORIES: Route = Get(Path::ajax2, "metrics/get-history-bulk")
        .lists("metrics", 25_000, nameless).most(100).since(2, 9);

    /// Of so many experiments.
    SEARCH_LOGGED_MODELS: Route = Post(Path::api2, "logged-models/search")
        .lists("models", 100, logged_model_id).most(50).since(3, 0);
    LOGGED_MODEL: RouteOf = Get(Path::api2, "logged-models/{}").since(3, 0);
    /// With so many params.
    CREATE_LOGGED_MODEL: Route = Create(Path::api2, "logged-models").most(100).since(3, 0);
    UPDATE_LOGGED_MODEL: RouteOf = Patch(Path::api2, "logged-models/{}").since(3, 0);
    TAG_LOGGED_MODEL: RouteOf = Patch(Path::api2, "logged-models/{}/tags").since(3, 0);
    ADD_LOGGED_MODEL_PARAMS: RouteOf = Post(Path::api2, "logged-models/{}/params").most(100).since(3, 0);
    DELETE_LOGGED_MODEL: RouteOf = Delete(Path::api2, "logged-models/{}").since(3, 0);

    SEARCH_MODELS: Route = Get(Path::api2, "registered-models/search").lists("registered_models", 500, version_id);
    MODEL: Route = Get(Path::api2, "registered-models/get");
    CREATE_MODEL: Route = Create(Path::api2, "registered-models/create");
    UPDATE_MODEL: Route = Patch(Path::api2, "registered-models/update");
    TAG_MODEL: Route = Post(Path::api2, "registered-models/set-tag");
    SET_ALIAS: Route = Post(Path::api2, "registered-models/alias").since(2, 3);
    SEARCH_VERSIONS: Route = Get(Path::api2, "model-versions/search").lists("model_versions", 500, version_id);
    VERSION_OF_MODEL: Route = Get(Path::api2, "model-versions/get");
    STORAGE_LOCATION: Route = Get(Path::api2, "model-versions/get-download-uri");
    CREATE_VERSION: Route = Create(Path::api2, "model-versions/create");
    UPDATE_VERSION: Route = Patch(Path::api2, "model-versions/update");
    TAG_VERSION: Route = Post(Path::api2, "model-versions/set-tag");
    UNTAG_VERSION: Route = Delete(Path::api2, "model-versions/delete-tag");
    SET_STAGE: Route = Post(Path::api2, "model-versions/transition-stage");
    DELETE_VERSION: Route = Delete(Path::api2, "model-versions/delete");

    /// Rows of which one more must still be allowed; of so many experiments.
    SEARCH_TRACES: Route = Post(Path::api3, "traces/search").lists("traces", 200, trace_id).most(20).since(3, 2);
    TRACE: RouteOf = Get(Path::api3, "traces/{}").since(3, 2);
    /// Tells of no trace that the server hides.
    TRACES_BY_ID: Route = Get(Path::api3, "traces/batchGet").since(3, 2);
    /// Once more merges.
    CREATE_TRACE: Route = Post(Path::api3, "traces").since(3, 2);
    ADD_ASSESSMENT: RouteOf = Create(Path::api3, "traces/{}/assessments").since(3, 2);
    SPANS: Route = Get(Path::ajax2, "get-trace-artifact").since(2, 14);
    /// Once more replaces.
    SEND_SPANS: Route = Post(Path::root, "v1/traces").bytes(1 << 20).since(3, 12);
    LINK_TRACES: Route = Post(Path::api2, "traces/link-to-run").since(3, 3);
    LINK_PROMPTS: Route = Post(Path::api2, "traces/link-prompts").since(3, 7);
    SEARCH_TRACES_V2: Route = Get(Path::api2, "traces").lists("traces", 200, trace_id).most(20).since(2, 14);
    TRACE_V2: RouteOf = Get(Path::api2, "traces/{}/info").since(2, 14);
    START_TRACE_V2: Route = Create(Path::api2, "traces").since(2, 14);
    /// Once more changes nothing.
    UPDATE_TRACE_V2: RouteOf = Patch(Path::api2, "traces/{}").since(2, 14);
    TAG_TRACE_V2: RouteOf = Patch(Path::api2, "traces/{}/tags").since(2, 14);

    SEARCH_DATASETS: Route = Post(Path::api3, "datasets/search")
        .lists("datasets", 100, dataset_id).since(3, 4);
    CREATE_DATASET: Route = Create(Path::api3, "datasets/create").since(3, 4);
    TAG_DATASET: RouteOf = Patch(Path::api3, "datasets/{}/tags").since(3, 4);
    EXPERIMENTS_OF_DATASET: RouteOf = Get(Path::api3, "datasets/{}/experiment-ids").since(3, 4);
    RECORDS: RouteOf = Get(Path::api3, "datasets/{}/records")
        .lists("records", 500, nameless).since(3, 4);
    /// Those with equal inputs merge.
    ADD_RECORDS: RouteOf = Post(Path::api3, "datasets/{}/records")
        .most(200).bytes(1 << 20).since(3, 4);
    SCORERS: Route = Get(Path::api3, "scorers/list").since(3, 4);
    SCORER_VERSIONS: Route = Get(Path::api3, "scorers/versions").since(3, 4);
    REGISTER_SCORER: Route = Create(Path::api3, "scorers/register").since(3, 4);

    PROXIED_FILES: Route = Get(Path::artifacts, "artifacts").lists("files", 1, nameless);
    PROXIED_FILE: RouteOf = Get(Path::artifacts, "artifacts/{}");
    PUT_PROXIED_FILE: RouteOf = Put(Path::artifacts, "artifacts/{}");
    SIGN_PROXIED_FILE: RouteOf = Get(Path::artifacts, "presigned/{}");
    RUN_FILES: Route = Get(Path::api2, "artifacts/list").lists("files", 1, nameless);
    RUN_FILE: Route = Get(Path::root, "get-artifact");
    /// The UI's.
    PUT_RUN_FILE: Route = Post(Path::ajax2, "upload-artifact").bytes(10_000_000);
    SIGN_RUN_FILE: Route = Post(Path::api2, "artifacts/presigned-download-url");
    LOGGED_MODEL_FILES: RouteOf = Get(Path::api2, "logged-models/{}/artifacts/directories")
        .lists("files", 1, nameless).since(3, 0);
    LOGGED_MODEL_FILE: RouteOf = Get(Path::ajax2, "logged-models/{}/artifacts/files").since(3, 0);
}

/// Of rows without a name of their own.
fn nameless(_: &Value) -> Option<String> {
    None
}

fn text_of(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

fn experiment_id(row: &Value) -> Option<String> {
    text_of(&row["experiment_id"])
}

/// The id of a run's JSON.
pub(crate) fn run_id(row: &Value) -> Option<String> {
    let info = &row["info"];
    text_of(&info["run_id"]).or_else(|| text_of(&info["run_uuid"]))
}

fn logged_model_id(row: &Value) -> Option<String> {
    text_of(&row["info"]["model_id"])
}

/// The name of a registered model's JSON, or of a version's with its number.
pub(crate) fn version_id(row: &Value) -> Option<String> {
    let name = row["name"].as_str()?;
    Some(match &row["version"] {
        Value::Null => name.to_owned(),
        version => format!("{version}/{name}"),
    })
}

/// The id of a trace's JSON, by either API.
pub(crate) fn trace_id(row: &Value) -> Option<String> {
    text_of(&row["trace_id"]).or_else(|| text_of(&row["request_id"]))
}

fn dataset_id(row: &Value) -> Option<String> {
    text_of(&row["dataset_id"])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lang::rest::version::Version;

    /// What the page of this language says of the routes that an export asks.
    const PAGE: &str = include_str!("../../../../docs/reference/sources/rest.md");

    #[test]
    fn the_page_has_the_versions_of_the_table() {
        let mut compared = 0;
        for row in PAGE.lines().filter(|line| line.starts_with("| ")) {
            let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
            let told = cells
                .get(2)
                .and_then(|cell| Version::parse(cell.split(',').next()?));
            let Some(told) = told else { continue };
            let names = |route: &&&Known| {
                let path = (route.root)(route.text).to_string();
                let mut named = cells[1].split('`').skip(1).step_by(2);
                route.since > Version::OLDEST && named.any(|name| name == route.text || name == path)
            };
            for route in ALL.iter().filter(names) {
                assert_eq!(route.since, told, "{}", route.text);
                compared += 1;
            }
        }
        assert!(compared >= 7, "the page names {compared} routes of a version");
    }
}
