//! Pools whose price left consensus, caps on arbitrage, deny lists.

use std::collections::BTreeMap;

use alloy_primitives::{Address, U256};
use ballast_fixtures::{OrderConfig, Poison, UniverseConfig, faces, orders, poisoned, universe};
use ballast_solver::config::Config;
use ballast_wire::{Auction, OrderUid};

use crate::support::{bound, dropped, ether, filled, modest, solve, swaps, through_json, uids, used};

/// Each order by itself, for what is said of orders.
fn single() -> Config {
    Config { batch: false, ..Config::default() }
}

const FACTORS: [f64; 3] = [2.5, 10.0, 1e6];

/// A sane universe.
fn sane(seed: u64) -> Auction {
    let mut auction = universe(&UniverseConfig::new(120, seed));
    orders(&mut auction, &OrderConfig { partial_share: 0.4, ..modest(10, seed) });
    auction
}

/// The universe with one pool more; its id, and its coins.
fn with_poison(sane: &Auction, kind: Poison, factor: f64) -> (Auction, String, Vec<Address>) {
    let mut auction = sane.clone();
    let ids = poisoned(&mut auction, kind, factor);
    assert_eq!(ids.len(), 1);
    let pool = auction.liquidity.last().unwrap().as_ref().unwrap();
    assert_eq!(pool.id, ids[0]);
    let coins = faces(pool).iter().map(|face| face.token).collect();
    (auction, ids[0].clone(), coins)
}

#[test]
fn a_pool_off_the_consensus_changes_nothing() {
    for (seed, config) in [(1, Config::default()), (2, single())] {
        let sane = sane(seed);
        let before = through_json(&solve(&sane, &config).1);
        assert!(before.len() >= 3, "only {} solutions", before.len());
        for kind in Poison::ALL {
            for factor in FACTORS.into_iter().flat_map(|f| [f, 1.0 / f]) {
                let (auction, id, _) = with_poison(&sane, kind, factor);
                let (_, report) = solve(&auction, &config);
                // What no contract could hold is refused before anyone looks at prices.
                let out = report.drops.iter().find(|drop| drop.name.as_deref() == Some(&id));
                let out = out.unwrap_or_else(|| panic!("{kind:?} {factor}: not left out"));
                let refused = matches!(kind, Poison::WrongWeights | Poison::Depegged) && !(0.01..=100.0).contains(&factor);
                assert!(refused || out.reason.starts_with("quarantined"), "{kind:?} {factor}: {}", out.reason);
                assert!(through_json(&report) == before, "{kind:?} {factor}: the solutions are others");
            }
        }
    }
}

/// Without a reference price a token is priced by its pools, and the poisoned one is among them.
#[test]
fn the_poisoned_value_is_not_promised_when_only_pools_price_its_tokens() {
    let config = Config { max_arbitrage_per_pool: 0.05, max_arbitrage_per_auction: 0.05, ..single() };
    let sane = sane(3);
    let (_, _, coins) = with_poison(&sane, Poison::Depegged, 10.0);
    for unpriced in [&coins[..1], &coins[1..], &coins[..]] {
        let mut sane = sane.clone();
        unprice(&mut sane, unpriced);
        let (auction, report) = solve(&sane, &config);
        let most: BTreeMap<OrderUid, f64> =
            uids(&sane).into_iter().map(|uid| (uid, filled(&auction, &report, uid).map_or(0.0, bound))).collect();
        assert!(most.values().any(|m| *m > 0.0));
        for kind in Poison::ALL {
            for factor in FACTORS.into_iter().flat_map(|f| [f, 1.0 / f]) {
                let (mut auction, id, _) = with_poison(&sane, kind, factor);
                unprice(&mut auction, unpriced);
                let (auction, report) = solve(&auction, &config);
                for (uid, most) in &most {
                    let Some(found) = filled(&auction, &report, *uid) else { continue };
                    let score = ether(found.verified.score());
                    let drawn = used(found.verified.solution()).contains(id.as_str());
                    let allowed = most + if drawn { config.max_arbitrage_per_pool } else { 1e-9 };
                    assert!(score <= allowed, "{kind:?} {factor}: {uid} scores {score} where {most} is to be had");
                }
            }
        }
    }
}

fn unprice(auction: &mut Auction, tokens: &[Address]) {
    for token in tokens {
        auction.tokens.get_mut(token).unwrap().reference_price = None;
    }
}

