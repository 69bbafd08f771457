//! Instants and spans in whole seconds. The crate reads no clock: the time comes with the prices, or from the caller.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use std::{
    fmt,
    str::FromStr,
    time::{Duration, UNIX_EPOCH},
};

/// Seconds in a year of 365.25 days: the unit of every annual figure here.
pub const YEAR: f64 = 365.25 * 86_400.0;

/// An instant: Unix seconds, UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(i64);

/// A text that is not an instant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a time: give Unix seconds, a date (2021-05-15) or an RFC 3339 time (2021-05-15T12:00:00Z)")]
pub struct TimeError(String);

impl Time {
    /// From Unix seconds.
    pub const fn from_unix(seconds: i64) -> Self {
        Self(seconds)
    }

    /// Unix seconds.
    pub const fn unix(self) -> i64 {
        self.0
    }

    /// Seconds from `earlier` to here; negative if `earlier` is later.
    pub const fn since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    /// This instant moved on by `span`.
    pub const fn plus(self, span: Span) -> Self {
        Self(self.0.saturating_add_unsigned(span.0))
    }

    /// Seconds since midnight UTC.
    pub const fn second_of_day(self) -> i64 {
        self.0.rem_euclid(86_400)
    }

    /// Days since Monday, UTC: 0 is Monday, 6 Sunday. (The epoch was a Thursday.)
    pub const fn weekday(self) -> u8 {
        (self.0.div_euclid(86_400) + 3).rem_euclid(7) as u8
    }
}

impl FromStr for Time {
    type Err = TimeError;

    fn from_str(text: &str) -> Result<Self, TimeError> {
        let text = text.trim();
        let wrong = || TimeError(text.to_owned());
        if let Ok(seconds) = text.parse::<i64>() {
            // Beyond the year 5000 the number is milliseconds; better asked about than guessed.
            return if seconds.abs() < 100_000_000_000 { Ok(Self(seconds)) } else { Err(wrong()) };
        }
        let parsed = if text.len() == 10 {
            humantime::parse_rfc3339_weak(&format!("{text}T00:00:00Z"))
        } else {
            humantime::parse_rfc3339_weak(text)
        };
        let since = parsed.map_err(|_| wrong())?.duration_since(UNIX_EPOCH).map_err(|_| wrong())?;
        i64::try_from(since.as_secs()).map(Self).map_err(|_| wrong())
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match u64::try_from(self.0).ok().and_then(|s| UNIX_EPOCH.checked_add(Duration::from_secs(s))) {
            // humantime refuses years past 9999.
            Some(at) if self.0 < 253_402_300_800 => write!(f, "{}", humantime::format_rfc3339_seconds(at)),
            _ => write!(f, "{}", self.0),
        }
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Either {
            Number(i64),
            Text(String),
        }
        let text = match Either::deserialize(deserializer)? {
            Either::Number(seconds) => seconds.to_string(),
            Either::Text(text) => text,
        };
        text.parse().map_err(D::Error::custom)
    }
}

/// A length of time in whole seconds, written `90s`, `6h`, `7d`, `1day 12h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Span(u64);

/// A text that is not a length of time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a length of time: {reason} (write 90s, 15m, 6h, 7d)")]
pub struct SpanError {
    text: String,
    reason: String,
}

impl Span {
    /// From whole seconds.
    pub const fn from_seconds(seconds: u64) -> Self {
        Self(seconds)
    }

    /// From whole days.
    pub const fn from_days(days: u32) -> Self {
        Self(days as u64 * 86_400)
    }

    /// Whole seconds.
    pub const fn seconds(self) -> u64 {
        self.0
    }

    /// Years of 365.25 days.
    pub const fn years(self) -> f64 {
        self.0 as f64 / YEAR
    }
}

impl FromStr for Span {
    type Err = SpanError;

    fn from_str(text: &str) -> Result<Self, SpanError> {
        let wrong = |reason: String| SpanError { text: text.to_owned(), reason };
        let span = humantime::parse_duration(text).map_err(|e| wrong(e.to_string()))?;
        if span.subsec_nanos() != 0 {
            return Err(wrong("parts of a second are not counted".to_owned()));
        }
        if span.as_secs() > 1_000 * YEAR as u64 {
            return Err(wrong("longer than a thousand years".to_owned()));
        }
        Ok(Self(span.as_secs()))
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // humantime counts months and years; weeks of days read better in a policy.
        let (days, rest) = (self.0 / 86_400, self.0 % 86_400);
        match (days, rest) {
            (0, rest) => write!(f, "{}", humantime::format_duration(Duration::from_secs(rest))),
            (days, 0) => write!(f, "{days}d"),
            (days, rest) => write!(f, "{days}d {}", humantime::format_duration(Duration::from_secs(rest))),
        }
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_three_ways_to_write_a_time() {
        let noon: Time = "2021-05-15T12:00:00Z".parse().unwrap();
        assert_eq!(noon, "1621080000".parse().unwrap());
        assert_eq!("2021-05-15".parse::<Time>().unwrap().unix(), 1_621_036_800);
        assert_eq!(noon.to_string(), "2021-05-15T12:00:00Z");
        assert_eq!(noon.weekday(), 5, "a Saturday");
        assert_eq!(noon.second_of_day(), 43_200);
    }

    #[test]
    fn refuses_milliseconds_and_nonsense() {
        assert!("1621080000000".parse::<Time>().is_err());
        assert!("yesterday".parse::<Time>().is_err());
        assert!("1.5s 3".parse::<Span>().is_err());
        assert!("99999999999y".parse::<Span>().is_err() && "2000y".parse::<Span>().is_err());
    }

    #[test]
    fn spans_read_back() {
        for text in ["90s", "6h", "7d", "30d", "1d 12h"] {
            let span: Span = text.parse().unwrap();
            assert_eq!(span.to_string().parse::<Span>().unwrap(), span);
        }
        assert_eq!(Span::from_days(7).to_string(), "7d");
    }
}
