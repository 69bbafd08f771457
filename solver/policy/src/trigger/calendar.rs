//! When the calendar says so: grids, and windows in which trading is allowed.

use serde::{Deserialize, Deserializer, de::Error as _};

use crate::time::{Span, Time};

/// The first grid point after `last`: the grid is every `every` from the epoch on, moved by `offset`.
pub fn next_due(last: Time, every: Span, offset: Span) -> Time {
    let (every, offset) = (every.seconds().max(1) as i64, offset.seconds() as i64);
    let past = (last.unix() - offset).div_euclid(every);
    Time::from_unix((past + 1) * every + offset)
}

/// A part of the week in which trading is allowed, UTC: some days, from a time of day until another.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Window {
    /// `mon` … `sun`; all days if not given.
    #[serde(default)]
    pub days: Vec<Day>,
    /// Opens, `HH:MM`.
    #[serde(deserialize_with = "clock")]
    pub from: u32,
    /// Closes, `HH:MM`, exclusive; before `from` it closes on the next day. `24:00` is the day's end.
    #[serde(deserialize_with = "clock")]
    pub to: u32,
}

/// A day of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
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

/// `HH:MM` as seconds since midnight.
fn clock<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    let text = String::deserialize(deserializer)?;
    let parsed = text.split_once(':').and_then(|(h, m)| Some((h.parse::<u32>().ok()?, m.parse::<u32>().ok()?)));
    match parsed {
        Some((hour, minute)) if minute < 60 && hour * 60 + minute <= 24 * 60 => Ok(hour * 3600 + minute * 60),
        _ => Err(D::Error::custom(format!("`{text}` is not a time of day: write HH:MM"))),
    }
}

impl Window {
    /// Whether `time` is inside.
    pub fn contains(&self, time: Time) -> bool {
        let second = time.second_of_day() as u32;
        let on = |weekday: u8| self.days.is_empty() || self.days.iter().any(|d| *d as u8 == weekday % 7);
        let (today, yesterday) = (time.weekday(), time.weekday() + 6);
        if self.from <= self.to {
            on(today) && (self.from..self.to).contains(&second)
        } else {
            // Over midnight: the evening of its day, or the morning after.
            (on(today) && second >= self.from) || (on(yesterday) && second < self.to)
        }
    }
}

/// The next minute from `time` on that one of the windows contains, within eight days; `time` itself if there are none.
pub fn next_open(windows: &[Window], time: Time) -> Option<Time> {
    let open = |at: Time| windows.is_empty() || windows.iter().any(|w| w.contains(at));
    if open(time) {
        return Some(time);
    }
    let minute = time.unix().div_euclid(60);
    (1..=8 * 24 * 60).map(|k| Time::from_unix((minute + k) * 60)).find(|&at| open(at))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Time {
        text.parse().unwrap()
    }

    #[test]
    fn the_grid_is_the_same_whenever_one_asks() {
        let (week, none) = (Span::from_days(7), Span::default());
        let due = next_due(at("2021-05-15T12:00:00Z"), week, none);
        assert_eq!(due, at("2021-05-20"), "the epoch was a Thursday");
        assert_eq!(next_due(due, week, none), at("2021-05-27"));
        assert_eq!(next_due(at("2021-05-15"), week, Span::from_days(4)), at("2021-05-17"), "Mondays");
    }

    #[test]
    fn windows_open_and_close() {
        let weekdays: Window =
            toml::from_str("days = ['mon', 'tue', 'wed', 'thu', 'fri']\nfrom = '08:00'\nto = '18:30'").unwrap();
        assert!(weekdays.contains(at("2021-05-14T08:00:00Z")) && weekdays.contains(at("2021-05-14T18:29:59Z")));
        assert!(!weekdays.contains(at("2021-05-14T18:30:00Z")) && !weekdays.contains(at("2021-05-15T12:00:00Z")));
        assert_eq!(next_open(&[weekdays], at("2021-05-15T12:00:30Z")), Some(at("2021-05-17T08:00:00Z")));
        let night: Window = toml::from_str("days = ['sun']\nfrom = '22:00'\nto = '02:00'").unwrap();
        assert!(night.contains(at("2021-05-16T23:00:00Z")) && night.contains(at("2021-05-17T01:00:00Z")));
        assert!(!night.contains(at("2021-05-16T01:00:00Z")));
        assert!(toml::from_str::<Window>("from = '25:00'\nto = '02:00'").is_err());
    }
}
