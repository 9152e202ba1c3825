//! Names and globs that choose objects or artifacts.

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

/// Names or globs (`*`, `?`, `[…]`, `{a,b}`, `**`); `/` separates only in artifact paths.
#[derive(Debug, Clone, Default)]
pub struct Patterns {
    texts: Vec<String>,
    globs: Option<GlobSet>,
}

/// A glob that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("`{pattern}` is not a glob")]
pub struct PatternError {
    pattern: String,
    #[source]
    source: globset::Error,
}

impl Patterns {
    /// Names, each taken literally or as a glob in which `*` matches any character.
    ///
    /// # Errors
    /// A glob that cannot be read.
    pub fn names(texts: Vec<String>) -> Result<Self, PatternError> {
        Self::build(texts, false)
    }

    /// Paths, in which `*` stays within one component and `**` does not.
    ///
    /// # Errors
    /// A glob that cannot be read.
    pub fn paths(texts: Vec<String>) -> Result<Self, PatternError> {
        Self::build(texts, true)
    }

    /// Texts that stand for themselves alone.
    pub(super) fn literal(texts: Vec<String>) -> Self {
        Patterns { texts, globs: None }
    }

    fn build(texts: Vec<String>, literal_separator: bool) -> Result<Self, PatternError> {
        let mut globs = GlobSetBuilder::new();
        for text in &texts {
            let glob = GlobBuilder::new(text)
                .literal_separator(literal_separator)
                .build();
            globs.add(glob.map_err(|source| PatternError {
                pattern: text.clone(),
                source,
            })?);
        }
        let globs = globs.build().map_err(|source| PatternError {
            pattern: texts.join(", "),
            source,
        })?;
        Ok(Patterns {
            texts,
            globs: Some(globs),
        })
    }

    /// Whether globs among them match others than themselves.
    pub(super) fn are_globs(&self) -> bool {
        self.globs.is_some()
    }

    /// Whether there is no pattern.
    pub fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }

    /// The patterns as given.
    pub fn texts(&self) -> &[String] {
        &self.texts
    }

    /// The places of the globs that a text matches.
    pub(super) fn globs_matching(&self, text: &str) -> Vec<usize> {
        let globs = self.globs.as_ref();
        globs.map_or_else(Vec::new, |globs| globs.matches(text))
    }

    /// Whether a text is one of the patterns, or matches one.
    pub fn matches(&self, text: &str) -> bool {
        self.texts.iter().any(|pattern| pattern == text)
            || self.globs.as_ref().is_some_and(|globs| globs.is_match(text))
    }
}

/// Whether a text may match other texts than itself.
pub(crate) fn is_glob(text: &str) -> bool {
    text.contains(['*', '?', '[', '{'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_match_literally_or_as_globs() {
        let patterns = Patterns::names(vec!["train*".into(), "a[b".replace('[', "[[]"), "x".into()]).unwrap();
        for text in ["training/run", "a[b", "x"] {
            assert!(patterns.matches(text), "{text}");
        }
        assert!(!patterns.matches("xy"));
    }

    #[test]
    fn a_star_in_a_path_stays_in_its_folder() {
        let patterns = Patterns::paths(vec!["model/*.pkl".into(), "logs/**".into()]).unwrap();
        assert!(patterns.matches("model/a.pkl") && patterns.matches("logs/a/b"));
        assert!(!patterns.matches("model/x/a.pkl"));
    }
}
