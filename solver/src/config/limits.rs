use documented::{Documented, DocumentedFields};
use serde::{Deserialize, Serialize};

use super::Invalid;

/// What one solution may risk; a solution beyond it is dropped. Values are in units of the native token where nothing else is said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Documented, DocumentedFields)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// The most that is traded: what all of a solution's orders pay.
    pub max_notional: f64,
    /// The most that slippage is expected to cost: `slippage_bps` of all that the swaps take in.
    pub max_slippage_loss: f64,
    /// What a swap is expected to lose between solving and settling, in basis points of what it takes in.
    pub slippage_bps: f64,
    /// The most gas.
    pub max_gas: u64,
    /// How far a clearing price may be from the auction's reference price, either way, as a factor.
    pub max_price_factor: f64,
    /// Whether a swap may be left to the settlement contract's own balance, where its input token is trusted and what it has of the
    /// output token is enough.
    pub internalize: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_notional: 5_000.0,
            max_slippage_loss: 5.0,
            slippage_bps: 2.0,
            max_gas: 1 << 24,
            max_price_factor: 2.0,
            internalize: false,
        }
    }
}

impl Limits {
    pub(super) fn check(&self) -> Result<(), Invalid> {
        let above_one = self.max_price_factor.is_finite() && self.max_price_factor > 1.0;
        Invalid::unless(above_one, "limits.max_price_factor", "expected a number above 1")?;
        for (key, value) in [
            ("limits.max_notional", self.max_notional),
            ("limits.max_slippage_loss", self.max_slippage_loss),
            ("limits.slippage_bps", self.slippage_bps),
        ] {
            Invalid::unless_amount(value, key)?;
        }
        Ok(())
    }
}
