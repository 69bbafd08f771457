//! The ledger: amounts held, orders, and what a fill does to them, exactly.
//!
//! A fill sells first, pays the costs out of the proceeds, and buys with what is left, in the planned proportions. So
//! `value before = value after + cost + dust` holds to the last digit, dust being what rounding to token decimals leaves.

use bigdecimal::{BigDecimal, RoundingMode, Zero as _, num_bigint::Sign};
use serde::{Deserialize, Serialize};

use crate::policy::number;

/// What the ledger has to know of an asset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asset {
    /// Its name: the column in the price file, the key in the policy.
    pub name: String,
    /// Decimal places its amounts can have (a token's `decimals`).
    pub decimals: u8,
    /// False if it must stay as it is.
    pub tradable: bool,
}

/// What a rebalance costs.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Costs {
    /// Cost per unit of value moved from one asset to another: pool fee plus spread. 0.003 is 30 basis points.
    #[serde(deserialize_with = "number")]
    pub proportional: BigDecimal,
    /// Fixed cost of a rebalance, in the numeraire: the settlement's gas.
    #[serde(deserialize_with = "number")]
    pub gas: BigDecimal,
    /// Fixed cost of each asset traded, in the numeraire: a swap's gas.
    #[serde(deserialize_with = "number")]
    pub gas_per_leg: BigDecimal,
    /// Linear price impact: trading value `v` at once costs `impact · v²`. 1e-9 costs 10 basis points on a million.
    #[serde(deserialize_with = "number")]
    pub impact: BigDecimal,
}

impl Costs {
    /// Fixed cost of trading `legs` assets, in the numeraire.
    pub fn fixed(&self, legs: usize) -> BigDecimal {
        &self.gas + &self.gas_per_leg * BigDecimal::from(legs as u64)
    }

    /// Cost of moving `value` (one way) over `legs` assets, in the numeraire.
    pub fn of(&self, value: &BigDecimal, legs: usize) -> BigDecimal {
        &self.proportional * value + &self.impact * value * value + self.fixed(legs)
    }
}

/// One leg of a rebalance.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Order {
    /// Which asset, by its place in the portfolio.
    #[serde(skip)]
    pub asset: usize,
    /// In the numeraire at the deciding prices; positive buys.
    pub value: BigDecimal,
    /// In the asset, rounded towards zero to its decimals; positive buys.
    pub amount: BigDecimal,
}

impl Order {
    /// The leg that moves `value` at `price`.
    pub fn new(asset: usize, value: BigDecimal, price: &BigDecimal, decimals: u8) -> Self {
        let amount = quotient(&value, price, decimals);
        Self { asset, value, amount }
    }
}

/// What a fill did, in the numeraire.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Fill {
    /// Value sold, which is the value moved one way.
    pub moved: BigDecimal,
    /// Fees, impact and gas.
    pub cost: BigDecimal,
    /// What rounding to token decimals left over.
    pub dust: BigDecimal,
}

/// Why a fill could not be booked. The holdings are as they were.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LedgerError {
    /// More is sold than is held.
    #[error("asset {asset}: {sold} is sold, {held} is held")]
    Short {
        /// Which, by its place.
        asset: usize,
        /// Sold.
        sold: BigDecimal,
        /// Held.
        held: BigDecimal,
    },
    /// The costs eat the proceeds.
    #[error("the costs ({cost}) eat the proceeds ({proceeds})")]
    CostsExceedProceeds {
        /// Fees, impact and gas.
        cost: BigDecimal,
        /// Value of what was sold.
        proceeds: BigDecimal,
    },
    /// An order for an asset the portfolio does not have.
    #[error("no asset {0}")]
    NoAsset(usize),
}

/// Amounts held, in the order of the assets.
#[derive(Debug, Clone, PartialEq)]
pub struct Holdings {
    amounts: Vec<BigDecimal>,
    /// The same as `f64`, so that looking at a bar costs no big arithmetic.
    approximate: Vec<f64>,
}

