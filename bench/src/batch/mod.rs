//! `batch`: whole auctions, ours against what orders get one by one.

mod alone;
mod settle;

use std::cell::Cell;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use anyhow::Context;
use ballast_fixtures::{UniverseConfig, gwei};
use ballast_solver::batch::Welfare;
use ballast_solver::config::Config;
use ballast_solver::engine::{self, Report as Solved};
use ballast_solver::settlement::Verified;
use clap::Args;
use serde::Serialize;

use crate::clock::{Took, timed};
use crate::scenario::{Scenario, batch, describe, read};
use crate::show::{Report, caveats, short, table};
use crate::spread::Spread;
use settle::{Ground, Worth};

/// Whole batches: welfare, time, and what the orders get one by one.
///
/// Every result is a solution that the verifier passed, on exact pools, scored as the driver does. Orders solved each alone promise
/// more than they can keep: two may have counted on the same pool. So their sum as promised stands beside what is left when they are
/// settled one after another, those dropped that the pools no longer pay for.
#[derive(Debug, Args)]
pub struct BatchArgs {
    /// Batches: one for each seed from 1 to this.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..))]
    seeds: u64,
    /// Pools of each universe.
    #[arg(long, default_value_t = 2_000)]
    pools: usize,
    /// Orders of each batch.
    #[arg(long, default_value_t = 100)]
    orders: usize,
    /// The share of orders that are filled whole or not at all.
    #[arg(long, default_value_t = 0.4)]
    fill_or_kill: f64,
    /// What a unit of gas costs, in gwei; as on mainnet if absent.
    #[arg(long, value_name = "GWEI", value_parser = gwei)]
    gas_price: Option<u64>,
    /// An auction file to solve instead.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["seeds", "pools", "orders", "fill_or_kill", "gas_price"])]
    auction: Option<PathBuf>,
    /// How long ours may take for a batch.
    #[arg(long, default_value = "5s", value_parser = humantime::parse_duration)]
    limit: Duration,
    /// How long our router may take for an order alone.
    #[arg(long, default_value = "1s", value_parser = humantime::parse_duration)]
    order_limit: Duration,
    /// Threads of ours; the others have one.
    #[arg(long, default_value_t = 1)]
    threads: usize,
}

/// The rows: two of ours, and the opponents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
enum Row {
    BestBid,
    AllBids,
    PathPromised,
    PathSettled,
    RouterPromised,
    RouterSettled,
    Greedy,
}

impl Row {
    const ALL: [Self; 7] = [
        Self::BestBid,
        Self::AllBids,
        Self::PathPromised,
        Self::PathSettled,
        Self::RouterPromised,
        Self::RouterSettled,
        Self::Greedy,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::BestBid => "Ballast, best bid",
            Self::AllBids => "Ballast, bids in turn",
            Self::PathPromised => "best path each, promised (not together)",
            Self::PathSettled => "best path each, settled in turn",
            Self::RouterPromised => "our router each, promised (not together)",
            Self::RouterSettled => "our router each, settled in turn",
            Self::Greedy => "our router in sequence",
        }
    }
}

/// One row on one batch.
#[derive(Debug, Clone, Copy, Serialize)]
struct Sample {
    row: Row,
    seed: u64,
    #[serde(flatten)]
    worth: Worth,
    /// Native tokens: what gross leaves when gas is paid.
    net: f64,
    /// The part of the welfare bound that it reaches, net of gas, where there is a bound.
    of_bound: Option<f64>,
    /// Milliseconds on the wall until the first valid bid, and until the first of several orders.
    first_ms: Option<f64>,
    batch_ms: Option<f64>,
    /// Milliseconds of all.
    took: Took,
}

/// One row over all batches.
#[derive(Debug, Serialize)]
struct Summary {
    row: Row,
    filled: Spread,
    score: Spread,
    gross: Spread,
    net: Spread,
    of_bound: Option<Spread>,
    /// Batches on which its net worth is above that of our best bid, and of all our bids in turn.
    beats: [usize; 2],
    first_ms: Option<Spread>,
    batch_ms: Option<Spread>,
    wall_ms: Spread,
    cpu_ms: Spread,
}

