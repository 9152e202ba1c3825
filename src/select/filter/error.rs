//! Why a filter cannot be read.

use crate::model::printable::printable;

/// The most characters of a filter that an error tells.
const TOLD: usize = 60;

/// A filter, an order or a column that cannot be read: MLflow's reason, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}, at character {} (`{}`)", printable(.reason), .character, printable(.near))]
pub struct FilterError {
    reason: String,
    character: usize,
    near: String,
}

impl FilterError {
    /// An error at a place of a text, in bytes.
    pub(super) fn new(reason: impl Into<String>, text: &str, start: usize) -> Self {
        let (before, after) = text.split_at(start);
        let mut near: String = after.chars().take(TOLD).collect();
        if near.len() < after.len() {
            near.push('…');
        }
        FilterError {
            reason: reason.into(),
            character: before.chars().count() + 1,
            near,
        }
    }

    /// The reason, in MLflow's words where MLflow refuses it too.
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// Where it begins, in characters from 1.
    pub fn character(&self) -> usize {
        self.character
    }
}

/// A text in a reason, which is cut where it is long.
pub(super) fn cut(text: &str) -> String {
    let most = 500;
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
