//! `backtest`.

use std::{path::PathBuf, process::ExitCode};

use anyhow::{Context as _, bail};
use bigdecimal::BigDecimal;
use rayon::prelude::*;
use serde::Serialize;

use super::{PriceArgs, money, print, progress};
use crate::{
    backtest::{self, FillAt, Outcome, Settings},
    history::Findings,
    policy::Policy,
    report,
    time::Span,
};

/// Run policies over a price history, with the same code that decides live.
///
/// Each policy starts at its own target weights after the warm-up and sees prices only up to each bar. Values are measured in
/// the numeraire; costs are those of each policy's `[costs]`. Past prices say what a policy would have done, not what it will earn.
#[derive(Debug, Clone, clap::Args)]
pub struct BacktestArgs {
    /// The policies to compare (TOML). Differences are shown against the first: a policy without rules holds.
    #[arg(long, value_name = "FILE", required = true, num_args = 1..)]
    pub policy: Vec<PathBuf>,
    #[command(flatten)]
    #[expect(missing_docs, reason = "clap would show it as help of its own")]
    pub prices: PriceArgs,
    /// Unit of prices and values. A policy may hold it; its price is one.
    #[arg(long, value_name = "ASSET", default_value = "USD")]
    pub numeraire: String,
    /// Value at the start, in the numeraire. Gas weighs more on small portfolios.
    #[arg(long, value_name = "AMOUNT", default_value = "100000", value_parser = money)]
    pub value: BigDecimal,
    /// How long forecasts watch before the portfolio starts.
    #[arg(long, value_name = "SPAN", default_value = "30d")]
    pub warmup: Span,
    /// When a decision is filled: at the close it was made on, or at the next bar (its open, where the file has opens).
    #[arg(long, value_enum, default_value_t)]
    pub fill: FillAt,
    /// Write a plot: values, their difference from the first policy, and weights with bands and trades of one.
    #[arg(long, value_name = "FILE")]
    pub svg: Option<PathBuf>,
    /// The policy whose weights are plotted, by name; the last by default.
    #[arg(long, value_name = "NAME", requires = "svg")]
    pub detail: Option<String>,
    /// Print JSON, trades included.
    #[arg(long)]
    pub json: bool,
}

#[derive(Serialize)]
struct Output<'a> {
    prices: &'a Findings,
    outcomes: &'a [Outcome],
}

impl BacktestArgs {
    /// Runs and prints.
    ///
    /// # Errors
    /// If a file cannot be read or does not fit the others; the message names it, with field or line.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let policies = self.policy.iter().map(|path| Policy::read(path)).collect::<Result<Vec<_>, _>>()?;
        for (i, policy) in policies.iter().enumerate() {
            if let (Some(other), Some(path)) = (policies.iter().take(i).position(|p| p.name == policy.name), self.policy.get(i)) {
                let first = self.policy.get(other).map(|p| p.display().to_string()).unwrap_or_default();
                bail!("{}: `name`: {first} is called `{}` too", path.display(), policy.name);
            }
        }
        let detail = match &self.detail {
            None => policies.len() - 1,
            Some(name) => policies
                .iter()
                .position(|p| p.name == *name)
                .with_context(|| format!("--detail: no policy is called `{name}`"))?,
        };
        let history = self.prices.read()?;
        let settings = Settings { value: self.value.clone(), warmup: self.warmup, fill: self.fill, ..Settings::default() };
        let bar = progress((history.len() * policies.len()) as u64, "bars");
        let outcomes = policies
            .par_iter()
            .zip(&self.policy)
            .map(|(policy, path)| {
                let history = history.select(&policy.assets(), &self.numeraire).with_context(|| path.display().to_string())?;
                let advance = |bars: usize| bar.inc(bars as u64);
                backtest::run(policy, &history, &self.numeraire, &settings, &advance).with_context(|| path.display().to_string())
            })
            .collect::<anyhow::Result<Vec<_>>>()?;
        bar.finish_and_clear();
        if let Some(path) = &self.svg {
            report::plot_backtest(path, &outcomes, detail, &self.numeraire).with_context(|| path.display().to_string())?;
        }
        if self.json {
            print(&serde_json::to_string_pretty(&Output { prices: history.findings(), outcomes: &outcomes })?)?;
        } else {
            print(&report::backtest_table(&outcomes))?;
        }
        Ok(ExitCode::SUCCESS)
    }
}
