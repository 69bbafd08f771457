//! Post-condition 4: prices that are believed.

use alloy_primitives::{Address, I256, U256};
use alloy_sol_types::{SolConstructor, SolValue};
use ballast_adapters::encode::call;
use ballast_wire::Bps;
use ballast_wire::intent::Intent;

use super::bench::*;
use crate::settle::world::World;

#[test]
fn prices_are_fresh() {
    let mut bench = Bench::new();
    bench.say(BTC, 50_000.0, NOW - 3_600);
    settled(bench.settle(&bench.intent(), &bench.par()));
    bench.reset();
    bench.say(BTC, 50_000.0, NOW - 3_601);
    assert_refused!(bench.settle(&bench.intent(), &bench.par()), StalePrice { token, .. } if token == bench.coins[BTC].token);
}

/// Not above zero, pinned at a bound, or off its peg.
#[test]
fn prices_are_inside_their_bounds() {
    let mut bench = Bench::new();
    let mut intent = bench.intent();
    let oracle = intent.assets[USD].oracle.as_mut().unwrap();
    (oracle.min_price, oracle.max_price) = (decimal("0.99"), decimal("1.01"));
    for price in [0.0, -1.0, 0.99, 0.9, 1.01, 1.5] {
        bench.reset();
        bench.say(USD, price, NOW);
        assert_refused!(
            bench.settle(&intent, &bench.par()),
            PriceOutOfBounds { token, .. } if token == bench.coins[USD].token
        );
    }
    bench.reset();
    bench.say(USD, 0.99000001, NOW);
    settled(bench.settle(&intent, &bench.trade(USD, 9_000.0, ETH, 4.455)));
}

/// What a plan does to a feed between the two measurements changes nothing: both are at the prices of the first.
#[test]
fn a_plan_cannot_move_its_own_measure() {
    let mut bench = Bench::new();
    let lift = Feed::setCall { answer_: I256::try_from(900_000_000_000_i64).unwrap(), time: U256::from(NOW) };
    let feed = bench.coins[ETH].feed;
    bench.prepare(feed, alloy_sol_types::SolCall::abi_encode(&lift).into());
    assert_refused!(bench.settle(&bench.intent(), &bench.trade(USD, 1e4, ETH, 4.0)), LossTooHigh { .. });
}

/// 0 is up; a chain that came back needs an hour.
#[test]
fn the_sequencer_is_up_for_an_hour() {
    let deploy = |answer: i64, since: u64| {
        let mut bench = Bench::new();
        let args = Feed::constructorCall { decimals_: 0, answer_: I256::try_from(answer).unwrap() };
        let feed = bench.evm.deploy(DEPLOYER, &Feed::BYTECODE, &args.abi_encode()).unwrap();
        let say = Feed::setCall { answer_: I256::try_from(answer).unwrap(), time: U256::from(since) };
        bench.evm.send(DEPLOYER, feed, &say, U256::ZERO).unwrap();
        let code = ballast_solver::intent::abi::RebalanceSettlement::BYTECODE.clone();
        bench.settlement = bench.evm.deploy(DEPLOYER, &code, &feed.abi_encode()).unwrap();
        let module = ballast_solver::intent::abi::RebalanceSettlement::MODULECall {};
        let module = bench.evm.query(DEPLOYER, bench.settlement, &module).unwrap();
        let enable = OwnedVault::setModuleCall { module, enabled: true };
        bench.evm.send(account(&bench.owner), bench.vault, &enable, U256::ZERO).unwrap();
        bench
    };
    let settle = |mut bench: Bench| bench.settle(&bench.intent(), &bench.par());
    settled(settle(deploy(0, NOW - 3_600)));
    assert_refused!(settle(deploy(0, NOW - 3_599)), SequencerDown {});
    assert_refused!(settle(deploy(1, NOW - 86_400)), SequencerDown {});
}

