//! Nodes that reorganise, fail, lag or lie.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::world::{Events, World, get, post, states};
use crate::serve::server::client;

/// Stands between the service and the node, and changes answers: a request's method and the answer.
pub(super) struct Liar {
    pub(super) url: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Liar {
    pub(super) fn before(node: &str, lie: impl Fn(&str, &mut Value) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (node, lie, asked) = (node.to_owned(), Arc::new(lie), Arc::new(Mutex::new(Vec::new())));
        let heard = asked.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (node, lie, heard) = (node.clone(), lie.clone(), heard.clone());
                std::thread::spawn(move || {
                    let mut reader = BufReader::new(stream.try_clone().unwrap());
                    let mut stream = stream;
                    while let Some(request) = request(&mut reader) {
                        let Ok(answer) = client().post(&node).json(&request).send().and_then(|answer| answer.json::<Value>())
                        else {
                            return;
                        };
                        let answer = changed(&request, answer, &*lie, &heard);
                        let body = answer.to_string();
                        let head = format!(
                            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
                            body.len()
                        );
                        if stream.write_all((head + &body).as_bytes()).is_err() {
                            return;
                        }
                    }
                });
            }
        });
        Self { url, asked }
    }

    pub(super) fn was_asked(&self, method: &str) -> usize {
        self.asked.lock().unwrap().iter().filter(|asked| *asked == method).count()
    }
}

fn request(reader: &mut impl BufRead) -> Option<Value> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let line = line.trim().to_ascii_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        if line.is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    serde_json::from_slice(&body).ok()
}

fn changed(request: &Value, answer: Value, lie: &(impl Fn(&str, &mut Value) + ?Sized), asked: &Mutex<Vec<String>>) -> Value {
    let one = |request: &Value, mut answer: Value| {
        let method = request["method"].as_str().unwrap_or_default();
        lie(method, &mut answer);
        asked.lock().unwrap().push(method.to_owned());
        answer
    };
    match (request, answer) {
        (Value::Array(requests), Value::Array(answers)) => {
            let find = |answer: &Value| requests.iter().find(|request| request["id"] == answer["id"]).unwrap();
            answers.into_iter().map(|answer| one(find(&answer), answer)).collect()
        }
        (request, answer) => one(request, answer),
    }
}

#[test]
fn a_settlement_that_is_reorganised_away_is_made_again() {
    let world = World::new("reorg");
    let service = world.service_with("reorg", "confirmations = 2", &[]);
    let before = world.call("evm_snapshot", json!([]));
    let id = post(&service, &world.due());
    let mut events = Events::of(&service, &id);
    events.until("submitted");
    assert!(events.until("submitted")[0]["attempt"]["block"].is_object());
    // Mined, and not settled before it is deep enough.
    assert_eq!(get(&service, &format!("/v1/intents/{id}"))["state"], "submitted");
    assert_eq!(world.call("evm_revert", json!([before])), Value::Bool(true));
    let gone = events.until("submitted");
    assert!(gone[0]["cause"].as_str().unwrap().contains("reorganised"), "{gone:?}");
    let again = events.until("submitted");
    assert!(again[0]["cause"].as_str().unwrap().contains("mined in block"), "{again:?}");
    world.call("anvil_mine", json!(["0x2"]));
    let settled = events.until("settled");
    assert!(settled[0]["cause"].as_str().unwrap().contains("2 blocks deep"), "{settled:?}");
    assert_eq!(world.settlements(), 1);
    assert!(service.figure("ballast_intent_reorganisations_total") >= 1.0);
}

/// A transaction that nobody mines makes way for another of the same account nonce, solved anew.
#[test]
fn a_transaction_that_is_not_mined_is_replaced_by_one_that_is_solved_anew() {
    let world = World::new("stuck");
    world.call("evm_setAutomine", json!([false]));
    let service = world.service_with("stuck", "patience = \"1s\"", &[]);
    let id = post(&service, &world.due());
    let mut events = Events::of(&service, &id);
    let first = events.until("submitted").pop().unwrap();
    let failed = events.until("failed").pop().unwrap();
    assert!(failed["reason"].as_str().unwrap().contains("not mined"), "{failed}");
    let second = events.until("submitted");
    assert_eq!(states(&second), ["triggered", "solved", "submitted"]);
    let fee = |event: &Value| event["attempt"]["maxFeePerGas"].as_str().unwrap().parse::<u128>().unwrap();
    let second = second.last().unwrap();
    assert_eq!(first["attempt"]["accountNonce"], second["attempt"]["accountNonce"]);
    assert!(fee(second) > fee(&first) && first["attempt"]["transaction"] != second["attempt"]["transaction"]);
    world.call("evm_setAutomine", json!([true]));
    world.call("anvil_mine", json!(["0x1"]));
    events.until("settled");
    assert_eq!(world.settlements(), 1);
}

