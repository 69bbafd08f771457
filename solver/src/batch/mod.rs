//! From what is asked to what is executed: liquidity and orders become a problem in value units, flows become exact swaps, swaps
//! become bids.

pub mod bid;
pub mod compile;
pub(crate) mod cycles;
pub(crate) mod direct;
pub(crate) mod execute;
pub mod joint;
pub mod liquidity;
pub mod plan;
mod policy;
pub mod prices;
mod reference;
pub(crate) mod step;

pub use bid::Bid;
pub use cycles::Arbitrage;
pub use joint::{Joint, Welfare};
pub use liquidity::Liquidity;
pub use plan::{Plan, PlanError};
pub use step::{Swap, Way};
