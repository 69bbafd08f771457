//! What a backtest is measured by.

use serde::Serialize;

use crate::{
    history::Bar,
    time::{Span, Time, YEAR},
};

/// Figures of a run. Money in the numeraire, rates a year, fractions of one.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Metrics {
    /// First bar.
    pub from: Time,
    /// Last bar.
    pub to: Time,
    /// Value at the end.
    pub final_value: f64,
    /// `final value / first value − 1`.
    pub total_return: f64,
    /// Rebalances; each slice counts.
    pub trades: usize,
    /// Assets traded, summed over the rebalances.
    pub legs: usize,
    /// Value moved one way, as a fraction of the value, a year.
    pub turnover: f64,
    /// Fees, impact, gas and dust.
    pub cost: f64,
    /// The same as a fraction of the mean value, a year.
    pub cost_rate: f64,
    /// Root of the mean squared difference, a year, between the portfolio's return (before costs) and that of the target weights held
    /// over each bar.
    pub tracking_error: f64,
    /// Largest fall from a peak, as a fraction.
    pub max_drawdown: f64,
    /// Part of the time below the last peak.
    pub under_water: f64,
    /// Longest time below a peak.
    pub longest_under_water: Span,
    /// Bars at which the guard had halted trading.
    pub halted_bars: usize,
    /// Trades that the ledger refused.
    pub refused: usize,
}

impl Metrics {
    /// What the corridor theory minimises: cost plus the penalty `½γ TE²`, a year.
    pub fn objective(&self, risk_aversion: f64) -> f64 {
        self.cost_rate + 0.5 * risk_aversion * self.tracking_error * self.tracking_error
    }
}

/// Adds up a run bar by bar.
#[derive(Debug, Clone, Default)]
pub(super) struct Tally {
    from: Option<Time>,
    /// The bar before: when, its prices, the target then, the value after trading.
    last: Option<(Time, f64)>,
    prices: Vec<f64>,
    target: Vec<f64>,
    first_value: f64,
    peak: f64,
    peak_at: Option<Time>,
    squares: f64,
    value_time: f64,
    time: f64,
    under: f64,
    longest: i64,
    moved: f64,
    trades: usize,
    legs: usize,
    cost: f64,
    /// Costs since the last close: they lower the value, and are no tracking difference.
    charged: f64,
    drawdown: f64,
    halted: usize,
    refused: usize,
}

impl Tally {
    /// A bar's value before trading.
    pub fn bar(&mut self, bar: &Bar<'_>, value: f64, halted: bool) {
        self.halted += usize::from(halted);
        let Some((at, before)) = self.last else { return };
        let seconds = bar.time.since(at) as f64;
        let held = self.target.iter().zip(bar.close.iter().zip(&self.prices));
        let target: f64 = held.map(|(w, (now, before))| w * now / before).sum();
        let difference = (value + self.charged) / before - target;
        self.squares += difference * difference;
        self.time += seconds;
        self.value_time += before * seconds;
        if before < self.peak {
            self.under += seconds;
        }
    }

    /// A bar's value after trading.
    pub fn close(&mut self, bar: &Bar<'_>, value: f64, target: &[f64]) {
        if self.from.is_none() {
            (self.from, self.first_value) = (Some(bar.time), value);
        }
        self.last = Some((bar.time, value));
        self.charged = 0.0;
        self.prices.clear();
        self.prices.extend_from_slice(bar.close);
        self.target.clear();
        self.target.extend_from_slice(target);
        if value >= self.peak {
            (self.peak, self.peak_at) = (value, Some(bar.time));
        }
        self.drawdown = self.drawdown.max(1.0 - value / self.peak);
        self.longest = self.longest.max(self.peak_at.map_or(0, |at| bar.time.since(at)));
    }

    pub fn trade(&mut self, moved: f64, cost: f64, legs: usize) {
        let value = self.last.map_or(f64::INFINITY, |(_, value)| value);
        self.trades += 1;
        self.legs += legs;
        self.cost += cost;
        self.charged += cost;
        self.moved += if value.is_finite() { moved / value } else { 0.0 };
    }

    pub fn refused(&mut self) {
        self.refused += 1;
    }

    pub fn finish(self) -> Metrics {
        let nowhere = Time::from_unix(0);
        let years = (self.time / YEAR).max(f64::MIN_POSITIVE);
        let final_value = self.last.map_or(0.0, |(_, value)| value);
        let mean_value = self.value_time / self.time.max(f64::MIN_POSITIVE);
        Metrics {
            from: self.from.unwrap_or(nowhere),
            to: self.last.map_or(nowhere, |(at, _)| at),
            final_value,
            total_return: if self.first_value > 0.0 { final_value / self.first_value - 1.0 } else { 0.0 },
            trades: self.trades,
            legs: self.legs,
            turnover: self.moved / years,
            cost: self.cost,
            cost_rate: if mean_value > 0.0 { self.cost / mean_value / years } else { 0.0 },
            tracking_error: (self.squares / years).sqrt(),
            max_drawdown: self.drawdown,
            under_water: if self.time > 0.0 { self.under / self.time } else { 0.0 },
            longest_under_water: Span::from_seconds(u64::try_from(self.longest).unwrap_or(0)),
            halted_bars: self.halted,
            refused: self.refused,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_by_hand() {
        let mut tally = Tally::default();
        let day = |t: i64| Time::from_unix(t * 86_400);
        // One asset held with half the value, against a target of half: prices 100, 110, 55, 110.
        let mut units = (500.0, 5.0);
        for (t, price) in [(0, 100.0), (1, 110.0), (2, 55.0), (3, 110.0)] {
            let close = [price, 1.0];
            let bar = Bar { time: day(t), close: &close, candles: &[], stale: &[], macros: &[] };
            let value = units.0 + units.1 * price;
            tally.bar(&bar, value, false);
            if t == 1 {
                tally.trade(25.0, 1.0, 2);
                units.0 -= 1.0;
            }
            tally.close(&bar, units.0 + units.1 * price, &[0.5, 0.5]);
        }
        let m = tally.finish();
        let years = 3.0 / 365.25;
        assert_eq!((m.trades, m.legs, m.final_value), (1, 2, 1049.0));
        assert!((m.max_drawdown - (1.0 - 774.0 / 1049.0)).abs() < 1e-12);
        assert!((m.turnover - 25.0 / 1000.0 / years).abs() < 1e-9);
        assert!((m.cost_rate - 1.0 / ((1000.0 + 1049.0 + 774.0) / 3.0) / years).abs() < 1e-9);
        // Day 2: held 549.0476…% against half of a halving; day 3: the other way round.
        let d2 = 774.0 / 1049.0 - 0.75;
        let d3 = 1049.0 / 774.0 - 1.5;
        assert!((m.tracking_error - ((d2 * d2 + d3 * d3) / years).sqrt()).abs() < 1e-9);
        assert!((m.under_water - 1.0 / 3.0).abs() < 1e-12 && m.longest_under_water == Span::from_days(1));
    }
}
