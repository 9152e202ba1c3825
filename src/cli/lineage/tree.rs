//! A chain for people: archives, then each object that was asked for as a tree.

use crate::cli::table::HEADING;
use crate::cli::{Screen, bytes, counted, counted_kind};
use crate::format::Kind;
use crate::model::printable::printable;
use crate::report::lineage::{ArchiveFacts, Edge, Evidence, Hop, Lineage, LineageNode, Overview, Relation};
use crate::report::text::{shortened, time_text};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::{self, Write};

/// Objects that are further down are not moved further to the right.
const DEEPEST: usize = 24;
/// Longer texts are cut.
const TEXT_CHARACTERS: usize = 120;
/// Longer rows about an archive are cut.
const ROW_CHARACTERS: usize = 1000;

fn text(text: &str) -> String {
    printable(&shortened(text, TEXT_CHARACTERS)).into_owned()
}

/// Prints a chain.
pub(super) fn print<W: Write>(screen: &mut Screen<W>, lineage: &Lineage) -> io::Result<()> {
    for archive in &lineage.archives {
        print_archive(screen, archive)?;
    }
    let mut tree = Tree::new(lineage);
    match &lineage.file {
        None => {
            for &root in &lineage.roots {
                writeln!(screen)?;
                tree.print(screen, root, 0)?;
            }
        }
        Some(file) => {
            writeln!(screen)?;
            screen.styled(HEADING, format_args!("file {}", text(&lineage.asked)))?;
            writeln!(screen, "  {}, SHA-256 {}", bytes(file.size_bytes), file.sha256)?;
            for artifact in &file.artifacts {
                writeln!(screen, "  is {} of", text(&artifact.path))?;
                tree.print(screen, artifact.node, 2)?;
            }
            if file.more > 0 {
                writeln!(screen, "  … {} more", counted(file.more, "artifacts"))?;
            }
        }
    }
    if lineage.left_out > 0 {
        writeln!(
            screen,
            "\nat least {} left out",
            counted(lineage.left_out, "objects are")
        )?;
    }
    for note in &lineage.notes {
        writeln!(screen, "\nnote: {}", text(note))?;
    }
    Ok(())
}

/// Prints an archive and where its objects were first.
pub(super) fn print_overview<W: Write>(screen: &mut Screen<W>, overview: &Overview) -> io::Result<()> {
    print_archive(screen, &overview.archive)?;
    for origin in &overview.origins {
        let objects = origin
            .objects
            .iter()
            .map(|(&kind, &count)| counted_kind(count, kind));
        let objects: Vec<_> = objects.collect();
        let place = origin
            .place
            .as_deref()
            .map_or("an unknown place".to_owned(), text);
        let hops = if origin.hops == 0 {
            String::new()
        } else {
            format!(", {} ago", counted(origin.hops, "hops"))
        };
        row(screen, "from", &format!("{place}{hops}: {}", objects.join(", ")))?;
    }
    if overview.origins.is_empty() {
        row(screen, "from", "no object names an earlier place")?;
    }
    if overview.wrong > 0 {
        let words = format!("tags of {}", counted(overview.wrong, "objects"));
        row(screen, "wrong", &words)?;
    }
    Ok(())
}

fn print_archive<W: Write>(screen: &mut Screen<W>, archive: &ArchiveFacts) -> io::Result<()> {
    screen.styled(HEADING, format_args!("archive {}", printable(&archive.path)))?;
    writeln!(screen)?;
    let source = &archive.source;
    let version = source.mlflow_version.as_ref();
    let version = version.map_or(String::new(), |version| format!(", MLflow {version}"));
    let words = format!("{} ({}{version})", source.uri, source.kind);
    row(screen, "source", &words)?;
    row(screen, "origin", &archive.origin)?;
    let words = format!("{} by {}", archive.created, archive.tool);
    row(screen, "created", &words)?;
    row(screen, "content id", &archive.content_id.to_string())?;
    for entry in &archive.history {
        let of = &entry.parent_content_id.hex();
        let words = format!("{} at {}, from {}", entry.name, entry.time, &of.as_str()[..12]);
        row(screen, "edited", &words)?;
    }
    Ok(())
}

