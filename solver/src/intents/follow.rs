//! What became of a transaction: mined, reorganised, lost; and what others have done.

use alloy::rpc::types::TransactionReceipt;
use alloy_primitives::{B256, U256};
use alloy_sol_types::SolEvent;
use ballast_adapters::chain::View;
use ballast_store::{Attempt, Block, Numbers, Status};
use ballast_wire::intent::Intent;

use super::health::Dependency;
use super::worker::{Trouble, Worker};
use super::{decimal, metrics, numbers, seconds};
use crate::intent::Verdict;
use crate::intent::abi::RebalanceSettlement as abi;
use crate::settlement::{Node, SubmitError};

/// Blocks back in which is looked for who has settled or revoked an intent.
const BACK: u64 = 9_000;

/// A node that says what cannot be.
#[derive(Debug, thiserror::Error)]
#[error("contradicts itself: {0}")]
struct Contradiction(String);

/// A transaction that is on its way, and what for.
struct Sent {
    key: u64,
    slice: u64,
    attempt: Attempt,
    intent: Intent,
}

impl Worker {
    /// Looks after all transactions.
    pub(super) async fn follow_all(&mut self, node: &Node, view: &View) -> Result<(), Trouble> {
        let submitted = |(key, watched): (&u64, &super::worker::Watched)| match &watched.record.status {
            Status::Submitted { slice, attempt } => {
                let (attempt, intent) = (attempt.as_ref().clone(), watched.record.intent.clone());
                Some(Sent { key: *key, slice: *slice, attempt, intent })
            }
            _ => None,
        };
        let all: Vec<_> = self.watched.iter().filter_map(submitted).collect();
        for sent in all {
            match self.ask(Dependency::Node, node.receipt(sent.attempt.transaction).await)? {
                Some(receipt) => self.mined(node, view, sent, &receipt).await?,
                None => self.unmined(node, view, sent).await?,
            }
        }
        Ok(())
    }

    async fn mined(&mut self, node: &Node, view: &View, sent: Sent, receipt: &TransactionReceipt) -> Result<(), Trouble> {
        let Sent { key, slice, mut attempt, intent } = sent;
        let (Some(number), Some(hash)) = (receipt.block_number, receipt.block_hash) else { return Ok(()) };
        // A receipt counts for what it says only in a block that is in the chain.
        let canonical = self.ask(Dependency::Node, node.block_hash(number).await)?;
        if canonical != Some(hash) || receipt.transaction_hash != attempt.transaction {
            let said = format!("the receipt of {} is in block {number} {hash}, which is not in the chain", attempt.transaction);
            return self.ask(Dependency::Node, Err(Contradiction(said)));
        }
        let block = Block { number, hash };
        if attempt.block != Some(block) {
            let cause = match attempt.block {
                None => format!("mined in block {number}"),
                Some(old) => {
                    metrics::reorganised();
                    format!("reorganised from block {} into block {number}", old.number)
                }
            };
            attempt.block = Some(block);
            let told = numbers([("gasUsed", receipt.gas_used.to_string())]);
            if !self.advance(key, Status::Submitted { slice, attempt: Box::new(attempt.clone()) }, cause, told).await? {
                return Ok(());
            }
            fail::fail_point!("mined");
        }
        let logs: Vec<_> = receipt.logs().iter().map(|log| log.inner.clone()).collect();
        let verdict = Verdict::of_logs(&logs, intent.settlement);
        if !receipt.status() {
            // Its account nonce is spent: nothing of it can come any more.
            return Ok(self.fail(key, format!("its transaction reverted in block {number}"), Numbers::new()).await?);
        }
        if view.number().saturating_sub(number) < self.intents.settings.intents.confirmations {
            return Ok(());
        }
        let outcome = match verdict {
            Some(Verdict::Rebalanced(outcome)) => outcome,
            Some(Verdict::Skipped(reason)) => {
                let status = Status::Waiting { reason: reason.to_owned() };
                self.advance(key, status, format!("nothing was done: {reason}"), Numbers::new()).await?;
                return Ok(());
            }
            _ => {
                let said = format!("the receipt of {} is good and without the contract's event", attempt.transaction);
                return self.ask(Dependency::Node, Err(Contradiction(said)));
            }
        };
        let settled = self.settled(view, &intent).await?;
        if settled <= U256::from(slice) {
            let said = format!("{} is mined, and the contract has not counted it", attempt.transaction);
            return self.ask(Dependency::Node, Err(Contradiction(said)));
        }
        let told = numbers([
            ("valueBefore", decimal(outcome.valueBefore)),
            ("valueAfter", decimal(outcome.valueAfter)),
            ("loss", decimal(outcome.loss)),
            ("credit", decimal(outcome.credit)),
            ("landed", outcome.landed.to_string()),
            ("gasUsed", receipt.gas_used.to_string()),
        ]);
        let done = outcome.landed || settled >= U256::from(intent.execution.slices);
        let status = if done {
            Status::Settled { transaction: Some(attempt.transaction) }
        } else {
            Status::Waiting {
                reason: format!("settlement {} of at most {} is made", slice.saturating_add(1), intent.execution.slices),
            }
        };
        let cause = format!("settled in block {number}, {} blocks deep", view.number().saturating_sub(number));
        if self.advance(key, status, cause, told).await?
            && let Some(watched) = self.watched.get_mut(&key)
        {
            (watched.vault, watched.failures) = (None, 0);
        }
        // Other intents of the vault see it changed.
        for watched in self.watched.values_mut().filter(|watched| watched.record.intent.owner == intent.owner) {
            watched.vault = None;
        }
        Ok(())
    }

