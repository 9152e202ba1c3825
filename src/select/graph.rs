//! What the objects of an archive name of one another, by number: a bit for each object and eight bytes for each reference to one that is
//! there. Ids are held nowhere: references find their objects by sorting both in bounded memory.

use crate::archive::{Archive, ArchiveError, Result, SpillSorter};
use crate::format::Kind;
use std::io;

/// Memory in which ids are sorted.
const SORTED_BYTES: usize = 1 << 20;

/// Kinds of objects that have numbers; each begins where the one before ends.
const KINDS: [Kind; 5] = [
    Kind::Runs,
    Kind::LoggedModels,
    Kind::ModelVersions,
    Kind::Traces,
    Kind::Datasets,
];

/// The number of an object among all.
pub(crate) type Node = u32;

/// Where the numbers of each kind begin.
#[derive(Debug, Clone, Copy, Default)]
struct Numbers {
    begins: [u64; KINDS.len()],
    count: u64,
}

impl Numbers {
    fn of(archive: &Archive) -> Self {
        let mut numbers = Numbers::default();
        for (begin, kind) in numbers.begins.iter_mut().zip(KINDS) {
            *begin = numbers.count;
            numbers.count = numbers.count.saturating_add(archive.manifest().count(kind));
        }
        numbers
    }

    fn marks(&self) -> Marks {
        Marks(vec![0; usize::try_from(self.count.div_ceil(64)).unwrap_or(0)])
    }

    /// The number of the object that stands at a place among its kind, from 0.
    fn node(&self, kind: Kind, place: u64) -> io::Result<Node> {
        let at = KINDS.iter().position(|known| *known == kind);
        let node = at.and_then(|at| {
            // Edits add datasets alone, after all that the archive has: the last kind has no end.
            let end = self.begins.get(at + 1).copied().unwrap_or(u64::MAX);
            let node = self.begins[at].checked_add(place);
            node.filter(|node| *node < end).map(Node::try_from)
        });
        node.and_then(std::result::Result::ok)
            .ok_or_else(|| io::Error::other(format!("more {kind} than can be numbered")))
    }
}

/// Which way a reference leads.
#[derive(Clone, Copy)]
enum Way {
    /// From who names to what is named.
    There = 1,
    /// The other way.
    Back = 2,
}

const DEFINED: u8 = 0;

/// Collects objects and what they name.
pub(crate) struct GraphBuilder {
    numbers: Numbers,
    sorter: SpillSorter,
    has_references: bool,
}

impl GraphBuilder {
    /// For the objects of an archive.
    pub(crate) fn new(archive: &Archive) -> Self {
        GraphBuilder {
            numbers: Numbers::of(archive),
            sorter: SpillSorter::with_memory(&std::env::temp_dir(), SORTED_BYTES),
            has_references: false,
        }
    }

    /// No object marked.
    pub(crate) fn marks(&self) -> Marks {
        self.numbers.marks()
    }

    /// Tells of an object by its place among its kind; its number.
    pub(crate) fn define(&mut self, kind: Kind, id: &str, place: u64) -> Result<Node> {
        let node = self.nameless(kind, place)?;
        self.push(kind, id, DEFINED, node)?;
        Ok(node)
    }

    /// The number of an object that nothing names.
    pub(crate) fn nameless(&self, kind: Kind, place: u64) -> Result<Node> {
        self.numbers.node(kind, place).map_err(ArchiveError::temporary)
    }

    /// Says that who takes an object takes another too, which need not be there.
    pub(crate) fn need(&mut self, from: Node, kind: Kind, id: &str) -> Result<()> {
        self.refer(kind, id, Way::There, from)
    }

    /// Says that who takes something takes this object too.
    pub(crate) fn follow(&mut self, kind: Kind, id: &str, to: Node) -> Result<()> {
        self.refer(kind, id, Way::Back, to)
    }

    fn refer(&mut self, kind: Kind, id: &str, way: Way, node: Node) -> Result<()> {
        if id.is_empty() {
            return Ok(());
        }
        self.has_references = true;
        self.push(kind, id, way as u8, node)
    }

