//! Liquidity by ranges of the price.

use std::sync::Arc;

use super::{PairResponse, positive};

/// A range of prices with one liquidity.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Range {
    /// √price at the lower end; the price is coin 1 for a unit of coin 0.
    pub lower: f64,
    /// √price at the upper end.
    pub upper: f64,
    /// Liquidity L: the range holds L·(1/√p − 1/upper) of coin 0 and L·(√p − lower) of coin 1.
    pub liquidity: f64,
}

/// A concentrated pool: within a range it is x·y = L² in virtual reserves x = L/√p and y = L·√p.
#[derive(Debug, Clone)]
pub struct Ticks {
    gamma: f64,
    /// √price now.
    root: f64,
    /// Ends of the ranges, ascending; one more than there are liquidities.
    bounds: Arc<[Bound]>,
    /// √price from which the pool buys coin 0 (going down) and sells it (going up): they differ only across a gap.
    start: [f64; 2],
}

#[derive(Debug, Clone, Copy)]
struct Bound {
    root: f64,
    /// Liquidity above this bound.
    liquidity: f64,
    /// Coin 0 and coin 1 between the current price and this bound.
    amounts: [f64; 2],
}

impl Ticks {
    /// A pool at √price `root` with ranges that ascend and join; `None` if they do not, or hold nothing.
    pub fn new(root: f64, ranges: &[Range], fee: f64) -> Option<Self> {
        let first = ranges.first()?;
        let joined = ranges.windows(2).all(|pair| matches!(pair, [a, b] if a.upper == b.lower));
        let sane = ranges.iter().all(|r| positive(r.lower) && r.upper > r.lower && r.upper.is_finite() && r.liquidity >= 0.0);
        if !(joined && sane && positive(root) && (0.0..1.0).contains(&fee)) {
            return None;
        }
        let mut bounds = Vec::with_capacity(ranges.len() + 1);
        bounds.push(Bound { root: first.lower, liquidity: first.liquidity, amounts: [0.0; 2] });
        for (k, range) in ranges.iter().enumerate() {
            let above = ranges.get(k + 1).map_or(0.0, |next| next.liquidity);
            bounds.push(Bound { root: range.upper, liquidity: above, amounts: [0.0; 2] });
        }
        // The current price lies in [bounds[at], bounds[at + 1]).
        let at = bounds.partition_point(|b| b.root <= root).checked_sub(1)?;
        if at + 1 >= bounds.len() && root > bounds[at].root {
            return None;
        }
        let between = |low: f64, high: f64, l: f64| [l * (high - low) / (low * high), l * (high - low)];
        let mut sum = [0.0; 2];
        let mut from = root;
        for k in (0..=at).rev() {
            let part = between(bounds[k].root, from, bounds[k].liquidity);
            sum = [sum[0] + part[0], sum[1] + part[1]];
            bounds[k].amounts = sum;
            from = bounds[k].root;
        }
        sum = [0.0; 2];
        from = root;
        for k in at + 1..bounds.len() {
            let part = between(from, bounds[k].root, bounds[k - 1].liquidity);
            sum = [sum[0] + part[0], sum[1] + part[1]];
            bounds[k].amounts = sum;
            from = bounds[k].root;
        }
        let down =
            (0..=at).rev().find(|&k| bounds[k].amounts[0] > 0.0).map(|k| bounds.get(k + 1).map_or(root, |b| b.root.min(root)));
        let up = (at + 1..bounds.len()).find(|&k| bounds[k].amounts[0] > 0.0).map(|k| bounds[k - 1].root.max(root));
        if down.is_none() && up.is_none() {
            return None;
        }
        Some(Self { gamma: 1.0 - fee, root, bounds: bounds.into(), start: [down.unwrap_or(0.0), up.unwrap_or(f64::INFINITY)] })
    }

    pub(super) fn rate(&self, i: usize) -> f64 {
        if i == 0 { self.gamma * self.start[0] * self.start[0] } else { self.gamma / (self.start[1] * self.start[1]) }
    }

