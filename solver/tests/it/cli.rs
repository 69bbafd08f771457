//! The program as a user runs it.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use ballast_wire::{Auction, LiquidityKind, Reply, Solution};

use crate::support::swaps;

pub(crate) const DEMO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/auctions/demo.json");
/// The demo's poisoned pool and its malformed one.
const POISONED: &str = "60";
const MALFORMED: &str = "61";

pub(crate) fn ballast(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ballast")).args(arguments).env_remove("RUST_LOG").output().unwrap()
}

pub(crate) fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

pub(crate) fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Runs, and expects success.
pub(crate) fn good(arguments: &[&str]) -> Output {
    let output = ballast(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", err(&output));
    output
}

/// Runs, and expects a failure that says all of these words.
pub(crate) fn bad(arguments: &[&str], words: &[&str]) {
    let output = ballast(arguments);
    assert!(!output.status.success(), "{arguments:?} succeeds");
    let said = err(&output);
    assert!(!said.contains("panicked"), "{said}");
    for word in words {
        assert!(said.contains(word), "{arguments:?} does not say {word:?}: {said}");
    }
}

/// A file of this test's own.
pub(crate) fn file(name: &str, text: &[u8]) -> String {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

fn solutions(output: &Output) -> Vec<Solution> {
    match Reply::from_json(&output.stdout).unwrap() {
        Reply::Solutions { solutions } => solutions,
        Reply::Error { error } => panic!("an error: {error:?}"),
    }
}

fn demo() -> Auction {
    Auction::from_json(&std::fs::read(DEMO).unwrap()).unwrap()
}

/// The ids of all liquidity that a reply uses.
fn ids(solutions: &[Solution]) -> Vec<&str> {
    solutions.iter().flat_map(swaps).map(|swap| swap.id.as_str()).collect()
}

/// The demo's text with one piece replaced, which must be there.
fn edited(from: &str, to: &str) -> Vec<u8> {
    let text = std::fs::read_to_string(DEMO).unwrap();
    assert!(text.contains(from), "the demo has no {from}");
    text.replacen(from, to, 1).into_bytes()
}

#[test]
fn the_demo_is_solved_shown_and_verified() {
    let output = good(&["solve", DEMO, "--json"]);
    let solutions = solutions(&output);
    assert!(solutions.len() >= 10, "only {} of the demo's 12 readable orders", solutions.len());
    assert!(solutions.iter().map(|s| s.id).eq(0..solutions.len() as u64));
    let shown = err(&output);
    let alone = solutions.iter().filter(|s| s.trades.len() == 1).count();
    for words in ["surplus", "bound", "gap bps", "auction 42:", "batch of", &format!("{alone} of 12 orders filled")] {
        assert!(shown.contains(words), "{words:?} is not in {shown}");
    }
    // The best first, as the verifier scores them.
    let reply = file("demo-reply.json", &output.stdout);
    let checked = out(&good(&["verify", DEMO, &reply]));
    assert!(checked.contains(&format!("{} valid, 0 bad", solutions.len())), "{checked}");
    let rows = checked.lines().filter(|line| line.contains(" valid ") && !line.contains("valid,"));
    let scores: Vec<f64> = rows.map(|row| row.split_whitespace().rev().nth(2).unwrap().parse().unwrap()).collect();
    assert_eq!(scores.len(), solutions.len());
    assert!(scores.is_sorted_by(|a, b| a >= b), "{scores:?}");
}

#[test]
fn what_the_demo_leaves_out_is_counted_and_named() {
    let summary = err(&good(&["solve", DEMO]));
    let line = |subject: &str, reason: &str| {
        let found = summary.lines().find(|line| line.contains(subject) && line.contains(reason));
        found.unwrap_or_else(|| panic!("no {subject} {reason} in {summary}")).to_owned()
    };
    for (subject, reason, name) in
        [("pool", "malformed", MALFORMED), ("pool", "quarantined", POISONED), ("order", "malformed", "0xbbbbbbbb")]
    {
        let line = line(subject, reason);
        let words: Vec<&str> = line.split_whitespace().collect();
        assert!(words.iter().any(|w| w.starts_with(name)), "{line}");
        assert!(words.contains(&"1"), "{line}");
    }
    assert!(ids(&solutions(&good(&["solve", DEMO, "--json"]))).iter().all(|id| *id != POISONED && *id != MALFORMED));
    // One by one, with the field.
    let named = err(&good(&["solve", DEMO, "--drops"]));
    for words in ["sellAmount", "fee", "by a factor of"] {
        assert!(named.contains(words), "{words:?} is not in {named}");
    }
}

#[test]
fn without_json_nothing_goes_to_stdout() {
    assert_eq!(out(&good(&["solve", DEMO])), "");
}

#[test]
fn the_same_auction_gets_the_same_reply() {
    let first = out(&good(&["solve", DEMO, "--json"]));
    for _ in 0..2 {
        assert_eq!(out(&good(&["solve", DEMO, "--json"])), first);
    }
    // Also on one thread.
    let alone = Command::new(env!("CARGO_BIN_EXE_ballast"))
        .args(["solve", DEMO, "--json"])
        .env("RAYON_NUM_THREADS", "1")
        .output()
        .unwrap();
    assert_eq!(out(&alone), first);
}

#[test]
fn only_the_selected_venues_are_used() {
    let auction = demo();
    let venues = "constantProduct,weightedProduct,stable";
    let output = good(&["solve", DEMO, "--json", "--venues", venues]);
    let solutions = solutions(&output);
    assert!(solutions.len() >= 5);
    for id in ids(&solutions) {
        let pool = auction.liquidity.iter().flatten().find(|pool| pool.id == id).unwrap();
        let selected =
            matches!(pool.kind, LiquidityKind::ConstantProduct(_) | LiquidityKind::WeightedProduct(_) | LiquidityKind::Stable(_));
        assert!(selected, "{id}");
    }
    assert!(err(&output).contains("venue not selected"));
    let reply = file("venues-reply.json", &output.stdout);
    good(&["verify", DEMO, &reply, "--venues", venues]);
    // The verifier takes the selection seriously too.
    bad(&["verify", DEMO, &reply, "--venues", "limitOrder"], &[]);
    bad(&["solve", DEMO, "--venues", "constantSum"], &["constantSum", "constantProduct"]);
}

#[test]
fn no_time_is_an_answer_too() {
    for budget in ["0ms", "1ms", "5ms"] {
        let output = good(&["solve", DEMO, "--json", "--budget", budget]);
        solutions(&output);
        let reply = file(&format!("budget-{budget}.json"), &output.stdout);
        good(&["verify", DEMO, &reply]);
    }
    bad(&["solve", DEMO, "--budget", "soon"], &["--budget", "soon"]);
}

#[test]
fn denied_tokens_and_pools_are_not_touched() {
    let auction = demo();
    let before = solutions(&good(&["solve", DEMO, "--json"]));
    let dai = "0x6b175474e89094c44da98b954eedeac495271d0f";
    let output = good(&["solve", DEMO, "--json", "--deny-tokens", dai]);
    let after = solutions(&output);
    let touches = |s: &Solution| serde_json::to_string(s).unwrap().contains(dai);
    assert!(before.iter().any(touches), "the demo does not need the token at all");
    assert!(!after.is_empty() && !after.iter().any(touches));
    assert!(err(&output).contains("token denied by the operator"));

    let most_used = ids(&before)[0];
    let pool = auction.liquidity.iter().flatten().find(|pool| pool.id == most_used).unwrap();
    let output = good(&["solve", DEMO, "--json", "--deny-pools", &pool.address.to_string()]);
    let after = solutions(&output);
    assert!(!after.is_empty() && ids(&after).iter().all(|id| *id != most_used));
    assert!(err(&output).contains("pool denied by the operator"));
    bad(&["solve", DEMO, "--deny-pools", "0x12"], &["--deny-pools"]);
}

#[test]
fn a_configuration_is_obeyed_and_shipped_ones_are_valid() {
    let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/config");
    let files: Vec<_> = std::fs::read_dir(shipped).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(files.len() >= 4);
    for path in files {
        good(&["solve", DEMO, "--budget", "0ms", "--config", path.to_str().unwrap()]);
    }
    // What is printed is a file that says the defaults.
    let reference = out(&good(&["config"]));
    let defaults = file("reference.toml", reference.as_bytes());
    let json = out(&good(&["solve", DEMO, "--json"]));
    assert_eq!(out(&good(&["solve", DEMO, "--json", "--config", &defaults])), json);
    let strict = file("strict.toml", b"[limits]\nmax_notional = 0.5\n");
    let output = good(&["solve", DEMO, "--config", &strict]);
    assert!(err(&output).contains("beyond the limit on notional"));
    bad(
        &["solve", DEMO, "--config", &file("wrong.toml", b"[limits]\nmax_notion = 1\n")],
        &["wrong.toml", "line 2", "max_notion"],
    );
    bad(&["solve", DEMO, "--config", "none.toml"], &["none.toml"]);
    bad(&["serve", "--config", &file("wrong.toml", b"[limits]\nmax_notion = 1\n")], &["wrong.toml", "line 2", "max_notion"]);
}

#[test]
fn standard_input_is_read_for_a_dash() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_ballast"))
        .args(["solve", "-", "--json"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(&std::fs::read(DEMO).unwrap()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    assert_eq!(out(&output), out(&good(&["solve", DEMO, "--json"])));
}

#[test]
pub(crate) fn errors_name_the_file_and_the_field() {
    bad(&["solve", "no-such-file.json"], &["no-such-file.json"]);
    bad(&["verify", DEMO, "no-such-reply.json"], &["no-such-reply.json"]);
    let gas = "\"effectiveGasPrice\":\"15000000000\"";
    for (name, from, to, words) in [
        ("gas-negative.json", gas, "\"effectiveGasPrice\":\"-1\"", &["effectiveGasPrice", "amount"][..]),
        ("gas-type.json", gas, "\"effectiveGasPrice\":[]", &["effectiveGasPrice"]),
        ("gas-absent.json", gas, "\"gasPrice\":\"1\"", &["effectiveGasPrice"]),
        ("tokens-type.json", "\"tokens\":{", "\"tokens\":7,\"x\":{", &["tokens"]),
        ("orders-type.json", "\"orders\":[", "\"orders\":\"none\",\"x\":[", &["orders"]),
        ("liquidity-absent.json", "\"liquidity\":[", "\"pools\":[", &["liquidity"]),
        ("trusted-type.json", "\"trusted\":true", "\"trusted\":3", &["tokens.0x", "trusted"]),
    ] {
        let path = file(name, &edited(from, to));
        bad(&["solve", &path], &[&[name][..], words].concat());
        bad(&["verify", &path, &path], words);
    }
    for (name, text) in [("empty.json", ""), ("cut.json", "{\"id\":\"1\",\"tokens\":{"), ("words.json", "not json")] {
        bad(&["solve", &file(name, text.as_bytes())], &[name]);
    }
    bad(&["solve", DEMO, "--quarantine-factor", "0.5"], &["--quarantine-factor"]);
    bad(&["solve", DEMO, "--max-arbitrage-per-pool=-1"], &["--max-arbitrage-per-pool"]);
    bad(&["solve"], &["AUCTION"]);
    bad(&["dance"], &["dance"]);
}

#[test]
fn a_tampered_reply_is_refused_with_the_reason() {
    let reply = out(&good(&["solve", DEMO, "--json"]));
    type Tamper = fn(&mut serde_json::Value);
    let cases: [(&str, Tamper, &str); 6] = [
        ("price", |s| s["prices"] = serde_json::json!({}), "prices: none for"),
        ("order", |s| s["trades"][0]["order"] = format!("0x{}", "11".repeat(56)).into(), "unknown order"),
        ("pool", |s| s["interactions"][0]["id"] = "no such pool".into(), "unknown liquidity no such pool"),
        ("input", |s| s["interactions"][0]["inputAmount"] = "1".into(), "where 1 was promised"),
        ("twice", |s| s["trades"] = vec![s["trades"][0].clone(), s["trades"][0].clone()].into(), "twice"),
        ("trades", |s| s["trades"] = serde_json::json!([]), "trades: none"),
    ];
    for (name, tamper, reason) in cases {
        let mut tampered: serde_json::Value = serde_json::from_str(&reply).unwrap();
        tamper(&mut tampered["solutions"][0]);
        let path = file(&format!("tampered-{name}.json"), tampered.to_string().as_bytes());
        let output = ballast(&["verify", DEMO, &path]);
        assert_eq!(output.status.code(), Some(1), "{name}");
        let said = out(&output);
        assert!(said.contains(&format!("{} valid, 1 bad", count(&reply) - 1)), "{said}");
        assert!(unwrapped(&said).contains(&reason.replace(' ', "")), "{name}: no {reason:?} in {said}");
    }
    // Two solutions of one number.
    let mut tampered: serde_json::Value = serde_json::from_str(&reply).unwrap();
    tampered["solutions"][1]["id"] = tampered["solutions"][0]["id"].clone();
    let output = ballast(&["verify", DEMO, &file("tampered-id.json", tampered.to_string().as_bytes())]);
    assert_eq!(output.status.code(), Some(1));
    assert!(out(&output).contains("used twice"));
    // A reply that does not parse names the field.
    let mut tampered: serde_json::Value = serde_json::from_str(&reply).unwrap();
    tampered["solutions"][0]["trades"][0]["executedAmount"] = "-3".into();
    bad(&["verify", DEMO, &file("tampered-parse.json", tampered.to_string().as_bytes())], &["solutions[0].trades[0]"]);
}

fn count(reply: &str) -> usize {
    let reply: serde_json::Value = serde_json::from_str(reply).unwrap();
    reply["solutions"].as_array().unwrap().len()
}

/// A table's text without its breaks: a cell may go over several lines.
fn unwrapped(table: &str) -> String {
    table.chars().filter(|c| !c.is_whitespace() && !"│║─═".contains(*c)).collect()
}

#[test]
fn help_reads_like_documentation() {
    let general = out(&good(&["--help"]));
    for words in ["solve", "verify", "RUST_LOG", "batch auction"] {
        assert!(general.contains(words), "{words:?} is not in {general}");
    }
    let solve = out(&good(&["solve", "--help"]));
    for words in ["--budget", "--venues", "--json", "--deny-tokens", "--deny-pools", "concentratedLiquidity", "deadline", "bound"]
    {
        assert!(solve.contains(words), "{words:?} is not in {solve}");
    }
    let verify = out(&good(&["verify", "--help"]));
    assert!(verify.contains("Exits with 1"), "{verify}");
    let serve = out(&good(&["serve", "--help"]));
    for words in ["--config", "--listen", "/solve", "/metrics", "SIGHUP", "ballast config"] {
        assert!(serve.contains(words), "{words:?} is not in {serve}");
    }
    assert!(out(&good(&["--version"])).starts_with("ballast "));
    // No arguments: the help, as an error.
    bad(&[], &["Usage"]);
}
