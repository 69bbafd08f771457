//! Watching: what is read from the chain, and a pass of decisions.

use std::time::Instant;

use alloy_primitives::U256;
use ballast_adapters::chain::View;
use ballast_store::{Change, Numbers, Record, State, Status, StoreError};
use ballast_wire::intent::Intent;

use super::decide::{Decision, decide};
use super::health::Dependency;
use super::oracle::{FileOracle, Oracle};
use super::worker::{Trouble, Watched, Worker};
use super::{decimal, metrics, millis, numbers, seconds};
use crate::intent::portfolio::Measured;
use crate::intent::{Vault, feeds};
use crate::settlement::Node;

/// Vaults that are read at a time. What is under way is looked after in between, and does not wait for all of them.
const AT_ONCE: usize = 2_000;
/// Changes that are written at a time.
const TOGETHER: usize = 500;
/// By how much of the portfolio weights, or of its value the value, must have moved for what is parked to be looked at again: ten basis points.
const MOVED: f64 = 1e-3;

/// How a vault was at some time.
#[derive(Debug, Clone)]
pub(super) struct Mark(Measured);

impl Mark {
    /// Whether things are others now.
    fn is_past(&self, now: &Measured) -> bool {
        let weights = self.0.weights.iter().zip(&now.weights).map(|(a, b)| f64::from(a.abs_diff(*b)) / 1e18);
        let value = f64::from(self.0.total.abs_diff(now.total)) / f64::from(self.0.total).max(1.0);
        self.0.weights.len() != now.weights.len() || weights.fold(value, f64::max) >= MOVED
    }
}

impl Worker {
    /// Reads prices if there is a new block, and some of the vaults that have to be read, those of intents that are to be settled first. Whether prices
    /// have moved.
    pub(super) async fn read(&mut self, view: &View) -> Result<bool, Trouble> {
        let every = self.intents.settings.intents.every;
        if self.decided.is_none_or(|decided| decided.elapsed() >= every) {
            self.watched.values_mut().for_each(|watched| watched.stale = true);
            self.feeds.clear();
            self.intents.forecasts.refresh();
            self.decided = Some(Instant::now());
        }
        let urgent = |status: &Status| matches!(status, Status::Triggered | Status::Solved { .. });
        let unread = self.watched.iter().filter(|(_, watched)| watched.is_unread());
        let mut unread: Vec<u64> = unread.map(|(key, _)| *key).collect();
        unread.sort_by_key(|key| self.watched.get(key).is_none_or(|watched| !urgent(&watched.record.status)));
        unread.truncate(AT_ONCE);
        let mut moved = false;
        let named = if self.feeds.is_empty() {
            feeds(self.watched.values().map(|watched| &watched.record.intent))
        } else {
            feeds(unread.iter().filter_map(|key| Some(&self.watched.get(key)?.record.intent)))
        };
        if self.head != Some(view.hash()) || !named.is_subset(&self.feeds) {
            self.feeds.extend(named);
            let intents = self.intents.clone();
            let prices = match &intents.settings.intents.prices {
                Some(file) => FileOracle(file).prices(view, &self.feeds).await,
                None => self.oracle.prices(view, &self.feeds).await,
            };
            let prices = self.ask(Dependency::Prices, prices)?;
            // Intents whose feeds say nothing wait; the others are decided on. What never was a feed is the fault of who named it.
            self.heard.retain(|feed| self.feeds.contains(feed));
            let _noted = intents.health().heard(Dependency::Prices, prices.complete(&self.heard));
            self.heard.extend(prices.feeds());
            moved = self.prices.differ(&prices);
            self.prices = prices;
        }
        let asked: Vec<&Intent> = unread.iter().filter_map(|key| Some(&self.watched.get(key)?.record.intent)).collect();
        let read = if asked.is_empty() { Vec::new() } else { self.ask(Dependency::Node, Vault::read(view, &asked).await)? };
        for (key, vault) in unread.into_iter().zip(read) {
            let Some(watched) = self.watched.get_mut(&key) else { continue };
            let vault = vault.map_err(|error| format!("its vault cannot be read: {error}"));
            (watched.vault, watched.stale, watched.fresh) = (Some(vault), false, true);
        }
        self.head = Some(view.hash());
        Ok(moved)
    }

