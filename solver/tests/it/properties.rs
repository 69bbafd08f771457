//! What holds of every answer to every generated auction.

use std::collections::BTreeSet;

use alloy_primitives::{U256, U512};
use ballast_fixtures::{OrderConfig, UniverseConfig, orders, universe};
use ballast_solver::auction::{Auction, Subject};
use ballast_solver::config::Config;
use ballast_solver::engine::{Answer, Filled, Report};
use ballast_solver::settlement::verify;
use ballast_wire::{self as wire, Class, Trade};

use crate::support::{modest, solve, through_json};

fn mixed(config: &UniverseConfig, count: usize) -> wire::Auction {
    let mut auction = universe(config);
    let wanted = OrderConfig { buy_share: 0.4, partial_share: 0.4, market_share: 0.2, ..modest(count, config.seed) };
    orders(&mut auction, &wanted);
    auction
}

fn sound(name: &str, request: &wire::Auction) -> usize {
    let config = Config::default();
    let (auction, report) = solve(request, &config);
    every_solution_verifies(name, &auction, &config, &report);
    assert_eq!(report.answers.len(), auction.orders.len());
    for (index, (answer, _)) in report.answers.iter().enumerate() {
        let uid = auction.orders[index].uid;
        match answer {
            Answer::Filled(found) => {
                gaps_are_sound(&format!("{name}, order {index}"), found);
                fees_pay_gas(&auction, index, found);
            }
            Answer::Unfilled(reason) => {
                assert!(!reason.contains("verify"), "{name}, order {index}: {reason}");
                let named = |drop: &&ballast_solver::auction::Drop| {
                    drop.subject == Subject::Order && drop.name.as_deref() == Some(&uid.to_string())
                };
                let together = report.batch.as_ref().is_ok_and(|batch| batch.fills(index));
                let accounted = report.drops.iter().filter(named).count();
                assert_eq!(accounted, usize::from(!together), "{name}: {uid} is not accounted for");
            }
        }
    }
    report.filled().count()
}

fn every_solution_verifies(name: &str, auction: &Auction, config: &Config, report: &Report) {
    let solutions = through_json(report);
    assert_eq!(solutions.len(), report.verified().count());
    let mut scores = Vec::new();
    let mut ids = BTreeSet::new();
    for solution in solutions {
        assert!(ids.insert(solution.id), "{name}: id {} twice", solution.id);
        let id = solution.id;
        let verified = verify(auction, config, solution).unwrap_or_else(|v| panic!("{name}, solution {id}: {v}"));
        assert_eq!(verified.solution().gas, Some(verified.gas()), "{name}, solution {id}");
        scores.push(verified.score());
    }
    assert!(scores.is_sorted_by(|a, b| a >= b), "{name}: {scores:?}");
}

/// No part below zero, and the parts are the whole; in terms of what the order moves.
fn gaps_are_sound(name: &str, found: &Filled) {
    let gaps = found.gaps;
    assert!(gaps.size > 0.0 && gaps.size.is_finite(), "{name}: {gaps:?}");
    for gap in [gaps.convex, gaps.gas, gaps.total] {
        assert!(gap.is_finite() && gap >= -1e-6 * gaps.size, "{name}: {gaps:?}");
    }
    let parts = gaps.convex + gaps.gas + gaps.integer;
    assert!((parts - gaps.total).abs() <= 1e-9 * gaps.size, "{name}: {gaps:?}");
    assert!(found.arbitrage >= -1e-9 && found.arbitrage.is_finite(), "{name}: {}", found.arbitrage);
}

