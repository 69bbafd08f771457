//! Brute force on tiny batches: every choice of orders to fill, parts of those that may be filled partly on a grid that is refined,
//! clearing prices at the ends of what the pools can pay. In doubles, without gas.
//!
//! At given fills and prices ν it is settled what everybody pays and gets, so only one question is left: whether the pools can make up
//! the difference. What a pair's pools give for x of the one token, the best way, is a concave function y(x), where x < 0 takes out;
//! with three tokens one flow is free, and the best is found by a golden section. Whatever is found can be had, so the optimum is at least
//! that.

use ballast_solver::auction::Auction;
use ballast_wire::{LiquidityKind, Side};

/// Rates of the first token against the others that are looked at: e^±.
const RANGE: f64 = 0.12;
/// Prices on the coarsest grid, on either side of one.
const GRID: i32 = 8;
/// How often the grid of a second price is refined.
const ZOOMS: usize = 3;
/// Fills that a search begins from.
const PARTS: [f64; 3] = [0.0, 0.5, 1.0];
/// The smallest step in a fill.
const STEP: f64 = 1e-4;

/// A constant-product pool: reserves in native tokens' worth, and what is left of an input after the fee.
#[derive(Debug, Clone, Copy)]
struct Pool {
    reserves: [f64; 2],
    kept: f64,
}

impl Pool {
    fn convert(self, x: f64) -> Option<f64> {
        let [i, o] = self.reserves;
        if x >= 0.0 {
            return Some(o * self.kept * x / (i + self.kept * x));
        }
        (-x < i).then(|| o * x / (self.kept * (i + x)))
    }

    /// What goes in of the first token and comes out of the second until the margin is `m` of the second for one of the first; both
    /// below zero the other way around.
    fn respond(self, m: f64) -> [f64; 2] {
        let [i, o] = self.reserves;
        let forward = (f64::sqrt(self.kept * i * o / m) - i) / self.kept;
        if forward > 0.0 {
            return [forward, o * self.kept * forward / (i + self.kept * forward)];
        }
        let back = (f64::sqrt(self.kept * i * o * m) - o) / self.kept;
        if back > 0.0 { [-(i * self.kept * back / (o + self.kept * back)), -back] } else { [0.0; 2] }
    }
}

