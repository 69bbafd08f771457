//! A decision in words and exact figures: which rule, which numbers, what would change it.

use bigdecimal::BigDecimal;
use serde::Serialize;

use super::{Action, Decider, Decision, Hold};
use crate::{
    oracle::{Check, Fault, Level},
    portfolio::{Holdings, Order, Weights},
    target::Basis,
    time::{Span, Time},
    trigger::{Finding, Reading, drift_at},
};

/// A decision explained. Money and weights are exact; the weights sum to exactly one.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// The policy.
    pub policy: String,
    /// When.
    pub at: Time,
    /// `hold`, `trade` or `halt`.
    pub action: &'static str,
    /// The decision in a sentence.
    pub summary: String,
    /// Value of the portfolio, in the numeraire.
    pub value: BigDecimal,
    /// Every asset.
    pub positions: Vec<Position>,
    /// Every rule.
    pub rules: Vec<Line>,
    /// What the guard found wrong.
    pub faults: Vec<String>,
    /// The level of stress in force.
    pub stress: Level,
    /// What is worth knowing about target and forecast.
    pub notes: Vec<String>,
}

/// One asset in a decision.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Position {
    /// The asset.
    pub asset: String,
    /// Its price.
    pub price: BigDecimal,
    /// Its value, in the numeraire.
    pub value: BigDecimal,
    /// Its weight.
    pub weight: BigDecimal,
    /// Its target weight.
    pub target: f64,
    /// Lowest and highest weight that no rule minds; none if no rule has a band.
    pub band: Option<(f64, f64)>,
    /// Lowest and highest weight in which a rebalance stops.
    pub landing: (f64, f64),
    /// The order, if there is a trade.
    pub order: Option<Order>,
    /// Weight after it, before costs.
    pub after: Option<BigDecimal>,
}

/// One rule in a decision.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Line {
    /// The rule.
    pub rule: &'static str,
    /// Whether it fired.
    pub fired: bool,
    /// Its numbers, in words.
    pub numbers: String,
    /// What would make it fire, or stop it.
    pub would_change: String,
    /// Its numbers.
    pub finding: Finding,
}

impl Decider {
    /// Puts `decision` into words; `prices` are those it was made with, exactly.
    pub fn explain(&self, decision: &Decision, holdings: &Holdings, prices: &[BigDecimal]) -> Explanation {
        let values = holdings.values(prices);
        let weights = Weights::of_values(&values)
            .map(|w| w.as_slice().to_vec())
            .unwrap_or_else(|_| vec![BigDecimal::from(0); values.len()]);
        let trade = if let Action::Trade(trade) = &decision.action { Some(trade) } else { None };
        let at = |list: &[f64], i: usize| list.get(i).copied().unwrap_or(0.0);
        let around = |w: f64, half: f64| ((w - half).max(0.0), (w + half).min(1.0));
        let positions = self.assets.iter().enumerate().map(|(i, asset)| Position {
            asset: asset.name.clone(),
            price: prices.get(i).cloned().unwrap_or_default(),
            value: values.get(i).cloned().unwrap_or_default().normalized(),
            weight: weights.get(i).cloned().unwrap_or_default(),
            target: at(&decision.target, i),
            band: decision.bands.get(i).filter(|b| b.is_finite()).map(|b| around(at(&decision.target, i), *b)),
            landing: around(at(&decision.target, i), at(&decision.landings, i)),
            order: trade.and_then(|t| t.orders.iter().find(|o| o.asset == i).cloned()),
            after: trade.and_then(|t| t.to.as_slice().get(i).cloned()),
        });
        Explanation {
            policy: self.policy.name.clone(),
            at: decision.at,
            action: match decision.action {
                Action::Hold(_) => "hold",
                Action::Trade(_) => "trade",
                Action::Halt => "halt",
            },
            summary: self.summary(decision),
            value: values.iter().sum::<BigDecimal>().normalized(),
            positions: positions.collect(),
            rules: decision.findings.iter().map(|f| self.line(decision, f, prices)).collect(),
            faults: decision.stress.faults.iter().map(|f| self.fault(f)).collect(),
            stress: decision.stress.level,
            notes: self.notes(decision),
        }
    }

    fn name(&self, asset: Option<usize>) -> &str {
        asset.and_then(|i| self.assets.get(i)).map_or("the chain", |a| a.name.as_str())
    }

