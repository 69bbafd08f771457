use alloy_primitives::Address;
use ballast_wire::intent::Intent;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::Row;
use sqlx::any::AnyRow;

use crate::lease::number;
use crate::{Event, State, Status, Store, StoreError};

/// An intent as it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// The digest that was signed.
    pub id: String,
    /// What was signed.
    pub intent: Intent,
    /// Where it stands.
    pub status: Status,
    /// The number of the event with which it came.
    pub created: u64,
    /// When it came, Unix milliseconds.
    pub created_at: u64,
    /// How often it has changed.
    pub changes: u64,
    /// When it last did, Unix milliseconds.
    pub changed_at: u64,
}

/// A settlement of an intent, as far as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Slice {
    /// From 0.
    pub number: u64,
    /// Where it stands: `solved`, `submitted`, `settled`, or how its last attempt ended.
    pub state: String,
    /// How often it was solved.
    pub attempts: u64,
    /// The last transaction; empty if there is none yet.
    pub transaction: String,
}

/// Which intents are meant; any where nothing is said.
#[derive(Debug, Clone, Copy, Default)]
pub struct Filter {
    /// Of this owner.
    pub owner: Option<Address>,
    /// Standing here.
    pub state: Option<State>,
}

/// An intent in a list: without what was signed, which is most of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Listed {
    /// The digest that was signed.
    pub id: String,
    /// The vault.
    pub owner: String,
    /// Its owner's number for it.
    pub nonce: String,
    /// Where it stands.
    #[serde(flatten)]
    pub status: Status,
    /// The number of the event with which it came.
    pub created: u64,
    /// When it came, Unix milliseconds.
    pub created_at: u64,
    /// When it last changed, Unix milliseconds.
    pub changed_at: u64,
}

impl Listed {
    fn of(row: &AnyRow) -> Result<Self, StoreError> {
        let id: String = row.try_get("id")?;
        let status: Status = parse(&id, row.try_get("status")?)?;
        let count = |name: &str| row.try_get::<i64, _>(name).map(i64::unsigned_abs);
        Ok(Self {
            owner: row.try_get("owner")?,
            nonce: row.try_get("nonce")?,
            status: status.shown(),
            created: count("created")?,
            created_at: count("created_at")?,
            changed_at: count("changed_at")?,
            id,
        })
    }
}

/// A part of a list.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Page {
    /// The newest first.
    pub intents: Vec<Listed>,
    /// Where the rest begins; none if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<u64>,
}

impl Record {
    pub(crate) fn of(row: &AnyRow) -> Result<Self, StoreError> {
        let id: String = row.try_get("id")?;
        let intent = parse(&id, row.try_get("document")?)?;
        let status = parse(&id, row.try_get("status")?)?;
        let count = |name: &str| row.try_get::<i64, _>(name).map(i64::unsigned_abs);
        Ok(Self {
            created: count("created")?,
            created_at: count("created_at")?,
            changes: count("changes")?,
            changed_at: count("changed_at")?,
            id,
            intent,
            status,
        })
    }
}

impl Store {
    /// An intent by its digest.
    ///
    /// # Errors
    /// When there is none, or the database fails.
    pub async fn get(&self, id: &str) -> Result<Record, StoreError> {
        let row = sqlx::query("SELECT * FROM intents WHERE id = $1").bind(id).fetch_optional(&self.read).await?;
        Record::of(&row.ok_or_else(|| StoreError::Unknown(id.to_owned()))?)
    }

