//! From what is asked to what is executed: liquidity and orders become a problem in value units, flows become exact swaps, swaps
//! become bids.

pub mod bid;
pub mod compile;
pub(crate) mod cycles;
pub(crate) mod direct;
pub mod liquidity;
pub mod plan;
mod policy;
pub mod prices;

pub use bid::Bid;
pub use liquidity::Liquidity;
pub use plan::{Plan, PlanError, Swap, Way};
