use alloy_primitives::Address;
use ballast_adapters::encode::{Encode, Given, Via};
use ballast_adapters::{Market, PoolError, Venue, concentrated, constant_product, limit_order, stable, weighted};
use ballast_routing::Token;
use ballast_routing::curve::PerCoin;
use ballast_wire::{Liquidity, LiquidityKind};

/// A pool, or an order of another protocol, with its exact state.
#[derive(Debug, Clone)]
pub struct Pool {
    /// The id that a reply refers to.
    pub id: String,
    /// The contract.
    pub address: Address,
    /// Gas of one swap: the driver's estimate, or where it gives none the median of what was measured.
    pub gas: u64,
    /// The exact state.
    pub market: Market,
    /// Its tokens by dense index, in the order of the market's own.
    pub coins: PerCoin<Token>,
}

impl Pool {
    pub(super) fn read(liquidity: &Liquidity, mut token: impl FnMut(Address) -> Token) -> Result<Self, PoolError> {
        let address = liquidity.address;
        let market = match &liquidity.kind {
            LiquidityKind::ConstantProduct(p) => constant_product::ConstantProductPool::from_wire(address, p)?.into(),
            LiquidityKind::WeightedProduct(p) => weighted::WeightedPool::from_wire(address, p)?.into(),
            LiquidityKind::Stable(p) => stable::StablePool::from_wire(address, p)?.into(),
            LiquidityKind::ConcentratedLiquidity(p) => concentrated::ConcentratedPool::from_wire(address, p)?.into(),
            LiquidityKind::LimitOrder(p) => limit_order::LimitOrder::from_wire(address, p)?.into(),
        };
        let gas = u64::try_from(liquidity.gas_estimate)
            .ok()
            .filter(|gas| *gas <= 1 << 40)
            .ok_or(PoolError::Invalid { field: "gasEstimate", reason: "beyond any block" })?;
        let market: Market = market;
        let gas = if gas == 0 { market.gas(Via::Router, Given::Out) } else { gas };
        let coins = market.tokens().iter().map(|&address| token(address)).collect();
        Ok(Self { id: liquidity.id.clone(), address, gas, market, coins })
    }

    /// The coin of this pool that is `token`.
    pub fn coin(&self, token: Token) -> Option<usize> {
        self.coins.iter().position(|&t| t == token)
    }

    /// The kind, in the words of the wire.
    pub fn kind(&self) -> &'static str {
        match self.market {
            Market::ConstantProduct(_) => "constantProduct",
            Market::Weighted(_) => "weightedProduct",
            Market::Stable(_) => "stable",
            Market::Concentrated(_) => "concentratedLiquidity",
            Market::LimitOrder(_) => "limitOrder",
        }
    }
}
