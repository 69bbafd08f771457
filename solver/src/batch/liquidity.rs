//! The liquidity graph: the auction's pools, less those that are dead, dust or poisoned, in value units.

use ballast_adapters::{Face, Market};
use ballast_routing::curve::{Curve, PerCoin};
use ballast_routing::{Budget, Hop, MarketId, Markets, Snapshot, Token, clearing_prices};
use petgraph::graph::NodeIndex;
use petgraph::stable_graph::StableUnGraph;
use rustc_hash::FxHashSet;

use super::prices::{Quoted, Units, WEI_PER_UNIT};
use super::step::Way;
use crate::auction::{Auction, Drops, Pool, Subject};
use crate::config::Config;

/// A 2 % move of the price takes about a hundredth of a balance.
const DEPTH_TO_BALANCE: f64 = 100.0;

/// The pools that can be traded with, as the optimiser sees them.
#[derive(Debug, Clone)]
pub struct Liquidity {
    /// Markets, in value units.
    pub snapshot: Snapshot,
    /// What an atom of each token is worth.
    pub units: Units,
    /// The auction's pool behind each market.
    pool_of: Vec<usize>,
    numeraire: Token,
    /// Value units for a unit of gas.
    pub gas_price: f64,
}

impl Liquidity {
    /// Builds the graph. What is left out is added to `drops`.
    pub fn new(auction: &Auction, config: &Config, drops: &mut Drops) -> Self {
        Self::around(auction, config, drops, &[], 0)
    }

    /// The same, with `traded` as tokens that are traded besides those of the orders, and `more` tokens after [`Self::numeraire`] that no
    /// market trades.
    pub fn around(auction: &Auction, config: &Config, drops: &mut Drops, traded: &[Token], more: usize) -> Self {
        let gas_price = f64::from(auction.gas_price) / WEI_PER_UNIT;
        let mut out =
            |pool: &Pool, reason: &str, detail: String| drops.add(Subject::Pool, Some(pool.id.clone()), reason, &detail);
        let denied: FxHashSet<Token> = config.denied_tokens.iter().filter_map(|t| auction.index.get(t).copied()).collect();
        let mut quoted = Vec::with_capacity(auction.pools.len());
        let mut source = Vec::with_capacity(auction.pools.len());
        for (index, pool) in auction.pools.iter().enumerate() {
            if config.denied_pools.contains(&pool.address) {
                out(pool, "pool denied by the operator", String::new());
                continue;
            }
            if let Some(token) = pool.coins.iter().find(|t| denied.contains(t)) {
                out(pool, "token denied by the operator", auction.token(*token).name());
                continue;
            }
            let quotes = pool.market.quotes();
            if quotes.len() != pool.coins.len() || quotes.iter().any(|q| !(q.worth > 0.0 && q.worth.is_finite())) {
                out(pool, "no price", String::new());
                continue;
            }
            quoted.push(Quoted { pool, quotes });
            source.push(index);
        }
        let units = Units::new(auction, &quoted, config.quarantine_factor);
        let mut keep: Vec<bool> = Vec::with_capacity(quoted.len());
        for Quoted { pool, quotes } in &quoted {
            let prices: PerCoin<f64> = pool.coins.iter().filter_map(|&t| units.get(t)).collect();
            if prices.len() != pool.coins.len() {
                out(pool, "island: no way to a priced token", String::new());
                keep.push(false);
                continue;
            }
            // An atom's worth in the pool over its worth elsewhere: the same for all coins of a pool that agrees.
            let ratios = || quotes.iter().zip(&prices).map(|(q, unit)| q.worth / unit);
            let (low, high) = ratios().fold((f64::INFINITY, 0.0_f64), |(l, h), r| (l.min(r), h.max(r)));
            let limit_order = matches!(pool.market, Market::LimitOrder(_));
            // A foreign order off the market to its maker's favour is merely of no use.
            let useless = limit_order
                && matches!((quotes.first(), quotes.last(), &prices[..]), (Some(t), Some(m), &[ut, um]) if t.worth / ut <= m.worth / um);
            if high > low * config.quarantine_factor && !useless {
                out(pool, "quarantined: price off the consensus", format!("by a factor of {:.3}", high / low));
                keep.push(false);
                continue;
            }
            let worth = quotes.iter().zip(&prices).map(|(q, unit)| q.depth * unit * DEPTH_TO_BALANCE).fold(0.0, f64::max);
            if !limit_order && worth < pool.gas as f64 * gas_price {
                out(pool, "dust: worth less than the gas of a swap", format!("{:.6} native", worth / 1e3));
                keep.push(false);
                continue;
            }
            keep.push(true);
        }
        for index in dead_ends(auction, &quoted, &keep, traded) {
            out(quoted[index].pool, "dead end: leads to a token nobody trades", String::new());
            keep[index] = false;
        }
        // One more than there are: no market trades it, and gas can be counted in it.
        let numeraire = auction.tokens.len();
        let mut markets = Markets::new(numeraire + 1 + more);
        let mut pool_of = Vec::new();
        for ((Quoted { pool, .. }, index), _) in quoted.iter().zip(source).zip(keep).filter(|(_, keep)| *keep) {
            let prices: PerCoin<f64> = pool.coins.iter().filter_map(|&t| units.get(t)).collect();
            let added = pool.market.curve(&prices).map(|curve| markets.add(&pool.coins, curve, pool.gas as f64));
            match added {
                Some(Ok(_)) => pool_of.push(index),
                Some(Err(error)) => out(pool, "numbers beyond doubles", error.to_string()),
                None => out(pool, "numbers beyond doubles", String::new()),
            }
        }
        Self { snapshot: Snapshot::new(markets), units, pool_of, gas_price, numeraire: numeraire as Token }
    }

