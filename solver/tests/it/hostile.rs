//! Input that nobody should send: it harms nothing but itself.

use std::collections::BTreeMap;

use alloy_primitives::{Address, U256, address};
use ballast_fixtures::demo;
use ballast_solver::auction::Auction;
use ballast_solver::config::Config;
use ballast_solver::engine::run;
use ballast_solver::settlement::verify;
use ballast_wire::{self as wire, Interaction, Liquidity, LiquidityKind, Order, OrderUid, Solution, Trade};
use serde_json::{Value, json};

use crate::support::{dropped, solve, through_json};

const WETH: &str = "0xc02aaa39b223fe8d0a0e5c4f27ead9083c756cc2";
const UNKNOWN: Address = address!("00000000000000000000000000000000000000aa");
const STRANGER: Address = address!("00000000000000000000000000000000000000ab");

/// The solutions by the order that they fill, without their numbers.
fn by_order(solutions: Vec<Solution>) -> BTreeMap<OrderUid, Solution> {
    let key = |mut solution: Solution| {
        solution.id = 0;
        let [Trade::Fulfillment(trade)] = &solution.trades[..] else { panic!("not one trade") };
        (trade.order, solution)
    };
    solutions.into_iter().map(key).collect()
}

/// An order like the demo's first, under a name of its own.
fn order(number: u8, change: impl FnOnce(&mut Order)) -> Order {
    let mut order = demo().orders[0].as_ref().unwrap().clone();
    order.uid = OrderUid::repeat_byte(number);
    change(&mut order);
    order
}

/// The demo's own orders get the very solutions that they get without what is added; all solutions verify.
fn harmless(name: &str, change: impl FnOnce(&mut wire::Auction)) -> ballast_solver::engine::Report {
    let alone = Config { batch: false, ..Config::default() };
    let plain = by_order(through_json(&solve(&demo(), &alone).1));
    assert!(plain.len() >= 10);
    let mut request = demo();
    change(&mut request);
    let (auction, report) = solve(&request, &alone);
    let found = through_json(&report);
    for solution in &found {
        verify(&auction, &alone, solution.clone()).unwrap_or_else(|v| panic!("{name}: {v}"));
    }
    let found = by_order(found);
    for (uid, solution) in &plain {
        assert_eq!(found.get(uid), Some(solution), "{name}: another solution of {uid}");
    }
    report
}

#[test]
fn hostile_orders_harm_no_other() {
    let zero_sell = order(1, |o| o.sell_amount = U256::ZERO);
    let zero_buy = order(2, |o| o.buy_amount = U256::ZERO);
    let everything = order(3, |o| (o.sell_amount, o.buy_amount) = (U256::MAX, U256::MAX));
    let for_nothing = order(4, |o| (o.sell_amount, o.buy_amount) = (U256::MAX, U256::ONE));
    let same = order(5, |o| (o.buy_token, o.buy_amount) = (o.sell_token, o.sell_amount));
    let unknown = order(6, |o| o.buy_token = UNKNOWN);
    let strangers = order(7, |o| (o.sell_token, o.buy_token) = (UNKNOWN, STRANGER));
    // As large as is let in: it exhausts whatever pool it meets.
    let huge = order(8, |o| (o.sell_amount, o.buy_amount) = ((U256::ONE << 160) - U256::ONE, U256::ONE));
    let huge_partial = order(9, |o| {
        (o.sell_amount, o.buy_amount) = ((U256::ONE << 160) - U256::ONE, U256::ONE);
        o.partially_fillable = true;
    });
    let huge_buy = order(10, |o| {
        (o.sell_amount, o.buy_amount) = (U256::ONE, (U256::ONE << 160) - U256::ONE);
        o.kind = wire::Side::Buy;
    });
    let open_buy = order(11, |o| {
        (o.sell_amount, o.buy_amount) = (U256::ONE << 144, U256::from(1_000_000_000));
        o.kind = wire::Side::Buy;
    });
    let dust = order(12, |o| (o.sell_amount, o.buy_amount) = (U256::ONE, U256::ONE));
    let dust_partial = order(13, |o| {
        (o.sell_amount, o.buy_amount) = (U256::ONE, U256::ONE);
        o.partially_fillable = true;
    });
    let hostile = [
        zero_sell,
        zero_buy,
        everything,
        for_nothing,
        same,
        unknown,
        strangers,
        huge,
        huge_partial,
        huge_buy,
        open_buy,
        dust,
        dust_partial,
    ];
    for one in hostile.clone() {
        harmless(&format!("order {}", one.uid[0]), |a| a.orders.push(Ok(one)));
    }
    let report = harmless("all hostile orders", |a| a.orders.splice(0..0, hostile.map(Ok)).for_each(drop));
    let names = |words: &str| dropped(&report, words).iter().map(|n| n[2..4].to_owned()).collect::<Vec<_>>();
    assert_eq!(names("zero amount"), ["01", "02"]);
    assert_eq!(names("amount too large"), ["03", "04"]);
    assert!(names("miss the order's limit").contains(&"05".to_owned()));
    assert_eq!(names("no price"), ["06", "07"]);
}

