//! A portfolio rebalanced onto its landing in one problem.
//!
//! What is left of an asset is worth its oracle price inside its landing, much more below it and next to nothing above: a concave function in
//! pieces, each of them an offer to take the token for the numeraire. What is held above the least that may be left is an endowment. So a
//! rebalance is a problem like any other: all assets are sized and routed at once, and cycles that pay are part of it.
//!
//! Limits on assets together are tokens of their own, of which there is so much and each piece takes or brings its part:
//!
//! ```text
//! turnover   T − ½·Σ|worth moved|  ≥ 0
//! group      g·V − Σ worth         ≥ 0
//! loss       Σ worth − V_least     ≥ 0
//! ```
//!
//! Their prices say which limit binds, and the bound counts them. A landing that cannot be reached is missed by as little as can be: a unit
//! of worth outside is charged [`MISS`] units.
//!
//! Landings are parts of the value V that is left in the end. It is found by solving again at what came of the value before, warm: the map
//! from one to the next shrinks by the marginal cost of trading, so two or three times are enough. What cycles add to it is found the first
//! time, by one more offer: for more of everything, in the proportions of the landings.

use crate::budget::Budget;
use crate::market::{MarketId, Token};
use crate::path::Hop;
use crate::problem::{Bundle, Certificate, Flow, GasPrice, Outcome, Problem, Status, Wanted};

use crate::view::{Kept, View};

use super::choice::{NEAR_BY, Reach};
use super::refine::{SHARPEST, STAGES};
use super::{Choice, Search, Snapshot};

/// What a unit of worth short of a landing costs.
const MISS: f64 = 9.0;
/// What a unit of worth above a landing is worth.
const SCRAP: f64 = 1e-3;
/// The price of a limit to start from.
const SHADOW: f64 = 1e-4;
/// What a unit of worth counts where the least that is left is a limit: by its price, misses over the marginal cost of trading, all others
/// come to about one.
const LIMITED: f64 = 3e-4;
/// Times that the value is taken anew, and a change of it that is as good as none, as a part.
const ROUNDS: usize = 5;
const STEADY: f64 = 5e-9;
/// Tokens beside the assets between which prices are looked for first.
const HUBS: usize = 12;
/// Worth below which a piece is none, as a part of the value.
const NOTHING: f64 = 1e-12;
/// The most that cycles may add to the value, as a part of it.
const MOST_GROWTH: f64 = 10.0;
/// A price at which a limit binds.
const BINDS: f64 = 1e-5;

/// An asset that may be traded, in value units.
#[derive(Debug, Clone)]
pub struct Position {
    /// Its token.
    pub token: Token,
    /// Units held.
    pub held: f64,
    /// The least and the most units that may be left.
    pub range: [f64; 2],
    /// Worth of a unit.
    pub worth: f64,
    /// Parts of the portfolio's value between which it is to land.
    pub landing: [f64; 2],
}

/// Assets that may not be worth too much together.
#[derive(Debug, Clone)]
pub struct Group {
    /// Their places among the positions.
    pub positions: Vec<usize>,
    /// What those of them are worth that are not traded.
    pub beside: f64,
    /// The most, as a part of the portfolio's value.
    pub most: f64,
}

/// A portfolio to be rebalanced.
#[derive(Debug, Clone, Default)]
pub struct Basket {
    /// What may be traded; each token once.
    pub positions: Vec<Position>,
    /// Worth of what is held besides.
    pub beside: f64,
    /// The most worth that is moved, one way.
    pub turnover: Option<f64>,
    /// Limits on assets together.
    pub groups: Vec<Group>,
    /// The least worth that is left in the end, over and above what missing a landing is charged.
    pub least: Option<f64>,
    /// What pays for gas: a token that no market trades, in which worth is counted. The tokens after it, [`Basket::limits`] of them, are
    /// the limits' own.
    pub gas: GasPrice,
}

/// A limit on assets together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tight {
    /// Of what is moved.
    Turnover,
    /// Of what is lost.
    Loss,
    /// Of a group, by its place.
    Group(usize),
}

