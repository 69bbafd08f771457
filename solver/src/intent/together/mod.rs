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
//! goes to the batch as orders whose limits are near those prices: all prices within the limits are the same to a batch, and so nobody pays
//! for the others. No limit is lower than what keeps any fill of any of the orders within what the intent may lose ([`orders`]). What the
//! vaults trade is given ([`Extent::Given`]), since an intent is met whole or not at all: what some of them sell and others or traders buy is
//! matched, pools trade the rest, all at one price a token, and everyone pays the gas of the swaps that their tokens go through. What comes of
//! that is judged intent by intent. One that misses its conditions is sized anew at the prices that there were, asks for a little less where
//! nobody paid that much, and leaves once that does not help; the others are solved again. Where no prices take all that is given, each order
//! is filled for as much as finds a price, which shows whose does not.
//!
//! It is settled as other batches are, by CoW Protocol's settlement contract: our own ([`RebalanceSettlement`](super::abi)) runs one vault's
//! plan at a time, and no trader's order. So what is held on chain is each order's limit, and with it the loss; that the rest of an intent's
//! conditions is met is foreseen here, at the batch's prices, which the contract pays to the atom.

mod par;
mod prices;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};

use alloy_primitives::{Address, U256};
use ballast_routing::Extent;
use ballast_wire as wire;
use ballast_wire::intent::Asset;
use rayon::prelude::*;

use super::basket::restricts_venues;
use super::judge::{Breach, Foreseen, Idle, admit, allowance, idle, judge};
use super::orders::{LimitOrder, orders};
use super::portfolio::{Holding, Measured, Portfolio};
use super::size::{Answer, SizeError, lay_out, size, solve as solve_one};
use super::{Task, is_narrow};
use crate::auction::{Auction, Drops};
use crate::batch::execute::from_f64;
use crate::batch::joint::{Attempt, Floors};
use crate::batch::{Bid, Joint, Liquidity};
use crate::config::Config;
use crate::settlement::encode::domain_separator;
use crate::settlement::{Contracts, Verified, verify};
use par::at_par;
use prices::Prices;

/// Room that is kept to each limit at first, as a part of the portfolio: prices are not known to the last digit.
const ROOM: f64 = 4e-4;
/// What room grows by.
const MORE_ROOM: f64 = 5.0;
/// How far below the prices that are expected the vaults' orders ask at first, as a part of what they sell, gas besides. What is paid is
/// nearer to them: it is the last part of what is traded that costs most, and a batch trades up to where that costs what limits allow.
const SPREAD: f64 = 2e-3;
/// What the spread grows by.
const WIDER: f64 = 3.0;
/// Times that prices are looked for from what the vaults want at those before.
const LOOKS: usize = 3;
/// The part of a settlement's gas that the vaults' orders may take, their swaps besides; and the part of them that is tried again where it was
/// too much.
const ORDERS_GAS: f64 = 0.6;
const FEWER: f64 = 0.7;
/// Rounds after which all who fail leave at once.
const PATIENT: usize = 5;
/// Times that an intent may ask for other things before it leaves.
const TRIES: usize = 4;
/// A part of an order that is as good as all.
const WHOLE: f64 = 1.0 - 1e-6;

