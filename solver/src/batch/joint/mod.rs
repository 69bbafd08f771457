//! All orders of a batch in one settlement: chosen, cleared, executed and priced to the wei.
//!
//! ```text
//! orders ── Member::new ──► Batch::choose ──► markets and orders, prices, bound
//!                             │ clear         clearing prices, fills and flows at the gas that all swaps take
//!                             │ gas::shares   who pays for which gas: fees, and clear again
//!                             │ Run::new      exact swaps, funded by what is sold
//!                             │ prices::exact integer prices, from what the swaps really left
//!                             └► Joint        or: again, without what cannot be executed, misses its limit or is better off alone
//! ```

mod gas;
mod orders;
mod prices;

use alloy_primitives::U256;
use ballast_routing::{Batch, Budget, Clearing, Exact, Floor, GasPrice, Hop, Joint as Choice, Token, Trade, clear};
use rayon::prelude::*;
use rustc_hash::FxHashMap;

use super::cycles::{Arbitrage, arbitrage};
use super::execute::{Funding, Run, Stake, from_f64};
use super::plan::{PlanError, fee};
use super::prices::WEI_PER_UNIT;
use super::step::{Step, Swap, Way, steps};
use super::{Liquidity, reference};
use crate::auction::Auction;
use crate::config::Config;
use crate::settlement::ROUNDING_PARTS;
use crate::wide::{at_least, mul_div_up};
use orders::{CLEAR, Member, wanted};
use prices::{Part, exact};

/// Times that a batch is solved again without what stood in its way.
const ATTEMPTS: usize = 16;
/// Times that fees are set from the gas that came of the fees before.
const FEES: usize = 3;
/// What is left over in each token, as a part of what is paid.
const MARGIN: f64 = 1e-9;
/// The same in value units: 10⁻⁹ native tokens.
const LEAST_MARGIN: f64 = 1e-6;
/// A pair is left with this much more than it could have elsewhere, as a part of that.
const FAIR: f64 = 1e-6;

/// A directed pair of tokens.
pub type Pair = [Token; 2];

/// What each pair could have in a bid of its own, in wei of score.
pub type Floors = FxHashMap<Pair, U256>;

/// One order's part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fill {
    /// The order's place in the auction.
    pub order: usize,
    /// Atoms: sold without the fee, or bought.
    pub executed: U256,
    /// Atoms of the sold token.
    pub fee: U256,
    /// Gas that the fee pays for.
    pub gas: u64,
}

/// What a batch is worth at each stage, in value units: the sum of surplus, gas paid.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Welfare {
    /// No batch of these orders on these pools exceeds this.
    pub bound: f64,
    /// Every order filled for as large a part as is best, each paid as if it had prices of its own.
    pub relaxed: f64,
    /// Orders that must be filled whole, whole or not at all.
    pub whole: f64,
    /// One price a token.
    pub uniform: f64,
    /// No pair worse off than in a bid of its own.
    pub fair: f64,
    /// In whole atoms, with cycles as far as they are funded: what is scored.
    pub realised: f64,
}

/// A batch's execution.
#[derive(Debug, Clone)]
pub struct Joint {
    /// The orders filled.
    pub fills: Vec<Fill>,
    /// Integer clearing prices.
    pub prices: Vec<(Token, U256)>,
    /// Swaps in order.
    pub swaps: Vec<Swap>,
    /// Gas of the settlement.
    pub gas: u64,
    /// What it is worth, and what was lost on the way.
    pub welfare: Welfare,
    /// What closed cycles earn, in value units, by pool.
    pub harvest: Arbitrage,
    /// Value units that cycles would have earned besides, had there been funds.
    pub left_behind: f64,
    /// Value units that all orders sell.
    pub volume: f64,
    /// What of it is swapped with pools: the rest is matched.
    pub routed: f64,
    /// Orders that were left out because their pair is better off in a bid of its own.
    pub better_alone: Vec<usize>,
    /// Orders that were left out because the best single path would have paid them more.
    pub beaten: Vec<usize>,
    /// How often it was solved.
    pub attempts: usize,
}

