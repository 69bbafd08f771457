//! The dual over the prices' logarithms by L-BFGS, as Diamandis, Resnick, Chitra, Angeris (2023) do it, gas by threshold: first all
//! markets, as if gas were free, then again without those that earn less than their gas. Prices become flows by our linear programme.

use std::cell::{Ref, RefCell};

use argmin::core::{CostFunction, Error, Executor, Gradient};
use argmin::solver::linesearch::MoreThuenteLineSearch;
use argmin::solver::quasinewton::LBFGS;
use ballast_routing::curve::{Curve, PerCoin, Response};
use ballast_routing::{Flow, Hop, MarketId, Outcome, Problem, Token, Wanted, flows_at};

use super::{Route, Task};

/// Steps that the method remembers.
const MEMORY: usize = 12;
/// Steps of a run, and runs from where the last one ended: the curves' kinks end a line search early.
const STEPS: u64 = 300;
const RUNS: usize = 5;
/// Parts of the stake that may be left over or short, and that a further run has to gain.
const RESIDUAL: f64 = 1e-6;
const PROGRESS: f64 = 1e-7;
/// The largest part of a price that the first step moves.
const FIRST_STEP: f64 = 0.01;
/// Fall of a foreign order's rate over its cap: L-BFGS needs slopes.
const SMOOTHING: f64 = 1e-4;
/// Times that markets are dropped.
const ROUNDS: usize = 16;

/// A market, and what tells at a glance whether it trades.
struct Site<'a> {
    market: MarketId,
    curve: &'a Curve,
    coins: &'a [Token],
    /// Which of them may trade.
    allowed: u8,
    /// Marginal values of the coins: the rate from i to j is γ·level_i/level_j.
    levels: PerCoin<f64>,
    gamma: f64,
}

impl<'a> Site<'a> {
    fn new(task: &'a Task, market: MarketId, allowed: u8) -> Self {
        let (curve, coins) = (task.markets().curve(market), task.markets().coins(market));
        // What trades in one direction only has no γ of its own.
        let (there, back) = (curve.rate(0, 1), curve.rate(1, 0));
        let gamma = if back > 0.0 { (there * back).sqrt() } else { 1.0 };
        let level = |k: usize| match (k, coins.len()) {
            (0, _) => 1.0,
            (_, 2) => gamma / there,
            _ => curve.rate(k, 0) / gamma,
        };
        Self { market, curve, coins, allowed, levels: (0..coins.len()).map(level).collect(), gamma }
    }

    /// The trade at these prices of its coins; nothing if it does not trade.
    fn respond(&self, prices: &[f64], response: &mut Response) -> bool {
        let ratios = || self.levels.iter().zip(prices).map(|(level, price)| level / price);
        let (low, high) = ratios().fold((f64::INFINITY, 0.0_f64), |(l, h), r| (l.min(r), h.max(r)));
        if low >= high * self.gamma {
            return false;
        }
        let &[a, b] = prices else {
            self.curve.respond(prices, self.allowed, response);
            return response.trade.iter().any(|z| *z != 0.0);
        };
        let forward = self.curve.rate(0, 1) * b > a;
        let (i, o, m) = if forward { (0, 1, a / b) } else { (1, 0, b / a) };
        if self.curve.rate(i, o) <= m {
            return false;
        }
        let answer = self.curve.respond_pair(i, o, m, SMOOTHING);
        response.trade.clear();
        response.trade.extend(if forward { [-answer.input, answer.output] } else { [answer.output, -answer.input] });
        answer.input > 0.0
    }
}

/// Shows `each` site that trades at `prices`, with its place, its trade and its profit.
fn trades(sites: &[Site], prices: &[f64], mut each: impl FnMut(usize, &Site, &[f64], f64)) {
    let mut response = Response::default();
    for (k, site) in sites.iter().enumerate() {
        let here: PerCoin<f64> = site.coins.iter().map(|&t| prices[t as usize]).collect();
        if site.respond(&here, &mut response) {
            let profit = response.trade.iter().zip(&here).map(|(z, price)| z * price).sum();
            each(k, site, &response.trade, profit);
        }
    }
}

