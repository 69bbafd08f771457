//! Whole portfolios: ours beside rebalances that are put together of single trades.

mod pairwise;
mod together;
mod vaults;

use std::time::{Duration, Instant};

use ballast_solver::config::Config;
use ballast_solver::intent::Task;
use ballast_solver::intent::size::{Answer, lay_out, size};
use clap::Args;
use serde_json::json;

use crate::clock::timed;
use crate::show::{Report, caveats, short, table};
use pairwise::{By, Done, pairwise};
use vaults::{Vault, Vaults};

/// Rebalances of whole portfolios: naive pair by pair to exact targets, a split router to exact targets, the same to the edge of the landing,
/// and ours. Costs are exact: in whole atoms on the venues' own arithmetic, at the reference prices, each swap's gas included.
#[derive(Debug, Args)]
pub(crate) struct IntentArgs {
    /// Pools of the universe.
    #[arg(long, default_value_t = 2_000)]
    pools: usize,
    /// An auction to take the pools of instead (JSON).
    #[arg(long, value_name = "FILE")]
    auction: Option<std::path::PathBuf>,
    /// Assets of a vault.
    #[arg(long, default_value_t = 10)]
    assets: usize,
    /// What a vault holds, in dollars.
    #[arg(long, default_value_t = 1e6)]
    usd: f64,
    /// How far from its target a weight may land, in basis points of the portfolio.
    #[arg(long, default_value_t = 100)]
    landing: u32,
    /// Vaults of each universe.
    #[arg(long, default_value_t = 5)]
    vaults: usize,
    /// Universes.
    #[arg(long, default_value_t = 3)]
    seeds: u64,
    /// The most that one solve may take.
    #[arg(long, default_value = "5s", value_parser = humantime::parse_duration)]
    limit: Duration,
    /// All vaults of a universe in one batch with orders, instead of each by itself.
    #[arg(long)]
    together: bool,
    /// Orders of that batch, or of the auction's the first so many.
    #[arg(long, default_value_t = 100, requires = "together")]
    orders: usize,
    /// The most gas of that batch; the engine's own limit where there is none.
    #[arg(long, requires = "together")]
    max_gas: Option<u64>,
}

/// One vault by every way.
struct Row {
    /// Cost in basis points of the vault: naive, split, split to the edge, ours.
    bps: [f64; 4],
    /// Milliseconds of the processor of ours: from nothing, from prices of the market, and for the bound.
    ms: [f64; 3],
    /// Distance to the bound, in basis points of the vault.
    gap: f64,
    arbitrage: f64,
}

impl IntentArgs {
    pub(crate) fn run(self) -> anyhow::Result<Report> {
        if self.together {
            return self.together();
        }
        // Nobody's arbitrage is too good to be true here, and the contract's own gas is the same for all.
        let config = Config {
            settlement_gas: 0,
            trade_gas: 0,
            max_arbitrage_per_pool: 1e9,
            max_arbitrage_per_auction: 1e9,
            ..Config::default()
        };
        let mut rows = Vec::new();
        let mut failed = 0;
        for seed in 1..=self.seeds {
            let universe = match &self.auction {
                Some(path) => Vaults::of(&std::fs::read(path)?)?,
                None => Vaults::generated(self.pools, seed),
            };
            for vault in universe.draw(self.vaults, self.assets, self.usd, self.landing, seed) {
                match self.one(&universe, &vault, &config) {
                    Some(row) => rows.push(row),
                    None => failed += 1,
                }
            }
        }
        Ok(self.report(&rows, failed))
    }

    /// What the vaults trade on.
    fn ground(&self) -> String {
        match &self.auction {
            Some(_) => "the pools of an auction".to_owned(),
            None => format!("{} generated pools", self.pools),
        }
    }