/// Two of the tokens that a real Uniswap V3 pool at par holds, in a vault at 60:40 for a target of 50:50.
struct Twap {
    bench: Bench,
    pool: Address,
}

impl Twap {
    /// Of 18 and 6 decimals: which one is token0 is up to their addresses.
    fn new(first: usize, second: usize) -> Self {
        let mut world = World::new();
        let pool = world.pool(first, second);
        let (first, second) = (world.tokens[first], world.tokens[second]);
        world.evm.set_timestamp(NOW + 3_600);
        let mut bench = Bench::new();
        let owner = account(&bench.owner);
        bench.evm = world.evm;
        let code = ballast_solver::intent::abi::RebalanceSettlement::BYTECODE.clone();
        bench.settlement = bench.evm.deploy(DEPLOYER, &code, &Address::ZERO.abi_encode()).unwrap();
        let module = ballast_solver::intent::abi::RebalanceSettlement::MODULECall {};
        let module = bench.evm.query(DEPLOYER, bench.settlement, &module).unwrap();
        let args = OwnedVault::constructorCall { owner_: owner, module };
        bench.vault = bench.evm.deploy(DEPLOYER, &OwnedVault::BYTECODE, &args.abi_encode()).unwrap();
        bench.desk = bench.evm.deploy(DEPLOYER, &Desk::BYTECODE, &[]).unwrap();
        bench.coins.clear();
        for (token, units) in [(first, 60_000.0), (second, 40_000.0)] {
            let coin = bench.coin(token.address, token.decimals, 1.0);
            bench.give(&coin, bench.vault, units);
            bench.give(&coin, bench.desk, 1e6);
        }
        Self { bench, pool }
    }

    fn intent(&self, bps: u16) -> Intent {
        let mut intent = self.bench.intent_of(&["0.5", "0.5"]);
        for asset in &mut intent.assets {
            let oracle = asset.oracle.as_mut().unwrap();
            (oracle.twap_pool, oracle.max_deviation_bps) = (Some(self.pool), Bps::new(bps).unwrap());
        }
        intent
    }
}

#[test]
fn a_feed_agrees_with_the_pools_average() {
    for (first, second) in [(1, 2), (2, 1), (3, 1), (1, 3), (2, 3)] {
        let mut twap = Twap::new(first, second);
        let intent = twap.intent(10);
        let plan = twap.bench.trade(0, 1e4, 1, 1e4);
        settled(twap.bench.settle(&intent, &plan));
        for (price, fits) in [(1.0008, true), (0.9992, true), (1.002, false), (0.998, false)] {
            let mut twap = Twap::new(first, second);
            twap.bench.say(0, price, NOW + 3_600);
            let verdict = twap.bench.settle(&twap.intent(10), &plan_of(&twap));
            if fits {
                settled(verdict);
            } else {
                assert_refused!(verdict, PriceInconsistent { .. });
            }
        }
    }
}

#[test]
fn a_plan_does_not_call_the_pool_that_it_is_judged_by() {
    let mut twap = Twap::new(1, 2);
    let mut plan = plan_of(&twap);
    plan.calls.insert(0, call(twap.pool, &Desk::succeededCall {}));
    assert_refused!(twap.bench.settle(&twap.intent(10), &plan), ForbiddenCall { target, .. } if target == twap.pool);
}

fn plan_of(twap: &Twap) -> ballast_solver::intent::Plan {
    twap.bench.trade(0, 1e4, 1, 1e4)
}

#[test]
fn a_pool_is_of_two_assets_of_the_intent() {
    let mut twap = Twap::new(1, 2);
    let mut intent = twap.intent(10);
    // A pool of the same world, with one token of the two.
    twap.pool = World::new().pool(1, 3);
    for asset in &mut intent.assets {
        asset.oracle.as_mut().unwrap().twap_pool = Some(twap.pool);
    }
    assert_refused!(twap.bench.settle(&intent, &plan_of(&twap)), UnknownPair { .. });
}
