//! Spans, compared trace by trace; those of one trace are paired by their id.

use super::merge::{Merged, Parser, Side};
use super::{Pair, value};
use crate::archive::walk::text;
use crate::archive::walk::{Cursor, OwnerCursor};
use crate::archive::{Archive, ArchiveError, Result as ArchiveResult};
use crate::format::{Kind, SortKey};
use serde_json::Value;
use std::cmp::Ordering;
use std::collections::{BTreeMap, VecDeque};

/// A span that was not at the same place on both sides.
struct PlacedSpan {
    trace: SortKey,
    id: String,
    value: Value,
}

struct SpanParser<'a> {
    owners: OwnerCursor<'a>,
}

impl Parser for SpanParser<'_> {
    type Item = PlacedSpan;

    fn parse(&mut self, cursor: &Cursor<'_>, items: &mut VecDeque<PlacedSpan>) -> ArchiveResult<()> {
        let head = cursor.head(Kind::Spans)?;
        let trace_id = text(&head.trace_id);
        let owner = self.owners.owner(trace_id, cursor)?;
        items.push_back(PlacedSpan {
            trace: owner.key.clone(),
            id: head.id(Kind::Spans),
            value: cursor.value()?,
        });
        Ok(())
    }

    fn order(first: &PlacedSpan, second: &PlacedSpan) -> Ordering {
        first.trace.cmp(&second.trace)
    }
}

/// Spans of one trace that have no counterpart yet.
#[derive(Default)]
struct OpenTrace {
    trace: SortKey,
    spans: BTreeMap<String, [Option<Value>; 2]>,
}

impl<E: From<ArchiveError>> Pair<'_, E> {
    pub(super) fn compare_spans(&mut self) -> Result<(), E> {
        let side = |archive| -> ArchiveResult<_> { Side::new(archive, Kind::Spans, span_parser(archive)?) };
        let (before, after) = (side(self.before)?, side(self.after)?);
        let mut open = OpenTrace::default();
        self.merge(before, after, |pair, merged, _| match merged {
            Merged::Before(span) => pair.take_span(&mut open, 0, span),
            Merged::After(span) => pair.take_span(&mut open, 1, span),
            Merged::Both(first, second) => {
                pair.take_span(&mut open, 0, first)?;
                pair.take_span(&mut open, 1, second)
            }
        })?;
        self.tell_trace(&mut open)
    }

    fn take_span(&mut self, open: &mut OpenTrace, side: usize, span: PlacedSpan) -> Result<(), E> {
        if open.trace != span.trace {
            self.tell_trace(open)?;
            open.trace = span.trace;
        }
        let values = open.spans.entry(span.id).or_default();
        values[side] = Some(span.value);
        // Most spans are equal, and need not be held.
        if let [Some(first), Some(second)] = values
            && value::changes(first, second).is_empty()
        {
            *values = [None, None];
        }
        Ok(())
    }

    fn tell_trace(&mut self, open: &mut OpenTrace) -> Result<(), E> {
        for (id, values) in std::mem::take(&mut open.spans) {
            match values {
                [Some(first), Some(second)] => self.tell_values(Kind::Spans, &id, &first, &second)?,
                [None, None] => {}
                [before, after] => self.tell_whole(Kind::Spans, id, before, after)?,
            }
        }
        Ok(())
    }
}

fn span_parser(archive: &Archive) -> ArchiveResult<SpanParser<'_>> {
    Ok(SpanParser {
        owners: OwnerCursor::new(archive, Kind::Traces)?,
    })
}
