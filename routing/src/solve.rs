//! The loop: prices with gas, a choice of markets, flows, certificate.
//!
//! 1. **Prices** over all markets, each at its gas or not at all: the minimum of the gas-aware dual, its corners rounded less and
//!    less. It is the bound, and the markets it uses, in whole or in part, are the first choice.
//! 2. **Choice.** On a choice of markets everything is convex again and the dual gives its worth in a few dozen evaluations of a
//!    few markets, without a programme: so choices are compared by the hundred. Markets that do not earn their gas are dropped
//!    gradually, markets that would are added, then one is dropped or added at a time for as long as it helps; the same from
//!    the best single path and from the best few.
//! 3. **Flows** by the linear programme on the best choice.

use rustc_hash::FxHashSet;

use crate::budget::Budget;
use crate::dual::{Minimum, Stop, Workspace, minimise};
use crate::market::{MarketId, Markets, Token};
use crate::path::{Hops, Path, best_path};
use crate::problem::{Certificate, Outcome, Problem, Status};
use crate::program::{self, Flows};
use crate::view::{Kept, Renumber, Smoothing, View, gas};

/// Corner widths of the gas-aware dual, as parts of the gas, with the smoothing of limits beside them.
const STAGES: [(f64, f64); 3] = [(1.0, 1e-3), (0.3, 1e-4), (0.05, 1e-5)];
/// Smoothing of limits once markets are chosen.
const FINE: f64 = 3e-6;
/// A convex gap that is as good as none: a part of the problem's scale (10⁻⁴ basis points).
const CLOSED: f64 = 1e-8;
/// Width of the chords where prices did not converge.
const COARSE: f64 = 1e-2;
/// Longest single path that is tried.
const PATH_HOPS: usize = 4;
/// Paths that are split over.
const PATHS: usize = 5;

/// Markets with what is derived of them once and used by every solve.
#[derive(Debug, Clone)]
pub struct Snapshot {
    markets: Markets,
    hops: Hops,
    identity: Vec<Token>,
}

impl Snapshot {
    /// Takes the markets as they are.
    pub fn new(markets: Markets) -> Self {
        let hops = Hops::new(&markets);
        let identity = (0..markets.tokens() as Token).collect();
        Self { markets, hops, identity }
    }

    /// The markets.
    pub fn markets(&self) -> &Markets {
        &self.markets
    }

    /// The ways between tokens.
    pub fn hops(&self) -> &Hops {
        &self.hops
    }
}

/// Finds the best flows for `problem`. `warm` are prices to start from, such as those of a solve before; without, every
/// token starts at one, its reference value. Markets for which `barred` is true are not used.
pub fn solve(snapshot: &Snapshot, problem: &Problem, warm: Option<&[f64]>, barred: &[MarketId], budget: &Budget) -> Outcome {
    Search::new(snapshot, problem, warm, barred, budget).run()
}

/// A choice of markets with its worth.
#[derive(Debug, Clone)]
struct Choice {
    kept: Vec<Kept>,
    /// The dual value: a bound on the choice.
    bound: f64,
    /// The same if the prices converged, else what the programme makes of them.
    value: f64,
    /// Prices of the tokens that the choice touches.
    prices: Vec<(Token, f64)>,
    /// Profit less gas of each market kept.
    margins: Vec<f64>,
    converged: bool,
}

struct Search<'a> {
    snapshot: &'a Snapshot,
    problem: &'a Problem,
    barred: &'a [MarketId],
    budget: &'a Budget<'a>,
    /// Prices of all tokens.
    prices: Vec<f64>,
    /// What a unit of gas costs in the objective.
    gas_value: f64,
    bound: f64,
    work: Workspace,
    renumber: Renumber,
    seen: FxHashSet<Vec<Kept>>,
    best: Option<Choice>,
}

impl<'a> Search<'a> {
    fn new(
        snapshot: &'a Snapshot,
        problem: &'a Problem,
        warm: Option<&[f64]>,
        barred: &'a [MarketId],
        budget: &'a Budget<'a>,
    ) -> Self {
        let mut prices = vec![1.0; snapshot.markets.tokens()];
        if let Some(warm) = warm.filter(|w| w.len() == prices.len()) {
            prices.copy_from_slice(warm);
        }
        let mut search = Self {
            snapshot,
            problem,
            barred,
            budget,
            prices,
            gas_value: 0.0,
            bound: f64::INFINITY,
            work: Workspace::default(),
            renumber: Renumber::default(),
            seen: FxHashSet::default(),
            best: None,
        };
        search.reprice_gas();
        search
    }

