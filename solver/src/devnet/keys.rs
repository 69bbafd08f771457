//! The keys of a devnet's accounts, which are nobody's secret.

use alloy::signers::local::{MnemonicBuilder, PrivateKeySigner, coins_bip39::English};
use anyhow::Context;

use super::SOLVER;

/// The words that the node makes its keys of, the same on every development chain. Nothing of value may be theirs.
const MNEMONIC: &str = "test test test test test test test test test test test junk";
/// The variable in which `ballast settle` looks for the solver's key.
pub(super) const SOLVER_KEY: &str = "BALLAST_DEVNET_KEY";

/// The key of an account.
pub(super) fn key(account: usize) -> anyhow::Result<PrivateKeySigner> {
    let account = u32::try_from(account)?;
    MnemonicBuilder::<English>::default().phrase(MNEMONIC).index(account)?.build().context("no key of the node's words")
}

/// Sets the solver's key in a shell.
pub(super) fn environment() -> anyhow::Result<String> {
    Ok(format!("# A key that everybody knows.\nexport {SOLVER_KEY}={}\n", key(SOLVER)?.to_bytes()))
}
