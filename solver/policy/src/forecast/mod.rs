//! What volatility and correlation to expect, from the bars so far and no later ones.
//!
//! ```text
//! bars ─► steps (one per `step`) ─► a volatility model per asset ─┐
//!                               └─► one correlation model ────────┴─► annual covariance D ρ D
//! ```
//!
//! Every model runs on *steps*: the first bar that closes at least `step` after the last one. A return over another time
//! `Δt` is scaled by `√(step/Δt)`; a stale price makes no return, the next fresh one spans the gap. A return beyond
//! `jump_sigmas` forecast deviations enters cut to that size, and is counted.

mod covariance;
mod ewma;
mod garch;
mod har;
mod joint;
mod ledoit_wolf;
#[cfg(test)]
mod reference;
mod volatility;
mod yang_zhang;

pub use covariance::Covariance;
pub use ewma::Ewma;
pub use garch::Garch;
pub use har::Har;
pub use ledoit_wolf::{Shrunk, ledoit_wolf};
pub use yang_zhang::YangZhang;

use joint::Joint;
use serde::Deserialize;
use volatility::{Model, Step};

use crate::{
    history::Bar,
    time::{Span, Time, YEAR},
};

/// The `[forecast]` table of a policy.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ForecastConfig {
    /// Time between the returns that the models see.
    pub step: Span,
    /// Returns beyond this many forecast deviations are cut to it; 0 cuts none.
    pub jump_sigmas: f64,
    /// The volatility of each asset.
    pub volatility: VolatilityConfig,
    /// How assets, and macro series, move together.
    pub correlation: CorrelationConfig,
}

impl Default for ForecastConfig {
    fn default() -> Self {
        Self {
            step: Span::from_days(1),
            jump_sigmas: 8.0,
            volatility: VolatilityConfig::Ewma { lambda: 0.94 },
            correlation: CorrelationConfig::Ewma { lambda: 0.97 },
        }
    }
}

/// A volatility model, by `model = "…"`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(tag = "model", rename_all = "snake_case", deny_unknown_fields)]
pub enum VolatilityConfig {
    /// Exponentially weighted.
    Ewma {
        /// Decay per step.
        lambda: f64,
    },
    /// GARCH(1,1) by maximum likelihood; needs a hundred steps.
    Garch {
        /// Steps a fit looks back.
        window: usize,
        /// Steps between fits.
        refit: usize,
        /// Steps ahead that the forecast is the mean of.
        #[serde(default = "one")]
        horizon: usize,
    },
    /// HAR on realised variance; `step` is the day, and bars within it make its realised variance.
    Har {
        /// Steps a fit looks back.
        window: usize,
        /// Steps between fits.
        refit: usize,
    },
    /// Yang–Zhang from opens, highs, lows and closes.
    YangZhang {
        /// Steps it looks back.
        window: usize,
    },
}

/// A correlation model, by `model = "…"`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(tag = "model", rename_all = "snake_case", deny_unknown_fields)]
pub enum CorrelationConfig {
    /// Exponentially weighted.
    Ewma {
        /// Decay per step.
        lambda: f64,
    },
    /// Ledoit–Wolf shrinkage over a rolling window.
    LedoitWolf {
        /// Steps it looks back.
        window: usize,
        /// Steps between estimates.
        #[serde(default = "one")]
        refit: usize,
    },
}

const fn one() -> usize {
    1
}

impl ForecastConfig {
    /// The first field that makes no sense, and why.
    pub(crate) fn check(&self) -> Result<(), (&'static str, String)> {
        let lambda = |field, lambda: f64| {
            if lambda > 0.0 && lambda < 1.0 { Ok(()) } else { Err((field, format!("{lambda} is not between 0 and 1"))) }
        };
        let least = |field, value: usize, least: usize| {
            if value >= least { Ok(()) } else { Err((field, format!("{value} is too few, it takes {least}"))) }
        };
        if self.step.seconds() == 0 {
            return Err(("forecast.step", "a step takes time".to_owned()));
        }
        if !(self.jump_sigmas >= 0.0) {
            return Err(("forecast.jump_sigmas", format!("{} is not a size", self.jump_sigmas)));
        }
        match self.volatility {
            VolatilityConfig::Ewma { lambda: l } => lambda("forecast.volatility.lambda", l)?,
            VolatilityConfig::Garch { window, refit, horizon } => {
                least("forecast.volatility.window", window, garch::FEWEST)?;
                least("forecast.volatility.refit", refit, 1)?;
                least("forecast.volatility.horizon", horizon, 1)?;
                if horizon > 10_000 {
                    return Err(("forecast.volatility.horizon", format!("{horizon} steps are further than any forecast")));
                }
            }
            VolatilityConfig::Har { window, refit } => {
                least("forecast.volatility.window", window, har::LONGEST + 10)?;
                least("forecast.volatility.refit", refit, 1)?;
            }
            VolatilityConfig::YangZhang { window } => least("forecast.volatility.window", window, 2)?,
        }
        match self.correlation {
            CorrelationConfig::Ewma { lambda: l } => lambda("forecast.correlation.lambda", l),
            CorrelationConfig::LedoitWolf { window, refit } => {
                least("forecast.correlation.window", window, joint::FEWEST)?;
                least("forecast.correlation.refit", refit, 1)
            }
        }
    }
}