/// A rebalanced portfolio.
#[derive(Debug, Clone)]
pub struct Rebalanced {
    /// What the markets trade.
    pub flows: Vec<Flow>,
    /// Units left of each position.
    pub left: Vec<f64>,
    /// Prices of all tokens.
    pub prices: Vec<f64>,
    /// Worth of the whole in the end.
    pub worth: f64,
    /// Worth outside of the landings.
    pub missed: f64,
    /// The limits on assets together that bind.
    pub tight: Vec<Tight>,
    /// Worth less gas and less what missing is charged, and the bound on it, both counted from the portfolio as it was.
    pub certificate: Certificate,
    /// How the optimiser ended.
    pub status: Status,
    /// What it was found from.
    origin: Origin,
}

/// What to start from again.
#[derive(Debug, Clone)]
struct Origin {
    choice: Choice,
    /// The value that landings were parts of.
    value: f64,
    /// Whether the whole could grow.
    grows: bool,
}

impl Basket {
    /// How many limits there are on assets together.
    pub fn limits(&self) -> usize {
        usize::from(self.turnover.is_some()) + usize::from(self.least.is_some()) + self.groups.len()
    }

    /// The limits, each with its token.
    fn tokens(&self) -> impl Iterator<Item = (Tight, Token)> + '_ {
        let turnover = self.turnover.map(|_| Tight::Turnover);
        let loss = self.least.map(|_| Tight::Loss);
        let all = turnover.into_iter().chain(loss).chain((0..self.groups.len()).map(Tight::Group));
        all.zip(self.gas.token + 1..)
    }

    /// What a unit of worth counts.
    fn unit(&self) -> f64 {
        if self.least.is_some() { LIMITED } else { 1.0 }
    }

    /// Worth of the whole with so many units of each position.
    fn worth(&self, left: impl Iterator<Item = f64>) -> f64 {
        self.beside + self.positions.iter().zip(left).map(|(p, units)| p.worth * units).sum::<f64>()
    }

    /// Worth outside of the landings.
    fn missed(&self, left: &[f64], value: f64) -> f64 {
        let outside = |(p, units): (&Position, &f64)| {
            let worth = p.worth * units;
            (p.landing[0] * value - worth).max(worth - p.landing[1] * value).max(0.0)
        };
        self.positions.iter().zip(left).map(outside).sum()
    }

    /// What the programme counts so many units left of each position for, in worth: what misses its landing is charged.
    pub fn value(&self, left: &[f64]) -> f64 {
        let worth = self.worth(left.iter().copied());
        let charged = |(p, units): (&Position, &f64)| {
            let here = p.worth * units;
            MISS * (p.landing[0] * worth - here).max(0.0) + (1.0 - SCRAP) * (here - p.landing[1] * worth).max(0.0)
        };
        worth - self.positions.iter().zip(left).map(charged).sum::<f64>()
    }

    /// The problem for a value of the whole, which may grow or not, and what it counts the portfolio as it is for.
    fn problem(&self, value: f64, grows: bool) -> (Problem, f64) {
        let (numeraire, unit) = (self.gas.token, self.unit());
        let mut problem = Problem {
            wanted: vec![Wanted { token: numeraire, weight: 1.0, free: true }],
            gas: GasPrice { price: self.gas.price * unit, ..self.gas },
            reserve: f64::NEG_INFINITY,
            ..Problem::default()
        };
        let mut now = 0.0;
        // What there is of each limit while nothing is left of what may go.
        let mut room: Vec<f64> = self
            .tokens()
            .map(|(limit, _)| match limit {
                Tight::Turnover => self.turnover.unwrap_or_default(),
                Tight::Loss => self.beside - self.least.unwrap_or_default(),
                Tight::Group(g) => self.groups[g].most * value - self.groups[g].beside,
            })
            .collect();
        for (index, p) in self.positions.iter().enumerate() {
            let landing = p.landing.map(|part| part * value / p.worth);
            // Nothing is gained by going further from the landing than it is.
            let low = p.range[0].max(p.held.min(landing[0]));
            let high = p.range[1].min(p.held.max(landing[1])).max(low);
            if p.held > low {
                problem.endowment.push((p.token, p.held - low));
            }
            // Of each limit, what a unit left takes (negative) or brings.
            let takes = |limit: Tight, below: bool| match limit {
                Tight::Turnover => 0.5 * p.worth * if below { 1.0 } else { -1.0 },
                Tight::Loss => p.worth,
                Tight::Group(g) => -p.worth * f64::from(u8::from(self.groups[g].positions.contains(&index))),
            };
            for ((limit, _), room) in self.tokens().zip(&mut room) {
                *room += match limit {
                    Tight::Turnover => -takes(limit, true) * (p.held - low).max(0.0),
                    _ => takes(limit, true) * low,
                };
            }
            let mut cuts = [low, landing[0].clamp(low, high), landing[1].clamp(low, high), p.held.clamp(low, high), high];
            cuts.sort_by(f64::total_cmp);
            for piece in cuts.windows(2).filter(|w| (w[1] - w[0]) * p.worth > NOTHING * value) {
                let middle = 0.5 * (piece[0] + piece[1]);
                let worth = unit
                    * p.worth
                    * if middle < landing[0] {
                        1.0 + MISS
                    } else if middle <= landing[1] {
                        1.0
                    } else {
                        SCRAP
                    };
                let below = middle < p.held;
                let mut moves = vec![(p.token, -1.0), (numeraire, worth)];
                moves.extend(self.tokens().map(|(limit, token)| (token, takes(limit, below))).filter(|m| m.1 != 0.0));
                if below {
                    now += worth * (piece[1] - piece[0]);
                }
                problem.bundles.push(Bundle { moves, cap: piece[1] - piece[0] });
            }
        }
        problem.bundles.extend(self.growth(value).filter(|_| grows));
        problem.endowment.extend(self.tokens().zip(room).map(|((_, token), room)| (token, room)));
        (problem, now)
    }

    /// More of everything: a unit more of value, in the proportions of the landings. What cycles earn would be above them otherwise.
    fn growth(&self, value: f64) -> Option<Bundle> {
        let middle = |p: &Position| 0.5 * (p.landing[0] + p.landing[1]);
        let whole: f64 = self.positions.iter().map(middle).sum();
        let shares = || self.positions.iter().map(|p| middle(p) / whole);
        let mut moves: Vec<(Token, f64)> =
            self.positions.iter().zip(shares()).map(|(p, share)| (p.token, -share / p.worth)).filter(|m| m.1 != 0.0).collect();
        moves.push((self.gas.token, self.unit()));
        moves.extend(self.tokens().map(|(limit, token)| match limit {
            Tight::Turnover => (token, -0.5),
            Tight::Loss => (token, 1.0),
            Tight::Group(g) => {
                let group = &self.groups[g];
                let share: f64 = shares().enumerate().filter(|(k, _)| group.positions.contains(k)).map(|(_, share)| share).sum();
                (token, group.most - share)
            }
        }));
        (whole > 0.0).then_some(Bundle { moves, cap: MOST_GROWTH * value })
    }

    fn read(&self, outcome: Outcome, snapshot: &Snapshot, now: f64, bound: f64, origin: Origin) -> Rebalanced {
        let mut left: Vec<f64> = self.positions.iter().map(|p| p.held).collect();
        for flow in &outcome.flows {
            for (token, traded) in snapshot.markets.coins(flow.market).iter().zip(&flow.trade) {
                if let Some(k) = self.positions.iter().position(|p| p.token == *token) {
                    left[k] += traded;
                }
            }
        }
        let worth = self.worth(left.iter().copied());
        let tight = self.tokens().filter(|(_, token)| outcome.prices[*token as usize] > BINDS).map(|(limit, _)| limit).collect();
        let Certificate { value, bound_kept, gas, .. } = outcome.certificate;
        let [value, bound_kept, bound] = [value, bound_kept, bound].map(|value| (value - now) / self.unit());
        let certificate = Certificate { value, gas, bound_kept, bound };
        let missed = self.missed(&left, worth);
        Rebalanced {
            flows: outcome.flows,
            left,
            prices: outcome.prices,
            worth,
            missed,
            tight,
            certificate,
            status: outcome.status,
            origin,
        }
    }
}

