//! What other protocols publish becomes an intent, and comes back.

use alloy_primitives::U256;
use ballast_solver::intent::import::{ImportError, Terms, reserve, symmetry};
use ballast_wire::Bps;
use ballast_wire::intent::{Day, Intent, Rule};
use serde_json::{Value, json};

use super::bench::decimal;

const USDC: &str = "0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48";
const WETH: &str = "0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2";
const WBTC: &str = "0x2260FAC5E5542a773Aa44fBCfeDf7C193bc2C599";

fn terms(names: [&str; 3]) -> Terms {
    let tokens: serde_json::Map<String, Value> = names
        .into_iter()
        .zip([(USDC, "6"), (WETH, "18"), (WBTC, "8")])
        .map(|(name, (address, decimals))| {
            let oracle = json!({"feed": address, "maxAge": "3600", "minPrice": "0.5", "maxPrice": "1000000"});
            (name.to_owned(), json!({"address": address, "decimals": decimals, "oracle": oracle}))
        })
        .collect();
    let terms = json!({
        "chainId": "1", "owner": USDC, "settlement": WETH, "numeraire": "USD", "tokens": tokens,
        "costs": {"maxLossBps": "30", "maxLossPerDayBps": "60", "maxGasPriceWei": "50000000000"},
    });
    serde_json::from_value(terms).unwrap()
}

/// Of 0.5 USDC, 0.0001 WETH and nothing of WBTC, which was held before: $1 and $2,000, so 5:2.
fn folio() -> reserve::Rebalance {
    let token = |token: &str, [low, spot, high]: [&str; 3], [cheap, dear]: [&str; 2]| {
        json!({
            "token": token, "weight": {"low": low, "spot": spot, "high": high}, "price": {"low": cheap, "high": dear},
            "maxAuctionSize": "1000000000000", "inRebalance": true,
        })
    };
    let folio = json!({
        "nonce": "4", "startedAt": "1767225600", "restrictedUntil": "1767229200", "availableUntil": "1767312000",
        "priceControl": "1", "bidsEnabled": true,
        "limits": {"low": "990000000000000000", "spot": "1000000000000000000", "high": "1010000000000000000"},
        "tokens": [
            // 0.5·10⁶ atoms times 10²⁷, and a nano-dollar for an atom times 10²⁷, two percent around 10³⁰.
            token(USDC, ["490000000000000000000000000000000", "500000000000000000000000000000000", "510000000000000000000000000000000"],
                ["980000000000000000000000000000", "1020000000000000000000000000000"]),
            token(WETH, ["100000000000000000000000000000000000000000", "100000000000000000000000000000000000000000",
                "100000000000000000000000000000000000000000"], ["1900000000000000000000", "2100000000000000000000"]),
            token(WBTC, ["0", "0", "0"], ["400000000000000000000000000000000", "600000000000000000000000000000000"]),
        ],
    });
    serde_json::from_value(folio).unwrap()
}

#[test]
fn a_folios_rebalance_is_an_intent() {
    let intent = reserve::import(&folio(), &terms([USDC, WETH, WBTC])).unwrap();
    let [usdc, weth, wbtc] = &intent.assets[..] else { panic!() };
    assert_eq!(usdc.target, decimal("0.714285714285714286"));
    assert_eq!(weth.target, decimal("0.285714285714285714"));
    assert_eq!((wbtc.target, wbtc.landing.high), (decimal("0"), decimal("0")));
    // 0.98·0.99 and 1.02·1.01 of the target; ETH's own weight is fixed, the limits are not.
    assert!(
        (usdc.landing.low.to_f64() - 0.693).abs() < 1e-15 && (usdc.landing.high.to_f64() - 0.735_857_142_857_142_9).abs() < 1e-15
    );
    assert!((weth.landing.low.to_f64() / weth.target.to_f64() - 0.99).abs() < 1e-15);
    assert_eq!(usdc.band, usdc.landing);
    let prices = |asset: &ballast_wire::intent::Asset| asset.oracle.as_ref().map(|o| (o.min_price, o.max_price)).unwrap();
    assert_eq!(prices(usdc), (decimal("0.98"), decimal("1.02")));
    assert_eq!(prices(weth), (decimal("1900"), decimal("2100")));
    assert_eq!(prices(wbtc), (decimal("40000"), decimal("60000")));
    assert_eq!(usdc.max_trade.0, U256::from(10_u64.pow(12)));
    assert_eq!((intent.nonce.0, intent.valid_from, intent.valid_to), (U256::from(4), 1_767_225_600, 1_767_311_999));
}

