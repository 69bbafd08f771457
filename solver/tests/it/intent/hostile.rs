//! Plans, tokens and venues that mean ill. Post-condition 5 is here: no approvals left.

use alloy_primitives::{Address, Bytes, U256};
use alloy_sol_types::{SolCall, SolError, sol};
use ballast_adapters::encode::call;
use ballast_adapters::erc20::Erc20;
use ballast_adapters::revert::Failure;
use ballast_solver::intent::abi::RebalanceSettlement as abi;
use ballast_solver::intent::abi::Running::RunningErrors as Stops;
use ballast_solver::intent::{Plan, Verdict, executor};
use ballast_wire::intent::{Intent, Rule};
use ballast_wire::{Allowance, Amount, Bps, Call};

use super::bench::*;

sol!(
    #[sol(all_derives)]
    Trickster,
    "../fixtures/contracts/own/Trickster.json"
);
use Trickster::{mintCall, playCall};

#[track_caller]
fn stopped(verdict: Verdict) -> Stops {
    match verdict {
        Verdict::Stopped(stop) => *stop,
        other => panic!("not stopped: {other}"),
    }
}

/// A plan with one more call, before the good ones.
fn with(plan: &Plan, target: Address, data: impl SolCall) -> Plan {
    let mut plan = plan.clone();
    plan.calls.insert(0, call(target, &data));
    plan
}

#[test]
fn a_plan_calls_neither_vault_nor_settlement_nor_oracles_nor_takes_tokens() {
    let mut bench = Bench::new();
    let (intent, plan) = (bench.intent(), bench.par());
    let module = bench.evm.query(SOLVER, bench.settlement, &abi::MODULECall {}).unwrap();
    let template = bench.evm.query(SOLVER, bench.settlement, &abi::EXECUTORCall {}).unwrap();
    let usd = bench.coins[USD];
    let cancel = abi::cancelCall { nonce: U256::ZERO };
    for target in [bench.vault, bench.settlement, module, template, usd.feed, Address::ZERO] {
        let verdict = bench.settle(&intent, &with(&plan, target, cancel.clone()));
        assert_refused!(verdict, ForbiddenCall { target: at, .. } if at == target);
        let mut approves = plan.clone();
        approves.approvals.push(Allowance { token: target, spender: SOLVER, amount: Amount(U256::ONE) });
        assert_refused!(bench.settle(&intent, &approves), ForbiddenCall { target: at, .. } if at == target);
    }
    let approve = Erc20::approveCall { spender: SOLVER, amount: U256::MAX };
    assert_refused!(bench.settle(&intent, &with(&plan, usd.token, approve)), ForbiddenCall { .. });
    let take = Erc20::transferFromCall { from: bench.vault, to: SOLVER, amount: U256::ONE };
    assert_refused!(bench.settle(&intent, &with(&plan, usd.token, take)), ForbiddenCall { .. });
    sol! { function increaseAllowance(address spender, uint256 amount) external; }
    let more = increaseAllowanceCall { spender: SOLVER, amount: U256::MAX };
    assert_refused!(bench.settle(&intent, &with(&plan, usd.token, more)), ForbiddenCall { .. });
}

