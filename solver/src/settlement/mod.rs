//! What makes a solution fit to be sent.

mod verify;

pub use verify::{Fill, Verified, Violation, verify};
