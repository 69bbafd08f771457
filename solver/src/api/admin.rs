//! The operator's own address.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::AUTHORIZATION;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Serialize;
use subtle::ConstantTimeEq;

use super::refusal::Refusal;
use super::service::Service;
use crate::config::Secret;

/// What the service is doing.
#[derive(Debug, Serialize)]
struct Status {
    /// Whether auctions are solved.
    enabled: bool,
}

pub(super) fn router(service: Arc<Service>, token: Option<Secret>) -> Router {
    Router::new()
        .route("/status", get(status))
        .route("/stop", post(stop))
        .route("/start", post(start))
        .route("/reload", post(reload))
        .layer(from_fn_with_state(token, authorized))
        .with_state(service)
}

async fn authorized(State(token): State<Option<Secret>>, request: Request, next: Next) -> Result<Response, Refusal> {
    if let Some(token) = token {
        let said = request.headers().get(AUTHORIZATION).and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
        if !said.is_some_and(|said| bool::from(said.ct_eq(token.expose().as_bytes()))) {
            return Err(Refusal::Unauthorized);
        }
    }
    Ok(next.run(request).await)
}

async fn status(State(service): State<Arc<Service>>) -> Json<Status> {
    Json(Status { enabled: service.enabled() })
}

async fn stop(State(service): State<Arc<Service>>) -> Json<Status> {
    service.switch(false);
    status(State(service)).await
}

async fn start(State(service): State<Arc<Service>>) -> Json<Status> {
    service.switch(true);
    status(State(service)).await
}

async fn reload(State(service): State<Arc<Service>>) -> Result<Json<Status>, Refusal> {
    service.reload().map_err(|error| Refusal::Config(error.to_string()))?;
    Ok(status(State(service)).await)
}
