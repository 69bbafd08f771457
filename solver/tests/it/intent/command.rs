//! `ballast intent`, as a user runs it, on files alone.

use ballast_solver::intent::state::{Held, State};
use ballast_wire::intent::Rule;
use ballast_wire::{Amount, Decimal};
use serde_json::Value;

use super::bench::*;
use super::promised::Market;
use super::together::{Vault, vaults, without_arbitrage};
use crate::cli::{bad, ballast, err, file, good, out};

/// A market and vaults as files.
struct Files {
    market: String,
    intents: Vec<String>,
    states: Vec<String>,
}

fn write(name: &str, market: &Market, vaults: &[Vault]) -> Files {
    let json = |kind: &str, k: usize, value: Value| file(&format!("{name}-{kind}-{k}.json"), value.to_string().as_bytes());
    let state = |vault: &Vault| {
        let held = vault.intent.assets.iter().zip(&vault.portfolio.holdings).map(|(asset, holding)| Held {
            token: asset.token,
            balance: Amount(holding.balance),
            price: Decimal::from_atoms(holding.price),
            updated_at: 0,
            decimals: market.bench.coins.iter().find(|coin| coin.token == asset.token).unwrap().decimals,
        });
        State {
            time: NOW,
            gas_price_wei: Amount::default(),
            settled: Amount::default(),
            rebalanced_at: 0,
            lost: Decimal::default(),
            holdings: held.collect(),
        }
    };
    Files {
        market: json("market", 0, serde_json::to_value(&market.request).unwrap()),
        intents: vaults.iter().enumerate().map(|(k, v)| json("intent", k, serde_json::to_value(&v.intent).unwrap())).collect(),
        states: vaults.iter().enumerate().map(|(k, v)| json("state", k, serde_json::to_value(state(v)).unwrap())).collect(),
    }
}

impl Files {
    fn solve<'a>(&'a self, more: &[&'a str]) -> Vec<&'a str> {
        let mut arguments = vec!["intent", "solve"];
        arguments.extend(self.intents.iter().map(String::as_str));
        self.states.iter().for_each(|state| arguments.extend(["--state", state]));
        arguments.extend(["--market", &self.market]);
        arguments.extend(more);
        arguments
    }
}

#[test]
fn several_intents_are_solved_in_one_batch() {
    let mut market = without_arbitrage();
    let vaults = vaults(&mut market, &[[400, 200, 100, 100], [100, 200, 400, 100]]);
    let files = write("together", &market, &vaults);
    let shown = out(&good(&files.solve(&[])));
    for words in ["cost alone, bps", "lands", "one batch: ", "going together saves ", "once each vault has signed"] {
        assert!(shown.contains(words), "{words}: {shown}");
    }
    let found: Value = serde_json::from_slice(&good(&files.solve(&["--json"])).stdout).unwrap();
    let intents = found["intents"].as_array().unwrap();
    assert_eq!(intents.len(), 2);
    for intent in intents {
        assert_eq!(intent["landed"], true);
        assert!(intent["cost"].as_f64().unwrap() < intent["costAlone"].as_f64().unwrap(), "{intent}");
    }
    let trades = found["solution"]["trades"].as_array().unwrap();
    assert_eq!(trades.len(), found["orders"].as_array().unwrap().len());
    // An intent with an auction's orders: here there are none, and it goes alone.
    let first = Files { intents: files.intents[..1].to_vec(), states: files.states[..1].to_vec(), market: files.market.clone() };
    let shown = out(&good(&first.solve(&["--auction", &files.market])));
    assert!(shown.contains("one batch: "), "{shown}");
    let few = Files { states: Vec::new(), ..first };
    bad(&few.solve(&["--state", &files.states[0], "--state", &files.states[1]]), &["--state", "2 for 1 intents"]);
}

#[test]
fn one_intent_is_solved_and_says_where_its_call_could_be_run() {
    let mut market = without_arbitrage();
    let vaults = vaults(&mut market, &[[400, 200, 100, 100]]);
    let shown = out(&good(&write("one", &market, &vaults).solve(&[])));
    assert!(
        shown.contains("the contract: Rebalanced") && shown.contains("not simulated: ") && shown.contains("--rpc"),
        "{shown}"
    );
}

/// Rules that are the solver's to judge: without prices there is no telling, with them the forecast decides and says why.
#[test]
fn advisory_rules_are_decided_on_prices() {
    let mut market = Market::new();
    let mut vaults = vaults(&mut market, &[[400, 200, 100, 100], [400, 200, 100, 100]]);
    vaults[0].intent.trigger.any_of = vec![Rule::TrackingErrorBps(1)];
    vaults[1].intent.trigger.any_of = vec![Rule::Calendar { every_sec: 86_400, offset_sec: 0 }];
    let columns: Vec<String> = vaults[0].intent.assets.iter().map(|asset| format!("{}:close", asset.token)).collect();
    let mut csv = format!("timestamp,{}\n", columns.join(","));
    for day in 0..40_u64 {
        let prices: Vec<String> = (3..7).map(|k| format!("{:.2}", 1.0 + 0.01 * (day * k % 7) as f64)).collect();
        csv += &format!("{},{}\n", NOW - 86_400 * (40 - day), prices.join(","));
    }
    let (files, prices) = (write("decide", &market, &vaults), file("decide-prices.csv", csv.as_bytes()));
    let decide = |k: usize, more: &[&str]| {
        let arguments = ["intent", "decide", &files.intents[k], "--state", &files.states[k]];
        ballast(&[&arguments[..], more].concat())
    };
    let unknown = decide(0, &[]);
    assert!(!unknown.status.success() && out(&unknown).contains("name a price history with --prices"), "{}", out(&unknown));
    let due = decide(0, &["--prices", &prices]);
    assert!(due.status.success() && out(&due).contains("to be rebalanced now"), "{}{}", out(&due), err(&due));
    assert!(out(&due).contains("tracking"), "{}", out(&due));
    let quiet = decide(1, &["--prices", &prices]);
    assert!(!quiet.status.success() && out(&quiet).contains("calendar: due"), "{}{}", out(&quiet), err(&quiet));
}
