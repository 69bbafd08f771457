//! What no routing of an order can exceed, without routing it.
//!
//! The dual bounds the worth at any prices. At clearing prices all markets together earn next to nothing beyond their gas, so an order could
//! have little more than those prices give it; but at its own two tokens it has to pay the markets' fees and move them. Prices of those two
//! alone are moved to where the bound is least: only markets that hold them have to be looked at again.
//!
//! What is left to be earned of markets that hold neither of its tokens is told apart: cycles of theirs need no order, and on the way of one
//! such markets earn at those prices what their gas costs.

use crate::curve::{PerCoin, Response};
use crate::market::{MarketId, Token};
use crate::problem::Problem;

use super::Snapshot;

/// Tokens that more markets hold are too deep to move.
const MOST_MARKETS: u32 = 64;
/// Parts that a price is moved by: the least, by how much more each time, and the most.
const PARTS: (f64, f64, f64) = (1e-4, 2.0, 0.3);
/// Steps to the best of them thereafter.
const STEPS: usize = 6;
/// Times that both prices are moved.
const SWEEPS: usize = 2;

/// What an order cannot be worth more than.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Height {
    /// With all that markets seem to earn anywhere: no routing exceeds that.
    pub all: f64,
    /// But for what those that hold neither of its tokens seem to earn beyond their gas.
    pub own: f64,
}

impl Height {
    const NONE: Self = Self { all: f64::INFINITY, own: f64::INFINITY };
}

/// Bounds for orders on the same markets.
#[derive(Debug, Clone)]
pub struct Ceiling<'a> {
    snapshot: &'a Snapshot,
    prices: &'a [f64],
    /// The most by their gas first.
    earning: Vec<Earning>,
}

/// What a market earns at the prices that there are, and its gas.
#[derive(Debug, Clone, Copy)]
struct Earning {
    market: MarketId,
    profit: f64,
    gas: f64,
}

impl<'a> Ceiling<'a> {
    /// Prepares for orders on `snapshot`, from its [`clearing_prices`](super::clearing_prices).
    pub fn new(snapshot: &'a Snapshot, prices: &'a [f64]) -> Self {
        let mut this = Self { snapshot, prices, earning: Vec::new() };
        let all = 0..snapshot.markets.len() as MarketId;
        let mut response = Response::default();
        let earning = all.map(|market| {
            let profit = this.profit(market, prices, &mut response);
            Earning { market, profit, gas: snapshot.markets.gas(market) }
        });
        let mut earning: Vec<Earning> = earning.filter(|earning| earning.profit > 0.0).collect();
        earning.sort_by(|a, b| (b.profit * a.gas).total_cmp(&(a.profit * b.gas)));
        this.earning = earning;
        this
    }

    /// What no flows of a problem can be worth, in its units: of one that wants one token, and offers or has to deliver another. Offers of
    /// several tokens are not looked at. It is not made less once it is less than `enough`.
    pub fn of(&self, problem: &Problem, enough: f64) -> Height {
        let [wanted] = problem.wanted.as_slice() else { return Height::NONE };
        if !problem.bundles.is_empty() || !problem.served.is_empty() || self.prices.len() != self.snapshot.markets.tokens() {
            return Height::NONE;
        }
        let mut nu = self.prices.to_vec();
        let brought = problem.endowment.iter().map(|(token, amount)| (*token, *amount > 0.0));
        let offered = problem.limits.iter().flat_map(|limit| [(limit.give, true), (limit.take, false)]);
        let (mut moved, mut held): (Vec<(Token, f64)>, Vec<Token>) = Default::default();
        for (token, is_sold) in brought.chain(offered).chain([(wanted.token, problem.endowment.iter().any(|e| e.1 < 0.0))]) {
            if self.snapshot.degree[token as usize] > MOST_MARKETS {
                held.push(token);
            } else if moved.iter().all(|m| m.0 != token) {
                moved.push((token, if is_sold { -1.0 } else { 1.0 }));
            }
        }
        let near = self.near(&moved);
        let holds = |market: MarketId| self.snapshot.markets.coins(market).iter().any(|token| held.contains(token));
        let far = self.earning.iter().filter(|earning| near.binary_search(&earning.market).is_err());
        let (others, elsewhere): (Vec<Earning>, Vec<Earning>) = far.partition(|earning| holds(earning.market));
        let elsewhere = |nu: &[f64]| beyond_gas(&elsewhere, gas_value(problem, nu)) * wanted.weight / nu[wanted.token as usize];
        let enough = enough - elsewhere(&nu);
        let mut response = Response::default();
        let mut bound =
            |nu: &[f64]| self.value(problem, nu, &near, &others, &mut response) * wanted.weight / nu[wanted.token as usize];
        let mut least = bound(&nu);
        for &(token, way) in moved.iter().cycle().take(SWEEPS * moved.len()) {
            let from = nu[token as usize];
            let (part, value) = least_along(least, enough, |part: f64| {
                nu[token as usize] = from * (way * part).exp();
                bound(&nu)
            });
            (nu[token as usize], least) = (from * (way * part).exp(), value);
        }
        // What is no number bounds nothing.
        let all = least + elsewhere(&nu);
        if all.is_nan() { Height::NONE } else { Height { all, own: least } }
    }