/// The best rebalance of a portfolio over all markets. `warm` are prices to start from; ways that are `barred` are not used. None where
/// there is nothing to be gained by trading.
pub fn rebalance(
    snapshot: &Snapshot,
    basket: &Basket,
    warm: Option<&[f64]>,
    barred: &[Hop],
    budget: &Budget,
) -> Option<Rebalanced> {
    let value = basket.worth(basket.positions.iter().map(|p| p.held));
    let (problem, now) = basket.problem(value, true);
    let mut search = Search::new(snapshot, &problem, None, barred, budget);
    search.unit = basket.unit();
    if let Some(warm) = warm.filter(|w| w.len() == search.prices.len()) {
        search.prices.copy_from_slice(warm);
    }
    search.prices[basket.gas.token as usize] = 1.0;
    for (limit, token) in basket.tokens() {
        search.prices[token as usize] = if limit == Tight::Loss { 1.0 } else { SHADOW };
    }
    // Prices where most of it will trade; what is further away is found from there.
    let near = near(snapshot, basket);
    let mut view = View::part(&snapshot.markets, &problem, &near, 0.0, &mut search.renumber);
    view.bar(barred);
    let used = search.refine(&view, &STAGES);
    search.prune(used);
    search.climb(&NEAR_BY);
    search.climb(&[Reach::Far]);
    let choice = search.best.clone()?;
    let prices = search.prices.clone();
    let found = basket.read(search.outcome(), snapshot, now, search.bound, Origin { choice, value, grows: true });
    Some(settle(snapshot, basket, found, prices, barred, budget))
}

