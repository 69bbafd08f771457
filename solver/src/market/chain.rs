use std::borrow::Cow;

use alloy_primitives::{Address, B256};
use ballast_adapters::chain::{NodeError, ReadError, View};
use ballast_adapters::{concentrated, constant_product, stable, weighted};
use ballast_wire::{Auction, Liquidity, LiquidityKind, Malformed};

use super::{Market, MarketError};

/// Pools of a chain at one block: those that another market knows of, with the state that the chain gives them.
#[derive(Debug, Clone)]
pub struct ChainMarket {
    auction: Auction,
}

impl ChainMarket {
    /// Reads the pools of `known` again. What cannot be read is malformed, and named. `vault` is Balancer's.
    ///
    /// # Errors
    /// When the node does not answer, or the other market has nothing.
    pub async fn read(view: &View, known: &(impl Market + Sync), vault: Address) -> Result<Self, MarketError> {
        let mut auction = known.snapshot()?.into_owned();
        let pools: Vec<Liquidity> = auction.liquidity.iter().flatten().cloned().collect();
        let read = states(view, &pools, vault).await?;
        let mut read = read.into_iter();
        for item in auction.liquidity.iter_mut().filter(|item| item.is_ok()) {
            if let (Ok(pool), Some(state)) = (&mut *item, read.next()) {
                match state {
                    Some(Ok(kind)) => pool.kind = kind,
                    // Orders of others, which the chain does not know.
                    None => {}
                    Some(Err(error)) => {
                        let (name, field, reason) = (Some(pool.id.clone()), "state".to_owned(), error.to_string());
                        *item = Err(Malformed { name, field, reason });
                    }
                }
            }
        }
        Ok(Self { auction })
    }
}

impl Market for ChainMarket {
    fn snapshot(&self) -> Result<Cow<'_, Auction>, MarketError> {
        Ok(Cow::Borrowed(&self.auction))
    }
}

type State = Option<Result<LiquidityKind, ReadError>>;

/// The state of each pool, kind by kind, in few requests.
async fn states(view: &View, pools: &[Liquidity], vault: Address) -> Result<Vec<State>, NodeError> {
    let mut states: Vec<State> = pools.iter().map(|_| None).collect();
    let (at, refs): (Vec<usize>, Vec<_>) = of(pools, |pool| match &pool.kind {
        LiquidityKind::ConstantProduct(p) => {
            Some(constant_product::chain::PairRef { address: pool.address, router: p.router, fee: p.fee })
        }
        _ => None,
    });
    put(&mut states, at, constant_product::chain::read(view, &refs).await?, LiquidityKind::ConstantProduct);
    let (at, refs): (Vec<usize>, Vec<_>) = of(pools, |pool| match &pool.kind {
        LiquidityKind::ConcentratedLiquidity(p) => Some(concentrated::chain::PoolRef { address: pool.address, router: p.router }),
        _ => None,
    });
    put(&mut states, at, concentrated::chain::read(view, &refs).await?, LiquidityKind::ConcentratedLiquidity);
    let (at, refs): (Vec<usize>, Vec<_>) = of(pools, |pool| match &pool.kind {
        LiquidityKind::WeightedProduct(p) => Some(weighted::chain::PoolRef { id: p.balancer_pool_id, version: p.version }),
        _ => None,
    });
    put(&mut states, at, weighted::chain::read(view, vault, &refs).await?, LiquidityKind::WeightedProduct);
    let (at, refs): (Vec<usize>, Vec<B256>) = of(pools, |pool| match &pool.kind {
        LiquidityKind::Stable(p) => Some(p.balancer_pool_id),
        _ => None,
    });
    put(&mut states, at, stable::chain::read(view, vault, &refs).await?, LiquidityKind::Stable);
    Ok(states)
}

/// The places of the pools of one kind, and how to find each on the chain.
fn of<T>(pools: &[Liquidity], reference: impl Fn(&Liquidity) -> Option<T>) -> (Vec<usize>, Vec<T>) {
    pools.iter().enumerate().filter_map(|(at, pool)| Some((at, reference(pool)?))).unzip()
}

fn put<T>(states: &mut [State], at: Vec<usize>, read: Vec<Result<T, ReadError>>, kind: fn(T) -> LiquidityKind) {
    for (at, read) in at.into_iter().zip(read) {
        states[at] = Some(read.map(kind));
    }
}
