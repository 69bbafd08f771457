//! A chain at one block: many reads of contracts in few requests.
//!
//! What venues read through it is all of the same block, named by its hash, so that a pool's numbers belong together even when
//! the chain moves on or is reorganised meanwhile.

mod multicall;
pub(crate) mod vault;

use alloy::eips::{BlockId, BlockNumberOrTag};
use alloy::rpc::client::{RpcClient, Waiter};
use alloy::rpc::types::{Block, TransactionInput, TransactionRequest};
use alloy::transports::{RpcError, TransportError};
use alloy_primitives::map::HashMap;
use alloy_primitives::{Address, B256, Bytes, TxKind};
use alloy_sol_types::{SolCall, SolType};
use futures_util::FutureExt;
use futures_util::stream::{StreamExt, TryStreamExt, iter};

pub use vault::pool_contract;

/// Calls in one JSON-RPC batch: what public nodes take, too.
const BATCH: usize = 100;
/// The same of calls with many questions each: a batch of them stays below a megabyte.
const BATCH_OF_MANY: usize = 20;
/// Batches that are on their way at a time.
const TOGETHER: usize = 4;

/// A node that does not answer, or not as a node would.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NodeError {
    /// The request did not get through, or the node refused all of it.
    #[error("the node does not answer: {}; is it running, and is the URL right?", cause(.0))]
    Transport(#[from] TransportError),
    /// It knows no such block.
    #[error("the node has no block {0}")]
    NoBlock(BlockNumberOrTag),
}

/// What is at the bottom of an error. Those above it repeat the URL, which may hold a key.
pub fn cause(error: &TransportError) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(below) = cause.source() {
        cause = below;
    }
    cause.to_string()
}

/// Why one contract could not be read; others may be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{contract}: {call}: {reason}")]
pub struct ReadError {
    /// The contract.
    pub contract: Address,
    /// What was asked of it.
    pub call: &'static str,
    /// The node's words, or what is wrong with its answer.
    pub reason: String,
}

/// One block of a chain, through a node.
#[derive(Debug, Clone)]
pub struct View {
    client: RpcClient,
    hash: B256,
    number: u64,
    timestamp: u64,
}

impl View {
    /// The chain at a block, such as the latest.
    ///
    /// # Errors
    /// When the node does not answer or has no such block.
    pub async fn new(client: RpcClient, block: BlockNumberOrTag) -> Result<Self, NodeError> {
        let found: Option<Block> = client.request("eth_getBlockByNumber", (block, false)).await?;
        let header = found.ok_or(NodeError::NoBlock(block))?.header;
        Ok(Self { client, hash: header.hash, number: header.number, timestamp: header.timestamp })
    }

    /// The block's number.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The block's hash.
    pub fn hash(&self) -> B256 {
        self.hash
    }

    /// The block's time, in Unix seconds.
    pub fn timestamp(&self) -> u64 {
        self.timestamp
    }

    /// Asks contracts, each its own question of one kind; the answers are in the questions' order. What is asked twice is asked once, and many short
    /// questions go together in a call.
    ///
    /// # Errors
    /// When the node does not answer. What a single contract does not answer is an error in its place.
    pub async fn ask<C: SolCall>(
        &self,
        questions: impl IntoIterator<Item = (Address, C)>,
    ) -> Result<Vec<Result<C::Return, ReadError>>, NodeError> {
        let (mut different, mut asked) = (Vec::new(), Vec::new());
        let mut places: HashMap<(Address, Bytes), usize> = HashMap::default();
        for (contract, call) in questions {
            let question = (contract, Bytes::from(call.abi_encode()));
            let place = *places.entry(question.clone()).or_insert(different.len());
            if place == different.len() {
                different.push(question);
            }
            asked.push((contract, place));
        }
        let size = <C::ReturnTuple<'_> as SolType>::ENCODED_SIZE;
        let answers = if different.len() > BATCH && multicall::fits(&different, size) {
            self.together(&different).await?
        } else {
            self.each(&different).await?
        };
        let answer = |&(contract, place): &(Address, usize)| {
            let failed = |reason: &str| ReadError { contract, call: C::SIGNATURE, reason: reason.to_owned() };
            match answers.get(place) {
                Some(Ok(data)) => C::abi_decode_returns(data).map_err(|e| failed(&format!("not what it should answer: {e}"))),
                Some(Err(reason)) => Err(failed(reason)),
                None => Err(failed("no answer")),
            }
        };
        Ok(asked.iter().map(answer).collect())
    }