/// From an intent the Folio's weights, at the middle of its prices and with fixed limits.
fn back(intent: &Intent, folio: &reserve::Rebalance) -> reserve::Rebalance {
    let one = U256::from(10_u64.pow(18));
    let scale = U256::from(10).pow(U256::from(66));
    let mut back = folio.clone();
    back.limits = reserve::Bounds { low: one, spot: one, high: one };
    for (token, asset) in back.tokens.iter_mut().zip(&intent.assets) {
        let per_atom = (token.price.low + token.price.high) / U256::from(2);
        let spot = scale / per_atom * asset.target.atoms();
        let over = |x: U256| if x.is_zero() { x } else { (scale / per_atom) * x };
        token.weight = reserve::Bounds { low: over(asset.landing.low.atoms()), spot, high: over(asset.landing.high.atoms()) };
    }
    back
}

#[test]
fn a_folios_rebalance_comes_back() {
    let terms = terms([USDC, WETH, WBTC]);
    let intent = reserve::import(&folio(), &terms).unwrap();
    let again = reserve::import(&back(&intent, &folio()), &terms).unwrap();
    assert_eq!(again, intent);
    let json = serde_json::to_vec(&intent).unwrap();
    assert_eq!(Intent::from_json(&json).unwrap(), intent);
    let json = serde_json::to_value(folio()).unwrap();
    assert_eq!(serde_json::from_value::<reserve::Rebalance>(json).unwrap(), folio());
}

#[test]
fn a_folio_that_makes_no_sense_is_refused() {
    let wrong = |change: fn(&mut reserve::Rebalance), field: &str| {
        let mut folio = folio();
        change(&mut folio);
        let error = reserve::import(&folio, &terms([USDC, WETH, WBTC])).unwrap_err().to_string();
        assert!(error.contains(field), "{error}");
    };
    wrong(|f| f.limits.low = U256::MAX, "limits");
    wrong(|f| f.tokens[1].weight.high = U256::ZERO, "tokens[1].weight");
    wrong(|f| f.tokens[2].token = Default::default(), "tokens[2].token");
    wrong(|f| f.tokens[1].token = f.tokens[0].token, "assets[1].token");
    wrong(|f| f.tokens[0].price.high = U256::ZERO, "assets[0].oracle.maxPrice");
    wrong(|f| f.available_until = 0, "validTo");
    wrong(|f| f.tokens.truncate(0), "every value is zero");
}

const MINTS: [&str; 3] = ["EPjF…USDC", "So11…WSOL", "9n4n…WBTC"];

fn vault() -> symmetry::Vault {
    let vault = json!({
        "token_weights": [
            {"mint": MINTS[0], "weight_bps": "5000"}, {"mint": MINTS[1], "weight_bps": "3000"}, {"mint": MINTS[2], "weight_bps": "2000"},
        ],
        "automation": {
            "enabled": true, "rebalance_slippage_threshold_bps": "100", "per_trade_rebalance_slippage_threshold_bps": "200",
            "rebalance_activation_threshold_abs_bps": "400", "rebalance_activation_threshold_rel_bps": "1500",
            "rebalance_activation_cooldown": "300",
        },
        "schedule": {"cycle_start_time": "1767225600", "cycle_duration": "604800", "automation_start": "72000", "automation_end": "93600"},
        "landing_bps": "100",
    });
    serde_json::from_value(vault).unwrap()
}

fn of_vault(vault: &symmetry::Vault) -> Result<Intent, ImportError> {
    symmetry::import(vault, &terms(MINTS), U256::from(9), [1_767_225_600, 1_767_312_000])
}

