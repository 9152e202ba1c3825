//! An archive as one page: a single file that a browser shows without any network.
//!
//! Rows are made in the archive's order and laid aside in temporary files; each section is then given a part of the room that is
//! left, takes the newest rows for which that is enough, and says how many there were. So memory holds a few bytes for each object.
//! The script in `report/html/` draws it; no text of the archive is ever markup.

mod changes;
mod choice;
mod curves;
mod error;
mod facts;
mod files;
mod measured;
mod objects;
mod page;
mod sample;
mod source;
mod spool;
mod text;
mod traces;

pub use changes::{ChangesOptions, ChangesReport, changes};
pub use error::HtmlError;

use crate::archive::{Archive, ArchiveError, ForeignObjects, Replace, Result, Staging};
use crate::format::Kind;
use crate::model::OwnerKind;
use crate::monitor::Monitor;
use crate::select::{Matched, Selection};
use objects::{Collected, Maker};
use page::{MARK, Page};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{BufWriter, Read as _, Write};
use std::path::Path;

/// What a page is about, and how large it may be.
#[derive(Debug, Clone)]
pub struct HtmlOptions {
    /// Which objects; all where it chooses nothing.
    pub selection: Selection,
    /// Bytes of the page at most.
    pub max_bytes: u64,
    /// Replaces a page that is there.
    pub force: bool,
    /// Leaves syncing to disk to the operating system.
    pub no_sync: bool,
}

/// What a page has of one thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename = "Share")]
pub struct PageShare {
    /// What, such as `runs`.
    pub what: String,
    /// How many are on the page.
    pub shown: u64,
    /// How many there are.
    pub of: u64,
}

/// What was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct HtmlReport {
    /// Bytes of the page.
    pub size_bytes: u64,
    /// What is on it.
    pub shares: Vec<PageShare>,
    /// Texts that are cut.
    pub cut_texts: u64,
    /// Options that nothing matched, as they are told.
    #[serde(skip)]
    pub silent: Vec<String>,
}

impl HtmlReport {
    /// What is on the page in part.
    pub fn cut_short(&self) -> impl Iterator<Item = &PageShare> {
        self.shares.iter().filter(|share| share.shown < share.of)
    }
}

/// Writes the page of an archive: complete, or not at all.
///
/// ```no_run
/// use mlark::Archive;
/// use mlark::monitor::Silent;
/// use mlark::report::html::{HtmlOptions, html};
/// use mlark::select::Selection;
///
/// let archive = Archive::open("history.zip".as_ref())?;
/// let options = HtmlOptions {
///     selection: Selection::default(),
///     max_bytes: 50_000_000,
///     force: false,
///     no_sync: false,
/// };
/// let made = html(&archive, "history.html".as_ref(), &options, &Silent)?;
/// println!("{} bytes", made.size_bytes);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// The archive cannot be read, a name or id that nothing has, the page is there already or cannot be written.
pub fn html(
    archive: &Archive,
    out: &Path,
    options: &HtmlOptions,
    monitor: &dyn Monitor,
) -> Result<HtmlReport, HtmlError> {
    let staging = staging(out, options.force)?;
    let scratch = staging.scratch()?;
    let path = staging.root().join("page.html");
    let file = File::create_new(&path).map_err(ArchiveError::io("create", &path))?;
    let (closure, matched) = choice::choose(archive, &options.selection)?;
    let maker = Maker {
        archive,
        scratch: &scratch,
        closure,
        foreign: ForeignObjects::read(archive)?,
        texts: text::Texts::default(),
    };
    let title = format!("MLflow history of {}", archive.manifest().origin);
    let page = Page::begin(BufWriter::new(file), path.clone(), &title, source::script())?;
    let report = fill(page, maker, options, matched, monitor)?;
    staging.publish("page.html", !options.no_sync)?;
    Ok(report)
}

/// A place beside the output; with `force` for one that is a page already.
fn staging(out: &Path, force: bool) -> Result<Staging, HtmlError> {
    if force && fs::symlink_metadata(out).is_ok_and(|found| !found.is_file() || !is_page(out)) {
        let path = out.to_owned();
        return Err(HtmlError::Foreign { path });
    }
    // A folder has been refused by now, so that no mark within one is looked for.
    Ok(Staging::create(out, Replace::if_forced(force, MARK))?)
}

