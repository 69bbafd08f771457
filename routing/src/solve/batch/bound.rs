//! What no batch can exceed.
//!
//! At any prices, what the markets and orders earn there is a bound: each less its gas, but never below zero. A market of many coins takes as
//! many [swaps](super::swaps) as pay for themselves. Where a settlement may not take all that gas, a unit of it is worth more than it
//! costs: at any price μ beyond its cost, what they earn less that, with μ for all the gas that there may be, is a bound too (Lagrange's,
//! for the limit). At given prices the best μ is what the last of them earns for a unit of gas that there is room for, the best first. What
//! is found so is brought nearer by looking at tokens by themselves ([`tokens`](super::tokens)).
//!
//! All that as if each order had a price of its own; where there is one price a token it is nearer ([`uniform`](super::uniform)).

use super::Batch;
use super::swaps::added;
use crate::budget::Budget;
use crate::market::MarketId;
use crate::problem::{Problem, Wanted};
use crate::solve::Search;
use crate::view::View;

/// Times that prices are looked for with gas at what it is worth.
const ROUNDS: usize = 4;
/// What gas is worth has been found where it changes by no more than this part.
const FOUND: f64 = 0.03;
/// What no choice of orders, markets and fills can exceed, however much is left over, with no more gas than a settlement may take, and
/// whole orders whole. Value units.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bounds {
    /// Where each order is paid a price of its own.
    pub apart: f64,
    /// Where all are paid at one price a token, out of which they pay for the gas.
    pub uniform: f64,
}

/// A bound at some prices, and what a unit of gas is worth there beyond its cost.
pub(super) struct Bound {
    pub value: f64,
    pub dearer: f64,
    /// The prices, at which no leftover is worth more.
    pub prices: Vec<f64>,
    /// What a unit of fees counts at, and one of gas.
    pub fee: f64,
    pub gas_value: f64,
}

impl Batch {
    /// The bound over all markets and orders at some prices, gas at its cost and as much as there may be. A fee is kept of what is sold, so gas
    /// costs no more than the cheapest of the tokens sold, of which such a part `counts`. In `whole` the gas that is needed in any case, so much
    /// `fixed`, is counted at so much a unit.
    pub(super) fn bound_at(&self, whole: &View, prices: &[f64], [fixed, counted]: [f64; 2], counts: f64) -> Bound {
        let mut prices = prices.to_vec();
        for &(token, floor) in &self.floors {
            prices[token as usize] = prices[token as usize].max(floor);
        }
        let cheapest = self.orders.iter().map(|o| prices[o.sell as usize]).fold(1.0, f64::min);
        let fee = counts * cheapest;
        let gas_value = self.problem.gas.price * fee;
        let mut value = whole.bound_without_markets(&prices) + fixed * (counted - gas_value);
        // What each earns for a unit of its gas, and the gas.
        let mut earning: Vec<[f64; 2]> = Vec::new();
        let mut earns = |market: MarketId, profit: f64| {
            let gas = self.snapshot.markets.gas(market);
            let left = profit - gas * gas_value;
            if left > 0.0 {
                value += left;
                earning.push([left / gas, gas]);
            }
        };
        whole.profits_of_pairs(&prices, |_, market, profit| earns(market, profit));
        for block in whole.blocks.iter() {
            let gas = self.snapshot.markets.gas(block.market) * gas_value;
            added(whole, block, &prices, gas).into_iter().for_each(|more| earns(block.market, more));
        }
        earning.sort_unstable_by(|a, b| b[0].total_cmp(&a[0]));
        let mut room = (self.most_gas - fixed).max(0.0);
        let last = earning.iter().position(|&[_, gas]| {
            let has_room = gas <= room;
            room -= if has_room { gas } else { 0.0 };
            !has_room
        });
        let Some(last) = last else { return Bound { value, dearer: 0.0, prices, fee, gas_value } };
        let dearer = earning[last][0];
        // The last has room for a part, and those after it for none.
        value -= earning[last..].iter().map(|[earned, gas]| earned * gas).sum::<f64>() - dearer * room;
        Bound { value, dearer, prices, fee, gas_value: gas_value + dearer }
    }

    /// What no batch can exceed, looked for from some prices.
    pub fn bounds(&self, prices: &[f64], budget: &Budget) -> Bounds {
        let mut problem = Problem { limits: Vec::new(), ..self.problem.clone() };
        problem.wanted.extend(self.floors.iter().map(|&(token, weight)| Wanted { token, weight, free: false }));
        let (mut apart, mut counted, mut prices) = (f64::INFINITY, self.problem.gas.price, prices.to_vec());
        let mut round = 1;
        let (view, fixed) = loop {
            problem.gas.price = counted;
            let mut search = Search::new(&self.snapshot, &problem, None, &[], budget);
            search.prices.clone_from_slice(&prices);
            let view = search.whole.clone();
            search.settle_prices(&view);
            prices.clone_from(&search.prices);
            let fixed = [self.problem.gas.fixed, counted];
            let found = self.bound_at(&view, &prices, fixed, 1.0);
            apart = apart.min(found.value);
            let dearer = self.problem.gas.price + found.dearer;
            if (dearer - counted).abs() <= FOUND * counted || round == ROUNDS || budget.is_spent() {
                break (view, fixed);
            }
            counted = dearer;
            round += 1;
        };
        if budget.is_spent() {
            return Bounds { apart, uniform: apart };
        }
        let nearer = self.at_one_price(&view, |counts| self.bound_at(&view, &prices, fixed, counts), budget);
        apart = apart.min(nearer.apart);
        Bounds { apart, uniform: apart.min(nearer.uniform) }
    }
}
