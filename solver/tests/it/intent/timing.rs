//! When an intent may be settled, by whose signature, and how often.

use alloy_primitives::U256;
use ballast_wire::Bps;
use ballast_wire::intent::{Day, Mode, Rule, Window};

use super::bench::*;
use ballast_solver::intent::Verdict;
use ballast_solver::intent::abi::RebalanceSettlement as abi;

#[test]
fn not_before_and_not_after() {
    let mut bench = Bench::new();
    let mut intent = bench.intent();
    intent.valid_from = NOW + 1;
    assert_refused!(bench.settle(&intent, &bench.par()), NotYetValid { .. });
    (intent.valid_from, intent.valid_to) = (0, NOW - 1);
    assert_refused!(bench.settle(&intent, &bench.par()), Expired { .. });
    (intent.valid_from, intent.valid_to) = (NOW, NOW);
    settled(bench.settle(&intent, &bench.par()));
}

/// Tuesday, 22:13:20.
#[test]
fn only_inside_the_window() {
    let mut bench = Bench::new();
    let mut intent = bench.intent();
    for (days, from, to, open) in [
        (vec![], "22:00", "22:14", true),
        (vec![], "22:14", "24:00", false),
        (vec![Day::Tue], "22:13", "24:00", true),
        (vec![Day::Wed], "00:00", "24:00", false),
        (vec![Day::Tue], "22:00", "06:00", true),
        (vec![Day::Mon, Day::Wed], "21:00", "20:00", false),
        (vec![Day::Mon], "23:00", "22:14", true),
        (vec![Day::Mon, Day::Sun], "23:00", "22:13", false),
    ] {
        bench.reset();
        intent.trigger.window = Some(Window { days: days.clone(), from: from.parse().unwrap(), to: to.parse().unwrap() });
        let verdict = bench.settle(&intent, &bench.par());
        if open {
            settled(verdict);
        } else {
            assert_refused!(verdict, OutsideWindow {});
        }
    }
}

/// The cooldown is the vault's: it counts from its last rebalance, whatever the intent.
#[test]
fn a_vault_cools_down() {
    let mut bench = Bench::new();
    let mut intent = bench.intent();
    intent.trigger.cooldown_sec = 86_400;
    settled(bench.settle(&intent, &bench.par()));
    intent = bench.intent_of(&["0.6", "0.2", "0.2"]);
    intent.nonce.0 = U256::from(2);
    intent.trigger.cooldown_sec = 86_400;
    let back = bench.trade(ETH, 5.0, USD, 1e4);
    bench.go_on(NOW + 86_399);
    assert_refused!(bench.settle(&intent, &back), CoolingDown { until } if until == U256::from(NOW + 86_400));
    bench.go_on(NOW + 86_400);
    settled(bench.settle(&intent, &back));
}

#[test]
fn gas_that_costs_too_much_is_not_spent() {
    let mut bench = Bench::new();
    bench.evm.set_gas_price(50_000_000_001);
    assert_refused!(bench.settle(&bench.intent(), &bench.par()), GasPriceTooHigh { .. });
    bench.evm.set_gas_price(50_000_000_000);
    settled(bench.settle(&bench.intent(), &bench.par()));
}

/// Two solvers race: the first settles, the second is refused before its plan runs. So is a replay at any time.
#[test]
fn a_nonce_is_used_once() {
    let mut bench = Bench::new();
    let intent = bench.intent();
    settled(bench.settle(&intent, &bench.par()));
    assert_refused!(bench.settle(&intent, &bench.trade(USD, 9_500.0, ETH, 4.75)), NonceUsed { .. });
    bench.go_on(NOW + 86_400);
    assert_refused!(bench.settle(&intent, &bench.par()), NonceUsed { .. });
    let mut other = bench.intent_of(&["0.45", "0.35", "0.2"]);
    assert_refused!(bench.settle(&other, &bench.par()), NonceUsed { .. });
    other.nonce.0 = U256::from(2);
    other.trigger.any_of = vec![Rule::DriftAbsBps(500)];
    settled(bench.settle(&other, &bench.trade(USD, 5e3, ETH, 2.5)));
}

