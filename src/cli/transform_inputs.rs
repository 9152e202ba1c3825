//! What a transform reads: one archive, or several that are merged first.

use super::merge_args::{MergeArgs, say_of_merge};
use super::{CliError, OutputArgs, Result, merge};
use crate::archive::{Archive, ContainerKind, Staging, TemporaryFolder, WriterOptions};
use crate::flow::merge::MergeReport;
use std::path::{Path, PathBuf};

/// Name of the merged archive in its temporary folder.
const MERGED: &str = "merged";

/// The archive that edits are carried out on.
pub(super) struct Inputs {
    pub(super) archive: Archive,
    /// What the merge of several did.
    pub(super) merged: Option<MergeReport>,
    // What it lies in goes with it.
    _place: Place,
}

/// Where several archives are merged: beside the output, whose blobs can then be shared with it; else among temporary files.
enum Place {
    Nowhere,
    Beside(Staging),
    Temporary(TemporaryFolder),
}

impl Place {
    fn root(&self) -> &Path {
        match self {
            Place::Nowhere => Path::new("."),
            Place::Beside(staging) => staging.root(),
            Place::Temporary(folder) => folder.path(),
        }
    }
}

impl Inputs {
    /// Opens the archives; without an output nothing is made that stays.
    pub(super) fn open(
        inputs: &[PathBuf],
        merge: &MergeArgs,
        copy: bool,
        output: Option<&OutputArgs>,
    ) -> Result<Self> {
        let [several @ .., last] = inputs else {
            return Err(CliError::usage("no archive to read was given"));
        };
        if let Some(output) = output {
            inputs.iter().try_for_each(|input| output.refuse_input(input))?;
        }
        if several.is_empty() {
            if merge.is_given() {
                return Err(CliError::usage(
                    "--prefer, --same-origin and the --join options need several archives, but only one was given",
                ));
            }
            return Ok(Inputs {
                archive: Archive::open(last)?,
                merged: None,
                _place: Place::Nowhere,
            });
        }
        let archives: Vec<_> = inputs
            .iter()
            .map(|input| merge::open(input))
            .collect::<Result<_>>()?;
        let place = match output {
            Some(output) => {
                let WriterOptions { container, force, .. } = output.writer_options();
                let kind = container.unwrap_or_else(|| ContainerKind::of_output(&output.output));
                Place::Beside(Staging::create_archive(&output.output, kind, force)?)
            }
            None => {
                let temporary = std::env::temp_dir();
                Place::Temporary(TemporaryFolder::create_in(&temporary)?)
            }
        };
        let path = place.root().join(MERGED);
        let options = merge.options(writer_options(&archives[0], output), copy);
        let report = crate::flow::merge::merge(&archives, Some(&path), &options)?;
        Ok(Inputs {
            archive: Archive::open(&path)?,
            merged: Some(report),
            _place: place,
        })
    }

    /// Says what the merge of several decided.
    pub(super) fn say(&self, inputs: &[PathBuf]) {
        if let Some(report) = &self.merged {
            say_of_merge(inputs, report);
        }
    }
}

/// The merged archive has the container of the result, so that blobs are packed or unpacked once.
fn writer_options(first: &Archive, output: Option<&OutputArgs>) -> WriterOptions {
    let of_first = || match first.zip() {
        Some(_) => ContainerKind::Zip,
        None => ContainerKind::Directory,
    };
    let options = output.map(OutputArgs::writer_options);
    let container = options.as_ref().and_then(|options| options.container);
    let of_output = output.map(|output| ContainerKind::of_output(&output.output));
    WriterOptions {
        container: Some(container.or(of_output).unwrap_or_else(of_first)),
        force: false,
        no_sync: true,
        threads: options.map_or(0, |options| options.threads),
    }
}
