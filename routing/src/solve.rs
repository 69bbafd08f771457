//! The loop: prices with gas, a choice of markets, flows, certificate.
//!
//! 1. **Prices** over all markets, each at its gas or not at all: the minimum of the gas-aware dual, its corners rounded less and
//!    less. They are found once for many solves on the same markets ([`clearing_prices`]).
//! 2. **Choice.** On a choice of markets everything is convex again, and the dual gives its worth in a few dozen evaluations of a
//!    few markets, without a programme: so choices are compared by the hundred. From the best single path, the best few, and
//!    what the first prices use, markets that do not earn their gas are dropped and markets that would are added, many at once and
//!    then one by one, for as long as it helps. Once no market outside would earn its gas and all inside do, the choice is optimal:
//!    its worth is the bound. The bound is the least of those at all prices met on the way.
//! 3. **Flows** by the linear programme on the best choice.

use rustc_hash::FxHashSet;

use crate::budget::Budget;
use crate::dual::{Minimum, Stop, Workspace, minimise};
use crate::market::{MarketId, Markets, Token};
use crate::path::{Hops, Path, best_path};
use crate::problem::{Certificate, GasPrice, Limit, Outcome, Problem, Status, Wanted};
use crate::program::{self, Flows};
use crate::view::{Kept, Renumber, Smoothing, View, gas};

/// Corner widths of the gas-aware dual, as parts of the gas, with the smoothing of limits beside them.
const STAGES: [(f64, f64); 3] = [(1.0, 1e-3), (0.3, 1e-4), (0.05, 1e-5)];
/// Newton steps a corner width.
const STAGE_STEPS: u32 = 40;
/// Times that prices are refined around the best choice.
const REFINEMENTS: usize = 4;
/// A gap to the bound that needs no more search: a part of the problem's scale.
const GOOD: f64 = 1e-6;
/// The part of its gas that a market must earn to matter.
const NEAR_GAS: f64 = 0.1;
/// How far an offer may be from the prices and still be looked at: fees and depth are on top of prices.
const NEAR: f64 = 0.03;
/// Gas, over and above the settlement's own, that a better choice of markets might save.
const FAR_GAS: f64 = 1e6;
/// Markets added at once.
const ADD: usize = 8;
/// Parts of an offer that single paths are looked for.
const PARTS: [f64; 3] = [1.0, 0.1, 0.01];
/// Smoothing of limits once markets are chosen.
const FINE: f64 = 3e-6;
/// A convex gap that is as good as none: a part of the problem's scale (10⁻⁴ basis points).
const CLOSED: f64 = 1e-8;
/// Width of the chords where prices did not converge.
const COARSE: f64 = 1e-2;
/// Choices of so many markets are worth a programme to see what they are worth, and the work it counts as.
const SMALL: usize = 24;
const PROGRAM_WORK: u64 = 10_000;
/// Longest single path that is tried.
const PATH_HOPS: usize = 4;
/// Paths that are split over.
const PATHS: usize = 5;

/// Markets with what is derived of them once and used by every solve.
#[derive(Debug, Clone)]
pub struct Snapshot {
    markets: Markets,
    hops: Hops,
    identity: Vec<Token>,
    /// How many markets hold each token.
    degree: Vec<u32>,
}

impl Snapshot {
    /// Takes the markets as they are.
    pub fn new(markets: Markets) -> Self {
        let hops = Hops::new(&markets);
        let identity = (0..markets.tokens() as Token).collect();
        let mut degree = vec![0; markets.tokens()];
        for market in 0..markets.len() as MarketId {
            for &token in markets.coins(market) {
                degree[token as usize] += 1;
            }
        }
        Self { markets, hops, identity, degree }
    }

    /// The markets.
    pub fn markets(&self) -> &Markets {
        &self.markets
    }

