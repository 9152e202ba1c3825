//! The schemas of what `--json` prints.

use super::*;

/// The schema of what each command prints with `--json`, by the name of its file.
pub fn schemas() -> Vec<(String, Value)> {
    let mut all = of_looking();
    all.extend(of_making());
    let named = all
        .into_iter()
        .map(|(name, schema)| (format!("{name}.schema.json"), schema));
    named.collect()
}

/// Those of commands that look at something.
fn of_looking() -> Vec<(&'static str, Value)> {
    let line = "One line an object: ";
    vec![
        ("cat", of::<ArtifactFile>("mlark cat --json")),
        ("compare", of::<Comparison>("mlark compare --json")),
        (
            "diff",
            of::<Difference>(&format!(
                "{line}mlark diff --json, mlark verify --against --json, mlark import --verify --json"
            )),
        ),
        (
            "error",
            of::<Failed>("An error, on stderr, of every command with --json"),
        ),
        ("info", of::<Manifest>("mlark info --json: the manifest")),
        (
            "lineage",
            of::<LineageDocument<'_>>("mlark lineage --json; without an object, one line an archive"),
        ),
        ("ls", rows(&format!("{line}mlark ls --json"))),
        ("map", of::<Mapped<'_>>(&format!("{line}mlark map --json"))),
        ("scan", of::<Scanned<'_>>("mlark scan --json")),
        (
            "show",
            lines("mlark show --json: a line of the archive, long texts in place"),
        ),
        ("snapshot", of::<Snapshot>("mlark snapshot --json")),
        ("verify", of::<Verified<'_>>("mlark verify --json")),
    ]
}

/// Those of commands that make something.
fn of_making() -> Vec<(&'static str, Value)> {
    vec![
        ("convert", of::<ConvertReport>("mlark convert --to exim --json")),
        (
            "convert-tables",
            of::<TablesReport>("mlark convert --to parquet or csv --json; tables.json"),
        ),
        ("export", of::<Exported<'_>>("mlark export --json")),
        ("extract", of::<ExtractReport>("mlark extract --json")),
        ("import", of::<ReportDocument<'_>>("mlark import --json")),
        ("merge", of::<Merged<'_>>("mlark merge --json")),
        (
            "plan",
            of::<PlanDocument<'_>>(
                "mlark import --dry-run --json; {\"workspaces\": […]} of several workspaces",
            ),
        ),
        ("planned", of::<Planned<'_>>("mlark plan --json")),
        ("report", of::<HtmlReport>("mlark report --json")),
        (
            "migrate",
            of::<Migrated<'_>>("mlark migrate --json, with --dry-run too"),
        ),
        (
            "restore",
            of::<Restored<'_>>("mlark restore --json, with --dry-run too"),
        ),
        ("serve", of::<Served>("mlark serve --json")),
        ("split", of::<Split<'_>>("mlark split --json")),
        ("transform", of::<Transformed<'_>>("mlark transform --json")),
    ]
}

fn of<T: JsonSchema>(title: &str) -> Value {
    let mut schema = Value::from(schema_for!(T));
    schema["title"] = title.into();
    schema
}

/// Rows of any list, by the columns of each.
fn rows(title: &str) -> Value {
    let row = |noun: &Noun| {
        let properties: Map<_, _> = noun
            .columns()
            .iter()
            .map(|column| (column.name.to_owned(), cell(column)))
            .collect();
        // --columns of runs are named as they were given.
        let others = if *noun == Noun::Runs {
            json!({"type": ["string", "number"]})
        } else {
            json!(false)
        };
        json!({"title": noun.as_str(), "type": "object", "properties": properties, "additionalProperties": others})
    };
    let rows: Vec<_> = Noun::ALL.iter().map(row).collect();
    json!({"$schema": schema::DIALECT, "title": title, "anyOf": rows})
}

fn cell(column: &ListColumn) -> Value {
    let types = match column.form {
        ColumnForm::Text => json!(["string", "array"]),
        ColumnForm::Time | ColumnForm::Bytes | ColumnForm::Number => json!("integer"),
        ColumnForm::Double => json!(["number", "string"]),
    };
    json!({"type": types})
}

/// A line of any kind that can be shown.
fn lines(title: &str) -> Value {
    let kinds = KINDS.iter();
    let references = kinds.map(|kind| json!({"$ref": format!("../{kind}.schema.json")}));
    json!({"$schema": schema::DIALECT, "title": title, "anyOf": references.collect::<Vec<_>>()})
}
