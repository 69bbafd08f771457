//! One function decides: portfolio, prices and policy in; a [`Decision`] out that has its reasons with it.
//!
//! ```text
//! bars ─► Forecaster ─┐
//! readings ─► Guard ──┤ stress
//! policy ─► Targets ──┼─► drift ─► rules ─► fired? ─► landing ─► limits, stress, slice ─► orders
//! holdings ───────────┘                     │ cooldown, window, minimum
//!                                           └─► hold, and what would change it
//! ```
//!
//! The same [`Decider`] serves `decide`, `backtest` and `tune`. It is fed bars in order and asked at any of them; it has no
//! way to see a later one, reads no clock and draws no random number.

mod decision;
mod explain;
mod landing;

pub use decision::{Action, Decision, Hold, Memory, Programme, Slice, Trade};
pub use explain::{Explanation, Line, Position};

use bigdecimal::{BigDecimal, Zero as _};

use crate::{
    forecast::Forecaster,
    history::{Bar, History},
    oracle::{Assessment, Guard, Level, Readings},
    policy::{Landing, Policy},
    portfolio::{Asset, Holdings, Order, Weights, approximate, decimal},
    target::{Situation, TargetError, Targets},
    trigger::{Evaluator, Finding, Reading, View, next_open},
};

/// Moves below this weight are rounding, not trades.
const DUST: f64 = 1e-9;

/// Decides for one portfolio under one policy.
#[derive(Debug, Clone)]
pub struct Decider {
    policy: Policy,
    assets: Vec<Asset>,
    fixed: Vec<bool>,
    forecaster: Forecaster,
    targets: Targets,
    guard: Option<Guard>,
    evaluator: Evaluator,
    memory: Memory,
    /// The costs as `f64`: proportional, and fixed for two legs, the fewest there can be.
    proportional: f64,
    gas: f64,
    value: Vec<f64>,
}

/// Why a policy does not fit a portfolio.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum DeciderError {
    /// The portfolio has an asset that the policy does not name.
    #[error("the portfolio holds `{0}`, which the target does not name; give it a weight, 0 to sell it")]
    Unnamed(String),
    /// The policy names an asset that the portfolio does not list.
    #[error("the target names `{0}`, which the portfolio does not list; list it with an amount of 0 to buy it")]
    Unlisted(String),
    /// The volatility model takes candles and there are none.
    #[error("`forecast.volatility`: yang_zhang takes open, high, low and close; `{0}` has only a close")]
    NoCandles(String),
    /// The target cannot be made.
    #[error(transparent)]
    Target(#[from] TargetError),
}

impl Decider {
    /// For a portfolio of `assets` valued in `numeraire`, fed from bars of `history` (whose columns are the assets in this order).
    ///
    /// # Errors
    /// If policy and portfolio do not name the same assets, or the limits leave no target.
    pub fn new(
        policy: Policy,
        assets: Vec<Asset>,
        numeraire: &str,
        history: &History,
        memory: Memory,
    ) -> Result<Self, DeciderError> {
        let names: Vec<&str> = assets.iter().map(|a| a.name.as_str()).collect();
        let wanted = policy.assets();
        if let Some(unnamed) = names.iter().find(|name| !wanted.contains(name)) {
            return Err(DeciderError::Unnamed((*unnamed).to_owned()));
        }
        if let Some(unlisted) = wanted.iter().find(|name| !names.contains(name)) {
            return Err(DeciderError::Unlisted((*unlisted).to_owned()));
        }
        let place = names.iter().position(|name| *name == numeraire);
        if matches!(policy.forecast.volatility, crate::forecast::VolatilityConfig::YangZhang { .. })
            && let Some((_, name)) = names.iter().enumerate().find(|(i, _)| Some(*i) != place && !history.has_candles(*i))
        {
            return Err(DeciderError::NoCandles((*name).to_owned()));
        }
        Ok(Self {
            forecaster: Forecaster::new(&policy.forecast, names.len(), place, history.macro_names().len()),
            targets: Targets::new(&policy.target, &policy.limits, &names, place)?,
            guard: policy.guard.clone().map(|config| Guard::new(config, &names, place)),
            evaluator: Evaluator::default(),
            memory,
            proportional: approximate(&policy.costs.proportional),
            gas: approximate(&policy.costs.fixed(2)),
            value: Vec::with_capacity(names.len()),
            fixed: assets.iter().map(|a| !a.tradable).collect(),
            policy,
            assets,
        })
    }

    /// Takes in the next bar; nothing is decided.
    pub fn observe(&mut self, bar: &Bar<'_>) {
        self.forecaster.push(bar);
    }

    /// Tells the guard, if there is one, of the prices before those to decide on: a single decision has no earlier one to
    /// measure a jump from.
    pub fn recall(&mut self, at: crate::time::Time, prices: &[f64]) {
        if let Some(guard) = &mut self.guard {
            prices.iter().enumerate().for_each(|(i, price)| guard.recall(i, at, *price));
        }
    }

