//! A chain in PROV-JSON (W3C member submission of 2013): objects are entities, the making of a run and each hop are activities, users and
//! mlark are agents.
//!
//! ```text
//! mlflow:runs/<origin>/<id>          what a run holds
//! mlflow:execution/<origin>/<id>     that it ran
//! mlark:hop/<n>                      that an object was brought from one place to the next
//! ```

use super::openlineage::put_times;
use super::ro_crate::encoded as name;
use super::{Edge, Hop, Lineage, LineageNode, Relation};
use crate::format::Kind;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// A chain as a document.
pub(crate) fn prov_json(lineage: &Lineage) -> Value {
    let mut document = Document::default();
    for node in &lineage.nodes {
        document.node(node);
    }
    for edge in &lineage.edges {
        document.edge(lineage, edge);
    }
    if let Some(file) = &lineage.file {
        let entity = format!("mlark:file/{}", file.sha256);
        let value = json!({"prov:type": "mlark:File", "mlark:sizeBytes": file.size_bytes, "mlark:sha256": file.sha256});
        document.add("entity", &entity, value);
        for artifact in &file.artifacts {
            let owner = entity_of(&lineage.nodes[artifact.node]);
            let path = &artifact.path;
            let value = json!({"prov:generatedEntity": entity, "prov:usedEntity": owner, "mlark:path": path});
            document.relate("wasDerivedFrom", value);
        }
    }
    document.finish()
}

#[derive(Default)]
struct Document {
    sections: BTreeMap<&'static str, Map<String, Value>>,
    hops: usize,
}

fn entity_of(node: &LineageNode) -> String {
    entity(node.kind, &node.origin, node.workspace.as_deref(), &node.id)
}

fn entity(kind: Kind, place: &str, workspace: Option<&str>, id: &str) -> String {
    let mut parts = vec![kind.name(), place];
    parts.extend(workspace);
    parts.push(id);
    format!("mlflow:{}", name(&parts))
}

fn execution_of(node: &LineageNode) -> String {
    format!("mlflow:execution/{}", name(&[&node.origin, &node.id]))
}

fn type_of(kind: Kind) -> &'static str {
    match kind {
        Kind::Experiments => "mlflow:Experiment",
        Kind::Runs => "mlflow:Run",
        Kind::Datasets => "mlflow:Dataset",
        Kind::LoggedModels => "mlflow:LoggedModel",
        Kind::RegisteredModels => "mlflow:RegisteredModel",
        Kind::ModelVersions => "mlflow:ModelVersion",
        Kind::Traces => "mlflow:Trace",
        Kind::EvaluationDatasets => "mlflow:EvaluationDataset",
        _ => "mlflow:Object",
    }
}

impl Document {
    fn add(&mut self, section: &'static str, id: &str, value: Value) {
        self.sections
            .entry(section)
            .or_default()
            .entry(id)
            .or_insert(value);
    }

    fn relate(&mut self, section: &'static str, value: Value) {
        let relations = self.sections.entry(section).or_default();
        let id = format!("_:{section}{}", relations.len() + 1);
        relations.insert(id, value);
    }

    fn node(&mut self, node: &LineageNode) {
        let mut value =
            json!({"prov:type": type_of(node.kind), "mlflow:id": node.id, "mlark:origin": node.origin});
        let mut set = |key: &str, text: Option<&String>| {
            if let Some(text) = text {
                value[key] = text.as_str().into();
            }
        };
        set("prov:label", node.name.as_ref());
        set("mlflow:status", node.status.as_ref());
        for (name, text) in &node.facts {
            set(&format!("mlflow:{name}"), Some(text));
        }
        let id = entity_of(node);
        self.add("entity", &id, value);
        if node.kind == Kind::Runs {
            self.execution(node, &id);
        } else if let Some(user) = &node.user {
            let agent = self.user(user);
            self.relate("wasAttributedTo", json!({"prov:entity": id, "prov:agent": agent}));
        }
        self.hops(node, &id);
    }

    fn execution(&mut self, node: &LineageNode, run: &str) {
        let execution = execution_of(node);
        let mut value = json!({"prov:type": "mlflow:Execution"});
        put_times(&mut value, ["prov:startTime", "prov:endTime"], node);
        self.add("activity", &execution, value);
        let made = json!({"prov:entity": run, "prov:activity": execution});
        self.relate("wasGeneratedBy", made);
        if let Some(user) = &node.user {
            let by = json!({"prov:activity": execution, "prov:agent": self.user(user)});
            self.relate("wasAssociatedWith", by);
        }
    }

