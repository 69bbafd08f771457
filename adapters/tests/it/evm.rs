//! The contracts' creation code from the installed packages, in the library's EVM.

use std::path::PathBuf;

use alloy_primitives::{Address, U256, hex};
use alloy_sol_types::SolCall;
use ballast_adapters::evm;
pub use ballast_adapters::evm::Snapshot;
pub use ballast_adapters::revert::Failure;

/// Who sends every transaction, and owns whatever asks for an owner.
pub const USER: Address = Address::repeat_byte(0x42);
/// When the first block is, in Unix seconds.
pub const GENESIS: u64 = 1_700_000_000;

/// A chain of one user.
pub struct Evm(evm::Evm);

impl Evm {
    /// An empty chain.
    pub fn new() -> Self {
        Self(evm::Evm::new(1, GENESIS))
    }

    /// Deploys the contract of an artifact, a path below `fixtures/contracts/node_modules`. `args` are the constructor's,
    /// ABI-encoded (`SolValue::abi_encode_params`).
    pub fn deploy(&mut self, artifact: &str, args: &[u8]) -> Address {
        self.deploy_linked(artifact, &[], args)
    }

    /// [`Self::deploy`] for an artifact that calls libraries, each with its mark in the code (`__$…$__`) and its address.
    pub fn deploy_linked(&mut self, artifact: &str, libraries: &[(&str, Address)], args: &[u8]) -> Address {
        let code = creation_code(artifact, libraries);
        self.0.deploy(USER, &code, args).unwrap_or_else(|e| panic!("{artifact} cannot be deployed: {e}"))
    }

    /// Deploys what `code` creates.
    pub fn deploy_code(&mut self, name: &str, code: Vec<u8>) -> Address {
        self.0.deploy(USER, &code, &[]).unwrap_or_else(|e| panic!("{name} cannot be deployed: {e}"))
    }

    /// Makes a call and keeps what it changed, unless it fails.
    pub fn send<C: SolCall>(&mut self, to: Address, call: &C) -> Result<C::Return, Failure> {
        self.0.send(USER, to, call, U256::ZERO)
    }

    /// Makes a call and drops what it changed.
    pub fn query<C: SolCall>(&mut self, to: Address, call: &C) -> Result<C::Return, Failure> {
        self.0.query(USER, to, call)
    }

    /// Sets the time of the blocks to come, in Unix seconds.
    pub fn set_timestamp(&mut self, seconds: u64) {
        self.0.set_timestamp(seconds);
    }

    /// Overwrites a word of a contract's storage.
    pub fn set_storage(&mut self, contract: Address, slot: U256, value: U256) {
        self.0.set_storage(contract, slot, value);
    }

    /// A word of a contract's storage.
    pub fn storage(&mut self, contract: Address, slot: U256) -> U256 {
        self.0.storage(contract, slot)
    }

    /// Remembers the state of the chain.
    pub fn snapshot(&self) -> Snapshot {
        self.0.snapshot()
    }

    /// Goes back to a remembered state.
    pub fn revert(&mut self, snapshot: &Snapshot) {
        self.0.revert(snapshot);
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
