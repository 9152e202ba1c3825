//! `mlark lineage`.

use super::json::LineageDocument;
use super::output_args::one_of;
use super::{CliError, Exit, Result, Screen, print_summary, shown};
use crate::archive::walk::ArtifactEntry;
use crate::archive::{Archive, ArchiveError};
use crate::flow::extract::names_of;
use crate::format::Kind;
use crate::model::Digest;
use crate::platform::set_mode;
use crate::report::ReportError;
use crate::report::lineage::ro_crate::{Crate, CrateError, FILE_NAME};
use crate::report::lineage::{Lineage, LineageQuery, lineage, open_lineage, overview, prov_json};
use crate::report::object::KINDS;
use crate::report::text::json_text;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

mod tree;

/// What names a digest in place of a file.
const DIGEST_PREFIX: &str = "sha256:";

/// Show where an object or a file came from
///
/// The chain goes across archives: where the object was before, the run that made it, that run's parents, datasets and models,
/// and what was made from it.
///
/// Name the object last, as for `mlark show` (also `models:/NAME/VERSION` and `runs:/ID`). To look for an artifact by its
/// content, name a file or `sha256:DIGEST`. If an object and a file have the same name, the object is used; write `./NAME` for
/// the file.
///
/// Without an object, mlark counts the first origins of all objects; --format openlineage then prints the events of all runs.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  mlark lineage history.zip churn@champion
  mlark lineage staging.zip production.zip 6f2c
  mlark lineage *.zip ./model.pkl
  mlark lineage history.zip
  mlark lineage history.zip --format openlineage > events.ndjson
  mlark extract history.zip -o tree && mlark lineage history.zip churn/3 --format ro-crate --tree tree")]
pub(super) struct Args {
    /// Archives, then the object or file to look for
    #[arg(required = true, value_name = "ARCHIVE|OBJECT|FILE")]
    items: Vec<PathBuf>,
    /// Look only for objects of this kind
    #[arg(short, long, value_parser = one_of(KINDS, Kind::name))]
    kind: Option<Kind>,
    /// Output format of the chain
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Directory made by `mlark extract`; --format ro-crate writes `ro-crate-metadata.json` into it
    #[arg(long, value_name = "DIR", required_if_eq("format", "ro-crate"))]
    tree: Option<PathBuf>,
    /// License of the extracted files, to be named in the crate
    #[arg(long, value_name = "URI", requires = "tree")]
    license: Option<String>,
    /// Print the chain as JSON; without an object, one line per archive
    #[arg(long)]
    json: bool,
}

/// In which form a chain is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// A tree to read
    Text,
    /// W3C PROV as JSON
    ProvJson,
    /// OpenLineage events, one per line
    #[value(name = "openlineage")]
    OpenLineage,
    /// A Process Run Crate for extracted files
    RoCrate,
}

impl Args {
    pub(super) fn run(self) -> Result {
        let is_standard = self.format != Format::Text;
        if is_standard && self.json {
            return Err(CliError::usage("--json and --format cannot be used together"));
        }
        if self.tree.is_some() && self.format != Format::RoCrate {
            return Err(CliError::usage("--tree needs --format ro-crate"));
        }
        let (archives, last) = open(&self.items)?;
        let mut screen = Screen::stdout(self.json || is_standard);
        let found = last.map(|last| last.find(&archives, self.kind)).transpose()?;
        match (&found, self.format) {
            (_, Format::OpenLineage) => open_lineage::<CliError>(&archives, found.as_ref(), &mut |event| {
                Ok(writeln!(screen, "{}", json_text(event))?)
            })?,
            (None, Format::ProvJson | Format::RoCrate) => {
                return Err(CliError::usage("this format needs an object or a file: name one"));
            }
            (None, Format::Text) => self.print_overviews(&mut screen, &archives)?,
            (Some(found), Format::ProvJson) => writeln!(screen, "{}", json_text(&prov_json(found)))?,
            (Some(found), Format::RoCrate) => self.write_crate(&archives, found)?,
            (Some(found), Format::Text) if self.json => {
                writeln!(screen, "{}", json_text(&LineageDocument::Chain(found)))?;
            }
            (Some(found), Format::Text) => tree::print(&mut screen, found)?,
        }
        screen.flush()?;
        Ok(Exit::Done)
    }

    fn print_overviews<W: Write>(&self, screen: &mut Screen<W>, archives: &[Archive]) -> Result<()> {
        for archive in archives {
            let counted = overview(archive)?;
            if self.json {
                writeln!(screen, "{}", json_text(&LineageDocument::Archive(&counted)))?;
            } else {
                tree::print_overview(screen, &counted)?;
            }
        }
        Ok(())
    }