    fn run(mut self) -> Outcome {
        let mut pool = self.first_prices();
        self.choose(&mut pool);
        self.finish()
    }

    fn reprice_gas(&mut self) {
        let price = self.prices.get(self.problem.gas.token as usize).copied().unwrap_or(1.0);
        self.gas_value = self.problem.gas.price * price;
    }

    /// Step 1: prices over all markets. Returns the markets that they use.
    fn first_prices(&mut self) -> Vec<Kept> {
        let snapshot = self.snapshot;
        let mut view = View::whole(&snapshot.markets, &snapshot.identity, self.problem);
        view.bar(self.barred);
        let mut prices = std::mem::take(&mut self.prices);
        for (stage, (width, linear)) in STAGES.into_iter().enumerate() {
            let smoothing = Smoothing { gas: Some(width), gas_value: self.gas_value, linear };
            let stop = Stop { tolerance: if stage + 1 == STAGES.len() { 1e-5 } else { 1e-3 }, iterations: 40 };
            let minimum = minimise(&view, &mut prices, &smoothing, stop, &mut self.work);
            let gas_price = self.problem.gas.price * prices[self.problem.gas.token as usize];
            self.bound = self.bound.min(view.bound(&prices, gas_price));
            self.gas_value = gas_price;
                if !self.budget.spend(u64::from(minimum.evaluations) * view.size()) {
                break;
            }
        }
        self.prices = prices;
        let last = self.work.last();
        let mut kept: Vec<Kept> = Vec::new();
        for active in last.pairs.iter().filter(|p| (p.index as usize) < view.pairs.len()) {
            let pair = &view.pairs[active.index as usize];
            kept.push(Kept { market: pair.market, coins: (1 << pair.coins[0]) | (1 << pair.coins[1]) });
        }
        for active in &last.blocks {
            let moved = active.response.trade.iter().enumerate().filter(|(_, z)| **z != 0.0).fold(0, |mask, (k, _)| mask | (1 << k));
            kept.push(Kept { market: view.blocks[active.index as usize].market, coins: moved });
        }
        kept.sort_unstable();
        kept
    }

    /// The worth of a choice, from warm prices.
    fn weigh(&mut self, mut kept: Vec<Kept>) -> Option<Choice> {
        kept.sort_unstable();
        if self.seen.contains(&kept) || self.budget.is_spent() {
            return None;
        }
        let view = View::part(&self.snapshot.markets, self.problem, &kept, &mut self.renumber);
        let smoothing = Smoothing { gas: None, gas_value: self.gas_value, linear: FINE };
        let mut nu: Vec<f64> = match &self.best {
            // Tokens that the best choice priced are closer there.
            Some(best) => view
                .tokens
                .iter()
                .map(|t| best.prices.iter().find(|(token, _)| token == t).map_or(self.prices[*t as usize], |p| p.1))
                .collect(),
            None => view.tokens.iter().map(|&t| self.prices[t as usize]).collect(),
        };
        let stop = Stop { tolerance: 1e-9, iterations: 60 };
        let minimum: Minimum = minimise(&view, &mut nu, &smoothing, stop, &mut self.work);
        self.budget.spend(u64::from(minimum.evaluations) * view.size());
        let bound = view.bound(&nu, 0.0);
        self.seen.insert(kept.clone());
        let mut margins = vec![f64::NEG_INFINITY; kept.len()];
        view.profits(&nu, |_, market, profit| {
            if let Some(k) = kept.iter().position(|k| k.market == market) {
                let swaps = f64::from(kept[k].coins.count_ones().saturating_sub(1));
                margins[k] = profit - swaps * self.snapshot.markets.gas(market) * self.gas_value;
            }
        });
        let promising = self.best.as_ref().is_none_or(|best| bound > best.value);
        let value = if minimum.converged || !promising {
            bound
        } else {
            program::solve(&view, &nu, COARSE, None).map_or(f64::NEG_INFINITY, |flows| flows.gross)
        };
        let prices = view.tokens.iter().copied().zip(nu).collect();
        Some(Choice { kept, bound, value, prices, margins, converged: minimum.converged })
    }