    fn summary(&self, decision: &Decision) -> String {
        let because = |rule: Option<usize>| match rule.and_then(|i| decision.findings.get(i)) {
            Some(finding) => format!("{} fired ({})", rule_name(finding), self.numbers(decision, finding)),
            None => "a slice of the rebalance under way".to_owned(),
        };
        match &decision.action {
            Action::Halt => "Halt: prices are not to be trusted now, whatever the rules say.".to_owned(),
            Action::Trade(trade) => {
                let slice = trade.slice.as_ref().map(|s| format!(", slice {} of {}", s.index + 1, s.of)).unwrap_or_default();
                let part = if trade.part < 1.0 {
                    format!(", {:.1}% of the way to the landing", trade.part * 100.0)
                } else {
                    String::new()
                };
                let legs = trade.orders.len();
                format!(
                    "Trade: {}. {} moved in {legs} legs, cost {}{slice}{part}.",
                    because(trade.rule),
                    trade.moved.round(2).to_plain_string(),
                    trade.cost.round(2).to_plain_string(),
                )
            }
            Action::Hold(hold) => match hold {
                Hold::NoRule if decision.findings.is_empty() => "Hold: the policy has no rule that calls for a trade.".to_owned(),
                Hold::NoRule => "Hold: no rule fires.".to_owned(),
                Hold::Cooldown { until, rule } => {
                    format!("Hold: {}, but the cooldown lasts until {until}.", because(Some(*rule)))
                }
                Hold::Window { opens: Some(opens) } => format!("Hold: a rebalance waits for the trading window of {opens}."),
                Hold::Window { opens: None } => "Hold: no trading window ever opens.".to_owned(),
                Hold::AlreadyLanded => "Hold: a rule fired, but every asset is inside its landing already.".to_owned(),
                Hold::TooSmall { moved, minimum } => {
                    format!(
                        "Hold: a rule fired, but {moved:.2} to be moved is not worth it; the least is {}.",
                        minimum.round(2).to_plain_string()
                    )
                }
                Hold::NextSlice { at } => format!("Hold: the next slice is due at {at}."),
                Hold::SlicesDone => "Hold: the drift is gone; the remaining slices are dropped.".to_owned(),
                Hold::NothingHeld => "Hold: there is no value to rebalance.".to_owned(),
            },
        }
    }

    fn line(&self, decision: &Decision, finding: &Finding, prices: &[BigDecimal]) -> Line {
        Line {
            rule: rule_name(finding),
            fired: finding.fired,
            numbers: self.numbers(decision, finding),
            would_change: self.would_change(decision, finding, prices),
            finding: *finding,
        }
    }

    fn numbers(&self, _decision: &Decision, finding: &Finding) -> String {
        let name = self.name(finding.asset);
        match finding.reading {
            Reading::DriftAbsolute { drift, band } | Reading::DriftRelative { drift, band } => {
                format!("{name} is {} off its target; the band is {}", points(drift), half(band))
            }
            Reading::TrackingError { value, limit } => {
                format!("forecast tracking error {:.2}% a year; the limit is {:.2}%", value * 100.0, limit * 100.0)
            }
            Reading::Calendar { due } => format!("due {due}"),
            Reading::HitProbability { p, limit, drift, band, deviation } => format!(
                "{name} leaves {} within the horizon with probability {:.1}%; the limit is {:.1}% (drift {}, deviation {})",
                half(band),
                p * 100.0,
                limit * 100.0,
                points(drift),
                half(deviation)
            ),
            Reading::CostOptimal { drift, trigger, landing, cost, trades } => format!(
                "{name} is {} off its target; trigger b = {}, landing a = {}, worth {:.1} bp and {trades:.1} trades a year",
                points(drift),
                half(trigger),
                half(landing),
                cost * 1e4
            ),
            Reading::AllOf { parts } => format!("the next {parts} findings at once"),
            Reading::NoForecast => format!("no forecast yet after {} steps", self.forecaster.steps()),
        }
    }

    fn would_change(&self, decision: &Decision, finding: &Finding, prices: &[BigDecimal]) -> String {
        let fires = if finding.fired { "stops" } else { "fires" };
        match finding.reading {
            Reading::DriftAbsolute { band, .. } | Reading::DriftRelative { band, .. } => {
                self.price_moves(decision, finding, band, prices)
            }
            Reading::CostOptimal { trigger, .. } => self.price_moves(decision, finding, trigger, prices),
            Reading::HitProbability { limit, band, deviation, .. } => match drift_at(limit, band, deviation) {
                Some(at) => self.price_moves(decision, finding, at, prices),
                None => "nothing short of a calmer forecast: even at its target the odds are above the limit".to_owned(),
            },
            Reading::TrackingError { value, limit } if value > 0.0 => {
                format!("{fires} if volatility, or every drift, were {:.2} times what it is", limit / value)
            }
            Reading::TrackingError { .. } => "fires once there is a drift".to_owned(),
            Reading::Calendar { due } if finding.fired => format!("stops once served; it was due {due}"),
            Reading::Calendar { due } => format!("fires in {}", wait(decision.at, due)),
            Reading::AllOf { .. } => "each of them".to_owned(),
            Reading::NoForecast => "more history".to_owned(),
        }
    }

