//! Two streams of lines in one order, walked together.

use super::Pair;
use crate::archive::walk::Cursor;
use crate::archive::{Archive, ArchiveError, Result as ArchiveResult};
use crate::format::Kind;
use std::cmp::Ordering;
use std::collections::VecDeque;

/// Makes items of lines; one per side, since it may walk along owners.
pub(super) trait Parser {
    /// What a line holds, once or many times.
    type Item;

    /// Adds the items of the current line; one out of order is damage.
    fn parse(&mut self, cursor: &Cursor<'_>, items: &mut VecDeque<Self::Item>) -> ArchiveResult<()>;

    /// The archive's order.
    fn order(first: &Self::Item, second: &Self::Item) -> Ordering;
}

/// An item of one side, or those of both that have the same place.
pub(super) enum Merged<T> {
    Before(T),
    After(T),
    Both(T, T),
}

/// One of the two streams.
pub(super) struct Side<'a, P: Parser> {
    cursor: Cursor<'a>,
    parser: P,
    items: VecDeque<P::Item>,
    passed_lines: u64,
}

impl<'a, P: Parser> Side<'a, P> {
    pub(super) fn new(archive: &'a Archive, kind: Kind, parser: P) -> ArchiveResult<Self> {
        Ok(Side {
            cursor: Cursor::new(archive, kind)?,
            parser,
            items: VecDeque::new(),
            passed_lines: 0,
        })
    }

    /// Parses lines until there is an item.
    fn fill(&mut self) -> ArchiveResult<()> {
        while self.items.is_empty() && self.cursor.line().is_some() {
            self.parse_line()?;
        }
        Ok(())
    }

    fn parse_line(&mut self) -> ArchiveResult<()> {
        self.parser.parse(&self.cursor, &mut self.items)?;
        self.passed_lines += 1;
        self.cursor.advance()
    }
}

/// Passes over lines that both sides have byte for byte; the last of them stays in `equal`.
fn pass_equal_lines<P: Parser>(
    before: &mut Side<'_, P>,
    after: &mut Side<'_, P>,
    equal: &mut Vec<u8>,
) -> ArchiveResult<()> {
    if !before.items.is_empty() || !after.items.is_empty() {
        return Ok(());
    }
    while before.cursor.line().is_some() && before.cursor.line() == after.cursor.line() {
        before.cursor.take_line(equal);
        before.cursor.advance()?;
        after.cursor.advance()?;
        before.passed_lines += 2;
    }
    Ok(())
}

impl<E: From<ArchiveError>> Pair<'_, E> {
    /// Walks two streams together. `visit` also gets the last line that both had and that was passed over.
    pub(super) fn merge<P: Parser>(
        &mut self,
        mut before: Side<'_, P>,
        mut after: Side<'_, P>,
        mut visit: impl FnMut(&mut Self, Merged<P::Item>, &[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut equal = Vec::new();
        loop {
            pass_equal_lines(&mut before, &mut after, &mut equal)?;
            before.fill()?;
            after.fill()?;
            let order = match (before.items.front(), after.items.front()) {
                (None, None) => return Ok(()),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(first), Some(second)) => P::order(first, second),
            };
            let merged = match order {
                Ordering::Less => before.items.pop_front().map(Merged::Before),
                Ordering::Greater => after.items.pop_front().map(Merged::After),
                Ordering::Equal => {
                    let both = before.items.pop_front().zip(after.items.pop_front());
                    both.map(|(first, second)| Merged::Both(first, second))
                }
            };
            if let Some(merged) = merged {
                visit(self, merged, &equal)?;
            }
            let passed_lines =
                std::mem::take(&mut before.passed_lines) + std::mem::take(&mut after.passed_lines);
            self.pass_lines(passed_lines);
        }
    }
}
