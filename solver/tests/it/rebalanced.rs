//! `ballast intent`, as a user runs it, on a chain of its own.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use crate::devnet::Devnet;

fn ballast(devnet: &Devnet, arguments: &[&str]) -> Output {
    let rpc = devnet.deployment().rpc;
    let mut command = Command::new(env!("CARGO_BIN_EXE_ballast"));
    let file = |name: &str| devnet.file(name).into_os_string().into_string().unwrap();
    for argument in arguments {
        command.arg(match *argument {
            "RPC" => rpc.clone(),
            name if Path::new(name).extension().is_some_and(|e| e == "json" || e == "toml") => file(name),
            other => other.to_owned(),
        });
    }
    // The key of a development chain's second account, which is nobody's secret.
    let env = std::fs::read_to_string(devnet.file("solver.env")).unwrap();
    let (name, key) = env.lines().find_map(|line| line.strip_prefix("export ")?.split_once('=')).unwrap();
    command.env(name, key).output().unwrap()
}

#[track_caller]
fn text(output: &Output, good: bool) -> String {
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.success(), good, "{text}");
    text
}

#[test]
fn a_vault_is_checked_decided_sized_exported_and_settled_once() {
    let devnet = Devnet::start("rebalanced", &["--orders", "1"]);
    let run = |arguments: &[&str]| ballast(&devnet, &[&["intent"], arguments].concat());
    let checked = text(&run(&["check", "intent.json", "--rpc", "RPC"]), true);
    assert!(checked.contains("to be rebalanced") && checked.contains("46.0000 %"), "{checked}");
    let decided = text(&run(&["decide", "intent.json", "--rpc", "RPC", "--market", "auction.json"]), true);
    assert!(decided.contains("to be rebalanced now") && decided.contains("WBTC"), "{decided}");
    let market = ["--market", "auction.json", "--config", "settle.toml"];
    let solved = run(&[&["solve", "intent.json", "--rpc", "RPC", "--json"], &market[..]].concat());
    text(&solved, true);
    let found: Value = serde_json::from_slice(&solved.stdout).unwrap();
    assert_eq!((&found["accepted"], &found["landed"]), (&Value::Bool(true), &Value::Bool(true)));
    let exported = run(&[&["orders", "intent.json", "--rpc", "RPC"], &market[..]].concat());
    text(&exported, true);
    let orders: Value = serde_json::from_slice(&exported.stdout).unwrap();
    assert!(orders.as_array().is_some_and(|orders| orders.iter().all(|o| o["signingScheme"] == "eip1271") && !orders.is_empty()));
    let dry = text(&run(&[&["settle", "intent.json", "--dry-run"], &market[..]].concat()), true);
    assert!(dry.contains("simulated: ") && !dry.contains("mined: "), "{dry}");
    let settled = text(&run(&[&["settle", "intent.json"], &market[..]].concat()), true);
    assert!(settled.contains("the contract's event: Rebalanced") && settled.contains("landed"), "{settled}");
    let again = text(&run(&[&["settle", "intent.json"], &market[..]].concat()), false);
    assert!(again.contains("the nonce is used"), "{again}");
}
