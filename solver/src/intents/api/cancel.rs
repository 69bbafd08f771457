//! What an owner, and what an operator, changes.

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use ballast_store::{Numbers, State as Standing, Status, StoreError};
use ballast_wire::RequestError;
use ballast_wire::intent::Signature;
use bytesize::ByteSize;
use serde::Deserialize;
use utoipa::ToSchema;

use super::super::signature;
use super::Api;
use super::post::{stored, unsigned};
use super::view::Shown;
use crate::api::{Failing, Problem, Refusal, Unread, body};
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
/// What was signed is out in the world all the same: to revoke it for everybody, call `cancel(nonce)` of the settlement contract. Where its orders stand
/// at an order book, no more of them are posted and none are made anew; it is cancelled once they have ended, or settled if they are filled before. To end
/// them at once, call `invalidateOrder(uid)` of CoW Protocol's settlement contract for each.
#[utoipa::path(
    post,
    path = "/v1/intents/{id}/cancel",
    params(("id" = String, Path, description = "The digest that was signed")),
    request_body = Cancel,
    responses(
        (status = 200, body = Shown, description = "Cancelled, now or before"),
        (status = 202, body = Shown, description = "Cancelling: nothing more is done for it, and it ends once its orders have"),
        (status = 400, body = Problem, description = "Not signed by its owner"),
        (status = 404, body = Problem, description = "There is none"),
        (status = 409, body = Problem, description = "It is on its way, or done"),
        Unread,
        Failing,
    ),
)]
pub(super) async fn cancel(
    State(api): State<Api>,
    Path(id): Path<String>,
    body: Body,
) -> Result<(StatusCode, Json<Shown>), Refusal> {
    let body = body::read(&api.service.bodies, &api.intents.settings.server, MOST, body).await?;
    let cancel: Cancel = RequestError::read(&body.bytes)?;
    let mut record = stored(&api, api.intents.store.get(&id).await)?;
    let view = async || api.view().await.map_err(|e| e.to_string());
    let (owner, hash) = (record.intent.owner, cancellation(&record.intent));
    signature::check(owner, hash, Some(&cancel.signature), view).await.map_err(unsigned)?;
    loop {
        let (status, cause) = match &record.status {
            Status::Cancelled => return Ok((StatusCode::OK, Json(Shown::new(record, None)))),
            Status::Cancelling { .. } => return Ok((StatusCode::ACCEPTED, Json(Shown::new(record, None)))),
            Status::Submitted { .. } => {
                let words =
                    "its transaction is on its way; to revoke it all the same, call cancel(nonce) of the settlement contract";
                return Err(Refusal::Conflict(words.to_owned()));
            }
            Status::Ordered { orders, valid_to } => {
                let status = Status::Cancelling { orders: orders.clone(), valid_to: *valid_to };
                (status, "cancelled by its owner; its orders are waited for until they have ended")
            }
            done if done.state().is_final() => return Err(Refusal::Conflict(format!("it is {}", done.state()))),
            _ => (Status::Cancelled, "cancelled by its owner"),
        };
        match api.intents.advance(&mut record, status, cause, Numbers::new(), None).await {
            // By the worker meanwhile: it is cancelled as it stands now.
            Err(StoreError::Changed(_)) => record = stored(&api, api.intents.store.get(&id).await)?,
            done => stored(&api, done)?,
        }
    }
}

/// Wake a parked or failed intent, so that it is decided on at once; with an operator's key.
#[utoipa::path(
    post,
    path = "/v1/intents/{id}/wake",
    params(("id" = String, Path, description = "The digest that was signed")),
    responses(
        (status = 200, body = Shown, description = "It is watched again"),
        (status = 401, body = Problem, description = "No operator's key"),
        (status = 404, body = Problem, description = "There is none"),
        (status = 409, body = Problem, description = "It is neither parked nor failed"),
        Failing,
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
