//! What a treasurer, or a program, is shown of a rebalance.

use alloy_primitives::{Address, U256};
use ballast_wire::intent::{Intent, Rule};
use ballast_wire::{Amount, Decimal};
use serde::Serialize;

use super::Vault;
use crate::auction::{Auction, short};
use crate::cli::table::{digits, table};
use crate::intent::judge::Foreseen;
use crate::intent::portfolio::{Measured, Portfolio};
use crate::intent::size::{Answer, Binding, Rebalance};

/// What an intent asks for, in a few lines.
pub(super) fn intent(intent: &Intent) -> String {
    let rules: Vec<String> = intent.trigger.any_of.iter().map(rule).collect();
    let when = if rules.is_empty() { "an asset leaves its band".to_owned() } else { rules.join(" or ") };
    format!(
        "vault {} on chain {}, nonce {}, {} assets in {}\nwhen {when}; may lose {} bps, {} bps a day; {}",
        intent.owner,
        intent.chain_id,
        intent.nonce.0,
        intent.assets.len(),
        intent.numeraire,
        intent.costs.max_loss_bps.get(),
        intent.costs.max_loss_per_day_bps.get(),
        if intent.execution.allow_partial { "in part if need be" } else { "all the way or not at all" }
    )
}

fn rule(rule: &Rule) -> String {
    match rule {
        Rule::DriftAbsBps(bps) => format!("a weight drifts by {bps} bps of the portfolio"),
        Rule::DriftRelBps(bps) => format!("a weight drifts by {bps} bps of its target"),
        Rule::TrackingErrorBps(bps) => format!("the tracking error reaches {bps} bps a year"),
        Rule::Calendar { every_sec, .. } => format!("{every_sec} seconds have passed"),
        Rule::HitProbability { p, horizon_sec } => {
            format!("a weight leaves its band within {horizon_sec} s with probability {p}")
        }
    }
}

/// Weights now, to be, and after; with what is traded.
pub(super) fn weights(
    vault: &Vault,
    start: &Measured,
    after: Option<(&Measured, &Portfolio)>,
    auction: Option<&Auction>,
) -> String {
    let mut table = table(&["asset", "now", "target", "landing", "after", "trade", "value"], 1);
    for (index, asset) in vault.intent.assets.iter().enumerate() {
        let holding = &vault.portfolio.holdings[index];
        let name = name(auction, asset.token);
        let (weight, trade, value) = match after {
            None => (String::new(), String::new(), amount(f64::from(start.values[index]) / 1e18)),
            Some((end, portfolio)) => {
                let units = |balance: U256| f64::from(balance) / f64::from(holding.unit);
                let moved = units(portfolio.holdings[index].balance) - units(holding.balance);
                let trade =
                    if moved == 0.0 { String::new() } else { format!("{}{}", if moved > 0.0 { "+" } else { "" }, digits(moved)) };
                (percent(end.weights[index]), trade, amount(f64::from(end.values[index]) / 1e18))
            }
        };
        let landing = format!("{} to {}", percent(asset.landing.low.atoms()), percent(asset.landing.high.atoms()));
        let name = if asset.tradable { name } else { format!("{name} (stays)") };
        table.add_row([name, percent(start.weights[index]), percent(asset.target.atoms()), landing, weight, trade, value]);
    }
    table.to_string()
}

/// All of a rebalance.
pub(super) fn rebalance(vault: &Vault, auction: &Auction, rebalance: &Rebalance) -> String {
    let (Some(start), Some(end)) = (vault.portfolio.measure(), rebalance.after.measure()) else { return String::new() };
    let mut text = weights(vault, &start, Some((&end, &rebalance.after)), Some(auction));
    let unit = vault.intent.numeraire;
    let (before, after) = (f64::from(start.total) / 1e18, f64::from(end.total) / 1e18);
    let bps = |x: f64| format!("{:.3}", 1e4 * x / before);
    let costs = &rebalance.costs;
    let mut line = |words: String| {
        text.push('\n');
        text.push_str(&words);
    };
    line(format!(
        "value {} → {} {unit}, {} moved in {} swaps",
        amount(before),
        amount(after),
        amount(rebalance.moved),
        rebalance.swaps.len()
    ));
    line(format!(
        "cost {} bps of the portfolio ({} {unit}): fees {}, impact {}, gas {} ({} gas), less arbitrage credited {} ({} {unit})",
        bps(costs.total()),
        amount(costs.total()),
        bps(costs.fees),
        bps(costs.impact),
        bps(costs.gas),
        rebalance.gas,
        bps(costs.arbitrage),
        amount(costs.arbitrage)
    ));
    let gaps = &rebalance.gaps;
    line(format!(
        "at most {} bps from the optimum: {} by the flows, {} by the choice of pools and their gas, {} by whole atoms and the order of swaps",
        bps(gaps.total.max(0.0)),
        bps(gaps.convex),
        bps(gaps.choice),
        bps(gaps.integer)
    ));
    if !rebalance.missed.is_empty() {
        let missed = rebalance.missed.iter().map(|(token, by)| {
            let side = if *by > 0.0 { "above" } else { "below" };
            format!("{} ends {:.4} % {side}", name(Some(auction), *token), by.abs() * 100.0)
        });
        line(format!(
            "the landing is out of reach, and missed by as little as can be: {}",
            missed.collect::<Vec<_>>().join(", ")
        ));
    }
    if !rebalance.binding.is_empty() {
        line(format!("what binds: {}", rebalance.binding.iter().map(|b| binding(auction, b)).collect::<Vec<_>>().join("; ")));
    }
    match &rebalance.foreseen {
        Ok(foreseen) => line(format!("the contract: Rebalanced, {}", event(foreseen))),
        Err(breach) => line(format!("the contract would refuse: {breach}")),
    }
    text
}

