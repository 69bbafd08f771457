//! What the protocol takes of an order whose fees the engine is to handle.
//!
//! The driver's own rule (cowprotocol/services, `driver/src/domain/competition/solution/fee.rs`): the clearing prices stay, and a part
//! of what is executed becomes a fee on top of the one for gas. With executed amount e and fee f of a seller in atoms sold, prices p
//! and a limit of b for s:
//!
//! ```text
//! surplus = e − b·(e + f)/s · p_buy/p_sell                 seller      fee = factor·surplus
//! surplus = s·e/b − (e·p_buy/p_sell + f)                   buyer
//! volume  = e/(1 + factor), or e·p_buy/p_sell/(1 − factor)             fee = factor·volume
//! ```
//!
//! Of a surplus or an improvement no more is taken than `maxVolumeFactor` of the volume.

use alloy_primitives::U256;
use ballast_wire::{FeePolicy, Side};

use crate::auction::Order;
use crate::wide::{mul_div, mul_div_up};

/// Parts of one that a factor is rounded to.
const PARTS: f64 = 1e12;

/// A fill at clearing prices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Trade {
    /// Atoms, as the reply states them: sold without the fee, or bought.
    pub(super) executed: U256,
    /// Atoms of the sold token.
    pub(super) fee: U256,
    /// The sold token's price.
    pub(super) price_sell: U256,
    /// The bought token's price.
    pub(super) price_buy: U256,
}

impl Trade {
    /// With the fees of all policies on top; `None` where they take more than is there.
    pub(super) fn charged(self, order: &Order) -> Option<Self> {
        order.fee_policies.iter().rev().try_fold(self, |trade, policy| {
            let more = trade.protocol_fee(order, policy)?;
            let fee = trade.fee.checked_add(more)?;
            let executed = match order.side {
                Side::Sell => trade.executed.checked_sub(more).filter(|e| !e.is_zero())?,
                Side::Buy => trade.executed,
            };
            Some(Self { executed, fee, ..trade })
        })
    }

    fn protocol_fee(&self, order: &Order, policy: &FeePolicy) -> Option<U256> {
        let (sell, buy) = (order.sell_amount, order.buy_amount);
        let capped = |from_surplus: U256, cap: f64| Some(from_surplus.min(self.volume_fee(order, cap)?));
        match policy {
            FeePolicy::Surplus { factor, max_volume_factor } => {
                capped(part(self.surplus(order.side, sell, buy)?, *factor)?, *max_volume_factor)
            }
            FeePolicy::PriceImprovement { factor, max_volume_factor, quote } => {
                // The quote after its fee, scaled to the order; never worse than the order's own limit.
                let (sell, buy) = match order.side {
                    Side::Sell => {
                        let fee = mul_div(quote.fee, quote.buy_amount, quote.sell_amount)?;
                        (sell, buy.max(mul_div(quote.buy_amount.saturating_sub(fee), sell, quote.sell_amount)?))
                    }
                    Side::Buy => (sell.min(mul_div(quote.sell_amount.checked_add(quote.fee)?, buy, quote.buy_amount)?), buy),
                };
                capped(part(self.surplus(order.side, sell, buy)?, *factor)?, *max_volume_factor)
            }
            FeePolicy::Volume { factor } => self.volume_fee(order, *factor),
        }
    }

    /// Atoms sold, without the fee.
    fn sold(&self, side: Side) -> Option<U256> {
        match side {
            Side::Sell => Some(self.executed),
            Side::Buy => mul_div_up(self.executed, self.price_buy, self.price_sell),
        }
    }

    /// Atoms of the sold token by which the trade is better than `buy` for `sell`.
    fn surplus(&self, side: Side, sell: U256, buy: U256) -> Option<U256> {
        let paid = self.sold(side)?.checked_add(self.fee)?;
        match side {
            Side::Sell => {
                let asked = mul_div(buy, paid, sell)?;
                let got = mul_div_up(self.executed, self.price_sell, self.price_buy)?;
                mul_div_up(got.saturating_sub(asked), self.price_buy, self.price_sell)
            }
            Side::Buy => Some(mul_div(sell, self.executed, buy)?.saturating_sub(paid)),
        }
    }

