//! From words to clauses: MLflow's rules (`SearchUtils` of MLflow 3.18) and its reasons.

use super::clause::{Attribute, Clause, Number, NumberOperator, Subject, Test, TextOperator};
use super::error::{FilterError, cut};
use super::group::{Group, GroupKind, group};
use super::identifier::{identifier, key_of};
use super::quoted::{list_of_texts, unquoted};
use super::token::{Token, TokenKind, tokens};
use crate::model::pyjson::py_str_repr;

/// The longest filter, in bytes.
const MOST_BYTES: usize = 1 << 20;

type Result<T> = std::result::Result<T, FilterError>;

/// The clauses of a filter; an empty text has none.
pub(super) fn clauses(text: &str) -> Result<Vec<Clause>> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let groups = groups(text, "filter", refuse_several)?;
    if groups.is_empty() {
        let reason = format!("Invalid filter '{}'. Could not be parsed.", cut(text));
        return Err(FilterError::new(reason, text, 0));
    }
    let parser = Parser { text };
    let comparisons = parser.comparisons(groups)?;
    let parts: Result<Vec<_>> = comparisons
        .iter()
        .map(|comparison| parser.parts(comparison))
        .collect();
    // MLflow looks at operators last, when it compares.
    let clauses = parts?.into_iter().map(|parts| parser.clause(parts));
    clauses.collect()
}

/// The words of a text, checked and put together.
pub(super) fn groups(text: &str, what: &str, check: fn(&str, &[Token]) -> Result<()>) -> Result<Vec<Group>> {
    let refused = || {
        let reason = format!("Error on parsing {what} '{}'", cut(text));
        FilterError::new(reason, text, 0)
    };
    if text.len() > MOST_BYTES {
        return Err(refused());
    }
    let tokens = tokens(text).ok_or_else(refused)?;
    check(text, &tokens)?;
    group(text, &tokens).ok_or_else(refused)
}

/// Refuses what a semicolon ends, if more follows.
fn refuse_several(text: &str, tokens: &[Token]) -> Result<()> {
    let mut depth = 0;
    for (place, token) in tokens.iter().enumerate() {
        match token.kind {
            TokenKind::Open => depth += 1,
            TokenKind::Close => depth -= 1,
            TokenKind::Semicolon if depth <= 0 && place + 1 < tokens.len() => {
                let told = py_str_repr(&cut(text));
                let reason = format!(
                    "Search filter contained multiple expression {told}. Provide AND-ed expression list."
                );
                return Err(FilterError::new(reason, text, token.start));
            }
            _ => {}
        }
    }
    Ok(())
}

struct Parser<'t> {
    text: &'t str,
}

/// What stands on both sides of an operator, and the operator.
struct Parts {
    subject: Subject,
    operator: String,
    value: Option<Value>,
    start: usize,
}

enum Value {
    Number(Number),
    Text(String),
    List(Vec<String>),
}

/// A comparison that MLflow puts together itself: `IN`, `IS NULL` and their opposites.
struct Compared {
    left: Group,
    operator: Group,
    /// In place of a word, where the operator is several.
    whole_operator: Option<&'static str>,
    right: Option<Group>,
}

