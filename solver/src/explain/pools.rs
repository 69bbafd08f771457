use ballast_routing::{MarketId, Token};
use ballast_wire::{self as wire, LiquidityKind};
use petgraph::algo::dijkstra;
use petgraph::graphmap::UnGraphMap;
use rustc_hash::FxHashSet;

use crate::auction::{Auction, Drop, Drops, Order, Subject};
use crate::batch::Liquidity;

/// The pools between an order's tokens.
#[derive(Debug, Clone)]
pub struct Pairing {
    /// Swaps on the shortest way through the pools that were kept; `None` if there is no way.
    pub hops: Option<usize>,
    /// Pools that hold both tokens, in the request's order.
    pub direct: Vec<Paired>,
    /// Pools kept that hold the sold token, and the bought one.
    pub kept: [usize; 2],
    /// Pools dropped that hold one of the tokens, or are malformed, so that nobody knows.
    pub dropped: Vec<Drop>,
}

/// A pool that holds both tokens.
#[derive(Debug, Clone)]
pub struct Paired {
    /// Its id.
    pub id: String,
    /// Why it was left out; `None` if it was not.
    pub dropped: Option<Drop>,
}

impl Pairing {
    pub(super) fn new(request: &wire::Auction, auction: &Auction, liquidity: &Liquidity, drops: &Drops, order: &Order) -> Self {
        let ends = [order.sell, order.buy].map(|token| auction.token(token).address);
        let dropped: Vec<&Drop> = drops.iter().filter(|drop| drop.subject == Subject::Pool).collect();
        let why = |id: &str| dropped.iter().find(|drop| drop.name.as_deref() == Some(id)).map(|drop| (*drop).clone());
        let mut this = Self { hops: hops(auction, liquidity, order), direct: Vec::new(), kept: [0; 2], dropped: Vec::new() };
        for pool in request.liquidity.iter().flatten() {
            let holds = ends.each_ref().map(|token| holds(&pool.kind, token));
            let drop = why(&pool.id);
            if holds == [true, true] {
                this.direct.push(Paired { id: pool.id.clone(), dropped: drop });
            } else if holds != [false, false] {
                match drop {
                    Some(drop) => this.dropped.push(drop),
                    None => this.kept.iter_mut().zip(holds).for_each(|(kept, holds)| *kept += usize::from(holds)),
                }
            }
        }
        this.dropped.extend(dropped.iter().filter(|drop| drop.reason == "malformed").map(|drop| (*drop).clone()));
        this
    }
}

/// Swaps on the shortest way.
fn hops(auction: &Auction, liquidity: &Liquidity, order: &Order) -> Option<usize> {
    let mut graph: UnGraphMap<Token, ()> = UnGraphMap::new();
    let markets: FxHashSet<usize> = (0..liquidity.len() as MarketId).map(|market| liquidity.pool(market)).collect();
    for pool in markets {
        let coins = &auction.pools[pool].coins;
        for (k, &a) in coins.iter().enumerate() {
            for &b in coins.iter().skip(k + 1) {
                graph.add_edge(a, b, ());
            }
        }
    }
    if !graph.contains_node(order.sell) {
        return None;
    }
    dijkstra(&graph, order.sell, Some(order.buy), |_| 1).get(&order.buy).copied()
}

fn holds(kind: &LiquidityKind, token: &alloy_primitives::Address) -> bool {
    match kind {
        LiquidityKind::ConstantProduct(pool) => pool.tokens.contains_key(token),
        LiquidityKind::WeightedProduct(pool) => pool.tokens.contains_key(token),
        LiquidityKind::Stable(pool) => pool.tokens.contains_key(token),
        LiquidityKind::ConcentratedLiquidity(pool) => pool.tokens.contains(token),
        LiquidityKind::LimitOrder(order) => [order.maker_token, order.taker_token].contains(token),
    }
}
