//! Objects together with the lines that belong to them: a run with its metrics and artifacts, a trace with its spans. The
//! kinds follow one order, so that each is read once, side by side.

use super::lost::stated_owner;
use super::numbers::of_plain_line;
use super::{Cursor, orphan};
use crate::archive::{Archive, Result};
use crate::format::{Kind, Object};
use crate::model::{ArtifactList, DatasetRecord, Double, MetricSlice, ModelMetricSlice, Point, Span};
use serde::de::DeserializeOwned;

/// What a line holds that belongs to an object of another kind.
pub(crate) trait Child: DeserializeOwned {
    /// Which files it is a line of.
    const KIND: Kind;

    /// Reads the line at a cursor.
    ///
    /// # Errors
    /// It is none of the kind.
    fn read(cursor: &Cursor<'_>) -> Result<Self> {
        cursor.parse()
    }
}

impl Child for Span {
    const KIND: Kind = Kind::Spans;

    fn read(cursor: &Cursor<'_>) -> Result<Self> {
        cursor.object()
    }
}

impl Child for DatasetRecord {
    const KIND: Kind = Kind::DatasetRecords;

    fn read(cursor: &Cursor<'_>) -> Result<Self> {
        cursor.object()
    }
}

impl Child for ArtifactList {
    const KIND: Kind = Kind::Artifacts;
}

/// Points of one metric of one object.
pub(crate) trait Slice: Child + Default {
    /// Kind of the object that was measured.
    const OWNER_KIND: Kind;

    /// Takes what a line says in place of what is here, where the line has the form in which most are written.
    fn take_plain(&mut self, line: &[u8]) -> Option<()>;

    /// Takes what the line at a cursor says in place of what is here.
    ///
    /// # Errors
    /// As those of [`Child::read`].
    fn take(&mut self, cursor: &Cursor<'_>) -> Result<()> {
        if cursor.line().and_then(|line| self.take_plain(line)).is_none() {
            *self = cursor.parse()?;
        }
        Ok(())
    }

    /// Its id.
    fn owner(&self) -> &str;

    /// The metric.
    fn key(&self) -> &str;

    /// The points, in the order of the line.
    fn all_points(&self) -> Vec<Point>;

    /// Steps, times and values of the points.
    fn numbers(&self) -> (&[i64], &[i64], &[Double]);

    /// What the points are linked to: names and digests of datasets, ids of models or runs.
    fn links(&self) -> [&Option<Vec<Option<String>>>; 3];

    /// Whether its columns have one length.
    fn has_equal_columns(&self) -> bool {
        let (steps, timestamps, values) = self.numbers();
        let rows = timestamps.len();
        let is_full = |column: &&Option<Vec<_>>| column.as_ref().is_none_or(|column| column.len() == rows);
        steps.len() == rows && values.len() == rows && self.links().iter().all(is_full)
    }
}

macro_rules! slice {
    ($slice:ident, $kind:ident of $owner_kind:ident by $owner:ident, linked to $ids:ident) => {
        impl Child for $slice {
            const KIND: Kind = Kind::$kind;

            fn read(cursor: &Cursor<'_>) -> Result<Self> {
                let mut slice = Self::default();
                slice.take(cursor)?;
                Ok(slice)
            }
        }

        impl Slice for $slice {
            const OWNER_KIND: Kind = Kind::$owner_kind;

            fn take_plain(&mut self, line: &[u8]) -> Option<()> {
                (self.dataset_names, self.dataset_digests, self.$ids) = (None, None, None);
                let owner = (stringify!($owner), &mut self.$owner);
                let integers = [&mut self.steps, &mut self.timestamps];
                of_plain_line(line, owner, &mut self.key, integers, &mut self.values)
            }

            fn owner(&self) -> &str {
                &self.$owner
            }

            fn key(&self) -> &str {
                &self.key
            }

            fn all_points(&self) -> Vec<Point> {
                self.points().collect()
            }

            fn numbers(&self) -> (&[i64], &[i64], &[Double]) {
                (&self.steps, &self.timestamps, &self.values)
            }

            fn links(&self) -> [&Option<Vec<Option<String>>>; 3] {
                [&self.dataset_names, &self.dataset_digests, &self.$ids]
            }
        }
    };
}

