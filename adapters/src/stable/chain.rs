//! Stable pools as a node has them.

use alloy_primitives::{Address, B256, U256};
use alloy_sol_types::sol;
use ballast_wire::{Decimal, ScaledReserve, Stable};

use crate::chain::vault::{held, pool_contract, scaling_factors};
use crate::chain::{NodeError, ReadError, View};

sol! {
    function getScalingFactors() external view returns (uint256[]);
    function getAmplificationParameter() external view returns (uint256 value, bool isUpdating, uint256 precision);
}

/// Reads pools of a Vault, each its own result, in their order.
///
/// Rates are those that the pool has cached: one that has expired is renewed by the next swap, and may then be another.
///
/// # Errors
/// When the node does not answer.
pub async fn read(view: &View, vault: Address, pools: &[B256]) -> Result<Vec<Result<Stable, ReadError>>, NodeError> {
    let held = held(view, vault, pools).await?;
    let amp = view.ask(pools.iter().map(|&pool| (pool_contract(pool), getAmplificationParameterCall {}))).await?;
    let rated = view.ask(pools.iter().map(|&pool| (pool_contract(pool), getScalingFactorsCall {}))).await?;
    // The first contracts have no such function, and no rates either.
    let plain = scaling_factors(view, held.iter().map(|h| h.as_ref().map_or(&[][..], |h| &h.tokens))).await?;
    Ok(pools
        .iter()
        .zip(held)
        .zip(amp)
        .zip(rated.into_iter().zip(plain))
        .map(|(((&pool, held), amp), (rated, plain))| {
            let (held, amp) = (held?, amp?);
            let factors = match rated {
                Ok(factors) => factors.into_iter().map(Decimal::from_atoms).collect(),
                Err(_) => plain?,
            };
            let coins = held.tokens.into_iter().zip(held.balances).zip(factors);
            let tokens =
                coins.map(|((token, balance), scaling_factor)| (token, ScaledReserve { balance, scaling_factor })).collect();
            let amplification_parameter = amplification(amp.value, amp.precision).ok_or_else(|| ReadError {
                contract: pool_contract(pool),
                call: "getAmplificationParameter()",
                reason: "beyond 18 decimals".to_owned(),
            })?;
            Ok(Stable { balancer_pool_id: pool, tokens, amplification_parameter, fee: held.fee })
        })
        .collect())
}

/// `value`/`precision`, exact.
fn amplification(value: U256, precision: U256) -> Option<Decimal> {
    value.checked_mul(Decimal::ONE.atoms())?.checked_div(precision).map(Decimal::from_atoms)
}
