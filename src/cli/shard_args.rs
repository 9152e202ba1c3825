//! Which shard of a source is exported.

use super::{CliError, Result, shown};
use crate::flow::export::plan::read_share;
use crate::select::{MOST_SHARDS, Selection, Share};
use clap::builder::RangedU64ValueParser;
use std::path::PathBuf;

/// A parser of a number of shards.
pub(super) fn shards() -> RangedU64ValueParser<u64> {
    RangedU64ValueParser::new().range(1..=MOST_SHARDS)
}

/// Which part of a source is taken, where many take it together.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Shards")]
pub(super) struct ShardArgs {
    /// Export only share I of N; `mlark merge` makes one archive of all shares. Without --plan, experiments are assigned by a
    /// hash of their ids
    #[arg(long, value_name = "I/N", value_parser = shard)]
    shard: Option<(u64, u64)>,
    /// Divide by this plan of `mlark plan`, which balances sizes and cuts very large experiments
    #[arg(long, value_name = "FILE", requires = "shard")]
    plan: Option<PathBuf>,
}

fn shard(text: &str) -> std::result::Result<(u64, u64), String> {
    let unclear = || "expected `I/N`, such as 3/16, with I from 1 to N".to_owned();
    let (number, of) = text.split_once('/').ok_or_else(unclear)?;
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let parsed = number
        .parse()
        .ok()
        .zip(of.parse().ok())
        .filter(|_| digits(number) && digits(of));
    match parsed.ok_or_else(unclear)? {
        (_, of) if of > MOST_SHARDS => Err(format!("at most {MOST_SHARDS} shards are allowed")),
        (number, of) if number == 0 || number > of => Err(unclear()),
        shard => Ok(shard),
    }
}

impl ShardArgs {
    /// The share of a choice that is asked for, if one is.
    pub(super) fn share(&self, selection: &Selection) -> Result<Option<Share>> {
        let Some((number, of)) = self.shard else {
            return Ok(None);
        };
        let Some(path) = &self.plan else {
            return Ok(Some(Share::by_hash(number, of)));
        };
        let share = read_share(path, number, of)?;
        let planned = share.division().map(|division| &division.choices);
        if let Some(planned) =
            planned.filter(|planned| !planned.is_empty() && **planned != selection.choices())
        {
            let options: Vec<_> = planned.keys().map(|name| format!("--{name}")).collect();
            let (path, options) = (shown(path), options.join(", "));
            return Err(CliError::usage(format!(
                "the plan `{path}` was made for another choice of objects"
            ))
            .hint(format!(
                "give {options} the values that the plan was made with, or make a plan of everything"
            )));
        }
        Ok(Some(share))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shard_is_one_of_several() {
        assert_eq!(shard("3/16"), Ok((3, 16)));
        for text in [
            "",
            "3",
            "0/4",
            "5/4",
            "1/0",
            "+1/2",
            "1/2/3",
            "a/b",
            "1/100001",
            "-1/2",
            "1/99999999999999999999",
        ] {
            assert!(shard(text).is_err(), "{text}");
        }
    }
}