/// A vault does what its owner says, and plain calls of the modules that its owner has enabled.
#[test]
fn a_vault_obeys_its_owner_and_modules_only() {
    let mut bench = Bench::new();
    let enable = |enabled| OwnedVault::setModuleCall { module: SOLVER, enabled };
    let (to, data) = (bench.coins[USD].token, Erc20::transferCall { to: SOLVER, amount: U256::ONE }.abi_encode());
    let by_module = |operation| OwnedVault::execTransactionFromModuleReturnDataCall {
        to,
        value: U256::ZERO,
        data: data.clone().into(),
        operation,
    };
    let by_owner = OwnedVault::executeCall { to, value: U256::ZERO, data: data.clone().into() };
    let (vault, owner) = (bench.vault, account(&bench.owner));
    assert!(bench.evm.send(SOLVER, vault, &enable(true), U256::ZERO).is_err());
    assert!(bench.evm.send(SOLVER, vault, &by_owner, U256::ZERO).is_err());
    assert!(bench.evm.send(SOLVER, vault, &by_module(0), U256::ZERO).is_err());
    bench.evm.send(owner, vault, &enable(true), U256::ZERO).unwrap();
    // Not by delegation: the vault's own storage would be the module's.
    let delegated = bench.evm.send(SOLVER, vault, &by_module(1), U256::ZERO).unwrap_err();
    assert_eq!(delegated, Failure::Data(OwnedVault::OnlyCalls::SELECTOR.into()));
    assert!(bench.evm.send(SOLVER, vault, &by_module(0), U256::ZERO).unwrap()._0);
    bench.evm.send(owner, vault, &by_owner, U256::ZERO).unwrap();
    assert_eq!(bench.balance(USD, SOLVER), U256::from(2));
    bench.evm.send(owner, vault, &enable(false), U256::ZERO).unwrap();
    assert!(bench.evm.send(SOLVER, vault, &by_module(0), U256::ZERO).is_err());
}

/// With a vault that has foolishly approved everybody, and an executor that is asked to use it by a detour: nobody but the vault's owner can have
/// approved the executor, which did not exist when the intent was signed.
#[test]
fn the_vaults_tokens_cannot_be_reached_past_its_module() {
    let mut bench = Bench::new();
    let (intent, usd) = (bench.intent(), bench.coins[USD]);
    let take = Erc20::transferFromCall { from: bench.vault, to: SOLVER, amount: U256::ONE };
    bench.prepare(usd.token, take.abi_encode().into());
    settled(bench.settle(&intent, &bench.par()));
    assert!(!bench.evm.query(SOLVER, bench.desk, &Desk::succeededCall {}).unwrap());
    let module = bench.evm.query(SOLVER, bench.settlement, &abi::MODULECall {}).unwrap();
    sol! { function transfer(address vault, address[] tokens, uint256[] amounts, address to) external; }
    let ask = transferCall { vault: bench.vault, tokens: vec![usd.token], amounts: vec![U256::ONE], to: SOLVER };
    assert!(bench.evm.send(SOLVER, module, &ask, U256::ZERO).is_err(), "the module answers to its settlement contract only");
    let run = abi::executorOfCall { digest: Default::default(), settled: U256::ZERO };
    assert!(bench.evm.send(SOLVER, executor(&intent, 0), &run, U256::ZERO).is_err(), "and so does an executor");
    let direct = OwnedVault::execTransactionFromModuleReturnDataCall {
        to: usd.token,
        value: U256::ZERO,
        data: Erc20::transferCall { to: SOLVER, amount: U256::ONE }.abi_encode().into(),
        operation: 0,
    };
    assert!(bench.evm.send(SOLVER, bench.vault, &direct, U256::ZERO).is_err(), "and a vault to its modules");
}

/// A plan that just keeps what it was given, and one that overpays.
#[test]
fn stealing_is_a_loss() {
    let mut bench = Bench::new();
    let (intent, usd) = (bench.intent(), bench.coins[USD]);
    let theft = Erc20::transferCall { to: SOLVER, amount: usd.atoms(1e4) };
    let plan = Plan { amounts: bench.par().amounts, calls: vec![call(usd.token, &theft)], ..Plan::default() };
    assert_refused!(bench.settle(&intent, &plan), LossTooHigh { .. });
}

/// One leg fails: nothing has happened, and the error says which and why.
#[test]
fn a_plan_is_done_whole_or_not_at_all() {
    let mut bench = Bench::new();
    let before = bench.balances();
    let mut plan = bench.par();
    plan.calls.push(plan.calls[0].clone());
    let Stops::CallFailed(failed) = stopped(bench.settle(&bench.intent(), &plan)) else { panic!() };
    assert_eq!(failed.index, U256::ONE);
    assert!(String::from_utf8_lossy(&failed.reason).contains("exceeds allowance"));
    assert_eq!(bench.balances(), before);
    settled(bench.settle(&bench.intent(), &bench.par()));
}