    /// Decides on all intents, or on those alone that are newly read or due, and writes what has changed.
    pub(super) async fn pass(&mut self, node: &Node, view: &View, gas_price: U256, all: bool) -> Result<(), Trouble> {
        let began = Instant::now();
        let (now, at) = (seconds(), view.timestamp());
        let mut changes: Vec<(u64, Status, String, Numbers)> = Vec::new();
        let mut used = Vec::new();
        for (key, watched) in &mut self.watched {
            let retry = matches!(watched.record.status, Status::Failed { retry_at, .. } if retry_at <= now);
            if !(all || retry || watched.fresh) || is_out(&watched.record.status) {
                continue;
            }
            watched.fresh = false;
            let Record { intent, created_at, status, .. } = &watched.record;
            let Some(vault) = &watched.vault else { continue };
            let state = vault.as_ref().map_err(Clone::clone);
            let state = state.and_then(|vault| vault.state(intent, &self.prices, at, gas_price).map_err(|e| e.to_string()));
            let (decision, held) = match state {
                Ok(state) => decide(intent, &state, created_at / 1_000, &self.intents.forecasts),
                Err(_) if at > intent.valid_to => (Decision::Expired, None),
                Err(reason) => (Decision::Wait(reason), None),
            };
            if decision == Decision::Used {
                used.push(*key);
            } else if let Some(status) = next(&decision, status, now, watched.parked.as_mut(), held.as_ref()) {
                if status.state() == State::Waiting {
                    watched.failures = 0;
                }
                watched.parked = None;
                changes.push((*key, status, decision.reason().to_owned(), figures(intent, held.as_ref(), gas_price)));
            } else if matches!(watched.record.status, Status::Parked { .. }) && watched.parked.is_none() {
                watched.parked = held.map(Mark);
            }
        }
        metrics::passed(began.elapsed());
        self.write(changes).await?;
        for key in used {
            self.used(node, view, key, None).await?;
        }
        Ok(())
    }

    /// Writes changes, many at a time.
    async fn write(&mut self, changes: Vec<(u64, Status, String, Numbers)>) -> Result<(), StoreError> {
        let at = millis();
        for part in changes.chunks(TOGETHER) {
            if let [(key, status, cause, numbers)] = part {
                self.advance(*key, status.clone(), cause.clone(), numbers.clone()).await?;
                continue;
            }
            let mut of: std::collections::HashMap<u64, Change> =
                part.iter().cloned().map(|(key, status, cause, numbers)| (key, Change { status, cause, numbers, at })).collect();
            let records = self.watched.iter_mut().filter_map(|(key, watched)| Some((&mut watched.record, of.remove(key)?)));
            let done = self.intents.store.advance_all(records.collect(), self.lease.as_ref()).await?;
            for event in &done {
                metrics::changed(event.status.state());
            }
            tracing::info!(intents = done.len(), "changed");
        }
        self.watched.retain(|_, watched: &mut Watched| !watched.record.status.state().is_final());
        Ok(())
    }
}

/// Whether something of an intent is out and may still come: there is nothing to decide before.
fn is_out(status: &Status) -> bool {
    matches!(status, Status::Submitted { .. } | Status::Ordered { .. } | Status::Cancelling { .. })
}

/// Where a decision leads an intent, if it leads it anywhere.
fn next(decision: &Decision, status: &Status, now: u64, parked: Option<&mut Mark>, held: Option<&Measured>) -> Option<Status> {
    let wakes = match status {
        Status::Parked { .. } => parked.zip(held).is_some_and(|(mark, held)| mark.is_past(held)),
        Status::Failed { retry_at, .. } => *retry_at <= now,
        _ => true,
    };
    match decision {
        Decision::Expired => Some(Status::Expired),
        _ if !wakes => None,
        Decision::Settle(_) if *status == Status::Triggered => None,
        Decision::Settle(_) => Some(Status::Triggered),
        Decision::Wait(reason) if matches!(status, Status::Waiting { reason: known } if known == reason) => None,
        Decision::Wait(reason) => Some(Status::Waiting { reason: reason.clone() }),
        Decision::Park(reason) if matches!(status, Status::Parked { reason: known } if known == reason) => None,
        Decision::Park(reason) => Some(Status::Parked { reason: reason.clone() }),
        Decision::Used => None,
    }
}

/// What was decided on, for the audit trail.
fn figures(intent: &Intent, held: Option<&Measured>, gas_price: U256) -> Numbers {
    let mut figures = numbers([("gasPriceWei", gas_price.to_string())]);
    if let Some(held) = held {
        figures.insert("value".to_owned(), format!("{} {}", decimal(held.total), intent.numeraire));
        for (asset, weight) in intent.assets.iter().zip(&held.weights) {
            figures.insert(format!("weight of {:#x}", asset.token), decimal(*weight));
        }
    }
    figures
}
