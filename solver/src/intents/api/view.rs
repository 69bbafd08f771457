//! What is shown of an intent.

use ballast_store::{Event, Record, Slice, State, Status};
use ballast_wire::intent::Intent;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// An intent as it stands.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Shown {
    /// The digest that was signed.
    id: String,
    /// Where it stands.
    #[serde(flatten)]
    status: Status,
    /// When it came, Unix milliseconds.
    created_at: u64,
    /// When it last changed, Unix milliseconds.
    changed_at: u64,
    /// What was signed.
    intent: Intent,
    /// Its settlements so far; where it is only posted or changed, they are left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    slices: Option<Vec<Slice>>,
}

impl Shown {
    pub(super) fn new(record: Record, slices: Option<Vec<Slice>>) -> Self {
        let Record { id, intent, status, created_at, changed_at, .. } = record;
        Self { id, status: status.shown(), created_at, changed_at, intent, slices }
    }
}

/// Which intents are listed.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// Of this owner; whoever asks for all needs an operator's key.
    #[param(value_type = Option<String>)]
    pub(super) owner: Option<alloy_primitives::Address>,
    /// Standing here.
    pub(super) state: Option<State>,
    /// From here on: `next` of the part before.
    pub(super) before: Option<u64>,
    /// At most so many, up to 100.
    pub(super) limit: Option<u32>,
}

/// All events of an intent: its audit trail.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct History {
    /// The oldest first.
    pub(super) events: Vec<Event>,
}

pub(super) fn shown(event: Event) -> Event {
    Event { status: event.status.shown(), ..event }
}
