//! The little of INI files that credential files use: sections, `key = value`, comments.

use std::collections::BTreeMap;

/// Keys (in lower case) and values of one section; `None` where the section is not there.
pub(crate) fn section(text: &str, wanted: &str) -> Option<BTreeMap<String, String>> {
    let mut found: Option<BTreeMap<String, String>> = None;
    let mut is_inside = false;
    for line in text.lines().map(str::trim) {
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            is_inside = name.trim() == wanted;
            if is_inside {
                found.get_or_insert_default();
            }
        } else if is_inside && let Some((key, value)) = line.split_once(['=', ':']) {
            let values = found.get_or_insert_default();
            values.insert(key.trim().to_ascii_lowercase(), value.trim().to_owned());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_is_read_and_no_other() {
        let text = "[a]\nHost = https://x\n# c\n[b]\ntoken: y=z\n\n[a]\nuser=\n";
        let a = section(text, "a").unwrap();
        assert_eq!(a["host"], "https://x");
        assert_eq!(a["user"], "");
        assert_eq!(section(text, "b").unwrap()["token"], "y=z");
        assert_eq!(section(text, "c"), None);
    }
}
