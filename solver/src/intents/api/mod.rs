//! The intent API over HTTP.

mod cancel;
mod decision;
mod events;
mod post;
mod read;
mod view;

use std::sync::Arc;

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use ballast_adapters::chain::View;
use subtle::ConstantTimeEq;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Intents;
use super::health::Dependency;
use crate::api::{Refusal, Service};

/// What a request may need.
#[derive(Clone)]
pub(crate) struct Api {
    service: Arc<Service>,
    intents: Arc<Intents>,
}

/// All paths of the intent service.
pub(crate) fn router(service: Arc<Service>, intents: Arc<Intents>) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(post::post, read::list))
        .routes(routes!(read::get))
        .routes(routes!(read::history))
        .routes(routes!(cancel::cancel))
        .routes(routes!(cancel::wake))
        .routes(routes!(decision::decision))
        .routes(routes!(decision::solve))
        .routes(routes!(events::of_one))
        .routes(routes!(events::of_all))
        .with_state(Api { service, intents })
}

impl Api {
    /// The chain at its latest block.
    async fn view(&self) -> Result<View, Refusal> {
        let said = async {
            let node = self.intents.node().await.map_err(|e| e.to_string())?;
            node.latest().await.map_err(|e| e.to_string())
        };
        self.intents.health.heard(Dependency::Node, said.await).map_err(Refusal::Unavailable)
    }

    /// Whether a request has the key of an operator.
    fn is_operator(&self, headers: &HeaderMap) -> bool {
        let said = headers.get(AUTHORIZATION).and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
        let keys = &self.intents.settings.intents.operators;
        // All of them are compared, so that the time says nothing.
        said.is_some_and(|said| keys.iter().fold(false, |known, key| known | bool::from(said.ct_eq(key.expose().as_bytes()))))
    }

    fn operator(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        if self.is_operator(headers) { Ok(()) } else { Err(Refusal::Unauthorized) }
    }
}
