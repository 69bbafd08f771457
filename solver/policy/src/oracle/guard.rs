//! The guard: is a price to be believed, and how carefully is one to act on it.
//!
//! Each check divides what it saw by its limit. The largest quotient decides: past 1 bands widen, past `shrink_at` trades shrink
//! as well, past `halt_at` nothing trades. What is broken rather than far (an answer that is not positive or pinned at a
//! bound, a missing feed, a sequencer that is down) halts at once. Stress rises at once; it falls one level at a time, after `calm_for` without
//! a reading above `release` times the level's threshold.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Readings, Sequencer};
use crate::{
    forecast::Covariance,
    time::{Span, Time, YEAR},
};

/// The `[guard]` table of a policy.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GuardConfig {
    /// How often a feed updates at least; a feed's own value goes before.
    pub heartbeat: Span,
    /// How much later than that is still on time.
    pub grace: Span,
    /// Most `|oracle/twap − 1|`.
    pub max_deviation: f64,
    /// Window of the time-weighted price, where the history stands in for a pool.
    pub twap_window: Span,
    /// Most `|ln(answer/last answer)|` in forecast standard deviations over the time between.
    pub jump_sigmas: f64,
    /// How long the sequencer must have been up.
    pub sequencer_grace: Span,
    /// Bands and limits are multiplied by this under stress.
    pub widen: f64,
    /// Trades are multiplied by this from the second level on.
    pub shrink: f64,
    /// Quotient of the second level.
    pub shrink_at: f64,
    /// Quotient of the third level.
    pub halt_at: f64,
    /// Fraction of a level's threshold that counts as calm.
    pub release: f64,
    /// How long it must be calm before stress falls a level.
    pub calm_for: Span,
    /// What differs per feed, by asset.
    pub feeds: BTreeMap<String, FeedLimits>,
}

impl Default for GuardConfig {
    fn default() -> Self {
        Self {
            heartbeat: Span::from_days(1),
            grace: Span::from_seconds(3_600),
            max_deviation: 0.02,
            twap_window: Span::from_seconds(1_800),
            jump_sigmas: 6.0,
            sequencer_grace: Span::from_seconds(3_600),
            widen: 1.5,
            shrink: 0.5,
            shrink_at: 1.5,
            halt_at: 2.0,
            release: 0.8,
            calm_for: Span::from_seconds(6 * 3_600),
            feeds: BTreeMap::new(),
        }
    }
}

/// What differs for one feed.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FeedLimits {
    /// How often it updates at least.
    pub heartbeat: Option<Span>,
    /// The lowest answer it can give; at or below it, it is pinned.
    pub min: Option<f64>,
    /// The highest answer it can give; at or above it, it is pinned.
    pub max: Option<f64>,
}

impl GuardConfig {
    /// The first field that makes no sense, and why.
    pub(crate) fn check(&self) -> Result<(), (&'static str, String)> {
        let positive = [("guard.max_deviation", self.max_deviation), ("guard.jump_sigmas", self.jump_sigmas)];
        for (field, value) in positive {
            if !(value > 0.0) {
                return Err((field, format!("{value} is not above zero")));
            }
        }
        if !(self.widen >= 1.0) {
            return Err(("guard.widen", format!("{} would narrow the bands under stress", self.widen)));
        }
        if !(0.0..=1.0).contains(&self.shrink) {
            return Err(("guard.shrink", format!("{} is not from 0 to 1", self.shrink)));
        }
        if !(self.shrink_at >= 1.0 && self.halt_at >= self.shrink_at) {
            return Err(("guard.halt_at", "the levels must rise: 1 ≤ shrink_at ≤ halt_at".to_owned()));
        }
        if !(self.release > 0.0 && self.release <= 1.0) {
            return Err(("guard.release", format!("{} is not from 0 to 1", self.release)));
        }
        Ok(())
    }
}

/// How carefully to act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// As usual.
    #[default]
    Calm,
    /// Wider bands.
    Widen,
    /// Wider bands, smaller trades.
    Shrink,
    /// No trades.
    Halt,
}

/// What a check looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Check {
    /// Seconds since the last update.
    Staleness,
    /// The answer is not positive, or at its bound.
    Bounds,
    /// Oracle against time-weighted price.
    Deviation,
    /// The move since the last answer, in standard deviations.
    Jump,
    /// The sequencer.
    Sequencer,
    /// No feed, or no second source to hold it against.
    Missing,
}

/// A check that did not pass.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Fault {
    /// The asset, by its place; none for the sequencer.
    pub asset: Option<usize>,
    /// Which check.
    pub check: Check,
    /// What it saw, in the check's unit.
    pub value: f64,
    /// Its limit.
    pub limit: f64,
    /// The level it calls for by itself.
    pub level: Level,
}

/// What the guard says of one moment.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Assessment {
    /// The level in force, hysteresis included.
    pub level: Level,
    /// Checks that did not pass now.
    pub faults: Vec<Fault>,
    /// When the level falls by one if it stays calm.
    pub falls_at: Option<Time>,
}

/// The level and since when it has been calm below it: what a guard remembers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct StressState {
    /// In force.
    pub level: Level,
    /// Calm since.
    pub calm_since: Option<Time>,
}

