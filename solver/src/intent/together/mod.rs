//! Many intents and orders in one batch.
//!
//! ```text
//!         ┌────── prices ◄──────┐ netted, on all pools
//! Task ── at_par ──► what is to be traded ── orders ──► limit orders of the vault ─┐
//! orders of traders ───────────────────────────────────────────────────────────────┴► batch::joint: matched, routed, one price a token
//!                                                                                       │ judge   each intent by its own conditions
//!                                                                                       └► Together, or: again, without who fails
//! ```
//!
//! First prices are looked for at which all can trade at once: what the vaults want is netted, the pools and the traders say at which prices
//! they take the rest, and at these it is asked again what each vault wants (`prices`). So an intent is sized right from the beginning. It
//! goes to the batch as orders that ask for a little less than those prices, and in no case for less than what keeps any fill of any of the
//! orders within what the intent may lose ([`orders`](super::orders::orders)). They hope for what is nearer to those prices: all prices within the limits are the same to
//! a batch, so of what is paid beyond them hopes come first, and nobody pays for the others. What the
//! vaults trade is given ([`Extent::Given`](ballast_routing::Extent::Given)), since an intent is met whole or not at all: what some of them sell and others or traders buy is
//! matched, pools trade the rest, all at one price a token, and everyone pays the gas of the swaps that their tokens go through. What comes of
//! that is judged intent by intent. One that misses its conditions is sized anew at the prices that there were, asks for a little less where
//! nobody paid that much, and leaves once that does not help; the others are solved again. Where no prices take all that is given, each order
//! is filled for as much as finds a price, which shows whose does not.
//!
//! It is settled as other batches are, by CoW Protocol's settlement contract: our own ([`RebalanceSettlement`](super::abi)) runs one vault's
//! plan at a time, and no trader's order. So what is held on chain is each order's limit, and with it the loss; that the rest of an intent's
//! conditions is met is foreseen here, at the batch's prices, which the contract pays to the atom.

mod par;
mod party;
mod prices;
mod round;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use ballast_wire as wire;
use rayon::prelude::*;

use super::judge::{Breach, Foreseen, Idle};
use super::portfolio::Portfolio;
use super::size::{Answer, SizeError, lay_out, size, solve as solve_one};
use super::{Task, is_narrow};
use crate::auction::{Auction, Drops};
use crate::batch::Joint;
use crate::batch::joint::NoBatch;
use crate::config::Config;
use crate::settlement::{Contracts, Verified};
use party::Party;
use prices::Prices;
use round::{Market, Progress, Round};

/// Times that prices are looked for from what the vaults want at those before.
const LOOKS: usize = 2;
/// The part of a settlement's gas that the vaults' orders may take, their swaps besides; and the part of them that is tried again where it was
/// too much.
const ORDERS_GAS: f64 = 0.6;
const FEWER: f64 = 0.7;
/// Rounds after which all who fail leave at once.
const PATIENT: usize = 5;

/// Many intents and orders, settled at once.
#[derive(Debug, Clone)]
pub struct Together {
    /// What became of each intent.
    pub shares: Vec<Result<Share, Left>>,
    /// The batch, or why there is none.
    pub batch: Result<Box<Settled>, String>,
    /// How often it was solved.
    pub rounds: usize,
    /// After what time a batch was found with which all who are left in it meet their conditions: what remains of it is used to find a better one.
    pub first: Option<Duration>,
}

/// What is settled.
#[derive(Debug, Clone)]
pub struct Settled {
    /// The auction, with the vaults' orders after those of the traders.
    pub auction: Auction,
    /// The vaults' orders, not signed yet.
    pub orders: Vec<wire::Order>,
    /// Prices, fills, swaps, gas.
    pub joint: Joint,
    /// What may be sent.
    pub verified: Verified,
}

/// What an intent has of a batch. Money is in its numeraire.
#[derive(Debug, Clone)]
pub struct Share {
    /// What the vault holds in the end.
    pub after: Portfolio,
    /// What its own conditions say of that.
    pub foreseen: Foreseen,
    /// What the vault's value falls by at the oracles' prices, its part of the gas included.
    pub cost: f64,
    /// Its part of the gas.
    pub gas: f64,
}

/// Why an intent is not among those that are settled together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Left {
    /// There is nothing to do.
    #[error("nothing to do: {0}")]
    Idle(Idle),
    /// It may not be settled now.
    #[error("not now: {0}")]
    NotNow(Breach),
    /// Another intent of the same vault is among them, and each counts on all that the vault holds.
    #[error("another intent of this vault comes first")]
    SameVault,
    /// It says which venues may be used, and whose tokens go through which is not told apart in a batch.
    #[error("execution.venuesAllow and execution.venuesDeny cannot be held in a batch")]
    Venues,
    /// Its limits leave nothing to trade, or it may not lose anything.
    #[error("its limits, or costs.maxLossBps, leave nothing to trade")]
    NoOrders,
    /// At the batch's prices it would not meet its conditions.
    #[error("{breach}, where {filled} % of what it is to sell finds a price within costs.maxLossBps")]
    Breach {
        /// The first condition that it would not meet.
        breach: Breach,
        /// How much of its orders the batch fills, in percent: of the one that is filled least.
        filled: u8,
    },
    /// Those before it take all the gas that a settlement may.
    #[error("the settlement is full: those before it take all the gas that it may; it is one of the next")]
    Full,
    /// There is no batch that it could be in.
    #[error("no batch: {0}")]
    NoBatch(String),
}

