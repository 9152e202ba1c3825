//! Where an object was before: its hops, the first origin first, as its tags tell them.
//!
//! | tags | what they tell | who writes them |
//! |---|---|---|
//! | `mlflow_exim.lineage` | every hop, as JSON | source tags with lineage |
//! | `mlflow_exim.origin.*` | the first origin | the same, once |
//! | `mlflow_exim.run_info.*`, `mlflow_exim.field.*` | the id at the last hop that wrote source tags | mlflow-export-import, source tags |
//! | `mlflow_exim.mlark.origin` | origin and id at the last hop that mlark made | an import |
//!
//! Unity Catalog takes no dots in keys; there `mlflow_exim_lineage` and `mlflow_exim_origin_*` stand for the first two.

use super::{Kind, mark};
use crate::model::{Text, TextMap};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// How keys of tags are spelled.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum KeyStyle {
    /// With dots.
    #[default]
    Dotted,
    /// With underscores in their place.
    Plain,
}

impl KeyStyle {
    /// A key in this spelling.
    pub(crate) fn key(self, dotted: &str) -> String {
        match self {
            KeyStyle::Dotted => dotted.to_owned(),
            KeyStyle::Plain => dotted.replace('.', "_"),
        }
    }
}

/// The chain of hops, as JSON.
pub(crate) const LINEAGE: &str = "mlflow_exim.lineage";
/// The server of the first origin, without credentials.
pub(crate) const ORIGIN_SERVER: &str = "mlflow_exim.origin.server";
/// The object's id at its first origin.
pub(crate) const ORIGIN_ID: &str = "mlflow_exim.origin.id";
/// The object's kind.
pub(crate) const ORIGIN_KIND: &str = "mlflow_exim.origin.kind";
/// Content id of the archive in which the object left its first origin.
pub(crate) const ORIGIN_ARCHIVE: &str = "mlflow_exim.origin.archive";

/// A place where an object was before.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Hop {
    /// URI of the server or store, without credentials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// Stable name of where it was, as archives have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    /// Its id there.
    pub id: String,
    /// When it was taken from there into an archive, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
    /// Content id of that archive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub archive: Option<String>,
    /// The program that took it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool: Option<String>,
    /// The evidence for the hop, if it was not recorded when it was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovered: Option<Evidence>,
}

/// The evidence for a hop that nobody recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Evidence {
    /// The source tags that mlflow-export-import writes; who wrote them they do not say.
    SourceTags,
    /// The mark of an import by mlark.
    Mark,
    /// What a merge of archives noted: the object is of that origin.
    Merge,
}

impl Hop {
    /// Whether another hop is the same: the same id at a place that is not known to be another.
    pub(crate) fn is_same(&self, other: &Hop) -> bool {
        let is_other = |mine: &Option<String>, others: &Option<String>| {
            mine.as_ref()
                .zip(others.as_ref())
                .is_some_and(|(mine, other)| mine != other)
        };
        self.id == other.id
            && !is_other(&self.origin, &other.origin)
            && !is_other(&self.server, &other.server)
    }
}

/// The hops of an object, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Chain {
    /// Those that are told.
    pub(crate) hops: Vec<Hop>,
    /// How many stood between the first and the second of them and were folded.
    pub(crate) folded: u64,
}

/// The longest text of a chain that is read; a line holds longer texts as blobs.
const READ_BYTES: usize = 1 << 20;

impl Chain {
    /// What the tags of an object tell; `faults` gets what they say wrongly.
    pub(crate) fn read(kind: Kind, tags: &TextMap, faults: &mut Vec<String>) -> Self {
        let mut chain = Chain::recorded(tags, faults);
        if let Some(id) = source_id(kind, tags) {
            let told = Hop {
                id,
                recovered: Some(Evidence::SourceTags),
                ..Hop::default()
            };
            // Each hop overwrites these tags, so they tell of the last one that wrote any.
            if chain.hops.last().is_none_or(|last| !last.is_same(&told)) {
                chain.hops.push(told);
            }
        }
        if let Some((origin, id)) = tag(tags, mark::KEY).and_then(|text| mark::parts(text, kind)) {
            let told = Hop {
                origin: Some(origin),
                id,
                recovered: Some(Evidence::Mark),
                ..Hop::default()
            };
            match chain.hops.iter_mut().find(|hop| hop.is_same(&told)) {
                Some(hop) => hop.origin = told.origin,
                None => chain.hops.push(told),
            }
        }
        chain
    }