/// Judges readings.
#[derive(Debug, Clone)]
pub struct Guard {
    config: GuardConfig,
    assets: Vec<Option<FeedLimits>>,
    last: Vec<Option<(Time, f64)>>,
}

impl Guard {
    /// For these assets; the numeraire needs no feed.
    pub fn new(config: GuardConfig, assets: &[&str], numeraire: Option<usize>) -> Self {
        let feed =
            |(i, name): (usize, &&str)| (Some(i) != numeraire).then(|| config.feeds.get(*name).cloned().unwrap_or_default());
        Self { assets: assets.iter().enumerate().map(feed).collect(), last: vec![None; assets.len()], config }
    }

    /// Its configuration.
    pub fn config(&self) -> &GuardConfig {
        &self.config
    }

    /// Tells the guard of an earlier price, for it to measure the next answer's jump from.
    pub fn recall(&mut self, asset: usize, at: Time, price: f64) {
        if let Some(last) = self.last.get_mut(asset).filter(|_| price > 0.0 && price.is_finite()) {
            *last = Some((at, price));
        }
    }

    /// Judges the readings of `now` and moves `state`.
    pub fn assess(&mut self, readings: &Readings, sigma: Option<&Covariance>, now: Time, state: &mut StressState) -> Assessment {
        let mut faults = Vec::new();
        let mut worst = 0.0_f64;
        let mut see = |asset: Option<usize>, check: Check, value: f64, limit: f64, quotient: f64| {
            worst = worst.max(quotient);
            if quotient > 1.0 {
                let level = level(&self.config, quotient, 1.0);
                faults.push(Fault { asset, check, value, limit, level });
            }
        };
        const BROKEN: f64 = f64::INFINITY;
        match readings.sequencer {
            Sequencer::None => {}
            Sequencer::Down => see(None, Check::Sequencer, 0.0, 0.0, BROKEN),
            Sequencer::Up(since) => {
                let (up, grace) = (now.since(since) as f64, self.config.sequencer_grace.seconds() as f64);
                if up < grace {
                    see(None, Check::Sequencer, up, grace, BROKEN);
                }
            }
        }
        for (i, feed) in self.assets.iter().enumerate() {
            let Some(limits) = feed else { continue };
            let Some(reading) = readings.feeds.get(i).copied().flatten() else {
                see(Some(i), Check::Missing, 0.0, 1.0, BROKEN);
                continue;
            };
            let asset = Some(i);
            let allowed = (limits.heartbeat.unwrap_or(self.config.heartbeat).seconds() + self.config.grace.seconds()) as f64;
            let age = now.since(reading.updated_at) as f64;
            see(asset, Check::Staleness, age, allowed, age / allowed.max(1.0));
            let answer = reading.answer;
            if !(answer > 0.0 && answer.is_finite()) {
                see(asset, Check::Bounds, answer, 0.0, BROKEN);
                continue;
            }
            if let Some(min) = limits.min.filter(|min| answer <= *min) {
                see(asset, Check::Bounds, answer, min, BROKEN);
            }
            if let Some(max) = limits.max.filter(|max| answer >= *max) {
                see(asset, Check::Bounds, answer, max, BROKEN);
            }
            match reading.twap {
                Some(twap) if twap > 0.0 => {
                    let deviation = (answer / twap - 1.0).abs();
                    see(asset, Check::Deviation, deviation, self.config.max_deviation, deviation / self.config.max_deviation);
                }
                // One source alone is believed, but less.
                _ => see(asset, Check::Missing, 1.0, 2.0, 1.0 + 1e-9),
            }
            let Some(last) = self.last.get_mut(i) else { continue };
            if let (Some((at, before)), Some(sigma)) = (*last, sigma) {
                let years = reading.updated_at.since(at) as f64 / YEAR;
                let deviation = sigma.volatility(i) * years.sqrt();
                if years > 0.0 && deviation > 0.0 {
                    let sigmas = (answer / before).ln().abs() / deviation;
                    see(asset, Check::Jump, sigmas, self.config.jump_sigmas, sigmas / self.config.jump_sigmas);
                }
            }
            *last = Some((reading.updated_at, answer));
        }
        let raised = level(&self.config, worst, 1.0);
        // Under stress a level holds until the quotient is below `release` times its threshold.
        let held = level(&self.config, worst, self.config.release);
        if raised >= state.level {
            *state = StressState { level: raised, calm_since: None };
        } else if held >= state.level {
            state.calm_since = None;
        } else {
            let since = *state.calm_since.get_or_insert(now);
            if since.plus(self.config.calm_for) <= now {
                let lower = if state.level == Level::Halt {
                    Level::Shrink
                } else if state.level == Level::Shrink {
                    Level::Widen
                } else {
                    Level::Calm
                };
                *state = StressState { level: lower.max(raised), calm_since: Some(now) };
            }
        }
        let falls_at = state.calm_since.filter(|_| state.level > Level::Calm).map(|since| since.plus(self.config.calm_for));
        Assessment { level: state.level, faults, falls_at }
    }
}

