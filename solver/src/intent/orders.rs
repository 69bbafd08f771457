//! The other way to the market: an intent as orders of a batch auction.
//!
//! What a rebalance sells and buys is paired into orders, each to be filled in part if need be. No oracle watches over a batch, so the limits
//! do: an order asks for what its sale is worth at the oracles' prices less its share of what the intent may lose. Then any fills of any of
//! the orders together, at their limits, lose at most that.

use alloy_primitives::{Address, B256, Bytes, U256};
use ballast_wire::intent::Intent;
use ballast_wire::{self as wire, Amount, Class, Decimal, OrderUid, Side};
use serde_json::{Value, json};

use super::Task;
use super::judge::allowance;
use super::portfolio::{ONE, Portfolio};
use crate::settlement::encode::{EncodeError, digest, uid};
use crate::wide::{mul_div, mul_div_up};

/// Far more than rounding can cost, in 10⁻¹⁸ of the numeraire.
const ROUNDING: U256 = U256::from_limbs([1_000, 0, 0, 0]);

/// A sale or a purchase of less than this part of all that is sold is none.
const DUST: U256 = U256::from_limbs([10_000, 0, 0, 0]);

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

impl LimitOrder {
    /// The order as an auction lists it, before its vault has signed it. The intent's digest is its `appData`.
    ///
    /// # Errors
    /// When it is none that the settlement contract knows.
    pub fn listed(&self, intent: &Intent, domain: &B256) -> Result<wire::Order, EncodeError> {
        self.until(u32::try_from(intent.valid_to).unwrap_or(u32::MAX), intent, domain)
    }

