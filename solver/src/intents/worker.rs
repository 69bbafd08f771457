//! The one that works: it holds the lease, keeps up with the store and the chain, and does what is to be done.

use std::collections::{BTreeMap, HashSet};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::time::{Duration, Instant};

use alloy::signers::local::PrivateKeySigner;
use alloy_primitives::{Address, B256};
use anyhow::Context;
use ballast_store::{Lease, Numbers, Record, State, Status, StoreError};
use tokio::sync::watch;

use super::health::Dependency;
use super::oracle::ChainOracle;
use super::watch::Mark;
use super::{Intents, metrics, millis};
use crate::intent::{Prices, Vault};

/// An intent that is watched.
pub(super) struct Watched {
    pub(super) record: Record,
    /// As last read, or why it cannot be; none if there is nothing to decide on before it is.
    pub(super) vault: Option<Result<Vault, String>>,
    /// Whether it is to be read again all the same.
    pub(super) stale: bool,
    /// Whether it is to be decided on whatever prices do.
    pub(super) fresh: bool,
    /// Failures in a row.
    pub(super) failures: u32,
    /// How things were when it was parked.
    pub(super) parked: Option<Mark>,
}

impl Watched {
    /// Whether its vault is to be read.
    pub(super) fn is_unread(&self) -> bool {
        self.stale || self.vault.is_none()
    }
}

/// Watches and settles.
pub(crate) struct Worker {
    pub(super) intents: Arc<Intents>,
    pub(super) key: Option<PrivateKeySigner>,
    pub(super) ending: watch::Receiver<bool>,
    holder: String,
    pub(super) lease: Option<Lease>,
    /// By the number with which they came: the oldest is served first.
    pub(super) watched: BTreeMap<u64, Watched>,
    /// Events are known up to this one.
    seen: u64,
    pub(super) oracle: ChainOracle,
    pub(super) prices: Prices,
    /// The feeds of what is watched.
    pub(super) feeds: HashSet<Address>,
    /// Those that have answered at some time.
    pub(super) heard: HashSet<Address>,
    pub(super) head: Option<B256>,
    pub(super) decided: Option<Instant>,
    /// Intents whose orders the order book has heard of from this process.
    pub(super) posted: HashSet<u64>,
    /// Until when it is left alone, since it did not answer.
    pub(super) book_rests: Option<Instant>,
    /// A transaction of ours that was given up and may still wait somewhere: its account nonce, and what the next has to offer more than.
    pub(super) outbid: Option<(u64, u128)>,
}

/// What ends a round of work; the next one begins anew.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Health says how.
    #[error("{} fails", .0.name())]
    Dependency(Dependency),
    /// It is to end.
    #[error("the service ends")]
    Ending,
}

impl Worker {
    /// One that works once it is [run](Self::run), until `ending` says to stop.
    pub(crate) fn new(intents: Arc<Intents>, ending: watch::Receiver<bool>) -> anyhow::Result<Self> {
        let key = intents.settings.submission.key.as_ref().map(|key| key.read()).transpose().context("submission.key")?;
        // Of two processes with one number, on two machines, the hashers differ.
        let holder = format!("{}-{:x}", std::process::id(), RandomState::new().build_hasher().finish());
        Ok(Self {
            intents,
            key,
            ending,
            holder,
            lease: None,
            watched: BTreeMap::new(),
            seen: 0,
            oracle: ChainOracle::default(),
            prices: Prices::default(),
            feeds: HashSet::new(),
            heard: HashSet::new(),
            head: None,
            decided: None,
            posted: HashSet::new(),
            book_rests: None,
            outbid: None,
        })
    }

    /// Works until the end. On a thread of its own: solving takes it for itself.
    pub(crate) async fn run(mut self) {
        let mut ending = self.ending.clone();
        let mut written = self.intents.store.written();
        let poll = self.intents.settings.intents.poll;
        while !*self.ending.borrow() {
            let mut goes_on = false;
            match self.round().await {
                Ok(unread) => goes_on = unread,
                Err(Trouble::Store(StoreError::LeaseLost)) => self.let_go("another instance has taken over"),
                Err(Trouble::Store(error)) => {
                    let _noted = self.intents.health.heard::<(), _>(Dependency::Database, Err(error));
                }
                Err(Trouble::Dependency(_) | Trouble::Ending) => {}
            }
            self.tell();
            if goes_on {
                continue;
            }
            tokio::select! {
                _ = ending.changed() => {}
                _ = written.wait_for(|last| *last > self.seen), if self.lease.is_some() => {}
                () = tokio::time::sleep(poll) => {}
            }
        }
        if let Some(lease) = self.lease.take()
            && let Err(error) = self.intents.store.release(&lease).await
        {
            tracing::warn!(%error, "the lease could not be given back: it ends by itself");
        }
    }

    /// Looks after everything once, and at so many vaults; whether there are more to be read.
    async fn round(&mut self) -> Result<bool, Trouble> {
        if !self.hold().await? {
            return Ok(false);
        }
        self.catch_up().await?;
        if self.watched.is_empty() {
            return Ok(false);
        }
        let intents = self.intents.clone();
        let node = self.ask(Dependency::Node, intents.node().await)?;
        let (view, gas_price) = tokio::join!(node.latest(), node.gas_price());
        let (view, gas_price) = (self.ask(Dependency::Node, view)?, self.ask(Dependency::Node, gas_price)?);
        self.follow_all(node, &view).await?;
        self.follow_orders(node, &view).await?;
        let moved = self.read(&view).await?;
        self.pass(node, &view, gas_price, moved).await?;
        let unread = self.watched.values().any(Watched::is_unread);
        self.settle_next(node).await?;
        Ok(unread)
    }

