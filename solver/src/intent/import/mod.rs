//! Intents from what other protocols publish.
//!
//! Their structs say what portfolio is wanted; none says how prices are checked on chain or what a rebalance may lose. Those come with
//! [`Terms`]. The result is an intent without a signature: the owner signs it, or nobody does.

pub mod reserve;
pub mod symmetry;

use std::collections::BTreeMap;

use alloy_primitives::{Address, U256};
use ballast_policy::portfolio::Weights;
use ballast_wire::intent::{Asset, Costs, Execution, Intent, Numeraire, Oracle, Range, Risk, Trigger, Version};
use ballast_wire::number::integer;
use ballast_wire::{Amount, Decimal, RequestError};
use bigdecimal::BigDecimal;
use serde::{Deserialize, Serialize};

/// What the other protocols do not say. Fields are those of an intent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Terms {
    /// The chain's number.
    #[serde(with = "integer")]
    pub chain_id: u64,
    /// The vault.
    pub owner: Address,
    /// The settlement contract.
    pub settlement: Address,
    /// The unit of prices.
    pub numeraire: Numeraire,
    /// The tokens, by the name that the protocol has for them.
    pub tokens: BTreeMap<String, Token>,
    /// What it may cost.
    pub costs: Costs,
    /// How to go about it.
    #[serde(default)]
    pub execution: Execution,
}

/// A token that the other protocol only names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Token {
    /// On the intent's chain.
    pub address: Address,
    /// Its decimal places.
    #[serde(with = "integer")]
    pub decimals: u8,
    /// Its price; none for the numeraire.
    #[serde(default)]
    pub oracle: Option<Oracle>,
}

/// Why a struct cannot be made an intent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// It cannot be read, or says what an intent cannot; by the path of the field in the struct.
    #[error("{0}")]
    Field(RequestError),
    /// The result makes no sense, mostly for its terms; by the path of the field in the intent.
    #[error("the intent's {0}")]
    Intent(RequestError),
}

fn wrong<T>(field: impl Into<String>, reason: impl Into<String>) -> Result<T, ImportError> {
    Err(ImportError::Field(RequestError { field: field.into(), reason: reason.into() }))
}

impl Terms {
    /// The checked intent of a portfolio.
    fn intent(
        &self,
        nonce: U256,
        [valid_from, valid_to]: [u64; 2],
        assets: Vec<Asset>,
        trigger: Trigger,
    ) -> Result<Intent, ImportError> {
        let intent = Intent {
            version: Version::V1,
            chain_id: self.chain_id,
            owner: self.owner,
            settlement: self.settlement,
            nonce: Amount(nonce),
            valid_from,
            valid_to,
            numeraire: self.numeraire,
            assets,
            trigger,
            costs: self.costs.clone(),
            execution: self.execution.clone(),
            risk: Risk::default(),
            signature: None,
        };
        intent.check().map_err(ImportError::Intent)?;
        Ok(intent)
    }

    fn token(&self, name: &str, field: impl Fn() -> String) -> Result<&Token, ImportError> {
        self.tokens.get(name).map_or_else(|| wrong(field(), format!("the terms say nothing of {name}")), Ok)
    }
}

/// Shares of a whole, as weights of 18 places that sum to exactly one.
fn weights(values: &[BigDecimal]) -> Result<Vec<Decimal>, ImportError> {
    let weights = Weights::of_values(values).map_err(|e| RequestError { field: "tokens".into(), reason: e.to_string() });
    let weights = weights.map_err(ImportError::Field)?;
    // No more than 18 places and the whole: they are read back as they are written.
    weights
        .as_slice()
        .iter()
        .map(|weight| weight.to_plain_string().parse().or_else(|_| wrong("tokens", "a weight overflows")))
        .collect()
}

/// From low to high, within a weight's bounds.
fn around(target: Decimal, below: U256, above: U256) -> Range {
    let high = Decimal::from_atoms(target.atoms().saturating_add(above)).min(Decimal::ONE);
    Range { low: Decimal::from_atoms(target.atoms().saturating_sub(below)), high }
}
