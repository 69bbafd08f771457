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

#[cfg(test)]
mod tests {
    use std::io::Write;

    use alloy_primitives::hex;

    use super::*;
    use crate::evm::Evm;

    const DUMP: &str = r#"{
        "block": {"number": "0x2a", "beneficiary": "0x0000000000000000000000000000000000000000", "timestamp": "0x6553f100"},
        "accounts": {"0x00000000000000000000000000000000000000c0": {
            "nonce": 1, "balance": "0x5", "code": "0x5f545f5260205ff3", "storage": {"0x0": "0x7"}
        }},
        "best_block_number": 42, "blocks": [], "transactions": []
    }"#;

    #[test]
    fn a_dump_is_read_as_a_file_and_as_an_answer() {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(DUMP.as_bytes()).unwrap();
        let contract = Address::with_last_byte(0xc0);
        for dump in [DUMP.as_bytes().to_vec(), gzip.finish().unwrap()] {
            let snapshot = Snapshot::from_anvil(&dump, 31337).unwrap();
            assert_eq!(snapshot.block(), (U256::from(42), U256::from(0x6553_f100)));
            let mut evm = Evm::on(&snapshot);
            assert_eq!(evm.balance(contract), U256::from(5));
            // The code returns the word in slot 0.
            let answer = evm.trace(Address::ZERO, contract, Bytes::new()).result.unwrap();
            assert_eq!(answer, Bytes::from(U256::from(7).to_be_bytes::<32>()));
        }
    }

    #[test]
    fn what_is_no_dump_is_said_to_be() {
        assert!(matches!(Snapshot::from_anvil(b"{}", 1), Err(DumpError::Json(_))));
        assert!(matches!(Snapshot::from_anvil(&hex!("1f8b00"), 1), Err(DumpError::Gzip(_))));
    }
}
