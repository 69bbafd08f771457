//! When and where to rebalance: the decision half of Ballast, with no chain in it.
//!
//! A portfolio, prices and a policy go in; a decision that explains itself comes out. The same code decides once
//! (`decide`), over a history (`backtest`), and for many parameters (`tune`).
//!
//! ```text
//! history ─► forecast ─┐
//! oracle ──► guard ────┼─► decide ─► orders, slices
//! target, trigger ─────┘     │
//!                            ├─► backtest ─► tune
//!                            └─► report, cli
//! ```
//!
//! | where | what | source |
//! |---|---|---|
//! | [`portfolio`] | exact amounts, weights that sum to one, the ledger | |
//! | [`trigger`] | drift, tracking error, calendar, odds of leaving a band, cost-optimal corridor | renewal argument in [`trigger::cost_optimal`] |
//! | [`forecast`] | EWMA, GARCH(1,1), HAR, Yang–Zhang; Ledoit–Wolf | RiskMetrics 1996, Bollerslev 1986, Corsi 2009, Yang & Zhang 2000, Ledoit & Wolf 2004 |
//! | [`target`] | fixed, CPPI, mean-variance, risk parity | Black & Jones 1987, Markowitz 1952, Maillard et al. 2010 |
//! | [`oracle`] | readings, and the guard that judges them | |
//! | [`slicing`] | equal and Almgren–Chriss slices | Almgren & Chriss 2000 |
//!
//! Weights are fractions of one, rates and volatilities annual fractions, money in the numeraire, time in seconds.
//!
//! ```
//! use ballast_policy::trigger::{CorridorInputs, cost_optimal};
//!
//! // Half in an asset of 80 % volatility, risk aversion 4, 30 bp of fees, gas of 1 bp of the value.
//! let (sigma, w, gamma) = (0.8_f64, 0.5_f64, 4.0);
//! let corridor = cost_optimal(&CorridorInputs {
//!     drift_variance: (w * (1.0 - w) * sigma).powi(2),
//!     penalty: 0.5 * gamma * sigma * sigma,
//!     proportional: 0.003,
//!     fixed: 1e-4,
//! }).unwrap();
//! assert!((corridor.trigger - 0.077).abs() < 1e-4, "trade when 7.7 points off");
//! assert!((corridor.landing - 0.019).abs() < 1e-4, "and stop 1.9 points off");
//! ```

// `!(x > 0.0)` is meant: it holds for NaN too.
#![allow(clippy::neg_cmp_op_on_partial_ord)]

pub mod backtest;
#[cfg(feature = "cli")]
pub mod cli;
pub mod decide;
pub mod forecast;
pub mod history;
pub mod oracle;
pub mod policy;
pub mod portfolio;
#[cfg(feature = "cli")]
pub mod report;
pub mod slicing;
pub mod target;
pub mod time;
pub mod trigger;
pub mod tune;
