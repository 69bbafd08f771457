//! What is to be solved, and what comes of it.

use std::ops::Range;

use crate::curve::PerCoin;
use crate::market::{MarketId, Token};

/// What the batch brings, wants and allows. Amounts are in value units.
///
/// maximise Σ weight_t·z_t, with z = endowment + trades of the markets + fills of the limits − gas, and z_t ≥ 0 for every token
/// that is not `free`. Gas is paid in a token of its own, so that it competes with the rest for it.
#[derive(Debug, Clone, Default)]
pub struct Problem {
    /// What is there to be sold (positive) or must be delivered (negative).
    pub endowment: Vec<(Token, f64)>,
    /// Tokens whose leftovers are worth something.
    pub wanted: Vec<Wanted>,
    /// Offers to take one token for another at a fixed rate.
    pub limits: Vec<Limit>,
    /// Offers that move several tokens at once.
    pub bundles: Vec<Bundle>,
    /// What pays for gas.
    pub gas: GasPrice,
    /// Worth below which an outcome is of no use: what is wanted is left over anyway, or must be. A search ends when its bound
    /// says that no more can be had.
    pub reserve: f64,
    /// Markets that are there to be served, such as the orders of a batch: where there are any, an outcome that trades none of them
    /// is of no use either.
    pub served: Range<MarketId>,
}

/// A token whose leftovers are worth something.
#[derive(Debug, Clone, Copy)]
pub struct Wanted {
    /// The token.
    pub token: Token,
    /// The worth of a unit.
    pub weight: f64,
    /// Whether the leftover may be negative: a token that can be had at this price without end.
    pub free: bool,
}

/// An offer: takes `take`, gives `rate` units of `give` for each unit, up to `cap` units taken.
#[derive(Debug, Clone, Copy)]
pub struct Limit {
    /// What the offer wants.
    pub take: Token,
    /// What it pays with.
    pub give: Token,
    /// Units given for a unit taken.
    pub rate: f64,
    /// The most units taken.
    pub cap: f64,
}

/// An offer that moves several tokens at once in fixed proportions: what each unit of it brings of a token, or takes where that is
/// negative, up to `cap` units.
#[derive(Debug, Clone, Default)]
pub struct Bundle {
    /// Each token once.
    pub moves: Vec<(Token, f64)>,
    /// The most units.
    pub cap: f64,
}

/// What pays for gas.
#[derive(Debug, Clone, Copy, Default)]
pub struct GasPrice {
    /// The token the fee is taken in.
    pub token: Token,
    /// Units of that token for a unit of gas.
    pub price: f64,
    /// Gas of the settlement before its first swap.
    pub fixed: f64,
}

/// What one market trades.
#[derive(Debug, Clone)]
pub struct Flow {
    /// The market.
    pub market: MarketId,
    /// Net trade of each coin: positive is paid out by the market, negative is taken in.
    pub trade: PerCoin<f64>,
}

impl Flow {
    /// How many swaps of two coins the trade takes at the most: one less than the coins that move.
    pub fn swaps(&self) -> usize {
        self.trade.iter().filter(|t| **t != 0.0).count().saturating_sub(1)
    }
}

/// How a solve ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Status {
    /// The prices converged: the convex part is optimal to the gap that the certificate states.
    Optimal,
    /// The prices did not converge; flows are feasible and the gap says how far they may be from the optimum.
    Feasible,
    /// The budget ended first; flows are the best so far.
    Budget,
    /// No way to do better than not to trade.
    Idle,
}

/// What a solution is worth, and what no solution can exceed: value units of the objective, gas paid.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Certificate {
    /// Worth of the flows.
    pub value: f64,
    /// Gas of the flows, in units of gas.
    pub gas: f64,
    /// Bound on the worth over the markets that were kept, their gas paid: what the convex part could reach.
    pub bound_kept: f64,
    /// Bound on the worth over all markets, each at its gas or not at all, in any mix.
    pub bound: f64,
}

impl Certificate {
    /// What the linear programme may have left on the markets kept.
    pub fn convex_gap(&self) -> f64 {
        self.bound_kept - self.value
    }

    /// What the choice of markets may have left, over and above.
    pub fn gas_gap(&self) -> f64 {
        self.bound - self.bound_kept
    }
}

/// What came of a solve.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// What each market trades.
    pub flows: Vec<Flow>,
    /// Units taken by each limit, and then units of each bundle.
    pub fills: Vec<f64>,
    /// Prices of all tokens, in units of the objective.
    pub prices: Vec<f64>,
    /// Worth and bound.
    pub certificate: Certificate,
    /// How it ended.
    pub status: Status,
}
