//! Many intents and orders in one batch.
//!
//! ```text
//! Task ── at_par ──► what is to be traded ── orders ──► limit orders of the vault ─┐
//! orders of traders ───────────────────────────────────────────────────────────────┴► batch::joint: matched, routed, one price a token
//!                                                                                       │ judge   each intent by its own conditions
//!                                                                                       └► Together, or: again, without who fails
//! ```
//!
//! An intent is sized as if everything could be had at the oracles' prices, and goes to the batch as orders to be filled in part, whose
//! limits keep any fill of any of them within what it may lose ([`orders`]). There it is an order like any other: what some vaults sell and
//! others or traders buy is matched, pools trade the rest, all at one price a token, and everyone pays the gas of the swaps that their
//! tokens go through. What comes of that is judged intent by intent. One that misses its conditions is sized anew at the prices that there
//! were, asks for a little less where nobody paid that much, and leaves once that does not help; the others are solved again.
//!
//! It is settled as other batches are, by CoW Protocol's settlement contract: our own ([`RebalanceSettlement`](super::abi)) runs one vault's
//! plan at a time, and no trader's order. So what is held on chain is each order's limit, and with it the loss; that the rest of an intent's
//! conditions is met is foreseen here, at the batch's prices, which the contract pays to the atom.

mod par;

use std::collections::BTreeSet;

use alloy_primitives::U256;
use ballast_wire as wire;
use ballast_wire::intent::Asset;
use rayon::prelude::*;

use super::basket::restricts_venues;
use super::judge::{Breach, Foreseen, Idle, admit, allowance, idle, judge};
use super::orders::orders;
use super::portfolio::{Holding, Measured, Portfolio};
use super::size::{Answer, SizeError, lay_out, size, solve as solve_one};
use super::{Task, is_narrow};
use crate::auction::{Auction, Drops};
use crate::batch::joint::{Attempt, Floors};
use crate::batch::{Bid, Joint, Liquidity};
use crate::config::Config;
use crate::settlement::encode::domain_separator;
use crate::settlement::{Contracts, Verified, verify};
use par::{PAR, Rates, at_par, rates};

/// Room that is kept to each limit at first, as a part of the portfolio: prices are not known yet.
const ROOM: f64 = 1e-4;
/// What room grows by.
const MORE_ROOM: f64 = 5.0;
/// How far below par the vaults' orders ask at first, in parts of 10¹⁸. All prices within the limits are the same to a batch, so limits are
/// to be near what the market pays.
const SPREAD: U256 = U256::from_limbs([2_000_000_000_000_000, 0, 0, 0]);
/// What the spread grows by.
const WIDER: U256 = U256::from_limbs([4, 0, 0, 0]);
/// Times that an intent may ask for other things before it leaves.
const TRIES: usize = 6;
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
    let mut owners = BTreeSet::new();
    let mut parties: Vec<Result<Party<'_>, Left>> = tasks
        .iter()
        .map(|task| if owners.insert(task.intent.owner) { Party::new(*task) } else { Err(Left::SameVault) })
        .collect();
    let mut warm: Option<Vec<f64>> = None;
    let mut rounds = 0;
    let batch = loop {
        rounds += 1;
        let round = Round::new(auction, &mut parties, contracts);
        match round.solve(config, &mut warm, stop) {
            Ok((joint, verified)) => {
                if round.judge(&mut parties, &joint, &verified) {
                    let Round { auction, orders, .. } = round;
                    break Ok(Box::new(Settled { auction, orders, joint, verified }));
                }
            }
            Err(why) => {
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
    /// How far below par its orders ask.
    spread: U256,
    /// How often it has asked.
    tries: usize,
    /// What its assets are sold and bought for, as far as that is known.
    rates: Vec<Rates>,
    /// What the vault is to hold in the end, at these rates.
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
        let rates = vec![PAR; task.intent.assets.len()];
        let wanted = at_par(&task, &held, ROOM, &rates).ok_or(Left::NoOrders)?;
        Ok(Self { task, held, room: ROOM, spread: SPREAD, tries: 1, rates, wanted, places: Vec::new(), share: None })
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
        if matches!(breach, Breach::LossTooHigh(_) | Breach::DailyLossTooHigh(_)) {
            return false;
        }
        if filled >= WHOLE {
            self.room *= MORE_ROOM;
            self.tries += 1;
        } else if !self.ask_less() {
            return false;
        }
        self.rates = rates(multiples);
        let wanted = at_par(&self.task, &self.held, self.room, &self.rates).filter(|_| self.tries <= TRIES);
        wanted.map(|wanted| self.wanted = wanted).is_some()
    }

    /// Asks for a lower price, unless what may be lost is the limit already.
    fn ask_less(&mut self) -> bool {
        // What is lost of all that is moved is more than that of the portfolio.
        let loss = f64::from(allowance(self.task.intent, self.task.moment));
        if self.tries >= TRIES || f64::from(self.spread) * self.moved() >= loss {
            return false;
        }
        self.tries += 1;
        self.spread = self.spread.saturating_mul(WIDER);
        true
    }

    /// What is to be sold, as a part of the portfolio.
    fn moved(&self) -> f64 {
        let pairs = self.task.portfolio.holdings.iter().zip(&self.wanted.holdings);
        let sold: f64 = pairs.map(|(held, left)| f64::from(held.balance.saturating_sub(left.balance)) * held.atom()).sum();
        1e18 * sold / f64::from(self.held.total)
    }
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
            for order in orders(&party.task, &party.wanted, party.spread).iter().flat_map(|found| &found.orders) {
                let Ok(order) = order.listed(party.task.intent, &domain) else { continue };
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

    fn solve(
        &self,
        config: &Config,
        warm: &mut Option<Vec<f64>>,
        stop: &(dyn Fn() -> bool + Sync),
    ) -> Result<(Joint, Verified), String> {
        let auction = &self.auction;
        let liquidity = Liquidity::new(auction, config, &mut Drops::default());
        let prices = warm.get_or_insert_with(|| liquidity.clearing_prices(stop));
        let all: Vec<usize> = (0..auction.orders.len()).collect();
        let attempt = |warm| {
            let mut best = None;
            Attempt::new(auction, &liquidity, config, &all, Floors::default())?
                .solve(warm, stop, &mut |joint| best = Some(joint))?;
            best.ok_or_else(|| "no batch".to_owned())
        };
        // Prices of the pools alone may lead nowhere.
        let joint = attempt(Some(prices)).or_else(|_| attempt(None))?;
        let bid = Bid::joint(0, auction, &joint).ok_or("the protocol's fee takes all that is sold")?;
        let verified = verify(auction, config, bid.solution).map_err(|violation| violation.to_string())?;
        Ok((joint, verified))
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
    fn judge(&self, parties: &mut [Result<Party<'_>, Left>], joint: &Joint, verified: &Verified) -> bool {
        let mut failed: Vec<(f64, usize, Breach)> = Vec::new();
        let mut good = true;
        for (index, party) in parties.iter_mut().enumerate() {
            let Ok(party) = party else { continue };
            match party.judge(&self.auction, verified) {
                Ok(share) => party.share = Some(share),
                Err((breach, filled)) => {
                    good = false;
                    if !party.relent(&breach, filled, &self.multiples(&party.task, joint)) {
                        failed.push((filled, index, breach));
                    }
                }
            }
        }
        failed.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        let leave = failed.len().div_ceil(2);
        for (filled, index, breach) in failed.into_iter().take(leave) {
            parties[index] = Err(Left::Breach { breach, filled: (100.0 * filled) as u8 });
        }
        good
    }
}
