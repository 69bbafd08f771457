//! Clearing prices for a choice, at fees that follow from the gas of its own swaps.

use alloy_primitives::U256;
use ballast_routing::{Claim, Clearing, Hop, Joint as Choice, Presence, Token, Trade, clear};
use rustc_hash::FxHashMap;

use super::orders::CLEAR;
use super::{Attempt, Obstacle, gas};
use crate::batch::plan::fee;
use crate::batch::step::{Step, steps};
use crate::config::Config;
use crate::settlement::ROUNDING_PARTS;

/// A part of a fill that is as good as all.
pub(super) const WHOLE: f64 = 1.0 - 1e-4;
/// What is left over in each token, as a part of what is paid.
const MARGIN: f64 = 1e-9;
/// The same in value units: 10⁻⁹ native tokens.
pub(super) const LEAST_MARGIN: f64 = 1e-6;

/// A member, with what it trades.
#[derive(Debug, Clone, Copy)]
pub(super) struct Traded {
    /// Its place among the members.
    pub member: usize,
    pub trade: Trade,
    /// Gas that its fee pays for.
    pub gas: u64,
}

/// Members at clearing prices.
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

    pub fn welfare(&self) -> f64 {
        self.trades.iter().enumerate().map(|(k, t)| t.trade.weight * self.surplus(k)).sum()
    }

    /// Some of the trades, by their places.
    pub fn only(&self, places: &[usize]) -> Self {
        let clearing = &self.clearing;
        Self {
            trades: places.iter().map(|&k| self.trades[k]).collect(),
            clearing: Clearing { fills: places.iter().map(|&k| clearing.fills[k]).collect(), ..clearing.clone() },
        }
    }

    /// Each member with the part of it that is filled.
    pub fn parts(&self) -> Vec<(usize, f64)> {
        self.trades.iter().zip(&self.clearing.fills).map(|(t, fill)| (t.member, fill / t.trade.fill[1])).collect()
    }
}

/// What is cleared: a choice without the ways that turned out to be barred.
#[derive(Clone, Copy)]
pub(super) struct Chosen<'a> {
    pub choice: &'a Choice,
    pub barred: &'a [Hop],
    /// What is to be left over, as a multiple of the numbers' own error.
    pub margin: f64,
}

/// What pairs are to be left with.
#[derive(Clone, Copy)]
pub(super) struct Claims<'a> {
    pub claims: &'a [Claim],
    pub presence: Presence,
}

impl Claims<'_> {
    const NONE: Self = Self { claims: &[], presence: Presence::Fixed };
}

