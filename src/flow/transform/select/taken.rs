//! Which runs, logged models, versions, traces and datasets a choice is about, by their places in the archive: a bit each.

use super::facts::{DatasetName, RunFacts};
use crate::archive::Archive;
use crate::archive::walk::{Head, text};
use crate::flow::transform::error::Result;
use crate::flow::transform::typed::typed;
use crate::flow::transform::view::View;
use crate::format::Kind;
use crate::model::{LoggedModel, ModelVersion, Trace};
use crate::select::{Graph, GraphBuilder, Marks, Node, names_of};
use std::sync::Arc;

/// What of an archive is read for a choice.
pub(super) struct Scan {
    graph: GraphBuilder,
    /// What is chosen for its own sake.
    chosen: Marks,
    /// Whether what is chosen brings what it needs, and not only what belongs to it.
    brings_needs: bool,
    homes: Vec<Stretch>,
    versions: Vec<ToldVersion>,
}

/// Objects that follow one another and are in one experiment.
struct Stretch {
    first: Node,
    last: Node,
    experiment_id: Arc<str>,
}

struct ToldVersion {
    node: Node,
    /// Whether the choice takes it for its model's sake, and not only with its run.
    is_chosen: bool,
}

/// A dataset as runs name it.
fn dataset_id(experiment_id: &str, dataset: &DatasetName) -> String {
    let DatasetName { name, digest } = dataset;
    format!(
        "{}:{}:{experiment_id}{name}{digest}",
        experiment_id.len(),
        name.len()
    )
}

impl Scan {
    pub(super) fn new(archive: &Archive, brings_needs: bool) -> Self {
        let graph = GraphBuilder::new(archive);
        Scan {
            chosen: graph.marks(),
            graph,
            brings_needs,
            homes: Vec::new(),
            versions: Vec::new(),
        }
    }

    /// Tells of a run; its number.
    pub(super) fn run(&mut self, run: &RunFacts, place: u64) -> Result<Node> {
        let (info, needs) = (&run.info, run.needs());
        let graph = &mut self.graph;
        let node = graph.define(Kind::Runs, &info.run_id, place)?;
        if self.brings_needs {
            let parent = needs.parent.unwrap_or_default();
            graph.need(node, Kind::Runs, &parent)?;
            for model in &needs.logged_models {
                graph.need(node, Kind::LoggedModels, model)?;
            }
        }
        for dataset in &run.inputs.dataset_inputs {
            let id = dataset_id(&info.experiment_id, dataset);
            graph.need(node, Kind::Datasets, &id)?;
        }
        self.settle(node, &info.experiment_id);
        Ok(node)
    }

    /// Tells of a logged model; its number.
    fn logged_model(&mut self, model: &LoggedModel, place: u64) -> Result<Node> {
        let graph = &mut self.graph;
        let node = graph.define(Kind::LoggedModels, &model.model_id, place)?;
        let run = model.source_run_id.as_deref().unwrap_or_default();
        graph.follow(Kind::Runs, run, node)?;
        if self.brings_needs {
            graph.need(node, Kind::Runs, run)?;
        }
        self.settle(node, &model.experiment_id);
        Ok(node)
    }

    /// Tells of a version that the choice may take.
    pub(super) fn version(&mut self, version: &ModelVersion, place: u64, is_chosen: bool) -> Result<()> {
        let graph = &mut self.graph;
        let node = graph.nameless(Kind::ModelVersions, place)?;
        let run = version.run_id.as_deref().unwrap_or_default();
        let model = version.logged_model_id().unwrap_or_default();
        graph.need(node, Kind::Runs, run)?;
        graph.need(node, Kind::LoggedModels, model)?;
        self.versions.push(ToldVersion { node, is_chosen });
        Ok(())
    }

    /// Tells of a trace; its number.
    fn trace(&mut self, trace: &Trace, place: u64) -> Result<Node> {
        let graph = &mut self.graph;
        let node = graph.nameless(Kind::Traces, place)?;
        let linked = trace.linked_runs.iter().filter(|_| self.brings_needs);
        let names = names_of(trace).into_iter().flatten();
        for name in names.chain(linked.map(String::as_str)) {
            graph.follow(Kind::Runs, name, node)?;
            graph.follow(Kind::LoggedModels, name, node)?;
        }
        self.settle(node, &trace.experiment_id);
        Ok(node)
    }

