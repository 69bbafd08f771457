//! What a good plan does.

use alloy_primitives::U256;
use ballast_solver::intent::{Verdict, executor};
use ballast_wire::intent::{Mode, Rule};
use ballast_wire::{Allowance, Amount, Bps};

use super::bench::*;

#[test]
fn a_vault_lands_and_the_event_says_how() {
    let mut bench = Bench::new();
    let outcome = settled(bench.settle(&bench.intent(), &bench.par()));
    let weights = |of: &[U256]| [USD, ETH, BTC].map(|coin| of[bench.place(coin)]);
    assert_eq!(weights(&outcome.weightsBefore), [0.6, 0.2, 0.2].map(fixed));
    assert_eq!(weights(&outcome.weightsAfter), [0.5, 0.3, 0.2].map(fixed));
    assert_eq!((outcome.valueBefore, outcome.valueAfter), (fixed(1e5), fixed(1e5)));
    assert_eq!((outcome.loss, outcome.credit, outcome.fee, outcome.landed), (U256::ZERO, U256::ZERO, U256::ZERO, true));
    assert_eq!(bench.balances(), [bench.coins[USD].atoms(5e4), bench.coins[ETH].atoms(15.0), bench.coins[BTC].atoms(0.4)]);
}

#[test]
fn gains_are_credited_and_losses_told() {
    let mut bench = Bench::new();
    let outcome = settled(bench.settle(&bench.intent(), &bench.trade(USD, 1e4, ETH, 5.01)));
    assert_eq!((outcome.credit, outcome.loss), (fixed(20.0), U256::ZERO));
    bench.reset();
    let outcome = settled(bench.settle(&bench.intent(), &bench.trade(USD, 1e4, ETH, 4.99)));
    assert_eq!((outcome.credit, outcome.loss), (U256::ZERO, fixed(20.0)));
}

/// 10 bp of $10,000 moved, and a quarter of the surplus: at most $10 and $5 of $20 gained.
#[test]
fn a_solver_is_paid_its_fee_and_share_and_no_more() {
    let mut bench = Bench::new();
    let mut intent = bench.intent();
    intent.costs.solver_fee_bps = Bps::new(10).unwrap();
    intent.costs.surplus_share_to_owner_bps = Bps::new(7_500).unwrap();
    let usd = bench.coins[USD];
    let mut plan = bench.trade(USD, 1e4, ETH, 5.01);
    // The fee is taken out of the vault with the rest, and makes the value moved a little more.
    plan.amounts.insert(usd.token, usd.atoms(10_015.0));
    plan.fee = Some((usd.token, usd.atoms(15.0)));
    let outcome = settled(bench.settle(&intent, &plan));
    assert_eq!((outcome.fee, outcome.credit), (fixed(15.0), fixed(5.0)));
    assert_eq!(bench.balance(USD, SOLVER), usd.atoms(15.0));
    bench.reset();
    plan.amounts.insert(usd.token, usd.atoms(10_016.0));
    plan.fee = Some((usd.token, usd.atoms(16.0)));
    assert_refused!(bench.settle(&intent, &plan), FeeTooHigh { .. });
}

#[test]
fn what_is_not_used_goes_back() {
    let mut bench = Bench::new();
    let mut plan = bench.par();
    plan.amounts.insert(bench.coins[USD].token, bench.coins[USD].atoms(12_345.0));
    plan.amounts.insert(bench.coins[BTC].token, bench.coins[BTC].atoms(0.1));
    settled(bench.settle(&bench.intent(), &plan));
    assert_eq!(bench.balances(), [bench.coins[USD].atoms(5e4), bench.coins[ETH].atoms(15.0), bench.coins[BTC].atoms(0.4)]);
}

/// Of a token on the way, which is none of the assets, the vault gets what its swaps have left.
#[test]
fn what_is_left_of_other_tokens_goes_to_the_vault() {
    let mut bench = Bench::new();
    let intent = bench.intent();
    let other = bench.token(18, 0);
    let other = bench.coin(other, 18, 1.0);
    bench.give(&other, executor(&intent, 0), 3.0);
    let mut plan = bench.par();
    plan.approvals.push(Allowance { token: other.token, spender: SOLVER, amount: Amount(U256::ONE) });
    settled(bench.settle(&intent, &plan));
    assert_eq!(bench.balance(3, bench.vault), other.atoms(3.0));
}

