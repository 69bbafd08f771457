use std::fmt;

use alloy_primitives::{Address, Log};
use alloy_sol_types::{SolEvent, SolInterface};
use ballast_adapters::evm::{Evm, Snapshot, Traced};
use ballast_adapters::revert::Failure;

use super::abi::RebalanceSettlement::{self as abi, RebalanceSettlementErrors as Errors};
use super::abi::Running::RunningErrors as Stops;
use super::plan::Execute;

/// What came of a call.
#[derive(Debug, Clone)]
pub struct Simulated {
    /// Gas of the transaction, refunds deducted.
    pub gas_used: u64,
    /// What the contract says.
    pub verdict: Verdict,
}

/// What the contract says of an intent and a plan.
#[derive(Debug, Clone)]
pub enum Verdict {
    /// Settled: its event.
    Rebalanced(Box<abi::Outcome>),
    /// Nothing to do.
    Skipped(&'static str),
    /// Refused, by one of the contract's errors.
    Refused(Box<Errors>),
    /// The plan could not be run.
    Stopped(Box<Stops>),
    /// Failed, by something else.
    Failed(Failure),
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rebalanced(_) => f.write_str("settled"),
            Self::Skipped(reason) => write!(f, "nothing to do: {reason}"),
            Self::Refused(error) => write!(f, "refused: {}", words(error)),
            Self::Stopped(error) => write!(f, "the plan fails: {}", words(error)),
            Self::Failed(failure) => failure.fmt(f),
        }
    }
}

/// Sends a call from `solver` on a snapshot, of which nothing changes.
pub fn simulate(snapshot: &Snapshot, solver: Address, call: &Execute) -> Simulated {
    Simulated::of(&Evm::on(snapshot).trace(solver, call.target, call.calldata.clone()), call.target)
}

impl Simulated {
    /// Reads what a transaction did that called the settlement contract.
    pub fn of(traced: &Traced, settlement: Address) -> Self {
        let verdict = match &traced.result {
            Ok(_) => {
                Verdict::of_logs(&traced.logs, settlement).unwrap_or_else(|| Verdict::Failed(Failure::Halt("no event".into())))
            }
            Err(failure) => Verdict::of_failure(failure),
        };
        Self { gas_used: traced.gas_used, verdict }
    }
}

impl Verdict {
    /// What a call has failed with.
    pub fn of_failure(failure: &Failure) -> Self {
        let Failure::Data(data) = failure else { return Self::Failed(failure.clone()) };
        match (Errors::abi_decode(data), Stops::abi_decode(data)) {
            (Ok(error), _) => Self::Refused(Box::new(error)),
            (_, Ok(stop)) => Self::Stopped(Box::new(stop)),
            _ => Self::Failed(failure.clone()),
        }
    }

    /// What the settlement contract has logged.
    pub fn of_logs<'a>(logs: impl IntoIterator<Item = &'a Log>, settlement: Address) -> Option<Self> {
        logs.into_iter().filter(|log| log.address == settlement).find_map(|log| {
            let rebalanced = abi::Rebalanced::decode_log(log).map(|event| Self::Rebalanced(Box::new(event.data.outcome)));
            rebalanced.or_else(|_| abi::Skipped::decode_log(log).map(|event| Self::Skipped(reason(event.reason)))).ok()
        })
    }
}

/// An error in words: `LossTooHigh { … }` of `LossTooHigh(LossTooHigh { … })`.
fn words(error: &impl fmt::Debug) -> String {
    let text = format!("{error:?}");
    text.split_once('(').and_then(|(_, inner)| inner.strip_suffix(')')).map_or_else(|| text.clone(), str::to_owned)
}

/// The contract's `Reason` in words.
fn reason(reason: u8) -> &'static str {
    match reason {
        1 => "every asset is inside its landing",
        2 => "no rule calls for a rebalance",
        3 => "it would move less than minNotional",
        _ => "a reason that is not known",
    }
}
