use std::fmt;
use std::str::FromStr;

use alloy_primitives::{Address, U256, address};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::number::{Bps, Decimal, integer};
#[cfg(feature = "openapi")]
use crate::openapi;
use crate::solution::Amount;

/// An asset of the portfolio.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Asset {
    /// The token.
    #[cfg_attr(feature = "openapi", schema(value_type = openapi::Address))]
    pub token: Address,
    /// Its weight; zero to get out of it. A landing of zero to zero then asks for the last atom, and one sent to the vault in front of a settlement
    /// makes it miss: leave some room for dust.
    pub target: Decimal,
    /// Weights to be left alone, if nothing else calls for a rebalance.
    pub band: Range,
    /// Weights at which a rebalance may stop; the target and within the band.
    pub landing: Range,
    /// Atoms that stay.
    #[serde(default)]
    pub min_balance: Amount,
    /// Atoms that one settlement may take out, or bring in.
    #[serde(default = "unlimited")]
    pub max_trade: Amount,
    /// False if it stays as it is: it counts in the weights, and its landing binds nobody.
    #[serde(default = "yes")]
    pub tradable: bool,
    /// Its price. The numeraire itself needs none.
    #[serde(default)]
    pub oracle: Option<Oracle>,
}

const fn unlimited() -> Amount {
    Amount(U256::MAX)
}

const fn yes() -> bool {
    true
}

/// From low to high, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Range {
    /// The lowest.
    pub low: Decimal,
    /// The highest.
    pub high: Decimal,
}

impl Range {
    /// Whether a weight, in 10⁻¹⁸, is inside.
    pub fn contains(&self, weight: U256) -> bool {
        self.low.atoms() <= weight && weight <= self.high.atoms()
    }
}

/// Where an asset's price comes from, and when it is not believed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Oracle {
    /// A feed with Chainlink's interface, in the numeraire.
    #[cfg_attr(feature = "openapi", schema(value_type = openapi::Address))]
    pub feed: Address,
    /// Seconds since its last update: its heartbeat and some grace.
    #[serde(with = "integer")]
    #[cfg_attr(feature = "openapi", schema(value_type = openapi::Integer))]
    pub max_age: u32,
    /// At this price or below the feed is pinned, or the peg lost.
    pub min_price: Decimal,
    /// At this price or above.
    pub max_price: Decimal,
    /// A Uniswap V3 pool against another asset of the intent, whose average over half an hour must agree.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<openapi::Address>))]
    pub twap_pool: Option<Address>,
    /// How far the feed may be from that average.
    #[serde(default)]
    pub max_deviation_bps: Bps,
}

/// The unit of prices: `USD`, `ETH`, `BTC`, or a token by its address. On chain the names are the addresses that Chainlink's registry gives them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(value_type = String, pattern = "^(USD|ETH|BTC|0x[0-9a-fA-F]{40})$"))]
pub struct Numeraire(pub Address);

impl Numeraire {
    /// US dollars: 840 in ISO 4217.
    pub const USD: Self = Self(address!("0000000000000000000000000000000000000348"));
    /// The native token.
    pub const ETH: Self = Self(address!("EeeeeEeeeEeEeeEeEeEeeEEEeeeeEeeeeeeeEEeE"));
    /// Bitcoin.
    pub const BTC: Self = Self(address!("bBbBBBBbbBBBbbbBbbBbbbbBBbBbbbbBbBbbBBbB"));

    const NAMES: [(&str, Self); 3] = [("USD", Self::USD), ("ETH", Self::ETH), ("BTC", Self::BTC)];
}

impl fmt::Display for Numeraire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Self::NAMES.iter().find(|(_, numeraire)| numeraire == self) {
            Some((name, _)) => f.write_str(name),
            None => self.0.fmt(f),
        }
    }
}

impl FromStr for Numeraire {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let named = Self::NAMES.iter().find(|(name, _)| *name == text).map(|(_, numeraire)| *numeraire);
        named.or_else(|| text.parse().ok().map(Self)).ok_or("expected USD, ETH, BTC or the address of a token")
    }
}

impl Serialize for Numeraire {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Numeraire {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}
