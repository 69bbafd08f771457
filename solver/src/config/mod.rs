//! What an operator may set: one TOML file, over the preset of a chain.
//!
//! Each section is a struct of its own that refuses unknown keys and has a default for every key. A chain's preset is a file of the
//! same form that lies beneath the operator's. Secrets are named, never written: `env:NAME`.

mod engine;
#[cfg(feature = "chain")]
mod intents;
mod limits;
mod observe;
mod reference;
mod secret;
mod server;
#[cfg(feature = "chain")]
mod submission;

use std::path::Path;

use alloy_primitives::Address;
use documented::DocumentedFields;
use serde::{Deserialize, Serialize};

pub use engine::Config;
#[cfg(feature = "chain")]
pub use intents::{DatabaseUrl, Intents};
pub use limits::Limits;
pub use observe::{Format, Log, Traces};
pub use reference::reference;
pub use secret::Secret;
pub use server::{Admin, Avoid, Server, Work};
#[cfg(feature = "chain")]
pub use submission::Submission;

use crate::archive::ArchiveConfig;
use crate::jit::JitConfig;
use crate::settlement;

/// All that an operator may set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, DocumentedFields)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The chain, whose preset sets the native token and limits: `"mainnet"`, `"gnosis"`, `"arbitrum"`, `"base"`, or `"other"` for
    /// none.
    pub chain: Chain,
    /// The token that wraps the chain's native one; what its preset says if left out.
    pub wrapped_native: Address,
    /// How orders are solved.
    pub engine: Config,
    /// What a solution may risk.
    pub limits: Limits,
    /// The HTTP service.
    pub server: Server,
    /// Its threads.
    pub work: Work,
    /// What failures lead to.
    pub avoid: Avoid,
    /// The operator's own address.
    pub admin: Admin,
    /// The log.
    pub log: Log,
    /// Export of traces.
    pub traces: Traces,
    /// What was asked and answered, on disk.
    pub archive: ArchiveConfig,
    /// Orders that come with solutions.
    pub jit: JitConfig,
    /// How solutions become calldata.
    pub settlement: settlement::Settings,
    /// Where calldata goes.
    #[cfg(feature = "chain")]
    pub submission: Submission,
    /// Rebalancing intents, taken in and watched.
    #[cfg(feature = "chain")]
    pub intents: Intents,
}

/// A chain with a preset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Chain {
    /// Ethereum.
    #[default]
    Mainnet,
    /// Gnosis Chain, whose native token is worth a dollar.
    Gnosis,
    /// Arbitrum One.
    Arbitrum,
    /// Base.
    Base,
    /// Any other: no preset.
    Other,
}

impl Chain {
    fn preset(self) -> &'static str {
        match self {
            Self::Mainnet => include_str!("presets/mainnet.toml"),
            Self::Gnosis => include_str!("presets/gnosis.toml"),
            Self::Arbitrum => include_str!("presets/arbitrum.toml"),
            Self::Base => include_str!("presets/base.toml"),
            Self::Other => include_str!("presets/other.toml"),
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        // What mainnet's preset says; a test compares the two.
        let wrapped_native = alloy_primitives::address!("c02aaa39b223fe8d0a0e5c4f27ead9083c756cc2");
        Self {
            chain: Chain::default(),
            wrapped_native,
            engine: Config::default(),
            limits: Limits::default(),
            server: Server::default(),
            work: Work::default(),
            avoid: Avoid::default(),
            admin: Admin::default(),
            log: Log::default(),
            traces: Traces::default(),
            archive: ArchiveConfig::default(),
            jit: JitConfig::default(),
            settlement: settlement::Settings::default(),
            #[cfg(feature = "chain")]
            submission: Submission::default(),
            #[cfg(feature = "chain")]
            intents: Intents::default(),
        }
    }
}

/// Why settings cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// The file cannot be read.
    #[error("cannot read {path}: {error}")]
    Read {
        /// The file.
        path: String,
        /// What the system says.
        error: std::io::Error,
    },
    /// The text is no TOML, or a key is unknown or has a value of the wrong kind.
    // The text itself is not repeated: it may hold what should have been a secret.
    #[error("line {line}: {}{message}", if key.is_empty() || key == "." { String::new() } else { format!("{key}: ") })]
    Parse {
        /// From 1.
        line: usize,
        /// The path of the key, if it got that far.
        key: String,
        /// What is wrong.
        message: String,
    },
    /// A value that makes no sense.
    #[error(transparent)]
    Invalid(#[from] Invalid),
}

/// A value that makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {reason}")]
pub struct Invalid {
    key: &'static str,
    reason: &'static str,
}

impl Invalid {
    fn unless(good: bool, key: &'static str, reason: &'static str) -> Result<(), Self> {
        if good { Ok(()) } else { Err(Self { key, reason }) }
    }

    fn unless_amount(value: f64, key: &'static str) -> Result<(), Self> {
        Self::unless(value.is_finite() && value >= 0.0, key, "expected a number of at least 0")
    }
}

impl Settings {
    /// Reads a file.
    ///
    /// # Errors
    /// When it cannot be read, or is not valid; the error names the key.
    pub fn read(path: &Path) -> Result<Self, SettingsError> {
        let text =
            std::fs::read_to_string(path).map_err(|error| SettingsError::Read { path: path.display().to_string(), error })?;
        Self::parse(&text)
    }