fn row<W: Write>(screen: &mut Screen<W>, name: &str, value: &str) -> io::Result<()> {
    writeln!(
        screen,
        "  {name:<12}{}",
        printable(&shortened(value, ROW_CHARACTERS))
    )
}

/// In which direction links are followed below an object.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    /// To what it came from.
    Up,
    /// To what came from it.
    Down,
    /// To both.
    Both,
}

/// An object that is to be printed below another.
struct Branch {
    words: &'static str,
    node: usize,
    depth: usize,
    direction: Direction,
}

struct Tree<'l> {
    lineage: &'l Lineage,
    up: BTreeMap<usize, Vec<Edge>>,
    down: BTreeMap<usize, Vec<Edge>>,
    /// Names of experiments by origin and id.
    experiments: BTreeMap<(&'l str, &'l str), &'l str>,
    printed: BTreeSet<usize>,
}

impl<'l> Tree<'l> {
    fn new(lineage: &'l Lineage) -> Self {
        let (mut up, mut down) = (BTreeMap::<_, Vec<Edge>>::new(), BTreeMap::<_, Vec<Edge>>::new());
        for &edge in &lineage.edges {
            up.entry(edge.from).or_default().push(edge);
            down.entry(edge.to).or_default().push(edge);
        }
        let experiments = lineage.nodes.iter().filter(|node| node.kind == Kind::Experiments);
        let named =
            |node: &'l LineageNode| Some(((node.origin.as_str(), node.id.as_str()), node.name.as_deref()?));
        Tree {
            lineage,
            up,
            down,
            experiments: experiments.filter_map(named).collect(),
            printed: BTreeSet::new(),
        }
    }

    fn print<W: Write>(&mut self, screen: &mut Screen<W>, root: usize, depth: usize) -> io::Result<()> {
        let mut pending = vec![Branch {
            words: "",
            node: root,
            depth,
            direction: Direction::Both,
        }];
        while let Some(branch) = pending.pop() {
            let node = &self.lineage.nodes[branch.node];
            let is_new = self.printed.insert(branch.node);
            let indent = "  ".repeat(branch.depth.min(DEEPEST));
            let title = self.title(branch.node);
            if branch.words.is_empty() {
                write!(screen, "{indent}")?;
                screen.styled(HEADING, title)?;
            } else {
                write!(screen, "{indent}{} {title}", branch.words)?;
            }
            if !is_new {
                writeln!(screen, " (see above)")?;
                continue;
            }
            writeln!(screen)?;
            self.details(screen, node, &format!("{indent}    "))?;
            self.push_branches(&branch, &mut pending);
        }
        Ok(())
    }

    /// Puts what follows an object on the stack, the first of it last.
    fn push_branches(&self, branch: &Branch, pending: &mut Vec<Branch>) {
        let mut branches = Vec::new();
        let follow = |edges: &BTreeMap<usize, Vec<Edge>>| {
            let edges = edges.get(&branch.node).cloned().unwrap_or_default();
            edges.into_iter().filter(|edge| edge.relation != Relation::In)
        };
        if branch.direction != Direction::Down {
            branches.extend(follow(&self.up).map(|edge| (edge.to, up_words(edge.relation), Direction::Up)));
        }
        if branch.direction != Direction::Up {
            branches.extend(
                follow(&self.down).map(|edge| (edge.from, down_words(edge.relation), Direction::Down)),
            );
        }
        pending.extend(branches.into_iter().rev().map(|(node, words, direction)| Branch {
            words,
            node,
            depth: branch.depth + 1,
            direction,
        }));
    }

