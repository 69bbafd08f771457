//! What the engine answers.

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256, Bytes, U256};
use serde::{Deserialize, Serialize};

use crate::auction::{Call, OrderUid, Side, Wrapper};
use crate::item::RequestError;
use crate::number::amount;
#[cfg(feature = "openapi")]
use crate::openapi;

/// Atoms, written as a decimal string.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(transparent)]
#[cfg_attr(feature = "openapi", schema(value_type = String, pattern = "^([0-9]+|0x[0-9a-fA-F]+)$"))]
pub struct Amount(#[serde(with = "amount")] pub U256);

/// The answer to an auction.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(untagged)]
pub enum Reply {
    /// What is offered, best first.
    Solutions {
        /// The bids.
        solutions: Vec<Solution>,
    },
    /// Why nothing is.
    Error {
        /// The reason.
        error: ReplyError,
    },
}

impl Reply {
    /// Reads a reply from JSON.
    ///
    /// # Errors
    /// When the document is no reply; the error names the field.
    pub fn from_json(json: &[u8]) -> Result<Self, RequestError> {
        // Not through the untagged enum: its errors name no field.
        #[derive(Deserialize)]
        struct Document {
            solutions: Option<Vec<Solution>>,
            error: Option<ReplyError>,
        }
        let document: Document = RequestError::read(json)?;
        match (document.solutions, document.error) {
            (Some(solutions), None) => Ok(Self::Solutions { solutions }),
            (None, Some(error)) => Ok(Self::Error { error }),
            _ => Err(RequestError { field: "solutions".into(), reason: "expected either `solutions` or `error`".into() }),
        }
    }
}

/// Why the engine offers nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ReplyError {
    /// `tradingOutsideAllowedWindow`, `tokenTemporarilySuspended`, `insufficientLiquidity` or `other`.
    pub code: String,
    /// More, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// One bid.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Solution {
    /// Unique within the reply.
    pub id: u64,
    /// Clearing prices: a token's price times its amount compares across tokens.
    #[cfg_attr(feature = "openapi", schema(value_type = BTreeMap<String, Amount>))]
    pub prices: BTreeMap<Address, Amount>,
    /// What is filled.
    pub trades: Vec<Trade>,
    /// Calls before all else.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pre_interactions: Vec<Call>,
    /// Swaps, in the order of execution.
    pub interactions: Vec<Interaction>,
    /// Calls after all else.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub post_interactions: Vec<Call>,
    /// Gas of the whole settlement.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gas: Option<u64>,
    /// Flashloans by order; absent lets the driver copy the hints.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<BTreeMap<String, Flashloan>>))]
    pub flashloans: Option<BTreeMap<OrderUid, Flashloan>>,
    /// Wrappers, copied from the orders.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub wrappers: Vec<Wrapper>,
}

/// A flashloan taken for an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Flashloan {
    /// Who lends.
    #[cfg_attr(feature = "openapi", schema(value_type = openapi::Address))]
    pub liquidity_provider: Address,
    /// Who answers to the lender.
    #[cfg_attr(feature = "openapi", schema(value_type = openapi::Address))]
    pub protocol_adapter: Address,
    /// Who gets the tokens.
    #[cfg_attr(feature = "openapi", schema(value_type = openapi::Address))]
    pub receiver: Address,
    /// What is lent.
    #[cfg_attr(feature = "openapi", schema(value_type = openapi::Address))]
    pub token: Address,
    /// Atoms lent.
    pub amount: Amount,
}

/// One fill.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "kind", rename_all = "camelCase")]
pub enum Trade {
    /// Of an order of the auction.
    Fulfillment(Fulfillment),
    /// Of an order that comes with the solution.
    Jit(Box<JitTrade>),
}

/// A fill of an order of the auction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Fulfillment {
    /// The order.
    #[cfg_attr(feature = "openapi", schema(value_type = openapi::Uid))]
    pub order: OrderUid,
    /// Atoms: sold without the fee (sell), or bought (buy).
    pub executed_amount: Amount,
    /// Atoms of the sold token taken as a fee: required for limit orders, forbidden for market orders.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fee: Option<Amount>,
}

