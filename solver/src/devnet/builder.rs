//! Transactions of the devnet's making: many to a block, each checked.

use std::path::{Path, PathBuf};

use alloy::rpc::client::RpcClient;
use alloy::rpc::types::{Filter, Log, TransactionInput, TransactionReceipt, TransactionRequest};
use alloy_primitives::{Address, B256, Bytes, TxKind, U64, U256, hex};
use alloy_sol_types::{SolCall, SolEvent};
use anyhow::{Context, bail, ensure};
use serde::Deserialize;
use serde_json::json;

use super::{BLOCK_TIME, GENESIS};

/// The largest that a transaction may be.
const GAS: u64 = 1 << 24;
/// Transactions in one block, sent as one batch of requests. What the node takes to tell a block's receipts grows with the square.
const BATCH: usize = 100;

/// Sends transactions from accounts that the node signs for, in blocks of its own.
pub(super) struct Builder {
    client: RpcClient,
    contracts: PathBuf,
    accounts: Vec<Address>,
    nonces: Vec<u64>,
    pending: Vec<(String, TransactionRequest)>,
    blocks: u64,
}

impl Builder {
    pub(super) async fn new(client: RpcClient, contracts: &Path) -> anyhow::Result<Self> {
        let accounts: Vec<Address> = client.request_noparams("eth_accounts").await?;
        let nonces = vec![0; accounts.len()];
        Ok(Self { client, contracts: contracts.to_owned(), accounts, nonces, pending: Vec::new(), blocks: 0 })
    }

    /// The address of an account.
    pub(super) fn account(&self, index: usize) -> anyhow::Result<Address> {
        self.accounts.get(index).copied().with_context(|| format!("the node has no account {index}"))
    }

    /// Plans to deploy the contract of an artifact, a path below the installed packages; `args` are the constructor's, encoded.
    pub(super) fn deploy(&mut self, artifact: &str, args: &[u8]) -> anyhow::Result<Address> {
        let code = creation_code(&self.contracts, artifact)?;
        self.deploy_code(artifact, &code, args)
    }

    /// Plans to deploy what `code` creates.
    pub(super) fn deploy_code(&mut self, name: &str, code: &[u8], args: &[u8]) -> anyhow::Result<Address> {
        let deployer = self.account(0)?;
        let nonce = self.plan(0, name, TxKind::Create, [code, args].concat().into(), U256::ZERO)?;
        Ok(deployer.create(nonce))
    }

    /// Plans a call by the deployer.
    pub(super) fn call<C: SolCall>(&mut self, to: Address, call: &C) -> anyhow::Result<()> {
        self.call_from(0, to, call, U256::ZERO)
    }

    /// Plans a call by any account, with wei.
    pub(super) fn call_from<C: SolCall>(&mut self, from: usize, to: Address, call: &C, value: U256) -> anyhow::Result<()> {
        self.plan(from, C::SIGNATURE, TxKind::Call(to), call.abi_encode().into(), value).map(|_| ())
    }

    fn plan(&mut self, from: usize, name: &str, to: TxKind, data: Bytes, value: U256) -> anyhow::Result<u64> {
        let sender = self.account(from)?;
        let nonce = self.nonces.get_mut(from).context("the node has no such account")?;
        let request = TransactionRequest {
            from: Some(sender),
            to: Some(to),
            input: TransactionInput::new(data),
            value: Some(value),
            nonce: Some(*nonce),
            gas: Some(GAS),
            gas_price: Some(0),
            ..TransactionRequest::default()
        };
        self.pending.push((name.to_owned(), request));
        let taken = *nonce;
        *nonce = nonce.saturating_add(1);
        Ok(taken)
    }

    /// Makes blocks of what is planned, one if it is nothing, and looks that all of it went through.
    pub(super) async fn mine(&mut self) -> anyhow::Result<()> {
        let pending = std::mem::take(&mut self.pending);
        if pending.is_empty() {
            return self.block(&[]).await;
        }
        for requests in pending.chunks(BATCH) {
            self.block(requests).await?;
        }
        Ok(())
    }

