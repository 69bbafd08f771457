//! The StableSwap invariant A·n·Σx + D = A·n·D + D^(n+1)/(nⁿ·∏x).

use super::{PairResponse, PerCoin, Response, positive};

/// Inputs beyond this multiple of the balance are not considered.
const CAP: f64 = 20.0;

/// A stable pool of 2 to 8 coins.
///
/// With D fixed, the pool's balances x stay in {x : G(x) = A·n·Σx − D^(n+1)/(nⁿ∏x) ≥ const}: a convex set whose gradient is
/// g_k = A·n + q/x_k with q = D^(n+1)/(nⁿ∏x). The fee is taken off the input.
#[derive(Debug, Clone)]
pub struct Stable {
    /// Balances after scaling: the units of the invariant.
    balances: PerCoin<f64>,
    /// Value units of a scaled unit.
    unit: PerCoin<f64>,
    /// A·n.
    ann: f64,
    invariant: f64,
    /// q at the current balances.
    product: f64,
    gamma: f64,
}

impl Stable {
    /// A pool with these scaled balances, the value of a scaled unit of each coin, amplification A·n (as the contract means
    /// A) and fee. `None` if a number is out of its range, the lengths differ, or the invariant does not converge.
    pub fn new(balances: &[f64], unit: &[f64], ann: f64, fee: f64) -> Option<Self> {
        let sane = balances.len() == unit.len()
            && (2..=super::MAX_COINS).contains(&balances.len())
            && balances.iter().chain(unit).all(|&x| positive(x))
            && positive(ann)
            && (0.0..1.0).contains(&fee);
        if !sane {
            return None;
        }
        let invariant = invariant(balances, ann)?;
        let n = balances.len() as f64;
        // D^(n+1)/(nⁿ∏x), factor by factor: the powers alone leave the range of a double.
        let product = balances.iter().fold(invariant, |q, x| q * invariant / (n * x));
        positive(product).then(|| Self {
            balances: balances.iter().copied().collect(),
            unit: unit.iter().copied().collect(),
            ann,
            invariant,
            product,
            gamma: 1.0 - fee,
        })
    }

    pub(super) fn coins(&self) -> usize {
        self.balances.len()
    }

    /// Marginal worth of a scaled unit of each coin, up to a common factor.
    pub fn worths(&self) -> PerCoin<f64> {
        (0..self.coins()).map(|k| self.gradient(k)).collect()
    }

    fn gradient(&self, k: usize) -> f64 {
        self.ann + self.product / self.balances[k]
    }

    pub(super) fn rate(&self, i: usize, j: usize) -> f64 {
        self.gamma * self.gradient(i) * self.unit[j] / (self.gradient(j) * self.unit[i])
    }

    pub(super) fn cap(&self, i: usize) -> f64 {
        CAP * self.balances[i] * self.unit[i]
    }

    /// The balance of `j` when that of `i` is `x`, the others as they are.
    fn balance(&self, i: usize, j: usize, x: f64) -> f64 {
        self.balance_beside(j, |k| if k == i { x } else { self.balances[k] })
    }

    /// The balance of `j` beside those of the other coins: with S and P their sum and product,
    /// A·n·y² + (A·n·S − (A·n − 1)·D)·y = D^(n+1)/(nⁿ·P).
    fn balance_beside(&self, j: usize, other: impl Fn(usize) -> f64) -> f64 {
        let n = self.coins() as f64;
        let (mut sum, mut c) = (0.0, self.invariant / (n * self.ann));
        for k in (0..self.coins()).filter(|&k| k != j) {
            sum += other(k);
            c *= self.invariant / (n * other(k));
        }
        let b = sum + self.invariant / self.ann - self.invariant;
        // c·D is D^(n+1)/(nⁿ·P·A·n); the root that does not cancel.
        let root = (b * b + 4.0 * c * self.invariant).sqrt();
        if b > 0.0 { 2.0 * c * self.invariant / (b + root) } else { 0.5 * (root - b) }
    }

    pub(super) fn output(&self, i: usize, j: usize, input: f64) -> f64 {
        let x = self.balances[i] + self.gamma * (input / self.unit[i]).min(CAP * self.balances[i]);
        ((self.balances[j] - self.balance(i, j, x)) * self.unit[j]).max(0.0)
    }