    fn user(&mut self, user: &str) -> String {
        let agent = format!("mlflow:user/{}", name(&[user]));
        let value =
            json!({"prov:type": {"$": "prov:Person", "type": "prov:QUALIFIED_NAME"}, "prov:label": user});
        self.add("agent", &agent, value);
        agent
    }

    /// The places where an object was, each derived from the one before it.
    fn hops(&mut self, node: &LineageNode, object: &str) {
        let mut earlier: Option<String> = None;
        for (index, hop) in node.hops.iter().enumerate() {
            let folded = if index == 1 { node.folded_hops } else { 0 };
            let id = self.hop_entity(node, index, hop);
            if let Some(earlier) = earlier {
                self.derive(&id, &earlier, hop, folded);
            }
            earlier = Some(id);
        }
        if let (Some(earlier), Some(last)) = (earlier, node.hops.last()) {
            let folded = if node.hops.len() == 1 { node.folded_hops } else { 0 };
            self.derive(object, &earlier, last, folded);
        }
    }

    fn hop_entity(&mut self, node: &LineageNode, index: usize, hop: &Hop) -> String {
        let place = hop.origin.clone().or_else(|| hop.server.clone());
        let place = place.unwrap_or_else(|| format!("{}@hop{index}", node.origin));
        let id = entity(node.kind, &place, None, &hop.id);
        let mut value = json!({"prov:type": type_of(node.kind), "mlflow:id": hop.id});
        for (key, text) in [
            ("mlark:server", &hop.server),
            ("mlark:origin", &hop.origin),
            ("mlark:archive", &hop.archive),
        ] {
            if let Some(text) = text {
                value[key] = text.as_str().into();
            }
        }
        self.add("entity", &id, value);
        id
    }

    fn derive(&mut self, new: &str, old: &str, hop: &Hop, folded: u64) {
        if new == old {
            return;
        }
        self.hops += 1;
        let activity = format!("mlark:hop/{}", self.hops);
        let mut value = json!({"prov:type": "mlark:Hop"});
        if let Some(evidence) = hop.recovered {
            value["mlark:recovered"] = json!(evidence);
        }
        if folded > 0 {
            value["mlark:foldedHops"] = folded.into();
        }
        self.add("activity", &activity, value);
        if let Some(tool) = &hop.tool {
            let agent = format!("mlark:tool/{}", name(&[tool]));
            let program = json!({"$": "prov:SoftwareAgent", "type": "prov:QUALIFIED_NAME"});
            self.add("agent", &agent, json!({"prov:type": program, "prov:label": tool}));
            let by = json!({"prov:activity": activity, "prov:agent": agent});
            self.relate("wasAssociatedWith", by);
        }
        let derived = json!({"prov:generatedEntity": new, "prov:usedEntity": old, "prov:activity": activity});
        self.relate("wasDerivedFrom", derived);
    }

    fn edge(&mut self, lineage: &Lineage, edge: &Edge) {
        let (from, to) = (&lineage.nodes[edge.from], &lineage.nodes[edge.to]);
        let (from_run, to_run) = (from.kind == Kind::Runs, to.kind == Kind::Runs);
        // What a relation is between, as PROV names the two.
        let (section, [new, old]) = match edge.relation {
            Relation::MadeBy if to_run => ("wasGeneratedBy", ["entity", "activity"]),
            Relation::Read if from_run => ("used", ["activity", "entity"]),
            Relation::ChildOf => ("wasInformedBy", ["informed", "informant"]),
            Relation::VersionOf => ("specializationOf", ["specificEntity", "generalEntity"]),
            Relation::In => ("hadMember", ["entity", "collection"]),
            Relation::LinkedTo => ("wasInfluencedBy", ["influencee", "influencer"]),
            Relation::CopyOf
            | Relation::MadeOf
            | Relation::CopiedFrom
            | Relation::MadeBy
            | Relation::Read => ("wasDerivedFrom", ["generatedEntity", "usedEntity"]),
        };
        let mut value = json!({});
        for (key, node) in [(new, from), (old, to)] {
            value[format!("prov:{key}")] = match key {
                "activity" | "informed" | "informant" => execution_of(node),
                _ => entity_of(node),
            }
            .into();
        }
        self.relate(section, value);
    }

    fn finish(self) -> Value {
        let mut document = json!({"prefix": {"mlflow": "urn:mlflow:", "mlark": "urn:mlark:"}});
        for (section, values) in self.sections {
            document[section] = values.into();
        }
        document
    }
}