    /// The length before an id keeps ids apart that begin alike; of one id, what it is comes before what refers to it.
    fn push(&mut self, kind: Kind, id: &str, role: u8, node: Node) -> Result<()> {
        let length = u32::try_from(id.len()).map_err(io::Error::other);
        let length = length.map_err(ArchiveError::temporary)?;
        let mut key = Vec::with_capacity(id.len() + 6);
        key.push(kind as u8);
        key.extend(length.to_be_bytes());
        key.extend(id.as_bytes());
        key.push(role);
        let pushed = self.sorter.push(key, node.to_le_bytes().to_vec());
        pushed.map_err(ArchiveError::temporary)
    }

    /// Leads each reference to its object.
    pub(crate) fn finish(self) -> Result<Graph> {
        let mut edges = Vec::new();
        let mut defined: (Vec<u8>, Node) = Default::default();
        let records = self.has_references.then(|| self.sorter.finish()).transpose();
        let records = records.map_err(ArchiveError::temporary)?;
        for record in records.into_iter().flatten() {
            let (mut key, value) = record.map_err(ArchiveError::temporary)?;
            let role = key.pop();
            let node = Node::from_le_bytes(value.try_into().unwrap_or_default());
            match role {
                Some(DEFINED) => defined = (key, node),
                Some(role) if key == defined.0 => edges.push(match role == Way::There as u8 {
                    true => (node, defined.1),
                    false => (defined.1, node),
                }),
                _ => {}
            }
        }
        edges.sort_unstable();
        edges.dedup();
        Ok(Graph {
            numbers: self.numbers,
            edges,
        })
    }
}

/// Objects, and which others each brings.
#[derive(Debug)]
pub(crate) struct Graph {
    numbers: Numbers,
    edges: Vec<(Node, Node)>,
}

impl Graph {
    /// No object marked.
    pub(crate) fn marks(&self) -> Marks {
        self.numbers.marks()
    }

    /// Whether an object is of a kind.
    pub(crate) fn is(&self, kind: Kind, node: Node) -> bool {
        let begins = &self.numbers.begins;
        let at = begins.partition_point(|begin| *begin <= u64::from(node));
        at.checked_sub(1).is_some_and(|at| KINDS[at] == kind)
    }

    /// Who brings what, in the order of numbers.
    pub(crate) fn edges(&self) -> impl Iterator<Item = (Node, Node)> {
        self.edges.iter().copied()
    }

    /// The number of an object; none where it is none of the archive's.
    pub(crate) fn node(&self, kind: Kind, place: u64) -> Option<Node> {
        self.numbers.node(kind, place).ok()
    }

    /// What an object brings.
    pub(crate) fn brought_by(&self, node: Node) -> impl Iterator<Item = Node> {
        let start = self.edges.partition_point(|(from, _)| *from < node);
        let edges = self.edges[start..].iter();
        edges
            .take_while(move |(from, _)| *from == node)
            .map(|(_, to)| *to)
    }

    /// Marks objects and all that they bring.
    pub(crate) fn close(&self, marks: &mut Marks, mut open: Vec<Node>) {
        open.retain(|node| marks.insert(*node));
        while let Some(node) = open.pop() {
            open.extend(self.brought_by(node).filter(|to| marks.insert(*to)));
        }
    }
}

/// Some objects.
#[derive(Debug, Default)]
pub(crate) struct Marks(Vec<u64>);

impl Marks {
    /// Marks an object; whether it was not.
    pub(crate) fn insert(&mut self, node: Node) -> bool {
        let bit = 1 << (node % 64);
        let is_new = !self.contains(node);
        let at = node as usize / 64;
        if at >= self.0.len() {
            self.0.resize(at + 1, 0);
        }
        self.0[at] |= bit;
        is_new
    }

    /// Marks an object no longer.
    pub(crate) fn remove(&mut self, node: Node) {
        if let Some(word) = self.0.get_mut(node as usize / 64) {
            *word &= !(1 << (node % 64));
        }
    }

    /// All that are marked, in their order.
    pub(crate) fn all(&self) -> impl Iterator<Item = Node> {
        let words = (0..).step_by(64).zip(&self.0);
        words.flat_map(|(first, word)| {
            (0..64)
                .filter(move |bit| word & (1 << bit) != 0)
                .map(move |bit| first + bit)
        })
    }

    /// Whether an object is marked.
    pub(crate) fn contains(&self, node: Node) -> bool {
        let word = self.0.get(node as usize / 64);
        word.is_some_and(|word| word & (1 << (node % 64)) != 0)
    }
}
