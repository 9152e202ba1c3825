//! Names, ids and globs that were asked for, told of all that is there.
//!
//! A name or id that nothing has is an error, since it is a slip or the wrong place. A glob that nothing matches is none: a night without
//! runs is no fault. Ids of runs may be shortened as long as one run fits.

use super::Patterns;
use super::nearest::Nearest;
use crate::model::printable::printable;

/// Ids named where several begin as asked.
const CANDIDATES: usize = 8;

/// A name or id that leads to no object, or to several.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoMatch {
    /// Nothing is called so.
    #[error("nothing matches {option} `{}`", printable(.value))]
    Nothing {
        /// The option, with its hyphens.
        option: String,
        /// Its value.
        value: String,
        /// Names that are there and look alike, the nearest first.
        nearest: Vec<String>,
    },
    /// Several ids begin so.
    #[error("{option} `{}` is the start of several ids: {}", printable(.value), .candidates.join(", "))]
    Ambiguous {
        /// The option, with its hyphens.
        option: String,
        /// Its value.
        value: String,
        /// Some of the ids.
        candidates: Vec<String>,
    },
}

/// What was found for what was asked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Matched {
    /// The runs that were asked for, by whole id.
    pub runs: Vec<String>,
    /// Options with globs that matched nothing, as they are told.
    pub silent: Vec<String>,
}

/// The values of one option.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    option: &'static str,
    patterns: Patterns,
    /// Whether the start of an id is enough.
    are_ids: bool,
    wanted: Vec<Wanted>,
}

/// One value and what was found for it.
#[derive(Debug, Clone, Default)]
struct Wanted {
    is_found: bool,
    /// Ids that begin so.
    starts: Vec<String>,
    nearest: Nearest,
}

impl Wanted {
    fn see_name(&mut self, text: &str, name: &str) {
        self.is_found = text == name;
        if !self.is_found {
            self.nearest.offer(text, name);
        }
    }

    fn see_id(&mut self, text: &str, id: &str) {
        self.is_found = text == id;
        if !id.starts_with(text) {
            self.nearest.offer_id(text, id);
        } else if self.starts.len() <= CANDIDATES && !self.starts.iter().any(|start| start == id) {
            self.starts.push(id.to_owned());
        }
    }
}

impl Asked {
    /// Names or globs of them.
    pub(crate) fn names(option: &'static str, patterns: &Patterns) -> Self {
        Asked {
            option,
            wanted: vec![Wanted::default(); patterns.texts().len()],
            patterns: patterns.clone(),
            are_ids: false,
        }
    }

    /// Ids, or their starts.
    pub(crate) fn ids(option: &'static str, ids: &[String]) -> Self {
        Asked {
            are_ids: true,
            ..Asked::exact(option, ids.to_vec())
        }
    }

    /// Names that stand for themselves alone.
    pub(crate) fn exact(option: &'static str, names: Vec<String>) -> Self {
        Asked::names(option, &Patterns::literal(names))
    }

    /// Whether nothing was asked for.
    pub(crate) fn is_empty(&self) -> bool {
        self.wanted.is_empty()
    }

    /// Whether something was found for each value.
    pub(crate) fn is_settled(&self) -> bool {
        self.wanted.iter().all(|wanted| wanted.is_found)
    }

    /// Tells of an object by all that it may be called.
    pub(crate) fn see(&mut self, called: &[&str]) {
        if self.is_settled() {
            return;
        }
        for name in called.iter().filter(|name| !name.is_empty()) {
            for index in self.patterns.globs_matching(name) {
                self.wanted[index].is_found = true;
            }
            for (wanted, text) in self.wanted.iter_mut().zip(self.patterns.texts()) {
                match wanted.is_found {
                    true => {}
                    false if self.are_ids => wanted.see_id(text, name),
                    false => wanted.see_name(text, name),
                }
            }
        }
    }

    /// The ids that were meant; whole ones stand for themselves.
    fn whole(&self) -> Result<Vec<String>, NoMatch> {
        let values = self.wanted.iter().zip(self.patterns.texts());
        let ids = values.map(|(wanted, text)| match wanted.starts.as_slice() {
            _ if wanted.is_found => Ok(text.clone()),
            [one] => Ok(one.clone()),
            [] => Err(self.nothing(text, wanted)),
            several => Err(NoMatch::Ambiguous {
                option: self.option.to_owned(),
                value: text.clone(),
                candidates: candidates(several),
            }),
        });
        ids.collect()
    }

