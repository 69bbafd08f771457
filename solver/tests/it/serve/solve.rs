//! What a driver asks, and is answered.

use std::time::Duration;

use alloy_primitives::{Address, U256};
use ballast_fixtures::{OrderConfig, UniverseConfig, demo, demo_quote, orders, universe};
use ballast_solver::auction::Auction;
use ballast_solver::config::Config;
use ballast_solver::settlement::{Violation, verify};
use ballast_wire::{self as wire, LiquidityKind, Side, Solution, Trade};
use serde_json::{Value, json};

use super::server::{LONG, Server, deadline, post, request, solutions, streamed};
use crate::cli::{good, out};

fn verified(auction: &wire::Auction, solutions: &[Solution]) -> Vec<U256> {
    let auction = Auction::new(auction, |_| true);
    solutions.iter().map(|s| verify(&auction, &Config::default(), s.clone()).unwrap().score()).collect()
}

fn fill(solution: &Solution) -> &wire::Fulfillment {
    match &solution.trades[..] {
        [Trade::Fulfillment(fill)] => fill,
        trades => panic!("{trades:?}"),
    }
}

#[test]
fn the_demo_is_solved_best_first_and_counted() {
    let server = Server::start("demo", "");
    let solutions = solutions(server.post("/solve", streamed(std::io::Cursor::new(request(&demo(), LONG).to_string()))));
    assert!(solutions.len() >= 10, "{}", solutions.len());
    let scores = verified(&demo(), &solutions);
    assert!(scores.is_sorted_by(|a, b| a >= b), "{scores:?}");
    let count = solutions.len() as f64;
    for (figure, value) in [
        ("ballast_requests_total{kind=\"auction\",outcome=\"answered\"}", 1.0),
        ("ballast_solutions_total", count),
        ("ballast_orders_total{result=\"filled\"}", solutions.iter().filter(|s| s.trades.len() == 1).count() as f64),
        ("ballast_drops_total{subject=\"pool\",reason=\"quarantined\"}", 1.0),
        ("ballast_drops_total{subject=\"order\",reason=\"malformed\"}", 0.0),
        ("ballast_gap_bps_count", 1.0),
        ("ballast_reply_time_left_seconds_count{kind=\"auction\"}", 1.0),
        ("ballast_queue_depth{lane=\"auction\"}", 0.0),
        ("ballast_panics_total", 0.0),
    ] {
        assert_eq!(server.figure(figure), value, "{figure}");
    }
    let promised: f64 = scores.iter().map(|score| f64::from(*score) * 1e-18).sum();
    assert!((server.figure("ballast_promised_native") - promised).abs() < 1e-9 * promised);
    assert!(server.figure("process_resident_memory_bytes") > 1e6);
    assert_eq!(server.get("/healthz"), r#"{"enabled":true}"#);
}

#[test]
fn what_was_answered_is_archived_and_solved_again() {
    let server = Server::start("archived", "");
    assert!(!solutions(server.post("/solve", request(&demo(), LONG).to_string())).is_empty());
    let figures = server.get("/metrics");
    for line in [r#"ballast_archived_total{result="dropped"} 0"#, r#"ballast_archived_total{result="failed"} 0"#] {
        assert!(figures.lines().any(|l| l == line), "{line:?} is not in {figures}");
    }
    let directory = server.archive();
    server.signal("TERM");
    assert!(server.ended());
    let said = out(&good(&["replay", directory.to_str().unwrap(), "--budget", "10m"]));
    assert!(said.contains("1 auctions compared: 0 better, 0 worse, 1 the same"), "{said}");
}

#[test]
fn quotes_of_both_sides_are_priced_through_the_graph() {
    let server = Server::start("quotes", "");
    for side in [Side::Sell, Side::Buy] {
        let quote = demo_quote(side).unwrap();
        let order = quote.orders[0].as_ref().unwrap().clone();
        let [solution] = &server.solve(&request(&quote, LONG))[..] else { panic!("{side:?}: not one solution") };
        verified(&quote, std::slice::from_ref(solution));
        let fill = fill(solution);
        let fee = fill.fee.unwrap().0;
        assert!(!fee.is_zero());
        match side {
            Side::Sell => assert_eq!(fill.executed_amount.0 + fee, order.sell_amount),
            Side::Buy => assert_eq!(fill.executed_amount.0, order.buy_amount),
        }
        // About a thousand dollars for a thousand dollars.
        let price = |token| f64::from(solution.prices[token].0);
        let (sold, bought) = match side {
            Side::Sell => {
                let sold = f64::from(fill.executed_amount.0);
                (sold * 5e-18, sold * price(&order.sell_token) / price(&order.buy_token) * 1e-6)
            }
            Side::Buy => {
                let bought = f64::from(fill.executed_amount.0);
                (bought * price(&order.buy_token) / price(&order.sell_token) * 1e-6, bought * 2e-22)
            }
        };
        assert!((sold / bought - 1.0).abs() < 0.05 && (800.0..1200.0).contains(&sold), "{side:?}: {sold} for {bought}");
        // An order whose fee is not ours to set.
        let mut market = request(&quote, LONG);
        market["orders"][0]["class"] = "market".into();
        let [solution] = &server.solve(&market)[..] else { panic!("{side:?}: not one solution") };
        assert_eq!(super::solve::fill(solution).fee, None);
    }
    assert_eq!(server.figure("ballast_requests_total{kind=\"quote\",outcome=\"answered\"}"), 4.0);
}

/// A quote on one pool of two tokens that nothing leads to.
fn island(side: Side) -> wire::Auction {
    let mut quote = demo_quote(side).unwrap();
    let order = quote.orders[0].as_mut().unwrap();
    let [sell, buy] = [0xa1, 0xb2].map(Address::repeat_byte);
    let is_product = |pool: &&wire::Liquidity| matches!(pool.kind, LiquidityKind::ConstantProduct(_));
    let mut pool = quote.liquidity.iter().flatten().find(is_product).unwrap().clone();
    if let LiquidityKind::ConstantProduct(product) = &mut pool.kind {
        let balance = U256::from(10).pow(U256::from(24));
        product.tokens = [sell, buy].map(|token| (token, wire::Reserve { balance })).into();
    }
    let amount = U256::from(10).pow(U256::from(20));
    (order.sell_token, order.buy_token) = (sell, buy);
    match side {
        Side::Sell => order.sell_amount = amount,
        Side::Buy => order.buy_amount = amount,
    }
    pool.id = "island".to_owned();
    quote.liquidity.push(Ok(pool));
    quote
}

#[test]
fn without_a_way_to_the_native_token_a_quote_is_free_and_an_order_is_dropped() {
    let server = Server::start("island", "");
    for side in [Side::Sell, Side::Buy] {
        let mut quote = island(side);
        let [solution] = &server.solve(&request(&quote, LONG))[..] else { panic!("{side:?}: not one solution") };
        assert_eq!(fill(solution).fee.unwrap().0, U256::ZERO);
        assert_eq!(solution.interactions.len(), 1);
        quote.id = Some("7".to_owned());
        assert_eq!(server.solve(&request(&quote, LONG)), []);
    }
    assert_eq!(server.figure("ballast_drops_total{subject=\"order\",reason=\"no price for the sold token\"}"), 2.0);
}

#[test]
fn a_past_or_too_close_deadline_is_answered_with_nothing() {
    let server = Server::start("past", "[server]\nslack = \"1h\"");
    for time in ["2023-09-12T08:00:00Z".into(), deadline(Duration::from_secs(60))] {
        let mut request = request(&demo(), LONG);
        request["deadline"] = time;
        assert_eq!(server.post("/solve", request.to_string()), (200, json!({ "solutions": [] })));
    }
    assert_eq!(server.figure("ballast_requests_total{kind=\"auction\",outcome=\"past_deadline\"}"), 2.0);
}

/// An order of the demo that sells what it buys.
fn same_token(class: &str, kind: &str, sell: u64, buy: u64) -> Value {
    let mut auction = request(&demo(), LONG);
    let mut order = auction["orders"][0].clone();
    order["buyToken"] = order["sellToken"].clone();
    let ether = |n: u64| U256::from(n) * U256::from(10).pow(U256::from(16));
    (order["sellAmount"], order["buyAmount"]) = (ether(sell).to_string().into(), ether(buy).to_string().into());
    (order["class"], order["kind"]) = (class.into(), kind.into());
    auction["orders"] = json!([order]);
    auction
}

#[test]
fn an_order_that_sells_what_it_buys_needs_no_pool() {
    let server = Server::start("same", "");
    for kind in ["sell", "buy"] {
        let request = same_token("limit", kind, 100, 99);
        let [solution] = &server.solve(&request)[..] else { panic!("{kind}: not one solution") };
        let auction = wire::Auction::from_json(request.to_string().as_bytes()).unwrap();
        verified(&auction, std::slice::from_ref(solution));
        assert_eq!((solution.interactions.len(), solution.prices.len()), (0, 1));
        assert!(!fill(solution).fee.unwrap().0.is_zero());
        // Its limit does not leave the gas.
        assert_eq!(server.solve(&same_token("limit", kind, 100, 100)), []);
        // Its fee is paid already.
        let [solution] = &server.solve(&same_token("market", kind, 100, 100))[..] else { panic!("{kind}: not one solution") };
        assert_eq!(fill(solution).fee, None);
    }
}

#[test]
fn wrappers_that_are_needed_are_copied() {
    let server = Server::start("wrappers", "");
    let mut request = request(&demo(), LONG);
    let [needed, omittable] = [0x11, 0x22].map(|byte| Address::repeat_byte(byte).to_string());
    request["orders"] = json!([request["orders"][0]]);
    request["orders"][0]["wrappers"] = json!([
        { "address": needed, "data": "0x1234", "isOmittable": false },
        { "address": omittable, "data": "0x", "isOmittable": true },
    ]);
    let [solution] = &server.solve(&request)[..] else { panic!("not one solution") };
    let [wrapper] = &solution.wrappers[..] else { panic!("{:?}", solution.wrappers) };
    assert_eq!((wrapper.address.to_string(), wrapper.data.to_string()), (needed, "0x1234".to_owned()));
    // With a flashloan as well it is nothing that the driver would take.
    let zero = Address::ZERO.to_string();
    request["orders"][0]["flashloanHint"] =
        json!({ "liquidityProvider": zero, "protocolAdapter": zero, "receiver": zero, "token": zero, "amount": "1" });
    assert_eq!(server.solve(&request), []);
}

#[test]
fn fees_of_the_protocol_are_taken_where_the_auction_leaves_them_to_the_engine() {
    let server = Server::start("policies", "[engine]\nbatch = false");
    let mut auction = demo();
    // Sellers and buyers.
    auction.orders.retain(|order| order.as_ref().is_ok_and(|order| order.class == wire::Class::Limit));
    let plain = server.solve(&request(&auction, LONG));
    let quote = |order: &wire::Order| wire::PriceImprovementQuote {
        sell_amount: order.sell_amount,
        buy_amount: order.buy_amount,
        fee: U256::ZERO,
    };
    let policies: [&dyn Fn(&wire::Order) -> wire::FeePolicy; 3] = [
        &|_| wire::FeePolicy::Volume { factor: 0.001 },
        &|_| wire::FeePolicy::Surplus { factor: 0.5, max_volume_factor: 0.1 },
        &|order| wire::FeePolicy::PriceImprovement { factor: 0.5, max_volume_factor: 0.1, quote: quote(order) },
    ];
    for policy in policies {
        let mut charged = auction.clone();
        for order in charged.orders.iter_mut().flatten() {
            order.fee_policies = Some(vec![policy(order)]);
        }
        let solutions = server.solve(&request(&charged, LONG));
        assert!(solutions.len() >= 8, "{}", solutions.len());
        // The verifier knows the policies by a formula of its own.
        verified(&charged, &solutions);
        for solution in &solutions {
            let before = plain.iter().find(|before| fill(before).order == fill(solution).order).unwrap();
            assert_eq!(solution.prices, before.prices);
            assert!(fill(solution).fee > fill(before).fee);
            // The same trade without the protocol's part is refused.
            let mut tampered = solution.clone();
            tampered.trades = before.trades.clone();
            let refused = verify(&Auction::new(&charged, |_| true), &Config::default(), tampered).unwrap_err();
            assert!(matches!(refused, Violation::ProtocolFee { .. } | Violation::Underfunded { .. }), "{refused}");
        }
    }
}

#[test]
fn swaps_are_internalized_only_where_config_and_auction_allow_it() {
    let mut auction = request(&demo(), LONG);
    auction["orders"] = json!([auction["orders"][0]]);
    let internal = |solutions: &[Solution]| {
        let text = serde_json::to_value(solutions).unwrap();
        let swaps = text[0]["interactions"].as_array().unwrap().clone();
        swaps.into_iter().filter(|swap| swap["internalize"] == true).collect::<Vec<_>>()
    };
    let rich = |auction: &Value, balance: &str, trusted: bool| {
        let mut auction = auction.clone();
        for token in auction["tokens"].as_object_mut().unwrap().values_mut() {
            (token["availableBalance"], token["trusted"]) = (balance.into(), trusted.into());
        }
        auction
    };
    let much = U256::from(10).pow(U256::from(40)).to_string();
    let server = Server::start("external", "");
    assert_eq!(internal(&server.solve(&rich(&auction, &much, true))), Vec::<Value>::new());
    let server = Server::start("internal", "[limits]\ninternalize = true");
    let solutions = server.solve(&rich(&auction, &much, true));
    assert_eq!(internal(&solutions).len(), solutions[0].interactions.len());
    assert_eq!(internal(&server.solve(&rich(&auction, &much, false))), Vec::<Value>::new());
    assert_eq!(internal(&server.solve(&rich(&auction, "0", true))), Vec::<Value>::new());
}

#[test]
fn solutions_beyond_a_limit_are_dropped_by_name() {
    for (name, limit, reason) in [
        ("notional", "max_notional = 0.001", "beyond the limit on notional"),
        ("slippage", "max_slippage_loss = 0.0000001", "beyond the limit on slippage"),
        ("gas", "max_gas = 100000", "beyond the limit on gas"),
        ("price", "max_price_factor = 1.0000001", "clearing price off the reference"),
    ] {
        let server = Server::start(name, &format!("[limits]\n{limit}"));
        assert_eq!(server.solve(&request(&demo(), LONG)), [], "{name}");
        let dropped = |subject| server.figure(&format!("ballast_drops_total{{subject=\"{subject}\",reason=\"{reason}\"}}"));
        assert!(dropped("order") >= 10.0, "{name}: {}", dropped("order"));
        // A batch keeps to the limit on gas by itself.
        assert!(name == "gas" || dropped("solution") >= 1.0, "{name}: {}", dropped("solution"));
    }
}

/// An auction that takes far longer than any test would wait.
pub(super) fn heavy(orders_wanted: usize) -> wire::Auction {
    let mut auction = universe(&UniverseConfig::new(400, 5));
    orders(&mut auction, &OrderConfig::new(orders_wanted, 5));
    auction
}

#[test]
fn two_auctions_with_one_deadline_and_a_quote_are_all_answered() {
    let server = Server::start("two", "[server]\nslack = \"2s\"\n[work]\nauctions = 2");
    let mut body = request(&heavy(400), Duration::from_secs(20));
    let quote = request(&demo_quote(Side::Sell).unwrap(), LONG);
    std::thread::scope(|scope| {
        let auctions = ["1", "2"].map(|id| {
            body["id"] = id.into();
            let body = body.to_string();
            let public = &server.public;
            scope.spawn(move || solutions(post(public, "/solve", body)).len())
        });
        // Answered while the auctions are at work.
        assert_eq!(server.solve(&quote).len(), 1);
        for auction in auctions {
            assert!(auction.join().unwrap() >= 1);
        }
    });
    let outcome = |name| server.figure(&format!("ballast_requests_total{{kind=\"auction\",outcome=\"{name}\"}}"));
    assert_eq!(outcome("answered") + outcome("cut"), 2.0);
}