impl Summary {
    fn of(row: Row, samples: &[Sample]) -> Self {
        let here = || samples.iter().filter(|s| s.row == row);
        let spread = |of: fn(&Sample) -> f64| Spread::of(here().map(of));
        let some = |of: fn(&Sample) -> Option<f64>| {
            let found: Vec<f64> = here().filter_map(of).collect();
            (!found.is_empty()).then(|| Spread::of(found))
        };
        let ours = |row, seed| samples.iter().find(|s| (s.row, s.seed) == (row, seed)).map_or(0.0, |s| s.net);
        let beats = |ours_by| here().filter(|s| s.net > ours(ours_by, s.seed)).count();
        Self {
            row,
            filled: spread(|s| s.worth.filled as f64),
            score: spread(|s| s.worth.score),
            gross: spread(|s| s.worth.gross),
            net: spread(|s| s.net),
            of_bound: some(|s| s.of_bound),
            beats: [Row::BestBid, Row::AllBids].map(beats),
            first_ms: some(|s| s.first_ms),
            batch_ms: some(|s| s.batch_ms),
            wall_ms: spread(|s| s.took.wall),
            cpu_ms: spread(|s| s.took.cpu),
        }
    }

    fn cells(&self) -> Vec<String> {
        let maybe = |spread: &Option<Spread>, scale: f64| spread.map_or("–".to_owned(), |s| short(scale * s.median));
        vec![
            self.row.name().to_owned(),
            short(self.filled.median),
            short(self.score.median),
            short(self.gross.median),
            short(self.net.median),
            maybe(&self.of_bound, 100.0),
            self.beats[0].to_string(),
            self.beats[1].to_string(),
            maybe(&self.first_ms, 1.0),
            maybe(&self.batch_ms, 1.0),
            short(self.wall_ms.median),
            short(self.cpu_ms.median),
        ]
    }
}

const HEADER: [&str; 12] = [
    "medians",
    "filled",
    "score",
    "gross",
    "net",
    "% of bound",
    "net beats our best",
    "beats all ours",
    "first bid ms",
    "first batch ms",
    "final ms",
    "cpu ms",
];

/// What no solution of an auction could exceed, net of gas, in native tokens.
fn bound(solved: &Solved) -> Option<f64> {
    solved.batch.as_ref().ok().map(|batch| batch.joint.welfare.bound / 1e3)
}

/// What a batch is worth at each stage, as parts of what none exceeds where each order has a price of its own; first the bound.
fn stages(solved: &Solved) -> Option<[f64; 6]> {
    let welfare = solved.batch.as_ref().ok()?.joint.welfare;
    let Welfare { apart, bound, relaxed, whole, uniform, fair, realised } = welfare;
    Some([bound, relaxed, whole, uniform, fair, realised].map(|worth| worth / apart))
}

impl BatchArgs {
    pub fn run(self) -> anyhow::Result<Report> {
        let config = Config::default();
        let (mut samples, mut losses) = (Vec::new(), Vec::new());
        let mut descriptions = Vec::new();
        let seeds = if self.auction.is_some() { 1 } else { self.seeds };
        for seed in 1..=seeds {
            let (scenario, name) = match &self.auction {
                None => {
                    let base = UniverseConfig::new(self.pools, seed);
                    let pools = UniverseConfig { gas_price: self.gas_price.unwrap_or(base.gas_price), ..base };
                    (batch(&pools, self.orders, self.fill_or_kill, &config), format!("seed {seed}"))
                }
                Some(path) => {
                    let name = path.display().to_string();
                    let text = std::fs::read(path).with_context(|| name.clone())?;
                    (read(&text, &config).with_context(|| name.clone())?, name)
                }
            };
            let description = format!("{}; {} orders", describe(&scenario.statistics, &name), scenario.auction.orders.len());
            eprintln!("{description}");
            descriptions.push(description);
            losses.extend(self.measure(&scenario, &config, seed, &mut samples)?);
        }
        let stage = |k: usize| Spread::of(losses.iter().map(|stages: &[f64; 6]| 100.0 * stages[k])).median;
        let rows: Vec<Summary> = Row::ALL.iter().map(|&row| Summary::of(row, &samples)).collect();
        let text = format!(
            "{}\n\nBatches of seeds 1 to {seeds}: {}. All solutions passed the verifier on exact pools. Native tokens: `score` is the \
             driver's, `gross` adds the fees taken for gas, `net` takes off the gas of the settlements; `% of bound` is of net. Solutions of \
             orders alone compete for pools: promised, they cannot be had together; settled in turn, the best score first, those are dropped \
             that the pools no longer pay for; our router in sequence counts on what those before it leave, so that not each of its bids is valid by \
             itself. `beats our best` counts the batches on which net is above that of our best bid, `beats all ours` above that of our bids in turn.\n\n{}\n\n\
             Our batch, medians of {} as parts of what none exceeds where each order has a price of its own: the bound at one price a token \
             {:.2} %; ours by the choice of pools and orders {:.2} %, whole orders whole or not at all {:.2} %, one price a token {:.2} %, no \
             pair worse off than alone {:.2} %, in integers and executed {:.2} %; executed as a part of that choice, orders in part and at prices of their own, {:.2} %.\n",
            caveats(),
            descriptions.first().map_or("", String::as_str),
            table(&HEADER, rows.iter().map(Summary::cells)),
            losses.len(),
            stage(0),
            stage(1),
            stage(2),
            stage(3),
            stage(4),
            stage(5),
            Spread::of(losses.iter().map(|[_, relaxed, .., realised]| 100.0 * realised / relaxed)).median,
        );
        Ok(Report {
            text,
            figures: serde_json::json!({ "universes": descriptions, "rows": rows, "samples": samples, "stages": losses }),
        })
    }