/// The dual at a point.
#[derive(Debug, Clone)]
struct Point {
    logs: Vec<f64>,
    value: f64,
    /// By the logarithms.
    gradient: Vec<f64>,
}

/// g(e^y) = stake·ν_from + Σ π(ν), the price of what is bought held at one.
struct Dual<'a> {
    sites: &'a [Site<'a>],
    from: usize,
    to: usize,
    stake: f64,
    /// What values are divided by, so that a first step along the gradient is a small one.
    scale: f64,
    last: RefCell<Point>,
    best: RefCell<Point>,
}

impl<'a> Dual<'a> {
    fn new(task: &Task, sites: &'a [Site<'a>], stake: f64, logs: Vec<f64>) -> Self {
        let (from, to) = (task.from as usize, task.to as usize);
        let none = Point { gradient: Vec::new(), value: f64::INFINITY, logs: Vec::new() };
        let mut dual = Self { sites, from, to, stake, scale: 1.0, last: RefCell::new(none.clone()), best: RefCell::new(none) };
        let steepest = dual.at(&logs).gradient.iter().fold(1e-9_f64, |most, g| most.max(g.abs()));
        dual.scale = steepest / FIRST_STEP;
        dual
    }

    fn at(&self, logs: &[f64]) -> Ref<'_, Point> {
        if self.last.borrow().logs != logs {
            let point = self.evaluate(logs);
            if point.value < self.best.borrow().value {
                self.best.replace(point.clone());
            }
            self.last.replace(point);
        }
        self.last.borrow()
    }

    fn evaluate(&self, logs: &[f64]) -> Point {
        let prices: Vec<f64> = logs.iter().map(|y| y.exp()).collect();
        let mut value = self.stake * prices[self.from];
        let mut gradient = vec![0.0; prices.len()];
        gradient[self.from] = value;
        trades(self.sites, &prices, |_, site, trade, profit| {
            value += profit;
            for (&t, z) in site.coins.iter().zip(trade) {
                gradient[t as usize] += z * prices[t as usize];
            }
        });
        gradient[self.to] = 0.0;
        Point { logs: logs.to_vec(), value: if value.is_finite() { value } else { f64::MAX }, gradient }
    }

    /// The logarithms of the best prices.
    fn minimise(self) -> Vec<f64> {
        for _ in 0..RUNS {
            let before = self.best.borrow().clone();
            let search = LBFGS::new(MoreThuenteLineSearch::new(), MEMORY);
            let solver = search.with_tolerance_grad(RESIDUAL * self.stake / self.scale).and_then(|s| s.with_tolerance_cost(0.0));
            let Ok(solver) = solver else { break };
            // A failed line search ends the run; the best point is kept here.
            let _ = Executor::new(&self, solver)
                .configure(|state| state.param(before.logs.clone()).max_iters(STEPS))
                .timer(false)
                .run();
            if before.value - self.best.borrow().value <= PROGRESS * self.stake {
                break;
            }
        }
        self.best.into_inner().logs
    }
}

impl CostFunction for &Dual<'_> {
    type Param = Vec<f64>;
    type Output = f64;

    fn cost(&self, logs: &Vec<f64>) -> Result<f64, Error> {
        Ok(self.at(logs).value / self.scale)
    }
}

impl Gradient for &Dual<'_> {
    type Param = Vec<f64>;
    type Gradient = Vec<f64>;

    fn gradient(&self, logs: &Vec<f64>) -> Result<Vec<f64>, Error> {
        Ok(self.at(logs).gradient.iter().map(|g| g / self.scale).collect())
    }
}

/// A choice of markets with the coins that each trades, and the most that it can be worth.
struct Choice {
    worth: f64,
    markets: Vec<(MarketId, u8)>,
    logs: Vec<f64>,
}

/// Routes by each choice that dropping leads to, and keeps the best: what the dual makes of one is only a bound.
pub fn dual(task: &Task) -> Route {
    let mut best = Route::default();
    for choice in choices(task).into_iter().rev() {
        if choice.worth > best.output {
            let route = route(task, choice);
            if route.output > best.output {
                best = route;
            }
        }
    }
    best
}

