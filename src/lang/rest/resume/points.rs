//! Metric points as a part: as an archive's line has them, and where the next page begins.

use crate::model::MetricSlice;
use crate::model::metric::Point;

/// Writes points, and the token of the page that follows.
pub(crate) fn encode(points: &[Point], next: Option<&str>) -> Vec<u8> {
    let slice = MetricSlice::from_points("", "", points);
    serde_json::to_vec(&(slice, next)).expect("points can be written")
}

/// Reads points, and the token of the page that follows; none where they are not what [`encode`] wrote.
pub(crate) fn decode(bytes: &[u8]) -> Option<(Vec<Point>, Option<String>)> {
    let (slice, next): (MetricSlice, _) = serde_json::from_slice(bytes).ok()?;
    Some((slice.points().collect(), next))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Double;
    use crate::model::metric::PointLink;

    #[test]
    fn points_come_back_bit_for_bit() {
        let link = PointLink {
            model_id: Some("m-ü".into()),
            ..PointLink::default()
        };
        let point = |value: f64, link: Option<PointLink>| Point {
            timestamp: i64::MIN,
            step: i64::MAX,
            value: Double(value),
            link: link.map(Box::new),
        };
        let points = vec![
            point(-0.0, None),
            point(f64::NAN, Some(link)),
            point(f64::INFINITY, None),
        ];
        for next in [None, Some("token")] {
            let bytes = encode(&points, next);
            let (found, found_next) = decode(&bytes).unwrap();
            assert_eq!(
                (encode(&found, next), found_next.as_deref()),
                (bytes.clone(), next)
            );
            assert_eq!(found[0].value.0.to_bits(), (-0.0_f64).to_bits());
            assert!(
                (0..bytes.len()).all(|end| decode(&bytes[..end]).is_none_or(|(found, _)| found.len() < 3))
            );
        }
    }
}
