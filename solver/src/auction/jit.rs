use alloy_primitives::Address;
use ballast_wire as wire;

/// What sets an order apart that comes with the solution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Jit {
    /// What was signed, as the reply carries it.
    pub order: wire::JitOrder,
    /// Who signed it.
    pub owner: Address,
    /// Whether its surplus is scored: the auction lists its owner.
    pub captures_surplus: bool,
}
