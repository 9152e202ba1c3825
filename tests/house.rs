//! The shape of the source: which room may use which, and how long files and functions are (`ARCHITECTURE.md`).

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Rooms from the top down; a room uses only rooms of later lines, and itself.
const FLOORS: [&[&str]; 8] = [
    &["cli"],
    &["flow"],
    &["report"],
    &["lang"],
    &["select"],
    &["archive", "client"],
    &["format"],
    &["model", "monitor", "platform"],
];

/// The rooms in `lang` that the others stand on.
const BELOW_LANGUAGES: [&str; 3] = ["artifacts", "session", "spans"];

const MOST_FILE_LINES: usize = 400;
const MOST_FUNCTION_LINES: usize = 60;

/// A file of the program.
struct SourceFile {
    path: PathBuf,
    /// Its lines, tests that stand in it included.
    lines: usize,
    module: Vec<String>,
    /// Its text without tests.
    program: String,
    /// The same without comments.
    code: String,
}

fn source_files() -> Vec<SourceFile> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut folders = vec![root.clone()];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let is_test = path.components().any(|part| part.as_os_str() == "tests")
                || path.file_name().is_some_and(|name| name == "tests.rs");
            if path.extension().is_none_or(|extension| extension != "rs") || is_test {
                continue;
            }
            let text = fs::read_to_string(&path).unwrap();
            let program = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
            let code = program
                .lines()
                .filter(|line| !line.trim_start().starts_with("//"))
                .map(|line| format!("{line}\n"))
                .collect();
            let inside = path.strip_prefix(&root).unwrap().with_extension("");
            let module = inside
                .iter()
                .map(|part| part.to_string_lossy().into_owned())
                .filter(|part| part != "mod" && part != "lib" && part != "main")
                .collect();
            let program = program.to_owned();
            files.push(SourceFile {
                path,
                lines: text.lines().count(),
                module,
                program,
                code,
            });
        }
    }
    assert!(files.len() > 200, "the source is elsewhere");
    files
}

/// The first `depth` names of each path below `crate::` in a text; braces are opened.
fn paths_of(code: &str) -> Vec<Vec<String>> {
    let mut paths = Vec::new();
    for (start, _) in code.match_indices("crate::") {
        let rest = &code[start + "crate::".len()..];
        read_tree(rest, &mut Vec::new(), &mut paths);
    }
    paths
}

/// Reads one tree of names, such as `a::{b, c::d}`, and gives where it ends.
fn read_tree(text: &str, above: &mut Vec<String>, paths: &mut Vec<Vec<String>>) -> usize {
    let depth = above.len();
    let mut at = 0;
    loop {
        let rest = &text[at..];
        if let Some(inner) = rest.strip_prefix('{') {
            at += 1 + read_list(inner, above, paths);
            break;
        }
        let length = rest
            .find(|c: char| !c.is_alphanumeric() && c != '_')
            .unwrap_or(rest.len());
        above.push(rest[..length].to_owned());
        at += length;
        if !text[at..].starts_with("::") {
            paths.push(above.clone());
            break;
        }
        at += 2;
    }
    above.truncate(depth);
    at
}

fn read_list(text: &str, above: &mut Vec<String>, paths: &mut Vec<Vec<String>>) -> usize {
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        match c {
            '}' => return at + 1,
            c if c == ',' || c.is_whitespace() => at += c.len_utf8(),
            _ => at += read_tree(&text[at..], above, paths).max(1),
        }
    }
    at
}

fn floor_of(room: &str) -> Option<usize> {
    FLOORS.iter().position(|floor| floor.contains(&room))
}

/// Why a module may not use another, if it may not.
fn wrong_arrow(from: &[String], to: &[String]) -> bool {
    let (Some(above), Some(below)) = (from.first(), to.first()) else {
        return false;
    };
    let (Some(upper), Some(lower)) = (floor_of(above), floor_of(below)) else {
        return false;
    };
    if above != below {
        return upper >= lower;
    }
    let (Some(mine), Some(other)) = (from.get(1), to.get(1)) else {
        return false;
    };
    let is_base = |name: &String| BELOW_LANGUAGES.contains(&name.as_str());
    match above.as_str() {
        "lang" if mine != other => !is_base(other),
        // A comparison asks both directions; they ask nothing of it, nor of each other.
        "flow" if mine != other => mine != "compare",
        _ => false,
    }
}