/// Why it has to be solved again.
enum Again {
    /// Without these members: they miss their limits.
    Missed(Vec<usize>),
    /// Without these: they would be better off alone.
    Alone(Vec<usize>),
    /// Without these: a single path would pay more.
    Beaten(Vec<usize>),
    /// Without these ways.
    Barred(Vec<Way>),
}

/// Solves `orders` as one batch. No pair is left with less than its floor.
///
/// # Errors
/// Why there is no batch, in words.
pub fn solve(
    auction: &Auction,
    liquidity: &Liquidity,
    config: &Config,
    orders: &[usize],
    floors: &Floors,
    warm: Option<&[f64]>,
    stop: &(dyn Fn() -> bool + Sync),
) -> Result<Joint, String> {
    let members: Vec<Member> = orders.iter().filter_map(|&k| Member::new(auction, liquidity, config, k)).collect();
    if members.is_empty() {
        return Err("no order can be part of a batch".to_owned());
    }
    let fixed = config.settlement_gas.saturating_sub(config.trade_gas) as f64;
    let gas = GasPrice { token: liquidity.numeraire(), price: liquidity.gas_price, fixed };
    let legs = members.iter().map(|m| m.leg).collect();
    let batch = Batch::new(&liquidity.snapshot, legs, &wanted(&members), gas).map_err(|e| e.to_string())?;
    Attempt { auction, liquidity, config, floors, members, batch }.run(warm, stop)
}

struct Attempt<'a> {
    auction: &'a Auction,
    liquidity: &'a Liquidity,
    config: &'a Config,
    floors: &'a Floors,
    members: Vec<Member>,
    batch: Batch,
}

/// Members at clearing prices.
struct Cleared {
    /// Which members, with what they trade and the gas they pay for.
    trades: Vec<(usize, Trade, u64)>,
    clearing: Clearing,
}

impl Cleared {
    fn surplus(&self, k: usize) -> f64 {
        let trade = &self.trades[k].1;
        trade.surplus(self.clearing.amounts(k, trade))
    }

    fn welfare(&self) -> f64 {
        (0..self.trades.len()).map(|k| self.trades[k].1.weight * self.surplus(k)).sum()
    }
}

