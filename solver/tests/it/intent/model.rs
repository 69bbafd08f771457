//! Generated portfolios, terms and plans: the contract's verdict is that of its definition, computed anew.

use alloy_primitives::U256;
use ballast_solver::intent::abi::RebalanceSettlement::RebalanceSettlementErrors as Errors;
use ballast_solver::intent::{Plan, Verdict};
use ballast_wire::intent::Intent;
use ballast_wire::{Amount, Bps, Decimal};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::bench::*;

/// What a case is drawn from: thousandths of what there is.
#[derive(Debug, Clone)]
struct Case {
    units: [u32; 3],
    given: usize,
    taken: usize,
    part: u32,
    price: u32,
    partial: Option<u16>,
    caps: [u32; 3],
}

fn cases() -> impl Strategy<Value = Case> {
    let caps = [950..3_000_u32, 0..900, 20..1_000];
    ((1..100_u32, 1..100_u32, 1..100_u32), 0..3_usize, 1..3_usize, 1..400_u32, 960..1_020_u32, prop::option::of(1..500_u16), caps)
        .prop_map(|((a, b, c), given, step, part, price, partial, caps)| Case {
            units: [a, b, c],
            given,
            taken: (given + step) % 3,
            part,
            price,
            partial,
            caps,
        })
}

const ONE: U256 = U256::from_limbs([1_000_000_000_000_000_000, 0, 0, 0]);
/// Dollars for each coin.
const PRICES: [u64; 3] = [1, 2_000, 50_000];

/// Values, weights and their sum.
fn measure(bench: &Bench, balances: &[U256]) -> (Vec<U256>, Vec<U256>, U256) {
    let value = |k: usize| balances[k] * U256::from(PRICES[k]) * ONE / bench.coins[k].atoms(1.0);
    let values: Vec<U256> = (0..3).map(value).collect();
    let total: U256 = values.iter().sum();
    let weights = values.iter().map(|value| value * ONE / total).collect();
    (values, weights, total)
}

/// The name of the verdict.
fn expected(bench: &Bench, intent: &Intent, plan: &Plan, before: &[U256], received: (usize, U256)) -> &'static str {
    let bp = ONE / U256::from(10_000);
    let asset = |k: usize| &intent.assets[k];
    let inside = |range: ballast_wire::intent::Range, w: U256| range.low.atoms() <= w && w <= range.high.atoms();
    let landed = |weights: &[U256]| (0..3).all(|k| inside(asset(k).landing, weights[k]));
    let distance = |weights: &[U256]| (0..3).map(|k| weights[k].abs_diff(asset(k).target.atoms())).sum::<U256>();
    let (values, weights, total) = measure(bench, before);
    if landed(&weights) || (0..3).all(|k| inside(asset(k).band, weights[k])) {
        return "Skipped";
    }
    // By place in the contract's order, whose first offender is named; the name is the same for each.
    let amount = |k: usize| plan.amounts.get(&bench.coins[k].token).copied().unwrap_or_default();
    if (0..3).any(|k| amount(k) > asset(k).max_trade.0) {
        return "TradeTooLarge";
    }
    let after: Vec<U256> =
        (0..3).map(|k| before[k] - amount(k) + if received.0 == k { received.1 } else { U256::ZERO }).collect();
    let (end_values, end_weights, end_total) = measure(bench, &after);
    let bps = |bps: Bps| U256::from(bps.get());
    let whole = U256::from(10_000);
    if end_total * whole < total * (whole - bps(intent.costs.max_loss_bps)) {
        return "LossTooHigh";
    }
    if !landed(&end_weights) {
        if !intent.execution.allow_partial {
            return "OutsideLanding";
        }
        if (0..3).any(|k| inside(asset(k).band, weights[k]) && !inside(asset(k).band, end_weights[k])) {
            return "LeftBand";
        }
        if distance(&weights) < distance(&end_weights) + bps(intent.execution.min_progress_bps) * bp {
            return "NoProgress";
        }
    }
    let mut order: Vec<usize> = (0..3).collect();
    order.sort_by_key(|k| bench.coins[*k].token);
    for k in order {
        if before[k].abs_diff(after[k]) > asset(k).max_trade.0 {
            return "TradeTooLarge";
        }
        if after[k] < before[k] && after[k] < asset(k).min_balance.0 {
            return "BelowMinBalance";
        }
    }
    let moved = values.iter().zip(&end_values).map(|(a, b)| a.abs_diff(*b)).sum::<U256>() / U256::from(2);
    if moved * whole > total * bps(intent.risk.max_turnover_bps) {
        return "TurnoverTooHigh";
    }
    let lost = (total.saturating_sub(end_total) * ONE).div_ceil(total);
    if lost > bps(intent.costs.max_loss_per_day_bps) * bp {
        return "DailyLossTooHigh";
    }
    "Rebalanced"
}

