//! Part by part: each on the path that is best on the curves as the parts before it left them.

use ballast_routing::{Hop, Paths};

use super::{Route, Task};

/// Hops of a path, at the most.
const HOPS: usize = 3;
/// How much of a new swap's gas the first part over it is made to answer for while looking: all of it is too much, as others will
/// follow, and nothing is too little. All are tried, and the best net result counts.
const WEIGHTS: [f64; 4] = [0.0, 0.05, 0.3, 1.0];

/// What a market carries already. A pool is used in one way only: a curve does not say what a pair of coins pays once another pair
/// of the same pool has traded.
#[derive(Debug, Clone, Copy)]
struct Placed {
    hop: Hop,
    input: f64,
    output: f64,
}

/// The best of the greedy routes over all weights of gas.
pub fn greedy(task: &Task, chunks: usize) -> Route {
    let mut best = Route::default();
    for weight in WEIGHTS {
        let route = run(task, chunks, weight);
        if route.output > best.output {
            best = route;
        }
    }
    best
}

fn run(task: &Task, chunks: usize, weight: f64) -> Route {
    let part = task.stake() / chunks as f64;
    let mut left = task.stake();
    let mut paths = Paths::new(task.markets(), task.snapshot.hops(), (task.from, task.to), HOPS);
    let mut placed: Vec<Option<Placed>> = vec![None; task.markets().len()];
    let mut output = 0.0;
    // Gas that is paid out of the stake leaves less to route: the last part is what remains.
    while left > 1e-9 * part {
        let amount = part.min(left);
        let held = |hop: Hop| placed[hop.market as usize].map_or(Some(0.0), |p| (p.hop == hop).then_some(p.input));
        // A part too small for the gas that counts is sold all the same.
        let found = paths.best(amount, weight * task.gas.price, held).or_else(|| paths.best(amount, 0.0, held));
        let Some(path) = found.map(|path| path.hops) else { return Route::default() };
        let fees: f64 = path.iter().filter(|hop| placed[hop.market as usize].is_none()).map(|hop| task.fee(hop.market)).sum();
        let mut amount = amount.min(left - fees);
        if amount <= 0.0 {
            return Route::default();
        }
        left -= amount + fees;
        for hop in path {
            let before = placed[hop.market as usize].unwrap_or(Placed { hop, input: 0.0, output: 0.0 });
            let input = before.input + amount;
            let after = task.markets().curve(hop.market).output(usize::from(hop.input), usize::from(hop.output), input);
            placed[hop.market as usize] = Some(Placed { hop, input, output: after });
            amount = after - before.output;
        }
        output += amount;
    }
    Route { output, flows: placed.iter().flatten().map(|p| (p.hop, p.input)).collect() }
}
