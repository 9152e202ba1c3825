//! What a filter consists of: clauses, all of which a run must meet.

/// What is compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Subject {
    /// The latest value of a metric.
    Metric(String),
    Param(String),
    Tag(String),
    Attribute(Attribute),
    Dataset(DatasetField),
}

/// What a run is beside its params, metrics and tags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Attribute {
    RunId,
    RunName,
    UserId,
    Status,
    ArtifactUri,
    StartTime,
    EndTime,
    /// Only as a column.
    ExperimentId,
    /// Only as a column.
    LifecycleStage,
}

impl Attribute {
    /// An attribute by MLflow's name, or one of its other names.
    pub(super) fn of(name: &str) -> Option<Self> {
        Some(match name {
            "run_id" => Attribute::RunId,
            "run_name" | "run name" | "Run name" | "Run Name" => Attribute::RunName,
            "user_id" => Attribute::UserId,
            "status" => Attribute::Status,
            "artifact_uri" => Attribute::ArtifactUri,
            "start_time" | "created" | "Created" => Attribute::StartTime,
            "end_time" => Attribute::EndTime,
            _ => return None,
        })
    }

    /// An attribute to order by, of which fewer other names are known.
    pub(super) fn of_order(name: &str) -> Option<Self> {
        Attribute::of(name).filter(|_| !name.contains(' '))
    }

    pub(super) fn is_time(self) -> bool {
        matches!(self, Attribute::StartTime | Attribute::EndTime)
    }
}

/// What is compared of the datasets that a run read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DatasetField {
    Name,
    Digest,
    /// The tag `mlflow.data.context` of what links the two.
    Context,
}

impl DatasetField {
    pub(super) fn of(name: &str) -> Option<Self> {
        Some(match name {
            "name" => DatasetField::Name,
            "digest" => DatasetField::Digest,
            "context" => DatasetField::Context,
            _ => return None,
        })
    }
}

/// How numbers are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NumberOperator {
    Greater,
    GreaterOrEqual,
    Equal,
    NotEqual,
    LessOrEqual,
    Less,
}

/// How texts are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TextOperator {
    Equal,
    NotEqual,
    Like,
    Ilike,
}

/// A number of a filter.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Number {
    /// Beyond what any time is, the nearest that is held.
    Integer(i64),
    Float(f64),
}

/// What a run is asked.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Test {
    Number(NumberOperator, Number),
    Text(TextOperator, String),
    /// Whether it is among the texts.
    In(Vec<String>),
    NotIn(Vec<String>),
    IsNull,
    IsNotNull,
}

/// One comparison.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Clause {
    pub(super) subject: Subject,
    pub(super) test: Test,
}

impl NumberOperator {
    pub(super) const ALL: [(&str, NumberOperator); 6] = [
        ("!=", NumberOperator::NotEqual),
        ("<", NumberOperator::Less),
        ("<=", NumberOperator::LessOrEqual),
        ("=", NumberOperator::Equal),
        (">", NumberOperator::Greater),
        (">=", NumberOperator::GreaterOrEqual),
    ];
}

impl TextOperator {
    pub(super) const ALL: [(&str, TextOperator); 4] = [
        ("!=", TextOperator::NotEqual),
        ("=", TextOperator::Equal),
        ("ILIKE", TextOperator::Ilike),
        ("LIKE", TextOperator::Like),
    ];
}
