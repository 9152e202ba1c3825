//! Whether a database with MLflow's tables holds nothing but what MLflow itself put there.

use super::rows::Target;
use super::target_tables::Layout;
use super::{Result, WriteError};
use crate::lang::sql::database::Dialect;

/// Removes what MLflow itself put there: it makes its own again, and an archive brings the others.
pub(super) fn clearing(layout: &Layout) -> Vec<&'static str> {
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
        let text = "it has tables, and they are not MLflow's: name an empty database".to_owned();
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

/// Refuses tables of which MLflow itself would say that they have no version, or several.
///
/// # Errors
/// They are such.
pub(super) fn check_version(names: &[String], ask: &mut dyn FnMut(&str) -> Result<bool>) -> Result<()> {
    let has_table = names.iter().any(|name| name == "alembic_version");
    if has_table && ask("SELECT COUNT(*) = 1 FROM alembic_version")? {
        return Ok(());
    }
    Err(WriteError::Target(
        "its tables have no version, so MLflow did not finish them: `mlflow db upgrade` does, or name a database without tables".to_owned(),
    ))
}
