//! Single paths: the incumbents that every search starts from, and the opponents it is measured against.

use petgraph::Direction;
use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::EdgeRef;

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

/// A hop with what it pays at the margin, which most searches need not look further than.
#[derive(Debug, Clone, Copy)]
struct Way {
    hop: Hop,
    rate: f64,
}

/// The liquidity graph: tokens, and every way from one to another.
#[derive(Debug, Clone, Default)]
pub struct Hops(DiGraph<(), Way>);

impl Hops {
    /// All hops over all markets.
    pub fn new(markets: &Markets) -> Self {
        let mut graph = DiGraph::with_capacity(markets.tokens(), 2 * markets.len());
        for _ in 0..markets.tokens() {
            graph.add_node(());
        }
        for market in 0..markets.len() as MarketId {
            let (coins, curve) = (markets.coins(market), markets.curve(market));
            for i in 0..coins.len() {
                for j in (0..coins.len()).filter(|&j| j != i) {
                    let way = Way { hop: Hop { market, input: i as u8, output: j as u8 }, rate: curve.rate(i, j) };
                    if way.rate > 0.0 {
                        graph.add_edge(NodeIndex::from(coins[i]), NodeIndex::from(coins[j]), way);
                    }
                }
            }
        }
        Self(graph)
    }

    fn out_of(&self, token: Token) -> impl Iterator<Item = (Way, Token)> {
        self.0.edges(NodeIndex::from(token)).map(|edge| (*edge.weight(), edge.target().index() as Token))
    }

    fn into(&self, token: Token) -> impl Iterator<Item = (Way, Token)> {
        let edges = self.0.edges_directed(NodeIndex::from(token), Direction::Incoming);
        edges.map(|edge| (*edge.weight(), edge.source().index() as Token))
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

/// Finds paths from one token to another, at many amounts.
///
/// A search labels tokens length by length with the best net amount that reaches them, as is usual; no token is visited twice. What
/// a label could still pay at the margins of the best ways that are left bounds it, and only those that may beat the best path
/// found so far go on: those bounds are found once, backwards from the target.
#[derive(Debug)]
pub struct Paths<'a> {
    markets: &'a Markets,
    hops: &'a Hops,
    from: Token,
    to: Token,
    /// By the number of hops left: the most that a unit of each token can become of the target.
    reach: Vec<Vec<f64>>,
    /// By length: the best label of each token, and which tokens have one.
    labels: Vec<Vec<Label>>,
    reached: Vec<Vec<Token>>,
}

#[derive(Debug, Clone, Copy)]
struct Label {
    amount: f64,
    /// The amount less the gas on the way; minus infinity where nothing arrived.
    net: f64,
    hop: Hop,
    previous: Token,
}

impl Label {
    const NONE: Self =
        Self { amount: 0.0, net: f64::NEG_INFINITY, hop: Hop { market: 0, input: 0, output: 0 }, previous: Token::MAX };
}

impl<'a> Paths<'a> {
    /// Prepares for paths of at most `most` hops. Costs a look at each hop for each but one of them.
    pub fn new(markets: &'a Markets, hops: &'a Hops, (from, to): (Token, Token), most: usize) -> Self {
        let mut reach = vec![vec![0.0; markets.tokens()]; most.max(1)];
        reach[0][to as usize] = 1.0;
        let mut changed = vec![to];
        for left in 1..reach.len() {
            let (known, rest) = reach.split_at_mut(left);
            let (known, next) = (&known[left - 1], &mut rest[0]);
            next.copy_from_slice(known);
            let mut grown = Vec::new();
            for &token in &changed {
                for (way, before) in hops.into(token) {
                    let value = way.rate * known[token as usize];
                    let best = &mut next[before as usize];
                    if value > *best {
                        if *best == known[before as usize] {
                            grown.push(before);
                        }
                        *best = value;
                    }
                }
            }
            changed = grown;
        }
        let labels = vec![vec![Label::NONE; markets.tokens()]; most];
        Self { markets, hops, from, to, reach, labels, reached: vec![Vec::new(); most] }
    }

    /// The best path for `amount` by output less gas at `gas_value` a unit. `held` says what flows over a hop already, whose gas is
    /// paid for then; hops for which it is `None` are passed over.
    pub fn best(&mut self, amount: f64, gas_value: f64, held: impl Fn(Hop) -> Option<f64>) -> Option<Path> {
        let most = self.labels.len();
        let mut best: Option<(usize, f64)> = None;
        for (level, reached) in self.labels.iter_mut().zip(&mut self.reached) {
            for token in reached.drain(..) {
                level[token as usize] = Label::NONE;
            }
        }
        for length in 1..=most {
            let frontier = if length == 1 { vec![self.from] } else { self.reached[length - 2].clone() };
            for token in frontier.into_iter().filter(|&t| t != self.to) {
                let (amount, net) = match length {
                    1 => (amount, amount),
                    _ => (self.labels[length - 2][token as usize].amount, self.labels[length - 2][token as usize].net),
                };
                for (Way { hop, rate }, next) in self.hops.out_of(token) {
                    // The most that can come of it: first at this token, then at the target.
                    let margin = amount * rate;
                    let spent = amount - net;
                    let known = self.labels[length - 1][next as usize].net;
                    let could = margin * self.reach[most - length][next as usize] - spent;
                    if margin - spent <= known || could <= best.map_or(0.0, |b| b.1) || next == self.from {
                        continue;
                    }
                    let Some(input) = held(hop) else { continue };
                    let curve = self.markets.curve(hop.market);
                    let (i, j) = (hop.input as usize, hop.output as usize);
                    if input + amount > curve.cap(i, j) || self.passed(length - 1, token, hop.market, next) {
                        continue;
                    }
                    let (output, gas) = if input > 0.0 {
                        (curve.output(i, j, input + amount) - curve.output(i, j, input), 0.0)
                    } else {
                        (curve.output(i, j, amount), self.markets.gas(hop.market) * gas_value)
                    };
                    let value = output - spent - gas;
                    if value > known && output > 0.0 {
                        if known == f64::NEG_INFINITY {
                            self.reached[length - 1].push(next);
                        }
                        self.labels[length - 1][next as usize] = Label { amount: output, net: value, hop, previous: token };
                        if next == self.to && best.is_none_or(|b| value > b.1) {
                            best = Some((length, value));
                        }
                    }
                }
            }
        }
        let (length, _) = best?;
        let output = self.labels[length - 1][self.to as usize].amount;
        let mut hops: Vec<Hop> = self.back(length, self.to).map(|label| label.hop).collect();
        hops.reverse();
        let gas = hops.iter().map(|hop| self.markets.gas(hop.market)).sum();
        Some(Path { hops, output, gas })
    }

    /// The labels on the way back from `token`, reached after `length` hops.
    fn back(&self, length: usize, mut token: Token) -> impl Iterator<Item = Label> {
        self.labels[..length].iter().rev().map(move |level| {
            let label = level[token as usize];
            token = label.previous;
            label
        })
    }

    /// Whether the way to `token` uses this market or comes through `next`.
    fn passed(&self, length: usize, token: Token, market: MarketId, next: Token) -> bool {
        token == next || self.back(length, token).any(|label| label.hop.market == market || label.previous == next)
    }
}
