//! An order as a problem.

use alloy_primitives::U256;
use ballast_routing::{GasPrice, Limit, Problem, Token, Wanted};
use ballast_wire::{Class, Side};

use super::Liquidity;
use crate::auction::Order;
use crate::config::Config;

/// Why an order is no problem to solve.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CompileError {
    /// A token that neither the driver nor any pool prices.
    #[error("no price for {0}")]
    NoPrice(&'static str),
    /// A token on the operator's list.
    #[error("{0} is denied by the operator")]
    Denied(&'static str),
}

/// An order's problem, and how to read its worth.
#[derive(Debug, Clone)]
pub struct Compiled {
    /// The problem, in value units.
    pub problem: Problem,
    /// Value units that the whole order moves.
    pub size: f64,
    /// What a value unit of surplus scores, in value units of the native token (a buy order's surplus is in the sold
    /// token and scored by the bought one).
    pub score: f64,
}

/// No auction has liquidity for more value units (10⁵ native tokens), and next to larger numbers doubles lose the gas.
pub(crate) const MOST: f64 = 1e8;

/// The value of `amount` atoms.
pub(crate) fn value(liquidity: &Liquidity, token: Token, amount: U256) -> Option<f64> {
    liquidity.units.get(token).map(|unit| unit * f64::from(amount))
}

/// Lays an order out.
///
/// Fill-or-kill: the exact side is an endowment, to be sold or to be delivered, and the other side's leftover is wanted. Partial:
/// the order is an offer at its limit, and the leftover of the token that its surplus is paid in is wanted.
///
/// # Errors
/// When a token has no price at all.
pub fn compile(order: &Order, liquidity: &Liquidity, config: &Config) -> Result<Compiled, CompileError> {
    let sold = value(liquidity, order.sell, order.sell_amount).ok_or(CompileError::NoPrice("the sold token"))?;
    let bought = value(liquidity, order.buy, order.buy_amount).ok_or(CompileError::NoPrice("the bought token"))?;
    let gas = match order.class {
        // Its fee is taken already, and no more may be.
        Class::Market => GasPrice { token: order.sell, price: 0.0, fixed: 0.0 },
        Class::Limit => GasPrice { token: order.sell, price: liquidity.gas_price, fixed: config.settlement_gas as f64 },
    };
    let wanted = |token| vec![Wanted { token, weight: 1.0, free: true }];
    let (surplus_token, score) = match order.side {
        Side::Sell => (order.buy, 1.0),
        Side::Buy => (order.sell, bought / sold),
    };
    let problem = Problem { wanted: wanted(surplus_token), gas, ..Problem::default() };
    if order.partial {
        let limit = Limit { take: order.buy, give: order.sell, rate: sold / bought, cap: bought.min(MOST) };
        return Ok(Compiled { problem: Problem { limits: vec![limit], ..problem }, size: bought.min(MOST), score });
    }
    Ok(match order.side {
        Side::Sell => {
            Compiled { problem: Problem { endowment: vec![(order.sell, sold)], reserve: bought, ..problem }, size: bought, score }
        }
        Side::Buy => Compiled {
            problem: Problem { endowment: vec![(order.buy, -bought)], reserve: -sold, ..problem },
            size: bought,
            score,
        },
    })
}
