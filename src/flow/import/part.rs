//! Parts of an object, as plans, journals and reports name them: `tag KEY`, or a field by its name alone.

use crate::model::named::named;

named! {
    /// What a part is, of which an object may have many. The text stands before the key.
    pub(crate) enum PartKind {
        /// An alias of a registered model.
        Alias = "alias",
        /// A file, by its path.
        Artifact = "artifact",
        /// An assessment of a trace, by its id.
        Assessment = "assessment",
        /// An input of a run.
        Input = "input",
        /// A tag of an input of a run.
        InputTag = "input tag",
        /// A prompt that a trace is linked to.
        LinkedPrompt = "linked prompt",
        /// A run that a trace is linked to.
        LinkedRun = "linked run",
        /// An entry of the metadata of a trace.
        Metadata = "metadata",
        /// A metric.
        Metric = "metric",
        /// A logged model among the inputs or outputs of a run.
        Model = "model",
        /// A param.
        Param = "param",
        /// The source of a model version, by what the archive has.
        Source = "source",
        /// The run that a model version is from, by its id in the archive.
        SourceRun = "source_run_id",
        /// A span of a trace.
        Span = "span",
        /// A tag.
        Tag = "tag",
    }
}

impl PartKind {
    /// The text that names the part with this key.
    pub(crate) fn of(self, key: &str) -> String {
        format!("{} {key}", self.as_str())
    }

    /// What a text names, and its key; none where it is a field.
    pub(crate) fn parse(text: &str) -> Option<(Self, &str)> {
        let kinds = PartKind::ALL.iter();
        let fitting =
            kinds.filter_map(|kind| Some((*kind, text.strip_prefix(kind.as_str())?.strip_prefix(' ')?)));
        // `input tag k` is no input: the longer text wins.
        fitting.min_by_key(|(_, key)| key.len())
    }
}
