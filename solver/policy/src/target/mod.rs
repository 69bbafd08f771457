//! Where to be: target weights, fixed or computed, within limits.
//!
//! A target is where one wants to be; bounds and group limits are part of it. The turnover limit is about getting there and
//! shortens a trade (see [`crate::decide`]), so drift is always measured from the true target.

mod programme;

use std::collections::BTreeMap;

use bigdecimal::BigDecimal;
use programme::Feasible;
use serde::{Deserialize, Serialize};

use crate::{
    forecast::Covariance,
    policy::number_map,
    portfolio::{Weights, WeightsError, approximate},
    time::{Span, Time},
};

/// The `[target]` table of a policy, by `kind = "…"`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum TargetConfig {
    /// These weights.
    Fixed {
        /// Weight by asset; they sum to exactly 1.
        #[serde(deserialize_with = "number_map")]
        weights: BTreeMap<String, BigDecimal>,
    },
    /// Constant-proportion portfolio insurance: exposure `m·(value − floor)` to a risky basket, the rest safe.
    Cppi {
        /// The risky basket; weights in it sum to exactly 1.
        #[serde(deserialize_with = "number_map")]
        risky: BTreeMap<String, BigDecimal>,
        /// The safe asset.
        safe: String,
        /// `m`.
        multiplier: f64,
        /// The floor, as a fraction of `floor_of`.
        floor: f64,
        /// What the floor is a fraction of.
        #[serde(default)]
        floor_of: FloorOf,
        /// Most exposure, as a fraction of the value.
        #[serde(default = "whole")]
        max_exposure: f64,
    },
    /// Mean-variance: maximises `μᵀw − ½γ wᵀΣw` with the forecast Σ.
    MeanVariance {
        /// The assets to choose from.
        assets: Vec<String>,
        /// Expected annual returns `μ` by asset; zero if not given, so that none at all is minimum variance.
        #[serde(default)]
        expected_returns: BTreeMap<String, f64>,
        /// Risk aversion `γ`.
        risk_aversion: f64,
        /// How often the target is computed anew.
        #[serde(default = "day")]
        every: Span,
    },
    /// Risk parity: each asset brings its budget's share of the forecast variance.
    RiskParity {
        /// Risk budget by asset; they are scaled to sum to 1.
        budgets: BTreeMap<String, f64>,
        /// How often the target is computed anew.
        #[serde(default = "day")]
        every: Span,
    },
}

/// What a floor is a fraction of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FloorOf {
    /// The value at the start.
    #[default]
    Start,
    /// The highest value so far: the floor ratchets up.
    Peak,
}

const fn whole() -> f64 {
    1.0
}

const fn day() -> Span {
    Span::from_days(1)
}

/// The `[limits]` table of a policy.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Most value moved in one rebalance (one way), as a fraction of the portfolio; a longer way is gone in part.
    pub turnover: f64,
    /// Least weight of each asset in a target.
    pub min_weight: f64,
    /// Most weight of each asset in a target.
    pub max_weight: f64,
    /// Most weight of groups of assets, together.
    pub group: Vec<Group>,
}

impl Default for Limits {
    fn default() -> Self {
        Self { turnover: 1.0, min_weight: 0.0, max_weight: 1.0, group: Vec::new() }
    }
}

/// Assets with one limit.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// Its members.
    pub assets: Vec<String>,
    /// Most weight of all together.
    pub max: f64,
}

/// Why there is no target.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TargetError {
    /// A field makes no sense.
    #[error("`{field}`: {reason}")]
    Invalid {
        /// The field of the policy.
        field: String,
        /// Why.
        reason: String,
    },
    /// The solver found none.
    #[error("no weights satisfy the limits, or the solver failed: {reason}")]
    Solver {
        /// Its status.
        reason: String,
    },
}

/// Where the numbers of a target come from at one moment.
#[derive(Debug, Clone, Copy)]
pub struct Situation<'a> {
    /// Now.
    pub now: Time,
    /// Value of the portfolio.
    pub value: f64,
    /// Value at the start.
    pub start_value: f64,
    /// Highest value so far, this one included.
    pub peak_value: f64,
    /// Annual covariance, once there is one.
    pub covariance: Option<&'a Covariance>,
}

/// What the computed targets state about themselves.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Basis {
    /// Given weights.
    Fixed,
    /// CPPI's numbers.
    Cppi {
        /// The floor, in the numeraire.
        floor: f64,
        /// Exposure, as a fraction of the value.
        exposure: f64,
    },
    /// Computed from the forecast at this time.
    Computed {
        /// When.
        at: Time,
    },
    /// Waiting for a forecast: equal weights, brought within the limits.
    NoForecast,
    /// The solver failed; the target is the one before.
    Kept,
}

