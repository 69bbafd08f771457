use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use documented::{Documented, DocumentedFields};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Invalid, Secret};

/// The intent service: takes signed rebalancing intents, watches them, settles them. Takes effect on start only.
///
/// Its node, and the key that pays for settlements, are those of `[submission]`; its chain is that of `[settlement.contracts]`. Without a key it only
/// watches and says what it would do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Documented, DocumentedFields)]
#[serde(default, deny_unknown_fields)]
pub struct Intents {
    /// Whether it runs.
    pub enabled: bool,
    /// Where intents are kept: `"sqlite://FILE"`, from the folder of this file on, or `"postgres://…"`; `"env:NAME"` where the URL holds a password. Several instances may share one:
    /// each takes requests, one at a time watches and settles.
    pub database: DatabaseUrl,
    /// How long a lock on the database, or a connection to it, is waited for.
    #[serde(with = "humantime_serde")]
    pub database_patience: Duration,
    /// The pools that there are: an auction's file, whose state is read again from the node for each settlement.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub market: Option<PathBuf>,
    /// Prices to decide by instead of those of the intents' own feeds: a file of readings by the address of the feed. The contract checks by
    /// the feeds all the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prices: Option<PathBuf>,
    /// A price history for rules on forecasts (`trackingErrorBps`, `hitProbability`): files as `ballast decide --prices` takes them, whose columns are called by
    /// the tokens' symbols in the market, or addresses. They are read again when they change; without one that reaches to within a week such rules wait.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<PathBuf>,
    /// CoW Protocol's order book, such as `"https://api.cow.fi/mainnet"`: the orders of intents in mode `auction` are posted to it, for their owner to sign on
    /// the chain (`setPreSignature`), and their fills are followed there. Without it such intents are parked with their orders.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order_book: Option<String>,
    /// How long orders stand there, unless the intent ends before: what is left of them is then solved anew.
    #[serde(with = "humantime_serde")]
    pub order_time: Duration,
    /// How often the chain is looked at for a new block; prices that have moved by then are decided on at once.
    #[serde(with = "humantime_serde")]
    pub poll: Duration,
    /// How often every intent is decided on, whether or not prices have moved, and its vault read again.
    #[serde(with = "humantime_serde")]
    pub every: Duration,
    /// How long a settlement is worked on.
    #[serde(with = "humantime_serde")]
    pub solve_time: Duration,
    /// Blocks on top of a settlement's own before it is done with: what a reorganisation may take back.
    pub confirmations: u64,
    /// How long a transaction may wait to be mined before a newly solved one takes its place.
    #[serde(with = "humantime_serde")]
    pub patience: Duration,
    /// How long after a failure it is solved anew; twice as long after each further one in a row.
    #[serde(with = "humantime_serde")]
    pub retry: Duration,
    /// Failures in a row after which an intent is parked.
    pub max_failures: u32,
    /// How long an instance that is gone keeps others from going on in its place.
    #[serde(with = "humantime_serde")]
    pub lease: Duration,
    /// Live intents of one owner.
    pub max_live: u64,
    /// Intents that one owner may post in a minute.
    pub max_a_minute: u64,
    /// What one owner's live intents may move together, by the numeraire they are in, such as `{ USD = 1e9 }`; no limit in others.
    pub max_notional: BTreeMap<String, f64>,
    /// Keys of operators, sent as `Authorization: Bearer …`, such as `["env:BALLAST_OPERATOR"]`: they see all intents and events, and wake what is parked.
    pub operators: Vec<Secret>,
}

impl Default for Intents {
    fn default() -> Self {
        Self {
            enabled: false,
            database: DatabaseUrl::Plain("sqlite://ballast-intents.db".to_owned()),
            database_patience: Duration::from_secs(5),
            market: None,
            prices: None,
            history: Vec::new(),
            order_book: None,
            order_time: Duration::from_secs(1_800),
            poll: Duration::from_secs(1),
            every: Duration::from_secs(60),
            solve_time: Duration::from_secs(5),
            confirmations: 12,
            patience: Duration::from_secs(60),
            retry: Duration::from_secs(15),
            max_failures: 8,
            lease: Duration::from_secs(10),
            max_live: 100,
            max_a_minute: 60,
            max_notional: BTreeMap::new(),
            operators: Vec::new(),
        }
    }
}

impl Intents {
    pub(super) fn check(&self) -> Result<(), Invalid> {
        for (key, time) in [
            ("intents.poll", self.poll),
            ("intents.every", self.every),
            ("intents.database_patience", self.database_patience),
            ("intents.lease", self.lease),
        ] {
            Invalid::unless(!time.is_zero(), key, "expected a time above 0")?;
        }
        Invalid::unless(self.max_failures > 0, "intents.max_failures", "expected at least 1")?;
        let good = self.max_notional.values().all(|most| *most >= 0.0);
        Invalid::unless(good, "intents.max_notional", "expected numbers of at least 0")?;
        Invalid::unless(!self.enabled || self.market.is_some(), "intents.market", "needed where the intent service runs")
    }
}

/// A database's URL, written out or, since it may hold a password, named.
#[derive(Clone, PartialEq, Eq)]
pub enum DatabaseUrl {
    /// As it is.
    Plain(String),
    /// In the environment.
    Secret(Secret),
}

impl DatabaseUrl {
    /// The URL itself.
    pub fn expose(&self) -> &str {
        match self {
            Self::Plain(url) => url,
            Self::Secret(secret) => secret.expose(),
        }
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain(url) => f.write_str(url.split(['@', '?']).next().unwrap_or_default()),
            Self::Secret(secret) => secret.fmt(f),
        }
    }
}

impl Serialize for DatabaseUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Plain(url) => serializer.serialize_str(url),
            Self::Secret(secret) => secret.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for DatabaseUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.starts_with("env:") {
            let secret = Secret::deserialize(serde::de::value::StringDeserializer::new(text))?;
            return Ok(Self::Secret(secret));
        }
        Ok(Self::Plain(text))
    }
}
