//! Settlements at a node: what it holds, what it says a settlement, or any call, would do, and sending one.

use std::time::Duration;

use alloy::eips::{BlockId, BlockNumberOrTag};
use alloy::network::EthereumWallet;
use alloy::providers::{DynProvider, Provider, ProviderBuilder};
use alloy::rpc::client::RpcClient;
use alloy::rpc::types::{TransactionInput, TransactionReceipt, TransactionRequest};
use alloy::signers::local::PrivateKeySigner;
use alloy::transports::http::reqwest::Url;
use alloy::transports::{RpcError, TransportError};
use alloy_primitives::{Address, B256, Bytes, TxKind, U256};
use ballast_adapters::chain::{NodeError, ReadError, View};
use ballast_adapters::erc20::Erc20;
use ballast_adapters::evm::{DumpError, Snapshot};
use ballast_adapters::revert::Failure;
use ballast_wire::Allowance;

use super::encode::Settlement;
use super::encode::abi::{Authentication, GPv2Settlement};
use super::outcome::Outcome;
use super::{Allowances, Contracts};

/// How often a node is asked for a receipt. Blocks are seconds apart; local chains answer at once.
const POLL: Duration = Duration::from_millis(50);
/// How long a receipt is waited for.
const PATIENCE: Duration = Duration::from_secs(180);

/// Why a settlement was not made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SubmitError {
    /// The node does not answer, or cannot read a contract.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// A contract that a settlement stands on cannot be read.
    #[error("{0}; are the addresses in [settlement.contracts] those of this chain?")]
    Contract(#[from] ReadError),
    /// What a development node says of its state cannot be read.
    #[error(transparent)]
    Dump(#[from] DumpError),
    /// No URL.
    #[error("rpc: not a URL; expected something like http://127.0.0.1:8545")]
    Url,
    /// Another chain than the orders were signed for.
    #[error(
        "the node is on chain {node}, [settlement.contracts] on chain {configured}; name the right node with --rpc, or correct chain_id"
    )]
    Chain {
        /// The node's.
        node: u64,
        /// The configuration's.
        configured: u64,
    },
    /// An account that may not settle.
    #[error("{0} is no solver: the settlement's authenticator does not list it; have its manager add it, or use another key")]
    NoSolver(Address),
    /// The settlement would fail.
    #[error("the settlement {0}")]
    Failed(Failure),
    /// It takes more gas than is allowed.
    #[error("takes {gas} gas at the node where {limit} is the limit; raise gas_limit in [settlement], or solve with fewer swaps")]
    GasLimit {
        /// By the node's estimate.
        gas: u64,
        /// What is allowed.
        limit: u64,
    },
    /// The node refuses the transaction.
    #[error("the node refuses the transaction: {0}")]
    Refused(String),
    /// It was sent, and what became of it is not known.
    #[error("transaction {0} was sent, but no receipt came: {1}; look for it before sending again")]
    Lost(B256, String),
}

/// A node of the chain on which is settled.
#[derive(Debug, Clone)]
pub struct Node {
    client: RpcClient,
    pub(super) provider: DynProvider,
    pub(super) contracts: Contracts,
}

impl Node {
    /// A node at a URL, and the contracts that are expected on its chain.
    ///
    /// # Errors
    /// When the node does not answer, or is on another chain.
    pub async fn connect(url: &str, contracts: Contracts) -> Result<Self, SubmitError> {
        let url: Url = url.parse().map_err(|_| SubmitError::Url)?;
        let client = RpcClient::new_http(url);
        client.set_poll_interval(POLL);
        let provider = ProviderBuilder::new().connect_client(client.clone()).erased();
        let node = provider.get_chain_id().await.map_err(NodeError::from)?;
        if node != contracts.chain_id {
            return Err(SubmitError::Chain { node, configured: contracts.chain_id });
        }
        Ok(Self { client, provider, contracts })
    }

    /// The chain at its latest block.
    ///
    /// # Errors
    /// When the node does not answer.
    pub async fn latest(&self) -> Result<View, NodeError> {
        View::new(self.client.clone(), BlockNumberOrTag::Latest).await
    }

    /// The chain at a block.
    ///
    /// # Errors
    /// When the node does not answer, or has no such block.
    pub async fn at(&self, block: u64) -> Result<View, NodeError> {
        View::new(self.client.clone(), block.into()).await
    }

    /// Looks whether an account may settle.
    ///
    /// # Errors
    /// When it may not, or that cannot be found out.
    pub async fn may_settle(&self, solver: Address) -> Result<(), SubmitError> {
        let view = self.latest().await?;
        let authenticator = view.ask_one(self.contracts.settlement, GPv2Settlement::authenticatorCall {}).await??;
        let may = view.ask_one(authenticator, Authentication::isSolverCall { solver }).await??;
        if may { Ok(()) } else { Err(SubmitError::NoSolver(solver)) }
    }

