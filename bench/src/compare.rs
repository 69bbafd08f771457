//! `compare`: other routers on the same pools, the same order, the same gas and the same bound.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use serde::Serialize;

use ballast_routing::{Budget, Search, Status, solve};
use ballast_solver::batch::compile::compile;
use ballast_solver::config::Config;

use crate::arbitrage::{arbitrage, arbitrage_after};
use crate::clock::{Clock, quicker, timed};
use crate::opponents::{ROUTERS, Task};
use crate::scenario::{Asked, Scenario, describe, given, scenario};
use crate::show::{Report, caveats, short, table};
use crate::spread::{Spread, exponent};

#[derive(Debug, Args)]
pub struct CompareArgs {
    /// Pools of the universe; of several universes, one after the other, to see how each router's time grows.
    #[arg(long, value_delimiter = ',', default_value = "500")]
    pools: Vec<usize>,
    /// Orders of each size.
    #[arg(long, default_value_t = 10)]
    orders: usize,
    /// Of the universe and the orders.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Sizes of the orders in dollars.
    #[arg(long, value_delimiter = ',', default_value = "1000,10000,100000,1000000")]
    usd: Vec<f64>,
    /// An auction file to take pools and orders from instead: all its sales, each as a whole and whatever its limit.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["pools", "orders", "seed", "usd"])]
    auction: Option<PathBuf>,
}

/// One router on one order.
#[derive(Debug, Clone, Copy, Serialize)]
struct Sample {
    usd: f64,
    /// Basis points of the order below the bound.
    loss: f64,
    /// The same, with what our own arbitrage earns afterwards on the pools it left.
    after: f64,
    /// Milliseconds of the processor.
    ms: f64,
    /// Whether it is better than each of ours, by more than [`CLEAR`].
    beats: [bool; OURS.len()],
}

/// Our own rows: what is found at once, what is found by then, and what is found in the end.
const OURS: [&str; 3] = ["Ballast, at once", "Ballast, 20 ms", "Ballast"];
/// Milliseconds of the second.
const SOON: f64 = 20.0;

/// Basis points that tell two results apart.
const CLEAR: f64 = 0.01;

#[derive(Debug, Serialize)]
struct Row {
    router: String,
    usd: Option<f64>,
    found: usize,
    /// Orders on which it is better than each of ours.
    beats: [usize; OURS.len()],
    loss: Spread,
    after: Spread,
    ms: Spread,
    /// Its median time over that of our first row.
    ratio: f64,
}

impl Row {
    /// One row for each router.
    fn all(usd: Option<f64>, routers: &[(String, Vec<Sample>)]) -> Vec<Self> {
        let mut rows: Vec<Self> = routers.iter().map(|(name, samples)| Self::of(name, usd, samples)).collect();
        let first = rows.first().map_or(0.0, |row| row.ms.median);
        for row in &mut rows {
            row.ratio = row.ms.median / first;
        }
        rows
    }

    fn of(router: &str, usd: Option<f64>, samples: &[Sample]) -> Self {
        let here = || samples.iter().filter(|s| usd.is_none_or(|usd| s.usd == usd));
        Self {
            router: router.to_owned(),
            usd,
            found: here().filter(|s| s.loss < 9_999.0).count(),
            beats: std::array::from_fn(|k| here().filter(|s| s.beats[k]).count()),
            loss: Spread::of(here().map(|s| s.loss)),
            after: Spread::of(here().map(|s| s.after)),
            ms: Spread::of(here().map(|s| s.ms)),
            ratio: 1.0,
        }
    }

    fn cells(&self) -> Vec<String> {
        let mut cells = vec![self.router.clone()];
        cells.extend(self.usd.map(|usd| format!("${usd}")));
        cells.extend([self.found.to_string(), self.beats.map(|n| n.to_string()).join(" / ")]);
        cells.extend(
            [self.loss.median, self.loss.p90, self.loss.worst, self.after.median, self.after.p90, self.after.worst].map(short),
        );
        cells.extend([format!("{:.2}", self.ms.median), short(self.ratio)]);
        cells
    }
}

/// What is shown of a router.
const FIGURES: [&str; 10] = [
    "found",
    "beats ours",
    "loss bps median",
    "p90",
    "worst",
    "then arbitrage: median",
    "p90",
    "worst",
    "cpu ms median",
    "× first",
];

/// All routers on the orders of one universe, or of one auction.
struct Comparison {
    pools: usize,
    all: Vec<Row>,
    text: String,
    figures: serde_json::Value,
}

impl CompareArgs {
    pub fn run(self) -> anyhow::Result<Report> {
        let config = Config::default();
        if let Some(path) = &self.auction {
            let name = path.display().to_string();
            let text = std::fs::read(path).with_context(|| name.clone())?;
            let (scenario, left_out) = given(&text, &config).with_context(|| name.clone())?;
            let orders = "The auction's sales, those that may be filled in part taken as a whole, all whatever their limit";
            let Comparison { text, figures, .. } = self.compare(&scenario, &config, &name, left_out, orders);
            return Ok(Report { text, figures });
        }
        let sizes = self.usd.iter().map(f64::to_string).collect::<Vec<_>>().join(", $");
        let orders = format!("Fill-or-kill sales of ${sizes}, {} orders of each where the pools have room", self.orders);
        let compared: Vec<Comparison> = self
            .pools
            .iter()
            .map(|&pools| {
                let asked = Asked { pools, seed: self.seed, orders: self.orders, usd: &self.usd, ..Asked::default() };
                self.compare(&scenario(&asked, &config), &config, &format!("seed {}", self.seed), 0, &orders)
            })
            .collect();
        let growth = growth(&compared);
        let mut text: String = compared.iter().map(|c| c.text.as_str()).collect();
        if growth.iter().any(|(_, exponent)| exponent.is_some()) {
            let rows = growth.iter().map(|(router, exponent)| vec![router.clone(), exponent.map_or_else(String::new, short)]);
            text += &format!("\n{}\n", table(&["router", "exponent of the median over the pools"], rows));
        }
        let universes: Vec<serde_json::Value> = compared.into_iter().map(|c| c.figures).collect();
        Ok(Report { text, figures: serde_json::json!({ "universes": universes, "exponents": growth }) })
    }

