//! The time that manifests state; the only clock of the archive layer.

use jiff::Timestamp;

/// Now, or the time that `SOURCE_DATE_EPOCH` (seconds) names, as RFC 3339 in UTC with seconds.
pub(crate) fn now_text() -> String {
    let fixed = std::env::var("SOURCE_DATE_EPOCH")
        .ok()
        .and_then(|text| text.parse::<i64>().ok())
        .and_then(|seconds| Timestamp::from_second(seconds).ok());
    let now = fixed.unwrap_or_else(Timestamp::now);
    now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
