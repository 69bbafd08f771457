//! Events as they happen: server-sent, each once and in order, from any of them on.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use ballast_store::Event as Change;
use futures_util::stream::{Stream, unfold};
use tokio::sync::watch;

use super::Api;
use super::post::stored;
use super::view::shown;
use crate::api::{Failing, Problem, Refusal};

/// Events that are read at a time.
const TOGETHER: u32 = 100;
/// How often the database is asked for what other instances have written.
const OTHERS: Duration = Duration::from_secs(1);

/// Follow an intent: its events from the first on, or after the one that `Last-Event-ID` names, and then those to come. The stream ends after the last
/// one that there can be.
#[utoipa::path(
    get,
    path = "/v1/intents/{id}/events",
    params(("id" = String, Path, description = "The digest that was signed")),
    responses(
        (status = 200, body = Change, content_type = "text/event-stream", description = "`id` is the event's position, `event` the state, `data` the event in JSON"),
        (status = 400, body = Problem, description = "`Last-Event-ID` is no event's"),
        (status = 404, body = Problem, description = "There is none"),
        Failing,
    ),
)]
pub(super) async fn of_one(
    State(api): State<Api>,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Refusal> {
    stored(&api, api.intents.store.get(&id).await)?;
    follow(api, &headers, Some(id))
}

/// Follow all intents; with an operator's key.
#[utoipa::path(
    get,
    path = "/v1/events",
    responses(
        (status = 200, body = Change, content_type = "text/event-stream", description = "As those of one intent"),
        (status = 400, body = Problem, description = "`Last-Event-ID` is no event's"),
        (status = 401, body = Problem, description = "No operator's key"),
        Failing,
    ),
)]
pub(super) async fn of_all(
    State(api): State<Api>,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Refusal> {
    api.operator(&headers)?;
    follow(api, &headers, None)
}

/// How far a client has read.
struct Reader {
    api: Api,
    intent: Option<String>,
    after: u64,
    read: VecDeque<Change>,
    written: watch::Receiver<u64>,
    done: bool,
}

fn follow(
    api: Api,
    headers: &HeaderMap,
    intent: Option<String>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>> + use<>>, Refusal> {
    let after = match headers.get("last-event-id") {
        Some(text) => text.to_str().ok().and_then(|text| text.parse().ok()),
        None => Some(0),
    };
    let after = after.ok_or_else(|| Refusal::field("Last-Event-ID", "expected the id of an event, a number".to_owned()))?;
    let written = api.intents.store.written();
    let reader = Reader { api, intent, after, read: VecDeque::new(), written, done: false };
    let events = unfold(reader, async |mut reader| {
        let change = reader.next().await?;
        // What cannot be written is none of ours.
        let event = Event::default().id(change.position.to_string()).event(change.status.state().name());
        let event = event.json_data(shown(change)).unwrap_or_default();
        Some((Ok(event), reader))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::default()))
}

impl Reader {
    /// The next event; none once there can be no more, or the service ends.
    async fn next(&mut self) -> Option<Change> {
        loop {
            if let Some(change) = self.read.pop_front() {
                self.after = change.position;
                self.done = self.intent.is_some() && change.status.state().is_final();
                return Some(change);
            }
            if self.done || self.api.service.is_ending() {
                return None;
            }
            self.written.borrow_and_update();
            match self.api.intents.store.events(self.intent.as_deref(), self.after, TOGETHER).await {
                Ok(events) if !events.is_empty() => {
                    self.read = events.into();
                    continue;
                }
                Ok(_) => {}
                Err(error) => tracing::warn!(%error, "events cannot be read"),
            }
            let service = self.api.service.clone();
            tokio::select! {
                _ = self.written.changed() => {}
                () = tokio::time::sleep(OTHERS) => {}
                () = service.ended() => return None,
            }
        }
    }
}
