//! Columns around flows that are nearly right: what the markets trade more or less than those.
//!
//! To change nothing is a solution, and nearly the best: a simplex that starts there is done after a few steps.

use arrayvec::ArrayVec;
use good_lp::Expression;
use rustc_hash::FxHashMap;

use super::{Builder, Column};
use crate::curve::{Curve, Response};
use crate::market::{MarketId, Token};
use crate::problem::Flow;

/// Price offsets of the chords' ends, as parts of δ.
const OFFSETS: [f64; 2] = [1.0, 4.0];
/// The same for a larger market, whose trades are mixed.
const ASIDE: f64 = 2.0;
/// The part of an amount over which a slope is measured.
const STEP: f64 = 1e-4;
/// A part of an amount that no chord is made for.
const LITTLE: f64 = 1e-7;

impl Builder<'_, '_> {
    /// The markets' columns, with chords of width δ around `flows`; markets that have none, around `nu`.
    pub(super) fn around(&mut self, nu: &[f64], delta: f64, flows: &[Flow]) {
        let held: FxHashMap<MarketId, &Flow> = flows.iter().map(|flow| (flow.market, flow)).collect();
        self.base.pairs = vec![[0.0; 2]; self.view.pairs.len()];
        self.base.blocks = vec![ArrayVec::new(); self.view.blocks.len()];
        for (index, pair) in self.view.pairs.iter().enumerate() {
            let sold = |coin: usize| held.get(&pair.market).map_or(0.0, |flow| (-flow.trade[coin]).max(0.0));
            let sold: [f64; 2] = [0, 1].map(|i| if pair.rates[i] > 0.0 { sold(pair.coins[i] as usize) } else { 0.0 });
            match sold {
                [x, _] if x > 0.0 => self.pair_around(delta, index, true, x),
                [_, x] if x > 0.0 => self.pair_around(delta, index, false, x),
                _ => [true, false].into_iter().for_each(|forward| self.pair_at(nu, delta, index, forward)),
            }
        }
        for (index, block) in self.view.blocks.iter().enumerate() {
            self.block_around(nu, delta, index, held.get(&block.market).copied());
        }
    }

    /// Chords up from what a pair trades, and back down.
    fn pair_around(&mut self, delta: f64, index: usize, forward: bool, held: f64) {
        let pair = &self.view.pairs[index];
        let (i, o) = if forward { (0, 1) } else { (1, 0) };
        let (input, output) = (pair.tokens[i], pair.tokens[o]);
        let (ci, co) = (pair.coins[i] as usize, pair.coins[o] as usize);
        let curve = self.view.markets.curve(pair.market);
        let paid = curve.output(ci, co, held);
        self.base.pairs[index][i] = held;
        for (token, change) in [(input, -held), (output, paid)] {
            if !self.view.free[token as usize] {
                *self.rows[token as usize].get_or_insert_default() += change / self.unit;
            }
        }
        let (mut up, mut down) = (Vec::with_capacity(4), Vec::with_capacity(4));
        let mut point = |x: f64, y: f64| {
            if x > held * (1.0 + LITTLE) {
                up.push((x, y));
            } else if x < held * (1.0 - LITTLE) {
                down.push((x, y));
            }
        };
        point(0.0, 0.0);
        if let Curve::Linear(_) = curve {
            let cap = curve.cap(ci, co);
            point(cap, curve.output(ci, co, cap));
        } else {
            let around = [1.0 - STEP, 1.0 + STEP].map(|part| curve.output(ci, co, held * part));
            let slope = (around[1] - around[0]) / (2.0 * STEP * held);
            if slope > 0.0 {
                for offset in OFFSETS.iter().flat_map(|k| [*k, -k]) {
                    let r = curve.respond_pair(ci, co, slope * (offset * delta).exp(), 0.0);
                    point(r.input, r.output);
                }
            }
        }
        up.sort_by(|a: &(f64, f64), b| a.0.total_cmp(&b.0));
        down.sort_by(|a: &(f64, f64), b| b.0.total_cmp(&a.0));
        // Rounding must not make a later chord the better one.
        let (mut last, mut steepest) = ((held, paid), f64::INFINITY);
        let mut flattest = 0.0_f64;
        for point in up {
            let most = point.0 - last.0;
            if most > LITTLE * held {
                steepest = ((point.1 - last.1) / most).min(steepest);
                flattest = flattest.max(steepest);
                self.column(
                    Column::Chord { pair: index, forward, less: false, most },
                    most,
                    &[(input, -1.0), (output, steepest)],
                );
                last = point;
            }
        }
        last = (held, paid);
        for point in down {
            let most = last.0 - point.0;
            if most > LITTLE * held {
                flattest = ((last.1 - point.1) / most).max(flattest);
                self.column(Column::Chord { pair: index, forward, less: true, most }, most, &[(input, 1.0), (output, -flattest)]);
                last = point;
            }
        }
    }

