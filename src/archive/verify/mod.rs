//! Verification: everything that is wrong with an archive, not the first of it.
//!
//! One pass over the bytes: blobs are hashed on several threads while this one reads the lines of all files, checks their
//! text, their order and what they refer to, and compares all with the checksums and the manifest. Memory stays bounded:
//! at most 64 bytes a blob, everything else streams; references are joined by sorting, with temporary files where they are
//! many.
//!
//! | module         | checks                                                                |
//! |----------------|-----------------------------------------------------------------------|
//! | `tree`         | names: what is there and has no place, the order of a zip's entries   |
//! | `manifest`     | seal, text and sums of the manifest, the set of files                 |
//! | `checksums`    | `SHA256SUMS`, and that it lists exactly what is there                 |
//! | `blobs`        | digests of blobs                                                      |
//! | `parts`        | files of lines: digests, sizes, counts, where parts end               |
//! | `check`        | strict JSON, canonical text, types, references to blobs               |
//! | `kinds`        | order and references of each kind                                     |
//! | `metrics`      | slices of metric history                                              |
//! | `artifacts`    | lists of artifacts                                                    |
//! | `records`      | failures and undo records                                             |
//! | `references`   | the join of references                                                |
//! | `lacks`        | not damage: whether texts that should not be there are in any byte    |

mod artifacts;
mod blobs;
mod check;
mod checksums;
mod kinds;
mod lacks;
mod lines;
mod manifest;
mod metrics;
mod parts;
mod place;
mod records;
mod references;
mod report;
mod tree;

use self::blobs::BlobHashing;
use self::check::Check;
use self::checksums::Checksums;
use self::report::Findings;
use self::tree::Tree;
use super::container::{Container, ContainerKind};
use super::error::{ArchiveError, Result};
use super::reader::on_disk;
use super::remote::is_remote;
use super::zip::{ScanError, ZipBytes, ZipIndex, ZipLimits};
use crate::format::layout::{CHECKSUMS, MANIFEST};
use crate::format::manifest::Totals;
use crate::format::{FindingCode as Code, Kind, Manifest};
use crate::model::Digest;
use crate::monitor::Monitor;
use std::path::Path;
use std::thread;

pub(crate) use self::lacks::owners_of_blobs;
pub use self::lacks::{BadSought, FoundText, LacksReport, Searched, SoughtTexts, Unread, lacks};
pub use self::report::{Checked, Finding, Severity, VerifyReport};

/// How to verify.
#[derive(Debug, Clone, Default)]
pub struct VerifyOptions {
    /// Threads that hash; 0 for one per core.
    pub threads: usize,
}

/// Verifies an archive; what is wrong with it is in the report.
///
/// # Errors
/// There is nothing to verify: no archive, one of a newer version, or a file system that refuses.
///
/// ```
/// use mlark::monitor::Silent;
/// use mlark::{VerifyOptions, verify};
///
/// let report = verify("fixtures/golden/v1.0/archive.zip".as_ref(), &VerifyOptions::default(), &Silent)?;
/// assert!(report.is_intact(), "{:?}", report.findings);
/// # Ok::<(), mlark::ArchiveError>(())
/// ```
pub fn verify(path: &Path, options: &VerifyOptions, monitor: &dyn Monitor) -> Result<VerifyReport> {
    let path = &on_disk(path);
    let mut findings = Findings::default();
    let container = match open(path, &mut findings)? {
        Some(container) => container,
        None => {
            let checked = Checked::default();
            return Ok(findings.into_report(path.to_owned(), ContainerKind::Zip, None, checked));
        }
    };
    let tree = Tree::list(path, &container, &mut findings)?;
    let blob_bytes =
        (0..tree.blob_count()).fold(0, |sum: u64, rank| sum.saturating_add(tree.blob_at(rank).1));
    monitor.begin("bytes of blobs", Some(blob_bytes));
    let hashing = BlobHashing::new(&tree, monitor);
    let threads = match options.threads {
        // Most of the time is waiting.
        0 if is_remote(path) => REMOTE_THREADS,
        threads => super::parallel::threads_or_default(threads),
    };
    let checked = thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| hashing.work());
        }
        check_all(path, &tree, findings).inspect_err(|_| hashing.stop())
    });
    let AllChecked {
        mut findings,
        content_id,
        checked,
    } = checked?;
    findings.extend(hashing.into_findings());
    Ok(findings.into_report(path.to_owned(), container.kind(), content_id, checked))
}

