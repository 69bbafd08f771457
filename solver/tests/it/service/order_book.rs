//! Settlement by CoW orders: a server that answers as the order book does, and fills as the contract counts them.

use std::process::Command;
use std::sync::{Arc, Mutex};

use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use alloy_sol_types::{SolStruct, eip712_domain, sol};
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post as on_post;
use axum::{Json, Router};
use ballast_solver::intent::cancellation;
use ballast_wire::intent::{Intent, Mode, Scheme, Signature};
use serde_json::{Value, json};

use super::world::{Events, World, get, owner, post, states};
use crate::serve::server::Server;
use crate::settle::case::sign;

sol! {
    struct Order {
        address sellToken; address buyToken; address receiver; uint256 sellAmount; uint256 buyAmount; uint32 validTo; bytes32 appData;
        uint256 feeAmount; string kind; bool partiallyFillable; string sellTokenBalance; string buyTokenBalance;
    }
    function filledAmount(bytes orderUid) external view returns (uint256);
    function setPreSignature(bytes orderUid, bool signed) external;
    function invalidateOrder(bytes orderUid) external;
    function approve(address spender, uint256 amount) external returns (bool);
    function balanceOf(address owner) external view returns (uint256);
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
    world.devnet.deployment().settlement
}

/// Has the settlement contract count so much of an order as filled: its mapping is the third of its slots.
fn fill(world: &World, uid: &str, amount: U256) {
    let (contract, uid) = (settlement(world), alloy_primitives::hex::decode(uid).unwrap());
    let slot = keccak256([uid.as_slice(), B256::from(U256::from(2)).as_slice()].concat());
    world.call("anvil_setStorageAt", json!([contract, slot, B256::from(amount)]));
    world.call("anvil_mine", json!(["0x1"]));
    assert_eq!(world.ask(contract, &filledAmountCall { orderUid: uid.into() }), amount);
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

fn uid(text: &str) -> Bytes {
    alloy_primitives::hex::decode(text).unwrap().into()
}

/// An order as an auction lists one that its owner has signed on the chain.
fn listed(uid: &str, posted: &Value) -> Value {
    let mut order = posted.clone();
    for (name, from) in [
        ("fullSellAmount", "sellAmount"),
        ("fullBuyAmount", "buyAmount"),
        ("owner", "from"),
        ("sellTokenSource", "sellTokenBalance"),
        ("buyTokenDestination", "buyTokenBalance"),
    ] {
        order[name] = posted[from].clone();
    }
    (order["uid"], order["class"]) = (uid.into(), "limit".into());
    (order["preInteractions"], order["postInteractions"]) = (json!([]), json!([]));
    order
}

/// The whole way of an intent in mode `auction`, with nothing made up but the order book: its vault signs its orders on the chain, and CoW Protocol's
/// contract settles them, at whatever a solver makes of them.
#[test]
fn orders_that_the_vault_has_signed_are_settled_by_the_contract_and_seen() {
    let world = World::new("presigned");
    let book = Book::open(&world, 0);
    let service = world.service_with("presigned", &format!("order_book = {:?}", book.url), &[]);
    let id = post(&service, &by_auction(&world));
    let mut events = Events::of(&service, &id);
    events.until("ordered");
    service.wait_for("orders posted");
    let deployed = world.devnet.deployment();
    let vault = deployed.rebalancing.as_ref().unwrap().vault;
    let orders = book.orders();
    let [(signed, order)] = &orders[..] else { panic!("{orders:?}") };
    let [sell, buy] = ["sellToken", "buyToken"].map(|name| order[name].as_str().unwrap().parse::<Address>().unwrap());
    let held = || [sell, buy].map(|token| world.ask(token, &balanceOfCall { owner: vault }));
    let before = held();
    // As the devnet's auction has it, but for whose orders they are.
    let mut auction: Value = serde_json::from_slice(&std::fs::read(world.devnet.file("auction.json")).unwrap()).unwrap();
    auction["orders"] = json!([listed(signed, order)]);
    let file = world.devnet.file("signed.json");
    std::fs::write(&file, auction.to_string()).unwrap();
    let settle = || {
        let (name, key) = world.solver();
        let config = world.devnet.file("settle.toml");
        let mut command = Command::new(env!("CARGO_BIN_EXE_ballast"));
        command.arg("settle").arg(&file).arg("--config").arg(config).env(name, key).env_remove("RUST_LOG");
        let output = command.output().unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    world.execute(sell, &approveCall { spender: deployed.vault_relayer, amount: U256::MAX });
    let (done, said) = settle();
    assert!(!done && said.contains("not presigned"), "{said}");
    assert_eq!(get(&service, &format!("/v1/intents/{id}"))["state"], "ordered");
    world.execute(deployed.settlement, &setPreSignatureCall { orderUid: uid(signed), signed: true });
    let (done, said) = settle();
    assert!(done, "{said}");
    let settled = events.until("settled").pop().unwrap();
    assert_eq!(settled["cause"], "its orders are filled");
    assert_eq!(world.ask(deployed.settlement, &filledAmountCall { orderUid: uid(signed) }), sold(order));
    let (after, least) = (held(), order["buyAmount"].as_str().unwrap().parse::<U256>().unwrap());
    assert!(before[0] - after[0] == sold(order) && after[1] - before[1] >= least);
    assert_eq!(world.settlements(), 0);
}

/// What an owner who cancels is told, with the status of the answer.
fn cancelled(service: &Server, id: &str, intent: &Intent) -> (u16, String) {
    let signature = Signature { scheme: Scheme::Eip1271, data: sign(&owner(), &cancellation(intent)) };
    let (status, shown) = service.post(&format!("/v1/intents/{id}/cancel"), json!({ "signature": signature }).to_string());
    (status, shown["state"].as_str().unwrap_or_else(|| panic!("{shown}")).to_owned())
}

/// Nothing is posted for who has cancelled, whatever becomes of the process; what was ordered is waited for.
#[test]
fn what_is_cancelled_before_its_orders_are_posted_is_never_posted() {
    let world = World::new("withdrawn");
    let book = Book::open(&world, 0);
    let config = format!("order_book = {:?}\norder_time = \"10m\"", book.url);
    let intent = by_auction(&world);
    let service = world.service_with("withdrawn", &config, &[("FAILPOINTS", "ordered=pause")]);
    let id = post(&service, &intent);
    Events::of(&service, &id).until("ordered");
    for _ in 0..2 {
        assert_eq!(cancelled(&service, &id, &intent), (202, "cancelling".to_owned()));
    }
    service.kill();
    let service = world.service_with("withdrawn", &config, &[]);
    let mut events = Events::of(&service, &id);
    let cancelling = events.until("cancelling").pop().unwrap();
    assert!(cancelling["cause"].as_str().unwrap().contains("waited for"), "{cancelling}");
    world.pass_time(601);
    let end = events.until("cancelled").pop().unwrap();
    assert_eq!(end["cause"], "cancelled by its owner; its orders have ended, and nobody has filled them");
    assert_eq!((events.next(), book.orders().len()), (None, 0));
    assert_eq!(cancelled(&service, &id, &intent), (200, "cancelled".to_owned()));
    let history = get(&service, &format!("/v1/intents/{id}/history"));
    assert_eq!(states(history["events"].as_array().unwrap()), ["accepted", "triggered", "ordered", "cancelling", "cancelled"]);
}

/// Orders that stand when their intent is cancelled may still be filled, or revoked by the vault, which ends it at once.
#[test]
fn what_is_cancelled_ends_with_its_orders() {
    let world = World::new("cancelling");
    let book = Book::open(&world, 0);
    let service = world.service_with("cancelling", &format!("order_book = {:?}", book.url), &[]);
    let ordered = |nonce: u64| {
        let intent = world.signed(|intent| {
            (intent.nonce.0, intent.execution.mode) = (U256::from(nonce), Mode::Auction);
        });
        let id = post(&service, &intent);
        let mut events = Events::of(&service, &id);
        let orders = events.until("ordered").pop().unwrap()["orders"].clone();
        service.wait_for("orders posted");
        assert_eq!(cancelled(&service, &id, &intent), (202, "cancelling".to_owned()));
        (events, orders.as_array().unwrap().iter().map(|order| order["uid"].as_str().unwrap().to_owned()).collect::<Vec<_>>())
    };
    let (mut events, uids) = ordered(1);
    for order in &uids {
        world.execute(settlement(&world), &invalidateOrderCall { orderUid: uid(order) });
    }
    let end = events.until("cancelled");
    assert_eq!(states(&end), ["cancelling", "cancelled"]);
    let (mut events, uids) = ordered(2);
    for (order, posted) in book.orders().iter().filter(|(order, _)| uids.contains(order)) {
        fill(&world, order, sold(posted));
    }
    let end = events.until("settled").pop().unwrap();
    assert_eq!(end["cause"], "its orders were filled before they ended");
    assert_eq!((events.next(), world.settlements()), (None, 0));
}
