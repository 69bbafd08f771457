//! What one price a token costs at the least.
//!
//! Orders that tie tokens together ask for prices that do not fit each other. At logarithms π of what each token's price is above those that
//! orders are looked at at, an order that these leave `gain` above its limit is paid d = gain + π_sold − π_bought above it. For d < 0 it is
//! not filled. Which orders are filled, and at which prices, is a mixed-integer programme, one binary an order:
//!
//! ```text
//! min Σ slope·e + most·z    where  e ≥ d − d_most·z,  d ≥ d_least·z,  e ≥ 0,  z ∈ {0, 1}
//! ```
//!
//! Of orders that hardly count, a part may be filled: they lose less so, and it is a bound still. What makes it quick is that all d lie in short
//! ranges. Descent, one token after another, finds prices at which orders lose U in all. So one that would lose more than U by being left out is
//! filled, and paid no more than U/slope above its limit: such orders bound the prices of tokens to each other. Elsewhere no gap between two
//! prices that follow each other need be wider than the largest gain: made so narrow, it leaves nobody with more to lose.

use std::collections::BTreeSet;

use good_lp::{
    Expression, ProblemVariables, Solution, SolutionStatus, SolverModel, Variable, WithTimeLimit, constraint, variable,
};
use petgraph::algo::bellman_ford;
use petgraph::graph::{DiGraph, NodeIndex};

use super::solved;
use crate::market::Token;

/// The most rounds of a descent.
const ROUNDS: usize = 20;
/// What a solver's answer may be off by, as a part of it.
const OFF: f64 = 1e-6;
/// Orders that lose no less than such a part of all by being left out are decided on: one programme after another, until one is solved in time.
const DECIDED: [f64; 3] = [0.02, 0.1, f64::INFINITY];
/// The most that one of these may take.
const SECONDS: f64 = 0.1;

/// An order that ties two tokens together.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tie {
    pub sold: Token,
    pub bought: Token,
    /// Logarithm of what prices are above its limit where no token's price changes; positive.
    pub gain: f64,
    /// What is lost for each unit of the logarithm that it is paid above its limit.
    pub slope: f64,
    /// The most that is lost: where it is paid so much that this is less, and where it is left out.
    pub most: f64,
}

/// Orders, and the tokens that they tie together.
pub(crate) struct Network {
    /// With dense indices of tokens.
    ties: Vec<Tie>,
    /// By token: the ties that it is part of.
    of: Vec<Vec<usize>>,
}

impl Tie {
    fn ends(&self) -> [usize; 2] {
        [self.sold, self.bought].map(|t| t as usize)
    }

    /// How far its price is above its limit.
    fn above(&self, prices: &[f64]) -> f64 {
        let [sold, bought] = self.ends();
        self.gain + prices[sold] - prices[bought]
    }

    fn loses(&self, prices: &[f64]) -> f64 {
        let above = self.above(prices);
        // A limit that is met to the last digit is met.
        if above < -1e-12 { self.most } else { self.most.min(self.slope * above.max(0.0)) }
    }
}

impl Network {
    pub fn new(ties: &[Tie]) -> Self {
        let tokens: Vec<Token> =
            ties.iter().flat_map(|tie| [tie.sold, tie.bought]).collect::<BTreeSet<_>>().into_iter().collect();
        let local = |token: Token| tokens.partition_point(|other| *other < token) as Token;
        let ties: Vec<Tie> = ties.iter().map(|tie| Tie { sold: local(tie.sold), bought: local(tie.bought), ..*tie }).collect();
        let mut of = vec![Vec::new(); tokens.len()];
        ties.iter().enumerate().for_each(|(k, tie)| tie.ends().iter().for_each(|&t| of[t].push(k)));
        Self { ties, of }
    }