/// One asset as the forecaster follows it.
#[derive(Debug, Clone)]
struct Followed {
    /// Its place in the bar.
    asset: usize,
    model: Model,
    /// Last fresh price that ended a step, and when.
    last: Option<(Time, f64)>,
    /// The step so far: open, high, low, last price, sum of squared returns of its bars.
    open: f64,
    high: f64,
    low: f64,
    price: f64,
    realised: f64,
    /// Whether the step has a fresh price.
    any: bool,
}

/// Turns bars into an annual covariance.
#[derive(Debug, Clone)]
pub struct Forecaster {
    step: f64,
    jump_sigmas: f64,
    begun: Option<Time>,
    followed: Vec<Followed>,
    joint: Joint,
    jumps: usize,
    steps: usize,
    covariance: Option<Covariance>,
    n: usize,
}

impl Forecaster {
    /// For `n` assets, of which `numeraire` (if any) never moves, and `macros` macro series.
    pub fn new(config: &ForecastConfig, n: usize, numeraire: Option<usize>, macros: usize) -> Self {
        let followed: Vec<Followed> = (0..n)
            .filter(|&i| Some(i) != numeraire)
            .map(|asset| Followed {
                asset,
                model: Model::new(&config.volatility),
                last: None,
                open: 0.0,
                high: 0.0,
                low: 0.0,
                price: 0.0,
                realised: 0.0,
                any: false,
            })
            .collect();
        Self {
            step: config.step.seconds() as f64,
            jump_sigmas: config.jump_sigmas,
            begun: None,
            joint: Joint::new(&config.correlation, followed.len(), macros),
            followed,
            jumps: 0,
            steps: 0,
            covariance: None,
            n,
        }
    }

    /// Takes in the next bar.
    pub fn push(&mut self, bar: &Bar<'_>) {
        for it in &mut self.followed {
            it.bar(bar);
        }
        let Some(begun) = self.begun else {
            // The first bar only sets the prices that returns are measured from.
            self.begun = Some(bar.time);
            for it in &mut self.followed {
                it.begin(bar.time);
            }
            self.joint.begin(bar, &self.followed);
            return;
        };
        if (bar.time.since(begun) as f64) < self.step {
            return;
        }
        self.begun = Some(bar.time);
        self.steps += 1;
        self.joint.push(bar, &self.followed, self.step);
        for it in &mut self.followed {
            self.jumps += usize::from(it.close_step(bar.time, self.step, self.jump_sigmas));
        }
        self.assemble();
    }

    /// Annual covariance of the assets; none until every model has seen enough.
    pub fn covariance(&self) -> Option<&Covariance> {
        self.covariance.as_ref()
    }

    /// Correlation of asset `i` with macro series `m`; none until both have moved.
    pub fn macro_correlation(&self, i: usize, m: usize) -> Option<f64> {
        let place = self.followed.iter().position(|f| f.asset == i)?;
        self.joint.correlation(place, self.followed.len() + m)
    }

    /// Steps seen.
    pub fn steps(&self) -> usize {
        self.steps
    }

    /// Returns cut as jumps so far.
    pub fn jumps(&self) -> usize {
        self.jumps
    }

    /// `Σ = D ρ D`, annual.
    fn assemble(&mut self) {
        let per_year = YEAR / self.step;
        let mut covariance = self.covariance.take().unwrap_or_else(|| Covariance::zero(self.n));
        for (a, x) in self.followed.iter().enumerate() {
            let Some(vx) = x.model.variance() else { return };
            let vx = vx * per_year;
            covariance.set(x.asset, x.asset, vx);
            for (b, y) in self.followed.iter().enumerate().take(a) {
                // `y` came before, so its variance is in the matrix already.
                let Some(rho) = self.joint.correlation(a, b) else { return };
                let value = rho * (vx * covariance.get(y.asset, y.asset)).sqrt();
                covariance.set(x.asset, y.asset, value);
                covariance.set(y.asset, x.asset, value);
            }
        }
        self.covariance = Some(covariance);
    }
}

impl Followed {
    fn bar(&mut self, bar: &Bar<'_>) {
        if !bar.fresh(self.asset) {
            return;
        }
        let Some(&close) = bar.close.get(self.asset) else { return };
        let (open, high, low) = bar.candles.get(self.asset).map_or((close, close, close), |c| (c.open, c.high, c.low));
        if self.any {
            (self.high, self.low) = (self.high.max(high), self.low.min(low));
        } else {
            (self.open, self.high, self.low, self.any) = (open, high, low, true);
        }
        if self.price > 0.0 {
            let r = (close / self.price).ln();
            self.realised += r * r;
        }
        self.price = close;
    }

    fn begin(&mut self, time: Time) {
        if self.any {
            self.last = Some((time, self.price));
        }
        (self.any, self.realised) = (false, 0.0);
    }

    /// Ends the step; whether its return was cut as a jump.
    fn close_step(&mut self, time: Time, step: f64, jump_sigmas: f64) -> bool {
        let mut cut = false;
        if let (true, Some((since, before))) = (self.any, self.last) {
            let scale = step / (time.since(since) as f64).max(1.0);
            let mut r = (self.price / before).ln() * scale.sqrt();
            if let Some(variance) = self.model.variance().filter(|v| jump_sigmas > 0.0 && *v > 0.0) {
                let most = jump_sigmas * variance.sqrt();
                cut = r.abs() > most;
                r = r.clamp(-most, most);
            }
            let (open, high, low, close) = (self.open, self.high, self.low, self.price);
            self.model.push(&Step { r, realised: self.realised * scale, before, open, high, low, close });
        }
        self.begin(time);
        cut
    }
}
