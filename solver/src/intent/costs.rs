//! What a rebalance costs, and of what that is made.

use ballast_routing::Token;

use crate::auction::Auction;
use crate::batch::cycles::arbitrage;
use crate::batch::step::Step;
use crate::batch::{Liquidity, Swap};

/// What a rebalance costs at oracle prices, in the numeraire: `fees + impact − arbitrage` is what the vault's value falls by, and gas is paid
/// by who sends it.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Costs {
    /// What pools keep of what they are paid, by the fees at their margin.
    pub fees: f64,
    /// What prices move by the trade, and what pools' prices differ from the oracles'; negative where that is to the vault's favour.
    pub impact: f64,
    /// What closed cycles earn, their own fees and impact paid: the vault's.
    pub arbitrage: f64,
    /// Gas of the settlement.
    pub gas: f64,
}

impl Costs {
    /// Of swaps that together lost `loss`, at `price`s in the numeraire for an atom.
    pub(super) fn of(
        auction: &Auction,
        liquidity: &Liquidity,
        swaps: &[Swap],
        price: impl Fn(Token) -> f64,
        [loss, gas]: [f64; 2],
    ) -> Self {
        let steps: Vec<Step> = swaps.iter().map(Step::from).collect();
        let cycles = arbitrage(&steps, &price);
        let fees = swaps.iter().zip(&cycles.rest).map(|(swap, rest)| {
            let value = f64::from(swap.amount_in) * price(swap.input) * rest;
            value * fee(auction, liquidity, swap).unwrap_or_default()
        });
        let fees: f64 = fees.sum();
        Self { fees, impact: loss - fees + cycles.total, arbitrage: cycles.total, gas }
    }

    /// All of it: what the vault loses, and gas.
    pub fn total(&self) -> f64 {
        self.fees + self.impact - self.arbitrage + self.gas
    }
}

/// The part of its input that a pool keeps: there and back again at the margin, the fee is taken twice and the price not at all.
fn fee(auction: &Auction, liquidity: &Liquidity, swap: &Swap) -> Option<f64> {
    let pool = auction.pools.get(swap.pool)?;
    let (input, output) = (pool.coin(swap.input)?, pool.coin(swap.output)?);
    let curve = liquidity.snapshot.markets().curve(liquidity.market(swap.pool)?);
    let back = curve.rate(input, output) * curve.rate(output, input);
    // What trades in one direction only has no fee to be seen.
    (back > 0.0).then(|| 1.0 - back.sqrt())
}
