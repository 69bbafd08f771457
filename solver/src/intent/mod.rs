//! Rebalancing intents: what an owner signs, and the call that settles it.
//!
//! [`ballast_wire::intent::Intent`] is what is read and written. [`typed`] turns it into the struct of the settlement contract
//! (`solver/contracts`), whose EIP-712 [`digest`] the contract computes as well; `check_signature` holds a signature against it, [`Plan`]
//! becomes the contract's `execute`, and `simulate` says in an EVM what would come of it. [`import`] reads what other protocols publish.
//!
//! ```text
//! Reserve, Symmetry ─► import ─┐
//! JSON ─► wire::intent::Intent ┴─► typed, digest ─► check_signature
//! swaps ─► Plan ─► execute ─► simulate ─► Outcome: weights, values, loss, credit, fee
//! ```
//!
//! [`size`] finds the swaps of one vault; [`together`] solves many intents and orders in one batch.

pub mod abi;
mod basket;
#[cfg(feature = "chain")]
mod call;
mod costs;
#[cfg(feature = "chain")]
mod feed;
pub mod import;
pub mod judge;
pub mod orders;
mod plan;
pub mod portfolio;
#[cfg(feature = "evm")]
mod signature;
#[cfg(feature = "evm")]
mod simulate;
pub mod size;
pub mod state;
pub mod together;
mod typed;
#[cfg(feature = "chain")]
mod vault;

pub use basket::{Task, is_narrow, narrowed};
#[cfg(feature = "chain")]
pub use call::CallError;
pub use costs::Costs;
#[cfg(feature = "serve")]
pub(crate) use feed::{Prices, Quote, feeds};
pub use judge::Moment;
pub use plan::{Execute, Plan, PlanError, as_executor, executor};
#[cfg(feature = "serve")]
pub(crate) use signature::signed;
#[cfg(feature = "evm")]
pub use signature::{SignatureError, check_signature};
#[cfg(feature = "evm")]
pub use simulate::{Simulated, Verdict, simulate};
pub use typed::{cancellation, digest, domain, typed};
#[cfg(feature = "serve")]
pub(crate) use vault::Vault;
#[cfg(feature = "chain")]
pub use vault::VaultError;