/// A fill of an order that comes with the solution.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct JitTrade {
    /// Atoms filled.
    pub executed_amount: Amount,
    /// Atoms of the sold token taken as a fee.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fee: Option<Amount>,
    /// The order.
    pub order: JitOrder,
}

/// An order that comes with a solution.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct JitOrder {
    /// What its owner gives.
    #[cfg_attr(feature = "openapi", schema(value_type = openapi::Address))]
    pub sell_token: Address,
    /// What its owner takes.
    #[cfg_attr(feature = "openapi", schema(value_type = openapi::Address))]
    pub buy_token: Address,
    /// Who is paid.
    #[cfg_attr(feature = "openapi", schema(value_type = openapi::Address))]
    pub receiver: Address,
    /// Atoms to be sold.
    pub sell_amount: Amount,
    /// Atoms to be bought.
    pub buy_amount: Amount,
    /// Whether less than the whole may be filled.
    #[serde(default)]
    pub partially_fillable: bool,
    /// Unix seconds after which it is void.
    pub valid_to: u32,
    /// The digest of its application data.
    #[cfg_attr(feature = "openapi", schema(value_type = openapi::Hash))]
    pub app_data: B256,
    /// Which amount is exact.
    pub kind: Side,
    /// Where the sold token comes from.
    pub sell_token_balance: String,
    /// Where the bought token goes.
    pub buy_token_balance: String,
    /// `eip712`, `ethSign`, `preSign` or `eip1271`.
    pub signing_scheme: String,
    /// The signature; for `eip1271` it starts with the owner.
    #[cfg_attr(feature = "openapi", schema(value_type = openapi::Hex))]
    pub signature: Bytes,
}

/// One step of a settlement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "kind", rename_all = "camelCase")]
pub enum Interaction {
    /// A swap on liquidity that came with the auction.
    Liquidity(LiquidityInteraction),
    /// Any call.
    Custom(CustomInteraction),
}

/// A swap on liquidity that came with the auction: exactly `output_amount` for at most `input_amount`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct LiquidityInteraction {
    /// Whether the settlement's own balance may stand in.
    #[serde(default)]
    pub internalize: bool,
    /// The pool's id in the auction.
    pub id: String,
    /// The token given.
    #[cfg_attr(feature = "openapi", schema(value_type = openapi::Address))]
    pub input_token: Address,
    /// The token taken.
    #[cfg_attr(feature = "openapi", schema(value_type = openapi::Address))]
    pub output_token: Address,
    /// Atoms given.
    pub input_amount: Amount,
    /// Atoms taken.
    pub output_amount: Amount,
}

/// Any call, with what it takes and gives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct CustomInteraction {
    /// Whether the settlement's own balance may stand in.
    pub internalize: bool,
    /// The contract.
    #[cfg_attr(feature = "openapi", schema(value_type = openapi::Address))]
    pub target: Address,
    /// Wei sent along.
    pub value: Amount,
    /// What it is called with.
    #[cfg_attr(feature = "openapi", schema(value_type = openapi::Hex))]
    pub call_data: Bytes,
    /// What must be approved first.
    pub allowances: Vec<Allowance>,
    /// What it takes.
    pub inputs: Vec<Asset>,
    /// What it gives.
    pub outputs: Vec<Asset>,
}

/// Atoms of a token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
// An intent has assets, too.
#[cfg_attr(feature = "openapi", schema(as = InteractionAsset))]
pub struct Asset {
    /// The token.
    #[cfg_attr(feature = "openapi", schema(value_type = openapi::Address))]
    pub token: Address,
    /// Atoms.
    pub amount: Amount,
}

/// An approval that a call needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Allowance {
    /// The token.
    #[cfg_attr(feature = "openapi", schema(value_type = openapi::Address))]
    pub token: Address,
    /// Who may take it.
    #[cfg_attr(feature = "openapi", schema(value_type = openapi::Address))]
    pub spender: Address,
    /// Atoms.
    pub amount: Amount,
}
