//! Which MLflow a database belongs to, for people: the head of its migrations.

use super::columns::ALEMBIC;
use super::tables::Tables;
use crate::format::manifest::SourceInfo;
use crate::lang::session::ExportError;

/// Each release that was examined, with its migrations after those of the one before: a database stands at one of them, and that of
/// the release at the last.
const RELEASES: &[(&str, &str)] = &[
    ("1.30–2.0", "97727af70f4d"),
    ("2.4", "3500859a5d39 7f2a7d5fae7d"),
    ("2.9", "2d6e25af4d3e acf3f17fdcc7"),
    ("2.14", "867495a8f9d4 5b0e9adcef9c"),
    ("2.22", "4465047574b1 f5a4f2784254 0584bdc529eb"),
    ("3.0", "400f98739977 6953534de441"),
    ("3.1", "bda7b8c39065"),
    ("3.2", "cbc13b556ace 770bee3ae1dd"),
    ("3.3", "a1b2c3d4e5f6 de4033877273 1a0cddfcaa16"),
    ("3.4", "534353b11cbc 71994744cf8e"),
    ("3.5–3.7", "3da73c924c2f bf29a5ff90ea"),
    ("3.8", "1bd49d398cd23"),
    (
        "3.9",
        "b7c8d9e0f1a2 5d2d30f0abce c9d4e5f6a7b8 2c33131f4dae d3e4f5a6b7c8",
    ),
    ("3.10", "d0e1f2a3b4c5 c8d9e0f1a2b3 1b5f0d9ad7c1"),
    ("3.11", "e1f2a3b4c5d6 76601a5f987d c3d6457b6d8a"),
    ("3.12", "a5b4c3d2e1f0 ae8bbe7743c9 7d34483879f0"),
    ("3.13", "da6fb0208061"),
    ("3.14", "89d3d66ed43f b7e4c1a90f23"),
    ("3.15", "a8b9c0d1e2f3 c1d2e3f4a5b6 c3d9e7f1a2b4 6f8d9c3b2a1e"),
    ("3.16", "1971f2d9a75b 17e22815139b b7e2c1a4d9f3"),
    ("3.17", "75868b020152 dc11669786a5"),
    ("3.18", "e7d1f4b2a9c6 8b6ad64cb8f5 f4a9b2c7d1e6"),
];

/// All migrations of these releases, in their order.
pub(super) fn migrations() -> impl Iterator<Item = &'static str> {
    RELEASES.iter().flat_map(|(_, migrations)| migrations.split(' '))
}

/// The place of a release among those that were examined.
pub(super) fn place_of(release: &str) -> Option<usize> {
    let first = |known: &str| known.split('–').next() == Some(release);
    RELEASES.iter().position(|(known, _)| first(known))
}

/// Says what the database tells of itself; the place of its release, where its head is known.
pub(super) fn describe(tables: &Tables, info: &mut SourceInfo) -> Result<Option<usize>, ExportError> {
    let mut heads = Vec::new();
    tables.scan(ALEMBIC, |row| {
        heads.extend(row.text(0));
        Ok(())
    })?;
    heads.sort();
    let place = heads.iter().find_map(|head| {
        RELEASES
            .iter()
            .position(|(_, known)| known.split(' ').next_back() == Some(head))
    });
    info.mlflow_version = place.map(|place| RELEASES[place].0.to_owned());
    info.details
        .insert("dialect".to_owned(), tables.dialect().name().to_owned());
    if !heads.is_empty() {
        info.details.insert("alembic_head".to_owned(), heads.join(","));
    }
    Ok(place)
}
