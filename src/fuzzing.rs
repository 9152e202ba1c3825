//! Entry points that take any bytes and must return: the targets in `fuzz/` call them, and so do ordinary tests.
//!
//! Each panics where a promise is broken, such as a text that does not survive being read and written.

use crate::archive::fuzzing as archive;
use crate::format::line::{canonical, to_value};
use crate::format::{Kind, Manifest, each_object, strict_json};
use crate::model::{ArtifactList, MetricSlice, ModelMetricSlice, Run, Span};
use crate::select::{OrderBy, RunColumn, RunFilter};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Scans bytes as a zip and reads every entry; whether all of it was accepted.
pub fn zip(bytes: &[u8]) -> bool {
    archive::read_zip(bytes)
}

/// Reads bytes as a file of metric lines; how many points are in it.
pub fn metric_lines(bytes: &[u8]) -> u64 {
    crate::lang::file_store::count_metric_points(bytes)
}

/// Searches bytes for texts and patterns, decoded too; in pieces the same is found.
pub fn search(bytes: &[u8]) -> bool {
    let is_same = archive::search(bytes);
    assert!(is_same, "pieces change nothing");
    is_same
}

/// Reads bytes as a filter of runs, as an order and as columns; whether the filter was accepted.
pub fn filter(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let mut run = Run::default();
    run.params.insert("a".to_owned(), text.as_ref().into());
    if let Ok(order) = OrderBy::parse(&[text.to_string()]) {
        order.sort_key(&run);
    }
    if let Ok(columns) = RunColumn::parse_list(&text) {
        columns.iter().for_each(|column| drop(column.value(&run)));
    }
    match RunFilter::parse(&text) {
        Ok(filter) => {
            filter.takes(&run);
            assert_eq!(
                RunFilter::parse(&filter.to_string()),
                Ok(filter),
                "a printed filter is the same"
            );
            true
        }
        Err(error) => {
            assert!(
                error.character() <= text.chars().count() + 1,
                "the place is in the text"
            );
            false
        }
    }
}

/// Reads bytes as a manifest; whether it was accepted.
pub fn manifest(bytes: &[u8]) -> bool {
    let Ok(document) = strict_json::parse(bytes) else {
        return false;
    };
    if Manifest::check_format(&document).is_err() {
        return false;
    }
    let Ok(manifest) = serde_json::from_value::<Manifest>(document) else {
        return false;
    };
    let again: Manifest = serde_json::from_str(&manifest.to_text()).expect("what was written can be read");
    assert!(again == manifest, "a manifest survives being written");
    true
}

/// Reads bytes as a line of a kind, which the first byte picks; whether it was accepted.
pub fn object_line(bytes: &[u8]) -> bool {
    let Some((kind, line)) = bytes.split_first() else {
        return false;
    };
    let Ok(value) = strict_json::parse(line) else {
        return false;
    };
    let text = canonical(&value);
    assert!(
        strict_json::parse(&text).is_ok_and(|again| canonical(&again) == text),
        "canonical text is stable"
    );
    is_accepted(Kind::ALL[usize::from(*kind) % Kind::ALL.len()], &value)
}

macro_rules! objects {
    ($($kind:ident $type:ident $(.$inside:ident)? [$($id:tt)*] [$($key:tt)*];)*) => {
        fn is_accepted(kind: Kind, value: &Value) -> bool {
            match kind {
                $(Kind::$kind => typed::<crate::model::$type>(value),)*
                Kind::Metrics => typed::<MetricSlice>(value),
                Kind::ModelMetrics => typed::<ModelMetricSlice>(value),
                Kind::Spans => typed::<Span>(value),
                Kind::Artifacts => typed::<ArtifactList>(value),
            }
        }
    };
}

each_object!(objects);

fn typed<T: Serialize + DeserializeOwned>(value: &Value) -> bool {
    let Ok(object) = T::deserialize(value) else {
        return false;
    };
    let text = canonical(&to_value(&object));
    let again: T = serde_json::from_slice(&text).expect("what was written can be read");
    assert!(
        canonical(&to_value(&again)) == text,
        "an object survives being written"
    );
    true
}