    pub(super) fn complete(&self, trade: &mut [f64], j: usize) -> bool {
        let moved = |k: usize, z: f64| -(if z > 0.0 { z } else { self.gamma * z }) / self.unit[k];
        let change = self.balance_beside(j, |k| self.balances[k] + moved(k, trade[k])) - self.balances[j];
        trade[j] = self.unit[j] * if change < 0.0 { -change } else { -change / self.gamma };
        (0..trade.len()).all(|k| (-self.balances[k]..self.gamma * CAP * self.balances[k]).contains(&moved(k, trade[k])))
    }

    // In scaled units the marginal price is g_i/g_j; find x where γ·g_i/g_j meets the scaled m.
    pub(super) fn respond_pair(&self, i: usize, j: usize, m: f64) -> PairResponse {
        let goal = m * self.unit[i] / (self.unit[j] * self.gamma);
        let (x0, y0) = (self.balances[i], self.balances[j]);
        if self.gradient(i) <= goal * self.gradient(j) {
            return PairResponse::default();
        }
        // q scales with 1/(x·y) while the other coins rest.
        let q = |x: f64, y: f64| self.product * (x0 / x) * (y0 / y);
        let slope_at = |x: f64, y: f64| (self.ann + q(x, y) / x) / (self.ann + q(x, y) / y);
        let (mut low, mut high) = (x0, x0 * (1.0 + self.gamma * CAP));
        let mut x = 1.01 * x0;
        let mut y = self.balance(i, j, x);
        for _ in 0..100 {
            let s = slope_at(x, y);
            if s > goal {
                low = x;
            } else {
                high = x;
            }
            // In ln x, where the price is closest to linear on both ends.
            let next = x + (s - goal) / self.steepness(x, y, q(x, y), s);
            let next = if next > low && next < high { next } else { 0.5 * (low + high) };
            let step = (next - x).abs();
            x = next;
            y = self.balance(i, j, x);
            // The next step would be of the order of this one's square.
            if step < 1e-9 * x {
                break;
            }
        }
        let capped = x >= x0 * (1.0 + self.gamma * CAP) * (1.0 - 1e-12);
        let scaled = (x - x0) / self.gamma;
        let steep = self.steepness(x, y, q(x, y), slope_at(x, y));
        // dx_in/dm in value units: two changes of unit for the input, one for the price.
        let slope = self.unit[i] * self.unit[i] / (self.unit[j] * self.gamma * self.gamma * steep);
        PairResponse { input: scaled * self.unit[i], output: (y0 - y) * self.unit[j], slope: if capped { 0.0 } else { slope } }
    }

    /// The response if only the coin worth most here and the coin worth least move: a pair's answer, right if the others then
    /// neither go in nor out. Says whether it was.
    fn respond_as_pair(&self, nu: &[f64], price: &[f64], allowed: u8, out: &mut Response) -> bool {
        let n = self.coins();
        let coins = || (0..n).filter(|k| allowed & (1 << k) != 0);
        let level = |k: usize| self.gradient(k) / price[k];
        let Some(i) = coins().max_by(|&a, &b| level(a).total_cmp(&level(b))) else { return false };
        let Some(j) = coins().min_by(|&a, &b| level(a).total_cmp(&level(b))) else { return false };
        let m = nu[i] / nu[j];
        let r = self.respond_pair(i, j, m);
        if i == j || r.slope <= 0.0 {
            return false;
        }
        let (x, y) = (self.balances[i] + self.gamma * r.input / self.unit[i], self.balances[j] - r.output / self.unit[j]);
        let q = self.product * (self.balances[i] / x) * (self.balances[j] / y);
        let theta = (self.ann + q / y) / price[j];
        let rests = |k: usize| {
            let g = self.ann + q / self.balances[k];
            theta * price[k] <= g && g <= theta * price[k] / self.gamma
        };
        if !coins().all(|k| k == i || k == j || rests(k)) {
            return false;
        }
        out.trade[i] = -r.input;
        out.trade[j] = r.output;
        let h = r.slope / nu[j];
        out.hessian[i * n + i] = h;
        out.hessian[j * n + j] = h * m * m;
        out.hessian[i * n + j] = -h * m;
        out.hessian[j * n + i] = -h * m;
        true
    }

    /// −d(g_i/g_j)/dx along the curve, from ∂²G = −q·(uuᵀ + diag(u²)), u = 1/x.
    fn steepness(&self, x: f64, y: f64, q: f64, s: f64) -> f64 {
        let gj = self.ann + q / y;
        // Direction (1, −s); G's curvature along it, divided by g_j.
        let (u, v) = (1.0 / x, 1.0 / y);
        let along = (u - s * v) * (u - s * v) + u * u + s * s * v * v;
        q * along / gj
    }

