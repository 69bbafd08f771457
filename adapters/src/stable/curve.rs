use alloy_primitives::U256;
use ballast_routing::curve::{Curve, PerCoin, Stable};

use super::StablePool;
use crate::Venue;
use crate::face::{Face, Quote};

/// Near its centre a stable pool gives a good part of a balance before the price moves by 2 %.
const STABLE_DEPTH: f64 = 0.2;

impl StablePool {
    /// Balance in atoms, and scaled units for an atom, of each coin.
    fn coins(&self) -> impl Iterator<Item = (f64, f64)> {
        (0..self.tokens().len()).map(|k| {
            let balance = self.balance(k).unwrap_or(U256::ZERO);
            (f64::from(balance), self.scaling_factor(k).unwrap_or_default().to_f64() * 1e-18)
        })
    }

    /// The curve in which a scaled unit of coin k is worth `unit(k, scaled units for an atom)`.
    fn smooth(&self, unit: impl Fn(usize, f64) -> f64) -> Option<Stable> {
        let balances: PerCoin<f64> = self.coins().map(|(balance, scale)| balance * scale).collect();
        let units: PerCoin<f64> = self.coins().enumerate().map(|(k, (_, scale))| unit(k, scale)).collect();
        let ann = self.amplification().to_f64() * balances.len() as f64;
        Stable::new(&balances, &units, ann, self.fee().to_f64())
    }
}

impl Face for StablePool {
    fn quotes(&self) -> PerCoin<Quote> {
        let worth: PerCoin<f64> = self.smooth(|_, _| 1.0).map_or_else(PerCoin::new, |curve| curve.worths());
        self.coins().zip(worth).map(|((balance, scale), w)| Quote { worth: w * scale, depth: STABLE_DEPTH * balance }).collect()
    }

    fn curve(&self, units: &[f64]) -> Option<Curve> {
        if units.len() != self.tokens().len() {
            return None;
        }
        self.smooth(|k, scale| units[k] / scale).map(Curve::Stable)
    }
}
