//! `single`: one order at a time, from laid-out liquidity to a verified plan.

use std::collections::BTreeMap;
use std::time::Duration;

use clap::Args;
use serde::Serialize;

use ballast_fixtures::UniverseConfig;
use ballast_solver::config::Config;

use crate::attempt::{Filled, Unfilled, attempt};
use crate::clock::{Took, peak_memory, timed};
use crate::scenario::{Asked, Scenario, describe, scenario};
use crate::show::{Report, caveats, short, table};
use crate::spread::{Spread, exponent};

/// Looks at pools that all orders of one universe may take unless said otherwise: fewer orders where each is longer.
const LOOKS: usize = 500_000;

#[derive(Debug, Args)]
pub struct SingleArgs {
    /// Pools of the universes.
    #[arg(long, value_delimiter = ',', default_value = "500,2000,10000,40000")]
    pools: Vec<usize>,
    /// Orders of each size and seed; if left out 20, and fewer in universes of more than 6,000 pools.
    #[arg(long)]
    orders: Option<usize>,
    /// Seeds; each makes a universe of its own.
    #[arg(long, value_delimiter = ',', default_value = "1,2")]
    seeds: Vec<u64>,
    /// Sizes of the orders in dollars.
    #[arg(long, value_delimiter = ',', default_value = "1000,10000,100000,1000000")]
    usd: Vec<f64>,
    /// The share of orders with an exact buy amount.
    #[arg(long, default_value_t = 0.0)]
    buy_share: f64,
    /// The share of orders that may be filled partly.
    #[arg(long, default_value_t = 0.0)]
    partial_share: f64,
    /// Start from the auction's clearing prices, as the engine does for many orders, instead of cold; finding them is timed apart.
    #[arg(long)]
    warm: bool,
    /// Seconds after which an order's search is told to stop; what it has by then counts, as unconverged.
    #[arg(long, default_value_t = 10.0, value_parser = seconds)]
    limit: f64,
    /// The share of pools that arbitrage has not reached; the more of them, the more of a search is for cycles that need no order.
    #[arg(long, default_value_t = UniverseConfig::default().stale_share)]
    stale_share: f64,
    /// Looks at markets that one order may take; the engine's own measure if left out.
    #[arg(long)]
    work: Option<u64>,
}

fn seconds(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|s| (0.001..1e6).contains(s)).ok_or_else(|| "expected seconds, a thousandth at least".to_owned())
}

/// One universe.
#[derive(Debug, Serialize)]
struct Universe {
    pools: usize,
    seed: u64,
    description: String,
    markets: usize,
    read: Took,
    lay_out: Took,
    clearing_prices: Option<Took>,
    peak_memory_mb: Option<f64>,
    filled: Vec<(f64, Filled)>,
    unfilled: Vec<(f64, Unfilled)>,
}

/// Orders of one row.
#[derive(Debug, Serialize)]
struct Group {
    pools: usize,
    /// Dollars; all sizes together where there is none.
    usd: Option<f64>,
    orders: usize,
    filled: usize,
    /// To the first verified plan.
    first: Spread,
    first_cpu: Spread,
    /// To the last.
    cpu: Spread,
    convex: Spread,
    /// The worst convex gap of those that say they converged.
    convex_converged: f64,
    unconverged: usize,
    integer: Spread,
    /// Of the first plan and of the last, against the same bound.
    first_total: Spread,
    total: Spread,
    /// Orders solved more than once.
    again: usize,
}

