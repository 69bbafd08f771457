use alloy_primitives::U256;
use ballast_wire::intent::Intent;
use sqlx::Row;

use crate::lease::number;
use crate::log::{Event, Numbers, add, next, text};
use crate::{Record, Status, Store, StoreError};

/// An intent that is posted, its signature checked.
#[derive(Debug, Clone)]
pub struct NewIntent {
    /// The digest that was signed.
    pub id: String,
    /// What was signed, and how.
    pub intent: Intent,
    /// What it may move at the most, in its numeraire.
    pub notional: f64,
    /// When it came, Unix milliseconds.
    pub at: u64,
}

/// What an owner may have.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quota {
    /// Intents that are live at a time.
    pub live: u64,
    /// What these may move together, in the numeraire of the one that is posted.
    pub notional: f64,
    /// Intents in a minute.
    pub a_minute: u64,
}

/// What came of posting.
#[derive(Debug, Clone)]
pub struct Posted {
    /// The intent as it stands.
    pub record: Record,
    /// Whether it was not there before.
    pub is_new: bool,
}

impl Store {
    /// Takes an intent in; one that is there already, the same in every word, is no error and no second one.
    ///
    /// # Errors
    /// When the nonce is another's, the owner has as much as they may, or the database fails.
    pub async fn post(&self, new: &NewIntent, quota: &Quota) -> Result<Posted, StoreError> {
        let key = Key::of(&new.intent);
        let mut change = self.begin().await?;
        // Also what keeps a second post of the same owner waiting until this one counts.
        let position = next(&mut change, 1).await?.saturating_add(1);
        let known = sqlx::query("SELECT * FROM intents WHERE chain = $1 AND settlement = $2 AND owner = $3 AND nonce = $4")
            .bind(key.chain)
            .bind(&key.settlement)
            .bind(&key.owner)
            .bind(&key.nonce)
            .fetch_optional(&mut *change)
            .await?;
        if let Some(known) = known {
            let record = Record::of(&known)?;
            // The signature may be another: of one key and one text there are many.
            return if record.id == new.id {
                Ok(Posted { record, is_new: false })
            } else {
                Err(StoreError::NonceTaken(record.id))
            };
        }
        let late: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM intents WHERE owner = $1 AND created_at > $2")
            .bind(&key.owner)
            .bind(number(new.at.saturating_sub(60_000)))
            .fetch_one(&mut *change)
            .await?;
        let had = sqlx::query(
            "SELECT COUNT(*) AS live, \
             CAST(COALESCE(SUM(CASE WHEN numeraire = $2 THEN notional END), 0) AS DOUBLE PRECISION) AS notional \
             FROM intents WHERE owner = $1 AND live = 1",
        )
        .bind(&key.owner)
        .bind(&key.numeraire)
        .fetch_one(&mut *change)
        .await?;
        let (late, live) = (late.unsigned_abs(), had.try_get::<i64, _>("live")?.unsigned_abs());
        let total = had.try_get::<f64, _>("notional")? + new.notional;
        if late >= quota.a_minute {
            return Err(StoreError::TooFast { most: quota.a_minute });
        }
        if live >= quota.live {
            return Err(StoreError::TooMany { have: live, most: quota.live });
        }
        if total.is_nan() || total > quota.notional {
            return Err(StoreError::TooLarge { total, most: quota.notional, numeraire: key.numeraire });
        }
        let status = Status::Accepted;
        sqlx::query(
            "INSERT INTO intents (id, created, created_at, chain, settlement, owner, nonce, numeraire, notional, document, live, state, \
             status, changes, changed, changed_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 1, $11, $12, 1, $2, $3)",
        )
        .bind(&new.id)
        .bind(position)
        .bind(number(new.at))
        .bind(key.chain)
        .bind(&key.settlement)
        .bind(&key.owner)
        .bind(&key.nonce)
        .bind(&key.numeraire)
        .bind(new.notional)
        .bind(text(&new.id, &new.intent)?)
        .bind(status.state().name())
        .bind(text(&new.id, &status)?)
        .execute(&mut *change)
        .await?;
        // Not known where nothing limits it.
        let known = (new.notional > 0.0).then(|| ("notional".to_owned(), format!("{} {}", new.notional, key.numeraire)));
        let numbers = Numbers::from_iter(known);
        let event = Event {
            position: position.unsigned_abs(),
            intent: new.id.clone(),
            at: new.at,
            cause: "posted by its owner".to_owned(),
            status: status.clone(),
            numbers,
        };
        add(&mut change, &event, 1).await?;
        change.commit().await?;
        self.tell(position);
        let (id, intent, at) = (new.id.clone(), new.intent.clone(), new.at);
        let record = Record { id, intent, status, created: event.position, created_at: at, changes: 1, changed_at: at };
        Ok(Posted { record, is_new: true })
    }
}

/// What an intent is known by to the contract, and its unit, as the database has them.
struct Key {
    chain: i64,
    settlement: String,
    owner: String,
    nonce: String,
    numeraire: String,
}

impl Key {
    fn of(intent: &Intent) -> Self {
        let nonce: U256 = intent.nonce.0;
        Self {
            chain: number(intent.chain_id),
            settlement: format!("{:#x}", intent.settlement),
            owner: format!("{:#x}", intent.owner),
            nonce: nonce.to_string(),
            numeraire: intent.numeraire.to_string(),
        }
    }
}
