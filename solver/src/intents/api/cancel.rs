//! What an owner, and what an operator, changes.

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use ballast_store::{Numbers, State as Standing, Status};
use ballast_wire::RequestError;
use ballast_wire::intent::Signature;
use bytesize::ByteSize;
use serde::Deserialize;
use utoipa::ToSchema;

use super::super::signature;
use super::Api;
use super::post::{stored, unsigned};
use super::view::Shown;
use crate::api::{Problem, Refusal, body};
use crate::intent::cancellation;

/// Far more than a signature.
const MOST: ByteSize = ByteSize::kib(64);

/// An owner takes an intent back.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Cancel {
    /// Over `CancelIntent(bytes32 intent)` in the intent's own EIP-712 domain, `intent` being its digest.
    signature: Signature,
}

/// Cancel an intent that is not on its way yet, signed by its owner.
///
/// What was signed is out in the world all the same: to revoke it for everybody, call `cancel(nonce)` of the settlement contract.
#[utoipa::path(
    post,
    path = "/v1/intents/{id}/cancel",
    params(("id" = String, Path, description = "The digest that was signed")),
    request_body = Cancel,
    responses(
        (status = 200, body = Shown, description = "Cancelled, now or before"),
        (status = 400, body = Problem, description = "Not signed by its owner"),
        (status = 404, body = Problem, description = "There is none"),
        (status = 409, body = Problem, description = "It is on its way, or done"),
    ),
)]
pub(super) async fn cancel(State(api): State<Api>, Path(id): Path<String>, body: Body) -> Result<Json<Shown>, Refusal> {
    let body = body::read(&api.service.bodies, &api.intents.settings.server, MOST, body).await?;
    let cancel: Cancel = RequestError::read(&body.bytes)?;
    let mut record = stored(&api, api.intents.store.get(&id).await)?;
    let view = async || api.view().await.map_err(|e| e.to_string());
    let (owner, hash) = (record.intent.owner, cancellation(&record.intent));
    signature::check(owner, hash, Some(&cancel.signature), view).await.map_err(unsigned)?;
    match record.status.state() {
        Standing::Cancelled => return Ok(Json(Shown::new(record, None))),
        Standing::Submitted => {
            let words = "its transaction is on its way; to revoke it all the same, call cancel(nonce) of the settlement contract";
            return Err(Refusal::Conflict(words.to_owned()));
        }
        Standing::Ordered => {
            let words =
                "its orders are at the order book: do not sign them, or take the signature back, and cancel once they have ended";
            return Err(Refusal::Conflict(words.to_owned()));
        }
        done if done.is_final() => return Err(Refusal::Conflict(format!("it is {done}"))),
        _ => {}
    }
    let done = api.intents.advance(&mut record, Status::Cancelled, "cancelled by its owner", Numbers::new(), None).await;
    stored(&api, done)?;
    Ok(Json(Shown::new(record, None)))
}

/// Wake a parked or failed intent, so that it is decided on at once; with an operator's key.
#[utoipa::path(
    post,
    path = "/v1/intents/{id}/wake",
    params(("id" = String, Path, description = "The digest that was signed")),
    responses(
        (status = 200, body = Shown, description = "It is watched again"),
        (status = 401, body = Problem, description = "No operator's key"),
        (status = 409, body = Problem, description = "It is neither parked nor failed"),
    ),
)]
pub(super) async fn wake(State(api): State<Api>, headers: HeaderMap, Path(id): Path<String>) -> Result<Json<Shown>, Refusal> {
    api.operator(&headers)?;
    let mut record = stored(&api, api.intents.store.get(&id).await)?;
    let state = record.status.state();
    if !matches!(state, Standing::Parked | Standing::Failed) {
        return Err(Refusal::Conflict(format!("it is {state}, neither parked nor failed")));
    }
    let status = Status::Waiting { reason: "to be decided on".to_owned() };
    let done = api.intents.advance(&mut record, status, "woken by an operator", Numbers::new(), None).await;
    stored(&api, done)?;
    Ok(Json(Shown::new(record, None)))
}
