//! Whether a database with MLflow's tables holds nothing but what MLflow itself put there.

use super::rows::Target;
use super::target_tables::TableLayout;
use super::{Result, WriteError};
use crate::lang::sql::database::Dialect;
use crate::lang::sql::versions::migrations;

/// Removes what MLflow itself put there: it makes its own again, and an archive brings the others.
pub(super) fn clearing(layout: &TableLayout) -> Vec<&'static str> {
    let workspaces = layout.has(Target::Workspaces).then_some("DELETE FROM workspaces");
    workspaces
        .into_iter()
        .chain(["DELETE FROM experiments"])
        .collect()
}

/// Which rows of a table are not MLflow's own; none where all may be.
fn of_others(table: &str) -> Option<&'static str> {
    match table {
        "alembic_version" => None,
        "experiments" => Some("WHERE NOT (experiment_id = 0 AND name = 'Default')"),
        "workspaces" => Some("WHERE name <> 'default'"),
        _ => Some(""),
    }
}

/// Refuses tables that are not MLflow's, or that hold more than what MLflow itself put there; `ask` answers a question to the
/// database.
///
/// # Errors
/// They are such.
pub(super) fn check(
    names: &[String],
    dialect: Dialect,
    ask: &mut dyn FnMut(&str) -> Result<bool>,
) -> Result<()> {
    let has = |name: &str| names.iter().any(|known| known == name);
    if !has("experiments") || !has("runs") {
        let text = "its tables are not MLflow's: name an empty database".to_owned();
        return Err(WriteError::Target(text));
    }
    for name in names {
        let Some(others) = of_others(name) else { continue };
        let quoted = dialect.quote(name);
        if ask(&format!("SELECT EXISTS (SELECT 1 FROM {quoted} {others})"))? {
            return Err(WriteError::Target(format!(
                "table `{name}` already has rows, and a restore only fills an empty store; name another database"
            )));
        }
    }
    Ok(())
}

/// Refuses tables of which MLflow itself would say that they have no version, or several, and those of a version that is not known
/// here: what its columns mean is not.
///
/// # Errors
/// They are such.
pub(super) fn check_version(names: &[String], ask: &mut dyn FnMut(&str) -> Result<bool>) -> Result<()> {
    let known: Vec<_> = migrations().map(|head| format!("'{head}'")).collect();
    let known = known.join(", ");
    let has_table = names.iter().any(|name| name == "alembic_version");
    let told = if !has_table || !ask("SELECT COUNT(*) = 1 FROM alembic_version")? {
        "its tables have no version, so MLflow did not finish them: run `mlflow db upgrade`, or name a database without tables"
    } else if !ask(&format!(
        "SELECT EXISTS (SELECT 1 FROM alembic_version WHERE version_num IN ({known}))"
    ))? {
        "its tables are of a version that this mlark does not know: it fills those of MLflow 1.30 to 3.18; name a database \
         without tables, or one that such an MLflow made"
    } else {
        return Ok(());
    };
    Err(WriteError::Target(told.to_owned()))
}
