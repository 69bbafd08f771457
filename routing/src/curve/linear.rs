//! A fixed rate up to an amount.

use super::{PairResponse, positive};

/// An order at a fixed rate: f(x) = p·x for x ≤ cap, from coin 0 to coin 1.
///
#[derive(Debug, Clone, Copy)]
pub struct Linear {
    rate: f64,
    cap: f64,
}

impl Linear {
    /// An order that pays `rate` units for each unit, up to `cap` units; `None` if either is not positive.
    pub fn new(rate: f64, cap: f64) -> Option<Self> {
        (positive(rate) && positive(cap)).then_some(Self { rate, cap })
    }

    pub(super) fn rate(&self, i: usize) -> f64 {
        if i == 0 { self.rate } else { 0.0 }
    }

    pub(super) fn cap(&self, i: usize) -> f64 {
        if i == 0 { self.cap } else { 0.0 }
    }

    /// The response to the marginal price `m`.
    ///
    /// A linear curve answers a price with all or nothing, which no Newton step can follow. This is the response of
    /// f(x) = p·x·(1 − ε·x/(2·cap)) instead, the marginal rate falling by `epsilon` over the cap; the linear programme, which
    /// needs no smoothing, has the last word.
    pub fn respond(&self, i: usize, m: f64, epsilon: f64) -> PairResponse {
        if i != 0 {
            return PairResponse::default();
        }
        let full = (1.0 - m / self.rate) / epsilon;
        if full <= 0.0 {
            return PairResponse::default();
        }
        let (share, slope) = if full < 1.0 { (full, self.cap / (epsilon * self.rate)) } else { (1.0, 0.0) };
        let input = share * self.cap;
        PairResponse { input, output: self.rate * input * (1.0 - 0.5 * epsilon * share), slope }
    }

    pub(super) fn output(&self, i: usize, input: f64) -> f64 {
        if i == 0 { self.rate * input.min(self.cap) } else { 0.0 }
    }
}
