//! Orders that come with the solution, as a user offers them: a file, a key in the configuration, a reply that says all of them.

use alloy_primitives::{Address, B256, Bytes, U256};
use ballast_fixtures::{Case, case, document};
use ballast_solver::auction::Auction;
use ballast_solver::jit::{JitSource, Offer};
use ballast_solver::settlement::Contracts;
use ballast_wire::{self as wire, Amount, JitOrder, Reply, Side, Trade};
use serde_json::{Value, json};

use crate::cli::{bad, file, good, out};
use crate::support::token;

const OWNER: Address = Address::repeat_byte(7);

/// An auction with one pool, and an order that sells $3,000 of what the auction's own order buys, 2 % below the market.
fn offered(listed: bool) -> (wire::Auction, JitOrder) {
    let mut request = case(Case::InnerFill);
    if listed {
        request.surplus_capturing_jit_order_owners = vec![OWNER];
    }
    let ether = U256::from(10).pow(U256::from(18));
    let order = JitOrder {
        sell_token: token(&request, "OAK"),
        buy_token: token(&request, "WETH"),
        receiver: OWNER,
        sell_amount: Amount(U256::from(600) * ether),
        buy_amount: Amount(U256::from(1_837_500) * ether / U256::from(1_000_000)),
        partially_fillable: true,
        valid_to: u32::MAX,
        app_data: B256::ZERO,
        kind: Side::Sell,
        sell_token_balance: "erc20".into(),
        buy_token_balance: "erc20".into(),
        signing_scheme: "preSign".into(),
        signature: Bytes::copy_from_slice(OWNER.as_slice()),
    };
    (request, order)
}

fn jit(reply: &[u8]) -> Vec<JitOrder> {
    let Reply::Solutions { solutions } = Reply::from_json(reply).unwrap() else { panic!("an error") };
    let trades = solutions.into_iter().flat_map(|solution| solution.trades);
    trades
        .filter_map(|trade| match trade {
            Trade::Jit(jit) => Some(jit.order),
            Trade::Fulfillment(_) => None,
        })
        .collect()
}

/// A configuration that offers these orders.
fn config(name: &str, orders: &Value) -> String {
    let orders = file(&format!("{name}.json"), orders.to_string().as_bytes());
    file(&format!("{name}.toml"), format!("[jit]\nfile = {orders:?}\n").as_bytes())
}

#[test]
fn an_offered_order_is_solved_and_its_reply_verified() {
    let (request, order) = offered(true);
    let auction = file("jit-auction.json", document(&request).unwrap().as_bytes());
    let config = config("jit-one", &json!({ "orders": [order] }));
    let solved = good(&["solve", &auction, "--config", &config, "--json"]);
    assert!(jit(&solved.stdout).contains(&order));
    let reply = file("jit-reply.json", &solved.stdout);
    // Whoever verifies need not know who offered it.
    assert!(out(&good(&["verify", &auction, &reply])).contains(" 0 bad"));
    assert!(out(&good(&["verify", &auction, &reply, "--config", &config])).contains(" 0 bad"));
    assert_eq!(jit(&good(&["solve", &auction, "--json"]).stdout), []);
}

/// It may fill others, but is nothing to be paid for by itself.
#[test]
fn surplus_that_is_not_scored_is_no_bid() {
    let (request, order) = offered(false);
    let auction = file("jit-unlisted.json", document(&request).unwrap().as_bytes());
    let config = config("jit-unlisted-orders", &json!({ "orders": [order] }));
    let solved = good(&["solve", &auction, "--config", &config, "--json"]);
    let Reply::Solutions { solutions } = Reply::from_json(&solved.stdout).unwrap() else { panic!("an error") };
    assert!(!solutions.is_empty());
    for solution in solutions {
        let listed = solution.trades.iter().any(|trade| matches!(trade, Trade::Fulfillment(_)));
        assert!(listed, "solution {} fills nothing that is scored", solution.id);
    }
    let reply = file("jit-unlisted-reply.json", &solved.stdout);
    assert!(out(&good(&["verify", &auction, &reply])).contains(" 0 bad"));
}

#[test]
fn a_file_that_is_not_as_it_should_be_is_refused_by_its_field() {
    let (request, order) = offered(true);
    let auction = file("jit-bad.json", document(&request).unwrap().as_bytes());
    let good_order = serde_json::to_value(&order).unwrap();
    let with = |field: &str, value: Value| {
        let mut order = good_order.clone();
        order[field] = value;
        json!({ "orders": [good_order, order] })
    };
    for (name, orders, field) in [
        ("missing", json!({ "orders": [{}] }), "orders[0]"),
        ("none", json!({}), "orders"),
        ("amount", with("sellAmount", json!("1.5")), "orders[1].sellAmount"),
        ("unknown", with("fee", json!("1")), "orders.1.fee"),
        ("scheme", with("signingScheme", json!("presign")), "orders[1].signingScheme"),
        ("balance", with("buyTokenBalance", json!("external")), "orders[1].buyTokenBalance"),
        ("signature", with("signature", json!("0x07")), "orders[1].signature"),
    ] {
        bad(&["solve", &auction, "--config", &config(&format!("jit-bad-{name}"), &orders)], &["[jit]", field]);
    }
    let nowhere = file("jit-nowhere.toml", b"[jit]\nfile = \"no/such/file.json\"\n");
    bad(&["solve", &auction, "--config", &nowhere], &["[jit]", "no/such/file.json"]);
}

/// A source of the test's own.
struct Given(Vec<Offer>);

impl JitSource for Given {
    fn offers(&self, _auction: &Auction) -> Vec<Offer> {
        self.0.clone()
    }
}

#[test]
fn what_cannot_be_filled_is_left_out_and_named() {
    let (request, order) = offered(true);
    let offer = |order: JitOrder| Offer::new(order, &Contracts::default()).unwrap();
    let source = Given(vec![
        offer(order.clone()),
        offer(order.clone()),
        offer(JitOrder { valid_to: 1_700_000_000, ..order.clone() }),
        offer(JitOrder { sell_token: Address::repeat_byte(9), ..order.clone() }),
        offer(JitOrder { sell_amount: Amount(U256::ZERO), ..order.clone() }),
    ]);
    let mut auction = Auction::new(&request, |_| true);
    let offers = source.offers(&auction);
    auction.offer(offers);
    assert_eq!(auction.orders.len(), 2);
    let reasons: Vec<&str> = auction.drops.iter().map(|drop| drop.reason.as_str()).collect();
    assert_eq!(reasons, ["duplicate uid", "expired", "token not in the auction", "zero amount"]);
    let mut quote = request;
    quote.id = None;
    let mut quote = Auction::new(&quote, |_| true);
    quote.offer(source.offers(&quote));
    assert_eq!(quote.orders.len(), 1);
}
