//! Settlement by CoW orders: a server that answers as the order book does, and fills as the contract counts them.

use std::sync::{Arc, Mutex};

use alloy_primitives::{Address, B256, U256, keccak256};
use alloy_sol_types::{SolCall, SolStruct, eip712_domain, sol};
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post as on_post;
use axum::{Json, Router};
use ballast_wire::intent::{Intent, Mode};
use serde_json::{Value, json};

use super::world::{Events, World, get, post, states};

sol! {
    struct Order {
        address sellToken; address buyToken; address receiver; uint256 sellAmount; uint256 buyAmount; uint32 validTo; bytes32 appData;
        uint256 feeAmount; string kind; bool partiallyFillable; string sellTokenBalance; string buyTokenBalance;
    }
    function filledAmount(bytes orderUid) external view returns (uint256);
}

/// An order book, with what was posted to it by uid, and how often it is out of order first.
struct Book {
    url: String,
    orders: Arc<Mutex<Vec<(String, Value)>>>,
}

struct Desk {
    settlement: Address,
    orders: Arc<Mutex<Vec<(String, Value)>>>,
    ill: Mutex<usize>,
}

impl Book {
    fn open(world: &World, ill: usize) -> Self {
        let orders = Arc::<Mutex<Vec<(String, Value)>>>::default();
        let desk = Desk { settlement: settlement(world), orders: orders.clone(), ill: Mutex::new(ill) };
        let router = Router::new().route("/api/v1/orders", on_post(take)).with_state(Arc::new(desk));
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async { axum::serve(tokio::net::TcpListener::from_std(listener).unwrap(), router).await }).unwrap();
        });
        Self { url, orders }
    }

    fn orders(&self) -> Vec<(String, Value)> {
        self.orders.lock().unwrap().clone()
    }
}

/// `POST /api/v1/orders`: every field that `OrderCreation` requires is there, and the uid is that of the fields.
async fn take(State(desk): State<Arc<Desk>>, Json(order): Json<Value>) -> (StatusCode, Json<Value>) {
    let mut ill = desk.ill.lock().unwrap();
    if *ill > 0 {
        *ill -= 1;
        return (StatusCode::INTERNAL_SERVER_ERROR, Json(json!({})));
    }
    let text = |name: &str| order[name].as_str().unwrap_or_else(|| panic!("{name}: {order}")).to_owned();
    assert_eq!((text("signingScheme").as_str(), text("signature").as_str()), ("presign", "0x"));
    let signed = Order {
        sellToken: text("sellToken").parse().unwrap(),
        buyToken: text("buyToken").parse().unwrap(),
        receiver: text("receiver").parse().unwrap(),
        sellAmount: text("sellAmount").parse().unwrap(),
        buyAmount: text("buyAmount").parse().unwrap(),
        validTo: u32::try_from(order["validTo"].as_u64().unwrap()).unwrap(),
        appData: text("appData").parse().unwrap(),
        feeAmount: text("feeAmount").parse().unwrap(),
        kind: text("kind"),
        partiallyFillable: order["partiallyFillable"].as_bool().unwrap(),
        sellTokenBalance: text("sellTokenBalance"),
        buyTokenBalance: text("buyTokenBalance"),
    };
    let domain =
        eip712_domain! { name: "Gnosis Protocol", version: "v2", chain_id: 31_337, verifying_contract: desk.settlement, };
    let digest = signed.eip712_signing_hash(&domain);
    let from: Address = text("from").parse().unwrap();
    let uid = [digest.as_slice(), from.as_slice(), &signed.validTo.to_be_bytes()].concat();
    let uid = alloy_primitives::hex::encode_prefixed(uid);
    let mut orders = desk.orders.lock().unwrap();
    if orders.iter().any(|(known, _)| *known == uid) {
        let said = json!({ "errorType": "DuplicatedOrder", "description": "order already exists" });
        return (StatusCode::BAD_REQUEST, Json(said));
    }
    orders.push((uid.clone(), order));
    (StatusCode::CREATED, Json(uid.into()))
}

fn settlement(world: &World) -> Address {
    let config: toml::Table = std::fs::read_to_string(world.devnet.file("settle.toml")).unwrap().parse().unwrap();
    config["settlement"]["contracts"]["settlement"].as_str().unwrap().parse().unwrap()
}

