//! The same decisions over a history.
//!
//! Bars go to the [`Decider`] one by one; what it decides at a bar is filled at that bar's close, or at the next bar's open.
//! The portfolio starts at its own target weights, at no cost, when the warm-up is over.

mod metrics;

use bigdecimal::BigDecimal;
use serde::Serialize;

pub use metrics::Metrics;
use metrics::Tally;

use crate::{
    decide::{Action, Decider, DeciderError, Memory, Trade},
    history::{Bar, History},
    oracle::{BarSource, Level, PriceSource as _, Readings},
    policy::Policy,
    portfolio::{Asset, Holdings, LedgerError, Weights, WeightsError, approximate, decimal},
    target::Situation,
    time::{Span, Time},
};

/// When a decision is filled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
pub enum FillAt {
    /// At the close it was decided on.
    #[default]
    Close,
    /// At the next bar's open, or its close where there are no opens.
    Next,
}

/// How to run a backtest.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Value at the start, in the numeraire.
    pub value: BigDecimal,
    /// How long forecasts see bars before the portfolio starts.
    pub warmup: Span,
    /// When decisions are filled.
    pub fill: FillAt,
    /// Metrics are also taken for this many equal parts of the time.
    pub parts: usize,
    /// Points of the recorded path at most; 0 records none, and no trades.
    pub points: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { value: BigDecimal::from(100_000), warmup: Span::from_days(30), fill: FillAt::Close, parts: 1, points: 1_500 }
    }
}

/// One point of a recorded path.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    /// When.
    pub time: Time,
    /// Value, in the numeraire, after trades.
    pub value: f64,
    /// Weights before trades.
    pub weights: Vec<f64>,
    /// Target weights.
    pub target: Vec<f64>,
    /// Half-widths of the bands; infinite where there is none.
    pub bands: Vec<f64>,
}

/// A fill of the backtest.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Filled {
    /// When.
    pub time: Time,
    /// Value moved one way, in the numeraire.
    pub moved: f64,
    /// Cost, in the numeraire.
    pub cost: f64,
    /// Weights after, with the signs of the orders: per asset −1, 0 or 1.
    #[serde(skip)]
    pub sides: Vec<i8>,
    /// Weights after it.
    pub weights: Vec<f64>,
}

/// What a policy did over a history.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    /// The policy's name.
    pub policy: String,
    /// The assets.
    pub assets: Vec<String>,
    /// Over the whole time.
    pub metrics: Metrics,
    /// Over its equal parts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<Metrics>,
    /// Its fills.
    pub trades: Vec<Filled>,
    /// Correlation of each asset with each macro series at the end.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub macro_correlations: Vec<MacroCorrelation>,
    /// The path, thinned.
    #[serde(skip)]
    pub path: Vec<Point>,
}

/// Correlation of an asset's returns with a macro series' changes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MacroCorrelation {
    /// The asset.
    pub asset: String,
    /// The series.
    pub series: String,
    /// −1 to 1; none if one has not moved.
    pub correlation: Option<f64>,
}

