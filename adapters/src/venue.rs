//! What every venue can do: swap exactly, to the wei.

use alloy_primitives::{Address, B256, U256};
use ballast_routing::curve::{Curve, PerCoin};
use enum_dispatch::enum_dispatch;

use crate::concentrated::ConcentratedPool;
use crate::constant_product::ConstantProductPool;
use crate::encode::{Encode, EncodeError, Encoded, Exchange, Given, Parties, Via};
use crate::face::{Face, Quote};
use crate::limit_order::LimitOrder;
use crate::stable::StablePool;
use crate::weighted::WeightedPool;

/// Which amount of a swap is given; atoms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exact {
    /// The input.
    Input(U256),
    /// The output.
    Output(U256),
}

/// Both amounts of a swap that was made; atoms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Swapped {
    /// What the pool took, fees included.
    pub amount_in: U256,
    /// What the pool paid.
    pub amount_out: U256,
}

/// Why a swap cannot be made. The contract would revert.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SwapError {
    /// The pool does not swap between these coins.
    #[error("the pool has no such pair")]
    UnknownPair,
    /// The amount, or what it buys, rounds to nothing.
    #[error("the amount rounds to zero")]
    ZeroAmount,
    /// Beyond what a single swap may move.
    #[error("beyond the share of a balance that one swap may move")]
    ExceedsCap,
    /// Beyond what the pool holds, or what is known of it.
    #[error("beyond the liquidity of the pool")]
    InsufficientLiquidity,
    /// A number left its type, as it would in the contract.
    #[error("arithmetic overflow")]
    Overflow,
    /// An iteration did not settle, as it would not in the contract.
    #[error("the invariant does not converge")]
    NoConvergence,
}

/// Why a pool's description is not that of a pool that can be swapped with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PoolError {
    /// Fewer or more tokens than the venue has.
    #[error("tokens: {found} of them, expected {expected}")]
    TokenCount {
        /// How many there are.
        found: usize,
        /// How many there should be, in words.
        expected: &'static str,
    },
    /// The same token twice.
    #[error("tokens: {0} twice")]
    DuplicateToken(Address),
    /// Nothing to trade with.
    #[error("tokens.{0}.balance: zero")]
    ZeroReserve(Address),
    /// No liquidity anywhere.
    #[error("liquidity: none")]
    NoLiquidity,
    /// A field whose value the venue's contract could not have.
    #[error("{field}: {reason}")]
    Invalid {
        /// The path of the field.
        field: &'static str,
        /// What is wrong with it.
        reason: &'static str,
    },
}

impl PoolError {
    /// A word that groups errors of one kind in counts.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::TokenCount { .. } => "wrong number of tokens",
            Self::DuplicateToken(_) => "duplicate token",
            Self::ZeroReserve(_) => "zero reserve",
            Self::NoLiquidity => "no liquidity",
            Self::Invalid { reason, .. } => reason,
        }
    }
}

/// One pool's exact state. `input` and `output` index [`Venue::tokens`]; amounts are atoms.
///
/// Every amount is what the venue's contract computes in its given-in and its given-out direction, rounding included:
/// they are two functions, and `amount_in(amount_out(x))` is not always `x`.
#[enum_dispatch]
pub trait Venue {
    /// The tokens that can be swapped.
    fn tokens(&self) -> &[Address];

    /// What `amount_in` buys when the input is given.
    ///
    /// # Errors
    /// When the contract would revert, or pay nothing.
    fn amount_out(&self, input: usize, output: usize, amount_in: U256) -> Result<U256, SwapError>;

    /// What `amount_out` costs when the output is given.
    ///
    /// # Errors
    /// When the contract would revert.
    fn amount_in(&self, input: usize, output: usize, amount_out: U256) -> Result<U256, SwapError>;

    /// Makes a swap: the state afterwards is the contract's. On an error the state is as it was.
    ///
    /// # Errors
    /// When the contract would revert.
    fn apply(&mut self, input: usize, output: usize, exact: Exact) -> Result<Swapped, SwapError>;
}

/// One market of any venue.
#[enum_dispatch(Venue, Face, Encode)]
#[derive(Debug, Clone)]
pub enum Market {
    /// x·y = k.
    ConstantProduct(ConstantProductPool),
    /// ∏ xᵢ^wᵢ = k.
    Weighted(WeightedPool),
    /// The StableSwap invariant.
    Stable(StablePool),
    /// Positions over ranges of ticks.
    Concentrated(ConcentratedPool),
    /// An order of another protocol.
    LimitOrder(LimitOrder),
}
