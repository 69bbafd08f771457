//! What a person, or a program, is shown of settlements.

use std::collections::BTreeMap;

use alloy_primitives::{Address, Bytes, I256, U256};
use ballast_wire::{Amount, OrderUid};
use serde::Serialize;

use crate::auction::{Auction, short};
use crate::cli::table;
use crate::settlement::encode::{Settlement, TradePromise};
use crate::settlement::{Difference, Outcome, Verified};

/// How far a settlement came.
pub(super) enum Fate {
    /// It was only encoded.
    Encoded,
    /// It would go through.
    Simulated { gas: u64 },
    /// It went through.
    Mined { outcome: Box<Outcome>, differences: Vec<Difference> },
    /// It was not sent, or not mined.
    Failed(anyhow::Error),
}

/// A settlement, and what became of it.
pub(super) struct Settled {
    pub(super) orders: Vec<OrderUid>,
    /// None if it could not even be encoded.
    pub(super) settlement: Option<Settlement>,
    pub(super) fate: Fate,
}

impl Settled {
    /// Of a solution that could not be encoded.
    pub(super) fn unsent(verified: &Verified, auction: &Auction, error: anyhow::Error) -> Self {
        let orders = verified.fills().iter().filter_map(|fill| auction.orders.get(fill.order)).map(|order| order.uid);
        Self { orders: orders.collect(), settlement: None, fate: Fate::Failed(error) }
    }
}

/// Promise and outcome side by side, then the settlement's balances, then what went wrong.
pub(super) fn table(auction: &Auction, settled: &[Settled]) -> String {
    let mut orders =
        table::table(&["order", "promised: pays", "gets", "settled: pays", "gets", "gas estimate", "gas", "result"], 1);
    let mut buffers: BTreeMap<Address, [I256; 2]> = BTreeMap::new();
    let mut notes = Vec::new();
    for one in settled {
        let (estimate, gas, result) = gas(one);
        for promise in one.settlement.iter().flat_map(|s| &s.trades) {
            let [pays, gets] = [(promise.sell, promise.paid), (promise.buy, promise.got)].map(|(t, a)| exact(auction, t, a));
            let [paid, got] = traded(one, promise).map_or_else(Default::default, |real| {
                [(promise.sell, real[0]), (promise.buy, real[1])].map(|(t, a)| exact(auction, t, a))
            });
            let row = [short(&promise.order.to_string()), pays, gets, paid, got];
            orders.add_row(row.into_iter().chain([estimate.clone(), gas.clone(), result.to_owned()]));
        }
        if let (Some(settlement), Fate::Mined { outcome, .. }) = (&one.settlement, &one.fate) {
            for (column, changes) in [&settlement.buffers, &outcome.buffers].into_iter().enumerate() {
                for (&token, &change) in changes {
                    let sum = &mut buffers.entry(token).or_default()[column];
                    *sum = sum.saturating_add(change);
                }
            }
        }
        notes.extend(notes_of(one));
    }
    let mut text = orders.to_string();
    if !buffers.is_empty() {
        text = format!("{text}\n{}", buffer_table(auction, &buffers));
    }
    for note in notes {
        text = format!("{text}\n{note}");
    }
    text
}

fn buffer_table(auction: &Auction, buffers: &BTreeMap<Address, [I256; 2]>) -> String {
    let mut table = table::table(&["the settlement's balance of", "promised change, atoms", "change", "difference"], 1);
    for (token, [promised, real]) in buffers {
        let difference = real.saturating_sub(*promised);
        table.add_row([name(auction, *token), promised.to_string(), real.to_string(), difference.to_string()]);
    }
    table.to_string()
}

/// By estimate, then by the chain: used where it was mined, by the node's estimate where it was simulated. And the result.
fn gas(one: &Settled) -> (String, String, &'static str) {
    let estimate = one.settlement.as_ref().map(|s| s.gas.to_string()).unwrap_or_default();
    let (gas, result) = match &one.fate {
        Fate::Encoded => (None, "encoded"),
        Fate::Simulated { gas } => (Some(*gas), "would settle"),
        Fate::Mined { outcome, differences } if differences.is_empty() => (Some(outcome.gas), "as promised"),
        Fate::Mined { outcome, differences } if differences.iter().all(Difference::is_gain) => (Some(outcome.gas), "better"),
        Fate::Mined { outcome, .. } => (Some(outcome.gas), "DIFFERS"),
        Fate::Failed(_) => (None, "not sent"),
    };
    (estimate, gas.map(|gas| gas.to_string()).unwrap_or_default(), result)
}

