//! A vault of three assets with a settlement contract, feeds, and a desk that trades at any price.

use std::collections::BTreeMap;

use alloy_primitives::{Address, Bytes, U256, address, keccak256};
use alloy_sol_types::{SolCall, SolConstructor, SolValue, sol};
use ballast_adapters::encode::call;
use ballast_adapters::erc20::Erc20;
use ballast_adapters::evm::{Evm, Snapshot};
use ballast_solver::intent::abi::RebalanceSettlement as abi;
use ballast_solver::intent::abi::RebalanceSettlement::RebalanceSettlementErrors as Errors;
use ballast_solver::intent::{Plan, Simulated, Verdict, digest};
use ballast_wire::intent::{Intent, Scheme, Signature};
use ballast_wire::{Allowance, Amount, Decimal};
use k256::ecdsa::SigningKey;
use serde_json::json;

use crate::settle::case::sign;

sol!(
    #[sol(all_derives)]
    Token,
    "../fixtures/contracts/own/Token.json"
);
sol!(
    #[sol(all_derives)]
    Feed,
    "../fixtures/contracts/own/Feed.json"
);
sol!(
    #[sol(all_derives)]
    Desk,
    "../fixtures/contracts/own/Desk.json"
);
sol!(
    #[sol(all_derives)]
    OwnedVault,
    "contracts/OwnedVault.json"
);

pub const DEPLOYER: Address = address!("00000000000000000000000000000000deadbeef");
pub const SOLVER: Address = address!("0000000000000000000000000000000050100e00");
/// A Tuesday, 22:13:20 UTC.
pub const NOW: u64 = 1_700_000_000;

/// A token with a feed in dollars.
#[derive(Debug, Clone, Copy)]
pub struct Coin {
    pub token: Address,
    pub decimals: u8,
    pub feed: Address,
}

impl Coin {
    pub fn atoms(&self, units: f64) -> U256 {
        // Doubles have no 27 digits.
        U256::from((units * 1e9).round()) * U256::from(10).pow(U256::from(self.decimals)) / U256::from(10_u64.pow(9))
    }
}

pub struct Bench {
    pub evm: Evm,
    pub settlement: Address,
    pub vault: Address,
    pub desk: Address,
    pub owner: SigningKey,
    pub coins: Vec<Coin>,
    base: Snapshot,
}

/// The places of the three assets.
pub const USD: usize = 0;
pub const ETH: usize = 1;
pub const BTC: usize = 2;

impl Bench {
    /// $60,000 of a dollar, $20,000 of ether at $2,000, $20,000 of bitcoin at $50,000.
    pub fn new() -> Self {
        Self::of(&[(6, 1.0), (18, 2_000.0), (8, 50_000.0)], &[60_000.0, 10.0, 0.4], Address::ZERO)
    }

    /// Tokens by decimals and price, and what the vault holds of each.
    pub fn of(tokens: &[(u8, f64)], units: &[f64], sequencer: Address) -> Self {
        let mut evm = Evm::new(1, NOW);
        let settlement = evm.deploy(DEPLOYER, &abi::BYTECODE, &sequencer.abi_encode()).unwrap();
        let owner = SigningKey::from_slice(&[7; 32]).unwrap();
        let module = evm.query(DEPLOYER, settlement, &abi::MODULECall {}).unwrap();
        let args = OwnedVault::constructorCall { owner_: account(&owner), module };
        let vault = evm.deploy(DEPLOYER, &OwnedVault::BYTECODE, &args.abi_encode()).unwrap();
        let desk = evm.deploy(DEPLOYER, &Desk::BYTECODE, &[]).unwrap();
        let mut bench = Self { base: evm.snapshot(), evm, settlement, vault, desk, owner, coins: Vec::new() };
        for ((decimals, price), units) in tokens.iter().zip(units) {
            let token = bench.token(*decimals, 0);
            let coin = bench.coin(token, *decimals, *price);
            bench.give(&coin, vault, *units);
            bench.give(&coin, desk, 1e6);
        }
        bench.base = bench.evm.snapshot();
        bench
    }

