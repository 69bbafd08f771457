//! Orders that sell what they buy: nothing is swapped, the settlement's gas is all they cost.

use alloy_primitives::U256;
use ballast_wire::{Class, Side};

use super::plan::{fee, within_limit};
use super::{Liquidity, Plan, PlanError};
use crate::auction::{Auction, Order};
use crate::config::Config;

/// Plans an order whose two tokens are one, filled as a whole.
///
/// # Errors
/// When its limit does not leave enough for the gas.
pub(crate) fn direct(auction: &Auction, liquidity: &Liquidity, order: &Order, config: &Config) -> Result<Plan, PlanError> {
    let gas = config.settlement_gas;
    let fee = match order.class {
        Class::Market => U256::ZERO,
        Class::Limit => fee(auction, liquidity, order.sell, gas).ok_or(PlanError::Overflow)?,
    };
    let amount = match order.side {
        Side::Sell => order.sell_amount.checked_sub(fee).ok_or(PlanError::Gas)?,
        Side::Buy => order.buy_amount,
    };
    within_limit(order, Plan { swaps: Vec::new(), sold: amount, fee, bought: amount, gas, abandoned: Vec::new() })
}
