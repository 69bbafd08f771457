use crate::State;

/// Why something is not remembered, or not found.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Somebody else holds the database for longer than one waits.
    #[error("the database is busy: another process holds it locked, or all connections are in use")]
    Busy,
    /// No room.
    #[error("the database's disk is full; nothing is taken in until there is room")]
    Full,
    /// It cannot be reached, read or written.
    #[error("the database fails: {0}")]
    Database(sqlx::Error),
    /// Neither SQLite nor PostgreSQL.
    #[error("{0:?} is no database: expected sqlite://FILE or postgres://…")]
    Url(String),
    /// The tables cannot be brought up to date.
    #[error("the database's tables are not those of this version: {0}")]
    Migration(#[from] sqlx::migrate::MigrateError),
    /// What is stored is not what was written.
    #[error("intent {id}: what is stored cannot be read: {reason}")]
    Corrupt {
        /// Of which.
        id: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Another intent of the owner's has the nonce.
    #[error("nonce: intent {0} of this owner has it, and says something else; take another, or post that one again as it was")]
    NonceTaken(String),
    /// An owner has as many as they may.
    #[error("owner: {have} intents are live, and {most} the most; wait for one to end, or cancel one")]
    TooMany {
        /// Live ones.
        have: u64,
        /// `limits`.
        most: u64,
    },
    /// An owner's intents move as much as they may.
    #[error("owner: with it {total} {numeraire} would be moved by live intents, and {most} is the most")]
    TooLarge {
        /// With this one.
        total: f64,
        /// The most.
        most: f64,
        /// In which unit.
        numeraire: String,
    },
    /// An owner posts faster than they may.
    #[error("owner: {most} intents a minute is the most; try again later")]
    TooFast {
        /// A minute.
        most: u64,
    },
    /// Nobody knows it.
    #[error("no intent {0}")]
    Unknown(String),
    /// It has changed meanwhile.
    #[error("intent {0} has changed meanwhile")]
    Changed(String),
    /// The lease is somebody else's.
    #[error("another instance has taken over")]
    LeaseLost,
    /// A step that the lifecycle does not have.
    #[error("an intent that is {from} does not become {to}")]
    Forbidden {
        /// Where it stands.
        from: State,
        /// Where it should go.
        to: State,
    },
}

impl StoreError {
    /// Whether it may go by itself, so that trying again later makes sense.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Busy | Self::Full | Self::Database(_))
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        if matches!(error, sqlx::Error::PoolTimedOut) {
            return Self::Busy;
        }
        let code = error.as_database_error().and_then(|e| e.code()).unwrap_or_default().into_owned();
        // SQLite's primary codes are the low byte of the extended ones: 5 busy, 6 locked, 13 full.
        match (code.as_str(), code.parse::<u32>().map(|code| code & 0xff)) {
            // PostgreSQL: a lock that is not to be had, a deadlock, too many connections; a full disk.
            ("55P03" | "40P01" | "53300", _) => Self::Busy,
            ("53100", _) => Self::Full,
            (short, Ok(5 | 6)) if short.len() < 5 => Self::Busy,
            (short, Ok(13)) if short.len() < 5 => Self::Full,
            _ => Self::Database(error),
        }
    }
}
