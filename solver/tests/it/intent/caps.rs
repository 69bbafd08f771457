//! Post-condition 3: caps.

use alloy_primitives::U256;
use ballast_wire::intent::{Group, Intent};
use ballast_wire::{Amount, Bps};

use super::bench::*;

fn with(bench: &Bench, change: impl FnOnce(&mut Intent)) -> Intent {
    let mut intent = bench.intent();
    change(&mut intent);
    intent
}

#[test]
fn a_trade_is_capped_both_ways() {
    let mut bench = Bench::new();
    let (usd, eth) = (bench.coins[USD], bench.coins[ETH]);
    let intent = with(&bench, |intent| {
        intent.assets[USD].max_trade = Amount(usd.atoms(1e4));
        intent.assets[ETH].max_trade = Amount(eth.atoms(5.0));
    });
    settled(bench.settle(&intent, &bench.par()));
    bench.reset();
    let mut plan = bench.par();
    *plan.amounts.get_mut(&usd.token).unwrap() += U256::ONE;
    assert_refused!(bench.settle(&intent, &plan), TradeTooLarge { token, .. } if token == usd.token);
    assert_refused!(bench.settle(&intent, &bench.trade(USD, 1e4, ETH, 5.001)), TradeTooLarge { token, .. } if token == eth.token);
}

#[test]
fn turnover_is_capped() {
    let mut bench = Bench::new();
    let capped = |bps| with(&bench, |intent| intent.risk.max_turnover_bps = Bps::new(bps).unwrap());
    let (tight, wide) = (capped(999), capped(1_000));
    assert_refused!(bench.settle(&tight, &bench.par()), TurnoverTooHigh { moved } if moved == fixed(1e4));
    settled(bench.settle(&wide, &bench.par()));
}

/// What must stay, stays; where less was there before, it may only grow.
#[test]
fn a_balance_is_kept() {
    let mut bench = Bench::new();
    let (usd, eth) = (bench.coins[USD], bench.coins[ETH]);
    let keeps = |units: f64| with(&bench, |intent| intent.assets[USD].min_balance = Amount(usd.atoms(units)));
    let (enough, more) = (keeps(5e4), keeps(50_001.0));
    assert_refused!(bench.settle(&more, &bench.par()), BelowMinBalance { token, .. } if token == usd.token);
    settled(bench.settle(&enough, &bench.par()));
    bench.reset();
    let grows = with(&bench, |intent| intent.assets[ETH].min_balance = Amount(eth.atoms(100.0)));
    settled(bench.settle(&grows, &bench.par()));
}

/// What is not tradable is neither sold nor bought, and its own landing binds nobody.
#[test]
fn what_is_not_tradable_stays_as_it_is() {
    let mut bench = Bench::new();
    let mut intent = bench.intent_of(&["0.5", "0.4", "0.1"]);
    intent.assets[BTC].tradable = false;
    intent.assets[ETH].landing.low = decimal("0.28");
    let btc = bench.coins[BTC];
    settled(bench.settle(&intent, &bench.par()));
    bench.reset();
    assert_refused!(bench.settle(&intent, &bench.trade(BTC, 0.2, ETH, 5.0)), NotTradable { token } if token == btc.token);
    let mut plan = bench.par();
    let beside = bench.trade(USD, 5.0, BTC, 0.0001);
    plan.amounts.insert(bench.coins[USD].token, bench.coins[USD].atoms(10_005.0));
    plan.approvals[0].amount.0 += beside.approvals[0].amount.0;
    plan.calls.extend(beside.calls);
    assert_refused!(bench.settle(&intent, &plan), NotTradable { token } if token == btc.token);
}

#[test]
fn a_group_does_not_grow_beyond_its_limit() {
    let mut bench = Bench::new();
    let tokens = vec![bench.coins[ETH].token, bench.coins[BTC].token];
    let group = |max: &str| with(&bench, |intent| intent.risk.groups = vec![Group { tokens: tokens.clone(), max: decimal(max) }]);
    let (tight, wide) = (group("0.49"), group("0.5"));
    assert_refused!(bench.settle(&tight, &bench.par()), GroupTooHeavy { weight, .. } if weight == fixed(0.5));
    settled(bench.settle(&wide, &bench.par()));
    // One that starts above it may come down.
    bench.reset();
    let down = with(&bench, |intent| {
        intent.risk.groups = vec![Group { tokens: vec![bench.coins[USD].token], max: decimal("0.1") }];
    });
    settled(bench.settle(&down, &bench.par()));
}