    /// Chords up from nothing, to where a pair answers `nu`.
    fn pair_at(&mut self, nu: &[f64], delta: f64, index: usize, forward: bool) {
        let pair = &self.view.pairs[index];
        let (i, o) = if forward { (0, 1) } else { (1, 0) };
        let (input, output) = (pair.tokens[i], pair.tokens[o]);
        let (ci, co) = (pair.coins[i] as usize, pair.coins[o] as usize);
        let m = nu[input as usize] / nu[output as usize];
        if pair.rates[i] <= m * (-OFFSETS[1] * delta).exp() {
            return;
        }
        let curve = self.view.markets.curve(pair.market);
        let mut last = (0.0, 0.0);
        for offset in [OFFSETS[1], OFFSETS[0], 0.0, -OFFSETS[0], -OFFSETS[1]] {
            let point = if let Curve::Linear(_) = curve {
                let cap = curve.cap(ci, co);
                (cap, curve.output(ci, co, cap))
            } else {
                let r = curve.respond_pair(ci, co, m * (offset * delta).exp(), 0.0);
                (r.input, r.output)
            };
            let most = point.0 - last.0;
            if most > LITTLE * point.0.max(1e-2) {
                let slope = (point.1 - last.1) / most;
                self.column(Column::Chord { pair: index, forward, less: false, most }, most, &[(input, -1.0), (output, slope)]);
                last = point;
            }
        }
    }

    /// Trades of a larger market other than the one it has.
    fn block_around(&mut self, nu: &[f64], delta: f64, index: usize, held: Option<&Flow>) {
        let block = &self.view.blocks[index];
        let curve = self.view.markets.curve(block.market);
        let prices: ArrayVec<f64, 8> = block.tokens.iter().map(|&t| nu[t as usize]).collect();
        let base: ArrayVec<f64, 8> = held.map_or_else(|| prices.iter().map(|_| 0.0).collect(), |flow| flow.trade.clone());
        for (&token, z) in block.tokens.iter().zip(&base) {
            if !self.view.free[token as usize] && *z != 0.0 {
                *self.rows[token as usize].get_or_insert_default() += z / self.unit;
            }
        }
        let mut trades: Vec<ArrayVec<f64, 8>> = Vec::new();
        let mut response = Response::default();
        let mut point = |prices: &[f64]| {
            curve.respond(prices, block.allowed, &mut response);
            let is_near = |known: &ArrayVec<f64, 8>| {
                let most = known.iter().fold(0.0_f64, |most, z| most.max(z.abs()));
                known.iter().zip(&response.trade).all(|(a, b)| (a - b).abs() <= LITTLE * most)
            };
            if !is_near(&base) && !trades.iter().any(is_near) {
                trades.push(response.trade.clone());
            }
        };
        point(&prices);
        for k in (0..prices.len()).filter(|k| block.allowed & (1 << k) != 0) {
            for offset in [ASIDE, -ASIDE] {
                let mut moved = prices.clone();
                moved[k] *= (offset * delta).exp();
                point(&moved);
            }
        }
        let mut share = Expression::default();
        for trade in trades {
            let change = block.tokens.iter().copied().zip(trade.iter().zip(&base).map(|(z, held)| z - held));
            let change: ArrayVec<(Token, f64), 8> = change.filter(|e| e.1 != 0.0).collect();
            self.column(Column::Trade { block: index, trade }, 1.0, &change);
            if let Some((_, v)) = self.columns.last() {
                share.add_mul(1.0, *v);
            }
        }
        self.shares.push(share);
        self.base.blocks[index] = base;
    }
}
