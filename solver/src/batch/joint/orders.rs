//! Orders as the optimiser's: which can be part of a batch.

use ballast_routing::{Exact, Extent, Order as Leg, Trade};
use ballast_wire::{Class, Side};

use crate::auction::{Auction, Order};
use crate::batch::Liquidity;
use crate::batch::compile::{MOST, value};
use crate::config::Config;

/// A buy order whose limit is above the reference prices by more than this part scores more than what it trades is worth, and is left to
/// itself.
const ABOVE: f64 = 0.02;
/// How much better than its limit an order must be left, as a part of it, so that rounding to atoms does not miss it.
pub(super) const CLEAR: f64 = 1e-7;

/// An order of a batch, in value units.
#[derive(Debug, Clone, Copy)]
pub(super) struct Member {
    /// The order's place in the auction.
    pub index: usize,
    pub leg: Leg,
    /// Units that are hoped for each unit sold; zero where none are.
    hope: f64,
}

/// An order in value units. `None` if a token of it has no price, or its amounts make no sense.
pub(crate) fn leg(order: &Order, liquidity: &Liquidity, config: &Config, extent: Extent) -> Option<Leg> {
    let sell_amount = value(liquidity, order.sell, order.sell_amount)?;
    let buy_amount = value(liquidity, order.buy, order.buy_amount)?;
    let sane = order.sell != order.buy && [sell_amount, buy_amount].iter().all(|x| *x > 0.0 && *x < MOST);
    let exact = match order.side {
        Side::Sell => Exact::Sold,
        Side::Buy => Exact::Bought,
    };
    let (sell, buy, is_scored, gas) = (order.sell, order.buy, order.is_scored(), config.trade_gas as f64);
    sane.then_some(Leg { sell, buy, sell_amount, buy_amount, exact, is_scored, extent, gas })
}

impl Member {
    /// `None` for an order that goes alone or not at all: one without a price, one that nothing scores, one whose fee is taken already,
    /// one that brings wrappers, which are for a whole settlement.
    pub fn new(auction: &Auction, liquidity: &Liquidity, config: &Config, index: usize, entered: Extent) -> Option<Self> {
        let order = auction.orders.get(index)?;
        let extent = match order.partial {
            _ if !auction.claims(index) => entered,
            true => Extent::Part,
            false => Extent::Whole,
        };
        let leg = leg(order, liquidity, config, extent)?;
        let Leg { sell_amount, buy_amount, .. } = leg;
        let alone = order.class == Class::Market || !order.wrappers.is_empty();
        let above = order.side == Side::Buy && buy_amount > sell_amount * (1.0 + ABOVE);
        if alone || above || auction.token(order.buy).reference_price.is_none() {
            return None;
        }
        let hoped = auction.hoped(index).and_then(|hoped| value(liquidity, order.buy, hoped));
        let hope = hoped.unwrap_or(0.0) / sell_amount;
        Some(Self { index, leg, hope })
    }

    /// The order as a trade that pays a `fee` (value units, the least and the fair one), to be filled for about `part`; `None` if the
    /// least takes all.
    pub fn trade(&self, fee: [f64; 2], part: f64) -> Option<Trade> {
        let Leg { sell, buy, sell_amount, buy_amount, exact, is_scored, .. } = self.leg;
        let most = match exact {
            Exact::Sold => sell_amount - fee[0],
            Exact::Bought => buy_amount,
        };
        let least = if self.leg.is_whole() { most } else { 0.0 };
        let rate = buy_amount / sell_amount * (1.0 + CLEAR);
        let weight = if is_scored { 1.0 } else { 0.0 };
        (most > 0.0).then_some(Trade {
            sell,
            buy,
            exact,
            rate,
            hope: self.hope,
            fee,
            fill: [least, most],
            start: most * part,
            weight,
        })
    }

    /// The order itself.
    pub fn order<'a>(&self, auction: &'a Auction) -> &'a Order {
        &auction.orders[self.index]
    }
}
