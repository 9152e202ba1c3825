//! A plan of how shards divide a source: which experiments each has, and where huge ones are cut.
//!
//! | module | does                                        |
//! |--------|---------------------------------------------|
//! | `make` | looks at a source once and divides it       |
//! | here   | the file, and what is believed of it        |

mod make;

pub use make::make;

use crate::format::manifest::Tool;
use crate::format::strict_json;
use crate::model::{Digest, mask};
use crate::select::{Division, MOST_SHARDS, Piece, Share};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// Name in `format.name`.
const FORMAT_NAME: &str = "mlark-plan";
/// The version of plans that this build writes and reads.
const FORMAT_MAJOR: u32 = 1;
/// The largest plan that is read.
const MOST_BYTES: u64 = 1 << 30;

/// How shards divide a source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PlanFile {
    /// Which format this is.
    pub format: PlanFormat,
    /// Which program wrote it.
    pub tool: Tool,
    /// Origin of the source, as its URI names it.
    pub origin: String,
    /// What was looked at.
    pub source: PlannedSource,
    /// Which objects are divided, by the names of the options that choose them; all where there is none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub choices: BTreeMap<String, serde_json::Value>,
    /// How many shards there are.
    pub shards: u64,
    /// How many runs each shard has, without deleted ones and those of deleted experiments.
    pub runs: Vec<u64>,
    /// How many of those each shard has.
    pub deleted_runs: Vec<u64>,
    /// Roughly how much each shard has, in a unit of this plan only.
    pub weights: Vec<u64>,
    /// Every experiment, in the order of archives.
    pub experiments: Vec<PlannedExperiment>,
}

/// Which format a plan has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PlanFormat {
    /// Always `mlark-plan`.
    pub name: String,
    /// A reader refuses another one.
    pub major: u32,
}

/// The source of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PlannedSource {
    /// `file-store`, `sql` or `rest`.
    pub kind: String,
    /// Where it is, without user info and query.
    pub uri: String,
}

/// An experiment and the shards that have it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PlannedExperiment {
    /// Its id.
    pub experiment_id: String,
    /// Its pieces by time, mostly one.
    pub pieces: Vec<Piece>,
}

/// A plan that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// It cannot be read.
    #[error("cannot read the plan `{}`", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It is none, or contradicts itself.
    #[error("`{}` is not an mlark plan: {detail}", path.display())]
    Bad {
        /// The file.
        path: PathBuf,
        /// Why not.
        detail: String,
    },
    /// A shard that the plan does not have.
    #[error("`{}` has {planned} shards, but --shard says {number}/{of}", path.display())]
    OtherNumber {
        /// The file.
        path: PathBuf,
        /// How many shards it has.
        planned: u64,
        /// The shard that was asked for.
        number: u64,
        /// Of how many.
        of: u64,
    },
}

impl PlanFile {
    /// The plan's text: canonical JSON, indented for people, one line end at the end.
    pub fn to_text(&self) -> String {
        let value = serde_json::to_value(self).expect("a plan has only text keys");
        let mut text = serde_json::to_string_pretty(&value).expect("a value can be written");
        text.push('\n');
        text
    }

    fn parse(bytes: &[u8]) -> Result<Self, String> {
        let value = strict_json::parse(bytes).map_err(|error| error.to_string())?;
        let format = &value["format"];
        if format["name"] != FORMAT_NAME {
            return Err(format!("its format is not `{FORMAT_NAME}`"));
        }
        if format["major"] != FORMAT_MAJOR {
            return Err("another version of mlark wrote it: make it again with this one".to_owned());
        }
        let plan: PlanFile = serde_json::from_value(value).map_err(|error| error.to_string())?;
        plan.check()?;
        Ok(plan)
    }

    /// Whether every moment of every experiment is of exactly one shard.
    fn check(&self) -> Result<(), String> {
        if !(1..=MOST_SHARDS).contains(&self.shards) {
            return Err(format!("it has {} shards, not 1 to {MOST_SHARDS}", self.shards));
        }
        let lists = [&self.runs, &self.deleted_runs, &self.weights];
        if lists.iter().any(|list| list.len() as u64 != self.shards) {
            return Err("its lists do not have one number for each shard".to_owned());
        }
        let mut last = None;
        for planned in &self.experiments {
            let (experiment_id, pieces) = (&planned.experiment_id, &planned.pieces);
            let at = |what: &str| {
                let id: String = experiment_id.chars().take(100).collect();
                format!("experiment `{id}` {what}")
            };
            let key = crate::format::order::experiment(experiment_id);
            if last.as_ref().is_some_and(|last| *last >= key) {
                return Err(at("appears twice, or is out of order"));
            }
            last = Some(key);
            if pieces
                .iter()
                .any(|piece| !(1..=self.shards).contains(&piece.shard))
            {
                return Err(at("is assigned to a shard that does not exist"));
            }
            let Some((end, before)) = pieces.split_last() else {
                return Err(at("is assigned to no shard"));
            };
            let ends: Option<Vec<i64>> = before.iter().map(|piece| piece.until).collect();
            let are_rising = ends.is_some_and(|ends| ends.is_sorted_by(|one, next| one < next));
            if end.until.is_some() || !are_rising {
                return Err(at("is cut so that pieces overlap or do not reach the end"));
            }
        }
        Ok(())
    }
}

