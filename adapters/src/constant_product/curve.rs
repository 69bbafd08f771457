use ballast_routing::curve::{Curve, PerCoin, Product};

use super::ConstantProductPool;
use crate::face::{DEPTH_SHARE, Face, Quote};

impl Face for ConstantProductPool {
    fn quotes(&self) -> PerCoin<Quote> {
        self.reserves().iter().map(|&r| Quote { worth: 1.0 / r as f64, depth: DEPTH_SHARE * r as f64 }).collect()
    }

    fn curve(&self, units: &[f64]) -> Option<Curve> {
        let &[u0, u1] = units else { return None };
        let [r0, r1] = self.reserves();
        let (kept, of) = self.kept();
        Product::new([r0 as f64 * u0, r1 as f64 * u1], 1.0 - kept as f64 / of as f64).map(Curve::Product)
    }
}