    pub(super) fn cap(&self, i: usize) -> f64 {
        let end = if i == 0 { self.bounds.first() } else { self.bounds.last() };
        end.map_or(0.0, |b| b.amounts[i] / self.gamma)
    }

    pub(super) fn respond(&self, i: usize, m: f64) -> PairResponse {
        if i == 0 { self.respond_down(m) } else { self.respond_up(m) }
    }

    /// The range below the current price in which bound `k − 1` is the lower end: its near end's √price, the amounts up to there, and
    /// its liquidity. Sums start at the near end, since a range may reach to where the far end holds 10²⁶ of a coin.
    fn below(&self, k: usize) -> (f64, [f64; 2], f64) {
        let liquidity = self.bounds[k - 1].liquidity;
        match self.bounds.get(k) {
            Some(near) if near.root < self.root => (near.root, near.amounts, liquidity),
            _ => (self.root, [0.0; 2], liquidity),
        }
    }

    /// The range above the current price in which bound `k` is the upper end, likewise.
    fn above(&self, k: usize) -> (f64, [f64; 2], f64) {
        match k.checked_sub(1).map(|k| &self.bounds[k]) {
            Some(near) if near.root > self.root => (near.root, near.amounts, near.liquidity),
            near => (self.root, [0.0; 2], near.map_or(0.0, |b| b.liquidity)),
        }
    }

    // Selling coin 0: γ·p = m at the price where it stops.
    fn respond_down(&self, m: f64) -> PairResponse {
        let target = (m / self.gamma).sqrt();
        if target >= self.start[0] {
            return PairResponse::default();
        }
        let k = self.bounds.partition_point(|b| b.root <= target);
        if k == 0 {
            let end = &self.bounds[0];
            return PairResponse { input: end.amounts[0] / self.gamma, output: end.amounts[1], slope: 0.0 };
        }
        let (near, sum, l) = self.below(k);
        PairResponse {
            input: (sum[0] + l * (near - target) / (near * target)) / self.gamma,
            output: sum[1] + l * (near - target),
            slope: l / target / (2.0 * self.gamma * m),
        }
    }

    // Selling coin 1: γ/p = m at the price where it stops.
    fn respond_up(&self, m: f64) -> PairResponse {
        let target = (self.gamma / m).sqrt();
        if target <= self.start[1] {
            return PairResponse::default();
        }
        let k = self.bounds.partition_point(|b| b.root < target);
        if k == self.bounds.len() {
            let end = &self.bounds[k - 1];
            return PairResponse { input: end.amounts[1] / self.gamma, output: end.amounts[0], slope: 0.0 };
        }
        let (near, sum, l) = self.above(k);
        PairResponse {
            input: (sum[1] + l * (target - near)) / self.gamma,
            output: sum[0] + l * (target - near) / (near * target),
            slope: l * target / (2.0 * self.gamma * m),
        }
    }

    pub(super) fn output(&self, i: usize, input: f64) -> f64 {
        let net = self.gamma * input;
        if i == 0 {
            // Amounts fall with the index on this side: k bounds lie beyond the input.
            let here = self.bounds.partition_point(|b| b.root < self.start[0]);
            let k = self.bounds[..here].partition_point(|b| b.amounts[0] > net);
            if k == 0 {
                return self.bounds[0].amounts[1];
            }
            let (near, sum, l) = self.below(k);
            // 1/√p = 1/near + rest/L
            let rest = (net - sum[0]).max(0.0);
            sum[1] + if l > 0.0 { l * near * rest * near / (l + near * rest) } else { 0.0 }
        } else {
            let here = self.bounds.partition_point(|b| b.root <= self.start[1]);
            let k = here + self.bounds[here..].partition_point(|b| b.amounts[1] < net);
            if k == self.bounds.len() {
                return self.bounds[k - 1].amounts[0];
            }
            let (near, sum, l) = self.above(k);
            // √p = near + rest/L
            let rest = (net - sum[1]).max(0.0);
            sum[0] + if l > 0.0 { l * rest / (near * (near * l + rest)) } else { 0.0 }
        }
    }
}
