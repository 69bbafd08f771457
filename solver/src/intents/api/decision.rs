//! What would be done now, and why.

use std::sync::Arc;

use alloy_primitives::Address;
use axum::Json;
use axum::extract::{Path, State};
use ballast_store::Record;
use ballast_wire::{Amount, Decimal};
use serde::Serialize;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use utoipa::ToSchema;

use super::super::decide::decide;
use super::super::health::Dependency;
use super::Api;
use super::post::stored;
use crate::api::{Failing, Problem, Refusal};
use crate::intent::VaultError;
use crate::intent::size::{Answer, Rebalance};
use crate::intent::state::State as Vault;

/// A decision on an intent, by the chain's latest block.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Decided {
    /// `settle`, `wait`, `park`, `expired` or `used`.
    decision: &'static str,
    /// Why.
    reason: String,
    /// The block's time, Unix seconds.
    time: u64,
    /// What a unit of gas costs.
    gas_price_wei: Amount,
    /// The vault's value, in the intent's numeraire.
    value: Decimal,
    /// Where its weights are.
    weights: Vec<Weight>,
}

/// An asset's weight.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Weight {
    /// The asset.
    #[schema(value_type = String)]
    token: Address,
    /// Of the portfolio.
    weight: Decimal,
    /// What it is to be.
    target: Decimal,
}

/// Decide on an intent now: whether it would be settled, and why or why not. Nothing is changed.
#[utoipa::path(
    get,
    path = "/v1/intents/{id}/decision",
    params(("id" = String, Path, description = "The digest that was signed")),
    responses(
        (status = 200, body = Decided, description = "What would be done"),
        (status = 404, body = Problem, description = "There is none"),
        (status = 422, body = Problem, description = "Its vault cannot be read, or a feed says no price"),
        Failing,
    ),
)]
pub(super) async fn decision(State(api): State<Api>, Path(id): Path<String>) -> Result<Json<Decided>, Refusal> {
    let record = stored(&api, api.intents.store.get(&id).await)?;
    let vault = vault(&api, &record).await?;
    let (decision, held) = decide(&record.intent, &vault, record.created_at / 1_000, &api.intents.forecasts);
    let held = held.unwrap_or_default();
    let weights = record.intent.assets.iter().zip(&held.weights);
    Ok(Json(Decided {
        decision: decision.name(),
        reason: decision.reason().to_owned(),
        time: vault.time,
        gas_price_wei: vault.gas_price_wei,
        value: Decimal::from_atoms(held.total),
        weights: weights
            .map(|(asset, weight)| Weight { token: asset.token, weight: Decimal::from_atoms(*weight), target: asset.target })
            .collect(),
    }))
}

async fn vault(api: &Api, record: &Record) -> Result<Vault, Refusal> {
    let view = api.view().await?;
    let gas_price = async { api.intents.node().await.map_err(|e| e.to_string())?.gas_price().await.map_err(|e| e.to_string()) };
    let gas_price = gas_price.await.map_err(Refusal::Unavailable)?;
    Vault::read(&view, &record.intent, gas_price).await.map_err(|error| match error {
        VaultError::Node(error) => Refusal::Unavailable(error.to_string()),
        error => Refusal::Unprocessable(error.to_string()),
    })
}

/// What settling an intent now would come to.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct DryRun {
    /// Whether the contract would accept it.
    accepted: bool,
    /// Why there is nothing, or why the contract would refuse it; none if it would settle.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// What there is.
    #[serde(skip_serializing_if = "Option::is_none")]
    settlement: Option<Settlement>,
}

/// A settlement that is not made.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Settlement {
    /// What is traded, by asset.
    trades: Vec<AssetChange>,
    /// Value that is moved, one way, in the numeraire.
    moved: f64,
    /// What it costs, gas included and arbitrage deducted, in the numeraire.
    cost: f64,
    /// How far from the optimum it is at most, in the numeraire.
    gap: f64,
    /// By estimate.
    gas: u64,
    /// How many.
    swaps: usize,
    /// What keeps assets from their landing.
    binding: Vec<String>,
}

/// What becomes of an asset.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AssetChange {
    /// The asset.
    #[schema(value_type = String)]
    token: Address,
    /// Atoms before.
    before: Amount,
    /// Atoms after.
    after: Amount,
}

/// Solve an intent on the pools as they are now, and settle nothing.
#[utoipa::path(
    post,
    path = "/v1/intents/{id}/solve",
    params(("id" = String, Path, description = "The digest that was signed")),
    responses(
        (status = 200, body = DryRun, description = "What it would come to"),
        (status = 404, body = Problem, description = "There is none"),
        (status = 422, body = Problem, description = "Its vault cannot be read, or a feed says no price"),
        Failing,
    ),
)]
pub(super) async fn solve(State(api): State<Api>, Path(id): Path<String>) -> Result<Json<DryRun>, Refusal> {
    let record = stored(&api, api.intents.store.get(&id).await)?;
    let vault = vault(&api, &record).await?;
    let view = api.view().await?;
    let (answer, answered) = oneshot::channel();
    let (intents, service, runtime) = (Arc::clone(&api.intents), Arc::clone(&api.service), Handle::current());
    let job = move || {
        let pools = intents.health.heard(Dependency::Market, runtime.block_on(intents.pools(&view)));
        let stop = || service.is_ending() || answer.is_closed();
        let found = pools.map(|pools| match intents.solve(&record.intent, &vault, &pools, &stop) {
            Ok((_, Answer::Idle(idle))) => DryRun { accepted: false, reason: Some(idle.to_string()), settlement: None },
            Ok((_, Answer::Rebalance(rebalance))) => dry_run(&vault, &rebalance),
            Err(error) => DryRun { accepted: false, reason: Some(error.to_string()), settlement: None },
        });
        let _gone = answer.send(found.map_err(|e| Refusal::Unavailable(e.to_string())));
    };
    api.service
        .quotes
        .submit(Box::new(job))
        .map_err(|_| Refusal::Unavailable("others are being solved; try again".to_owned()))?;
    answered.await.map_err(|_| Refusal::Internal)?.map(Json)
}

fn dry_run(vault: &Vault, rebalance: &Rebalance) -> DryRun {
    let trade = |(held, after): (&crate::intent::state::Held, &crate::intent::portfolio::Holding)| AssetChange {
        token: held.token,
        before: held.balance,
        after: Amount(after.balance),
    };
    let settlement = Settlement {
        trades: vault.holdings.iter().zip(&rebalance.after.holdings).map(trade).collect(),
        moved: rebalance.moved,
        cost: rebalance.costs.total(),
        gap: rebalance.gaps.total,
        gas: rebalance.gas,
        swaps: rebalance.swaps.len(),
        binding: rebalance.binding.iter().map(ToString::to_string).collect(),
    };
    let reason = rebalance.foreseen.as_ref().err().map(ToString::to_string);
    DryRun { accepted: rebalance.foreseen.is_ok(), reason, settlement: Some(settlement) }
}
