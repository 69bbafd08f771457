//! `micro`: the exact swap and the smooth response of each venue.

use std::collections::BTreeMap;
use std::hint::black_box;

use alloy_primitives::U256;
use ballast_adapters::{Face, Market, Venue};
use ballast_routing::curve::{Curve, Response};
use ballast_routing::{MarketId, Markets};
use ballast_solver::config::Config;
use clap::Args;
use serde::Serialize;

use crate::clock::timed;
use crate::scenario::{Asked, Scenario, describe, scenario};
use crate::show::{Report, caveats, table};

/// Processor time that a figure rests on, at least, in milliseconds.
const LONG_ENOUGH: f64 = 100.0;
/// The part of what moves a pool by 2 % that is swapped.
const PART: f64 = 0.1;
/// How far prices are from a pool's own when it is asked to respond: beyond nearly all fees.
const OFF: f64 = 1.02;

#[derive(Debug, Args)]
pub struct MicroArgs {
    /// Pools of the universe that the venues are taken from.
    #[arg(long, default_value_t = 2_000)]
    pools: usize,
    /// Of the universe.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// A swap that can be made.
struct Call<'a> {
    market: &'a Market,
    input: usize,
    output: usize,
    amount_in: U256,
    amount_out: U256,
}

#[derive(Debug, Serialize)]
struct Row {
    venue: String,
    pools: usize,
    amount_out_ns: Option<f64>,
    amount_in_ns: Option<f64>,
    response_ns: Option<f64>,
    whole_response_ns: Option<f64>,
}

impl MicroArgs {
    pub fn run(self) -> anyhow::Result<Report> {
        let asked = Asked { pools: self.pools, seed: self.seed, ..Asked::default() };
        let scenario = scenario(&asked, &Config::default());
        let description = describe(&scenario.statistics, self.seed);
        let mut calls: BTreeMap<String, Vec<Call>> = BTreeMap::new();
        let mut curves: BTreeMap<String, Vec<MarketId>> = BTreeMap::new();
        let markets = scenario.liquidity.snapshot.markets();
        for id in 0..markets.len() as MarketId {
            let pool = &scenario.auction.pools[scenario.liquidity.pool(id)];
            let many = if pool.coins.len() > 2 { ", 3–8 coins" } else { "" };
            let venue = format!("{}{many}", pool.kind());
            calls.entry(venue.clone()).or_default().extend(call(&pool.market));
            curves.entry(venue).or_default().push(id);
        }
        let rows: Vec<Row> = calls.iter().map(|(venue, calls)| row(venue, calls, &curves[venue], &scenario)).collect();
        let number = |x: Option<f64>| x.map_or_else(|| "–".to_owned(), |x| format!("{x:.0}"));
        let cells = |r: &Row| {
            let numbers = [r.amount_out_ns, r.amount_in_ns, r.response_ns, r.whole_response_ns].map(number);
            [r.venue.clone(), r.pools.to_string()].into_iter().chain(numbers).collect()
        };
        let header = ["venue", "pools", "exact amount_out ns", "exact amount_in ns", "pair response ns", "whole response ns"];
        let text = format!(
            "{}\n\n{description}\n\nProcessor time of one call, the mean over all pools of a kind. Swaps are of a tenth of what moves the pool by \
             2 %; responses are to prices 2 % off its own, with curvature.\n\n{}\n",
            caveats(),
            table(&header, rows.iter().map(cells)),
        );
        Ok(Report { text, figures: serde_json::json!({ "universe": description, "rows": rows }) })
    }
}

fn call(market: &Market) -> Option<Call<'_>> {
    let quotes = market.quotes();
    let atoms = quotes.first()?.depth * PART;
    if !(1.0..1e60).contains(&atoms) {
        return None;
    }
    let amount_in = U256::from(atoms);
    let amount_out = market.amount_out(0, 1, amount_in).ok()?;
    market.amount_in(0, 1, amount_out).ok()?;
    Some(Call { market, input: 0, output: 1, amount_in, amount_out })
}

fn row(venue: &str, calls: &[Call], ids: &[MarketId], scenario: &Scenario) -> Row {
    let markets: &Markets = scenario.liquidity.snapshot.markets();
    let curves: Vec<&Curve> = ids.iter().map(|&id| markets.curve(id)).collect();
    let whole: Vec<(&Curve, Vec<f64>)> = curves.iter().filter(|c| c.coins() > 2).map(|&c| (c, prices(c))).collect();
    let mut response = Response::default();
    Row {
        venue: venue.to_owned(),
        pools: ids.len(),
        amount_out_ns: each(calls, |c| {
            let _ = black_box(c.market.amount_out(c.input, c.output, c.amount_in));
        }),
        amount_in_ns: each(calls, |c| {
            let _ = black_box(c.market.amount_in(c.input, c.output, c.amount_out));
        }),
        response_ns: each(&curves, |c| {
            black_box(c.respond_pair(0, 1, c.rate(0, 1) / OFF, 1e-5));
        }),
        whole_response_ns: each(&whole, |(curve, nu)| {
            curve.respond(nu, u8::MAX >> (8 - nu.len()), &mut response);
            black_box(&response);
        }),
    }
}

/// A pool's own prices, but for its first coin, which is cheap.
fn prices(curve: &Curve) -> Vec<f64> {
    let back = |k: usize| (curve.rate(k, 0) / curve.rate(0, k)).sqrt();
    (0..curve.coins()).map(|k| if k == 0 { 1.0 / OFF } else { back(k) }).collect()
}

/// Nanoseconds of a call, over all items again and again.
fn each<T>(items: &[T], mut work: impl FnMut(&T)) -> Option<f64> {
    if items.is_empty() {
        return None;
    }
    let mut rounds = 1_u32;
    loop {
        let ((), took) = timed(|| {
            for _ in 0..rounds {
                items.iter().for_each(&mut work);
            }
        });
        if took.cpu >= LONG_ENOUGH {
            return Some(took.cpu * 1e6 / (f64::from(rounds) * items.len() as f64));
        }
        rounds = rounds.saturating_mul(4);
    }
}