    /// The token that most markets hold.
    pub fn hub(&self) -> Option<Token> {
        self.identity.iter().copied().max_by_key(|&t| (self.degree[t as usize], std::cmp::Reverse(t)))
    }

    /// The ways between tokens.
    pub fn hops(&self) -> &Hops {
        &self.hops
    }
}

/// Finds the best flows for `problem`. `warm` are prices to start from, such as those of a solve before; without, every
/// token starts at one, its reference value. Markets for which `barred` is true are not used.
pub fn solve(snapshot: &Snapshot, problem: &Problem, warm: Option<&[f64]>, barred: &[MarketId], budget: &Budget) -> Outcome {
    Search::new(snapshot, problem, warm, barred, budget).run()
}

/// Prices at which no cycle pays for its gas, as far as a few Newton steps lead: where solves on these markets best start from.
/// `anchor` keeps its reference value; `gas_price` is what a unit of gas costs.
pub fn clearing_prices(snapshot: &Snapshot, anchor: Token, gas_price: f64, budget: &Budget) -> Vec<f64> {
    let problem = Problem {
        wanted: vec![Wanted { token: anchor, weight: 1.0, free: true }],
        gas: GasPrice { token: anchor, price: gas_price, fixed: 0.0 },
        ..Problem::default()
    };
    let mut search = Search::new(snapshot, &problem, None, &[], budget);
    let view = search.whole();
    search.refine(&view);
    search.prices
}

/// A choice of markets with its worth.
#[derive(Debug, Clone)]
struct Choice {
    kept: Vec<Kept>,
    /// The dual value: a bound on the choice.
    bound: f64,
    /// The same if the prices converged, else what the programme makes of them.
    value: f64,
    /// Prices of the tokens that the choice touches.
    prices: Vec<(Token, f64)>,
    /// Profit less gas of each market kept.
    margins: Vec<f64>,
}

struct Search<'a> {
    snapshot: &'a Snapshot,
    problem: &'a Problem,
    barred: &'a [MarketId],
    budget: &'a Budget<'a>,
    /// Prices of all tokens.
    prices: Vec<f64>,
    /// What a unit of gas costs in the objective.
    gas_value: f64,
    bound: f64,
    work: Workspace,
    renumber: Renumber,
    seen: FxHashSet<Vec<Kept>>,
    best: Option<Choice>,
}

impl<'a> Search<'a> {
    fn new(
        snapshot: &'a Snapshot,
        problem: &'a Problem,
        warm: Option<&[f64]>,
        barred: &'a [MarketId],
        budget: &'a Budget<'a>,
    ) -> Self {
        let mut prices = vec![1.0; snapshot.markets.tokens()];
        if let Some(warm) = warm.filter(|w| w.len() == prices.len()) {
            // In units of what is wanted.
            let wanted = problem.wanted.first();
            let scale = wanted.map_or(1.0, |w| w.weight / warm.get(w.token as usize).copied().unwrap_or(1.0));
            for (price, warm) in prices.iter_mut().zip(warm) {
                *price = warm * scale;
            }
        }
        let mut search = Self {
            snapshot,
            problem,
            barred,
            budget,
            prices,
            gas_value: 0.0,
            bound: f64::INFINITY,
            work: Workspace::default(),
            renumber: Renumber::default(),
            seen: FxHashSet::default(),
            best: None,
        };
        search.reprice_gas();
        search
    }

    fn run(mut self) -> Outcome {
        if self.is_hopeless() {
            return self.idle();
        }
        self.choose();
        if self.best.as_ref().is_none_or(|best| best.bound <= self.problem.reserve) {
            return self.idle();
        }
        self.finish()
    }

    /// Whether nothing is brought and no offer comes near the prices, or the bound is below what is of use.
    fn is_hopeless(&self) -> bool {
        let price = |token: Token| self.prices[token as usize];
        let far = |l: &Limit| price(l.give) * l.rate * (1.0 + NEAR) <= price(l.take);
        self.bound <= self.problem.reserve || (self.problem.endowment.is_empty() && self.problem.limits.iter().all(far))
    }