slice!(MetricSlice, Metrics of Runs by run_id, linked to model_ids);
slice!(ModelMetricSlice, ModelMetrics of LoggedModels by model_id, linked to run_ids);

/// The objects of a kind in their order, each joined with the lines that belong to it.
pub(crate) struct JoinedObjects<'a, T> {
    cursor: Cursor<'a>,
    /// The object at the cursor, where it was looked at and not taken.
    ahead: Option<T>,
    /// Whether the object at the cursor was taken.
    is_taken: bool,
    /// The id of the object that was taken last.
    id: String,
    children: Vec<ChildLines<'a>>,
}

impl<'a, T: Object> JoinedObjects<'a, T> {
    /// Before the first object, to be joined with lines of these kinds.
    pub(crate) fn new(archive: &'a Archive, children: &[Kind]) -> Result<Self> {
        let children = children
            .iter()
            .map(|&kind| ChildLines::new(archive, kind, T::KIND));
        Ok(JoinedObjects {
            cursor: Cursor::new(archive, T::KIND)?,
            ahead: None,
            is_taken: false,
            id: String::new(),
            children: children.collect::<Result<_>>()?,
        })
    }

    /// The next object, which stays; what is left of the lines of the one before it is passed over.
    ///
    /// # Errors
    /// A line is damaged, or lines are left at the end that belong to no object.
    pub(crate) fn peek(&mut self) -> Result<Option<&T>> {
        if self.is_taken {
            for lines in &mut self.children {
                while lines.is_of(&self.id) {
                    lines.advance()?;
                }
            }
            self.cursor.advance()?;
            self.is_taken = false;
        }
        if self.cursor.line().is_none() {
            self.children.iter().try_for_each(ChildLines::check_end)?;
        } else if self.ahead.is_none() {
            self.ahead = Some(self.cursor.object()?);
        }
        Ok(self.ahead.as_ref())
    }

    /// Takes the next object, if it is the wanted one.
    pub(crate) fn next_if(&mut self, is_wanted: impl FnOnce(&T) -> bool) -> Result<Option<T>> {
        let Some(id) = self.peek()?.filter(|next| is_wanted(next)).map(T::id) else {
            return Ok(None);
        };
        (self.id, self.is_taken) = (id, true);
        Ok(self.ahead.take())
    }

    /// Takes the next object.
    pub(crate) fn next(&mut self) -> Result<Option<T>> {
        self.next_if(|_| true)
    }

    /// The line of the object that was taken last.
    pub(crate) fn line(&self) -> &[u8] {
        self.cursor.line().unwrap_or_default()
    }

    /// The next of what belongs to the object that was taken last.
    pub(crate) fn child<C: Child>(&mut self) -> Result<Option<C>> {
        let (lines, id) = self.lines_of(C::KIND);
        if !lines.is_of(id) {
            return Ok(None);
        }
        let child = C::read(&lines.cursor)?;
        lines.advance()?;
        Ok(Some(child))
    }

    /// The lines of a kind that belong to the object that was taken last.
    pub(crate) fn lines(&mut self, kind: Kind) -> Result<Vec<Vec<u8>>> {
        let mut room_bytes = usize::MAX;
        self.next_lines(kind, &mut room_bytes)
    }

    /// As [`lines`](Self::lines), as many as there is room for: the last of them may exceed it.
    pub(crate) fn next_lines(&mut self, kind: Kind, room_bytes: &mut usize) -> Result<Vec<Vec<u8>>> {
        let mut all = Vec::new();
        let (lines, id) = self.lines_of(kind);
        while *room_bytes > 0 && lines.is_of(id) {
            let mut line = Vec::new();
            lines.cursor.take_line(&mut line);
            lines.advance()?;
            *room_bytes = room_bytes.saturating_sub(line.len());
            all.push(line);
        }
        Ok(all)
    }

    fn lines_of(&mut self, kind: Kind) -> (&mut ChildLines<'a>, &str) {
        let mut children = self.children.iter_mut();
        let lines = children.find(|lines| lines.kind == kind);
        (lines.expect("asked for are kinds that were joined"), &self.id)
    }