    /// The policy.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The assets.
    pub fn assets(&self) -> &[Asset] {
        &self.assets
    }

    /// The forecasts.
    pub fn forecaster(&self) -> &Forecaster {
        &self.forecaster
    }

    /// What is remembered between decisions.
    pub fn memory(&self) -> &Memory {
        &self.memory
    }

    /// The target as last computed; where a backtest starts.
    pub fn target(&mut self, situation: &Situation<'_>) -> &[f64] {
        let situation = Situation { covariance: self.forecaster.covariance(), ..*situation };
        self.targets.update(&situation);
        self.targets.weights()
    }

    /// Decides at `now` with these prices. With a guard in the policy, `readings` are judged first; a guard without readings halts.
    ///
    /// Nothing is booked: tell [`Self::settled`] when a trade was made.
    pub fn decide(
        &mut self,
        holdings: &Holdings,
        prices: &[f64],
        now: crate::time::Time,
        readings: Option<&Readings>,
    ) -> Decision {
        self.value.clear();
        self.value.extend(holdings.approximate().iter().zip(prices).map(|(amount, price)| amount * price));
        let value: f64 = self.value.iter().sum();
        let (start_value, peak_value) = self.memory.see(now, value);

        let stress = match (&mut self.guard, readings) {
            (None, _) => Assessment::default(),
            (Some(guard), readings) => {
                let none = Readings::default();
                guard.assess(readings.unwrap_or(&none), self.forecaster.covariance(), now, &mut self.memory.stress)
            }
        };
        let widen = if stress.level >= Level::Widen { self.policy.guard.as_ref().map_or(1.0, |g| g.widen) } else { 1.0 };
        self.targets.update(&Situation { now, value, start_value, peak_value, covariance: self.forecaster.covariance() });
        let target = self.targets.weights();
        let weights: Vec<f64> = self.value.iter().map(|v| if value > 0.0 { v / value } else { 0.0 }).collect();
        let drift: Vec<f64> = weights.iter().zip(target).map(|(w, t)| w - t).collect();

        let mut findings = Vec::with_capacity(self.policy.trigger.any_of.len());
        let view = View {
            now,
            calendar_served: self.memory.calendar_served.unwrap_or(now),
            drift: &drift,
            target,
            covariance: self.forecaster.covariance(),
            proportional: self.proportional,
            fixed: if value > 0.0 { self.gas / value } else { 0.0 },
            widen,
        };
        self.evaluator.run(&self.policy.trigger.any_of, &view, &mut findings);
        let bands = self.evaluator.bands.clone();
        let landings: Vec<f64> = match (self.policy.landing, &self.evaluator.landings) {
            (Landing::CostOptimal, Some(landings)) => landings.clone(),
            (Landing::Fraction(f), _) => bands.iter().map(|b| if b.is_finite() { b * f } else { 0.0 }).collect(),
            _ => vec![0.0; drift.len()],
        };
        let mut decision = Decision {
            at: now,
            value,
            weights,
            target: target.to_vec(),
            bands,
            landings,
            findings,
            stress,
            basis: self.targets.basis,
            action: Action::Hold(Hold::NoRule),
        };
        decision.action = self.act(&decision, &drift, holdings, prices);
        decision
    }

