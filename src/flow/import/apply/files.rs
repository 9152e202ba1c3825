//! A run's files, through the artifact proxy or, where the target has none, the UI's upload.

use super::Apply;
use super::fill::Filling;
use crate::client::Body;
use crate::flow::import::artifacts::{self, Destination};
use crate::flow::import::part::PartKind;
use crate::flow::import::{Result, mlmodel};
use crate::format::{Kind, Reason};
use crate::lang::rest::routes::PUT_RUN_FILE;
use crate::model::{ArtifactFile, ArtifactList};

const KIND: Kind = Kind::Runs;

impl Apply<'_> {
    pub(super) fn files(&self, filling: &Filling, lines: &[Vec<u8>]) -> Result<()> {
        if lines.is_empty() || !filling.whole().wants_any(PartKind::Artifact) {
            return Ok(());
        }
        let new_id = &filling.known.id;
        let uri = match self.artifact_uri(&filling.experiment_id, new_id) {
            Some(uri) => uri,
            None => self.target_run(filling)?.artifact_uri,
        };
        let destination = Destination::of(&uri);
        let mut files = self.files_of(lines)?.into_iter();
        files.try_for_each(|file| self.file(filling, &destination, &file))
    }

    /// The files in lines of artifacts that the target can hold.
    pub(super) fn files_of(&self, lines: &[Vec<u8>]) -> Result<Vec<ArtifactFile>> {
        let mut files = Vec::new();
        for line in lines {
            let list: ArtifactList = serde_json::from_slice(line)
                .map_err(|error| self.archive.damaged("objects/artifacts", &error.to_string()))?;
            let held = list.files.into_iter();
            files.extend(held.filter(|file| artifacts::fault(file, &self.fitting.limits).is_none()));
        }
        Ok(files)
    }

    fn file(&self, filling: &Filling, destination: &Destination, file: &ArtifactFile) -> Result<()> {
        let id = &filling.run.info.run_id;
        let whole = filling.whole();
        if !whole.wants_named(PartKind::Artifact, &file.path) {
            return Ok(());
        }
        let Some(body) = self.body(file)? else {
            return Ok(());
        };
        match destination {
            Destination::Proxy(root) => {
                let send = || self.api.put_artifact(&format!("{root}/{}", file.path), body);
                self.file_alone(whole, &file.path, send)
            }
            Destination::Elsewhere => {
                let taken = 1..=PUT_RUN_FILE.bytes as u64;
                if file.size_bytes.is_none_or(|size| !taken.contains(&size)) {
                    self.left_out(
                        KIND,
                        id,
                        PartKind::Artifact.of(&file.path),
                        Reason::NoArtifactProxy,
                    );
                    return Ok(());
                }
                let send = || self.api.upload_artifact(&filling.known.id, &file.path, body);
                self.file_alone(whole, &file.path, send)
            }
        }
    }

    /// A file's bytes, ids in an `MLmodel` rewritten where that was asked.
    pub(super) fn body(&self, file: &ArtifactFile) -> Result<Option<Body>> {
        let Some(blob) = file.blob() else {
            return Ok(None);
        };
        let is_mlmodel = self.options.fix_mlmodel && mlmodel::is_mlmodel(&file.path);
        if is_mlmodel && blob.size_bytes <= mlmodel::LARGEST_BYTES {
            let bytes = artifacts::read(self.archive, &blob)?;
            let new_id =
                |key: &str, word: &str| mlmodel::new_id(key, word, |kind, id| self.ledger.name(kind, id));
            return Ok(Some(Body::Bytes(
                mlmodel::rewrite(&bytes, new_id).unwrap_or(bytes),
            )));
        }
        Ok(Some(artifacts::body(self.archive, blob)?))
    }
}