/// Many intents and orders, settled at once.
#[derive(Debug, Clone)]
pub struct Together {
    /// What became of each intent.
    pub shares: Vec<Result<Share, Left>>,
    /// The batch, or why there is none.
    pub batch: Result<Box<Settled>, String>,
    /// How often it was solved.
    pub rounds: usize,
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
    let liquidity = lay_out(tasks, auction, config, &mut Drops::default());
    let mut owners = BTreeSet::new();
    let mut parties: Vec<Result<Party<'_>, Left>> = tasks
        .iter()
        .map(|task| if owners.insert(task.intent.owner) { Party::new(*task) } else { Err(Left::SameVault) })
        .collect();
    let mut prices = Prices::new(auction, &liquidity, config, stop);
    // Orders that a settlement has room for.
    let mut room = ORDERS_GAS * config.max_gas as f64 / config.trade_gas as f64;
    size_all(&mut parties, &prices);
    limit(&mut parties, room);
    expect(&mut parties, &mut prices, stop);
    let mut rounds = 0;
    let batch = loop {
        rounds += 1;
        let round = Round::new(auction, &mut parties, contracts);
        let market = Market { liquidity: &liquidity, config, prices: &prices.units };
        match round.solve(market, &parties, stop) {
            Ok((joint, verified)) => {
                if round.judge(&mut parties, &joint, &verified, rounds >= PATIENT) {
                    let Round { auction, orders, .. } = round;
                    break Ok(Box::new(Settled { auction, orders, joint, verified }));
                }
            }
            Err(Failed { is_heavy: true, .. }) if parties.iter().flatten().count() > 1 => {
                room = FEWER * round.orders.len() as f64;
                limit(&mut parties, room);
                expect(&mut parties, &mut prices, stop);
            }
            Err(Failed { why, .. }) => {
                // Others may be there once limits are wider.
                let mut relents = false;
                parties.iter_mut().flatten().for_each(|party| relents |= party.ask_less());
                if !relents {
                    break Err(why);
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
    Together { shares: parties.into_iter().map(share).collect(), batch, rounds }
}

/// Looks for the prices at which all trade at once, and sizes each intent at them.
fn expect(parties: &mut [Result<Party<'_>, Left>], prices: &mut Prices<'_>, stop: &(dyn Fn() -> bool + Sync)) {
    for _ in 0..LOOKS {
        prices.once(parties.iter().flatten().map(|party| (&party.task, &party.wanted)), stop);
        size_all(parties, prices);
    }
}

/// Keeps those whose orders are no more than there is room for, the first ones first.
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
        party.expect(&prices.multiples(&party.task));
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

/// An intent on its way.
struct Party<'a> {
    task: Task<'a>,
    held: Measured,
    room: f64,
    /// How far below the prices that are expected its orders ask, as a part of what they sell.
    spread: f64,
    /// What an order is to pay for gas, in the numeraire.
    gas: f64,
    /// How often it has asked.
    tries: usize,
    /// How many times what its oracle says each asset is expected to cost; the middle one costs that once.
    multiples: Vec<f64>,
    /// What the vault is to hold in the end, at these prices.
    wanted: Portfolio,
    /// The places of its orders in the auction of this round.
    places: Vec<usize>,
    share: Option<Share>,
}

impl<'a> Party<'a> {
    fn new(task: Task<'a>) -> Result<Self, Left> {
        let held = task.portfolio.measure().ok_or(Left::NotNow(Breach::EmptyVault))?;
        admit(task.intent, task.portfolio, task.moment).map_err(Left::NotNow)?;
        if let Some(idle) = idle(task.intent, &held, task.moment) {
            return Err(Left::Idle(idle));
        }
        if restricts_venues(task.intent) {
            return Err(Left::Venues);
        }
        let (multiples, wanted) = (vec![1.0; task.intent.assets.len()], task.portfolio.clone());
        let (room, spread, gas, tries) = (ROOM, SPREAD, 0.0, 1);
        Ok(Self { task, held, room, spread, gas, tries, multiples, wanted, places: Vec::new(), share: None })
    }

    /// Takes over what assets cost, as far as that is known, each as a multiple of what its oracle says, to a factor that is the same for all.
    fn expect(&mut self, multiples: &[Option<f64>]) {
        let mut shifts: Vec<f64> = self.multiples.iter().zip(multiples).filter_map(|(old, new)| Some((*new)? / old)).collect();
        shifts.sort_by(f64::total_cmp);
        let Some(shift) = shifts.get(shifts.len() / 2).copied() else { return };
        for (old, new) in self.multiples.iter_mut().zip(multiples) {
            *old = new.map_or(*old, |new| new / shift);
        }
    }

    /// Sizes it at the prices that are expected. False if there is nothing to be traded.
    fn size(&mut self) -> bool {
        // What is bought too much by must have its place in the landing.
        let landings = self.task.intent.assets.iter().filter(|asset| asset.tradable).map(|asset| &asset.landing);
        let widths = landings.filter(|landing| !landing.high.atoms().is_zero()).map(|l| l.high.to_f64() - l.low.to_f64());
        let margin = widths.fold(self.spread, |margin, width| margin.min(0.5 * width));
        let wanted = at_par(&self.task, &self.held, self.room, &self.multiples, margin);
        wanted.map(|wanted| self.wanted = wanted).is_some()
    }

    /// What it is to trade as orders, which ask for what is expected, less the spread, and in no case for less than what keeps its loss.
    fn orders(&self) -> Vec<LimitOrder> {
        let Task { intent, portfolio, .. } = &self.task;
        let expected: Vec<U256> = portfolio
            .holdings
            .iter()
            .zip(&self.multiples)
            .map(|(h, x)| from_f64(f64::from(h.price) * x).unwrap_or(h.price))
            .collect();
        let worth = |token: Address| {
            let place = intent.assets.iter().position(|asset| asset.token == token)?;
            Some(portfolio.holdings[place].atom() * self.multiples[place])
        };
        let raised = |order: &LimitOrder| {
            let paid = f64::from(order.sell_amount) * worth(order.sell)? * (1.0 - self.spread) - self.gas;
            let least = from_f64(paid.max(0.0) / worth(order.buy)?)?;
            Some(LimitOrder { buy_amount: order.buy_amount.max(least), ..*order })
        };
        let found = orders(&self.task, &self.wanted, Some(&expected));
        found.iter().flat_map(|found| &found.orders).filter_map(raised).collect()
    }

    /// What fills of its orders make of it; or the condition that it misses then, and the filled part of the order that is filled least.
    fn judge(&self, auction: &Auction, verified: &Verified) -> Result<Share, (Breach, f64)> {
        let Task { intent, portfolio, moment } = self.task;
        let mut balances: Vec<U256> = portfolio.holdings.iter().map(|h| h.balance).collect();
        let (mut least, mut gas) = (1.0_f64, 0.0);
        for &place in &self.places {
            let order = &auction.orders[place];
            let Some(fill) = verified.fills().iter().find(|fill| fill.order == place) else {
                least = 0.0;
                continue;
            };
            least = least.min(f64::from(fill.paid) / f64::from(order.sell_amount));
            for (index, asset) in intent.assets.iter().enumerate() {
                if asset.token == auction.token(order.sell).address {
                    balances[index] = balances[index].saturating_sub(fill.paid);
                    gas += f64::from(fill.fee) * portfolio.holdings[index].atom();
                } else if asset.token == auction.token(order.buy).address {
                    balances[index] = balances[index].saturating_add(fill.got);
                }
            }
        }
        let after = portfolio.with(balances);
        let foreseen = judge(intent, moment, portfolio, &after).map_err(|breach| (breach, least))?;
        let cost = (f64::from(foreseen.start.total) - f64::from(foreseen.end.total)) / 1e18;
        Ok(Share { after, foreseen, cost, gas })
    }

    /// Asks for what is to be had at the prices that there were, for a lower price where there was none, and with more room to its limits
    /// where all was filled; unless none of it would help.
    fn relent(&mut self, breach: &Breach, filled: f64, multiples: &[Option<f64>]) -> bool {
        if matches!(breach, Breach::LossTooHigh(_) | Breach::DailyLossTooHigh(_)) || self.tries >= TRIES {
            return false;
        }
        if filled >= WHOLE {
            self.room *= MORE_ROOM;
            self.tries += 1;
        } else if !self.ask_less() {
            return false;
        }
        self.expect(multiples);
        self.size()
    }

    /// Asks for a lower price, unless what may be lost is the limit already.
    fn ask_less(&mut self) -> bool {
        // What is lost of all that is moved is more than that of the portfolio.
        let loss = f64::from(allowance(self.task.intent, self.task.moment)) / 1e18;
        if self.tries >= TRIES || self.spread * self.moved() >= loss {
            return false;
        }
        self.tries += 1;
        self.spread *= WIDER;
        true
    }

    /// What is to be sold, as a part of the portfolio.
    fn moved(&self) -> f64 {
        let pairs = self.task.portfolio.holdings.iter().zip(&self.wanted.holdings);
        let sold: f64 = pairs.map(|(held, left)| f64::from(held.balance.saturating_sub(left.balance)) * held.atom()).sum();
        1e18 * sold / f64::from(self.held.total)
    }
}

/// What all rounds are solved on.
#[derive(Clone, Copy)]
struct Market<'a> {
    liquidity: &'a Liquidity,
    config: &'a Config,
    /// Prices to start from.
    prices: &'a [f64],
}

/// Why a round has no batch.
struct Failed {
    why: String,
    /// Whether that is since it would take more gas than a settlement may.
    is_heavy: bool,
}

/// Those who are left, in one auction.
struct Round {
    auction: Auction,
    orders: Vec<wire::Order>,
}

impl Round {
    /// Puts the orders of those who are left into the auction. Those who have none leave.
    fn new(auction: &Auction, parties: &mut [Result<Party<'_>, Left>], contracts: &Contracts) -> Self {
        let domain = domain_separator(contracts);
        let mut this = Self { auction: auction.clone(), orders: Vec::new() };
        for entry in parties {
            let Ok(party) = entry else { continue };
            party.places.clear();
            for order in party.orders() {
                // The market does not know a token that the auction does not list.
                let known = [order.sell, order.buy].iter().all(|token| auction.index.contains_key(token));
                let Some(order) = order.listed(party.task.intent, &domain).ok().filter(|_| known) else { continue };
                if let Ok(place) = this.auction.enter(&order) {
                    party.places.push(place);
                    this.orders.push(order);
                }
            }
            if party.places.is_empty() {
                *entry = Err(Left::NoOrders);
            }
        }
        this
    }

    /// The best batch with which everybody's conditions are met; or, where the first is none, that.
    fn solve(
        &self,
        Market { liquidity, config, prices }: Market<'_>,
        parties: &[Result<Party<'_>, Left>],
        stop: &(dyn Fn() -> bool + Sync),
    ) -> Result<(Joint, Verified), Failed> {
        let auction = &self.auction;
        let all: Vec<usize> = (0..auction.orders.len()).collect();
        let failed = |why| Failed { why, is_heavy: false };
        let attempt = |warm, extent| {
            let (mut best, mut why) = (None, "no batch".to_owned());
            // Where somebody has to ask again, a better batch of the same orders is of no use.
            let missed = AtomicBool::new(false);
            let halt = || missed.load(Ordering::Relaxed) || stop();
            let mut found = |joint| match self.verified(config, &joint) {
                Ok(verified) => {
                    let good = parties.iter().flatten().all(|party| party.judge(auction, &verified).is_ok());
                    missed.fetch_or(!good, Ordering::Relaxed);
                    if good || best.is_none() {
                        best = Some((joint, verified));
                    }
                }
                Err(reason) => why = reason,
            };
            let mut attempt = Attempt::new(auction, liquidity, config, &all, Floors::default(), extent).map_err(failed)?;
            match (attempt.solve(warm, &halt, &mut found), best) {
                (_, Some(best)) => Ok(best),
                (Ok(_), None) => Err(failed(why)),
                (Err(why), None) => Err(Failed { why, is_heavy: attempt.is_heavy() }),
            }
        };
        // Prices may lead nowhere, and what is given find none.
        let ways = [(Some(prices), Extent::Given), (None, Extent::Given), (Some(prices), Extent::Part)];
        let mut found = Err(failed(String::new()));
        for (warm, extent) in ways {
            found = found.or_else(|failed: Failed| if failed.is_heavy { Err(failed) } else { attempt(warm, extent) });
        }
        found
    }

    fn verified(&self, config: &Config, joint: &Joint) -> Result<Verified, String> {
        let bid = Bid::joint(0, &self.auction, joint).ok_or("the protocol's fee takes all that is sold")?;
        verify(&self.auction, config, bid.solution).map_err(|violation| violation.to_string())
    }

    /// The batch's price of each asset as a multiple of its oracle's, to a factor that is the same for all.
    fn multiples(&self, task: &Task<'_>, joint: &Joint) -> Vec<Option<f64>> {
        let multiple = |(asset, holding): (&Asset, &Holding)| {
            let token = *self.auction.index.get(&asset.token)?;
            let (_, price) = joint.prices.iter().find(|(priced, _)| *priced == token)?;
            Some(f64::from(*price) / holding.atom()).filter(|x| x.is_finite() && *x > 0.0)
        };
        task.intent.assets.iter().zip(&task.portfolio.holdings).map(multiple).collect()
    }

    /// Judges each intent. Of those that fail, some relent, and of the others the worse half leaves, so that those who only miss their company
    /// get another chance. True if none fails.
    fn judge(&self, parties: &mut [Result<Party<'_>, Left>], joint: &Joint, verified: &Verified, at_once: bool) -> bool {
        let mut failed: Vec<(f64, usize, Breach)> = Vec::new();
        let mut good = true;
        for (index, party) in parties.iter_mut().enumerate() {
            let Ok(party) = party else { continue };
            match party.judge(&self.auction, verified) {
                Ok(share) => party.share = Some(share),
                Err((breach, filled)) => {
                    good = false;
                    tracing::debug!(index, %breach, filled, spread = party.spread, room = party.room, "misses its conditions");
                    if at_once || !party.relent(&breach, filled, &self.multiples(&party.task, joint)) {
                        failed.push((filled, index, breach));
                    }
                }
            }
        }
        failed.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        let leave = if at_once { failed.len() } else { failed.len().div_ceil(2) };
        for (filled, index, breach) in failed.into_iter().take(leave) {
            parties[index] = Err(Left::Breach { breach, filled: (100.0 * filled) as u8 });
        }
        good
    }
}