    // Minimise Σ p_k·x_k over the set, p_k = ν_k·unit_k for coins paid out and that over γ for coins taken in. With θ the
    // inverse multiplier: θ·p_k = g_k, so x_k = q/(θ·p_k − A·n). For a given θ the product ties q to x. Over θ, G(x(θ)) falls,
    // since its integral is the concave dual function.
    pub(super) fn respond(&self, nu: &[f64], allowed: u8, out: &mut Response) {
        let n = self.coins();
        out.clear(n);
        let coins = || (0..n).filter(|k| allowed & (1 << k) != 0);
        let mut price = PerCoin::<f64>::new();
        for k in 0..n {
            price.push(nu[k] * self.unit[k]);
        }
        // No trade while some θ lies between g_k/p_k (taken in) and γ·… for every coin.
        let (low, high) = coins().fold((f64::INFINITY, 0.0_f64), |(l, h), k| {
            let theta = self.gradient(k) / price[k];
            (l.min(theta), h.max(theta))
        });
        if low >= high * self.gamma {
            return;
        }
        if self.respond_as_pair(nu, &price, allowed, out) {
            return;
        }
        // For a set of moving coins q is closed form: q^(1+m) = q₀·∏ of the moving coins' x₀·(θ·p_k − A·n).
        let most = |k: usize| self.balances[k] * (1.0 + self.gamma * CAP);
        let at = |theta: f64, q: f64, k: usize| -> (f64, bool) {
            let x = |p: f64| if theta * p > self.ann { q / (theta * p - self.ann) } else { f64::INFINITY };
            let (pay, take) = (x(price[k]), x(price[k] / self.gamma));
            if pay < self.balances[k] {
                (pay, true)
            } else if take > self.balances[k] {
                if take < most(k) { (take, true) } else { (most(k), false) }
            } else {
                (self.balances[k], false)
            }
        };
        let settle = |theta: f64, mut q: f64| -> f64 {
            // Which coins move depends on q in turn: ln q + Σ ln x_k(q) is constant, and rises with ln q by pieces that are linear, so that
            // Newton's step is exact on a piece and a bracket keeps it from going round between pieces.
            let (mut low, mut high) = (0.0_f64, f64::INFINITY);
            for _ in 0..100 {
                let (mut product, mut power, mut rest) = (self.product, 1, self.product);
                for k in coins() {
                    let (x, moves) = at(theta, q, k);
                    rest *= self.balances[k] / x;
                    if moves {
                        let p = if x < self.balances[k] { price[k] } else { price[k] / self.gamma };
                        product *= self.balances[k] * (theta * p - self.ann);
                        power += 1;
                    } else {
                        product *= self.balances[k] / x;
                    }
                }
                let next = match power {
                    1 => product,
                    2 => product.sqrt(),
                    3 => product.cbrt(),
                    _ => product.powf(1.0 / f64::from(power)),
                };
                if q > rest {
                    high = q;
                } else {
                    low = q;
                }
                let crossed = next < low || next > high;
                let next = if crossed && low > 0.0 && high < f64::INFINITY { (low * high).sqrt() } else { next };
                let change = (next - q).abs();
                q = next;
                if change <= 1e-15 * q {
                    break;
                }
            }
            q
        };
        // G at x(θ), less its value now: positive while the pool would keep too much.
        let excess = |theta: f64, q: f64| -> f64 {
            let moved: f64 = coins().map(|k| at(theta, q, k).0 - self.balances[k]).sum();
            self.ann * moved - (q - self.product)
        };
        // Each coin's gradient moves with the others' balances, so the root may lie outside of [low, high]: widen first.
        let mut q = self.product;
        // A coin at its cap may leave the root far out.
        let widen = |mut theta: f64, mut q: f64, mut factor: f64, sign: f64| {
            for _ in 0..20 {
                q = settle(theta, q);
                if excess(theta, q) * sign > 0.0 {
                    break;
                }
                theta *= factor;
                factor *= factor.sqrt();
            }
            (theta, excess(theta, q))
        };
        let (mut below, mut f_below) = widen(low, q, 0.98, 1.0);
        let (mut above, mut f_above) = widen(high * self.gamma, q, 1.02, -1.0);
        // Regula falsi with the Illinois rule: an end that stays for two steps counts for half. Every eighth step halves the bracket,
        // whatever the function's shape.
        let mut theta = above;
        let mut moved_below = None;
        for step in 0..200 {
            let secant = below + (above - below) * f_below / (f_below - f_above);
            let middle = if above > 2.0 * below { (below * above).sqrt() } else { 0.5 * (below + above) };
            let next = if step % 8 == 7 || !(secant > below && secant < above) { middle } else { secant };
            let moved = (next - theta).abs();
            theta = next;
            q = settle(theta, q);
            let value = excess(theta, q);
            if value > 0.0 {
                (below, f_below) = (theta, value);
                if moved_below.replace(true) == Some(true) {
                    f_above *= 0.5;
                }
            } else {
                (above, f_above) = (theta, value);
                if moved_below.replace(false) == Some(false) {
                    f_below *= 0.5;
                }
            }
            if value.abs() <= f64::EPSILON * (self.ann * self.invariant + q)
                || above - below <= 4.0 * f64::EPSILON * above
                || moved == 0.0
            {
                break;
            }
        }
        // What is taken in or paid out, and the block of the coins that move:
        // −∂x/∂p = M⁻¹ − M⁻¹ggᵀM⁻¹/(gᵀM⁻¹g), M = μq·(diag(u²) + uuᵀ), M⁻¹ = (diag(x²) − xxᵀ/(1+m))/(μq), m coins.
        let mu = 1.0 / theta;
        let mut x = [0.0; super::MAX_COINS];
        let mut moving = [false; super::MAX_COINS];
        let mut count = 0.0;
        x[..n].copy_from_slice(&self.balances);
        for k in coins() {
            (x[k], moving[k]) = at(theta, q, k);
            if moving[k] {
                count += 1.0;
            }
        }
        // θ·p − A·n cancels where A is large, and leaves the balances next to the curve: the largest that moves is put onto it.
        if let Some(j) = coins().filter(|&k| moving[k]).max_by(|&a, &b| x[a].total_cmp(&x[b])) {
            let exact = self.balance_beside(j, |k| x[k]);
            let same_side = (exact < self.balances[j]) == (x[j] < self.balances[j]);
            if same_side {
                x[j] = exact;
            }
        }
        for k in coins() {
            let change = x[k] - self.balances[k];
            out.trade[k] = self.unit[k] * if change < 0.0 { -change } else { -change / self.gamma };
        }
        let active = || coins().filter(|&k| moving[k]);
        let g = |k: usize| self.ann + q / x[k];
        let xg: f64 = active().map(|k| x[k] * g(k)).sum();
        let mg = |k: usize| (x[k] * x[k] * g(k) - x[k] * xg / (1.0 + count)) / (mu * q);
        let gmg: f64 = active().map(|k| g(k) * mg(k)).sum();
        // z_k = −s_k·unit_k·Δx_k and p_k = s_k·unit_k·ν_k, s = 1/γ for coins taken in.
        let side = |k: usize| if out.trade[k] < 0.0 { self.unit[k] / self.gamma } else { self.unit[k] };
        let mut block = [[0.0; super::MAX_COINS]; super::MAX_COINS];
        for k in active() {
            for j in active() {
                let delta = if k == j { x[k] * x[k] } else { 0.0 };
                let inverse = (delta - x[k] * x[j] / (1.0 + count)) / (mu * q);
                block[k][j] = side(k) * side(j) * (inverse - mg(k) * mg(j) / gmg);
            }
        }
        for k in active() {
            for j in active() {
                out.hessian[k * n + j] = block[k][j];
            }
        }
    }
}

/// D of the invariant, by Newton.
fn invariant(balances: &[f64], ann: f64) -> Option<f64> {
    let n = balances.len() as f64;
    let sum: f64 = balances.iter().sum();
    let mut d = sum;
    for _ in 0..256 {
        let p = balances.iter().fold(d, |p, x| p * d / (n * x));
        let next = (ann * sum + n * p) * d / ((ann - 1.0) * d + (n + 1.0) * p);
        if !next.is_finite() || next <= 0.0 {
            return None;
        }
        if (next - d).abs() <= 1e-15 * d {
            return Some(next);
        }
        d = next;
    }
    // The last bits may alternate.
    let p = balances.iter().fold(d, |p, x| p * d / (n * x));
    ((ann * sum + d - ann * d - p).abs() < 1e-9 * ann * d).then_some(d)
}

#[cfg(test)]
impl Stable {
    pub(super) fn change_of_invariant(&self, other: &Self) -> f64 {
        other.invariant / self.invariant - 1.0
    }
}
