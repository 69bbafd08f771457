use ballast_adapters::{Exact, Face, Market, Venue};
use rustc_hash::FxHashMap;

use crate::auction::{Auction, Pool};
use crate::batch::{Liquidity, Swap};

/// A swap, and what its pool made of it. Prices are atoms of the output for an atom of the input.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Leg {
    /// The swap.
    pub swap: Swap,
    /// What goes in, in native tokens at reference prices.
    pub value: f64,
    /// What was paid, the pool's fee included.
    pub price: f64,
    /// What reference prices say.
    pub reference: f64,
    /// What the pool asks at the margin, without its fee, before the swap and after it.
    pub marginal: [f64; 2],
}

/// Replays swaps on the auction's pools. It ends at a swap that cannot be made.
pub fn legs(auction: &Auction, liquidity: &Liquidity, swaps: &[Swap]) -> Vec<Leg> {
    let mut markets: FxHashMap<usize, Market> = FxHashMap::default();
    swaps
        .iter()
        .map_while(|swap| {
            let pool = &auction.pools[swap.pool];
            let market = markets.entry(swap.pool).or_insert_with(|| pool.market.clone());
            let before = marginal(pool, market, swap)?;
            market.apply(pool.coin(swap.input)?, pool.coin(swap.output)?, Exact::Output(swap.amount_out)).ok()?;
            let unit = |token| liquidity.units.get(token).unwrap_or(f64::NAN);
            let paid = f64::from(swap.amount_in);
            Some(Leg {
                swap: *swap,
                value: paid * unit(swap.input) / 1e3,
                price: f64::from(swap.amount_out) / paid,
                reference: unit(swap.input) / unit(swap.output),
                marginal: [before, marginal(pool, market, swap)?],
            })
        })
        .collect()
}

fn marginal(pool: &Pool, market: &Market, swap: &Swap) -> Option<f64> {
    let quotes = market.quotes();
    let worth = |token| pool.coin(token).and_then(|coin| quotes.get(coin)).map(|quote| quote.worth);
    Some(worth(swap.input)? / worth(swap.output)?)
}
