//! Pools with positions as a node has them.

use alloy_primitives::aliases::U24;
use alloy_primitives::{Address, Bytes, U256};
use alloy_sol_types::{SolConstructor, SolValue, sol};
use ballast_wire::{ConcentratedLiquidity, Decimal};

use crate::chain::{NodeError, ReadError, View};

sol! {
    interface Pool {
        function token0() external view returns (address);
        function token1() external view returns (address);
        function fee() external view returns (uint24);
        function liquidity() external view returns (uint128);
        function slot0() external view returns (uint160 sqrtPriceX96, int24 tick, uint16 observationIndex,
            uint16 observationCardinality, uint16 observationCardinalityNext, uint8 feeProtocol, bool unlocked);
    }

    struct NetAt { int24 tick; int128 net; }
}
// Its answer is not in its ABI, for a constructor has none.
sol!(TickReader, "../fixtures/contracts/own/TickReader.json");

/// A pool, and what the chain does not say of it.
#[derive(Debug, Clone, Copy)]
pub struct PoolRef {
    /// The contract.
    pub address: Address,
    /// The contract that swaps.
    pub router: Address,
}

/// Reads pools with every initialised tick, each its own result, in their order.
///
/// # Errors
/// When the node does not answer.
pub async fn read(view: &View, pools: &[PoolRef]) -> Result<Vec<Result<ConcentratedLiquidity, ReadError>>, NodeError> {
    let token0 = view.ask(pools.iter().map(|p| (p.address, Pool::token0Call {}))).await?;
    let token1 = view.ask(pools.iter().map(|p| (p.address, Pool::token1Call {}))).await?;
    let fee = view.ask(pools.iter().map(|p| (p.address, Pool::feeCall {}))).await?;
    let liquidity = view.ask(pools.iter().map(|p| (p.address, Pool::liquidityCall {}))).await?;
    let slot0 = view.ask(pools.iter().map(|p| (p.address, Pool::slot0Call {}))).await?;
    let ticks = view.run(pools.iter().map(|p| tick_reader(p.address))).await?;
    let answers = pools.iter().zip(token0).zip(token1).zip(fee).zip(liquidity).zip(slot0).zip(ticks);
    Ok(answers
        .map(|((((((pool, token0), token1), fee), liquidity), slot0), ticks)| {
            let slot0 = slot0?;
            let unread = |reason| ReadError { contract: pool.address, call: "tickBitmap(int16), ticks(int24)", reason };
            let ticks = Vec::<NetAt>::abi_decode(&ticks.map_err(unread)?).map_err(|e| unread(e.to_string()))?;
            Ok(ConcentratedLiquidity {
                router: pool.router,
                tokens: vec![token0?, token1?],
                sqrt_price: U256::from(slot0.sqrtPriceX96),
                liquidity: U256::from(liquidity?),
                tick: slot0.tick.as_i32(),
                liquidity_net: ticks.into_iter().map(|t| (t.tick.to_string(), t.net.to_string())).collect(),
                fee: of_millionths(fee?),
            })
        })
        .collect())
}

/// The creation code that answers with a pool's ticks.
fn tick_reader(pool: Address) -> Bytes {
    [TickReader::BYTECODE.as_ref(), &TickReader::constructorCall { pool }.abi_encode()].concat().into()
}

/// The contract counts a fee in millionths.
fn of_millionths(fee: U24) -> Decimal {
    // No overflow: 24 bits times 40.
    Decimal::from_atoms(U256::from(fee).wrapping_mul(U256::from(1_000_000_000_000_u64)))
}
