//! The codes of what an archive or a target does not hold, and why (docs/losses.md).
//!
//! The program speaks of [`Reason`]s. Files keep their text: an [`AnyReason`] read from one may be of a newer version.

use crate::model::named::named;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize, Serializer};
use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;

named! {
    /// Why something is a limit, a failure, or left out; a code keeps its text and its meaning for ever.
    #[non_exhaustive]
    pub enum Reason {
        AbsentAsDefault = "absent-as-default",
        AliasRefused = "alias-refused",
        Archived = "archived",
        AskedByExperiment = "asked-by-experiment",
        BadField = "bad-field",
        BadJson = "bad-json",
        BadPoint = "bad-point",
        ChangedWhileRead = "changed-while-read",
        ClearedByServer = "cleared-by-server",
        CutByServer = "cut-by-server",
        Deleted = "deleted",
        DeletedExperiment = "deleted-experiment",
        DeletedInTarget = "deleted-in-target",
        DeletedNotHeld = "deleted-not-held",
        DeletedNotShown = "deleted-not-shown",
        Differs = "differs",
        DiffersFromRunName = "differs-from-run-name",
        DiffersFromSourceVersion = "differs-from-source-version",
        DiffersInTarget = "differs-in-target",
        Duplicate = "duplicate",
        EmptyDirectory = "empty-directory",
        EmptyNotShown = "empty-not-shown",
        ExperimentIdTooLarge = "experiment-id-too-large",
        ExperimentNotInArchive = "experiment-not-in-archive",
        ExportFailed = "export-failed",
        FilteredView = "filtered-view",
        IdChosenByServer = "id-chosen-by-server",
        IdMismatch = "id-mismatch",
        Infinity = "infinity",
        IntegersAsDoubles = "integers-as-doubles",
        KeptAsArtifact = "kept-as-artifact",
        KeyRefused = "key-refused",
        KeyTooLong = "key-too-long",
        KindSetByServer = "kind-set-by-server",
        LatestAsHistory = "latest-as-history",
        LatestNotInHistory = "latest-not-in-history",
        LinkBroken = "link-broken",
        LinkLoop = "link-loop",
        LinkOutside = "link-outside",
        LinkedFromOtherShard = "linked-from-other-shard",
        ListedButMissing = "listed-but-missing",
        MadeUp = "made-up",
        Missing = "missing",
        MissingColumn = "missing-column",
        MissingDirectory = "missing-directory",
        MissingFile = "missing-file",
        MissingTable = "missing-table",
        ModelNotInTarget = "model-not-in-target",
        NameAsAnother = "name-as-another",
        NameInTwoWorkspaces = "name-in-two-workspaces",
        NameNotServed = "name-not-served",
        NameNotUtf8 = "name-not-utf8",
        NameRefused = "name-refused",
        NameTaken = "name-taken",
        NameTooLong = "name-too-long",
        NanAsZero = "nan-as-zero",
        NanRefused = "nan-refused",
        NegativeTimestamp = "negative-timestamp",
        NegativeZero = "negative-zero",
        NewerVersion = "newer-version",
        NoArtifactProxy = "no-artifact-proxy",
        NoCall = "no-call",
        NoDatasetBody = "no-dataset-body",
        NoMeta = "no-meta",
        NoName = "no-name",
        NoPlaceInTarget = "no-place-in-target",
        NoPoints = "no-points",
        NoValue = "no-value",
        NoWorkspacesInTarget = "no-workspaces-in-target",
        NotAFile = "not-a-file",
        NotANumber = "not-a-number",
        NotAPoint = "not-a-point",
        NotATable = "not-a-table",
        NotAnExport = "not-an-export",
        NotExported = "not-exported",
        NotHeld = "not-held",
        NotInArchive = "not-in-archive",
        NotInBulkHistory = "not-in-bulk-history",
        NotInExport = "not-in-export",
        NotInOldLayout = "not-in-old-layout",
        NotJson = "not-json",
        NotListed = "not-listed",
        NotOursToDelete = "not-ours-to-delete",
        NotReadable = "not-readable",
        NotSelected = "not-selected",
        NotShown = "not-shown",
        ReplacedCharacters = "not-utf-8",
        NotUtf8 = "not-utf8",
        NotYaml = "not-yaml",
        NulReplaced = "nul-replaced",
        OnlyNamesExported = "only-names-exported",
        Orphan = "orphan",
        OutsideSource = "outside-source",
        OverrideEachOther = "override-each-other",
        ParentNotInArchive = "parent-not-in-archive",
        ParentNotInExport = "parent-not-in-export",
        ParentNotInTarget = "parent-not-in-target",
        PathChangedByServer = "path-changed-by-server",
        PathNotListedByServer = "path-not-listed-by-server",
        PathRefused = "path-refused",
        PerhapsHidden = "perhaps-hidden",
        PromptAliasesNotExported = "prompt-aliases-not-exported",
        PromptTagsNotExported = "prompt-tags-not-exported",
        PromptTextReformatted = "prompt-text-reformatted",
        RefusedByDatabricks = "refused-by-databricks",
        RefusedByTarget = "refused-by-target",
        RemoteUri = "remote-uri",
        RepeatedPoint = "repeated-point",
        ReservedPromptTagsNotExported = "reserved-prompt-tags-not-exported",
        RewrittenByServer = "rewritten-by-server",
        RunNotInExport = "run-not-in-export",
        RunNotInTarget = "run-not-in-target",
        SourceRefused = "source-refused",
        SourceRunNotInTarget = "source-run-not-in-target",
        SourceVersionNotInTarget = "source-version-not-in-target",
        SourceWithoutRun = "source-without-run",
        SpecialFile = "special-file",
        SqlInfinity = "sql-infinity",
        Stray = "stray",
        SymlinkBroken = "symlink-broken",
        SymlinkLoop = "symlink-loop",
        SymlinkOutside = "symlink-outside",
        TargetTooOld = "target-too-old",
        TraceIdTaken = "trace-id-taken",
        UnknownColumn = "unknown-column",
        Unlisted = "unlisted",
        Unreadable = "unreadable",
        UnstableListing = "unstable-listing",
        UnterminatedFile = "unterminated-file",
        UnterminatedLine = "unterminated-line",
        Unwritable = "unwritable",
        ValueTooLong = "value-too-long",
        VersionNotInTarget = "version-not-in-target",
        VersionNumber = "version-number",
        WrongId = "wrong-id",
        WrongPath = "wrong-path",
        WrongType = "wrong-type",
        ZeroAsAbsent = "zero-as-absent",
        ZeroNotShown = "zero-not-shown",
    }
}

