//! Routers that choose whole paths.

use ballast_routing::{Hop, MarketId, Paths};

use super::{Route, Task};

/// Hops of the paths that are split over, at the most.
const HOPS: usize = 3;
/// Parts in which a split is found.
const PARTS: usize = 200;

/// The best single path.
pub fn best(task: &Task, hops: usize) -> Route {
    let Some(path) = search(task, task.stake(), hops, &[]) else { return Route::default() };
    split(task, &[path])
}

/// The best split over one to `most` paths, each set found with parts of its own size.
pub fn disjoint(task: &Task, most: usize) -> Route {
    let mut best = Route::default();
    for count in 1..=most {
        let mut used: Vec<MarketId> = Vec::new();
        let mut paths: Vec<Vec<Hop>> = Vec::with_capacity(count);
        for _ in 0..count {
            let Some(path) = search(task, task.stake() / count as f64, HOPS, &used) else { break };
            used.extend(path.iter().map(|hop| hop.market));
            paths.push(path);
        }
        let route = split(task, &paths);
        if route.output > best.output {
            best = route;
        }
    }
    best
}

fn search(task: &Task, amount: f64, hops: usize, used: &[MarketId]) -> Option<Vec<Hop>> {
    let mut paths = Paths::new(task.markets(), task.snapshot.hops(), (task.from, task.to), hops);
    let fresh = |hop: Hop| (!used.contains(&hop.market)).then_some(0.0);
    paths.best(amount, task.gas.price, fresh).map(|path| path.hops)
}

/// Splits what is left after gas over paths that share no pool: part by part to whichever pays most for it, which is the
/// optimum to within a part as every path is concave.
fn split(task: &Task, paths: &[Vec<Hop>]) -> Route {
    let fees: f64 = paths.iter().flatten().map(|hop| task.fee(hop.market)).sum();
    let stake = task.stake() - fees;
    if stake <= 0.0 || paths.is_empty() {
        return Route::default();
    }
    let parts = if paths.len() == 1 { 1 } else { PARTS };
    let part = stake / parts as f64;
    let mut amounts = vec![0.0; paths.len()];
    let mut outputs = vec![0.0; paths.len()];
    let mut next: Vec<f64> = paths.iter().map(|path| task.along(path, part)).collect();
    for _ in 0..parts {
        let Some(k) = (0..paths.len()).max_by(|&a, &b| (next[a] - outputs[a]).total_cmp(&(next[b] - outputs[b]))) else { break };
        amounts[k] += part;
        outputs[k] = next[k];
        next[k] = task.along(&paths[k], amounts[k] + part);
    }
    let mut route = Route { output: outputs.iter().sum(), ..Route::default() };
    for (path, amount) in paths.iter().zip(amounts).filter(|(_, amount)| *amount > 0.0) {
        route.flows.extend(Route::of(task, path, amount).flows);
    }
    route
}
