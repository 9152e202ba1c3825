//! What every file of an export begins with, and the files that list others.

use super::dump::{Dump, count, dict};
use super::{Converter, Layout, Result};
use crate::archive::Archive;
use crate::lang::exim::dict::Dict;
use crate::model::mask::redact;
use crate::model::pyjson::PyJson;
use std::path::Path;

/// What the exporter says of itself, in every file.
pub(super) struct System {
    /// All but the name of the script, which stands second.
    entries: Vec<(String, PyJson)>,
}

impl System {
    /// Who made the archive's directory, when, and what it was made from.
    pub(super) fn of(archive: &Archive, layout: Layout) -> Self {
        let source = &archive.manifest().source;
        let now = crate::archive::now_text();
        let seconds = now.parse::<jiff::Timestamp>().map_or(0, |now| now.as_second());
        let text = now.replace('T', " ").replace('Z', "");
        let tracking_uri = source.details.get("tracking_uri").unwrap_or(&source.uri);
        let platform = dict([
            ("python_version", PyJson::Null),
            ("system", PyJson::from(std::env::consts::OS)),
            ("processor", PyJson::from("")),
        ]);
        let mut entries = Dict::default();
        entries.put("package_version", concat!("mlark ", env!("CARGO_PKG_VERSION")));
        if layout == Layout::New {
            entries.put("export_file_version", "2");
        }
        entries.put("export_time", seconds);
        entries.put("_export_time", text);
        entries.put("mlflow_version", source.mlflow_version.clone());
        entries.put("mlflow_tracking_uri", redact(tracking_uri));
        entries.put("platform", platform);
        entries.put("user", "mlark");
        System { entries: entries.0 }
    }

    fn with_script(&self, script: &str) -> PyJson {
        let mut entries = self.entries.clone();
        entries.insert(1, ("script".to_owned(), PyJson::from(script)));
        PyJson::Dict(entries)
    }
}

impl Converter<'_> {
    /// Begins a file; the entries of what `mlflow` holds are to be written next.
    pub(super) fn begin(&self, path: &Path, script: &str, info: Option<&PyJson>) -> Result<Dump> {
        let mut dump = Dump::create(path)?;
        dump.begin("{")?;
        dump.entry("system", &self.system.with_script(script))?;
        if let Some(info) = info {
            dump.entry("info", info)?;
        }
        dump.key("mlflow")?;
        dump.begin("{")?;
        Ok(dump)
    }

    /// Writes a whole file.
    pub(super) fn document(
        &self,
        path: &Path,
        script: &str,
        info: Option<&PyJson>,
        body: &PyJson,
    ) -> Result<()> {
        let mut dump = self.begin(path, script, info)?;
        dump.entries(body)?;
        Ok(end(dump)?)
    }

    /// Writes the file at the top, which says how the directory was made.
    pub(super) fn manifest(&mut self) -> Result<()> {
        let limits = self.limits().into_iter().map(|limit| {
            dict([
                ("kind", PyJson::from(limit.kind)),
                ("field", PyJson::from(limit.field)),
                ("reason", PyJson::from(limit.reason.as_str())),
                ("count", count(limit.count)),
            ])
        });
        let archive = self.archive.manifest();
        let info = dict([
            ("stages", PyJson::from("")),
            ("export_latest_versions", PyJson::Bool(false)),
            ("notebook_formats", PyJson::from("")),
            ("use_threads", PyJson::Bool(false)),
            ("mlark_origin", PyJson::from(archive.origin.as_str())),
            ("mlark_content_id", PyJson::from(archive.content_id.to_string())),
            ("mlark_limits", PyJson::List(limits.collect())),
        ]);
        let path = self.root.join(super::MANIFEST);
        self.document(&path, "export_all.py", Some(&info), &dict([]))
    }
}

/// Ends a file.
pub(super) fn end(mut dump: Dump) -> crate::archive::Result<()> {
    dump.end("}")?;
    dump.end("}")?;
    dump.finish()
}
