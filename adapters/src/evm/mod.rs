//! An EVM in this process, over a snapshot of a chain: what a call would do, before anyone sees it.

mod dump;
mod trace;

use std::sync::Arc;

use alloy_primitives::{Address, Bytes, Log, TxKind, U256};
use alloy_sol_types::SolCall;
use revm::context::result::{EVMError, ExecutionResult, InvalidTransaction, Output};
use revm::context::{BlockEnv, Context, TxEnv};
use revm::database::{AccountState, CacheDB, EmptyDB};
use revm::handler::MainnetContext;
use revm::{Database, ExecuteCommitEvm, ExecuteEvm, InspectCommitEvm, MainBuilder, MainContext, MainnetEvm};

pub use dump::DumpError;
pub use trace::Frame;

use crate::revert::Failure;
use trace::Trace;

type Base = CacheDB<EmptyDB>;
/// What was changed since the snapshot, over the snapshot.
type Overlay = CacheDB<Arc<Base>>;

/// Gas that a call may take where nothing else is said.
const GAS: u64 = 1_000_000_000;

/// The state of a chain at one moment. Cheap to clone, and shared by any number of EVMs.
#[derive(Debug, Clone)]
pub struct Snapshot {
    state: Arc<Base>,
    block: BlockEnv,
    chain_id: u64,
}

/// A chain that exists in this process only. Whoever is said to send a transaction does, without a signature or a fee.
pub struct Evm {
    inner: MainnetEvm<MainnetContext<Overlay>, Trace>,
    gas_price: u128,
}

impl std::fmt::Debug for Evm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Evm").field("block", &self.inner.ctx.block).finish_non_exhaustive()
    }
}

/// What a traced transaction did.
#[derive(Debug, Clone)]
pub struct Traced {
    /// What it returned, or why it failed.
    pub result: Result<Bytes, Failure>,
    /// Gas of the transaction, refunds deducted.
    pub gas_used: u64,
    /// Its calls and theirs, in the order they began; the transaction's own is the first.
    pub frames: Vec<Frame>,
    /// What its contracts logged; nothing if it failed.
    pub logs: Vec<Log>,
}

impl Evm {
    /// An empty chain, with a first block at `timestamp` (Unix seconds).
    pub fn new(chain_id: u64, timestamp: u64) -> Self {
        let block = BlockEnv { timestamp: U256::from(timestamp), ..BlockEnv::default() };
        Self::on(&Snapshot { state: Arc::default(), block, chain_id })
    }

    /// A chain that goes on from a snapshot.
    pub fn on(snapshot: &Snapshot) -> Self {
        let context = Context::mainnet()
            .with_db(CacheDB::new(snapshot.state.clone()))
            .modify_cfg_chained(|cfg| {
                cfg.chain_id = snapshot.chain_id;
                cfg.tx_chain_id_check = false;
                cfg.disable_nonce_check = true;
                cfg.disable_balance_check = true;
                cfg.disable_base_fee = true;
                cfg.disable_eip3607 = true;
                // These limit what a block may hold, not what a contract computes.
                cfg.tx_gas_limit_cap = Some(u64::MAX);
                cfg.limit_contract_code_size = Some(usize::MAX);
                cfg.limit_contract_initcode_size = Some(usize::MAX);
            })
            .with_block(BlockEnv { gas_limit: u64::MAX, ..snapshot.block.clone() });
        Self { inner: context.build_mainnet_with_inspector(Trace::default()), gas_price: 0 }
    }

    /// Deploys what `code` creates. `args` are the constructor's, ABI-encoded (`SolValue::abi_encode_params`).
    ///
    /// # Errors
    /// When the constructor fails.
    pub fn deploy(&mut self, from: Address, code: &[u8], args: &[u8]) -> Result<Address, Failure> {
        let tx = self.transaction(from, TxKind::Create, [code, args].concat().into(), U256::ZERO);
        match self.inner.transact_commit(tx) {
            Ok(ExecutionResult::Success { output: Output::Create(_, Some(address)), .. }) => Ok(address),
            other => Err(outcome(other).err().unwrap_or_else(|| Failure::Halt("nothing was created".into()))),
        }
    }

    /// Makes a call and keeps what it changed, unless it fails.
    ///
    /// # Errors
    /// When the call fails, or returns something else than it should.
    pub fn send<C: SolCall>(&mut self, from: Address, to: Address, call: &C, value: U256) -> Result<C::Return, Failure> {
        let tx = self.transaction(from, TxKind::Call(to), call.abi_encode().into(), value);
        returned::<C>(outcome(self.inner.transact_commit(tx))?)
    }

