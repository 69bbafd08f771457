//! What an operator may set about settlements.

use alloy_primitives::{Address, address};
use ballast_adapters::encode::Given;
use documented::{Documented, DocumentedFields};
use serde::{Deserialize, Serialize};

/// How solutions become calldata.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Documented, DocumentedFields)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The bound on each swap.
    pub slippage: Slippage,
    /// How far the bound is from what is promised, in basis points; 10,000 at the most.
    #[serde(deserialize_with = "basis_points")]
    pub slippage_bps: u16,
    /// Whether pairs are paid and called directly instead of through their router: cheaper, and without any slippage.
    pub direct_pairs: bool,
    /// Whether swaps in Balancer's vault that follow one another are made in one call, which moves net amounts only.
    pub batch_swaps: bool,
    /// How much is approved where the allowance is short.
    pub approvals: Approvals,
    /// Gas that one settlement may take by its estimate; what takes more is split.
    pub gas_limit: u64,
    /// Where the contracts are.
    pub contracts: Contracts,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            slippage: Slippage::MaxIn,
            slippage_bps: 50,
            direct_pairs: false,
            batch_swaps: false,
            approvals: Approvals::Exact,
            gas_limit: 1 << 24,
            contracts: Contracts::default(),
        }
    }
}

/// What of a swap is bounded; the other amount is exact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Slippage {
    /// Exact outputs for a maximum input, as drivers do: what traders get is certain, and what is spared stays in the buffers.
    MaxIn,
    /// Exact inputs for a minimum output: what is left is in the token taken. A swap that would pay less than promised by its
    /// rounding, or whose pool is used twice, is made with an exact output all the same.
    MinOut,
}

impl Slippage {
    /// Which amount the venues are told.
    pub fn given(self) -> Given {
        match self {
            Self::MaxIn => Given::Out,
            Self::MinOut => Given::In,
        }
    }
}

/// How much is approved where the allowance is short.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Approvals {
    /// What the settlement may need at the most.
    Exact,
    /// Everything, once and for all: less gas later, more trust in the spender.
    Unlimited,
}

/// The contracts that a settlement stands on; those of Ethereum by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Documented, DocumentedFields)]
#[serde(deny_unknown_fields, default)]
pub struct Contracts {
    /// The chain's number, part of what traders sign.
    pub chain_id: u64,
    /// `GPv2Settlement`.
    pub settlement: Address,
    /// `GPv2VaultRelayer`, which traders approve.
    pub relayer: Address,
    /// Balancer's vault.
    pub vault: Address,
    /// The wrapped native token.
    pub weth: Address,
}

impl Default for Contracts {
    fn default() -> Self {
        Self {
            chain_id: 1,
            settlement: address!("9008D19f58AAbD9eD0D60971565AA8510560ab41"),
            relayer: address!("C92E8bdf79f0507f65a392b0ab4667716BFE0110"),
            vault: address!("BA12222222228d8Ba445958a75a0704d566BF2C8"),
            weth: address!("C02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2"),
        }
    }
}

fn basis_points<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<u16, D::Error> {
    let bps = u16::deserialize(deserializer)?;
    if bps <= 10_000 { Ok(bps) } else { Err(serde::de::Error::custom("slippage_bps: more than 10,000")) }
}
