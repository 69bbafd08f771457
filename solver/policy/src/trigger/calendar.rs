//! When the calendar says so: grids, and windows in which trading is allowed.

pub use ballast_wire::intent::{Day, Window};

use crate::time::{Span, Time};

/// The first grid point after `last`: the grid is every `every` from the epoch on, moved by `offset`.
pub fn next_due(last: Time, every: Span, offset: Span) -> Time {
    let (every, offset) = (every.seconds().max(1) as i64, offset.seconds() as i64);
    let past = (last.unix() - offset).div_euclid(every);
    Time::from_unix((past + 1) * every + offset)
}

/// The next minute from `time` on that one of the windows contains, within eight days; `time` itself if there are none.
pub fn next_open(windows: &[Window], time: Time) -> Option<Time> {
    let open = |at: Time| windows.is_empty() || windows.iter().any(|w| w.contains(at.unix()));
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
        assert!(weekdays.contains(at("2021-05-14T08:00:00Z").unix()) && weekdays.contains(at("2021-05-14T18:29:59Z").unix()));
        assert!(!weekdays.contains(at("2021-05-14T18:30:00Z").unix()) && !weekdays.contains(at("2021-05-15T12:00:00Z").unix()));
        assert_eq!(next_open(&[weekdays], at("2021-05-15T12:00:30Z")), Some(at("2021-05-17T08:00:00Z")));
        let night: Window = toml::from_str("days = ['sun']\nfrom = '22:00'\nto = '02:00'").unwrap();
        assert!(night.contains(at("2021-05-16T23:00:00Z").unix()) && night.contains(at("2021-05-17T01:00:00Z").unix()));
        assert!(!night.contains(at("2021-05-16T01:00:00Z").unix()));
        assert!(toml::from_str::<Window>("from = '25:00'\nto = '02:00'").is_err());
    }
}
