//! The dual function of a view.
//!
//! For prices ν the dual is g(ν) = Σ e_t·ν_t + Σ_limits π_l(ν) + Σ_markets π_p(ν): an upper bound for any ν ≥ weights. Its gradient
//! is z(ν), what is left over of each token when every market answers ν.
//!
//! Gas is a fixed cost of each market that trades, so the bound with gas is Σ e·ν + Σ max(0, π_p(ν) − gas_p). Its corners are
//! rounded by φ(s) = (s + ε)²/4ε for |s| ≤ ε: a market counts in part while its profit is within ε of its gas. With
//! ε ≤ gas a market without profit has φ = 0, which keeps the sum sparse.

use arrayvec::ArrayVec;

use super::View;
use crate::curve::{Curve, Response};
use crate::market::{MarketId, Token};
use crate::problem::{Bundle, Limit};

/// How the corners of the dual are rounded.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Smoothing {
    /// Width of the corner at a market's gas, as a part of the gas; `None`: gas is free.
    pub gas: Option<f64>,
    /// What a unit of gas costs.
    pub gas_value: f64,
    /// Fall of the rate of offers and linear curves over their cap; `None`: all of each is traded, whatever that earns, where there are no bundles.
    pub linear: Option<f64>,
}

/// A pair that trades.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ActivePair {
    pub input: Token,
    pub output: Token,
    /// Amounts, before the share.
    pub x: f64,
    pub y: f64,
    /// Marginal price, and weight of the rank-one term h·(e_i − m·e_o)(e_i − m·e_o)ᵀ.
    pub m: f64,
    pub h: f64,
    /// How much of the market counts (φ′), and φ″.
    pub share: f64,
    pub bend: f64,
    /// The pair's index in the view; limits follow the pairs.
    pub index: u32,
}

/// A larger market that trades.
#[derive(Debug, Clone)]
pub(crate) struct ActiveBlock {
    pub response: Response,
    pub share: f64,
    pub bend: f64,
    pub index: u32,
}

/// A bundle that is taken.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ActiveBundle {
    pub index: u32,
    /// Units of it.
    pub fill: f64,
    /// Weight of the rank-one term h·a·aᵀ, a being what a unit moves.
    pub h: f64,
}

/// The dual function at a point.
#[derive(Debug, Clone, Default)]
pub(crate) struct Evaluation {
    pub value: f64,
    /// What is left over of each token.
    pub surplus: Vec<f64>,
    pub pairs: Vec<ActivePair>,
    pub blocks: Vec<ActiveBlock>,
    pub bundles: Vec<ActiveBundle>,
}