    /// Intents, the newest first, that came before a number.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn list(&self, filter: Filter, before: Option<u64>, most: u32) -> Result<Page, StoreError> {
        // Each its own query, so that each has its index.
        macro_rules! select {
            ($and:literal) => {
                concat!(
                    "SELECT id, owner, nonce, status, created, created_at, changed_at FROM intents WHERE created < $1 ",
                    $and,
                    "ORDER BY created DESC LIMIT $2"
                )
            };
        }
        let query = match (filter.owner, filter.state) {
            (None, None) => select!(""),
            (Some(_), None) => select!("AND owner = $3 "),
            (None, Some(_)) => select!("AND state = $3 "),
            (Some(_), Some(_)) => select!("AND owner = $3 AND state = $4 "),
        };
        let mut query = sqlx::query(query).bind(before.map_or(i64::MAX, number)).bind(i64::from(most));
        if let Some(owner) = filter.owner {
            query = query.bind(format!("{owner:#x}"));
        }
        if let Some(state) = filter.state {
            query = query.bind(state.name());
        }
        let rows = query.fetch_all(&self.read).await?;
        let intents = rows.iter().map(Listed::of).collect::<Result<Vec<_>, _>>()?;
        let next = intents.last().filter(|_| intents.len() as u64 == u64::from(most)).map(|intent| intent.created);
        Ok(Page { intents, next })
    }

    /// All that is not done on a chain, the oldest first; with the number of the event up to which that is true.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn live(&self, chain: u64) -> Result<(Vec<Record>, u64), StoreError> {
        // Before the intents: what comes in between is seen twice rather than never.
        let last: i64 = sqlx::query_scalar("SELECT last FROM position").fetch_one(&self.read).await?;
        let rows = sqlx::query("SELECT * FROM intents WHERE live = 1 AND chain = $1 ORDER BY created")
            .bind(number(chain))
            .fetch_all(&self.read)
            .await?;
        Ok((rows.iter().map(Record::of).collect::<Result<_, _>>()?, last.unsigned_abs()))
    }

    /// Those of a chain that have changed after a number, done or not; with the number of the event up to which that is true.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn changed(&self, chain: u64, after: u64) -> Result<(Vec<Record>, u64), StoreError> {
        let last: i64 = sqlx::query_scalar("SELECT last FROM position").fetch_one(&self.read).await?;
        if last.unsigned_abs() <= after {
            return Ok((Vec::new(), after));
        }
        let rows = sqlx::query("SELECT * FROM intents WHERE changed > $1 AND chain = $2 ORDER BY changed")
            .bind(number(after))
            .bind(number(chain))
            .fetch_all(&self.read)
            .await?;
        Ok((rows.iter().map(Record::of).collect::<Result<_, _>>()?, last.unsigned_abs()))
    }

    /// Events after a number, in order, of one intent or of all.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn events(&self, intent: Option<&str>, after: u64, most: u32) -> Result<Vec<Event>, StoreError> {
        let query = match intent {
            Some(id) => sqlx::query("SELECT * FROM events WHERE position > $1 AND intent = $3 ORDER BY position LIMIT $2")
                .bind(number(after))
                .bind(i64::from(most))
                .bind(id),
            None => sqlx::query("SELECT * FROM events WHERE position > $1 ORDER BY position LIMIT $2")
                .bind(number(after))
                .bind(i64::from(most)),
        };
        query.fetch_all(&self.read).await?.iter().map(Event::of).collect()
    }

    /// The settlements of an intent.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn slices(&self, intent: &str) -> Result<Vec<Slice>, StoreError> {
        let rows =
            sqlx::query("SELECT * FROM slices WHERE intent = $1 ORDER BY number").bind(intent).fetch_all(&self.read).await?;
        let slice = |row: &AnyRow| {
            let count = |name: &str| row.try_get::<i64, _>(name).map(i64::unsigned_abs);
            Ok(Slice {
                number: count("number")?,
                state: row.try_get("state")?,
                attempts: count("attempts")?,
                transaction: row.try_get("attempted_tx")?,
            })
        };
        rows.iter().map(slice).collect()
    }

    /// How many intents stand where.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn counts(&self) -> Result<Vec<(State, u64)>, StoreError> {
        let rows = sqlx::query("SELECT state, COUNT(*) AS count FROM intents GROUP BY state").fetch_all(&self.read).await?;
        let counted = |row: &AnyRow| {
            let (name, count): (String, i64) = (row.try_get("state")?, row.try_get("count")?);
            Ok(State::ALL.into_iter().find(|state| state.name() == name).map(|state| (state, count.unsigned_abs())))
        };
        rows.iter().filter_map(|row| counted(row).transpose()).collect()
    }
}

/// What was written as JSON.
pub(crate) fn parse<T: DeserializeOwned>(id: &str, text: String) -> Result<T, StoreError> {
    serde_json::from_str(&text).map_err(|e| StoreError::Corrupt { id: id.to_owned(), reason: e.to_string() })
}
