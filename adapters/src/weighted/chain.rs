//! Weighted pools as a node has them.

use alloy_primitives::{Address, B256};
use alloy_sol_types::sol;
use ballast_wire::{Decimal, WeightedProduct, WeightedReserve, WeightedVersion};

use crate::chain::vault::{held, pool_contract, scaling_factors};
use crate::chain::{NodeError, ReadError, View};

sol! {
    function getNormalizedWeights() external view returns (uint256[]);
}

/// A pool, and what the chain does not say of it.
#[derive(Debug, Clone, Copy)]
pub struct PoolRef {
    /// The Vault's name for it.
    pub id: B256,
    /// Which contract's arithmetic.
    pub version: WeightedVersion,
}

/// Reads pools of a Vault, each its own result, in their order.
///
/// # Errors
/// When the node does not answer.
pub async fn read(view: &View, vault: Address, pools: &[PoolRef]) -> Result<Vec<Result<WeightedProduct, ReadError>>, NodeError> {
    let ids: Vec<B256> = pools.iter().map(|p| p.id).collect();
    let held = held(view, vault, &ids).await?;
    let weights = view.ask(ids.iter().map(|&id| (pool_contract(id), getNormalizedWeightsCall {}))).await?;
    // Rates of tokens count for the protocol's fees only, not for swaps.
    let factors = scaling_factors(view, held.iter().map(|h| h.as_ref().map_or(&[][..], |h| &h.tokens))).await?;
    Ok(pools
        .iter()
        .zip(held)
        .zip(weights)
        .zip(factors)
        .map(|(((pool, held), weights), factors)| {
            let (held, weights) = (held?, weights?);
            let coins = held.tokens.iter().zip(held.balances).zip(weights).zip(factors?);
            let tokens = coins
                .map(|(((&token, balance), weight), scaling_factor)| {
                    (token, WeightedReserve { balance, scaling_factor, weight: Decimal::from_atoms(weight) })
                })
                .collect();
            Ok(WeightedProduct { balancer_pool_id: pool.id, tokens, fee: held.fee, version: pool.version })
        })
        .collect())
}
