//! What a settlement would do on a snapshot of the chain, with the real contracts, before anyone sees it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use alloy_primitives::{Address, I256, U256};
use ballast_adapters::erc20::Erc20;
use ballast_adapters::evm::{Evm, Frame, Snapshot};
use ballast_adapters::revert::Failure;

use super::encode::{Action, NATIVE, Scheme, Settlement};
use super::explain::{explain, outcome};

/// By how much a balance changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delta {
    /// Whose balance.
    pub account: Address,
    /// Of which token; [`NATIVE`] for the native one.
    pub token: Address,
    /// Atoms.
    pub change: I256,
}

/// What a settlement did.
#[derive(Debug, Clone)]
pub struct Simulation {
    /// Gas of the transaction, refunds deducted.
    pub gas_used: u64,
    /// Changes of what the settlement contract, the owners and the receivers hold. None where it failed.
    pub deltas: Vec<Delta>,
    /// Gas of the interactions by themselves, before, between and after the trades, as far as it went.
    pub gas_of: [Vec<u64>; 3],
    /// Where it failed, and why.
    pub failure: Option<StepFailure>,
}

impl Simulation {
    /// By how much a balance changed, in atoms.
    pub fn change(&self, account: Address, token: Address) -> I256 {
        self.deltas.iter().find(|d| d.account == account && d.token == token).map_or(I256::ZERO, |d| d.change)
    }
}

/// A step of a settlement, in the order of the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The look-up of the sender.
    Sender,
    /// An interaction, by its place: before (0), between (1) or after (2) the trades, and within.
    Interaction(usize, usize),
    /// The check of an order and its signature, by its place among the trades.
    Order(usize),
    /// The transfer of what an order pays.
    TransferIn(usize),
    /// The transfer of what an order gets.
    TransferOut(usize),
    /// None: the contract is content, but somebody pays more or gets less than promised.
    Outcome,
}

/// Why a settlement failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepFailure {
    /// The step that failed.
    pub step: Step,
    /// What it is for, in words.
    pub what: String,
    /// What the contract said.
    pub failure: Failure,
    /// What to do.
    pub advice: String,
}

impl fmt::Display for StepFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}. {}", self.what, self.failure, self.advice)
    }
}

/// Sends a settlement from `solver` on a snapshot, of which nothing changes.
pub fn simulate(snapshot: &Snapshot, solver: Address, settlement: &Settlement) -> Simulation {
    let mut evm = Evm::on(snapshot);
    let watched = watched(settlement);
    let before: Vec<U256> = watched.iter().map(|(account, token)| balance(&mut evm, account, token)).collect();
    let traced = evm.trace(solver, settlement.target, settlement.calldata.clone());
    let calls: Vec<(usize, &Frame)> = traced.frames.iter().enumerate().filter(|(_, f)| f.depth == 1).collect();
    let steps = steps(settlement);
    let mut gas_of = settlement.actions.each_ref().map(|actions| Vec::with_capacity(actions.len()));
    for (step, (_, frame)) in steps.iter().zip(&calls) {
        if let Step::Interaction(phase, _) = step {
            gas_of[*phase].push(frame.gas);
        }
    }
    let gas_used = traced.gas_used;
    if let Err(failure) = traced.result {
        let step = failed(settlement, &steps, &calls, &traced.frames, &failure);
        let what = describe(settlement, step);
        let advice = explain(&mut Evm::on(snapshot), settlement, step, &failure, snapshot.block().1);
        return Simulation { gas_used, deltas: Vec::new(), gas_of, failure: Some(StepFailure { step, what, failure, advice }) };
    }
    let deltas = watched
        .into_iter()
        .zip(before)
        .map(|((account, token), before)| {
            let after = balance(&mut evm, &account, &token);
            // Both fit 255 bits, or no token could have paid them out.
            Delta { account, token, change: I256::from_raw(after.wrapping_sub(before)) }
        })
        .collect();
    let mut done = Simulation { gas_used, deltas, gas_of, failure: None };
    // What hooks do to balances is their owners' business.
    let hooked = settlement.actions.iter().flatten().any(|action| matches!(action, Action::Hook(_)));
    if let Some((token, account)) = broken_promise(settlement, &done).filter(|_| !hooked) {
        let failure = Failure::Halt("a promise is not kept".to_owned());
        let advice = outcome(&mut Evm::on(snapshot), settlement, &token);
        let what = format!("the settlement goes through, but what {account} pays or gets of {token} is not what was promised:");
        done.failure = Some(StepFailure { step: Step::Outcome, what, failure, advice });
    }
    done
}