    /// What tags with lineage tell.
    fn recorded(tags: &TextMap, faults: &mut Vec<String>) -> Self {
        let mut chain = Chain::default();
        match [KeyStyle::Dotted, KeyStyle::Plain]
            .iter()
            .find_map(|style| tags.get(&style.key(LINEAGE)))
        {
            None => {}
            Some(Text::Utf8(text)) if text.len() <= READ_BYTES => match Chain::parse(text) {
                Ok(parsed) => chain = parsed,
                Err(reason) => faults.push(format!("its tag `{LINEAGE}` is ignored: {reason}")),
            },
            Some(Text::Bytes(_)) => faults.push(format!("its tag `{LINEAGE}` is ignored: it is not UTF-8")),
            Some(_) => faults.push(format!("its tag `{LINEAGE}` is ignored: it is too long")),
        }
        let part = |key| tag(tags, key).map(str::to_owned);
        if let Some(id) = part(ORIGIN_ID) {
            let first = Hop {
                server: part(ORIGIN_SERVER),
                id,
                archive: part(ORIGIN_ARCHIVE),
                ..Hop::default()
            };
            match chain.hops.first() {
                None => chain.hops.push(first),
                Some(told) if told.is_same(&first) => {}
                Some(_) => faults.push(format!(
                    "its tags `{ORIGIN_ID}` and `{LINEAGE}` name different first origins"
                )),
            }
        }
        chain
    }

    /// Reads the JSON of a tag.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let items: Value = serde_json::from_str(text).map_err(|_| "it is not JSON".to_owned())?;
        let Value::Array(items) = items else {
            return Err("it is not a list".to_owned());
        };
        let mut chain = Chain::default();
        for (index, item) in items.into_iter().enumerate() {
            match item["folded"].as_u64() {
                Some(folded) => chain.folded = chain.folded.saturating_add(folded),
                None => {
                    let hop = serde_json::from_value(item);
                    chain
                        .hops
                        .push(hop.map_err(|_| format!("item {index} is not a hop"))?);
                }
            }
        }
        Ok(chain)
    }

    /// The JSON of a tag of at most `limit` characters: what does not fit is folded, the oldest after the first one first.
    pub(crate) fn to_text(&self, limit: usize) -> String {
        let texts: Vec<String> = self.hops.iter().map(|hop| json!(hop).to_string()).collect();
        let fold = |dropped: usize| {
            let folded = self.folded.saturating_add(dropped as u64);
            (folded > 0).then(|| json!({ "folded": folded }).to_string())
        };
        // Each with what separates it from the next.
        let length = |text: &String| text.chars().count() + 1;
        let mut kept_length = 1 + texts.iter().map(length).sum::<usize>();
        let mut dropped = 0;
        while kept_length + fold(dropped).map_or(0, |text| length(&text)) > limit && dropped + 2 < texts.len()
        {
            dropped += 1;
            kept_length -= length(&texts[dropped]);
        }
        let first = texts.first().cloned();
        let last = texts.into_iter().skip(1 + dropped);
        let items: Vec<String> = first.into_iter().chain(fold(dropped)).chain(last).collect();
        format!("[{}]", items.join(","))
    }
}

/// A tag's text, by its dotted or its plain key.
fn tag<'t>(tags: &'t TextMap, dotted: &str) -> Option<&'t str> {
    let text = |style: KeyStyle| tags.get(&style.key(dotted))?.as_str();
    text(KeyStyle::Dotted)
        .or_else(|| text(KeyStyle::Plain))
        .filter(|text| !text.is_empty())
}