    pub fn token(&mut self, decimals: u8, fee_bps: u64) -> Address {
        let args = Token::constructorCall {
            name_: String::new(),
            symbol_: String::new(),
            decimals_: decimals,
            transferFeeBps_: U256::from(fee_bps),
        };
        self.evm.deploy(DEPLOYER, &Token::BYTECODE, &args.abi_encode()).unwrap()
    }

    /// Adds a token as an asset, with a feed.
    pub fn coin(&mut self, token: Address, decimals: u8, price: f64) -> Coin {
        let answer = alloy_primitives::I256::try_from((price * 1e8) as i64).unwrap();
        let args = Feed::constructorCall { decimals_: 8, answer_: answer };
        let feed = self.evm.deploy(DEPLOYER, &Feed::BYTECODE, &args.abi_encode()).unwrap();
        let coin = Coin { token, decimals, feed };
        self.coins.push(coin);
        coin
    }

    pub fn give(&mut self, coin: &Coin, to: Address, units: f64) {
        self.evm.send(DEPLOYER, coin.token, &Token::mintCall { to, amount: coin.atoms(units) }, U256::ZERO).unwrap();
    }

    pub fn say(&mut self, coin: usize, price: f64, at: u64) {
        let answer = alloy_primitives::I256::try_from((price * 1e8) as i64).unwrap();
        let call = Feed::setCall { answer_: answer, time: U256::from(at) };
        self.evm.send(DEPLOYER, self.coins[coin].feed, &call, U256::ZERO).unwrap();
    }

    /// Goes on to another time, at which all feeds say again what they said.
    pub fn go_on(&mut self, seconds: u64) {
        self.evm.set_timestamp(seconds);
        for coin in self.coins.clone() {
            let answer = self.evm.query(DEPLOYER, coin.feed, &Feed::answerCall {}).unwrap();
            let call = Feed::setCall { answer_: answer, time: U256::from(seconds) };
            self.evm.send(DEPLOYER, coin.feed, &call, U256::ZERO).unwrap();
        }
    }

    pub fn reset(&mut self) {
        self.evm.revert(&self.base);
        self.evm.set_timestamp(NOW);
    }

    /// Half in dollars, 30 % in ether, 20 % in bitcoin; landings of a point, bands of six.
    pub fn intent(&self) -> Intent {
        self.intent_of(&["0.5", "0.3", "0.2"])
    }

    pub fn intent_of(&self, targets: &[&str]) -> Intent {
        let assets: Vec<_> = self
            .coins
            .iter()
            .zip(targets)
            .map(|(coin, target)| {
                let around = |by: u64| {
                    let (target, by) = (target.parse::<Decimal>().unwrap().atoms(), U256::from(by) * U256::from(10_u64.pow(16)));
                    let [low, high] = [target.saturating_sub(by), target + by].map(|x| Decimal::from_atoms(x).min(Decimal::ONE));
                    json!({"low": low, "high": high})
                };
                json!({
                    "token": coin.token, "target": target, "band": around(6), "landing": around(1),
                    "oracle": {"feed": coin.feed, "maxAge": "3600", "minPrice": "0.01", "maxPrice": "1000000"},
                })
            })
            .collect();
        let json = json!({
            "version": "1", "chainId": "1", "owner": self.vault, "settlement": self.settlement, "nonce": "1",
            "validFrom": (NOW - 60).to_string(), "validTo": (NOW + 30 * 86_400).to_string(), "numeraire": "USD", "assets": assets,
            "costs": {"maxLossBps": "50", "maxLossPerDayBps": "100", "maxGasPriceWei": "50000000000"},
        });
        Intent::from_json(json.to_string().as_bytes()).unwrap()
    }

    pub fn signed(&self, intent: &Intent) -> Intent {
        let data = sign(&self.owner, &digest(intent));
        Intent { signature: Some(Signature { scheme: Scheme::Eip1271, data }), ..intent.clone() }
    }