/// The fee's own worth is at least the gas at the auction's price; a market order has none.
fn fees_pay_gas(auction: &Auction, index: usize, found: &Filled) {
    let order = &auction.orders[index];
    let [Trade::Fulfillment(trade)] = &found.verified.solution().trades[..] else { panic!("not one trade") };
    match order.class {
        Class::Market => assert_eq!(trade.fee, None),
        Class::Limit => {
            let fee = trade.fee.unwrap().0;
            let price = auction.token(order.sell).reference_price.unwrap();
            let swaps: u64 = found.swaps.iter().map(|swap| auction.pools[swap.pool].gas).sum();
            let gas = U256::from(106_391 + swaps);
            assert_eq!(U256::from(found.verified.gas()), gas);
            let paid: U512 = fee.widening_mul(price);
            let due: U512 = (auction.gas_price * gas).widening_mul(U256::from(10).pow(U256::from(18)));
            assert!(paid >= due, "order {index}: a fee of {fee}");
        }
    }
}

#[test]
fn clean_universes_are_answered_soundly() {
    let mut count = 0;
    for (pools, seed) in [(100, 1), (150, 2), (250, 3), (400, 4)] {
        count += sound(&format!("{pools} pools of seed {seed}"), &mixed(&UniverseConfig::new(pools, seed), 15));
    }
    assert!(count >= 30, "only {count} orders of 60 are filled");
}

#[test]
fn dirty_universes_are_answered_soundly() {
    let mut count = 0;
    for (pools, seed) in [(100, 5), (200, 6), (300, 7), (400, 8)] {
        let config = UniverseConfig { pools, ..UniverseConfig::mainnet(seed) };
        count += sound(&format!("{pools} dirty pools of seed {seed}"), &mixed(&config, 15));
    }
    assert!(count >= 10, "only {count} orders of 60 are filled");
}

#[test]
fn free_gas_and_foreign_orders_are_answered_soundly() {
    let mut free = mixed(&UniverseConfig { stale_share: 0.2, ..UniverseConfig::new(120, 9) }, 10);
    free.effective_gas_price = U256::ZERO;
    assert!(sound("free gas", &free) > 0);
    let foreign = UniverseConfig { foreign_order_share: 0.2, ..UniverseConfig::new(120, 10) };
    assert!(sound("foreign orders", &mixed(&foreign, 10)) > 0);
    let many = UniverseConfig { multi_coin_share: 0.9, ..UniverseConfig::new(120, 11) };
    assert!(sound("many coins", &mixed(&many, 10)) > 0);
}

#[test]
fn the_same_auction_gets_the_same_answer() {
    let request = mixed(&UniverseConfig { stale_share: 0.1, ..UniverseConfig::new(150, 12) }, 12);
    let first = through_json(&solve(&request, &Config::default()).1);
    assert!(!first.is_empty());
    assert!(through_json(&solve(&request, &Config::default()).1) == first);
}

#[test]
fn time_that_is_up_at_once_leaves_only_valid_solutions() {
    let request = mixed(&UniverseConfig::new(150, 13), 12);
    let auction = Auction::new(&request, |_| true);
    let config = Config::default();
    for after in [0, 1, 10, 100, 1_000, 10_000] {
        let looks = std::sync::atomic::AtomicUsize::new(0);
        let stop = || looks.fetch_add(1, std::sync::atomic::Ordering::Relaxed) >= after;
        let report = ballast_solver::engine::run(&auction, &config, &stop);
        every_solution_verifies(&format!("stopped after {after} looks"), &auction, &config, &report);
        for (index, found) in report.filled() {
            assert!(found.gaps.total >= -1e-6 * found.gaps.size, "after {after}, order {index}: {:?}", found.gaps);
        }
    }
}

#[test]
fn little_work_leaves_only_valid_solutions() {
    let request = mixed(&UniverseConfig::new(150, 14), 12);
    for work_per_order in [0, 100, 10_000, 100_000] {
        let config = Config { work_per_order, ..Config::default() };
        let (auction, report) = solve(&request, &config);
        every_solution_verifies(&format!("{work_per_order} looks"), &auction, &config, &report);
        for (index, found) in report.filled() {
            gaps_are_sound(&format!("{work_per_order} looks, order {index}"), found);
        }
    }
}
