//! What the tests share.

use std::collections::BTreeSet;

use alloy_primitives::{Address, U256};
use ballast_fixtures::{Limits, OrderConfig, Size};
use ballast_solver::auction::Auction;
use ballast_solver::config::Config;
use ballast_solver::engine::{Answer, Filled, Report, run};
use ballast_wire::{self as wire, Interaction, LiquidityInteraction, OrderUid, Reply, Solution};

/// Reads and solves, without a clock: the outcome is the same on every machine.
pub(crate) fn solve(request: &wire::Auction, config: &Config) -> (Auction, Report) {
    let auction = Auction::new(request, |_| true);
    let report = run(&auction, config, &|| false);
    (auction, report)
}

/// Orders small enough for a small universe, with room in their limits.
pub(crate) fn modest(count: usize, seed: u64) -> OrderConfig {
    OrderConfig {
        size: Size::LogNormal { median_usd: 1_500.0, sigma: 1.0 },
        limits: Limits { mean_bps: -450.0, deviation_bps: 100.0, far_share: 0.05 },
        ..OrderConfig::new(count, seed)
    }
}

/// The solutions as a driver reads them: through the reply's JSON.
pub(crate) fn through_json(report: &Report) -> Vec<Solution> {
    let reply = Reply::Solutions { solutions: report.solutions() };
    let json = serde_json::to_vec(&reply).unwrap();
    match Reply::from_json(&json).unwrap() {
        Reply::Solutions { solutions } => solutions,
        Reply::Error { error } => panic!("an error: {error:?}"),
    }
}

/// The answer to an order.
pub(crate) fn answer<'a>(auction: &Auction, report: &'a Report, uid: OrderUid) -> Option<&'a Answer> {
    let at = auction.orders.iter().position(|order| order.uid == uid)?;
    report.answers.get(at).map(|(answer, _)| answer)
}

/// The fill of an order, if it has one.
pub(crate) fn filled<'a>(auction: &Auction, report: &'a Report, uid: OrderUid) -> Option<&'a Filled> {
    match answer(auction, report, uid)? {
        Answer::Filled(filled) => Some(filled),
        Answer::Unfilled(_) => None,
    }
}

/// The swaps of a solution: it consists of nothing else.
pub(crate) fn swaps(solution: &Solution) -> impl Iterator<Item = &LiquidityInteraction> {
    solution.interactions.iter().map(|interaction| match interaction {
        Interaction::Liquidity(swap) => swap,
        Interaction::Custom(_) => panic!("a custom interaction"),
    })
}

/// The ids of the liquidity that a solution uses.
pub(crate) fn used(solution: &Solution) -> BTreeSet<&str> {
    swaps(solution).map(|swap| swap.id.as_str()).collect()
}

/// What was dropped for a reason that holds these words, by name.
pub(crate) fn dropped(report: &Report, words: &str) -> Vec<String> {
    report.drops.iter().filter(|drop| drop.reason.contains(words)).map(|drop| drop.name.clone().unwrap_or_default()).collect()
}

/// The names of the orders of a request.
pub(crate) fn uids(request: &wire::Auction) -> Vec<OrderUid> {
    request.orders.iter().flatten().map(|order| order.uid).collect()
}

/// Ether of a score.
pub(crate) fn ether(wei: U256) -> f64 {
    f64::from(wei) * 1e-18
}

/// The most ether that any solution of a filled order could score.
pub(crate) fn bound(filled: &Filled) -> f64 {
    ether(filled.verified.score()) + filled.gaps.total * filled.score / 1e3
}

/// A token of a request by its symbol.
pub(crate) fn token(request: &wire::Auction, symbol: &str) -> Address {
    let found = request.tokens.iter().find(|(_, token)| token.symbol.as_deref() == Some(symbol));
    *found.unwrap_or_else(|| panic!("no token {symbol}")).0
}
