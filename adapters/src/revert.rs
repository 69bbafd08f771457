//! Why a call failed, in words.

use std::fmt;

use alloy_primitives::{Bytes, U256};
use alloy_sol_types::{Panic, Revert, SolError};

/// Why a call failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// `revert` or `require` with a text, such as `BAL#304`.
    Reason(String),
    /// Solidity's own check: division by zero, overflow, …
    Panic(U256),
    /// `revert` with anything else; empty for a bare `require`.
    Data(Bytes),
    /// No `revert`: out of gas, `invalid`, …
    Halt(String),
}

impl Failure {
    /// Reads the data that a `revert` returned.
    pub fn of_revert(data: Bytes) -> Self {
        if let Ok(revert) = Revert::abi_decode(&data) {
            Self::Reason(revert.reason)
        } else if let Ok(panic) = Panic::abi_decode(&data) {
            Self::Panic(panic.code)
        } else {
            Self::Data(data)
        }
    }

    /// The text of a `revert` with one.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Reason(reason) => Some(reason),
            _ => None,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reason(reason) => write!(f, "reverted: {reason}"),
            Self::Panic(code) => write!(f, "panicked: {code}"),
            Self::Data(data) if data.is_empty() => f.write_str("reverted without a reason"),
            Self::Data(data) => write!(f, "reverted with {data}"),
            Self::Halt(reason) => write!(f, "halted: {reason}"),
        }
    }
}
