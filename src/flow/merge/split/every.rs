//! Spans of time, as homes of objects and for a person.

use super::Every;
use super::assign::NOWHERE;

impl Every {
    /// The span of time that a moment is in.
    pub(super) fn home(self, time_ms: Option<i64>) -> i64 {
        const DAY_MS: i64 = 86_400_000;
        let Some(moment) = time_ms.and_then(|time| jiff::Timestamp::from_millisecond(time).ok()) else {
            return NOWHERE;
        };
        let day = moment.as_millisecond().div_euclid(DAY_MS);
        let date = jiff::tz::TimeZone::UTC.to_datetime(moment).date();
        let (year, month) = (i64::from(date.year()), i64::from(date.month()));
        match self {
            Every::Day => day,
            // The first day of 1970 was a Thursday; weeks begin on Monday.
            Every::Week => (day + 3).div_euclid(7),
            Every::Month => year * 12 + month - 1,
            Every::Year => year,
        }
    }

    pub(super) fn label(self, home: i64) -> String {
        let day = |day: i64| {
            let moment = jiff::Timestamp::from_second(day * 86_400).ok();
            let date = moment.map(|moment| jiff::tz::TimeZone::UTC.to_datetime(moment).date());
            date.map_or_else(String::new, |date| date.to_string())
        };
        match self {
            Every::Day => day(home),
            Every::Week => format!("week of {}", day(home * 7 - 3)),
            Every::Month => format!("{}-{:02}", home.div_euclid(12), home.rem_euclid(12) + 1),
            Every::Year => home.to_string(),
        }
    }
}