impl Attempt<'_> {
    /// Clears a choice: first at equal fees, then at those that come of the swaps.
    pub(super) fn clear(&self, chosen: Chosen<'_>) -> Result<Cleared, Obstacle> {
        let choice = chosen.choice;
        let parts = choice.parts.iter().copied().enumerate().filter(|(_, part)| *part > 0.0);
        let parts: Vec<(usize, f64)> = parts.collect();
        let count = parts.len() as u64;
        let gas = |market| self.liquidity.snapshot.markets().gas(market);
        let swaps = choice.markets.iter().map(|&(market, coins)| gas(market) * f64::from(coins.count_ones().saturating_sub(1)));
        let swaps: f64 = swaps.sum();
        let start = |token: Token| choice.prices[token as usize];
        let own = self.fixed_gas(count);
        let equal = own.saturating_add((swaps / count.max(1) as f64) as u64);
        let first = match self.at_fees(chosen, &parts, &vec![equal; parts.len()], Claims::NONE, start) {
            // Equal fees may be more than a small order has; its own may be less.
            Err(Obstacle::Missed(_)) => return self.at_fees(chosen, &parts, &vec![own; parts.len()], Claims::NONE, start),
            first => first?,
        };
        let fees = self.gas_of(&steps(self.liquidity, &first.clearing.flows, &choice.prices), &first);
        let second = self.at_fees(chosen, &first.parts(), &fees, Claims::NONE, |token| first.clearing.price(token))?;
        let misses = |k: &usize| second.surplus(*k) < -0.9 * CLEAR * second.trades[*k].trade.fill[1];
        let missed: Vec<usize> = (0..second.trades.len()).filter(misses).map(|k| second.trades[k].member).collect();
        if missed.is_empty() { Ok(second) } else { Err(Obstacle::Missed(missed)) }
    }

    /// Clears again, with claims on what is there.
    pub(super) fn clear_again(&self, chosen: Chosen<'_>, cleared: &Cleared, claims: Claims<'_>) -> Result<Cleared, Obstacle> {
        let gas: Vec<u64> = cleared.trades.iter().map(|t| t.gas).collect();
        self.at_fees(chosen, &cleared.parts(), &gas, claims, |token| cleared.clearing.price(token))
    }

    /// Clears those that are left when others go, who pay for all gas.
    pub(super) fn without_others(&self, chosen: Chosen<'_>, left: &Cleared) -> Result<Cleared, Obstacle> {
        let gas = self.gas_of(&steps(self.liquidity, &left.clearing.flows, &chosen.choice.prices), left);
        self.at_fees(chosen, &left.parts(), &gas, Claims::NONE, |token| left.clearing.price(token))
    }

    fn at_fees(
        &self,
        Chosen { choice, barred, margin }: Chosen<'_>,
        parts: &[(usize, f64)],
        gas: &[u64],
        Claims { claims, presence }: Claims<'_>,
        start: impl Fn(Token) -> f64,
    ) -> Result<Cleared, Obstacle> {
        let mut trades = Vec::with_capacity(parts.len());
        let mut missed = Vec::new();
        for (&(member, part), &gas) in parts.iter().zip(gas) {
            let sell = self.members[member].leg.sell;
            let fee = self.fee(sell, gas).ok_or("a fee beyond all numbers")?;
            let unit = self.liquidity.units.get(sell).unwrap_or(0.0);
            match self.members[member].trade(f64::from(fee) * unit, part) {
                Some(trade) => trades.push(Traded { member, trade, gas }),
                None => missed.push(member),
            }
        }
        if !missed.is_empty() {
            return Err(Obstacle::Missed(missed));
        }
        let bare: Vec<Trade> = trades.iter().map(|t| t.trade).collect();
        // More than the integer prices need, as the swaps will leave a little less than these flows. Orders that only meet each other
        // leave nothing at all; for them a part of the fees has to do.
        let attempt = |times, presence| {
            let spare = self.spare(&bare, times);
            clear(self.batch.snapshot(), &choice.markets, barred, &spare, &bare, claims, presence, &choice.prices, &start)
        };
        let clearing = attempt(margin, presence).or_else(|_| attempt(0.0, presence)).map_err(|error| {
            // The markets do not bring what those want who must be whole: without whom they do is who goes.
            let free = attempt(0.0, Presence::Free).map(|clearing| Cleared { trades: trades.clone(), clearing });
            let parts = free.map(|free| free.parts()).unwrap_or_default().into_iter();
            let missed: Vec<usize> = parts.filter(|&(m, part)| self.members[m].leg.whole && part < WHOLE).map(|p| p.0).collect();
            if missed.is_empty() { Obstacle::Failed(error.to_string()) } else { Obstacle::Missed(missed) }
        })?;
        Ok(Cleared { trades, clearing })
    }

    /// A fee that still pays for the gas once the settlement's rounding is taken out of it.
    pub(super) fn fee(&self, sell: Token, gas: u64) -> Option<U256> {
        let fee = fee(self.auction, self.liquidity, sell, gas)?;
        let parts = U256::from(ROUNDING_PARTS);
        fee.checked_mul(parts)?.div_ceil(parts - U256::ONE).checked_add(U256::ONE)
    }

    /// What is to be left over of each token that somebody is paid in, as a negative endowment: room for the doubles that prices are
    /// found in, and for whole atoms.
    pub(super) fn spare(&self, trades: &[Trade], times: f64) -> Vec<(Token, f64)> {
        let mut paid: FxHashMap<Token, f64> = FxHashMap::default();
        for trade in trades {
            let atom = self.liquidity.units.get(trade.buy).unwrap_or(0.0);
            *paid.entry(trade.buy).or_insert(LEAST_MARGIN + 4.0 * atom) += MARGIN * trade.fill[1] + 2.0 * atom;
        }
        let mut spare: Vec<(Token, f64)> = paid.into_iter().map(|(token, margin)| (token, -times * margin)).collect();
        spare.sort_unstable_by_key(|s| s.0);
        spare
    }

    /// Gas that an order pays for whatever is swapped: its own trade, and an equal part of the settlement.
    fn fixed_gas(&self, orders: u64) -> u64 {
        let Config { settlement_gas, trade_gas, .. } = *self.config;
        trade_gas.saturating_add(settlement_gas.saturating_sub(trade_gas).div_ceil(orders.max(1)))
    }

    /// What each trade pays for, with the gas of `steps`.
    pub(super) fn gas_of(&self, steps: &[Step], cleared: &Cleared) -> Vec<u64> {
        let sold = |(k, t): (usize, &Traded)| {
            let unit = self.liquidity.units.get(t.trade.sell).unwrap_or(1.0);
            (t.trade.sell, cleared.amounts(k)[0] / unit)
        };
        let sold: Vec<(Token, f64)> = cleared.trades.iter().enumerate().map(sold).collect();
        let shares = gas::shares(steps, |step| self.auction.pools[step.pool].gas as f64, &sold);
        let own = self.fixed_gas(cleared.trades.len() as u64);
        shares.into_iter().map(|share| own.saturating_add(share.ceil() as u64)).collect()
    }
}
