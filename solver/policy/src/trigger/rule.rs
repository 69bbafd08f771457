//! The rules, and what each finds when it looks.

use serde::{Deserialize, Serialize};

use super::{corridor, hitting, next_due};
use crate::{
    forecast::Covariance,
    time::{Span, Time},
};

/// A reason to rebalance, by `rule = "…"`. Bands are half-widths around the target weight, as fractions of the portfolio.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(tag = "rule", rename_all = "snake_case", deny_unknown_fields)]
pub enum Rule {
    /// A weight is `band` or more off its target.
    DriftAbsolute {
        /// Half-width, in weight.
        band: f64,
    },
    /// A weight is off its target by `band` of the target.
    DriftRelative {
        /// Half-width, as a fraction of the target weight.
        band: f64,
    },
    /// The forecast tracking error `√(xᵀΣx)` reaches `limit`.
    TrackingError {
        /// Annual, as a fraction.
        limit: f64,
    },
    /// Time: once every `every`, on a fixed grid.
    Calendar {
        /// Grid step.
        every: Span,
        /// Where the grid starts, from 1970-01-01T00:00:00Z.
        #[serde(default)]
        offset: Span,
    },
    /// Some weight leaves its band within `horizon` with probability `p` or more.
    HitProbability {
        /// Probability, 0 to 1.
        p: f64,
        /// How far ahead.
        horizon: Span,
        /// Half-width, in weight.
        band: f64,
    },
    /// A weight leaves the corridor that minimises cost plus tracking penalty (see [`super::Corridor`]).
    CostOptimal {
        /// Risk aversion `γ` of the penalty `½γσ²x²` a year.
        risk_aversion: f64,
        /// The `σ` of the penalty, annual; the forecast's if not given. With the forecast's own, drift and penalty grow alike and the
        /// corridor's width does not depend on volatility, only its cost and its trades do; with a fixed one it widens in storms.
        #[serde(default)]
        penalty_volatility: Option<f64>,
    },
    /// All of these at once.
    AllOf {
        /// The parts.
        rules: Vec<Rule>,
    },
}

/// What rules look at: now, and nothing later.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    /// Now.
    pub now: Time,
    /// The last time the calendar was served.
    pub calendar_served: Time,
    /// Weight minus target, per asset.
    pub drift: &'a [f64],
    /// Target weights.
    pub target: &'a [f64],
    /// Annual covariance, once there is one.
    pub covariance: Option<&'a Covariance>,
    /// Proportional cost per unit of weight moved.
    pub proportional: f64,
    /// Fixed cost of a rebalance as a fraction of the value.
    pub fixed: f64,
    /// Bands and limits are multiplied by this; above 1 under stress.
    pub widen: f64,
}

/// The numbers a rule saw, for the asset nearest to (or furthest past) its limit.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(tag = "rule", rename_all = "snake_case")]
pub enum Reading {
    /// Weights, as fractions of the portfolio.
    DriftAbsolute {
        /// Weight minus target.
        drift: f64,
        /// Half-width in force.
        band: f64,
    },
    /// Weights, as fractions of the portfolio.
    DriftRelative {
        /// Weight minus target.
        drift: f64,
        /// Half-width in force, turned into weight.
        band: f64,
    },
    /// Annual figures.
    TrackingError {
        /// Forecast.
        value: f64,
        /// Limit in force.
        limit: f64,
    },
    /// The calendar.
    Calendar {
        /// The grid point waited for, or reached.
        due: Time,
    },
    /// The odds of leaving a band.
    HitProbability {
        /// Probability forecast.
        p: f64,
        /// At which it fires.
        limit: f64,
        /// Weight minus target.
        drift: f64,
        /// Half-width in force.
        band: f64,
        /// Standard deviation of the drift over the horizon.
        deviation: f64,
    },
    /// The cost-optimal corridor.
    CostOptimal {
        /// Weight minus target.
        drift: f64,
        /// `b`: where a trade starts.
        trigger: f64,
        /// `a`: where it stops.
        landing: f64,
        /// Expected yearly cost, as a fraction.
        cost: f64,
        /// Expected rebalances a year.
        trades: f64,
    },
    /// The rules after it, this many, fire together.
    AllOf {
        /// How many findings after this one belong to it.
        parts: usize,
    },
    /// The rule needs a forecast and there is none yet.
    NoForecast,
}

