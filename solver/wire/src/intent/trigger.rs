use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::ZERO;
use crate::number::{Decimal, integer};
#[cfg(feature = "openapi")]
use crate::openapi;

/// When to rebalance. Drift, cooldown, window and least move are checked on chain; the other rules are for the solver.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Trigger {
    /// Any of these; without rules, when an asset is outside its band.
    pub any_of: Vec<Rule>,
    /// Least time since the vault's last rebalance.
    #[serde(with = "integer")]
    #[cfg_attr(feature = "openapi", schema(value_type = openapi::Integer))]
    pub cooldown_sec: u32,
    /// Part of the week; always if there is none.
    pub window: Option<Window>,
    /// Value that a rebalance must move at least, in the numeraire.
    pub min_notional: Decimal,
}

impl Default for Trigger {
    fn default() -> Self {
        Self { any_of: Vec::new(), cooldown_sec: 0, window: None, min_notional: ZERO }
    }
}

/// A reason to rebalance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum Rule {
    /// A weight is this far off its target, in basis points of the portfolio.
    #[cfg_attr(feature = "openapi", schema(value_type = openapi::Integer))]
    DriftAbsBps(#[serde(with = "integer")] u16),
    /// A weight is this far off its target, in basis points of the target.
    #[cfg_attr(feature = "openapi", schema(value_type = openapi::Integer))]
    DriftRelBps(#[serde(with = "integer")] u16),
    /// The expected tracking error reaches this, annual, in basis points. Advisory.
    #[cfg_attr(feature = "openapi", schema(value_type = openapi::Integer))]
    TrackingErrorBps(#[serde(with = "integer")] u16),
    /// Time on a fixed grid from 1970 on. Advisory.
    #[serde(rename_all = "camelCase")]
    Calendar {
        /// The grid's step.
        #[serde(with = "integer")]
        #[cfg_attr(feature = "openapi", schema(value_type = openapi::Integer))]
        every_sec: u32,
        /// Where it starts.
        #[serde(default, with = "integer")]
        #[cfg_attr(feature = "openapi", schema(value_type = openapi::Integer))]
        offset_sec: u32,
    },
    /// A weight is expected to leave its band soon. Advisory.
    #[serde(rename_all = "camelCase")]
    HitProbability {
        /// With at least this probability,
        p: Decimal,
        /// within this time.
        #[serde(with = "integer")]
        #[cfg_attr(feature = "openapi", schema(value_type = openapi::Integer))]
        horizon_sec: u32,
    },
}

/// A part of the week, UTC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Window {
    /// Its days; all if there are none.
    #[serde(default)]
    pub days: Vec<Day>,
    /// Opens.
    pub from: TimeOfDay,
    /// Closes, exclusive; on the next day if that is before it opens.
    pub to: TimeOfDay,
}

/// A day of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Day {
    /// Monday.
    Mon,
    /// Tuesday.
    Tue,
    /// Wednesday.
    Wed,
    /// Thursday.
    Thu,
    /// Friday.
    Fri,
    /// Saturday.
    Sat,
    /// Sunday.
    Sun,
}

impl Window {
    /// Whether a time, in Unix seconds, is inside.
    pub fn contains(&self, time: i64) -> bool {
        const DAY: i64 = 86_400;
        let (from, to) = (i64::from(self.from.seconds()), i64::from(self.to.seconds()));
        let second = time.rem_euclid(DAY);
        // The epoch was a Thursday.
        let today = time.div_euclid(DAY).saturating_add(3);
        let on = |day: i64| self.days.is_empty() || self.days.iter().any(|d| *d as i64 == day.rem_euclid(7));
        if from <= to {
            on(today) && (from..to).contains(&second)
        } else {
            // Over midnight: the evening of its day, or the morning after.
            (on(today) && second >= from) || (on(today.saturating_sub(1)) && second < to)
        }
    }
}

/// `HH:MM`, from `00:00` to `24:00`, as seconds since midnight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(value_type = String, pattern = "^([01][0-9]|2[0-4]):[0-5][0-9]$"))]
pub struct TimeOfDay(u32);

impl TimeOfDay {
    /// From seconds since midnight: whole minutes, at most a day.
    pub const fn from_seconds(seconds: u32) -> Option<Self> {
        if seconds <= 86_400 && seconds.is_multiple_of(60) { Some(Self(seconds)) } else { None }
    }

    /// Seconds since midnight.
    pub const fn seconds(self) -> u32 {
        self.0
    }
}

impl FromStr for TimeOfDay {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let two = |t: &str| if t.len() == 2 { t.parse::<u8>().ok().map(u32::from) } else { None };
        let time = match text.split_once(':').and_then(|(hour, minute)| Some((two(hour)?, two(minute)?))) {
            Some((hour, minute)) if minute < 60 => Self::from_seconds(hour * 3600 + minute * 60),
            _ => None,
        };
        time.ok_or("expected a time of day as HH:MM")
    }
}

impl fmt::Display for TimeOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.0 / 3600, self.0 / 60 % 60)
    }
}

impl Serialize for TimeOfDay {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for TimeOfDay {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}
