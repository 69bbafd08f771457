//! Optimal routing.

mod budget;
pub mod curve;
mod dual;
mod market;
mod path;
mod problem;
mod program;
mod solve;
mod view;

pub use budget::Budget;
pub use market::{MarketError, MarketId, Markets, Token};
pub use path::{Hop, Hops, Path, best_path};
pub use problem::{Certificate, Flow, GasPrice, Limit, Outcome, Problem, Status, Wanted};
pub use program::ProgramError;
pub use solve::{Snapshot, clearing_prices, solve};