    /// All rows on one batch.
    fn measure(
        &self,
        scenario: &Scenario,
        config: &Config,
        seed: u64,
        samples: &mut Vec<Sample>,
    ) -> anyhow::Result<Option<[f64; 6]>> {
        let auction = &scenario.auction;
        let (solved, first, took) = self.ours(scenario, config)?;
        let most = bound(&solved);
        let mut add = |row, worth: Worth, [first_ms, batch_ms]: [Option<f64>; 2], took| {
            let net = worth.net();
            samples.push(Sample { row, seed, worth, net, of_bound: most.map(|most| net / most), first_ms, batch_ms, took });
        };
        let bids = solved.solutions();
        let mut best = Ground::new(auction, config);
        bids.first().into_iter().for_each(|bid| best.settle(bid));
        add(Row::BestBid, best.worth(), first, took);
        let mut all = Ground::new(auction, config);
        bids.iter().for_each(|bid| all.settle(bid));
        add(Row::AllBids, all.worth(), first, took);
        for (promised, settled, name, by) in [
            (Row::PathPromised, Row::PathSettled, "best paths", alone::best_path as alone::Solve),
            (Row::RouterPromised, Row::RouterSettled, "our router", alone::router),
        ] {
            let (found, took) = timed(|| alone::each(scenario, config, self.order_limit, name, by));
            add(promised, Worth::sum(auction, found.iter()), [None; 2], took);
            let mut ground = Ground::new(auction, config);
            found.iter().for_each(|verified| ground.settle(verified.solution()));
            add(settled, ground.worth(), [None; 2], took);
            if promised == Row::RouterPromised {
                let (worth, more) = timed(|| alone::greedy(scenario, config, self.order_limit, &found));
                add(Row::Greedy, worth, [None; 2], took + more);
            }
        }
        Ok(stages(&solved))
    }

    /// Our own report, when the first bids were there in milliseconds, of any kind and of several orders, and how long all of it took.
    fn ours(&self, scenario: &Scenario, config: &Config) -> anyhow::Result<(Solved, [Option<f64>; 2], Took)> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(self.threads).build()?;
        let began = Instant::now();
        let end = began + self.limit;
        let (first, batch) = (OnceLock::new(), OnceLock::new());
        let sink = |verified: &Verified| {
            let now = || began.elapsed().as_secs_f64() * 1e3;
            first.get_or_init(now);
            if verified.fills().len() > 1 {
                batch.get_or_init(now);
            }
        };
        // Processor time is that of the thread that asks.
        let (solved, took) =
            pool.install(|| timed(|| engine::run_with(&scenario.auction, config, &|| Instant::now() >= end, &sink)));
        eprintln!("  ours: {:.0} ms, {} bids", took.wall, solved.solutions().len());
        Ok((solved, [first, batch].map(|at| at.get().copied()), took))
    }
}

/// Says how far a long loop is.
struct Progress {
    done: Cell<usize>,
    of: usize,
    name: &'static str,
}

impl Progress {
    fn new(of: usize, name: &'static str) -> Self {
        Self { done: Cell::new(0), of, name }
    }

    fn step(&self) {
        let done = self.done.get() + 1;
        self.done.set(done);
        if done.is_multiple_of(25) || done == self.of {
            eprintln!("  {}: order {done} of {}", self.name, self.of);
        }
    }
}

#[cfg(test)]
mod tests;
