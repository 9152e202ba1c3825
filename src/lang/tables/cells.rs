//! Lines of an archive as rows of cells.

use super::layout::TableSpec;
use crate::archive::blob_reference;
use crate::archive::contains;
use crate::format::line::canonical;
use crate::format::strict_json::Json;
use crate::format::{Kind, Reason};
use crate::model::Double;
use crate::model::field::{ColumnType, Field};
use serde_json::{Map, Number, Value};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// The years 1 to 9998. Python knows no moment outside the years 1 to 9999, the last hours aside, and one
/// beyond what DuckDB knows makes it refuse a whole column.
const MILLIS: std::ops::Range<i64> = -62_135_596_800_000..253_370_764_800_000;

/// Entries of a map, by key.
pub(super) type Entries<'c, T> = Vec<(Cow<'c, str>, T)>;

/// A value of a row.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Cell<'c> {
    Null,
    Text(Cow<'c, str>),
    /// An integer or a moment.
    Integer(i64),
    Double(f64),
    Boolean(bool),
    TextList(Vec<Cow<'c, str>>),
    TextMap(Entries<'c, Cow<'c, str>>),
    IntegerMap(Entries<'c, i64>),
    DoubleMap(Entries<'c, f64>),
}

impl<'c> From<&'c str> for Cell<'c> {
    fn from(text: &'c str) -> Self {
        Cell::Text(text.into())
    }
}

/// What columns do not hold as it is: by kind, field and reason, how often.
pub(super) type Limits = BTreeMap<(Kind, String, Reason), u64>;

/// Makes rows, and counts what their columns do not hold as it is.
#[derive(Debug, Default)]
pub(super) struct RowMaker {
    pub(super) limits: Limits,
}

/// Why a line makes no row: a field and what is wrong with it.
type Wrong = String;

/// What became of a field.
enum Made<'c> {
    Cell(Cell<'c>),
    /// The column cannot hold it; `extra` does.
    Beyond,
}

impl RowMaker {
    /// The row of an object: a cell a column, and what has no column in `extra`.
    pub(super) fn row<'v>(
        &mut self,
        table: &TableSpec,
        object: &'v Json<'v>,
    ) -> Result<Vec<Cell<'v>>, Wrong> {
        let mut cells = Vec::with_capacity(table.columns.len() + 1);
        let mut held: Vec<&[&str]> = table.elsewhere.to_vec();
        for column in table.columns {
            match self.column(table.kind, column, object)? {
                Made::Cell(cell) => {
                    held.push(column.path);
                    cells.push(cell);
                }
                Made::Beyond => {
                    self.note(table.kind, &column.path.join("."), Reason::NotHeld);
                    cells.push(Cell::Null);
                }
            }
        }
        if table.has_extra {
            cells.push(match rest_of(object, &held) {
                None => Cell::Null,
                Some(rest) => self.json_text(table.kind, "extra", &rest).into(),
            });
        }
        Ok(cells)
    }

    /// The cell of one column.
    fn column<'v>(&mut self, kind: Kind, column: &Field, object: &'v Json<'v>) -> Result<Made<'v>, Wrong> {
        let value = column.path.iter().try_fold(object, |value, part| value.get(part));
        let Some(value) = value else {
            return Ok(Made::Cell(Cell::Null));
        };
        let field = || column.path.join(".");
        let not = |what: &str| format!("`{}` is not {what}", field());
        let cell = match column.kind {
            ColumnType::Text => Cell::Text(self.text(kind, &field, value).ok_or_else(|| not("text"))?),
            ColumnType::Integer | ColumnType::Nanos | ColumnType::Millis => {
                let number = value.as_number().filter(|number| !number.is_f64());
                let number = number.ok_or_else(|| not("an integer"))?;
                let is_held = |number: &i64| column.kind != ColumnType::Millis || MILLIS.contains(number);
                match number.as_i64().filter(is_held) {
                    Some(number) => Cell::Integer(number),
                    None => return Ok(Made::Beyond),
                }
            }
            ColumnType::Double => Cell::Double(double(value).ok_or_else(|| not("a double"))?),
            ColumnType::Boolean => Cell::Boolean(value.as_bool().ok_or_else(|| not("a boolean"))?),
            ColumnType::Json => Cell::Text(self.json_text(kind, &field(), &value.to_value()).into()),
            ColumnType::TextList => {
                let items = value.as_list().ok_or_else(|| not("a list"))?;
                let texts = items.iter().map(|item| self.text(kind, &field, item));
                Cell::TextList(
                    texts
                        .collect::<Option<_>>()
                        .ok_or_else(|| not("a list of texts"))?,
                )
            }
            ColumnType::TextMap | ColumnType::JsonMap | ColumnType::IntegerMap | ColumnType::DoubleMap => {
                let map = value.as_object().ok_or_else(|| not("a map"))?;
                return self
                    .map(kind, column, map)
                    .ok_or_else(|| not("a map of what it holds"));
            }
        };
        Ok(Made::Cell(cell))
    }

    /// The cell of a map; none where a value is not what the column holds.
    fn map<'v>(
        &mut self,
        kind: Kind,
        column: &Field,
        map: &'v [(Cow<'v, str>, Json<'v>)],
    ) -> Option<Made<'v>> {
        let field = || column.path.join(".");
        let entries = map
            .iter()
            .map(|(key, value)| (Cow::Borrowed(key.as_ref()), value));
        Some(Made::Cell(match column.kind {
            ColumnType::IntegerMap => {
                let integers = entries.map(|(key, value)| Some((key, value.as_number()?.as_i64()?)));
                match integers.collect() {
                    Some(integers) => Cell::IntegerMap(integers),
                    None if map.iter().all(|(_, value)| is_integer(value)) => {
                        return Some(Made::Beyond);
                    }
                    None => return None,
                }
            }
            ColumnType::DoubleMap => {
                // The latest point of each metric.
                let doubles = entries.map(|(key, point)| Some((key, double(point.get("value")?)?)));
                Cell::DoubleMap(doubles.collect::<Option<_>>()?)
            }
            ColumnType::JsonMap => {
                let attributes = entries.map(|(key, value)| self.attribute(kind, &field(), key, value));
                Cell::TextMap(attributes.collect())
            }
            _ => {
                let texts = entries.map(|(key, value)| Some((key, self.text(kind, &field, value)?)));
                Cell::TextMap(texts.collect::<Option<_>>()?)
            }
        }))
    }

    /// A text; what is not UTF-8 or too long for a line stands as the archive's marker.
    fn text<'v>(
        &mut self,
        kind: Kind,
        field: &dyn Fn() -> String,
        value: &'v Json<'v>,
    ) -> Option<Cow<'v, str>> {
        if let Some(text) = value.as_text() {
            return Some(text.into());
        }
        value.as_object().filter(|map| map.len() == 1)?;
        let value = value.to_value();
        let bytes = value.get("$bytes");
        let reason = if blob_reference(&value).is_some()
            || bytes.is_some_and(|bytes| blob_reference(bytes).is_some())
        {
            Reason::ValueTooLong
        } else if bytes.is_some_and(Value::is_string) {
            Reason::NotUtf8
        } else {
            return None;
        };
        self.note(kind, &field(), reason);
        Some(json_text(&value).into())
    }

    /// An attribute of a span: MLflow's own JSON texts are texts in an archive.
    fn attribute<'v>(
        &mut self,
        kind: Kind,
        field: &str,
        key: Cow<'v, str>,
        value: &'v Json<'v>,
    ) -> (Cow<'v, str>, Cow<'v, str>) {
        // A key of a user that starts with `$` has one more of them in an archive.
        let key = match key.strip_prefix('$') {
            Some(key) => key.to_owned().into(),
            None => key,
        };
        let text = match value.as_text() {
            Some(text) => text.into(),
            None => self.json_text(kind, field, &value.to_value()).into(),
        };
        (key, text)
    }

    /// The text of JSON, as the archive has it.
    fn json_text(&mut self, kind: Kind, field: &str, value: &Value) -> String {
        let text = json_text(value);
        if contains(text.as_bytes(), b"{\"$blob\":{") {
            self.note(kind, field, Reason::ValueTooLong);
        }
        text
    }

    pub(super) fn note(&mut self, kind: Kind, field: &str, reason: Reason) {
        *self.limits.entry((kind, field.to_owned(), reason)).or_default() += 1;
    }
}