fn name(verdict: Verdict) -> String {
    match verdict {
        Verdict::Rebalanced(_) => "Rebalanced".into(),
        Verdict::Skipped(_) => "Skipped".into(),
        Verdict::Refused(error) => {
            let error: Errors = *error;
            format!("{error:?}").split('(').next().unwrap_or_default().into()
        }
        other => other.to_string(),
    }
}

#[test]
fn the_contract_judges_as_defined() {
    let bench =
        std::cell::RefCell::new(Bench::of(&[(6, 1.0), (18, 2_000.0), (8, 50_000.0)], &[0.0; 3], alloy_primitives::Address::ZERO));
    let seen = std::cell::RefCell::new(std::collections::BTreeMap::<String, usize>::new());
    let config = Config { cases: 1_500, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::default()));
    runner
        .run(&cases(), |case| {
            let bench = &mut *bench.borrow_mut();
            bench.reset();
            for (coin, (units, price)) in bench.coins.clone().iter().zip(case.units.iter().zip(PRICES)) {
                bench.give(coin, bench.vault, f64::from(*units) * 1_000.0 / price as f64);
            }
            let mut intent = bench.intent();
            if let Some(progress) = case.partial {
                intent.execution.allow_partial = true;
                intent.execution.min_progress_bps = Bps::new(progress).unwrap();
            }
            for asset in &mut intent.assets {
                // Almost as wide as the bands: a plan drawn at random shall land now and then.
                let by = U256::from(5) * ONE / U256::from(100);
                asset.landing.low = Decimal::from_atoms(asset.target.atoms() - by);
                asset.landing.high = Decimal::from_atoms(asset.target.atoms() + by);
            }
            let before = bench.balances();
            let thousandth = |x: U256, n: u32| x * U256::from(n) / U256::from(1_000);
            let paid = thousandth(before[case.given], case.part);
            let value = paid * U256::from(PRICES[case.given]) * ONE / bench.coins[case.given].atoms(1.0);
            let par = value * bench.coins[case.taken].atoms(1.0) / (U256::from(PRICES[case.taken]) * ONE);
            let received = thousandth(par, case.price);
            intent.assets[case.given].max_trade = Amount(thousandth(paid, case.caps[0]));
            intent.assets[case.given].min_balance = Amount(thousandth(before[case.given], case.caps[1]));
            intent.risk.max_turnover_bps = Bps::new(case.caps[2] as u16 * 10).unwrap();
            let mut plan = bench.trade(case.given, 0.0, case.taken, 0.0);
            plan.amounts.insert(bench.coins[case.given].token, paid);
            plan.approvals[0].amount = Amount(paid);
            let trade =
                Desk::tradeCall { given: bench.coins[case.given].token, paid, taken: bench.coins[case.taken].token, received };
            plan.calls = vec![ballast_adapters::encode::call(bench.desk, &trade)];
            let expected = expected(bench, &intent, &plan, &before, (case.taken, received));
            let verdict = name(bench.settle(&intent, &plan));
            *seen.borrow_mut().entry(verdict.clone()).or_default() += 1;
            prop_assert_eq!(verdict, expected);
            Ok(())
        })
        .unwrap();
    let seen = seen.into_inner();
    println!("{seen:?}");
    let all =
        ["BelowMinBalance", "LeftBand", "LossTooHigh", "NoProgress", "OutsideLanding", "Rebalanced", "Skipped", "TradeTooLarge"];
    for verdict in all.into_iter().chain(["TurnoverTooHigh"]) {
        assert!(seen.get(verdict).is_some_and(|count| *count >= 5), "too few of {verdict}: {seen:?}");
    }
}
