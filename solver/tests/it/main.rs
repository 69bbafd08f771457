//! The engine as a whole: generated auctions, the command line, hostile input.
//!
//! Every auction comes from `ballast-fixtures` and a seed.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, and prints what it measured"
)]

mod archived;
mod batches;
mod cli;
#[cfg(feature = "chain")]
mod devnet;
mod hostile;
#[cfg(feature = "evm")]
mod intent;
mod jit;
mod mutated;
mod mutations;
#[cfg(feature = "chain")]
mod on_chain;
mod poisoned;
mod properties;
#[cfg(feature = "chain")]
mod rebalanced;
#[cfg(feature = "serve")]
mod serve;
#[cfg(feature = "serve")]
mod service;
#[cfg(feature = "evm")]
mod settle;
mod support;
mod tiny;