/// More is approved than is used: in the end nothing is.
#[test]
fn no_approval_is_left() {
    let mut bench = Bench::new();
    let mut plan = bench.par();
    plan.approvals[0].amount.0 = U256::MAX;
    let approved = |bench: &mut Bench, token: Address, spender: Address| {
        let call = Erc20::allowanceCall { owner: executor(&bench.intent(), 0), spender };
        bench.evm.query(SOLVER, token, &call).unwrap()
    };
    let (token, spender) = (bench.coins[USD].token, bench.desk);
    settled(bench.settle(&bench.intent(), &plan));
    assert_eq!(approved(&mut bench, token, spender), U256::ZERO);
}

/// A vault whose second asset is a token that plays tricks.
fn tricky() -> (Bench, Address) {
    let mut bench = Bench::of(&[(6, 1.0)], &[60_000.0], Address::ZERO);
    let token = bench.evm.deploy(DEPLOYER, &Trickster::BYTECODE, &[]).unwrap();
    let coin = bench.coin(token, 18, 1.0);
    for (to, units) in [(bench.vault, 40_000.0), (bench.desk, 1e6)] {
        bench.evm.send(DEPLOYER, token, &mintCall { to, amount: coin.atoms(units) }, U256::ZERO).unwrap();
    }
    (bench, token)
}

fn play(bench: &mut Bench, token: Address, trick: u8, target: Address, data: Bytes) {
    bench.evm.send(DEPLOYER, token, &playCall { trick_: trick, target_: target, data_: data }, U256::ZERO).unwrap();
}

fn halves(bench: &Bench) -> Intent {
    bench.intent_of(&["0.5", "0.5"])
}

#[test]
fn a_token_that_is_paused_or_refuses_stops_the_plan() {
    let (mut bench, token) = tricky();
    let plans = [bench.trade(0, 1e4, 1, 1e4), bench.trade(1, 1e4, 0, 1e4)];
    for trick in [1, 2] {
        play(&mut bench, token, trick, Address::ZERO, Bytes::new());
        let before = bench.balances();
        assert!(matches!(stopped(bench.settle(&halves(&bench), &plans[0])), Stops::CallFailed(_)));
        assert!(matches!(stopped(bench.settle(&halves(&bench), &plans[1])), Stops::TransferFailed(_)));
        assert_eq!(bench.balances(), before);
    }
    // Paused, it does not stand in the way of others' trades.
    play(&mut bench, token, 0, Address::ZERO, Bytes::new());
    settled(bench.settle(&halves(&bench), &plans[0]));
}

#[test]
fn a_token_that_returns_nothing_will_do() {
    let (mut bench, token) = tricky();
    play(&mut bench, token, 5, Address::ZERO, Bytes::new());
    let mut intent = bench.intent_of(&["0.7", "0.3"]);
    intent.assets[0].band.low = decimal("0");
    // The desk itself insists on an answer: the token goes there by itself.
    let (coin, usd, desk) = (bench.coins[1], bench.coins[0], bench.desk);
    let give = Erc20::transferCall { to: desk, amount: coin.atoms(1e4) };
    let take = Desk::tradeCall { given: usd.token, paid: U256::ZERO, taken: usd.token, received: usd.atoms(1e4) };
    let plan = Plan {
        amounts: [(token, coin.atoms(1e4))].into(),
        approvals: vec![Allowance { token, spender: desk, amount: Amount(U256::ONE) }],
        calls: vec![call(token, &give), call(desk, &take)],
        fee: None,
    };
    settled(bench.settle(&intent, &plan));
}

#[test]
fn an_approval_that_clings_is_refused() {
    let (mut bench, token) = tricky();
    play(&mut bench, token, 3, Address::ZERO, Bytes::new());
    let mut plan = bench.trade(0, 1e4, 1, 1e4);
    plan.approvals.push(Allowance { token, spender: SOLVER, amount: Amount(U256::ONE) });
    let stop = stopped(bench.settle(&halves(&bench), &plan));
    assert!(matches!(stop, Stops::ApprovalLeft(left) if left.token == token && left.spender == SOLVER));
}

