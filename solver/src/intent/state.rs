//! What is known of a vault: what it holds, what that is worth, and what was settled before. From a file, or from the chain.

use alloy_primitives::{Address, U256};
use ballast_wire::intent::Intent;
use ballast_wire::number::integer;
use ballast_wire::{Amount, Decimal};
use serde::{Deserialize, Serialize};

use super::judge::{Breach, Moment, admit};
use super::portfolio::{Holding, Portfolio};

/// A vault's state, as a file has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct State {
    /// Unix seconds.
    #[serde(with = "integer")]
    pub time: u64,
    /// Wei for a unit of gas.
    #[serde(default)]
    pub gas_price_wei: Amount,
    /// How often the intent was settled.
    #[serde(default)]
    pub settled: Amount,
    /// When the vault was last rebalanced, Unix seconds.
    #[serde(default, with = "integer")]
    pub rebalanced_at: u64,
    /// What was lost by then, of the day's bucket: a part of the portfolio.
    #[serde(default)]
    pub lost: Decimal,
    /// One for each asset of the intent.
    pub holdings: Vec<Held>,
}

/// What is held of a token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Held {
    /// The token.
    pub token: Address,
    /// Atoms.
    pub balance: Amount,
    /// Numeraire for a whole token, by its oracle.
    pub price: Decimal,
    /// When the oracle said so, Unix seconds; it counts as fresh if left out.
    #[serde(default, with = "integer")]
    pub updated_at: u64,
    /// Decimal places of the token.
    #[serde(with = "integer")]
    pub decimals: u8,
}

/// Why a state is not that of an intent's vault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// Not the JSON expected.
    #[error("{field}: {reason}")]
    Format {
        /// The path of the field.
        field: String,
        /// What is wrong with it.
        reason: String,
    },
    /// An asset of the intent that is not among the holdings.
    #[error("holdings: {0} is not there, an asset of the intent; list it with a balance of 0 if none is held")]
    Missing(Address),
    /// More decimal places than 256 bits have.
    #[error("holdings: {0} has more than 77 decimals")]
    Decimals(Address),
}

impl State {
    /// Reads a state.
    ///
    /// # Errors
    /// When the document is none; the error names the field by its path.
    pub fn from_json(json: &[u8]) -> Result<Self, StateError> {
        serde_path_to_error::deserialize(&mut serde_json::Deserializer::from_slice(json))
            .map_err(|e| StateError::Format { field: e.path().to_string(), reason: e.into_inner().to_string() })
    }

    /// The holdings in the order of the intent's assets.
    ///
    /// # Errors
    /// When one of them is missing.
    pub fn portfolio(&self, intent: &Intent) -> Result<Portfolio, StateError> {
        let holding = |token: Address| {
            let held = self.holdings.iter().find(|held| held.token == token).ok_or(StateError::Missing(token))?;
            let unit = U256::from(10).checked_pow(U256::from(held.decimals)).ok_or(StateError::Decimals(token))?;
            Ok(Holding { balance: held.balance.0, price: held.price.atoms(), unit })
        };
        Ok(Portfolio { holdings: intent.assets.iter().map(|asset| holding(asset.token)).collect::<Result<_, _>>()? })
    }

    /// When it is, and what was before.
    pub fn moment(&self) -> Moment {
        Moment {
            time: self.time,
            gas_price: self.gas_price_wei.0,
            settled: self.settled.0,
            rebalanced_at: self.rebalanced_at,
            lost: self.lost.atoms(),
        }
    }

    /// Whether the intent may be settled now.
    ///
    /// # Errors
    /// Why it may not.
    pub fn admit(&self, intent: &Intent, portfolio: &Portfolio) -> Result<(), Breach> {
        admit(intent, portfolio, &self.moment())?;
        for (asset, held) in
            intent.assets.iter().filter_map(|asset| Some((asset, self.holdings.iter().find(|h| h.token == asset.token)?)))
        {
            let age = self.time.saturating_sub(held.updated_at);
            let most = asset.oracle.as_ref().map_or(u64::MAX, |oracle| oracle.max_age.into());
            if held.updated_at != 0 && asset.token != intent.numeraire.0 && age > most {
                return Err(Breach::StalePrice(asset.token, held.updated_at));
            }
        }
        Ok(())
    }
}
