//! Part by part: each on the path that is best on the curves as the parts before it left them.

use ballast_routing::curve::Curve;
use ballast_routing::{Hop, MarketId, Markets, Token};

use super::{Route, Task};

/// Hops of a path, at the most.
const HOPS: usize = 3;
/// How much of a new swap's gas the first part over it is made to answer for while looking: all of it is too much, as others will
/// follow, and nothing is too little. All are tried, and the best net result counts.
const WEIGHTS: [f64; 4] = [0.0, 0.05, 0.3, 1.0];

/// For each token the ways out of it.
#[derive(Debug, Clone, Default)]
pub struct Neighbours(Vec<Vec<(Hop, Token)>>);

impl Neighbours {
    /// Of all markets.
    pub fn new(markets: &Markets) -> Self {
        let mut ways = vec![Vec::new(); markets.tokens()];
        for market in 0..markets.len() as MarketId {
            let coins = markets.coins(market);
            let inputs = if matches!(markets.curve(market), Curve::Linear(_)) { 1 } else { coins.len() };
            for i in 0..inputs {
                for o in (0..coins.len()).filter(|&o| o != i) {
                    ways[coins[i] as usize].push((Hop { market, input: i as u8, output: o as u8 }, coins[o]));
                }
            }
        }
        Self(ways)
    }
}

/// What a market carries already. A pool is used in one way only: a curve does not say what a pair of coins pays once another pair
/// of the same pool has traded.
#[derive(Debug, Clone, Copy)]
struct Placed {
    hop: Hop,
    input: f64,
    output: f64,
}

#[derive(Debug, Clone, Copy)]
struct Label {
    /// What is held here.
    amount: f64,
    /// The same less the gas that counts.
    net: f64,
    hop: Hop,
    previous: Token,
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
    let mut placed: Vec<Option<Placed>> = vec![None; task.markets().len()];
    let mut output = 0.0;
    // Gas that is paid out of the stake leaves less to route: the last part is what remains.
    while left > 1e-9 * part {
        let amount = part.min(left);
        let Some(path) = search(task, &placed, amount, weight) else { return Route::default() };
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

/// The best path for `amount` more, by label correcting: for each length and token the label that is worth most.
fn search(task: &Task, placed: &[Option<Placed>], amount: f64, weight: f64) -> Option<Vec<Hop>> {
    let mut levels: Vec<Vec<Option<Label>>> = Vec::with_capacity(HOPS);
    let mut frontier: Vec<(Token, f64, f64)> = vec![(task.from, amount, amount)];
    let mut best: Option<(usize, f64)> = None;
    for length in 1..=HOPS {
        let mut level: Vec<Option<Label>> = vec![None; task.markets().tokens()];
        let mut reached: Vec<Token> = Vec::new();
        for &(token, held, net) in &frontier {
            let behind = trace(&levels, length - 1, token);
            for &(hop, next) in &task.neighbours.0[token as usize] {
                if (length == HOPS && next != task.to) || next == task.from {
                    continue;
                }
                let before = placed[hop.market as usize];
                if before.is_some_and(|p| p.hop != hop) {
                    continue;
                }
                let known = level[next as usize].map_or(f64::NEG_INFINITY, |l| l.net);
                let curve = task.markets().curve(hop.market);
                let (i, o) = (usize::from(hop.input), usize::from(hop.output));
                // The margin only falls.
                if held * curve.rate(i, o) - (held - net) <= known {
                    continue;
                }
                let (input, output) = before.map_or((0.0, 0.0), |p| (p.input, p.output));
                if input + held > curve.cap(i, o) || behind.iter().any(|(h, at)| *at == next || h.market == hop.market) {
                    continue;
                }
                let bought = curve.output(i, o, input + held) - output;
                let gas = if before.is_some() { 0.0 } else { weight * task.fee(hop.market) };
                let worth = bought - (held - net) - gas;
                if bought > 0.0 && worth > known {
                    if level[next as usize].is_none() {
                        reached.push(next);
                    }
                    level[next as usize] = Some(Label { amount: bought, net: worth, hop, previous: token });
                }
            }
        }
        if let Some(label) = level[task.to as usize]
            && best.is_none_or(|(_, net)| label.net > net)
        {
            best = Some((length, label.net));
        }
        frontier = reached
            .into_iter()
            .filter(|token| *token != task.to)
            .filter_map(|token| level[token as usize].map(|l| (token, l.amount, l.net)))
            .collect();
        levels.push(level);
    }
    let (length, _) = best?;
    Some(trace(&levels, length, task.to).into_iter().map(|(hop, _)| hop).collect())
}

/// The steps of a label, from the first, each with the token it leads to.
fn trace(levels: &[Vec<Option<Label>>], length: usize, mut at: Token) -> Vec<(Hop, Token)> {
    let mut path = Vec::with_capacity(length);
    for level in levels[..length].iter().rev() {
        let Some(label) = level[at as usize] else { break };
        path.push((label.hop, at));
        at = label.previous;
    }
    path.reverse();
    path
}
