use sqlx::{Any, Transaction};

use crate::{Store, StoreError};

/// The right to work, until some time, for who holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// For what.
    pub name: String,
    /// Who.
    pub holder: String,
    /// Larger than that of any holder before.
    pub token: i64,
    /// Until when, Unix milliseconds.
    pub until: u64,
}

impl Store {
    /// Takes a lease, or prolongs it for who holds it; `None` while it is somebody else's. Times are Unix milliseconds: instances' clocks may differ by
    /// much less than a lease lasts; what a clock that is off costs is time, never safety.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn lease(&self, name: &str, holder: &str, now: u64, until: u64) -> Result<Option<Lease>, StoreError> {
        let mut change = self.begin().await?;
        let token: Option<i64> = sqlx::query_scalar(
            "INSERT INTO leases (name, holder, token, until) VALUES ($1, $2, 1, $3) \
             ON CONFLICT (name) DO UPDATE SET \
             token = CASE WHEN leases.holder = $2 THEN leases.token ELSE leases.token + 1 END, holder = $2, until = $3 \
             WHERE leases.holder = $2 OR leases.until <= $4 RETURNING token",
        )
        .bind(name)
        .bind(holder)
        .bind(number(until))
        .bind(number(now))
        .fetch_optional(&mut *change)
        .await?;
        change.commit().await?;
        Ok(token.map(|token| Lease { name: name.to_owned(), holder: holder.to_owned(), token, until }))
    }

    /// Gives a lease back, so that nobody has to wait until it ends.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn release(&self, lease: &Lease) -> Result<(), StoreError> {
        let mut change = self.begin().await?;
        // The token stays, for the next to have a larger one; and so does not the name, for it to be another's.
        sqlx::query("UPDATE leases SET until = 0, holder = '' WHERE name = $1 AND holder = $2 AND token = $3")
            .bind(&lease.name)
            .bind(&lease.holder)
            .bind(lease.token)
            .execute(&mut *change)
            .await?;
        Ok(change.commit().await?)
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