    /// Every way for one vault; none where one of them has no answer.
    fn one(&self, universe: &Vaults, vault: &Vault, config: &Config) -> Option<Row> {
        let task = Task { intent: &vault.intent, portfolio: &vault.portfolio, moment: &vault.moment };
        let liquidity = lay_out(&[task], &universe.auction, config, &mut Default::default());
        let warm = liquidity.clearing_prices(&|| false);
        let solve = |warm| {
            let end = Instant::now() + self.limit;
            timed(|| size(&task, &universe.auction, &liquidity, config, warm, &|| Instant::now() >= end))
        };
        let ((cold, from_nothing), (found, from_prices)) = (solve(None), solve(Some(&warm)));
        let (Ok(Answer::Rebalance(cold)), Ok(Answer::Rebalance(mut found))) = (cold, found) else { return None };
        let ((), certified) = timed(|| found.certify(&liquidity, config, &|| false));
        if found.foreseen.is_err() || cold.foreseen.is_err() {
            return None;
        }
        let after = found.after.holdings.iter().map(|h| h.balance).collect();
        let ours = Done { balances: after, swaps: found.swaps.clone() };
        let others = [(By::Path, None), (By::Split, None), (By::Split, Some(self.landing))];
        let mut bps = [0.0; 4];
        for (bps, (by, edge)) in bps.iter_mut().zip(others) {
            *bps = universe.cost(vault, &pairwise(universe, vault, config, by, edge)?);
        }
        bps[3] = universe.cost(vault, &ours);
        let value = 1e-4 * vault.value();
        let (gap, arbitrage) = (found.gaps.total / value, found.costs.arbitrage / value);
        Some(Row { bps, ms: [from_nothing.cpu, from_prices.cpu, certified.cpu], gap, arbitrage })
    }

    fn report(&self, rows: &[Row], failed: usize) -> Report {
        let names = [
            "pair by pair, best path, to the targets",
            "pair by pair, split, to the targets",
            "pair by pair, split, to the landing",
            "ours",
        ];
        let column = |of: &dyn Fn(&Row) -> f64| {
            let mut all: Vec<f64> = rows.iter().map(of).collect();
            all.sort_by(f64::total_cmp);
            all
        };
        let middle = |all: &[f64]| all.get(all.len() / 2).copied().unwrap_or(f64::NAN);
        let mean = |all: &[f64]| all.iter().sum::<f64>() / all.len() as f64;
        let lines = names.iter().enumerate().map(|(k, name)| {
            let all = column(&|row| row.bps[k]);
            vec![(*name).to_owned(), short(middle(&all)), short(mean(&all)), short(all.last().copied().unwrap_or(f64::NAN))]
        });
        let costs = table(&["cost in bps of the vault", "median", "mean", "worst"], lines);
        let saved = [(1, 2, "by the band"), (2, 3, "by solving jointly"), (0, 3, "all together")].map(|(from, to, by)| {
            let all = column(&|row| row.bps[from] - row.bps[to]);
            vec![by.to_owned(), short(middle(&all)), short(mean(&all))]
        });
        let saved = table(&["saved, bps of the vault", "median", "mean"], saved);
        let [nothing, prices, bound] = [0, 1, 2].map(|k| column(&|row| row.ms[k]));
        let (gap, arbitrage) = (column(&|row| row.gap), column(&|row| row.arbitrage));
        let text = format!(
            "{}\n{} vaults of {} assets and ${}, landings of {} bps either way, {} ({failed} left out: a way without an answer)\n{costs}\n{saved}\n\
             ours: {} ms of one core from nothing, {} ms from the market's prices (medians; worst {} and {}), to a plan that the contract accepts; the bound takes {} ms more; \
             gap to it {} bps, arbitrage credited {} bps (medians)",
            caveats(),
            rows.len(),
            self.assets,
            self.usd,
            self.landing,
            self.ground(),
            short(middle(&nothing)),
            short(middle(&prices)),
            short(nothing.last().copied().unwrap_or(f64::NAN)),
            short(prices.last().copied().unwrap_or(f64::NAN)),
            short(middle(&bound)),
            short(middle(&gap)),
            short(middle(&arbitrage)),
        );
        let each: Vec<_> =
            rows.iter().map(|row| json!({"bps": row.bps, "ms": row.ms, "gap": row.gap, "arbitrage": row.arbitrage})).collect();
        Report { text, figures: json!({ "vaults": each }) }
    }
}
