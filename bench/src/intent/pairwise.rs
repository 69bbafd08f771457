//! Rebalances put together of single trades: what is too much of one asset is sold for what is too little of another, one pair after
//! the other, each on the pools as those before it left them.

use alloy_primitives::U256;
use ballast_adapters::{Exact, Venue};
use ballast_routing::Paths;
use ballast_solver::auction::{Auction, Order};
use ballast_solver::batch::{Liquidity, Swap};
use ballast_solver::config::Config;
use ballast_solver::engine::{Answer, answer};
use ballast_wire::{Class, OrderUid, Side};

use super::vaults::{Vault, Vaults};

/// Hops of a single path, at the most.
const HOPS: usize = 3;

/// How one pair is traded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// Along the best single path.
    Path,
    /// Over all pools, by our own router for single orders.
    Split,
}

/// What is held in the end, and what was swapped.
pub struct Done {
    pub balances: Vec<U256>,
    pub swaps: Vec<Swap>,
}

/// Trades pair by pair: to the exact targets, or only as far as landings of so many basis points. None where a trade finds no way.
pub fn pairwise(universe: &Vaults, vault: &Vault, config: &Config, by: By, edge: Option<u32>) -> Option<Done> {
    let holdings = &vault.portfolio.holdings;
    let mut auction = universe.auction.clone();
    let mut done = Done { balances: holdings.iter().map(|h| h.balance).collect(), swaps: Vec::new() };
    let [mut over, mut under] = sides(vault, f64::from(edge.unwrap_or(0)) / 1e4);
    while let (Some(&(from, much)), Some(&(to, little))) = (over.last(), under.last()) {
        let usd = much.min(little);
        let amount = U256::from(usd / holdings[from].atom()).min(done.balances[from]);
        if usd > 1e-6 * vault.value() && !amount.is_zero() {
            let tokens = [from, to].map(|k| vault.intent.assets[k].token);
            let [sell, buy] = tokens.map(|token| auction.index.get(&token).copied());
            let swaps = trade(&mut auction, config, by, [sell?, buy?], amount)?;
            for swap in &swaps {
                let place = |token| vault.intent.assets.iter().position(|a| a.token == auction.token(token).address);
                if let Some(k) = place(swap.input) {
                    done.balances[k] = done.balances[k].checked_sub(swap.amount_in)?;
                }
                if let Some(k) = place(swap.output) {
                    done.balances[k] = done.balances[k].checked_add(swap.amount_out)?;
                }
            }
            done.swaps.extend(swaps);
        }
        for side in [&mut over, &mut under] {
            if let Some(last) = side.last_mut() {
                last.1 -= usd;
            }
            side.retain(|(_, left)| *left > 1e-9 * vault.value());
        }
    }
    Some(done)
}

/// Dollars of each asset that are to be sold, and of each that are to be bought: down or up to its target, or by so much less. What the one
/// side then has more than the other is spread over the assets that are nearest.
fn sides(vault: &Vault, edge: f64) -> [Vec<(usize, f64)>; 2] {
    let value = vault.value();
    let drift: Vec<f64> = (vault.portfolio.holdings.iter().zip(&vault.intent.assets))
        .map(|(h, asset)| f64::from(h.balance) * h.atom() - value * asset.target.to_f64())
        .collect();
    // Both sides move by as much: the shift of the edges that makes them equal, found by bisection.
    let room = edge * value;
    let moved = |shift: f64| -> f64 { drift.iter().map(|d| (d - room - shift).max(0.0) - (-d - room + shift).max(0.0)).sum() };
    let (mut low, mut high) = (-room, room);
    for _ in 0..100 {
        let middle = 0.5 * (low + high);
        if moved(middle) > 0.0 { low = middle } else { high = middle }
    }
    let side = |of: &dyn Fn(f64) -> f64| {
        let mut side: Vec<(usize, f64)> = drift.iter().map(|d| of(*d).max(0.0)).enumerate().filter(|(_, x)| *x > 0.0).collect();
        side.sort_by(|a, b| a.1.total_cmp(&b.1));
        side
    };
    [side(&|d| d - room - low), side(&|d| -d - room + low)]
}

/// Sells `amount` atoms of one token for another, and moves the pools.
fn trade(auction: &mut Auction, config: &Config, by: By, [sell, buy]: [u32; 2], amount: U256) -> Option<Vec<Swap>> {
    auction.orders = vec![Order {
        uid: OrderUid::ZERO,
        sell,
        buy,
        sell_amount: amount,
        buy_amount: U256::ONE,
        side: Side::Sell,
        class: Class::Limit,
        partial: false,
        wrappers: Vec::new(),
        fee_policies: Vec::new(),
        jit: None,
    }];
    let liquidity = Liquidity::new(auction, config, &mut Default::default());
    let swaps = match by {
        By::Split => match answer(auction, &liquidity, config, 0, None, &|| false) {
            Answer::Filled(filled) => filled.swaps,
            Answer::Unfilled(_) => return None,
        },
        By::Path => along_path(auction, &liquidity, [sell, buy], amount)?,
    };
    for swap in &swaps {
        let pool = auction.pools.get_mut(swap.pool)?;
        let (input, output) = (pool.coin(swap.input)?, pool.coin(swap.output)?);
        pool.market.apply(input, output, Exact::Output(swap.amount_out)).ok()?;
    }
    Some(swaps)
}

fn along_path(auction: &Auction, liquidity: &Liquidity, [sell, buy]: [u32; 2], amount: U256) -> Option<Vec<Swap>> {
    let value = liquidity.units.get(sell)? * f64::from(amount);
    let snapshot = &liquidity.snapshot;
    let path =
        Paths::new(snapshot.markets(), snapshot.hops(), (sell, buy), HOPS).best(value, liquidity.gas_price, |_| Some(0.0))?;
    let mut held = amount;
    let mut swaps = Vec::new();
    for hop in path.hops {
        let pool = liquidity.pool(hop.market);
        let (market, coins) = (&auction.pools[pool].market, &auction.pools[pool].coins);
        let (i, o) = (usize::from(hop.input), usize::from(hop.output));
        let amount_out = market.amount_out(i, o, held).ok()?;
        let amount_in = market.amount_in(i, o, amount_out).ok()?.min(held);
        swaps.push(Swap { pool, input: coins[i], output: coins[o], amount_in, amount_out });
        held = amount_out;
    }
    Some(swaps)
}
