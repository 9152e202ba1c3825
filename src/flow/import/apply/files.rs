//! A run's files, through the artifact proxy or, where the target has none, the UI's upload.

use super::Apply;
use super::fill::Filling;
use super::refusal::Whole;
use crate::client::Body;
use crate::flow::import::artifacts::{self, Destination};
use crate::flow::import::part::PartKind;
use crate::flow::import::{Result, mlmodel};
use crate::format::{Kind, Reason};
use crate::lang::rest::api::TargetId;
use crate::lang::rest::routes::PUT_RUN_FILE;
use crate::model::{ArtifactFile, ArtifactList};

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
        self.put_files(filling.whole(), new_id, &uri, lines)
    }

    /// The files in lines of artifacts that the target can hold.
    fn files_of(&self, lines: &[Vec<u8>]) -> Result<Vec<ArtifactFile>> {
        let lists: Vec<ArtifactList> = self.parsed(Kind::Artifacts, lines)?;
        let files = lists.into_iter().flat_map(|list| list.files);
        let is_held = |file: &ArtifactFile| artifacts::fault(file, &self.fitting.limits).is_none();
        Ok(files.filter(is_held).collect())
    }

    /// Sends the files in lines of artifacts below a URI of the target: through the artifact proxy or, of a run, the UI's upload.
    pub(super) fn put_files(
        &self,
        whole: Whole<'_>,
        new_id: &TargetId,
        uri: &str,
        lines: &[Vec<u8>],
    ) -> Result<()> {
        let destination = Destination::of(uri);
        let taken = 1..=PUT_RUN_FILE.bytes as u64;
        for file in self.files_of(lines)? {
            let is_small = file.size_bytes.is_some_and(|size| taken.contains(&size));
            let has_place = destination != Destination::Elsewhere || whole.kind == Kind::Runs && is_small;
            if !has_place {
                let part = PartKind::Artifact.of(&file.path);
                self.left_out(whole.kind, whole.id, part, Reason::NoArtifactProxy);
            } else if whole.wants_named(PartKind::Artifact, &file.path)
                && let Some(body) = self.body(whole.kind, &file)?
            {
                let send = || match &destination {
                    Destination::Proxy(root) => self.api.put_artifact(&format!("{root}/{}", file.path), body),
                    Destination::Elsewhere => self.api.upload_artifact(new_id, &file.path, body),
                };
                self.file_alone(whole, &file.path, send)?;
            }
        }
        Ok(())
    }

    /// A file's bytes, ids in an `MLmodel` rewritten where that was asked.
    fn body(&self, kind: Kind, file: &ArtifactFile) -> Result<Option<Body>> {
        let Some(blob) = file.blob() else {
            return Ok(None);
        };
        let is_mlmodel = kind != Kind::Traces && self.options.fix_mlmodel && mlmodel::is_mlmodel(&file.path);
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
