//! The command line.

#[cfg(feature = "chain")]
mod devnet;
mod explain;
mod intent;
mod replay;
mod request;
#[cfg(feature = "serve")]
mod serve;
#[cfg(feature = "chain")]
mod settle;
mod solve;
mod table;
mod verify;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tracing_subscriber::EnvFilter;

use crate::config::reference;

/// Ballast: an off-chain solver for intent-based execution on EVM chains.
///
/// It takes a CoW-style batch auction, routes its orders to the optimum over all of the liquidity that came with it, and prints a
/// reply whose every number the chain would pay: exact integers by each venue's own arithmetic, with a bound on what any
/// solution could reach.
#[derive(Debug, Parser)]
#[command(name = "ballast", version, propagate_version = true, arg_required_else_help = true)]
#[command(after_help = "Logs go to stderr; RUST_LOG=debug shows every dropped pool and every decision.")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Solve(solve::SolveArgs),
    Verify(verify::VerifyArgs),
    Explain(explain::ExplainArgs),
    Replay(replay::ReplayArgs),
    #[cfg(feature = "chain")]
    Devnet(devnet::DevnetArgs),
    #[cfg(feature = "chain")]
    Settle(settle::SettleArgs),
    #[cfg(feature = "serve")]
    Serve(serve::ServeArgs),
    Intent(intent::IntentArgs),
    /// Print a configuration file with every key, what it means, and its default.
    Config,
    /// Decide whether a portfolio should rebalance now, and say why.
    Decide(ballast_policy::cli::DecideArgs),
    /// Run policies over a price history with the code that decides live.
    Backtest(ballast_policy::cli::BacktestArgs),
    /// Search a policy's parameters, walk-forward, for the frontier of cost against tracking error.
    Tune(ballast_policy::cli::TuneArgs),
}

/// Reads the arguments and does what they say.
pub fn main() -> ExitCode {
    let command = Cli::parse().command;
    // A service logs as its configuration says.
    #[cfg(feature = "serve")]
    let logs = !matches!(command, Command::Serve(_));
    #[cfg(not(feature = "serve"))]
    let logs = true;
    if logs {
        let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    }
    let done = match command {
        Command::Solve(args) => args.run(),
        Command::Verify(args) => args.run(),
        Command::Explain(args) => args.run(),
        Command::Replay(args) => args.run(),
        #[cfg(feature = "chain")]
        Command::Devnet(args) => args.run(),
        #[cfg(feature = "chain")]
        Command::Settle(args) => args.run(),
        #[cfg(feature = "serve")]
        Command::Serve(args) => args.run(),
        Command::Intent(args) => args.run(),
        Command::Config => table::print(reference().trim_end()).map(|()| ExitCode::SUCCESS),
        Command::Decide(args) => args.run(),
        Command::Backtest(args) => args.run(),
        Command::Tune(args) => args.run(),
    };
    done.unwrap_or_else(|error| {
        table::say(&format!("error: {error:#}"));
        ExitCode::FAILURE
    })
}