/// A venue in the middle of a plan, and a token in the middle of a transfer, settle another intent of the same vault.
#[test]
fn settlement_is_not_entered_twice() {
    let mut bench = Bench::new();
    let mut other = bench.intent();
    other.nonce.0 = U256::from(2);
    let again = bench.trade(USD, 1e4, ETH, 5.0).execute(&bench.signed(&other)).unwrap().calldata;
    bench.prepare(bench.settlement, again.clone());
    settled(bench.settle(&bench.intent(), &bench.par()));
    assert!(!bench.evm.query(SOLVER, bench.desk, &Desk::succeededCall {}).unwrap());
    let answer = bench.evm.query(SOLVER, bench.desk, &Desk::answerCall {}).unwrap();
    assert_eq!(answer.as_ref(), abi::ReentrancyGuardReentrantCall::SELECTOR);

    let (mut bench, token) = tricky();
    let settlement = bench.settlement;
    play(&mut bench, token, 4, settlement, again);
    let stop = stopped(bench.settle(&halves(&bench), &bench.trade(0, 1e4, 1, 1e4)));
    assert!(matches!(stop, Stops::CallFailed(failed) if failed.reason.as_ref() == abi::ReentrancyGuardReentrantCall::SELECTOR));
}

/// Read-only reentrancy: in the middle of a plan the vault's balances are not what it owns. The contract says so, and what it says of the nonce
/// is true already.
#[test]
fn who_looks_in_the_middle_can_know() {
    let mut bench = Bench::new();
    let asked: [(Bytes, U256); 2] = [
        (abi::busyCall {}.abi_encode().into(), U256::ONE),
        (abi::settlementsOfCall { owner: bench.vault, nonce: U256::ONE }.abi_encode().into(), U256::ONE),
    ];
    for (data, said) in asked {
        bench.reset();
        assert!(!bench.evm.query(SOLVER, bench.settlement, &abi::busyCall {}).unwrap());
        bench.prepare(bench.settlement, data);
        settled(bench.settle(&bench.intent(), &bench.par()));
        let answer = bench.evm.query(SOLVER, bench.desk, &Desk::answerCall {}).unwrap();
        assert_eq!(U256::from_be_slice(&answer), said);
        assert!(!bench.evm.query(SOLVER, bench.settlement, &abi::busyCall {}).unwrap());
    }
}

/// A donation before the settlement changes what is to be done, at the donor's cost: the plan misses, or there is nothing to do.
#[test]
fn a_donation_in_front_of_it_harms_nobody() {
    let mut bench = Bench::new();
    let eth = bench.coins[ETH];
    bench.give(&eth, bench.vault, 10.0);
    let before = bench.balances();
    let mut intent = bench.intent();
    intent.trigger.any_of = vec![Rule::DriftAbsBps(100)];
    assert_refused!(bench.settle(&intent, &bench.par()), OutsideLanding { .. });
    assert_eq!(bench.balances(), before);
    bench.reset();
    intent.assets[BTC].landing.low = decimal("0.16");
    intent.assets[BTC].band.low = decimal("0.1");
    intent.assets[USD].landing.high = decimal("0.52");
    // From 60/20/20 to 50/33/17.
    bench.give(&eth, bench.vault, 10.0);
    intent.assets[ETH].landing.high = decimal("0.34");
    assert!(matches!(bench.settle(&intent, &bench.par()), Verdict::Skipped(_)));
    // To the executor, whose address is known: it ends up with the vault.
    bench.reset();
    bench.give(&eth, executor(&bench.intent(), 0), 0.25);
    assert_eq!(settled(bench.settle(&bench.intent(), &bench.par())).credit, fixed(500.0));
}