    /// Follows trades that moved some of the auction's pools, by their places. `None` where one of them is beyond doubles now: some may have been
    /// followed then.
    pub(crate) fn follow(&mut self, auction: &Auction, moved: impl IntoIterator<Item = usize>) -> Option<()> {
        let moved = moved.into_iter().filter_map(|pool| Some((self.market(pool)?, auction.pools.get(pool)?)));
        let curve = |(market, pool): (MarketId, &Pool)| {
            let prices: PerCoin<f64> = pool.coins.iter().filter_map(|&t| self.units.get(t)).collect();
            Some((market, pool.market.curve(&prices)?))
        };
        let curves: Vec<(MarketId, Curve)> = moved.map(curve).collect::<Option<_>>()?;
        self.snapshot.follow(curves).ok()
    }

    /// The auction's index of the pool behind a market.
    pub fn pool(&self, market: MarketId) -> usize {
        self.pool_of[market as usize]
    }

    /// The optimiser's name of a way through one of the auction's pools, if that takes part.
    pub(crate) fn hop(&self, auction: &Auction, way: &Way) -> Option<Hop> {
        let pool = auction.pools.get(way.pool)?;
        let (market, input, output) = (self.market(way.pool)?, pool.coin(way.input)?, pool.coin(way.output)?);
        Some(Hop { market, input: input as u8, output: output as u8 })
    }

    /// The market of one of the auction's pools, if it takes part.
    pub fn market(&self, pool: usize) -> Option<MarketId> {
        self.pool_of.binary_search(&pool).ok().map(|market| market as MarketId)
    }

    /// A token that no market trades, worth a value unit: what gas is counted in where several orders pay for it.
    pub fn numeraire(&self) -> Token {
        self.numeraire
    }

    /// Prices at which no cycle pays for its gas: where every order starts from.
    pub fn clearing_prices(&self, stop: &(dyn Fn() -> bool + Sync)) -> Vec<f64> {
        let Some(anchor) = self.snapshot.hub() else { return Vec::new() };
        clearing_prices(&self.snapshot, anchor, self.gas_price, None, &Budget::until(u64::MAX, stop))
    }

    /// How many markets there are.
    pub fn len(&self) -> usize {
        self.pool_of.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.pool_of.is_empty()
    }
}

/// Pools of two coins of which one is in no other pool and no order: nothing can be gained there. Removing one may strand the
/// next.
///
/// The graph has tokens and pools for nodes, and an edge wherever a pool holds a token.
fn dead_ends(auction: &Auction, pools: &[Quoted], keep: &[bool], more: &[Token]) -> Vec<usize> {
    let tokens = auction.tokens.len();
    let mut graph: StableUnGraph<(), ()> = StableUnGraph::with_capacity(tokens + pools.len(), 3 * pools.len());
    let nodes: Vec<NodeIndex> = (0..tokens + pools.len()).map(|_| graph.add_node(())).collect();
    for (p, Quoted { pool, .. }) in pools.iter().enumerate().filter(|(p, _)| keep[*p]) {
        for &token in &pool.coins {
            graph.add_edge(nodes[tokens + p], nodes[token as usize], ());
        }
    }
    let mut traded = vec![false; tokens];
    for order in &auction.orders {
        traded[order.sell as usize] = true;
        traded[order.buy as usize] = true;
    }
    for &token in more {
        traded[token as usize] = true;
    }
    let dead =
        |graph: &StableUnGraph<(), ()>, token: NodeIndex| !traded[token.index()] && graph.neighbors(token).take(2).count() == 1;
    let mut found = Vec::new();
    let mut queue: Vec<NodeIndex> = nodes[..tokens].iter().copied().filter(|&token| dead(&graph, token)).collect();
    while let Some(token) = queue.pop() {
        let Some(node) = graph.neighbors(token).next().filter(|_| dead(&graph, token)) else { continue };
        let pool = node.index() - tokens;
        if pools[pool].pool.coins.len() == 2 {
            let others: Vec<NodeIndex> = graph.neighbors(node).collect();
            graph.remove_node(node);
            queue.extend(others.into_iter().filter(|&other| dead(&graph, other)));
            found.push(pool);
        }
    }
    found.sort_unstable();
    found
}
