//! `tune`.

use std::{path::PathBuf, process::ExitCode};

use anyhow::{Context as _, bail};
use bigdecimal::BigDecimal;

use super::{PriceArgs, money, print, progress};
use crate::{
    backtest::{FillAt, Settings},
    policy::Policy,
    report,
    time::Span,
    tune::{self, Job, Search, Space},
};

/// Search for policy parameters, walk-forward, and show the frontier of cost against tracking error.
///
/// Every candidate runs once over the history, on all cores. The walk then chooses, for each fold but the first, the candidate with
/// the least objective on the folds before, and shows how it did on that fold: `out of sample` is the figure to believe, `hindsight` is
/// what nobody could have chosen. The objective is cost + ½γ·TE², a year.
#[derive(Debug, Clone, clap::Args)]
pub struct TuneArgs {
    /// The policy to vary (TOML).
    #[arg(long, value_name = "FILE")]
    pub policy: PathBuf,
    /// What to vary (TOML): tables `[[parameter]]` with `key` (dotted, list places as numbers: trigger.any_of.0.band) and either `values`,
    /// or `from`, `to`, `steps` and `log`.
    #[arg(long, value_name = "FILE")]
    pub space: PathBuf,
    #[command(flatten)]
    #[expect(missing_docs, reason = "clap would show it as help of its own")]
    pub prices: PriceArgs,
    /// Unit of prices and values. The policy may hold it; its price is one.
    #[arg(long, value_name = "ASSET", default_value = "USD")]
    pub numeraire: String,
    /// Value at the start, in the numeraire.
    #[arg(long, value_name = "AMOUNT", default_value = "100000", value_parser = money)]
    pub value: BigDecimal,
    /// How long forecasts watch before the portfolio starts.
    #[arg(long, value_name = "SPAN", default_value = "30d")]
    pub warmup: Span,
    /// When a decision is filled.
    #[arg(long, value_enum, default_value_t)]
    pub fill: FillAt,
    /// How candidates are chosen.
    #[arg(long, value_enum, default_value_t)]
    pub search: Search,
    /// Candidates of a random search.
    #[arg(long, value_name = "COUNT", default_value_t = 200)]
    pub samples: usize,
    /// Seed of a random search.
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    pub seed: u64,
    /// Equal parts of the time to walk through, at least two.
    #[arg(long, value_name = "COUNT", default_value_t = 4)]
    pub folds: usize,
    /// Risk aversion γ of the objective.
    #[arg(long, value_name = "NUMBER", default_value_t = 4.0)]
    pub risk_aversion: f64,
    /// Write a plot of the frontier.
    #[arg(long, value_name = "FILE")]
    pub svg: Option<PathBuf>,
    /// Print JSON, all candidates included.
    #[arg(long)]
    pub json: bool,
}

impl TuneArgs {
    /// Runs and prints.
    ///
    /// # Errors
    /// If a file cannot be read or does not fit the others; the message names it, with field or line.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        if !(2..=1_000).contains(&self.folds) {
            bail!("--folds: a walk takes from two to a thousand");
        }
        if !(self.risk_aversion >= 0.0) {
            bail!("--risk-aversion: {} is below zero", self.risk_aversion);
        }
        let policy = Policy::read(&self.policy)?;
        let space = Space::read(&self.policy, &self.space)?;
        let candidates = match self.search {
            Search::Grid => space.grid()?,
            Search::Random => space.random(self.samples, self.seed),
        };
        let fits = || self.policy.display().to_string();
        let history = self.prices.read()?.select(&policy.assets(), &self.numeraire).with_context(fits)?;
        let settings = Settings { value: self.value.clone(), warmup: self.warmup, fill: self.fill, ..Settings::default() };
        let job = Job {
            history: &history,
            numeraire: &self.numeraire,
            settings: &settings,
            folds: self.folds,
            risk_aversion: self.risk_aversion,
        };
        let bar = progress(candidates.len() as u64, "candidates");
        let prepare = |table| Policy::of_table(table, &self.policy).map_err(|e| e.to_string());
        let tuned = tune::run(&space, candidates, &prepare, &job, &|| bar.inc(1))?;
        bar.finish_and_clear();
        if let (Some(path), Some(first)) = (&self.svg, tuned.trials.first()) {
            let seconds = u64::try_from(first.metrics.to.since(first.metrics.from)).unwrap_or(0);
            report::plot_frontier(path, &tuned, Span::from_seconds(seconds)).with_context(|| path.display().to_string())?;
        }
        if self.json {
            print(&serde_json::to_string_pretty(&tuned)?)?;
            return Ok(ExitCode::SUCCESS);
        }
        let mut text = format!("Frontier of {} candidates:\n{}\n\n", tuned.trials.len(), report::frontier_table(&tuned));
        text += &format!("Walk forward, {} folds:\n{}\n", self.folds, report::walk_table(&tuned));
        for reason in tuned.failed.iter().take(5) {
            text += &format!("failed: {reason}\n");
        }
        if tuned.failed.len() > 5 {
            text += &format!("… and {} more failed\n", tuned.failed.len() - 5);
        }
        print(&text)?;
        Ok(ExitCode::SUCCESS)
    }
}
