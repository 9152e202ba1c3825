//! Options of `transform` that choose objects: together they are one edit, in the place of the first of them.

use super::source_args::parse_time;
use crate::flow::transform::Edit;
use crate::flow::transform::select::{Exclude, Select, is_chosen_by_line};
use crate::format::Kind;
use clap::builder::NonEmptyStringValueParser;
use clap::{Arg, ArgAction, ArgMatches};

/// An option that chooses.
struct Choice {
    name: &'static str,
    short: Option<char>,
    value: &'static str,
    help: &'static str,
    /// Whether it may be repeated.
    is_list: bool,
    set: fn(&mut Select, &str) -> Result<(), String>,
}

const CHOICES: &[Choice] = &[
    Choice {
        name: "experiment",
        short: Some('e'),
        value: "NAME",
        help: "Keep experiments with this name, id or glob, and what they need; may be repeated",
        is_list: true,
        set: |select, value| push(&mut select.experiments, value),
    },
    Choice {
        name: "run",
        short: Some('r'),
        value: "ID",
        help: "Keep runs with this id, or the start of it, and what they need; may be repeated",
        is_list: true,
        set: |select, value| push(&mut select.runs, value),
    },
    Choice {
        name: "model",
        short: Some('m'),
        value: "NAME",
        help: "Keep registered models with this name or glob, and what they need; may be repeated",
        is_list: true,
        set: |select, value| push(&mut select.models, value),
    },
    Choice {
        name: "version",
        short: None,
        value: "N",
        help: "Keep only this version of the models given by --model",
        is_list: false,
        set: |select, value| set_number(&mut select.version, value),
    },
    Choice {
        name: "stage",
        short: None,
        value: "STAGE",
        help: "Keep only versions in this stage, of the models given by --model",
        is_list: false,
        set: |select, value| set(&mut select.stage, value.to_owned()),
    },
    Choice {
        name: "alias",
        short: None,
        value: "ALIAS",
        help: "Keep only the version with this alias, of the models given by --model",
        is_list: false,
        set: |select, value| set(&mut select.alias, value.to_owned()),
    },
    Choice {
        name: "filter",
        short: None,
        value: "FILTER",
        help: "Keep runs that match a filter in MLflow's search syntax, and what they need",
        is_list: false,
        set: |select, value| set(&mut select.filter, value.to_owned()),
    },
    Choice {
        name: "since",
        short: None,
        value: "TIME",
        help: "Keep runs that started at or after this time (RFC 3339, or a date, in UTC)",
        is_list: false,
        set: |select, value| set(&mut select.since, time(value)?),
    },
    Choice {
        name: "until",
        short: None,
        value: "TIME",
        help: "Keep runs that started before this time",
        is_list: false,
        set: |select, value| set(&mut select.until, time(value)?),
    },
    Choice {
        name: "ended-before",
        short: None,
        value: "TIME",
        help: "Keep runs that ended before this time",
        is_list: false,
        set: |select, value| set(&mut select.ended_before, time(value)?),
    },
    Choice {
        name: "latest",
        short: None,
        value: "N",
        help: "Keep the N latest runs of each experiment, among those that the other options keep",
        is_list: false,
        set: |select, value| set_number(&mut select.latest, value),
    },
    Choice {
        name: "only",
        short: None,
        value: "WHAT",
        help: "Keep only objects of this kind (runs, traces, …), or with workspace=NAME only those of a workspace; may be repeated",
        is_list: true,
        set: only,
    },
];

/// Takes what `--only` says.
pub(super) fn only(select: &mut Select, value: &str) -> Result<(), String> {
    if let Some(("workspace", name)) = value.split_once('=') {
        return push(&mut select.workspaces, name);
    }
    let kind = Kind::from_name(value).filter(|kind| is_chosen_by_line(*kind));
    select.kinds.push(kind.ok_or_else(|| {
        let names = Kind::ALL.iter().filter(|kind| is_chosen_by_line(**kind));
        let names = names.map(|kind| kind.name()).collect::<Vec<_>>().join(", ");
        format!("`{value}` is neither workspace=NAME nor one of {names}")
    })?);
    Ok(())
}

fn push(list: &mut Vec<String>, value: &str) -> Result<(), String> {
    list.push(value.to_owned());
    Ok(())
}

fn set<T>(field: &mut Option<T>, value: T) -> Result<(), String> {
    *field = Some(value);
    Ok(())
}

fn set_number(field: &mut Option<u64>, value: &str) -> Result<(), String> {
    let number = value.parse().ok().filter(|number| *number > 0);
    set(
        field,
        number.ok_or_else(|| format!("`{value}` is not a whole number of 1 or more"))?,
    )
}

fn time(value: &str) -> Result<i64, String> {
    parse_time(value).map_err(|error| error.chain().collect::<Vec<_>>().join(": "))
}

/// The names of these options.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    CHOICES.iter().map(|choice| choice.name)
}

/// The options.
pub(super) fn args() -> impl Iterator<Item = Arg> {
    CHOICES.iter().map(|choice| {
        let arg = Arg::new(choice.name)
            .long(choice.name)
            .value_name(choice.value)
            .help(choice.help)
            .value_parser(NonEmptyStringValueParser::new())
            .action(if choice.is_list {
                ArgAction::Append
            } else {
                ArgAction::Set
            });
        let arg = match choice.short {
            Some(short) => arg.short(short),
            None => arg,
        };
        match choice.name {
            "version" | "stage" | "alias" => arg.requires("model"),
            _ => arg,
        }
    })
}

/// The edit that the options are, and the place of the first of them.
pub(super) fn edit(matches: &ArgMatches) -> Result<Option<(usize, Edit)>, String> {
    let mut select = Select::default();
    let mut first = None;
    for choice in CHOICES {
        let index = matches
            .indices_of(choice.name)
            .and_then(|mut indices| indices.next());
        first = [first, index].into_iter().flatten().min();
        for value in matches.get_many::<String>(choice.name).into_iter().flatten() {
            (choice.set)(&mut select, value).map_err(|reason| format!("--{}: {reason}", choice.name))?;
        }
    }
    if let Some((since, until)) = select
        .since
        .zip(select.until)
        .filter(|(since, until)| since >= until)
    {
        return Err(format!(
            "--since is not before --until ({since} and {until} in milliseconds)"
        ));
    }
    Ok(first.map(|index| (index, Edit::Select(select))))
}

/// What `--exclude KIND:NAME` says.
pub(super) fn exclude(value: &str) -> Result<Edit, String> {
    let mut exclude = Exclude::default();
    let (kind, name) = value.split_once(':').unwrap_or_default();
    let list = match kind {
        "experiment" => &mut exclude.experiments,
        "run" => &mut exclude.runs,
        "model" => &mut exclude.models,
        _ => return Err("expected experiment:NAME, run:ID or model:NAME".to_owned()),
    };
    if name.is_empty() {
        return Err("a name is empty".to_owned());
    }
    list.push(name.to_owned());
    Ok(Edit::Exclude(exclude))
}