/// The target, kept up to date.
#[derive(Debug, Clone)]
pub(crate) struct Targets {
    kind: Kind,
    feasible: Feasible,
    weights: Vec<f64>,
    computed: Option<Time>,
    pub basis: Basis,
}

#[derive(Debug, Clone)]
enum Kind {
    Fixed,
    Cppi { risky: Vec<f64>, safe: usize, multiplier: f64, floor: f64, of: FloorOf, most: f64 },
    MeanVariance { returns: Vec<f64>, risk_aversion: f64, every: Span },
    RiskParity { budgets: Vec<f64>, every: Span },
}

impl TargetConfig {
    /// The assets it speaks of, in a stable order.
    pub fn assets(&self) -> Vec<&str> {
        match self {
            Self::Fixed { weights } => weights.keys().map(String::as_str).collect(),
            Self::Cppi { risky, safe, .. } => risky.keys().map(String::as_str).chain([safe.as_str()]).collect(),
            Self::MeanVariance { assets, .. } => assets.iter().map(String::as_str).collect(),
            Self::RiskParity { budgets, .. } => budgets.keys().map(String::as_str).collect(),
        }
    }

    /// The first field that makes no sense, and why.
    pub(crate) fn check(&self) -> Result<(), TargetError> {
        let invalid = |field: &str, reason: String| Err(TargetError::Invalid { field: field.to_owned(), reason });
        let exact = |field: &str, map: &BTreeMap<String, BigDecimal>| match Weights::new(map.values().cloned().collect()) {
            Ok(_) => Ok(()),
            Err(WeightsError::Negative { index, value }) => {
                invalid(&format!("{field}.{}", map.keys().nth(index).map_or("?", |k| k)), format!("{value} is below zero"))
            }
            Err(e) => invalid(field, e.to_string()),
        };
        let mut assets = self.assets();
        assets.sort_unstable();
        if let Some(pair) = assets.windows(2).find(|pair| pair.first() == pair.last()) {
            return invalid("target", format!("`{}` is named twice", pair.first().unwrap_or(&"")));
        }
        if assets.is_empty() {
            return invalid("target", "it names no asset".to_owned());
        }
        match self {
            Self::Fixed { weights } => exact("target.weights", weights),
            Self::Cppi { risky, multiplier, floor, max_exposure, .. } => {
                exact("target.risky", risky)?;
                if !(*multiplier > 0.0 && multiplier.is_finite()) {
                    return invalid("target.multiplier", format!("{multiplier} is not above zero"));
                }
                if !(0.0..1.0).contains(floor) {
                    return invalid("target.floor", format!("{floor} is not from 0 to 1"));
                }
                if !(*max_exposure > 0.0 && *max_exposure <= 1.0) {
                    return invalid("target.max_exposure", format!("{max_exposure} is not from 0 to 1"));
                }
                Ok(())
            }
            Self::MeanVariance { assets, expected_returns, risk_aversion, .. } => {
                if let Some(stranger) = expected_returns.keys().find(|k| !assets.contains(k)) {
                    return invalid("target.expected_returns", format!("`{stranger}` is not among the assets"));
                }
                if !(*risk_aversion > 0.0 && risk_aversion.is_finite()) {
                    return invalid("target.risk_aversion", format!("{risk_aversion} is not above zero"));
                }
                Ok(())
            }
            Self::RiskParity { budgets, .. } => match budgets.iter().find(|(_, b)| !(**b > 0.0 && b.is_finite())) {
                Some((asset, budget)) => invalid(&format!("target.budgets.{asset}"), format!("{budget} is not above zero")),
                None => Ok(()),
            },
        }
    }
}

