//! One rebalance in several slices over time.
//!
//! A slice is a fraction of what is left to do *when it comes*: each slice is decided again, with the prices and the target
//! of its moment, so a schedule never trades past a drift that has gone.

use serde::Deserialize;

use crate::time::Span;

/// The `[slicing]` table of a policy, by `kind = "…"`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum SlicingConfig {
    /// The same amount each time.
    Equal {
        /// Number of slices.
        slices: usize,
        /// Time between them.
        spacing: Span,
    },
    /// Almgren–Chriss: faster at first, as risk aversion weighs against impact. Money in the numeraire, time in days;
    /// volatility comes from the forecast.
    AlmgrenChriss {
        /// Number of slices.
        slices: usize,
        /// Time between them.
        spacing: Span,
        /// Risk aversion `λ`, per unit of the numeraire.
        risk_aversion: f64,
        /// Temporary impact `η`: price move, as a fraction, per unit of the numeraire traded per day.
        temporary: f64,
        /// Permanent impact `γ`: price move, as a fraction, per unit of the numeraire traded.
        #[serde(default)]
        permanent: f64,
    },
}

/// The parameters of Almgren and Chriss (2000), in any consistent units of money, shares and time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AlmgrenChriss {
    /// Shares to sell, `X`.
    pub shares: f64,
    /// Time to do it in, `T`.
    pub horizon: f64,
    /// Number of slices, `N`; `τ = T/N`.
    pub slices: usize,
    /// Volatility per share and √time, `σ`.
    pub sigma: f64,
    /// Temporary impact, `η`.
    pub eta: f64,
    /// Permanent impact, `γ`.
    pub gamma: f64,
    /// Risk aversion, `λ`.
    pub lambda: f64,
}

impl AlmgrenChriss {
    /// The urgency `κ = acosh(κ̃²τ²/2 + 1)/τ` with `κ̃² = λσ²/(η − γτ/2)`, per unit of time. Zero without risk or aversion; none if
    /// the impact is not positive (`η ≤ γτ/2`) or there is no slice.
    pub fn kappa(&self) -> Option<f64> {
        let tau = self.horizon / self.slices as f64;
        let impact = self.eta - 0.5 * self.gamma * tau;
        if !(impact > 0.0 && tau > 0.0 && tau.is_finite()) {
            return None;
        }
        let square = self.lambda * self.sigma * self.sigma / impact;
        (square >= 0.0 && square.is_finite()).then(|| (0.5 * square * tau * tau + 1.0).acosh() / tau)
    }

    /// What is left after each slice, from `X` at the start to 0: `x_j = X sinh(κ(T−t_j))/sinh(κT)`.
    pub fn holdings(&self) -> Option<Vec<f64>> {
        let kappa = self.kappa()?;
        let (n, total) = (self.slices, kappa * self.horizon);
        let left = |j: usize| {
            let rest = (n - j) as f64 / n as f64;
            if total < 1e-6 {
                return rest; // the limit without urgency: a straight line
            }
            // sinh(a)/sinh(b) without overflow.
            let a = total * rest;
            (a - total).exp() * (1.0 - (-2.0 * a).exp()) / (1.0 - (-2.0 * total).exp())
        };
        Some((0..=n).map(|j| self.shares * left(j)).collect())
    }
}

impl SlicingConfig {
    /// Number of slices, at least one.
    pub fn slices(&self) -> usize {
        match self {
            Self::Equal { slices, .. } | Self::AlmgrenChriss { slices, .. } => (*slices).max(1),
        }
    }

    /// Time between slices.
    pub fn spacing(&self) -> Span {
        match self {
            Self::Equal { spacing, .. } | Self::AlmgrenChriss { spacing, .. } => *spacing,
        }
    }

    /// The fraction of what is left that each slice does; the last does all.
    ///
    /// `value` is what is moved, in the numeraire, and `volatility` the annual one of what is sold against what is bought. Where
    /// Almgren–Chriss has no answer, the slices are equal.
    pub fn fractions(&self, value: f64, volatility: f64) -> Vec<f64> {
        let n = self.slices();
        let equal = || (0..n).map(|j| 1.0 / (n - j) as f64).collect();
        let Self::AlmgrenChriss { spacing, risk_aversion, temporary, permanent, .. } = self else { return equal() };
        let tau = spacing.seconds() as f64 / 86_400.0;
        let schedule = AlmgrenChriss {
            shares: value,
            horizon: tau * n as f64,
            slices: n,
            sigma: volatility / 365.25_f64.sqrt(),
            eta: *temporary,
            gamma: *permanent,
            lambda: *risk_aversion,
        };
        let Some(left) = schedule.holdings().filter(|_| value > 0.0) else { return equal() };
        left.windows(2).map(|pair| if pair[0] > 0.0 { 1.0 - pair[1] / pair[0] } else { 1.0 }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REFERENCE: AlmgrenChriss =
        AlmgrenChriss { shares: 1e6, horizon: 5.0, slices: 5, sigma: 0.95, eta: 2.5e-6, gamma: 2.5e-7, lambda: 1e-6 };

    #[test]
    fn the_check_values() {
        assert!((REFERENCE.kappa().unwrap() - 0.607_076).abs() < 0.5001e-6);
        let holdings = REFERENCE.holdings().unwrap();
        for (found, given) in holdings.iter().zip([1e6, 541_956.0, 289_854.0, 147_897.0, 62_142.0, 0.0]) {
            assert!((found - given).abs() < 0.5001, "{holdings:?}");
        }
    }

    #[test]
    fn the_limits() {
        let calm = AlmgrenChriss { lambda: 0.0, ..REFERENCE }.holdings().unwrap();
        assert!(calm.iter().zip([1e6, 8e5, 6e5, 4e5, 2e5, 0.0]).all(|(a, b)| (a - b).abs() < 1e-6));
        let frantic = AlmgrenChriss { lambda: 1e6, ..REFERENCE }.holdings().unwrap();
        assert!(frantic.iter().all(|x| x.is_finite()) && frantic[1] < 1.0);
        assert_eq!(AlmgrenChriss { gamma: 1.0, ..REFERENCE }.holdings(), None);
        assert_eq!(AlmgrenChriss { slices: 0, ..REFERENCE }.holdings(), None);
    }

    #[test]
    fn fractions_of_what_is_left_finish_the_job() {
        let spacing = Span::from_seconds(3_600);
        let ac = SlicingConfig::AlmgrenChriss { slices: 4, spacing, risk_aversion: 1e-4, temporary: 1e-9, permanent: 0.0 };
        for slicing in [SlicingConfig::Equal { slices: 4, spacing }, ac] {
            let fractions = slicing.fractions(1e6, 0.8);
            assert_eq!(fractions.len(), 4);
            let left = fractions.iter().fold(1.0, |left, f| left * (1.0 - f));
            assert!(left.abs() < 1e-12 && fractions.iter().all(|f| *f > 0.0 && *f <= 1.0), "{fractions:?}");
        }
        assert_eq!(SlicingConfig::Equal { slices: 2, spacing }.fractions(0.0, 0.0), [0.5, 1.0]);
    }
}