    /// An object on one line.
    fn title(&self, number: usize) -> String {
        let node = &self.lineage.nodes[number];
        let mut title = format!("{} {}", node.kind.singular(), text(&node.id));
        if let Some(name) = node
            .name
            .as_ref()
            .filter(|name| **name != node.id && node.kind != Kind::Datasets)
        {
            let _ = write!(title, " \"{}\"", text(name));
        }
        if let Some(workspace) = node.workspace.as_ref().filter(|name| *name != "default") {
            let _ = write!(title, " in workspace {}", text(workspace));
        }
        if node.archives.is_empty() {
            title.push_str(", not in the archive");
        }
        title
    }

    fn details<W: Write>(&self, screen: &mut Screen<W>, node: &LineageNode, indent: &str) -> io::Result<()> {
        let mut parts: Vec<String> = Vec::new();
        parts.extend(node.status.as_deref().map(text));
        parts.extend(node.user.as_deref().map(|user| format!("by {}", text(user))));
        parts.extend(node.start_time.map(time_text));
        parts.extend(self.experiment(node));
        if self.lineage.archives.len() > 1 {
            let path = |&archive: &usize| printable(&self.lineage.archives[archive].path).into_owned();
            parts.extend(node.archives.iter().map(path));
        }
        if !parts.is_empty() {
            writeln!(screen, "{indent}{}", parts.join(", "))?;
        }
        for (name, value) in &node.facts {
            writeln!(screen, "{indent}{}: {}", name.replace('_', " "), text(value))?;
        }
        for (number, hop) in node.hops.iter().enumerate() {
            writeln!(screen, "{indent}was {}", hop_text(hop))?;
            if number == 0 && node.folded_hops > 0 {
                writeln!(screen, "{indent}… {}", counted(node.folded_hops, "hops"))?;
            }
        }
        Ok(())
    }

    fn experiment(&self, node: &LineageNode) -> Option<String> {
        let id = node.experiment_id.as_ref()?;
        let name = self.experiments.get(&(node.origin.as_str(), id.as_str()));
        Some(match name {
            Some(name) => format!("experiment {} \"{}\"", text(id), text(name)),
            None => format!("experiment {}", text(id)),
        })
    }
}

/// A place where an object was.
fn hop_text(hop: &Hop) -> String {
    let mut shown = text(&hop.id);
    if let Some(place) = hop.server.as_ref().or(hop.origin.as_ref()) {
        let _ = write!(shown, " at {}", text(place));
    }
    if let Some(time) = &hop.time {
        let _ = write!(shown, " until {}", text(time));
    }
    let mut remarks = Vec::new();
    remarks.extend(hop.tool.as_deref().map(text));
    remarks.extend(
        hop.archive
            .as_ref()
            .map(|id| format!("archive {}", text(id.get(..12).unwrap_or(id)))),
    );
    remarks.extend(hop.recovered.map(|evidence| {
        let by = match evidence {
            Evidence::SourceTags => "its source tags",
            Evidence::Mark => "the mark of an import",
            Evidence::Merge => "a merge of archives",
        };
        format!("according to {by}")
    }));
    if !remarks.is_empty() {
        let _ = write!(shown, " ({})", remarks.join(", "));
    }
    shown
}

fn up_words(relation: Relation) -> &'static str {
    match relation {
        Relation::CopyOf => "copy of",
        Relation::MadeOf => "made of",
        Relation::CopiedFrom => "copied from",
        Relation::MadeBy => "made by",
        Relation::ChildOf => "child of",
        Relation::Read => "read",
        Relation::LinkedTo => "linked to",
        Relation::VersionOf => "version of",
        Relation::In => "in",
    }
}

fn down_words(relation: Relation) -> &'static str {
    match relation {
        Relation::CopyOf => "copied as",
        Relation::MadeOf => "registered as",
        Relation::CopiedFrom => "copied to",
        Relation::MadeBy => "made",
        Relation::ChildOf => "parent of",
        Relation::Read => "read by",
        Relation::LinkedTo => "linked from",
        Relation::VersionOf => "has",
        Relation::In => "holds",
    }
}
