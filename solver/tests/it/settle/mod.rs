//! Settlements in an EVM with the real contracts: what comes of them is what was promised, to the wei.

pub mod case;
mod engine;
mod failures;
mod generated;
mod jit;
mod limits;
pub mod world;