    /// Checks that no object is left.
    pub(crate) fn finish(mut self) -> Result<()> {
        match self.peek()?.map(T::id) {
            None => Ok(()),
            Some(id) => Err(orphan(&self.cursor, &id)),
        }
    }
}

/// The lines of one kind that belong to objects of another.
struct ChildLines<'a> {
    kind: Kind,
    owner_kind: Kind,
    cursor: Cursor<'a>,
    /// Whose the line at the cursor is; none at the end.
    owner: Option<String>,
}

impl<'a> ChildLines<'a> {
    fn new(archive: &'a Archive, kind: Kind, owner_kind: Kind) -> Result<Self> {
        let mut lines = ChildLines {
            kind,
            owner_kind,
            cursor: Cursor::new(archive, kind)?,
            owner: None,
        };
        lines.find_owner()?;
        Ok(lines)
    }

    /// Checks that no line is left.
    fn check_end(&self) -> Result<()> {
        match &self.owner {
            None => Ok(()),
            Some(owner) => Err(orphan(&self.cursor, owner)),
        }
    }

    fn is_of(&self, id: &str) -> bool {
        self.owner.as_deref() == Some(id)
    }

    fn advance(&mut self) -> Result<()> {
        self.cursor.advance()?;
        self.find_owner()
    }

    /// Goes on to a line whose owner is of the kind: artifacts of all kinds of owners stand in one file.
    fn find_owner(&mut self) -> Result<()> {
        self.owner = None;
        while self.cursor.line().is_some() {
            self.owner = stated_owner(self.kind, self.owner_kind, &self.cursor)?;
            if self.owner.is_some() {
                break;
            }
            self.cursor.advance()?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::{ArchiveWriter, Duplicates, ManifestHead, WriterOptions};
    use crate::model::EvaluationDataset;

    /// An archive of three datasets with records of these datasets.
    fn archive(directory: &std::path::Path, owners: &[&str]) -> Archive {
        let out = directory.join(owners.join("-"));
        let mut writer = ArchiveWriter::create(&out, WriterOptions::default()).unwrap();
        for id in ["a", "b", "c"] {
            let dataset = EvaluationDataset {
                dataset_id: id.into(),
                ..EvaluationDataset::default()
            };
            writer.write(&dataset).unwrap();
        }
        for (number, owner) in owners.iter().enumerate() {
            let record = DatasetRecord {
                dataset_id: (*owner).into(),
                dataset_record_id: number.to_string(),
                ..DatasetRecord::default()
            };
            writer.write(&record).unwrap();
        }
        writer
            .finish(ManifestHead::default(), Duplicates::Refuse)
            .unwrap();
        Archive::open(&out).unwrap()
    }

    /// How many records were taken of each dataset: of the first one only the first.
    fn joined(archive: &Archive) -> Result<Vec<(String, usize)>> {
        let mut datasets = JoinedObjects::<EvaluationDataset>::new(archive, &[Kind::DatasetRecords])?;
        let mut found = Vec::new();
        while let Some(dataset) = datasets.next()? {
            let count = match dataset.dataset_id.as_str() {
                "a" => usize::from(datasets.child::<DatasetRecord>()?.is_some()),
                _ => datasets.lines(Kind::DatasetRecords)?.len(),
            };
            found.push((dataset.dataset_id, count));
        }
        Ok(found)
    }

    #[test]
    fn objects_come_with_their_lines_and_a_line_of_no_object_is_damage() {
        let directory = tempfile::tempdir().unwrap();
        let whole = archive(directory.path(), &["a", "a", "c", "c"]);
        let found = joined(&whole).unwrap();
        assert_eq!(found, [("a".into(), 1), ("b".into(), 0), ("c".into(), 2)]);
        for owners in [["a", "bb", "c"], ["a", "c", "d"]] {
            let error = joined(&archive(directory.path(), &owners)).unwrap_err();
            let place = format!(
                "line {}",
                owners.iter().position(|owner| owner.len() == 2).unwrap_or(2) + 1
            );
            assert!(error.to_string().contains(&place), "{error}");
        }
    }
}