impl Holdings {
    /// Of these amounts.
    pub fn new(amounts: Vec<BigDecimal>) -> Self {
        let approximate = amounts.iter().map(super::approximate).collect();
        Self { amounts, approximate }
    }

    /// `value` spread over the assets by `weights`, rounded down to token decimals.
    pub fn spread(value: &BigDecimal, weights: &super::Weights, prices: &[BigDecimal], assets: &[Asset]) -> Self {
        let each = weights.as_slice().iter().zip(prices).zip(assets);
        Self::new(each.map(|((weight, price), asset)| quotient(&(weight * value), price, asset.decimals)).collect())
    }

    /// The amounts.
    pub fn amounts(&self) -> &[BigDecimal] {
        &self.amounts
    }

    /// The nearest `f64`s.
    pub fn approximate(&self) -> &[f64] {
        &self.approximate
    }

    /// The value of each asset at these prices, exactly.
    pub fn values(&self, prices: &[BigDecimal]) -> Vec<BigDecimal> {
        self.amounts.iter().zip(prices).map(|(amount, price)| amount * price).collect()
    }

    /// Books a rebalance: the orders' sales are made at `prices`, the costs paid, the rest spent on the orders' purchases.
    ///
    /// # Errors
    /// If more is sold than held or the costs exceed the proceeds; nothing is booked then.
    pub fn fill(
        &mut self,
        orders: &[Order],
        prices: &[BigDecimal],
        assets: &[Asset],
        costs: &Costs,
    ) -> Result<Fill, LedgerError> {
        let price = |asset: usize| prices.get(asset).ok_or(LedgerError::NoAsset(asset));
        let mut amounts = self.amounts.clone();
        let (mut moved, mut wanted) = (BigDecimal::zero(), BigDecimal::zero());
        for order in orders {
            let held = amounts.get_mut(order.asset).ok_or(LedgerError::NoAsset(order.asset))?;
            if order.amount.sign() == Sign::Minus {
                let sold = order.amount.abs();
                if *held < sold {
                    return Err(LedgerError::Short { asset: order.asset, sold, held: held.clone() });
                }
                *held -= &sold;
                moved += sold * price(order.asset)?;
            } else {
                wanted += &order.value;
            }
        }
        let cost = costs.of(&moved, orders.len());
        let purse = &moved - &cost;
        if purse.sign() == Sign::Minus {
            return Err(LedgerError::CostsExceedProceeds { cost, proceeds: moved });
        }
        let mut spent = BigDecimal::zero();
        for order in orders.iter().filter(|o| o.amount.sign() != Sign::Minus && !wanted.is_zero()) {
            let decimals = assets.get(order.asset).map_or(18, |a| a.decimals);
            let price = price(order.asset)?;
            let bought = quotient(&(&purse * &order.value), &(price * &wanted), decimals);
            spent += &bought * price;
            if let Some(held) = amounts.get_mut(order.asset) {
                *held += bought;
            }
        }
        *self = Self::new(amounts);
        Ok(Fill { moved, cost, dust: purse - spent })
    }
}

