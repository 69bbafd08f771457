//! Differential tests: our arithmetic against the venues' own bytecode, in an EVM in this process.
//!
//! The contracts are not in the repository: `make contracts` installs them by exact version. Without them these tests
//! fail; they never skip.

// What goes wrong in a test should end it, and what it has counted should be seen.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod balancer;
mod erc20;
mod evm;
mod random;

mod concentrated;
mod constant_product;
mod limit_order;
mod stable;
mod weighted;
