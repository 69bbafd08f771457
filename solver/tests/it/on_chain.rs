//! `ballast settle` on a chain of its own.

use std::process::{Command, Output};

use alloy::providers::{DynProvider, Provider, ProviderBuilder};
use alloy::rpc::types::{TransactionInput, TransactionRequest};
use alloy_primitives::{Address, B256, TxKind, U256};
use alloy_sol_types::{SolCall, sol};
use ballast_wire as wire;
use serde_json::Value;

use crate::devnet::Devnet;

sol! {
    function balanceOf(address owner) external view returns (uint256);
    function transfer(address to, uint256 amount) external returns (bool);
    function swapExactTokensForTokens(uint256 amountIn, uint256 amountOutMin, address[] path, address to, uint256 deadline)
        external returns (uint256[] amounts);
}

/// Anvil's second account, the devnet's solver, and its third, a trader.
const SOLVER_KEY: &str = "59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d";
const TRADER_KEY: &str = "5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a";
const VARIABLE: &str = "BALLAST_DEVNET_KEY";

/// A chain, and a way to ask it.
struct Chain {
    devnet: Devnet,
    runtime: tokio::runtime::Runtime,
    provider: DynProvider,
}

impl Chain {
    fn start(name: &str, arguments: &[&str]) -> Self {
        let devnet = Devnet::start(name, arguments);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let provider = ProviderBuilder::new().connect_http(devnet.deployment().rpc.parse().unwrap()).erased();
        Self { devnet, runtime, provider }
    }

    /// Runs `ballast settle` with the devnet's configuration.
    fn settle(&self, key: &str, arguments: &[&str]) -> Output {
        self.command(key, arguments).output().unwrap()
    }

    fn command(&self, key: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ballast"));
        command.arg("settle").arg(self.devnet.file("auction.json")).arg("--config").arg(self.devnet.file("settle.toml"));
        command.args(arguments).env(VARIABLE, key).env_remove("RUST_LOG");
        command
    }

    fn balance(&self, token: Address, owner: Address) -> U256 {
        let call = balanceOfCall { owner };
        let input = TransactionInput::new(call.abi_encode().into());
        let request = TransactionRequest { to: Some(TxKind::Call(token)), input, ..TransactionRequest::default() };
        let answer = self.runtime.block_on(async { self.provider.call(request).await }).unwrap();
        balanceOfCall::abi_decode_returns(&answer).unwrap()
    }

    /// Sends a transaction from an account of the node.
    fn send(&self, from: Address, to: Address, call: &impl SolCall) {
        let input = TransactionInput::new(call.abi_encode().into());
        let request = TransactionRequest {
            from: Some(from),
            to: Some(TxKind::Call(to)),
            input,
            gas: Some(1 << 23),
            ..TransactionRequest::default()
        };
        self.runtime.block_on(async {
            let _: B256 = self.provider.raw_request("eth_sendTransaction".into(), (request,)).await.unwrap();
        });
    }

    /// The node's first account, which has plenty of everything.
    fn deployer(&self) -> Address {
        self.runtime.block_on(async { self.provider.get_accounts().await.unwrap()[0] })
    }

