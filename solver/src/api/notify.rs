//! `POST /notify`.

use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use axum::extract::State;
use ballast_wire::Notification;
use bytesize::ByteSize;

use super::refusal::{Failing, Problem, Refusal, Unread};
use super::service::Service;
use super::{body, metrics};

/// The largest notification: the driver's carry a transaction at the most.
const MOST: ByteSize = ByteSize::mb(2);

/// What became of a solution. A revert or a failed simulation makes the engine avoid what the solution used for a while.
#[utoipa::path(
    post,
    path = "/notify",
    request_body = Notification,
    responses(
        (status = 200, description = "Noted"),
        (status = 400, body = Problem, description = "No notification: the field says where"),
        Unread,
        Failing,
    ),
)]
pub(super) async fn notify(State(service): State<Arc<Service>>, body: Body) -> Result<(), Refusal> {
    let settings = service.settings();
    let body = body::read(&service.bodies, &settings.server, MOST, body).await?;
    let notification = Notification::from_json(&body.bytes)?;
    metrics::notified(&notification.kind);
    let Notification { auction_id, solution_id, kind, transaction, reason } = &notification;
    tracing::info!(auction = auction_id, solution = ?solution_id, kind, ?transaction, reason, "notified");
    service.failures.hear(&notification, &settings.avoid, Instant::now());
    Ok(())
}