    /// What a dependency has answered, or the end of the round.
    pub(super) fn ask<T, E: std::fmt::Display>(&self, from: Dependency, answer: Result<T, E>) -> Result<T, Trouble> {
        self.intents.health.heard(from, answer).map_err(|_| Trouble::Dependency(from))
    }

    /// Takes the lease, or prolongs it once half of it is over; whether it is held. A database that was said to fail is good again once it is written to:
    /// what is read says nothing of a lock or a full disk.
    pub(super) async fn hold(&mut self) -> Result<bool, StoreError> {
        let settings = &self.intents.settings;
        let name = format!("chain:{}", settings.settlement.contracts.chain_id);
        let now = millis();
        let time = u64::try_from(settings.intents.lease.as_millis()).unwrap_or(u64::MAX);
        let until = now.saturating_add(time);
        let store = &self.intents.store;
        let failing = self.intents.health.is_failing(Dependency::Database);
        if failing {
            store.probe().await?;
        }
        let held = match &mut self.lease {
            Some(lease) if !failing && lease.until.saturating_sub(now) > time / 2 => return Ok(true),
            Some(lease) => store.prolong(lease, until).await?,
            None => {
                self.lease = store.lease(&name, &self.holder, now, until).await?;
                if let Some(lease) = &self.lease {
                    tracing::info!(token = lease.token, "this instance watches and settles");
                }
                self.lease.is_some()
            }
        };
        let _good = self.intents.health.heard::<_, StoreError>(Dependency::Database, Ok(()));
        if !held && self.lease.is_some() {
            self.let_go("another instance has taken over");
        }
        metrics::lease(held);
        Ok(held)
    }

    fn let_go(&mut self, why: &str) {
        tracing::warn!("{why}: this instance only takes requests");
        (self.lease, self.seen, self.head, self.decided) = (None, 0, None, None);
        self.watched.clear();
        self.posted.clear();
        metrics::lease(false);
    }

    /// Reads what has been posted, or changed by others, since the last look: all of it at the first.
    pub(super) async fn catch_up(&mut self) -> Result<(), StoreError> {
        let (store, chain) = (&self.intents.store, self.intents.settings.settlement.contracts.chain_id);
        let (records, seen) = if self.seen == 0 { store.live(chain).await? } else { store.changed(chain, self.seen).await? };
        if self.seen == 0 {
            tracing::info!(intents = records.len(), "watching");
        }
        self.seen = seen;
        for record in records {
            let known = self.watched.get(&record.created);
            if record.status.state().is_final() {
                self.watched.remove(&record.created);
            } else if known.is_none_or(|known| known.record.changes < record.changes) {
                let failures = if let Status::Failed { failures, .. } = record.status { failures } else { 0 };
                let watched = Watched { record, vault: None, stale: false, fresh: true, failures, parked: None };
                self.watched.insert(watched.record.created, watched);
            }
        }
        Ok(())
    }

    /// Changes where an intent stands; whether it was as known, and is watched on.
    pub(super) async fn advance(
        &mut self,
        key: u64,
        status: Status,
        cause: impl Into<String>,
        numbers: Numbers,
    ) -> Result<bool, StoreError> {
        let Some(watched) = self.watched.get_mut(&key) else { return Ok(false) };
        let done = self.intents.advance(&mut watched.record, status, cause, numbers, self.lease.as_ref()).await;
        match done {
            Ok(()) if watched.record.status.state().is_final() => {
                self.watched.remove(&key);
                Ok(false)
            }
            Ok(()) => Ok(true),
            // By its owner, say: the next round reads what it is now.
            Err(StoreError::Changed(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// An attempt has failed: there will be another, unless there were too many.
    pub(super) async fn fail(&mut self, key: u64, reason: String, numbers: Numbers) -> Result<(), StoreError> {
        let config = &self.intents.settings.intents;
        let Some(watched) = self.watched.get_mut(&key) else { return Ok(()) };
        watched.failures = watched.failures.saturating_add(1);
        (watched.vault, watched.fresh) = (None, true);
        let failures = watched.failures;
        if failures >= config.max_failures {
            let reason = format!("{failures} failures in a row, the last: {reason}");
            return self.park(key, reason, numbers).await;
        }
        let pause = config.retry.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(Duration::from_secs(86_400));
        let retry_at = super::seconds().saturating_add(pause.as_secs());
        let status = Status::Failed { reason: reason.clone(), retry_at, failures };
        self.advance(key, status, reason, numbers).await.map(|_| ())
    }

    /// Leaves an intent alone until things are others.
    pub(super) async fn park(&mut self, key: u64, reason: String, numbers: Numbers) -> Result<(), StoreError> {
        if let Some(watched) = self.watched.get_mut(&key) {
            (watched.parked, watched.failures) = (None, 0);
        }
        self.advance(key, Status::Parked { reason: reason.clone() }, reason, numbers).await.map(|_| ())
    }

    /// Tells how many stand where.
    fn tell(&self) {
        let mut counts = State::ALL.map(|state| (state, 0_usize));
        for watched in self.watched.values() {
            let state = watched.record.status.state();
            if let Some((_, count)) = counts.iter_mut().find(|(known, _)| *known == state) {
                *count = count.saturating_add(1);
            }
        }
        metrics::standing(counts.into_iter().filter(|(state, _)| !state.is_final()));
        metrics::unread(self.watched.values().filter(|watched| watched.is_unread()).count());
    }
}
