//! What markets trade as swaps of two coins: proposed in doubles, or exact.

use alloy_primitives::U256;
use ballast_adapters::{Exact, Venue};
use ballast_routing::curve::CoinSwap;
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

/// What markets trade as swaps of two coins: those of one market in the order in which they are to be made.
pub(crate) fn steps(liquidity: &Liquidity, flows: &[Flow]) -> Vec<Step> {
    let markets = liquidity.snapshot.markets();
    let mut steps = Vec::with_capacity(flows.len());
    for flow in flows {
        let (pool, coins) = (liquidity.pool(flow.market), markets.coins(flow.market));
        let atoms = |coin: usize, units: f64| units / liquidity.units.get(coins[coin]).unwrap_or(1.0);
        steps.extend(markets.curve(flow.market).split(&flow.trade).into_iter().map(
            |CoinSwap { coins: [i, o], amounts: [x, y] }| Step {
                pool,
                input: coins[i],
                output: coins[o],
                x: atoms(i, x),
                y: atoms(o, y),
            },
        ));
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
