//! One order's execution: what it sells, buys and pays for gas, to the atom.

use alloy_primitives::U256;
use ballast_adapters::SwapError;
use ballast_routing::{Outcome, Token};
use ballast_wire::{Class, Side};

use super::Liquidity;
use super::execute::{Funding, Run, Stake, from_f64, net_use, unfunded};
use super::step::{Step, Swap, Way, steps};
use crate::auction::{Auction, Order};
use crate::config::Config;
use crate::wide::at_least;

/// How far a buy order's stake is raised when its output falls short: first, and at the most.
const RAISE: [f64; 2] = [1e-12, 1e-3];

/// An order's execution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Swaps in order.
    pub swaps: Vec<Swap>,
    /// Atoms of the sold token that are traded.
    pub sold: U256,
    /// Atoms of the sold token that pay for gas.
    pub fee: U256,
    /// Atoms of the bought token that the trader gets.
    pub bought: U256,
    /// Gas of the settlement.
    pub gas: u64,
    /// Ways that closed cycles which were given up, in whole or in part, for want of funds.
    pub abandoned: Vec<Way>,
}

/// Why flows cannot be executed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// A pool that will not make a swap it was planned for.
    #[error("pool {pool}: {error}", pool = way.pool)]
    Swap {
        /// The way through the pool.
        way: Way,
        /// What the venue says.
        error: SwapError,
    },
    /// The exact amounts miss the order's limit; the ways that closed cycles given up meanwhile.
    #[error("the exact amounts miss the order's limit")]
    Limit(Vec<Way>),
    /// The fee for gas takes all that is sold.
    #[error("the gas costs more than what is sold")]
    Gas,
    /// A number that does not fit.
    #[error("arithmetic overflow")]
    Overflow,
}

/// Plans the execution of an outcome for one order.
///
/// # Errors
/// When the flows cannot be executed as they are, or not within the order's limit.
pub fn plan(
    auction: &Auction,
    liquidity: &Liquidity,
    order: &Order,
    outcome: &Outcome,
    config: &Config,
) -> Result<Plan, PlanError> {
    let steps = steps(liquidity, &outcome.flows);
    let mut gas = config.settlement_gas + steps.iter().map(|s| auction.pools[s.pool].gas).sum::<u64>();
    let fill = fill(liquidity, order, outcome);
    // The gas of a plan is known when it is made; its fee is part of what it trades. Twice is enough: rounds rarely change.
    for _ in 0..3 {
        let fee = match order.class {
            Class::Market => U256::ZERO,
            Class::Limit => fee(auction, liquidity, order.sell, gas).ok_or(PlanError::Overflow)?,
        };
        let (run, staked) = match order.side {
            Side::Sell => (sell(auction, order, &steps, fill, fee)?, U256::ZERO),
            Side::Buy => buy(auction, order, &steps, fill)?,
        };
        let used = config.settlement_gas + run.swaps.iter().map(|s| auction.pools[s.pool].gas).sum::<u64>();
        let plan = match order.side {
            Side::Sell => {
                Plan { sold: fill - fee, fee, bought: run.of(order.buy), gas: used, abandoned: run.abandoned, swaps: run.swaps }
            }
            Side::Buy => Plan {
                sold: staked.saturating_sub(run.least.get(&order.sell).copied().unwrap_or_default()),
                fee,
                bought: fill,
                gas: used,
                abandoned: run.abandoned,
                swaps: run.swaps,
            },
        };
        if used == gas {
            return within_limit(order, plan);
        }
        gas = used;
    }
    Err(PlanError::Gas)
}

