//! Intents as they stand, and how they came there.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use ballast_store::{Filter, Page};

use super::Api;
use super::post::stored;
use super::view::{History, Shown, Which, shown};
use crate::api::{Failing, Problem, Refusal};

/// Intents in a part of a list, at the most.
const MOST: u32 = 100;
/// Events that are read at a time.
const EVENTS: u32 = 1_000;

/// List intents, the newest first and without what was signed: an owner's, or with an operator's key all.
#[utoipa::path(
    get,
    path = "/v1/intents",
    params(Which),
    responses(
        (status = 200, body = Page, description = "A part of the list, and where the next begins"),
        (status = 400, body = Problem, description = "A parameter that is not known, or not as expected"),
        (status = 401, body = Problem, description = "No owner is named, and no operator's key given"),
        Failing,
    ),
)]
pub(super) async fn list(
    State(api): State<Api>,
    headers: HeaderMap,
    which: Result<Query<Which>, QueryRejection>,
) -> Result<Json<Page>, Refusal> {
    let Query(which) = which.map_err(|e| Refusal::field("query", e.body_text()))?;
    if which.owner.is_none() {
        api.operator(&headers)?;
    }
    let most = which.limit.unwrap_or(MOST);
    if !(1..=MOST).contains(&most) {
        return Err(Refusal::field("limit", format!("expected 1 to {MOST}")));
    }
    let filter = Filter { owner: which.owner, state: which.state };
    Ok(Json(stored(&api, api.intents.store.list(filter, which.before, most).await)?))
}

/// Look at an intent: where it stands, and its settlements.
#[utoipa::path(
    get,
    path = "/v1/intents/{id}",
    params(("id" = String, Path, description = "The digest that was signed")),
    responses(
        (status = 200, body = Shown, description = "As it stands"),
        (status = 404, body = Problem, description = "There is none"),
        Failing,
    ),
)]
pub(super) async fn get(State(api): State<Api>, Path(id): Path<String>) -> Result<Json<Shown>, Refusal> {
    let record = stored(&api, api.intents.store.get(&id).await)?;
    let slices = stored(&api, api.intents.store.slices(&id).await)?;
    Ok(Json(Shown::new(record, Some(slices))))
}

/// The audit trail: every change of an intent, with its time, cause and numbers.
#[utoipa::path(
    get,
    path = "/v1/intents/{id}/history",
    params(("id" = String, Path, description = "The digest that was signed")),
    responses(
        (status = 200, body = History, description = "All of it"),
        (status = 404, body = Problem, description = "There is none"),
        Failing,
    ),
)]
pub(super) async fn history(State(api): State<Api>, Path(id): Path<String>) -> Result<Json<History>, Refusal> {
    let store = &api.intents.store;
    let record = stored(&api, store.get(&id).await)?;
    let mut events = Vec::new();
    while (events.len() as u64) < record.changes {
        let after = events.last().map_or(0, |event: &ballast_store::Event| event.position);
        let more = stored(&api, store.events(Some(&id), after, EVENTS).await)?;
        if more.is_empty() {
            break;
        }
        events.extend(more.into_iter().map(shown));
    }
    Ok(Json(History { events }))
}
