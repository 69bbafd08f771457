//! How a swap is made on chain: the calls, the allowance that they need, and the gas that they take.
//!
//! A contract is told one amount of a swap and computes the other, which it holds against a limit. Given out, it charges just what
//! [`crate::Venue::amount_in`] says; given in, it pays what [`crate::Venue::amount_out`] says, which may be some atoms off the output
//! that was promised for that input. Directly at a pair both amounts are given, and nothing is left to round.

use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_sol_types::SolCall;
use ballast_wire::{Allowance, Amount, Call};
use enum_dispatch::enum_dispatch;

use crate::balancer::BatchStep;
use crate::venue::Market;

/// Until when routers may execute: as long as an order can be valid. Later times would only cost calldata.
pub(crate) const DEADLINE: U256 = U256::from_limbs([u32::MAX as u64, 0, 0, 0]);

/// Which amount of a swap the contract is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Given {
    /// The input, with a least output.
    In,
    /// The output, with a most input.
    Out,
}

/// Which contract is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Via {
    /// The venue's router, which takes the input by an allowance; for Balancer a single swap in its vault.
    Router,
    /// The pool itself, which is paid first. Both amounts are exact.
    Pool,
    /// A batch in Balancer's vault, which settles net amounts only.
    Batch,
}

/// One swap as it is to be made. Amounts are atoms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exchange {
    /// The coin given, as an index into [`crate::Venue::tokens`].
    pub input: usize,
    /// The coin taken.
    pub output: usize,
    /// What is to be given.
    pub amount_in: U256,
    /// What is to be taken.
    pub amount_out: U256,
    /// Which of the two the contract is told.
    pub given: Given,
    /// The bound on the other one.
    pub limit: U256,
}

impl Exchange {
    /// What may be taken from the payer at the most.
    pub fn most_in(&self) -> U256 {
        match self.given {
            Given::In => self.amount_in,
            Given::Out => self.limit,
        }
    }
}

/// Who takes part besides the pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parties {
    /// Who pays, and is paid.
    pub payer: Address,
    /// Balancer's vault.
    pub vault: Address,
}

/// A swap on chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encoded {
    /// The calls, in order.
    pub calls: Vec<Call>,
    /// What must be approved first.
    pub allowances: Vec<Allowance>,
    /// Gas of the calls: the median of what was measured.
    pub gas: u64,
}

/// Why a swap cannot be put on chain this way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// The pool does not swap between these coins.
    #[error("the pool has no such pair")]
    UnknownPair,
    /// The venue cannot be used in this way.
    #[error("{0}")]
    Unsupported(&'static str),
}

/// What every venue can do: say how a swap is made on chain.
#[enum_dispatch]
pub trait Encode {
    /// The calls of one swap. A way that the venue does not have falls back to its router.
    ///
    /// # Errors
    /// When the venue cannot be called with what is known of it.
    fn encode(&self, via: Via, exchange: &Exchange, parties: &Parties) -> Result<Encoded, EncodeError>;

    /// The way that [`Self::encode`] really goes.
    fn via(&self, _wanted: Via) -> Via {
        Via::Router
    }

    /// Balancer's name for the pool, where it is one of the vault's.
    fn pool_id(&self) -> Option<B256> {
        None
    }

    /// Gas of a swap made this way: the median of what was measured in an EVM.
    fn gas(&self, via: Via, given: Given) -> u64;
}

impl Market {
    /// A swap as a step of a batch in Balancer's vault, for its own pools.
    pub fn batch_step(&self, exchange: &Exchange) -> Option<BatchStep> {
        let (pool_id, tokens) = (self.pool_id()?, crate::Venue::tokens(self));
        let (input, output) = (*tokens.get(exchange.input)?, *tokens.get(exchange.output)?);
        Some(BatchStep { pool_id, input, output, exchange: *exchange, gas: self.gas(Via::Batch, exchange.given) })
    }
}

/// A call of a contract, without any value.
pub fn call(target: Address, call: &impl SolCall) -> Call {
    Call { target, value: U256::ZERO, call_data: Bytes::from(call.abi_encode()) }
}

pub(crate) fn allowance(token: Address, spender: Address, amount: U256) -> Allowance {
    Allowance { token, spender, amount: Amount(amount) }
}

/// The tokens of a swap.
pub(crate) fn pair(tokens: &[Address], exchange: &Exchange) -> Result<(Address, Address), EncodeError> {
    match (tokens.get(exchange.input), tokens.get(exchange.output)) {
        (Some(input), Some(output)) if input != output => Ok((*input, *output)),
        _ => Err(EncodeError::UnknownPair),
    }
}