/// What was found beside the digests of blobs.
struct AllChecked {
    findings: Findings,
    content_id: Option<Digest>,
    checked: Checked,
}

/// Requests under way at once while an archive in an object store is read.
const REMOTE_THREADS: usize = 8;

/// Checks everything but the bytes of blobs.
fn check_all(path: &Path, tree: &Tree<'_>, mut findings: Findings) -> Result<AllChecked> {
    let manifest = manifest::check(path, tree, &mut findings)?;
    let checksums = checksums::check(tree, &mut findings);
    check_content_id(manifest.as_ref(), &checksums, &mut findings);
    let mut check = Check::new(tree, manifest.as_ref(), &checksums, findings);
    kinds::check_all(&mut check);
    records::check_all(&mut check);
    check.check_references()?;
    check.check_orphans();
    check_totals(&mut check);
    Ok(AllChecked {
        content_id: checksums.digest,
        checked: Checked {
            files: tree.files.len() as u64,
            lines: check.lines,
            blobs: check.totals.blobs,
            blob_bytes: check.totals.blob_bytes,
        },
        findings: check.findings,
    })
}

/// Opens the container; a zip whose scan fails gives findings and nothing else.
fn open(path: &Path, findings: &mut Findings) -> Result<Option<Container>> {
    Container::open_with(path, &mut |zip| scan(zip, path, findings))
}

/// The entries of a zip; none where its faults are all that can be said.
fn scan(zip: ZipBytes<'_>, path: &Path, findings: &mut Findings) -> Result<Option<ZipIndex>> {
    match ZipIndex::scan(zip, &ZipLimits::default()) {
        Ok(index) => Ok(Some(index)),
        Err(ScanError::Io(error)) => Err(ArchiveError::io("read", path)(error)),
        Err(ScanError::Faults(faults)) => {
            faults.iter().for_each(|fault| findings.zip_fault(fault));
            Ok(None)
        }
    }
}

fn check_content_id(manifest: Option<&Manifest>, checksums: &Checksums, findings: &mut Findings) {
    let Some((manifest, found)) = manifest.zip(checksums.digest) else {
        return;
    };
    if manifest.content_id != found {
        let message = format_args!("it has SHA-256 {found}, {MANIFEST} says {}", manifest.content_id);
        findings.error(Code::ContentId, CHECKSUMS, message);
    }
}

/// Compares the manifest's totals with what is there, as far as all of it could be read.
fn check_totals(check: &mut Check<'_>) {
    for rank in 0..check.tree.blob_count() {
        check.totals.blobs += 1;
        check.totals.blob_bytes += check.tree.blob_at(rank).1;
    }
    let Some(manifest) = check.manifest else {
        return;
    };
    let is_read = |kinds: &[Kind]| !kinds.iter().any(|kind| check.unreadable.contains(kind));
    let has_metrics = is_read(&[Kind::Metrics, Kind::ModelMetrics]);
    let has_artifacts = is_read(&[Kind::Artifacts]);
    let rows = |totals: &Totals| {
        [
            ("metric points", totals.metric_points, has_metrics),
            ("artifact files", totals.artifact_files, has_artifacts),
            ("artifact bytes", totals.artifact_bytes, has_artifacts),
            ("blobs", totals.blobs, true),
            ("blob bytes", totals.blob_bytes, true),
        ]
    };
    let found = rows(&check.totals).into_iter();
    for ((name, stated, is_known), (_, found, _)) in rows(&manifest.totals).into_iter().zip(found) {
        if is_known && stated != found {
            let message = format_args!("totals say {stated} {name}, but there are {found}");
            check.error(Code::Total, format_args!("{MANIFEST} totals, {name}"), message);
        }
    }
}
