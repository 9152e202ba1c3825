//! `mlark verify`.

use super::import::say_changed_options;
use super::json::Verified;
use super::lacks_args::{LacksArgs, found_text};
use super::replay_args::ReplayArgs;
use super::server_args::ServerArgs;
use super::verify_store::StoreArgs;
use super::{
    CliError, Exit, Progress, Result, bytes, counted, grouped, print_json_text, print_result, print_summary,
    say_silent, shown,
};
use crate::archive::Archive;
use crate::archive::verify::{LacksReport, VerifyOptions, VerifyReport, lacks, verify};
use crate::cli::output_args::threads;
use crate::flow::export::detect::{self, SourceKind};
use crate::flow::import::options::DEFAULT_CONNECTIONS;
use crate::flow::import::{ImportOptions, Plan, PlannedImport};
use crate::model::printable::one_line;
use crate::monitor::Interrupt;
use serde_json::json;
use std::fmt::Write as _;
use std::path::PathBuf;

/// Check that an archive is complete and unchanged, down to the last byte and reference
///
/// mlark lists all damage, not only the first. It exits with 0 if there is none, whatever losses the archive records, and with 1
/// if there is some; warnings do not count. With `--lacks-…` it also searches every byte, and exits with 1 if a text is found.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The archive to read
    archive: PathBuf,
    /// Compare every value and artifact of the archive with this server or database, instead of checking the archive itself
    #[arg(long, value_name = "TARGET", conflicts_with_all = ["threads", "lacks"])]
    against: Option<String>,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
    /// Threads for hashing [default: one per core]
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true, value_parser = threads())]
    threads: usize,
    #[command(flatten, next_help_heading = "Proof that texts are gone")]
    lacks: LacksArgs,
    #[command(flatten, next_help_heading = "With --against: options of the import")]
    replay: ReplayArgs,
    #[command(flatten)]
    server: ServerArgs,
    #[command(
        flatten,
        next_help_heading = "With --against a database: options of the restore"
    )]
    store: StoreArgs,
}

impl Args {
    pub(super) fn run(self) -> Result {
        if let Some(target) = &self.against {
            return if detect::by_name(target) == Some(SourceKind::Sql) {
                self.run_against_database()
            } else {
                self.run_against(target)
            };
        }
        if self.store.is_given() {
            return Err(CliError::usage("options of a restore need --against DATABASE"));
        }
        if self.replay.is_given() || self.server.is_given() {
            return Err(CliError::usage("options of an import need --against TARGET"));
        }
        let sought = self.lacks.sought()?;
        let progress = Progress::new();
        let options = VerifyOptions {
            threads: self.threads,
        };
        let report = verify(&self.archive, &options, &progress);
        let search = || lacks(&self.archive, &sought, &options, &progress);
        let found = (report.is_ok() && !sought.is_empty()).then(search).transpose();
        progress.done();
        let (report, found) = (report?, found?);
        let is_proven = found.as_ref().is_none_or(LacksReport::is_proven);
        let is_good = report.is_intact() && is_proven;
        if self.json {
            print_json_text(format_args!(
                "{:#}\n",
                json!(Verified::new(&report, found.as_ref()))
            ))?;
        } else {
            let text = describe(&report) + &found.map_or(String::new(), |found| found_text(&report, &found));
            if is_good {
                print_summary(text)?;
            } else {
                print_result(text)?;
            }
        }
        Ok(Exit::findings_if(!is_good))
    }
}

impl Args {
    fn run_against_database(self) -> Result {
        if self.replay.is_given() || self.server.is_given() {
            return Err(CliError::usage("options of an import do not apply to a database"));
        }
        let archive = Archive::open(&self.archive)?;
        let target = self.against.unwrap_or_default();
        self.store.run(&archive, &target, self.json)
    }

    fn run_against(&self, target: &str) -> Result {
        if self.store.is_given() {
            return Err(CliError::usage("options of a restore do not apply to a server"));
        }
        let archive = Archive::open(&self.archive)?;
        let connections = self.server.connections.unwrap_or(DEFAULT_CONNECTIONS);
        let client = self.server.client(target, connections, Interrupt::default())?;
        let options = ImportOptions {
            connections,
            ..self.replay.options()?
        };
        let prepared = PlannedImport::new(&archive, client, options)?;
        say_changed_options(&prepared);
        let differences = super::import::verify_target(&prepared, target, self.json)?;
        if !self.json {
            // What the import named is no difference, and is not there all the same.
            print_summary(prepared.plans().map(Plan::limits_text).collect::<String>())?;
        }
        say_silent(prepared.silent());
        Ok(Exit::findings_if(differences > 0))
    }
}

/// A line a finding, and what was looked at.
fn describe(report: &VerifyReport) -> String {
    let mut text = String::new();
    for finding in &report.findings {
        let _ = writeln!(
            text,
            "{} {}: {}: {}",
            finding.severity,
            finding.code,
            one_line(&finding.place),
            one_line(&finding.message)
        );
    }
    let unlisted = report.errors + report.warnings - report.findings.len() as u64;
    if unlisted > 0 {
        let _ = writeln!(text, "and {} more", grouped(unlisted));
    }
    let verdict = if report.is_intact() {
        "intact".to_owned()
    } else {
        format!("DAMAGED, {}", counted(report.errors, "errors"))
    };
    let warnings = match report.warnings {
        0 => String::new(),
        warnings => format!(", {}", counted(warnings, "warnings")),
    };
    let checked = &report.checked;
    let _ = writeln!(
        text,
        "{}: {verdict}{warnings}; checked {} with {}, {} ({})",
        shown(&report.path),
        counted(checked.files, "files"),
        counted(checked.lines, "lines"),
        counted(checked.blobs, "blobs"),
        bytes(checked.blob_bytes)
    );
    text
}