#[test]
fn the_first_of_two_orders_with_one_uid_stands() {
    let report = harmless("duplicate uid", |a| {
        let again = order(0, |o| {
            o.uid = demo().orders[0].as_ref().unwrap().uid;
            o.buy_amount = U256::ONE;
        });
        a.orders.push(Ok(again));
    });
    assert_eq!(dropped(&report, "duplicate uid").len(), 1);
}

fn pool(auction: &wire::Auction, is: fn(&LiquidityKind) -> bool) -> Liquidity {
    auction.liquidity.iter().flatten().find(|pool| is(&pool.kind)).unwrap().clone()
}

/// Pools with one field out of order, in JSON, each with a word of the reason for which it is dropped.
fn broken_pools() -> Vec<(Value, &'static str)> {
    let demo = demo();
    let of = |is| serde_json::to_value(pool(&demo, is)).unwrap();
    let product = of(|k| matches!(k, LiquidityKind::ConstantProduct(_)));
    let weighted = of(|k| matches!(k, LiquidityKind::WeightedProduct(_)));
    let stable = of(|k| matches!(k, LiquidityKind::Stable(_)));
    let ticks = of(|k| matches!(k, LiquidityKind::ConcentratedLiquidity(_)));
    let foreign = of(|k| matches!(k, LiquidityKind::LimitOrder(_)));
    let first = |pool: &Value| pool["tokens"].as_object().unwrap().keys().next().unwrap().clone();
    let max = U256::MAX.to_string();
    let with = |pool: &Value, path: &[&str], value: Value| {
        let mut pool = pool.clone();
        let mut at = &mut pool;
        for key in path {
            at = at.get_mut(*key).unwrap_or_else(|| panic!("no {key}"));
        }
        *at = value;
        pool
    };
    let coin = first(&product);
    let weight = first(&weighted);
    let rated = first(&stable);
    let one_coin = json!({ coin.clone(): { "balance": "1" } });
    vec![
        (with(&product, &["tokens", &coin, "balance"], json!("0")), "zero reserve"),
        (with(&product, &["tokens", &coin, "balance"], json!(max)), ""),
        (with(&product, &["tokens", &coin, "balance"], json!("-1")), "malformed"),
        (with(&product, &["tokens"], json!({})), "wrong number of tokens"),
        (with(&product, &["tokens"], one_coin), "wrong number of tokens"),
        (with(&product, &["fee"], json!("1")), ""),
        (with(&product, &["fee"], json!("1.5")), ""),
        (with(&product, &["fee"], json!(null)), "malformed"),
        (with(&product, &["kind"], json!("constantSum")), "malformed"),
        (with(&product, &["gasEstimate"], json!(max)), "beyond any block"),
        (with(&product, &["address"], json!("0x12")), "malformed"),
        (with(&weighted, &["tokens", &weight, "weight"], json!("0")), ""),
        (with(&weighted, &["tokens", &weight, "scalingFactor"], json!("0")), ""),
        (with(&weighted, &["tokens", &weight, "balance"], json!(max)), ""),
        (with(&weighted, &["version"], json!("v9")), "malformed"),
        (with(&stable, &["amplificationParameter"], json!("0")), ""),
        (with(&stable, &["amplificationParameter"], json!("1E50")), ""),
        (with(&stable, &["tokens", &rated, "balance"], json!(max)), ""),
        (with(&stable, &["tokens", &rated, "scalingFactor"], json!("0")), ""),
        (with(&ticks, &["sqrtPrice"], json!("0")), ""),
        (with(&ticks, &["sqrtPrice"], json!(max)), ""),
        (with(&ticks, &["liquidity"], json!(max)), ""),
        (with(&ticks, &["tick"], json!(8_000_000)), ""),
        (with(&ticks, &["liquidityNet"], json!({ "one": "1" })), ""),
        (with(&ticks, &["liquidityNet"], json!({ "60": "1e400" })), ""),
        (with(&ticks, &["tokens"], json!([coin, coin])), ""),
        (with(&ticks, &["tokens"], json!([coin])), ""),
        (with(&ticks, &["fee"], json!("0.42")), ""),
        (with(&foreign, &["makerAmount"], json!("0")), ""),
        (with(&foreign, &["takerAmount"], json!("0")), ""),
        (with(&foreign, &["takerToken"], foreign["makerToken"].clone()), ""),
        (json!({}), "malformed"),
        (json!([]), "malformed"),
        (json!(7), "malformed"),
        (json!(null), "malformed"),
    ]
}

