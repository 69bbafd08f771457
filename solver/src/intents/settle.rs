//! An attempt to settle an intent: solved on the chain as it is now, simulated, signed, written down, and only then sent.

use std::time::Instant;

use alloy_primitives::U256;
use ballast_adapters::chain::View;
use ballast_store::{Attempt, Numbers, Status};
use ballast_wire::intent::{Intent, Mode};

use super::decide::{Decision, decide};
use super::health::Dependency;
use super::order_book::placed;
use super::worker::{Trouble, Worker};
use super::{Intents, decimal, metrics, numbers, seconds};
use crate::auction::Auction;
use crate::batch::prices::WEI_PER_UNIT;
use crate::intent::judge::{Breach, Moment, allowance};
use crate::intent::orders::orders;
use crate::intent::size::{Answer, Binding, Rebalance, SizeError, solve};
use crate::intent::state::State;
use crate::intent::{CallError, Execute, Task, VaultError};
use crate::market::{ChainMarket, Market, MarketError};
use crate::settlement::encode::domain_separator;
use crate::settlement::{Node, SubmitError, Terms};

/// Gas over and above what the node estimates, in percent.
const GAS_MARGIN: u64 = 20;

/// A market at a block, as it was read and as it is solved on.
pub(super) struct Pools {
    pub(super) request: ballast_wire::Auction,
    pub(super) auction: Auction,
}

impl Intents {
    /// The pools as the chain has them.
    pub(super) async fn pools(&self, view: &View) -> Result<Pools, MarketError> {
        let known = ChainMarket::read(view, &self.market, self.settings.settlement.contracts.vault).await?;
        let request = known.snapshot()?.into_owned();
        let mut auction = Auction::new(&request, |_| true);
        auction.anchor = auction.index.get(&self.settings.wrapped_native).map(|&native| (native, 1.0 / WEI_PER_UNIT));
        Ok(Pools { request, auction })
    }

    /// Sizes and routes an intent on them.
    pub(super) fn solve(
        &self,
        intent: &Intent,
        state: &State,
        pools: &Pools,
        ending: &(dyn Fn() -> bool + Sync),
    ) -> Result<(Auction, Answer), SizeError> {
        let began = Instant::now();
        let portfolio = state.portfolio(intent).map_err(|_| SizeError::Empty)?;
        let (moment, mut drops) = (state.moment(), pools.auction.drops.clone());
        let task = Task { intent, portfolio: &portfolio, moment: &moment };
        let most = self.settings.intents.solve_time;
        let stop = || ending() || began.elapsed() >= most;
        tracing::debug!("solving");
        fail::fail_point!("solving", |_| {
            while !stop() {
                std::thread::yield_now();
            }
            Err(SizeError::Empty)
        });
        let found = solve(&task, &pools.auction, &self.settings.engine, &mut drops, &stop);
        metrics::solved(began.elapsed());
        found
    }
}

/// Why an attempt comes to nothing.
enum Miss {
    /// It may come to something the next time.
    Fail(String),
    /// The same, once what was lost lately is forgotten.
    Spent(String),
    /// It will not, as things are.
    Park(String),
    /// The decision has changed.
    Decided(Decision),
    /// It is no fault of the intent's.
    Trouble(Trouble),
}

impl From<Trouble> for Miss {
    fn from(trouble: Trouble) -> Self {
        Self::Trouble(trouble)
    }
}

impl From<ballast_store::StoreError> for Miss {
    fn from(error: ballast_store::StoreError) -> Self {
        Self::Trouble(error.into())
    }
}