fn route(task: &Task, Choice { markets, logs, .. }: Choice) -> Route {
    let fees: f64 = markets.iter().map(|&(market, coins)| task.fee(market) * f64::from(coins.count_ones() - 1)).sum();
    let stake = task.stake() - fees;
    if stake <= 0.0 {
        return Route::default();
    }
    let sites: Vec<Site> = markets.iter().map(|&(market, coins)| Site::new(task, market, coins)).collect();
    let prices: Vec<f64> = Dual::new(task, &sites, stake, logs).minimise().iter().map(|y| y.exp()).collect();
    let problem = Problem {
        endowment: vec![(task.from, task.sold)],
        wanted: vec![Wanted { token: task.to, weight: 1.0, free: true }],
        gas: task.gas,
        ..Problem::default()
    };
    let Some(mut outcome) = flows_at(task.snapshot, &problem, &markets, &prices) else { return Route::default() };
    // Nobody pays for markets that the programme leaves alone.
    let used: Vec<(MarketId, u8)> = outcome.flows.iter().map(|flow| (flow.market, moved(&flow.trade))).collect();
    if used.len() < markets.len()
        && let Some(less) = flows_at(task.snapshot, &problem, &used, &prices)
        && less.certificate.value > outcome.certificate.value
    {
        outcome = less;
    }
    let Outcome { flows, certificate, .. } = outcome;
    Route { output: certificate.value, flows: flows.iter().flat_map(|flow| swaps(task, flow, &prices)).collect() }
}

/// Drops the worse half of the markets that earn less than their gas, again and again: all at once would leave no way.
fn choices(task: &Task) -> Vec<Choice> {
    let mut found = Vec::new();
    let all = |market: MarketId| u8::MAX >> (8 - task.markets().coins(market).len());
    let mut sites: Vec<Site> = (0..task.markets().len() as MarketId).map(|market| Site::new(task, market, all(market))).collect();
    let mut logs = vec![0.0; task.markets().tokens()];
    for _ in 0..ROUNDS {
        if sites.is_empty() {
            break;
        }
        logs = Dual::new(task, &sites, task.stake(), logs).minimise();
        let prices: Vec<f64> = logs.iter().map(|y| y.exp()).collect();
        let gas_value = prices[task.from as usize];
        let mut worth = task.stake() * gas_value;
        let mut margins: Vec<(f64, usize, u8)> = Vec::new();
        trades(&sites, &prices, |k, site, trade, profit| {
            let coins = moved(trade);
            let margin = profit - task.fee(site.market) * f64::from(coins.count_ones() - 1) * gas_value;
            worth += margin;
            margins.push((margin, k, coins));
        });
        let markets = margins.iter().map(|&(_, k, coins)| (sites[k].market, coins)).collect();
        found.push(Choice { worth, markets, logs: logs.clone() });
        margins.sort_by(|a, b| a.0.total_cmp(&b.0));
        let losing = margins.iter().filter(|m| m.0 < 0.0).count();
        if losing == 0 {
            break;
        }
        sites =
            margins[losing.div_ceil(2)..].iter().map(|&(_, k, _)| Site::new(task, sites[k].market, sites[k].allowed)).collect();
    }
    found
}

/// The coins that move, as a bit mask.
fn moved(trade: &[f64]) -> u8 {
    trade.iter().enumerate().filter(|(_, z)| **z != 0.0).fold(0, |mask, (k, _)| mask | (1 << k))
}

/// A trade as swaps: every coin that goes in buys of each that comes out, in proportion to their worth.
fn swaps(task: &Task, flow: &Flow, prices: &[f64]) -> Vec<(Hop, f64)> {
    let coins = task.markets().coins(flow.market);
    let worth = |k: usize| flow.trade[k] * prices[coins[k] as usize];
    let (inputs, outputs): (Vec<usize>, Vec<usize>) =
        (0..coins.len()).filter(|&k| flow.trade[k] != 0.0).partition(|&k| flow.trade[k] < 0.0);
    let all: f64 = outputs.iter().map(|&o| worth(o)).sum();
    let hop = |i: usize, o: usize| Hop { market: flow.market, input: i as u8, output: o as u8 };
    let pairs = inputs.iter().flat_map(|&i| outputs.iter().map(move |&o| (i, o)));
    pairs.map(|(i, o)| (hop(i, o), -flow.trade[i] * worth(o) / all)).collect()
}
