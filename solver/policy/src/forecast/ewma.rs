//! Exponentially weighted variance (RiskMetrics): `v ← λ v + (1−λ) r²`.

/// Running exponentially weighted variance of one series, in the square of the returns' unit.
#[derive(Debug, Clone)]
pub struct Ewma {
    lambda: f64,
    sum: f64,
    weight: f64,
    count: usize,
}

impl Ewma {
    /// With this decay per step, `0 < λ < 1`; RiskMetrics' daily value is 0.94.
    pub fn new(lambda: f64) -> Self {
        Self { lambda, sum: 0.0, weight: 0.0, count: 0 }
    }

    /// Takes in the next return.
    pub fn push(&mut self, r: f64) {
        self.sum = self.lambda * self.sum + (1.0 - self.lambda) * r * r;
        self.weight = self.lambda * self.weight + (1.0 - self.lambda);
        self.count += 1;
    }

    /// Variance forecast for the next step; none before the second return.
    ///
    /// The recursion starts at zero and is divided by the weights so far, `1 − λᵗ`, so that it needs no first guess:
    /// closed form `Σ λ^k r²_{t−k} / Σ λ^k`.
    pub fn variance(&self) -> Option<f64> {
        (self.count >= 2).then(|| self.sum / self.weight)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_recursion_is_its_closed_form() {
        let returns = [0.02, -0.01, 0.03, 0.0, -0.025];
        let mut ewma = Ewma::new(0.94);
        returns.iter().for_each(|&r| ewma.push(r));
        let weights: Vec<f64> = (0..5).rev().map(|k| 0.94_f64.powi(k)).collect();
        let closed = returns.iter().zip(&weights).map(|(r, w)| w * r * r).sum::<f64>() / weights.iter().sum::<f64>();
        assert!((ewma.variance().unwrap() - closed).abs() < 1e-18);
    }

    #[test]
    fn once_going_it_is_the_plain_recursion() {
        let mut ewma = Ewma::new(0.94);
        (0..2000).for_each(|_| ewma.push(0.01));
        let before = ewma.variance().unwrap();
        ewma.push(0.05);
        assert!((before - 1e-4).abs() < 1e-15);
        assert!((ewma.variance().unwrap() - (0.94 * before + 0.06 * 0.0025)).abs() < 1e-15);
    }
}