/// Has the settlement contract count so much of an order as filled: its mapping is the third of its slots.
fn fill(world: &World, uid: &str, amount: U256) {
    let (contract, uid) = (settlement(world), alloy_primitives::hex::decode(uid).unwrap());
    let slot = keccak256([uid.as_slice(), B256::from(U256::from(2)).as_slice()].concat());
    world.call("anvil_setStorageAt", json!([contract, slot, B256::from(amount)]));
    world.call("anvil_mine", json!(["0x1"]));
    let data = alloy_primitives::hex::encode_prefixed(filledAmountCall { orderUid: uid.into() }.abi_encode());
    let counted = world.call("eth_call", json!([{ "to": contract, "data": data }, "latest"]));
    assert_eq!(counted.as_str().unwrap().parse::<U256>().unwrap(), amount);
}

fn sold(order: &Value) -> U256 {
    order["sellAmount"].as_str().unwrap().parse().unwrap()
}

fn by_auction(world: &World) -> Intent {
    world.signed(|intent| intent.execution.mode = Mode::Auction)
}

/// Killed before they are posted, and after, its orders are there once; what the contract counts decides.
#[test]
fn orders_are_posted_once_and_followed_until_they_are_filled() {
    let world = World::new("orders");
    let book = Book::open(&world, 1);
    let config = format!("order_book = {:?}", book.url);
    let intent = by_auction(&world);
    let service = world.service_with("orders", &config, &[("FAILPOINTS", "ordered=pause")]);
    let id = post(&service, &intent);
    let mut events = Events::of(&service, &id);
    let ordered = events.until("ordered");
    assert_eq!(states(&ordered), ["accepted", "triggered", "ordered"]);
    service.kill();
    assert_eq!(book.orders().len(), 0);
    let placed = ordered[2]["orders"].as_array().unwrap();
    let service = world.service_with("orders", &config, &[]);
    // It is out of order at first, which is said, and no more than that.
    let said = service.wait_for("fails");
    assert!(said["error"].as_str().unwrap().contains("500"), "{said}");
    service.wait_for("orders posted");
    let uids: Vec<String> = placed.iter().map(|order| order["uid"].as_str().unwrap().to_owned()).collect();
    let cancel = service.post(&format!("/v1/intents/{id}/cancel"), json!({ "signature": intent.signature }).to_string());
    assert_ne!(cancel.0, 200, "{}", cancel.1);
    let (first, rest) = uids.split_first().unwrap();
    let of = |uid: &str| book.orders().iter().find(|(known, _)| known == uid).unwrap_or_else(|| panic!("{uid}")).1.clone();
    fill(&world, first, sold(&of(first)) / U256::from(2));
    service.kill();
    // Those that it has it does not take again.
    let service = world.service_with("orders", &config, &[]);
    service.wait_for("orders posted");
    fill(&world, first, sold(&of(first)));
    for uid in rest {
        fill(&world, uid, sold(&of(uid)));
    }
    let end = Events::of(&service, &id).last().unwrap();
    assert_eq!((&end["state"], &end["cause"]), (&"settled".into(), &"its orders are filled".into()));
    assert_eq!(book.orders().iter().map(|(uid, _)| uid.clone()).collect::<Vec<_>>(), uids);
    assert_eq!(get(&service, &format!("/v1/intents/{id}"))["state"], "settled");
    assert_eq!(world.settlements(), 0);
}

/// Orders that end are not posted again: what they have left is solved anew.
#[test]
fn orders_that_end_make_way_for_new_ones() {
    let world = World::new("ended");
    let book = Book::open(&world, 0);
    let service = world.service_with("ended", &format!("order_book = {:?}\norder_time = \"10m\"", book.url), &[]);
    let id = post(&service, &by_auction(&world));
    let mut events = Events::of(&service, &id);
    let first = events.until("ordered").pop().unwrap();
    assert_eq!(first["validTo"].as_u64().unwrap(), world.time() + 600);
    world.pass_time(601);
    let failed = events.until("failed").pop().unwrap();
    assert!(failed["reason"].as_str().unwrap().contains("nobody has filled them"), "{failed}");
    let second = events.until("ordered").pop().unwrap();
    assert_ne!(first["orders"][0]["uid"], second["orders"][0]["uid"]);
    let uid = second["orders"][0]["uid"].as_str().unwrap();
    fill(&world, uid, U256::ONE);
    world.pass_time(601);
    let waiting = events.until("waiting").pop().unwrap();
    assert!(waiting["reason"].as_str().unwrap().contains("filled in part"), "{waiting}");
    assert_eq!(states(&events.until("ordered")), ["triggered", "ordered"]);
}