impl Targets {
    /// For these assets, which must be those of the configuration.
    pub fn new(config: &TargetConfig, limits: &Limits, assets: &[&str], numeraire: Option<usize>) -> Result<Self, TargetError> {
        let n = assets.len();
        let invalid = |field: &str, reason: String| TargetError::Invalid { field: field.to_owned(), reason };
        let find = |field: &str, name: &str| {
            assets.iter().position(|a| *a == name).ok_or_else(|| invalid(field, format!("`{name}` is not in the portfolio")))
        };
        let lay = |field: &str, map: &mut dyn Iterator<Item = (&String, f64)>| {
            let mut row = vec![0.0; n];
            for (name, value) in map {
                if let Some(slot) = row.get_mut(find(field, name)?) {
                    *slot = value;
                }
            }
            Ok(row)
        };
        let members = |group: &Group| {
            let places = group.assets.iter().map(|name| find("limits.group.assets", name)).collect::<Result<Vec<_>, _>>()?;
            Ok((places, group.max))
        };
        let feasible = Feasible {
            low: vec![limits.min_weight; n],
            high: vec![limits.max_weight; n],
            groups: limits.group.iter().map(members).collect::<Result<_, TargetError>>()?,
        };
        let equal = vec![1.0 / n as f64; n];
        let (kind, first) = match config {
            TargetConfig::Fixed { weights } => {
                let weights = lay("target.weights", &mut weights.iter().map(|(k, v)| (k, approximate(v))))?;
                (Kind::Fixed, weights)
            }
            TargetConfig::Cppi { risky, safe, multiplier, floor, floor_of, max_exposure } => {
                let risky = lay("target.risky", &mut risky.iter().map(|(k, v)| (k, approximate(v))))?;
                let safe = find("target.safe", safe)?;
                (Kind::Cppi { risky, safe, multiplier: *multiplier, floor: *floor, of: *floor_of, most: *max_exposure }, equal)
            }
            TargetConfig::MeanVariance { expected_returns, risk_aversion, every, .. } => {
                let returns = lay("target.expected_returns", &mut expected_returns.iter().map(|(k, v)| (k, *v)))?;
                (Kind::MeanVariance { returns, risk_aversion: *risk_aversion, every: *every }, equal)
            }
            TargetConfig::RiskParity { budgets, every } => {
                if let Some(i) = numeraire {
                    let reason = format!("`{}` is the numeraire and has no risk to bring", assets.get(i).unwrap_or(&""));
                    return Err(invalid("target.budgets", reason));
                }
                let sum: f64 = budgets.values().sum();
                (
                    Kind::RiskParity {
                        budgets: lay("target.budgets", &mut budgets.iter().map(|(k, v)| (k, v / sum)))?,
                        every: *every,
                    },
                    equal,
                )
            }
        };
        let basis = if matches!(kind, Kind::Fixed) { Basis::Fixed } else { Basis::NoForecast };
        let mut targets = Self { kind, feasible, weights: first.clone(), computed: None, basis };
        // Also the proof that the limits leave something.
        targets.weights = targets.within(first, None)?;
        Ok(targets)
    }

    fn within(&self, wanted: Vec<f64>, covariance: Option<&Covariance>) -> Result<Vec<f64>, TargetError> {
        if self.feasible.contains(&wanted) { Ok(wanted) } else { programme::nearest(covariance, &wanted, &self.feasible) }
    }

    /// Target weights.
    pub fn weights(&self) -> &[f64] {
        &self.weights
    }

    /// Brings the target up to date; a failed computation keeps the last one and says so in `basis`.
    pub fn update(&mut self, s: &Situation<'_>) {
        let due = |computed: Option<Time>, every: Span| computed.is_none_or(|at| at.plus(every) <= s.now);
        let (computed, basis) = match &self.kind {
            Kind::Fixed => return,
            Kind::Cppi { risky, safe, multiplier, floor, of, most } => {
                let floor = floor * if *of == FloorOf::Start { s.start_value } else { s.peak_value };
                let exposure = if s.value > 0.0 { (multiplier * (s.value - floor) / s.value).clamp(0.0, *most) } else { 0.0 };
                let mut weights: Vec<f64> = risky.iter().map(|w| w * exposure).collect();
                if let Some(slot) = weights.get_mut(*safe) {
                    *slot += 1.0 - exposure;
                }
                (self.within(weights, s.covariance), Basis::Cppi { floor, exposure })
            }
            Kind::MeanVariance { returns, risk_aversion, every } => {
                let Some(covariance) = s.covariance.filter(|_| due(self.computed, *every)) else { return };
                let found = programme::mean_variance(covariance, returns, *risk_aversion, &self.feasible);
                (found, Basis::Computed { at: s.now })
            }
            Kind::RiskParity { budgets, every } => {
                let Some(covariance) = s.covariance.filter(|_| due(self.computed, *every)) else { return };
                let found = programme::risk_parity(covariance, budgets).and_then(|w| self.within(w, Some(covariance)));
                (found, Basis::Computed { at: s.now })
            }
        };
        self.computed = Some(s.now);
        match computed {
            // An interior point is never quite on the edge; weights below a millionth are none.
            Ok(weights) if weights.iter().all(|w| w.is_finite()) => {
                self.weights = weights.iter().map(|w| if *w < 1e-6 { 0.0 } else { *w }).collect();
                let sum: f64 = self.weights.iter().sum();
                self.weights.iter_mut().for_each(|w| *w /= sum);
                self.basis = basis;
            }
            _ => self.basis = Basis::Kept,
        }
    }
}

#[cfg(test)]
mod tests;
