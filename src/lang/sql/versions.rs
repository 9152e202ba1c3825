//! Which MLflow a database belongs to, for people: the head of its migrations.

use super::columns::ALEMBIC;
use super::tables::Tables;
use crate::format::manifest::SourceInfo;
use crate::lang::session::ExportError;

/// The last migration of each release that was examined.
const HEADS: &[(&str, &str)] = &[
    ("97727af70f4d", "1.30–2.0"),
    ("7f2a7d5fae7d", "2.4"),
    ("acf3f17fdcc7", "2.9"),
    ("5b0e9adcef9c", "2.14"),
    ("0584bdc529eb", "2.22"),
    ("6953534de441", "3.0"),
    ("bda7b8c39065", "3.1"),
    ("770bee3ae1dd", "3.2"),
    ("1a0cddfcaa16", "3.3"),
    ("71994744cf8e", "3.4"),
    ("bf29a5ff90ea", "3.5–3.7"),
    ("1bd49d398cd23", "3.8"),
    ("d3e4f5a6b7c8", "3.9"),
    ("1b5f0d9ad7c1", "3.10"),
    ("c3d6457b6d8a", "3.11"),
    ("7d34483879f0", "3.12"),
    ("da6fb0208061", "3.13"),
    ("b7e4c1a90f23", "3.14"),
    ("6f8d9c3b2a1e", "3.15"),
    ("b7e2c1a4d9f3", "3.16"),
    ("dc11669786a5", "3.17"),
    ("f4a9b2c7d1e6", "3.18"),
];

/// The place of a release among those that were examined.
pub(super) fn place_of(release: &str) -> Option<usize> {
    let first = |known: &str| known.split('–').next() == Some(release);
    HEADS.iter().position(|(_, known)| first(known))
}

/// Says what the database tells of itself; the place of its release, where its head is known.
pub(super) fn describe(tables: &Tables, info: &mut SourceInfo) -> Result<Option<usize>, ExportError> {
    let mut heads = Vec::new();
    tables.scan(ALEMBIC, |row| {
        heads.extend(row.text(0));
        Ok(())
    })?;
    heads.sort();
    let place = heads
        .iter()
        .find_map(|head| HEADS.iter().position(|(known, _)| known == head));
    info.mlflow_version = place.map(|place| HEADS[place].1.to_owned());
    info.details
        .insert("dialect".to_owned(), tables.dialect().name().to_owned());
    if !heads.is_empty() {
        info.details.insert("alembic_head".to_owned(), heads.join(","));
    }
    Ok(place)
}
