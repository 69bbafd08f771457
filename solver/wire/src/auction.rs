//! What the driver asks: `POST /solve`.

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256, Bytes, FixedBytes, U256};
use serde::{Deserialize, Serialize};

use crate::item::{Entry, RequestError, items, read_entry};
use crate::number::{amount, optional_amount};
#[cfg(feature = "openapi")]
use crate::{Amount, openapi};
use crate::{Item, Liquidity};

/// The 56 bytes that name an order: digest, owner, expiry.
pub type OrderUid = FixedBytes<56>;

/// A batch auction, or a quote when it has no id.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Auction {
    /// The auction's number; null asks for a quote.
    pub id: Option<String>,
    /// What is known of each token.
    #[cfg_attr(feature = "openapi", schema(value_type = BTreeMap<String, Token>))]
    pub tokens: BTreeMap<Address, Token>,
    /// What traders want.
    #[serde(with = "items")]
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<Order>))]
    pub orders: Vec<Item<Order>>,
    /// The pools and foreign orders that may be used.
    #[serde(with = "items")]
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<Liquidity>))]
    pub liquidity: Vec<Item<Liquidity>>,
    /// What a unit of gas costs, in wei.
    #[serde(with = "amount")]
    #[cfg_attr(feature = "openapi", schema(value_type = Amount))]
    pub effective_gas_price: U256,
    /// When the reply must be there, RFC 3339.
    pub deadline: String,
    /// Owners whose JIT orders count towards the surplus.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<openapi::Address>))]
    pub surplus_capturing_jit_order_owners: Vec<Address>,
}

impl Auction {
    /// Reads an auction from JSON.
    ///
    /// # Errors
    /// When the document is no auction; the error names the field. Single orders and pools that cannot be read are no
    /// error: they stand in their lists as [`crate::Malformed`].
    pub fn from_json(json: &[u8]) -> Result<Self, RequestError> {
        RequestError::read(json)
    }
}

/// What is known of a token.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Token {
    /// Atoms of a whole token are 10^decimals.
    #[serde(default)]
    pub decimals: Option<u8>,
    /// A name for people.
    #[serde(default)]
    pub symbol: Option<String>,
    /// Wei of the native token for 10¹⁸ atoms; absent for tokens that only pools hold.
    #[serde(default, with = "optional_amount")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Amount>))]
    pub reference_price: Option<U256>,
    /// What the settlement contract holds, in atoms.
    #[serde(with = "amount")]
    #[cfg_attr(feature = "openapi", schema(value_type = Amount))]
    pub available_balance: U256,
    /// Whether interactions that take this token may be internalised.
    pub trusted: bool,
}

/// Whether the sold or the bought amount is exact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub enum Side {
    /// The sold amount is exact.
    Sell,
    /// The bought amount is exact.
    Buy,
}

/// Who sets the fee.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub enum Class {
    /// The order carries its fee already; the engine sets none.
    Market,
    /// The engine sets the fee.
    Limit,
}