/// Both solved for the same balances: who comes second moves nothing, whether the intent is done or goes on.
#[test]
fn of_two_solvers_that_race_one_settles() {
    let mut bench = Bench::new();
    let mut intent = bench.intent();
    let (first, second) = (bench.trade(USD, 9_800.0, ETH, 4.9), bench.par());
    assert!(settled(bench.settle(&intent, &first)).landed);
    let after = bench.balances();
    assert_refused!(bench.settle(&intent, &second), NonceUsed { .. });
    assert_eq!(bench.balances(), after);
    bench.reset();
    intent.execution.mode = Mode::Twap;
    intent.execution.slices = 3;
    intent.execution.allow_partial = true;
    intent.execution.min_progress_bps = Bps::new(100).unwrap();
    assert!(!settled(bench.settle(&intent, &bench.trade(USD, 2_000.0, ETH, 1.0))).landed);
    let after = bench.balances();
    // What brings all of the old way goes beyond it now.
    assert_refused!(bench.settle(&intent, &bench.trade(USD, 20_000.0, ETH, 10.0)), NoProgress { .. });
    assert_eq!(bench.balances(), after);
}

/// A failure uses nothing up.
#[test]
fn what_is_refused_can_be_settled_later() {
    let mut bench = Bench::new();
    let intent = bench.intent();
    assert_refused!(bench.settle(&intent, &bench.trade(USD, 1e4, ETH, 4.0)), LossTooHigh { .. });
    settled(bench.settle(&intent, &bench.par()));
}

#[test]
fn an_owner_revokes() {
    let mut bench = Bench::new();
    let cancel = abi::cancelCall { nonce: U256::ONE };
    // Anybody may cancel what is theirs, and only that.
    bench.evm.send(SOLVER, bench.settlement, &cancel, U256::ZERO).unwrap();
    settled(bench.settle(&bench.intent(), &bench.par()));
    bench.reset();
    let data = alloy_sol_types::SolCall::abi_encode(&cancel).into();
    let by_vault = OwnedVault::executeCall { to: bench.settlement, value: U256::ZERO, data };
    bench.evm.send(account(&bench.owner), bench.vault, &by_vault, U256::ZERO).unwrap();
    assert_refused!(bench.settle(&bench.intent(), &bench.par()), NonceUsed { .. });
}

/// The vault's owner signs every field: with any other value, or by any other key, it is no signature.
#[test]
fn only_what_the_owner_signed_is_settled() {
    let mut bench = Bench::new();
    let (intent, plan) = (bench.intent(), bench.par());
    let changes: [fn(&mut abi::executeCall); 8] = [
        |call| call.intent.costs.maxLossBps += 1,
        |call| call.intent.assets[0].maxTrade -= U256::ONE,
        |call| call.intent.assets[1].oracle.maxAge += 1,
        |call| call.intent.trigger.minNotional += U256::ONE,
        |call| call.intent.execution.venuesDeny.push("stable".into()),
        |call| call.intent.risk.maxTurnoverBps -= 1,
        |call| call.intent.nonce += U256::ONE,
        |call| call.signature = vec![1; 65].into(),
    ];
    for change in changes {
        assert_refused!(bench.settle_with(&intent, &plan, change), BadSignature {});
    }
    bench.owner = k256::ecdsa::SigningKey::from_slice(&[8; 32]).unwrap();
    assert_refused!(bench.settle(&intent, &plan), BadSignature {});
}

/// An asset listed twice would be counted twice.
#[test]
fn assets_ascend() {
    let mut bench = Bench::new();
    let intent = bench.intent();
    let mut twice = ballast_solver::intent::typed(&intent);
    twice.assets[1] = twice.assets[0].clone();
    let domain = ballast_solver::intent::domain(&intent);
    let hash = alloy_sol_types::SolStruct::eip712_signing_hash(&twice, &domain);
    let signature = crate::settle::case::sign(&bench.owner, &hash);
    let verdict: Verdict = bench.settle_with(&intent, &bench.par(), |call| (call.intent, call.signature) = (twice, signature));
    assert_refused!(verdict, UnsortedAssets { .. });
}
