//! What a selection says of an object.

use crate::format::Reason;

/// Whether an object is taken, and if not, why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Kept,
    LeftOut(Reason),
}

impl Verdict {
    pub(super) const NOT_SELECTED: Verdict = Verdict::LeftOut(Reason::NotSelected);
    pub(super) const DELETED: Verdict = Verdict::LeftOut(Reason::Deleted);
}