/// The most of the second token for `x` of the first, over all pools of the pair; nothing where they cannot pay that much out.
fn convert(pools: &[Pool], x: f64) -> Option<f64> {
    match pools {
        [] => (x >= -1e-12).then_some(0.0),
        [pool] => pool.convert(x),
        _ => {
            // Not even for all the money in the world, and then the margin at which they do.
            let total = |m: f64| pools.iter().map(|p| p.respond(m)).fold([0.0; 2], |[a, b], [c, d]| [a + c, b + d]);
            let (mut low, mut high) = (1e-9_f64, 1e9_f64);
            if total(high)[0] > x {
                return None;
            }
            for _ in 0..90 {
                let middle = f64::sqrt(low * high);
                if total(middle)[0] > x { low = middle } else { high = middle }
            }
            Some(total(high)[1])
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Order {
    sell: usize,
    buy: usize,
    /// Worth in native tokens.
    sell_amount: f64,
    buy_amount: f64,
    side: Side,
    partial: bool,
}

/// A tiny batch in native tokens' worth.
pub(crate) struct Brute {
    orders: Vec<Order>,
    /// Pools of tokens 0 and 1, 0 and 2, 1 and 2.
    pools: [Vec<Pool>; 3],
    tokens: usize,
}

impl Brute {
    /// Takes an auction of at most three tokens whose pools are all of constant product. Gas is not looked at.
    pub(crate) fn new(request: &ballast_wire::Auction, auction: &Auction) -> Self {
        let tokens: Vec<u32> = (0..auction.tokens.len() as u32).collect();
        assert!(tokens.len() <= 3, "too many tokens");
        let worth =
            |token: u32, amount| f64::from(auction.token(token).reference_price.expect("a price")) * 1e-36 * f64::from(amount);
        let mut pools: [Vec<Pool>; 3] = Default::default();
        for pool in request.liquidity.iter().flatten() {
            let LiquidityKind::ConstantProduct(pool) = &pool.kind else { panic!("not of constant product") };
            let mut coins: Vec<(u32, f64)> =
                pool.tokens.iter().map(|(t, r)| (auction.index[t], worth(auction.index[t], r.balance))).collect();
            coins.sort_by_key(|coin| coin.0);
            let pair = match (coins[0].0, coins[1].0) {
                (0, 1) => 0,
                (0, 2) => 1,
                _ => 2,
            };
            pools[pair].push(Pool { reserves: [coins[0].1, coins[1].1], kept: 1.0 - pool.fee.to_f64() });
        }
        let order = |order: &ballast_solver::auction::Order| Order {
            sell: order.sell as usize,
            buy: order.buy as usize,
            sell_amount: worth(order.sell, order.sell_amount),
            buy_amount: worth(order.buy, order.buy_amount),
            side: order.side,
            partial: order.partial,
        };
        Self { orders: auction.orders.iter().map(order).collect(), pools, tokens: tokens.len() }
    }

    /// The best score of any solution that fills none but these orders, in native tokens; zero if none is better.
    pub(crate) fn best(&self, among: &[usize]) -> f64 {
        let whole: Vec<usize> = among.iter().copied().filter(|&k| !self.orders[k].partial).collect();
        let partial: Vec<usize> = among.iter().copied().filter(|&k| self.orders[k].partial).collect();
        let mut best: f64 = 0.0;
        for choice in 0..1_usize << whole.len() {
            let mut fills = vec![0.0; self.orders.len()];
            for (bit, &k) in whole.iter().enumerate() {
                fills[k] = f64::from(choice >> bit & 1 == 1);
            }
            best = best.max(self.best_parts(&mut fills, &partial));
        }
        best
    }

    /// The best over the fills of `partial` orders, the others as they are.
    fn best_parts(&self, fills: &mut [f64], partial: &[usize]) -> f64 {
        let mut best = (f64::NEG_INFINITY, fills.to_vec());
        for point in 0..PARTS.len().pow(partial.len() as u32) {
            for (place, &k) in partial.iter().enumerate() {
                fills[k] = PARTS[point / PARTS.len().pow(place as u32) % PARTS.len()];
            }
            let score = self.best_prices(fills);
            if score > best.0 {
                best = (score, fills.to_vec());
            }
        }
        let mut step = 0.25;
        while step > STEP && best.0 > f64::NEG_INFINITY {
            let before = best.0;
            for &k in partial {
                for towards in [-step, step] {
                    fills.copy_from_slice(&best.1);
                    fills[k] = (fills[k] + towards).clamp(0.0, 1.0);
                    let score = self.best_prices(fills);
                    if score > best.0 {
                        best = (score, fills.to_vec());
                    }
                }
            }
            if best.0 <= before {
                step *= 0.5;
            }
        }
        best.0
    }

    /// The best over clearing prices at given fills: the first token's is one.
    fn best_prices(&self, fills: &[f64]) -> f64 {
        if fills.iter().all(|fill| *fill <= 0.0) {
            return 0.0;
        }
        if self.tokens == 2 {
            return self.best_last(fills, &mut [0.0, 0.0]);
        }
        let (mut middle, mut width) = (0.0, RANGE);
        let mut best = f64::NEG_INFINITY;
        for _ in 0..=ZOOMS {
            let mut next = middle;
            for k in -GRID..=GRID {
                let at = middle + width * f64::from(k) / f64::from(GRID);
                let score = self.best_last(fills, &mut [0.0, at, 0.0]);
                if score > best {
                    (best, next) = (score, at);
                }
            }
            (middle, width) = (next, 1.5 * width / f64::from(GRID));
        }
        best
    }

    /// The best over the last price, the others given: the score is monotone in it for each order, so the ends of what is possible
    /// are looked at as well as a grid, and where a token is just used up: without pools nothing else is possible.
    fn best_last(&self, fills: &[f64], logs: &mut [f64]) -> f64 {
        let last = logs.len() - 1;
        let at = |x: f64, logs: &mut [f64]| {
            logs[last] = x;
            self.score(fills, logs)
        };
        let grid: Vec<f64> = (-2 * GRID..=2 * GRID).map(|k| RANGE * f64::from(k) / f64::from(2 * GRID)).collect();
        let scores: Vec<Option<f64>> = grid.iter().map(|&x| at(x, logs)).collect();
        let mut best = scores.iter().flatten().copied().fold(f64::NEG_INFINITY, f64::max);
        for token in 0..self.tokens {
            for pair in grid.windows(2) {
                let left = |x: f64, logs: &mut [f64]| {
                    logs[last] = x;
                    self.held(fills, logs)[token]
                };
                let (mut low, mut high) = (pair[0], pair[1]);
                let rises = left(high, logs) > left(low, logs);
                if (left(low, logs) > 0.0) == (left(high, logs) > 0.0) {
                    continue;
                }
                for _ in 0..60 {
                    let middle = 0.5 * (low + high);
                    if (left(middle, logs) > 0.0) == rises { high = middle } else { low = middle }
                }
                logs[last] = 0.5 * (low + high);
                best = best.max(self.score(fills, logs).unwrap_or(f64::NEG_INFINITY));
            }
        }
        for k in 1..grid.len() {
            let (mut good, mut bad) = match (scores[k - 1], scores[k]) {
                (Some(_), None) => (grid[k - 1], grid[k]),
                (None, Some(_)) => (grid[k], grid[k - 1]),
                _ => continue,
            };
            for _ in 0..40 {
                let middle = 0.5 * (good + bad);
                match at(middle, logs) {
                    Some(score) => (best, good) = (best.max(score), middle),
                    None => bad = middle,
                }
            }
        }
        best
    }

    /// The score at given fills and logarithms of prices, if the limits are held and the pools pay for it.
    fn score(&self, fills: &[f64], logs: &[f64]) -> Option<f64> {
        let mut score = 0.0;
        for (order, paid, got) in self.trades(fills, logs) {
            let limit = order.buy_amount / order.sell_amount;
            if got < paid * limit {
                return None;
            }
            // Of either side in the bought token.
            score += got - paid * limit;
        }
        self.pays(self.held(fills, logs)).then_some(score)
    }

    /// What is paid and got by the orders that are filled.
    fn trades(&self, fills: &[f64], logs: &[f64]) -> impl Iterator<Item = (&Order, f64, f64)> {
        self.orders.iter().zip(fills).filter(|(_, fill)| **fill > 0.0).map(|(order, fill)| {
            let rate = f64::exp(logs[order.sell] - logs[order.buy]);
            match order.side {
                Side::Sell => (order, fill * order.sell_amount, fill * order.sell_amount * rate),
                Side::Buy => (order, fill * order.buy_amount / rate, fill * order.buy_amount),
            }
        })
    }

    /// What is left of each token before the pools are asked.
    fn held(&self, fills: &[f64], logs: &[f64]) -> [f64; 3] {
        let mut held = [0.0; 3];
        for (order, paid, got) in self.trades(fills, logs) {
            held[order.sell] += paid;
            held[order.buy] -= got;
        }
        held
    }

    /// Whether the pools turn what is held into nothing below zero.
    fn pays(&self, held: [f64; 3]) -> bool {
        let scale: f64 = held.iter().map(|x| x.abs()).sum();
        let tolerance = -1e-12 * scale;
        if held.iter().all(|x| *x >= tolerance) {
            return true;
        }
        if self.tokens == 2 {
            return convert(&self.pools[0], held[0]).is_some_and(|out| held[1] + out >= tolerance);
        }
        let [first, second, third] = &self.pools;
        let left = |x: f64| {
            let out = convert(first, x)?;
            Some(held[2] + convert(second, held[0] - x)? + convert(third, held[1] + out)?)
        };
        let enough = |x: f64| left(x).is_some_and(|left| left >= tolerance);
        if first.is_empty() {
            return enough(0.0);
        }
        if second.is_empty() {
            return enough(held[0]);
        }
        // Not possible is worse than anything, and worse the farther from what is.
        let value = |x: f64| left(x).unwrap_or(-1e3 - x.abs());
        let (mut low, mut high) = (-2.0 * scale, 2.0 * scale);
        for _ in 0..60 {
            let (a, b) = (low + 0.382 * (high - low), low + 0.618 * (high - low));
            if value(a) >= tolerance || value(b) >= tolerance {
                return true;
            }
            if value(a) < value(b) { low = a } else { high = b }
        }
        false
    }
}
