//! A Safe of three owners as the vault: it enables the module, and two of its owners sign.

use alloy_primitives::{Address, Bytes, U256};
use alloy_sol_types::{SolCall, SolValue, sol};
use ballast_solver::intent::abi::RebalanceSettlement as abi;
use ballast_solver::intent::digest;
use ballast_wire::intent::{Intent, Rule, Scheme, Signature};
use k256::ecdsa::SigningKey;

use super::bench::*;
use crate::settle::case::sign;
use crate::settle::world::artifact;

sol! {
    interface Factory { function createProxyWithNonce(address singleton, bytes initializer, uint256 salt) external returns (address proxy); }
    interface Safe {
        function setup(address[] owners, uint256 threshold, address to, bytes data, address fallbackHandler, address paymentToken,
            uint256 payment, address paymentReceiver) external;
        function enableModule(address module) external;
        function disableModule(address previous, address module) external;
        function execTransaction(address to, uint256 value, bytes data, uint8 operation, uint256 safeTxGas, uint256 baseGas,
            uint256 gasPrice, address gasToken, address refundReceiver, bytes signatures) external payable returns (bool success);
        function getTransactionHash(address to, uint256 value, bytes data, uint8 operation, uint256 safeTxGas, uint256 baseGas,
            uint256 gasPrice, address gasToken, address refundReceiver, uint256 nonce) external view returns (bytes32);
        function nonce() external view returns (uint256);
        function getMessageHashForSafe(address safe, bytes message) external view returns (bytes32);
    }
}

struct Owned {
    bench: Bench,
    keys: Vec<SigningKey>,
    handler: Address,
}

impl Owned {
    fn new() -> Self {
        let mut bench = Bench::new();
        let mut keys: Vec<_> = (1..=3_u8).map(|n| SigningKey::from_slice(&[n; 32]).unwrap()).collect();
        // Signatures are to be in the order of their signers.
        keys.sort_by_key(account);
        let path = |name: &str| format!("@safe-global/safe-contracts/build/artifacts/contracts/{name}");
        let mut deploy = |name: &str| bench.evm.deploy(DEPLOYER, &artifact(&path(name)), &[]).unwrap();
        let singleton = deploy("Safe.sol/Safe.json");
        let factory = deploy("proxies/SafeProxyFactory.sol/SafeProxyFactory.json");
        let handler = deploy("handler/CompatibilityFallbackHandler.sol/CompatibilityFallbackHandler.json");
        let setup = Safe::setupCall {
            owners: keys.iter().map(account).collect(),
            threshold: U256::from(2),
            to: Address::ZERO,
            data: Bytes::new(),
            fallbackHandler: handler,
            paymentToken: Address::ZERO,
            payment: U256::ZERO,
            paymentReceiver: Address::ZERO,
        };
        let create = Factory::createProxyWithNonceCall { singleton, initializer: setup.abi_encode().into(), salt: U256::ZERO };
        bench.vault = bench.evm.send(DEPLOYER, factory, &create, U256::ZERO).unwrap();
        for (coin, units) in bench.coins.clone().iter().zip([60_000.0, 10.0, 0.4]) {
            bench.give(coin, bench.vault, units);
        }
        Self { bench, keys, handler }
    }

    /// Has the Safe call itself, by the first two owners.
    fn call_itself(&mut self, data: Bytes) {
        let (safe, zero, none) = (self.bench.vault, U256::ZERO, Address::ZERO);
        let nonce = self.bench.evm.query(SOLVER, safe, &Safe::nonceCall {}).unwrap();
        let hash = Safe::getTransactionHashCall {
            to: safe,
            value: zero,
            data: data.clone(),
            operation: 0,
            safeTxGas: zero,
            baseGas: zero,
            gasPrice: zero,
            gasToken: none,
            refundReceiver: none,
            nonce,
        };
        let hash = self.bench.evm.query(SOLVER, safe, &hash).unwrap();
        let signatures = self.keys[..2].iter().map(|key| sign(key, &hash)).collect::<Vec<_>>().concat().into();
        let call = Safe::execTransactionCall {
            to: safe,
            value: zero,
            data,
            operation: 0,
            safeTxGas: zero,
            baseGas: zero,
            gasPrice: zero,
            gasToken: none,
            refundReceiver: none,
            signatures,
        };
        assert!(self.bench.evm.send(SOLVER, safe, &call, zero).unwrap());
    }

    /// By the owners at these places.
    fn sign(&mut self, intent: &Intent, by: &[usize]) -> Intent {
        let message = Safe::getMessageHashForSafeCall { safe: self.bench.vault, message: digest(intent).abi_encode().into() };
        let hash = self.bench.evm.query(SOLVER, self.handler, &message).unwrap();
        let data = by.iter().map(|&k| sign(&self.keys[k], &hash)).collect::<Vec<_>>().concat().into();
        Intent { signature: Some(Signature { scheme: Scheme::Eip1271, data }), ..intent.clone() }
    }
}

#[test]
fn a_safe_is_rebalanced_through_its_module() {
    let mut owned = Owned::new();
    let (intent, plan) = (owned.bench.intent(), owned.bench.par());
    let signed = owned.sign(&intent, &[0, 1]);
    let calldata = plan.execute(&signed).unwrap().calldata;
    // GS104: the module is not enabled.
    let verdict = owned.bench.send(&calldata).to_string();
    assert!(verdict.contains("GS104"), "{verdict}");
    let module = owned.bench.evm.query(SOLVER, owned.bench.settlement, &abi::MODULECall {}).unwrap();
    owned.call_itself(Safe::enableModuleCall { module }.abi_encode().into());
    // GS020: one signature of two.
    let alone = owned.sign(&intent, &[1]);
    assert_refused!(owned.bench.send(&plan.execute(&alone).unwrap().calldata), BadSignature {});
    let outcome = settled(owned.bench.send(&calldata));
    assert_eq!((outcome.valueAfter, outcome.landed), (fixed(1e5), true));
    assert_eq!(owned.bench.balance(ETH, owned.bench.vault), owned.bench.coins[ETH].atoms(15.0));
    // And not any more once the Safe says so. 1 is the head of its list of modules.
    let previous = Address::with_last_byte(1);
    owned.call_itself(Safe::disableModuleCall { previous, module }.abi_encode().into());
    let mut next = owned.bench.intent_of(&["0.45", "0.35", "0.2"]);
    next.nonce.0 = U256::from(2);
    next.trigger.any_of = vec![Rule::DriftAbsBps(500)];
    let signed = owned.sign(&next, &[0, 2]);
    let verdict = owned.bench.send(&owned.bench.trade(USD, 5e3, ETH, 2.5).execute(&signed).unwrap().calldata).to_string();
    assert!(verdict.contains("GS104"), "{verdict}");
}
