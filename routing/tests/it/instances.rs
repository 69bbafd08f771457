//! Random instances of every curve, from a seed.

use ballast_routing::curve::{Curve, Linear, Product, Range, Stable, Ticks, Weighted};
use ballast_routing::{GasPrice, Limit, Markets, Problem, Snapshot, Token, Wanted};
use rand::prelude::*;
use rand_chacha::ChaCha8Rng;

/// A problem over its markets.
pub struct Instance {
    pub snapshot: Snapshot,
    pub problem: Problem,
}

fn distinct(rng: &mut ChaCha8Rng, tokens: usize, count: usize) -> Vec<Token> {
    let mut all: Vec<Token> = (0..tokens as Token).collect();
    all.shuffle(rng);
    all.truncate(count);
    all
}

/// A market of `kind` at prices near one, worth about `depth` units.
pub fn curve(rng: &mut ChaCha8Rng, kind: usize, depth: f64) -> Curve {
    let fee = [0.0001, 0.0005, 0.003, 0.01][rng.random_range(0..4)];
    let mut off = || 1.0 + rng.random_range(-0.01..0.01);
    let built = match kind {
        0 => Product::new([depth * off(), depth * off()], fee).map(Curve::Product),
        1 => {
            let root = off();
            let count = rng.random_range(3..12);
            let width = rng.random_range(0.005..0.1);
            let mut bounds: Vec<f64> =
                (0..=count).map(|k| root * (1.0 + width * (k as f64 - count as f64 / 2.0 - 0.3))).collect();
            bounds.dedup();
            let ranges: Vec<Range> = bounds
                .windows(2)
                .map(|w| {
                    let liquidity = if rng.random_bool(0.1) { 0.0 } else { depth * rng.random_range(0.5..20.0) };
                    Range { lower: w[0], upper: w[1], liquidity }
                })
                .collect();
            Ticks::new(root, &ranges, fee).map(Curve::Ticks)
        }
        2 => {
            let n = rng.random_range(2..=8);
            let weights: Vec<f64> = (0..n).map(|_| rng.random_range(0.1..1.0)).collect();
            let reserves: Vec<f64> = weights.iter().map(|w| w * depth * (1.0 + rng.random_range(-0.01..0.01))).collect();
            Weighted::new(&reserves, &weights, fee, 0.3).map(Curve::Weighted)
        }
        3 => {
            let n = rng.random_range(2..=5);
            let balances: Vec<f64> = (0..n).map(|_| depth * rng.random_range(0.3..1.7)).collect();
            Stable::new(&balances, &vec![1.0; n], rng.random_range(50.0..2000.0), fee).map(Curve::Stable)
        }
        _ => Linear::new(1.0 + rng.random_range(-0.01..0.01), depth * rng.random_range(0.001..0.1)).map(Curve::Linear),
    };
    built.unwrap_or_else(|| Curve::Product(Product::new([depth, depth], 0.003).unwrap()))
}

/// An instance of `pools` markets over `tokens` tokens; the order is one of four kinds.
pub fn instance(seed: u64, tokens: usize, pools: usize) -> Instance {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut markets = Markets::new(tokens);
    for _ in 0..pools {
        let kind = [0, 0, 0, 1, 1, 1, 2, 2, 3, 4][rng.random_range(0..10)];
        let depth = 10f64.powf(rng.random_range(2.0..6.5));
        let mut curve = curve(&mut rng, kind, depth);
        if curve.coins() > tokens {
            curve = Curve::Product(Product::new([depth, depth], 0.003).unwrap());
        }
        let coins = distinct(&mut rng, tokens, curve.coins());
        let gas = [60e3, 90e3, 110e3, 180e3][rng.random_range(0..4)];
        markets.add(&coins, curve, gas).unwrap();
    }
    let ends = distinct(&mut rng, tokens, 2);
    let (sell, buy) = (ends[0], ends[1]);
    let amount = 10f64.powf(rng.random_range(0.0..5.0));
    let price = if rng.random_bool(0.3) { 0.0 } else { 10f64.powf(rng.random_range(-6.0..-4.0)) };
    let gas = GasPrice { token: sell, price, fixed: 106_391.0 };
    let want = |token| vec![Wanted { token, weight: 1.0, free: true }];
    let problem = match rng.random_range(0..4) {
        0 => Problem { endowment: vec![(sell, amount)], wanted: want(buy), gas, ..Problem::default() },
        1 => Problem { endowment: vec![(buy, -amount)], wanted: want(sell), gas, ..Problem::default() },
        side => {
            let rate = 1.0 + rng.random_range(-0.005..0.05);
            let limits = vec![Limit { take: buy, give: sell, rate, cap: amount / rate }];
            Problem { limits, wanted: want(if side == 2 { buy } else { sell }), gas, ..Problem::default() }
        }
    };
    Instance { snapshot: Snapshot::new(markets), problem }
}