    async fn unmined(&mut self, node: &Node, view: &View, sent: Sent) -> Result<(), Trouble> {
        let Sent { key, slice, mut attempt, intent } = sent;
        if let Some(block) = attempt.block.take() {
            metrics::reorganised();
            let cause = format!("reorganised out of block {}", block.number);
            self.advance(key, Status::Submitted { slice, attempt: Box::new(attempt) }, cause, Numbers::new()).await?;
            return Ok(());
        }
        let waited = seconds().saturating_sub(attempt.signed_at);
        let late = waited >= self.intents.settings.intents.patience.as_secs();
        // A node may know of a block before it knows of the receipts in it: until it is late, ours is what counts.
        let ours = (!late).then_some((slice, attempt.transaction));
        if self.settled(view, &intent).await? > U256::from(slice) {
            return self.used(node, view, key, ours).await;
        }
        let next = self.ask(Dependency::Node, node.account_nonce(attempt.sender).await)?;
        if next > attempt.account_nonce {
            let reason = "another transaction of the sender's took its place".to_owned();
            return if late { Ok(self.fail(key, reason, Numbers::new()).await?) } else { Ok(()) };
        }
        if late {
            self.outbid = Some((attempt.account_nonce, attempt.max_fee_per_gas));
            let reason = format!("not mined after {waited} s: the next, solved anew, takes its place");
            return Ok(self.fail(key, reason, Numbers::new()).await?);
        }
        // Sent before this process ended, or not: the same transaction twice is one.
        let sent = node.send(&attempt.raw).await;
        if let Err(SubmitError::Refused(reason)) = self.intents.health.heard(Dependency::Sender, sent) {
            self.outbid = Some((attempt.account_nonce, attempt.max_fee_per_gas));
            return Ok(self.fail(key, format!("the node refuses the transaction: {reason}"), Numbers::new()).await?);
        }
        Ok(())
    }

    /// How often the contract has settled an intent.
    async fn settled(&self, view: &View, intent: &Intent) -> Result<U256, Trouble> {
        let call = abi::settlementsOfCall { owner: intent.owner, nonce: intent.nonce.0 };
        let answer = self.ask(Dependency::Node, view.ask_one(intent.settlement, call).await)?;
        self.ask(Dependency::Node, answer)
    }

    /// An intent's nonce is used: by a settlement, whoever made it, or since its owner revoked it on the chain. What may be of `ours`, the
    /// transaction for a settlement from 0 on whose receipt has yet to come, is waited for.
    pub(super) async fn used(&mut self, node: &Node, view: &View, key: u64, ours: Option<(u64, B256)>) -> Result<(), Trouble> {
        let Some(watched) = self.watched.get(&key) else { return Ok(()) };
        let intent = watched.record.intent.clone();
        let from = view.number().saturating_sub(BACK);
        let about = |event: B256| [event, intent.owner.into_word(), B256::from(intent.nonce.0)];
        let logs = node.logs(intent.settlement, from, about(abi::Rebalanced::SIGNATURE_HASH)).await;
        let rebalanced = self.ask(Dependency::Node, logs)?;
        let logs = node.logs(intent.settlement, from, about(abi::Cancelled::SIGNATURE_HASH)).await;
        let revoked = !self.ask(Dependency::Node, logs)?.is_empty();
        let last = rebalanced.last();
        let by = last.and_then(|log| log.transaction_hash);
        // Nor need the node know of all events yet.
        if let Some((slice, ours)) = ours
            && !revoked
            && (rebalanced.len() as u64 <= slice || by == Some(ours))
        {
            return Ok(());
        }
        let deep = |block: Option<u64>| {
            let depth = block.map_or(u64::MAX, |block| view.number().saturating_sub(block));
            depth >= self.intents.settings.intents.confirmations
        };
        // Not before a reorganisation can no longer take it back.
        if !deep(last.and_then(|log| log.block_number)) {
            return Ok(());
        }
        let (status, cause) = match by {
            _ if revoked => (Status::Cancelled, "revoked on the chain by its owner"),
            Some(transaction) => (Status::Settled { transaction: Some(transaction) }, "settled on the chain"),
            None => (Status::Settled { transaction: None }, "the contract has its nonce as used"),
        };
        self.advance(key, status, cause, Numbers::new()).await?;
        Ok(())
    }
}
