//! `mlark import`.

use super::replay_args::ReplayArgs;
use super::screen::is_quiet;
use super::server_args::ServerArgs;
use super::{
    Exit, Result, Screen, counted, print_json_text, print_result, print_summary, say, say_silent,
    with_progress,
};
use crate::archive::Archive;
use crate::cli::server_args::tracking_uri;
use crate::flow::import::options::DEFAULT_CONNECTIONS;
use crate::flow::import::{ImportOptions, Plan, PlannedImport};
use crate::monitor::Interrupt;
use crate::report::Difference;
use crate::report::text::{json_text, printable};
use serde_json::json;
use std::path::PathBuf;

/// Import an archive into an MLflow tracking server
///
/// Running the same import again continues it and makes no duplicates. A journal beside the archive and a tag on every imported
/// object (`mlflow_exim.mlark.origin`) record what is already there.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  mlark import history.zip http://127.0.0.1:5000 --dry-run
  mlark import history.zip http://127.0.0.1:5000 --source-tags
  mlark import history.zip --experiment 'fraud*' --on-conflict merge")]
pub(super) struct Args {
    /// The archive to read
    archive: PathBuf,
    /// The tracking server [default: MLFLOW_TRACKING_URI]
    target: Option<String>,
    /// Print the plan and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Name every object in the plan
    #[arg(long, requires = "dry_run")]
    objects: bool,
    /// Print the plan or the report as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    replay: ReplayArgs,
    #[command(flatten)]
    server: ServerArgs,
    /// Afterwards compare every value and artifact with the server; exit with 1 if something differs
    #[arg(long)]
    verify: bool,
    /// Exit with 3 if the target cannot hold something
    #[arg(long)]
    strict: bool,
}

impl Args {
    pub(super) fn run(self) -> Result {
        let target = tracking_uri(self.target.as_deref(), "TARGET")?;
        let archive = Archive::open(&self.archive)?;
        let interrupt = if self.dry_run {
            Interrupt::default()
        } else {
            on_signal()
        };
        let client = self
            .server
            .client(&target, self.connections(), interrupt.clone())?;
        let options = ImportOptions {
            interrupt,
            ..self.options()?
        };
        let prepared = PlannedImport::new(&archive, client, options)?;
        say_changed_options(&prepared);
        if self.dry_run {
            return self.print_plan(&prepared);
        }
        let report = with_progress(|progress| prepared.apply(progress))?;
        if self.json {
            print_json_text(format_args!("{:#}\n", report.to_json()))?;
        } else {
            let text = report.to_text();
            if report.failures.is_empty() {
                print_summary(text)?
            } else {
                print_result(text)?
            }
        }
        say_silent(prepared.silent());
        let is_limited = self.strict && !report.changes.is_empty();
        if self.verify {
            let differences = verify_target(&prepared, &target, self.json)?;
            if differences > 0 {
                return Ok(Exit::Findings);
            }
        }
        Ok(Exit::incomplete_if(!report.failures.is_empty() || is_limited))
    }

    fn connections(&self) -> usize {
        self.server.connections.unwrap_or(DEFAULT_CONNECTIONS)
    }

    fn options(&self) -> Result<ImportOptions> {
        Ok(ImportOptions {
            connections: self.connections(),
            list_objects: self.objects,
            ..self.replay.options()?
        })
    }

    fn print_plan(&self, prepared: &PlannedImport) -> Result {
        if self.json {
            let mut plans: Vec<_> = prepared.plans().map(Plan::to_json).collect();
            let plan = match plans.len() {
                1 => plans.remove(0),
                _ => json!({ "workspaces": plans }),
            };
            print_json_text(format_args!("{plan:#}\n"))?;
        } else {
            let text: String = prepared.plans().map(Plan::to_text).collect();
            print_result(text)?;
        }
        say_silent(prepared.silent());
        prepared.check()?;
        let is_limited = self.strict && prepared.plans().any(|plan| !plan.limits().is_empty());
        Ok(Exit::incomplete_if(is_limited))
    }
}

/// Says which options are not those of the last import.
pub(super) fn say_changed_options(prepared: &PlannedImport) {
    for changed in prepared.plans().flat_map(|plan| &plan.changed_options) {
        say(format_args!(
            "note: options differ from the last import: {changed}"
        ));
    }
}

/// A difference between an archive and a target, in a line.
pub(super) fn difference_line(difference: &Difference, json: bool) -> String {
    if json {
        return json_text(difference);
    }
    let side = |value: &Option<serde_json::Value>| value.as_ref().map_or(String::new(), json_text);
    let points = difference.points.as_ref().map_or(String::new(), |points| {
        format!(
            " {} points added, {} missing, {} different",
            points.added, points.removed, points.changed
        )
    });
    let (kind, id, key) = (&difference.kind, &difference.id, difference.key_text());
    let change = difference.change.as_str();
    let (before, after) = (side(&difference.before), side(&difference.after));
    format!(
        "{change}\t{}\t{}\t{}\t{before}\t{after}{points}",
        printable(kind),
        printable(id),
        printable(&key)
    )
}

/// Prints how a target differs from an archive; how many differences there are.
pub(super) fn verify_target(prepared: &PlannedImport, uri: &str, json: bool) -> Result<u64> {
    let mut out = Screen::stdout(json);
    let mut print = |difference| writeln!(out, "{}", difference_line(&difference, json));
    let count = with_progress(|progress| prepared.verify(uri, progress, &mut print))?;
    let is_said = count > 0 || !is_quiet();
    if !json && is_said {
        let verdict = if count == 0 {
            "the target matches the archive".to_owned()
        } else {
            counted(count, "differences")
        };
        writeln!(out, "{verdict}")?;
    }
    out.flush()?;
    Ok(count)
}

/// What a signal asks of an import: that it end after the requests under way, and once more at once.
fn on_signal() -> Interrupt {
    let interrupt = Interrupt::default();
    let asked = interrupt.clone();
    // Where no handler can be set, a signal ends the process; the journal is made for that too.
    let _ = ctrlc::set_handler(move || {
        if asked.set() {
            std::process::exit(Exit::Interrupted as i32);
        }
        say("stopping after the requests in progress; a second Ctrl-C stops at once");
    });
    interrupt
}
