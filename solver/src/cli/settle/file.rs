//! The configuration of a settlement: what to encode for, and through which node.

use std::path::{Path, PathBuf};

use alloy_primitives::Address;
use anyhow::Context;
use serde::Deserialize;

use crate::settlement::{KeyName, Settings};

/// A TOML file with these two tables; each may be left out.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct File {
    /// How solutions become calldata, and where the contracts are.
    pub(super) settlement: Settings,
    /// Where they go.
    pub(super) submission: Submission,
}

/// Through which node is settled, and by whom.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Submission {
    /// The node's URL.
    pub(super) rpc: Option<String>,
    /// The account that may settle: enough for a simulation.
    pub(super) solver: Option<Address>,
    /// The variable that holds its key, as `env:NAME`.
    pub(super) key: Option<KeyName>,
    /// The slippage ledger, from the folder of this file.
    pub(super) ledger: Option<PathBuf>,
}

impl File {
    pub(super) fn read(path: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let mut file = Self::parse(&text).with_context(|| path.display().to_string())?;
        let folder = path.parent().unwrap_or(Path::new(""));
        file.submission.ledger = file.submission.ledger.map(|ledger| folder.join(ledger));
        Ok(file)
    }

    fn parse(text: &str) -> anyhow::Result<Self> {
        toml::from_str(text).map_err(|error| {
            // The line itself is not shown: it may hold a key that somebody has written where its name belongs.
            let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
            anyhow::anyhow!("line {}: {}", before.lines().count().max(1), error.message())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_in_the_file_is_refused_and_not_repeated() {
        let key = "59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d";
        let said =
            format!("{:#}", File::parse(&format!("[submission]\nrpc = \"http://127.0.0.1\"\nkey = \"{key}\"\n")).unwrap_err());
        assert!(said.contains("line 3") && said.contains("env:NAME") && !said.contains(&key[..8]), "{said}");
    }

    #[test]
    fn unknown_keys_are_refused() {
        let said = format!("{:#}", File::parse("[submission]\nurl = \"http://127.0.0.1\"\n").unwrap_err());
        assert!(said.contains("url"), "{said}");
    }
}
