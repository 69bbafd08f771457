//! Prices over many markets at once: the minimum of the gas-aware dual, for the bound and for prices to start from.

use crate::dual::{Minimum, Settle, Stop, minimise, settle};
use crate::market::{MarketId, Token};
use crate::view::{Kept, Smoothing, View};

use super::choice::Reach;
use super::{FINE, Search};

/// Corner widths of the gas-aware dual, as parts of the gas, with the smoothing of limits beside them.
pub(super) const STAGES: [(f64, f64); 3] = [(1.0, 1e-3), (0.3, 1e-4), (0.05, 1e-5)];
/// The last of them.
pub(super) const SHARPEST: &[(f64, f64)] = STAGES.split_at(2).1;
/// Newton steps a corner width.
const STAGE_STEPS: u32 = 40;
/// Newton steps on a choice.
const STEPS: u32 = 60;
/// Smoothing of offers, less and less, where neither they nor the interior point do.
const ROUND: [f64; 4] = [1e-3, 1e-4, 1e-5, FINE];
/// The barrier of the interior point, to begin and to end with: on a choice in value units, and among all markets by the gas of a swap.
const ON_CHOICE: [f64; 2] = [0.1, 1e-6];
const AMONG_ALL: [f64; 2] = [5.0, 1e-3];
/// Force in value units that holds prices where they began: those that many others would do as well as. On a choice, and among all.
const HOLD_ON_CHOICE: f64 = 300.0;
const HOLD: f64 = 1e3;
/// Smoothing of offers among all markets.
const LINEAR: f64 = 1e-5;
/// The least share of a market that is enough for it to be among a choice, to begin with.
const LEAST_SHARE: f64 = 0.02;
/// Times that prices are refined around the best choice.
const REFINEMENTS: usize = 4;
/// Where orders are, gas is all that is lost: what is worth less than so many times all that is moved cannot be traded.
const RAN_AWAY: f64 = 10.0;
/// A gap to the bound that needs no more search: a part of the problem's scale.
const GOOD: f64 = 1e-6;
/// The part of its gas that a market must earn to matter.
const NEAR_GAS: f64 = 0.1;