/// Whether a file begins as a page does.
fn is_page(path: &Path) -> bool {
    let mut start = Vec::new();
    let read = File::open(path).and_then(|file| file.take(MARK.len() as u64).read_to_end(&mut start));
    read.is_ok() && start == MARK.as_bytes()
}

/// The page while it is filled: what room is left, and what had none.
struct Filler<'a, W> {
    page: Page<W>,
    maker: Maker<'a>,
    max_bytes: u64,
    /// Bytes of what comes last.
    reserved_bytes: u64,
    shares: Vec<PageShare>,
}

/// Where on the page the objects of a kind are, by their number in the archive.
struct Placed(Vec<u32>);

impl Placed {
    fn row(&self, number: usize) -> Option<u32> {
        self.0.get(number).copied().filter(|row| *row != u32::MAX)
    }
}

fn fill<W: Write>(
    page: Page<W>,
    maker: Maker<'_>,
    options: &HtmlOptions,
    matched: Matched,
    monitor: &dyn Monitor,
) -> Result<HtmlReport, HtmlError> {
    monitor.begin("report", None);
    let facts = facts::facts(maker.archive)?;
    let chosen = options.selection.to_manifest(false);
    let reserved_bytes = text::inert(&json!([facts, chosen])).len() as u64 + 8192;
    let needed_bytes = Page::<W>::least_bytes() + reserved_bytes;
    if needed_bytes > options.max_bytes {
        return Err(HtmlError::TooSmall { needed_bytes });
    }
    let mut filler = Filler {
        page,
        maker,
        max_bytes: options.max_bytes,
        reserved_bytes,
        shares: Vec::new(),
    };
    let placed = filler.objects()?;
    filler.curves(&placed)?;
    filler.model_metrics(&placed)?;
    filler.spans(&placed)?;
    filler.files(&placed)?;
    let about = json!({
        "facts": facts,
        "chosen": chosen,
        "max_bytes": options.max_bytes,
        "shares": filler.shares.iter().map(|share| json!([share.what, share.shown, share.of])).collect::<Vec<Value>>(),
        "cut_texts": filler.maker.texts.cut,
        "characters": [text::TEXT_CHARACTERS, text::NOTE_CHARACTERS],
    });
    filler.page.value("about", &about)?;
    Ok(HtmlReport {
        size_bytes: filler.page.end()?,
        shares: filler.shares,
        cut_texts: filler.maker.texts.cut,
        silent: matched.silent,
    })
}

/// Rows of what owns artifacts.
struct Owners {
    runs: Placed,
    logged_models: Placed,
    versions: Placed,
    traces: Placed,
}