    /// What the settlement contract has approved of what is to be spent.
    ///
    /// # Errors
    /// When the node does not answer, or a token does not.
    pub async fn allowances(&self, spending: &[Allowance]) -> Result<Allowances, SubmitError> {
        let owner = self.contracts.settlement;
        let calls = spending.iter().map(|need| (need.token, Erc20::allowanceCall { owner, spender: need.spender }));
        let approved = self.latest().await?.ask(calls).await?;
        spending.iter().zip(approved).map(|(need, approved)| Ok(((need.token, need.spender), approved?))).collect()
    }

    /// What a unit of gas costs now, in wei.
    ///
    /// # Errors
    /// When the node does not answer.
    pub async fn gas_price(&self) -> Result<U256, NodeError> {
        Ok(U256::from(self.provider.get_gas_price().await?))
    }

    /// All of the chain's state, if the node is one for development, which gives it away; none otherwise.
    ///
    /// # Errors
    /// When the node does not answer, or what it gives cannot be read.
    pub async fn snapshot(&self) -> Result<Option<Snapshot>, SubmitError> {
        match self.provider.raw_request::<_, Bytes>("anvil_dumpState".into(), ()).await {
            Ok(dump) => Ok(Some(Snapshot::from_anvil(&dump, self.contracts.chain_id)?)),
            Err(RpcError::ErrorResp(_)) => Ok(None),
            Err(error) => Err(NodeError::from(error).into()),
        }
    }

    /// Asks the node what a settlement would do now: the gas that it takes, or why it fails.
    ///
    /// # Errors
    /// When it fails, or takes more gas than `limit`.
    pub async fn simulate(&self, solver: Address, settlement: &Settlement, limit: u64) -> Result<u64, SubmitError> {
        self.foresee(solver, settlement.target, &settlement.calldata, limit).await
    }

    /// The same of any call.
    ///
    /// # Errors
    /// When it fails, or takes more gas than `limit`.
    pub async fn foresee(&self, from: Address, to: Address, data: &Bytes, limit: u64) -> Result<u64, SubmitError> {
        let request = request(from, to, data);
        // Not on what waits to be mined: an earlier transaction of one's own may be among it.
        self.provider.call(request.clone()).block(BlockId::latest()).await.map_err(refusal)?;
        let gas = self.provider.estimate_gas(request).block(BlockId::latest()).await.map_err(refusal)?;
        if gas > limit { Err(SubmitError::GasLimit { gas, limit }) } else { Ok(gas) }
    }

    /// Sends a settlement, and waits for what comes of it. `gas` is what it may take at the most.
    ///
    /// # Errors
    /// When the node refuses it, or no receipt comes.
    pub async fn submit(&self, key: PrivateKeySigner, settlement: &Settlement, gas: u64) -> Result<Outcome, SubmitError> {
        let receipt = self.transact(key, settlement.target, &settlement.calldata, gas).await?;
        Ok(Outcome::of(&receipt, settlement.target))
    }

    /// Sends a call, and waits until it is mined. `gas` is what it may take at the most.
    ///
    /// # Errors
    /// When the node refuses it, it fails, or no receipt comes.
    pub async fn transact(
        &self,
        key: PrivateKeySigner,
        to: Address,
        data: &Bytes,
        gas: u64,
    ) -> Result<TransactionReceipt, SubmitError> {
        let request = TransactionRequest { gas: Some(gas), ..request(key.address(), to, data) };
        let provider = ProviderBuilder::new().wallet(EthereumWallet::from(key)).connect_client(self.client.clone());
        let pending = provider.send_transaction(request).await.map_err(refusal)?;
        let hash = *pending.tx_hash();
        let receipt =
            pending.with_timeout(Some(PATIENCE)).get_receipt().await.map_err(|e| SubmitError::Lost(hash, e.to_string()))?;
        if !receipt.status() {
            let reason = format!("transaction {hash} failed in block {}", receipt.block_number.unwrap_or_default());
            return Err(SubmitError::Failed(Failure::Halt(reason)));
        }
        Ok(receipt)
    }
}

pub(super) fn request(from: Address, to: Address, data: &Bytes) -> TransactionRequest {
    TransactionRequest {
        from: Some(from),
        to: Some(TxKind::Call(to)),
        input: TransactionInput::new(data.clone()),
        value: Some(U256::ZERO),
        ..TransactionRequest::default()
    }
}

pub(super) fn refusal(error: TransportError) -> SubmitError {
    match error {
        RpcError::ErrorResp(refusal) => match refusal.as_revert_data() {
            Some(data) => SubmitError::Failed(Failure::of_revert(data)),
            None if refusal.message.contains("revert") => SubmitError::Failed(Failure::Data(Default::default())),
            None => SubmitError::Refused(refusal.message.into_owned()),
        },
        error => SubmitError::Node(error.into()),
    }
}