impl Search<'_> {
    /// Prices near the minimum of the gas-aware dual over `view`, from those there are; returns the markets that it uses.
    pub(super) fn refine(&mut self, view: &View, stages: &[(f64, f64)]) -> Vec<Kept> {
        let mut nu: Vec<f64> = view.tokens.iter().map(|&t| self.prices[t as usize]).collect();
        let gas_token = self.problem.gas.token as usize;
        for &(width, linear) in stages {
            let smoothing = Smoothing { gas: Some(width), gas_value: self.gas_value, linear: Some(linear) };
            let stop = Stop { tolerance: 1e-5, iterations: STAGE_STEPS, progress: 1e-7, below: f64::NEG_INFINITY };
            let minimum = minimise(view, &mut nu, &smoothing, stop, &mut self.work);
            self.adopt(view.tokens.iter().copied().zip(nu.iter().copied()));
            self.gas_value = self.problem.gas.price * self.prices[gas_token];
            if !self.budget.spend(u64::from(minimum.evaluations) * view.size()) {
                break;
            }
        }
        self.used(view)
    }

    /// Prices at the minimum of the gas-aware dual over `view`, by the interior point, and the best choice of the markets that it uses: where
    /// there are many orders.
    pub(super) fn aim(&mut self, view: &View) {
        // What has to be traded in any case may lead too far for it.
        if !self.problem.endowment.is_empty() {
            let used = self.refine(view, &STAGES);
            self.prune(used);
            return;
        }
        let used = self.settle_prices(view);
        self.prune(used.iter().filter(|used| used.1 > LEAST_SHARE).map(|used| used.0).collect());
    }

    /// Moves prices there. Returns the markets that trade, each with how much of it counts.
    pub(super) fn settle_prices(&mut self, view: &View) -> Vec<(Kept, f64)> {
        let mut nu: Vec<f64> = view.tokens.iter().map(|&t| self.prices[t as usize]).collect();
        let gas = self.gas_of_swap();
        let [from, to] = AMONG_ALL.map(|mu| mu * if gas > 0.0 { gas } else { 1.0 });
        let below = f64::NEG_INFINITY;
        let how = Settle { gas_value: self.gas_value, linear: LINEAR, from, to, damping: 0.0, hold: HOLD, below };
        let minimum = settle(view, &mut nu, how, &mut self.work);
        self.budget.spend(u64::from(minimum.evaluations) * view.size());
        self.adopt(view.tokens.iter().copied().zip(nu));
        self.trading(view)
    }

    /// Moves prices to the minimum of the dual of a choice, whose gas is paid for. `None` where that is `below` what is of use, or below what any
    /// flows can be worth: then there are none, and prices have run away from those who ask for what there is not.
    pub(super) fn converge(&mut self, view: &View, nu: &mut Vec<f64>, below: f64) -> Option<Minimum> {
        let smoothing = Smoothing { gas: None, gas_value: self.gas_value, linear: Some(FINE) };
        let has_offers = !self.problem.served.is_empty();
        let below = if has_offers { below.max(-RAN_AWAY * view.scale()) } else { below };
        let stop = Stop { tolerance: 1e-9, iterations: STEPS, progress: 0.0, below };
        let start = nu.clone();
        if has_offers {
            let [from, to] = ON_CHOICE;
            let how = Settle { gas_value: 0.0, linear: FINE, from, to, damping: 0.0, hold: HOLD_ON_CHOICE, below };
            let settled = settle(view, nu, how, &mut self.work);
            self.budget.spend(u64::from(settled.evaluations) * view.size());
            // What has corners yet counts less than it is worth.
            if view.bound(nu, 0.0) < below {
                return None;
            }
            if settled.converged {
                return Some(settled);
            }
        }
        let mut minimum = minimise(view, nu, &smoothing, stop, &mut self.work);
        self.budget.spend(u64::from(minimum.evaluations) * view.size());
        // What has to be traded in any case may lead far: over corners that are round at first.
        let is_open = !minimum.converged && self.work.last().value >= below;
        if has_offers && is_open && !self.problem.endowment.is_empty() {
            nu.clone_from(&start);
            for linear in ROUND {
                let smoothing = Smoothing { linear: Some(linear), ..smoothing };
                minimum = minimise(view, nu, &smoothing, Stop { below: f64::NEG_INFINITY, ..stop }, &mut self.work);
                self.budget.spend(u64::from(minimum.evaluations) * view.size());
                if view.bound(nu, 0.0) < below {
                    return None;
                }
            }
        }
        (self.work.last().value >= below).then_some(minimum)
    }

    /// What a swap takes of gas at the mean.
    pub(super) fn gas_of_swap(&self) -> f64 {
        let markets = &self.snapshot.markets;
        let all: f64 = (0..markets.len() as MarketId).map(|market| markets.gas(market)).sum();
        all / markets.len().max(1) as f64 * self.gas_value
    }

    /// The markets that trade at the prices last met, with the coins that move.
    pub(super) fn used(&self, view: &View) -> Vec<Kept> {
        self.trading(view).into_iter().map(|used| used.0).collect()
    }

    /// The same, each with how much of it counts.
    fn trading(&self, view: &View) -> Vec<(Kept, f64)> {
        let last = self.work.last();
        let pairs = last.pairs.iter().filter_map(|active| Some((view.pairs.get(active.index as usize)?, active.share)));
        let pairs =
            pairs.map(|(pair, share)| (Kept { market: pair.market, coins: (1 << pair.coins[0]) | (1 << pair.coins[1]) }, share));
        let blocks = last.blocks.iter().map(|active| {
            let moved = active.response.trade.iter().enumerate().filter(|(_, z)| **z != 0.0);
            let coins = moved.fold(0, |mask, (k, _)| mask | (1 << k));
            (Kept { market: view.blocks[active.index as usize].market, coins }, active.share)
        });
        let mut used: Vec<(Kept, f64)> = pairs.chain(blocks).collect();
        used.sort_unstable_by_key(|used| used.0);
        used
    }

    /// The bound at the prices there are, and the markets that matter near them: those that earn a part of their gas, and those
    /// between tokens that the best choice trades.
    pub(super) fn neighbourhood(&mut self) -> Vec<Kept> {
        let Some(best) = &self.best else { return Vec::new() };
        let view = &self.whole;
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

    /// Minimises the gas-aware dual over the markets that matter, for a better bound and another choice to start from. Markets
    /// matter that earn a part of their gas at prices met so far: the set grows until none outside of it adds to the bound.
    pub(super) fn bound_and_retry(&mut self) {
        self.restart();
        self.climb(&[Reach::Far]);
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
            let mut view = View::part(&self.snapshot.markets, self.problem, &near, 0.0, &mut self.renumber);
            view.bar(self.barred);
            let used = self.refine(&view, &STAGES);
            if self.prune(used) {
                self.climb(&[Reach::Far]);
            }
            let value = self.best.as_ref().map_or(0.0, |best| best.value);
            if self.budget.is_spent() || self.bound - value <= GOOD * self.scale() {
                break;
            }
        }
        self.neighbourhood();
    }

    /// Takes prices over.
    pub(super) fn adopt(&mut self, prices: impl Iterator<Item = (Token, f64)> + Clone) {
        self.prices = self.adopted(prices);
    }

    /// The prices there are with others in their place. Tokens that are not among those move with the one of them that most markets hold.
    pub(super) fn adopted(&self, prices: impl Iterator<Item = (Token, f64)> + Clone) -> Vec<f64> {
        let hub = prices.clone().max_by_key(|(t, _)| self.snapshot.degree[*t as usize]);
        let follow = hub.map_or(1.0, |(t, price)| price / self.prices[t as usize]);
        let mut adopted: Vec<f64> = self.prices.iter().map(|price| price * follow).collect();
        for (token, price) in prices {
            adopted[token as usize] = price;
        }
        adopted
    }
}
