//! Seeded price paths for demonstrations, tests and benches. The same seed gives the same file on every machine.
//!
//! Log returns are `σ_t (√ρ·market + √(1−ρ)·own)` with normal shocks; `σ_t²` follows a GARCH(1,1) per asset; one step in
//! a thousand also jumps by a normal of ten standard deviations. ChaCha8 makes the bits.

use std::fmt::Write as _;

use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution as _, StandardNormal};

use super::History;
use crate::time::{Span, Time};

/// What to generate.
#[derive(Debug, Clone)]
pub struct Generator {
    /// Seed of the ChaCha8 stream.
    pub seed: u64,
    /// The assets: name, first price in the numeraire, annual volatility, annual drift of the log price.
    pub assets: Vec<(String, f64, f64, f64)>,
    /// Correlation of any two assets' shocks, 0 to 1.
    pub correlation: f64,
    /// When the first bar closes.
    pub start: Time,
    /// Time between bars.
    pub step: Span,
    /// Number of bars.
    pub bars: usize,
}

/// GARCH(1,1) of the generated volatility, per step.
const ALPHA: f64 = 0.08;
const BETA: f64 = 0.90;
/// The normal's 99.9 % quantile: one step in a thousand jumps.
const JUMP_QUANTILE: f64 = 3.090_232_306_167_813;
const JUMP_SIGMAS: f64 = 10.0;

/// The running state: a price and a variance per asset.
struct Path<'a> {
    generator: &'a Generator,
    rng: ChaCha8Rng,
    log_price: Vec<f64>,
    /// Variance relative to its long-run mean.
    variance: Vec<f64>,
}

impl<'a> Path<'a> {
    fn new(generator: &'a Generator) -> Self {
        Self {
            generator,
            rng: ChaCha8Rng::seed_from_u64(generator.seed),
            log_price: generator.assets.iter().map(|(_, price, ..)| price.ln()).collect(),
            variance: vec![1.0; generator.assets.len()],
        }
    }

    fn normal(&mut self) -> f64 {
        StandardNormal.sample(&mut self.rng)
    }

    /// Moves every price by `years`.
    fn advance(&mut self, years: f64) {
        let (own, common) = ((1.0 - self.generator.correlation).sqrt(), self.generator.correlation.sqrt());
        let market = self.normal();
        for (i, (_, _, volatility, drift)) in self.generator.assets.iter().enumerate() {
            let shock = common * market + own * self.normal();
            // The tail probability of a normal decides on a jump, so that the stream is always of normals.
            let jump = if self.normal() > JUMP_QUANTILE { JUMP_SIGMAS * self.normal() } else { 0.0 };
            let (Some(variance), Some(log_price)) = (self.variance.get_mut(i), self.log_price.get_mut(i)) else { continue };
            *log_price += drift * years + volatility * years.sqrt() * variance.sqrt() * (shock + jump);
            *variance = (1.0 - ALPHA - BETA) + (ALPHA * shock * shock + BETA) * *variance;
        }
    }
}

impl Generator {
    /// The example prices that ship with the crate: daily candles of three invented assets over two years, seed 20 260 101.
    pub fn example() -> Self {
        let asset = |name: &str, price: f64, volatility: f64, drift: f64| (name.to_owned(), price, volatility, drift);
        Self {
            seed: 20_260_101,
            assets: vec![
                asset("AURUM", 40_000.0, 0.60, 0.15),
                asset("BOREAL", 2_500.0, 0.80, 0.10),
                asset("CORAL", 12.0, 1.00, 0.0),
            ],
            correlation: 0.5,
            start: Time::from_unix(1_704_067_200),
            step: Span::from_days(1),
            bars: 730,
        }
    }

    /// Closing prices as a history.
    pub fn history(&self) -> History {
        let mut path = Path::new(self);
        let mut close = Vec::with_capacity(self.bars * self.assets.len());
        for _ in 0..self.bars {
            path.advance(self.step.years());
            close.extend(path.log_price.iter().map(|p| p.exp()));
        }
        History::of_closes(self.assets.iter().map(|(name, ..)| name.clone()).collect(), self.times(), close)
    }

    /// A CSV of open, high, low, close per asset, each bar made of 24 smaller steps; prices to six significant digits.
    pub fn csv(&self) -> String {
        const PARTS: usize = 24;
        let mut path = Path::new(self);
        let mut text = String::from("timestamp");
        for (name, ..) in &self.assets {
            let _ = write!(text, ",{name}:open,{name}:high,{name}:low,{name}:close");
        }
        for time in self.times() {
            let open: Vec<f64> = path.log_price.clone();
            let (mut high, mut low) = (open.clone(), open.clone());
            for _ in 0..PARTS {
                path.advance(self.step.years() / PARTS as f64);
                for ((&now, high), low) in path.log_price.iter().zip(&mut high).zip(&mut low) {
                    (*high, *low) = (high.max(now), low.min(now));
                }
            }
            let _ = write!(text, "\n{}", time.unix());
            for (((open, high), low), close) in open.iter().zip(&high).zip(&low).zip(&path.log_price) {
                for log_price in [open, high, low, close] {
                    let _ = write!(text, ",{}", six_digits(log_price.exp()));
                }
            }
        }
        text.push('\n');
        text
    }

    fn times(&self) -> Vec<Time> {
        (0..self.bars).map(|t| self.start.plus(Span::from_seconds(self.step.seconds() * t as u64))).collect()
    }
}

/// `value` to six significant digits, without an exponent.
fn six_digits(value: f64) -> String {
    let places = (5 - value.log10().floor() as i64).clamp(0, 18);
    format!("{value:.*}", places as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_path_and_the_volatility_asked_for() {
        let generator = Generator {
            seed: 7,
            assets: vec![("A".into(), 100.0, 0.8, 0.0), ("B".into(), 5.0, 0.4, 0.0)],
            correlation: 0.5,
            start: Time::from_unix(0),
            step: Span::from_days(1),
            bars: 20_000,
        };
        let (one, two) = (generator.history(), generator.history());
        assert_eq!(one.close, two.close);
        let returns = |i: usize| (1..one.len()).map(move |t| (t, i));
        let r = |(t, i): (usize, usize)| (one.close[t * 2 + i] / one.close[t * 2 - 2 + i]).ln();
        for (i, volatility) in [(0, 0.8), (1, 0.4)] {
            let variance = returns(i).map(|at| r(at).powi(2)).sum::<f64>() / one.len() as f64 * 365.25;
            // Jumps add a tenth of the variance: 0.001 · 10².
            assert!((variance / (volatility * volatility * 1.1) - 1.0).abs() < 0.15, "{variance}");
        }
    }
}