/// The id that source tags tell.
fn source_id(kind: Kind, tags: &TextMap) -> Option<String> {
    let field = |name: &str| tag(tags, &format!("mlflow_exim.field.{name}")).map(str::to_owned);
    match kind {
        Kind::Runs => tag(tags, "mlflow_exim.run_info.run_id").map(str::to_owned),
        Kind::Experiments => field("experiment_id"),
        Kind::ModelVersions => Some(format!("{}/{}", field("name")?, field("version")?)),
        Kind::RegisteredModels => field("name"),
        Kind::LoggedModels => field("model_id"),
        Kind::Traces => field("trace_id"),
        Kind::EvaluationDatasets => field("dataset_id"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hop(id: &str) -> Hop {
        Hop {
            id: id.to_owned(),
            ..Hop::default()
        }
    }

    fn tags(pairs: &[(&str, &str)]) -> TextMap {
        let pair = |(key, value): &(&str, &str)| ((*key).to_owned(), Text::from(*value));
        pairs.iter().map(pair).collect()
    }

    fn read(pairs: &[(&str, &str)]) -> (Vec<String>, Vec<String>) {
        let mut faults = Vec::new();
        let chain = Chain::read(Kind::Runs, &tags(pairs), &mut faults);
        (chain.hops.into_iter().map(|hop| hop.id).collect(), faults)
    }

    #[test]
    fn a_chain_comes_back_from_its_text_and_folds_behind_the_first_hop() {
        let chain = Chain {
            hops: (0..9).map(|number| hop(&format!("run{number}"))).collect(),
            folded: 0,
        };
        assert_eq!(Chain::parse(&chain.to_text(5000)), Ok(chain.clone()));
        let text = chain.to_text(60);
        assert_eq!(
            text,
            r#"[{"id":"run0"},{"folded":6},{"id":"run7"},{"id":"run8"}]"#
        );
        let folded = Chain::parse(&text).unwrap();
        assert_eq!((folded.hops.len(), folded.folded), (3, 6));
        let mut longer = folded;
        longer.hops.push(hop("run9"));
        assert_eq!(
            longer.to_text(60),
            r#"[{"id":"run0"},{"folded":7},{"id":"run8"},{"id":"run9"}]"#
        );
        // The first and the last are never folded.
        assert_eq!(longer.to_text(1), r#"[{"id":"run0"},{"folded":8},{"id":"run9"}]"#);
    }

    #[test]
    fn hops_of_other_tools_are_recovered_behind_those_that_are_told() {
        let told = r#"[{"id":"a","origin":"A"}]"#;
        let source = ("mlflow_exim.run_info.run_id", "b");
        let marked = ("mlflow_exim.mlark.origin", "A/runs/a");
        assert_eq!(read(&[]).0, [] as [&str; 0]);
        assert_eq!(read(&[source]).0, ["b"]);
        assert_eq!(read(&[marked]).0, ["a"]);
        assert_eq!(read(&[(LINEAGE, told)]).0, ["a"]);
        assert_eq!(read(&[(LINEAGE, told), marked]).0, ["a"]);
        assert_eq!(read(&[(LINEAGE, told), source, marked]).0, ["a", "b"]);
        assert_eq!(read(&[("mlflow_exim_lineage", told), source]).0, ["a", "b"]);
        assert_eq!(
            read(&[(LINEAGE, told), ("mlflow_exim.mlark.origin", "B/runs/a")]).0,
            ["a", "a"]
        );
        assert_eq!(
            read(&[("mlflow_exim.mlark.origin", "A/traces/a")]).0,
            [] as [&str; 0]
        );
    }

    #[test]
    fn forged_tags_are_passed_over_and_said() {
        let long = "x".repeat(READ_BYTES + 1);
        let nested = "[".repeat(100_000);
        for forged in ["", "{}", "[1]", "nothing", "[{\"id\":7}]", &nested, &long] {
            let (hops, faults) = read(&[(LINEAGE, forged), (ORIGIN_ID, "first")]);
            assert_eq!(
                (hops, faults.len()),
                (vec!["first".to_owned()], 1),
                "{forged:.20}"
            );
        }
        let (hops, faults) = read(&[(LINEAGE, r#"[{"id":"a"}]"#), (ORIGIN_ID, "other")]);
        assert_eq!((hops, faults.len()), (vec!["a".to_owned()], 1));
    }
}