/// What one rule found.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Finding {
    /// The asset it is about, by its place.
    pub asset: Option<usize>,
    /// Its numbers.
    #[serde(flatten)]
    pub reading: Reading,
    /// Whether it wants a rebalance.
    pub fired: bool,
}

/// Evaluates rules; keeps the room to do so, and the corridors' last solutions.
#[derive(Debug, Clone, Default)]
pub(crate) struct Evaluator {
    /// Trigger per asset: the narrowest band of any rule, infinite if none has one.
    pub bands: Vec<f64>,
    /// Landing `a` per asset of the cost-optimal corridor, if there is such a rule.
    pub landings: Option<Vec<f64>>,
    relative: Vec<f64>,
    warm: Vec<f64>,
}

impl Evaluator {
    /// Looks at every rule. The findings are in the rules' order, parts of an `all_of` after it.
    pub fn run(&mut self, rules: &[Rule], view: &View<'_>, findings: &mut Vec<Finding>) {
        let n = view.drift.len();
        self.bands.clear();
        self.bands.resize(n, f64::INFINITY);
        self.warm.resize(n, 0.0);
        self.landings = None;
        if let Some(covariance) = view.covariance {
            covariance.relative(view.target, &mut self.relative);
        }
        for rule in rules {
            self.one(rule, view, findings);
        }
    }

    fn one(&mut self, rule: &Rule, view: &View<'_>, findings: &mut Vec<Finding>) {
        let needs_forecast = matches!(rule, Rule::TrackingError { .. } | Rule::HitProbability { .. } | Rule::CostOptimal { .. });
        if needs_forecast && view.covariance.is_none() {
            findings.push(Finding { asset: None, reading: Reading::NoForecast, fired: false });
            return;
        }
        let finding = match rule {
            Rule::DriftAbsolute { band } => {
                let band = band * view.widen;
                self.worst(view, |_| band)
                    .map(|(i, drift, band)| (i, Reading::DriftAbsolute { drift, band }, drift.abs() >= band))
            }
            Rule::DriftRelative { band } => {
                let band = |i: usize| band * view.widen * view.target.get(i).copied().unwrap_or(0.0);
                self.worst(view, band).map(|(i, drift, band)| {
                    // A target of zero has a band of zero: any holding is too much, but nothing held is not.
                    (i, Reading::DriftRelative { drift, band }, drift.abs() >= band && drift != 0.0)
                })
            }
            Rule::TrackingError { limit } => {
                let value = view.covariance.map_or(0.0, |c| c.quadratic(view.drift).sqrt());
                let limit = limit * view.widen;
                findings.push(Finding { asset: None, reading: Reading::TrackingError { value, limit }, fired: value >= limit });
                return;
            }
            Rule::Calendar { every, offset } => {
                let due = next_due(view.calendar_served, *every, *offset);
                findings.push(Finding { asset: None, reading: Reading::Calendar { due }, fired: due <= view.now });
                return;
            }
            Rule::HitProbability { p: limit, horizon, band } => {
                let (band, root) = (band * view.widen, horizon.years().sqrt());
                let mut worst: Option<(usize, f64, f64, f64)> = None;
                for (i, (&drift, &w)) in view.drift.iter().zip(view.target).enumerate() {
                    let deviation = w * self.relative.get(i).copied().unwrap_or(0.0).sqrt() * root;
                    let p = hitting::hit_probability(drift, band, deviation);
                    if worst.is_none_or(|(_, most, ..)| p > most) {
                        worst = Some((i, p, drift, deviation));
                    }
                    self.narrow(i, band);
                }
                worst.map(|(i, p, drift, deviation)| {
                    (i, Reading::HitProbability { p, limit: *limit, drift, band, deviation }, p >= *limit)
                })
            }
            Rule::CostOptimal { risk_aversion, penalty_volatility } => self.corridor(view, *risk_aversion, *penalty_volatility),
            Rule::AllOf { rules } => {
                let at = findings.len();
                findings.push(Finding { asset: None, reading: Reading::AllOf { parts: 0 }, fired: false });
                for rule in rules {
                    self.one(rule, view, findings);
                }
                // Parts that are all_of themselves count through their own parts.
                let parts = findings.len() - at - 1;
                let mut fired = parts > 0;
                let mut next = at + 1;
                while let Some(part) = findings.get(next) {
                    fired &= part.fired;
                    next += 1 + if let Reading::AllOf { parts } = part.reading { parts } else { 0 };
                }
                if let Some(own) = findings.get_mut(at) {
                    (own.reading, own.fired) = (Reading::AllOf { parts }, fired);
                }
                return;
            }
        };
        if let Some((asset, reading, fired)) = finding {
            findings.push(Finding { asset: Some(asset), reading, fired });
        }
    }

