//! One intent on its way through the rounds: what it asks for, and what it makes of what it gets.

use alloy_primitives::{Address, U256};

use super::par::at_par;
use super::{Left, Share};
use crate::auction::Auction;
use crate::batch::execute::from_f64;
use crate::intent::Task;
use crate::intent::basket::restricts_venues;
use crate::intent::judge::{Breach, admit, allowance, idle, judge};
use crate::intent::orders::{LimitOrder, orders};
use crate::intent::portfolio::{Measured, Portfolio};
use crate::settlement::Verified;

/// Room that is kept to each limit at first, as a part of the portfolio: prices are not known to the last digit.
const ROOM: f64 = 4e-4;
/// What room grows by.
const MORE_ROOM: f64 = 5.0;
/// How far below the prices that are expected the vaults' orders hope to be paid, as a part of what they sell, gas besides; and how many times as
/// far what they ask is at first.
const SPREAD: f64 = 2e-3;
const ASKED: f64 = 3.0;
/// What the spread grows by.
const WIDER: f64 = 3.0;
/// Times that an intent may ask for other things before it leaves.
const TRIES: usize = 4;
/// A part of an order that is as good as all.
const WHOLE: f64 = 1.0 - 1e-6;

/// An intent on its way.
pub(super) struct Party<'a> {
    pub task: Task<'a>,
    held: Measured,
    pub room: f64,
    /// How far below the prices that are expected its orders ask, as a part of what they sell.
    pub spread: f64,
    /// What an order is to pay for gas, in the numeraire.
    pub gas: f64,
    /// How often it has asked.
    tries: usize,
    /// How many times what its oracle says each asset is expected to cost; the middle one costs that once.
    multiples: Vec<f64>,
    /// What the vault is to hold in the end, at these prices.
    pub wanted: Portfolio,
    /// The places of its orders in the auction of this round.
    pub places: Vec<usize>,
    pub share: Option<Share>,
}

impl<'a> Party<'a> {
    pub fn new(task: Task<'a>) -> Result<Self, Left> {
        let held = task.portfolio.measure().ok_or(Left::NotNow(Breach::EmptyVault))?;
        admit(task.intent, task.portfolio, task.moment).map_err(Left::NotNow)?;
        if let Some(idle) = idle(task.intent, &held, task.moment) {
            return Err(Left::Idle(idle));
        }
        if restricts_venues(task.intent) {
            return Err(Left::Venues);
        }
        let (multiples, wanted) = (vec![1.0; task.intent.assets.len()], task.portfolio.clone());
        let (room, spread, gas, tries) = (ROOM, ASKED * SPREAD, 0.0, 1);
        Ok(Self { task, held, room, spread, gas, tries, multiples, wanted, places: Vec::new(), share: None })
    }

    /// Takes over what assets cost, as far as that is known, each as a multiple of what its oracle says, to a factor that is the same for all.
    pub fn assume(&mut self, multiples: &[Option<f64>]) {
        let mut shifts: Vec<f64> = self.multiples.iter().zip(multiples).filter_map(|(old, new)| Some((*new)? / old)).collect();
        shifts.sort_by(f64::total_cmp);
        let Some(shift) = shifts.get(shifts.len() / 2).copied() else { return };
        for (old, new) in self.multiples.iter_mut().zip(multiples) {
            *old = new.map_or(*old, |new| new / shift);
        }
    }

    /// Sizes it at the prices that are expected. False if there is nothing to be traded.
    pub fn size(&mut self) -> bool {
        // What is bought too much by must have its place in the landing.
        let landings = self.task.intent.assets.iter().filter(|asset| asset.tradable).map(|asset| &asset.landing);
        let widths = landings.filter(|landing| !landing.high.atoms().is_zero()).map(|l| l.high.to_f64() - l.low.to_f64());
        let margin = widths.fold(SPREAD, |margin, width| margin.min(0.5 * width));
        // What is paid better than oracles say raises the value of all, and so lowers the weights of what is not traded.
        for room in [self.room, MORE_ROOM * self.room] {
            let Some(wanted) = at_par(&self.task, &self.held, room, &self.multiples, margin) else { return false };
            self.wanted = wanted;
            let Task { intent, portfolio, moment } = &self.task;
            if judge(intent, moment, portfolio, &self.expected()).is_ok() {
                break;
            }
        }
        true
    }

    /// What the vault holds once its orders are filled at the prices that are expected.
    fn expected(&self) -> Portfolio {
        let holdings = &self.task.portfolio.holdings;
        let mut balances: Vec<U256> = holdings.iter().map(|h| h.balance).collect();
        for (order, _) in self.orders() {
            let [Some(sell), Some(buy)] = [order.sell, order.buy].map(|token| self.place(token)) else { continue };
            let bought = f64::from(order.sell_amount) * self.worth(sell) / self.worth(buy);
            balances[sell] = balances[sell].saturating_sub(order.sell_amount);
            balances[buy] = balances[buy].saturating_add(from_f64(bought).unwrap_or_default());
        }
        self.task.portfolio.with(balances)
    }

    /// The place of an asset among the intent's.
    fn place(&self, token: Address) -> Option<usize> {
        self.task.intent.assets.iter().position(|asset| asset.token == token)
    }

    /// What an atom of an asset is expected to be worth, in the numeraire.
    fn worth(&self, place: usize) -> f64 {
        self.task.portfolio.holdings[place].atom() * self.multiples[place]
    }

    /// What it is to trade as orders, which ask for what is expected, less the spread, and in no case for less than what keeps its loss; with the
    /// atoms that each hopes for.
    pub fn orders(&self) -> Vec<(LimitOrder, U256)> {
        let holdings = &self.task.portfolio.holdings;
        let expected: Vec<U256> =
            holdings.iter().zip(&self.multiples).map(|(h, x)| from_f64(f64::from(h.price) * x).unwrap_or(h.price)).collect();
        let raised = |order: &LimitOrder| {
            let [sell, buy] = [self.worth(self.place(order.sell)?), self.worth(self.place(order.buy)?)];
            let bought = |spread: f64| {
                let paid = f64::from(order.sell_amount) * sell * (1.0 - spread) - self.gas;
                from_f64(paid.max(0.0) / buy)
            };
            let asked = order.buy_amount.max(bought(self.spread)?);
            Some((LimitOrder { buy_amount: asked, ..*order }, asked.max(bought(SPREAD)?)))
        };
        let found = orders(&self.task, &self.wanted, Some(&expected));
        found.iter().flat_map(|found| &found.orders).filter_map(raised).collect()
    }

    /// What fills of its orders make of it; or the condition that it misses then, and the filled part of the order that is filled least.
    pub fn judge(&self, auction: &Auction, verified: &Verified) -> Result<Share, (Breach, f64)> {
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
    pub fn relent(&mut self, breach: &Breach, filled: f64, multiples: &[Option<f64>]) -> bool {
        if matches!(breach, Breach::LossTooHigh(_) | Breach::DailyLossTooHigh(_)) || self.tries >= TRIES {
            return false;
        }
        if filled >= WHOLE {
            self.room *= MORE_ROOM;
            self.tries += 1;
        } else if !self.ask_less() {
            return false;
        }
        self.assume(multiples);
        self.size()
    }

    /// Asks for a lower price, unless what may be lost is the limit already.
    pub fn ask_less(&mut self) -> bool {
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
