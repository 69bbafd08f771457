//! What prices are believed: readings from one trait, and the guard that judges them.
//!
//! A reading has an oracle's answer and, from elsewhere, a time-weighted pool price to hold it against. A spot price is never
//! used, alone or otherwise: it can be moved within one transaction.

mod bars;
mod file;
mod guard;

pub use bars::BarSource;
pub use file::{FileSource, OracleError};
pub use guard::{Assessment, Check, Fault, FeedLimits, Guard, GuardConfig, Level, StressState};

use crate::time::Time;

/// One feed's reading. Prices in the numeraire.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reading {
    /// The oracle's answer, as it came: it may be zero or negative, which the guard refuses.
    pub answer: f64,
    /// When the oracle last updated it.
    pub updated_at: Time,
    /// A pool's time-weighted price.
    pub twap: Option<f64>,
}

/// Whether the chain's sequencer is up (second layers only).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sequencer {
    /// The chain has none.
    #[default]
    None,
    /// Up since then.
    Up(Time),
    /// Down.
    Down,
}

/// Readings of one moment, in the order of the assets asked for.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Readings {
    /// By asset; none where the source has no feed.
    pub feeds: Vec<Option<Reading>>,
    /// The sequencer.
    pub sequencer: Sequencer,
}

/// Where readings come from: a file, bars of a history, later a chain.
pub trait PriceSource {
    /// Why there are no readings.
    type Error: std::error::Error + Send + Sync + 'static;

    /// What the feeds of these assets say at `now`.
    ///
    /// # Errors
    /// If the source cannot be read; a feed that is missing is no error.
    fn read(&mut self, assets: &[&str], now: Time) -> Result<Readings, Self::Error>;
}