/// gas·gas price in atoms of the sold token, rounded up.
pub(super) fn fee(auction: &Auction, liquidity: &Liquidity, sell: Token, gas: u64) -> Option<U256> {
    let wei = auction.gas_price.checked_mul(U256::from(gas))?;
    match auction.token(sell).reference_price {
        _ if wei.is_zero() => Some(U256::ZERO),
        Some(price) => {
            let scaled = wei.checked_mul(U256::from(10).pow(U256::from(18)))?;
            Some(scaled.div_ceil(price))
        }
        // Priced through the graph: a double is all there is, and a part in 10⁹ more makes sure.
        None => {
            let unit = liquidity.units.get(sell)?;
            from_f64(f64::from(wei) / super::prices::WEI_PER_UNIT / unit * (1.0 + 1e-9)).map(|fee| fee.saturating_add(U256::ONE))
        }
    }
}

/// Atoms of the exact side that are filled: all, or what the outcome found best.
fn fill(liquidity: &Liquidity, order: &Order, outcome: &Outcome) -> U256 {
    let whole = match order.side {
        Side::Sell => order.sell_amount,
        Side::Buy => order.buy_amount,
    };
    let Some(&taken) = outcome.fills.first() else { return whole };
    // Fills are counted in the bought token.
    let all = liquidity.units.get(order.buy).map_or(0.0, |unit| unit * f64::from(order.buy_amount));
    let share = (taken / all).clamp(0.0, 1.0);
    if share > 1.0 - 1e-9 { whole } else { from_f64(f64::from(whole) * share).unwrap_or(whole).min(whole) }
}

/// bought/sold at least as good as the order asks, exactly.
pub(super) fn within_limit(order: &Order, plan: Plan) -> Result<Plan, PlanError> {
    let paid = plan.sold.checked_add(plan.fee).ok_or(PlanError::Overflow)?;
    let good = at_least(plan.bought, order.sell_amount, paid, order.buy_amount);
    if good && !plan.sold.is_zero() && !plan.bought.is_zero() && paid <= order.sell_amount {
        Ok(plan)
    } else {
        Err(PlanError::Limit(plan.abandoned))
    }
}

/// Sells all of `fill − fee`.
fn sell(auction: &Auction, order: &Order, steps: &[Step], fill: U256, fee: U256) -> Result<Run, PlanError> {
    let amount = fill.checked_sub(fee).filter(|s| !s.is_zero()).ok_or(PlanError::Gas)?;
    // Just what the steps use is proposed, so that they share the stake.
    let stakes = [Stake { token: order.sell, amount, proposed: net_use(steps, order.sell) }];
    Run::new(auction, steps, Funding { stakes: &stakes, paid: &[order.buy], wanted: None })
}

/// Buys exactly `fill`, raising the stake until the output is there; returns the stake as well. What the trader pays is what was missing
/// of the stake at worst: more is not there when a cycle asks for it.
fn buy(auction: &Auction, order: &Order, steps: &[Step], fill: U256) -> Result<(Run, U256), PlanError> {
    let net = net_use(steps, order.sell);
    let paid = [order.buy];
    let wanted = Some((order.buy, fill));
    if net <= 0.0 {
        // Cycles alone would pay for it all; but nobody funds them.
        let nothing = [Stake { token: order.sell, amount: U256::ZERO, proposed: 0.0 }];
        return Err(PlanError::Limit(unfunded(steps, &Funding { stakes: &nothing, paid: &paid, wanted })));
    }
    let mut raise = RAISE[0];
    loop {
        let amount = from_f64(net * (1.0 + raise)).ok_or(PlanError::Overflow)?.saturating_add(U256::ONE);
        let stakes = [Stake { token: order.sell, amount, proposed: net }];
        let run = Run::new(auction, steps, Funding { stakes: &stakes, paid: &paid, wanted })?;
        if run.of(order.buy) >= fill {
            return Ok((run, amount));
        }
        let missing = f64::from(fill - run.of(order.buy)) / f64::from(fill);
        raise = (raise * 4.0).max(raise + 1.05 * missing);
        if raise > RAISE[1] {
            return Err(PlanError::Limit(run.abandoned));
        }
    }
}