    /// The prices at which the finding's asset is `half` off its target on either side, other prices as they are: a weight `w` becomes
    /// `w′` when its price moves by `g = (w′−w)/(w(1−w′))`.
    fn price_moves(&self, decision: &Decision, finding: &Finding, half: f64, prices: &[BigDecimal]) -> String {
        let Some(i) = finding.asset else { return String::new() };
        let at = |list: &[f64]| list.get(i).copied().unwrap_or(0.0);
        let (w, target) = (at(&decision.weights), at(&decision.target));
        let price = prices.get(i).map_or(0.0, crate::portfolio::approximate);
        let name = self.name(finding.asset);
        let to = |edge: f64| {
            let g = (edge - w) / (w * (1.0 - edge));
            (w > 0.0 && edge > 0.0 && edge < 1.0).then(|| format!("{} ({:+.1}%)", significant(price * (1.0 + g)), g * 100.0))
        };
        let (below, above) = (to(target - half), to(target + half));
        if finding.fired {
            let edge = if w > target { above } else { below };
            edge.map_or_else(|| "nothing but a trade".to_owned(), |edge| format!("stops if {name} went back to {edge}"))
        } else {
            match (below, above) {
                (Some(below), Some(above)) => format!("fires if {name} fell to {below} or rose to {above}"),
                (Some(below), None) => format!("fires if {name} fell to {below}"),
                (None, Some(above)) => format!("fires if {name} rose to {above}"),
                (None, None) => format!("no price of {name} alone"),
            }
        }
    }

    fn fault(&self, fault: &Fault) -> String {
        let (name, value, limit) = (self.name(fault.asset), fault.value, fault.limit);
        match fault.check {
            Check::Staleness => format!("{name}: the last update is {value:.0} s old, {limit:.0} s are allowed"),
            Check::Bounds if limit == 0.0 => format!("{name}: the answer {value} is no price"),
            Check::Bounds => format!("{name}: the answer {value} is pinned at its bound {limit}"),
            Check::Deviation => {
                format!("{name}: {:.2}% off its time-weighted price, {:.2}% are allowed", value * 100.0, limit * 100.0)
            }
            Check::Jump => format!("{name}: jumped by {value:.1} forecast deviations, {limit} are allowed"),
            Check::Sequencer if limit == 0.0 => "the sequencer is down".to_owned(),
            Check::Sequencer => format!("the sequencer is up for {value:.0} s, {limit:.0} s are asked"),
            Check::Missing if value == 0.0 => format!("{name}: there is no oracle reading, and a spot price is none"),
            Check::Missing => format!("{name}: there is no time-weighted price to hold the oracle against"),
        }
    }

    fn notes(&self, decision: &Decision) -> Vec<String> {
        let mut notes = Vec::new();
        match decision.basis {
            Basis::Fixed => {}
            Basis::Cppi { floor, exposure } => notes.push(format!("CPPI: floor {floor:.2}, exposure {:.1}%", exposure * 100.0)),
            Basis::Computed { at } => notes.push(format!("target computed at {at}")),
            Basis::NoForecast => notes.push("the target waits for a forecast".to_owned()),
            Basis::Kept => notes.push("the solver failed; the target is the last one".to_owned()),
        }
        if let Some(at) = decision.stress.falls_at {
            notes.push(format!("stress falls by a level at {at} if it stays calm"));
        }
        if let Some(covariance) = self.forecaster.covariance() {
            let each = self.assets.iter().enumerate().filter(|(i, _)| covariance.volatility(*i) > 0.0);
            let list: Vec<String> = each.map(|(i, a)| format!("{} {:.1}%", a.name, covariance.volatility(i) * 100.0)).collect();
            notes.push(format!("forecast volatility a year: {}", list.join(", ")));
        }
        if self.forecaster.jumps() > 0 {
            notes.push(format!("{} returns were cut as jumps", self.forecaster.jumps()));
        }
        notes
    }
}

fn rule_name(finding: &Finding) -> &'static str {
    match finding.reading {
        Reading::DriftAbsolute { .. } => "drift_absolute",
        Reading::DriftRelative { .. } => "drift_relative",
        Reading::TrackingError { .. } => "tracking_error",
        Reading::Calendar { .. } => "calendar",
        Reading::HitProbability { .. } => "hit_probability",
        Reading::CostOptimal { .. } => "cost_optimal",
        Reading::AllOf { .. } => "all_of",
        Reading::NoForecast => "(waiting)",
    }
}

fn points(weight: f64) -> String {
    format!("{:+.2} points", weight * 100.0)
}

fn half(weight: f64) -> String {
    format!("±{:.2} points", weight * 100.0)
}

fn wait(now: Time, due: Time) -> String {
    Span::from_seconds(u64::try_from(due.since(now)).unwrap_or(0)).to_string()
}

/// Six significant digits.
fn significant(value: f64) -> String {
    let places = (5.0 - value.abs().max(1e-12).log10().floor()).clamp(0.0, 12.0) as usize;
    format!("{value:.places$}")
}
