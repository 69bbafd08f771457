use alloy_primitives::Address;
use documented::{Documented, DocumentedFields};
use serde::{Deserialize, Serialize};

use super::{Invalid, Limits};

/// How the engine behaves. Values are in units of the native token where nothing else is said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Documented, DocumentedFields)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Gas of a settlement before its first swap: one trade in, one out.
    pub settlement_gas: u64,
    /// Gas of each further trade of a settlement.
    pub trade_gas: u64,
    /// A pool whose price is off the consensus of deeper pools by more than this factor is not traded with.
    pub quarantine_factor: f64,
    /// The most that closed cycles may earn from one pool in one solution; a pool that gives more is not trusted.
    pub max_arbitrage_per_pool: f64,
    /// The most that closed cycles may earn in one solution of an auction.
    pub max_arbitrage_per_auction: f64,
    /// Tokens that are not touched.
    pub denied_tokens: Vec<Address>,
    /// Pools that are not touched, by contract.
    pub denied_pools: Vec<Address>,
    /// The least worth of an order's surplus, below which it is not worth a settlement.
    pub min_surplus: f64,
    /// Whether orders are settled together where they gain by it, and bids looked at that may win together.
    pub batch: bool,
    /// Looks at markets that one order may take: the same on every machine.
    pub work_per_order: u64,
    /// Looks at markets that all orders together may take.
    pub work_per_batch: u64,
    /// The most gas of a batch: that of `limits.max_gas`.
    #[serde(skip)]
    pub max_gas: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            settlement_gas: 106_391,
            trade_gas: 49_200,
            quarantine_factor: 2.0,
            max_arbitrage_per_pool: 2.0,
            max_arbitrage_per_auction: 20.0,
            denied_tokens: Vec::new(),
            denied_pools: Vec::new(),
            min_surplus: 0.0,
            batch: true,
            work_per_order: 40_000_000,
            work_per_batch: 40_000_000,
            max_gas: Limits::default().max_gas,
        }
    }
}

impl Config {
    pub(super) fn check(&self) -> Result<(), Invalid> {
        let above_one = self.quarantine_factor.is_finite() && self.quarantine_factor > 1.0;
        Invalid::unless(above_one, "engine.quarantine_factor", "expected a number above 1")?;
        for (key, value) in [
            ("engine.max_arbitrage_per_pool", self.max_arbitrage_per_pool),
            ("engine.max_arbitrage_per_auction", self.max_arbitrage_per_auction),
            ("engine.min_surplus", self.min_surplus),
        ] {
            Invalid::unless_amount(value, key)?;
        }
        Ok(())
    }
}
