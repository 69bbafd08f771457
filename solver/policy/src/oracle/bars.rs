//! Readings from the bars of a history: the close as answer, and the closes before it as time-weighted price.

use std::{collections::VecDeque, convert::Infallible};

use super::{PriceSource, Reading, Readings, Sequencer};
use crate::{
    history::Bar,
    time::{Span, Time},
};

/// Follows the bars of a history. The time-weighted price covers the window before the last bar: a pool's average lags.
#[derive(Debug, Clone)]
pub struct BarSource {
    window: i64,
    last: Vec<Option<(Time, f64)>>,
    /// Bars of the window: time and closes; a close counts until the next bar.
    past: VecDeque<(Time, Vec<f64>)>,
    /// Sum of close × seconds over `past`, but its last.
    sums: Vec<f64>,
}

impl BarSource {
    /// For `n` assets and this window.
    pub fn new(n: usize, window: Span) -> Self {
        Self { window: window.seconds() as i64, last: vec![None; n], past: VecDeque::new(), sums: vec![0.0; n] }
    }

    /// Takes in the next bar.
    pub fn push(&mut self, bar: &Bar<'_>) {
        for (i, (last, &close)) in self.last.iter_mut().zip(bar.close).enumerate() {
            if bar.fresh(i) {
                *last = Some((bar.time, close));
            }
        }
        if let Some((at, closes)) = self.past.back() {
            let seconds = bar.time.since(*at) as f64;
            self.sums.iter_mut().zip(closes).for_each(|(sum, close)| *sum += close * seconds);
        }
        self.past.push_back((bar.time, bar.close.to_vec()));
        // Keep one stretch at least, however long.
        while let (Some((first, closes)), Some((second, _)), true) = (self.past.front(), self.past.get(1), self.past.len() > 2) {
            if bar.time.since(*second) < self.window {
                break;
            }
            let seconds = second.since(*first) as f64;
            self.sums.iter_mut().zip(closes).for_each(|(sum, close)| *sum -= close * seconds);
            self.past.pop_front();
        }
    }

    fn twap(&self, i: usize) -> Option<f64> {
        let seconds = self.past.back()?.0.since(self.past.front()?.0) as f64;
        if seconds > 0.0 { Some(self.sums.get(i)? / seconds) } else { None }
    }
}

impl PriceSource for BarSource {
    type Error = Infallible;

    /// The assets are those of the history, in its order.
    fn read(&mut self, assets: &[&str], _now: Time) -> Result<Readings, Infallible> {
        let reading = |i: usize| {
            let (updated_at, answer) = (*self.last.get(i)?)?;
            Some(Reading { answer, updated_at, twap: self.twap(i) })
        };
        Ok(Readings { feeds: (0..assets.len()).map(reading).collect(), sequencer: Sequencer::None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_weighted_price_is_of_the_window_before() {
        let mut source = BarSource::new(1, Span::from_seconds(120));
        for (t, close) in [(0, 10.0), (60, 20.0), (120, 30.0), (180, 90.0)] {
            let bar = Bar { time: Time::from_unix(t), close: &[close], candles: &[], stale: &[], macros: &[] };
            source.push(&bar);
        }
        let reading = source.read(&["A"], Time::from_unix(180)).unwrap().feeds[0].unwrap();
        assert_eq!((reading.answer, reading.twap), (90.0, Some(25.0)));
    }
}
