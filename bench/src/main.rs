//! `ballast-bench`: how fast the router is, how far from the bound, and against whom.
//!
//! - `single`: single orders on generated universes of growing size, from laid-out liquidity to a verified plan: time, its growth with the
//!   pools, and what is left between the result and what no solution could exceed.
//! - `compare`: other routers on the same pools, the same order and the same gas, measured against the same bound.
//! - `prices`: clearing prices found anew, and from those before after some pools have moved.
//! - `batch`: whole batches: welfare and time, beside what their orders get one by one.
//! - `intent`: whole portfolios, beside rebalances put together of single trades.
//! - `load`: a running service under auctions at a steady rate: latency, time left, memory.
//! - `service`: the intent service under requests at a steady rate: latency, passes of decisions, a restart.
//!
//! The kernels under them are timed one by one by `cargo bench -p ballast-bench`.
//!
//! Everything runs on one thread and starts cold. Where a figure is a ratio of two, both are from the same run.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command line: tables on stdout, progress on stderr")]

mod arbitrage;
mod attempt;
mod batch;
mod clock;
mod compare;
mod intent;
mod line;
mod load;
mod opponents;
mod prices;
mod scenario;
mod service;
mod show;
mod single;
mod spread;

use clap::{Parser, Subcommand};

/// Measures the router: speed, gaps to the bound, and other routers beside it.
#[derive(Debug, Parser)]
#[command(name = "ballast-bench", version, arg_required_else_help = true)]
struct Cli {
    /// Print the figures as JSON on stdout, and the tables on stderr.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Single orders on generated universes: time, exponent, gaps.
    Single(single::SingleArgs),
    /// Other routers on the same pools, order, gas and bound.
    Compare(compare::CompareArgs),
    Prices(prices::PricesArgs),
    Batch(batch::BatchArgs),
    Load(load::LoadArgs),
    Intent(intent::IntentArgs),
    Service(service::ServiceArgs),
}

fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    let report = match cli.command {
        Command::Single(args) => args.run()?,
        Command::Compare(args) => args.run()?,
        Command::Prices(args) => args.run()?,
        Command::Batch(args) => args.run()?,
        Command::Load(args) => args.run()?,
        Command::Intent(args) => args.run()?,
        Command::Service(args) => args.run()?,
    };
    if cli.json {
        eprintln!("{}", report.text);
        println!("{}", serde_json::to_string_pretty(&report.figures)?);
    } else {
        println!("{}", report.text);
    }
    Ok(())
}
