//! A rebalance of Reserve's Folio (index DTF, releases 4 and 5): what `startRebalance` takes and `RebalanceStarted` tells.
//!
//! | Folio | intent |
//! |---|---|
//! | `tokens[].token` | `assets[].token`; its decimals and feed come with the terms, by address |
//! | `tokens[].weight.spot` × the middle of `price` | `target`, as a share of the sum |
//! | `weight.low`·`limits.low`, `weight.high`·`limits.high`, each over spot·spot | `landing`: how far a bid may buy up, or sell down; `band` is the same |
//! | `tokens[].price` | `oracle.minPrice`, `oracle.maxPrice`: from 10⁻²⁷ of a nano-numeraire for an atom to whole units |
//! | `tokens[].maxAuctionSize` | `maxTrade` |
//! | `tokens[].inRebalance` | `tradable` |
//! | `nonce`; `startedAt`, `availableUntil` (exclusive) | `nonce`; `validFrom`, `validTo` |
//! | — | no rule: a rebalance is due from its start, until every asset is inside |
//! | `restrictedUntil`, `priceControl`, `bidsEnabled` | none: they are about who may open an auction |

use alloy_primitives::{Address, U256, U512};
use ballast_wire::intent::{Asset, Intent, Oracle, Range, Trigger};
use ballast_wire::number::{amount, integer};
use ballast_wire::{Amount, Decimal};
use bigdecimal::BigDecimal;
use bigdecimal::num_bigint::{BigInt, Sign};
use serde::{Deserialize, Serialize};

use super::{ImportError, Terms, around, weights, wrong};
use crate::wide::{mul_div, mul_div_up};

/// 10⁹ nano-units of 10²⁷ over the 18 places of a price.
const PRICE: U256 = U256::from_limbs([1_000_000_000_000_000_000, 0, 0, 0]);

/// `IFolio.Rebalance`, with its tokens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rebalance {
    /// Which one.
    pub nonce: Amount,
    /// The basket.
    pub tokens: Vec<TokenRebalanceParams>,
    /// Basket units for a share.
    pub limits: Bounds,
    /// Unix seconds.
    #[serde(with = "integer")]
    pub started_at: u64,
    /// Unix seconds.
    #[serde(with = "integer")]
    pub restricted_until: u64,
    /// Unix seconds, exclusive.
    #[serde(with = "integer")]
    pub available_until: u64,
    /// What the launcher may do about prices.
    #[serde(with = "integer")]
    pub price_control: u8,
    /// Whether anyone may bid.
    pub bids_enabled: bool,
}

/// `IFolio.TokenRebalanceParams`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TokenRebalanceParams {
    /// The token.
    pub token: Address,
    /// Atoms for a basket unit, times 10²⁷.
    pub weight: Bounds,
    /// Nano-units of account for an atom, times 10²⁷.
    pub price: PriceRange,
    /// Atoms.
    pub max_auction_size: Amount,
    /// Whether it is traded.
    pub in_rebalance: bool,
}

/// `IFolio.WeightRange`, `IFolio.RebalanceLimits`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bounds {
    /// To buy up to.
    #[serde(with = "amount")]
    pub low: U256,
    /// The estimate.
    #[serde(with = "amount")]
    pub spot: U256,
    /// To sell down to.
    #[serde(with = "amount")]
    pub high: U256,
}

/// `IFolio.PriceRange`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PriceRange {
    /// The lowest.
    #[serde(with = "amount")]
    pub low: U256,
    /// The highest.
    #[serde(with = "amount")]
    pub high: U256,
}

/// The intent of a Folio's rebalance.
///
/// # Errors
/// When bounds are out of order, the terms lack a token, or the result makes no sense.
pub fn import(rebalance: &Rebalance, terms: &Terms) -> Result<Intent, ImportError> {
    ordered("limits", rebalance.limits)?;
    let values: Vec<BigDecimal> = rebalance.tokens.iter().map(value).collect();
    let targets = weights(&values)?;
    let assets = rebalance.tokens.iter().zip(targets).enumerate();
    let assets = assets.map(|(i, (token, target))| asset(i, token, target, rebalance.limits, terms)).collect::<Result<_, _>>()?;
    let valid = [rebalance.started_at, rebalance.available_until.saturating_sub(1)];
    terms.intent(rebalance.nonce.0, valid, assets, Trigger::default())
}

fn ordered(field: &str, bounds: Bounds) -> Result<(), ImportError> {
    if bounds.low <= bounds.spot && bounds.spot <= bounds.high {
        Ok(())
    } else {
        wrong(field, "low, spot and high do not ascend")
    }
}

/// Twice the value of a token in a basket unit.
fn value(token: &TokenRebalanceParams) -> BigDecimal {
    let big = |x: U512| BigDecimal::from(BigInt::from_bytes_be(Sign::Plus, &x.to_be_bytes::<64>()));
    let price = U512::from(token.price.low).saturating_add(U512::from(token.price.high));
    big(U512::from(token.weight.spot)) * big(price)
}

fn asset(i: usize, token: &TokenRebalanceParams, target: Decimal, limits: Bounds, terms: &Terms) -> Result<Asset, ImportError> {
    let at = |field: &str| format!("tokens[{i}].{field}");
    ordered(&at("weight"), token.weight)?;
    let named = terms.token(&token.token.to_string(), || at("token"))?;
    let side = |weight: U256, limit: U256| {
        let by_weight = mul_div(target.atoms(), weight, token.weight.spot).unwrap_or_default();
        mul_div(by_weight, limit, limits.spot).unwrap_or_default()
    };
    let (low, high) = (side(token.weight.low, limits.low), side(token.weight.high, limits.high));
    // Rounded towards the target, and never beyond it.
    let landing: Range = around(target, target.atoms().saturating_sub(low), high.saturating_sub(target.atoms()));
    let unit = U256::from(10).checked_pow(U256::from(named.decimals));
    let price = |price: U256, div: fn(U256, U256, U256) -> Option<U256>| {
        let price = unit.and_then(|unit| div(price, unit, PRICE)).map(Decimal::from_atoms);
        price.map_or_else(|| wrong(at("price"), "overflows"), Ok)
    };
    let (min_price, max_price) = (price(token.price.low, mul_div)?, price(token.price.high, mul_div_up)?);
    Ok(Asset {
        token: named.address,
        target,
        band: landing,
        landing,
        min_balance: Amount::default(),
        max_trade: token.max_auction_size,
        tradable: token.in_rebalance,
        oracle: named.oracle.clone().map(|oracle| Oracle { min_price, max_price, ..oracle }),
    })
}