    fn orders(&self) -> Vec<wire::Order> {
        self.devnet.auction().orders.into_iter().map(|order| order.unwrap()).collect()
    }
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn lines(output: &Output) -> Vec<Value> {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {}", err(output)))
}

fn amount(value: &Value) -> U256 {
    value.as_str().unwrap().parse().unwrap()
}

/// The orders that were settled: owner, token and atoms paid, token and atoms got.
fn settled(chain: &Chain, lines: &[Value]) -> Vec<(Address, [(Address, U256); 2])> {
    let orders = chain.orders();
    let trades = lines.iter().filter(|line| line["result"] == "asPromised").flat_map(|line| line["promised"].as_array().unwrap());
    trades
        .map(|trade| {
            let order = orders.iter().find(|o| o.uid.to_string() == trade["order"].as_str().unwrap()).unwrap();
            (order.owner, [(order.sell_token, amount(&trade["paid"])), (order.buy_token, amount(&trade["got"]))])
        })
        .collect()
}

#[test]
fn what_is_promised_is_what_the_chain_pays() {
    let chain = Chain::start("settle-all", &["--pools", "40", "--orders", "14", "--seed", "3"]);
    let mut watched = std::collections::BTreeMap::new();
    for order in chain.orders() {
        for token in [order.sell_token, order.buy_token] {
            watched.insert((order.owner, token), chain.balance(token, order.owner));
        }
    }
    let output = chain.settle(SOLVER_KEY, &["--json"]);
    assert!(output.status.success(), "{}", err(&output));
    let lines = lines(&output);
    let settled = settled(&chain, &lines);
    assert!(settled.len() >= 10, "{} settled; {}", settled.len(), err(&output));
    for (owner, [(sell, paid), (buy, got)]) in settled {
        *watched.get_mut(&(owner, sell)).unwrap() -= paid;
        *watched.get_mut(&(owner, buy)).unwrap() += got;
    }
    for ((owner, token), expected) in watched {
        assert_eq!(chain.balance(token, owner), expected, "what {owner} has of {token}");
    }
    // No buffer falls.
    for line in &lines {
        assert!(
            line["buffers"].as_object().unwrap().values().all(|change| !change[1].as_str().unwrap().starts_with('-')),
            "{line}"
        );
    }
    let ledger = std::fs::read_to_string(chain.devnet.file("ledger.jsonl")).unwrap();
    assert_eq!(ledger.lines().count(), lines.iter().filter(|line| line["result"] == "asPromised").count());
}

#[test]
fn a_token_that_takes_a_fee_on_transfer_is_found_out_by_simulation() {
    let chain = Chain::start("settle-tax", &["--pools", "10", "--orders", "4"]);
    let output = chain.settle(SOLVER_KEY, &["--json"]);
    let tax = chain.devnet.deployment().tokens["TAX"];
    let order = chain.orders().into_iter().find(|order| order.sell_token == tax).unwrap();
    let lines = lines(&output);
    let line = lines.iter().find(|line| line["orders"][0] == order.uid.to_string()).unwrap();
    assert_eq!(line["result"], "notSent");
    let said = line["error"].as_str().unwrap();
    assert!(said.contains("keeps a part of every transfer") && said.contains("--deny-tokens"), "{said}");
    let denied = chain.settle(SOLVER_KEY, &["--json", "--dry-run", "--deny-tokens", &tax.to_string()]);
    assert!(!String::from_utf8(denied.stdout).unwrap().contains(&order.uid.to_string()));
}

#[test]
fn a_dry_run_changes_nothing() {
    let chain = Chain::start("settle-dry", &["--pools", "10", "--orders", "6"]);
    let block = |chain: &Chain| chain.runtime.block_on(async { chain.provider.get_block_number().await.unwrap() });
    let before = block(&chain);
    let output = chain.settle("not a key, and not needed", &["--dry-run", "--json"]);
    assert!(output.status.success(), "{}", err(&output));
    let lines = lines(&output);
    assert!(
        lines.iter().any(|line| line["result"] == "wouldSettle" && line["calldata"].as_str().unwrap().starts_with("0x13d79a0b"))
    );
    assert_eq!(block(&chain), before);
}

#[test]
fn a_moved_pool_is_found_out_by_simulation() {
    let chain = Chain::start("settle-moved", &["--pools", "10", "--orders", "8"]);
    let deployment = chain.devnet.deployment();
    // What the order that uses these pairs does, too.
    let path = vec![deployment.tokens["USDC"], deployment.tokens["WETH"]];
    for exchange in &deployment.pairs {
        let call = swapExactTokensForTokensCall {
            amountIn: U256::from(1_000_000_000_000_u64),
            amountOutMin: U256::ZERO,
            path: path.clone(),
            to: chain.deployer(),
            deadline: U256::MAX,
        };
        chain.send(chain.deployer(), exchange.router, &call);
    }
    let output = chain
        .settle(SOLVER_KEY, &["--json", "--venues", "constantProduct", "--deny-tokens", &deployment.tokens["TAX"].to_string()]);
    let lines = lines(&output);
    let moved: Vec<&str> = lines.iter().filter_map(|line| line["error"].as_str()).filter(|e| e.contains("moved since")).collect();
    assert!(!moved.is_empty(), "{}", err(&output));
    assert!(lines.iter().all(|line| line["result"] != "differs"));
}

#[test]
fn what_hinders_a_settlement_is_said() {
    let chain = Chain::start("settle-hindered", &["--pools", "10", "--orders", "3"]);
    let says = |output: Output, words: &str| {
        let said = err(&output);
        assert!(!output.status.success() && said.contains(words), "{words:?}: {said}");
    };
    says(chain.settle(TRADER_KEY, &[]), "is no solver");
    says(chain.settle(SOLVER_KEY, &["--rpc", "http://127.0.0.1:1"]), "does not answer");
    says(chain.settle(SOLVER_KEY, &["--rpc", "somewhere"]), "not a URL");
    says(chain.settle(SOLVER_KEY, &["--key", "env:BALLAST_NO_SUCH_KEY"]), "BALLAST_NO_SUCH_KEY is not set");
    says(chain.settle("0x12", &[]), "is no private key");
    // Whoever sold what an order needs has nothing to settle with.
    let order = chain.orders().into_iter().next().unwrap();
    let held = chain.balance(order.sell_token, order.owner);
    chain.send(order.owner, order.sell_token, &transferCall { to: chain.deployer(), amount: held });
    let said = err(&chain.settle(SOLVER_KEY, &[]));
    assert!(said.contains(&format!("holds 0 of {}", order.sell_token)), "{said}");
}

#[test]
fn the_key_is_never_shown() {
    let chain = Chain::start("settle-key", &["--pools", "10", "--orders", "3"]);
    let prefixed = format!("0x{SOLVER_KEY}");
    let shown = |key: &str, arguments: &[&str]| chain.command(key, arguments).env("RUST_LOG", "trace").output().unwrap();
    let runs = [
        shown(SOLVER_KEY, &["--json"]),
        shown(&prefixed, &["--json"]),
        shown(&SOLVER_KEY[1..], &[]),
        shown(&prefixed, &["--key", &prefixed]),
        shown(SOLVER_KEY, &["--key", &format!("env:{SOLVER_KEY}")]),
    ];
    for output in runs {
        let said = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap().to_lowercase()).concat();
        assert!(!said.contains(&SOLVER_KEY[4..24]), "the key is shown");
    }
}