    fn act(&mut self, decision: &Decision, drift: &[f64], holdings: &Holdings, prices: &[f64]) -> Action {
        let now = decision.at;
        if !(decision.value > 0.0) || !decision.value.is_finite() {
            return Action::Hold(Hold::NothingHeld);
        }
        if decision.stress.level == Level::Halt {
            return Action::Halt;
        }
        let running = self.memory.programme.clone();
        let slice = match running {
            Some(programme) if now < programme.next_at => return Action::Hold(Hold::NextSlice { at: programme.next_at }),
            Some(programme) => Some(programme),
            None => {
                let Some(fired) = first_fired(&decision.findings) else { return Action::Hold(Hold::NoRule) };
                if let Some(last) = self.memory.last_rebalance {
                    let until = last.plus(self.policy.trigger.cooldown);
                    if now < until {
                        return Action::Hold(Hold::Cooldown { until, rule: fired });
                    }
                }
                None
            }
        };
        match next_open(&self.policy.trigger.windows, now) {
            Some(at) if at == now => {}
            opens => return Action::Hold(Hold::Window { opens }),
        }

        let landed = landing::land(&decision.target, drift, &decision.landings, &self.fixed);
        let way: f64 = landed.iter().zip(&decision.weights).map(|(to, from)| (to - from).abs()).sum::<f64>() / 2.0;
        if way < DUST {
            self.memory.served(now);
            self.memory.programme = None;
            return Action::Hold(if slice.is_some() { Hold::SlicesDone } else { Hold::AlreadyLanded });
        }
        // The part of the way to go now: turnover limit, stress, then the slice.
        let mut part = (self.policy.limits.turnover / way).min(1.0);
        if decision.stress.level == Level::Shrink {
            part *= self.policy.guard.as_ref().map_or(1.0, |g| g.shrink);
        }
        let whole = way * part * decision.value;
        let programme = slice.or_else(|| self.programme(whole, &landed, &decision.weights, now));
        if let Some(fraction) = programme.as_ref().and_then(|p| p.fractions.get(p.index)) {
            part *= fraction;
        }
        let minimum = &self.policy.trigger.min_notional;
        let moved = way * part * decision.value;
        if moved < approximate(minimum) {
            self.memory.served(now);
            self.memory.programme = None;
            return Action::Hold(Hold::TooSmall { moved, minimum: minimum.clone() });
        }
        let to: Vec<f64> = landed.iter().zip(&decision.weights).map(|(to, from)| from + part * (to - from)).collect();
        let orders = self.orders(&to, &decision.weights, part == 1.0, holdings, prices);
        match orders {
            Some((orders, to, moved)) if !orders.is_empty() => {
                let cost = self.policy.costs.of(&moved, orders.len());
                if cost >= moved {
                    self.memory.served(now);
                    self.memory.programme = None;
                    return Action::Hold(Hold::TooSmall { moved: approximate(&moved), minimum: cost });
                }
                let rule = first_fired(&decision.findings);
                let slice = programme.map(|p| Slice { index: p.index, of: p.fractions.len(), programme: p });
                Action::Trade(Trade { rule, to, orders, moved, cost, part, slice })
            }
            // Prices or amounts that make no decimals: nothing is ordered on them.
            _ => Action::Hold(Hold::AlreadyLanded),
        }
    }

    /// The schedule of a rebalance that begins now, if the policy slices.
    fn programme(&self, value: f64, landed: &[f64], weights: &[f64], now: crate::time::Time) -> Option<Programme> {
        let slicing = self.policy.slicing.as_ref()?;
        let moves: Vec<f64> = landed.iter().zip(weights).map(|(to, from)| to - from).collect();
        let way = moves.iter().map(|x| x.abs()).sum::<f64>() / 2.0;
        // What is sold against what is bought, per unit moved.
        let volatility = self.forecaster.covariance().map_or(0.0, |c| c.quadratic(&moves).sqrt() / way.max(DUST));
        Some(Programme { started: now, index: 0, next_at: now, fractions: slicing.fractions(value, volatility) })
    }

    /// Exact orders: the values moved sum to exactly zero, the weights they lead to (before costs) to exactly one.
    fn orders(
        &self,
        to: &[f64],
        from: &[f64],
        all_the_way: bool,
        holdings: &Holdings,
        prices: &[f64],
    ) -> Option<(Vec<Order>, Weights, BigDecimal)> {
        let prices: Vec<BigDecimal> = prices.iter().map(|&p| decimal(p)).collect::<Option<_>>()?;
        let mut values = holdings.values(&prices);
        let total: BigDecimal = values.iter().sum();
        let goal = Weights::of_shares(to).ok()?;
        let mut moves: Vec<(usize, BigDecimal)> = Vec::new();
        for (i, goal) in goal.as_slice().iter().enumerate() {
            if (to.get(i)? - from.get(i)?).abs() >= DUST {
                moves.push((i, goal * &total - values.get(i)?));
            } else if all_the_way && goal.is_zero() && !values.get(i)?.is_zero() {
                // The last dust of an asset that is to go.
                moves.push((i, -values.get(i)?.clone()));
            }
        }
        // Assets left alone are not exactly at their goal; the largest purchase takes the difference.
        let rest: BigDecimal = moves.iter().map(|(_, value)| value).sum();
        moves.iter_mut().max_by(|a, b| a.1.cmp(&b.1))?.1 -= rest;
        let mut moved = BigDecimal::zero();
        let mut orders = Vec::with_capacity(moves.len());
        for (i, value) in moves {
            *values.get_mut(i)? += &value;
            if value > BigDecimal::zero() {
                moved += &value;
            }
            orders.push(Order::new(i, value, prices.get(i)?, self.assets.get(i)?.decimals));
        }
        Some((orders, Weights::of_values(&values).ok()?, moved))
    }

    /// Takes note that `trade`, decided at `now`, was made.
    pub fn settled(&mut self, trade: &Trade, now: crate::time::Time) {
        self.memory.settled(trade, now, self.policy.slicing.as_ref());
    }
}

/// The first rule that fired, parts of an `all_of` not counted by themselves.
fn first_fired(findings: &[Finding]) -> Option<usize> {
    let mut i = 0;
    while let Some(finding) = findings.get(i) {
        if finding.fired {
            return Some(i);
        }
        i += 1 + if let Reading::AllOf { parts } = finding.reading { parts } else { 0 };
    }
    None
}

#[cfg(test)]
mod tests;
