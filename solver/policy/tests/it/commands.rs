//! The commands as a user runs them, through the example binary's own parser.

use std::process::{Command, Output};

use crate::{Folder, example, policies};

/// Runs the program with the shipped files; the path of the example binary follows from the test's own.
fn ballast(args: &[&str]) -> Output {
    let mut program = std::env::current_exe().unwrap();
    program.pop();
    program.pop();
    let program = program.join("examples").join(format!("policy{}", std::env::consts::EXE_SUFFIX));
    assert!(program.exists(), "{} is built by `cargo test`; run the whole package's tests", program.display());
    Command::new(program).args(args).current_dir(example("")).output().unwrap()
}

fn said(args: &[&str]) -> String {
    let output = ballast(args);
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn json(args: &[&str]) -> serde_json::Value {
    serde_json::from_str(&said(args)).unwrap()
}

fn refused(args: &[&str]) -> String {
    let output = ballast(args);
    assert!(!output.status.success(), "{args:?} should fail");
    String::from_utf8(output.stderr).unwrap()
}

/// A decimal string without its point, to 30 places: enough to add weights up exactly.
fn units(text: &str) -> i128 {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    format!("{whole}{part:0<30}").parse().unwrap()
}

#[test]
fn decide_names_the_rule_the_numbers_and_what_would_change_it() {
    let text = said(&["decide", "portfolio.json", "--prices", "prices.csv"]);
    assert!(text.starts_with("Trade: cost_optimal fired (BOREAL is"), "{text}");
    for part in ["trigger b = ±", "landing a = ±", "stops if BOREAL went back to", "sell ", "buy ", "forecast volatility a year"]
    {
        assert!(text.contains(part), "{part} in {text}");
    }
}

#[test]
fn weights_and_orders_of_a_decision_sum_exactly() {
    let decision = json(&["decide", "portfolio.json", "--prices", "prices.csv", "--json"]);
    let positions = decision["positions"].as_array().unwrap();
    let sum = |field: &str| positions.iter().map(|p| units(p[field].as_str().unwrap())).sum::<i128>();
    assert_eq!((sum("weight"), sum("after")), (units("1"), units("1")));
    assert_eq!(decision["action"], "trade");
    assert_eq!(decision["state"]["lastRebalance"], "2025-12-01T00:00:00Z");
    assert_eq!(decision["stateIfTraded"]["lastRebalance"], decision["at"]);
}

#[test]
fn decide_at_an_earlier_time_sees_no_later_bar() {
    let folder = Folder::new("decide-at");
    let text = std::fs::read_to_string(example("prices.csv")).unwrap();
    let cut = folder.write("cut.csv", &text.lines().take(502).map(|line| format!("{line}\n")).collect::<String>());
    let last = text.lines().nth(501).unwrap().split(',').next().unwrap().to_owned();
    let all = said(&["decide", "portfolio.json", "--prices", "prices.csv", "--at", &last]);
    assert_eq!(all, said(&["decide", "portfolio.json", "--prices", &cut.display().to_string()]));
}

#[test]
fn the_guard_judges_the_readings_of_a_file() {
    let args = ["decide", "portfolio.json", "--policy", "policies/everything.toml", "--prices", "prices.csv", "--json"];
    let with = |readings: &str, more: &[&str]| {
        let folder = Folder::new(&format!("oracle-{}", readings.len()));
        let path = folder.write("oracle.json", readings).display().to_string();
        json(&[&args[..], &["--oracle", &path], more].concat())
    };
    let good = std::fs::read_to_string(example("oracle.json")).unwrap();
    let now = &["--at", "2025-12-30T12:00:00Z"][..];
    let calm = with(&good, now);
    assert_eq!((calm["stress"].as_str(), calm["positions"][0]["price"].as_str()), (Some("calm"), Some("50570.11")));
    let stale = with(&good, &["--at", "2026-01-02T12:00:00Z"]);
    assert_eq!((stale["action"].as_str(), stale["stress"].as_str()), (Some("halt"), Some("halt")));
    assert!(stale["faults"][0].as_str().unwrap().starts_with("AURUM: the last update is"));
    let zero = with(&good.replace("50570.11", "0"), now);
    assert_eq!(zero["faults"][0], "AURUM: the answer 0 is no price");
    // Oracle and pool moved together, by a quarter in half a day: no deviation, yet a jump.
    let jump = with(&good.replace("4.7310", "6.20").replace("4.5391", "6.15"), now);
    assert!(jump["faults"][0].as_str().unwrap().starts_with("CORAL: jumped by"), "{jump}");
    assert_eq!(jump["stress"], "widen");
    let down = with(&good.replace("true", "false"), now);
    assert_eq!(down["faults"][0], "the sequencer is down");
    let alone = with("{\"feeds\": {}}", now);
    assert_eq!((alone["action"].as_str(), alone["faults"].as_array().unwrap().len()), (Some("halt"), 3));
}

#[test]
fn backtest_compares_the_policies_in_table_json_and_plot() {
    let folder = Folder::new("backtest");
    let svg = folder.0.join("plot.svg").display().to_string();
    let mut args: Vec<String> = ["backtest", "--prices", "prices.csv", "--svg", &svg, "--policy"].map(String::from).to_vec();
    args.extend(policies().iter().map(|p| p.display().to_string()));
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let text = said(&args);
    for name in
        ["hold", "calendar 30d", "corridor to target", "corridor to edge", "corridor to half", "cost-optimal", "predictive"]
    {
        assert!(text.contains(name), "{name} in {text}");
    }
    let plot = std::fs::read_to_string(&svg).unwrap();
    for part in ["<svg", "Portfolio value", "value (USD)", "weight (%)", "date (UTC)", "bands shaded", "corridor to half"] {
        assert!(plot.contains(part), "{part}");
    }
    let outcomes = json(&[&args[..], &["--json"]].concat());
    let by_name =
        |name: &str| outcomes["outcomes"].as_array().unwrap().iter().find(|o| o["policy"] == name).unwrap()["metrics"].clone();
    assert_eq!((by_name("hold")["trades"].as_u64(), by_name("hold")["cost"].as_f64()), (Some(0), Some(0.0)));
    let number = |name: &str, field: &str| by_name(name)[field].as_f64().unwrap();
    assert!(number("corridor to target", "trackingError") < number("hold", "trackingError"));
    assert!(number("corridor to edge", "trades") > number("corridor to target", "trades"));
}

#[test]
fn filling_at_the_next_open_is_another_run_and_a_guard_with_history_alone_works() {
    let args = ["backtest", "--policy", "policies/everything.toml", "--prices", "prices.csv", "--json"];
    let value = |more: &[&str]| json(&[&args[..], more].concat())["outcomes"][0]["metrics"]["finalValue"].as_f64().unwrap();
    let (close, next) = (value(&[]), value(&["--fill", "next"]));
    assert!(close != next && (close / next - 1.0).abs() < 0.05, "{close} {next}");
}

#[test]
fn macro_series_are_correlated() {
    let folder = Folder::new("macro");
    // A series that is the first asset's price itself moves with it.
    let text = std::fs::read_to_string(example("prices.csv")).unwrap();
    let series: String = text
        .lines()
        .skip(1)
        .map(|line| {
            let cells: Vec<&str> = line.split(',').collect();
            format!("{},{}\n", cells[0], cells[4])
        })
        .collect();
    let path = folder.write("macro.csv", &format!("timestamp,SAME\n{series}")).display().to_string();
    let outcome =
        json(&["backtest", "--policy", "policies/cost-optimal.toml", "--prices", "prices.csv", "--macro", &path, "--json"]);
    let found = outcome["outcomes"][0]["macroCorrelations"][0].clone();
    assert_eq!((found["asset"].as_str(), found["series"].as_str()), (Some("AURUM"), Some("SAME")));
    assert!(found["correlation"].as_f64().unwrap() > 0.85, "{found}");
    let text = said(&["decide", "portfolio.json", "--prices", "prices.csv", "--macro", &path]);
    assert!(text.contains("correlation of AURUM with SAME: +0."), "{text}");
}

#[test]
fn tune_shows_the_frontier_and_walks_forward() {
    let folder = Folder::new("tune");
    let svg = folder.0.join("frontier.svg").display().to_string();
    let args = ["tune", "--policy", "policies/cost-optimal.toml", "--space", "space.toml", "--prices", "prices.csv"];
    let tuned = json(&[&args[..], &["--json", "--svg", &svg]].concat());
    let trials = tuned["trials"].as_array().unwrap();
    assert_eq!((trials.len(), tuned["walk"].as_array().unwrap().len()), (8 * 3 * 3, 3));
    let figures = |t: &serde_json::Value| {
        (
            t["metrics"]["costRate"].as_f64().unwrap(),
            t["metrics"]["trackingError"].as_f64().unwrap(),
            t["onFrontier"].as_bool().unwrap(),
        )
    };
    let all: Vec<_> = trials.iter().map(figures).collect();
    for (cost, error, on_frontier) in &all {
        let beaten = all.iter().any(|(c, e, _)| c <= cost && e <= error && (c < cost || e < error));
        assert!(!(beaten && *on_frontier), "on the frontier, yet beaten");
    }
    for step in tuned["walk"].as_array().unwrap() {
        assert!(step["hindsight"].as_f64() <= step["outOfSample"].as_f64());
    }
    assert!(std::fs::read_to_string(&svg).unwrap().contains("tracking error (% a year)"));
    let random = [&args[..], &["--search", "random", "--samples", "20", "--seed", "7"]].concat();
    assert_eq!(said(&random), said(&random), "a seed is a promise");
}

#[test]
fn errors_name_the_file_and_what_is_wrong_in_it() {
    let folder = Folder::new("errors");
    let policy = std::fs::read_to_string(example("policies/hold.toml")).unwrap();
    let file = |name: &str, text: &str| folder.write(name, text).display().to_string();
    let backtest = |policy: &str, prices: &str| refused(&["backtest", "--policy", policy, "--prices", prices]);
    let typo = file("typo.toml", &policy.replace("proportional", "proportoinal"));
    let message = backtest(&typo, "prices.csv");
    assert!(
        message.contains("typo.toml") && message.contains("unknown field `proportoinal`") && message.contains("line "),
        "{message}"
    );
    let sum = file("sum.toml", &policy.replace("0.40", "0.41"));
    assert!(backtest(&sum, "prices.csv").contains("sum.toml: `target.weights`: the weights sum to 1.01, not to exactly 1"));
    let other = file("other.toml", &policy.replace("CORAL", "COBALT"));
    let message = backtest(&other, "prices.csv");
    assert!(message.contains("`COBALT` has no prices; the price file has AURUM, BOREAL, CORAL"), "{message}");
    assert!(backtest("policies/hold.toml", "nowhere.csv").contains("nowhere.csv"));
    let short = refused(&["backtest", "--policy", "policies/hold.toml", "--prices", "prices.csv", "--warmup", "9999d"]);
    assert!(short.contains("a warm-up of 9999d leaves fewer than two"), "{short}");

    let portfolio = std::fs::read_to_string(example("portfolio.json")).unwrap().replace("policies/", "./");
    let decide = |name: &str, text: &str| {
        let path = file(name, text);
        refused(&["decide", &path, "--policy", "policies/hold.toml", "--prices", "prices.csv"])
    };
    let message = decide("amount.json", &portfolio.replace("\"8.4\"", "\"-8.4\""));
    assert!(message.contains("amount.json: field `assets[1].amount`: -8.4 is negative"), "{message}");
    let message = decide("number.json", &portfolio.replace("\"8.4\"", "\"eight\""));
    assert!(message.contains("number.json: field `assets[1].amount`") && message.contains("line 6"), "{message}");
    let message = decide("twice.json", &portfolio.replace("CORAL", "BOREAL"));
    assert!(message.contains("`BOREAL` is listed twice"), "{message}");
    let message = decide("more.json", &portfolio.replace("\"CORAL\"", "\"COBALT\""));
    assert!(message.contains("COBALT"), "{message}");
    let message = refused(&["tune", "--policy", "policies/hold.toml", "--space", "space.toml", "--prices", "prices.csv"]);
    assert!(message.contains("`trigger.any_of.0.risk_aversion`: the policy has no `trigger` there"), "{message}");
}

#[test]
fn help_reads_like_documentation() {
    for (command, parts) in [
        ("decide", ["what would change it", "--oracle", "--at <TIME>"]),
        ("backtest", ["sees prices only up to each bar", "--svg <FILE>", "--fill"]),
        ("tune", ["walk-forward", "--folds", "hindsight"]),
    ] {
        // However wide the terminal, the words are the same.
        let text = said(&[command, "--help"]).split_whitespace().collect::<Vec<_>>().join(" ");
        for part in parts {
            assert!(text.contains(part), "{part} in {text}");
        }
    }
}
