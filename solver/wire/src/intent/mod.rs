//! A rebalancing intent: what portfolio a vault wants, when, and what getting there may cost. Signed by its owner, settled by anyone.
//!
//! Reading is strict: a field that is not known, missing or senseless is refused with its path. All numbers are strings: whole numbers
//! as digits, weights, prices and values as decimals of up to 18 places. Amounts of tokens are atoms, weights fractions of the portfolio, prices
//! numeraire for a whole token, times Unix seconds, durations seconds.
//!
//! ```
//! let error = ballast_wire::intent::Intent::from_json(br#"{"version": "1", "chainId": "one"}"#).unwrap_err();
//! assert_eq!(error.field, "chainId");
//! ```

mod asset;
mod check;
#[cfg(feature = "openapi")]
mod schema;
mod terms;
mod trigger;

use alloy_primitives::{Address, Bytes};
use serde::{Deserialize, Serialize};

pub use asset::{Asset, Numeraire, Oracle, Range};
pub use terms::{Costs, Execution, Group, Mode, Risk};
pub use trigger::{Day, Rule, TimeOfDay, Trigger, Window};

use crate::item::RequestError;
use crate::number::{Decimal, integer};
#[cfg(feature = "openapi")]
use crate::openapi;
use crate::solution::Amount;

/// A rebalancing intent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Intent {
    /// Of this format.
    pub version: Version,
    /// The chain's number.
    #[serde(with = "integer")]
    #[cfg_attr(feature = "openapi", schema(value_type = openapi::Integer))]
    pub chain_id: u64,
    /// The vault whose assets are moved, and whose signature counts.
    #[cfg_attr(feature = "openapi", schema(value_type = openapi::Address))]
    pub owner: Address,
    /// The contract that settles the intent and checks the outcome.
    #[cfg_attr(feature = "openapi", schema(value_type = openapi::Address))]
    pub settlement: Address,
    /// The owner's number for it. Intents with the same number share their settlements: once one is settled, or has landed, so are the others.
    pub nonce: Amount,
    /// Not settled before.
    #[serde(with = "integer")]
    #[cfg_attr(feature = "openapi", schema(value_type = openapi::Integer))]
    pub valid_from: u64,
    /// Not settled after.
    #[serde(with = "integer")]
    #[cfg_attr(feature = "openapi", schema(value_type = openapi::Integer))]
    pub valid_to: u64,
    /// The unit of prices and values.
    pub numeraire: Numeraire,
    /// The portfolio: targets sum to exactly one.
    pub assets: Vec<Asset>,
    /// When to rebalance.
    #[serde(default)]
    pub trigger: Trigger,
    /// What it may cost.
    pub costs: Costs,
    /// How to go about it.
    #[serde(default)]
    pub execution: Execution,
    /// Limits on the portfolio and on a trade as a whole.
    #[serde(default)]
    pub risk: Risk,
    /// The owner's; none yet while it is drawn up.
    #[serde(default)]
    pub signature: Option<Signature>,
}

impl Intent {
    /// Reads and checks an intent.
    ///
    /// # Errors
    /// When the document is no intent, or asks for what makes no sense; the error names the field by its path.
    pub fn from_json(json: &[u8]) -> Result<Self, RequestError> {
        let intent: Self = RequestError::read(json)?;
        intent.check()?;
        Ok(intent)
    }
}

/// The format's version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Version {
    /// The first.
    #[default]
    #[serde(rename = "1")]
    V1,
}

/// What an owner signed with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Signature {
    /// How.
    pub scheme: Scheme,
    /// The bytes.
    #[cfg_attr(feature = "openapi", schema(value_type = openapi::Hex))]
    pub data: Bytes,
}

/// How an owner signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub enum Scheme {
    /// The owner's own key, over the typed data.
    Eip712,
    /// The owner is a contract, which is asked on chain.
    Eip1271,
}

/// A weight, price or value of zero.
pub(crate) const ZERO: Decimal = Decimal::from_atoms(alloy_primitives::U256::ZERO);