/// A bound on the certificate's value that is nearer than the one at the prices of the markets chosen: at prices of all markets, found from
/// there.
pub fn bound(snapshot: &Snapshot, basket: &Basket, found: &Rebalanced, budget: &Budget) -> f64 {
    let (problem, now) = basket.problem(found.origin.value, found.origin.grows);
    let mut search = Search::new(snapshot, &problem, None, &[], budget);
    search.unit = basket.unit();
    search.prices.clone_from(&found.prices);
    search.best = Some(found.origin.choice.clone());
    let whole = search.whole.clone();
    search.refine(&whole, SHARPEST);
    search.neighbourhood();
    ((search.bound - now) / basket.unit()).min(found.certificate.bound)
}

/// [`rebalance`] where nearly the same was `found` before: with other limits, or without some ways.
pub fn rebalance_again(
    snapshot: &Snapshot,
    basket: &Basket,
    found: &Rebalanced,
    barred: &[Hop],
    budget: &Budget,
) -> Option<Rebalanced> {
    let again = settle(snapshot, basket, found.clone(), found.prices.clone(), barred, budget);
    (!again.flows.is_empty()).then_some(again)
}

/// Solves anew from what was `found`, until the value that landings are parts of is that of what is left.
fn settle(
    snapshot: &Snapshot,
    basket: &Basket,
    mut found: Rebalanced,
    mut prices: Vec<f64>,
    barred: &[Hop],
    budget: &Budget,
) -> Rebalanced {
    for _ in 0..ROUNDS {
        if budget.is_spent() {
            break;
        }
        let value = found.worth;
        let (problem, now) = basket.problem(value, false);
        let mut search = Search::new(snapshot, &problem, None, barred, budget);
        search.unit = basket.unit();
        search.prices = prices;
        search.adopt(found.origin.choice.prices.iter().copied());
        search.prune(found.origin.choice.kept.clone());
        search.grow(&[Reach::Far]);
        let Some(choice) = search.best.clone() else { break };
        prices = search.prices.clone();
        let outcome = search.outcome();
        if outcome.flows.is_empty() {
            break;
        }
        found = basket.read(outcome, snapshot, now, search.bound, Origin { choice, value, grows: false });
        if (found.worth - value).abs() <= STEADY * value {
            break;
        }
    }
    found
}

/// The markets between the assets and the tokens that most markets hold.
fn near(snapshot: &Snapshot, basket: &Basket) -> Vec<Kept> {
    let mut tokens: Vec<Token> = snapshot.identity.clone();
    tokens.sort_unstable_by_key(|&t| (std::cmp::Reverse(snapshot.degree[t as usize]), t));
    let mut is_near = vec![false; tokens.len()];
    for token in tokens.into_iter().take(HUBS).chain(basket.positions.iter().map(|p| p.token)) {
        is_near[token as usize] = true;
    }
    let markets = &snapshot.markets;
    let kept = |market: MarketId| {
        let coins = markets.coins(market).iter().enumerate().filter(|(_, token)| is_near[**token as usize]);
        let coins = coins.fold(0_u8, |mask, (k, _)| mask | (1 << k));
        (coins.count_ones() > 1).then_some(Kept { market, coins })
    };
    (0..markets.len() as MarketId).filter_map(kept).collect()
}
