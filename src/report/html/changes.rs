//! What differs between two archives as one page.
//!
//! A row is `[change, kind, id, key, before, after]`; of a whole object key is absent, and the value is what there is of it. A value is
//! `{"s": text}` or `{"j": JSON}`, each as [`text`](super::text) has texts. Points that differ stand last, as
//! `[added, removed, changed, [[time, step, before, after] …]]`.

use super::error::Result;
use super::page::Page;
use super::source::changes_script;
use super::spool::Spool;
use super::staging;
use super::text::{Texts, inert, integer, name};
use crate::archive::{Archive, ArchiveError};
use crate::model::mask::redact;
use crate::monitor::Monitor;
use crate::report::diff::{Change, DiffOptions, Difference, diff};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

/// Bytes of the page at most; what differs beyond that is counted.
const MOST_BYTES: u64 = 30_000_000;
/// Kinds that are counted apart; there are fewer, unless a newer archive has very many.
const MOST_KINDS: usize = 100;

/// How a page of differences is made.
#[derive(Debug, Clone, Copy, Default)]
pub struct ChangesOptions {
    /// What is compared.
    pub diff: DiffOptions,
    /// Replaces a page that is there.
    pub force: bool,
}

/// What was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChangesReport {
    /// Differences.
    pub differences: u64,
    /// How many of them are on the page.
    pub shown: u64,
    /// Bytes of the page.
    pub size_bytes: u64,
}

/// Writes a page of what differs between two archives: complete, or not at all.
///
/// # Errors
/// An archive cannot be read, the page is there already or cannot be written.
pub fn changes(
    before: &Archive,
    after: &Archive,
    out: &Path,
    options: ChangesOptions,
    monitor: &dyn Monitor,
) -> Result<ChangesReport> {
    let staging = staging(out, options.force)?;
    let mut told = Told {
        spool: Spool::new(&staging.scratch()?)?,
        texts: Texts::default(),
        counts: BTreeMap::new(),
    };
    diff(before, after, options.diff, monitor, &mut |difference| {
        told.take(&difference)
    })?;
    let path = staging.root().join("page.html");
    let file = File::create_new(&path).map_err(ArchiveError::io("create", &path))?;
    let title = "Changes of an MLflow history";
    let mut page = Page::begin(BufWriter::new(file), path, title, changes_script())?;
    let about = told.about(before, after, options.diff);
    let used = page.size_bytes() + inert(&about).len() as u64 + 1024;
    let kept = told.spool.keep(MOST_BYTES.saturating_sub(used));
    let differences = kept.len() as u64;
    let mut shown = 0;
    let mut rows = page.rows("changes");
    told.spool.for_each(&kept, &mut |_, row| {
        shown += 1;
        rows.push(row)
    })?;
    rows.end()?;
    page.value("about", &about)?;
    let size_bytes = page.end()?;
    staging.publish("page.html", true)?;
    Ok(ChangesReport {
        differences,
        shown,
        size_bytes,
    })
}

/// The differences so far.
struct Told {
    spool: Spool,
    texts: Texts,
    /// By kind and whether it is about whole objects: added, removed, changed.
    counts: BTreeMap<(String, bool), [u64; 3]>,
}

impl Told {
    fn take(&mut self, difference: &Difference) -> Result<(), ArchiveError> {
        let kind = difference.kind.clone();
        let key = (kind, difference.key.is_empty());
        if self.counts.len() < MOST_KINDS || self.counts.contains_key(&key) {
            self.counts.entry(key).or_default()[place(difference.change)] += 1;
        }
        let row = self.row(difference);
        self.spool.push(None, &inert(&row))
    }

    fn row(&mut self, difference: &Difference) -> Value {
        let owner = difference.owner_kind.map(|owner| owner.as_str());
        let key = (!difference.key.is_empty()).then(|| name(&difference.key_text()));
        let mut row = vec![
            json!(place(difference.change)),
            name(&difference.kind),
            name(&difference.id),
            json!(key),
            self.value(difference.before.as_ref()),
            self.value(difference.after.as_ref()),
            json!(owner),
        ];
        if let Some(points) = &difference.points {
            let first = points.first.iter().map(|point| {
                let (before, after) = (
                    self.value(point.before.as_ref()),
                    self.value(point.after.as_ref()),
                );
                json!([integer(point.timestamp), integer(point.step), before, after])
            });
            let first: Vec<_> = first.collect();
            row.push(json!([points.added, points.removed, points.changed, first]));
        }
        Value::Array(row)
    }

    fn value(&mut self, value: Option<&Value>) -> Value {
        match value {
            None => Value::Null,
            Some(Value::String(text)) => json!({"s": self.texts.text(text)}),
            Some(other) => json!({"j": self.texts.text(&other.to_string())}),
        }
    }

    fn about(&self, before: &Archive, after: &Archive, options: DiffOptions) -> Value {
        let side = |archive: &Archive| {
            let manifest = archive.manifest();
            json!({
                "content_id": manifest.content_id,
                "origin": name(&manifest.origin),
                "uri": name(&redact(&manifest.source.uri)),
                "created": name(&manifest.created),
                "counts": manifest.counts,
                "history": manifest.history.iter().rev().take(20).map(|entry| name(&entry.name)).collect::<Vec<_>>(),
            })
        };
        let counts = self.counts.iter();
        json!({
            "before": side(before),
            "after": side(after),
            "ignore_limits": options.ignore_limits,
            "counts": counts.map(|((kind, is_whole), counts)| json!([name(kind), is_whole, counts])).collect::<Vec<_>>(),
            "total": self.spool.len(),
            "cut_texts": self.texts.cut,
            "made_by": concat!("mlark ", env!("CARGO_PKG_VERSION")),
        })
    }
}

fn place(change: Change) -> usize {
    match change {
        Change::Added => 0,
        Change::Removed => 1,
        Change::Changed => 2,
    }
}
