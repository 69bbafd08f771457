//! The annual covariance that the forecaster hands out.

/// A symmetric matrix of annual covariances of log returns.
#[derive(Debug, Clone, PartialEq)]
pub struct Covariance {
    n: usize,
    values: Vec<f64>,
}

impl Covariance {
    /// All zero: `n` assets that do not move.
    pub fn zero(n: usize) -> Self {
        Self { n, values: vec![0.0; n * n] }
    }

    /// Of annual volatilities and one correlation: for tests and examples.
    pub fn uniform(volatilities: &[f64], correlation: f64) -> Self {
        let mut it = Self::zero(volatilities.len());
        for (i, a) in volatilities.iter().enumerate() {
            for (j, b) in volatilities.iter().enumerate() {
                it.set(i, j, if i == j { a * a } else { correlation * a * b });
            }
        }
        it
    }

    /// Number of assets.
    pub fn len(&self) -> usize {
        self.n
    }

    /// Whether there is no asset.
    pub fn is_empty(&self) -> bool {
        self.n == 0
    }

    /// Covariance of assets `i` and `j` per year; zero outside.
    pub fn get(&self, i: usize, j: usize) -> f64 {
        if i < self.n && j < self.n { self.values.get(i * self.n + j).copied().unwrap_or(0.0) } else { 0.0 }
    }

    pub(super) fn set(&mut self, i: usize, j: usize, value: f64) {
        if let Some(slot) = self.values.get_mut(i * self.n + j) {
            *slot = value;
        }
    }

    /// Annual volatility of asset `i`.
    pub fn volatility(&self, i: usize) -> f64 {
        self.get(i, i).max(0.0).sqrt()
    }

    /// Correlation of `i` and `j`; none if one does not move.
    pub fn correlation(&self, i: usize, j: usize) -> Option<f64> {
        let scale = self.volatility(i) * self.volatility(j);
        (scale > 0.0).then(|| self.get(i, j) / scale)
    }

    /// `Σ x`, into `out`.
    pub fn times(&self, x: &[f64], out: &mut Vec<f64>) {
        out.clear();
        out.extend(self.values.chunks_exact(self.n.max(1)).map(|row| row.iter().zip(x).map(|(a, b)| a * b).sum::<f64>()));
    }

    /// `xᵀ Σ x`, never below zero: the annual variance of holdings `x`.
    pub fn quadratic(&self, x: &[f64]) -> f64 {
        let rows = self.values.chunks_exact(self.n.max(1)).zip(x);
        rows.map(|(row, xi)| xi * row.iter().zip(x).map(|(a, b)| a * b).sum::<f64>()).sum::<f64>().max(0.0)
    }

    /// Annual variance of each asset relative to the portfolio `w`: `(eᵢ−w)ᵀ Σ (eᵢ−w) = Σᵢᵢ − 2(Σw)ᵢ + wᵀΣw`. Into `out`; O(n²).
    pub fn relative(&self, w: &[f64], out: &mut Vec<f64>) {
        self.times(w, out);
        let own: f64 = out.iter().zip(w).map(|(a, b)| a * b).sum();
        for (i, v) in out.iter_mut().enumerate() {
            *v = (self.get(i, i) - 2.0 * *v + own).max(0.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relative_variance_is_the_quadratic_form() {
        let sigma = Covariance::uniform(&[0.8, 0.5, 0.0], 0.3);
        let w = [0.5, 0.3, 0.2];
        let mut relative = Vec::new();
        sigma.relative(&w, &mut relative);
        for i in 0..3 {
            let x: Vec<f64> = (0..3).map(|j| f64::from(u8::from(i == j)) - w[j]).collect();
            assert!((relative[i] - sigma.quadratic(&x)).abs() < 1e-15);
        }
        assert_eq!(sigma.correlation(0, 2), None);
        assert!((sigma.correlation(0, 1).unwrap() - 0.3).abs() < 1e-15);
    }
}
