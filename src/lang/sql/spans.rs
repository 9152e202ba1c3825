//! Spans of a trace, from the table or from the artifact `traces.json`, and the trace's other artifacts.
//!
//! MLflow 3.4 and 3.5 write spans of their clients to both, and read the file: what they keep in the table has its attributes
//! decoded. Spans that came by OpenTelemetry are in the table alone. Later versions read the table where a tag says so.

use super::columns::SPANS;
use super::exporter::{Exporter, Result};
use super::trees::{Tree, TreeFile};
use crate::archive::Owner;
use crate::format::{Kind, Reason};
use crate::lang::spans::read::{SPAN_FILE, SpanFile, read_span};
use crate::model::{Span, Trace};
use std::collections::HashSet;

pub(crate) const ARTIFACT_LOCATION: &str = "mlflow.artifactLocation";
pub(super) const SPANS_LOCATION: &str = "mlflow.trace.spansLocation";
pub(super) const IN_TABLE: &str = "TRACKING_STORE";
pub(super) const IN_ARCHIVE: &str = "ARCHIVE_REPO";

fn tag<'t>(trace: &'t Trace, key: &str) -> Option<&'t str> {
    trace.tags.get(key)?.as_str()
}

impl Exporter<'_> {
    /// Writes the spans of a trace and its artifacts.
    pub(super) fn spans_and_artifacts(&mut self, owner: &Owner, trace: &Trace) -> Result<()> {
        if !self.export.looks_at(&[Kind::Spans, Kind::Artifacts]) {
            return Ok(());
        }
        let mut spans = self.spans_of_table(&trace.trace_id)?;
        let location = tag(trace, ARTIFACT_LOCATION);
        let spans_location = tag(trace, SPANS_LOCATION);
        let tree = self.artifact_tree_of_trace(owner, trace, location, spans_location)?;
        // As MLflow reads them: elsewhere than in the table by its tag, the file's are the spans, and the table's a copy.
        let takes_file = spans_location != Some(IN_TABLE) || spans.is_empty();
        let mut has_spans = !spans.is_empty();
        if let Some(tree) = tree {
            self.walk(owner, &tree, &mut |exporter, file| {
                if takes_file && file.path() == Some(SPAN_FILE) {
                    has_spans = true;
                    if exporter.spans_of_file(trace, &file, &mut spans)? {
                        return Ok(());
                    }
                }
                exporter.found(owner, file)
            })?;
        }
        spans.sort_by(|a, b| (a.start_time_unix_nano, &a.span_id).cmp(&(b.start_time_unix_nano, &b.span_id)));
        for span in &spans {
            self.export.write_span(&owner.sort_key, span)?;
        }
        if !has_spans && spans_location != Some(IN_TABLE) {
            let reason = match spans_location {
                Some(IN_ARCHIVE) => Reason::Archived,
                _ => Reason::MissingFile,
            };
            self.export.limit(Kind::Traces, "spans", reason, 1);
        }
        Ok(())
    }

    fn artifact_tree_of_trace(
        &mut self,
        owner: &Owner,
        trace: &Trace,
        location: Option<&str>,
        spans_location: Option<&str>,
    ) -> Result<Option<Tree>> {
        match spans_location {
            // Attachments may be there, but a trace without any is no reason to count a limit.
            Some(IN_TABLE | IN_ARCHIVE) => self.reachable_tree(owner, &trace.experiment_id, location),
            _ => self.artifact_tree(owner, &trace.experiment_id, location),
        }
    }

    /// The spans of the table; their content says all that the other columns say.
    fn spans_of_table(&mut self, trace_id: &str) -> Result<Vec<Span>> {
        let (mut spans, mut bad) = (Vec::new(), Vec::new());
        self.tables.of_owners(SPANS, "", &[trace_id], |_, row| {
            if row.bytes(2).is_none_or(|content| content.is_empty()) && !row.is_long(2) {
                // Archival leaves rows behind and takes their content.
                self.tables.oddities.count("spans", "content", Reason::Archived);
                return Ok(());
            }
            match row.checked_json(2) {
                Some(Ok(content)) => match read_span(content, trace_id) {
                    Some(span) => spans.push(span),
                    None => bad.push((row.required_text(1), "it has no id".to_owned())),
                },
                Some(Err(error)) => bad.push((row.required_text(1), error.to_string())),
                // It was refused.
                None => {}
            }
            Ok(())
        })?;
        for (span_id, detail) in bad {
            let id = format!("{trace_id}/{span_id}");
            self.export
                .failure(Kind::Spans, &id, "*", Reason::BadJson, &detail)?;
        }
        Ok(spans)
    }

    /// Adds the spans of a file, in place of the table's; false where they do not say all that the file says.
    fn spans_of_file(&mut self, trace: &Trace, file: &TreeFile, spans: &mut Vec<Span>) -> Result<bool> {
        let opened = file.open().map_err(Into::into);
        let read = opened.and_then(|file| SpanFile::read(file, &trace.trace_id));
        match read {
            Ok(file) => {
                let of_file: HashSet<String> = file.spans.iter().map(|span| span.span_id.clone()).collect();
                spans.retain(|span| !of_file.contains(&span.span_id));
                spans.extend(file.spans);
                if !file.is_whole {
                    self.export.limit(Kind::Spans, "*", Reason::KeptAsArtifact, 1);
                }
                Ok(file.is_whole)
            }
            Err(error) => {
                let detail = format!("{SPAN_FILE} of trace `{}`: {error}", trace.trace_id);
                self.export
                    .failure(Kind::Spans, &trace.trace_id, "*", Reason::BadJson, &detail)?;
                Ok(false)
            }
        }
    }
}
