//! Many vaults and traders' orders in one batch.

use std::collections::BTreeMap;
use std::time::Instant;

use ballast_fixtures::{OrderConfig, UniverseConfig, orders, universe};
use ballast_solver::config::Config;
use ballast_solver::intent::Task;
use ballast_solver::intent::size::Answer;
use ballast_solver::intent::together::{Left, alone, solve};
use ballast_solver::settlement::Contracts;
use serde_json::json;

use super::IntentArgs;
use super::vaults::Vaults;
use crate::clock::timed;
use crate::show::{Report, caveats, short, table};
use crate::spread::Spread;

/// What orders are filled whole or not at all.
const FILL_OR_KILL: f64 = 0.4;

/// One batch.
struct Row {
    settled: usize,
    fills: usize,
    matched: f64,
    /// Basis points of the vaults that are settled together: what they cost alone, and together.
    bps: [f64; 2],
    rounds: usize,
    /// Milliseconds until all landed in some batch.
    first: Option<f64>,
    /// Milliseconds on the wall and of the processor: together, and one after the other alone.
    ms: [f64; 4],
    why: Option<String>,
    /// Why vaults left, and how many.
    left: BTreeMap<&'static str, usize>,
}

/// Reasons to leave, by what is to be done about them.
fn kind(left: &Left) -> &'static str {
    match left {
        Left::Breach { filled: 100, .. } => "filled, and its conditions missed",
        Left::Breach { .. } => "not filled within its limits",
        Left::Full => "for the next settlement",
        Left::NoBatch(_) => "no batch",
        _ => "nothing to trade",
    }
}

impl IntentArgs {
    pub(super) fn together(&self) -> anyhow::Result<Report> {
        let standard = Config::default();
        let config = Config { max_gas: self.max_gas.unwrap_or(standard.max_gas), ..standard };
        let one = |seed| {
            let universe = match &self.auction {
                Some(path) => {
                    let mut request = ballast_wire::Auction::from_json(&std::fs::read(path)?)?;
                    request.orders.truncate(self.orders);
                    Vaults::with_orders(request)
                }
                None => {
                    let mut request = universe(&UniverseConfig::new(self.pools, seed));
                    orders(&mut request, &OrderConfig::batch(self.orders, seed, FILL_OR_KILL));
                    Vaults::with_orders(request)
                }
            };
            Ok(self.batch(&universe, seed, &config))
        };
        let rows: Vec<Row> = (1..=self.seeds).map(one).collect::<anyhow::Result<_>>()?;
        let headers = [
            "seed",
            "vaults settled",
            "orders filled",
            "matched, %",
            "alone, bps",
            "together, bps",
            "rounds",
            "all land, ms",
            "ms",
            "of the processor",
            "alone, ms",
        ];
        let lines = rows.iter().zip(1..).map(|(row, seed): (&Row, u64)| {
            let mut line = vec![seed.to_string(), format!("{} of {}", row.settled, self.vaults), row.fills.to_string()];
            line.extend([row.matched, row.bps[0], row.bps[1]].map(short));
            line.push(row.rounds.to_string());
            line.push(row.first.map_or("never".to_owned(), short));
            line.extend([row.ms[0], row.ms[1], row.ms[2]].map(short));
            line
        });
        let whys = rows.iter().zip(1..).map(|(row, seed): (&Row, u64)| {
            let left: Vec<String> = row.left.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
            let why: String = row.why.iter().map(|why| format!(" ({why})")).collect();
            if left.is_empty() { String::new() } else { format!("seed {seed}, left: {}{why}\n", left.join(", ")) }
        });
        let text = format!(
            "{}\n{} vaults of {} assets and ${} with {} orders on {}, one batch each; costs are of the vaults settled together, gas included\n{}\nall land after {} ms at the median\n{}",
            caveats(),
            self.vaults,
            self.assets,
            self.usd,
            self.orders,
            self.ground(),
            table(&headers, lines),
            short(Spread::of(rows.iter().map(|row| row.first.unwrap_or(f64::INFINITY))).median),
            whys.collect::<String>()
        );
        let each: Vec<_> = rows
            .iter()
            .map(|row| {
                json!({
                    "settled": row.settled, "fills": row.fills, "matched": row.matched, "bps": row.bps, "rounds": row.rounds,
                    "first": row.first, "ms": row.ms, "why": row.why, "left": row.left,
                })
            })
            .collect();
        Ok(Report { text, figures: json!({ "batches": each }) })
    }

    fn batch(&self, universe: &Vaults, seed: u64, config: &Config) -> Row {
        let vaults = universe.draw(self.vaults, self.assets, self.usd, self.landing, seed);
        let tasks: Vec<Task<'_>> = vaults
            .iter()
            .map(|vault| Task { intent: &vault.intent, portfolio: &vault.portfolio, moment: &vault.moment })
            .collect();
        let auction = &universe.auction;
        let end = Instant::now() + self.limit;
        let (found, took) = timed(|| solve(&tasks, auction, &Contracts::default(), config, &|| Instant::now() >= end));
        let (by_itself, alone_took) = timed(|| alone(&tasks, auction, config, &|| false));
        let mut bps = [0.0; 2];
        let mut value = 0.0;
        for ((share, alone), vault) in found.shares.iter().zip(&by_itself).zip(&vaults) {
            if let (Ok(share), Ok(Answer::Rebalance(alone))) = (share, alone) {
                bps[0] += 1e4 * alone.costs.total();
                bps[1] += 1e4 * share.cost;
                value += vault.value();
            }
        }
        let mut left = BTreeMap::new();
        for reason in found.shares.iter().filter_map(|share| share.as_ref().err()) {
            *left.entry(kind(reason)).or_default() += 1;
        }
        let joint = found.batch.as_ref().map(|settled| &settled.joint);
        Row {
            settled: found.shares.iter().filter(|share| share.is_ok()).count(),
            fills: joint.map_or(0, |joint| joint.fills.len()),
            matched: joint.map_or(0.0, |joint| 100.0 * (1.0 - joint.routed / joint.volume)),
            bps: bps.map(|sum| sum / value),
            rounds: found.rounds,
            first: found.first.map(|first| 1e3 * first.as_secs_f64()),
            ms: [took.wall, took.cpu, alone_took.wall, alone_took.cpu],
            why: joint.err().cloned(),
            left,
        }
    }
}
