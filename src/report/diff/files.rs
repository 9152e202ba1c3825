//! Artifacts, compared file by file: lists may be cut differently, files are the same.

use super::merge::{Merged, Parser, Side};
use super::{Difference, Pair, WHOLE};
use crate::archive::walk::Cursor;
use crate::archive::walk::OwnerWalk;
use crate::archive::{ArchiveError, Result as ArchiveResult};
use crate::format::line::to_value;
use crate::format::{Kind, SortKey};
use crate::model::{ArtifactFile, OwnerKind};
use serde_json::{Map, Value};
use std::cmp::Ordering;
use std::collections::VecDeque;
use std::rc::Rc;

struct Owner {
    kind: OwnerKind,
    id: String,
    key: SortKey,
}

struct OwnedFile {
    owner: Rc<Owner>,
    file: ArtifactFile,
}

struct FileParser<'a> {
    walk: OwnerWalk<'a>,
    last: Option<(Rc<Owner>, String)>,
}

impl Parser for FileParser<'_> {
    type Item = OwnedFile;

    fn parse(&mut self, cursor: &Cursor<'_>, items: &mut VecDeque<OwnedFile>) -> ArchiveResult<()> {
        let list: crate::model::ArtifactList = cursor.parse()?;
        let key = self.walk.owner(&list, cursor)?.key.clone();
        let owner = Rc::new(Owner {
            kind: list.owner_kind,
            id: list.owner_id,
            key,
        });
        for file in list.files {
            if let Some((last, path)) = &self.last
                && (last.kind, &last.key, path.as_str()) >= (owner.kind, &owner.key, file.path.as_str())
            {
                return Err(cursor.damaged("it is out of order"));
            }
            self.last = Some((owner.clone(), file.path.clone()));
            let owner = owner.clone();
            items.push_back(OwnedFile { owner, file });
        }
        Ok(())
    }

    fn order(first: &OwnedFile, second: &OwnedFile) -> Ordering {
        let owners =
            (first.owner.kind.cmp(&second.owner.kind)).then_with(|| first.owner.key.cmp(&second.owner.key));
        owners.then_with(|| first.file.path.cmp(&second.file.path))
    }
}

/// The file's fields but its path.
fn fields(file: &ArtifactFile) -> Map<String, Value> {
    let mut value = to_value(file);
    let mut map = value.as_object_mut().map(std::mem::take).unwrap_or_default();
    map.remove("path");
    map
}

impl<E: From<ArchiveError>> Pair<'_, E> {
    pub(super) fn compare_files(&mut self) -> Result<(), E> {
        let parser = |walk| FileParser { walk, last: None };
        let walk = OwnerWalk::new(self.before);
        let before = Side::new(self.before, Kind::Artifacts, parser(walk))?;
        let walk = OwnerWalk::new(self.after);
        let after = Side::new(self.after, Kind::Artifacts, parser(walk))?;
        self.merge(before, after, |pair, merged, _| match merged {
            Merged::Before(item) => pair.tell_file(&item.owner, Some(&item.file), None),
            Merged::After(item) => pair.tell_file(&item.owner, None, Some(&item.file)),
            Merged::Both(first, second) if first.file == second.file => Ok(()),
            Merged::Both(first, second) => {
                pair.tell_file(&first.owner, Some(&first.file), Some(&second.file))
            }
        })
    }

    fn tell_file(
        &mut self,
        owner: &Owner,
        before: Option<&ArtifactFile>,
        after: Option<&ArtifactFile>,
    ) -> Result<(), E> {
        let Some(path) = before.or(after).map(|file| file.path.clone()) else {
            return Ok(());
        };
        let [first, second] = [before, after].map(|file| file.map(fields));
        let changed: Vec<[&str; 1]> = match (&first, &second) {
            (Some(first), Some(second)) => ["absent", "sha256", "size_bytes"]
                .into_iter()
                .filter(|field| first.get(*field) != second.get(*field))
                .map(|field| [field])
                .collect(),
            _ => vec![[WHOLE]],
        };
        let [first, second] = [first, second].map(|fields| fields.map(Value::Object));
        let mut difference = Difference::new(Kind::Artifacts.name(), &owner.id, vec![path], first, second);
        difference.owner_kind = Some(owner.kind);
        let changed: Vec<&[&str]> = changed.iter().map(|field| &field[..]).collect();
        self.tell(&changed, difference)
    }
}
