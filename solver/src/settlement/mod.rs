//! What makes a solution fit to be sent.

mod internalize;
mod limits;
mod verify;

pub use internalize::internalize;
pub use limits::{Exceeded, check, enforce};
pub use verify::{Fill, Verified, Violation, verify};