impl Attempt<'_> {
    fn run(&self, warm: Option<&[f64]>, stop: &(dyn Fn() -> bool + Sync)) -> Result<Joint, String> {
        let budget = Budget::until(self.config.work_per_batch, stop);
        let (mut out, mut barred, mut alone, mut beaten) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut prices = warm.map(<[f64]>::to_vec);
        let mut first: Option<Welfare> = None;
        for attempts in 1..=ATTEMPTS {
            let choice = self.batch.choose(prices.as_deref(), &out, &barred, &budget);
            let choice = choice.ok_or("no orders that together pay for their gas")?;
            let mut welfare = first.unwrap_or(Welfare {
                bound: choice.bound,
                relaxed: choice.relaxed,
                whole: choice.value,
                ..Welfare::default()
            });
            let done = self.settle(&choice, &barred, &mut welfare);
            first.get_or_insert(welfare);
            let filled = choice.parts.iter().filter(|part| **part > 0.0).count();
            tracing::debug!(attempts, filled, markets = choice.markets.len(), ?welfare, "a choice");
            match done? {
                Ok(joint) => {
                    let uniform = first.map_or(welfare.uniform, |w| w.uniform);
                    let welfare = Welfare { uniform, ..joint.welfare };
                    return Ok(Joint { welfare, better_alone: alone, beaten, attempts, ..joint });
                }
                Err(Again::Missed(members)) => {
                    tracing::debug!(?members, "miss their limits");
                    out.extend(members);
                }
                Err(Again::Alone(members)) => {
                    tracing::debug!(?members, "better off alone");
                    alone.extend(members.iter().map(|&m| self.members[m].index));
                    out.extend(members);
                }
                Err(Again::Beaten(members)) => {
                    let orders = members.iter().map(|&m| self.members[m].index);
                    tracing::warn!(orders = ?orders.clone().collect::<Vec<_>>(), "a single path would pay more than the batch");
                    beaten.extend(orders);
                    out.extend(members);
                }
                Err(Again::Barred(ways)) => {
                    tracing::debug!(?ways, "barred");
                    barred.extend(ways.iter().filter_map(|way| self.hop(way)));
                }
            }
            if stop() {
                return Err("time ran out".to_owned());
            }
            prices = Some(choice.prices);
        }
        Err("no batch that can be executed after many attempts".to_owned())
    }

    /// One choice, all the way; or why it has to be made again.
    fn settle(&self, choice: &Choice, barred: &[Hop], welfare: &mut Welfare) -> Result<Result<Joint, Again>, String> {
        let cleared = match self.clear(choice, barred)? {
            Ok(cleared) => cleared,
            Err(again) => return Ok(Err(again)),
        };
        if welfare.uniform == 0.0 {
            welfare.uniform = cleared.welfare();
        }
        let cleared = match self.be_fair(choice, barred, cleared)? {
            Ok(cleared) => cleared,
            Err(again) => return Ok(Err(again)),
        };
        welfare.fair = cleared.welfare();
        let proposed = steps(self.liquidity, &cleared.clearing.flows, &choice.prices);
        let price = |token: Token| self.liquidity.units.get(token).unwrap_or(0.0) * choice.prices[token as usize];
        let planned = arbitrage(&proposed, price);
        if let Some(again) = self.unbelievable(&planned, &proposed) {
            return Ok(Err(again));
        }
        self.execute(choice, cleared, &proposed, &planned, *welfare)
    }

    /// Clears a choice: first at equal fees, then at those that come of the swaps.
    fn clear(&self, choice: &Choice, barred: &[Hop]) -> Result<Result<Cleared, Again>, String> {
        let filled: Vec<usize> = (0..self.members.len()).filter(|&m| choice.parts[m] > 0.0).collect();
        let count = filled.len() as u64;
        let swaps: f64 = choice
            .markets
            .iter()
            .map(|&(market, coins)| {
                self.liquidity.snapshot.markets().gas(market) * f64::from(coins.count_ones().saturating_sub(1))
            })
            .sum();
        let each = vec![self.fixed_gas(count).saturating_add((swaps / count.max(1) as f64) as u64); filled.len()];
        let parts: Vec<(usize, f64)> = filled.iter().map(|&m| (m, choice.parts[m])).collect();
        let start = |token: Token| choice.prices[token as usize];
        let Ok(first) = self.at_fees(choice, barred, &parts, &each, &[], start)? else {
            // Equal fees may be more than a small order has; its own may be less.
            return self.at_fees(choice, barred, &parts, &vec![self.fixed_gas(count); filled.len()], &[], start);
        };
        let fees = self.gas_of(&steps(self.liquidity, &first.clearing.flows, &choice.prices), &first, count);
        let parts: Vec<(usize, f64)> =
            first.trades.iter().zip(&first.clearing.fills).map(|((m, t, _), fill)| (*m, fill / t.fill[1])).collect();
        let second = match self.at_fees(choice, barred, &parts, &fees, &[], |token| first.clearing.price(token))? {
            Ok(second) => second,
            Err(again) => return Ok(Err(again)),
        };
        let missed = (0..second.trades.len()).filter(|&k| second.surplus(k) < -0.9 * CLEAR * second.trades[k].1.fill[1]);
        let missed: Vec<usize> = missed.map(|k| second.trades[k].0).collect();
        Ok(if missed.is_empty() { Ok(second) } else { Err(Again::Missed(missed)) })
    }

    /// Gas that an order pays for whatever is swapped: its own trade, and an equal part of the settlement.
    fn fixed_gas(&self, orders: u64) -> u64 {
        let Config { settlement_gas, trade_gas, .. } = *self.config;
        trade_gas.saturating_add(settlement_gas.saturating_sub(trade_gas).div_ceil(orders.max(1)))
    }

    fn at_fees(
        &self,
        choice: &Choice,
        barred: &[Hop],
        parts: &[(usize, f64)],
        gas: &[u64],
        floors: &[Floor],
        start: impl Fn(Token) -> f64,
    ) -> Result<Result<Cleared, Again>, String> {
        let mut trades = Vec::with_capacity(parts.len());
        let mut missed = Vec::new();
        for (&(m, part), &gas) in parts.iter().zip(gas) {
            let order = self.members[m].order(self.auction);
            let fee = self.fee(order.sell, gas).ok_or("a fee beyond all numbers")?;
            let unit = |token| self.liquidity.units.get(token).unwrap_or(0.0);
            match self.members[m].trade(f64::from(fee) * unit(order.sell), part) {
                Some(trade) => trades.push((m, trade, gas)),
                None => missed.push(m),
            }
        }
        if !missed.is_empty() {
            return Ok(Err(Again::Missed(missed)));
        }
        let bare: Vec<Trade> = trades.iter().map(|t| t.1).collect();
        // More than the integer prices need, as the swaps will leave a little less than these flows. Orders that only meet each other
        // leave nothing at all; for them a part of the fees has to do.
        let attempt = |times| {
            let spare = self.spare(&bare, times);
            clear(self.batch.snapshot(), &choice.markets, barred, &spare, &bare, floors, &choice.prices, &start)
        };
        let clearing = attempt(3.0).or_else(|_| attempt(0.0));
        Ok(Ok(Cleared { trades, clearing: clearing.map_err(|e| e.to_string())? }))
    }

    /// A fee that still pays for the gas once the settlement's rounding is taken out of it.
    fn fee(&self, sell: Token, gas: u64) -> Option<U256> {
        let fee = fee(self.auction, self.liquidity, sell, gas)?;
        let parts = U256::from(ROUNDING_PARTS);
        fee.checked_mul(parts)?.div_ceil(parts - U256::ONE).checked_add(U256::ONE)
    }

    /// What is to be left over of each token that somebody is paid in, as a negative endowment: room for the doubles that prices are
    /// found in, and for whole atoms.
    fn spare(&self, trades: &[Trade], times: f64) -> Vec<(Token, f64)> {
        let mut paid: FxHashMap<Token, f64> = FxHashMap::default();
        for trade in trades {
            let atom = self.liquidity.units.get(trade.buy).unwrap_or(0.0);
            *paid.entry(trade.buy).or_insert(LEAST_MARGIN + 4.0 * atom) += MARGIN * trade.fill[1] + 2.0 * atom;
        }
        let mut spare: Vec<(Token, f64)> = paid.into_iter().map(|(token, margin)| (token, -times * margin)).collect();
        spare.sort_unstable_by_key(|s| s.0);
        spare
    }

    /// What each trade pays for, with the gas of `steps`.
    fn gas_of(&self, steps: &[Step], cleared: &Cleared, count: u64) -> Vec<u64> {
        let sold: Vec<(Token, f64)> = cleared
            .trades
            .iter()
            .enumerate()
            .map(|(k, (_, trade, _))| {
                let unit = self.liquidity.units.get(trade.sell).unwrap_or(1.0);
                (trade.sell, cleared.clearing.amounts(k, trade)[0] / unit)
            })
            .collect();
        let shares = gas::shares(steps, |step| self.auction.pools[step.pool].gas as f64, &sold);
        shares.into_iter().map(|share| self.fixed_gas(count).saturating_add(share.ceil() as u64)).collect()
    }

    /// Clears again where a pair gets less than it could have by itself; or says who has to go.
    fn be_fair(&self, choice: &Choice, barred: &[Hop], cleared: Cleared) -> Result<Result<Cleared, Again>, String> {
        let floors = self.floors_of(&cleared, FAIR);
        let behind = |cleared: &Cleared| -> Vec<(f64, usize)> {
            let lacks = |floor: &Floor| floor.surplus - floor.trades.iter().map(|&k| cleared.surplus(k)).sum::<f64>();
            let all = floors.iter().enumerate().map(|(f, floor)| (lacks(floor) / floor.surplus, f));
            all.filter(|(lack, _)| *lack > 0.5 * FAIR).collect()
        };
        if behind(&cleared).is_empty() {
            return Ok(Ok(cleared));
        }
        let parts: Vec<(usize, f64)> =
            cleared.trades.iter().zip(&cleared.clearing.fills).map(|((m, t, _), fill)| (*m, fill / t.fill[1])).collect();
        let gas: Vec<u64> = cleared.trades.iter().map(|t| t.2).collect();
        let Ok(fair) = self.at_fees(choice, barred, &parts, &gas, &floors, |token| cleared.clearing.price(token))? else {
            return Ok(Ok(cleared));
        };
        let mut behind = behind(&fair);
        if behind.is_empty() {
            return Ok(Ok(fair));
        }
        // Those that lack most; where most pairs lack something, what the first leave may be enough for others.
        behind.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        if behind.len() > floors.len() / 4 {
            behind.truncate(behind.len().div_ceil(2));
        }
        let gone = behind.iter().flat_map(|&(_, f)| &floors[f].trades).map(|&k| fair.trades[k].0).collect();
        Ok(Err(Again::Alone(gone)))
    }

    /// What each pair is to be left with, and a part more: as much as a bid of its own scores.
    fn floors_of(&self, cleared: &Cleared, more: f64) -> Vec<Floor> {
        let mut of: FxHashMap<Pair, Vec<usize>> = FxHashMap::default();
        for (k, (_, trade, _)) in cleared.trades.iter().enumerate().filter(|(_, t)| t.1.weight > 0.0) {
            of.entry([trade.sell, trade.buy]).or_default().push(k);
        }
        let mut floors: Vec<Floor> = of
            .into_iter()
            .filter_map(|(pair, trades)| {
                let own = self.floors.get(&pair).map_or(0.0, |score| f64::from(*score) / WEI_PER_UNIT);
                let surplus = own * (1.0 + more);
                (surplus > 0.0).then_some(Floor { trades, surplus })
            })
            .collect();
        floors.sort_by(|a, b| a.trades.cmp(&b.trades));
        floors
    }

    /// Executes the steps, and prices what comes of them.
    fn execute(
        &self,
        choice: &Choice,
        mut cleared: Cleared,
        proposed: &[Step],
        planned: &Arbitrage,
        mut welfare: Welfare,
    ) -> Result<Result<Joint, Again>, String> {
        let count = cleared.trades.len() as u64;
        for _ in 0..FEES {
            let fills = self.fills(&cleared)?;
            let parts: Vec<Part> = fills.iter().zip(&cleared.trades).map(|(fill, (m, ..))| self.part(*m, fill)).collect();
            let stakes = self.stakes(&cleared, &parts)?;
            let paid: Vec<Token> = parts.iter().map(|p| p.buy).collect();
            let run = match Run::new(self.auction, proposed, Funding { stakes: &stakes, paid: &paid, wanted: None }) {
                Ok(run) => run,
                Err(PlanError::Swap { way, error }) => {
                    tracing::debug!(pool = way.pool, %error, "a planned swap fails");
                    return Ok(Err(Again::Barred(vec![way])));
                }
                Err(error) => return Err(error.to_string()),
            };
            let made: Vec<Step> = run.swaps.iter().map(Step::from).collect();
            let used: u64 = made.iter().map(|s| self.auction.pools[s.pool].gas).sum();
            let Config { settlement_gas, trade_gas, .. } = *self.config;
            let used = used.saturating_add(settlement_gas).saturating_add(trade_gas.saturating_mul(count.saturating_sub(1)));
            if fills.iter().map(|f| f.gas).sum::<u64>() < used {
                let gas = self.gas_of(&made, &cleared, count);
                for (trade, gas) in cleared.trades.iter_mut().zip(gas) {
                    trade.2 = gas;
                }
                continue;
            }
            let price = |token: Token| self.liquidity.units.get(token).unwrap_or(0.0) * choice.prices[token as usize];
            let harvest = arbitrage(&made, price);
            if let Some(again) = self.unbelievable(&harvest, &made) {
                return Ok(Err(again));
            }
            let floors = self.floors_of(&cleared, FAIR);
            let Some(prices) = self.prices(&cleared, &fills, &parts, &floors, &run) else {
                return Err("no prices that what is there can pay".to_owned());
            };
            let (missed, surplus) = self.scored(&fills, &parts, &prices)?;
            let members = |trades: Vec<usize>| trades.into_iter().map(|k| cleared.trades[k].0).collect();
            if !missed.is_empty() {
                return Ok(Err(Again::Missed(members(missed))));
            }
            let own = |trades: &[usize]| {
                let trade = &cleared.trades[trades[0]].1;
                self.floors.get(&[trade.sell, trade.buy]).map_or(0.0, |score| f64::from(*score) / WEI_PER_UNIT)
            };
            let unfair = floors.iter();
            let unfair = unfair.filter(|floor| floor.trades.iter().map(|&k| surplus[k]).sum::<f64>() < own(&floor.trades));
            let unfair: Vec<usize> = unfair.flat_map(|floor| floor.trades.clone()).collect();
            if !unfair.is_empty() {
                return Ok(Err(Again::Alone(members(unfair))));
            }
            let beaten = self.beaten(&fills, &parts, &prices);
            if !beaten.is_empty() {
                return Ok(Err(Again::Beaten(members(beaten))));
            }
            welfare.realised = surplus.iter().sum();
            let worth = |token: Token, amount: U256| f64::from(amount) * self.liquidity.units.get(token).unwrap_or(0.0);
            let amounts = |part: &Part| part.amounts(|t| prices.get(&t).copied()).unwrap_or_default();
            let volume: f64 = parts.iter().map(|p| worth(p.sell, amounts(p)[0])).sum();
            let routed = self.routed(&parts, &run);
            let mut prices: Vec<(Token, U256)> = prices.into_iter().collect();
            prices.sort_unstable();
            let left_behind = (planned.total - harvest.total).max(0.0);
            let (better_alone, beaten, attempts) = (Vec::new(), Vec::new(), 0);
            let swaps = run.swaps;
            return Ok(Ok(Joint {
                fills,
                prices,
                swaps,
                gas: used,
                welfare,
                harvest,
                left_behind,
                volume,
                routed,
                better_alone,
                beaten,
                attempts,
            }));
        }
        Err("the gas does not settle".to_owned())
    }

    /// Fills to the atom.
    fn fills(&self, cleared: &Cleared) -> Result<Vec<Fill>, String> {
        let mut fills = Vec::with_capacity(cleared.trades.len());
        for ((m, trade, gas), fill) in cleared.trades.iter().zip(&cleared.clearing.fills) {
            let member = &self.members[*m];
            let order = member.order(self.auction);
            let fee = self.fee(order.sell, *gas).ok_or("a fee beyond all numbers")?;
            let (most, token) = match member.exact {
                Exact::Sold => (order.sell_amount.saturating_sub(fee), order.sell),
                Exact::Bought => (order.buy_amount, order.buy),
            };
            let unit = self.liquidity.units.get(token).unwrap_or(1.0);
            let whole = member.leg.whole || *fill >= trade.fill[1] * (1.0 - 1e-9);
            let executed = if whole { most } else { from_f64(fill / unit).unwrap_or(most).min(most) };
            fills.push(Fill { order: member.index, executed, fee, gas: *gas });
        }
        Ok(fills)
    }

    fn part(&self, m: usize, fill: &Fill) -> Part {
        let Member { leg, exact, .. } = self.members[m];
        Part { sell: leg.sell, buy: leg.buy, executed: fill.executed, exact_sold: exact == Exact::Sold }
    }

    /// What the orders bring: of buyers, what they are expected to pay.
    fn stakes(&self, cleared: &Cleared, parts: &[Part]) -> Result<Vec<Stake>, String> {
        let mut stakes: FxHashMap<Token, Stake> = FxHashMap::default();
        for (k, ((_, trade, _), part)) in cleared.trades.iter().zip(parts).enumerate() {
            let unit = self.liquidity.units.get(part.sell).unwrap_or(1.0);
            let sold = cleared.clearing.amounts(k, trade)[0] / unit;
            let amount = if part.exact_sold { part.executed } else { from_f64(sold).ok_or("an amount beyond all numbers")? };
            let stake = stakes.entry(part.sell).or_insert(Stake { token: part.sell, amount: U256::ZERO, proposed: 0.0 });
            stake.amount = stake.amount.checked_add(amount).ok_or("an amount beyond all numbers")?;
            stake.proposed += sold;
        }
        let mut stakes: Vec<Stake> = stakes.into_values().collect();
        stakes.sort_unstable_by_key(|s| s.token);
        Ok(stakes)
    }

    /// Integer prices: the best that what the swaps left can pay.
    fn prices(
        &self,
        cleared: &Cleared,
        fills: &[Fill],
        parts: &[Part],
        floors: &[Floor],
        run: &Run,
    ) -> Option<FxHashMap<Token, U256>> {
        // By how much the swaps changed what there is: brought and taken.
        let mut net: FxHashMap<Token, [U256; 2]> = FxHashMap::default();
        for swap in &run.swaps {
            let taken = &mut net.entry(swap.input).or_default()[1];
            *taken = taken.checked_add(swap.amount_in)?;
            let brought = &mut net.entry(swap.output).or_default()[0];
            *brought = brought.checked_add(swap.amount_out)?;
        }
        for (part, fill) in parts.iter().zip(fills) {
            let brought = &mut net.entry(part.sell).or_default()[0];
            *brought = brought.checked_add(fill.fee / U256::from(ROUNDING_PARTS))?;
        }
        let unit = |token: Token| self.liquidity.units.get(token).unwrap_or(1.0);
        let mut touched: Vec<Token> = parts.iter().flat_map(|p| [p.sell, p.buy]).collect();
        touched.sort_unstable();
        touched.dedup();
        let trades: Vec<Trade> = parts
            .iter()
            .zip(&cleared.trades)
            .map(|(part, (_, trade, _))| {
                let token = if part.exact_sold { part.sell } else { part.buy };
                let fill = f64::from(part.executed) * unit(token);
                Trade { fill: [fill, fill], start: fill, ..*trade }
            })
            .collect();
        // Where the doubles leave no room at all, the integers may still do.
        let found = [1.0, 0.1, 0.0].into_iter().find_map(|times| {
            let mut endowment = self.spare(&trades, times);
            for &token in &touched {
                let [brought, taken] = net.get(&token).copied().unwrap_or_default();
                let change = if brought >= taken { f64::from(brought - taken) } else { -f64::from(taken - brought) };
                // Where nobody is paid there is nothing to go wrong but the doubles.
                let spare = if parts.iter().any(|p| p.buy == token) { 0.0 } else { LEAST_MARGIN };
                endowment.push((token, change * unit(token) + spare));
            }
            let start = |token| cleared.clearing.price(token);
            let found = clear(&self.liquidity.snapshot, &[], &[], &endowment, &trades, floors, &[], start);
            found.inspect_err(|error| tracing::debug!(%error, times, "no prices")).ok()
        });
        // Or the prices that the swaps were made for, shaved by what is missing.
        let price = |token: Token| found.as_ref().unwrap_or(&cleared.clearing).price(token);
        let worth: Vec<(Token, f64)> = touched.iter().map(|&t| (t, price(t) * unit(t))).collect();
        exact(parts, &worth, &net)
    }

    /// Which fills miss their limits at these prices, and what each is scored, in value units.
    fn scored(&self, fills: &[Fill], parts: &[Part], prices: &FxHashMap<Token, U256>) -> Result<(Vec<usize>, Vec<f64>), String> {
        let (mut missed, mut scores) = (Vec::new(), Vec::with_capacity(fills.len()));
        for (k, (fill, part)) in fills.iter().zip(parts).enumerate() {
            let order = &self.auction.orders[fill.order];
            let amounts = part.amounts(|t| prices.get(&t).copied()).ok_or("an amount beyond all numbers")?;
            let [sold, bought] = amounts;
            let paid = sold.checked_add(fill.fee).ok_or("an amount beyond all numbers")?;
            if fill.executed.is_zero() || paid > order.sell_amount || !at_least(bought, order.sell_amount, paid, order.buy_amount)
            {
                missed.push(k);
            }
            let unit = self.liquidity.units.get(order.buy).unwrap_or(0.0);
            let asked = mul_div_up(paid, order.buy_amount, order.sell_amount).ok_or("an amount beyond all numbers")?;
            scores.push(if order.is_scored() { f64::from(bought.saturating_sub(asked)) * unit } else { 0.0 });
        }
        Ok((missed, scores))
    }

    /// Fills of pairs that the best single path would pay more for.
    fn beaten(&self, fills: &[Fill], parts: &[Part], prices: &FxHashMap<Token, U256>) -> Vec<usize> {
        let mut pairs: FxHashMap<Pair, ([U256; 2], Vec<usize>)> = FxHashMap::default();
        for (k, (fill, part)) in fills.iter().zip(parts).enumerate() {
            if self.auction.orders[fill.order].is_scored() {
                let [sold, bought] = part.amounts(|t| prices.get(&t).copied()).unwrap_or_default();
                let ([paid, got], trades) = pairs.entry([part.sell, part.buy]).or_default();
                *paid = paid.saturating_add(sold).saturating_add(fill.fee);
                *got = got.saturating_add(bought);
                trades.push(k);
            }
        }
        let beaten = |(pair, ([paid, got], _)): &(&Pair, &([U256; 2], Vec<usize>))| {
            reference::alone(self.auction, self.liquidity, self.config, **pair, *paid).is_some_and(|alone| alone > *got)
        };
        let mut beaten: Vec<usize> = pairs.par_iter().filter(beaten).flat_map_iter(|(_, (_, trades))| trades.clone()).collect();
        beaten.sort_unstable();
        beaten
    }

    /// Value units of what is sold that pools are given.
    fn routed(&self, parts: &[Part], run: &Run) -> f64 {
        let mut sold: Vec<Token> = parts.iter().map(|p| p.sell).collect();
        sold.sort_unstable();
        sold.dedup();
        let value = |token: Token, amount: U256| f64::from(amount) * self.liquidity.units.get(token).unwrap_or(0.0);
        let change = |token: &Token| {
            let into: f64 = run.swaps.iter().filter(|s| s.input == *token).map(|s| value(*token, s.amount_in)).sum();
            let back: f64 = run.swaps.iter().filter(|s| s.output == *token).map(|s| value(*token, s.amount_out)).sum();
            (into - back).max(0.0)
        };
        sold.iter().map(change).sum()
    }

    /// What has to go where cycles earn more than is believable.
    fn unbelievable(&self, harvest: &Arbitrage, steps: &[Step]) -> Option<Again> {
        let suspects = harvest.suspects(self.config);
        if suspects.is_empty() {
            return None;
        }
        tracing::warn!(pools = ?suspects, "cycles earn more than is believable; solving again without");
        Some(Again::Barred(steps.iter().filter(|s| suspects.contains(&s.pool)).map(Way::of).collect()))
    }

    fn hop(&self, way: &Way) -> Option<Hop> {
        let pool = &self.auction.pools[way.pool];
        let (input, output) = (pool.coin(way.input)?, pool.coin(way.output)?);
        Some(Hop { market: self.liquidity.market(way.pool)?, input: input as u8, output: output as u8 })
    }
}
