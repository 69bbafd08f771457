//! ∏ xᵢ^wᵢ = k.

use super::{PairResponse, PerCoin, Response, positive};

/// A weighted pool of 2 to 8 coins.
///
/// The set of trades is ∏ (R_k + γ·in_k − out_k)^w_k ≥ ∏ R_k^w_k, with in_k and out_k at most a share κ of the balance.
/// A single pass over the pool, coins in or out but never both, lies in this set.
#[derive(Debug, Clone)]
pub struct Weighted {
    reserves: PerCoin<f64>,
    weights: PerCoin<f64>,
    /// ln(R/w).
    level: PerCoin<f64>,
    gamma: f64,
    /// κ.
    share: f64,
    /// −ln γ, and the logarithms of what the most that may be paid out, or taken in, leaves of a balance.
    fee: f64,
    floor: f64,
    ceiling: f64,
}

impl Weighted {
    /// A pool with these reserves (value units), weights (any scale) and fee; one pass moves at most `share` of a balance.
    /// `None` if a number is out of its range or the lengths differ.
    pub fn new(reserves: &[f64], weights: &[f64], fee: f64, share: f64) -> Option<Self> {
        let sane = reserves.len() == weights.len()
            && (2..=super::MAX_COINS).contains(&reserves.len())
            && reserves.iter().chain(weights).all(|&x| positive(x))
            && (0.0..1.0).contains(&fee)
            && share > 0.0
            && share < 1.0;
        sane.then(|| Self {
            reserves: reserves.iter().copied().collect(),
            weights: weights.iter().copied().collect(),
            level: reserves.iter().zip(weights).map(|(r, w)| (r / w).ln()).collect(),
            gamma: 1.0 - fee,
            share,
            fee: -(-fee).ln_1p(),
            floor: (-share).ln_1p(),
            ceiling: ((1.0 - fee) * share).ln_1p(),
        })
    }

    pub(super) fn coins(&self) -> usize {
        self.reserves.len()
    }

    pub(super) fn rate(&self, i: usize, j: usize) -> f64 {
        self.gamma * (self.weights[i] * self.reserves[j]) / (self.weights[j] * self.reserves[i])
    }

    pub(super) fn cap(&self, i: usize, j: usize) -> f64 {
        // The output's cap as input: R_i·((1 − κ)^(−w_j/w_i) − 1)/γ.
        let other = ((1.0 - self.share).powf(-self.weights[j] / self.weights[i]) - 1.0) / self.gamma;
        self.reserves[i] * self.share.min(other)
    }

    // With a = w_i/w_o and t = R_i + γx: f′ = R_o·a·γ/t·(R_i/t)^a = m, so that (R_i/t)^a = m·t/(a·γ·R_o), and −f″ = (1+a)·γ·m/t.
    pub(super) fn respond_pair(&self, i: usize, j: usize, m: f64) -> PairResponse {
        let (ri, ro, gamma) = (self.reserves[i], self.reserves[j], self.gamma);
        let a = self.weights[i] / self.weights[j];
        let ratio = a * gamma * ro / (m * ri);
        if ratio <= 1.0 {
            return PairResponse::default();
        }
        let t = ri * if a == 1.0 { ratio.sqrt() } else { ratio.powf(1.0 / (1.0 + a)) };
        let input = (t - ri) / gamma;
        let output = ro - m * t / (a * gamma);
        if input <= self.share * ri && output <= self.share * ro {
            return PairResponse { input, output, slope: t / ((1.0 + a) * gamma * m) };
        }
        let input = self.cap(i, j);
        PairResponse { input, output: self.output(i, j, input), slope: 0.0 }
    }

    pub(super) fn output(&self, i: usize, j: usize, input: f64) -> f64 {
        let ri = self.reserves[i];
        let a = self.weights[i] / self.weights[j];
        let rest = -a * (self.gamma * input.min(self.share * ri) / ri).ln_1p();
        self.reserves[j] * (-rest.exp_m1()).min(self.share)
    }

