//! The contract hashes an intent as EIP-712 says, field by field.

use alloy_primitives::{Address, B256, U256};
use alloy_sol_types::{Eip712Domain, SolCall, SolStruct};
use ballast_solver::intent::abi::RebalanceSettlement as abi;
use ballast_solver::intent::{SignatureError, check_signature, digest, domain, executor, typed};
use ballast_wire::intent::{Day, Group, Intent, Rule, Scheme, Signature, Window};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use super::bench::*;
use crate::settle::case::sign;

/// With something in every field.
pub fn rich(bench: &Bench) -> Intent {
    let mut intent = bench.intent();
    intent.trigger.any_of = vec![
        Rule::DriftAbsBps(500),
        Rule::DriftRelBps(2_000),
        Rule::TrackingErrorBps(150),
        Rule::Calendar { every_sec: 604_800, offset_sec: 3_600 },
        Rule::HitProbability { p: decimal("0.3"), horizon_sec: 86_400 },
    ];
    let days = vec![Day::Mon, Day::Fri];
    intent.trigger.window = Some(Window { days, from: "08:00".parse().unwrap(), to: "18:30".parse().unwrap() });
    intent.execution.venues_allow = vec!["constantProduct".into(), "weightedProduct".into()];
    intent.execution.venues_deny = vec!["0x0000000000000000000000000000000000000bad".into()];
    let tokens = intent.assets.iter().map(|asset| asset.token).collect();
    intent.risk.groups = vec![Group { tokens, max: decimal("1") }, Group { tokens: Vec::new(), max: decimal("0.2") }];
    intent.assets[0].oracle.as_mut().unwrap().twap_pool = Some(Address::repeat_byte(9));
    intent
}

#[test]
fn the_contracts_digest_is_that_of_the_typed_data() {
    let mut bench = Bench::new();
    let contracts = |bench: &mut Bench, intent: &abi::Intent| {
        bench.evm.query(SOLVER, bench.settlement, &abi::digestOfCall { intent: intent.clone() }).unwrap()
    };
    for intent in [bench.intent(), rich(&bench)] {
        assert_eq!(contracts(&mut bench, &typed(&intent)), digest(&intent));
    }
    // Any words at all, not only those that make sense.
    let settlement = bench.settlement;
    let domain: Eip712Domain = domain(&bench.intent());
    let template = typed(&rich(&bench));
    let evm = std::cell::RefCell::new(bench.evm);
    let words = prop::collection::vec(any::<[u64; 4]>(), 24);
    TestRunner::deterministic()
        .run(&(words, 0_usize..4, 0_usize..4, ".{0,40}"), |(words, assets, rules, text)| {
            let mut words = words.into_iter().map(U256::from_limbs).cycle();
            let mut word = || words.next().unwrap();
            let mut intent = template.clone();
            (intent.owner, intent.numeraire) = (Address::from_word(B256::from(word())), Address::from_word(B256::from(word())));
            (intent.nonce, intent.validFrom, intent.validTo) = (word(), word().wrapping_to(), word().wrapping_to());
            intent.assets.truncate(assets);
            for asset in &mut intent.assets {
                (asset.target, asset.minBalance, asset.maxTrade) = (word(), word(), word());
                (asset.band.low, asset.band.high, asset.landing.low, asset.landing.high) = (word(), word(), word(), word());
                (asset.tradable, asset.oracle.maxAge) = (word().bit(0), word().wrapping_to());
                (asset.oracle.minPrice, asset.oracle.maxPrice) = (word(), word());
            }
            intent.trigger.anyOf.truncate(rules);
            for rule in &mut intent.trigger.anyOf {
                (rule.kind, rule.value, rule.period) = (word().wrapping_to(), word(), word().wrapping_to());
            }
            (intent.costs.maxGasPriceWei, intent.costs.solverFeeBps) = (word(), word().wrapping_to());
            (intent.execution.mode, intent.execution.minSpacingSec) = (word().wrapping_to(), word().wrapping_to());
            intent.execution.venuesDeny = vec![text.clone(); rules];
            intent.risk.groups[0].max = word();
            let call = abi::digestOfCall { intent: intent.clone() };
            let answer = evm.borrow_mut().query(SOLVER, settlement, &call).unwrap();
            prop_assert_eq!(answer, intent.eip712_signing_hash(&domain), "{}", alloy_primitives::hex::encode(call.abi_encode()));
            Ok(())
        })
        .unwrap();
}

#[test]
fn a_plans_executor_is_known_beforehand() {
    let mut bench = Bench::new();
    for settled in [0, 1, 7] {
        let call = abi::executorOfCall { digest: digest(&bench.intent()), settled: U256::from(settled) };
        assert_eq!(bench.evm.query(SOLVER, bench.settlement, &call).unwrap(), executor(&bench.intent(), settled));
    }
}

/// The order in which an intent lists its assets is not signed.
#[test]
fn assets_are_signed_in_ascending_order() {
    let bench = Bench::new();
    let mut turned = bench.intent();
    turned.assets.reverse();
    assert_eq!(digest(&turned), digest(&bench.intent()));
}

#[test]
fn a_key_signs_for_its_own_account_only() {
    let bench = Bench::new();
    let mut intent = bench.intent();
    assert_eq!(check_signature(&intent), Err(SignatureError::Missing));
    intent.owner = account(&bench.owner);
    let by_key = |intent: &Intent, data| Intent { signature: Some(Signature { scheme: Scheme::Eip712, data }), ..intent.clone() };
    let signed = by_key(&intent, sign(&bench.owner, &digest(&intent)));
    assert_eq!(check_signature(&signed), Ok(()));
    let other = Intent { valid_to: signed.valid_to + 1, ..signed.clone() };
    assert!(matches!(check_signature(&other), Err(SignatureError::Signer { .. })));
    for data in [vec![], vec![27; 64], vec![0; 65], vec![0xff; 65]] {
        assert!(matches!(check_signature(&by_key(&intent, data.into())), Err(SignatureError::Malformed(_))));
    }
    // A contract answers for itself.
    assert_eq!(check_signature(&bench.signed(&bench.intent())), Ok(()));
}
