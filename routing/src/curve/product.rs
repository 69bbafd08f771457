//! x·y = k.

use super::{PairResponse, positive};

/// Inputs beyond this multiple of the reserve are not considered: the pool would pay its last per cent.
const CAP: f64 = 50.0;

/// A constant-product pool: f(x) = R_o·γx / (R_i + γx).
#[derive(Debug, Clone, Copy)]
pub struct Product {
    reserves: [f64; 2],
    gamma: f64,
}

impl Product {
    /// A pool with these reserves, in value units; `None` if they are not positive or the fee is not in [0, 1).
    pub fn new(reserves: [f64; 2], fee: f64) -> Option<Self> {
        (reserves.into_iter().all(positive) && (0.0..1.0).contains(&fee)).then_some(Self { reserves, gamma: 1.0 - fee })
    }

    pub(super) fn rate(&self, i: usize, j: usize) -> f64 {
        self.gamma * self.reserves[j] / self.reserves[i]
    }

    pub(super) fn cap(&self, i: usize) -> f64 {
        CAP * self.reserves[i]
    }

    // With t = R_i + γx: f′ = γ·R_i·R_o/t² = m gives t, and −f″ = 2γm/t.
    pub(super) fn respond(&self, i: usize, j: usize, m: f64) -> PairResponse {
        let (ri, ro, gamma) = (self.reserves[i], self.reserves[j], self.gamma);
        let t = (gamma * ri * ro / m).sqrt();
        let input = (t - ri) / gamma;
        if input <= 0.0 {
            PairResponse::default()
        } else if input < CAP * ri {
            PairResponse { input, output: ro * (t - ri) / t, slope: t / (2.0 * gamma * m) }
        } else {
            PairResponse { input: CAP * ri, output: self.output(i, j, CAP * ri), slope: 0.0 }
        }
    }

    pub(super) fn output(&self, i: usize, j: usize, input: f64) -> f64 {
        let net = self.gamma * input.min(CAP * self.reserves[i]);
        self.reserves[j] * net / (self.reserves[i] + net)
    }
}
