//! JSON files as Python's `json.dumps(value, indent=2)` writes them, piece by piece.

use super::scratch::Scratch;
use crate::archive::{ArchiveError, Result};
use crate::model::pyjson::PyJson;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// A file of JSON that is being written.
pub(super) struct Dump {
    path: PathBuf,
    out: BufWriter<File>,
    /// For each open object or list, whether it has an entry.
    open: Vec<bool>,
}

impl Dump {
    /// A new file, with the folders above it.
    pub(super) fn create(path: &Path) -> Result<Self> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(ArchiveError::io("create directory", folder))?;
        }
        let file = File::create_new(path).map_err(ArchiveError::io("create", path))?;
        Ok(Dump {
            path: path.to_owned(),
            out: BufWriter::new(file),
            open: Vec::new(),
        })
    }

    /// Writes a whole value.
    pub(super) fn value(&mut self, value: &PyJson) -> Result<()> {
        match value {
            PyJson::Dict(_) => {
                self.begin("{")?;
                self.entries(value)?;
                self.end("}")
            }
            PyJson::List(items) => {
                self.begin("[")?;
                for item in items {
                    self.item()?;
                    self.value(item)?;
                }
                self.end("]")
            }
            scalar => self.text(&scalar.to_dumps_text()),
        }
    }

    /// Begins an object (`{`) or a list (`[`).
    pub(super) fn begin(&mut self, bracket: &str) -> Result<()> {
        self.text(bracket)?;
        self.open.push(false);
        Ok(())
    }

    /// Ends what was begun last.
    pub(super) fn end(&mut self, bracket: &str) -> Result<()> {
        if self.open.pop() == Some(true) {
            self.line()?;
        }
        self.text(bracket)
    }

    /// Begins an entry of an object; its value follows.
    pub(super) fn key(&mut self, key: &str) -> Result<()> {
        self.item()?;
        self.text(&PyJson::from(key).to_dumps_text())?;
        self.text(": ")
    }

    /// Writes an entry of an object.
    pub(super) fn entry(&mut self, key: &str, value: &PyJson) -> Result<()> {
        self.key(key)?;
        self.value(value)
    }

    /// Writes the entries of an object into the one that was begun.
    pub(super) fn entries(&mut self, object: &PyJson) -> Result<()> {
        let mut entries = object.as_dict().unwrap_or_default().iter();
        entries.try_for_each(|(key, value)| self.entry(key, value))
    }

    /// Begins an item of a list; its value follows.
    pub(super) fn item(&mut self) -> Result<()> {
        if let Some(has_entry) = self.open.last_mut()
            && std::mem::replace(has_entry, true)
        {
            self.text(",")?;
        }
        self.line()
    }

    /// Writes an entry of an object: a list of what was put aside for it.
    pub(super) fn list(&mut self, key: &str, values: &mut Scratch) -> Result<()> {
        self.key(key)?;
        self.begin("[")?;
        values.for_each(|value| {
            self.item()?;
            self.value(&value)
        })?;
        self.end("]")
    }

    /// Ends the file.
    pub(super) fn finish(mut self) -> Result<()> {
        self.text("\n")?;
        let flushed = self.out.flush();
        flushed.map_err(ArchiveError::io("write", &self.path))
    }

    fn line(&mut self) -> Result<()> {
        self.text("\n")?;
        for _ in 0..self.open.len() {
            self.text("  ")?;
        }
        Ok(())
    }

    fn text(&mut self, text: &str) -> Result<()> {
        let written: io::Result<()> = self.out.write_all(text.as_bytes());
        written.map_err(ArchiveError::io("write", &self.path))
    }
}

/// An object, in this order.
pub(super) fn dict<const N: usize>(entries: [(&str, PyJson); N]) -> PyJson {
    PyJson::Dict(entries.map(|(key, value)| (key.to_owned(), value)).into())
}

/// A number of objects.
pub(super) fn count(number: u64) -> PyJson {
    PyJson::from(i64::try_from(number).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_what_python_writes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("below/file.json");
        let value =
            r#"{"a": [1, 1.0, NaN, 1e+16, "é\u007f😀\n"], "b": {}, "c": [], "d": {"e": null, "f": true}}"#;
        let mut dump = Dump::create(&path).unwrap();
        dump.value(&PyJson::parse(value.as_bytes()).unwrap()).unwrap();
        dump.finish().unwrap();
        // print(json.dumps(json.loads(value), indent=2)) of Python 3.11.
        insta::assert_snapshot!(fs::read_to_string(&path).unwrap(), @r#"
        {
          "a": [
            1,
            1.0,
            NaN,
            1e+16,
            "\u00e9\u007f\ud83d\ude00\n"
          ],
          "b": {},
          "c": [],
          "d": {
            "e": null,
            "f": true
          }
        }
        "#);
    }
}