/// A fee on transfer is a loss like any other, on the way out and on the way back.
#[test]
fn a_fee_on_transfer_counts_as_loss() {
    for (fee_bps, fits) in [(10, true), (400, false)] {
        let mut bench = Bench::of(&[(6, 1.0)], &[60_000.0], Address::ZERO);
        let token = bench.token(18, fee_bps);
        let coin = bench.coin(token, 18, 1.0);
        // What arrives of the first transfer.
        bench.give(&coin, bench.vault, 40_000.0);
        bench.give(&coin, bench.desk, 1e6);
        let verdict = bench.settle(&halves(&bench), &bench.trade(0, 1e4, 1, 1e4));
        if fits {
            // Twice 10 bp of $10,000, on the way to the executor and to the vault.
            assert_eq!(settled(verdict).loss, fixed(19.99));
        } else {
            assert_refused!(verdict, LossTooHigh { .. });
        }
    }
}

/// Balances that grow by themselves, before and in the middle of it, are the vault's.
#[test]
fn a_token_may_rebase() {
    let (mut bench, token) = tricky();
    let grow = mintCall { to: bench.vault, amount: bench.coins[1].atoms(100.0) };
    bench.evm.send(DEPLOYER, token, &grow, U256::ZERO).unwrap();
    bench.prepare(token, grow.abi_encode().into());
    let outcome = settled(bench.settle(&halves(&bench), &bench.trade(0, 1e4, 1, 1e4)));
    assert_eq!((outcome.valueBefore, outcome.credit), (fixed(100_100.0), fixed(100.0)));
}

/// An asset whose contract lies can take the rest with it, but no more than maxTrade at a time.
#[test]
fn max_trade_bounds_what_a_lying_token_costs() {
    let (mut bench, token) = tricky();
    let usd = bench.coins[0];
    let mut intent = halves(&bench);
    intent.assets[0].max_trade = Amount(usd.atoms(500.0));
    intent.execution.allow_partial = true;
    intent.execution.min_progress_bps = Bps::new(1).unwrap();
    let lie = mintCall { to: bench.vault, amount: bench.coins[1].atoms(1e4) };
    let plan = |units: f64| Plan {
        amounts: [(usd.token, usd.atoms(units))].into(),
        calls: vec![call(usd.token, &Erc20::transferCall { to: SOLVER, amount: usd.atoms(units) }), call(token, &lie)],
        ..Plan::default()
    };
    assert_refused!(bench.settle(&intent, &plan(1e4)), TradeTooLarge { .. });
    settled(bench.settle(&intent, &plan(500.0)));
    assert_eq!(bench.balance(0, SOLVER), usd.atoms(500.0));
}

#[test]
fn a_plan_is_of_the_intents_length() {
    let mut bench = Bench::new();
    let verdict = bench.settle_with(&bench.intent(), &bench.par(), |call| call.plan.amounts.push(U256::ZERO));
    assert_refused!(verdict, WrongLength {});
    let verdict = bench.settle_with(&bench.intent(), &bench.par(), |call| call.plan.feeAsset = U256::from(3));
    assert!(matches!(verdict, Verdict::Failed(_)), "{verdict}");
}

#[test]
fn an_empty_vault_has_no_weights() {
    let mut bench = Bench::of(&[(6, 1.0), (18, 1.0)], &[0.0, 0.0], Address::ZERO);
    assert_refused!(bench.settle(&halves(&bench), &Plan::default()), EmptyVault {});
}

/// Native tokens that a plan keeps are gone, and a loss.
#[test]
fn value_can_be_sent_by_a_plan_that_has_it() {
    let mut bench = Bench::new();
    let mut plan = bench.par();
    plan.calls.push(Call { target: SOLVER, value: U256::ONE, call_data: Bytes::new() });
    assert!(matches!(stopped(bench.settle(&bench.intent(), &plan)), Stops::CallFailed(_)));
    bench.evm.set_balance(executor(&bench.intent(), 0), U256::ONE);
    settled(bench.settle(&bench.intent(), &plan));
    assert_eq!(bench.evm.balance(SOLVER), U256::ONE);
}
