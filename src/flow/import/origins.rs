//! The origins of an archive's objects, as marks and journals name them: those of one that was merged from several are known by
//! what the archives that went into it were known by, so that an import goes on where earlier ones of these stopped.

use super::workspaces::origin_within;
use crate::archive::{Archive, ArchiveError};
use crate::format::{Kind, OriginLine};
use crate::lang::rest::mark;
use crate::model::DEFAULT_WORKSPACE;
use std::collections::HashMap;
use std::sync::Arc;

/// What origins call the objects of an archive, or of one workspace of it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TargetOrigins {
    inner: Arc<Inner>,
}

#[derive(Debug, Default, PartialEq)]
struct Inner {
    /// The archive's own origin, then the others.
    names: Vec<String>,
    /// Objects that another origin is the first to know, or that are called otherwise: which one, and the id there.
    owners: HashMap<(Kind, String), (usize, String)>,
    /// Ids in the archive, by origin and id there.
    known: HashMap<(usize, Kind, String), String>,
}

impl<T: Into<String>> From<T> for TargetOrigins {
    fn from(origin: T) -> Self {
        TargetOrigins {
            inner: Arc::new(Inner {
                names: vec![origin.into()],
                ..Inner::default()
            }),
        }
    }
}

impl TargetOrigins {
    /// Reads the origins of what is in one workspace of an archive; `own` is what the archive's own is called there.
    ///
    /// # Errors
    /// The archive cannot be read.
    pub fn read(archive: &Archive, own: String, workspace: Option<&str>) -> Result<Self, ArchiveError> {
        let Some(origins) = &archive.manifest().origins else {
            return Ok(own.into());
        };
        let further: Vec<&str> = origins
            .further
            .iter()
            .map(|further| further.origin.as_str())
            .collect();
        let mut inner = Inner {
            names: [own]
                .into_iter()
                .chain(further.iter().map(|origin| origin_within(origin, workspace)))
                .collect(),
            ..Inner::default()
        };
        let mut lines = archive.lines_of(origins.file.iter().cloned().collect());
        while let Some(line) = lines.next_line()? {
            let line: OriginLine = serde_json::from_slice(line.bytes)
                .map_err(|error| archive.damaged(&line.place(), &error.to_string()))?;
            let place = |name: Option<&str>| name.unwrap_or(DEFAULT_WORKSPACE).to_owned();
            let is_here = line.workspace.is_none() || place(line.workspace.as_deref()) == place(workspace);
            let number = match further.iter().position(|origin| *origin == line.origin) {
                Some(at) => at + 1,
                None if line.origin == archive.manifest().origin => 0,
                None => continue,
            };
            if is_here {
                let origin_id = line.origin_id().to_owned();
                if !line.joined {
                    let owner = (number, origin_id.clone());
                    inner.owners.insert((line.kind, line.id.clone()), owner);
                }
                inner.known.insert((number, line.kind, origin_id), line.id);
            }
        }
        Ok(TargetOrigins {
            inner: Arc::new(inner),
        })
    }

    /// The archive's own origin.
    pub fn name(&self) -> &str {
        self.inner.names.first().map_or("", String::as_str)
    }

    /// All of them, the archive's own first.
    pub fn names(&self) -> &[String] {
        &self.inner.names
    }

    /// Number of the origin that an object is of, and its id there.
    pub fn owner<'o>(&'o self, kind: Kind, id: &'o str) -> (usize, &'o str) {
        if self.inner.owners.is_empty() {
            return (0, id);
        }
        let owner = self.inner.owners.get(&(kind, id.to_owned()));
        owner.map_or((0, id), |(number, id)| (*number, id))
    }

    /// The id in the archive of what an origin knows.
    pub fn archive_id(&self, number: usize, kind: Kind, id: &str) -> Option<String> {
        if let Some(known) = self.inner.known.get(&(number, kind, id.to_owned())) {
            return Some(known.clone());
        }
        let is_own = number == 0 && !self.inner.owners.contains_key(&(kind, id.to_owned()));
        is_own.then(|| id.to_owned())
    }

    /// The mark of an object.
    pub fn mark(&self, kind: Kind, id: &str) -> String {
        let (number, id) = self.owner(kind, id);
        mark::mark(&self.inner.names[number], kind, id)
    }

    /// How the marks of all objects of a kind begin, by origin.
    pub fn prefixes(&self, kind: Kind) -> impl Iterator<Item = String> {
        self.inner.names.iter().map(move |name| mark::prefix(name, kind))
    }

    /// The id in the archive of the object that a mark names.
    pub fn id_of(&self, mark: &str, kind: Kind) -> Option<String> {
        let mut names = self.inner.names.iter().enumerate();
        names.find_map(|(number, name)| self.archive_id(number, kind, &mark::id_of(mark, name, kind)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_of_a_further_origin_is_marked_as_that_origin_would() {
        let inner = Inner {
            names: vec!["a".into(), "b".into()],
            owners: [((Kind::Experiments, "3".to_owned()), (1, "1".to_owned()))].into(),
            known: [
                ((1, Kind::Experiments, "1".to_owned()), "3".to_owned()),
                ((1, Kind::Experiments, "0".to_owned()), "0".to_owned()),
            ]
            .into(),
        };
        let origins = TargetOrigins {
            inner: Arc::new(inner),
        };
        assert_eq!(origins.mark(Kind::Experiments, "3"), "b/experiments/1");
        assert_eq!(origins.mark(Kind::Experiments, "1"), "a/experiments/1");
        for (mark, id) in [
            ("b/experiments/1", Some("3")),
            ("b/experiments/0", Some("0")),
            ("a/experiments/0", Some("0")),
            ("a/experiments/3", None),
            ("b/experiments/2", None),
            ("c/experiments/1", None),
        ] {
            assert_eq!(origins.id_of(mark, Kind::Experiments).as_deref(), id, "{mark}");
        }
    }
}
