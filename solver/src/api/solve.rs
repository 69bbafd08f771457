//! `POST /solve`.

use std::sync::Arc;
use std::time::Instant;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use ballast_wire as wire;
use jiff::Timestamp;
use tokio::sync::oneshot;
use tracing::Span;

use super::body;
use super::deadline::Deadline;
use super::found::{Found, NOTHING};
use super::metrics::{self, Outcome};
use super::refusal::{Problem, Refusal};
use super::service::Service;
use crate::auction::Auction;
use crate::config::Settings;
use crate::pipeline;
use crate::settlement::Verified;

/// Solve an auction, or price a quote (`id` is null).
///
/// The reply is sent before the deadline less the configured slack. Orders and pools that cannot be read are left out; an auction that
/// cannot be read as a whole is refused with the path of the field.
#[utoipa::path(
    post,
    path = "/solve",
    request_body = wire::Auction,
    responses(
        (status = 200, body = wire::Reply, description = "Solutions, the best first; none if there are none, time or threads ran out, or solving is switched off"),
        (status = 400, body = Problem, description = "No auction: the field says where"),
        (status = 408, body = Problem, description = "The body took too long to arrive"),
        (status = 413, body = Problem, description = "The body is too large"),
        (status = 500, body = Problem, description = "A defect of the engine"),
        (status = 503, body = Problem, description = "Too many requests at a time"),
    ),
)]
pub(super) async fn solve(State(service): State<Arc<Service>>, body: Body) -> Result<Response, Refusal> {
    let arrived = Instant::now();
    let settings = service.settings();
    let body = body::read(&service.bodies, &settings.server, settings.server.max_body, body).await?;
    let bytes = body.bytes.clone();
    let request =
        tokio::task::spawn_blocking(move || wire::Auction::from_json(&bytes)).await.map_err(|_| Refusal::Internal)??;
    let quote = request.id.is_none();
    let deadline = Deadline::new(&request.deadline, (Timestamp::now(), Instant::now()), &settings.server, quote)?;
    let span = tracing::info_span!("auction", id = request.id.as_deref().unwrap_or("quote"));
    let (outcome, reply) = match &deadline {
        None => (Outcome::PastDeadline, None),
        Some(_) if !service.enabled() => (Outcome::Stopped, None),
        Some(deadline) => dispatch(&service, settings, request, *deadline, span.clone()).await,
    };
    let taken = arrived.elapsed();
    metrics::replied(quote, outcome, taken, deadline.as_ref());
    span.in_scope(|| tracing::info!(outcome = outcome.name(), bytes = body.bytes.len(), ms = taken.as_millis(), "replied"));
    if outcome == Outcome::Failed {
        return Err(Refusal::Internal);
    }
    let reply = reply.unwrap_or(Bytes::from_static(NOTHING));
    Ok(([(CONTENT_TYPE, "application/json")], reply).into_response())
}

/// Has a request worked on, and waits for the reply until it is time for one.
async fn dispatch(
    service: &Arc<Service>,
    settings: Arc<Settings>,
    request: wire::Auction,
    deadline: Deadline,
    span: Span,
) -> (Outcome, Option<Bytes>) {
    let lane = if request.id.is_none() { &service.quotes } else { &service.auctions };
    let (id, finish, most) = (request.id.clone(), settings.server.finish, settings.server.max_reply);
    let found = Arc::new(Found::new());
    let (answer, mut answered) = oneshot::channel();
    let job = {
        let (service, found, span) = (service.clone(), found.clone(), span.clone());
        move || {
            // Whoever asked may have left, or been answered without waiting any longer.
            let gone = || answer.is_closed();
            if !gone() {
                let reply = span.in_scope(|| work(&service, &settings, &request, &deadline, &found, &gone));
                let _gone = answer.send(reply);
            }
        }
    };
    if lane.submit(Box::new(job)).is_err() {
        return (Outcome::Overloaded, None);
    }
    let ending = async {
        service.ended().await;
        tokio::time::sleep(finish).await;
    };
    let failed = tokio::select! {
        done = &mut answered => match done {
            Ok(reply) => return (Outcome::Answered, reply),
            // A panic takes nothing of what was found before.
            Err(_) => true,
        },
        () = tokio::time::sleep_until(deadline.cut.into()) => false,
        () = ending => false,
    };
    match span.in_scope(|| found.reply(id.as_deref(), most, &service.failures)) {
        Some(reply) if reply != NOTHING => (Outcome::Cut, Some(reply)),
        _ if failed => (Outcome::Failed, None),
        Some(_) => (Outcome::Late, None),
        // The search has returned this very moment, and its reply is being written.
        None => match tokio::time::timeout_at(deadline.reply.into(), answered).await {
            Ok(Ok(reply)) => (Outcome::Answered, reply),
            _ => (Outcome::Late, None),
        },
    }
}

/// Solves until it is time to stop, and writes the reply, unless somebody did who could not wait.
fn work(
    service: &Service,
    settings: &Settings,
    request: &wire::Auction,
    deadline: &Deadline,
    found: &Found,
    gone: &(dyn Fn() -> bool + Sync),
) -> Option<Bytes> {
    let mut auction = Auction::new(request, |_| true);
    service.failures.avoid(&mut auction, &settings.avoid, Instant::now());
    let stop = || service.is_ending() || gone() || Instant::now() >= deadline.stop;
    let sink = |auction: &Auction, verified: &Verified| found.add(auction, settings, verified);
    let strategy = tracing::info_span!("strategy", name = "single orders");
    let report = strategy.in_scope(|| pipeline::solve_with(&mut auction, settings, &stop, &sink));
    let reply = found.reply(auction.id.as_deref(), settings.server.max_reply, &service.failures);
    metrics::solved(&auction, &report);
    tracing::debug!(orders = auction.orders.len(), pools = report.pools, dropped = report.drops.iter().count(), "searched");
    reply
}
