//! Metric points as a part: their columns in binary, and where the next page begins.

use crate::model::metric::{Point, PointLink};
use crate::model::number::Double;

type Link = (Option<String>, Option<String>, Option<String>, Option<String>);

/// Writes points, and the token of the page that follows.
pub(crate) fn encode(points: &[Point], next: Option<&str>) -> Vec<u8> {
    let next = next.unwrap_or_default();
    let mut bytes = Vec::with_capacity(8 + next.len() + points.len() * 25);
    bytes.extend((next.len() as u64).to_le_bytes());
    bytes.extend(next.as_bytes());
    for point in points {
        bytes.extend(point.timestamp.to_le_bytes());
        bytes.extend(point.step.to_le_bytes());
        bytes.extend(point.value.0.to_bits().to_le_bytes());
        match point.link.as_deref().cloned() {
            None => bytes.push(0),
            Some(link) => {
                let link: Link = (link.dataset_name, link.dataset_digest, link.model_id, link.run_id);
                let text = serde_json::to_vec(&link).expect("texts can be written");
                bytes.push(1);
                bytes.extend((text.len() as u64).to_le_bytes());
                bytes.extend(text);
            }
        }
    }
    bytes
}

/// Reads points, and the token of the page that follows; none where they are not what [`encode`] wrote.
pub(crate) fn decode(mut bytes: &[u8]) -> Option<(Vec<Point>, Option<String>)> {
    let next = std::str::from_utf8(take_sized(&mut bytes)?).ok()?;
    let next = (!next.is_empty()).then(|| next.to_owned());
    let mut points = Vec::with_capacity(bytes.len() / 25);
    while !bytes.is_empty() {
        let timestamp = i64::from_le_bytes(take(&mut bytes)?);
        let step = i64::from_le_bytes(take(&mut bytes)?);
        let value = Double(f64::from_bits(u64::from_le_bytes(take(&mut bytes)?)));
        let link = match take::<1>(&mut bytes)? {
            [0] => None,
            _ => {
                let (dataset_name, dataset_digest, model_id, run_id): Link =
                    serde_json::from_slice(take_sized(&mut bytes)?).ok()?;
                PointLink {
                    dataset_name,
                    dataset_digest,
                    model_id,
                    run_id,
                }
                .boxed()
            }
        };
        points.push(Point {
            timestamp,
            step,
            value,
            link,
        });
    }
    Some((points, next))
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (head, rest) = bytes.split_first_chunk::<N>()?;
    *bytes = rest;
    Some(*head)
}

fn take_sized<'b>(bytes: &mut &'b [u8]) -> Option<&'b [u8]> {
    let size = usize::try_from(u64::from_le_bytes(take(bytes)?)).ok()?;
    let (head, rest) = bytes.split_at_checked(size)?;
    *bytes = rest;
    Some(head)
}

#[cfg(test)]
mod tests {
    use super::*;

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