impl Parser<'_> {
    fn error<T>(&self, reason: impl Into<String>, group: &Group) -> Result<T> {
        Err(FilterError::new(reason, self.text, group.start))
    }

    /// The comparisons, if there is nothing else but `AND`.
    fn comparisons(&self, groups: Vec<Group>) -> Result<Vec<Compared>> {
        let (mut comparisons, mut others) = (Vec::new(), Vec::new());
        let mut rest = groups.as_slice();
        while let Some(first) = rest.first() {
            let taken = if rest.len() < 3 {
                others.extend(rest);
                break;
            } else if first.kind != GroupKind::Identifier && first.kind != GroupKind::Alias {
                others.push(first);
                1
            } else if let Some((compared, taken)) = self.worded(rest) {
                comparisons.push((first.start, compared));
                taken
            } else {
                // MLflow looks at the next words together with these.
                let taken = rest.len().min(4);
                others.extend(&rest[..taken]);
                taken
            };
            rest = &rest[taken..];
        }
        let is_comparison = |group: &&Group| group.kind == GroupKind::Comparison;
        let (compared, others): (Vec<_>, Vec<_>) = others.into_iter().partition(is_comparison);
        let invalid: Vec<_> = others
            .into_iter()
            .filter(|group| !group.is_keyword(self.text, "AND"))
            .collect();
        if let Some(first) = invalid.first() {
            let texts: Vec<_> = invalid
                .iter()
                .map(|group| format!("'{}'", group.text(self.text)))
                .collect();
            let reason = format!("Invalid clause(s) in filter string: {}", cut(&texts.join(", ")));
            return self.error(reason, first);
        }
        comparisons.extend(compared.into_iter().filter_map(|group| {
            let [left, operator, right] = group.parts.clone().try_into().ok()?;
            let compared = Compared {
                left,
                operator,
                whole_operator: None,
                right: Some(right),
            };
            Some((group.start, compared))
        }));
        comparisons.sort_by_key(|(start, _)| *start);
        Ok(comparisons.into_iter().map(|(_, compared)| compared).collect())
    }

    /// A comparison by words at the beginning of what is left, and of how many groups it is made.
    fn worded(&self, rest: &[Group]) -> Option<(Compared, usize)> {
        let [left, second, third, ..] = rest else {
            return None;
        };
        if left.kind != GroupKind::Identifier {
            return None;
        }
        let is = |group: &Group, keyword: &str| group.is_keyword(self.text, keyword);
        let is_list = |group: &Group| group.kind == GroupKind::Parenthesis;
        let (operator, right, taken) = if is(second, "IN") && is_list(third) {
            ("IN", Some(third), 3)
        } else if is(second, "IS") && is(third, "NULL") {
            ("IS NULL", None, 3)
        } else if is(second, "IS") && is(third, "NOT NULL") {
            ("IS NOT NULL", None, 3)
        } else if is(second, "NOT") && is(third, "IN") && rest.get(3).is_some_and(is_list) {
            ("NOT IN", rest.get(3), 4)
        } else {
            return None;
        };
        let compared = Compared {
            left: left.clone(),
            operator: second.clone(),
            whole_operator: Some(operator),
            right: right.cloned(),
        };
        Some((compared, taken))
    }

    /// What is compared with what.
    fn parts(&self, compared: &Compared) -> Result<Parts> {
        let Compared { left, right, .. } = compared;
        if left.kind != GroupKind::Identifier {
            let found = cut(left.text(self.text));
            let reason = format!("Invalid comparison clause. Expected 'Identifier' found '{found}'");
            return self.error(reason, left);
        }
        let subject = identifier(left.text(self.text), Attribute::of);
        let subject = subject.or_else(|reason| self.error(reason, left))?;
        let value = match right {
            Some(right) => Some(self.value(&subject, right)?),
            None => self.no_value(&subject, left)?,
        };
        Ok(Parts {
            subject,
            operator: match compared.whole_operator {
                Some(whole) => whole.to_owned(),
                None => compared.operator.text(self.text).to_uppercase(),
            },
            value,
            start: compared.operator.start,
        })
    }

    fn no_value(&self, subject: &Subject, left: &Group) -> Result<Option<Value>> {
        if matches!(subject, Subject::Param(_) | Subject::Tag(_)) {
            return Ok(None);
        }
        let key = key_of(left.text(self.text));
        let reason = format!(
            "IS NULL / IS NOT NULL is only supported for tags and params, not for '{}' '{key}'",
            subject.entity(),
        );
        self.error(reason, left)
    }

    fn value(&self, subject: &Subject, right: &Group) -> Result<Value> {
        let text = right.text(self.text);
        let found = cut(text);
        let is_text = matches!(
            right.kind,
            GroupKind::Word(TokenKind::Single) | GroupKind::Identifier
        );
        let is_list = right.kind == GroupKind::Parenthesis;
        let reason = match subject {
            Subject::Metric(_) => match number(right.kind, text) {
                Some(Number::Integer(_)) => return self.metric_value(text, right),
                Some(number) => return Ok(Value::Number(number)),
                None => format!("Expected numeric value type for metric. Found {found}"),
            },
            Subject::Attribute(attribute) if attribute.is_time() => match number(right.kind, text) {
                Some(number) => return Ok(Value::Number(number)),
                None => format!(
                    "Expected numeric value type for numeric attribute: {}. Found {found}",
                    attribute.told()
                ),
            },
            _ if is_text => return self.quoted(text, right),
            Subject::Attribute(Attribute::RunId) | Subject::Dataset(_) if is_list => {
                return match list_of_texts(text) {
                    Some(texts) => Ok(Value::List(texts)),
                    None => self.error(no_list(text), right),
                };
            }
            Subject::Attribute(_) if is_list => {
                "Only ['run_id'] attributes support comparison with a list of quoted string values."
                    .to_owned()
            }
            Subject::Attribute(_) => {
                format!("Expected a quoted string value for attributes. Got value {found}")
            }
            Subject::Dataset(_) => {
                format!("Expected a quoted string value for dataset attributes. Got value {found}")
            }
            Subject::Param(_) | Subject::Tag(_) => format!(
                "Expected a quoted string value for {} (e.g. 'my-value'). Got value {found}",
                subject.entity()
            ),
        };
        self.error(reason, right)
    }

    fn metric_value(&self, text: &str, right: &Group) -> Result<Value> {
        match text.parse() {
            Ok(value) => Ok(Value::Number(Number::Float(value))),
            Err(_) => self.error(
                format!("Expected numeric value type for metric. Found {}", cut(text)),
                right,
            ),
        }
    }

    fn quoted(&self, text: &str, right: &Group) -> Result<Value> {
        match unquoted(text, '\'').or_else(|| unquoted(text, '"')) {
            Some(value) => Ok(Value::Text(value.to_owned())),
            None => self.error(
                format!(
                    "Parameter value is either not quoted or unidentified quote types used for string value {}. \
                     Use either single or double quotes.",
                    cut(text)
                ),
                right,
            ),
        }
    }

    fn clause(&self, parts: Parts) -> Result<Clause> {
        let (subject, operator) = (parts.subject, parts.operator);
        let test = match (operator.as_str(), parts.value) {
            ("IS NULL", None) => Some(Test::IsNull),
            ("IS NOT NULL", None) => Some(Test::IsNotNull),
            ("IN", Some(Value::List(texts))) => Some(Test::In(texts)),
            ("NOT IN", Some(Value::List(texts))) => Some(Test::NotIn(texts)),
            (name, Some(Value::Number(number))) => {
                find(&NumberOperator::ALL, name).map(|operator| Test::Number(operator, number))
            }
            (name, Some(Value::Text(text))) => {
                find(&TextOperator::ALL, name).map(|operator| Test::Text(operator, text))
            }
            _ => None,
        };
        match test {
            Some(test) => Ok(Clause { subject, test }),
            None => {
                let reason = format!(
                    "Invalid comparator '{operator}' not one of {}",
                    subject.operators()
                );
                Err(FilterError::new(reason, self.text, parts.start))
            }
        }
    }
}

