//! What `anvil_dumpState` returns, or `anvil --dump-state` writes.

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::Arc;

use alloy_primitives::{Address, Bytes, U256};
use revm::context::BlockEnv;
use revm::state::{AccountInfo, Bytecode};
use serde::Deserialize;

use super::{Base, Snapshot};

/// Why a dump cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DumpError {
    /// Compressed, but not so that it can be undone.
    #[error("the state dump cannot be decompressed: {0}")]
    Gzip(#[from] std::io::Error),
    /// Not what the node writes.
    #[error("the state dump cannot be read: {0}")]
    Json(#[from] serde_json::Error),
    /// Code that no contract can have.
    #[error("the state dump has impossible code at {0}")]
    Code(Address),
}

#[derive(Deserialize)]
struct Dump {
    block: Option<Block>,
    accounts: BTreeMap<Address, Account>,
}

#[derive(Deserialize)]
struct Block {
    number: U256,
    timestamp: U256,
}

#[derive(Deserialize)]
struct Account {
    nonce: U256,
    balance: U256,
    code: Bytes,
    storage: BTreeMap<U256, U256>,
}

impl Snapshot {
    /// Reads a dump: the file's JSON, or the bytes of the RPC's answer, which are compressed. The chain's number is not part of it.
    ///
    /// # Errors
    /// When it is no such dump.
    pub fn from_anvil(dump: &[u8], chain_id: u64) -> Result<Self, DumpError> {
        let dump: Dump = if dump.starts_with(&[0x1f, 0x8b]) {
            let mut json = Vec::new();
            flate2::read::GzDecoder::new(dump).read_to_end(&mut json)?;
            serde_json::from_slice(&json)?
        } else {
            serde_json::from_slice(dump)?
        };
        let mut state = Base::default();
        for (address, account) in dump.accounts {
            let code = Bytecode::new_raw_checked(account.code).map_err(|_| DumpError::Code(address))?;
            let info = AccountInfo {
                balance: account.balance,
                nonce: account.nonce.saturating_to(),
                code_hash: code.hash_slow(),
                code: Some(code),
                ..AccountInfo::default()
            };
            state.insert_account_info(address, info);
            for (slot, word) in account.storage {
                let Ok(()) = state.insert_account_storage(address, slot, word);
            }
        }
        let block = dump.block.map_or_else(BlockEnv::default, |block| BlockEnv {
            number: block.number,
            timestamp: block.timestamp,
            ..BlockEnv::default()
        });
        Ok(Self { state: Arc::new(state), block, chain_id })
    }

    /// The number and the time (Unix seconds) of the block.
    pub fn block(&self) -> (U256, U256) {
        (self.block.number, self.block.timestamp)
    }
}
