//! The intent service: takes signed intents in, watches them, settles them, and forgets none.
//!
//! ```text
//! POST /v1/intents ─► signature, quota ─► store ◄──────────────┐ every step, before what it stands for is done
//!                                           │                  │
//! worker (one instance at a time, by a lease)                  │
//!   head of the chain ─► prices, vaults ─► decide ─► settle: solve, simulate, sign, write, send
//!                                              └──► follow: receipts, reorganisations, what others have settled
//! GET …, /events ◄── store
//! ```
//!
//! Nothing is held to be so because this process remembers it: an instance that starts reads from the store what there is, and from the chain what
//! came of it. A transaction's hash is written before it is sent, its successor has the same number of the sender's account, and the contract
//! counts settlements itself: so none is made twice.

pub(crate) mod api;
mod decide;
mod follow;
mod forecast;
mod health;
mod metrics;
mod oracle;
mod order_book;
mod settle;
mod signature;
mod watch;
mod worker;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use alloy_primitives::U256;
use anyhow::Context;
use ballast_store::{Change, Lease, Numbers, Record, Status, Store, StoreError};
use ballast_wire::Decimal;
use tokio::sync::OnceCell;

use self::forecast::Forecasts;
pub(crate) use self::health::Health;
pub(crate) use self::worker::Worker;
use crate::config::Settings;
use crate::market::FileMarket;
use crate::settlement::{Node, SubmitError};

/// What requests and the worker share.
pub(crate) struct Intents {
    store: Store,
    settings: Settings,
    market: FileMarket,
    node: OnceCell<Node>,
    health: Health,
    forecasts: Forecasts,
}

impl Intents {
    /// Opens the database. Paths are from `folder` on.
    pub(crate) async fn open(settings: &Settings, folder: &Path) -> anyhow::Result<Arc<Self>> {
        let config = &settings.intents;
        let store = open(settings, folder).await?;
        let market = folder.join(config.market.as_deref().context("intents.market: needed")?);
        let mut settings = settings.clone();
        settings.intents.prices = settings.intents.prices.map(|prices| folder.join(prices));
        metrics::describe();
        let (market, node, health) = (FileMarket::new(market), OnceCell::new(), Health::default());
        let history = settings.intents.history.iter().map(|file| folder.join(file)).collect();
        let forecasts = Forecasts::new(history, market.clone());
        Ok(Arc::new(Self { store, settings, market, node, health, forecasts }))
    }

    /// What of it fails now.
    pub(crate) fn health(&self) -> &Health {
        &self.health
    }

    /// The node, once it has answered.
    async fn node(&self) -> Result<&Node, SubmitError> {
        let connect = || async {
            let url = self.settings.submission.rpc.as_deref().ok_or(SubmitError::Url)?;
            Node::connect(url, self.settings.settlement.contracts).await
        };
        self.node.get_or_try_init(connect).await
    }

    /// Changes where an intent stands, and tells.
    async fn advance(
        &self,
        record: &mut Record,
        status: Status,
        cause: impl Into<String>,
        numbers: Numbers,
        lease: Option<&Lease>,
    ) -> Result<(), StoreError> {
        let change = Change { status, cause: cause.into(), numbers, at: millis() };
        let event = self.store.advance(record, change, lease).await?;
        let state = event.status.state();
        tracing::info!(intent = record.id, state = state.name(), cause = event.cause, numbers = ?event.numbers, "changed");
        metrics::changed(state);
        fail::fail_point!(state.name());
        Ok(())
    }
}

/// The database of a configuration in `folder`, from which the paths in it are.
pub(crate) async fn open(settings: &Settings, folder: &Path) -> anyhow::Result<Store> {
    let config = &settings.intents;
    let url = match config.database.expose() {
        url if url.contains('?') => url.to_owned(),
        url => match url.strip_prefix("sqlite://") {
            Some(file) => format!("sqlite://{}", folder.join(file).display()),
            None => url.to_owned(),
        },
    };
    Store::open(&url, config.database_patience).await.context("intents.database")
}

/// Milliseconds since 1970.
fn millis() -> u64 {
    u64::try_from(since_epoch().as_millis()).unwrap_or(u64::MAX)
}

/// Seconds since 1970.
fn seconds() -> u64 {
    since_epoch().as_secs()
}

fn since_epoch() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// A number of 18 places, as it is told.
fn decimal(atoms: U256) -> String {
    Decimal::from_atoms(atoms).to_string()
}

/// Named figures of an event.
fn numbers<const N: usize>(figures: [(&str, String); N]) -> Numbers {
    figures.into_iter().map(|(name, figure)| (name.to_owned(), figure)).collect()
}
