//! Clearing prices and fees for a choice: the fees pay for the gas of its own swaps.

use std::collections::BTreeMap;

use alloy_primitives::U256;
use ballast_routing::{Claim, Clearing, Distance, Flow, Hop, Joint as Choice, Presence, ToClear, Token, Trade};
use rustc_hash::FxHashMap;

use super::Attempt;
use super::gas;
use super::orders::CLEAR;
use crate::batch::plan::fee;
use crate::batch::step::{Step, steps};
use crate::config::Config;
use crate::settlement::ROUNDING_PARTS;

/// What is left over in each token, as a part of what is paid.
const MARGIN: f64 = 1e-9;
/// The same in value units: 10⁻⁹ native tokens.
pub(super) const LEAST_MARGIN: f64 = 1e-6;
/// The same as a part of the largest trade of all: what a programme's payments are off by.
const OFF: f64 = 1e-9;
/// Units of gas, and atoms, that a fee may be rounded up by.
const ROUNDED_UP: f64 = 2.0;
/// Value units of a token that are not missed before they are paid.
pub(super) const LITTLE: f64 = 1e-3;
/// What is missing is made up for by this much.
const REPAID: f64 = 1.5;
/// How much more than these the swaps are asked for, and how much of what they bring: venues compute less exactly than doubles do, and
/// fees that stay in a pool move it. So many times as much once somebody goes short for it.
const AMPLE: f64 = 3.0;
const BROUGHT: f64 = 1e-6;
const AMPLER: f64 = 3.0;

/// A member, with what it trades.
#[derive(Debug, Clone, Copy)]
pub(super) struct Traded {
    /// Its place among the members.
    pub member: usize,
    pub trade: Trade,
    /// Gas that its fee pays for.
    pub gas: u64,
    /// Gas that it should pay for.
    pub share: u64,
}

/// Members at clearing prices.
#[derive(Debug)]
pub(super) struct Cleared {
    pub trades: Vec<Traded>,
    pub clearing: Clearing,
}

impl Cleared {
    /// Value units that a trade sells without its fee and buys.
    pub fn amounts(&self, k: usize) -> [f64; 2] {
        self.clearing.amounts(k, &self.trades[k].trade)
    }

    pub fn surplus(&self, k: usize) -> f64 {
        self.trades[k].trade.surplus(self.amounts(k))
    }

    /// Whether a trade gets less than its limit asks.
    pub fn misses(&self, k: usize) -> bool {
        self.surplus(k) < -0.9 * CLEAR * self.trades[k].trade.fill[1]
    }

    /// Whether a trade sells no more than it pays for gas.
    pub fn is_idle(&self, k: usize) -> bool {
        self.amounts(k)[0] <= self.trades[k].trade.fee[0]
    }

    pub fn welfare(&self) -> f64 {
        self.trades.iter().enumerate().map(|(k, t)| t.trade.weight * self.surplus(k)).sum()
    }

    /// Gas of all.
    pub fn gas(&self) -> u64 {
        self.trades.iter().map(|t| t.share).sum()
    }

    /// Some of the trades, by their places.
    pub fn only(self, places: &[usize]) -> Self {
        let Clearing { flows, prices, fills, fees, short } = self.clearing;
        let pick = |all: &[f64]| places.iter().map(|&k| all[k]).collect();
        let clearing = Clearing { fills: pick(&fills), fees: pick(&fees), flows, prices, short };
        Self { trades: places.iter().map(|&k| self.trades[k]).collect(), clearing }
    }

    /// Each member with the part of it that is filled.
    pub fn parts(&self) -> Vec<(usize, f64)> {
        self.trades.iter().zip(&self.clearing.fills).map(|(t, fill)| (t.member, fill / t.trade.fill[1])).collect()
    }
}

/// What execution showed to be in the way of a choice.
#[derive(Debug, Default)]
pub(super) struct Lessons {
    /// Ways that cannot be gone.
    pub barred: Vec<Hop>,
    /// Value units of a token that the swaps leave less than is expected of them.
    pub spare: FxHashMap<Token, f64>,
    /// Gas of swaps that take more than one go.
    pub gas: u64,
    /// Times that somebody went short of what the swaps left.
    pub short: i32,
    /// Members that ask for more than prices give them where others lack something.
    pub in_the_way: Vec<usize>,
}

impl Lessons {
    /// Asks for more of what is missing, whatever was asked for before.
    pub fn missing(&mut self, missing: Vec<(Token, f64)>) {
        for (token, units) in missing {
            *self.spare.entry(token).or_default() += REPAID * units;
        }
    }

