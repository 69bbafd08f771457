//! A chain, a vault on it, and services that watch it.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::rc::Rc;

use alloy_primitives::{Address, B256, I256, U256};
use alloy_sol_types::{SolCall, SolEvent, sol};
use ballast_solver::intent::abi::RebalanceSettlement as abi;
use ballast_solver::intent::digest;
use ballast_wire::intent::{Intent, Rule, Scheme, Signature};
use k256::ecdsa::SigningKey;
use reqwest::Method;
use serde_json::{Value, json};

use crate::devnet::Devnet;
use crate::serve::document::Document;
use crate::serve::server::{Server, client};
use crate::settle::case::sign;

/// Times that a receipt is looked for.
const MOST_LOOKS: usize = 20_000;

sol! {
    function set(int256 answer, uint256 time) external;
    function answer() external view returns (int256);
    function execute(address to, uint256 value, bytes data) external returns (bytes);
}

/// The key of a development chain's third account, which owns the vault: nobody's secret.
const OWNER: &str = "5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a";

pub(super) struct World {
    name: String,
    pub(super) devnet: Devnet,
    pub(super) rpc: String,
}

impl World {
    pub(super) fn new(name: &str) -> Self {
        let devnet = Devnet::start(&format!("service-{name}"), &["--orders", "1"]);
        let rpc = devnet.deployment().rpc;
        Self { name: name.to_owned(), devnet, rpc }
    }

    /// A service whose database has a name.
    pub(super) fn service(&self, database: &str) -> Server {
        self.service_with(database, "", &[])
    }

    /// The same with more keys in `[intents]`, and variables of its own.
    pub(super) fn service_with(&self, database: &str, more: &str, variables: &[(&str, &str)]) -> Server {
        self.at(&self.rpc, database, more, variables)
    }

    /// The same at another node.
    pub(super) fn at(&self, rpc: &str, database: &str, more: &str, variables: &[(&str, &str)]) -> Server {
        let (name, key) = self.solver();
        let number = std::sync::atomic::AtomicUsize::fetch_add(&STARTED, 1, std::sync::atomic::Ordering::Relaxed);
        let variables = [&[(&*name, &*key)], variables].concat();
        Server::start_with(&format!("{}-{number}", self.name), &self.config(rpc, database, more), &variables)
    }

    /// The variable of the key that pays for settlements, and the key.
    pub(super) fn solver(&self) -> (String, String) {
        let file = std::fs::read_to_string(self.devnet.file("solver.env")).unwrap();
        let (name, key) = file.lines().find_map(|line| line.strip_prefix("export ")?.split_once('=')).unwrap();
        (name.to_owned(), key.to_owned())
    }

    pub(super) fn config(&self, rpc: &str, database: &str, more: &str) -> String {
        let file = std::fs::read_to_string(self.devnet.file("settle.toml")).unwrap();
        let rest = file.split("[intents]").next().unwrap().replace(&self.rpc, rpc);
        let (database, market) = (self.database(database), self.devnet.file("auction.json"));
        let lines = [("poll", "\"20ms\""), ("confirmations", "0"), ("lease", "\"1s\""), ("retry", "\"0s\"")];
        let lines = lines.iter().filter(|(key, _)| !more.contains(key)).map(|(key, value)| format!("{key} = {value}\n"));
        format!(
            "{rest}[intents]\nenabled = true\ndatabase = \"sqlite://{}\"\nmarket = {market:?}\n\
             operators = [\"env:BALLAST_TEST_TOKEN\"]\n{}{more}\n",
            database.display(),
            lines.collect::<String>()
        )
    }

    pub(super) fn database(&self, name: &str) -> PathBuf {
        self.devnet.file(&format!("{name}.db"))
    }

    /// The vault's intent as the devnet has signed it: what it asks for is due at once.
    pub(super) fn due(&self) -> Intent {
        Intent::from_json(&std::fs::read(self.devnet.file("intent.json")).unwrap()).unwrap()
    }

    /// Another of the vault's, which is due once the price of ether has risen by a hundredth.
    pub(super) fn not_yet_due(&self) -> Intent {
        self.signed(|intent| intent.trigger.any_of = vec![Rule::DriftAbsBps(610)])
    }

    /// The vault's intent with something changed, and signed again.
    pub(super) fn signed(&self, change: impl FnOnce(&mut Intent)) -> Intent {
        let mut intent = self.due();
        change(&mut intent);
        intent.signature = Some(Signature { scheme: Scheme::Eip1271, data: sign(&owner(), &digest(&intent)) });
        intent
    }

    pub(super) fn call(&self, method: &str, params: Value) -> Value {
        call(&self.rpc, method, &params)
    }

    /// Moves the price of a token by a factor of so many thousandths.
    pub(super) fn move_price(&self, symbol: &str, thousandths: i64) {
        let feed = self.devnet.deployment().rebalancing.unwrap().feeds[symbol];
        let answer = self.ask(feed, &answerCall {}) * I256::try_from(thousandths).unwrap() / I256::try_from(1_000).unwrap();
        self.send(feed, &setCall { answer, time: U256::from(self.time()) });
    }