    /// Reads a file's text, over the preset of its chain.
    ///
    /// # Errors
    /// When it is not valid; the error names the key.
    pub fn parse(text: &str) -> Result<Self, SettingsError> {
        // By itself first: only so does an error know its line.
        let own: Self = deserialize(text)?;
        let mut merged: toml::Table = deserialize(own.chain.preset())?;
        overlay(&mut merged, deserialize(text)?);
        let mut settings: Self = merged.try_into().map_err(|e: toml::de::Error| parse_error("", &e, String::new()))?;
        settings.check()?;
        settings.engine.max_gas = settings.limits.max_gas;
        Ok(settings)
    }

    /// Whether `new` differs in what a running service cannot change.
    pub fn needs_restart(&self, new: &Self) -> bool {
        #[cfg(feature = "chain")]
        if (&self.intents, &self.submission) != (&new.intents, &new.submission) {
            return true;
        }
        let fixed = |s: &Server| (s.listen, s.max_connections, s.idle_timeout, s.max_bodies);
        (&self.work, &self.admin, &self.log, &self.traces, &self.archive, &self.jit)
            != (&new.work, &new.admin, &new.log, &new.traces, &new.archive, &new.jit)
            || fixed(&self.server) != fixed(&new.server)
    }

    fn check(&self) -> Result<(), Invalid> {
        Invalid::unless(!self.wrapped_native.is_zero(), "wrapped_native", "needed where the chain has no preset")?;
        self.engine.check()?;
        self.limits.check()?;
        self.server.check()?;
        self.work.check()?;
        #[cfg(feature = "chain")]
        self.intents.check()?;
        self.traces.check()
    }
}

fn deserialize<T: for<'de> Deserialize<'de>>(text: &str) -> Result<T, SettingsError> {
    let deserializer = toml::Deserializer::parse(text).map_err(|e| parse_error(text, &e, String::new()))?;
    serde_path_to_error::deserialize(deserializer).map_err(|e| {
        let key = e.path().to_string();
        parse_error(text, e.inner(), key)
    })
}

fn parse_error(text: &str, error: &toml::de::Error, key: String) -> SettingsError {
    let start = error.span().map_or(0, |span| span.start);
    let line = 1 + text.bytes().take(start).filter(|b| *b == b'\n').count();
    SettingsError::Parse { line, key, message: error.message().to_owned() }
}

/// Lays `over` on top of `base`, key by key.
fn overlay(base: &mut toml::Table, over: toml::Table) {
    for (key, value) in over {
        match (base.get_mut(&key), value) {
            (Some(toml::Value::Table(below)), toml::Value::Table(above)) => overlay(below, above),
            (_, value) => {
                base.insert(key, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        Settings::parse(text).unwrap_err().to_string()
    }

    #[test]
    fn an_empty_file_is_mainnet() {
        assert_eq!(Settings::parse("").unwrap(), Settings::default());
    }

    #[test]
    fn an_operator_s_keys_lie_over_the_chain_s() {
        let gnosis = Settings::parse("chain = \"gnosis\"\n[limits]\nmax_gas = 5000000\n").unwrap();
        assert_eq!(gnosis.limits.max_gas, 5_000_000);
        assert!(gnosis.limits.max_notional > 100.0 * Limits::default().max_notional, "{:?}", gnosis.limits);
        assert!(gnosis.engine.max_arbitrage_per_pool > Config::default().max_arbitrage_per_pool);
        assert_ne!(gnosis.wrapped_native, Settings::default().wrapped_native);
        for chain in ["mainnet", "arbitrum", "base"] {
            Settings::parse(&format!("chain = \"{chain}\"")).unwrap();
        }
        let native = "wrapped_native = \"0x00000000000000000000000000000000000000aa\"";
        Settings::parse(&format!("chain = \"other\"\n{native}")).unwrap();
        assert!(refused("chain = \"other\"").contains("wrapped_native"));
    }

    #[test]
    fn errors_name_line_and_key() {
        for (text, words) in [
            ("[server]\nslak = \"1s\"", &["line 2", "slak", "unknown", "slack"][..]),
            ("[sever]\nslack = \"1s\"", &["line 1", "sever", "server"]),
            ("[server]\n\nslack = \"soon\"", &["line 3", "server.slack"]),
            ("[work]\nauctions = \"two\"", &["line 2", "work.auctions", "string"]),
            ("[limits]\nmax_notional = -1.0", &["limits.max_notional", "at least 0"]),
            ("[limits]\nmax_notional = nan", &["limits.max_notional", "at least 0"]),
            ("[engine]\nquarantine_factor = 1", &["engine.quarantine_factor", "above 1"]),
            ("[engine]\ndenied_tokens = [\"0x12\"]", &["line 2", "engine.denied_tokens"]),
            ("[server]\nmax_body = \"1 GB\"", &["server.max_bodies"]),
            ("chain = \"moon\"", &["line 1", "chain", "moon", "mainnet"]),
            ("[traces]\nratio = 2", &["traces.ratio"]),
            ("[server", &["line 1"]),
        ] {
            let said = refused(text);
            for word in words {
                assert!(said.contains(word), "{text:?} does not say {word:?}: {said}");
            }
        }
        let said = refused("[admin]\ntoken = \"hunter2\"");
        assert!(said.contains("admin.token") && said.contains("env:NAME") && !said.contains("hunter2"), "{said}");
    }
}
