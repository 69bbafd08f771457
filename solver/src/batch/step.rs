//! What markets trade as swaps of two coins: proposed in doubles, or exact.

use alloy_primitives::U256;
use ballast_adapters::{Exact, Venue};
use ballast_routing::{Flow, Token};

use super::Liquidity;
use crate::auction::Auction;

/// One exact swap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Swap {
    /// The auction's pool.
    pub pool: usize,
    /// What is given.
    pub input: Token,
    /// What is taken.
    pub output: Token,
    /// Atoms given: what the venue charges for the output in that state.
    pub amount_in: U256,
    /// Atoms taken.
    pub amount_out: U256,
}

/// A way through a pool, from one token to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Way {
    /// The auction's pool.
    pub pool: usize,
    /// What is given.
    pub input: Token,
    /// What is taken.
    pub output: Token,
}

impl Way {
    pub(crate) fn of(step: &Step) -> Self {
        Self { pool: step.pool, input: step.input, output: step.output }
    }
}

/// A swap of two coins, as proposed in doubles.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Step {
    pub pool: usize,
    pub input: Token,
    pub output: Token,
    /// Atoms.
    pub x: f64,
    pub y: f64,
}

impl From<&Swap> for Step {
    fn from(swap: &Swap) -> Self {
        let Swap { pool, input, output, amount_in, amount_out } = *swap;
        Self { pool, input, output, x: f64::from(amount_in), y: f64::from(amount_out) }
    }
}

/// Splits a market's net trade into swaps of two coins: inputs and outputs are matched in order, by their share of the whole.
pub(crate) fn steps(liquidity: &Liquidity, flows: &[Flow], prices: &[f64]) -> Vec<Step> {
    let markets = liquidity.snapshot.markets();
    let mut steps = Vec::with_capacity(flows.len());
    for flow in flows {
        let coins = markets.coins(flow.market);
        let worth = |k: usize| flow.trade[k].abs() * prices[coins[k] as usize];
        let side = |sign: f64| -> Vec<(usize, f64)> {
            let moved: Vec<usize> = (0..coins.len()).filter(|&k| flow.trade[k] * sign > 0.0).collect();
            let total: f64 = moved.iter().map(|&k| worth(k)).sum();
            moved.into_iter().map(|k| (k, worth(k) / total)).collect()
        };
        let (ins, outs) = (side(-1.0), side(1.0));
        let (mut i, mut o) = (0, 0);
        let (mut left_in, mut left_out) = (ins.first().map_or(0.0, |s| s.1), outs.first().map_or(0.0, |s| s.1));
        while let (Some(&(ki, share_in)), Some(&(ko, share_out))) = (ins.get(i), outs.get(o)) {
            let part = left_in.min(left_out);
            let unit = |k: usize| liquidity.units.get(coins[k]).unwrap_or(1.0);
            if part > 1e-7 {
                steps.push(Step {
                    pool: liquidity.pool(flow.market),
                    input: coins[ki],
                    output: coins[ko],
                    x: -flow.trade[ki] * part / share_in / unit(ki),
                    y: flow.trade[ko] * part / share_out / unit(ko),
                });
            }
            left_in -= part;
            left_out -= part;
            if left_in <= 1e-12 {
                i += 1;
                left_in = ins.get(i).map_or(0.0, |s| s.1);
            }
            if left_out <= 1e-12 {
                o += 1;
                left_out = outs.get(o).map_or(0.0, |s| s.1);
            }
        }
    }
    steps
}

/// Moves the pools of an auction as swaps did.
pub(crate) fn follow(auction: &mut Auction, swaps: impl IntoIterator<Item = Swap>) {
    for swap in swaps {
        let Some(pool) = auction.pools.get_mut(swap.pool) else { continue };
        if let (Some(input), Some(output)) = (pool.coin(swap.input), pool.coin(swap.output))
            && let Err(error) = pool.market.apply(input, output, Exact::Output(swap.amount_out))
        {
            tracing::error!(pool = pool.id, %error, "a swap that was made cannot be followed");
        }
    }
}