impl From<String> for Cell<'_> {
    fn from(text: String) -> Self {
        Cell::Text(text.into())
    }
}

fn is_integer(value: &Json<'_>) -> bool {
    value.as_number().is_some_and(|number| !number.is_f64())
}

pub(super) fn double(value: &Json<'_>) -> Option<f64> {
    match value.as_text() {
        Some(text) => Double::of_text(text).map(|double| double.0),
        None => value
            .as_number()
            .filter(|number| number.is_f64())
            .and_then(Number::as_f64),
    }
}

/// The archive's text of a value.
pub(super) fn json_text(value: &Value) -> String {
    let mut bytes = canonical(value);
    if bytes.ends_with(b"\n") {
        bytes.pop();
    }
    String::from_utf8(bytes).expect("JSON is UTF-8")
}

/// The fields of an object that are at none of these paths; none where there are no others.
fn rest_of(value: &Json<'_>, held: &[&[&str]]) -> Option<Value> {
    let mut rest = Map::new();
    for (key, item) in value.as_object()? {
        let below: Vec<&[&str]> = held
            .iter()
            .filter_map(|path| path.split_first().filter(|(first, _)| *first == key))
            .map(|(_, tail)| tail)
            .collect();
        if below.iter().any(|tail| tail.is_empty()) {
            continue;
        }
        let kept = match item {
            Json::Object(_) if !below.is_empty() => rest_of(item, &below),
            item => Some(item.to_value()),
        };
        rest.extend(kept.map(|kept| (key.to_string(), kept)));
    }
    (!rest.is_empty()).then_some(Value::Object(rest))
}
