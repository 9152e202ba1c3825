//! Addresses of pages of MLflow's UI, as a browser shows them: the choice that the page stands for, or a refusal.
//!
//! | page | is read as |
//! |---|---|
//! | `/#/`, `/#/home`, `/#/experiments` | the server |
//! | `/#/experiments/ID…` | `--experiment ID` |
//! | `/#/experiments/ID/runs/RUN…` | `--run RUN` |
//! | `/#/models/NAME`, `/#/prompts/NAME` | `--model NAME` |
//! | `/ml/…` and `/#mlflow/…` of Databricks | likewise |
//! | one version, one logged model, a comparison, any other | refused, with the remedy |

use crate::lang::session::ExportError;
use crate::model::mask::redact;
use crate::model::uri::percent_decode;
use crate::select::{Patterns, Selection};

/// What a page shows.
#[derive(Debug, PartialEq, Eq)]
enum Shown {
    /// All there is.
    All,
    Experiment(String),
    Run(String),
    Model(String),
    /// Something that no option chooses; what comes nearest to it.
    Other(Option<String>),
}

/// The server of an address, and the choice with what its page adds to it; how that is read, where it is a page.
///
/// # Errors
/// The page stands for no choice, or the options choose something else.
pub(super) fn read(
    source: &str,
    mut selection: Selection,
) -> Result<(String, Selection, Option<String>), ExportError> {
    let Some((server, shown)) = split(source) else {
        return Ok((source.to_owned(), selection, None));
    };
    let (shown_source, shown_server) = (shown_address(source), redact(&server));
    let refusal = |detail: String| ExportError::Page {
        uri: shown_source.clone(),
        detail,
    };
    let (option, value) = match shown {
        Shown::All => return Ok((server, selection, None)),
        Shown::Experiment(id) => ("experiment", id),
        Shown::Run(id) => ("run", id),
        Shown::Model(name) => ("model", name),
        Shown::Other(nearest) => {
            let nearest = nearest
                .unwrap_or_else(|| "and --experiment, --run or --model to choose a part of it".to_owned());
            return Err(refusal(format!(
                "is a page that mlark cannot export by its address: give `{shown_server}` {nearest}"
            )));
        }
    };
    if !(selection.experiments.is_empty() && selection.runs.is_empty() && selection.models.is_empty()) {
        return Err(refusal(format!(
            "already chooses --{option} `{value}`, but other options choose more: give `{shown_server}`, and all choices as options"
        )));
    }
    let read_as = format!("`{shown_source}` is read as `{shown_server}` with --{option} `{value}`");
    let literal =
        |text: &str| Patterns::names(vec![globset::escape(text)]).map_err(|error| refusal(error.to_string()));
    match option {
        "experiment" => selection.experiments = literal(&value)?,
        "model" => selection.models = literal(&value)?,
        _ => selection.runs = vec![value],
    }
    Ok((server, selection, Some(read_as)))
}

/// An address without credentials and queries, its page included.
fn shown_address(source: &str) -> String {
    let page = source.split_once('#').map(|(_, page)| page);
    let page = page.map(|page| format!("#{}", &page[..page.find('?').unwrap_or(page.len())]));
    redact(source) + &page.unwrap_or_default()
}

/// The server's own address and what the page shows; none where it is no page's address.
fn split(source: &str) -> Option<(String, Shown)> {
    let (scheme, rest) = source.trim().split_once("://")?;
    if !["http", "https"].contains(&scheme.to_ascii_lowercase().as_str()) {
        return None;
    }
    let (address, fragment) = match rest.split_once('#') {
        Some((address, fragment)) => (address, Some(fragment)),
        None => (rest, None),
    };
    let address = &address[..address.find('?').unwrap_or(address.len())];
    // Databricks shows pages by their path.
    let by_path = ["/ml/", "/explore/"].into_iter().find_map(|mark| {
        let (server, _) = address.split_once(mark)?;
        Some((server, &address[server.len() + 1..]))
    });
    let (server, route) = match (fragment, by_path) {
        (Some(fragment), None) => (address, fragment),
        (_, Some((server, route))) => (server, route),
        (None, None) => return None,
    };
    let route = route.trim_start_matches('/');
    let route = route
        .strip_prefix("mlflow/")
        .or_else(|| route.strip_prefix("ml/"))
        .unwrap_or(route);
    let server = server.trim_end_matches('/');
    Some((format!("{scheme}://{server}"), shown(route)))
}