/// The contract's event in words.
pub(super) fn event(foreseen: &Foreseen) -> String {
    let money = |x: U256| amount(f64::from(x) / 1e18);
    outcome([foreseen.start.total, foreseen.end.total].map(money), [foreseen.loss, foreseen.credit].map(money), foreseen.landed)
}

pub(super) fn outcome([before, after]: [String; 2], [loss, credit]: [String; 2], landed: bool) -> String {
    let landed = if landed { "landed" } else { "nearer, not landed yet" };
    format!("value {before} → {after}, loss {loss}, credit {credit}, {landed}")
}

fn binding(auction: &Auction, binding: &Binding) -> String {
    let text = binding.to_string();
    let tokens = auction.tokens.iter().filter(|token| text.contains(&token.address.to_string()));
    tokens.fold(text.clone(), |text, token| text.replace(&token.address.to_string(), &token.name()))
}

pub(super) fn name(auction: Option<&Auction>, token: Address) -> String {
    let known = auction.and_then(|auction| Some(auction.token(*auction.index.get(&token)?).name()));
    known.unwrap_or_else(|| short(&token.to_string()))
}

pub(super) fn percent(weight: U256) -> String {
    format!("{:.4} %", Decimal::from_atoms(weight).to_f64() * 100.0)
}

/// Money to the cent.
pub(super) fn amount(x: f64) -> String {
    format!("{x:.2}")
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Output<'a> {
    idle: Option<String>,
    #[serde(flatten)]
    found: Option<Found<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Found<'a> {
    accepted: bool,
    refusal: Option<String>,
    landed: bool,
    assets: Vec<AssetOut>,
    value_before: Amount,
    value_after: Amount,
    cost: CostOut,
    certificate: Certificate,
    missed: Vec<(Address, f64)>,
    binding: Vec<String>,
    swaps: Vec<SwapOut<'a>>,
    gas: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AssetOut {
    token: Address,
    weight_before: Decimal,
    target: Decimal,
    weight_after: Decimal,
    balance_after: Amount,
}

/// In the numeraire.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CostOut {
    total: f64,
    fees: f64,
    impact: f64,
    gas: f64,
    arbitrage_credited: f64,
}

/// In the numeraire.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Certificate {
    bound: f64,
    gap: f64,
    convex: f64,
    choice: f64,
    integer: f64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SwapOut<'a> {
    pool: &'a str,
    input: Address,
    output: Address,
    amount_in: Amount,
    amount_out: Amount,
}

/// The same for a program.
pub(super) fn json(vault: &Vault, auction: &Auction, answer: &Answer) -> anyhow::Result<String> {
    let output = match answer {
        Answer::Idle(idle) => Output { idle: Some(idle.to_string()), found: None },
        Answer::Rebalance(rebalance) => Output { idle: None, found: found(vault, auction, rebalance) },
    };
    Ok(serde_json::to_string_pretty(&output)?)
}

fn found<'a>(vault: &Vault, auction: &'a Auction, rebalance: &Rebalance) -> Option<Found<'a>> {
    let (start, end) = (vault.portfolio.measure()?, rebalance.after.measure()?);
    let assets = vault.intent.assets.iter().enumerate().map(|(index, asset)| AssetOut {
        token: asset.token,
        weight_before: Decimal::from_atoms(start.weights[index]),
        target: asset.target,
        weight_after: Decimal::from_atoms(end.weights[index]),
        balance_after: Amount(rebalance.after.holdings[index].balance),
    });
    let swaps = rebalance.swaps.iter().map(|swap| SwapOut {
        pool: &auction.pools[swap.pool].id,
        input: auction.token(swap.input).address,
        output: auction.token(swap.output).address,
        amount_in: Amount(swap.amount_in),
        amount_out: Amount(swap.amount_out),
    });
    let (costs, gaps) = (&rebalance.costs, &rebalance.gaps);
    Some(Found {
        accepted: rebalance.foreseen.is_ok(),
        refusal: rebalance.foreseen.as_ref().err().map(ToString::to_string),
        landed: rebalance.foreseen.as_ref().is_ok_and(|f| f.landed),
        assets: assets.collect(),
        value_before: Amount(start.total),
        value_after: Amount(end.total),
        cost: CostOut {
            total: costs.total(),
            fees: costs.fees,
            impact: costs.impact,
            gas: costs.gas,
            arbitrage_credited: costs.arbitrage,
        },
        certificate: Certificate {
            bound: gaps.bound,
            gap: gaps.total,
            convex: gaps.convex,
            choice: gaps.choice,
            integer: gaps.integer,
        },
        missed: rebalance.missed.clone(),
        binding: rebalance.binding.iter().map(ToString::to_string).collect(),
        swaps: swaps.collect(),
        gas: rebalance.gas,
    })
}
