//! Many intents in one batch, with the orders of others: netted against each other before anything is swapped.
//!
//! Each intent is sized by itself, and what that sells and buys goes to the batch as orders ([`super::orders`]), whose limits hold its loss
//! bound whatever is filled of them. The batch matches them with each other and with everybody else's orders, at one price a token, and
//! shares the gas of what is left to be swapped by whose tokens it trades (`batch::joint`). Order flow that meets pays no pool.

use alloy_primitives::{B256, U256, keccak256};
use alloy_sol_types::SolValue;
use ballast_routing::Token;
use ballast_wire::{Class, OrderUid, Side};
use rayon::prelude::*;

use super::basket::{Task, is_narrow, narrowed};
use super::digest;
use super::orders::{Orders, orders};
use super::portfolio::Portfolio;
use super::size::{Answer, Rebalance, lay_out, size};
use crate::auction::{Auction, Drops, Order};
use crate::batch::joint::{self, Floors};
use crate::batch::{Bid, Joint};
use crate::config::Config;
use crate::settlement::{Verified, verify};

/// What a batch does for one intent.
#[derive(Debug, Clone)]
pub struct Share {
    /// What it would do by itself.
    pub alone: Box<Rebalance>,
    /// Its orders.
    pub orders: Orders,
    /// What its vault holds after the batch.
    pub after: Portfolio,
    /// What it loses in the batch, its part of the gas in it, and what it would lose by itself for as much of the way; numeraire.
    pub cost: f64,
    /// See `cost`.
    pub cost_alone: f64,
    /// The part of what its orders sell that is filled, by value.
    pub filled: f64,
}

/// A batch with intents in it.
#[derive(Debug, Clone)]
pub struct Together {
    /// What may be sent.
    pub verified: Verified,
    /// Its execution.
    pub joint: Joint,
    /// The market with all the orders.
    pub auction: Auction,
    /// What became of each intent, in their order; none where it had nothing to do, or nothing was filled.
    pub shares: Vec<Option<Share>>,
}

impl Together {
    /// What netting saved all intents together, in the numeraire (of the first, if they differ).
    pub fn saved(&self) -> f64 {
        self.shares.iter().flatten().map(|share| share.cost_alone - share.cost).sum()
    }

    /// The part of all that is sold that is matched, and not swapped.
    pub fn matched(&self) -> f64 {
        1.0 - (self.joint.routed / self.joint.volume).clamp(0.0, 1.0)
    }
}

/// Solves intents and the auction's orders as one batch.
///
/// # Errors
/// Why there is none, in words.
pub fn together(
    tasks: &[Task<'_>],
    auction: &Auction,
    config: &Config,
    stop: &(dyn Fn() -> bool + Sync),
) -> Result<Together, String> {
    let liquidity = lay_out(tasks, auction, config, &mut Drops::default());
    let warm = liquidity.clearing_prices(stop);
    let alone: Vec<Option<Box<Rebalance>>> = tasks
        .par_iter()
        .map(|task| {
            let sized = if is_narrow(task.intent) {
                let market = narrowed(auction, task.intent);
                let liquidity = lay_out(&[*task], &market, config, &mut Drops::default());
                size(task, &market, &liquidity, config, None, stop)
            } else {
                size(task, auction, &liquidity, config, Some(&warm), stop)
            };
            match sized {
                Ok(Answer::Rebalance(rebalance)) if rebalance.foreseen.is_ok() => Some(rebalance),
                _ => None,
            }
        })
        .collect();
    let mut batch = auction.clone();
    let asked: Vec<Option<(Orders, Vec<usize>)>> = tasks
        .iter()
        .zip(&alone)
        .map(|(task, alone)| {
            let orders = orders(task, &alone.as_ref()?.after)?;
            let places = orders.orders.iter().enumerate().filter_map(|(number, order)| {
                let token = |address| batch.index.get(&address).copied();
                let (sell, buy) = (token(order.sell)?, token(order.buy)?);
                let uid = uid(&digest(task.intent), number, task);
                batch.orders.push(Order {
                    uid,
                    sell,
                    buy,
                    sell_amount: order.sell_amount,
                    buy_amount: order.buy_amount,
                    side: Side::Sell,
                    class: Class::Limit,
                    partial: true,
                    wrappers: Vec::new(),
                    fee_policies: Vec::new(),
                    jit: None,
                });
                Some(batch.orders.len().saturating_sub(1))
            });
            let places = places.collect();
            Some((orders, places))
        })
        .collect();
    let all: Vec<usize> = (0..batch.orders.len()).collect();
    let joint = joint::solve(&batch, &liquidity, config, &all, &Floors::default(), Some(&warm), stop)?;
    let bid = Bid::joint(0, &batch, &joint).ok_or("the protocol's fee takes all that is sold")?;
    let verified = verify(&batch, config, bid.solution).map_err(|violation| format!("does not verify: {violation}"))?;
    let shares = tasks.iter().zip(alone).zip(asked).map(|((task, alone), asked)| {
        let (orders, places) = asked?;
        share(task, alone?, orders, &places, &batch, &verified)
    });
    let shares = shares.collect();
    Ok(Together { verified, joint, auction: batch, shares })
}

/// A name for an intent's order: what it would be signed as is not known before it is signed.
fn uid(digest: &B256, number: usize, task: &Task<'_>) -> OrderUid {
    let hash = keccak256((*digest, U256::from(number)).abi_encode());
    let until = u32::try_from(task.intent.valid_to).unwrap_or(u32::MAX);
    let mut bytes = [0; 56];
    let parts = hash.iter().chain(task.intent.owner.iter()).copied().chain(until.to_be_bytes());
    bytes.iter_mut().zip(parts).for_each(|(byte, part)| *byte = part);
    OrderUid::from(bytes)
}

fn share(
    task: &Task<'_>,
    alone: Box<Rebalance>,
    orders: Orders,
    places: &[usize],
    batch: &Auction,
    verified: &Verified,
) -> Option<Share> {
    let mut balances: Vec<U256> = task.portfolio.holdings.iter().map(|holding| holding.balance).collect();
    let place = |token: Token| task.intent.assets.iter().position(|asset| asset.token == batch.token(token).address);
    let value = |index: usize, atoms: U256| f64::from(atoms) * task.portfolio.holdings[index].atom();
    let (mut asked, mut filled) = (0.0, 0.0);
    for &order in places {
        let terms = &batch.orders[order];
        let (from, to) = (place(terms.sell)?, place(terms.buy)?);
        asked += value(from, terms.sell_amount);
        let Some(fill) = verified.fills().iter().find(|fill| fill.order == order) else { continue };
        balances[from] = balances[from].checked_sub(fill.paid)?;
        balances[to] = balances[to].checked_add(fill.got)?;
        filled += value(from, fill.paid);
    }
    let after = task.portfolio.with(balances);
    let (before, end) = (task.portfolio.measure()?, after.measure()?);
    let filled = if asked > 0.0 { filled / asked } else { 0.0 };
    let cost = (f64::from(before.total) - f64::from(end.total)) / 1e18;
    let cost_alone = alone.costs.total() * filled;
    (filled > 0.0).then_some(Share { alone, orders, after, cost, cost_alone, filled })
}