    /// The globs that nothing matched, as they are told.
    ///
    /// # Errors
    /// The first name that nothing has.
    pub(crate) fn silent(&self) -> Result<Vec<String>, NoMatch> {
        let values = self.wanted.iter().zip(self.patterns.texts());
        let without = values.filter(|(wanted, _)| !wanted.is_found);
        without
            .map(
                |(wanted, text)| match self.patterns.are_globs() && super::patterns::is_glob(text) {
                    true => Ok(format!("{} `{}`", self.option, printable(text))),
                    false => Err(self.nothing(text, wanted)),
                },
            )
            .collect()
    }

    fn nothing(&self, text: &str, wanted: &Wanted) -> NoMatch {
        NoMatch::Nothing {
            option: self.option.to_owned(),
            value: text.to_owned(),
            nearest: wanted.nearest.names(),
        }
    }
}

fn candidates(ids: &[String]) -> Vec<String> {
    let mut told: Vec<_> = ids.iter().take(CANDIDATES).cloned().collect();
    if ids.len() > CANDIDATES {
        told.push("…".to_owned());
    }
    told
}

/// The objects that `--experiment`, `--run` and `--model` name.
#[derive(Debug, Clone)]
pub(crate) struct AskedNames {
    pub(crate) experiments: Asked,
    pub(crate) runs: Asked,
    pub(crate) models: Asked,
}

impl AskedNames {
    /// What was asked for, before anything was seen.
    pub(crate) fn new(experiments: &Patterns, runs: &[String], models: &Patterns) -> Self {
        AskedNames::by(["--experiment", "--run", "--model"], experiments, runs, models)
    }

    /// The same, by the options that ask for each of them.
    pub(crate) fn by(
        options: [&'static str; 3],
        experiments: &Patterns,
        runs: &[String],
        models: &Patterns,
    ) -> Self {
        let [of_experiments, of_runs, of_models] = options;
        AskedNames {
            experiments: Asked::names(of_experiments, experiments),
            runs: Asked::ids(of_runs, runs),
            models: Asked::names(of_models, models),
        }
    }

    /// What was found, after all was seen.
    ///
    /// # Errors
    /// The first name that nothing has, or the first start of an id that several have.
    pub(crate) fn finish(&self) -> Result<Matched, NoMatch> {
        let mut silent = self.experiments.silent()?;
        let runs = self.runs.whole()?;
        silent.extend(self.models.silent()?);
        Ok(Matched { runs, silent })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(texts: &[&str]) -> Patterns {
        Patterns::names(texts.iter().map(|&text| text.to_owned()).collect()).expect("globs")
    }

    fn finish(experiments: &[&str], runs: &[&str]) -> Result<Matched, NoMatch> {
        let runs: Vec<_> = runs.iter().map(|&run| run.to_owned()).collect();
        let mut asked = AskedNames::new(&names(experiments), &runs, &Patterns::default());
        for (id, name) in [("1", "train"), ("2", "test [old]")] {
            asked.experiments.see(&[id, name]);
        }
        for run in ["ab12", "ab34", "ab3456", "cd00"] {
            asked.runs.see(&[run]);
        }
        asked.finish()
    }

    #[test]
    fn a_name_that_nothing_has_is_an_error_with_the_nearest() {
        assert_eq!(
            finish(&["train", "2", "test [old]", "te*"], &[]),
            Ok(Matched::default())
        );
        let nothing = finish(&["train", "tarin"], &[]);
        assert_eq!(
            nothing,
            Err(NoMatch::Nothing {
                option: "--experiment".to_owned(),
                value: "tarin".to_owned(),
                nearest: vec!["train".to_owned()],
            })
        );
    }

    #[test]
    fn a_glob_that_nothing_matches_is_told_and_no_error() {
        let silent = vec!["--experiment `x*`".to_owned()];
        assert_eq!(finish(&["x*", "tr*"], &[]).map(|found| found.silent), Ok(silent));
    }

    #[test]
    fn the_start_of_an_id_stands_for_one_run() {
        let runs = |asked: &[&str]| finish(&[], asked).map(|found| found.runs);
        assert_eq!(
            runs(&["c", "ab1"]),
            Ok(vec!["cd00".to_owned(), "ab12".to_owned()])
        );
        assert_eq!(
            runs(&["ab34"]),
            Ok(vec!["ab34".to_owned()]),
            "a whole id is itself"
        );
        let ambiguous = runs(&["ab3", "c"]).expect_err("two begin so");
        assert_eq!(
            ambiguous.to_string(),
            "--run `ab3` is the start of several ids: ab34, ab3456"
        );
        assert!(matches!(runs(&["ab35"]), Err(NoMatch::Nothing { nearest, .. }) if nearest[0] == "ab34"));
    }
}
