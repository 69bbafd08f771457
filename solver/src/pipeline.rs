//! From an auction to what is sent, under an operator's settings: the same for the command line and the service.

use alloy_primitives::U256;
use ballast_wire::{Side, Solution};

use crate::auction::{Auction, Drops};
use crate::batch::Liquidity;
use crate::batch::prices::WEI_PER_UNIT;
use crate::config::Settings;
use crate::engine::{self, Report};
use crate::settlement::{Verified, check, enforce, internalize};

/// Solves an auction within the operator's limits. `stop` says when time is up.
///
/// The wrapped native token is worth what it is, whether or not the driver says so: from there the graph prices a quote's tokens. A
/// quote for a token that nothing leads to pays no fee; such an order of an auction is dropped.
pub fn solve(auction: &mut Auction, settings: &Settings, stop: &(dyn Fn() -> bool + Sync)) -> Report {
    solve_with(auction, settings, stop, &|_, _| {})
}

/// As [`solve`], and shows each solution that may be sent to `sink` as soon as it is found.
pub fn solve_with(
    auction: &mut Auction,
    settings: &Settings,
    stop: &(dyn Fn() -> bool + Sync),
    sink: &(dyn Fn(&Auction, &Verified) + Sync),
) -> Report {
    let native = auction.index.get(&settings.wrapped_native);
    auction.anchor = native.map(|&native| (native, 1.0 / WEI_PER_UNIT));
    let run = |auction: &Auction| {
        engine::run_with(auction, &settings.engine, stop, &|verified| {
            if auction.id.is_none() || check(&settings.limits, auction, verified).is_ok() {
                sink(auction, verified);
            }
        })
    };
    let mut report = run(auction);
    if report.filled().next().is_none() && island(auction, settings) {
        report = run(auction);
    }
    enforce(&settings.limits, auction, &mut report);
    report
}

/// Prepares a quote whose sold token has no way to a price: gas is free, and worth is counted from the order itself.
fn island(auction: &mut Auction, settings: &Settings) -> bool {
    let (None, [order]) = (&auction.id, auction.orders.as_slice()) else { return false };
    if Liquidity::new(auction, &settings.engine, &mut Drops::default()).units.get(order.sell).is_some() {
        return false;
    }
    let (token, amount) = match order.side {
        Side::Sell => (order.sell, order.sell_amount),
        Side::Buy => (order.buy, order.buy_amount),
    };
    // As if the whole were worth one native token.
    auction.anchor = Some((token, 1e18 / WEI_PER_UNIT / f64::from(amount)));
    auction.gas_price = U256::ZERO;
    true
}

/// What is sent of a solution: swaps are left to the settlement's balance where the operator allows it.
pub fn finished(auction: &Auction, settings: &Settings, mut solution: Solution) -> Solution {
    if settings.limits.internalize {
        internalize(auction, &mut solution);
    }
    solution
}
