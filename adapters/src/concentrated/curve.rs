use ballast_routing::curve::{Curve, PerCoin, Range, Ticks};

use super::ConcentratedPool;
use crate::face::{Face, Quote};

/// 2⁻⁹⁶.
const Q96: f64 = 1.0 / 79_228_162_514_264_337_593_543_950_336.0;
/// Half of 2 %, as a move of the square root of the price.
const ROOT_MOVE: f64 = 1.01;

impl ConcentratedPool {
    fn root(&self) -> f64 {
        f64::from(self.sqrt_price()) * Q96
    }

    /// Atoms of token 0 between √price `from` and the 2 % above it, and of token 1 in the 2 % below.
    fn near(&self, from: f64) -> [f64; 2] {
        let (top, bottom) = (from * ROOT_MOVE, from / ROOT_MOVE);
        let at = self.ticks_below();
        let mut depth = [0.0; 2];
        let (mut low, mut liquidity) = (from, self.liquidity() as f64);
        for tick in self.ticks().iter().skip(at) {
            let high = (f64::from(tick.sqrt_price) * Q96).clamp(low, top);
            depth[0] += liquidity * (high - low) / (high * low);
            (low, liquidity) = (high, tick.above as f64);
            if high >= top {
                break;
            }
        }
        let mut high = from;
        for tick in self.ticks().iter().take(at).rev() {
            let low = (f64::from(tick.sqrt_price) * Q96).clamp(bottom, high);
            depth[1] += tick.above as f64 * (high - low);
            high = low;
            if low <= bottom {
                break;
            }
        }
        depth
    }
}

impl Face for ConcentratedPool {
    fn quotes(&self) -> PerCoin<Quote> {
        let root = self.root();
        let [d0, d1] = self.near(root);
        [Quote { worth: root * root, depth: d0 }, Quote { worth: 1.0, depth: d1 }].into_iter().collect()
    }

    fn curve(&self, units: &[f64]) -> Option<Curve> {
        let &[u0, u1] = units else { return None };
        // price: units of 1 for a unit of 0; liquidity: √(units of 0 · units of 1).
        let (by_root, by_liquidity) = ((u1 / u0).sqrt() * Q96, (u0 * u1).sqrt());
        let ranges: Vec<Range> = self
            .ticks()
            .windows(2)
            .filter_map(|pair| {
                let [low, high] = pair else { return None };
                Some(Range {
                    lower: f64::from(low.sqrt_price) * by_root,
                    upper: f64::from(high.sqrt_price) * by_root,
                    liquidity: low.above as f64 * by_liquidity,
                })
            })
            .collect();
        Ticks::new(f64::from(self.sqrt_price()) * by_root, &ranges, f64::from(self.fee_pips()) * 1e-6).map(Curve::Ticks)
    }
}
