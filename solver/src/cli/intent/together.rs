//! What is shown of several intents in one batch.

use std::collections::BTreeMap;

use ballast_wire::{Amount, Decimal};
use serde_json::json;

use super::Vault;
use super::show::{amount, weights};
use crate::auction::{Auction, short};
use crate::cli::table::table;
use crate::intent::orders::to_sign;
use crate::intent::size::{Answer, SizeError};
use crate::intent::together::{Left, Share, Together};

type Alone = Result<Answer, SizeError>;

/// What an intent costs by itself, gas included, in its numeraire; none where it has no way of its own.
fn cost(alone: &Alone) -> Option<f64> {
    match alone {
        Ok(Answer::Rebalance(rebalance)) if rebalance.foreseen.is_ok() => Some(rebalance.costs.total()),
        _ => None,
    }
}

/// The vaults' weights, what each pays alone and together, and what was matched.
pub(super) fn text(vaults: &[Vault], auction: &Auction, alone: &[Alone], together: &Together) -> String {
    let mut text = String::new();
    for (vault, share) in vaults.iter().zip(&together.shares) {
        if let (Ok(share), Some(start)) = (share, vault.portfolio.measure()) {
            let after = (&share.foreseen.end, &share.after);
            text += &format!("{}\n{}\n", name(vault), weights(vault, &start, Some(after), Some(auction)));
        }
    }
    let headers = ["intent", "outcome", "value", "cost alone, bps", "together, bps", "of it gas", "saved"];
    let mut table = table(&headers, 2);
    let mut saved: BTreeMap<String, f64> = BTreeMap::new();
    for ((vault, share), alone) in vaults.iter().zip(&together.shares).zip(alone) {
        let unit = vault.intent.numeraire.to_string();
        let value = vault.portfolio.measure().map_or(0.0, |held| f64::from(held.total) / 1e18);
        let bps = |x: f64| format!("{:.3}", 1e4 * x / value);
        let by_itself = cost(alone);
        let mut row = vec![name(vault), outcome(share), amount(value), by_itself.map_or_else(|| "no way".to_owned(), bps)];
        if let Ok(share) = share {
            let gained = by_itself.map(|alone| alone - share.cost);
            *saved.entry(unit.clone()).or_default() += gained.unwrap_or_default();
            row.extend([bps(share.cost), bps(share.gas), gained.map_or_else(String::new, |x| format!("{} {unit}", amount(x)))]);
        }
        table.add_row(row);
    }
    text += &table.to_string();
    match &together.batch {
        Ok(settled) => {
            let joint = &settled.joint;
            let matched = 100.0 * (1.0 - joint.routed / joint.volume).max(0.0);
            let mine = joint.fills.iter().filter(|fill| !settled.auction.claims(fill.order)).count();
            text += &format!(
                "\none batch: {mine} orders of vaults and {} of traders filled at one price a token, {matched:.1} % of what they sell matched, \
                 {} swaps, {} gas; solved in {} {}",
                joint.fills.len() - mine,
                joint.swaps.len(),
                joint.gas,
                together.rounds,
                if together.rounds == 1 { "round" } else { "rounds" }
            );
            for (unit, saved) in saved {
                let verb = if saved < 0.0 { "costs" } else { "saves" };
                text += &format!("\ngoing together {verb} {} {unit} against each intent alone", amount(saved.abs()));
            }
            text += "\nsettled by CoW Protocol's contract, once each vault has signed its orders (--json prints them)";
        }
        Err(why) => text += &format!("\nno batch: {why}"),
    }
    text
}

fn name(vault: &Vault) -> String {
    format!("{} #{}", short(&vault.intent.owner.to_string()), vault.intent.nonce.0)
}

fn outcome(share: &Result<Share, Left>) -> String {
    match share {
        Ok(share) if share.foreseen.landed => "lands".to_owned(),
        Ok(_) => "nearer, not landed yet".to_owned(),
        Err(left @ Left::Idle(_)) => left.to_string(),
        Err(left) => format!("left: {left}"),
    }
}

/// The same for a program, with the orders to be signed and the solution that fills them.
pub(super) fn json(vaults: &[Vault], alone: &[Alone], together: &Together) -> anyhow::Result<String> {
    let intents: Vec<_> = (vaults.iter().zip(&together.shares).zip(alone))
        .map(|((vault, share), alone)| {
            let mut intent = json!({
                "owner": vault.intent.owner, "nonce": vault.intent.nonce, "outcome": outcome(share), "costAlone": cost(alone),
            });
            if let Ok(share) = share {
                let (start, end) = (&share.foreseen.start, &share.foreseen.end);
                let assets = vault.intent.assets.iter().enumerate().map(|(k, asset)| {
                    json!({
                        "token": asset.token, "weightBefore": Decimal::from_atoms(start.weights[k]), "target": asset.target,
                        "weightAfter": Decimal::from_atoms(end.weights[k]), "balanceAfter": Amount(share.after.holdings[k].balance),
                    })
                });
                intent["cost"] = json!(share.cost);
                intent["gas"] = json!(share.gas);
                intent["landed"] = json!(share.foreseen.landed);
                intent["assets"] = assets.collect();
            }
            intent
        })
        .collect();
    let (orders, solution) = match &together.batch {
        Ok(settled) => (settled.orders.iter().map(to_sign).collect(), Some(settled.verified.solution())),
        Err(_) => (Vec::new(), None),
    };
    let why = together.batch.as_ref().err();
    let output = json!({ "intents": intents, "orders": orders, "solution": solution, "noBatch": why, "rounds": together.rounds });
    Ok(serde_json::to_string_pretty(&output)?)
}