    /// The chain's time.
    pub(super) fn time(&self) -> u64 {
        let block = self.call("eth_getBlockByNumber", json!(["latest", false]));
        block["timestamp"].as_str().unwrap().parse::<U256>().unwrap().to()
    }

    /// A block that comes so many seconds later.
    pub(super) fn pass_time(&self, seconds: u64) {
        self.call("evm_setNextBlockTimestamp", json!([self.time() + seconds]));
        self.call("anvil_mine", json!(["0x1"]));
    }

    /// Sends a call from one of the node's own accounts.
    pub(super) fn send(&self, to: Address, call: &impl SolCall) -> Value {
        let from = self.call("eth_accounts", json!([]))[0].clone();
        self.call("eth_sendTransaction", json!([{ "from": from, "to": to, "data": hex(call) }]))
    }

    /// Has the vault make a call, as its owner says.
    pub(super) fn execute(&self, to: Address, call: &impl SolCall) {
        let deployed = self.devnet.deployment().rebalancing.unwrap();
        let call = executeCall { to, value: U256::ZERO, data: call.abi_encode().into() };
        let sent =
            self.call("eth_sendTransaction", json!([{ "from": deployed.owner, "to": deployed.vault, "data": hex(&call) }]));
        // The node takes a transaction before it mines it.
        let receipts = std::iter::repeat_with(|| self.call("eth_getTransactionReceipt", json!([sent])));
        let receipt = receipts.take(MOST_LOOKS).find(|receipt| !receipt.is_null()).unwrap_or_default();
        assert_eq!(receipt["status"], "0x1", "{receipt}");
    }

    /// What a contract answers now.
    pub(super) fn ask<C: SolCall>(&self, to: Address, call: &C) -> C::Return {
        let said = self.call("eth_call", json!([{ "to": to, "data": hex(call) }, "latest"]));
        C::abi_decode_returns(&alloy_primitives::hex::decode(said.as_str().unwrap()).unwrap()).unwrap()
    }

    /// How often an intent of the vault was settled, by the chain's own events.
    pub(super) fn settlements(&self) -> usize {
        let address = self.devnet.deployment().rebalancing.unwrap().settlement;
        let filter = json!([{ "address": address, "fromBlock": "0x0", "topics": [abi::Rebalanced::SIGNATURE_HASH] }]);
        self.call("eth_getLogs", filter).as_array().unwrap().len()
    }
}

static STARTED: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);

pub(super) fn owner() -> SigningKey {
    SigningKey::from_slice(&alloy_primitives::hex::decode(OWNER).unwrap()).unwrap()
}

fn hex(call: &impl SolCall) -> String {
    alloy_primitives::hex::encode_prefixed(call.abi_encode())
}

pub(super) fn call(rpc: &str, method: &str, params: &Value) -> Value {
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
    let answer: Value = client().post(rpc).json(&body).send().unwrap().json().unwrap();
    assert!(answer["error"].is_null(), "{method}: {answer}");
    answer["result"].clone()
}

/// Posts an intent, which is taken; its id.
pub(super) fn post(service: &Server, intent: &Intent) -> String {
    let (status, shown) = service.post("/v1/intents", serde_json::to_vec(intent).unwrap());
    assert!(status == 201 || status == 200, "{status}: {shown}");
    assert_eq!(shown["id"], id(intent));
    id(intent)
}

pub(super) fn id(intent: &Intent) -> String {
    B256::to_string(&digest(intent))
}

#[track_caller]
pub(super) fn get(service: &Server, path: &str) -> Value {
    serde_json::from_str(&service.get(path)).unwrap()
}

/// The events of an intent as they come, from the first on, each as the service's document describes it.
pub(super) struct Events {
    stream: BufReader<reqwest::blocking::Response>,
    document: Rc<Document>,
}

impl Events {
    pub(super) fn of(service: &Server, id: &str) -> Self {
        Self::after(service, id, 0)
    }

    pub(super) fn after(service: &Server, id: &str, position: u64) -> Self {
        let request = service.request(Method::GET, &format!("/v1/intents/{id}/events")).header("last-event-id", position);
        let stream = BufReader::new(request.send().unwrap().error_for_status().unwrap());
        Self { stream, document: service.document().clone() }
    }

    /// Goes on to the first event with this state, and says which were on the way.
    #[track_caller]
    pub(super) fn until(&mut self, state: &str) -> Vec<Value> {
        let mut seen = Vec::new();
        for event in self.by_ref() {
            let found = event["state"] == state;
            seen.push(event);
            if found {
                return seen;
            }
        }
        panic!("the stream ended without {state}: {seen:#?}");
    }
}

impl Iterator for Events {
    type Item = Value;

    fn next(&mut self) -> Option<Value> {
        let mut line = String::new();
        loop {
            line.clear();
            if self.stream.read_line(&mut line).unwrap_or(0) == 0 {
                return None;
            }
            if let Some(data) = line.strip_prefix("data: ") {
                self.document.answered("get", "/v1/intents/ID/events", 200, "text/event-stream", &line);
                return Some(serde_json::from_str(data).unwrap());
            }
        }
    }
}

/// The states that events lead through.
pub(super) fn states(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["state"].as_str().unwrap()).collect()
}
