//! Pairs as a node has them.

use alloy_primitives::{Address, U256};
use alloy_sol_types::sol;
use ballast_wire::{ConstantProduct, Decimal, Reserve};

use crate::chain::{NodeError, ReadError, View};

sol! {
    function token0() external view returns (address);
    function token1() external view returns (address);
    function getReserves() external view returns (uint112 reserve0, uint112 reserve1, uint32 timestamp);
}

/// What the chain does not say of a pair.
#[derive(Debug, Clone, Copy)]
pub struct PairRef {
    /// The contract.
    pub address: Address,
    /// The contract that swaps.
    pub router: Address,
    /// Part of the input that is kept: a constant of the exchange's code.
    pub fee: Decimal,
}

/// Reads pairs, each its own result, in their order.
///
/// # Errors
/// When the node does not answer.
pub async fn read(view: &View, pairs: &[PairRef]) -> Result<Vec<Result<ConstantProduct, ReadError>>, NodeError> {
    let token0 = view.ask(pairs.iter().map(|p| (p.address, token0Call {}))).await?;
    let token1 = view.ask(pairs.iter().map(|p| (p.address, token1Call {}))).await?;
    let reserves = view.ask(pairs.iter().map(|p| (p.address, getReservesCall {}))).await?;
    let answers = pairs.iter().zip(token0).zip(token1).zip(reserves);
    Ok(answers
        .map(|(((pair, token0), token1), reserves)| {
            let reserves = reserves?;
            let reserve = |amount| Reserve { balance: U256::from(amount) };
            let tokens = [(token0?, reserve(reserves.reserve0)), (token1?, reserve(reserves.reserve1))].into();
            Ok(ConstantProduct { router: pair.router, tokens, fee: pair.fee })
        })
        .collect())
}
