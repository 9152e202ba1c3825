//! The page's own script and style: plain files in `report/html/`, put together when the program is built.
//!
//! Each file is a module that a browser or Node could load as it is; within the page they stand in one script, so that the lines that
//! import go and `export` before a name too.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

macro_rules! sources {
    ($($file:literal),* $(,)?) => { [$(include_str!(concat!("../../../report/html/", $file))),*] };
}

/// The modules, each behind those that it uses.
const MODULES: [&str; 20] = sources![
    "text.js",
    "dom.js",
    "data.js",
    "filter/tokens.js",
    "filter/groups.js",
    "filter/values.js",
    "filter/filter.js",
    "columns.js",
    "controls.js",
    "chart.js",
    "scatter.js",
    "graph.js",
    "files.js",
    "overview.js",
    "runs.js",
    "compare.js",
    "run.js",
    "models.js",
    "traces.js",
    "main.js",
];
/// Those of the page of what differs.
const CHANGES_MODULES: [&str; 4] = sources!["text.js", "dom.js", "controls.js", "changes.js"];
const STYLES: [&str; 2] = sources!["vendor/uPlot.min.css", "page.css"];
/// uPlot by Leon Sorokin, under the MIT licence.
const PLOT: &str = include_str!("../../../report/html/vendor/uPlot.iife.min.js");
const PLOT_LICENCE: &str = include_str!("../../../report/html/vendor/uPlot-LICENSE");

/// A part of a page that the page's policy allows by its digest.
pub(super) struct Inline {
    pub(super) text: String,
}

impl Inline {
    /// The digest as a Content-Security-Policy has it.
    pub(super) fn hash(&self) -> String {
        format!("'sha256-{}'", STANDARD.encode(Sha256::digest(&self.text)))
    }
}

/// The script of the page of an archive.
pub(super) fn script() -> Inline {
    of_modules(&format!("/*\n{}\n*/\n{PLOT}\n", PLOT_LICENCE.trim()), &MODULES)
}

/// The script of the page of what differs.
pub(super) fn changes_script() -> Inline {
    of_modules("", &CHANGES_MODULES)
}

fn of_modules(before: &str, modules: &[&str]) -> Inline {
    let mut text = format!("{before}(() => {{\n\"use strict\";\n");
    for module in modules {
        for line in module.lines().filter(|line| !line.starts_with("import ")) {
            text.push_str(line.strip_prefix("export ").unwrap_or(line));
            text.push('\n');
        }
    }
    text.push_str("})();\n");
    Inline { text }
}

/// The style of every page.
pub(super) fn style() -> Inline {
    Inline {
        text: STYLES.join("\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_the_script_ends_it_or_speaks_of_modules() {
        assert!(!style().text.contains("</style"));
        let text = format!("{}\n{}", script().text, changes_script().text);
        assert!(!text.contains("</script") && !text.contains("<!--"));
        let is_module = |line: &&str| line.starts_with("import ") || line.starts_with("export ");
        assert_eq!(text.lines().find(is_module), None);
        assert!(
            text.contains("Copyright (c) 2022 Leon Sorokin"),
            "uPlot's licence"
        );
    }

    #[test]
    fn no_two_modules_have_a_name_in_common() {
        let mut names = std::collections::BTreeSet::new();
        for line in MODULES
            .iter()
            .chain(&CHANGES_MODULES[3..])
            .flat_map(|module| module.lines())
        {
            let line = line.strip_prefix("export ").unwrap_or(line);
            let declared = ["function ", "const ", "let ", "class "]
                .iter()
                .find_map(|word| line.strip_prefix(word));
            let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
            if let Some(declared) = declared {
                let name = declared.split(|c| !is_part(c)).next().unwrap_or_default();
                assert!(names.insert(name), "{name} is declared twice");
            }
        }
        assert!(names.len() > 100);
    }

    #[test]
    fn no_module_makes_markup_of_text_or_asks_a_network() {
        for module in MODULES.iter().chain(&CHANGES_MODULES) {
            for word in [
                "innerHTML",
                "outerHTML",
                "insertAdjacentHTML",
                "document.write",
                "eval(",
                "new Function",
                "fetch(",
                "XMLHttpRequest",
                "WebSocket",
                "sendBeacon",
                "DOMParser",
                "createContextualFragment",
                "localStorage",
                "http://",
                "https://",
            ] {
                assert!(!module.contains(word), "{word}");
            }
        }
    }
}