#[test]
fn broken_pools_are_dropped_with_a_reason_and_harm_nothing() {
    let text = serde_json::to_value(demo()).unwrap();
    for (number, (mut broken, reason)) in broken_pools().into_iter().enumerate() {
        let name = format!("broken-{number}");
        let readable = broken.is_object() && broken.get("id").is_some();
        if readable {
            broken["id"] = json!(name);
            if broken["address"] != "0x12" {
                broken["address"] = json!("0x00000000000000000000000000000000000000ff");
            }
        }
        let mut document = text.clone();
        document["liquidity"].as_array_mut().unwrap().push(broken.clone());
        let request = wire::Auction::from_json(document.to_string().as_bytes()).unwrap();
        let report = harmless(&format!("{broken}"), |a| *a = request);
        let drop = report.drops.iter().find(|d| readable && d.name.as_deref() == Some(&name));
        let drop = drop.or_else(|| report.drops.iter().filter(|d| d.reason == "malformed").find(|d| d.name.is_none()));
        let drop = drop.unwrap_or_else(|| panic!("not dropped: {broken}"));
        assert!(drop.reason.contains(reason), "{} is not {reason}: {broken}", drop.reason);
    }
}

#[test]
fn the_first_of_two_pools_with_one_id_stands() {
    let report = harmless("duplicate id", |a| {
        let mut again = a.liquidity[3].as_ref().unwrap().clone();
        again.id = "0".into();
        a.liquidity.push(Ok(again));
    });
    assert_eq!(dropped(&report, "duplicate id"), ["0"]);
}

#[test]
fn what_is_not_known_of_tokens_harms_nothing() {
    for decimals in [None, Some(0), Some(255)] {
        harmless("decimals", |a| a.tokens.values_mut().for_each(|token| token.decimals = decimals));
    }
    harmless("symbols", |a| a.tokens.values_mut().for_each(|token| token.symbol = Some("\u{1b}[2J\n".repeat(50))));
}