    fn compare(&self, scenario: &Scenario, config: &Config, name: &str, mut skipped: usize, orders: &str) -> Comparison {
        let description = describe(&scenario.statistics, name);
        eprintln!("{description}");
        let snapshot = &scenario.liquidity.snapshot;
        let mut routers: Vec<(String, Vec<Sample>)> = OURS.iter().map(|name| ((*name).to_owned(), Vec::new())).collect();
        routers.extend(ROUTERS.iter().map(|router| (router.name(), Vec::new())));
        let mut free: Vec<f64> = Vec::new();
        let (mut unconverged, mut above) = (0, 0);
        for (index, order) in scenario.auction.orders.iter().enumerate() {
            let usd = scenario.usd[index];
            let Ok(compiled) = compile(order, &scenario.liquidity, config) else {
                skipped += 1;
                continue;
            };
            let problem = &compiled.problem;
            let (first, first_took) = quicker(|| Search::new(snapshot, problem, None, &[], &Budget::default()).first());
            let clock = Clock::start();
            let soon = || clock.took().cpu >= SOON;
            let (second, second_took) = timed(|| solve(snapshot, problem, None, &[], &Budget::until(u64::MAX, &soon)));
            let (ours, took) = quicker(|| solve(snapshot, problem, None, &[], &Budget::work(config.work_per_order)));
            let bound = ours.certificate.bound;
            let sold = problem.endowment.first().map_or(0.0, |e| e.1);
            let bps = 1e4 / sold;
            if ours.status == Status::Idle {
                skipped += 1;
                continue;
            }
            unconverged += usize::from(ours.status != Status::Optimal);
            free.push(arbitrage(&scenario.liquidity, problem) * bps);
            for (k, (outcome, took)) in [(first, first_took), (second, second_took), (ours, took)].into_iter().enumerate() {
                let loss = (bound - outcome.certificate.value) * bps;
                routers[k].1.push(Sample { usd, loss, after: loss, ms: took.cpu, beats: [false; OURS.len()] });
            }
            let losses: [f64; OURS.len()] = std::array::from_fn(|k| routers[k].1.last().map_or(0.0, |s| s.loss));
            let task = Task { snapshot, from: order.sell, to: order.buy, sold, gas: problem.gas };
            for (router, (_, samples)) in ROUTERS.iter().zip(&mut routers[OURS.len()..]) {
                let (route, took) = quicker(|| router.route(&task));
                let earned = arbitrage_after(&scenario.auction, &scenario.liquidity, config, problem, &route);
                above += usize::from(route.output > bound * (1.0 + 1e-9));
                let left = bound - route.output;
                samples.push(Sample {
                    usd,
                    loss: left * bps,
                    after: (left - earned) * bps,
                    ms: took.cpu,
                    beats: losses.map(|loss| left * bps < loss - CLEAR),
                });
            }
            eprintln!("order {} of {}", index + 1, scenario.auction.orders.len());
        }
        let all = Row::all(None, &routers);
        let by_size: Vec<Row> =
            self.usd.iter().flat_map(|&usd| Row::all(Some(usd), &routers)).filter(|r| r.loss.count > 0).collect();
        let free = Spread::of(free);
        let text = format!(
            "{}\n\n{description}\n\n{orders}; {skipped} passed over as they are no sales or nothing routes them. All in doubles on \
             the same curves, gas paid out of what is sold; loss in bps of what is sold below the bound over all pools, which no router can reach exactly. The bound includes arbitrage that needs no order: {} bps at the median on the \
             untouched pools, {} at p90. `then arbitrage` gives every router what our own solver still earns on the pools that its route \
             left, so that only routing is compared. A greedy router tries four weights of gas and keeps the best; its time is that of all \
             four. Times are those of the quicker of two runs, so that nobody pays for what the one before left in the caches. L-BFGS finds prices only: our linear programme makes its flows. Ours unconverged: {unconverged}. Results above the \
             bound (must be 0): {above}.\n\n{}\n\n{}\n",
            caveats(),
            short(free.median),
            short(free.p90),
            table(&[&["router"][..], &FIGURES].concat(), all.iter().map(Row::cells)),
            table(&[&["router", "size"][..], &FIGURES].concat(), by_size.iter().map(Row::cells)),
        );
        let figures = serde_json::json!({
            "universe": description, "all": all, "by_size": by_size, "free_arbitrage_bps": free, "passed_over": skipped,
            "unconverged": unconverged, "above_bound": above,
        });
        Comparison { pools: scenario.auction.pools.len(), all, text, figures }
    }
}

/// By router, the exponent of its median time over the pools.
fn growth(compared: &[Comparison]) -> Vec<(String, Option<f64>)> {
    let routers = compared.first().map_or(&[][..], |c| &c.all[..]);
    let grown = |k: usize| exponent(&compared.iter().map(|c| (c.pools as f64, c.all[k].ms.median)).collect::<Vec<_>>());
    routers.iter().enumerate().map(|(k, row)| (row.router.clone(), grown(k))).collect()
}