    /// ⌈volume·factor⌉ exactly, so that the parts add up.
    fn volume_fee(&self, order: &Order, factor: f64) -> Option<U256> {
        let (part, one) = (parts(factor)?, U256::from(PARTS));
        let whole = match order.side {
            Side::Sell => one.checked_add(part)?,
            Side::Buy => one.checked_sub(part)?,
        };
        mul_div_up(self.sold(order.side)?, part, whole)
    }
}

fn parts(factor: f64) -> Option<U256> {
    (0.0..=1.0).contains(&factor).then(|| U256::from((factor * PARTS).round()))
}

/// ⌈amount·factor⌉.
fn part(amount: U256, factor: f64) -> Option<U256> {
    mul_div_up(amount, parts(factor)?, U256::from(PARTS))
}

#[cfg(test)]
mod tests {
    use ballast_wire::{Class, OrderUid, PriceImprovementQuote};

    use super::*;

    fn order(side: Side, policy: FeePolicy) -> Order {
        let (sell_amount, buy_amount) = (U256::from(1_000_000), U256::from(900_000));
        let (uid, class, wrappers) = (OrderUid::ZERO, Class::Limit, Vec::new());
        Order {
            uid,
            sell: 0,
            buy: 1,
            sell_amount,
            buy_amount,
            side,
            class,
            partial: false,
            wrappers,
            fee_policies: vec![policy],
            jit: None,
        }
    }

    /// At a price of one; 950,000 sold and 50,000 for gas, or 900,000 bought and 50,000 for gas.
    fn charged(side: Side, policy: FeePolicy) -> [u64; 2] {
        let executed = U256::from(if side == Side::Sell { 950_000 } else { 900_000 });
        let trade = Trade { executed, fee: U256::from(50_000), price_sell: U256::ONE, price_buy: U256::ONE };
        let Trade { executed, fee, .. } = trade.charged(&order(side, policy)).unwrap();
        [executed.to(), fee.to()]
    }

    #[test]
    fn each_policy_takes_its_part() {
        let surplus = |max| FeePolicy::Surplus { factor: 0.5, max_volume_factor: max };
        // Half of 50,000; the limit is 900,000 for all.
        assert_eq!(charged(Side::Sell, surplus(0.9)), [925_000, 75_000]);
        assert_eq!(charged(Side::Buy, surplus(0.9)), [900_000, 75_000]);
        // A hundredth of what is executed in the end.
        assert_eq!(charged(Side::Sell, FeePolicy::Volume { factor: 0.01 }), [940_594, 59_406]);
        assert_eq!(charged(Side::Sell, surplus(0.01)), [940_594, 59_406]);
        assert_eq!(charged(Side::Buy, FeePolicy::Volume { factor: 0.01 }), [900_000, 59_091]);
    }

    #[test]
    fn an_improvement_counts_from_the_quote_and_never_from_below_the_limit() {
        let over = |sell: u64, buy: u64, fee: u64| {
            let quote =
                PriceImprovementQuote { sell_amount: U256::from(sell), buy_amount: U256::from(buy), fee: U256::from(fee) };
            FeePolicy::PriceImprovement { factor: 0.5, max_volume_factor: 0.9, quote }
        };
        // 930,000 quoted for all of it: 20,000 better.
        assert_eq!(charged(Side::Sell, over(500_000, 465_000, 0)), [940_000, 60_000]);
        assert_eq!(charged(Side::Sell, over(500_000, 400_000, 0)), [925_000, 75_000]);
        assert_eq!(charged(Side::Sell, over(500_000, 490_000, 0)), [950_000, 50_000]);
        // 970,000 with its fee quoted for 900,000: 20,000 better.
        assert_eq!(charged(Side::Buy, over(480_000, 450_000, 5_000)), [900_000, 60_000]);
    }
}