impl Group {
    fn of(pools: usize, usd: Option<f64>, universes: &[Universe]) -> Self {
        let here = || universes.iter().filter(|u| u.pools == pools);
        let of_size = |size: f64| usd.is_none_or(|usd| usd == size);
        let filled: Vec<Filled> = here().flat_map(|u| &u.filled).filter(|f| of_size(f.0)).map(|f| f.1).collect();
        let unfilled = here().flat_map(|u| &u.unfilled).filter(|f| of_size(f.0)).count();
        let spread = |of: fn(&Filled) -> f64| Spread::of(filled.iter().map(of));
        Self {
            pools,
            usd,
            orders: filled.len() + unfilled,
            filled: filled.len(),
            first: spread(|f| f.first.wall),
            first_cpu: spread(|f| f.first.cpu),
            cpu: spread(|f| f.took.cpu),
            convex: spread(|f| f.convex.max(f.first_convex)),
            convex_converged: filled.iter().filter(|f| f.converged).map(|f| f.convex).fold(0.0, f64::max),
            unconverged: filled.iter().filter(|f| !f.converged).count(),
            integer: spread(|f| f.integer),
            first_total: spread(|f| f.first_total),
            total: spread(|f| f.total),
            again: filled.iter().filter(|f| f.attempts > 1).count(),
        }
    }

    fn row(&self) -> Vec<String> {
        let name = self.usd.map_or_else(|| self.pools.to_string(), |usd| format!("{} · ${usd}", self.pools));
        if self.filled == 0 {
            let mut row = vec![name, self.orders.to_string(), "0 %".to_owned()];
            row.resize(HEADER.len(), "–".to_owned());
            return row;
        }
        let mut row =
            vec![name, self.orders.to_string(), format!("{:.0} %", 100.0 * self.filled as f64 / self.orders.max(1) as f64)];
        let times = [self.first.median, self.first.p90, self.first_cpu.median, self.first_cpu.p90, self.cpu.median, self.cpu.p90];
        row.extend(times.map(|x| format!("{x:.2}")));
        row.extend([self.convex.median, self.convex.p90, self.convex.worst, self.convex_converged].map(short));
        row.push(self.unconverged.to_string());
        row.push(self.again.to_string());
        let gaps = [
            self.integer.median,
            self.integer.p90,
            self.first_total.median,
            self.first_total.p90,
            self.total.median,
            self.total.p90,
        ];
        row.extend(gaps.map(short));
        row
    }
}

const HEADER: [&str; 21] = [
    "pools",
    "orders",
    "filled",
    "first ms",
    "p90",
    "first cpu",
    "p90",
    "all cpu",
    "p90",
    "convex gap",
    "p90",
    "worst",
    "worst converged",
    "unconverged",
    "solved again",
    "integer gap",
    "p90",
    "first total gap",
    "p90",
    "total gap",
    "p90",
];

impl SingleArgs {
    pub fn run(self) -> anyhow::Result<Report> {
        let mut universes = Vec::new();
        for &pools in &self.pools {
            for &seed in &self.seeds {
                universes.push(self.universe(pools, seed));
            }
        }
        let all: Vec<Group> = self.pools.iter().map(|&pools| Group::of(pools, None, &universes)).collect();
        let by_size: Vec<Group> = self
            .pools
            .iter()
            .flat_map(|&pools| self.usd.iter().map(move |&usd| (pools, usd)))
            .map(|(pools, usd)| Group::of(pools, Some(usd), &universes))
            .collect();
        let slope = |of: fn(&Group) -> f64| exponent(&all.iter().map(|g| (g.pools as f64, of(g))).collect::<Vec<_>>());
        let (wall, cpu) = (slope(|g| g.first.median), slope(|g| g.first_cpu.median));
        let text = self.text(&universes, &all, &by_size, [wall, cpu]);
        let figures = serde_json::json!({ "universes": universes, "all": all, "by_size": by_size, "exponent": { "wall": wall, "cpu": cpu } });
        Ok(Report { text, figures })
    }