impl<W: Write> Filler<'_, W> {
    /// A part of the room that is left, in hundredths.
    fn room(&self, hundredths: u64) -> u64 {
        let used = self.page.size_bytes() + self.reserved_bytes;
        self.max_bytes.saturating_sub(used) / 100 * hundredths
    }

    /// Says what is on the page of something of which there is any.
    fn share(&mut self, what: &str, shown: u64, of: u64) {
        if of > 0 {
            self.shares.push(PageShare {
                what: what.to_owned(),
                shown,
                of,
            });
        }
    }

    /// Blocks that the page takes where there is room for them, and how many it took.
    fn blocks(
        &mut self,
        what: &str,
        spool: spool::Spool,
        room: u64,
        element: &dyn Fn(usize) -> String,
    ) -> Result<()> {
        let kept = spool.keep(room);
        let shown = kept.iter().filter(|kept| **kept).count();
        self.share(what, shown as u64, kept.len() as u64);
        spool.for_each(&kept, &mut |number, block| {
            self.page.block(&element(number), block)
        })
    }

    fn section(&mut self, class: &'static str, collected: Collected, room: u64) -> Result<Placed> {
        let Collected {
            spool,
            numbers,
            found,
        } = collected;
        let kept = spool.keep(self.room(room));
        let of = spool.len() as u64;
        let mut placed = vec![u32::MAX; found as usize];
        let mut shown = 0;
        let mut rows = self.page.rows(class);
        spool.for_each(&kept, &mut |row, bytes| {
            placed[numbers[row] as usize] = shown;
            shown += 1;
            rows.push(bytes)
        })?;
        rows.end()?;
        self.share(class, u64::from(shown), of);
        Ok(Placed(placed))
    }

    fn objects(&mut self) -> Result<Owners> {
        let experiments = self.maker.experiments()?;
        self.section("experiments", experiments, 20)?;
        let mut names = HashSet::new();
        let takes_all = self.maker.closure.takes_all();
        let versions = self.maker.versions(&mut |name| {
            if !takes_all {
                names.insert(name.to_owned());
            }
        })?;
        let models = self.maker.models(&|name| names.contains(name))?;
        self.section("models", models, 20)?;
        let versions = self.section("versions", versions, 20)?;
        let logged_models = self.maker.logged_models()?;
        let logged_models = self.section("logged", logged_models, 15)?;
        let datasets = self.maker.datasets()?;
        self.section("datasets", datasets, 10)?;
        let mut ids = HashSet::new();
        let evaluation_datasets = self.maker.evaluation_datasets(&mut |id| {
            ids.insert(id.to_owned());
        })?;
        self.section("evaluation-datasets", evaluation_datasets, 5)?;
        let records = self.maker.records(&ids)?;
        self.section("dataset-records", records, 10)?;
        let scorers = self.maker.scorers()?;
        self.section("scorers", scorers, 5)?;
        let runs = self.maker.runs()?;
        let runs = self.section("runs", runs, 65)?;
        let traces = self.maker.traces()?;
        let traces = self.section("traces", traces, 25)?;
        Ok(Owners {
            runs,
            logged_models,
            versions,
            traces,
        })
    }

    fn curves(&mut self, owners: &Owners) -> Result<()> {
        let room = self.room(55);
        let archive = self.maker.archive;
        let about = archive.manifest().count(Kind::Metrics);
        let most = curves::most_dots(room, about);
        let scratch = self.maker.scratch;
        let curves = curves::curves(archive, scratch, most, &|number| owners.runs.row(number))?;
        let curves = curves.within(room, scratch, most)?;
        let element = |number: usize| format!("c{}", curves.runs[number].row);
        self.blocks("curves of runs", curves.spool, room, &element)?;
        self.share("points of curves", curves.dots, curves.points);
        let what = "further curves of runs with very many metrics";
        self.share(what, 0, curves.left_out);
        Ok(())
    }

    fn spans(&mut self, owners: &Owners) -> Result<()> {
        let room = self.room(55);
        let (archive, scratch) = (self.maker.archive, self.maker.scratch);
        let row_of = |number| owners.traces.row(number);
        let spans = traces::spans(archive, scratch, &mut self.maker.texts, &row_of)?;
        let element = |number: usize| format!("s{}", spans.rows[number]);
        self.blocks("spans of traces", spans.spool, room, &element)?;
        self.share("further spans of very long traces", 0, spans.left_out);
        Ok(())
    }

    fn files(&mut self, owners: &Owners) -> Result<()> {
        let (archive, scratch) = (self.maker.archive, self.maker.scratch);
        let mut files = files::files(archive, scratch, &|kind, number| {
            let placed = match kind {
                OwnerKind::Run => &owners.runs,
                OwnerKind::LoggedModel => &owners.logged_models,
                OwnerKind::ModelVersion => &owners.versions,
                OwnerKind::Trace => &owners.traces,
            };
            placed.row(number)
        })?;
        let spool = std::mem::replace(&mut files.spool, spool::Spool::new(scratch)?);
        let room = self.room(60);
        self.blocks("lists of artifacts", spool, room, &|number| {
            let (kind, row) = files.owners[number];
            files::element(kind, row)
        })?;
        let left_out = files.left_out;
        self.share("further artifacts of owners with very many", 0, left_out);
        let room = self.room(100);
        let page = &mut self.page;
        let previews = files::previews(archive, files, room, scratch, &mut |id, block| {
            page.block(id, block)
        })?;
        self.share(
            "previews of artifacts",
            previews.shown,
            previews.shown + previews.left_out,
        );
        Ok(())
    }
}
