use alloy_primitives::U256;
use ballast_wire::Side;

use super::fill;
use crate::auction::{Auction, Order};
use crate::batch::Liquidity;
use crate::engine::{Answer, Filled};

/// A limit this many times as loose counts as none at all.
const OPEN: u64 = 1000;
/// How closely the limit of a part is searched for: the ratio of the steps, and the number of halvings.
const STEP: f64 = 8.0;
const HALVINGS: usize = 6;

/// What keeps an order from being filled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Binding {
    /// The pools pay less than its limit, gas or no gas.
    Price,
    /// The pools pay more than its limit, but not enough for the gas.
    Gas,
}

/// What would fill an order.
#[derive(Debug, Clone)]
pub struct Remedy {
    /// How it would be filled.
    pub filled: Box<Filled>,
    /// By what part its limit, bought for sold, would have to be lower.
    pub relaxation: f64,
    /// What that fill is worth above the limit as it is, before gas, in native tokens.
    pub before_gas: f64,
    /// What its gas costs, in native tokens.
    pub gas: f64,
}

impl Remedy {
    /// What binds.
    pub fn binding(&self) -> Binding {
        if self.before_gas > 0.0 { Binding::Gas } else { Binding::Price }
    }

    /// Looks for the least change of its limit with which the order at `index` is filled, in whole or, with `part`, in part.
    pub(super) fn find(
        auction: &Auction,
        liquidity: &Liquidity,
        index: usize,
        part: bool,
        ask: impl Fn(&Auction) -> Answer,
    ) -> Result<Self, String> {
        let mut changed = auction.clone();
        let order = &auction.orders[index];
        let mut with = |relaxation: Option<f64>| {
            let new = &mut changed.orders[index];
            match relaxation {
                Some(relaxation) => new.buy_amount = scaled(order.buy_amount, 1.0 - relaxation),
                None => open(new, order),
            }
            ask(&changed)
        };
        let filled = if part { of_part(&mut with) } else { filled(with(None)) };
        filled.and_then(|filled| Self::of(auction, liquidity, order, filled).ok_or_else(|| "no price for its tokens".to_owned()))
    }

    fn of(auction: &Auction, liquidity: &Liquidity, order: &Order, filled: Box<Filled>) -> Option<Self> {
        let [sell, buy] = [liquidity.units.get(order.sell)?, liquidity.units.get(order.buy)?].map(|unit| unit / 1e3);
        let fill = fill(&filled)?;
        let [paid, got] = [fill.paid, fill.got].map(f64::from);
        let limit = f64::from(order.buy_amount) / f64::from(order.sell_amount);
        let gas = f64::from(fill.fee) * sell;
        let worth = match order.side {
            Side::Sell => (got - paid * limit) * buy,
            Side::Buy => (got / limit - paid) * sell,
        };
        debug_assert_eq!(auction.orders[fill.order].uid, order.uid);
        Some(Self { relaxation: 1.0 - got / paid / limit, before_gas: worth + gas, gas, filled })
    }
}

/// An order that takes what it gets, all or nothing.
fn open(new: &mut Order, order: &Order) {
    new.partial = false;
    match order.side {
        Side::Sell => new.buy_amount = (order.buy_amount / U256::from(OPEN)).max(U256::ONE),
        Side::Buy => new.sell_amount = order.sell_amount.saturating_mul(U256::from(OPEN)),
    }
}

fn scaled(amount: U256, part: f64) -> U256 {
    /// Parts are taken to so many.
    const OF: u64 = 1 << 40;
    let part = U256::from((part * OF as f64) as u64);
    (amount.saturating_mul(part) / U256::from(OF)).max(U256::ONE)
}

fn filled(answer: Answer) -> Result<Box<Filled>, String> {
    match answer {
        Answer::Filled(filled) => Ok(filled),
        Answer::Unfilled(reason) => Err(reason),
    }
}

/// The least relaxation with which some of the order is filled, to a few per cent of itself.
fn of_part(with: &mut impl FnMut(Option<f64>) -> Answer) -> Result<Box<Filled>, String> {
    let (mut low, mut high) = (0.0, 1e-4);
    let mut best = loop {
        match filled(with(Some(high))) {
            Ok(filled) => break filled,
            Err(reason) if high > 0.99 => return Err(reason),
            Err(_) => (low, high) = (high, (high * STEP).min(1.0 - 1.0 / OPEN as f64)),
        }
    };
    for _ in 0..HALVINGS {
        let middle = 0.5 * (low + high);
        match filled(with(Some(middle))) {
            Ok(filled) => (best, high) = (filled, middle),
            Err(_) => low = middle,
        }
    }
    Ok(best)
}
