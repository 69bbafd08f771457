//! What a node has of any pool of Balancer V2: the Vault's part and the fee.

use alloy_primitives::{Address, B256, U256};
use alloy_sol_types::sol;
use ballast_wire::Decimal;

use super::{NodeError, ReadError, View};

sol! {
    function getPoolTokens(bytes32 poolId) external view
        returns (address[] tokens, uint256[] balances, uint256 lastChangeBlock);
    function getSwapFeePercentage() external view returns (uint256);
    function getPausedState() external view returns (bool paused, uint256 pauseWindowEndTime, uint256 bufferPeriodEndTime);
    function decimals() external view returns (uint8);
}

/// The contract of a pool: the first 20 bytes of the Vault's name for it.
pub fn pool_contract(pool: B256) -> Address {
    Address::from_slice(&pool[..20])
}

/// What pools of every kind have.
#[derive(Debug, Clone)]
pub(crate) struct Held {
    /// In the Vault's order, a composable pool's own token among them.
    pub(crate) tokens: Vec<Address>,
    /// Atoms, in the same order.
    pub(crate) balances: Vec<U256>,
    /// Part of the input that is kept.
    pub(crate) fee: Decimal,
}

/// Reads what the Vault holds for pools, and their fees. A paused pool is an error: its swaps revert.
pub(crate) async fn held(view: &View, vault: Address, pools: &[B256]) -> Result<Vec<Result<Held, ReadError>>, NodeError> {
    let tokens = view.ask(pools.iter().map(|&pool| (vault, getPoolTokensCall { poolId: pool }))).await?;
    let fees = view.ask(pools.iter().map(|&pool| (pool_contract(pool), getSwapFeePercentageCall {}))).await?;
    let paused = view.ask(pools.iter().map(|&pool| (pool_contract(pool), getPausedStateCall {}))).await?;
    Ok(pools
        .iter()
        .zip(tokens)
        .zip(fees)
        .zip(paused)
        .map(|(((&pool, held), fee), paused)| {
            let contract = pool_contract(pool);
            let held = held.map_err(|e| ReadError { contract, ..e })?;
            if paused?.paused {
                return Err(ReadError { contract, call: "getPausedState()", reason: "the pool is paused".to_owned() });
            }
            Ok(Held { tokens: held.tokens, balances: held.balances, fee: Decimal::from_atoms(fee?) })
        })
        .collect())
}

/// What an atom of a token is multiplied by to have 18 decimals, for the tokens of many pools.
pub(crate) async fn scaling_factors<'a>(
    view: &View,
    pools: impl Iterator<Item = &'a [Address]> + Clone,
) -> Result<Vec<Result<Vec<Decimal>, ReadError>>, NodeError> {
    let mut decimals = view.ask(pools.clone().flatten().map(|&token| (token, decimalsCall {}))).await?.into_iter();
    Ok(pools
        .map(|tokens| {
            // All of a pool's answers are taken, so that the next pool finds its own.
            let answers: Vec<_> = decimals.by_ref().take(tokens.len()).collect();
            answers.into_iter().zip(tokens).map(|(answer, token)| factor(*token, answer?)).collect()
        })
        .collect())
}

fn factor(token: Address, decimals: u8) -> Result<Decimal, ReadError> {
    let missing = 18_u8.checked_sub(decimals).ok_or_else(|| ReadError {
        contract: token,
        call: "decimals()",
        reason: format!("{decimals} decimals; the Vault's pools take up to 18"),
    })?;
    // No overflow: at most 10³⁶.
    Ok(Decimal::from_atoms(U256::from(10).wrapping_pow(U256::from(missing)).wrapping_mul(Decimal::ONE.atoms())))
}
