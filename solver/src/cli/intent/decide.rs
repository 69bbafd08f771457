//! `ballast intent decide`.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use ballast_policy::decide::{Action, Decider, Memory};
use ballast_policy::history::{self, PriceFile, Strictness};
use ballast_policy::policy::Policy;
use ballast_policy::portfolio::{Asset, Holdings};
use ballast_policy::report::decision_text;
use ballast_policy::time::Time;
use ballast_wire::Decimal;
use ballast_wire::intent::{Intent, Rule};
use bigdecimal::BigDecimal;
use clap::Args;

use super::{Vault, VaultArgs, show};
use crate::auction::Auction;
use crate::cli::table;
use crate::intent::judge;
use crate::market::{FileMarket, Market};

/// Decide whether a vault is to be rebalanced now, and say why.
///
/// What the contract checks (drift, bands, cooldown, window, least move) is judged by its own arithmetic. Tracking error, calendar and
/// probabilities are the solver's to judge: with `--prices` by the forecasts of `ballast decide`, whose explanation is printed as well.
/// Exits with 0 if it is to be rebalanced, else with 1.
#[derive(Debug, Args)]
pub(super) struct DecideArgs {
    #[command(flatten)]
    vault: VaultArgs,

    /// The market, for the tokens' symbols.
    #[arg(long, value_name = "FILE")]
    market: Option<PathBuf>,

    /// Prices, as `ballast decide` takes them; a column is called by its token's symbol (with --market) or address.
    #[arg(long, value_name = "[ASSET=]FILE", num_args = 1..)]
    prices: Vec<PriceFile>,
}

