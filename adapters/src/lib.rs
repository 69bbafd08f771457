//! Venues: what a pool's contract pays, to the wei, and the smooth curve that the optimiser sees of it.
//!
//! One folder a venue: `pool` holds the exact integers, `curve` the face towards [`ballast_routing`], `encode` the calls on
//! chain, `chain` (with the feature of that name) reads pools from a node.

pub mod balancer;
#[cfg(feature = "chain")]
pub mod chain;
pub mod concentrated;
pub mod constant_product;
pub mod encode;
pub mod erc20;
#[cfg(feature = "evm")]
pub mod evm;
mod face;
mod fixed_point;
pub mod limit_order;
pub mod revert;
pub mod stable;
mod venue;
pub mod weighted;

pub use face::{Face, Quote};
pub use venue::{Exact, Market, PoolError, SwapError, Swapped, Venue};