    /// Tells of all logged models, traces and datasets, as earlier edits leave them; which of them are chosen for their own sake.
    pub(super) fn others(
        &mut self,
        view: &View<'_>,
        chooses_model: impl Fn(&LoggedModel) -> bool,
        chooses_trace: impl Fn(&Trace) -> bool,
    ) -> Result<()> {
        view.for_each_placed(Kind::LoggedModels, |place, line| {
            let model: LoggedModel = typed(view.archive(), &line)?;
            let node = self.logged_model(&model, place)?;
            if chooses_model(&model) {
                self.choose(node);
            }
            Ok(())
        })?;
        view.for_each_placed(Kind::Traces, |place, line| {
            let trace: Trace = typed(view.archive(), &line)?;
            let node = self.trace(&trace, place)?;
            if chooses_trace(&trace) {
                self.choose(node);
            }
            Ok(())
        })?;
        view.for_each_placed_text(Kind::Datasets, |place, line| {
            let head = view.read(Kind::Datasets, Head::read(Kind::Datasets, line))?;
            let dataset = view.read(Kind::Datasets, serde_json::from_slice::<DatasetName>(line))?;
            let id = dataset_id(text(&head.experiment_id), &dataset);
            self.graph.define(Kind::Datasets, &id, place)?;
            Ok(())
        })
    }

    /// Chooses an object for its own sake.
    pub(super) fn choose(&mut self, node: Node) {
        self.chosen.insert(node);
    }

    /// Chooses a run after all, or not, by its place.
    pub(super) fn judge_run(&mut self, place: u64, judge: impl FnOnce(bool) -> bool) -> Result<()> {
        let node = self.graph.nameless(Kind::Runs, place)?;
        if judge(self.chosen.contains(node)) {
            self.chosen.insert(node);
        } else {
            self.chosen.remove(node);
        }
        Ok(())
    }

    /// Takes note of the experiment of an object.
    fn settle(&mut self, node: Node, experiment_id: &str) {
        match self.homes.last_mut() {
            Some(stretch) if stretch.last + 1 == node && *stretch.experiment_id == *experiment_id => {
                stretch.last = node;
            }
            _ => self.homes.push(Stretch {
                first: node,
                last: node,
                experiment_id: experiment_id.into(),
            }),
        }
    }

    /// What is chosen, with all that it brings. `is_of_run` tells whether a version comes with its run.
    pub(super) fn take(self, comes_with_run: bool) -> Result<Taken> {
        let graph = self.graph.finish()?;
        let mut marks = graph.marks();
        graph.close(&mut marks, self.chosen.all().collect());
        // Those whose runs came so far, and no further ones for the sake of what they bring.
        let of_run = |node| {
            let mut runs = graph.brought_by(node).filter(|to| graph.is(Kind::Runs, *to));
            runs.any(|run| marks.contains(run))
        };
        let is_taken = |version: &&ToldVersion| version.is_chosen || comes_with_run && of_run(version.node);
        let versions = self.versions.iter().filter(is_taken);
        let versions: Vec<Node> = versions.map(|version| version.node).collect();
        graph.close(&mut marks, versions);
        Ok(Taken {
            graph,
            marks,
            homes: self.homes,
            comes_with_run,
        })
    }
}

/// What a choice is about.
pub(super) struct Taken {
    graph: Graph,
    marks: Marks,
    homes: Vec<Stretch>,
    comes_with_run: bool,
}

impl Taken {
    /// Whether an object is among it.
    pub(super) fn has(&self, kind: Kind, place: u64) -> bool {
        let node = self.graph.node(kind, place);
        node.is_some_and(|node| self.marks.contains(node))
    }

    /// Whether nothing is among it.
    pub(super) fn is_empty(&self) -> bool {
        self.marks.all().next().is_none()
    }

    /// Whether a version comes with its run.
    pub(super) fn has_run_of_version(&self, place: u64) -> bool {
        let Some(node) = self.graph.node(Kind::ModelVersions, place) else {
            return false;
        };
        let mut brought = self.graph.brought_by(node);
        let is_run = |to: &Node| self.graph.is(Kind::Runs, *to) && self.marks.contains(*to);
        self.comes_with_run && brought.any(|to| is_run(&to))
    }

    /// The experiments of runs, logged models and traces that are among it; some several times.
    pub(super) fn experiments(&self) -> impl Iterator<Item = &str> {
        let has_any =
            |stretch: &&Stretch| (stretch.first..=stretch.last).any(|node| self.marks.contains(node));
        let homes = self.homes.iter().filter(has_any);
        homes.map(|stretch| &*stretch.experiment_id)
    }

    /// Takes away datasets that runs read which are not among it.
    pub(super) fn leave_datasets_of_others(&mut self) {
        for (from, to) in self.graph.edges() {
            if self.graph.is(Kind::Datasets, to) && !self.marks.contains(from) {
                self.marks.remove(to);
            }
        }
    }
}