    fn narrow(&mut self, i: usize, band: f64) {
        if let Some(slot) = self.bands.get_mut(i) {
            *slot = slot.min(band);
        }
    }

    /// The asset furthest along to its band: its place, drift and band.
    fn worst(&mut self, view: &View<'_>, band: impl Fn(usize) -> f64) -> Option<(usize, f64, f64)> {
        let mut worst: Option<(usize, f64, f64, f64)> = None;
        for (i, &drift) in view.drift.iter().enumerate() {
            let band = band(i);
            self.narrow(i, band);
            let along = if drift == 0.0 { 0.0 } else { drift.abs() / band };
            if worst.is_none_or(|(.., most)| along > most) {
                worst = Some((i, drift, band, along));
            }
        }
        worst.map(|(i, drift, band, _)| (i, drift, band))
    }

    /// One corridor an asset, as if its drift were funded by all others pro rata: along `(eᵢ−w)/(1−wᵢ)`, whose variance is
    /// `rᵢ/(1−wᵢ)²` with `rᵢ = (eᵢ−w)ᵀΣ(eᵢ−w)`. So `s² = wᵢ²rᵢ` and `λ = ½γ rᵢ/(1−wᵢ)²` (or `½γσ̄²`); exact for two assets.
    fn corridor(&mut self, view: &View<'_>, risk_aversion: f64, volatility: Option<f64>) -> Option<(usize, Reading, bool)> {
        let mut landings = self.landings.take().unwrap_or_default();
        landings.clear();
        let mut worst: Option<(usize, Reading, f64)> = None;
        for (i, (&drift, &w)) in view.drift.iter().zip(view.target).enumerate() {
            let relative = self.relative.get(i).copied().unwrap_or(0.0);
            let along = relative / ((1.0 - w) * (1.0 - w)).max(1e-12);
            let inputs = corridor::CorridorInputs {
                drift_variance: w * w * relative,
                penalty: 0.5 * risk_aversion * volatility.map_or(along, |v| v * v),
                proportional: view.proportional,
                fixed: view.fixed,
            };
            let mut none = 0.0;
            let found = corridor::optimal(&inputs, self.warm.get_mut(i).unwrap_or(&mut none));
            // An asset that cannot drift has no corridor; one whose target is zero is to go whatever it costs.
            let closed = corridor::Corridor { landing: 0.0, trigger: 0.0, cost: 0.0, trades: 0.0 };
            let open = corridor::Corridor { landing: f64::INFINITY, trigger: f64::INFINITY, ..closed };
            let found = found.unwrap_or(if w > 0.0 { open } else { closed });
            let (landing, trigger) = (found.landing * view.widen, found.trigger * view.widen);
            landings.push(landing);
            self.narrow(i, trigger);
            let along = if drift == 0.0 { 0.0 } else { drift.abs() / trigger };
            if worst.is_none_or(|(.., most)| along > most) {
                let reading = Reading::CostOptimal { drift, trigger, landing, cost: found.cost, trades: found.trades };
                worst = Some((i, reading, along));
            }
        }
        self.landings = Some(landings);
        worst.map(|(i, reading, along)| (i, reading, along >= 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view<'a>(drift: &'a [f64], target: &'a [f64], covariance: Option<&'a Covariance>) -> View<'a> {
        View {
            now: Time::from_unix(10_000),
            calendar_served: Time::from_unix(0),
            drift,
            target,
            covariance,
            proportional: 0.003,
            fixed: 1e-4,
            widen: 1.0,
        }
    }

    fn run(rules: &[Rule], view: &View<'_>) -> Vec<Finding> {
        let mut findings = Vec::new();
        Evaluator::default().run(rules, view, &mut findings);
        findings
    }

    #[test]
    fn absolute_and_relative_drift() {
        let v = ([0.04, -0.02, -0.02], [0.6, 0.1, 0.3]);
        let found = run(&[Rule::DriftAbsolute { band: 0.05 }, Rule::DriftRelative { band: 0.15 }], &view(&v.0, &v.1, None));
        assert!(!found[0].fired && found[0].asset == Some(0));
        assert!(found[1].fired && found[1].asset == Some(1), "a fifth of its target is off");
    }

    #[test]
    fn the_corridor_of_two_assets_is_the_table() {
        let sigma = Covariance::uniform(&[0.8, 0.0], 0.0);
        let found = run(
            &[Rule::CostOptimal { risk_aversion: 4.0, penalty_volatility: None }],
            &view(&[0.078, -0.078], &[0.5, 0.5], Some(&sigma)),
        );
        let Reading::CostOptimal { trigger, landing, .. } = found[0].reading else { panic!("{found:?}") };
        assert!((trigger - 0.07702).abs() < 1e-5 && (landing - 0.01901).abs() < 1e-5 && found[0].fired);
    }

    /// With the forecast's own volatility in the penalty the width is the same in calm and storm; with a fixed one it widens.
    #[test]
    fn what_volatility_does_to_the_corridor() {
        let trigger = |sigma: f64, penalty_volatility: Option<f64>| {
            let covariance = Covariance::uniform(&[sigma, 0.0], 0.0);
            let rule = Rule::CostOptimal { risk_aversion: 4.0, penalty_volatility };
            let Reading::CostOptimal { trigger, .. } =
                run(&[rule], &view(&[0.0, 0.0], &[0.5, 0.5], Some(&covariance)))[0].reading
            else {
                panic!()
            };
            trigger
        };
        assert!((trigger(0.4, None) / trigger(0.8, None) - 1.0).abs() < 1e-9);
        assert!(trigger(0.8, Some(0.8)) > 1.3 * trigger(0.4, Some(0.8)));
        assert!((trigger(0.8, Some(0.8)) - 0.07702).abs() < 1e-5);
    }

    #[test]
    fn all_of_needs_every_part() {
        let (drift, target) = ([0.06, -0.06], [0.5, 0.5]);
        let both = |every: u64| Rule::AllOf {
            rules: vec![
                Rule::DriftAbsolute { band: 0.05 },
                Rule::Calendar { every: Span::from_seconds(every), offset: Span::default() },
            ],
        };
        assert!(run(&[both(3_600)], &view(&drift, &target, None))[0].fired);
        let found = run(&[both(86_400), Rule::TrackingError { limit: 0.1 }], &view(&drift, &target, None));
        assert!(!found[0].fired && found[1].fired && !found[2].fired);
        assert_eq!(found[0].reading, Reading::AllOf { parts: 2 });
        assert_eq!(found[3].reading, Reading::NoForecast);
    }

    #[test]
    fn stress_widens() {
        let (drift, target) = ([0.06, -0.06], [0.5, 0.5]);
        let wide = View { widen: 2.0, ..view(&drift, &target, None) };
        assert!(!run(&[Rule::DriftAbsolute { band: 0.05 }], &wide)[0].fired);
    }
}
