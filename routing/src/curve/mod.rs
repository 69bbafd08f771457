//! The smooth face of a market: what it pays at the margin, and how it answers prices.
//!
//! All amounts are in value units (see the crate's page), so that numbers near one meet numbers near one. A market of n coins
//! is one convex set of trades T; everything the optimiser needs of it is the response to prices ν: the trade z ∈ T that
//! maximises the profit π(ν) = ν·z, and the curvature ∂z/∂ν, which is the Hessian of π. Two coins are the fast path.
//!
//! Fees are a part of the input that buys nothing: γ = 1 − fee.

mod linear;
mod product;
mod split;
mod stable;
mod ticks;
mod weighted;

use arrayvec::ArrayVec;

pub use linear::Linear;
pub use product::Product;
pub use split::CoinSwap;
pub use stable::Stable;
pub use ticks::{Range, Ticks};
pub use weighted::Weighted;

/// The most coins a market may have.
pub const MAX_COINS: usize = 8;

/// One number for each coin of a market.
pub type PerCoin<T> = ArrayVec<T, MAX_COINS>;

/// How a pair answers the price m (units of the output that a unit of the input must buy at the margin).
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct PairResponse {
    /// Input x with f′(x) = m, at most the cap.
    pub input: f64,
    /// Output f(x).
    pub output: f64,
    /// −dx/dm, zero at the cap: how far the input moves with the price.
    pub slope: f64,
}

/// How a market of n coins answers prices.
#[derive(Debug, Clone, Default)]
pub struct Response {
    /// Net trade of each coin: positive is paid out, negative is taken in.
    pub trade: PerCoin<f64>,
    /// ∂trade/∂ν, row by row, n × n; positive semidefinite.
    pub hessian: ArrayVec<f64, { MAX_COINS * MAX_COINS }>,
}

impl Response {
    /// What the trade is worth to who trades with the market, at these prices of its coins.
    pub fn value(&self, prices: &[f64]) -> f64 {
        self.trade.iter().zip(prices).map(|(z, p)| z * p).sum()
    }

    /// No trade of `n` coins.
    pub(crate) fn clear(&mut self, n: usize) {
        self.trade.clear();
        self.hessian.clear();
        for _ in 0..n {
            self.trade.push(0.0);
        }
        for _ in 0..n * n {
            self.hessian.push(0.0);
        }
    }
}

/// A market's curve. Coins are numbered as the market lists them.
#[derive(Debug, Clone)]
pub enum Curve {
    /// x·y = k.
    Product(Product),
    /// ∏ xᵢ^wᵢ = k.
    Weighted(Weighted),
    /// The StableSwap invariant.
    Stable(Stable),
    /// Liquidity by ranges of the price.
    Ticks(Ticks),
    /// A fixed rate up to an amount, from coin 0 to coin 1 only.
    Linear(Linear),
}

impl Curve {
    /// How many coins the market has.
    pub fn coins(&self) -> usize {
        match self {
            Self::Product(_) | Self::Ticks(_) | Self::Linear(_) => 2,
            Self::Weighted(c) => c.coins(),
            Self::Stable(c) => c.coins(),
        }
    }

    /// Output for the first unit of input `i` in coin `j`, after the fee.
    pub fn rate(&self, i: usize, j: usize) -> f64 {
        match self {
            Self::Product(c) => c.rate(i, j),
            Self::Weighted(c) => c.rate(i, j),
            Self::Stable(c) => c.rate(i, j),
            Self::Ticks(c) => c.rate(i),
            Self::Linear(c) => c.rate(i),
        }
    }

    /// The response of the pair i → j to the marginal price `m`, the other coins left alone. A linear curve, which has no
    /// response of its own between all and nothing, is smoothed by `smoothing`: see [`Linear::respond`].
    pub fn respond_pair(&self, i: usize, j: usize, m: f64, smoothing: f64) -> PairResponse {
        match self {
            Self::Product(c) => c.respond(i, j, m),
            Self::Weighted(c) => c.respond_pair(i, j, m),
            Self::Stable(c) => c.respond_pair(i, j, m),
            Self::Ticks(c) => c.respond(i, m),
            Self::Linear(c) => c.respond(i, m, smoothing),
        }
    }

    /// The response of the whole market to the prices `nu` of its coins. Coins not `allowed` stay as they are.
    pub fn respond(&self, nu: &[f64], allowed: u8, out: &mut Response) {
        match self {
            Self::Weighted(c) => c.respond(nu, allowed, out),
            Self::Stable(c) => c.respond(nu, allowed, out),
            // Two coins are a pair, and asked as one.
            Self::Product(_) | Self::Ticks(_) | Self::Linear(_) => out.clear(2),
        }
    }

    /// Whether trades of some coins leave what those of others pay as it is.
    pub(crate) fn is_separable(&self) -> bool {
        matches!(self, Self::Weighted(_))
    }

    /// What the market cannot earn more than at these prices of its coins, which are `spread` further apart than its fee.
    pub(crate) fn most_profit(&self, nu: &[f64], spread: f64) -> f64 {
        match self {
            Self::Weighted(c) => c.most_profit(nu, spread),
            _ => f64::INFINITY,
        }
    }

    /// Makes the trade of coin `j` what the market pays, or asks, beside those of its other coins. False where the market does not do that
    /// trade.
    pub(crate) fn complete(&self, trade: &mut [f64], j: usize) -> bool {
        match self {
            Self::Weighted(c) => c.complete(trade, j),
            Self::Stable(c) => c.complete(trade, j),
            Self::Product(_) | Self::Ticks(_) | Self::Linear(_) => false,
        }
    }

    /// What `input` of coin `i` buys of coin `j`; beyond the cap, what the cap buys.
    pub fn output(&self, i: usize, j: usize, input: f64) -> f64 {
        match self {
            Self::Product(c) => c.output(i, j, input),
            Self::Weighted(c) => c.output(i, j, input),
            Self::Stable(c) => c.output(i, j, input),
            Self::Ticks(c) => c.output(i, input),
            Self::Linear(c) => c.output(i, input),
        }
    }

    /// The most of coin `i` that can be sold for coin `j`.
    pub fn cap(&self, i: usize, j: usize) -> f64 {
        match self {
            Self::Product(c) => c.cap(i),
            Self::Weighted(c) => c.cap(i, j),
            Self::Stable(c) => c.cap(i),
            Self::Ticks(c) => c.cap(i),
            Self::Linear(c) => c.cap(i),
        }
    }
}

/// Whether a number can stand for an amount: positive and finite.
fn positive(x: f64) -> bool {
    x > 0.0 && x.is_finite()
}

#[cfg(test)]
mod tests;
