//! When to stop, and when to answer at the latest.

use std::time::{Duration, Instant};

use ballast_wire::RequestError;
use jiff::Timestamp;

use crate::config::Server;

/// No auction is worked on for longer, whatever its deadline.
const MOST: Duration = Duration::from_secs(3600);

/// The times of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Deadline {
    /// The driver's own.
    pub(super) driver: Instant,
    /// When the reply must be on its way.
    pub(super) reply: Instant,
    /// When what has been found is written, whether the search has returned or not.
    pub(super) cut: Instant,
    /// When the search is told to stop.
    pub(super) stop: Instant,
}

impl Deadline {
    /// Reads the driver's deadline; `None` if there is no time left for a reply. `now` is the same moment on both clocks.
    pub(super) fn new(text: &str, now: (Timestamp, Instant), server: &Server, quote: bool) -> Result<Option<Self>, RequestError> {
        let deadline: Timestamp = text.parse().map_err(|error| RequestError {
            field: "deadline".to_owned(),
            reason: format!("{error}; expected RFC 3339 as in \"2026-01-01T00:00:00Z\""),
        })?;
        let Ok(left) = Duration::try_from(deadline.duration_since(now.0)) else { return Ok(None) };
        let left = left.min(MOST);
        let Some(reply) = left.checked_sub(server.slack).filter(|left| !left.is_zero()) else { return Ok(None) };
        let work = reply.saturating_sub(server.finish);
        let cut = reply.saturating_sub(server.finish / 2);
        let work = if quote { work.min(server.quote_time) } else { work };
        let at = |after: Duration| now.1 + after;
        Ok(Some(Self { driver: at(left), reply: at(reply), cut: at(cut), stop: at(work) }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(deadline: &str, quote: bool) -> Option<[u128; 4]> {
        let now = ("2026-01-01T00:00:00Z".parse().unwrap(), Instant::now());
        let read = Deadline::new(deadline, now, &Server::default(), quote).unwrap();
        read.map(|d| [d.driver, d.reply, d.cut, d.stop].map(|t| t.duration_since(now.1).as_millis()))
    }

    #[test]
    fn slack_and_finish_are_kept() {
        assert_eq!(times("2026-01-01T00:00:10Z", false), Some([10_000, 9_500, 9_450, 9_400]));
        assert_eq!(times("2026-01-01T01:00:10+01:00", true), Some([10_000, 9_500, 9_450, 1_000]));
        assert_eq!(times("2026-01-01T00:00:00.550Z", false), Some([550, 50, 0, 0]));
        assert_eq!(times("2026-01-01T00:00:00.5Z", false), None);
        assert_eq!(times("2023-09-12T08:00:00.123456789Z", false), None);
        assert_eq!(times("9999-12-30T00:00:00Z", false).unwrap()[0], 3_600_000);
    }

    #[test]
    fn what_is_no_time_is_named() {
        let now = (Timestamp::UNIX_EPOCH, Instant::now());
        let error = Deadline::new("soon", now, &Server::default(), false).unwrap_err();
        assert_eq!(error.field, "deadline");
    }
}
