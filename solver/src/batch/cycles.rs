//! What of a solution is arbitrage: closed cycles in the flow of value, and what they earn.

use ballast_routing::Token;
use rustc_hash::FxHashMap;

use super::step::Step;
use crate::config::Config;

/// What closed cycles earn, in value units.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Arbitrage {
    /// Over all pools.
    pub total: f64,
    /// By the auction's pool.
    pub by_pool: FxHashMap<usize, f64>,
    /// What each step carries that is part of no cycle, as a part of it.
    pub rest: Vec<f64>,
}

impl Arbitrage {
    /// Pools whose part in cycles is beyond what the operator allows.
    pub(crate) fn suspects(&self, config: &Config) -> Vec<usize> {
        let each = config.max_arbitrage_per_pool * 1e3;
        let all = config.max_arbitrage_per_auction * 1e3;
        let mut pools: Vec<(usize, f64)> = self.by_pool.iter().map(|(p, v)| (*p, *v)).collect();
        pools.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        let mut total = self.total;
        let mut suspects = Vec::new();
        for (pool, profit) in pools {
            if profit > each || total > all {
                suspects.push(pool);
                total -= profit;
            }
        }
        suspects
    }
}

/// Takes cycles out of the flow of value, each at its narrowest step, until none is left. A swap earns ν_out·y − ν_in·x at the
/// prices ν; the part of it that a cycle carries is arbitrage, which needs no order.
pub(crate) fn arbitrage(steps: &[Step], price: impl Fn(Token) -> f64) -> Arbitrage {
    let mut value: Vec<f64> = steps.iter().map(|s| s.x * price(s.input)).collect();
    let profit: Vec<f64> = steps.iter().map(|s| (s.y * price(s.output)) / (s.x * price(s.input)) - 1.0).collect();
    let mut found = Arbitrage::default();
    let whole = value.clone();
    let floor = 1e-9 * value.iter().sum::<f64>();
    while let Some(cycle) = cycle(steps, &value, floor) {
        let narrowest = cycle.iter().map(|&k| value[k]).fold(f64::INFINITY, f64::min);
        for &k in &cycle {
            value[k] -= narrowest;
            found.total += narrowest * profit[k];
            *found.by_pool.entry(steps[k].pool).or_default() += narrowest * profit[k];
        }
    }
    found.rest = value.iter().zip(whole).map(|(rest, whole)| if whole > 0.0 { rest / whole } else { 0.0 }).collect();
    found
}

/// A cycle of steps that still carry more than `floor`.
fn cycle(steps: &[Step], value: &[f64], floor: f64) -> Option<Vec<usize>> {
    // Depth first; tokens are few.
    let mut finished: Vec<Token> = Vec::new();
    for start in 0..steps.len() {
        let mut path: Vec<usize> = Vec::new();
        let mut stack: Vec<(Token, usize)> = vec![(steps[start].input, 0)];
        if finished.contains(&steps[start].input) {
            continue;
        }
        while let Some((token, next)) = stack.pop() {
            let Some(k) = (next..steps.len()).find(|&k| steps[k].input == token && value[k] > floor) else {
                finished.push(token);
                path.pop();
                continue;
            };
            stack.push((token, k + 1));
            let to = steps[k].output;
            if let Some(at) = stack.iter().position(|(t, _)| *t == to) {
                path.push(k);
                return Some(path.split_off(at));
            }
            if !finished.contains(&to) {
                path.push(k);
                stack.push((to, 0));
            }
        }
    }
    None
}