    pub(super) fn complete(&self, trade: &mut [f64], j: usize) -> bool {
        // r_k/R_k − 1.
        let part = |k: usize, z: f64| if z > 0.0 { -z / self.reserves[k] } else { -self.gamma * z / self.reserves[k] };
        let others = (0..trade.len()).filter(|&k| k != j).map(|k| self.weights[k] * part(k, trade[k]).ln_1p());
        let change = self.reserves[j] * (-others.sum::<f64>() / self.weights[j]).exp_m1();
        trade[j] = if change < 0.0 { -change } else { -change / self.gamma };
        trade.iter().zip(&self.reserves).all(|(z, reserve)| z.abs() <= self.share * reserve)
    }

    // A coin may be priced anywhere from what it is paid out at to what it is taken in at, as if there were no fee, for a profit that is no
    // less; so within s of each other. Without a fee the profit is A − G, the weighted means (arithmetic and geometric) of what the balances
    // are worth by their weights; their logarithms are within s, so that ln(A/G) ≤ s²/8 (Hoeffding's lemma).
    pub(super) fn most_profit(&self, nu: &[f64], spread: f64) -> f64 {
        let worth: f64 = self.reserves.iter().zip(nu).map(|(r, n)| r * n).sum();
        worth / self.gamma * spread * spread / 8.0
    }

    // Minimise Σ p_k·r_k over the level set, p_k = ν_k for coins paid out and ν_k/γ for coins taken in. With the multiplier
    // λ = e^ℓ: r_k = λ·w_k/p_k, that is ln(r_k/R_k) = ℓ − ln(p_k·R_k/w_k), where it has the right sign, else 0. The invariant
    // asks Σ w_k·ln(r_k/R_k) = 0: increasing and piecewise linear in ℓ.
    pub(super) fn respond(&self, nu: &[f64], allowed: u8, out: &mut Response) {
        let n = self.coins();
        out.clear(n);
        let Self { fee, floor, ceiling, .. } = *self;
        let coins = || (0..n).filter(|k| allowed & (1 << k) != 0);
        let mut pay = PerCoin::<f64>::new();
        for k in 0..n {
            pay.push(self.level[k] + nu[k].ln());
        }
        let (low, high) = coins().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), k| (l.min(pay[k]), h.max(pay[k])));
        if high <= low + fee {
            return;
        }
        // ln(r_k/R_k) at ℓ, and whether it moves with ℓ.
        let moved = |k: usize, l: f64| -> (f64, bool) {
            let (down, up) = (l - pay[k], l - pay[k] - fee);
            if down < 0.0 {
                if down > floor { (down, true) } else { (floor, false) }
            } else if up > 0.0 {
                if up < ceiling { (up, true) } else { (ceiling, false) }
            } else {
                (0.0, false)
            }
        };
        // The root lies between the lowest coin's entry and the highest coin's exit; Newton on a piecewise linear function
        // ends after finitely many steps, and the bracket keeps it from cycling.
        let (mut below, mut above) = (low + fee, high);
        let mut l = 0.5 * (below + above);
        for _ in 0..64 {
            let (mut value, mut slope) = (0.0, 0.0);
            for k in coins() {
                let (log, moves) = moved(k, l);
                value += self.weights[k] * log;
                if moves {
                    slope += self.weights[k];
                }
            }
            if value < 0.0 {
                below = l;
            } else {
                above = l;
            }
            let newton = l - value / slope;
            if (newton - l).abs() <= 1e-15 * l.abs().max(1.0) {
                break;
            }
            l = if newton > below && newton < above { newton } else { 0.5 * (below + above) };
        }
        let mut total = 0.0;
        let mut moving = [false; super::MAX_COINS];
        for k in coins() {
            let (log, moves) = moved(k, l);
            if log == 0.0 {
                continue;
            }
            let change = self.reserves[k] * log.exp_m1();
            out.trade[k] = if change < 0.0 { -change } else { -change / self.gamma };
            moving[k] = moves;
            if moves {
                total += self.weights[k];
            }
        }
        // ∂z_k/∂ν_j = λ·w_k/(ν_k·ν_j)·(δ_kj − w_j/Σw) over the coins that move.
        let lambda = l.exp();
        for k in coins().filter(|&k| moving[k]) {
            for j in coins().filter(|&j| moving[j]) {
                let delta = if k == j { 1.0 } else { 0.0 };
                out.hessian[k * n + j] = lambda * self.weights[k] / (nu[k] * nu[j]) * (delta - self.weights[j] / total);
            }
        }
    }
}