/// Why a backtest could not be run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BacktestError {
    /// Policy and history do not fit.
    #[error(transparent)]
    Decider(#[from] DeciderError),
    /// The warm-up leaves nothing.
    #[error("the history has {bars} bars until {end}; a warm-up of {warmup} leaves fewer than two to test on")]
    TooShort {
        /// Bars in all.
        bars: usize,
        /// The last bar.
        end: Time,
        /// The warm-up.
        warmup: Span,
    },
    /// The target at the start is no weights.
    #[error("the target at the start: {0}")]
    Start(#[from] WeightsError),
    /// A price is no decimal.
    #[error("{at}: a price is not a positive, finite number")]
    Price {
        /// The bar.
        at: Time,
    },
}

fn exact(prices: &[f64], at: Time) -> Result<Vec<BigDecimal>, BacktestError> {
    prices.iter().map(|&p| decimal(p).filter(|_| p > 0.0)).collect::<Option<_>>().ok_or(BacktestError::Price { at })
}

/// Runs `policy` over `history`, whose columns are the policy's assets in any order; prices and values are in `numeraire`.
/// `progress` hears of bars done, now and then.
///
/// # Errors
/// If policy and history do not fit, or the warm-up leaves nothing.
pub fn run(
    policy: &Policy,
    history: &History,
    numeraire: &str,
    settings: &Settings,
    progress: &dyn Fn(usize),
) -> Result<Outcome, BacktestError> {
    let assets: Vec<Asset> =
        history.assets().iter().map(|name| Asset { name: name.clone(), decimals: 18, tradable: true }).collect();
    let names: Vec<&str> = history.assets().iter().map(String::as_str).collect();
    let mut decider = Decider::new(policy.clone(), assets.clone(), numeraire, history, Memory::default())?;
    let mut source = policy.guard.as_ref().map(|g| BarSource::new(names.len(), g.twap_window));

    let too_short = || BacktestError::TooShort {
        bars: history.len(),
        end: history.times().last().copied().unwrap_or(Time::from_unix(0)),
        warmup: settings.warmup,
    };
    let opens = history.times().first().ok_or_else(too_short)?.plus(settings.warmup);
    let first = history.times().partition_point(|t| *t < opens);
    let tested = history.len().checked_sub(first).filter(|left| *left >= 2).ok_or_else(too_short)?;
    let stride = tested.div_ceil(settings.points.max(1)).max(1);
    let part_of = |t: usize| (t - first) * settings.parts.max(1) / tested;

    let mut holdings: Option<Holdings> = None;
    let mut pending: Option<Trade> = None;
    let mut whole = Tally::default();
    let mut parts = vec![Tally::default(); if settings.parts > 1 { settings.parts } else { 0 }];
    let (mut path, mut trades) = (Vec::new(), Vec::new());
    for (t, bar) in history.bars().enumerate() {
        if t % 8_192 == 8_191 {
            progress(8_192);
        }
        decider.observe(&bar);
        if let Some(source) = &mut source {
            source.push(&bar);
        }
        if t < first {
            continue;
        }
        let holdings = match &mut holdings {
            Some(holdings) => holdings,
            empty => {
                let value = approximate(&settings.value);
                let situation = Situation { now: bar.time, value, start_value: value, peak_value: value, covariance: None };
                let start = Weights::of_shares(decider.target(&situation))?;
                empty.insert(Holdings::spread(&settings.value, &start, &exact(bar.close, bar.time)?, &assets))
            }
        };
        let mut tallies = [Some(&mut whole), parts.get_mut(part_of(t))];
        if let Some(trade) = pending.take() {
            let prices: Vec<f64> =
                if bar.candles.is_empty() { bar.close.to_vec() } else { bar.candles.iter().map(|c| c.open).collect() };
            book(&trade, holdings, &mut decider, &prices, bar.time, &mut tallies, settings, &mut trades)?;
        }
        let readings: Option<Readings> = source.as_mut().and_then(|s| s.read(&names, bar.time).ok());
        let decision = decider.decide(holdings, bar.close, bar.time, readings.as_ref());
        let halted = decision.stress.level == Level::Halt;
        tallies.iter_mut().flatten().for_each(|tally| tally.bar(&bar, decision.value, halted));
        if let Action::Trade(trade) = &decision.action {
            match settings.fill {
                FillAt::Close => book(trade, holdings, &mut decider, bar.close, bar.time, &mut tallies, settings, &mut trades)?,
                FillAt::Next => pending = Some(trade.clone()),
            }
        }
        let value = value_of(holdings, &bar);
        tallies.iter_mut().flatten().for_each(|tally| tally.close(&bar, value, &decision.target));
        if settings.points > 0 && ((t - first) % stride == 0 || t + 1 == history.len()) {
            let (weights, target, bands) = (decision.weights, decision.target, decision.bands);
            path.push(Point { time: bar.time, value, weights, target, bands });
        }
    }
    progress(history.len() % 8_192);
    Ok(Outcome {
        policy: policy.name.clone(),
        macro_correlations: macro_correlations(&decider, history),
        assets: history.assets().to_vec(),
        metrics: whole.finish(),
        parts: parts.into_iter().map(Tally::finish).collect(),
        trades,
        path,
    })
}

fn value_of(holdings: &Holdings, bar: &Bar<'_>) -> f64 {
    holdings.approximate().iter().zip(bar.close).map(|(amount, price)| amount * price).sum()
}

/// Books a trade and takes note of it everywhere.
#[expect(clippy::too_many_arguments, reason = "the loop's state, taken apart so that the borrow checker sees the parts")]
fn book(
    trade: &Trade,
    holdings: &mut Holdings,
    decider: &mut Decider,
    prices: &[f64],
    now: Time,
    tallies: &mut [Option<&mut Tally>; 2],
    settings: &Settings,
    trades: &mut Vec<Filled>,
) -> Result<(), BacktestError> {
    let exact = exact(prices, now)?;
    let booked = holdings.fill(&trade.orders, &exact, decider.assets(), &decider.policy().costs);
    // Refused or made, it is settled: the cooldown is what keeps a refusal from being tried every bar.
    decider.settled(trade, now);
    match booked {
        Ok(fill) => {
            let (moved, cost) = (approximate(&fill.moved), approximate(&(&fill.cost + &fill.dust)));
            tallies.iter_mut().flatten().for_each(|tally| tally.trade(moved, cost, trade.orders.len()));
            if settings.points > 0 {
                let values: Vec<f64> = holdings.approximate().iter().zip(prices).map(|(a, p)| a * p).collect();
                let value: f64 = values.iter().sum();
                let mut sides = vec![0; values.len()];
                for order in &trade.orders {
                    if let Some(side) = sides.get_mut(order.asset) {
                        *side = if order.value > 0 { 1 } else { -1 };
                    }
                }
                trades.push(Filled { time: now, moved, cost, sides, weights: values.iter().map(|v| v / value).collect() });
            }
        }
        Err(LedgerError::Short { .. } | LedgerError::CostsExceedProceeds { .. } | LedgerError::NoAsset(_)) => {
            tallies.iter_mut().flatten().for_each(|tally| tally.refused());
        }
    }
    Ok(())
}

fn macro_correlations(decider: &Decider, history: &History) -> Vec<MacroCorrelation> {
    let pairs = history.assets().iter().enumerate().flat_map(|(i, asset)| {
        let all = history.macro_names().iter().enumerate();
        all.map(move |(m, series)| (i, m, asset.clone(), series.clone()))
    });
    pairs
        .map(|(i, m, asset, series)| MacroCorrelation {
            correlation: decider.forecaster().macro_correlation(i, m),
            asset,
            series,
        })
        .collect()
}
