//! Orders of another protocol that may be taken: 0x v4 limit orders.
//!
//! A maker offers M of one token for T of another, and a fill of f ≤ T moves
//!
//! ```text
//! maker → taker    ⌊ f·M / T ⌋
//! taker → maker    f
//! taker → fee recipient    ⌊ f·F / T ⌋
//! ```
//!
//! where F is `takerTokenFeeAmount`, paid in the taker's token on top of the fill. Here an input is all that leaves the
//! taker, as with every other venue. Since f is whole, fill and fee together cost ⌊f·(T + F)/T⌋, so that
//!
//! ```text
//! given in:   f = ⌊ ((in + 1)·T − 1) / (T + F) ⌋    the largest fill that costs at most `in`
//! given out:  f = ⌈ out·T / M ⌉                     the smallest fill that pays at least `out`
//! ```
//!
//! and the amounts of a swap are what such a fill costs and pays: with a fee, a given input may leave an atom or so untaken,
//! and a given output may be exceeded. Whoever encodes a fill passes f to the contract, not the input: see
//! [`LimitOrder::fill_of`].
//!
//! M, T and F are taken as they arrive. If they are those of the signed order, the formulas are the contract's own; if
//! they were scaled down to what an earlier fill left, rounding has made the maker's part smaller, and the contract
//! pays at least what is said here.
//!
//! Source: `NativeOrdersSettlement.sol` of the 0x protocol (`_settleOrder`, `_fillLimitOrderPrivate`).

mod curve;
mod encode;
mod pool;

pub use encode::{Signature, SignedOrder, Terms};
pub use pool::LimitOrder;
