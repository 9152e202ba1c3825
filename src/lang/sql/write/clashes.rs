//! Names that are one to a target, and two in an archive: MySQL takes `loss` and `Loss` for the same key, and `Loss ` too.
//!
//! Names in plain ASCII are compared here; where others are among those of an owner, the server says how it orders them.

use super::Result;
use super::rows::Target;
use crate::lang::sql::database::Cell;
use std::collections::HashMap;

/// Says by which bytes a server orders texts in a collation.
pub(super) type Weigh = Box<dyn Fn(&str, &str) -> Result<Vec<u8>>>;

/// Names that were taken.
pub(super) struct Clashes<'w> {
    weigh: &'w Weigh,
    groups: HashMap<Target, Group>,
}

/// Names that one owner has, or, of objects, all.
#[derive(Default)]
struct Group {
    owner: Vec<u8>,
    /// By how the server orders it, the name.
    names: HashMap<Vec<u8>, String>,
    is_weighed: bool,
    /// The one that came last, and whether it is as another.
    last: Option<(String, bool)>,
}

impl<'w> Clashes<'w> {
    pub(super) fn new(weigh: &'w Weigh) -> Self {
        Clashes {
            weigh,
            groups: HashMap::new(),
        }
    }

    /// Whether the name of a row is one with another, which differs from it.
    pub(super) fn is_as_another(
        &mut self,
        target: Target,
        row: &[Cell<'_>],
        collation: &str,
        (owner, name): (&[usize], usize),
    ) -> Result<bool> {
        let Some(Cell::Bytes(name)) = row.get(name) else {
            return Ok(false);
        };
        let name = String::from_utf8_lossy(name);
        let owner = owner_of(row, owner);
        let group = self.groups.entry(target).or_default();
        // Names of objects stay known, for their owners come and go.
        let place = if target.is_part() {
            Vec::new()
        } else {
            owner.clone()
        };
        if target.is_part() && group.owner != owner {
            *group = Group {
                owner,
                ..Group::default()
            };
        }
        match &group.last {
            Some((last, is_as_another)) if *last == name && target.is_part() => return Ok(*is_as_another),
            _ => {}
        }
        let is_as_another = group.claim(&name, collation, &place, self.weigh)?;
        group.last = Some((name.into_owned(), is_as_another));
        Ok(is_as_another)
    }
}

impl Group {
    /// Takes a name; whether another has it.
    fn claim(&mut self, name: &str, collation: &str, place: &[u8], weigh: &Weigh) -> Result<bool> {
        if !self.is_weighed && !is_plain(name, collation) {
            self.is_weighed = true;
            for (key, known) in std::mem::take(&mut self.names) {
                let length = key.len() - folded(&known, collation).len();
                let key = [&key[..length], &weighed(&known, collation, weigh)?[..]].concat();
                self.names.insert(key, known);
            }
        }
        let weight = if self.is_weighed {
            weighed(name, collation, weigh)?
        } else {
            folded(name, collation)
        };
        let known = self.names.entry([place, &weight[..]].concat());
        Ok(known.or_insert_with(|| name.to_owned()) != name)
    }
}

fn owner_of(row: &[Cell<'_>], columns: &[usize]) -> Vec<u8> {
    let mut owner = Vec::new();
    for column in columns {
        match row[*column] {
            Cell::Bytes(text) => owner.extend_from_slice(text),
            Cell::Integer(number) => owner.extend_from_slice(&number.to_le_bytes()),
            Cell::Real(_) | Cell::Null => {}
        }
        owner.push(0);
    }
    owner
}

/// Whether a collation keeps spaces at the end of a text.
fn keeps_spaces(collation: &str) -> bool {
    collation == "binary" || collation.contains("_nopad_") || collation.contains("_0900_")
}

/// Whether this program knows how a server orders a name: by its letters, or by its bytes.
fn is_plain(name: &str, collation: &str) -> bool {
    let is_known = ["_ci", "_bin", "binary"]
        .iter()
        .any(|end| collation.ends_with(end));
    is_known && name.bytes().all(|byte| matches!(byte, b' '..=b'~'))
}

fn trimmed<'n>(name: &'n str, collation: &str) -> &'n str {
    if keeps_spaces(collation) {
        name
    } else {
        name.trim_end_matches(' ')
    }
}

fn folded(name: &str, collation: &str) -> Vec<u8> {
    let name = trimmed(name, collation);
    if collation.ends_with("_ci") {
        name.to_ascii_lowercase().into_bytes()
    } else {
        name.as_bytes().to_vec()
    }
}

fn weighed(name: &str, collation: &str, weigh: &Weigh) -> Result<Vec<u8>> {
    weigh(collation, trimmed(name, collation))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that takes `é` for `e`.
    fn weigh() -> Weigh {
        Box::new(|_, name| Ok(name.to_lowercase().replace('é', "e").into_bytes()))
    }

    fn names(target: Target, collation: &str, names: &[(&str, &str)]) -> Vec<bool> {
        let weigh = weigh();
        let mut clashes = Clashes::new(&weigh);
        let claim = |(owner, name): &(&str, &str)| {
            let row = [Cell::from(*owner), Cell::from(*name)];
            clashes.is_as_another(target, &row, collation, (&[0], 1)).unwrap()
        };
        names.iter().map(claim).collect()
    }

    #[test]
    fn names_of_an_owner_are_one_by_the_rules_of_the_server() {
        let (ci, bin) = ("utf8mb4_general_ci", "utf8mb4_bin");
        let claims = [
            ("r", "Loss"),
            ("r", "loss"),
            ("r", "loss "),
            ("s", "loss"),
            ("s", "loss"),
        ];
        assert_eq!(
            names(Target::Params, ci, &claims),
            [false, true, true, false, false]
        );
        assert_eq!(
            names(Target::Params, bin, &claims),
            [false, false, true, false, false]
        );
        assert_eq!(
            names(Target::Params, "utf8mb4_0900_ai_ci", &claims),
            [false, true, false, false, false]
        );
        let claims = [
            ("r", "cafe"),
            ("r", "other"),
            ("r", "café"),
            ("r", "OTHER"),
            ("r", "cafe"),
        ];
        assert_eq!(
            names(Target::Params, ci, &claims),
            [false, false, true, true, false]
        );
    }

    #[test]
    fn names_of_objects_stay_known_while_their_owners_come_and_go() {
        let claims = [
            ("a", "Wine"),
            ("b", "wine"),
            ("a", "wine"),
            ("b", "wïne"),
            ("a", "WINE"),
        ];
        assert_eq!(
            names(Target::RegisteredModels, "utf8mb4_general_ci", &claims),
            [false, false, true, false, true]
        );
    }
}