    /// What each order loses at prices that are found one after another: each token's is one at which some order of it is paid its limit.
    pub fn descend(&self) -> Vec<f64> {
        let mut prices = vec![0.0; self.of.len()];
        for _ in 0..ROUNDS {
            let mut is_better = false;
            for (t, ties) in self.of.iter().enumerate() {
                let lost = |prices: &[f64]| ties.iter().map(|&k| self.ties[k].loses(prices)).sum::<f64>();
                let mut best = (lost(&prices), prices[t]);
                let before = best;
                for tie in ties.iter().map(|&k| &self.ties[k]) {
                    let above = tie.above(&prices);
                    prices[t] += if tie.sold as usize == t { -above } else { above };
                    let found = lost(&prices);
                    if found < best.0 * (1.0 - OFF) {
                        best = (found, prices[t]);
                    }
                }
                prices[t] = best.1;
                is_better |= best.0 < before.0;
            }
            if !is_better {
                break;
            }
        }
        self.ties.iter().map(|tie| tie.loses(&prices)).collect()
    }

    /// The least that orders lose together at any prices, where they lose so much at some.
    pub fn least(&self, most: f64) -> f64 {
        if most <= 0.0 {
            return 0.0;
        }
        let ranges = self.ranges(most);
        // Where that takes too long, fewer are decided on, and the others may be left out for a part.
        let least = DECIDED.iter().find_map(|part| self.programme(&ranges, most, part * most));
        (least.unwrap_or(0.0) * (1.0 - OFF)).clamp(0.0, most)
    }

    /// Whether an order is filled where no more than so much is lost.
    fn is_filled(tie: &Tie, most: f64) -> bool {
        tie.most > most
    }

    /// Between which logarithms each token's price lies where no more than so much is lost.
    fn ranges(&self, most: f64) -> Vec<[f64; 2]> {
        let widest = self.ties.iter().map(|tie| tie.gain).fold(0.0, f64::max);
        let spread = widest * self.of.len() as f64;
        // The price of an edge's end is at most that of its beginning and what the edge says.
        let mut graph: DiGraph<(), f64> = DiGraph::new();
        let nodes: Vec<NodeIndex> = self.of.iter().map(|_| graph.add_node(())).collect();
        for tie in self.ties.iter().filter(|tie| Self::is_filled(tie, most)) {
            let [sold, bought] = tie.ends().map(|t| nodes[t]);
            graph.add_edge(sold, bought, tie.gain);
            graph.add_edge(bought, sold, most / tie.slope - tie.gain);
        }
        // One token's price may be any: that of the token with most such orders.
        let Some(first) = nodes.iter().copied().max_by_key(|&node| graph.edges(node).count()) else { return Vec::new() };
        let high = bellman_ford(&graph, first).map(|paths| paths.distances);
        graph.reverse();
        let low = bellman_ford(&graph, first).map(|paths| paths.distances);
        let (Ok(high), Ok(low)) = (high, low) else { return vec![[-spread, spread]; nodes.len()] };
        low.iter().zip(&high).map(|(low, high)| [(-low).max(-spread), high.min(spread)]).collect()
    }

    /// The programme, in which orders that lose no less than so much by being left out are filled whole or not at all, and others for any part.
    fn programme(&self, ranges: &[[f64; 2]], most: f64, decided: f64) -> Option<f64> {
        let mut variables = ProblemVariables::new();
        let prices: Vec<Variable> = ranges.iter().map(|&[low, high]| variables.add(variable().min(low).max(high))).collect();
        let mut lost = Expression::default();
        let mut held = Vec::new();
        for tie in &self.ties {
            let [sold, bought] = tie.ends();
            let least = tie.gain + ranges[sold][0] - ranges[bought][1];
            let widest = tie.gain + ranges[sold][1] - ranges[bought][0];
            if widest < 0.0 {
                lost += tie.most;
                continue;
            }
            let above = tie.gain + prices[sold] - prices[bought];
            let pays = variables.add(variable().min(0.0));
            lost += tie.slope * pays;
            if Self::is_filled(tie, most) {
                held.push(constraint!(above == pays));
                continue;
            }
            let out = if tie.most >= decided { variable().binary() } else { variable().min(0.0).max(1.0) };
            let out = variables.add(out);
            lost += tie.most * out;
            held.push(constraint!(above.clone() >= least.min(0.0) * out));
            held.push(constraint!(pays >= above - widest * out));
        }
        let model = variables.minimise(lost.clone()).using(good_lp::default_solver).with_time_limit(SECONDS);
        let solution = solved(held.into_iter().fold(model, SolverModel::with)).ok()?;
        matches!(solution.status(), SolutionStatus::Optimal).then(|| solution.eval(lost))
    }
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    fn least(ties: &[Tie]) -> f64 {
        let network = Network::new(ties);
        network.least(network.descend().iter().sum())
    }

