//! Single paths: the incumbents that every search starts from, and the opponents it is measured against.

use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::EdgeRef;

use crate::curve::Curve;
use crate::market::{MarketId, Markets, Token};

/// One step of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hop {
    /// The market.
    pub market: MarketId,
    /// Its coin that is sold.
    pub input: u8,
    /// Its coin that is bought.
    pub output: u8,
}

/// The liquidity graph: tokens, and every way from one to another.
#[derive(Debug, Clone, Default)]
pub struct Hops(DiGraph<(), Hop>);

impl Hops {
    /// All hops over all markets.
    pub fn new(markets: &Markets) -> Self {
        let mut graph = DiGraph::with_capacity(markets.tokens(), 2 * markets.len());
        for _ in 0..markets.tokens() {
            graph.add_node(());
        }
        for market in 0..markets.len() as MarketId {
            let coins = markets.coins(market);
            let one_way = matches!(markets.curve(market), Curve::Linear(_));
            for i in 0..if one_way { 1 } else { coins.len() } {
                for j in (0..coins.len()).filter(|&j| j != i) {
                    let hop = Hop { market, input: i as u8, output: j as u8 };
                    graph.add_edge(NodeIndex::from(coins[i]), NodeIndex::from(coins[j]), hop);
                }
            }
        }
        Self(graph)
    }

    fn from(&self, token: Token) -> impl Iterator<Item = (Hop, Token)> {
        self.0.edges(NodeIndex::from(token)).map(|edge| (*edge.weight(), edge.target().index() as Token))
    }
}

/// What a path pays at an amount.
#[derive(Debug, Clone, Default)]
pub struct Path {
    /// Its steps.
    pub hops: Vec<Hop>,
    /// What comes out, value units.
    pub output: f64,
    /// Gas of its steps.
    pub gas: f64,
}

/// The best path of at most `most` hops for `amount` units of `from` into `to`, by output less gas at `gas_value` a unit.
/// Hops for which `usable` is false are passed over; no token is visited twice. Looks at each hop at most once a length:
/// the label with the best net amount survives at each token, as is usual.
pub fn best_path(
    markets: &Markets,
    hops: &Hops,
    (from, to): (Token, Token),
    amount: f64,
    most: usize,
    gas_value: f64,
    usable: impl Fn(Hop) -> bool,
) -> Option<Path> {
    #[derive(Clone, Copy)]
    struct Label {
        amount: f64,
        net: f64,
        hop: Hop,
        previous: Token,
    }
    let mut levels: Vec<Vec<Option<Label>>> = Vec::with_capacity(most);
    let mut frontier: Vec<(Token, f64, f64)> = vec![(from, amount, amount)];
    let mut best: Option<(usize, f64)> = None;
    let trace = |levels: &[Vec<Option<Label>>], length: usize, mut at: Token| -> Vec<(Hop, Token)> {
        let mut path = Vec::with_capacity(length);
        for level in levels[..length].iter().rev() {
            let Some(label) = level[at as usize] else { break };
            path.push((label.hop, at));
            at = label.previous;
        }
        path.reverse();
        path
    };
    for length in 1..=most {
        let mut level: Vec<Option<Label>> = vec![None; markets.tokens()];
        for &(token, held, net) in &frontier {
            let behind = trace(&levels, length - 1, token);
            for (hop, next) in hops.from(token) {
                if (length == most && next != to) || next == from || !usable(hop) {
                    continue;
                }
                let curve = markets.curve(hop.market);
                let (i, j) = (hop.input as usize, hop.output as usize);
                if held * curve.rate(i, j) <= level[next as usize].map_or(0.0, |l| l.net) || held > curve.cap(i, j) {
                    continue;
                }
                if behind.iter().any(|(h, t)| *t == next || h.market == hop.market) {
                    continue;
                }
                let output = curve.output(i, j, held);
                let value = output - (held - net) - markets.gas(hop.market) * gas_value;
                if value > level[next as usize].map_or(0.0, |l| l.net) {
                    level[next as usize] = Some(Label { amount: output, net: value, hop, previous: token });
                }
            }
        }
        if let Some(label) = level[to as usize]
            && best.is_none_or(|(_, net)| label.net > net)
        {
            best = Some((length, label.net));
        }
        frontier = (0..markets.tokens() as Token)
            .filter(|t| *t != to)
            .filter_map(|t| level[t as usize].map(|l| (t, l.amount, l.net)))
            .collect();
        levels.push(level);
    }
    let (length, _) = best?;
    let steps = trace(&levels, length, to);
    let output = levels[length - 1][to as usize]?.amount;
    let gas = steps.iter().map(|(hop, _)| markets.gas(hop.market)).sum();
    Some(Path { hops: steps.into_iter().map(|(hop, _)| hop).collect(), output, gas })
}
