//! Losses while an archive is written: counted, and failures listed.

use super::error::Result;
use super::part::PartWriter;
use crate::format::layout::LINE_BYTES;
use crate::format::line::{canonical, to_value};
use crate::format::manifest::{FileDescriptor, Losses};
use crate::format::strict_json;
use crate::format::{AnyReason, ArchivePath, Kind, Loss, LossClass, LossCount, Reason};
use crate::model::mask;
use std::collections::BTreeMap;
use std::path::Path;

/// Characters kept of a text that is too long.
const KEPT_CHARACTERS: usize = 10_000;

/// Counts per (kind, field, reason), and the file of failures.
#[derive(Default)]
pub(crate) struct LossLog {
    limits: Counts,
    failures: Counts,
    file: Option<PartWriter>,
}

type Counts = BTreeMap<(String, String, AnyReason), u64>;

impl LossLog {
    pub(crate) fn limit(&mut self, kind: &str, field: &str, reason: Reason, count: u64) {
        if count > 0 {
            add(&mut self.limits, kind, field, reason.into(), count);
        }
    }

    pub(crate) fn failure(&mut self, root: &Path, loss: &Loss) -> Result<()> {
        add(
            &mut self.failures,
            &loss.kind,
            &loss.field,
            loss.reason.clone(),
            1,
        );
        let file = self
            .file
            .get_or_insert_with(|| PartWriter::single(root, ArchivePath::losses()));
        let loss = &Loss {
            detail: mask::hide(&loss.detail).into_owned(),
            ..loss.clone()
        };
        let line = canonical(&to_value(loss));
        if line.len() < LINE_BYTES {
            file.write_line(&line)
        } else {
            file.write_line(&canonical(&to_value(&cut(loss))))
        }
    }

    /// The ids in a line, for a person.
    pub(crate) fn id_of(line: &[u8]) -> String {
        let line = strict_json::parse(line).unwrap_or_default();
        let ids = [
            "run_id",
            "experiment_id",
            "model_id",
            "trace_id",
            "span_id",
            "name",
            "version",
            "key",
            "owner_id",
        ];
        let id: Vec<_> = ids
            .iter()
            .filter_map(|&field| line.get(field).or_else(|| line.get("info")?.get(field)))
            .map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned))
            .collect();
        id.join("/")
    }

    /// An object that was there twice; the first one was kept.
    pub(crate) fn duplicate(&mut self, root: &Path, kind: Kind, line: &[u8]) -> Result<()> {
        self.failure(
            root,
            &Loss {
                class: LossClass::Failure,
                detail: "the source holds it twice, and the first was kept".to_owned(),
                field: "*".to_owned(),
                id: Self::id_of(line),
                kind: kind.name().to_owned(),
                reason: Reason::Duplicate.into(),
            },
        )
    }

    /// Objects of a kind that are lost as a whole.
    pub(crate) fn lost(&self, kind: Kind) -> u64 {
        let counts = self.limits.iter().chain(&self.failures);
        let of_kind = counts.filter(|((of, field, _), _)| of == kind.name() && field == "*");
        of_kind.fold(0, |sum, (_, count)| sum.saturating_add(*count))
    }

    /// Takes over the counts of the archive that is transformed.
    pub(crate) fn adopt(&mut self, losses: &Losses) {
        for (counts, into) in [
            (&losses.limits, &mut self.limits),
            (&losses.failures, &mut self.failures),
        ] {
            for loss in counts {
                add(into, &loss.kind, &loss.field, loss.reason.clone(), loss.count);
            }
        }
    }

    /// Takes over a line of the list of an archive whose counts are taken over.
    pub(crate) fn adopt_line(&mut self, root: &Path, line: &[u8]) -> Result<()> {
        let file = self
            .file
            .get_or_insert_with(|| PartWriter::single(root, ArchivePath::losses()));
        file.write_line(line)
    }

    pub(crate) fn finish_file(&mut self) -> Result<Vec<FileDescriptor>> {
        self.file.take().map_or(Ok(Vec::new()), PartWriter::finish)
    }

    pub(crate) fn counts(&self) -> Losses {
        Losses {
            limits: listed(&self.limits),
            failures: listed(&self.failures),
        }
    }
}

/// A failure whose texts are too long for a line, which a user's keys can make them.
fn cut(loss: &Loss) -> Loss {
    let cut = |text: &str| match text.char_indices().nth(KEPT_CHARACTERS) {
        Some((end, _)) => format!("{}… ({} bytes)", &text[..end], text.len()),
        None => text.to_owned(),
    };
    Loss {
        id: cut(&loss.id),
        detail: cut(&loss.detail),
        field: cut(&loss.field),
        ..loss.clone()
    }
}

fn add(counts: &mut Counts, kind: &str, field: &str, reason: AnyReason, count: u64) {
    let key = (kind.to_owned(), field.to_owned(), reason);
    let sum = counts.entry(key).or_insert(0);
    *sum = sum.saturating_add(count);
}

fn listed(counts: &Counts) -> Vec<LossCount> {
    let count = |((kind, field, reason), &count): (&(String, String, AnyReason), &u64)| LossCount {
        kind: kind.clone(),
        field: field.clone(),
        reason: reason.clone(),
        count,
    };
    counts.iter().map(count).collect()
}
