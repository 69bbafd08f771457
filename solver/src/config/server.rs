use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use bytesize::ByteSize;
use documented::{Documented, DocumentedFields};
use serde::{Deserialize, Serialize};

use super::{Invalid, Secret};

/// The HTTP service that the driver calls.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Documented, DocumentedFields)]
#[serde(default, deny_unknown_fields)]
pub struct Server {
    /// Where to listen; port 0 takes a free one, which the log names. Takes effect on start only.
    pub listen: SocketAddr,
    /// Whether auctions are solved. If not, each is answered at once with no solutions.
    pub enabled: bool,
    /// How long before the driver's deadline a reply is sent at the latest.
    #[serde(with = "humantime_serde")]
    pub slack: Duration,
    /// How long before that the search is told to stop. Half of this it may take to do so; what it has found by then is written.
    #[serde(with = "humantime_serde")]
    pub finish: Duration,
    /// The longest that a quote is worked on, whatever its deadline.
    #[serde(with = "humantime_serde")]
    pub quote_time: Duration,
    /// The largest request that is read.
    pub max_body: ByteSize,
    /// The most of all requests together that is held at a time; a request beyond it is refused. Takes effect on
    /// start only.
    pub max_bodies: ByteSize,
    /// The largest reply; the best solutions are kept.
    pub max_reply: ByteSize,
    /// How long a client may take to send a request's head, and then its body.
    #[serde(with = "humantime_serde")]
    pub read_timeout: Duration,
    /// How long a client may take to read on, or a connection may idle. Takes effect on start only.
    #[serde(with = "humantime_serde")]
    pub idle_timeout: Duration,
    /// The most connections at a time; more wait. Takes effect on start only.
    pub max_connections: usize,
    /// How long a shutdown waits for requests in flight.
    #[serde(with = "humantime_serde")]
    pub shutdown_grace: Duration,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            listen: (Ipv4Addr::LOCALHOST, 7872).into(),
            enabled: true,
            slack: Duration::from_millis(500),
            finish: Duration::from_millis(100),
            quote_time: Duration::from_secs(1),
            max_body: ByteSize::mib(64),
            max_bodies: ByteSize::mib(512),
            max_reply: ByteSize::mib(28),
            read_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(60),
            max_connections: 256,
            shutdown_grace: Duration::from_secs(10),
        }
    }
}

impl Server {
    pub(super) fn check(&self) -> Result<(), Invalid> {
        Invalid::unless(self.max_connections > 0, "server.max_connections", "expected at least 1")?;
        Invalid::unless(self.max_body.as_u64() > 0, "server.max_body", "expected more than 0 bytes")?;
        let room = self.max_body.as_u64().saturating_mul(2) <= self.max_bodies.as_u64();
        Invalid::unless(room, "server.max_bodies", "expected at least twice max_body: a body that grows takes its size twice")?;
        Invalid::unless(self.max_bodies <= ByteSize::tib(1), "server.max_bodies", "expected at most 1 TiB")
    }
}

/// The threads that solve. Takes effect on start only.
///
/// Auctions at work share the processors evenly, so that two with one deadline both get their half. Quotes have threads and a
/// queue of their own: they never wait for an auction.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Documented, DocumentedFields)]
#[serde(default, deny_unknown_fields)]
pub struct Work {
    /// Threads of an auction; 0 takes one for each processor.
    pub threads: usize,
    /// Auctions that are solved at a time.
    pub auctions: usize,
    /// Auctions that wait; one more is answered at once with no solutions.
    pub waiting_auctions: usize,
    /// Quotes that are priced at a time, each on one thread.
    pub quotes: usize,
    /// Quotes that wait; one more is answered at once with no solutions.
    pub waiting_quotes: usize,
}

impl Default for Work {
    fn default() -> Self {
        Self { threads: 0, auctions: 4, waiting_auctions: 8, quotes: 4, waiting_quotes: 32 }
    }
}

impl Work {
    pub(super) fn check(&self) -> Result<(), Invalid> {
        Invalid::unless((1..=256).contains(&self.auctions), "work.auctions", "expected 1 to 256")?;
        Invalid::unless((1..=256).contains(&self.quotes), "work.quotes", "expected 1 to 256")?;
        Invalid::unless(self.threads <= 1024, "work.threads", "expected at most 1024")?;
        Invalid::unless(self.waiting_auctions <= 10_000, "work.waiting_auctions", "expected at most 10000")?;
        Invalid::unless(self.waiting_quotes <= 10_000, "work.waiting_quotes", "expected at most 10000")
    }
}

/// What is avoided after the driver reported a revert or a failed simulation.
///
/// Everything that the failed solution used is noted; a later success with it clears the note. Tokens that the auction calls
/// trusted are never avoided.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Documented, DocumentedFields)]
#[serde(default, deny_unknown_fields)]
pub struct Avoid {
    /// For how long, counted from the latest failure.
    #[serde(rename = "for", with = "humantime_serde")]
    #[documented_fields(rename = "for")]
    pub period: Duration,
    /// Failures in that time after which an order is avoided; 0 for never.
    pub order_after: u32,
    /// Failures in that time after which a pool is avoided; 0 for never.
    pub pool_after: u32,
    /// Failures in that time after which a token is avoided; 0 for never.
    pub token_after: u32,
    /// Failures in that time of solutions with several orders, after which each order is settled by itself; 0 for never.
    pub batch_after: u32,
}

impl Default for Avoid {
    fn default() -> Self {
        Self { period: Duration::from_secs(120), order_after: 1, pool_after: 1, token_after: 2, batch_after: 1 }
    }
}

/// A second address, for the operator: `GET /status`, `POST /stop`, `POST /start`, `POST /reload`. Takes effect on start only.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, Documented, DocumentedFields)]
#[serde(default, deny_unknown_fields)]
pub struct Admin {
    /// Where to listen, such as `"127.0.0.1:7873"`; nowhere if left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listen: Option<SocketAddr>,
    /// What a caller must send as `Authorization: Bearer …`, such as `"env:BALLAST_ADMIN_TOKEN"`; nothing if left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<Secret>,
}
