//! Prices over many markets at once: the minimum of the gas-aware dual, for the bound and for prices to start from.

use crate::dual::{Stop, minimise};
use crate::market::{MarketId, Token};
use crate::view::{Kept, Smoothing, View};

use super::Search;
use super::choice::Reach;

/// Corner widths of the gas-aware dual, as parts of the gas, with the smoothing of limits beside them.
pub(super) const STAGES: [(f64, f64); 3] = [(1.0, 1e-3), (0.3, 1e-4), (0.05, 1e-5)];
/// The last of them.
pub(super) const SHARPEST: &[(f64, f64)] = STAGES.split_at(2).1;
/// Newton steps a corner width.
const STAGE_STEPS: u32 = 40;
/// Times that prices are refined around the best choice.
const REFINEMENTS: usize = 4;
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
            let smoothing = Smoothing { gas: Some(width), gas_value: self.gas_value, linear };
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

    /// The markets that trade at the prices last met, with the coins that move.
    pub(super) fn used(&self, view: &View) -> Vec<Kept> {
        let last = self.work.last();
        let pairs = last.pairs.iter().filter_map(|active| view.pairs.get(active.index as usize));
        let pairs = pairs.map(|pair| Kept { market: pair.market, coins: (1 << pair.coins[0]) | (1 << pair.coins[1]) });
        let blocks = last.blocks.iter().map(|active| {
            let moved = active.response.trade.iter().enumerate().filter(|(_, z)| **z != 0.0);
            Kept { market: view.blocks[active.index as usize].market, coins: moved.fold(0, |mask, (k, _)| mask | (1 << k)) }
        });
        let mut used: Vec<Kept> = pairs.chain(blocks).collect();
        used.sort_unstable();
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

    /// Takes prices over. Tokens that are not among them move with the one of them that most markets hold.
    pub(super) fn adopt(&mut self, prices: impl Iterator<Item = (Token, f64)> + Clone) {
        let hub = prices.clone().max_by_key(|(t, _)| self.snapshot.degree[*t as usize]);
        let follow = hub.map_or(1.0, |(t, price)| price / self.prices[t as usize]);
        for price in &mut self.prices {
            *price *= follow;
        }
        for (token, price) in prices {
            self.prices[token as usize] = price;
        }
    }
}