    async fn block(&mut self, requests: &[(String, TransactionRequest)]) -> anyhow::Result<()> {
        let mut sent = Vec::with_capacity(requests.len());
        if !requests.is_empty() {
            let mut batch = self.client.new_batch();
            let waiters = requests
                .iter()
                .map(|(name, request)| Ok((name, batch.add_call("eth_sendTransaction", &(request,))?)))
                .collect::<anyhow::Result<Vec<_>>>()?;
            batch.send().await?;
            for (name, waiter) in waiters {
                let hash: B256 = waiter.await.with_context(|| format!("{name} cannot be sent"))?;
                sent.push((name, hash));
            }
        }
        self.blocks = self.blocks.saturating_add(1);
        let time = GENESIS.saturating_add(BLOCK_TIME.saturating_mul(self.blocks));
        let _: serde_json::Value = self.client.request("evm_setNextBlockTimestamp", (time,)).await?;
        let _: serde_json::Value = self.client.request_noparams("evm_mine").await?;
        let receipts: Vec<TransactionReceipt> = self.client.request("eth_getBlockReceipts", ("latest",)).await?;
        ensure!(receipts.len() == sent.len(), "of {} transactions {} are in the block", sent.len(), receipts.len());
        for (name, hash) in sent {
            let receipt = receipts.iter().find(|r| r.transaction_hash == hash);
            let receipt = receipt.with_context(|| format!("{name} is not in the block"))?;
            if !receipt.status() {
                bail!("{name} fails on the chain, with {} of {GAS} gas used", receipt.gas_used);
            }
        }
        Ok(())
    }

    /// The events of one kind that a contract has logged, in their order.
    pub(super) async fn events<E: SolEvent>(&self, contract: Address) -> anyhow::Result<Vec<E>> {
        let filter = Filter::new().address(contract).event_signature(E::SIGNATURE_HASH).from_block(0);
        let logs: Vec<Log> = self.client.request("eth_getLogs", (filter,)).await?;
        logs.iter().map(|log| Ok(E::decode_log(&log.inner)?.data)).collect()
    }

    /// Hands the chain over: from here on each transaction is mined when it comes, at mainnet's limits and a gas price.
    pub(super) async fn open(&mut self, gas_price: u128) -> anyhow::Result<()> {
        for (method, value) in [
            ("evm_setBlockGasLimit", json!(U256::from(super::BLOCK_GAS))),
            ("anvil_setNextBlockBaseFeePerGas", json!(U256::from(gas_price))),
            ("anvil_setBlockTimestampInterval", json!(BLOCK_TIME)),
        ] {
            let _: serde_json::Value = self.client.request(method, (value,)).await.context(method)?;
        }
        // The block that is read, at the price that is told.
        self.mine().await?;
        let _: serde_json::Value = self.client.request("evm_setAutomine", (true,)).await?;
        Ok(())
    }

    /// The chain's id.
    pub(super) async fn chain_id(&self) -> anyhow::Result<u64> {
        Ok(self.client.request_noparams::<U64>("eth_chainId").await?.to())
    }
}

/// An artifact's creation code. Truffle, Hardhat and waffle all call it `bytecode`, with or without `0x`.
fn creation_code(contracts: &Path, artifact: &str) -> anyhow::Result<Vec<u8>> {
    #[derive(Deserialize)]
    struct Artifact {
        bytecode: String,
    }
    let path = contracts.join(artifact);
    let json = std::fs::read(&path).with_context(|| {
        format!("{} is not there: run `make contracts` in the repository, or name the folder with --contracts", path.display())
    })?;
    let Artifact { bytecode } = serde_json::from_slice(&json).with_context(|| format!("{} is no artifact", path.display()))?;
    hex::decode(bytecode).with_context(|| format!("{}: no creation code", path.display()))
}
