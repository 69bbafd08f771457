use std::sync::Arc;

use sqlx::{Any, Transaction};

use crate::presence::Presence;
use crate::{Store, StoreError};

/// The right to work, until some time, for who holds it.
#[derive(Debug, Clone)]
pub struct Lease {
    /// For what.
    pub name: String,
    /// Who.
    pub holder: String,
    /// Larger than that of any holder before.
    pub token: i64,
    /// Until when, Unix milliseconds.
    pub until: u64,
    /// By which others on this machine see that its holder lives.
    presence: Option<Arc<Presence>>,
}

impl Store {
    /// Takes a lease that is free, or whose holder is known to be gone; `None` while it is somebody else's. Times are Unix milliseconds: instances'
    /// clocks may differ by much less than a lease lasts; what a clock that is off costs is time, never safety.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn lease(&self, name: &str, holder: &str, now: u64, until: u64) -> Result<Option<Lease>, StoreError> {
        let (presence, gone) = self.presence(name).unzip();
        let mut change = self.begin().await?;
        let token: Option<i64> = sqlx::query_scalar(
            "INSERT INTO leases (name, holder, token, until) VALUES ($1, $2, 1, $3) \
             ON CONFLICT (name) DO UPDATE SET token = leases.token + 1, holder = $2, until = $3 \
             WHERE leases.until <= $4 OR leases.holder = $5 RETURNING token",
        )
        .bind(name)
        .bind(holder)
        .bind(number(until))
        .bind(number(now))
        .bind(gone.as_deref())
        .fetch_optional(&mut *change)
        .await?;
        change.commit().await?;
        let lease = |token| {
            let presence = presence.and_then(|presence| presence.name(holder)).map(Arc::new);
            Lease { name: name.to_owned(), holder: holder.to_owned(), token, until, presence }
        };
        Ok(token.map(lease))
    }

    /// Prolongs a lease, unless somebody else has it by now; whether it is still held.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn prolong(&self, lease: &mut Lease, until: u64) -> Result<bool, StoreError> {
        let mut change = self.begin().await?;
        let held = sqlx::query("UPDATE leases SET until = $4 WHERE name = $1 AND holder = $2 AND token = $3")
            .bind(&lease.name)
            .bind(&lease.holder)
            .bind(lease.token)
            .bind(number(until))
            .execute(&mut *change)
            .await?;
        change.commit().await?;
        if held.rows_affected() != 1 {
            return Ok(false);
        }
        lease.until = until;
        if lease.presence.is_none() {
            let presence = self.presence(&lease.name).and_then(|(presence, _)| presence.name(&lease.holder));
            lease.presence = presence.map(Arc::new);
        }
        Ok(true)
    }

    /// Gives a lease back, so that nobody has to wait until it ends.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn release(&self, lease: &Lease) -> Result<(), StoreError> {
        let mut change = self.begin().await?;
        // The token stays, for the next to have a larger one.
        sqlx::query("UPDATE leases SET until = 0, holder = '' WHERE name = $1 AND holder = $2 AND token = $3")
            .bind(&lease.name)
            .bind(&lease.holder)
            .bind(lease.token)
            .execute(&mut *change)
            .await?;
        Ok(change.commit().await?)
    }

    /// The lock of a lease and the name that is in it, if it is free and the database a file.
    fn presence(&self, lease: &str) -> Option<(Presence, String)> {
        Presence::take(&Presence::path(self.file.as_deref()?, lease))
    }
}

/// Holds a lease against what the database says, until the change is through: nobody takes it over meanwhile.
pub(crate) async fn confirm(change: &mut Transaction<'static, Any>, lease: &Lease) -> Result<(), StoreError> {
    let held = sqlx::query("UPDATE leases SET token = token WHERE name = $1 AND holder = $2 AND token = $3")
        .bind(&lease.name)
        .bind(&lease.holder)
        .bind(lease.token)
        .execute(&mut **change)
        .await?;
    if held.rows_affected() == 1 { Ok(()) } else { Err(StoreError::LeaseLost) }
}

/// A number as the database has it.
pub(crate) fn number(x: u64) -> i64 {
    i64::try_from(x).unwrap_or(i64::MAX)
}
