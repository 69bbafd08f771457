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

/// Times that a rebalance is put together, and how far from its landing it may be left, as a part of the vault.
const PASSES: usize = 6;
const ENOUGH: f64 = 1e-6;

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

/// Trades pair by pair: to the exact targets, or only as far as landings of so many basis points. What trading costs is bought besides: the
/// whole is done again with what was short the time before. None where a trade finds no way.
pub fn pairwise(universe: &Vaults, vault: &Vault, config: &Config, by: By, edge: Option<u32>) -> Option<Done> {
    let edge = f64::from(edge.unwrap_or(0)) / 1e4;
    let mut aim = Aim { value: vault.value(), paid: vec![1.0; vault.intent.assets.len()] };
    let mut passes = 0;
    loop {
        passes += 1;
        let done = once(universe, vault, config, by, sides(vault, edge, &aim))?;
        if passes == PASSES || !aim.learn(vault, edge, &done) {
            return Some(done);
        }
    }
}

/// What is expected of a rebalance.
struct Aim {
    /// What the vault will be worth.
    value: f64,
    /// What has to be paid for a dollar of each asset.
    paid: Vec<f64>,
}

impl Aim {
    /// Takes over what a rebalance came to. False if it was what had been expected.
    fn learn(&mut self, vault: &Vault, edge: f64, done: &Done) -> bool {
        let before = std::mem::replace(&mut self.value, vault.worth(&done.balances));
        let mut off = (self.value / before - 1.0).abs();
        for (k, (holding, asset)) in vault.portfolio.holdings.iter().zip(&vault.intent.assets).enumerate() {
            let (now, held) = (f64::from(done.balances[k]) * holding.atom(), f64::from(holding.balance) * holding.atom());
            let least = (asset.target.to_f64() - edge) * self.value;
            if now > held && now < least {
                self.paid[k] *= (least - held) / (now - held);
                off = off.max((least - now) / self.value);
            }
        }
        off > ENOUGH
    }
}

/// Trades pair by pair, so many dollars of each asset for so many of each other.
fn once(
    universe: &Vaults,
    vault: &Vault,
    config: &Config,
    by: By,
    [mut over, mut under]: [Vec<(usize, f64)>; 2],
) -> Option<Done> {
    let holdings = &vault.portfolio.holdings;
    let mut auction = universe.auction.clone();
    let mut done = Done { balances: holdings.iter().map(|h| h.balance).collect(), swaps: Vec::new() };
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

/// Dollars of each asset that are to be sold, and of each that are to be paid for others: down or up to its target, or by so much less.
/// The side that has less goes further into its landings, nearest first.
fn sides(vault: &Vault, edge: f64, aim: &Aim) -> [Vec<(usize, f64)>; 2] {
    let drift: Vec<f64> = (vault.portfolio.holdings.iter().zip(&vault.intent.assets))
        .map(|(h, asset)| f64::from(h.balance) * h.atom() - aim.value * asset.target.to_f64())
        .collect();
    // The shift of one side's edges that makes both equal, found by bisection.
    let room = edge * aim.value;
    let over = |k: usize, shift: f64| (drift[k] - room - shift.min(0.0)).max(0.0);
    let under = |k: usize, shift: f64| aim.paid[k] * (-drift[k] - room + shift.max(0.0)).max(0.0);
    let most = drift.iter().fold(room, |most, drift| most.max(drift.abs()));
    let (mut low, mut high) = (-most, most);
    for _ in 0..100 {
        let middle = 0.5 * (low + high);
        let moved: f64 = (0..drift.len()).map(|k| over(k, middle) - under(k, middle)).sum();
        if moved > 0.0 { low = middle } else { high = middle }
    }
    let side = |of: &dyn Fn(usize) -> f64| {
        let mut side: Vec<(usize, f64)> = (0..drift.len()).map(|k| (k, of(k))).filter(|(_, x)| *x > 0.0).collect();
        side.sort_by(|a, b| a.1.total_cmp(&b.1));
        side
    };
    [side(&|k| over(k, low)), side(&|k| under(k, low))]
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
