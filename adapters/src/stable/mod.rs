//! Balancer V2 stable pools: the StableSwap invariant D over balances that are scaled by decimals and rates.
//!
//! A swap keeps D: the input's scaled balance grows by the input less the fee, and the output's falls to what D and the other
//! balances ask for, rounded up, and one unit of 10⁻¹⁸ less is paid (or more is asked, when the output is given). There is no
//! limit of 30 % as in weighted pools. The equation and its order of operations are in `invariant`.
//!
//! # Which arithmetic
//!
//! The contracts compute D in two ways, and the auction does not say which a pool has:
//!
//! | contracts | D | own token listed |
//! |---|---|---|
//! | StablePool (June 2021), MetaStablePool (July 2021) | first: divisions round up | no |
//! | StablePhantomPool (December 2021) | first | yes |
//! | StablePool v2 (June 2022) | later: divisions round down | no |
//! | ComposableStablePool (2022 on) | later | yes |
//!
//! All else is the same function in all of them, scaling included: a rate is part of the scaling factor, 1 where there is none.
//!
//! A pool that lists its own token is taken for a composable one, and answered to the wei. A pool that does not may be of either
//! kind, or a composable one whose own token was dropped on the way; it is answered with what both arithmetics grant, the smaller
//! output and the larger input, and is refused when either does not converge. That is the first contracts' own answer in all but
//! one of a thousand swaps, and some 10⁻¹⁸ units less than the later contracts pay. The first arithmetic begins to oscillate when
//! balances are about a hundred times apart, where such a contract reverts; a later one would go on, and is missed.
//!
//! Phantom pools are the exception: they would be promised some 10⁻¹⁸ units too much. They were given up in 2022, and drivers do
//! not send them.
//!
//! The own token is never swapped: its price is that of a join, which needs the pool's supply.
//!
//! Source: Balancer's `StableMath`, re-expressed; the differential tests hold it against the deployed bytecode.

#[cfg(feature = "chain")]
pub mod chain;
mod curve;
mod encode;
mod invariant;
mod pool;
#[cfg(test)]
mod tests;

pub use pool::StablePool;
