//! Where the contracts of a chain are.

use std::collections::BTreeMap;

use alloy_primitives::Address;
use serde::{Deserialize, Serialize};

use super::keys::SOLVER_KEY;
use crate::settlement::Contracts;

/// A factory of pools, and the contract that swaps on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Exchange {
    /// What makes the pools.
    pub factory: Address,
    /// What swaps.
    pub router: Address,
}

/// Balancer V2 on the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Balancer {
    /// What holds all pools' tokens, and swaps.
    pub vault: Address,
    /// What makes weighted pools.
    pub weighted_factory: Address,
    /// What makes composable stable pools.
    pub stable_factory: Address,
}

/// A vault, and what rebalances it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rebalancing {
    /// Our settlement contract.
    pub settlement: Address,
    /// The vault.
    pub vault: Address,
    /// Who signs for it: one of the traders.
    pub owner: Address,
    /// Price feeds in dollars, by token.
    pub feeds: BTreeMap<String, Address>,
}

/// A devnet's addresses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Deployment {
    /// Where the node listens.
    pub rpc: String,
    /// The chain's id.
    pub chain_id: u64,
    /// GPv2's settlement contract.
    pub settlement: Address,
    /// What says who may settle.
    pub authenticator: Address,
    /// What takes the traders' tokens, by their allowance.
    pub vault_relayer: Address,
    /// The account that may settle.
    pub solver: Address,
    /// Who has signed the orders.
    pub traders: Vec<Address>,
    /// The wrapped native token.
    pub wrapped_native: Address,
    /// Balancer V2.
    pub balancer: Balancer,
    /// The exchanges of pairs.
    pub pairs: Vec<Exchange>,
    /// The exchange of pools with positions.
    pub concentrated: Exchange,
    /// Tokens by symbol.
    pub tokens: BTreeMap<String, Address>,
    /// What rebalances.
    #[serde(default)]
    pub rebalancing: Option<Rebalancing>,
}

impl Deployment {
    /// What settlements stand on.
    pub fn contracts(&self) -> Contracts {
        Contracts {
            chain_id: self.chain_id,
            settlement: self.settlement,
            relayer: self.vault_relayer,
            vault: self.balancer.vault,
            weth: self.wrapped_native,
        }
    }

    /// What `ballast settle --config` reads, and `ballast serve`: blocks come with transactions here, so none are waited for.
    pub(super) fn configuration(&self) -> anyhow::Result<String> {
        let contracts = toml::to_string(&self.contracts())?;
        let Self { rpc, solver, .. } = self;
        let weth = self.contracts().weth;
        Ok(format!(
            "chain = \"other\"\nwrapped_native = \"{weth}\"\n\n[settlement.contracts]\n{contracts}\n\
             [submission]\nrpc = \"{rpc}\"\nsolver = \"{solver}\"\nkey = \"env:{SOLVER_KEY}\"\nledger = \"ledger.jsonl\"\n\n\
             [intents]\nenabled = true\ndatabase = \"sqlite://intents.db\"\nmarket = \"auction.json\"\npoll = \"100ms\"\nconfirmations = 0\n"
        ))
    }
}