impl View<'_> {
    /// Gas of a market, in value units.
    fn gas(&self, market: MarketId, smoothing: &Smoothing) -> f64 {
        self.markets.gas(market) * smoothing.gas_value
    }

    /// φ and its derivatives at a profit.
    fn count(&self, profit: f64, market: MarketId, smoothing: &Smoothing) -> (f64, f64, f64) {
        let Some(width) = smoothing.gas else { return (profit, 1.0, 0.0) };
        let gas = self.gas(market, smoothing);
        let (s, e) = (profit - gas, width * gas);
        if s >= e {
            (s, 1.0, 0.0)
        } else if s <= -e {
            (0.0, 0.0, 0.0)
        } else {
            ((s + e) * (s + e) / (4.0 * e), (s + e) / (2.0 * e), 1.0 / (2.0 * e))
        }
    }

    /// The dual at `nu`.
    pub fn evaluate(&self, nu: &[f64], smoothing: &Smoothing, out: &mut Evaluation) {
        out.surplus.clear();
        out.surplus.extend_from_slice(&self.endowment);
        out.value = self.endowment.iter().zip(nu).map(|(e, n)| e * n).sum();
        out.pairs.clear();
        out.blocks.clear();
        out.bundles.clear();
        let (linear, is_whole) = (smoothing.linear.unwrap_or(0.0), smoothing.linear.is_none());
        for (index, pair) in self.pairs.iter().enumerate() {
            let [a, b] = pair.tokens;
            let (pa, pb) = (nu[a as usize], nu[b as usize]);
            if is_whole && let offer @ Curve::Linear(_) = self.markets.curve(pair.market) {
                if pair.rates[0] > 0.0 {
                    out.push_whole(index, pair.tokens, [offer.cap(0, 1), pair.rates[0]], [pa, pb]);
                }
                continue;
            }
            let forward = pb * pair.rates[0] > pa;
            if !forward && pa * pair.rates[1] <= pb {
                continue;
            }
            let (input, output, i, j) = if forward { (a, b, 0, 1) } else { (b, a, 1, 0) };
            let (pi, po) = (nu[input as usize], nu[output as usize]);
            let m = pi / po;
            let curve = self.markets.curve(pair.market);
            let r = curve.respond_pair(pair.coins[i] as usize, pair.coins[j] as usize, m, linear);
            if r.input <= 0.0 {
                continue;
            }
            let (value, share, bend) = self.count(po * r.output - pi * r.input, pair.market, smoothing);
            if share > 0.0 {
                let h = share * r.slope / po;
                out.push(ActivePair { input, output, x: r.input, y: r.output, m, h, share, bend, index: index as u32 }, value);
            }
        }
        for (index, limit) in self.limits.iter().enumerate() {
            let (pi, po) = (nu[limit.take as usize], nu[limit.give as usize]);
            let index = self.pairs.len() + index;
            if is_whole {
                out.push_whole(index, [limit.take, limit.give], [limit.cap, limit.rate], [pi, po]);
                continue;
            }
            let m = pi / po;
            if m >= limit.rate {
                continue;
            }
            let full = (1.0 - m / limit.rate) / linear;
            let (share, slope) = if full < 1.0 { (full, limit.cap / (linear * limit.rate)) } else { (1.0, 0.0) };
            let (x, y) = (share * limit.cap, limit.rate * share * limit.cap * (1.0 - 0.5 * linear * share));
            let (input, output, index) = (limit.take, limit.give, index as u32);
            let active = ActivePair { input, output, x, y, m, h: slope / po, share: 1.0, bend: 0.0, index };
            out.push(active, po * y - pi * x);
        }
        for (index, bundle) in self.bundles.iter().enumerate() {
            let profit = bundle.profit(nu);
            if profit <= 0.0 {
                continue;
            }
            let full = profit / linear;
            let (share, h) = if full < 1.0 { (full, bundle.cap / linear) } else { (1.0, 0.0) };
            let fill = share * bundle.cap;
            out.value += fill * (profit - 0.5 * linear * share);
            for &(t, k) in &bundle.moves {
                out.surplus[t as usize] += k * fill;
            }
            out.bundles.push(ActiveBundle { index: index as u32, fill, h });
        }
        for (index, block) in self.blocks.iter().enumerate() {
            let Some(spread) = block.spread(|t| nu[t as usize]) else { continue };
            let mut prices = ArrayVec::<f64, 8>::new();
            for &t in &block.tokens {
                prices.push(nu[t as usize]);
            }
            let curve = self.markets.curve(block.market);
            // Most of them are a little off and earn far less than their gas.
            let least = smoothing.gas.map_or(0.0, |width| (1.0 - width) * self.gas(block.market, smoothing));
            if least > 0.0 && curve.most_profit(&prices, spread) <= least {
                continue;
            }
            let mut response = Response::default();
            curve.respond(&prices, block.allowed, &mut response);
            let profit = response.value(&prices);
            let (value, share, bend) = self.count(profit, block.market, smoothing);
            if share > 0.0 {
                out.value += value;
                for (&t, z) in block.tokens.iter().zip(&response.trade) {
                    out.surplus[t as usize] += share * z;
                }
                out.blocks.push(ActiveBlock { response, share, bend, index: index as u32 });
            }
        }
    }

    /// Moves the amounts of all that trades as a step of the prices would, staying on the curves: offers and linear curves unsmoothed.
    pub fn follow(&self, at: &mut Evaluation, step: &[f64]) {
        for active in &mut at.pairs {
            let index = active.index as usize;
            let x = active.x - active.h * (step[active.input as usize] - active.m * step[active.output as usize]);
            let (x, y) = if let Some(pair) = self.pairs.get(index) {
                let (i, o) = if active.input == pair.tokens[0] { (0, 1) } else { (1, 0) };
                let (i, o, curve) = (pair.coins[i] as usize, pair.coins[o] as usize, self.markets.curve(pair.market));
                let x = x.clamp(0.0, curve.cap(i, o));
                (x, curve.output(i, o, x))
            } else {
                let limit = &self.limits[index - self.pairs.len()];
                let x = x.clamp(0.0, limit.cap);
                (x, limit.rate * x)
            };
            at.surplus[active.input as usize] -= active.share * (x - active.x);
            at.surplus[active.output as usize] += active.share * (y - active.y);
            (active.x, active.y) = (x, y);
        }
        for active in &mut at.bundles {
            let bundle = &self.bundles[active.index as usize];
            let fill = (active.fill + active.h * bundle.profit(step)).clamp(0.0, bundle.cap);
            for &(t, k) in &bundle.moves {
                at.surplus[t as usize] += k * (fill - active.fill);
            }
            active.fill = fill;
        }
        for active in &mut at.blocks {
            let block = &self.blocks[active.index as usize];
            let (n, old) = (block.tokens.len(), &active.response.trade);
            let mut trade = old.clone();
            for (k, z) in trade.iter_mut().enumerate() {
                let row = &active.response.hessian[k * n..(k + 1) * n];
                *z += row.iter().zip(&block.tokens).map(|(h, &t)| h * step[t as usize]).sum::<f64>();
            }
            let Some(last) = (0..n).max_by(|&a, &b| old[a].abs().total_cmp(&old[b].abs())) else { continue };
            if trade != *old && self.markets.curve(block.market).complete(&mut trade, last) {
                for (k, &t) in block.tokens.iter().enumerate() {
                    at.surplus[t as usize] += active.share * (trade[k] - old[k]);
                }
                active.response.trade = trade;
            }
        }
    }

    /// The bound at `nu`, offers unsmoothed, as if there were no markets: add to it what each may earn.
    pub fn bound_without_markets(&self, nu: &[f64]) -> f64 {
        let brought: f64 = self.endowment.iter().zip(nu).map(|(e, n)| e * n).sum();
        let offered = |l: &Limit| (nu[l.give as usize] * l.rate - nu[l.take as usize]).max(0.0) * l.cap;
        let bundles = self.bundles.iter().map(|b| b.profit(nu).max(0.0) * b.cap);
        brought + self.limits.iter().map(offered).sum::<f64>() + bundles.sum::<f64>()
    }

    /// The bound at `nu`: exact, each market less its gas but never below zero.
    pub fn bound(&self, nu: &[f64], gas_value: f64) -> f64 {
        let mut value = self.bound_without_markets(nu);
        self.profits(nu, |_, market, profit| value += (profit - self.markets.gas(market) * gas_value).max(0.0));
        value
    }

    /// The profit of each market that trades at `nu`, with its allowed coins.
    pub fn profits(&self, nu: &[f64], mut each: impl FnMut(u8, MarketId, f64)) {
        self.profits_of_pairs(nu, &mut each);
        for block in self.blocks.iter().filter(|b| b.spread(|t| nu[t as usize]).is_some()) {
            let prices: ArrayVec<f64, 8> = block.tokens.iter().map(|&t| nu[t as usize]).collect();
            let mut response = Response::default();
            self.markets.curve(block.market).respond(&prices, block.allowed, &mut response);
            let moved = (0..response.trade.len()).filter(|&k| response.trade[k] != 0.0).fold(0, |mask, k| mask | (1 << k));
            each(moved, block.market, response.value(&prices));
        }
    }

    /// The same of those of two coins only.
    pub fn profits_of_pairs(&self, nu: &[f64], mut each: impl FnMut(u8, MarketId, f64)) {
        for pair in self.pairs.iter() {
            let [a, b] = pair.tokens;
            let (pa, pb) = (nu[a as usize], nu[b as usize]);
            let forward = pb * pair.rates[0] > pa;
            if !forward && pa * pair.rates[1] <= pb {
                continue;
            }
            let (pi, po, i, j) = if forward { (pa, pb, 0, 1) } else { (pb, pa, 1, 0) };
            let profit = profit(self.markets.curve(pair.market), [i, j].map(|k| pair.coins[k] as usize), [pi, po]);
            each((1 << pair.coins[0]) | (1 << pair.coins[1]), pair.market, profit);
        }
    }
}