    /// Asks one contract one question.
    ///
    /// # Errors
    /// When the node does not answer; what the contract does not answer is the inner error.
    pub async fn ask_one<C: SolCall>(&self, contract: Address, call: C) -> Result<Result<C::Return, ReadError>, NodeError> {
        let unanswered = || Err(ReadError { contract, call: C::SIGNATURE, reason: "no answer".to_owned() });
        Ok(self.ask([(contract, call)]).await?.pop().unwrap_or_else(unanswered))
    }

    /// Runs creation code that deploys nothing and returns what it was asked, once for each piece of code.
    ///
    /// # Errors
    /// When the node does not answer. What a single piece does not answer is an error in its place, in the node's words.
    pub async fn run(&self, code: impl IntoIterator<Item = Bytes>) -> Result<Vec<Result<Bytes, String>>, NodeError> {
        let requests: Vec<_> = code.into_iter().map(|code| request(None, code)).collect();
        self.call(&requests, BATCH).await
    }

    /// Asks many questions in few calls. What is not answered so is asked by itself, for the contract's own words: it fails, or takes more gas than its
    /// share of the call, or the node runs no such calls at all.
    async fn together(&self, questions: &[(Address, Bytes)]) -> Result<Vec<Result<Bytes, String>>, NodeError> {
        let groups = questions.chunks(multicall::QUESTIONS);
        let requests: Vec<_> = groups.clone().map(|group| request(None, multicall::code(group))).collect();
        let said = self.call(&requests, BATCH_OF_MANY).await?;
        let mut answers: Vec<Result<Bytes, String>> = Vec::with_capacity(questions.len());
        for (group, said) in groups.zip(said) {
            let said = said.ok().and_then(|data| multicall::answers(&data, group.len()));
            answers.extend(said.unwrap_or_else(|| vec![Bytes::new(); group.len()]).into_iter().map(Ok));
        }
        let is_open = |answer: &Result<Bytes, String>| answer.as_ref().is_ok_and(|data| data.is_empty());
        let open: Vec<_> = questions.iter().zip(&answers).filter(|(_, answer)| is_open(answer)).map(|(q, _)| q.clone()).collect();
        let slots = answers.iter_mut().filter(|answer| is_open(answer));
        for (slot, answer) in slots.zip(self.each(&open).await?) {
            *slot = answer;
        }
        Ok(answers)
    }

    /// Asks each question by itself.
    async fn each(&self, questions: &[(Address, Bytes)]) -> Result<Vec<Result<Bytes, String>>, NodeError> {
        let requests: Vec<_> = questions.iter().map(|(contract, data)| request(Some(*contract), data.clone())).collect();
        self.call(&requests, BATCH).await
    }

    async fn call(&self, requests: &[TransactionRequest], batch: usize) -> Result<Vec<Result<Bytes, String>>, NodeError> {
        let batches: Vec<_> = requests.chunks(batch).map(|batch| self.batch(batch).boxed()).collect();
        Ok(iter(batches).buffered(TOGETHER).try_collect::<Vec<_>>().await?.into_iter().flatten().collect())
    }

    async fn batch(&self, requests: &[TransactionRequest]) -> Result<Vec<Result<Bytes, String>>, NodeError> {
        let block = BlockId::hash_canonical(self.hash);
        let mut batch = self.client.new_batch();
        let waiters = requests
            .iter()
            .map(|request| batch.add_call("eth_call", &(request, block)))
            .collect::<Result<Vec<Waiter<Bytes>>, _>>()?;
        batch.send().await?;
        let mut answers = Vec::with_capacity(requests.len());
        for waiter in waiters {
            answers.push(match waiter.await {
                Ok(answer) => Ok(answer),
                Err(RpcError::ErrorResp(refusal)) => Err(refusal.message.into_owned()),
                Err(error) => return Err(error.into()),
            });
        }
        Ok(answers)
    }
}

fn request(to: Option<Address>, data: Bytes) -> TransactionRequest {
    let to = Some(to.map_or(TxKind::Create, TxKind::Call));
    TransactionRequest { to, input: TransactionInput::new(data), ..TransactionRequest::default() }
}
