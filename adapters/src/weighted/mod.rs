//! Balancer V2 weighted pools, ∏ xᵢ^wᵢ = k, and the liquidity bootstrapping pools that share their arithmetic.
//!
//! With balances B and weights w of the input i and the output o, an input a of which a·(1 − fee) counts pays
//! B_o·(1 − (B_i ⁄ (B_i + a))^(w_i⁄w_o)); an output a costs B_i·((B_o ⁄ (B_o − a))^(w_o⁄w_i) − 1) ⁄ (1 − fee). Everything is
//! computed with 18 decimals, and every rounding favours the pool.
//!
//! The two versions differ in one place. `V0` takes every power through logarithms, and adds a relative 10⁻¹⁴ of itself to
//! it against their error. `V3Plus` multiplies when the exponent is exactly 1, 2 or 4, and is exact there but for rounding.
//!
//! Source: Balancer's `WeightedMath`, `FixedPoint` and `LogExpMath`, re-expressed; the differential tests hold them against
//! the deployed bytecode.

#[cfg(feature = "chain")]
pub mod chain;
mod curve;
mod encode;
mod pool;
#[cfg(test)]
mod tests;

pub use pool::WeightedPool;
