//! From a rebalance to the contract's call, and what the chain would make of it.

use alloy_primitives::Address;
use ballast_adapters::evm::Snapshot;
use ballast_wire::intent::Intent;

use super::judge::Breach;
use super::plan::{Execute, Plan, PlanError, as_executor};
use super::simulate::{Verdict, simulate};
use super::size::Rebalance;
use super::state::State;
use crate::auction::Auction;
use crate::settlement::{Encoder, Node, Settings, SubmitError};

/// Why an intent is not settled by a rebalance that was found for it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// By the contract's arithmetic.
    #[error("the contract would refuse: {0}")]
    Breach(#[from] Breach),
    /// It cannot be made a call.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// As simulated.
    #[error("as simulated, {0}")]
    Verdict(Verdict),
    /// At the node.
    #[error(transparent)]
    Node(#[from] SubmitError),
}

impl Rebalance {
    /// The call that settles the intent by this. `request` is the market that it was found on.
    ///
    /// # Errors
    /// When the contract would refuse it, or it cannot be put on chain.
    pub fn call(
        &self,
        intent: &Intent,
        state: &State,
        auction: &Auction,
        request: &ballast_wire::Auction,
        settings: &Settings,
    ) -> Result<Execute, CallError> {
        if let Err(breach) = &self.foreseen {
            return Err(breach.clone().into());
        }
        let settled = u64::try_from(state.settled.0).map_err(|_| Breach::NonceUsed)?;
        let settings = as_executor(intent, settled, &self.settings(settings));
        let encoder = Encoder::new(auction, request, &settings);
        let balances = state.holdings.iter().map(|held| (held.token, held.balance.0)).collect();
        Ok(Plan::of_swaps(intent, &encoder, &self.solution(auction), &balances)?.execute(intent)?)
    }
}

impl Execute {
    /// Runs the call in this process, where the node's state is to be had, and at the node. The gas that it takes.
    ///
    /// # Errors
    /// When it would not settle, or take more gas than `limit`.
    pub async fn foresee(&self, node: &Node, sender: Address, limit: u64) -> Result<u64, CallError> {
        if let Some(snapshot) = node.snapshot().await? {
            self.simulated(&snapshot, sender)?;
        }
        node.foresee(sender, self.target, &self.calldata, limit).await.map_err(|error| match error {
            SubmitError::Failed(failure) => CallError::Verdict(Verdict::of_failure(&failure)),
            error => error.into(),
        })
    }

    fn simulated(&self, snapshot: &Snapshot, sender: Address) -> Result<(), CallError> {
        match simulate(snapshot, sender, self).verdict {
            Verdict::Rebalanced(_) => Ok(()),
            verdict => Err(CallError::Verdict(verdict)),
        }
    }
}
