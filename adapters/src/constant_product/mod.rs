//! Pairs with x·y = k: Uniswap V2 and its forks.
//!
//! With reserves x and y and a part φ = n/d of the input that is kept for the swap (997/1000 for a fee of 0.3 %), the router's
//! library computes
//!
//! ```text
//! given in:   out = ⌊ n·in·y / (d·x + n·in) ⌋
//! given out:  in  = ⌊ d·x·out / (n·(y − out)) ⌋ + 1
//! ```
//!
//! Both depend on n/d alone, not on how far the fraction is reduced: 997/1000 and 997000/1000000 give the same integers. That
//! is why the fee of a pool, which arrives as a decimal, is enough to know what a fork with its own n and d computes.
//!
//! The pair itself only checks that (d·x' − (d − n)·in)·y'·d ≥ x·y·d² for the balances x', y' after the swap. Solved for
//! `out` that is the first formula, and the `+ 1` of the second is at least the rounding that it lacks; so neither
//! fails the check, and `out + 1` does.
//!
//! Sources: `UniswapV2Library.sol` and `UniswapV2Pair.sol`.

#[cfg(feature = "chain")]
pub mod chain;
mod curve;
mod encode;
mod pool;

pub use pool::ConstantProductPool;