/// What a trader wants.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Order {
    /// The order's name.
    #[cfg_attr(feature = "openapi", schema(value_type = openapi::Uid))]
    pub uid: OrderUid,
    /// What the trader gives.
    #[cfg_attr(feature = "openapi", schema(value_type = openapi::Address))]
    pub sell_token: Address,
    /// What the trader takes.
    #[cfg_attr(feature = "openapi", schema(value_type = openapi::Address))]
    pub buy_token: Address,
    /// Atoms still to be sold.
    #[serde(with = "amount")]
    #[cfg_attr(feature = "openapi", schema(value_type = Amount))]
    pub sell_amount: U256,
    /// Atoms still to be bought.
    #[serde(with = "amount")]
    #[cfg_attr(feature = "openapi", schema(value_type = Amount))]
    pub buy_amount: U256,
    /// Atoms to be sold, as signed.
    #[serde(with = "amount")]
    #[cfg_attr(feature = "openapi", schema(value_type = Amount))]
    pub full_sell_amount: U256,
    /// Atoms to be bought, as signed.
    #[serde(with = "amount")]
    #[cfg_attr(feature = "openapi", schema(value_type = Amount))]
    pub full_buy_amount: U256,
    /// Unix seconds after which the order is void.
    pub valid_to: u32,
    /// Which amount is exact.
    pub kind: Side,
    /// Who is paid; the owner if absent.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<openapi::Address>))]
    pub receiver: Option<Address>,
    /// Who signed.
    #[cfg_attr(feature = "openapi", schema(value_type = openapi::Address))]
    pub owner: Address,
    /// Whether less than the whole may be filled.
    pub partially_fillable: bool,
    /// Calls before the trade; the driver encodes them.
    #[serde(default)]
    pub pre_interactions: Vec<Call>,
    /// Calls after the trade; the driver encodes them.
    #[serde(default)]
    pub post_interactions: Vec<Call>,
    /// Where the sold token comes from: `erc20`, `internal` or `external`.
    #[serde(default)]
    pub sell_token_source: Option<String>,
    /// Where the bought token goes: `erc20` or `internal`.
    #[serde(default)]
    pub buy_token_destination: Option<String>,
    /// Who sets the fee.
    pub class: Class,
    /// The digest of the order's application data.
    #[cfg_attr(feature = "openapi", schema(value_type = openapi::Hash))]
    pub app_data: B256,
    /// How it was signed: `eip712`, `ethsign`, `presign` or `eip1271`.
    pub signing_scheme: String,
    /// The signature.
    #[cfg_attr(feature = "openapi", schema(value_type = openapi::Hex))]
    pub signature: Bytes,
    /// What the protocol takes; absent unless the engine is to handle it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fee_policies: Option<Vec<FeePolicy>>,
    /// A flashloan that the order needs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flashloan_hint: Option<FlashloanHint>,
    /// Contracts that the settlement is to be wrapped in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub wrappers: Vec<Wrapper>,
}

impl Entry for Order {
    fn read(json: &str) -> Result<Self, (String, String)> {
        read_entry(json)
    }
}

/// A call to a contract.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Call {
    /// The contract.
    #[cfg_attr(feature = "openapi", schema(value_type = openapi::Address))]
    pub target: Address,
    /// Wei sent along.
    #[serde(with = "amount")]
    #[cfg_attr(feature = "openapi", schema(value_type = Amount))]
    pub value: U256,
    /// What it is called with.
    #[cfg_attr(feature = "openapi", schema(value_type = openapi::Hex))]
    pub call_data: Bytes,
}

/// What the protocol takes of an order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub enum FeePolicy {
    /// A part of the surplus over the limit.
    #[serde(rename_all = "camelCase")]
    Surplus {
        /// The part of the surplus.
        factor: f64,
        /// The most, as a part of the volume.
        max_volume_factor: f64,
    },
    /// A part of the improvement over a quote.
    #[serde(rename_all = "camelCase")]
    PriceImprovement {
        /// The part of the improvement.
        factor: f64,
        /// The most, as a part of the volume.
        max_volume_factor: f64,
        /// The quote to beat.
        quote: PriceImprovementQuote,
    },
    /// A part of the volume.
    Volume {
        /// The part of the volume.
        factor: f64,
    },
}

/// The quote that a price improvement is measured from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct PriceImprovementQuote {
    /// Atoms sold.
    #[serde(with = "amount")]
    #[cfg_attr(feature = "openapi", schema(value_type = Amount))]
    pub sell_amount: U256,
    /// Atoms bought.
    #[serde(with = "amount")]
    #[cfg_attr(feature = "openapi", schema(value_type = Amount))]
    pub buy_amount: U256,
    /// Atoms of the sold token taken as network fee.
    #[serde(with = "amount")]
    #[cfg_attr(feature = "openapi", schema(value_type = Amount))]
    pub fee: U256,
}

/// A flashloan that an order asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct FlashloanHint {
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
    #[serde(with = "amount")]
    #[cfg_attr(feature = "openapi", schema(value_type = Amount))]
    pub amount: U256,
}

/// A contract that the settlement is wrapped in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Wrapper {
    /// The contract.
    #[cfg_attr(feature = "openapi", schema(value_type = openapi::Address))]
    pub address: Address,
    /// What it is given.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(value_type = openapi::Hex))]
    pub data: Bytes,
    /// Whether a solution may leave it out.
    #[serde(default)]
    pub is_omittable: bool,
}