#[test]
fn arrows_point_down() {
    let mut wrong = Vec::new();
    for file in source_files() {
        for path in paths_of(&file.code) {
            if wrong_arrow(&file.module, &path) {
                wrong.push(format!("{}: crate::{}", file.path.display(), path.join("::")));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "rooms that use what is above or beside them:\n{}",
        wrong.join("\n")
    );
}

#[test]
fn a_wrong_arrow_is_seen() {
    let module = |path: &str| path.split("::").map(str::to_owned).collect::<Vec<_>>();
    let arrows = paths_of("use crate::{flow::import::Plan, lang::{sql::uri, spans}};");
    let from = module("lang::rest::read");
    let wrong: Vec<bool> = arrows.iter().map(|to| wrong_arrow(&from, to)).collect();
    assert_eq!(wrong, [true, true, false]);
    assert!(wrong_arrow(
        &module("flow::import"),
        &module("flow::compare::verify")
    ));
    assert!(wrong_arrow(&module("model::run"), &module("format::Kind")));
}

#[test]
fn files_and_functions_are_short() {
    let mut long = Vec::new();
    for file in source_files() {
        let lines: Vec<&str> = file.program.lines().collect();
        let place = file.path.display();
        if file.lines > MOST_FILE_LINES {
            long.push(format!("{place}: {} lines", file.lines));
        }
        for (start, line) in lines.iter().enumerate() {
            let indent = &line[..line.len() - line.trim_start().len()];
            let is_function = line.contains("fn ") && !line.trim_start().starts_with("//");
            if !is_function {
                continue;
            }
            let body = lines[start..]
                .iter()
                .position(|line| line.ends_with('{') || line.ends_with(';'));
            let opens = body.is_some_and(|at| lines[start + at].ends_with('{'));
            let end = lines[start..]
                .iter()
                .position(|line| *line == format!("{indent}}}"));
            if let Some(end) = end.filter(|end| opens && *end > MOST_FUNCTION_LINES) {
                long.push(format!("{place}:{}: a function of {} lines", start + 1, end + 1));
            }
        }
    }
    assert!(long.is_empty(), "too long:\n{}", long.join("\n"));
}

#[test]
fn routes_stand_in_their_table_alone() {
    let files = source_files();
    let is_table = |file: &&SourceFile| file.module == ["lang", "rest", "routes"];
    let table = files.iter().find(is_table).expect("the table of routes");
    let roots = ["api2", "api3", "ajax2", "artifacts", "root"].map(|root| format!("Path::{root}"));
    let mut told: Vec<String> = ["api/2.0", "api/3.0"]
        .map(|api| format!("\"/{api}/mlflow"))
        .into();
    for root in &roots {
        let mark = format!("({root}, ");
        let routes = table.code.split(mark.as_str()).skip(1);
        let texts = routes.filter_map(|rest| rest.split('"').nth(1));
        told.extend(
            texts
                .filter(|text| text.contains('/'))
                .map(|text| format!("\"{text}\"")),
        );
    }
    assert!(told.len() > 50, "the table is written otherwise: {told:?}");
    told.extend(roots.map(|root| format!("{root}(")));
    let mut wrong = Vec::new();
    for file in files
        .iter()
        .filter(|file| !is_table(file) && file.module.first().is_none_or(|room| room != "client"))
    {
        let found = told.iter().filter(|text| file.code.contains(*text));
        wrong.extend(found.map(|text| format!("{}: {text}", file.path.display())));
    }
    assert!(
        wrong.is_empty(),
        "routes outside their table:\n{}",
        wrong.join("\n")
    );
}

/// Names that two types share on purpose.
const SHARED_NAMES: [(&str, &str); 5] = [
    ("Address", "with and without the feature `cloud`"),
    ("Cloud", "with and without the feature `cloud`"),
    ("CloudFile", "with and without the feature `cloud`"),
    ("Listing", "with and without the feature `cloud`"),
    ("OpenFolder", "on Unix and on Windows"),
];

/// The name of the type that a line declares for other files.
fn declared_type(line: &str) -> Option<&str> {
    let rest = line.trim_start();
    let rest = rest.strip_prefix("pub(crate) ").or(rest.strip_prefix("pub "))?;
    let kinds = ["struct ", "enum ", "trait ", "type "];
    let name = kinds.iter().find_map(|kind| rest.strip_prefix(kind))?;
    let end = name.find(|c: char| !c.is_alphanumeric() && c != '_');
    // Each room has its `Result`, of its own error.
    Some(&name[..end.unwrap_or(name.len())]).filter(|name| *name != "Result")
}

#[test]
fn no_two_types_share_a_name() {
    let mut places: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for file in source_files() {
        for name in file.code.lines().filter_map(declared_type) {
            let place = file.path.display().to_string();
            places.entry(name.to_owned()).or_default().push(place);
        }
    }
    let is_shared = |name: &str| SHARED_NAMES.iter().any(|(shared, _)| *shared == name);
    let several: Vec<_> = places
        .iter()
        .filter(|(name, places)| places.len() > 1 && !is_shared(name))
        .collect();
    assert!(several.is_empty(), "names of more than one type: {several:#?}");
    for (name, why) in SHARED_NAMES {
        assert!(places[name].len() > 1, "`{name}` stands once, not {why}");
    }
}
