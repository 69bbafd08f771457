//! The commands `decide`, `backtest` and `tune`: clap structs with a `run`, for a binary to mount.

mod backtest;
mod decide;
mod tune;

use std::{io::Write as _, path::PathBuf};

use anyhow::Context as _;
pub use backtest::BacktestArgs;
use bigdecimal::{BigDecimal, num_bigint::Sign};
pub use decide::DecideArgs;
use indicatif::{ProgressBar, ProgressStyle};
pub use tune::TuneArgs;

use crate::{
    history::{self, History, PriceFile, Strictness},
    policy,
    time::Span,
};

/// The price files, and how they are read.
#[derive(Debug, Clone, clap::Args)]
pub struct PriceArgs {
    /// Prices: a CSV with a `timestamp`, `time` or `date` column (Unix seconds, a date, or RFC 3339) and per asset a column
    /// `ASSET` (close), or `ASSET:open`, `ASSET:high`, `ASSET:low`, `ASSET:close`.
    ///
    /// A file with bare `open,high,low,close` columns is given as ASSET=FILE. Several files are joined on their times. A blank cell is a
    /// gap: the last price is carried forward, forecasts skip it, and it is reported. Anything else that is wrong (zero or
    /// negative prices, NaN, times out of order or twice) is an error with its line.
    #[arg(long, value_name = "[ASSET=]FILE", required = true, num_args = 1..)]
    pub prices: Vec<PriceFile>,
    /// Repair wrong cells instead of refusing them: they become gaps, rows are sorted, of rows with one time the last
    /// counts. Every repair is reported.
    #[arg(long)]
    pub repair: bool,
    /// Macro series: a CSV with a time column and one column a series. Their correlation with each asset is reported.
    #[arg(long = "macro", value_name = "FILE")]
    pub macro_file: Option<PathBuf>,
    /// How long after its timestamp a macro value is published: it is not seen before.
    #[arg(long, value_name = "SPAN", default_value = "0s", requires = "macro_file")]
    pub macro_lag: Span,
    /// Print no findings about the price files.
    #[arg(long, short)]
    pub quiet: bool,
}

impl PriceArgs {
    /// Reads the files and reports what was found to stderr.
    fn read(&self) -> anyhow::Result<History> {
        let strictness = if self.repair { Strictness::Repair } else { Strictness::Strict };
        let mut history = history::read(&self.prices, strictness)?;
        if let Some(path) = &self.macro_file {
            history::read_macro(&mut history, path, self.macro_lag)?;
        }
        if !self.quiet {
            // Nobody to tell is no reason to fail.
            let _ = writeln!(std::io::stderr(), "prices: {}", history.findings());
        }
        Ok(history)
    }
}

/// An amount above zero.
fn money(text: &str) -> Result<BigDecimal, String> {
    policy::parse_number(text)
        .filter(|value| value.sign() == Sign::Plus)
        .ok_or_else(|| "not a decimal number above zero".to_owned())
}

/// Writes to stdout; a reader that has gone away (`| head`) is no error.
fn print(text: &str) -> anyhow::Result<()> {
    match writeln!(std::io::stdout().lock(), "{}", text.trim_end()) {
        Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => other.context("stdout"),
    }
}

/// A progress bar on stderr, invisible where that is no terminal.
fn progress(total: u64, what: &'static str) -> ProgressBar {
    let bar = ProgressBar::new(total);
    if let Ok(style) = ProgressStyle::with_template("{prefix} {wide_bar} {human_pos}/{human_len} {msg} (eta {eta})") {
        bar.set_style(style);
    }
    bar.with_message(what)
}