impl Worker {
    /// Settles what is to be settled, one after the other: the next one is solved on what the one before has left.
    pub(super) async fn settle_next(&mut self, node: &Node) -> Result<(), Trouble> {
        if self.key.is_none() {
            return Ok(());
        }
        let triggered: Vec<u64> =
            self.watched.iter().filter(|(_, watched)| watched.record.status == Status::Triggered).map(|(key, _)| *key).collect();
        for key in triggered {
            let on_its_way = |status: &Status| matches!(status, Status::Submitted { attempt, .. } if attempt.block.is_none());
            let waits = self.watched.values().any(|watched| on_its_way(&watched.record.status));
            // It may take as long as the lease lasts.
            if waits || *self.ending.borrow() || !self.hold().await? {
                return Ok(());
            }
            let Err(missed) = self.attempt(node, key).await else { continue };
            // It is read and decided on anew.
            if let Some(watched) = self.watched.get_mut(&key) {
                watched.vault = None;
            }
            match missed {
                Miss::Fail(reason) => self.fail(key, reason, Numbers::new()).await?,
                Miss::Spent(reason) => {
                    // Time alone clears it: it is never too many.
                    if let Some(watched) = self.watched.get_mut(&key) {
                        watched.failures = watched.failures.min(self.intents.settings.intents.max_failures.saturating_sub(2));
                    }
                    self.fail(key, format!("after the day's losses so far: {reason}"), Numbers::new()).await?;
                }
                Miss::Park(reason) | Miss::Decided(Decision::Park(reason)) => self.park(key, reason, Numbers::new()).await?,
                Miss::Decided(Decision::Expired) => {
                    self.advance(key, Status::Expired, Decision::Expired.reason(), Numbers::new()).await?;
                }
                Miss::Decided(decision) => {
                    let status = Status::Waiting { reason: decision.reason().to_owned() };
                    self.advance(key, status, decision.reason(), Numbers::new()).await?;
                }
                Miss::Trouble(trouble) => return Err(trouble),
            }
        }
        Ok(())
    }

    async fn attempt(&mut self, node: &Node, key: u64) -> Result<(), Miss> {
        let Some(watched) = self.watched.get(&key) else { return Ok(()) };
        let (intent, id, since) = (watched.record.intent.clone(), watched.record.id.clone(), watched.record.created_at / 1_000);
        let span = tracing::info_span!("intent", id);
        let view = self.ask(Dependency::Node, node.latest().await)?;
        let gas_price = self.ask(Dependency::Node, node.gas_price().await)?;
        let state = match State::read(&view, &intent, gas_price).await {
            Ok(state) => state,
            Err(VaultError::Node(error)) => return Err(self.trouble(Dependency::Node, &error)),
            Err(error) => return Err(Miss::Fail(error.to_string())),
        };
        let (decision, _) = decide(&intent, &state, since, &self.intents.forecasts);
        match decision {
            Decision::Settle(_) => {}
            // Other prices say that it is due, and will say so again at once.
            Decision::Wait(reason) if self.intents.settings.intents.prices.is_some() => {
                return Err(Miss::Fail(format!("by its own feeds, which the contract goes by: {reason}")));
            }
            decision => return Err(Miss::Decided(decision)),
        }
        let slice = u64::try_from(state.settled.0).map_err(|_| Miss::Decided(Decision::Used))?;
        let pools = self.ask(Dependency::Market, self.intents.pools(&view).await)?;
        let ending = || *self.ending.borrow();
        let solved = span.in_scope(|| self.intents.solve(&intent, &state, &pools, &ending));
        if ending() {
            // It stays triggered, and is solved by who comes next.
            return Err(Miss::Trouble(Trouble::Ending));
        }
        let (auction, rebalance) = match solved {
            Ok((auction, Answer::Rebalance(rebalance))) => (auction, rebalance),
            Ok((_, Answer::Idle(idle))) => return Err(Miss::Decided(Decision::Wait(idle.to_string()))),
            Err(error) => return Err(spent(unsolved(&error), &intent, &state)),
        };
        refused(&rebalance).map_err(|miss| spent(miss, &intent, &state))?;
        if intent.execution.mode == Mode::Auction {
            return self.export(key, &intent, &state, &rebalance).await;
        }
        let cause = format!("solved on block {}", view.number());
        if !self.advance(key, Status::Solved { slice }, cause, figures(&intent, &rebalance)).await? {
            return Ok(());
        }
        let settings = &self.intents.settings.settlement;
        let call = rebalance.call(&intent, &state, &auction, &pools.request, settings).map_err(|e| self.uncalled(e))?;
        self.submit(node, key, slice, &intent, &call).await
    }

