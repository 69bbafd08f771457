use std::borrow::Cow;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use sqlx::any::AnyPoolOptions;
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Any, AnyPool, Connection, Executor, SqlSafeStr, Transaction};
use tokio::sync::watch;

use crate::StoreError;

const MIGRATIONS: [(i64, &str, &str); 2] =
    [(1, "lifecycle", include_str!("../migrations/1_lifecycle.sql")), (2, "probe", include_str!("../migrations/2_probe.sql"))];
/// Bytes of the largest intent.
const PROBE: usize = 256 << 10;
/// Connections that read; and, where the database lets several write, that write.
const CONNECTIONS: u32 = 8;

/// The database.
#[derive(Debug, Clone)]
pub struct Store {
    pub(crate) read: AnyPool,
    write: AnyPool,
    /// How a transaction begins that is going to write.
    begin: &'static str,
    /// The number of the last event that this instance has seen written.
    written: watch::Sender<u64>,
    /// The file, of one that is in a file.
    pub(crate) file: Option<Arc<PathBuf>>,
}

impl Store {
    /// Opens the database at a URL, `sqlite://FILE` (made if it is not there) or `postgres://…`, and brings its tables up to date. `patience` is how
    /// long is waited for a lock or a connection.
    ///
    /// # Errors
    /// When it cannot be reached, or has tables that are not ours.
    pub async fn open(url: &str, patience: Duration) -> Result<Self, StoreError> {
        sqlx::any::install_default_drivers();
        // SQLite ends a transaction by itself when its disk is full: a connection that does not know is not used again.
        let options = || {
            let options = AnyPoolOptions::new().acquire_timeout(patience);
            options.after_release(|connection, _| Box::pin(async move { Ok(!connection.is_in_transaction()) }))
        };
        let store = if let Some(file) = url.strip_prefix("sqlite:") {
            let url = if file.contains('?') { url.to_owned() } else { format!("{url}?mode=rwc") };
            let file = Arc::new(SqliteConnectOptions::from_str(&url)?.get_filename().to_owned());
            let patience = patience.as_millis();
            let pool = |most: u32| {
                let options = options().max_connections(most).after_connect(move |connection, _| {
                    Box::pin(async move {
                        // Commits survive power failures; readers and the writer do not wait for each other.
                        let pragmas = format!(
                            "PRAGMA busy_timeout = {patience}; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
                             PRAGMA foreign_keys = ON"
                        );
                        connection.execute(sqlx::AssertSqlSafe(pragmas)).await.map(|_| ())
                    })
                });
                options.connect_lazy(&url)
            };
            // One writes at a time: those who wait do so in turn, not by polling the file's lock.
            let (read, write, written) = (pool(CONNECTIONS)?, pool(1)?, watch::channel(0).0);
            Self { read, write, begin: "BEGIN IMMEDIATE", written, file: Some(file) }
        } else if url.starts_with("postgres:") || url.starts_with("postgresql:") {
            let pool = options().max_connections(CONNECTIONS).connect_lazy(url)?;
            Self { read: pool.clone(), write: pool, begin: "BEGIN", written: watch::channel(0).0, file: None }
        } else {
            // It may hold a password.
            return Err(StoreError::Url(url.split("://").next().unwrap_or_default().to_owned()));
        };
        store.migrate().await?;
        let last: i64 = sqlx::query_scalar("SELECT last FROM position").fetch_one(&store.read).await?;
        store.tell(last);
        Ok(store)
    }

    async fn migrate(&self) -> Result<(), StoreError> {
        let migrations = MIGRATIONS.map(|(version, name, sql)| {
            Migration::new(version, Cow::Borrowed(name), MigrationType::Simple, sql.into_sql_str(), false)
        });
        Ok(Migrator::with_migrations(migrations.into()).run(&self.write).await?)
    }

    /// Begins a change.
    pub(crate) async fn begin(&self) -> Result<Transaction<'static, Any>, StoreError> {
        let mut change = self.write.begin_with(self.begin).await?;
        if may_not_grow() {
            // SQLite says the same of a file that may not grow as of a disk that is full.
            change.execute("PRAGMA max_page_count = 1").await?;
        }
        Ok(change)
    }

    /// Says that events are there up to a number.
    pub(crate) fn tell(&self, position: i64) {
        let position = position.unsigned_abs();
        self.written.send_if_modified(|last| {
            let later = position > *last;
            *last = (*last).max(position);
            later
        });
    }

    /// The number of the last event that was written through this instance, whenever it changes. What others write on the same
    /// database is not heard of.
    pub fn written(&self) -> watch::Receiver<u64> {
        self.written.subscribe()
    }

    /// Whether the database takes as much as the largest intent: the answer of one that was full or locked.
    ///
    /// # Errors
    /// Why it does not.
    pub async fn probe(&self) -> Result<(), StoreError> {
        // Two transactions: of what is taken back in the same one, nothing need reach the disk.
        for filler in ["x".repeat(PROBE), String::new()] {
            let mut change = self.begin().await?;
            sqlx::query("UPDATE probe SET filler = $1").bind(filler).execute(&mut *change).await?;
            change.commit().await?;
        }
        Ok(())
    }

    /// Waits until nothing is in use any more, and closes it.
    pub async fn close(&self) {
        self.write.close().await;
        self.read.close().await;
    }
}

/// For tests of full disks: whether the file is there that the fail point names. Never so in a build without fail points.
fn may_not_grow() -> bool {
    fail::fail_point!("full", |file| file.is_some_and(|file| std::path::Path::new(&file).exists()));
    false
}