    /// Weighs a choice and keeps it if it is the best.
    fn consider(&mut self, kept: Vec<Kept>) -> Option<(Choice, bool)> {
        let choice = self.weigh(kept)?;
        let better = self.best.as_ref().is_none_or(|best| choice.value > best.value + 1e-12 * best.value.abs());
        if better {
            self.best = Some(choice.clone());
        }
        Some((choice, better))
    }

    /// Step 2: which markets.
    fn choose(&mut self, first: &mut Vec<Kept>) {
        self.prune(std::mem::take(first));
        for kept in self.paths() {
            self.prune(kept);
        }
        // Prices of the best choice bound the whole as well.
        for _ in 0..16 {
            let outside = self.outsiders();
            let mut improved = false;
            for candidate in outside.into_iter().take(8) {
                let Some(best) = &self.best else { return };
                let mut kept = best.kept.clone();
                match kept.iter_mut().find(|k| k.market == candidate.market) {
                    Some(k) => k.coins |= candidate.coins,
                    None => kept.push(candidate),
                }
                improved |= self.prune(kept);
            }
            improved |= self.drop_one();
            if !improved || self.budget.is_spent() {
                break;
            }
        }
    }

    /// Drops what does not earn its gas, the worst half first, until everything does. True if it found a new best.
    fn prune(&mut self, mut kept: Vec<Kept>) -> bool {
        let mut improved = false;
        while let Some((choice, better)) = self.consider(kept) {
            improved |= better;
            let mut failing: Vec<usize> = (0..choice.kept.len()).filter(|&k| choice.margins[k] < 0.0).collect();
            if failing.is_empty() {
                break;
            }
            failing.sort_by(|&a, &b| choice.margins[a].total_cmp(&choice.margins[b]));
            failing.truncate(failing.len().div_ceil(2));
            kept = (0..choice.kept.len()).filter(|k| !failing.contains(k)).map(|k| choice.kept[k]).collect();
        }
        improved
    }