fn level(config: &GuardConfig, quotient: f64, scale: f64) -> Level {
    if quotient > config.halt_at * scale {
        Level::Halt
    } else if quotient > config.shrink_at * scale {
        Level::Shrink
    } else if quotient > scale {
        Level::Widen
    } else {
        Level::Calm
    }
}

#[cfg(test)]
mod tests {
    use super::{super::Reading, *};

    fn guard() -> Guard {
        let mut config =
            GuardConfig { heartbeat: Span::from_seconds(3_600), grace: Span::from_seconds(600), ..GuardConfig::default() };
        config.feeds.insert("A".into(), FeedLimits { min: Some(1.0), max: Some(1e6), ..FeedLimits::default() });
        Guard::new(config, &["A", "USD"], Some(1))
    }

    fn readings(answer: f64, updated_at: i64, twap: Option<f64>) -> Readings {
        let reading = Reading { answer, updated_at: Time::from_unix(updated_at), twap };
        Readings { feeds: vec![Some(reading), None], sequencer: Sequencer::None }
    }

    fn at(readings: &Readings, now: i64) -> Assessment {
        let sigma = Covariance::uniform(&[0.8, 0.0], 0.0);
        guard().assess(readings, Some(&sigma), Time::from_unix(now), &mut StressState::default())
    }

    #[test]
    fn each_check_names_itself_and_its_level() {
        assert_eq!(at(&readings(100.0, 1_000, Some(100.5)), 1_100), Assessment::default());
        let found = |r: &Readings, now| (at(r, now).faults[0].check, at(r, now).level);
        assert_eq!(found(&readings(100.0, 0, Some(100.0)), 4_300), (Check::Staleness, Level::Widen));
        assert_eq!(found(&readings(100.0, 0, Some(100.0)), 7_000), (Check::Staleness, Level::Shrink));
        assert_eq!(found(&readings(100.0, 0, Some(100.0)), 9_000), (Check::Staleness, Level::Halt));
        assert_eq!(found(&readings(0.0, 0, Some(100.0)), 10), (Check::Bounds, Level::Halt));
        assert_eq!(found(&readings(f64::NAN, 0, Some(100.0)), 10), (Check::Bounds, Level::Halt));
        assert_eq!(found(&readings(1.0, 0, Some(1.0)), 10), (Check::Bounds, Level::Halt));
        assert_eq!(found(&readings(1e6, 0, Some(1e6)), 10), (Check::Bounds, Level::Halt));
        assert_eq!(found(&readings(103.5, 0, Some(100.0)), 10), (Check::Deviation, Level::Shrink));
        assert_eq!(found(&readings(100.0, 0, None), 10), (Check::Missing, Level::Widen));
        assert_eq!(found(&Readings { feeds: vec![None, None], ..Readings::default() }, 10), (Check::Missing, Level::Halt));
        let down = Readings { sequencer: Sequencer::Down, ..readings(100.0, 0, Some(100.0)) };
        assert_eq!(found(&down, 10), (Check::Sequencer, Level::Halt));
        let young = Readings { sequencer: Sequencer::Up(Time::from_unix(0)), ..readings(100.0, 0, Some(100.0)) };
        assert_eq!(found(&young, 10), (Check::Sequencer, Level::Halt));
    }

    #[test]
    fn a_jump_is_measured_against_the_forecast() {
        let (mut guard, mut state) = (guard(), StressState::default());
        let sigma = Covariance::uniform(&[0.8, 0.0], 0.0);
        guard.assess(&readings(100.0, 0, Some(100.0)), Some(&sigma), Time::from_unix(0), &mut state);
        // An hour at 80 % a year is 0.85 %; a tenth of that price is eleven deviations.
        let found = guard.assess(&readings(110.0, 3_600, Some(109.0)), Some(&sigma), Time::from_unix(3_600), &mut state);
        assert_eq!((found.faults[0].check, found.level), (Check::Jump, Level::Shrink));
        assert!((found.faults[0].value - (1.1_f64).ln() / (0.8 * (3_600.0 / YEAR).sqrt())).abs() < 1e-9);
    }

    #[test]
    fn stress_rises_at_once_and_falls_level_by_level() {
        let (mut guard, mut state) = (guard(), StressState::default());
        let hour = 3_600;
        let mut step = |answer: f64, t: i64| {
            guard.assess(&readings(answer, t * hour, Some(100.0)), None, Time::from_unix(t * hour), &mut state).level
        };
        assert_eq!(step(110.0, 0), Level::Halt);
        assert_eq!(step(100.0, 1), Level::Halt, "calm begins");
        assert_eq!(step(100.0, 6), Level::Halt);
        assert_eq!(step(100.0, 7), Level::Shrink, "six calm hours");
        assert_eq!(step(103.3, 8), Level::Shrink, "as deep again");
        assert_eq!(step(100.0, 9), Level::Shrink, "calm begins anew");
        assert_eq!(step(100.0, 15), Level::Widen);
        assert_eq!(step(101.9, 21), Level::Widen, "below the limit, above the release");
        assert_eq!(step(100.0, 22), Level::Widen);
        assert_eq!(step(100.0, 28), Level::Calm);
    }
}
