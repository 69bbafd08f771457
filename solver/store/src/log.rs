use std::collections::BTreeMap;

use alloy_primitives::B256;
use serde::{Deserialize, Serialize};
use sqlx::any::AnyRow;
use sqlx::{Any, Row, Transaction};

use crate::lease::{confirm, number};
use crate::read::parse;
use crate::{Lease, Record, Status, Store, StoreError};

/// What a change was made on: names and figures, as they are told.
pub type Numbers = BTreeMap<String, String>;

/// A change of where an intent stands.
#[derive(Debug, Clone)]
pub struct Change {
    /// Where it goes.
    pub status: Status,
    /// Why, in words.
    pub cause: String,
    /// On what.
    pub numbers: Numbers,
    /// When, Unix milliseconds.
    pub at: u64,
}

/// A change that was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// Its number, in the order in which changes were made, of all intents.
    pub position: u64,
    /// Whose.
    pub intent: String,
    /// When, Unix milliseconds.
    pub at: u64,
    /// Why.
    pub cause: String,
    /// Where the intent has stood since.
    #[serde(flatten)]
    pub status: Status,
    /// On what figures.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub numbers: Numbers,
}

impl Event {
    pub(crate) fn of(row: &AnyRow) -> Result<Self, StoreError> {
        let intent: String = row.try_get("intent")?;
        let status = parse(&intent, row.try_get("status")?)?;
        let numbers = parse(&intent, row.try_get("numbers")?)?;
        let [position, at] = ["position", "at"].map(|name| row.try_get::<i64, _>(name).map(i64::unsigned_abs));
        Ok(Self { position: position?, at: at?, cause: row.try_get("cause")?, intent, status, numbers })
    }
}

impl Store {
    /// Changes where an intent stands. `record` is what is known of it, and is brought up to date. With a lease, only while it is held.
    ///
    /// # Errors
    /// When it has changed meanwhile, the lease is lost, the lifecycle has no such step, or the database fails: then nothing is changed.
    pub async fn advance(&self, record: &mut Record, change: Change, lease: Option<&Lease>) -> Result<Event, StoreError> {
        let id = record.id.clone();
        self.advance_all(vec![(record, change)], lease).await?.pop().ok_or(StoreError::Changed(id))
    }

    /// The same of many, in one transaction. Those that have changed meanwhile are left out.
    ///
    /// # Errors
    /// When the lease is lost, the lifecycle has no such step, or the database fails: then nothing is changed.
    pub async fn advance_all(
        &self,
        changes: Vec<(&mut Record, Change)>,
        lease: Option<&Lease>,
    ) -> Result<Vec<Event>, StoreError> {
        let mut transaction = self.begin().await?;
        // In this order in each transaction, or two of them could wait for each other.
        let mut position = next(&mut transaction, changes.len()).await?;
        if let Some(lease) = lease {
            confirm(&mut transaction, lease).await?;
        }
        let mut done = Vec::with_capacity(changes.len());
        for (record, change) in changes {
            let (from, to) = (record.status.state(), change.status.state());
            if !from.leads_to(to) {
                return Err(StoreError::Forbidden { from, to });
            }
            position = position.saturating_add(1);
            if let Some(event) = apply(&mut transaction, record, change, position).await? {
                done.push((record, event));
            }
        }
        transaction.commit().await?;
        self.tell(position);
        let finish = |(record, event): (&mut Record, Event)| {
            (record.status, record.changed_at) = (event.status.clone(), event.at);
            record.changes = record.changes.saturating_add(1);
            event
        };
        Ok(done.into_iter().map(finish).collect())
    }
}

/// Writes a change of an intent, unless it has changed meanwhile.
async fn apply(
    transaction: &mut Transaction<'static, Any>,
    record: &Record,
    change: Change,
    position: i64,
) -> Result<Option<Event>, StoreError> {
    let (changes, to) = (record.changes.saturating_add(1), change.status.state());
    let changed = sqlx::query(
        "UPDATE intents SET live = $1, state = $2, status = $3, changes = $4, changed = $5, changed_at = $6 \
         WHERE id = $7 AND changes = $8",
    )
    .bind(i64::from(!to.is_final()))
    .bind(to.name())
    .bind(text(&record.id, &change.status)?)
    .bind(number(changes))
    .bind(position)
    .bind(number(change.at))
    .bind(&record.id)
    .bind(number(record.changes))
    .execute(&mut **transaction)
    .await?;
    if changed.rows_affected() != 1 {
        return Ok(None);
    }
    let Change { status, cause, numbers, at } = change;
    let event = Event { position: position.unsigned_abs(), intent: record.id.clone(), at, cause, status, numbers };
    add(transaction, &event, changes).await?;
    slice(transaction, record, &event.status).await?;
    Ok(Some(event))
}

/// Takes the next numbers of so many events; the one before them.
pub(crate) async fn next(change: &mut Transaction<'static, Any>, events: usize) -> Result<i64, StoreError> {
    let events = i64::try_from(events).unwrap_or(i64::MAX);
    let last: i64 =
        sqlx::query_scalar("UPDATE position SET last = last + $1 RETURNING last").bind(events).fetch_one(&mut **change).await?;
    Ok(last.saturating_sub(events))
}

pub(crate) async fn add(change: &mut Transaction<'static, Any>, event: &Event, number_of: u64) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO events (position, intent, change, at, cause, status, numbers) VALUES ($1, $2, $3, $4, $5, $6, $7)")
        .bind(number(event.position))
        .bind(&event.intent)
        .bind(number(number_of))
        .bind(number(event.at))
        .bind(&event.cause)
        .bind(text(&event.intent, &event.status)?)
        .bind(text(&event.intent, &event.numbers)?)
        .execute(&mut **change)
        .await?;
    Ok(())
}

/// What a change of the intent means for the settlement that is under way.
async fn slice(change: &mut Transaction<'static, Any>, before: &Record, status: &Status) -> Result<(), StoreError> {
    let (slice, attempt, new): (u64, Option<&B256>, bool) = match (&before.status, status) {
        (_, Status::Solved { slice }) => (*slice, None, true),
        (_, Status::Submitted { slice, attempt }) => (*slice, Some(&attempt.transaction), false),
        (Status::Solved { slice } | Status::Submitted { slice, .. }, _) => (*slice, None, false),
        _ => return Ok(()),
    };
    let state = match status {
        // The intent goes on, this part of it is done.
        Status::Waiting { .. } if matches!(before.status, Status::Submitted { .. }) => "settled",
        other => other.state().name(),
    };
    sqlx::query(
        "INSERT INTO slices (intent, number, state, attempts, attempted_tx) VALUES ($1, $2, $3, 1, $4) \
         ON CONFLICT (intent, number) DO UPDATE SET state = $3, attempts = slices.attempts + $5, \
         attempted_tx = CASE WHEN $4 = '' THEN slices.attempted_tx ELSE $4 END",
    )
    .bind(&before.id)
    .bind(number(slice))
    .bind(state)
    .bind(attempt.map(B256::to_string).unwrap_or_default())
    .bind(i64::from(new))
    .execute(&mut **change)
    .await?;
    Ok(())
}

pub(crate) fn text(id: &str, value: &impl Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|e| StoreError::Corrupt { id: id.to_owned(), reason: e.to_string() })
}