fn no_list(text: &str) -> String {
    let is_empty = text.trim_matches(['(', ')', ' ']).is_empty();
    let found = if is_empty {
        "empty list"
    } else {
        "ill-formed list."
    };
    format!("While parsing a list in the query, expected a non-empty list of string values, but got {found}")
}

fn find<T: Copy>(operators: &[(&str, T)], name: &str) -> Option<T> {
    operators
        .iter()
        .find(|(text, _)| *text == name)
        .map(|(_, operator)| *operator)
}

fn number(kind: GroupKind, text: &str) -> Option<Number> {
    match kind {
        GroupKind::Word(TokenKind::Integer) => {
            let beyond = if text.starts_with('-') { i64::MIN } else { i64::MAX };
            Some(Number::Integer(text.parse().unwrap_or(beyond)))
        }
        GroupKind::Word(TokenKind::Float) => text.parse().ok().map(Number::Float),
        _ => None,
    }
}

impl Attribute {
    /// The name of a time.
    fn told(self) -> &'static str {
        if self == Attribute::EndTime {
            "end_time"
        } else {
            "start_time"
        }
    }
}

impl Subject {
    /// What MLflow calls what is compared.
    pub(super) fn entity(&self) -> &'static str {
        match self {
            Subject::Metric(_) => "metric",
            Subject::Param(_) => "parameter",
            Subject::Tag(_) => "tag",
            Subject::Attribute(_) => "attribute",
            Subject::Dataset(_) => "dataset",
        }
    }

    /// The operators that it may be compared with, as they are told.
    fn operators(&self) -> &'static str {
        match self {
            Subject::Metric(_) => "'!=', '<', '<=', '=', '>', '>='",
            Subject::Attribute(attribute) if attribute.is_time() => "'!=', '<', '<=', '=', '>', '>='",
            Subject::Param(_) | Subject::Tag(_) => "'!=', '=', 'ILIKE', 'IS NOT NULL', 'IS NULL', 'LIKE'",
            Subject::Attribute(Attribute::RunId) | Subject::Dataset(_) => {
                "'!=', '=', 'ILIKE', 'IN', 'LIKE', 'NOT IN'"
            }
            Subject::Attribute(_) => "'!=', '=', 'ILIKE', 'LIKE'",
        }
    }
}