    /// A trade at the desk, in units.
    pub fn trade(&self, given: usize, paid: f64, taken: usize, received: f64) -> Plan {
        let (given, taken) = (self.coins[given], self.coins[taken]);
        let (paid, received) = (given.atoms(paid), taken.atoms(received));
        Plan {
            amounts: BTreeMap::from([(given.token, paid)]),
            approvals: vec![Allowance { token: given.token, spender: self.desk, amount: Amount(paid) }],
            calls: vec![call(self.desk, &Desk::tradeCall { given: given.token, paid, taken: taken.token, received })],
            fee: None,
        }
    }

    /// $10,000 into ether at par: from 60/20/20 to 50/30/20.
    pub fn par(&self) -> Plan {
        self.trade(USD, 10_000.0, ETH, 5.0)
    }

    /// What happens in the middle of the desk's trades.
    pub fn prepare(&mut self, target: Address, data: Bytes) {
        self.evm.send(DEPLOYER, self.desk, &Desk::prepareCall { target_: target, data_: data }, U256::ZERO).unwrap();
    }

    /// Signs, sends, and keeps what came of it.
    pub fn settle(&mut self, intent: &Intent, plan: &Plan) -> Verdict {
        self.send(&plan.execute(&self.signed(intent)).unwrap().calldata)
    }

    /// The same with the call changed after it was signed.
    pub fn settle_with(&mut self, intent: &Intent, plan: &Plan, change: impl FnOnce(&mut abi::executeCall)) -> Verdict {
        let calldata = plan.execute(&self.signed(intent)).unwrap().calldata;
        let mut call = abi::executeCall::abi_decode(&calldata).unwrap();
        change(&mut call);
        self.send(&call.abi_encode().into())
    }

    pub fn send(&mut self, calldata: &Bytes) -> Verdict {
        Simulated::of(&self.evm.trace(SOLVER, self.settlement, calldata.clone()), self.settlement).verdict
    }

    pub fn balance(&mut self, coin: usize, account: Address) -> U256 {
        let token = self.coins[coin].token;
        self.evm.query(DEPLOYER, token, &Erc20::balanceOfCall { owner: account }).unwrap()
    }

    pub fn balances(&mut self) -> Vec<U256> {
        (0..self.coins.len()).map(|coin| self.balance(coin, self.vault)).collect()
    }

    /// An asset's place in the contract's order.
    pub fn place(&self, coin: usize) -> usize {
        self.coins.iter().filter(|other| other.token < self.coins[coin].token).count()
    }
}

pub fn account(key: &SigningKey) -> Address {
    let public = key.verifying_key().to_encoded_point(false);
    Address::from_slice(&keccak256(&public.as_bytes()[1..])[12..])
}

pub fn decimal(text: &str) -> Decimal {
    text.parse().unwrap()
}

/// 10⁻¹⁸ of one.
pub fn fixed(x: f64) -> U256 {
    U256::from(x * 1e9) * U256::from(10_u64.pow(9))
}

#[track_caller]
pub fn settled(verdict: Verdict) -> abi::Outcome {
    match verdict {
        Verdict::Rebalanced(outcome) => *outcome,
        other => panic!("{other}"),
    }
}

#[track_caller]
pub fn refused(verdict: Verdict) -> Errors {
    match verdict {
        Verdict::Refused(error) => *error,
        other => panic!("not refused: {other}"),
    }
}

/// The verdict is this error of the contract's.
macro_rules! assert_refused {
    ($verdict:expr, $error:ident $fields:tt $(if $guard:expr)?) => {{
        let error = crate::intent::bench::refused($verdict);
        assert!(
            matches!(
                error,
                ballast_solver::intent::abi::RebalanceSettlement::RebalanceSettlementErrors::$error(
                    ballast_solver::intent::abi::RebalanceSettlement::$error $fields
                ) $(if $guard)?
            ),
            "{error:?}"
        );
    }};
}
pub(crate) use assert_refused;
