//! Transactions by steps, for who must know of them before they are sent: priced, signed, sent, and looked for.

use alloy::eips::Encodable2718;
use alloy::eips::eip1559::Eip1559Estimation;
use alloy::network::{EthereumWallet, NetworkTransactionBuilder};
use alloy::providers::Provider;
use alloy::rpc::types::{Filter, Log, TransactionReceipt, TransactionRequest};
use alloy::signers::local::PrivateKeySigner;
use alloy::transports::RpcError;
use alloy_primitives::{Address, B256, Bytes, U256};
use ballast_adapters::chain::NodeError;

use super::node::{Node, SubmitError, refusal, request};

/// What a transaction is sent with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// The sender's number for it.
    pub account_nonce: u64,
    /// Gas at the most.
    pub gas: u64,
    /// Wei for a unit of gas, at the most.
    pub max_fee_per_gas: u128,
    /// What of it goes to who mines it.
    pub max_priority_fee_per_gas: u128,
}

/// A transaction that is signed, and not sent yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// Its hash.
    pub hash: B256,
    /// What is sent.
    pub raw: Bytes,
}

impl Node {
    /// Transactions of an account in the chain so far: the number of its next one, unless one is on its way.
    ///
    /// # Errors
    /// When the node does not answer.
    pub async fn account_nonce(&self, account: Address) -> Result<u64, NodeError> {
        Ok(self.provider.get_transaction_count(account).latest().await?)
    }

    /// What a transaction should offer to be mined soon: at the most, and to who mines it.
    ///
    /// # Errors
    /// When the node does not answer.
    pub async fn fees(&self) -> Result<[u128; 2], NodeError> {
        let Eip1559Estimation { max_fee_per_gas, max_priority_fee_per_gas } = self.provider.estimate_eip1559_fees().await?;
        Ok([max_fee_per_gas, max_priority_fee_per_gas])
    }

    /// Signs a call.
    ///
    /// # Errors
    /// When the key does not sign.
    pub async fn sign(&self, key: &PrivateKeySigner, to: Address, data: &Bytes, terms: &Terms) -> Result<Signed, SubmitError> {
        let request = TransactionRequest {
            nonce: Some(terms.account_nonce),
            gas: Some(terms.gas),
            max_fee_per_gas: Some(terms.max_fee_per_gas),
            max_priority_fee_per_gas: Some(terms.max_priority_fee_per_gas),
            chain_id: Some(self.contracts.chain_id),
            ..request(key.address(), to, data)
        };
        let wallet = EthereumWallet::from(key.clone());
        let signed = request.build(&wallet).await.map_err(|e| SubmitError::Refused(e.to_string()))?;
        Ok(Signed { hash: *signed.tx_hash(), raw: signed.encoded_2718().into() })
    }

    /// Sends what is signed. One that the node has already is as good as sent.
    ///
    /// # Errors
    /// When the node refuses it, or does not answer.
    pub async fn send(&self, raw: &Bytes) -> Result<(), SubmitError> {
        match self.provider.send_raw_transaction(raw).await {
            Ok(_) => Ok(()),
            Err(RpcError::ErrorResp(error)) if error.message.contains("already") => Ok(()),
            Err(error) => Err(refusal(error)),
        }
    }

    /// What became of a transaction; none while it is not mined, or not known.
    ///
    /// # Errors
    /// When the node does not answer.
    pub async fn receipt(&self, transaction: B256) -> Result<Option<TransactionReceipt>, NodeError> {
        Ok(self.provider.get_transaction_receipt(transaction).await?)
    }

    /// The hash of the block of a height, if the chain is so high.
    ///
    /// # Errors
    /// When the node does not answer.
    pub async fn block_hash(&self, number: u64) -> Result<Option<B256>, NodeError> {
        Ok(self.provider.get_block_by_number(number.into()).await?.map(|block| block.header.hash))
    }

    /// What a contract has logged from a block on, about these three.
    ///
    /// # Errors
    /// When the node does not answer.
    pub async fn logs(&self, contract: Address, from: u64, [event, second, third]: [B256; 3]) -> Result<Vec<Log>, NodeError> {
        let filter = Filter::new().address(contract).from_block(from).event_signature(event).topic1(second).topic2(third);
        Ok(self.provider.get_logs(&filter).await?)
    }

    /// The wei that an account has.
    ///
    /// # Errors
    /// When the node does not answer.
    pub async fn balance(&self, account: Address) -> Result<U256, NodeError> {
        Ok(self.provider.get_balance(account).await?)
    }
}