fn traded(one: &Settled, promise: &TradePromise) -> Option<[U256; 2]> {
    let Fate::Mined { outcome, .. } = &one.fate else { return None };
    outcome.trades.iter().find(|t| t.order == promise.order).map(|t| [t.paid, t.got])
}

fn notes_of(one: &Settled) -> Vec<String> {
    let orders = one.orders.iter().map(|uid| short(&uid.to_string())).collect::<Vec<_>>().join(" ");
    match &one.fate {
        Fate::Failed(error) => vec![format!("order {orders} not sent: {error:#}")],
        Fate::Mined { outcome, differences } => {
            differences.iter().map(|d| format!("transaction {}: {d}", outcome.transaction)).collect()
        }
        Fate::Encoded | Fate::Simulated { .. } => Vec::new(),
    }
}

/// An amount to the last atom, so that two that differ look different.
fn exact(auction: &Auction, token: Address, atoms: U256) -> String {
    let decimals = auction.index.get(&token).and_then(|&t| auction.token(t).decimals);
    let amount = decimals
        .and_then(|decimals| alloy_primitives::utils::format_units(atoms, decimals).ok())
        .unwrap_or_else(|| atoms.to_string());
    let amount = if amount.contains('.') { amount.trim_end_matches('0').trim_end_matches('.') } else { &amount };
    format!("{amount} {}", name(auction, token))
}

fn name(auction: &Auction, token: Address) -> String {
    auction.index.get(&token).map_or_else(|| short(&token.to_string()), |&t| auction.token(t).name())
}

/// One settlement for programs.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Line<'a> {
    orders: &'a [OrderUid],
    /// `encoded`, `wouldSettle`, `asPromised`, `better`, `differs` or `notSent`.
    result: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<Address>,
    #[serde(skip_serializing_if = "Option::is_none")]
    calldata: Option<&'a Bytes>,
    promised: Vec<Amounts>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    settled: Vec<Amounts>,
    gas: Gas,
    #[serde(skip_serializing_if = "Option::is_none")]
    transaction: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    differences: Vec<String>,
    /// Changes of the settlement's balances in atoms: promised, and real.
    buffers: BTreeMap<Address, [String; 2]>,
}

#[derive(Serialize)]
struct Amounts {
    order: OrderUid,
    /// Atoms.
    paid: Amount,
    /// Atoms.
    got: Amount,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Gas {
    estimate: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    at_node: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    used: Option<u64>,
}

/// The settlements as JSON.
pub(super) fn json(settled: &[Settled]) -> serde_json::Result<String> {
    serde_json::to_string(&settled.iter().map(line).collect::<Vec<_>>())
}

fn line(one: &Settled) -> Line<'_> {
    let settlement = one.settlement.as_ref();
    let mut line = Line {
        orders: &one.orders,
        result: "encoded",
        error: None,
        to: settlement.map(|s| s.target),
        calldata: settlement.map(|s| &s.calldata),
        promised: settlement.iter().flat_map(|s| &s.trades).map(|t| amounts(t.order, t.paid, t.got)).collect(),
        settled: Vec::new(),
        gas: Gas { estimate: settlement.map(|s| s.gas), at_node: None, used: None },
        transaction: None,
        differences: Vec::new(),
        buffers: BTreeMap::new(),
    };
    for (&token, change) in settlement.iter().flat_map(|s| &s.buffers) {
        line.buffers.entry(token).or_default()[0] = change.to_string();
    }
    match &one.fate {
        Fate::Encoded => {}
        Fate::Simulated { gas } => {
            line.result = "wouldSettle";
            line.gas.at_node = Some(*gas);
        }
        Fate::Mined { outcome, differences } => {
            line.result = match differences.as_slice() {
                [] => "asPromised",
                some if some.iter().all(Difference::is_gain) => "better",
                _ => "differs",
            };
            line.settled = outcome.trades.iter().map(|t| amounts(t.order, t.paid, t.got)).collect();
            line.gas.used = Some(outcome.gas);
            line.transaction = Some(outcome.transaction.to_string());
            line.differences = differences.iter().map(ToString::to_string).collect();
            for (&token, change) in &outcome.buffers {
                line.buffers.entry(token).or_default()[1] = change.to_string();
            }
        }
        Fate::Failed(error) => {
            line.result = "notSent";
            line.error = Some(format!("{error:#}"));
        }
    }
    line
}

fn amounts(order: OrderUid, paid: U256, got: U256) -> Amounts {
    Amounts { order, paid: Amount(paid), got: Amount(got) }
}
