//! The optimiser from outside: random instances, bounds, brute force.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, and prints what it measured"
)]

mod basket;
mod batch;
mod instances;
mod prices;
mod solve;
