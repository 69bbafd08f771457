use alloy_primitives::Address;
use serde::{Deserialize, Serialize};

use crate::number::{Bps, Decimal, integer};
#[cfg(feature = "openapi")]
use crate::openapi;
use crate::solution::Amount;

/// What a rebalance may cost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Costs {
    /// Value that one settlement may lose.
    pub max_loss_bps: Bps,
    /// Value that settlements may lose over a day: a bucket that leaks by as much in a day.
    pub max_loss_per_day_bps: Bps,
    /// Value that one swap may lose. Advisory: a contract cannot tell the swaps of a plan apart.
    #[serde(default = "whole")]
    pub max_loss_per_leg_bps: Bps,
    /// Not settled while gas costs more, in wei.
    pub max_gas_price_wei: Amount,
    /// What the solver may take of the value moved, gas included.
    #[serde(default)]
    pub solver_fee_bps: Bps,
    /// What the owner keeps of a rise in value, as arbitrage brings it; the solver may take the rest.
    #[serde(default = "whole")]
    pub surplus_share_to_owner_bps: Bps,
}

const fn whole() -> Bps {
    Bps::WHOLE
}

/// How to go about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Execution {
    /// At once, over time, or by auction.
    pub mode: Mode,
    /// Settlements that it may take.
    #[serde(with = "integer")]
    #[cfg_attr(feature = "openapi", schema(value_type = openapi::Integer))]
    pub slices: u16,
    /// Least time between them.
    #[serde(with = "integer")]
    #[cfg_attr(feature = "openapi", schema(value_type = openapi::Integer))]
    pub min_spacing_sec: u32,
    /// Whether a settlement may stop short of the landing.
    pub allow_partial: bool,
    /// How much nearer it must come then: the fall of Σ|w − w*|, in basis points of the portfolio.
    pub min_progress_bps: Bps,
    /// Kinds of venues, or pools by their addresses, to use alone; any if there are none. Advisory.
    pub venues_allow: Vec<String>,
    /// Those not to use. Advisory.
    pub venues_deny: Vec<String>,
}

impl Default for Execution {
    fn default() -> Self {
        Self {
            mode: Mode::Atomic,
            slices: 1,
            min_spacing_sec: 0,
            allow_partial: false,
            min_progress_bps: Bps::default(),
            venues_allow: Vec::new(),
            venues_deny: Vec::new(),
        }
    }
}

/// How an intent is brought to the market.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub enum Mode {
    /// In one settlement.
    Atomic,
    /// In several, spaced in time.
    Twap,
    /// As orders of a batch auction.
    Auction,
}

/// Limits on the portfolio, and on a trade as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Risk {
    /// Value that one settlement may move, one way.
    pub max_turnover_bps: Bps,
    /// Limits on assets together.
    pub groups: Vec<Group>,
}

impl Default for Risk {
    fn default() -> Self {
        Self { max_turnover_bps: Bps::WHOLE, groups: Vec::new() }
    }
}

/// Assets that may not weigh too much together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// The assets.
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<openapi::Address>))]
    pub tokens: Vec<Address>,
    /// Their weight at the most. A rebalance that starts above it may not raise it.
    pub max: Decimal,
}
