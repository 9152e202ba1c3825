//! A journal's lines, checked one by one, as what they say.

use super::{JOURNAL_LINE_BYTES, JournalContents, JournalError, JournalKey, NAME, VERSION, io_error};
use crate::flow::import::deviations::NotedDeviations;
use crate::flow::import::id_map::Parts;
use crate::flow::import::identity::Identity;
use crate::flow::import::options::ToldOptions;
use crate::format::Kind;
use crate::lang::rest::api::TargetId;
use crate::lang::rest::version::Version;
use serde::Deserialize;
use std::io::{self, BufRead};
use std::path::Path;

/// One line; which fields it has says what it is.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    archive: Option<String>,
    checked: Option<Kind>,
    complete: Option<String>,
    #[serde(rename = "crc")]
    _crc: String,
    digest: Option<String>,
    done: Option<Kind>,
    id: Option<String>,
    identity: Option<String>,
    ids: Option<Vec<String>>,
    intent: Option<Kind>,
    journal: Option<String>,
    limits: Option<NotedDeviations>,
    made: Option<Kind>,
    missing: Option<Parts>,
    new: Option<String>,
    options: Option<ToldOptions>,
    origin: Option<String>,
    recovered: Option<u64>,
    refused: Option<Kind>,
    target: Option<String>,
    target_version: Option<String>,
    #[serde(rename = "time")]
    _time: Option<String>,
    version: Option<u64>,
}

pub(super) struct Reader<'a> {
    path: &'a Path,
    key: &'a JournalKey,
    line: u64,
    contents: JournalContents,
}

impl<'a> Reader<'a> {
    pub(super) fn new(path: &'a Path, key: &'a JournalKey) -> Self {
        Reader {
            path,
            key,
            line: 0,
            contents: JournalContents::default(),
        }
    }

    pub(super) fn read(mut self, mut reader: impl BufRead) -> Result<JournalContents, JournalError> {
        let mut line = Vec::new();
        loop {
            line.clear();
            let read = io::Read::take(&mut reader, JOURNAL_LINE_BYTES)
                .read_until(b'\n', &mut line)
                .map_err(io_error("read", self.path))?;
            self.line += 1;
            if line.pop_if(|last| *last == b'\n').is_none() {
                return match read as u64 {
                    JOURNAL_LINE_BYTES => Err(self.damaged("it is too long")),
                    _ => Ok(self.contents),
                };
            }
            self.take(&line)?;
            self.contents.whole_bytes += read as u64;
        }
    }

    fn take(&mut self, line: &[u8]) -> Result<(), JournalError> {
        const TAIL: usize = ",\"crc\":\"01234567\"}".len();
        let (text, tail) = line
            .split_at_checked(line.len().wrapping_sub(TAIL))
            .ok_or_else(|| self.damaged("it is too short"))?;
        if tail != format!(",\"crc\":\"{:08x}\"}}", crc32fast::hash(text)).as_bytes() {
            return Err(self.damaged("its checksum does not match"));
        }
        let entry: Entry = serde_json::from_slice(line).map_err(|error| self.damaged(&error.to_string()))?;
        if self.line == 1 && entry.journal.is_none() {
            return Err(self.damaged("it is not the head of a journal"));
        }
        self.apply(entry)
    }

    fn apply(&mut self, entry: Entry) -> Result<(), JournalError> {
        if let (Some(name), Some(origin), Some(target), Some(_)) =
            (&entry.journal, &entry.origin, &entry.target, &entry.archive)
        {
            self.check_head(name, entry.version, origin, target)?;
            return self.begin_session(entry.options, entry.target_version.as_deref());
        }
        let id = entry.id.as_deref();
        let mapping = &mut self.contents.mapping;
        if let (Some(kind), Some(ids)) = (entry.intent, &entry.ids) {
            ids.iter().for_each(|id| mapping.intend(kind, id));
        } else if let (Some(kind), Some(id), Some(new)) = (entry.made, id, entry.new) {
            mapping.insert(kind, id, &TargetId::new(new), false);
            let identity = entry.identity.as_deref().and_then(Identity::parse);
            mapping.identify(kind, id, identity.unwrap_or_default());
        } else if let (Some(kind), Some(id)) = (entry.refused, id) {
            mapping.drop_intent(kind, id);
        } else if let (Some(kind), Some(id), Some(digest)) = (entry.done, id, &entry.digest) {
            let digest = u64::from_str_radix(digest, 16);
            let digest = digest.map_err(|_| self.damaged("its digest is not a digest"))?;
            let mapping = &mut self.contents.mapping;
            mapping.set_done(kind, id, digest);
            mapping.note(kind, id, entry.limits.unwrap_or_default());
            mapping.set_missing(kind, id, entry.missing.unwrap_or_default());
        } else if let Some(kind) = entry.checked {
            mapping.check(kind);
        } else if entry.recovered.is_some() {
            self.contents.is_recovered = true;
        } else if entry.complete.is_some() {
            self.contents.complete = entry.complete;
        } else {
            return Err(self.damaged("it is not an entry of a known kind"));
        }
        Ok(())
    }

    fn begin_session(
        &mut self,
        options: Option<ToldOptions>,
        target_version: Option<&str>,
    ) -> Result<(), JournalError> {
        self.contents.sessions += 1;
        self.contents.options = options;
        if let Some(told) = target_version {
            let version =
                Version::parse(told).ok_or_else(|| self.damaged("its target_version is not a version"))?;
            self.contents.meet(version);
        }
        Ok(())
    }

    fn check_head(
        &self,
        name: &str,
        version: Option<u64>,
        origin: &str,
        target: &str,
    ) -> Result<(), JournalError> {
        if name != NAME || version != Some(VERSION) {
            return Err(self.damaged("its version of journals is not supported"));
        }
        self.check_key("origin", origin, &self.key.origin)?;
        self.check_key("target", target, &self.key.target)
    }

    fn check_key(&self, field: &'static str, found: &str, expected: &str) -> Result<(), JournalError> {
        if found == expected {
            return Ok(());
        }
        Err(JournalError::OtherImport {
            path: self.path.to_owned(),
            field,
            found: found.to_owned(),
            expected: expected.to_owned(),
        })
    }

    fn damaged(&self, reason: &str) -> JournalError {
        JournalError::Damaged {
            path: self.path.to_owned(),
            line: self.line,
            reason: reason.to_owned(),
        }
    }
}
