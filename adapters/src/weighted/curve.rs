use alloy_primitives::U256;
use ballast_routing::curve::{Curve, PerCoin, Weighted};

use super::WeightedPool;
use crate::Venue;
use crate::face::{DEPTH_SHARE, Face, Quote};

/// The Vault's limit on one swap is 30 % of a balance; a little less leaves room for rounding.
const SHARE: f64 = 0.2999;

impl WeightedPool {
    /// Balance in atoms, and weight, of each coin.
    fn coins(&self) -> impl Iterator<Item = (f64, f64)> {
        (0..self.tokens().len()).map(|k| {
            let balance = self.balance(k).unwrap_or(U256::ZERO);
            (f64::from(balance), self.weight(k).unwrap_or_default().to_f64())
        })
    }
}

impl Face for WeightedPool {
    fn quotes(&self) -> PerCoin<Quote> {
        self.coins().map(|(balance, weight)| Quote { worth: weight / balance, depth: DEPTH_SHARE * balance }).collect()
    }

    fn curve(&self, units: &[f64]) -> Option<Curve> {
        let reserves: PerCoin<f64> = self.coins().zip(units).map(|((balance, _), unit)| balance * unit).collect();
        let weights: PerCoin<f64> = self.coins().map(|(_, weight)| weight).collect();
        Weighted::new(&reserves, &weights, self.fee().to_f64(), SHARE).map(Curve::Weighted)
    }
}