    /// Writes the metadata of a crate beside the files that it is about: complete, or not at all.
    fn write_crate(&self, archives: &[Archive], chain: &Lineage) -> Result<()> {
        let tree = self.tree.as_deref().unwrap_or(Path::new("."));
        if !tree.is_dir() {
            return Err(CliError::usage(format!("`{}` is not a folder", shown(tree)))
                .hint("make one with `mlark extract ARCHIVE -o DIR`"));
        }
        let out = tree.join(FILE_NAME);
        let path_of = |entry: &ArtifactEntry<'_>| {
            let names = names_of(entry)?;
            let path = names.iter().fold(tree.to_owned(), |path, name| path.join(name));
            let is_there = fs::symlink_metadata(path).is_ok_and(|found| {
                found.is_file()
                    && entry
                        .file
                        .size_bytes
                        .is_none_or(|size_bytes| size_bytes == found.len())
            });
            is_there.then_some(names)
        };
        let made = Crate {
            archives,
            chain,
            path_of: &path_of,
            license: self.license.as_deref(),
        };
        let io_error = |error| ArchiveError::io("write", &out)(error);
        let mut file = tempfile::NamedTempFile::new_in(tree).map_err(io_error)?;
        set_mode(file.as_file(), 0o644).map_err(io_error)?;
        let mut buffer = BufWriter::new(&mut file);
        made.write(&mut buffer).map_err(|error| match error {
            CrateError::Archive(error) => CliError::from(error),
            CrateError::Io(error) => io_error(error).into(),
        })?;
        buffer.flush().map_err(io_error)?;
        drop(buffer);
        file.persist_noclobber(&out)
            .map_err(|error| match error.error.kind() {
                io::ErrorKind::AlreadyExists => CliError::usage(format!("`{}` exists", shown(&out))),
                _ => io_error(error.error).into(),
            })?;
        print_summary(format_args!("{}\n", shown(&out)))
    }
}

/// The last argument, where it is no archive.
struct Last<'a> {
    path: &'a Path,
    /// Why it is none, where it could have been one.
    error: Option<ArchiveError>,
}

fn open(items: &[PathBuf]) -> Result<(Vec<Archive>, Option<Last<'_>>)> {
    let (path, first) = items.split_last().expect("the parser takes at least one");
    let mut archives = first
        .iter()
        .map(|path| Archive::open(path))
        .collect::<std::result::Result<Vec<_>, _>>()?;
    if !archives.is_empty() && path.to_str().is_some_and(|text| text.starts_with(DIGEST_PREFIX)) {
        return Ok((archives, Some(Last { path, error: None })));
    }
    let error = match Archive::open(path) {
        Ok(archive) => {
            archives.push(archive);
            return Ok((archives, None));
        }
        Err(error) if archives.is_empty() => return Err(error.into()),
        Err(ArchiveError::NotAnArchive { .. }) => None,
        Err(ArchiveError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => None,
        Err(error) => Some(error),
    };
    Ok((archives, Some(Last { path, error })))
}

impl Last<'_> {
    fn find(self, archives: &[Archive], kind: Option<Kind>) -> Result<Lineage> {
        let Some(text) = self.path.to_str() else {
            return self.find_file(archives, None);
        };
        if let Some(digits) = text.strip_prefix(DIGEST_PREFIX) {
            let digest = digits.parse().map_err(CliError::usage)?;
            return Ok(lineage(
                archives,
                &LineageQuery::File(text.to_owned(), digest),
                kind,
            )?);
        }
        match lineage(archives, &LineageQuery::Object(text.to_owned()), kind) {
            Err(error @ ReportError::NotFound { .. }) => self.find_file(archives, Some(error)),
            found => Ok(found?),
        }
    }

    fn find_file(self, archives: &[Archive], missing: Option<ReportError>) -> Result<Lineage> {
        if !self.path.is_file() {
            return Err(match (self.error, missing) {
                (Some(error), _) => error.into(),
                (None, Some(missing)) if !self.path.exists() => missing.into(),
                _ => CliError::usage(format!(
                    "`{}` is not an archive, an object or a file",
                    shown(self.path)
                )),
            });
        }
        let asked = LineageQuery::File(self.path.to_string_lossy().into_owned(), digest_of(self.path)?);
        match (lineage(archives, &asked, None), self.error) {
            (Err(ReportError::NoBytes { .. }), Some(error)) => Err(error.into()),
            (found, _) => Ok(found?),
        }
    }
}

fn digest_of(path: &Path) -> Result<Digest> {
    let file = File::open(path).map_err(ArchiveError::io("open", path))?;
    Ok(crate::archive::digest_of(file).map_err(ArchiveError::io("read", path))?)
}