/// A universe that arbitrage has not reached.
fn stale(seed: u64) -> Auction {
    let mut auction = universe(&UniverseConfig { stale_share: 0.3, ..UniverseConfig::new(120, seed) });
    orders(&mut auction, &modest(10, seed));
    auction.effective_gas_price = U256::from(1_000_000_000);
    auction
}

#[test]
fn cycles_earn_no_more_than_the_caps() {
    for seed in [1, 2] {
        let request = stale(seed);
        let (auction, free) = solve(&request, &single());
        let most = free.filled().map(|(_, f)| f.arbitrage).fold(0.0, f64::max);
        let cap = most / 4.0;
        assert!(cap > 1e-4, "nothing to be capped: {most}");
        for config in [
            Config { max_arbitrage_per_pool: cap / 4.0, max_arbitrage_per_auction: cap, ..single() },
            Config { max_arbitrage_per_auction: cap, ..single() },
            Config { max_arbitrage_per_auction: 0.0, ..single() },
        ] {
            let (_, capped) = solve(&request, &config);
            for (index, found) in capped.filled() {
                let allowed = config.max_arbitrage_per_auction * (1.0 + 1e-9) + 1e-12;
                assert!(found.arbitrage <= allowed, "seed {seed}: {} earned of {allowed}", found.arbitrage);
                // Nor does it come to more than before by another way.
                let score = ether(found.verified.score());
                let before = filled(&auction, &free, auction.orders[index].uid);
                let before = before.unwrap_or_else(|| {
                    panic!("seed {seed}, order {index} scores {score} with a cap, has none without: {:?}", free.answers[index].0)
                });
                assert!(score <= bound(before) + 1e-9, "seed {seed}, order {index}: {score} beyond {}", bound(before));
            }
            assert!(capped.filled().count() > 0);
        }
    }
}

/// Arbitrage is an extra: an order that has a solution with it has one without.
#[test]
fn orders_are_filled_without_arbitrage_too() {
    for seed in [1, 2] {
        let request = stale(seed);
        let (_, free) = solve(&request, &single());
        let config = Config { max_arbitrage_per_pool: 0.0, max_arbitrage_per_auction: 0.0, ..single() };
        let (_, capped) = solve(&request, &config);
        let lost: Vec<_> = free
            .filled()
            .filter(|(index, found)| {
                let surplus = ether(found.verified.score());
                surplus > 2.0 * found.arbitrage && !capped.filled().any(|(other, _)| other == *index)
            })
            .map(|(index, _)| (index, &capped.answers[index].0))
            .collect();
        assert!(lost.is_empty(), "seed {seed}: {lost:?}");
    }
}

#[test]
fn what_the_operator_denies_is_in_no_solution() {
    let request = sane(4);
    let (_, free) = solve(&request, &Config::default());
    let solutions = through_json(&free);
    let mut pools: BTreeMap<&str, usize> = BTreeMap::new();
    for id in solutions.iter().flat_map(used) {
        *pools.entry(id).or_default() += 1;
    }
    let favourite = *pools.iter().max_by_key(|(_, count)| **count).unwrap().0;
    let pool = request.liquidity.iter().flatten().find(|pool| pool.id == favourite).unwrap();
    let config = Config { denied_pools: vec![pool.address], ..Config::default() };
    let (_, report) = solve(&request, &config);
    assert_eq!(dropped(&report, "pool denied"), [favourite]);
    assert!(through_json(&report).iter().all(|solution| !used(solution).contains(favourite)));
    assert!(report.filled().count() > 0);

    let token = faces(pool)[0].token;
    let config = Config { denied_tokens: vec![token], ..Config::default() };
    let (auction, report) = solve(&request, &config);
    let holders = request.liquidity.iter().flatten().filter(|pool| faces(pool).iter().any(|face| face.token == token));
    let mut holders: Vec<String> = holders.map(|pool| pool.id.clone()).collect();
    let mut denied = dropped(&report, "token denied");
    holders.sort();
    denied.sort();
    assert!(denied.len() >= holders.len() && holders.iter().all(|id| denied.contains(id)));
    for solution in through_json(&report) {
        assert!(swaps(&solution).all(|swap| ![&swap.input_token, &swap.output_token].contains(&&token)));
        assert!(!solution.prices.contains_key(&token), "an order of a denied token is filled");
    }
    for order in request.orders.iter().flatten().filter(|order| [order.sell_token, order.buy_token].contains(&token)) {
        assert!(filled(&auction, &report, order.uid).is_none());
    }
}