    /// Makes a call and drops what it changed.
    ///
    /// # Errors
    /// When the call fails, or returns something else than it should.
    pub fn query<C: SolCall>(&mut self, from: Address, to: Address, call: &C) -> Result<C::Return, Failure> {
        let tx = self.transaction(from, TxKind::Call(to), call.abi_encode().into(), U256::ZERO);
        returned::<C>(outcome(self.inner.transact(tx).map(|done| done.result))?)
    }

    /// Makes a transaction, keeps what it changed, and says what it did on the way.
    pub fn trace(&mut self, from: Address, to: Address, data: Bytes) -> Traced {
        let tx = self.transaction(from, TxKind::Call(to), data, U256::ZERO);
        let done = self.inner.inspect_commit(tx, Trace::default());
        let gas_used = done.as_ref().map_or(0, |result| result.tx_gas_used());
        let logs = done.as_ref().map_or(&[][..], |result| result.logs()).to_vec();
        Traced { result: outcome(done), gas_used, frames: self.inner.inspector.take(), logs }
    }

    /// An account's native tokens, in wei.
    pub fn balance(&mut self, account: Address) -> U256 {
        let found = self.inner.ctx.journaled_state.database.basic(account);
        found.ok().flatten().map(|info| info.balance).unwrap_or_default()
    }

    /// Gives an account native tokens.
    pub fn set_balance(&mut self, account: Address, wei: U256) {
        let database = &mut self.inner.ctx.journaled_state.database;
        let mut info = database.basic(account).ok().flatten().unwrap_or_default();
        info.balance = wei;
        database.insert_account_info(account, info);
    }

    /// Sets the time of the blocks to come, in Unix seconds.
    pub fn set_timestamp(&mut self, seconds: u64) {
        self.inner.ctx.block.timestamp = U256::from(seconds);
    }

    /// Overwrites a word of a contract's storage.
    pub fn set_storage(&mut self, contract: Address, slot: U256, value: U256) {
        let Ok(()) = self.inner.ctx.journaled_state.database.insert_account_storage(contract, slot, value);
    }

    /// A word of a contract's storage.
    pub fn storage(&mut self, contract: Address, slot: U256) -> U256 {
        let Ok(word) = self.inner.ctx.journaled_state.database.storage(contract, slot);
        word
    }

    /// Sets what the transactions to come say they pay for gas, in wei. Nobody is charged.
    pub fn set_gas_price(&mut self, wei: u128) {
        self.gas_price = wei;
    }

    fn transaction(&self, caller: Address, kind: TxKind, data: Bytes, value: U256) -> TxEnv {
        TxEnv { caller, kind, data, value, gas_limit: GAS, gas_price: self.gas_price, ..TxEnv::default() }
    }

    /// Remembers the state of the chain.
    pub fn snapshot(&self) -> Snapshot {
        let overlay = &self.inner.ctx.journaled_state.database;
        let mut state = Base::clone(&overlay.db);
        for (address, changed) in &overlay.cache.accounts {
            let account = state.cache.accounts.entry(*address).or_default();
            account.info = changed.info.clone();
            account.account_state = changed.account_state.clone();
            if matches!(changed.account_state, AccountState::StorageCleared | AccountState::NotExisting) {
                account.storage.clear();
            }
            account.storage.extend(changed.storage.iter().map(|(slot, word)| (*slot, *word)));
        }
        state.cache.contracts.extend(overlay.cache.contracts.iter().map(|(hash, code)| (*hash, code.clone())));
        Snapshot { state: Arc::new(state), block: self.inner.ctx.block.clone(), chain_id: self.inner.ctx.cfg.chain_id }
    }

    /// Goes back to a remembered state; the time stays.
    pub fn revert(&mut self, snapshot: &Snapshot) {
        self.inner.ctx.journaled_state.database = CacheDB::new(snapshot.state.clone());
    }
}

fn outcome(done: Result<ExecutionResult, EVMError<core::convert::Infallible, InvalidTransaction>>) -> Result<Bytes, Failure> {
    match done {
        Ok(ExecutionResult::Success { output, .. }) => Ok(output.into_data()),
        Ok(ExecutionResult::Revert { output, .. }) => Err(Failure::of_revert(output)),
        Ok(ExecutionResult::Halt { reason, .. }) => Err(Failure::Halt(format!("{reason:?}"))),
        Err(error) => Err(Failure::Halt(error.to_string())),
    }
}

fn returned<C: SolCall>(data: Bytes) -> Result<C::Return, Failure> {
    C::abi_decode_returns(&data).map_err(|error| Failure::Halt(format!("{} returned {data}: {error}", C::SIGNATURE)))
}
