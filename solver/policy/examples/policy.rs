//! The three commands, as the `ballast` binary mounts them: `cargo run -p ballast-policy --example policy -- decide …`.

use std::process::ExitCode;

use ballast_policy::cli::{BacktestArgs, DecideArgs, TuneArgs};
use clap::Parser;

#[derive(Parser)]
enum Command {
    Decide(DecideArgs),
    Backtest(BacktestArgs),
    Tune(TuneArgs),
}

fn main() -> anyhow::Result<ExitCode> {
    match Command::parse() {
        Command::Decide(args) => args.run(),
        Command::Backtest(args) => args.run(),
        Command::Tune(args) => args.run(),
    }
}
