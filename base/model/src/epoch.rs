//! The one time of a build.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The one time of a build, in whole seconds since 1970-01-01T00:00:00Z; never the clock.
///
/// It comes from `SOURCE_DATE_EPOCH` or from the newest input, and nothing newer is ever written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "i64")]
pub struct Epoch(i64);

/// Why a text or number is no epoch.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a time between 1970 and 9999: give whole seconds since 1970-01-01T00:00:00Z")]
pub struct ParseEpochError {
    /// What was given.
    pub text: String,
}

/// 9999-12-31T23:59:59Z: the last second that RFC 3339 can write.
const LAST: i64 = 253_402_300_799;

impl Epoch {
    /// Checks that `seconds` is between 1970 and 9999.
    ///
    /// # Errors
    /// When it does not.
    pub fn from_seconds(seconds: i64) -> Result<Self, ParseEpochError> {
        if (0..=LAST).contains(&seconds) {
            Ok(Self(seconds))
        } else {
            Err(ParseEpochError { text: seconds.to_string() })
        }
    }

    /// The time of a proleptic Gregorian date (year, month, day) and time of day (hour, minute, second) in UTC.
    ///
    /// # Errors
    /// When it is not between 1970 and 9999. Months and days are counted on, not checked.
    pub fn from_civil([year, month, day]: [i64; 3], [hour, minute, second]: [i64; 3]) -> Result<Self, ParseEpochError> {
        Self::from_seconds(days_from_civil(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second)
    }

    /// Parses the value of `SOURCE_DATE_EPOCH`: decimal digits, nothing else.
    ///
    /// # Errors
    /// When the text is anything else, or a time after 9999.
    pub fn parse(text: &str) -> Result<Self, ParseEpochError> {
        let error = || ParseEpochError { text: text.to_owned() };
        if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
            return Err(error());
        }
        Self::from_seconds(text.parse().map_err(|_| error())?).map_err(|_| error())
    }

    /// Seconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub fn seconds(self) -> i64 {
        self.0
    }

    /// RFC 3339 in UTC, such as `2026-11-21T01:27:00Z`.
    #[must_use]
    pub fn rfc3339(self) -> String {
        let (days, second) = (self.0.div_euclid(86_400), self.0.rem_euclid(86_400));
        let (year, month, day) = civil_from_days(days);
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
    }
}

impl TryFrom<i64> for Epoch {
    type Error = ParseEpochError;

    fn try_from(seconds: i64) -> Result<Self, Self::Error> {
        Self::from_seconds(seconds)
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Days since 1970-01-01, by counting years from March so that the leap day comes last.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// Days since 1970-01-01 to a proleptic Gregorian date, by counting from 0000-03-01 in eras of 400
/// years so that the leap day comes last.
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_what_date_prints() {
        // The right column is what `date -u -d @N +%FT%TZ` of GNU coreutils 9.1 prints.
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_700_000_000, "2023-11-14T22:13:20Z"),
            (4_107_542_399, "2100-02-28T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (LAST, "9999-12-31T23:59:59Z"),
        ] {
            assert_eq!(Epoch::from_seconds(seconds).unwrap().rfc3339(), text);
        }
    }

    #[test]
    fn only_plain_decimal_digits_are_an_epoch() {
        assert_eq!(Epoch::parse("1700000000").unwrap().seconds(), 1_700_000_000);
        for text in ["", "-1", "+1", " 1", "1e9", "253402300800", "99999999999999999999"] {
            assert!(Epoch::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn every_month_and_the_ends_of_time_have_their_dates() {
        // `date -u -d @N +%FT%TZ` for the first second of each month of 2023, and of days that follow a leap day.
        let days = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
        for (month, day) in (1..).zip(days) {
            let text = format!("2023-{month:02}-01T00:00:00Z");
            assert_eq!(Epoch::from_seconds(1_672_531_200 + day * 86_400).unwrap().rfc3339(), text);
        }
        for (seconds, text) in [
            (68_169_600, "1972-02-29T00:00:00Z"),
            (978_220_800, "2000-12-31T00:00:00Z"),
            (13_574_563_200, "2400-02-29T00:00:00Z"),
            (1_709_251_199, "2024-02-29T23:59:59Z"),
            (1_735_603_200, "2024-12-31T00:00:00Z"),
        ] {
            assert_eq!(Epoch::from_seconds(seconds).unwrap().rfc3339(), text);
        }
        assert!(Epoch::from_seconds(0).is_ok() && Epoch::from_seconds(-1).is_err());
        assert!(Epoch::from_seconds(LAST).is_ok() && Epoch::from_seconds(LAST + 1).is_err());
        assert_eq!(Epoch::from_seconds(-1).unwrap_err().text, "-1");
        assert_eq!(serde_json::from_str::<Epoch>("5").unwrap().to_string(), "5");
        assert!(serde_json::from_str::<Epoch>("-5").is_err());
    }
}