#[test]
fn a_symmetry_vault_is_an_intent() {
    let intent = of_vault(&vault()).unwrap();
    let [usdc, wsol, wbtc] = &intent.assets[..] else { panic!() };
    assert_eq!(usdc.target, decimal("0.5"));
    assert_eq!((usdc.band.low, usdc.band.high), (decimal("0.46"), decimal("0.54")));
    assert_eq!((wsol.landing.low, wsol.landing.high), (decimal("0.29"), decimal("0.31")));
    // 15 % of a fifth is less than four points.
    assert_eq!((wbtc.band.low, wbtc.band.high), (decimal("0.17"), decimal("0.23")));
    assert_eq!(intent.trigger.any_of, [Rule::DriftAbsBps(400), Rule::DriftRelBps(1_500)]);
    // The cycle begins on Thursday, 1 January 2026; 20:00 to 26:00 of it.
    let window = intent.trigger.window.as_ref().unwrap();
    assert_eq!(
        (&window.days[..], window.from.to_string(), window.to.to_string()),
        (&[Day::Thu][..], "20:00".into(), "02:00".into())
    );
    assert_eq!((intent.costs.max_loss_bps, intent.costs.max_loss_per_leg_bps), (Bps::new(100).unwrap(), Bps::new(200).unwrap()));
}

#[test]
fn a_symmetry_vault_comes_back() {
    let (vault, intent) = (vault(), of_vault(&vault()).unwrap());
    let bps = |rule: usize| match intent.trigger.any_of[rule] {
        Rule::DriftAbsBps(bps) | Rule::DriftRelBps(bps) => Bps::new(bps).unwrap(),
        _ => panic!(),
    };
    let bp = U256::from(10_u64.pow(14));
    let token = |(asset, mint): (&ballast_wire::intent::Asset, &str)| symmetry::TokenWeight {
        mint: mint.to_owned(),
        weight_bps: Bps::new((asset.target.atoms() / bp).to()).unwrap(),
    };
    let window = intent.trigger.window.as_ref().unwrap();
    let back = symmetry::Vault {
        token_weights: intent.assets.iter().zip(MINTS).map(token).collect(),
        automation: symmetry::Automation {
            enabled: true,
            rebalance_slippage_threshold_bps: intent.costs.max_loss_bps,
            per_trade_rebalance_slippage_threshold_bps: intent.costs.max_loss_per_leg_bps,
            rebalance_activation_threshold_abs_bps: bps(0),
            rebalance_activation_threshold_rel_bps: bps(1),
            rebalance_activation_cooldown: intent.trigger.cooldown_sec,
        },
        schedule: vault.schedule.map(|schedule| symmetry::Schedule {
            automation_start: window.from.seconds().into(),
            automation_end: u64::from(window.to.seconds()) + 86_400,
            ..schedule
        }),
        landing_bps: Bps::new(((intent.assets[0].landing.high.atoms() - intent.assets[0].target.atoms()) / bp).to()).unwrap(),
    };
    assert_eq!(back, vault);
    assert_eq!(of_vault(&back).unwrap(), intent);
    assert_eq!(Intent::from_json(&serde_json::to_vec(&intent).unwrap()).unwrap(), intent);
}

#[test]
fn a_vault_that_is_no_intent_is_refused() {
    let wrong = |change: fn(&mut symmetry::Vault), field: &str| {
        let mut vault = vault();
        change(&mut vault);
        let error = of_vault(&vault).unwrap_err().to_string();
        assert!(error.contains(field), "{error}");
    };
    wrong(|v| v.automation.enabled = false, "automation.enabled");
    wrong(|v| v.token_weights[2].weight_bps = Bps::new(1_999).unwrap(), "sum to 0.9999");
    wrong(|v| v.token_weights[1].mint = "?".into(), "token_weights[1].mint");
    wrong(|v| v.schedule.as_mut().unwrap().cycle_duration = 1_000_000, "schedule.cycle_duration");
    wrong(|v| v.schedule.as_mut().unwrap().automation_end = 72_000, "schedule.automation_end");
    wrong(|v| v.schedule.as_mut().unwrap().automation_start = 72_001, "schedule.automation_start");
    let mut always = vault();
    always.schedule.as_mut().unwrap().automation_start = 0;
    always.schedule.as_mut().unwrap().automation_end = 604_800;
    assert_eq!(of_vault(&always).unwrap().trigger.window, None);
}
