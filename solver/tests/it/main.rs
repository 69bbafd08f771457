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

mod cli;
mod hostile;
mod mutations;
mod poisoned;
mod properties;
#[cfg(feature = "serve")]
mod serve;
mod support;
mod tiny;