    /// Markets that hold one of these tokens, ascending.
    fn near(&self, tokens: &[(Token, f64)]) -> Vec<MarketId> {
        let hops = &self.snapshot.hops;
        let ways = tokens.iter().flat_map(|(token, _)| hops.out_of(*token).iter().chain(hops.into(*token)));
        let mut markets: Vec<MarketId> = ways.map(|way| way.hop.market).collect();
        markets.sort_unstable();
        markets.dedup();
        markets
    }

    /// The dual at `nu` of the markets near, whose prices have moved, and of others.
    fn value(&self, problem: &Problem, nu: &[f64], near: &[MarketId], others: &[Earning], response: &mut Response) -> f64 {
        let price = |token: Token| nu[token as usize];
        let gas_value = gas_value(problem, nu);
        let brought: f64 = problem.endowment.iter().map(|(token, amount)| amount * price(*token)).sum();
        let offered = problem.limits.iter().map(|l| (price(l.give) * l.rate - price(l.take)).max(0.0) * l.cap);
        let gas = |market: MarketId| self.snapshot.markets.gas(market) * gas_value;
        let moved = near.iter().map(|&market| (self.profit(market, nu, response) - gas(market)).max(0.0));
        brought + offered.sum::<f64>() - problem.gas.fixed * gas_value + beyond_gas(others, gas_value) + moved.sum::<f64>()
    }

    /// What all coins of a market together earn.
    fn profit(&self, market: MarketId, nu: &[f64], response: &mut Response) -> f64 {
        let (coins, curve) = (self.snapshot.markets.coins(market), self.snapshot.markets.curve(market));
        let price = |k: usize| nu[coins[k] as usize];
        if coins.len() == 2 {
            let forth = price(1) * curve.rate(0, 1) > price(0);
            if !forth && price(0) * curve.rate(1, 0) <= price(1) {
                return 0.0;
            }
            let way = if forth { [0, 1] } else { [1, 0] };
            return crate::view::profit(curve, way, way.map(price));
        }
        let prices: PerCoin<f64> = (0..coins.len()).map(price).collect();
        curve.respond(&prices, u8::MAX >> (8 - coins.len()), response);
        response.value(&prices)
    }
}

/// What a unit of gas costs at prices.
fn gas_value(problem: &Problem, nu: &[f64]) -> f64 {
    problem.gas.price * nu[problem.gas.token as usize]
}

/// What markets earn together after their gas, those that earn most by it first.
fn beyond_gas(earning: &[Earning], gas_value: f64) -> f64 {
    earning.iter().map(|market| market.profit - market.gas * gas_value).take_while(|earned| *earned > 0.0).sum()
}

/// Where a convex function that is given parts is least, and what it is there; `least` at none.
fn least_along(mut least: f64, enough: f64, mut at: impl FnMut(f64) -> f64) -> (f64, f64) {
    let (mut part, times, most) = PARTS;
    let (mut before, mut best) = (0.0, 0.0);
    let mut after = loop {
        let value = at(part);
        if value >= least {
            break part;
        }
        (before, best, least) = (best, part, value);
        if part >= most || least < enough {
            return (best, least);
        }
        part *= times;
    };
    for _ in 0..STEPS {
        // The middle of the wider side.
        let is_above = after - best > best - before;
        let middle = 0.5 * (best + if is_above { after } else { before });
        let value = at(middle);
        let is_better = value < least;
        match (is_better, is_above) {
            (true, true) => before = best,
            (true, false) => after = best,
            (false, true) => after = middle,
            (false, false) => before = middle,
        }
        if is_better {
            (best, least) = (middle, value);
        }
        if least < enough {
            break;
        }
    }
    (best, least)
}