    fn tie(sold: Token, bought: Token, gain: f64, slope: f64, most: f64) -> Tie {
        Tie { sold, bought, gain, slope, most }
    }

    #[test]
    fn two_that_trade_against_each_other_lose_what_lies_between_them() {
        // One of them has the three hundredths between the limits: the cheaper one; or is left out, where that is cheaper still.
        assert!((least(&[tie(4, 7, 0.02, 10.0, 1.0), tie(7, 4, 0.01, 8.0, 1.0)]) - 0.24).abs() < 1e-6);
        assert!((least(&[tie(4, 7, 0.02, 10.0, 0.1), tie(7, 4, 0.01, 8.0, 1.0)]) - 0.1).abs() < 1e-6);
    }

    #[test]
    fn those_that_fit_each_other_lose_nothing() {
        assert_eq!(least(&[]), 0.0);
        assert!(least(&[tie(0, 1, 0.02, 10.0, 1.0), tie(1, 2, 0.05, 10.0, 1.0), tie(0, 3, 0.3, 1.0, 9.0)]) < 1e-9);
    }

    /// Three tokens: the least is lost where two orders are paid their limits, or so much that they lose all they can.
    #[test]
    fn it_is_what_trying_all_finds() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let mut lost = 0;
        for _ in 0..300 {
            let ties: Vec<Tie> = (0..rng.random_range(2..7))
                .map(|_| {
                    let sold = rng.random_range(0..3);
                    let bought = (sold + rng.random_range(1..3)) % 3;
                    tie(sold, bought, rng.random_range(0.0..0.1), rng.random_range(0.1..5.0), rng.random_range(0.01..0.5))
                })
                .collect();
            let at = |prices: &[f64]| ties.iter().map(|tie| tie.loses(prices)).sum::<f64>();
            let mut best = ties.iter().map(|tie| tie.most).sum::<f64>();
            // Where π_sold − π_bought is so much; or the tokens are far from each other.
            let at_limits =
                ties.iter().flat_map(|tie| [0.0, tie.most / tie.slope].map(|above| (tie.sold, tie.bought, above - tie.gain)));
            let far = [(0, 1), (0, 2), (1, 2)].into_iter().flat_map(|(a, b)| [9.0, -9.0].map(|far| (a, b, far)));
            let sides: Vec<(Token, Token, f64)> = at_limits.chain(far).collect();
            for (k, &(sold, bought, one)) in sides.iter().enumerate() {
                for &(other_sold, other_bought, other) in &sides[..k] {
                    // Token 0 stays.
                    let row = |sold: Token, bought: Token| [1, 2].map(|t| f64::from(sold == t) - f64::from(bought == t));
                    let ([a, b], [c, d]) = (row(sold, bought), row(other_sold, other_bought));
                    let det = a * d - b * c;
                    if det != 0.0 {
                        best = best.min(at(&[0.0, (one * d - b * other) / det, (a * other - one * c) / det]));
                    }
                }
            }
            let found = least(&ties);
            // Of those that lose little by being left out a part may be.
            assert!((0.9 * best - 1e-6..=best * (1.0 + 1e-6)).contains(&found), "{found}, and {best} by trying all: {ties:?}");
            lost += usize::from(best > 1e-3);
        }
        assert!(lost > 100, "{lost}");
    }
}