/// Solves intents and the orders of an auction in one batch. `contracts` are those that it will be settled by; `stop` says when time is up.
pub fn solve(
    tasks: &[Task<'_>],
    auction: &Auction,
    contracts: &Contracts,
    config: &Config,
    stop: &(dyn Fn() -> bool + Sync),
) -> Together {
    let began = Instant::now();
    let liquidity = lay_out(tasks, auction, config, &mut Drops::default());
    let mut owners = BTreeSet::new();
    let mut parties: Vec<Result<Party<'_>, Left>> = tasks
        .iter()
        .map(|task| if owners.insert(task.intent.owner) { Party::new(*task) } else { Err(Left::SameVault) })
        .collect();
    let mut prices = Prices::new(auction, &liquidity, config, stop);
    size_all(&mut parties, &prices);
    limit(&mut parties, ORDERS_GAS * config.max_gas as f64 / config.trade_gas as f64);
    look(&mut parties, &mut prices, stop);
    let (mut rounds, mut progress) = (0, Progress::default());
    let batch = loop {
        rounds += 1;
        let round = Round::new(auction, &mut parties, contracts);
        let market = Market { liquidity: &liquidity, config, prices: &prices.units };
        match round.solve(market, &parties, &mut progress, stop) {
            Ok((joint, verified)) => {
                if round.judge(&mut parties, &joint, &verified, rounds >= PATIENT) {
                    let Round { auction, orders, .. } = round;
                    break Ok(Box::new(Settled { auction, orders, joint, verified }));
                }
            }
            Err(NoBatch::Heavy) if parties.iter().flatten().count() > 1 => {
                limit(&mut parties, FEWER * round.orders.len() as f64);
                look(&mut parties, &mut prices, stop);
            }
            Err(why) => {
                // Others may be there once limits are wider.
                let mut relents = false;
                parties.iter_mut().flatten().for_each(|party| relents |= party.ask_less());
                if !relents {
                    break Err(why.to_string());
                }
            }
        }
        if stop() {
            break Err("time ran out".to_owned());
        }
    };
    let share = |party: Result<Party<'_>, Left>| match (party, &batch) {
        (Ok(party), Ok(_)) => party.share.ok_or(Left::NoOrders),
        (Ok(_), Err(why)) => Err(Left::NoBatch(why.clone())),
        (Err(left), _) => Err(left),
    };
    let first = progress.first.filter(|_| batch.is_ok()).map(|first| first - began);
    Together { shares: parties.into_iter().map(share).collect(), batch, rounds, first }
}

/// Looks for the prices at which all trade at once, and sizes each intent at them.
fn look(parties: &mut [Result<Party<'_>, Left>], prices: &mut Prices<'_>, stop: &(dyn Fn() -> bool + Sync)) {
    for _ in 0..LOOKS {
        prices.once(parties.iter().flatten().map(|party| (&party.task, &party.wanted)), stop);
        size_all(parties, prices);
    }
}

/// Keeps those whose orders are no more than a settlement has room for, the first ones first.
fn limit(parties: &mut [Result<Party<'_>, Left>], room: f64) {
    let mut orders = 0.0;
    for entry in parties {
        let Ok(party) = entry else { continue };
        let more = party.orders().len() as f64;
        if orders + more > room && orders > 0.0 {
            *entry = Err(Left::Full);
        } else {
            orders += more;
        }
    }
}

/// Sizes each intent at prices. Those that have nothing to trade leave.
fn size_all(parties: &mut [Result<Party<'_>, Left>], prices: &Prices<'_>) {
    parties.par_iter_mut().for_each(|entry| {
        let Ok(party) = entry else { return };
        party.assume(&prices.multiples(&party.task));
        party.gas = prices.gas(&party.task);
        if !party.size() {
            *entry = Err(Left::NoOrders);
        }
    });
}

/// What each intent costs by itself on the same pools, for comparison: the others change nothing.
pub fn alone(
    tasks: &[Task<'_>],
    auction: &Auction,
    config: &Config,
    stop: &(dyn Fn() -> bool + Sync),
) -> Vec<Result<Answer, SizeError>> {
    let liquidity = lay_out(tasks, auction, config, &mut Drops::default());
    let warm = liquidity.clearing_prices(stop);
    let one = |task: &Task<'_>| {
        if is_narrow(task.intent) {
            return solve_one(task, auction, config, &mut Drops::default(), stop).map(|(_, answer)| answer);
        }
        size(task, auction, &liquidity, config, Some(&warm), stop)
    };
    tasks.par_iter().map(one).collect()
}