impl Reason {
    /// Whether no server tells it, of anything: an export of one has these limits always.
    pub fn is_expected(self) -> bool {
        matches!(
            self,
            Reason::DeletedNotShown | Reason::EmptyNotShown | Reason::NotShown | Reason::ZeroNotShown
        )
    }

    /// Whether something waits for what is not in the target, and may be there by a later import.
    pub fn is_not_in_target(self) -> bool {
        matches!(
            self,
            Reason::ModelNotInTarget
                | Reason::ParentNotInTarget
                | Reason::RunNotInTarget
                | Reason::SourceRunNotInTarget
                | Reason::SourceVersionNotInTarget
                | Reason::VersionNotInTarget
        )
    }

    /// Whether it is about the source of a version.
    pub fn is_about_source(self) -> bool {
        matches!(
            self,
            Reason::SourceRefused
                | Reason::SourceRunNotInTarget
                | Reason::SourceVersionNotInTarget
                | Reason::SourceWithoutRun
        )
    }
}

/// A reason as a file has it; ordered by its text.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "String")]
pub enum AnyReason {
    /// One of this version.
    Known(Reason),
    /// One of another version.
    Other(String),
}

impl AnyReason {
    /// The text in files and messages.
    pub fn as_str(&self) -> &str {
        match self {
            AnyReason::Known(reason) => reason.as_str(),
            AnyReason::Other(text) => text,
        }
    }

    /// The reason, where this version knows it.
    pub fn known(&self) -> Option<Reason> {
        match self {
            AnyReason::Known(reason) => Some(*reason),
            AnyReason::Other(_) => None,
        }
    }
}

impl From<Reason> for AnyReason {
    fn from(reason: Reason) -> Self {
        AnyReason::Known(reason)
    }
}

impl From<String> for AnyReason {
    fn from(text: String) -> Self {
        Reason::from_text(&text).map_or(AnyReason::Other(text), AnyReason::Known)
    }
}

impl PartialEq<Reason> for AnyReason {
    fn eq(&self, reason: &Reason) -> bool {
        self.known() == Some(*reason)
    }
}

impl Ord for AnyReason {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_str().cmp(other.as_str())
    }
}

impl PartialOrd for AnyReason {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for AnyReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for AnyReason {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl JsonSchema for AnyReason {
    fn schema_name() -> Cow<'static, str> {
        String::schema_name()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        String::json_schema(generator)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_has_one_text_and_its_place() {
        assert!(Reason::ALL.is_sorted_by(|a, b| a.as_str() < b.as_str()));
        for &reason in Reason::ALL {
            assert_eq!(Reason::from_text(reason.as_str()), Some(reason));
        }
    }

    #[test]
    fn a_reason_of_another_version_keeps_its_text() {
        let texts = r#"["not-held","of-a-newer-version"]"#;
        let reasons: Vec<AnyReason> = serde_json::from_str(texts).unwrap();
        assert_eq!(reasons[0], Reason::NotHeld);
        assert_eq!(reasons[1].known(), None);
        assert_eq!(serde_json::to_string(&reasons).unwrap(), texts);
    }
}
