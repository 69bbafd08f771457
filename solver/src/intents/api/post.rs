//! `POST /v1/intents`.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use ballast_store::{NewIntent, Quota, StoreError};
use ballast_wire::intent::Intent;
use bytesize::ByteSize;

use super::super::health::Dependency;
use super::super::signature::{self, Unsigned};
use super::super::{metrics, millis};
use super::Api;
use super::view::Shown;
use crate::api::{Failing, Problem, Refusal, Unread, body};
use crate::intent::digest;
use crate::intent::state::State as Vault;

/// The largest intent: hundreds of assets.
const MOST: ByteSize = ByteSize::kib(256);

/// Post a signed intent: it is watched, and settled when its time comes.
///
/// The signature is the owner's own over the EIP-712 digest, or one that the owner's contract takes (ERC-1271). Posting the same intent again changes
/// nothing and answers as it stands; another with the same owner and nonce is refused.
#[utoipa::path(
    post,
    path = "/v1/intents",
    request_body = Intent,
    responses(
        (status = 201, body = Shown, description = "Taken in"),
        (status = 200, body = Shown, description = "It was there already"),
        (status = 400, body = Problem, description = "No intent, or not signed by its owner: the field says where"),
        (status = 409, body = Problem, description = "The owner's nonce is another intent's"),
        (status = 429, body = Problem, description = "The owner has as many, or as large ones, as they may"),
        Unread,
        Failing,
    ),
)]
pub(super) async fn post(State(api): State<Api>, body: Body) -> Result<(StatusCode, Json<Shown>), Refusal> {
    let posted = take(&api, body).await;
    metrics::posted(match &posted {
        Ok((StatusCode::CREATED, _)) => "taken",
        Ok(_) => "known",
        Err(refusal) => refusal.kind(),
    });
    posted
}

async fn take(api: &Api, body: Body) -> Result<(StatusCode, Json<Shown>), Refusal> {
    let settings = &api.intents.settings;
    let body = body::read(&api.service.bodies, &settings.server, MOST, body).await?;
    let intent = Intent::from_json(&body.bytes)?;
    let chain = settings.settlement.contracts.chain_id;
    if intent.chain_id != chain {
        return Err(Refusal::field("chainId", format!("this service settles on chain {chain} only")));
    }
    let at = millis();
    let (id, view) = (digest(&intent), async || api.view().await.map_err(|e| e.to_string()));
    signature::check(intent.owner, id, intent.signature.as_ref(), view).await.map_err(unsigned)?;
    let (notional, most) = notional(api, &intent).await?;
    let config = &settings.intents;
    let quota = Quota { live: config.max_live, a_minute: config.max_a_minute, notional: most };
    let new = NewIntent { id: id.to_string(), intent, notional, at };
    let posted = stored(api, api.intents.store.post(&new, &quota).await)?;
    fail::fail_point!("accepted");
    let status = if posted.is_new { StatusCode::CREATED } else { StatusCode::OK };
    tracing::info!(intent = posted.record.id, new = posted.is_new, "posted");
    Ok((status, Json(Shown::new(posted.record, None))))
}

/// What an intent may move, where there is a limit to it, and that limit.
async fn notional(api: &Api, intent: &Intent) -> Result<(f64, f64), Refusal> {
    let limits = &api.intents.settings.intents.max_notional;
    let Some(most) = limits.get(&intent.numeraire.to_string()) else { return Ok((0.0, f64::INFINITY)) };
    let vault = Vault::read(&api.view().await?, intent, alloy_primitives::U256::ZERO).await;
    let vault = vault.map_err(|e| Refusal::field("assets", e.to_string()))?;
    let held = vault.portfolio(intent).ok().and_then(|portfolio| portfolio.measure());
    let value = held.map_or(0.0, |held| f64::from(held.total) / 1e18);
    Ok((value * f64::from(intent.risk.max_turnover_bps.get()) / 1e4, *most))
}

pub(super) fn unsigned(error: Unsigned) -> Refusal {
    match error {
        Unsigned::Node(said) => Refusal::Unavailable(said),
        error => {
            let said = error.to_string();
            match said.split_once(": ") {
                Some((field, reason)) if field.starts_with("signature") => Refusal::field(field, reason.to_owned()),
                _ => Refusal::field("signature", said),
            }
        }
    }
}

/// What the database has answered; health hears of it.
pub(super) fn stored<T>(api: &Api, answer: Result<T, StoreError>) -> Result<T, Refusal> {
    match answer {
        Err(error) if error.is_passing() => {
            Ok(api.intents.health.heard::<T, _>(Dependency::Database, Err(error)).map_err(Refusal::Store)?)
        }
        other => Ok(other?),
    }
}
