//! What makes a solution fit to be sent, the call that settles it, and what came of it.

mod allowances;
pub mod encode;
#[cfg(feature = "evm")]
mod explain;
#[cfg(feature = "chain")]
mod key;
pub mod ledger;
#[cfg(feature = "chain")]
mod node;
#[cfg(feature = "chain")]
mod outcome;
mod settings;
#[cfg(feature = "evm")]
mod simulate;
#[cfg(feature = "chain")]
mod transaction;
mod verify;

pub use allowances::Allowances;
pub use encode::{Encoded, Encoder, Settlement};
#[cfg(feature = "chain")]
pub use key::{KeyError, KeyName};
#[cfg(feature = "chain")]
pub use node::{Node, SubmitError};
#[cfg(feature = "chain")]
pub use outcome::{Difference, Outcome, Traded, foreseen};
pub use settings::{Approvals, Contracts, Settings, Slippage};
#[cfg(feature = "evm")]
pub use simulate::{Delta, Simulation, Step, StepFailure, simulate};
#[cfg(feature = "chain")]
pub use transaction::{Signed, Terms};
mod internalize;
mod limits;
pub use internalize::internalize;
pub use limits::{Exceeded, check, enforce};
pub use verify::{Fill, ROUNDING_PARTS, Verified, Violation, verify};