    /// The same, which ends earlier than the intent. Unix seconds.
    ///
    /// # Errors
    /// When it is none that the settlement contract knows.
    pub fn until(&self, valid_to: u32, intent: &Intent, domain: &B256) -> Result<wire::Order, EncodeError> {
        let mut order = wire::Order {
            uid: OrderUid::ZERO,
            sell_token: self.sell,
            buy_token: self.buy,
            sell_amount: self.sell_amount,
            buy_amount: self.buy_amount,
            full_sell_amount: self.sell_amount,
            full_buy_amount: self.buy_amount,
            valid_to,
            kind: Side::Sell,
            receiver: Some(intent.owner),
            owner: intent.owner,
            partially_fillable: true,
            pre_interactions: Vec::new(),
            post_interactions: Vec::new(),
            sell_token_source: Some("erc20".to_owned()),
            buy_token_destination: Some("erc20".to_owned()),
            class: Class::Limit,
            app_data: super::digest(intent),
            signing_scheme: "eip1271".to_owned(),
            signature: Bytes::new(),
            fee_policies: None,
            flashloan_hint: None,
            wrappers: Vec::new(),
        };
        order.uid = uid(&digest(&order, domain)?, &order.owner, order.valid_to);
        Ok(order)
    }
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

/// What is sold or bought of an asset, given by its place.
#[derive(Debug, Clone, Copy)]
struct Trade {
    index: usize,
    amount: U256,
    worth: U256,
}

/// Orders that bring a portfolio from what it holds to `after`, as a [`Rebalance`](super::size::Rebalance) leaves it: all that is sold, for
/// all that is bought by their parts of the whole. What is sold and what is bought are held against each other at `prices`, 10⁻¹⁸ of the
/// numeraire for a whole token of each asset, or else at the oracles'. `None` where a number does not fit.
pub fn orders(task: &Task<'_>, after: &Portfolio, prices: Option<&[U256]>) -> Option<Orders> {
    let Task { intent, portfolio, moment } = task;
    let allowed = mul_div(portfolio.measure()?.total, allowance(intent, moment), ONE)?;
    let (mut sales, mut purchases, mut sold) = (Vec::new(), Vec::new(), U256::ZERO);
    for (index, (before, end)) in portfolio.holdings.iter().zip(&after.holdings).enumerate() {
        let amount = before.balance.abs_diff(end.balance);
        let price = prices.map_or(Some(&before.price), |prices| prices.get(index))?;
        let trade = Trade { index, amount, worth: mul_div(amount, *price, before.unit)? };
        if before.balance > end.balance {
            sold = sold.checked_add(mul_div(amount, before.price, before.unit)?)?;
            sales.push(trade);
        } else {
            purchases.push(trade);
        }
    }
    let total = |side: &[Trade]| side.iter().try_fold(U256::ZERO, |sum, trade| sum.checked_add(trade.worth));
    let (paid, bought) = (total(&sales)?, total(&purchases)?);
    // Less what rounding may add to the loss of each order.
    let spent = allowed.saturating_sub(ROUNDING).min(sold);
    // What is sold for each purchase: costs make it more than that is worth.
    for purchase in &mut purchases {
        purchase.worth = mul_div(purchase.worth, paid, bought)?;
    }
    let pairs = pairs(&mut sales, &mut purchases, paid / DUST)?;
    let mut this = Orders { orders: Vec::new(), worst: U256::ZERO, allowed };
    for sale in sales {
        let of_sale = || pairs.iter().filter(|pair| pair.0 == sale.index);
        let whole = of_sale().try_fold(U256::ZERO, |sum, pair| sum.checked_add(pair.2))?;
        let mut left = sale.amount;
        for (k, &(from, to, worth)) in of_sale().enumerate() {
            let part = if k + 1 == of_sale().count() { left } else { mul_div(sale.amount, worth, whole)? };
            left = left.checked_sub(part)?;
            let Some(order) = order(intent, portfolio, [from, to], part, [spent, sold]) else { continue };
            let (give, take) = (&portfolio.holdings[from], &portfolio.holdings[to]);
            let paid = mul_div_up(order.sell_amount, give.price, give.unit)?;
            this.worst = this.worst.checked_add(paid.saturating_sub(mul_div(order.buy_amount, take.price, take.unit)?))?;
            this.orders.push(order);
        }
    }
    (this.worst <= allowed).then_some(this)
}

/// Pairs sales with purchases, largest first: places, and what is traded by worth. What is worth no more than `dust` is left out.
fn pairs(sales: &mut [Trade], purchases: &mut [Trade], dust: U256) -> Option<Vec<(usize, usize, U256)>> {
    let mut pairs = Vec::new();
    for side in [&mut *sales, &mut *purchases] {
        side.sort_by_key(|trade| (std::cmp::Reverse(trade.worth), trade.index));
    }
    let mut wanted = purchases.iter().copied();
    let mut purchase = wanted.next()?;
    for sale in sales {
        let mut rest = sale.worth;
        while rest > dust {
            let worth = rest.min(purchase.worth);
            if worth > dust {
                pairs.push((sale.index, purchase.index, worth));
            }
            (rest, purchase.worth) = (rest.checked_sub(worth)?, purchase.worth.checked_sub(worth)?);
            if purchase.worth <= dust {
                let Some(next) = wanted.next() else { return Some(pairs) };
                purchase = next;
            }
        }
    }
    Some(pairs)
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
    ///
    /// # Errors
    /// When one of them is none that the settlement contract knows.
    pub fn json(&self, intent: &Intent, domain: &B256) -> Result<Vec<Value>, EncodeError> {
        self.orders.iter().map(|order| Ok(to_sign(&order.listed(intent, domain)?))).collect()
    }

    /// What they may lose together, as a part of the portfolio.
    pub fn part(&self, portfolio: &Portfolio) -> Option<Decimal> {
        mul_div_up(self.worst, ONE, portfolio.measure()?.total).map(Decimal::from_atoms)
    }
}

/// An order as its vault is to sign it.
pub fn to_sign(order: &wire::Order) -> Value {
    json!({
        "uid": order.uid, "sellToken": order.sell_token, "buyToken": order.buy_token, "receiver": order.owner,
        "sellAmount": Amount(order.sell_amount), "buyAmount": Amount(order.buy_amount), "validTo": order.valid_to,
        "appData": order.app_data, "feeAmount": "0", "kind": "sell", "partiallyFillable": order.partially_fillable,
        "sellTokenBalance": "erc20", "buyTokenBalance": "erc20", "from": order.owner, "signingScheme": order.signing_scheme,
    })
}
