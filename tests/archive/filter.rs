//! Filters and orders of runs mean what they mean in MLflow 3.18: its answers are in `fixtures/filter/golden.jsonl`, and what differs by
//! choice is listed here.

use mlark::archive::Archive;
use mlark::model::Run;
use mlark::select::{FilterError, OrderBy, RunFilter};
use serde_json::Value;
use std::collections::BTreeSet;

/// Why an answer differs from MLflow's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Why {
    /// Both refuse; MLflow's words follow from SQL (words of it, comments, aliases, `CASE`) or from Python that no filter needs.
    Words,
    /// MLflow takes two names side by side as a name and its alias, and then both as one key: `params.a = 'x' params.b IS NULL`. The
    /// `AND` is forgotten there.
    Alias,
    /// MLflow compares a text with a list of texts, which is never equal, or an error of a database.
    ListWithoutIn,
    /// MLflow sees a wrong operator only when it comes to compare; where no run meets an earlier clause, it never does.
    LateOperator,
    /// Digits of other scripts are no numbers here.
    Digits,
}

/// Every question whose answer differs by choice.
const DIFFERENT: &[(&str, Why)] = &[
    ("params.lr = '0.1' tags.team IS NULL", Why::Alias),
    ("run_id IN (1)", Why::Words),
    ("run_id IN ('x', 1)", Why::Words),
    ("run_id IN (x)", Why::Words),
    ("run_id = ('x')", Why::ListWithoutIn),
    ("run_id != ('x')", Why::ListWithoutIn),
    ("dataset.context = ('training')", Why::ListWithoutIn),
    ("metrics.auc /* c */ > 0.5", Why::Words),
    ("metrics.auc > 0.5 ORDER BY start_time", Why::Words),
    ("metrics.auc > 0.5 LIMIT 1", Why::Words),
    ("metrics.auc > ٣", Why::Digits),
    ("params.missing = 'x' AND params.lr == 'x'", Why::LateOperator),
    ("params.lr AS x = '0.1'", Why::Words),
    ("metrics.auc > 0.5 AS x", Why::Words),
    ("metrics.auc := 0.5", Why::Words),
    ("params.lr = 'x' COLLATE nocase", Why::Words),
    ("CASE WHEN 1 THEN 2 END", Why::Words),
    ("params.lr = DATE '2020'", Why::Words),
    ("metrics run_id NOT IN ('x') AND run_id NOT IN ('x')", Why::Words),
    ("run_id LIKE ('x')", Why::Words),
    ("metrics.auc > 0.5 AND run_id \"red\" NOT IN ('x')", Why::Words),
    ("status tags.team IS NOT NULL AND run_id IN ('x')", Why::Words),
    ("run_id NOdatasetT IN ('x') AND start_time > 1001", Why::Words),
    ("start_time > 1001 AND run_id auc NOT IN ('x')", Why::Words),
    ("run_id `lr`NOT IN ('x')", Why::Words),
    ("start\"a.b\"_time > 1001", Why::Words),
    ("run_id IN ('x') A>=ND params.lr IS NULL", Why::Words),
    ("run_id NO%T IN ('x')", Why::Words),
    ("run_id attributesNOT IN ('x')", Why::Words),
    ("run_id ANDNOT IN ('x') AND dataset.name LIKE 'tr%'", Why::Words),
    ("run_id NOT . IN ('x') AND status = 'FINISHED'", Why::Words),
    ("ASC auc _x is null", Why::Words),
    ("name params.lr IS NULL", Why::Words),
    ("start_time > 1001 AND 1 params.lr IS NULL", Why::Words),
    ("] -1 ` <> -1 tags is null desc", Why::Words),
    ("metrics.\"a\\\" DESC", Why::Words),
];

#[test]
fn filters_and_orders_give_what_mlflow_gives() {
    let runs = runs();
    let (mut wrong, mut different) = (Vec::new(), Vec::new());
    for question in questions() {
        let (found, given) = (answer(&question, &runs), &question["file"]);
        let why = DIFFERENT.iter().find(|(text, _)| *text == text_of(&question));
        let is_right = match why {
            None => found == *given,
            Some((text, why)) => {
                different.push(*text);
                let refuses = |answer: &Value| answer.get("error").is_some();
                found != *given && refuses(&found) && refuses(given) == (*why == Why::Words)
            }
        };
        if !is_right {
            wrong.push(format!("{question}\n    found {found}"));
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
    assert_eq!(different.len(), DIFFERENT.len(), "each of them was asked");
}

/// A filter, or the first key of an order.
fn text_of(question: &Value) -> &str {
    let text = question.get("filter").unwrap_or(&question["order_by"][0]);
    text.as_str().unwrap_or_default()
}

fn questions() -> Vec<Value> {
    let text = std::fs::read_to_string("fixtures/filter/golden.jsonl").unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn the_page_says_how_many_questions_mlflow_answered() {
    let count = questions().len();
    let told = format!("{},{:03} of its answers", count / 1_000, count % 1_000);
    let page = std::fs::read_to_string("docs/reference/filter.md").unwrap();
    assert!(
        page.contains(&told),
        "docs/reference/filter.md does not say `{told}`"
    );
}

fn runs() -> Vec<Run> {
    let archive = Archive::open("fixtures/filter/runs.zip".as_ref()).unwrap();
    archive.objects::<Run>().collect::<Result<_, _>>().unwrap()
}

/// What is found, as MLflow's answers stand in the file.
fn answer(question: &Value, runs: &[Run]) -> Value {
    let found = match question.get("filter") {
        Some(filter) => filtered(filter.as_str().unwrap(), runs),
        None => ordered(&question["order_by"], runs),
    };
    found.map_or_else(
        |error| {
            let mut message = error.reason();
            for end in [" not one of", "Valid keys are"] {
                if let Some(start) = message.find(end) {
                    message = &message[..start + end.len()];
                }
            }
            serde_json::json!({"error": "INVALID_PARAMETER_VALUE", "message": message})
        },
        |ids| ids.into_iter().map(|id| Value::from(&id[..1])).collect(),
    )
}

fn filtered(text: &str, runs: &[Run]) -> Result<Vec<String>, FilterError> {
    let filter = RunFilter::parse(text)?;
    let taken = runs.iter().filter(|run| filter.takes(run));
    let ids: BTreeSet<_> = taken.map(|run| run.info.run_id.clone()).collect();
    Ok(ids.into_iter().collect())
}

fn ordered(keys: &Value, runs: &[Run]) -> Result<Vec<String>, FilterError> {
    let keys: Vec<String> = serde_json::from_value(keys.clone()).unwrap();
    let order = OrderBy::parse(&keys)?;
    let mut runs: Vec<&Run> = runs.iter().collect();
    runs.sort_by_key(|run| order.sort_key(run));
    Ok(runs.into_iter().map(|run| run.info.run_id.clone()).collect())
}