    /// Signs the call, writes it down, sends it.
    async fn submit(&mut self, node: &Node, key: u64, slice: u64, intent: &Intent, call: &Execute) -> Result<(), Miss> {
        let Some(signer) = self.key.clone() else { return Ok(()) };
        let (sender, limit) = (signer.address(), self.intents.settings.settlement.gas_limit);
        let gas = call.foresee(node, sender, limit).await.map_err(|e| self.uncalled(e))?;
        let account_nonce = self.ask(Dependency::Node, node.account_nonce(sender).await)?;
        let [mut max_fee, mut priority] = self.ask(Dependency::Node, node.fees().await)?;
        if let Some((_, paid)) = self.outbid.filter(|(nonce, _)| *nonce == account_nonce) {
            // What nodes ask of a transaction that is to take another's place: a tenth more, of both.
            max_fee = max_fee.max(paid.saturating_add(paid / 8).saturating_add(1));
            priority = max_fee;
        }
        let most = u128::try_from(intent.costs.max_gas_price_wei.0).unwrap_or(u128::MAX);
        if most < max_fee && self.outbid.is_some() {
            return Err(Miss::Fail("gas costs more than costs.maxGasPriceWei".to_owned()));
        }
        let max_fee_per_gas = max_fee.min(most);
        let terms = Terms {
            account_nonce,
            gas: gas.saturating_add(gas / 100 * GAS_MARGIN).min(limit),
            max_fee_per_gas,
            max_priority_fee_per_gas: priority.min(max_fee_per_gas),
        };
        let signed = node.sign(&signer, call.target, &call.calldata, &terms).await.map_err(|e| Miss::Fail(e.to_string()))?;
        let attempt = Attempt {
            transaction: signed.hash,
            sender,
            account_nonce,
            max_fee_per_gas,
            signed_at: seconds(),
            raw: signed.raw.clone(),
            block: None,
        };
        let told = numbers([("gas", gas.to_string()), ("maxFeePerGas", max_fee_per_gas.to_string())]);
        let status = Status::Submitted { slice, attempt: Box::new(attempt) };
        // From here on it may have been sent, whatever happens to this process.
        if !self.advance(key, status, "signed, and about to be sent", told).await? {
            return Ok(());
        }
        let sent = node.send(&signed.raw).await;
        fail::fail_point!("sent");
        match self.intents.health.heard(Dependency::Sender, sent) {
            // Nobody has it. Should somebody have, the next has the same account nonce.
            Err(SubmitError::Refused(reason)) => {
                self.outbid = Some((account_nonce, max_fee_per_gas));
                Err(Miss::Fail(format!("the node refuses the transaction: {reason}")))
            }
            _ => Ok(()),
        }
    }

    /// Makes what an intent asks for orders of a batch auction: for the order book, or for the vault itself to sign and post.
    async fn export(&mut self, key: u64, intent: &Intent, state: &State, rebalance: &Rebalance) -> Result<(), Miss> {
        let config = &self.intents.settings.intents;
        let portfolio = state.portfolio(intent).map_err(|e| Miss::Park(e.to_string()))?;
        let moment = state.moment();
        let task = Task { intent, portfolio: &portfolio, moment: &moment };
        let exported = orders(&task, &rebalance.after, None)
            .filter(|exported| !exported.orders.is_empty())
            .ok_or_else(|| Miss::Park("the intent leaves no room for a loss, so no order has a limit".to_owned()))?;
        let domain = domain_separator(&self.intents.settings.settlement.contracts);
        if config.order_book.is_some() {
            let valid_to = state.time.saturating_add(config.order_time.as_secs()).min(intent.valid_to);
            let placed = placed(&exported, valid_to, intent, &domain).map_err(|e| Miss::Park(e.to_string()))?;
            // From here on they may be there, whatever happens to this process.
            let status = Status::Ordered { orders: placed, valid_to };
            let cause = "its orders go to the order book; its owner signs them by setPreSignature(uid, true)";
            return Ok(self.advance(key, status, cause, figures(intent, rebalance)).await.map(|_| ())?);
        }
        let orders = exported.json(intent, &domain).map_err(|e| Miss::Park(e.to_string()))?;
        let orders = serde_json::Value::from(orders).to_string();
        let reason = "its orders, in the numbers of this event, are for the vault to sign and post".to_owned();
        Ok(self.park(key, reason, numbers([("orders", orders)])).await?)
    }

