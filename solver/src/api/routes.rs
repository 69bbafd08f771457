//! The driver's address: every path, and the document that describes them.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::{Json, Router};
use serde::Serialize;
use tower_http::catch_panic::CatchPanicLayer;
use utoipa::{OpenApi, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use utoipa_swagger_ui::SwaggerUi;

use super::refusal::Refusal;
use super::service::Service;
use super::{metrics, notify, solve};
use crate::archive::Archive;
use crate::intents;

#[derive(OpenApi)]
#[openapi(info(
    title = "Ballast",
    description = "The CoW solver-engine API, as the driver speaks it, and, where it is switched on, the service of rebalancing intents. Amounts are atoms as decimal strings."
))]
struct Document;

fn described() -> OpenApiRouter<Arc<Service>> {
    OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(solve::solve))
        .routes(routes!(notify::notify))
        .routes(routes!(healthz))
        .routes(routes!(figures))
}

/// What is served, with its own description at `/openapi.json` and a page to read it at `/docs`.
pub(super) fn router(service: Arc<Service>) -> Router {
    let intents = service.intents.clone().map(|intents| intents::api::router(service.clone(), intents));
    let described = described().with_state(service);
    let described = intents.into_iter().fold(described, OpenApiRouter::merge);
    let (router, document) = described.split_for_parts();
    let panicked = |_: Box<dyn std::any::Any + Send>| {
        metrics::panicked();
        Refusal::Internal.into_response()
    };
    router.merge(SwaggerUi::new("/docs").url("/openapi.json", document)).layer(CatchPanicLayer::custom(panicked))
}

/// Whether the service is up.
#[derive(Debug, Serialize, ToSchema)]
struct Health {
    /// Whether auctions are solved, or answered with no solutions because the operator said so.
    enabled: bool,
    /// Whether intents are watched and settled, where the service does that: what of it fails, and how.
    #[serde(skip_serializing_if = "Option::is_none")]
    intents: Option<IntentHealth>,
}

/// What the intent service stands on.
#[derive(Debug, Serialize, ToSchema)]
struct IntentHealth {
    /// Whether nothing fails.
    healthy: bool,
    /// By name, `database`, `node`, `prices`, `market`, `sender` or `orderBook`: what was said of it.
    failing: BTreeMap<&'static str, String>,
}

/// Whether the service is up: it is not once it is going down.
#[utoipa::path(
    get,
    path = "/healthz",
    responses((status = 200, body = Health, description = "Up"), (status = 503, body = Health, description = "Going down"))
)]
async fn healthz(State(service): State<Arc<Service>>) -> (StatusCode, Json<Health>) {
    let status = if service.is_ending() { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    let intents = service.intents.as_ref().map(|intents| {
        let failing = intents.health().failing();
        IntentHealth { healthy: failing.is_empty(), failing }
    });
    (status, Json(Health { enabled: service.enabled(), intents }))
}

/// Figures for Prometheus.
#[utoipa::path(get, path = "/metrics", responses((status = 200, body = String, content_type = "text/plain", description = "Figures")))]
async fn figures(State(service): State<Arc<Service>>) -> impl IntoResponse {
    (
        [(CONTENT_TYPE, "text/plain; version=0.0.4")],
        metrics::render(&service.prometheus, service.archive.as_ref().map(Archive::counters)),
    )
}
