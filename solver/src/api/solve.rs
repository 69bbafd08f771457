//! `POST /solve`.

use std::sync::Arc;
use std::time::{Instant, SystemTime};

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
use super::refusal::{Failing, Problem, Refusal, Unread};
use super::service::Service;
use crate::archive::{Ended, Meta, Record, Summary};
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
        Unread,
        Failing,
    ),
)]
pub(super) async fn solve(State(service): State<Arc<Service>>, body: Body) -> Result<Response, Refusal> {
    let (arrived, received) = (Instant::now(), SystemTime::now());
    let settings = service.settings();
    let body = body::read(&service.bodies, &settings.server, settings.server.max_body, body).await?;
    let bytes = body.bytes.clone();
    let request =
        tokio::task::spawn_blocking(move || wire::Auction::from_json(&bytes)).await.map_err(|_| Refusal::Internal)??;
    let quote = request.id.is_none();
    let deadline = Deadline::new(&request.deadline, (Timestamp::now(), Instant::now()), &settings.server, quote)?;
    let span = tracing::info_span!("auction", id = request.id.as_deref().unwrap_or("quote"));
    let mut meta =
        Meta { id: request.id.clone(), deadline: Some(request.deadline.clone()), ..Meta::new(received, Ended::Failed) };
    let Done { outcome, reply, found } = match &deadline {
        None => Done::nothing(Outcome::PastDeadline),
        Some(_) if !service.enabled() => Done::nothing(Outcome::Stopped),
        Some(deadline) => dispatch(&service, settings, request, *deadline, span.clone()).await,
    };
    let taken = arrived.elapsed();
    metrics::replied(quote, outcome, taken, deadline.as_ref());
    span.in_scope(|| tracing::info!(outcome = outcome.name(), bytes = body.bytes.len(), ms = taken.as_millis(), "replied"));
    let reply = reply.unwrap_or(Bytes::from_static(NOTHING));
    if let Some(archive) = &service.archive {
        meta.ended = ended(outcome);
        meta.reply_ms = taken.as_secs_f64() * 1e3;
        meta.found = found;
        archive.store(Record { meta, auction: body.bytes.clone(), reply: reply.clone() });
    }
    if outcome == Outcome::Failed {
        return Err(Refusal::Internal);
    }
    Ok(([(CONTENT_TYPE, "application/json")], reply).into_response())
}

/// What came of a request.
struct Done {
    outcome: Outcome,
    reply: Option<Bytes>,
    found: Option<Summary>,
}

impl Done {
    fn nothing(outcome: Outcome) -> Self {
        Self { outcome, reply: None, found: None }
    }

    /// By a search that returned in time.
    fn answered((reply, found): (Option<Bytes>, Summary)) -> Self {
        Self { outcome: Outcome::Answered, reply, found: Some(found) }
    }
}

fn ended(outcome: Outcome) -> Ended {
    match outcome {
        Outcome::Answered | Outcome::Cut => Ended::Answered,
        Outcome::Late => Ended::Late,
        Outcome::PastDeadline => Ended::PastDeadline,
        Outcome::Overloaded => Ended::Overloaded,
        Outcome::Stopped => Ended::Stopped,
        Outcome::Failed => Ended::Failed,
    }
}

/// Has a request worked on, and waits for the reply until it is time for one.
async fn dispatch(
    service: &Arc<Service>,
    settings: Arc<Settings>,
    request: wire::Auction,
    deadline: Deadline,
    span: Span,
) -> Done {
    let lane = if request.id.is_none() { &service.quotes } else { &service.auctions };
    let (id, finish, most) = (request.id.clone(), settings.server.finish, settings.server.max_reply);
    let found = Arc::new(Found::new(request.orders.iter().flatten().count()));
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
        return Done::nothing(Outcome::Overloaded);
    }
    let ending = async {
        service.ended().await;
        tokio::time::sleep(finish).await;
    };
    let failed = tokio::select! {
        done = &mut answered => match done {
            Ok(answer) => return Done::answered(answer),
            // A panic takes nothing of what was found before.
            Err(_) => true,
        },
        () = tokio::time::sleep_until(deadline.cut.into()) => false,
        () = ending => false,
    };
    match span.in_scope(|| found.reply(id.as_deref(), most, &service.failures)) {
        Some((reply, found)) if reply != NOTHING => Done { outcome: Outcome::Cut, reply: Some(reply), found: Some(found) },
        _ if failed => Done::nothing(Outcome::Failed),
        Some((_, found)) => Done { found: Some(found), ..Done::nothing(Outcome::Late) },
        // The search has returned this very moment, and its reply is being written.
        None => match tokio::time::timeout_at(deadline.reply.into(), answered).await {
            Ok(Ok(answer)) => Done::answered(answer),
            _ => Done::nothing(Outcome::Late),
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
) -> (Option<Bytes>, Summary) {
    let mut auction = Auction::new(request, |_| true);
    if let Some(source) = &service.jit {
        let offers = source.offers(&auction);
        auction.offer(offers);
    }
    service.failures.avoid(&mut auction, &settings.avoid, Instant::now());
    let stop = || service.is_ending() || gone() || Instant::now() >= deadline.stop;
    let sink = |auction: &Auction, verified: &Verified| found.add(auction, settings, verified);
    let report = pipeline::solve_with(&mut auction, settings, &stop, &sink);
    let reply = found.reply(auction.id.as_deref(), settings.server.max_reply, &service.failures);
    metrics::solved(&auction, &report);
    tracing::debug!(orders = auction.orders.len(), pools = report.pools, dropped = report.drops.iter().count(), "searched");
    (reply.map(|(text, _)| text), Summary::new(&report))
}
