//! The liquidity that comes with an auction.

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256, Bytes, U256};
use serde::{Deserialize, Serialize};

use crate::Decimal;
use crate::item::{Entry, read_entry};
use crate::number::amount;
#[cfg(feature = "openapi")]
use crate::{Amount, openapi};

/// One pool or foreign order.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Liquidity {
    /// The name that a reply refers to.
    pub id: String,
    /// The contract.
    #[cfg_attr(feature = "openapi", schema(value_type = openapi::Address))]
    pub address: Address,
    /// Gas of one swap.
    #[serde(with = "amount")]
    #[cfg_attr(feature = "openapi", schema(value_type = Amount))]
    pub gas_estimate: U256,
    /// The kind, with its own fields.
    #[serde(flatten)]
    pub kind: LiquidityKind,
}

impl Entry for Liquidity {
    // By hand: a flattened tagged enum would lose the path of the field that is wrong.
    fn read(json: &str) -> Result<Self, (String, String)> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Head {
            kind: String,
            id: String,
            address: Address,
            #[serde(with = "amount")]
            gas_estimate: U256,
        }
        let Head { kind, id, address, gas_estimate } = read_entry(json)?;
        let kind = match kind.as_str() {
            "constantProduct" => LiquidityKind::ConstantProduct(read_entry(json)?),
            "weightedProduct" => LiquidityKind::WeightedProduct(read_entry(json)?),
            "stable" => LiquidityKind::Stable(read_entry(json)?),
            "concentratedLiquidity" => LiquidityKind::ConcentratedLiquidity(read_entry(json)?),
            "limitOrder" => LiquidityKind::LimitOrder(read_entry(json)?),
            other => return Err(("kind".into(), format!("unknown kind of liquidity {other:?}"))),
        };
        Ok(Self { id, address, gas_estimate, kind })
    }
}

/// The kinds of liquidity.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "kind", rename_all = "camelCase")]
pub enum LiquidityKind {
    /// x·y = k.
    ConstantProduct(ConstantProduct),
    /// ∏ xᵢ^wᵢ = k.
    WeightedProduct(WeightedProduct),
    /// The StableSwap invariant.
    Stable(Stable),
    /// Positions over ranges of ticks.
    ConcentratedLiquidity(ConcentratedLiquidity),
    /// An order of another protocol.
    LimitOrder(LimitOrder),
}

/// A pool of two tokens with x·y = k.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ConstantProduct {
    /// The contract that swaps.
    #[cfg_attr(feature = "openapi", schema(value_type = openapi::Address))]
    pub router: Address,
    /// The two reserves.
    #[cfg_attr(feature = "openapi", schema(value_type = BTreeMap<String, Reserve>))]
    pub tokens: BTreeMap<Address, Reserve>,
    /// Part of the input that is kept.
    pub fee: Decimal,
}

/// What a pool holds of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Reserve {
    /// Atoms.
    #[serde(with = "amount")]
    #[cfg_attr(feature = "openapi", schema(value_type = Amount))]
    pub balance: U256,
}

/// A pool with ∏ xᵢ^wᵢ = k.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct WeightedProduct {
    /// The vault's name for the pool.
    #[cfg_attr(feature = "openapi", schema(value_type = openapi::Hash))]
    pub balancer_pool_id: B256,
    /// What it holds.
    #[cfg_attr(feature = "openapi", schema(value_type = BTreeMap<String, WeightedReserve>))]
    pub tokens: BTreeMap<Address, WeightedReserve>,
    /// Part of the input that is kept.
    pub fee: Decimal,
    /// Which contract's arithmetic.
    pub version: WeightedVersion,
}

/// What a weighted pool holds of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct WeightedReserve {
    /// Atoms.
    #[serde(with = "amount")]
    #[cfg_attr(feature = "openapi", schema(value_type = Amount))]
    pub balance: U256,
    /// What an atom is multiplied by before the arithmetic of 18 decimals.
    pub scaling_factor: Decimal,
    /// The exponent.
    pub weight: Decimal,
}

/// Which contract's arithmetic a weighted pool follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub enum WeightedVersion {
    /// The first contracts: every power through logarithms.
    V0,
    /// Version 3 and later: exponents 1, 2 and 4 by multiplication.
    V3Plus,
}

/// A pool with the StableSwap invariant.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Stable {
    /// The vault's name for the pool.
    #[cfg_attr(feature = "openapi", schema(value_type = openapi::Hash))]
    pub balancer_pool_id: B256,
    /// What it holds; a composable pool lists its own token among them.
    #[cfg_attr(feature = "openapi", schema(value_type = BTreeMap<String, ScaledReserve>))]
    pub tokens: BTreeMap<Address, ScaledReserve>,
    /// The amplification parameter A, without the contracts' internal precision.
    pub amplification_parameter: Decimal,
    /// Part of the input that is kept.
    pub fee: Decimal,
}

/// What a stable pool holds of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ScaledReserve {
    /// Atoms.
    #[serde(with = "amount")]
    #[cfg_attr(feature = "openapi", schema(value_type = Amount))]
    pub balance: U256,
    /// What an atom is multiplied by, decimals and rate together.
    pub scaling_factor: Decimal,
}

/// A pool of two tokens with positions over ranges of ticks.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ConcentratedLiquidity {
    /// The contract that swaps.
    #[cfg_attr(feature = "openapi", schema(value_type = openapi::Address))]
    pub router: Address,
    /// Token 0 and token 1.
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<openapi::Address>))]
    pub tokens: Vec<Address>,
    /// √(token 1 per token 0)·2⁹⁶.
    #[serde(with = "amount")]
    #[cfg_attr(feature = "openapi", schema(value_type = Amount))]
    pub sqrt_price: U256,
    /// Active liquidity.
    #[serde(with = "amount")]
    #[cfg_attr(feature = "openapi", schema(value_type = Amount))]
    pub liquidity: U256,
    /// The current tick.
    pub tick: i32,
    /// Net liquidity by initialised tick, as decimal strings of both.
    pub liquidity_net: BTreeMap<String, String>,
    /// Part of the input that is kept.
    pub fee: Decimal,
}

/// An order of another protocol that may be taken.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct LimitOrder {
    /// The order's digest.
    #[cfg_attr(feature = "openapi", schema(value_type = openapi::Hex))]
    pub hash: Bytes,
    /// What the maker gives.
    #[cfg_attr(feature = "openapi", schema(value_type = openapi::Address))]
    pub maker_token: Address,
    /// What the maker wants.
    #[cfg_attr(feature = "openapi", schema(value_type = openapi::Address))]
    pub taker_token: Address,
    /// Atoms the maker gives.
    #[serde(with = "amount")]
    #[cfg_attr(feature = "openapi", schema(value_type = Amount))]
    pub maker_amount: U256,
    /// Atoms the maker wants.
    #[serde(with = "amount")]
    #[cfg_attr(feature = "openapi", schema(value_type = Amount))]
    pub taker_amount: U256,
    /// Atoms of the taker token taken as a fee on top.
    #[serde(with = "amount")]
    #[cfg_attr(feature = "openapi", schema(value_type = Amount))]
    pub taker_token_fee_amount: U256,
}