impl Bundle {
    /// What a unit brings at these prices, or what it brings more for such a step of theirs.
    fn profit(&self, nu: &[f64]) -> f64 {
        self.moves.iter().map(|&(t, k)| k * nu[t as usize]).sum()
    }
}

/// What the way i → j through a market earns at the prices of its input and output.
pub(crate) fn profit(curve: &Curve, [i, j]: [usize; 2], [pi, po]: [f64; 2]) -> f64 {
    if let Curve::Linear(_) = curve {
        return (po * curve.rate(i, j) - pi).max(0.0) * curve.cap(i, j);
    }
    let r = curve.respond_pair(i, j, pi / po, 0.0);
    po * r.output - pi * r.input
}

impl Evaluation {
    /// All of an offer, of which so much is taken, each unit for so many.
    fn push_whole(&mut self, index: usize, [input, output]: [Token; 2], [x, rate]: [f64; 2], [pi, po]: [f64; 2]) {
        let y = rate * x;
        let active = ActivePair { input, output, x, y, m: pi / po, h: 0.0, share: 1.0, bend: 0.0, index: index as u32 };
        self.push(active, po * y - pi * x);
    }

    fn push(&mut self, pair: ActivePair, value: f64) {
        self.value += value;
        self.surplus[pair.input as usize] -= pair.share * pair.x;
        self.surplus[pair.output as usize] += pair.share * pair.y;
        self.pairs.push(pair);
    }
}