/// Reads the share that a plan gives to one shard.
///
/// # Errors
/// The file cannot be read, is no plan, or has another number of shards.
pub fn read_share(path: &Path, number: u64, of: u64) -> Result<Share, PlanError> {
    let io_error = |source| PlanError::Io {
        path: path.to_owned(),
        source,
    };
    let bad = |detail: String| PlanError::Bad {
        path: path.to_owned(),
        detail,
    };
    let file = crate::archive::open_input(path).map_err(io_error)?;
    let mut bytes = Vec::new();
    file.take(MOST_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(io_error)?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err(bad(format!("it is larger than {MOST_BYTES} bytes")));
    }
    let plan = PlanFile::parse(&bytes).map_err(bad)?;
    if plan.shards != of || number == 0 || number > of {
        return Err(PlanError::OtherNumber {
            path: path.to_owned(),
            planned: plan.shards,
            number,
            of,
        });
    }
    let at = usize::try_from(number - 1).unwrap_or(usize::MAX);
    let [runs, deleted_runs] =
        [&plan.runs, &plan.deleted_runs].map(|list| list.get(at).copied().unwrap_or(0));
    let experiments = plan.experiments.into_iter();
    let experiments = experiments.map(|planned| (planned.experiment_id, planned.pieces));
    let division = Division {
        plan: Digest(Sha256::digest(&bytes).into()),
        origin: plan.origin,
        source_uri: mask::redact(&plan.source.uri),
        choices: plan.choices,
        runs,
        deleted_runs,
        experiments: experiments.collect(),
    };
    Ok(Share::planned(number, of, division))
}

/// Schema of a plan.
pub fn schema() -> serde_json::Value {
    serde_json::Value::from(schemars::schema_for!(PlanFile))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn good() -> Value {
        json!({
            "format": {"name": "mlark-plan", "major": 1},
            "tool": {"name": "mlark", "version": "0"},
            "origin": "o", "source": {"kind": "sql", "uri": "sqlite:///x"},
            "shards": 2, "runs": [1, 2], "deleted_runs": [0, 0], "weights": [1, 2],
            "experiments": [
                {"experiment_id": "1", "pieces": [{"shard": 2}]},
                {"experiment_id": "2", "pieces": [{"shard": 1, "until": 5}, {"shard": 2, "until": 9}, {"shard": 1}]},
            ],
        })
    }

    fn parse(value: &Value) -> Result<PlanFile, String> {
        PlanFile::parse(value.to_string().as_bytes())
    }

    #[test]
    fn a_plan_that_contradicts_itself_is_refused() {
        let plan = parse(&good()).expect("it is one");
        assert_eq!(PlanFile::parse(plan.to_text().as_bytes()), Ok(plan));
        let hostile: [(&str, Value, &str); 13] = [
            ("/format/name", json!("mlark-archive"), "its format"),
            ("/format/major", json!(2), "another version"),
            ("/shards", json!(0), "0 shards"),
            ("/shards", json!(1_u64 << 40), "shards"),
            ("/shards", json!(3), "one number for each shard"),
            ("/runs", json!([1]), "one number for each shard"),
            ("/runs", json!([-1, 2]), "invalid value"),
            ("/experiments/0/experiment_id", json!("2"), "appears twice"),
            ("/experiments/0/experiment_id", json!("3"), "out of order"),
            ("/experiments/0/pieces", json!([]), "no shard"),
            ("/experiments/0/pieces/0/shard", json!(3), "that does not exist"),
            ("/experiments/1/pieces/0/until", json!(9), "overlap"),
            ("/experiments/1/pieces/1/until", Value::Null, "overlap"),
        ];
        for (place, value, words) in hostile {
            let mut plan = good();
            *plan.pointer_mut(place).expect("it is there") = value;
            let refusal = parse(&plan).expect_err(place);
            assert!(refusal.contains(words), "{place}: {refusal}");
        }
        for (place, words) in [("", "unknown field"), ("/experiments/0", "unknown field")] {
            let mut plan = good();
            plan.pointer_mut(place).expect("it is there")["more"] = json!(1);
            assert!(parse(&plan).expect_err(place).contains(words));
        }
        assert!(PlanFile::parse(b"{\"format\": {}, \"format\": {}}").is_err());
    }
}
