//! An EVM over a database in memory, and the contracts' creation code from the installed packages.

use std::fmt;
use std::path::PathBuf;

use alloy_primitives::{Address, Bytes, TxKind, U256, hex};
use alloy_sol_types::{Panic, Revert, SolCall, SolError};
use revm::context::result::{ExecutionResult, Output};
use revm::context::{Context, TxEnv};
use revm::database::{CacheDB, EmptyDB};
use revm::handler::MainnetContext;
use revm::{ExecuteCommitEvm, ExecuteEvm, MainBuilder, MainContext, MainnetEvm};

/// Who sends every transaction, and owns whatever asks for an owner.
pub const USER: Address = Address::repeat_byte(0x42);
/// When the first block is, in Unix seconds.
pub const GENESIS: u64 = 1_700_000_000;

const GAS: u64 = 1_000_000_000;

/// Why a call failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// `revert` or `require` with a text, such as `BAL#304`.
    Reason(String),
    /// Solidity's own check: division by zero, overflow, …
    Panic(U256),
    /// `revert` with anything else; empty for a bare `require`.
    Data(Bytes),
    /// No `revert`: out of gas, `invalid`, …
    Halt(String),
}

impl Failure {
    fn of_revert(data: Bytes) -> Self {
        if let Ok(revert) = Revert::abi_decode(&data) {
            Self::Reason(revert.reason)
        } else if let Ok(panic) = Panic::abi_decode(&data) {
            Self::Panic(panic.code)
        } else {
            Self::Data(data)
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reason(reason) => write!(f, "reverted: {reason}"),
            Self::Panic(code) => write!(f, "panicked: {code}"),
            Self::Data(data) => write!(f, "reverted with {data}"),
            Self::Halt(reason) => write!(f, "halted: {reason}"),
        }
    }
}

/// The state of the chain at one moment.
pub struct Snapshot(CacheDB<EmptyDB>);

/// A chain of one user.
pub struct Evm(MainnetEvm<MainnetContext<CacheDB<EmptyDB>>>);

impl Evm {
    /// An empty chain.
    pub fn new() -> Self {
        let context = Context::mainnet()
            .with_db(CacheDB::new(EmptyDB::default()))
            .modify_cfg_chained(|cfg| {
                cfg.disable_nonce_check = true;
                cfg.disable_balance_check = true;
                cfg.disable_base_fee = true;
                // These limit what a block may hold, not what a contract computes.
                cfg.tx_gas_limit_cap = Some(u64::MAX);
                cfg.limit_contract_code_size = Some(usize::MAX);
                cfg.limit_contract_initcode_size = Some(usize::MAX);
            })
            .modify_block_chained(|block| {
                block.gas_limit = u64::MAX;
                block.timestamp = U256::from(GENESIS);
            });
        Self(context.build_mainnet())
    }

    /// Deploys the contract of an artifact, a path below `fixtures/contracts/node_modules`. `args` are the constructor's,
    /// ABI-encoded (`SolValue::abi_encode_params`).
    pub fn deploy(&mut self, artifact: &str, args: &[u8]) -> Address {
        self.deploy_linked(artifact, &[], args)
    }

    /// [`Self::deploy`] for an artifact that calls libraries, each with its mark in the code (`__$…$__`) and its address.
    pub fn deploy_linked(&mut self, artifact: &str, libraries: &[(&str, Address)], args: &[u8]) -> Address {
        let mut code = creation_code(artifact, libraries);
        code.extend_from_slice(args);
        self.deploy_code(artifact, code)
    }

    /// Deploys what `code` creates.
    pub fn deploy_code(&mut self, name: &str, code: Vec<u8>) -> Address {
        match self.0.transact_commit(transaction(USER, TxKind::Create, code)).expect("a valid transaction") {
            ExecutionResult::Success { output: Output::Create(_, Some(address)), .. } => address,
            other => panic!("{name} cannot be deployed: {other:?}"),
        }
    }

    /// Makes a call and keeps what it changed, unless it fails.
    pub fn send<C: SolCall>(&mut self, to: Address, call: &C) -> Result<C::Return, Failure> {
        self.send_from(USER, to, call)
    }

    /// [`Self::send`] from somebody else.
    pub fn send_from<C: SolCall>(&mut self, from: Address, to: Address, call: &C) -> Result<C::Return, Failure> {
        let tx = transaction(from, TxKind::Call(to), call.abi_encode());
        outcome::<C>(self.0.transact_commit(tx).expect("a valid transaction"))
    }

    /// Makes a call and drops what it changed.
    pub fn query<C: SolCall>(&mut self, to: Address, call: &C) -> Result<C::Return, Failure> {
        let tx = transaction(USER, TxKind::Call(to), call.abi_encode());
        outcome::<C>(self.0.transact(tx).expect("a valid transaction").result)
    }

    /// Sets the time of the blocks to come, in Unix seconds.
    pub fn set_timestamp(&mut self, seconds: u64) {
        self.0.ctx.modify_block(|block| block.timestamp = U256::from(seconds));
    }

    /// Overwrites a word of a contract's storage.
    pub fn set_storage(&mut self, contract: Address, slot: U256, value: U256) {
        self.0.ctx.journaled_state.database.insert_account_storage(contract, slot, value).expect("the database is in memory");
    }

    /// A word of a contract's storage.
    pub fn storage(&mut self, contract: Address, slot: U256) -> U256 {
        revm::Database::storage(&mut self.0.ctx.journaled_state.database, contract, slot).expect("the database is in memory")
    }

    /// Remembers the state of the chain.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot(self.0.ctx.journaled_state.database.clone())
    }

    /// Goes back to a remembered state.
    pub fn revert(&mut self, snapshot: &Snapshot) {
        self.0.ctx.journaled_state.database = snapshot.0.clone();
    }
}

fn transaction(caller: Address, kind: TxKind, data: Vec<u8>) -> TxEnv {
    TxEnv { caller, kind, data: data.into(), gas_limit: GAS, gas_price: 0, ..TxEnv::default() }
}

fn outcome<C: SolCall>(result: ExecutionResult) -> Result<C::Return, Failure> {
    match result {
        ExecutionResult::Success { output, .. } => {
            Ok(C::abi_decode_returns(output.data())
                .unwrap_or_else(|e| panic!("{} returned {}: {e}", C::SIGNATURE, output.data())))
        }
        ExecutionResult::Revert { output, .. } => Err(Failure::of_revert(output)),
        ExecutionResult::Halt { reason, .. } => Err(Failure::Halt(format!("{reason:?}"))),
    }
}

/// An artifact's creation code. Truffle, Hardhat and waffle all call it `bytecode`, with or without `0x`.
fn creation_code(artifact: &str, libraries: &[(&str, Address)]) -> Vec<u8> {
    #[derive(serde::Deserialize)]
    struct Artifact {
        bytecode: String,
    }
    let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/contracts/node_modules")).join(artifact);
    let json = std::fs::read(&path).unwrap_or_else(|e| {
        panic!("{artifact}: {e}\nThe contracts are not installed: run `make contracts` in the root of the repository")
    });
    let Artifact { mut bytecode } = serde_json::from_slice(&json).unwrap_or_else(|e| panic!("{artifact} is no artifact: {e}"));
    for (mark, library) in libraries {
        bytecode = bytecode.replace(mark, &hex::encode(library));
    }
    hex::decode(&bytecode).unwrap_or_else(|e| panic!("{artifact}: unlinked or malformed bytecode: {e}"))
}