impl DecideArgs {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let vault = self.vault.known()?;
        let auction = match &self.market {
            Some(path) => Some(Auction::new(FileMarket::new(path).snapshot()?.as_ref(), |_| true)),
            None => None,
        };
        let measured = vault.portfolio.measure().context("the vault is empty, or its numbers do not fit")?;
        table::print(&show::weights(&vault, &measured, None, auction.as_ref()))?;
        let moment = vault.state.moment();
        let mut wanted =
            match (vault.state.admit(&vault.intent, &vault.portfolio), judge::idle(&vault.intent, &measured, &moment)) {
                (Err(breach), _) => Err(format!("may not be settled now: {breach}")),
                (Ok(()), Some(idle)) => Err(format!("nothing to do: {idle}")),
                (Ok(()), None) => Ok(()),
            };
        if !self.prices.is_empty() {
            let trades = forecast(&vault, &self.prices, auction.as_ref())?;
            if !trades && advisory_alone(&vault.intent) && wanted.is_ok() {
                wanted = Err("no rule calls for a rebalance".to_owned());
            }
        } else if advisory_alone(&vault.intent) && wanted.is_ok() {
            wanted = Err("the intent's rules are for the solver to judge: name a price history with --prices".to_owned());
        }
        table::print(wanted.as_ref().map_or_else(String::as_str, |()| "to be rebalanced now"))?;
        Ok(if wanted.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

/// Whether no rule of an intent is one that the contract judges by itself.
fn advisory_alone(intent: &Intent) -> bool {
    let rules = &intent.trigger.any_of;
    !rules.is_empty() && !rules.iter().any(|rule| matches!(rule, Rule::DriftAbsBps(_) | Rule::DriftRelBps(_)))
}

/// Decides by the intent's rules on a price history, explains it, and says whether to trade.
fn forecast(vault: &Vault, files: &[PriceFile], auction: Option<&Auction>) -> anyhow::Result<bool> {
    let name = |token| match auction {
        Some(_) => show::name(auction, token),
        None => token.to_string(),
    };
    let names: Vec<String> = vault.intent.assets.iter().map(|asset| name(asset.token)).collect();
    let columns: Vec<&str> = names.iter().map(String::as_str).collect();
    let numeraire = vault.intent.numeraire.to_string();
    let history = history::read(files, Strictness::Strict)?.select(&columns, &numeraire)?;
    let policy = Policy::parse(&policy(&vault.intent, &names)?, Path::new("the intent's policy"))?;
    let assets: Vec<Asset> = (names.iter().zip(&vault.intent.assets).zip(&vault.state.holdings))
        .map(|((name, asset), held)| Asset { name: name.clone(), decimals: held.decimals, tradable: asset.tradable })
        .collect();
    let at = |seconds: u64| i64::try_from(seconds).map(Time::from_unix);
    let last = (vault.state.rebalanced_at > 0).then(|| at(vault.state.rebalanced_at)).transpose()?;
    let memory = Memory { last_rebalance: last, ..Memory::default() };
    let mut decider = Decider::new(policy, assets, &numeraire, &history, memory)?;
    let now = at(vault.state.time)?;
    history.bars().filter(|bar| bar.time <= now).for_each(|bar| decider.observe(&bar));
    let exact = |x: Decimal| x.to_string().parse::<BigDecimal>();
    let held = vault.portfolio.holdings.iter();
    let amounts = held.map(|h| Ok(BigDecimal::from(big(h.balance)?) / BigDecimal::from(big(h.unit)?)));
    let holdings = Holdings::new(amounts.collect::<anyhow::Result<_>>()?);
    let prices: Vec<BigDecimal> =
        vault.portfolio.holdings.iter().map(|h| exact(Decimal::from_atoms(h.price))).collect::<Result<_, _>>()?;
    let doubles: Vec<f64> = vault.portfolio.holdings.iter().map(|h| f64::from(h.price) / 1e18).collect();
    let decision = decider.decide(&holdings, &doubles, now, None);
    table::print(decision_text(&decider.explain(&decision, &holdings, &prices), &numeraire).trim_end())?;
    Ok(matches!(decision.action, Action::Trade(_)))
}

fn big(x: alloy_primitives::U256) -> anyhow::Result<bigdecimal::num_bigint::BigInt> {
    Ok(x.to_string().parse()?)
}

/// The intent's rules as a policy.
fn policy(intent: &Intent, names: &[String]) -> anyhow::Result<String> {
    // The narrowest of the bands: what rules that need one width take for it.
    let widths =
        intent.assets.iter().map(|a| (a.band.high.to_f64() - a.target.to_f64()).min(a.target.to_f64() - a.band.low.to_f64()));
    let band = widths.filter(|width| *width > 0.0).fold(1.0, f64::min);
    let mut text = "name = \"intent\"\n[target]\nkind = \"fixed\"\n[target.weights]\n".to_owned();
    for (name, asset) in names.iter().zip(&intent.assets) {
        writeln!(text, "{name:?} = \"{}\"", asset.target)?;
    }
    let trigger = &intent.trigger;
    writeln!(text, "[trigger]\ncooldown = \"{}s\"\nmin_notional = \"{}\"", trigger.cooldown_sec, trigger.min_notional)?;
    for rule in &trigger.any_of {
        text.push_str("[[trigger.any_of]]\n");
        match rule {
            Rule::DriftAbsBps(bps) => writeln!(text, "rule = \"drift_absolute\"\nband = {:e}", f64::from(*bps) / 1e4)?,
            Rule::DriftRelBps(bps) => writeln!(text, "rule = \"drift_relative\"\nband = {:e}", f64::from(*bps) / 1e4)?,
            Rule::TrackingErrorBps(bps) => writeln!(text, "rule = \"tracking_error\"\nlimit = {:e}", f64::from(*bps) / 1e4)?,
            Rule::Calendar { every_sec, offset_sec } => {
                writeln!(text, "rule = \"calendar\"\nevery = \"{every_sec}s\"\noffset = \"{offset_sec}s\"")?;
            }
            Rule::HitProbability { p, horizon_sec } => {
                writeln!(
                    text,
                    "rule = \"hit_probability\"\np = {:e}\nhorizon = \"{horizon_sec}s\"\nband = {band:e}",
                    p.to_f64()
                )?;
            }
        }
    }
    if trigger.any_of.is_empty() {
        writeln!(text, "[[trigger.any_of]]\nrule = \"drift_absolute\"\nband = {band:e}")?;
    }
    Ok(text)
}
