//! `ballast solve`.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context;
use ballast_wire::Reply;
use clap::Args;

use super::request::{RequestArgs, timer};
use super::table;
use crate::pipeline;

/// Solve an auction, and show what was done and why.
///
/// Each order is solved by itself on all of the liquidity. A table of what was found goes to stderr: for each order its route, how
/// much of it is filled, the surplus over its limit, gas, what arbitrage cycles add, the bound on the surplus that no
/// solution can exceed, and the gap to it in basis points of the order. What was left out is counted by reason.
#[derive(Debug, Args)]
pub(super) struct SolveArgs {
    #[command(flatten)]
    request: RequestArgs,

    /// Time to stop at, such as `2s` or `500ms`; the best found by then is printed.
    #[arg(long, default_value = "10s", value_parser = humantime::parse_duration, value_name = "TIME")]
    budget: Duration,

    /// Print the reply to the driver on stdout, as JSON.
    #[arg(long)]
    json: bool,

    /// Name everything that was left out, instead of counting it.
    #[arg(long)]
    drops: bool,
}

impl SolveArgs {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let settings = self.request.settings()?;
        let began = Instant::now();
        let mut auction = self.request.read()?;
        let read = began.elapsed();
        let report = pipeline::solve(&mut auction, &settings, &timer(self.budget));
        table::say(&table::solutions(&auction, &report));
        table::say(&table::batch(&auction, &report));
        table::say(&table::drops(&report.drops, self.drops));
        table::say(&table::summary(&auction, &report, read));
        if self.json {
            let solutions = report.solutions().into_iter().map(|s| pipeline::finished(&auction, &settings, s)).collect();
            let reply = Reply::Solutions { solutions };
            let json = serde_json::to_string(&reply).context("cannot write the reply")?;
            table::print(&json)?;
        }
        Ok(ExitCode::SUCCESS)
    }
}