    /// Tries the best choice without each of its markets, and without each coin of the larger ones; least margin first.
    fn drop_one(&mut self) -> bool {
        let mut improved = false;
        'again: while let Some(best) = self.best.clone() {
            let mut order: Vec<usize> = (0..best.kept.len()).collect();
            order.sort_by(|&a, &b| best.margins[a].total_cmp(&best.margins[b]));
            for k in order {
                let gas = self.snapshot.markets.gas(best.kept[k].market) * self.gas_value;
                // A market that earns many times its gas stays.
                if best.margins[k] > 20.0 * gas {
                    break;
                }
                let coins = best.kept[k].coins;
                let mut options = vec![0];
                if coins.count_ones() > 2 {
                    options.extend((0..8).map(|c| 1 << c).filter(|c| coins & c != 0).map(|c| coins & !c));
                }
                for option in options {
                    let mut kept = best.kept.clone();
                    if option == 0 {
                        kept.remove(k);
                    } else {
                        kept[k].coins = option;
                    }
                    if self.prune(kept) {
                        improved = true;
                        continue 'again;
                    }
                }
            }
            break;
        }
        improved
    }

    /// Markets outside of the best choice that would earn their gas at its prices, best first.
    fn outsiders(&mut self) -> Vec<Kept> {
        let Some(best) = &self.best else { return Vec::new() };
        let mut prices = self.prices.clone();
        for &(token, price) in &best.prices {
            prices[token as usize] = price;
        }
        let snapshot = self.snapshot;
        let mut view = View::whole(&snapshot.markets, &snapshot.identity, self.problem);
        view.bar(self.barred);
        let gas_value = self.problem.gas.price * prices[self.problem.gas.token as usize];
        self.bound = self.bound.min(view.bound(&prices, gas_value));
        let mut found: Vec<(f64, Kept)> = Vec::new();
        view.profits(&prices, |coins, market, profit| {
            let margin = profit - snapshot.markets.gas(market) * gas_value;
            let known = best.kept.iter().any(|k| k.market == market && k.coins & coins == coins);
            if margin > 0.0 && !known {
                found.push((margin, Kept { market, coins }));
            }
        });
        self.budget.spend(2 * view.size());
        found.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        found.into_iter().map(|f| f.1).collect()
    }

    /// The best single path and the best few that share no market, for each way the problem trades.
    fn paths(&mut self) -> Vec<Vec<Kept>> {
        let markets = &self.snapshot.markets;
        let mut found = Vec::new();
        for (from, to, amount) in self.ways() {
            let mut used: Vec<MarketId> = self.barred.to_vec();
            let mut union: Vec<Kept> = Vec::new();
            for k in 0..PATHS {
                let part = if k == 0 { amount } else { amount / PATHS as f64 };
                let usable = |market: MarketId| !used.contains(&market);
                let Some(path) = best_path(markets, &self.snapshot.hops, (from, to), part, PATH_HOPS, self.gas_value, usable) else {
                    break;
                };
                let kept: Vec<Kept> =
                    path.hops.iter().map(|h| Kept { market: h.market, coins: (1 << h.input) | (1 << h.output) }).collect();
                self.budget.spend(PATH_HOPS as u64 * markets.len() as u64);
                used.extend(kept.iter().map(|k| k.market));
                if k == 0 {
                    found.push(kept.clone());
                }
                union.extend(kept);
                if self.budget.is_spent() {
                    break;
                }
            }
            if !union.is_empty() {
                found.push(union);
            }
        }
        found
    }

    /// From which token into which, and how much at the most.
    fn ways(&self) -> Vec<(Token, Token, f64)> {
        let mut ways: Vec<(Token, Token, f64)> = self.problem.limits.iter().map(|l| (l.give, l.take, l.rate * l.cap)).collect();
        for wanted in &self.problem.wanted {
            for &(token, amount) in self.problem.endowment.iter().filter(|e| e.0 != wanted.token) {
                if amount > 0.0 {
                    ways.push((token, wanted.token, amount));
                } else {
                    ways.push((wanted.token, token, -amount));
                }
            }
        }
        ways
    }

    /// Step 3: flows and certificate.
    fn finish(mut self) -> Outcome {
        let Some(best) = self.best.take() else { return self.idle() };
        let view = View::part(&self.snapshot.markets, self.problem, &best.kept, &mut self.renumber);
        let mut nu: Vec<f64> = best.prices.iter().map(|p| p.1).collect();
        let (mut flows, mut bound): (Option<Flows>, f64) = (None, best.bound);
        let enough = CLOSED * view.scale();
        let gap = |bound: f64, flows: &Option<Flows>| flows.as_ref().map_or(f64::INFINITY, |f| bound - f.gross);
        for (linear, widths) in [(FINE, [1e-4, 1e-5]), (1e-8, [1e-4, 1e-6]), (1e-4, [1e-2, 1e-3]), (1e-6, [1e-3, 1e-4])] {
            if gap(bound, &flows) <= enough {
                break;
            }
            if linear != FINE {
                // The corners of limits, sharper; or, where that did not do, rounder and sharper again.
                let smoothing = Smoothing { gas: None, gas_value: self.gas_value, linear };
                let minimum = minimise(&view, &mut nu, &smoothing, Stop { tolerance: 1e-10, iterations: 60 }, &mut self.work);
                self.budget.spend(u64::from(minimum.evaluations) * view.size());
                bound = bound.min(view.bound(&nu, 0.0));
            }
            for delta in widths {
                // A programme that fails is no answer; the next width may do.
                if let Ok(found) = program::solve(&view, &nu, delta, flows.as_ref())
                    && flows.as_ref().is_none_or(|f| found.gross > f.gross)
                {
                    flows = Some(found);
                }
                if gap(bound, &flows) <= enough {
                    break;
                }
            }
        }
        let Some(flows) = flows.filter(|f| f.gross.is_finite()) else { return self.idle() };
        for (&token, &price) in view.tokens.iter().zip(&nu) {
            self.prices[token as usize] = price;
        }
        let status = if self.budget.is_spent() {
            Status::Budget
        } else if bound - flows.gross <= 100.0 * enough {
            Status::Optimal
        } else {
            Status::Feasible
        };
        let certificate = Certificate {
            value: flows.gross,
            gas: self.problem.gas.fixed + gas(&self.snapshot.markets, &best.kept),
            bound_kept: bound,
            bound: self.bound,
        };
        Outcome { flows: flows.markets, fills: flows.fills, prices: self.prices, certificate, status }
    }

    fn idle(self) -> Outcome {
        let certificate = Certificate { value: 0.0, gas: 0.0, bound_kept: 0.0, bound: self.bound };
        let fills = vec![0.0; self.problem.limits.len()];
        Outcome { flows: Vec::new(), fills, prices: self.prices, certificate, status: Status::Idle }
    }
}

/// A path as flows would have it, for whoever compares.
impl Path {
    /// Output less gas at `gas_value` a unit.
    pub fn net(&self, gas_value: f64) -> f64 {
        self.output - self.gas * gas_value
    }
}
