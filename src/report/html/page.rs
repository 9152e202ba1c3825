//! The document: a head with the page's policy, its own script and style, and the data as JSON that nothing runs.

use super::source::{Inline, script, style};
use super::text::inert;
use crate::archive::{ArchiveError, Result};
use crate::model::printable::printable;
use serde::Serialize;
use std::io::Write;
use std::path::PathBuf;

/// Bytes of rows that stand in one element, so that they can be read one after the other.
const CHUNK_BYTES: usize = 256 << 10;
/// How a page begins.
pub(super) const MARK: &str = "<!doctype html>\n<!-- made by mlark -->\n";

/// A page that is being written.
pub(super) struct Page<W> {
    out: W,
    path: PathBuf,
    written_bytes: u64,
    script: Inline,
}

impl<W: Write> Page<W> {
    /// Writes all that stands before the data.
    pub(super) fn begin(out: W, path: PathBuf, title: &str, script: Inline) -> Result<Self> {
        let style = style();
        let mut page = Page {
            out,
            path,
            written_bytes: 0,
            script,
        };
        // `require-trusted-types-for` lets no text become markup, whatever the script does.
        let policy = format!(
            "default-src 'none'; script-src {}; style-src {}; img-src data:; base-uri 'none'; form-action 'none'; \
             require-trusted-types-for 'script'; trusted-types 'none'",
            page.script.hash(),
            style.hash()
        );
        let head = format!(
            "{MARK}<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"{policy}\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"referrer\" content=\"no-referrer\">\n<meta name=\"color-scheme\" content=\"light dark\">\n\
             <title>{}</title>\n<style>{}</style>\n</head>\n<body>\n\
             <noscript><p>This page needs its own script, which is part of the file: nothing is loaded from anywhere.</p></noscript>\n\
             <p id=\"loading\">Opening …</p>\n",
            escaped(title),
            style.text
        );
        page.put(head.as_bytes())?;
        Ok(page)
    }

    /// Bytes of a page without data.
    pub(super) fn least_bytes() -> u64 {
        (script().text.len() + style().text.len()) as u64 + 4096
    }

    /// Bytes so far, with the script that is to come.
    pub(super) fn size_bytes(&self) -> u64 {
        self.written_bytes + self.script.text.len() as u64 + 512
    }

    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.written_bytes += bytes.len() as u64;
        self.out
            .write_all(bytes)
            .map_err(ArchiveError::io("write", &self.path))
    }

    /// Writes one value, found by the element's id.
    pub(super) fn value(&mut self, id: &str, value: &impl Serialize) -> Result<()> {
        self.block(id, &inert(value))
    }

    /// Writes JSON in which no `<` stands.
    pub(super) fn block(&mut self, id: &str, json: &[u8]) -> Result<()> {
        self.put(format!("<script type=\"application/json\" id=\"{id}\">").as_bytes())?;
        self.put(json)?;
        self.put(b"</script>\n")
    }

    /// Begins rows of one kind, in as many elements of a class as they need.
    pub(super) fn rows(&mut self, class: &'static str) -> Rows<'_, W> {
        Rows {
            page: self,
            class,
            open_bytes: 0,
        }
    }

    /// Writes the script, with which the page ends.
    pub(super) fn end(mut self) -> Result<u64> {
        let end = format!("<script>{}</script>\n</body>\n</html>\n", self.script.text);
        self.put(end.as_bytes())?;
        self.out.flush().map_err(ArchiveError::io("write", &self.path))?;
        Ok(self.written_bytes)
    }
}

/// Rows on their way into a page.
pub(super) struct Rows<'p, W> {
    page: &'p mut Page<W>,
    class: &'static str,
    open_bytes: usize,
}

impl<W: Write> Rows<'_, W> {
    /// Adds a row: JSON in which no `<` stands.
    pub(super) fn push(&mut self, row: &[u8]) -> Result<()> {
        if self.open_bytes == 0 {
            let class = self.class;
            self.page
                .put(format!("<script type=\"application/json\" class=\"{class}\">[\n").as_bytes())?;
        } else {
            self.page.put(b",\n")?;
        }
        self.page.put(row)?;
        self.open_bytes += row.len() + 2;
        if self.open_bytes >= CHUNK_BYTES {
            self.close()?;
        }
        Ok(())
    }

    fn close(&mut self) -> Result<()> {
        if self.open_bytes > 0 {
            self.page.put(b"\n]</script>\n")?;
            self.open_bytes = 0;
        }
        Ok(())
    }

    /// Ends the last element.
    pub(super) fn end(mut self) -> Result<()> {
        self.close()
    }
}

/// A text within markup.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in printable(text).chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe
}