#[test]
fn a_node_that_lies_about_receipts_is_not_believed() {
    let world = World::new("liar");
    let lies = Arc::new(AtomicUsize::new(3));
    let left = lies.clone();
    let liar = Liar::before(&world.rpc, move |method, answer| {
        // Three times a receipt of a block that is none.
        if method == "eth_getTransactionReceipt" && answer["result"].is_object() && left.load(Ordering::SeqCst) > 0 {
            left.fetch_sub(1, Ordering::SeqCst);
            answer["result"]["blockHash"] = json!(alloy_primitives::B256::repeat_byte(7));
        }
    });
    let service = world.at(&liar.url, "liar", "", &[]);
    let id = post(&service, &world.due());
    let seen = Events::of(&service, &id).until("settled");
    assert_eq!(states(&seen), ["accepted", "triggered", "solved", "submitted", "submitted", "settled"]);
    assert_eq!(lies.load(Ordering::SeqCst), 0);
    let said = service.wait_for("fails");
    assert!(said["error"].as_str().unwrap().contains("contradicts itself"), "{said}");
    assert!(liar.was_asked("eth_getTransactionReceipt") >= 4);
    assert_eq!(world.settlements(), 1);
}

/// Errors, and receipts that come late, delay and do nothing else.
#[test]
fn a_node_that_errs_and_lags_only_delays() {
    let world = World::new("errs");
    let (errors, lags) = (AtomicUsize::new(5), AtomicUsize::new(5));
    let liar = Liar::before(&world.rpc, move |method, answer| {
        let left = |count: &AtomicUsize| count.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1)).is_ok();
        if method == "eth_gasPrice" && left(&errors) {
            let error = json!({ "code": -32000, "message": "try again" });
            *answer = json!({ "jsonrpc": "2.0", "id": answer["id"], "error": error });
        } else if method == "eth_getTransactionReceipt" && left(&lags) {
            answer["result"] = Value::Null;
        } else if method == "eth_getTransactionCount" {
            // It does not know of the block yet.
            answer["result"] = json!("0x0");
        }
    });
    let service = world.at(&liar.url, "errs", "", &[]);
    let id = post(&service, &world.due());
    let seen = Events::of(&service, &id).until("settled");
    assert_eq!(seen.iter().filter(|event| event["state"] == "settled").count(), 1);
    assert_eq!(world.settlements(), 1);
}

#[test]
fn a_feed_that_stops_is_named_and_its_intents_wait() {
    let world = World::new("feed");
    let feed = world.devnet.deployment().rebalancing.unwrap().feeds["WETH"];
    let service = world.service("feed");
    let id = post(&service, &world.not_yet_due());
    let mut events = Events::of(&service, &id);
    events.until("waiting");
    world.call("anvil_setCode", json!([feed, "0x"]));
    world.call("anvil_mine", json!(["0x1"]));
    let waiting = events.until("waiting").pop().unwrap();
    assert!(waiting["reason"].as_str().unwrap().contains("does not answer"), "{waiting}");
    let health = get(&service, "/healthz");
    assert_eq!(health["intents"]["healthy"], false);
    assert!(health["intents"]["failing"]["prices"].as_str().unwrap().contains(&format!("{feed}")), "{health}");
    assert_eq!(service.figure("ballast_intent_dependency_up{dependency=\"prices\"}"), 0.0);
    // What names a contract that never was a feed is told so, and nobody else is.
    let other = world.signed(|intent| {
        intent.nonce.0 = alloy_primitives::U256::from(9);
        intent.assets[1].token = alloy_primitives::Address::repeat_byte(9);
    });
    let other = post(&service, &other);
    let waiting = Events::of(&service, &other).until("waiting").pop().unwrap();
    assert!(waiting["reason"].as_str().unwrap().contains("cannot be read"), "{waiting}");
}