    /// Asks for what is lost on the way.
    pub fn lost(&mut self, lost: Vec<(Token, f64)>) {
        for (token, units) in lost {
            let spare = self.spare.entry(token).or_default();
            *spare = spare.max(REPAID * units);
        }
    }
}

/// What is cleared: a choice, and what has been learnt about it.
#[derive(Clone, Copy)]
pub(super) struct Chosen<'a> {
    pub choice: &'a Choice,
    pub lessons: &'a Lessons,
}

/// At what terms.
#[derive(Clone, Copy)]
pub(super) struct Terms<'a> {
    /// What pairs are to be left with.
    pub claims: &'a [Claim],
    pub presence: Presence<'a>,
    pub distance: Distance,
}

impl Attempt<'_> {
    /// A choice at its own prices and equal fees: these pay for themselves, and leave over what the markets earn below the margin.
    pub(super) fn at_choice(&self, choice: &Choice) -> Result<Cleared, String> {
        let parts = choice.parts.iter().copied().enumerate().filter(|(_, part)| *part > 0.0);
        let parts: Vec<(usize, f64)> = parts.collect();
        let count = parts.len() as u64;
        let gas = |market| self.liquidity.snapshot.markets().gas(market);
        let swaps = choice.markets.iter().map(|&(market, coins)| gas(market) * f64::from(coins.count_ones().saturating_sub(1)));
        let swaps: f64 = swaps.sum();
        let equal = self.own_gas(count, 0).saturating_add((swaps / count.max(1) as f64) as u64);
        let trades = self.trades(&parts, &vec![equal; parts.len()])?;
        let mut prices: Vec<(Token, f64)> =
            trades.iter().flat_map(|t| [t.trade.sell, t.trade.buy]).map(|t| (t, choice.prices[t as usize])).collect();
        prices.sort_by_key(|p| p.0);
        prices.dedup_by_key(|p| p.0);
        let fills = trades.iter().map(|t| t.trade.start).collect();
        let fees = trades.iter().map(|t| t.trade.fee[0]).collect();
        Ok(Cleared { clearing: Clearing { flows: choice.flows.clone(), prices, fills, fees, short: Vec::new() }, trades })
    }

    /// The most that one price a token leaves of a choice, whatever pairs claim; where that can be told.
    pub(super) fn uniform(&self, choice: &Choice) -> Option<f64> {
        let terms = Terms { claims: &[], presence: Presence::Fixed, distance: Distance::Far };
        let chosen = Chosen { choice, lessons: &Lessons::default() };
        let cleared = self.clear_again(chosen, &self.at_choice(choice).ok()?, terms).ok()?;
        // What some lack others would be paid.
        let is_paid = cleared.clearing.short.is_empty() && !(0..cleared.trades.len()).any(|k| cleared.misses(k));
        is_paid.then(|| cleared.welfare())
    }

    /// Members with the parts of them that are filled, and what they pay for gas.
    fn trades(&self, parts: &[(usize, f64)], fair: &[u64]) -> Result<Vec<Traded>, String> {
        let own = self.config.trade_gas;
        let mut trades = Vec::with_capacity(parts.len());
        for (&(member, part), &fair) in parts.iter().zip(fair) {
            let sell = self.members[member].leg.sell;
            let unit = self.liquidity.units.get(sell).unwrap_or(0.0);
            let least = f64::from(self.fee(sell, own).ok_or("a fee beyond all numbers")?) * unit;
            // What is paid is for whole units of gas and in whole atoms, which may be that much more.
            let least = least + ROUNDED_UP * (self.per_gas() + unit);
            let fee = [least, least + self.per_gas() * fair.saturating_sub(own) as f64];
            let trade = self.members[member].trade(fee, part).ok_or("an order that is not worth its gas")?;
            trades.push(Traded { member, trade, gas: own, share: fair });
        }
        Ok(trades)
    }

    /// Clears again, near to what there is, with fees that together pay for the gas of the swaps that there are: an order's own share
    /// where it can bear that.
    pub(super) fn clear_again(
        &self,
        Chosen { choice, lessons }: Chosen<'_>,
        cleared: &Cleared,
        terms: Terms<'_>,
    ) -> Result<Cleared, String> {
        let fair = self.gas_of(&steps(self.liquidity, &cleared.clearing.flows), cleared, lessons.gas);
        let mut trades = self.trades(&cleared.parts(), &fair)?;
        let Terms { claims, presence, distance } = terms;
        let bare: Vec<Trade> = trades.iter().map(|t| t.trade).collect();
        // More than the integer prices need, as the swaps will leave a little less than these flows.
        let mut spare = self.spare(&bare, AMPLE);
        self.spare_of_swaps(&mut spare, &cleared.clearing.flows, BROUGHT * AMPLER.powi(lessons.short));
        for (&token, &units) in &lessons.spare {
            *spare.entry(token).or_default() += units;
        }
        let spare: Vec<(Token, f64)> = spare.into_iter().collect();
        let to_clear = ToClear {
            snapshot: self.batch.snapshot(),
            markets: &choice.markets,
            flows: &cleared.clearing.flows,
            barred: &lessons.barred,
            endowment: &[],
            spare: &spare,
            nu: &choice.prices,
            trades: &bare,
            claims,
            presence,
            distance,
        };
        let mut clearing = to_clear.clear(|token| cleared.clearing.price(token)).map_err(|error| error.to_string())?;
        // Execution shows whether a little is missing.
        clearing.short.retain(|(_, units)| *units > LITTLE);
        for (traded, &fee) in trades.iter_mut().zip(&clearing.fees) {
            let extra = (fee - traded.trade.fee[0]) / self.per_gas();
            // Gas that costs nothing is shared as it should be.
            let paid = || traded.gas.saturating_add(extra.max(0.0).ceil() as u64).saturating_add(1);
            traded.gas = if extra.is_finite() { paid() } else { traded.share };
            traded.trade = traded.trade.at(fee);
        }
        Ok(Cleared { trades, clearing })
    }

    /// A fee that still pays for the gas once the settlement's rounding is taken out of it.
    pub(super) fn fee(&self, sell: Token, gas: u64) -> Option<U256> {
        let fee = fee(self.auction, self.liquidity, sell, gas)?;
        let parts = U256::from(ROUNDING_PARTS);
        fee.checked_mul(parts)?.div_ceil(parts - U256::ONE).checked_add(U256::ONE)
    }

    /// Value units that a unit of gas adds to a fee.
    fn per_gas(&self) -> f64 {
        self.liquidity.gas_price * ROUNDING_PARTS as f64 / (ROUNDING_PARTS - 1) as f64
    }

    /// What is to be left over of each token that somebody is paid in: room for the doubles that prices are found in, and for whole
    /// atoms. Orders that only meet each other leave nothing at all: for them a part of the fees has to do.
    pub(super) fn spare(&self, trades: &[Trade], times: f64) -> BTreeMap<Token, f64> {
        let mut paid: BTreeMap<Token, f64> = BTreeMap::new();
        let least = LEAST_MARGIN + OFF * trades.iter().map(|t| t.fill[1]).fold(0.0, f64::max);
        for trade in trades {
            let atom = self.liquidity.units.get(trade.buy).unwrap_or(0.0);
            let margin = paid.entry(trade.buy).or_insert(times * (least + 4.0 * atom));
            *margin += times * (MARGIN * trade.fill[1] + 2.0 * atom);
        }
        paid
    }

    /// The same for a part of what swaps bring. Orders that only meet each other have none to spare.
    fn spare_of_swaps(&self, spare: &mut BTreeMap<Token, f64>, flows: &[Flow], part: f64) {
        for flow in flows {
            for (token, brought) in self.batch.snapshot().markets().coins(flow.market).iter().zip(&flow.trade) {
                if let Some(margin) = spare.get_mut(token) {
                    *margin += part * brought.max(0.0);
                }
            }
        }
    }

    /// Gas of an order's own trade, and an equal part of the settlement's and of what is needed `besides`.
    fn own_gas(&self, orders: u64, besides: u64) -> u64 {
        let Config { settlement_gas, trade_gas, .. } = *self.config;
        let shared = settlement_gas.saturating_sub(trade_gas).saturating_add(besides);
        trade_gas.saturating_add(shared.div_ceil(orders.max(1)))
    }

    /// A fair share for each trade of the gas of `steps`, and of what is needed `besides`.
    fn gas_of(&self, steps: &[Step], cleared: &Cleared, besides: u64) -> Vec<u64> {
        let sold = |(k, t): (usize, &Traded)| {
            let unit = self.liquidity.units.get(t.trade.sell).unwrap_or(1.0);
            (t.trade.sell, cleared.amounts(k)[0] / unit)
        };
        let sold: Vec<(Token, f64)> = cleared.trades.iter().enumerate().map(sold).collect();
        let shares = gas::shares(steps, |step| self.auction.pools[step.pool].gas as f64, &sold);
        let own = self.own_gas(cleared.trades.len() as u64, besides);
        shares.into_iter().map(|share| own.saturating_add(share.ceil() as u64)).collect()
    }
}
