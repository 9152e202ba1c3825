//! The original's text of a time: UTC, whole seconds, rounded half to even.

use super::overlay::TimeFault;
use crate::model::pyjson::PyJson;

/// Seconds beyond this have a year that a C `int` cannot hold.
const LAST_SECOND: f64 = 67_768_036_191_676_799.0;
const FIRST_SECOND: f64 = -67_768_040_609_740_800.0;

/// The text of a time in epoch milliseconds, `%Y-%m-%d %H:%M:%S` in UTC.
pub(crate) fn format_millis(millis: &PyJson) -> Result<String, TimeFault> {
    let millis = match millis {
        PyJson::Null => return Err(TimeFault::Null),
        PyJson::Bool(value) => f64::from(u8::from(*value)),
        PyJson::Float(value) => *value,
        // Exact to 2^53; no calendar time is beyond.
        PyJson::Int(value) => value.to_string().parse().map_err(|_| TimeFault::NotANumber)?,
        PyJson::Str(_) | PyJson::List(_) | PyJson::Dict(_) => return Err(TimeFault::NotANumber),
    };
    if millis == 0.0 {
        return Err(TimeFault::Zero);
    }
    let seconds = (millis / 1000.0).round_ties_even();
    if seconds == 0.0 {
        return Err(TimeFault::UnderHalfASecond);
    }
    if !(FIRST_SECOND..=LAST_SECOND).contains(&seconds) {
        return Err(TimeFault::OutOfRange);
    }
    #[expect(clippy::cast_possible_truncation, reason = "a whole number within 64 bits")]
    let seconds = seconds as i64;
    Ok(format_seconds(seconds))
}

fn format_seconds(seconds: i64) -> String {
    let (days, in_day) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, day) = civil_from_days(days);
    let (hour, minute, second) = (in_day / 3600, in_day / 60 % 60, in_day % 60);
    // The original's `%Y` has no leading zeros.
    format!("{year}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}")
}

/// Year, month and day in the proleptic Gregorian calendar, counted in years that start in March.
fn civil_from_days(days_since_1970: i64) -> (i64, i64, i64) {
    const DAYS_TO_1970: i64 = 719_468;
    const DAYS_IN_400_YEARS: i64 = 146_097;
    let days = days_since_1970 + DAYS_TO_1970;
    let (era, day_of_era) = (
        days.div_euclid(DAYS_IN_400_YEARS),
        days.rem_euclid(DAYS_IN_400_YEARS),
    );
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(millis: i64) -> Result<String, TimeFault> {
        format_millis(&PyJson::from(millis))
    }

    #[test]
    fn a_time_is_formatted_in_utc() {
        assert_eq!(text(1_670_474_737_597).as_deref(), Ok("2022-12-08 04:45:38"));
        assert_eq!(text(951_782_400_000).as_deref(), Ok("2000-02-29 00:00:00"));
        assert_eq!(text(-86_400_000).as_deref(), Ok("1969-12-31 00:00:00"));
        assert_eq!(text(253_402_300_800_000).as_deref(), Ok("10000-01-01 00:00:00"));
        assert_eq!(text(-60_000_000_000_000).as_deref(), Ok("68-09-03 13:20:00"));
        assert_eq!(text(-62_135_596_801_000).as_deref(), Ok("0-12-31 23:59:59"));
    }

    #[test]
    fn half_a_second_rounds_to_the_even_second() {
        assert_eq!(text(1_500).as_deref(), Ok("1970-01-01 00:00:02"));
        assert_eq!(text(2_500).as_deref(), Ok("1970-01-01 00:00:02"));
        assert_eq!(text(3_500).as_deref(), Ok("1970-01-01 00:00:04"));
        assert_eq!(text(-1_500).as_deref(), Ok("1969-12-31 23:59:58"));
        assert_eq!(text(-2_500).as_deref(), Ok("1969-12-31 23:59:58"));
    }

    #[test]
    fn a_time_that_rounds_to_zero_has_no_text() {
        assert_eq!(text(0), Err(TimeFault::Zero));
        assert_eq!(text(500), Err(TimeFault::UnderHalfASecond));
        assert_eq!(text(-500), Err(TimeFault::UnderHalfASecond));
        assert_eq!(text(501).as_deref(), Ok("1970-01-01 00:00:01"));
    }

    #[test]
    fn a_float_is_a_time_and_a_string_is_not() {
        assert_eq!(
            format_millis(&PyJson::Float(1500.4)).as_deref(),
            Ok("1970-01-01 00:00:02")
        );
        assert_eq!(
            format_millis(&PyJson::Float(f64::NAN)),
            Err(TimeFault::OutOfRange)
        );
        assert_eq!(format_millis(&PyJson::from("1500")), Err(TimeFault::NotANumber));
        assert_eq!(text(i64::MAX), Ok("292278994-08-17 07:12:56".to_owned()));
    }
}