/// A token of which somebody paid more or got less than promised.
fn broken_promise(settlement: &Settlement, done: &Simulation) -> Option<(Address, Address)> {
    let mut due: BTreeMap<(Address, Address), I256> = BTreeMap::new();
    for trade in &settlement.trades {
        for (key, by) in [
            ((trade.owner, trade.sell), I256::from_raw(trade.paid).wrapping_neg()),
            ((trade.receiver, trade.buy), I256::from_raw(trade.got)),
        ] {
            let sum = due.entry(key).or_default();
            *sum = sum.wrapping_add(by);
        }
    }
    due.into_iter()
        .find(|((account, token), due)| done.change(*account, *token) != *due)
        .map(|((account, token), _)| (token, account))
}

/// Accounts and tokens whose balances may change.
fn watched(settlement: &Settlement) -> BTreeSet<(Address, Address)> {
    let buffers = settlement.buffers.keys().chain(settlement.spending.iter().map(|s| &s.token));
    let mut watched: BTreeSet<_> = buffers.map(|token| (settlement.target, *token)).collect();
    for action in settlement.actions.iter().flatten() {
        if let Action::Swap { input, output, .. } = action {
            watched.extend([(settlement.target, *input), (settlement.target, *output)]);
        }
    }
    for trade in &settlement.trades {
        watched.extend([(trade.owner, trade.sell), (trade.receiver, trade.buy)]);
        watched.extend([(settlement.target, trade.sell), (settlement.target, trade.buy)]);
    }
    watched
}

pub(super) fn balance(evm: &mut Evm, account: &Address, token: &Address) -> U256 {
    if *token == NATIVE {
        return evm.balance(*account);
    }
    evm.query(Address::ZERO, *token, &Erc20::balanceOfCall { owner: *account }).unwrap_or_default()
}

/// The calls that the contract makes, in their order.
fn steps(settlement: &Settlement) -> Vec<Step> {
    let interactions = |phase: usize| (0..settlement.actions[phase].len()).map(move |k| Step::Interaction(phase, k));
    let mut steps = vec![Step::Sender];
    steps.extend(interactions(0));
    // Signatures by key are recovered by a call as well; approvals by transaction are looked up in its own storage.
    let called = settlement.trades.iter().enumerate().filter(|(_, trade)| trade.scheme != Scheme::PreSign);
    steps.extend(called.map(|(k, _)| Step::Order(k)));
    steps.push(Step::TransferIn(0));
    steps.extend(interactions(1));
    steps.extend((0..settlement.trades.len()).map(Step::TransferOut));
    steps.extend(interactions(2));
    steps
}

/// Where it failed: at the call that failed, or after the last one that did not.
fn failed(settlement: &Settlement, steps: &[Step], calls: &[(usize, &Frame)], frames: &[Frame], failure: &Failure) -> Step {
    let broken = calls.iter().position(|(_, frame)| !frame.succeeded);
    let last = broken.unwrap_or(calls.len().saturating_sub(1));
    let step = steps.get(last).copied().unwrap_or(Step::Sender);
    match (broken, step) {
        (Some(_), Step::TransferIn(_)) => {
            let inner = frames.iter().skip(calls[last].0.saturating_add(1)).take_while(|f| f.depth > 1).filter(|f| f.depth == 2);
            let done = inner.take_while(|f| f.succeeded).count();
            Step::TransferIn(done.min(settlement.trades.len().saturating_sub(1)))
        }
        // The contract itself refused what came next: an order whose signature takes no call.
        (None, Step::Interaction(0, _)) => Step::Order(0),
        (None, Step::Sender) if !failure.reason().unwrap_or_default().contains("not a solver") => Step::Order(0),
        _ => step,
    }
}

fn describe(settlement: &Settlement, step: Step) -> String {
    let order = |k: usize| settlement.trades.get(k).map(|t| t.order.to_string()).unwrap_or_default();
    match step {
        Step::Sender => "the sender".to_owned(),
        Step::Interaction(phase, k) => match settlement.actions[phase].get(k) {
            Some(action) => format!("interaction {k} {} the trades, {action},", ["before", "between", "after"][phase.min(2)]),
            None => format!("interaction {k}"),
        },
        Step::Order(k) => format!("the check of order {}", order(k)),
        Step::TransferIn(k) => format!("the transfer of what order {} pays", order(k)),
        Step::TransferOut(k) => format!("the transfer of what order {} gets", order(k)),
        Step::Outcome => "the outcome".to_owned(),
    }
}
