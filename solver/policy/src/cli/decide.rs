//! `decide`.

use std::{path::PathBuf, process::ExitCode};

use anyhow::{Context as _, bail};
use bigdecimal::{BigDecimal, num_bigint::Sign};
use serde::Serialize;

use super::{PriceArgs, print};
use crate::{
    decide::{Action, Decider, Explanation, Memory},
    oracle::{BarSource, FileSource, PriceSource as _},
    policy::Policy,
    portfolio::{Portfolio, decimal},
    report,
    time::Time,
};

/// Decide whether to rebalance a portfolio now, and say why.
///
/// Prints the decision: the rule that fired with its numbers, every order, and for each rule what would change it. Forecasts
/// follow the price history up to the moment of the decision and no further. With a `[guard]` in the policy, prices are judged first:
/// against the readings of `--oracle`, or, without it, with the last close as answer and the closes before as time-weighted price.
///
/// The portfolio is a JSON file: {"numeraire": "USD", "policy": "policy.toml", "assets": [{"asset": "BTC", "amount": "1.25",
/// "decimals": 8}, …], "state": {…}}. The state is what earlier decisions remember (cooldown, calendar, slices under way): copy
/// `state`, or after a trade `stateIfTraded`, from the last decision's `--json`.
#[derive(Debug, Clone, clap::Args)]
pub struct DecideArgs {
    /// The portfolio (JSON).
    #[arg(value_name = "PORTFOLIO.json")]
    pub portfolio: PathBuf,
    /// The policy (TOML); by default the one that the portfolio names.
    #[arg(long, value_name = "FILE")]
    pub policy: Option<PathBuf>,
    #[command(flatten)]
    #[expect(missing_docs, reason = "clap would show it as help of its own")]
    pub prices: PriceArgs,
    /// Oracle readings (JSON): {"feeds": {"BTC": {"answer": "40000", "updatedAt": "…", "twap": "39950"}}, "sequencer":
    /// {"up": true, "since": "…"}}. Money is then counted with the answers.
    #[arg(long, value_name = "FILE")]
    pub oracle: Option<PathBuf>,
    /// Decide at this time instead of the last bar's. Later bars are not seen.
    #[arg(long, value_name = "TIME")]
    pub at: Option<Time>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Output<'a> {
    #[serde(flatten)]
    explanation: &'a Explanation,
    state: &'a Memory,
    #[serde(skip_serializing_if = "Option::is_none")]
    state_if_traded: Option<Memory>,
}

impl DecideArgs {
    /// Decides and prints.
    ///
    /// # Errors
    /// If a file cannot be read or does not fit the others; the message names it, with field or line.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let portfolio = Portfolio::read(&self.portfolio)?;
        let policy_path = match (&self.policy, &portfolio.policy) {
            (Some(path), _) => path.clone(),
            (None, Some(path)) => self.portfolio.parent().map_or_else(|| path.clone(), |folder| folder.join(path)),
            (None, None) => bail!("{}: names no `policy`; give --policy", self.portfolio.display()),
        };
        let policy = Policy::read(&policy_path)?;
        let assets = portfolio.universe();
        let names: Vec<&str> = assets.iter().map(|a| a.name.as_str()).collect();
        let history = self.prices.read()?.select(&names, &portfolio.numeraire)?;
        let twap_window = policy.guard.as_ref().map(|g| g.twap_window).unwrap_or_default();
        let fits = || format!("{} and {} do not fit", policy_path.display(), self.portfolio.display());
        let mut decider =
            Decider::new(policy, assets.clone(), &portfolio.numeraire, &history, portfolio.state.clone()).with_context(fits)?;

        let mut bars = BarSource::new(names.len(), twap_window);
        let mut closes: Option<Vec<f64>> = None;
        let mut last = None;
        let mut before = None;
        for bar in history.bars().filter(|bar| self.at.is_none_or(|at| bar.time <= at)) {
            decider.observe(&bar);
            bars.push(&bar);
            before = last.zip(closes.replace(bar.close.to_vec()));
            last = Some(bar.time);
        }
        let (Some(mut prices), Some(last)) = (closes, last) else { bail!("no price is known at the time of --at") };
        let latest = prices.clone();
        let now = self.at.unwrap_or(last);
        let mut exact: Vec<BigDecimal> =
            prices.iter().map(|&p| decimal(p)).collect::<Option<_>>().context("a price is not finite")?;
        let readings = match &self.oracle {
            None => bars.read(&names, now)?,
            Some(path) => {
                let mut source = FileSource::open(path)?;
                for (i, name) in names.iter().enumerate() {
                    // An answer that is no price is for the guard to refuse; the last close stands in so that values can be shown.
                    let answer = source.answer(name).filter(|a| a.sign() == Sign::Plus);
                    if let (Some(answer), Some(exact), Some(price)) = (answer, exact.get_mut(i), prices.get_mut(i)) {
                        (*exact, *price) = (answer.clone(), crate::portfolio::approximate(answer));
                    }
                }
                source.read(&names, now)?
            }
        };
        // A jump is measured from the price before: the last bar for an oracle's answer, the bar before it for the last bar.
        let before = if self.oracle.is_some() { Some((last, latest)) } else { before };
        if let Some((at, prices)) = before {
            decider.recall(at, &prices);
        }
        let holdings = portfolio.holdings();
        let decision = decider.decide(&holdings, &prices, now, Some(&readings));
        let mut explanation = decider.explain(&decision, &holdings, &exact);
        for (m, series) in history.macro_names().iter().enumerate() {
            for (i, name) in names.iter().enumerate() {
                if let Some(rho) = decider.forecaster().macro_correlation(i, m) {
                    explanation.notes.push(format!("correlation of {name} with {series}: {rho:+.2}"));
                }
            }
        }
        let state = decider.memory().clone();
        let state_if_traded = match &decision.action {
            Action::Trade(trade) => {
                decider.settled(trade, now);
                Some(decider.memory().clone())
            }
            _ => None,
        };
        if self.json {
            print(&serde_json::to_string_pretty(&Output { explanation: &explanation, state: &state, state_if_traded })?)?;
        } else {
            print(&report::decision_text(&explanation, &portfolio.numeraire))?;
        }
        Ok(ExitCode::SUCCESS)
    }
}