/// `value / price`, rounded towards zero to `decimals` places; exact integer division, no intermediate rounding.
fn quotient(value: &BigDecimal, price: &BigDecimal, decimals: u8) -> BigDecimal {
    if price.is_zero() {
        return BigDecimal::zero();
    }
    let ((value, value_scale), (price, price_scale)) = (value.as_bigint_and_exponent(), price.as_bigint_and_exponent());
    // value·10^-vs / (price·10^-ps) in units of 10^-decimals.
    let shift = i64::from(decimals) + price_scale - value_scale;
    let power = |n: i64| bigdecimal::num_bigint::BigInt::from(10_u8).pow(u32::try_from(n).unwrap_or(0));
    let units = if shift >= 0 { value * power(shift) / price } else { value / (price * power(-shift)) };
    BigDecimal::new(units, i64::from(decimals)).with_scale_round(i64::from(decimals), RoundingMode::Down)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn d(text: &str) -> BigDecimal {
        text.parse().unwrap()
    }

    fn assets(n: usize, decimals: u8) -> Vec<Asset> {
        (0..n).map(|i| Asset { name: format!("A{i}"), decimals, tradable: true }).collect()
    }

    #[test]
    fn a_fill_accounts_for_every_cent() {
        let (assets, prices) = (assets(2, 6), [d("40000"), d("1")]);
        let mut held = Holdings::new(vec![d("1.5"), d("40000")]);
        let costs = Costs { proportional: d("0.003"), gas: d("5"), ..Costs::default() };
        let orders = [Order::new(0, d("-10000"), &prices[0], 6), Order::new(1, d("10000"), &prices[1], 6)];
        let fill = held.fill(&orders, &prices, &assets, &costs).unwrap();
        assert_eq!(fill, Fill { moved: d("10000"), cost: d("35"), dust: d("0") });
        assert_eq!(held.amounts(), [d("1.25"), d("49965")]);
    }

    #[test]
    fn refuses_what_it_cannot_book() {
        let (assets, prices) = (assets(2, 18), [d("10"), d("1")]);
        let mut held = Holdings::new(vec![d("1"), d("0")]);
        let before = held.clone();
        let sell = |value: &str| [Order::new(0, d(value), &prices[0], 18), Order::new(1, d("10"), &prices[1], 18)];
        assert!(matches!(held.fill(&sell("-11"), &prices, &assets, &Costs::default()), Err(LedgerError::Short { .. })));
        let gas = Costs { gas: d("11"), ..Costs::default() };
        assert!(matches!(held.fill(&sell("-10"), &prices, &assets, &gas), Err(LedgerError::CostsExceedProceeds { .. })));
        assert_eq!(held, before);
    }

    #[test]
    fn quotients_round_towards_zero_at_the_decimals() {
        assert_eq!(quotient(&d("10"), &d("3"), 2), d("3.33"));
        assert_eq!(quotient(&d("-10"), &d("3"), 2), d("-3.33"));
        assert_eq!(quotient(&d("0.000001"), &d("64000.123456"), 0), d("0"));
        assert_eq!(quotient(&d("1e-27"), &d("1e-27"), 27), d("1"));
    }

    proptest! {
        #[test]
        fn value_is_conserved_to_the_last_digit(
            amounts in prop::collection::vec(0_u64..1_000_000_000, 3),
            prices in prop::collection::vec(1_u64..10_000_000, 3),
            moves in prop::collection::vec(-1_000_000_i64..1_000_000, 2),
            decimals in 0_u8..28,
        ) {
            let assets = assets(3, decimals);
            let prices: Vec<BigDecimal> = prices.iter().map(|&p| BigDecimal::new(p.into(), 3)).collect();
            let mut held = Holdings::new(amounts.iter().map(|&a| BigDecimal::new(a.into(), 2)).collect());
            let costs = Costs { proportional: d("0.0031"), gas_per_leg: d("0.7"), impact: d("1e-9"), ..Costs::default() };
            let last = -(moves[0] + moves[1]);
            let orders: Vec<Order> = [moves[0], moves[1], last].iter().enumerate()
                .map(|(i, &v)| Order::new(i, BigDecimal::from(v), &prices[i], decimals)).collect();
            let before: BigDecimal = held.values(&prices).iter().sum();
            if let Ok(fill) = held.fill(&orders, &prices, &assets, &costs) {
                let after: BigDecimal = held.values(&prices).iter().sum();
                prop_assert_eq!(before, after + fill.cost + &fill.dust);
                prop_assert!(fill.dust.sign() != Sign::Minus);
                prop_assert!(held.amounts().iter().all(|a| a.sign() != Sign::Minus));
            }
        }
    }
}
