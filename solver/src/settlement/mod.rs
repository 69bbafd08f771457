//! What makes a solution fit to be sent, the call that settles it, and what came of it.

mod allowances;
pub mod encode;
#[cfg(feature = "evm")]
mod explain;
pub mod ledger;
mod settings;
#[cfg(feature = "evm")]
mod simulate;
mod verify;

pub use allowances::Allowances;
pub use encode::{Encoded, Encoder, Settlement};
pub use settings::{Approvals, Contracts, Settings, Slippage};
#[cfg(feature = "evm")]
pub use simulate::{Delta, Simulation, Step, StepFailure, simulate};
pub use verify::{Fill, Verified, Violation, verify};
