//! Post-conditions 1 and 2: value, and weights or progress.

use alloy_primitives::U256;
use ballast_wire::Bps;
use ballast_wire::intent::Intent;

use super::bench::*;

#[test]
fn no_more_is_lost_than_allowed() {
    let mut bench = Bench::new();
    // 50 bp of $100,000.
    settled(bench.settle(&bench.intent(), &bench.trade(USD, 1e4, ETH, 4.75)));
    bench.reset();
    assert_refused!(bench.settle(&bench.intent(), &bench.trade(USD, 1e4, ETH, 4.749)), LossTooHigh { .. });
}

/// Each fill is inside the tolerance; together they bleed the vault until the day's bucket is full. It leaks by as much in a day.
#[test]
fn repeated_fills_inside_the_tolerance_fill_the_days_bucket() {
    let mut bench = Bench::new();
    let nonce = |bench: &Bench, n: u64| {
        let mut intent = bench.intent();
        intent.nonce.0 = U256::from(n);
        intent.execution.allow_partial = true;
        intent.execution.min_progress_bps = Bps::new(1).unwrap();
        intent
    };
    // 40 bp of what there is, each time.
    let bleed = bench.trade(USD, 2_000.0, ETH, 0.8);
    for n in 1..=2 {
        settled(bench.settle(&nonce(&bench, n), &bleed));
    }
    assert_refused!(bench.settle(&nonce(&bench, 3), &bleed), DailyLossTooHigh { most, .. } if most == fixed(0.01));
    // 21 bp have leaked by then, not quite enough: 80.16 + 40.32 - 20.47.
    bench.go_on(NOW + 86_400 * 204 / 1_000);
    assert_refused!(bench.settle(&nonce(&bench, 3), &bleed), DailyLossTooHigh { .. });
    bench.go_on(NOW + 86_400 * 21 / 100);
    settled(bench.settle(&nonce(&bench, 3), &bleed));
}

#[test]
fn every_asset_lands() {
    let mut bench = Bench::new();
    settled(bench.settle(&bench.intent(), &bench.trade(USD, 9_001.0, ETH, 4.5005)));
    bench.reset();
    assert_refused!(bench.settle(&bench.intent(), &bench.trade(USD, 8_990.0, ETH, 4.495)), OutsideLanding { .. });
    // The price gaps while the plan is on its way: what was solved does not fit any more.
    bench.reset();
    bench.say(ETH, 2_300.0, NOW);
    assert_refused!(bench.settle(&bench.intent(), &bench.par()), OutsideLanding { .. });
}

fn partial(bench: &Bench) -> Intent {
    let mut intent = bench.intent();
    intent.execution.allow_partial = true;
    intent.execution.min_progress_bps = Bps::new(100).unwrap();
    intent
}

/// Σ|w − w*| falls by twice what moves.
#[test]
fn a_part_must_be_progress() {
    let mut bench = Bench::new();
    let intent = partial(&bench);
    let outcome = settled(bench.settle(&intent, &bench.trade(USD, 500.0, ETH, 0.25)));
    assert!(!outcome.landed);
    bench.reset();
    assert_refused!(bench.settle(&intent, &bench.trade(USD, 499.0, ETH, 0.2495)), NoProgress { .. });
    bench.reset();
    assert_refused!(bench.settle(&intent, &bench.trade(ETH, 0.25, USD, 500.0)), NoProgress { .. });
}

/// Bitcoin is at its target of 20 % in a band of six points: a plan that makes progress at its expense is refused.
#[test]
fn what_is_inside_its_band_stays_there() {
    let mut bench = Bench::new();
    let mut intent = partial(&bench);
    intent.execution.min_progress_bps = Bps::new(1).unwrap();
    let mut plan = bench.trade(USD, 9_000.0, ETH, 4.5);
    let beside = bench.trade(BTC, 0.121, USD, 6_050.0);
    plan.amounts.extend(beside.amounts);
    plan.approvals.extend(beside.approvals);
    plan.calls.extend(beside.calls);
    assert_refused!(bench.settle(&intent, &plan), LeftBand { token, .. } if token == bench.coins[BTC].token);
}