    fn reprice_gas(&mut self) {
        let price = self.prices.get(self.problem.gas.token as usize).copied().unwrap_or(1.0);
        self.gas_value = self.problem.gas.price * price;
    }

    /// Prices near the minimum of the gas-aware dual over `view`, from those there are; returns the markets that it uses.
    fn refine(&mut self, view: &View) -> Vec<Kept> {
        let mut nu: Vec<f64> = view.tokens.iter().map(|&t| self.prices[t as usize]).collect();
        let gas_token = self.problem.gas.token as usize;
        for (width, linear) in STAGES {
            let smoothing = Smoothing { gas: Some(width), gas_value: self.gas_value, linear };
            let stop = Stop { tolerance: 1e-5, iterations: STAGE_STEPS, progress: 1e-7 };
            let minimum = minimise(view, &mut nu, &smoothing, stop, &mut self.work);
            self.adopt(view.tokens.iter().copied().zip(nu.iter().copied()));
            self.gas_value = self.problem.gas.price * self.prices[gas_token];
            if !self.budget.spend(u64::from(minimum.evaluations) * view.size()) {
                break;
            }
        }
        let last = self.work.last();
        let mut kept: Vec<Kept> = Vec::new();
        for active in last.pairs.iter().filter(|p| (p.index as usize) < view.pairs.len()) {
            let pair = &view.pairs[active.index as usize];
            kept.push(Kept { market: pair.market, coins: (1 << pair.coins[0]) | (1 << pair.coins[1]) });
        }
        for active in &last.blocks {
            let moved =
                active.response.trade.iter().enumerate().filter(|(_, z)| **z != 0.0).fold(0, |mask, (k, _)| mask | (1 << k));
            kept.push(Kept { market: view.blocks[active.index as usize].market, coins: moved });
        }
        kept.sort_unstable();
        kept
    }