    /// Something that it takes fails.
    fn trouble(&self, dependency: Dependency, error: &dyn std::fmt::Display) -> Miss {
        let _noted = self.intents.health.heard::<(), _>(dependency, Err(error));
        Trouble::Dependency(dependency).into()
    }

    /// What it means that a plan is not settled.
    fn uncalled(&self, error: CallError) -> Miss {
        match error {
            CallError::Node(SubmitError::GasLimit { .. }) | CallError::Plan(_) => Miss::Park(error.to_string()),
            CallError::Node(error @ (SubmitError::Node(_) | SubmitError::Dump(_))) => self.trouble(Dependency::Node, &error),
            _ => Miss::Fail(error.to_string()),
        }
    }
}

/// What it means that nothing was found.
fn unsolved(error: &SizeError) -> Miss {
    match error {
        SizeError::Empty | SizeError::NoMarket => Miss::Park(error.to_string()),
        SizeError::NoTrade(binding) if binding.iter().any(is_stiff) => Miss::Park(error.to_string()),
        _ => Miss::Fail(error.to_string()),
    }
}

/// What a failure comes from where the day's losses leave less than a settlement may lose.
fn spent(miss: Miss, intent: &Intent, state: &State) -> Miss {
    let most = allowance(intent, &Moment { lost: U256::ZERO, ..state.moment() });
    match miss {
        Miss::Fail(reason) if allowance(intent, &state.moment()) < most => Miss::Spent(reason),
        other => other,
    }
}

/// Whether a limit stays as it is however pools change.
fn is_stiff(binding: &Binding) -> bool {
    !matches!(binding, Binding::Loss | Binding::Depth(_))
}

/// Whether the contract would refuse what was found, and what that means.
fn refused(rebalance: &Rebalance) -> Result<(), Miss> {
    let Err(breach) = &rebalance.foreseen else { return Ok(()) };
    let binding: Vec<String> = rebalance.binding.iter().map(Binding::to_string).collect();
    let reason = match binding.as_slice() {
        [] => breach.to_string(),
        some => format!("{breach}; what binds: {}", some.join(", ")),
    };
    let passing = matches!(breach, Breach::LossTooHigh(_) | Breach::DailyLossTooHigh(_));
    Err(if passing || !rebalance.binding.iter().any(is_stiff) { Miss::Fail(reason) } else { Miss::Park(reason) })
}

/// What is promised, for the audit trail.
fn figures(intent: &Intent, rebalance: &Rebalance) -> Numbers {
    let mut figures = numbers([
        ("cost", format!("{} {}", rebalance.costs.total(), intent.numeraire)),
        ("moved", format!("{} {}", rebalance.moved, intent.numeraire)),
        ("gas", rebalance.gas.to_string()),
        ("swaps", rebalance.swaps.len().to_string()),
    ]);
    if let Ok(foreseen) = &rebalance.foreseen {
        figures.insert("loss".to_owned(), decimal(foreseen.loss));
        figures.insert("credit".to_owned(), decimal(foreseen.credit));
        figures.insert("landed".to_owned(), foreseen.landed.to_string());
    }
    figures
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_clear_is_parked_and_what_can_is_tried_again() {
        let parks = |error: SizeError| matches!(unsolved(&error), Miss::Park(_));
        assert!(parks(SizeError::NoMarket) && parks(SizeError::NoTrade(vec![Binding::Turnover])));
        assert!(!parks(SizeError::NoPlan(String::new())) && !parks(SizeError::NoTrade(vec![Binding::Loss])));
    }
}