/// The other tokens' orders are still filled when one token is priced out of this world.
#[test]
fn absurd_reference_prices_harm_no_other_token() {
    let alone = Config { batch: false, ..Config::default() };
    let (_, plain) = solve(&demo(), &alone);
    let plain = by_order(through_json(&plain));
    let oak = demo().tokens.iter().find(|(_, t)| t.symbol.as_deref() == Some("OAK")).map(|(address, _)| *address).unwrap();
    for price in [None, Some(U256::ZERO), Some(U256::ONE), Some(U256::MAX), Some(U256::ONE << 200)] {
        let mut request = demo();
        request.tokens.get_mut(&oak).unwrap().reference_price = price;
        let (auction, report) = solve(&request, &alone);
        let found = through_json(&report);
        for solution in &found {
            verify(&auction, &Config::default(), solution.clone()).unwrap();
        }
        let found = by_order(found);
        // Orders of other tokens whose route did not lead through this one.
        let touches = |solution: &Solution| {
            solution.prices.contains_key(&oak)
                || solution
                    .interactions
                    .iter()
                    .any(|i| matches!(i, Interaction::Liquidity(l) if [l.input_token, l.output_token].contains(&oak)))
        };
        for (uid, _) in plain.iter().filter(|(_, solution)| !touches(solution)) {
            assert!(found.contains_key(uid), "{uid} has no solution when a token costs {price:?}");
        }
    }
    // All at once.
    for price in [None, Some(U256::ZERO), Some(U256::ONE), Some(U256::MAX)] {
        let mut request = demo();
        request.tokens.values_mut().for_each(|token| token.reference_price = price);
        let (auction, report) = solve(&request, &Config::default());
        for solution in through_json(&report) {
            verify(&auction, &Config::default(), solution).unwrap();
        }
    }
}

#[test]
fn auctions_of_little_or_nothing_are_answered() {
    let empty = |clear: fn(&mut wire::Auction)| {
        let mut request = demo();
        clear(&mut request);
        solve(&request, &Config::default()).1
    };
    assert_eq!(through_json(&empty(|a| a.orders.clear())).len(), 0);
    let dry = empty(|a| a.liquidity.clear());
    assert_eq!(through_json(&dry).len(), 0);
    assert_eq!(dry.drops.iter().filter(|d| d.reason != "malformed").count(), 12, "each order says why");
    let nothing = empty(|a| {
        a.orders.clear();
        a.liquidity.clear();
        a.tokens.clear();
    });
    assert_eq!(through_json(&nothing).len(), 0);
    assert_eq!(through_json(&empty(|a| a.tokens.clear())).len(), 0);
    // One pool.
    let single = empty(|a| {
        let is = |p: &Liquidity| p.id == "0";
        a.liquidity.retain(|pool| pool.as_ref().is_ok_and(is));
    });
    assert!(through_json(&single).len() <= 1);
    for gas in [U256::ZERO, U256::ONE, U256::ONE << 128, U256::MAX] {
        let mut request = demo();
        request.effective_gas_price = gas;
        let auction = Auction::new(&request, |_| true);
        let report = run(&auction, &Config::default(), &|| false);
        for solution in through_json(&report) {
            verify(&auction, &Config::default(), solution).unwrap();
        }
    }
}

#[test]
fn malformed_orders_are_named_with_their_field() {
    let mut document = serde_json::to_value(demo()).unwrap();
    let good = document["orders"][0].clone();
    let with = |field: &str, value: Value| {
        let mut order = good.clone();
        order[field] = value;
        order
    };
    let cases = [
        ("uid", with("uid", json!("0x12"))),
        ("sellAmount", with("sellAmount", json!("1.5"))),
        ("buyAmount", with("buyAmount", json!(-1))),
        ("kind", with("kind", json!("swap"))),
        ("class", with("class", json!("liquidity"))),
        ("sellToken", with("sellToken", json!(WETH[..20]))),
        ("buyToken", with("buyToken", json!(null))),
        ("partiallyFillable", with("partiallyFillable", json!("no"))),
        ("validTo", with("validTo", json!(-1))),
    ];
    let fields: Vec<&str> = cases.iter().map(|case| case.0).collect();
    document["orders"].as_array_mut().unwrap().splice(0..0, cases.map(|case| case.1));
    let request = wire::Auction::from_json(document.to_string().as_bytes()).unwrap();
    let (_, report) = solve(&request, &Config::default());
    let details: Vec<&str> = report.drops.iter().filter(|d| d.reason == "malformed").map(|d| d.detail.as_str()).collect();
    assert_eq!(details.len(), fields.len(), "{details:?}");
    for (field, detail) in fields.iter().zip(details) {
        assert!(detail.contains(field), "{field}: {detail}");
    }
    assert!(report.filled().count() >= 10);
}
