//! Why an order is filled as it is, or not at all.
//!
//! What would have to change is not guessed: the engine is asked again with another limit, and what it answers is the remedy.

mod flow;
mod legs;
mod pools;
mod remedy;

pub use flow::{Band, Picture};
pub use legs::{Leg, legs};
pub use pools::{Paired, Pairing};
pub use remedy::{Binding, Remedy};

use ballast_wire::{self as wire, Side};

use crate::auction::{Auction, Drops, Order};
use crate::batch::Liquidity;
use crate::config::Config;
use crate::engine::{Answer, Filled, answer};
use crate::settlement::Fill;

/// What is to be said of an order.
#[derive(Debug, Clone)]
pub struct Explanation {
    /// What the engine answers.
    pub answer: Answer,
    /// The way it would be filled, or filled in whole, if its limit were another; `Err` says why there is none. `None` if it is filled
    /// in whole.
    pub remedy: Option<Result<Remedy, String>>,
    /// The pools between its tokens.
    pub pairing: Pairing,
    /// What it takes.
    pub least: Least,
}

/// What it takes for an order to be worth a settlement; native tokens.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Least {
    /// What all of the order moves.
    pub value: f64,
    /// What a settlement's gas costs before its first swap.
    pub gas: f64,
}

impl Explanation {
    /// Solves the order at `index` of `auction`, which was read off `request`, and looks for what binds it. `drops` are those of the
    /// auction and of `liquidity`.
    pub fn new(
        request: &wire::Auction,
        auction: &Auction,
        liquidity: &Liquidity,
        drops: &Drops,
        config: &Config,
        index: usize,
        stop: &(dyn Fn() -> bool + Sync),
    ) -> Self {
        let warm = liquidity.clearing_prices(stop);
        let ask = |auction: &Auction| answer(auction, liquidity, config, index, Some(&warm), stop);
        let answer = ask(auction);
        let order = &auction.orders[index];
        let whole = match &answer {
            Answer::Filled(filled) => fill(filled).is_some_and(|fill| share(order, fill) >= 1.0),
            Answer::Unfilled(_) => false,
        };
        let pairing = Pairing::new(request, auction, liquidity, drops, order);
        let remedy = (!whole && pairing.hops.is_some()).then(|| {
            let part = order.partial && matches!(answer, Answer::Unfilled(_));
            Remedy::find(auction, liquidity, index, part, ask)
        });
        let unit = liquidity.units.get(order.sell).unwrap_or_default();
        let value = f64::from(order.sell_amount) * unit / 1e3;
        let least = Least { value, gas: config.settlement_gas as f64 * liquidity.gas_price / 1e3 };
        Self { answer, remedy, pairing, least }
    }

    /// The way that is taken, or else the one that would be.
    pub fn route(&self) -> Option<&Filled> {
        match (&self.answer, &self.remedy) {
            (Answer::Filled(filled), _) => Some(filled),
            (Answer::Unfilled(_), Some(Ok(remedy))) => Some(&remedy.filled),
            (Answer::Unfilled(_), _) => None,
        }
    }
}

/// The one fill of a single order's solution.
pub fn fill(filled: &Filled) -> Option<&Fill> {
    filled.verified.fills().first()
}

/// The part of an order that is filled.
pub fn share(order: &Order, fill: &Fill) -> f64 {
    match order.side {
        Side::Sell => f64::from(fill.paid) / f64::from(order.sell_amount),
        Side::Buy => f64::from(fill.got) / f64::from(order.buy_amount),
    }
}