/// What a route of the UI shows.
fn shown(route: &str) -> Shown {
    let route = &route[..route.find('?').unwrap_or(route.len())];
    let parts: Option<Vec<String>> = route
        .split('/')
        .filter(|part| !part.is_empty())
        .map(percent_decode)
        .collect();
    let Some(parts) = parts else {
        return Shown::Other(None);
    };
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    match parts[..] {
        ["experiments", _, "runs", run, ..] => Shown::Run(run.to_owned()),
        ["experiments", id, "models", _, ..] => Shown::Other(Some(format!("with --experiment {id}"))),
        ["experiments", "s" | "compare", ..] => Shown::Other(None),
        ["experiments", id, ..] => Shown::Experiment(id.to_owned()),
        [] | ["home" | "experiments"] => Shown::All,
        ["models" | "prompts", name] => Shown::Model(name.to_owned()),
        ["models" | "prompts", name, ..] => Shown::Other(Some(format!("with --model '{name}'"))),
        _ => Shown::Other(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_the_choice_that_it_stands_for() {
        let run = || Shown::Run("ab12".to_owned());
        let experiment = || Shown::Experiment("1".to_owned());
        let model = || Shown::Model("a b".to_owned());
        for (address, server, expected) in [
            ("http://h:5000/#/experiments/1/runs/ab12", "http://h:5000", run()),
            (
                "http://h:5000/#/experiments/1/runs/ab12/artifacts/x?a=b",
                "http://h:5000",
                run(),
            ),
            (
                "https://u:p@h/pre/#/experiments/1?searchFilter=&order=%5B%5D",
                "https://u:p@h/pre",
                experiment(),
            ),
            (
                "http://h/?workspace=w#/experiments/1/traces",
                "http://h",
                experiment(),
            ),
            ("http://h/#/models/a%20b", "http://h", model()),
            ("http://h/#/prompts/a%20b", "http://h", model()),
            ("http://h/#/", "http://h", Shown::All),
            ("http://h/#", "http://h", Shown::All),
            ("http://h/#/experiments", "http://h", Shown::All),
            (
                "http://h/#/models/m/versions/3",
                "http://h",
                Shown::Other(Some("with --model 'm'".to_owned())),
            ),
            (
                "http://h/#/experiments/1/models/m-1",
                "http://h",
                Shown::Other(Some("with --experiment 1".to_owned())),
            ),
            ("http://h/#/compare-runs?runs=[]", "http://h", Shown::Other(None)),
            ("http://h/#/%ff", "http://h", Shown::Other(None)),
            (
                "https://w.cloud.databricks.com/ml/experiments/1/runs/ab12?o=7",
                "https://w.cloud.databricks.com",
                run(),
            ),
            (
                "https://w.cloud.databricks.com/?o=7#mlflow/experiments/1",
                "https://w.cloud.databricks.com",
                experiment(),
            ),
            (
                "https://w.cloud.databricks.com/ml/experiments/1?o=7#x",
                "https://w.cloud.databricks.com",
                experiment(),
            ),
            (
                "https://w.cloud.databricks.com/explore/data/models/c/s/m",
                "https://w.cloud.databricks.com",
                Shown::Other(None),
            ),
        ] {
            assert_eq!(split(address), Some((server.to_owned(), expected)), "{address}");
        }
        for address in [
            "http://h:5000",
            "http://h/pre",
            "databricks://profile",
            "mlruns#1",
            "http://h/mlflow/",
        ] {
            assert_eq!(split(address), None, "{address}");
        }
    }

    #[test]
    fn a_page_and_a_choice_beside_it_are_refused() {
        let page = "http://u:secret@h/#/experiments/1";
        let (server, selection, read_as) = read(page, Selection::default()).unwrap();
        assert_eq!(server, "http://u:secret@h");
        assert!(selection.experiments.matches("1") && !selection.experiments.matches("11"));
        assert!(!read_as.unwrap().contains("secret"));
        let selection = Selection {
            runs: vec!["ab".to_owned()],
            ..Selection::default()
        };
        let refused = read(page, selection).unwrap_err().to_string();
        assert!(
            refused.contains("choose more") && !refused.contains("secret"),
            "{refused}"
        );
        let refused = read("http://h/#/models/m/versions/3", Selection::default()).unwrap_err();
        assert!(
            refused.to_string().ends_with("give `http://h` with --model 'm'"),
            "{refused}"
        );
    }
}
