use ballast_routing::curve::{Curve, Linear, PerCoin};

use super::LimitOrder;
use crate::face::{Face, Quote};

impl LimitOrder {
    /// Maker's atoms for an atom of the taker's, the fee included.
    fn price(&self) -> f64 {
        self.maker_amount() as f64 / (self.taker_amount() as f64 + self.taker_fee() as f64)
    }

    /// Taker's atoms that the order can still take in, the fee included.
    fn most(&self) -> f64 {
        self.left() as f64 * (1.0 + self.taker_fee() as f64 / self.taker_amount() as f64)
    }
}

impl Face for LimitOrder {
    fn quotes(&self) -> PerCoin<Quote> {
        // Whatever its size, one order says little of a price.
        [Quote { worth: self.price(), depth: 0.0 }, Quote { worth: 1.0, depth: 0.0 }].into_iter().collect()
    }

    fn curve(&self, units: &[f64]) -> Option<Curve> {
        let &[u0, u1] = units else { return None };
        Linear::new(self.price() * u1 / u0, self.most() * u0).map(Curve::Linear)
    }
}