    /// All markets that are not barred.
    fn whole(&self) -> View<'a> {
        let mut view = View::whole(&self.snapshot.markets, &self.snapshot.identity, self.problem);
        view.bar(self.barred);
        view
    }

    /// The bound at the prices there are, and the markets that matter near them: those that earn a part of their gas, and those
    /// between tokens that the best choice trades.
    fn neighbourhood(&mut self) -> Vec<Kept> {
        let Some(best) = &self.best else { return Vec::new() };
        let view = self.whole();
        let mut near: Vec<Kept> = Vec::new();
        let gas_value = self.problem.gas.price * self.prices[self.problem.gas.token as usize];
        let mut bound = view.bound_without_markets(&self.prices);
        let markets = &self.snapshot.markets;
        let all = |market: MarketId| u8::MAX >> (8 - markets.coins(market).len());
        view.profits(&self.prices, |_, market, profit| {
            let gas = markets.gas(market) * gas_value;
            bound += (profit - gas).max(0.0);
            if profit > NEAR_GAS * gas {
                near.push(Kept { market, coins: all(market) });
            }
        });
        let known = |token: Token| best.prices.iter().any(|p| p.0 == token);
        let mut between: Vec<Kept> = Vec::new();
        for pair in view.pairs.iter().filter(|p| p.tokens.iter().all(|&t| known(t))) {
            between.push(Kept { market: pair.market, coins: 0b11 });
        }
        for block in view.blocks.iter().filter(|b| b.tokens.iter().filter(|&&t| known(t)).count() > 1) {
            between.push(Kept { market: block.market, coins: all(block.market) });
        }
        near.extend(between);
        near.sort_unstable();
        near.dedup();
        self.bound = self.bound.min(bound);
        self.budget.spend(2 * view.size());
        near
    }

    /// The worth of a choice, from warm prices.
    fn weigh(&mut self, mut kept: Vec<Kept>) -> Option<Choice> {
        kept.sort_unstable();
        if kept.is_empty() || self.seen.contains(&kept) || self.budget.is_spent() {
            return None;
        }
        let view =
            View::part(&self.snapshot.markets, self.problem, &kept, gas(&self.snapshot.markets, &kept), &mut self.renumber);
        let smoothing = Smoothing { gas: None, gas_value: self.gas_value, linear: FINE };
        let mut nu: Vec<f64> = match &self.best {
            // Tokens that the best choice priced are closer there.
            Some(best) => view
                .tokens
                .iter()
                .map(|t| best.prices.iter().find(|(token, _)| token == t).map_or(self.prices[*t as usize], |p| p.1))
                .collect(),
            None => view.tokens.iter().map(|&t| self.prices[t as usize]).collect(),
        };
        let stop = Stop { tolerance: 1e-9, iterations: 60, progress: 0.0 };
        let minimum: Minimum = minimise(&view, &mut nu, &smoothing, stop, &mut self.work);
        self.budget.spend(u64::from(minimum.evaluations) * view.size());
        let bound = view.bound(&nu, 0.0);
        self.seen.insert(kept.clone());
        let mut margins = vec![f64::NEG_INFINITY; kept.len()];
        view.profits(&nu, |_, market, profit| {
            if let Some(k) = kept.iter().position(|k| k.market == market) {
                let swaps = f64::from(kept[k].coins.count_ones().saturating_sub(1));
                margins[k] = profit - swaps * self.snapshot.markets.gas(market) * self.gas_value;
            }
        });
        let promising = self.best.as_ref().is_none_or(|best| bound > best.value);
        let value = if minimum.converged || !promising {
            bound
        } else if kept.len() <= SMALL {
            // The dual value of prices that did not converge says little: the programme does.
            self.budget.spend(PROGRAM_WORK);
            program::solve(&view, &nu, COARSE, None).map_or(f64::NEG_INFINITY, |flows| flows.gross)
        } else {
            f64::NEG_INFINITY
        };
        let prices = view.tokens.iter().copied().zip(nu).collect();
        Some(Choice { kept, bound, value, prices, margins })
    }

    /// Weighs a choice and keeps it if it is the best.
    fn consider(&mut self, kept: Vec<Kept>) -> Option<(Choice, bool)> {
        let choice = self.weigh(kept)?;
        let better = self.best.as_ref().is_none_or(|best| choice.value > best.value + 1e-12 * best.value.abs());
        if better {
            self.best = Some(choice.clone());
        }
        Some((choice, better))
    }

    /// Step 2: which markets.
    fn choose(&mut self) {
        for kept in self.paths() {
            self.prune(kept);
        }
        if !self.trades() {
            self.best = None;
            return;
        }
        self.grow();
        if self.is_hopeless() || self.is_far_off() {
            return;
        }
        self.climb();
        self.bound_and_retry();
    }

    /// Minimises the gas-aware dual over the markets that matter, for a better bound and another choice to start from. Markets
    /// matter that earn a part of their gas at prices met so far: the set grows until none outside of it adds to the bound.
    fn bound_and_retry(&mut self) {
        let Some(best) = &self.best else { return };
        let (start, prices) = (self.prices.clone(), best.prices.clone());
        self.adopt(prices.into_iter());
        let mut near = self.neighbourhood();
        self.prices = start;
        for round in 0..REFINEMENTS {
            let (known, bound) = (near.len(), self.bound);
            let more = self.neighbourhood();
            near.extend(more);
            near.sort_unstable();
            near.dedup();
            let settled = near.len() <= known + known / 50 && bound - self.bound <= GOOD * self.scale();
            if round > 0 && settled || self.bound <= self.problem.reserve {
                break;
            }
            let view = View::part(&self.snapshot.markets, self.problem, &near, 0.0, &mut self.renumber);
            let used = self.refine(&view);
            if self.prune(used) {
                self.climb();
            }
            let value = self.best.as_ref().map_or(0.0, |best| best.value);
            if self.budget.is_spent() || self.bound - value <= GOOD * self.scale() {
                break;
            }
        }
        self.neighbourhood();
    }

    /// Units that the problem moves.
    fn scale(&self) -> f64 {
        let brought: f64 = self.problem.endowment.iter().map(|e| e.1.abs()).sum();
        let offered: f64 = self.problem.limits.iter().map(|l| l.cap * l.rate).sum();
        (brought + offered).max(1.0)
    }

    /// Whether the best choice is so far below what is of use that no finer choice of markets will make up for it.
    fn is_far_off(&self) -> bool {
        let gas = (self.problem.gas.fixed + FAR_GAS) * self.gas_value;
        self.best.as_ref().is_none_or(|best| best.value < self.problem.reserve - gas - NEAR * self.scale())
    }

    /// Adds and drops for as long as it helps.
    fn climb(&mut self) {
        loop {
            let improved = self.grow() | self.drop_one();
            if !improved || self.budget.is_spent() {
                break;
            }
        }
    }

    /// Whether the best choice does anything for what the problem offers: cycles of their own need no order, and serve none.
    fn trades(&self) -> bool {
        let Some(best) = &self.best else { return false };
        let price = |token: Token| best.prices.iter().find(|p| p.0 == token).map_or(1.0, |p| p.1);
        !self.problem.endowment.is_empty() || self.problem.limits.iter().any(|l| price(l.give) * l.rate > price(l.take))
    }

    /// Takes prices over. Tokens that are not among them move with the one of them that most markets hold.
    fn adopt(&mut self, prices: impl Iterator<Item = (Token, f64)> + Clone) {
        let hub = prices.clone().max_by_key(|(t, _)| self.snapshot.degree[*t as usize]);
        let follow = hub.map_or(1.0, |(t, price)| price / self.prices[t as usize]);
        for price in &mut self.prices {
            *price *= follow;
        }
        for (token, price) in prices {
            self.prices[token as usize] = price;
        }
    }

    /// Adds markets that would earn their gas, many at once and then one at a time. True if it helped.
    fn grow(&mut self) -> bool {
        let mut improved = false;
        loop {
            let outside = self.outsiders();
            let mut added = self.prune(self.with(&outside[..outside.len().min(ADD)]));
            for candidate in outside.iter().take(ADD) {
                if added {
                    break;
                }
                added = self.prune(self.with(std::slice::from_ref(candidate)));
            }
            improved |= added;
            if !added || self.budget.is_spent() {
                return improved;
            }
        }
    }

    /// The best choice with more markets.
    fn with(&self, more: &[Kept]) -> Vec<Kept> {
        let mut kept = self.best.as_ref().map_or_else(Vec::new, |best| best.kept.clone());
        for candidate in more {
            match kept.iter_mut().find(|k| k.market == candidate.market) {
                Some(k) => k.coins |= candidate.coins,
                None => kept.push(*candidate),
            }
        }
        kept
    }

    /// Drops what does not earn its gas, the worst half first, until everything does. True if it found a new best.
    fn prune(&mut self, mut kept: Vec<Kept>) -> bool {
        let mut improved = false;
        while let Some((choice, better)) = self.consider(kept) {
            improved |= better;
            let mut failing: Vec<usize> = (0..choice.kept.len()).filter(|&k| choice.margins[k] < 0.0).collect();
            if failing.is_empty() {
                break;
            }
            failing.sort_by(|&a, &b| choice.margins[a].total_cmp(&choice.margins[b]));
            failing.truncate(failing.len().div_ceil(2));
            kept = (0..choice.kept.len()).filter(|k| !failing.contains(k)).map(|k| choice.kept[k]).collect();
        }
        improved
    }

    /// Tries the best choice without each of its markets, and without each coin of the larger ones; least margin first.
    fn drop_one(&mut self) -> bool {
        let mut improved = false;
        'again: while let Some(best) = self.best.clone() {
            let mut order: Vec<usize> = (0..best.kept.len()).collect();
            order.sort_by(|&a, &b| best.margins[a].total_cmp(&best.margins[b]));
            for k in order {
                let gas = self.snapshot.markets.gas(best.kept[k].market) * self.gas_value;
                // A market that earns many times its gas stays.
                if best.margins[k] > 20.0 * gas {
                    break;
                }
                let coins = best.kept[k].coins;
                let mut options = vec![0];
                if coins.count_ones() > 2 {
                    options.extend((0..8).map(|c| 1 << c).filter(|c| coins & c != 0).map(|c| coins & !c));
                }
                for option in options {
                    let mut kept = best.kept.clone();
                    if option == 0 {
                        kept.remove(k);
                    } else {
                        kept[k].coins = option;
                    }
                    if self.prune(kept) {
                        improved = true;
                        continue 'again;
                    }
                }
            }
            break;
        }
        improved
    }

    /// Markets outside of the best choice that would earn their gas at its prices, best first.
    fn outsiders(&mut self) -> Vec<Kept> {
        let Some(best) = &self.best else { return Vec::new() };
        let start = self.prices.clone();
        let own = best.prices.clone();
        self.adopt(own.into_iter());
        let prices = std::mem::replace(&mut self.prices, start);
        let Some(best) = &self.best else { return Vec::new() };
        let snapshot = self.snapshot;
        let view = self.whole();
        let gas_value = self.problem.gas.price * prices[self.problem.gas.token as usize];
        self.bound = self.bound.min(view.bound(&prices, gas_value));
        let mut found: Vec<(f64, Kept)> = Vec::new();
        view.profits(&prices, |coins, market, profit| {
            let margin = profit - snapshot.markets.gas(market) * gas_value;
            let known = best.kept.iter().any(|k| k.market == market && k.coins & coins == coins);
            if margin > 0.0 && !known {
                found.push((margin, Kept { market, coins }));
            }
        });
        self.budget.spend(2 * view.size());
        found.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        found.into_iter().map(|f| f.1).collect()
    }

    /// The best single path and the best few that share no market, for each way the problem trades.
    fn paths(&mut self) -> Vec<Vec<Kept>> {
        let markets = &self.snapshot.markets;
        let mut found = Vec::new();
        for (from, to, amount) in self.ways() {
            if !self.problem.limits.is_empty() {
                // The best amount is not known yet.
                for part in PARTS {
                    let usable = |market: MarketId| !self.barred.contains(&market);
                    let path =
                        best_path(markets, &self.snapshot.hops, (from, to), part * amount, PATH_HOPS, self.gas_value, usable);
                    found.extend(path.map(|path| kept_of(&path)));
                }
            }
            let mut used: Vec<MarketId> = self.barred.to_vec();
            let mut union: Vec<Kept> = Vec::new();
            for k in 0..PATHS {
                let part = if k == 0 { amount } else { amount / PATHS as f64 };
                let usable = |market: MarketId| !used.contains(&market);
                let Some(path) = best_path(markets, &self.snapshot.hops, (from, to), part, PATH_HOPS, self.gas_value, usable)
                else {
                    break;
                };
                let kept = kept_of(&path);
                self.budget.spend(PATH_HOPS as u64 * markets.len() as u64);
                used.extend(kept.iter().map(|k| k.market));
                if k == 0 {
                    found.push(kept.clone());
                }
                union.extend(kept);
                if self.budget.is_spent() {
                    break;
                }
            }
            if !union.is_empty() {
                found.push(union);
            }
        }
        found
    }

    /// From which token into which, and how much at the most.
    fn ways(&self) -> Vec<(Token, Token, f64)> {
        let mut ways: Vec<(Token, Token, f64)> = self.problem.limits.iter().map(|l| (l.give, l.take, l.rate * l.cap)).collect();
        for wanted in &self.problem.wanted {
            for &(token, amount) in self.problem.endowment.iter().filter(|e| e.0 != wanted.token) {
                if amount > 0.0 {
                    ways.push((token, wanted.token, amount));
                } else {
                    ways.push((wanted.token, token, -amount));
                }
            }
        }
        ways
    }

    /// Step 3: flows and certificate.
    fn finish(mut self) -> Outcome {
        let Some(best) = self.best.take() else { return self.idle() };
        let view = View::part(
            &self.snapshot.markets,
            self.problem,
            &best.kept,
            gas(&self.snapshot.markets, &best.kept),
            &mut self.renumber,
        );
        let mut nu: Vec<f64> = best.prices.iter().map(|p| p.1).collect();
        let (mut flows, mut bound): (Option<Flows>, f64) = (None, best.bound);
        let enough = CLOSED * view.scale();
        let gap = |bound: f64, flows: &Option<Flows>| flows.as_ref().map_or(f64::INFINITY, |f| bound - f.gross);
        for (linear, widths) in [(FINE, [1e-4, 1e-5]), (1e-8, [1e-4, 1e-6]), (1e-4, [1e-2, 1e-3]), (1e-6, [1e-3, 1e-4])] {
            if gap(bound, &flows) <= enough {
                break;
            }
            if linear != FINE {
                // The corners of limits, sharper; or, where that did not do, rounder and sharper again.
                let smoothing = Smoothing { gas: None, gas_value: self.gas_value, linear };
                let minimum = minimise(
                    &view,
                    &mut nu,
                    &smoothing,
                    Stop { tolerance: 1e-10, iterations: 60, progress: 0.0 },
                    &mut self.work,
                );
                self.budget.spend(u64::from(minimum.evaluations) * view.size());
                bound = bound.min(view.bound(&nu, 0.0));
            }
            for delta in widths {
                // A programme that fails is no answer; the next width may do.
                if let Ok(found) = program::solve(&view, &nu, delta, flows.as_ref())
                    && flows.as_ref().is_none_or(|f| found.gross > f.gross)
                {
                    flows = Some(found);
                }
                if gap(bound, &flows) <= enough {
                    break;
                }
            }
        }
        let Some(mut flows) = flows.filter(|f| f.gross.is_finite()) else { return self.idle() };
        flows.gross = program::gross(&view, &nu, &flows);
        for (&token, &price) in view.tokens.iter().zip(&nu) {
            self.prices[token as usize] = price;
        }
        let status = if self.budget.is_spent() {
            Status::Budget
        } else if bound - flows.gross <= 100.0 * enough {
            Status::Optimal
        } else {
            Status::Feasible
        };
        let certificate = Certificate {
            value: flows.gross,
            gas: self.problem.gas.fixed + gas(&self.snapshot.markets, &best.kept),
            bound_kept: bound,
            bound: self.bound,
        };
        Outcome { flows: flows.markets, fills: flows.fills, prices: self.prices, certificate, status }
    }

    fn idle(self) -> Outcome {
        let certificate = Certificate { value: 0.0, gas: 0.0, bound_kept: 0.0, bound: self.bound };
        let fills = vec![0.0; self.problem.limits.len()];
        Outcome { flows: Vec::new(), fills, prices: self.prices, certificate, status: Status::Idle }
    }
}

fn kept_of(path: &Path) -> Vec<Kept> {
    path.hops.iter().map(|h| Kept { market: h.market, coins: (1 << h.input) | (1 << h.output) }).collect()
}

/// A path as flows would have it, for whoever compares.
impl Path {
    /// Output less gas at `gas_value` a unit.
    pub fn net(&self, gas_value: f64) -> f64 {
        self.output - self.gas * gas_value
    }
}