    fn universe(&self, pools: usize, seed: u64) -> Universe {
        let mut config = Config::default();
        config.work_per_order = self.work.unwrap_or(config.work_per_order);
        let orders = self.orders.unwrap_or((LOOKS / pools / self.usd.len().max(1)).clamp(4, 20));
        let asked = Asked {
            pools,
            seed,
            orders,
            usd: &self.usd,
            buy_share: self.buy_share,
            partial_share: self.partial_share,
            stale_share: self.stale_share,
        };
        let scenario: Scenario = scenario(&asked, &config);
        let prices = self.warm.then(|| timed(|| scenario.liquidity.clearing_prices(&|| false)));
        let warm = prices.as_ref().map(|p| p.0.as_slice());
        let (mut filled, mut unfilled) = (Vec::new(), Vec::new());
        for index in 0..scenario.auction.orders.len() {
            let usd = scenario.usd[index];
            let took = match attempt(&scenario, &config, index, warm, Duration::from_secs_f64(self.limit)) {
                Ok(answer) => {
                    filled.push((usd, answer));
                    answer.took.wall
                }
                Err(answer) => {
                    let wall = answer.took.wall;
                    unfilled.push((usd, answer));
                    wall
                }
            };
            eprintln!(
                "{pools} pools, seed {seed}, order {} of {}: ${usd}, {took:.1} ms",
                index + 1,
                scenario.auction.orders.len()
            );
        }
        let description = describe(&scenario.statistics, &format!("seed {seed}"));
        Universe {
            pools,
            seed,
            description,
            markets: scenario.liquidity.len(),
            read: scenario.read,
            lay_out: scenario.lay_out,
            clearing_prices: prices.map(|p| p.1),
            peak_memory_mb: peak_memory(),
            filled,
            unfilled,
        }
    }

    fn text(&self, universes: &[Universe], all: &[Group], by_size: &[Group], [wall, cpu]: [Option<f64>; 2]) -> String {
        let start = if self.warm { "from the auction's clearing prices" } else { "cold" };
        let mut text = format!(
            "{}\n\nSingle orders, {start}, from laid-out liquidity to a verified plan. Sizes $ {}; {:.0} % with an exact buy amount, {:.0} % \
             partially fillable; no order is above a twentieth of what the pools of its tokens hold. Gaps in bps of the order: convex is \
             what the programme may have left on the pools chosen, integer what whole atoms and the order of execution cost, total the \
             exact replay against the bound over all pools.\n\n",
            caveats(),
            self.usd.iter().map(f64::to_string).collect::<Vec<_>>().join(", "),
            100.0 * self.buy_share,
            100.0 * self.partial_share,
        );
        for u in universes {
            text += &format!(
                "{}; {} take part; {:.1} ms to read (cpu {:.1}), {:.1} ms to lay out (cpu {:.1})",
                u.description, u.markets, u.read.wall, u.read.cpu, u.lay_out.wall, u.lay_out.cpu
            );
            text += &u
                .clearing_prices
                .map_or_else(String::new, |t| format!(", {:.1} ms to the clearing prices (cpu {:.1})", t.wall, t.cpu));
            text += &u.peak_memory_mb.map_or_else(String::new, |mb| format!("; at most {mb:.0} MB so far, generator included"));
            text.push('\n');
        }
        text += &format!("\n{}\n", table(&HEADER, all.iter().map(Group::row)));
        let shown = |x: Option<f64>| x.map_or_else(|| "–".to_owned(), |x| format!("{x:.2}"));
        text += &format!(
            "exponent of the first plan's median over the pools: {} on the wall, {} of the processor\n",
            shown(wall),
            shown(cpu)
        );
        text += &format!("\n{}\n", table(&HEADER, by_size.iter().filter(|g| g.orders > 0).map(Group::row)));
        let mut reasons: BTreeMap<(usize, &str), (usize, f64)> = BTreeMap::new();
        for (u, (_, answer)) in universes.iter().flat_map(|u| u.unfilled.iter().map(move |x| (u, x))) {
            let entry = reasons.entry((u.pools, &answer.reason)).or_default();
            *entry = (entry.0 + 1, entry.1.max(answer.took.wall));
        }
        for ((pools, reason), (count, worst)) in reasons {
            text += &format!("unfilled at {pools} pools: {count} × {reason} (at most {worst:.1} ms)\n");
        }
        text
    }
}
