//! Every file that ships is read, and is what it says it is.

use ballast_policy::{
    history::{PriceFile, Strictness, generate::Generator, read},
    oracle::FileSource,
    policy::Policy,
    portfolio::Portfolio,
    tune::Space,
};

use crate::{example, policies};

#[test]
fn every_policy_parses_and_has_a_name_of_its_own() {
    let mut names: Vec<String> = policies().iter().map(|path| Policy::read(path).unwrap().name).collect();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), policies().len());
}

#[test]
fn everything_toml_has_every_key() {
    let text = std::fs::read_to_string(example("policies/everything.toml")).unwrap();
    for key in [
        "name",
        "landing",
        "turnover",
        "min_weight",
        "max_weight",
        "assets",
        "max",
        "cooldown",
        "min_notional",
        "windows",
        "band",
        "limit",
        "p",
        "horizon",
        "risk_aversion",
        "penalty_volatility",
        "every",
        "offset",
        "proportional",
        "gas",
        "gas_per_leg",
        "impact",
        "step",
        "jump_sigmas",
        "volatility",
        "correlation",
        "slices",
        "spacing",
        "temporary",
        "permanent",
        "heartbeat",
        "grace",
        "max_deviation",
        "twap_window",
        "sequencer_grace",
        "widen",
        "shrink",
        "shrink_at",
        "halt_at",
        "release",
        "calm_for",
        "min",
    ] {
        assert!(text.contains(&format!("{key} = ")), "{key}");
    }
}

#[test]
fn portfolio_space_and_readings_parse() {
    let portfolio = Portfolio::read(&example("portfolio.json")).unwrap();
    assert!(example("").join(portfolio.policy.unwrap()).exists());
    Space::read(&example("policies/cost-optimal.toml"), &example("space.toml")).unwrap();
    FileSource::open(&example("oracle.json")).unwrap();
}

#[test]
fn prices_are_what_the_generator_makes() {
    assert!(
        std::fs::read_to_string(example("prices.csv")).unwrap() == Generator::example().csv(),
        "run the generate_prices example"
    );
    let history = read(&[PriceFile { asset: None, path: example("prices.csv") }], Strictness::Strict).unwrap();
    assert_eq!((history.len(), history.assets()), (730, ["AURUM", "BOREAL", "CORAL"].map(String::from).as_slice()));
}
