//! Tags and params that are set, removed, renamed, dropped or masked.

mod erase;
mod exim;
mod kind;
mod set;

pub(super) use self::erase::erase;
pub(super) use self::exim::drop_exim_of;
pub use self::kind::TagKind;
pub(super) use self::kind::split_kind;
pub(super) use self::set::{Texts, rename, set, unset};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What stands in place of a value that is masked.
pub(super) const MASK: &str = "***";

/// A tag, or a param, and its value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SetText {
    /// Which objects; runs where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<TagKind>,
    /// The key.
    pub key: String,
    /// Its new value.
    pub value: String,
}

/// A tag, or a param, that goes; what it was can be undone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UnsetText {
    /// Which objects; runs where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<TagKind>,
    /// The key.
    pub key: String,
}

/// A key that becomes another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RenameText {
    /// Which objects; all that have tags where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<TagKind>,
    /// The key.
    pub old: String,
    /// The new key. An object that already has both keys is an error.
    pub new: String,
}

/// Keys by glob.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EraseTexts {
    /// Which objects; all that have such keys where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<TagKind>,
    /// A glob of keys, in which `*` stands for any text.
    pub glob: String,
}

/// What becomes of a value that is not to survive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Erasure {
    Drop,
    Mask,
}