/// Zero target: the asset is sold to the last atom, or the landing is missed.
#[test]
fn an_asset_is_ejected() {
    let mut bench = Bench::new();
    let mut intent = bench.intent_of(&["0.6", "0.4", "0"]);
    intent.assets[BTC].landing.high = decimal("0");
    intent.assets[BTC].band.high = decimal("0");
    settled(bench.settle(&intent, &bench.trade(BTC, 0.4, ETH, 10.0)));
    assert_eq!(bench.balance(BTC, bench.vault), U256::ZERO);
    bench.reset();
    assert_refused!(bench.settle(&intent, &bench.trade(BTC, 0.3999, ETH, 10.0)), OutsideLanding { .. });
}

#[test]
fn decimals_do_not_matter() {
    for decimals in [0, 6, 27] {
        let mut bench = Bench::of(&[(decimals, 1.0), (18, 2_000.0), (27, 50_000.0)], &[60_000.0, 10.0, 0.4], Default::default());
        let outcome = settled(bench.settle(&bench.intent(), &bench.par()));
        assert_eq!((outcome.valueBefore, outcome.valueAfter), (fixed(1e5), fixed(1e5)), "{decimals}");
        assert_eq!(outcome.weightsAfter[bench.place(USD)], fixed(0.5), "{decimals}");
    }
}

/// The numeraire needs no feed: its price is one.
#[test]
fn the_numeraire_is_worth_one() {
    let mut bench = Bench::new();
    let mut intent = bench.intent();
    intent.numeraire.0 = bench.coins[USD].token;
    intent.assets[USD].oracle = None;
    intent.check().unwrap();
    assert_eq!(settled(bench.settle(&intent, &bench.par())).valueAfter, fixed(1e5));
}

/// Nothing to do is no failure: nothing is done, and the intent stands.
#[test]
fn where_nothing_is_to_be_done_nothing_is() {
    let mut bench = Bench::new();
    let skipped = |verdict: Verdict| match verdict {
        Verdict::Skipped(reason) => reason,
        other => panic!("{other}"),
    };
    let mut intent = bench.intent_of(&["0.6", "0.2", "0.2"]);
    assert_eq!(skipped(bench.settle(&intent, &bench.par())), "every asset is inside its landing");
    // Drift of ten points and half the target, in a band of twelve.
    intent = bench.intent();
    for asset in &mut intent.assets {
        asset.band = ballast_wire::intent::Range { low: decimal("0"), high: decimal("1") };
    }
    let without = intent.clone();
    intent.trigger.any_of = vec![Rule::DriftAbsBps(1_001), Rule::DriftRelBps(3_334)];
    for intent in [&intent, &without] {
        assert_eq!(skipped(bench.settle(intent, &bench.par())), "no rule calls for a rebalance");
    }
    intent.trigger.any_of = vec![Rule::DriftAbsBps(1_000)];
    intent.trigger.min_notional = decimal("10000.01");
    assert_eq!(skipped(bench.settle(&intent, &bench.par())), "it would move less than minNotional");
    let untouched = bench.balances();
    bench.reset();
    assert_eq!(bench.balances(), untouched);
    intent.trigger.min_notional = decimal("10000");
    settled(bench.settle(&intent, &bench.par()));
    for rules in [
        vec![Rule::DriftAbsBps(1_001), Rule::DriftRelBps(3_333)],
        vec![Rule::DriftAbsBps(2_000), Rule::Calendar { every_sec: 60, offset_sec: 0 }],
    ] {
        bench.reset();
        intent.trigger.any_of = rules;
        settled(bench.settle(&intent, &bench.par()));
    }
}

/// Slices: each nearer by minProgress, spaced, and no more of them than allowed; the one that lands is the last.
#[test]
fn a_rebalance_over_time_goes_in_slices() {
    let mut bench = Bench::new();
    let mut intent = bench.intent();
    intent.execution.mode = Mode::Twap;
    intent.execution.slices = 3;
    intent.execution.min_spacing_sec = 600;
    intent.execution.allow_partial = true;
    intent.execution.min_progress_bps = Bps::new(100).unwrap();
    intent.trigger.cooldown_sec = 86_400;
    intent.check().unwrap();
    let part = bench.trade(USD, 2_000.0, ETH, 1.0);
    assert!(!settled(bench.settle(&intent, &part)).landed);
    assert_refused!(bench.settle(&intent, &part), CoolingDown { until } if until == U256::from(NOW + 600));
    bench.go_on(NOW + 600);
    assert!(!settled(bench.settle(&intent, &part)).landed);
    bench.go_on(NOW + 1_200);
    assert!(!settled(bench.settle(&intent, &part)).landed);
    bench.go_on(NOW + 1_800);
    assert_refused!(bench.settle(&intent, &part), NonceUsed { .. });
    bench.reset();
    assert!(settled(bench.settle(&intent, &bench.par())).landed);
    bench.go_on(NOW + 600);
    assert_refused!(bench.settle(&intent, &part), NonceUsed { .. });
}
