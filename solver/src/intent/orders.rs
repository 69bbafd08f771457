//! The other way to the market: an intent as orders of a batch auction.
//!
//! What a rebalance sells and buys is paired into orders, each to be filled in part if need be. No oracle watches over a batch, so the limits
//! do: an order asks for what its sale is worth at the oracles' prices less its share of what the intent may lose. Then any fills of any of
//! the orders together, at their limits, lose at most that.

use alloy_primitives::{Address, B256, U256};
use ballast_wire::intent::Intent;
use ballast_wire::{Amount, Decimal};
use serde_json::{Value, json};

use super::Task;
use super::judge::allowance;
use super::portfolio::{ONE, Portfolio};
use crate::wide::{mul_div, mul_div_up};

/// Far more than rounding can cost, in 10⁻¹⁸ of the numeraire.
const ROUNDING: U256 = U256::from_limbs([1_000, 0, 0, 0]);

/// An order that an intent asks for: sells all of `sell_amount` in any parts, for `buy_amount` at the least.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LimitOrder {
    /// What is given.
    pub sell: Address,
    /// What is taken.
    pub buy: Address,
    /// Atoms.
    pub sell_amount: U256,
    /// Atoms.
    pub buy_amount: U256,
}

/// An intent as orders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Orders {
    /// The orders.
    pub orders: Vec<LimitOrder>,
    /// What all of them together lose at the most, in 10⁻¹⁸ of the numeraire.
    pub worst: U256,
    /// What the intent may lose.
    pub allowed: U256,
}

/// Orders that bring a portfolio from what it holds to `after`, as a [`Rebalance`](super::size::Rebalance) leaves it. `None` where a number
/// does not fit, or the intent may not lose anything.
pub fn orders(task: &Task<'_>, after: &Portfolio) -> Option<Orders> {
    let Task { intent, portfolio, moment } = task;
    let held = portfolio.measure()?;
    let allowed = mul_div(held.total, allowance(intent, moment), ONE)?;
    // Less what rounding may add to the loss of each order.
    let spent = allowed.saturating_sub(ROUNDING);
    // What is sold and what is bought, by value; the purse of the one is spent on the other.
    let mut sales: Vec<(usize, U256)> = Vec::new();
    let mut purchases: Vec<(usize, U256)> = Vec::new();
    for (index, (before, end)) in portfolio.holdings.iter().zip(&after.holdings).enumerate() {
        if before.balance > end.balance {
            sales.push((index, before.balance.checked_sub(end.balance)?));
        } else if end.balance > before.balance {
            let value = mul_div(end.balance.checked_sub(before.balance)?, end.price, end.unit)?;
            purchases.push((index, value));
        }
    }
    let value = |index: usize, amount: U256| mul_div(amount, portfolio.holdings[index].price, portfolio.holdings[index].unit);
    let sold = sales.iter().try_fold(U256::ZERO, |sum, (index, amount)| sum.checked_add(value(*index, *amount)?))?;
    let mut bought = purchases.iter().try_fold(U256::ZERO, |sum, (_, value)| sum.checked_add(*value))?;
    let mut orders = Vec::new();
    let mut worst = U256::ZERO;
    for (from, amount) in sales {
        // Each sale goes to the purchases in proportion to what is still to be bought of each.
        let mut left = amount;
        let mut worth_left = value(from, amount)?;
        for (to, wanted) in &mut purchases {
            if left.is_zero() || bought.is_zero() || wanted.is_zero() {
                continue;
            }
            let worth = worth_left.min(*wanted);
            let part = if worth == worth_left { left } else { mul_div(left, worth, worth_left)? };
            let Some(order) = order(intent, portfolio, [from, *to], part, [spent, sold]) else { continue };
            let paid = mul_div_up(order.sell_amount, portfolio.holdings[from].price, portfolio.holdings[from].unit)?;
            worst = worst.checked_add(paid.saturating_sub(value(*to, order.buy_amount)?))?;
            orders.push(order);
            left = left.checked_sub(part)?;
            worth_left = worth_left.checked_sub(worth)?;
            *wanted = wanted.checked_sub(worth)?;
            bought = bought.checked_sub(worth)?;
        }
    }
    (worst <= allowed).then_some(Orders { orders, worst, allowed })
}

/// A sale of `amount` atoms at its limit. `allowed` is what all of `sold` may lose.
fn order(
    intent: &Intent,
    portfolio: &Portfolio,
    [from, to]: [usize; 2],
    amount: U256,
    [allowed, sold]: [U256; 2],
) -> Option<LimitOrder> {
    let (give, take) = (&portfolio.holdings[from], &portfolio.holdings[to]);
    let worth = mul_div_up(amount, give.price, give.unit)?;
    // Its share of what may be lost, rounded down: the sum of the shares is no more than the whole.
    let loss = mul_div(worth.saturating_sub(U256::ONE), allowed, sold)?;
    let least = worth.saturating_sub(loss);
    let buy_amount = mul_div_up(least, take.unit, take.price)?;
    let good = !amount.is_zero() && !buy_amount.is_zero();
    good.then_some(LimitOrder { sell: intent.assets[from].token, buy: intent.assets[to].token, sell_amount: amount, buy_amount })
}

impl Orders {
    /// As CoW Protocol has orders, to be signed by the vault.
    pub fn json(&self, intent: &Intent) -> Vec<Value> {
        let order = |order: &LimitOrder| {
            json!({
                "sellToken": order.sell, "buyToken": order.buy, "receiver": intent.owner,
                "sellAmount": Amount(order.sell_amount), "buyAmount": Amount(order.buy_amount),
                "validTo": intent.valid_to.min(u32::MAX.into()), "appData": B256::ZERO, "feeAmount": "0",
                "kind": "sell", "partiallyFillable": true, "sellTokenBalance": "erc20", "buyTokenBalance": "erc20",
                "from": intent.owner, "signingScheme": "eip1271",
            })
        };
        self.orders.iter().map(order).collect()
    }

    /// What they may lose together, as a part of the portfolio.
    pub fn part(&self, portfolio: &Portfolio) -> Option<Decimal> {
        mul_div_up(self.worst, ONE, portfolio.measure()?.total).map(Decimal::from_atoms)
    }
}
