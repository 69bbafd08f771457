//! `prices`: clearing prices, found anew and from those before.

use alloy_primitives::U256;
use clap::Args;
use rand::prelude::*;
use rand_chacha::ChaCha8Rng;
use serde::Serialize;

use ballast_adapters::{Exact, Face, Venue};
use ballast_routing::curve::PerCoin;
use ballast_routing::{Budget, MarketId, Markets, Snapshot, clearing_prices, unclaimed};
use ballast_solver::config::Config;

use crate::clock::{Took, quicker};
use crate::scenario::{Asked, Scenario, describe, scenario};
use crate::show::{Report, caveats, short, table};
use crate::spread::Spread;

/// The most that is swapped on a pool, as a part of what moves its price by 2 %.
const PART: f64 = 0.5;
/// Value units of a native token.
const UNITS: f64 = 1e3;

/// Clearing prices of all pools, anew and from the prices before some pools were traded on.
///
/// What is left to arbitrage is the dual's value: what all pools together could earn at the prices, each after its gas. Prices that clear
/// leave the least of it.
#[derive(Debug, Args)]
pub struct PricesArgs {
    /// Pools of the universe.
    #[arg(long, default_value_t = 2_000)]
    pools: usize,
    /// Of the universes, and of what is traded on them.
    #[arg(long, value_delimiter = ',', default_value = "1,2,3")]
    seeds: Vec<u64>,
    /// How many pools are traded on in between, each by up to 1 % of its price.
    #[arg(long, value_delimiter = ',', default_value = "1,10,100")]
    moved: Vec<usize>,
    /// Draws of such pools, for each universe.
    #[arg(long, default_value_t = 20)]
    draws: usize,
}

/// Prices after some pools have moved.
#[derive(Debug, Clone, Copy, Serialize)]
struct Sample {
    moved: usize,
    cold: Took,
    warm: Took,
    /// Left to arbitrage by the prices before, by those found anew, and by those found from the ones before; native tokens.
    left: [f64; 3],
}

impl PricesArgs {
    pub fn run(self) -> anyhow::Result<Report> {
        let (mut samples, mut universes) = (Vec::new(), Vec::new());
        for &seed in &self.seeds {
            let config = Config::default();
            let scenario = scenario(&Asked { pools: self.pools, seed, ..Asked::default() }, &config);
            universes.push(describe(&scenario.statistics, &format!("seed {seed}")));
            let dice = &mut ChaCha8Rng::seed_from_u64(seed);
            let before = prices(&scenario.liquidity.snapshot, &scenario, None);
            for &count in &self.moved {
                samples.extend((0..self.draws).map(|_| sample(&scenario, &before, count, dice)));
            }
        }
        let rows = self.moved.iter().map(|&count| row(count, &samples));
        let text = format!(
            "{}\n\n{}\n\nProcessor time of the quicker of two runs; what is left to arbitrage in native tokens, on average.\n\n{}\n",
            caveats(),
            universes.join("\n"),
            table(&HEADER, rows)
        );
        Ok(Report { text, figures: serde_json::json!({ "universes": universes, "samples": samples }) })
    }
}

const HEADER: [&str; 12] = [
    "pools moved",
    "cold ms median",
    "p90",
    "warm ms median",
    "p90",
    "worst",
    "× cold",
    "left by the old prices",
    "by cold ones",
    "by warm ones",
    "warm − cold, worst",
    "best",
];

fn row(count: usize, samples: &[Sample]) -> Vec<String> {
    let here: Vec<&Sample> = samples.iter().filter(|s| s.moved == count).collect();
    let [cold, warm] = [|s: &Sample| s.cold.cpu, |s: &Sample| s.warm.cpu].map(|of| Spread::of(here.iter().map(|s| of(s))));
    let left: [f64; 3] = std::array::from_fn(|k| here.iter().map(|s| s.left[k]).sum::<f64>() / here.len().max(1) as f64);
    let more = || here.iter().map(|s| s.left[2] - s.left[1]);
    let mut row = vec![count.to_string()];
    row.extend([cold.median, cold.p90, warm.median, warm.p90, warm.worst, warm.median / cold.median].map(short));
    row.extend(left.map(|x| format!("{x:.6}")));
    row.extend([more().fold(f64::NEG_INFINITY, f64::max), more().fold(f64::INFINITY, f64::min)].map(short));
    row
}

fn sample(scenario: &Scenario, before: &[f64], count: usize, dice: &mut ChaCha8Rng) -> Sample {
    let after = traded_on(scenario, count, dice);
    let (anew, cold) = quicker(|| prices(&after, scenario, None));
    let (again, warm) = quicker(|| prices(&after, scenario, Some(before)));
    let anchor = after.hub().unwrap_or_default();
    let left = |prices: &[f64]| unclaimed(&after, anchor, scenario.liquidity.gas_price, prices) / UNITS;
    Sample { moved: count, cold, warm, left: [left(before), left(&anew), left(&again)] }
}

fn prices(snapshot: &Snapshot, scenario: &Scenario, warm: Option<&[f64]>) -> Vec<f64> {
    let anchor = snapshot.hub().unwrap_or_default();
    clearing_prices(snapshot, anchor, scenario.liquidity.gas_price, warm, &Budget::default())
}

/// The markets after swaps on so many of them, in the same units.
fn traded_on(scenario: &Scenario, count: usize, dice: &mut ChaCha8Rng) -> Snapshot {
    let Scenario { auction, liquidity, .. } = scenario;
    let markets = liquidity.snapshot.markets();
    let chosen: Vec<MarketId> = (0..markets.len() as MarketId).sample(dice, count);
    let mut after = Markets::new(markets.tokens());
    for id in 0..markets.len() as MarketId {
        let coins = markets.coins(id);
        let moved = chosen.contains(&id).then(|| {
            let mut pool = auction.pools[liquidity.pool(id)].market.clone();
            let input = dice.random_range(0..coins.len());
            let output = (input + dice.random_range(1..coins.len())) % coins.len();
            let amount = U256::from((pool.quotes()[input].depth * PART * dice.random::<f64>()).min(1e60));
            // What the contract would not do leaves the pool as it was.
            let _ = pool.apply(input, output, Exact::Input(amount));
            let units: Option<PerCoin<f64>> = coins.iter().map(|&coin| liquidity.units.get(coin)).collect();
            pool.curve(&units?)
        });
        let curve = moved.flatten().unwrap_or_else(|| markets.curve(id).clone());
        if let Err(error) = after.add(coins, curve, markets.gas(id)) {
            eprintln!("market {id} is left out: {error}");
        }
    }
    Snapshot::new(after)
}
