//! HAR-RV (Corsi 2009): the next realised variance by least squares on its means over 1, 5 and 22 days.
//!
//! `RV_{t+1} = β₀ + β₁ RV_t + β₅ mean(RV_{t−4..t}) + β₂₂ mean(RV_{t−21..t}) + ε`.

use nalgebra::{DMatrix, DVector};

/// Days of the longest mean.
pub const LONGEST: usize = 22;

/// Fitted coefficients: constant, 1, 5, 22 days.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Har {
    coefficients: [f64; 4],
}

/// The regressors on the last day of `variances`.
fn regressors(variances: &[f64]) -> Option<[f64; 4]> {
    let mean = |days: usize| Some(variances.get(variances.len().checked_sub(days)?..)?.iter().sum::<f64>() / days as f64);
    Some([1.0, mean(1)?, mean(5)?, mean(LONGEST)?])
}

impl Har {
    /// Least squares on daily realised variances, oldest first; none with fewer than 22 + 10 days or if they are collinear.
    pub fn fit(variances: &[f64]) -> Option<Self> {
        let days = variances.len();
        if days < LONGEST + 10 {
            return None;
        }
        let rows: Vec<([f64; 4], f64)> =
            (LONGEST..days).filter_map(|t| Some((regressors(variances.get(..t)?)?, *variances.get(t)?))).collect();
        // Variances of returns are tiny; scaling keeps the decomposition's cut-off meaningful.
        let scale = variances.iter().sum::<f64>() / days as f64;
        if !(scale > 0.0) {
            return None;
        }
        let x = DMatrix::from_fn(rows.len(), 4, |i, j| rows.get(i).map_or(0.0, |(x, _)| if j == 0 { 1.0 } else { x[j] / scale }));
        let y = DVector::from_iterator(rows.len(), rows.iter().map(|(_, y)| y / scale));
        let svd = x.svd(true, true);
        if svd.rank(1e-10) < 4 {
            return None;
        }
        let b = svd.solve(&y, 1e-12).ok()?;
        Some(Self { coefficients: [*b.get(0)? * scale, *b.get(1)?, *b.get(2)?, *b.get(3)?] })
    }

    /// Constant and the weights of the means over 1, 5 and 22 days.
    pub fn coefficients(&self) -> [f64; 4] {
        self.coefficients
    }

    /// Tomorrow's variance; never below a hundredth of today's monthly mean (a line can cross zero, a variance cannot).
    pub fn forecast(&self, variances: &[f64]) -> Option<f64> {
        let x = regressors(variances)?;
        let line: f64 = self.coefficients.iter().zip(x).map(|(b, x)| b * x).sum();
        Some(line.max(x[3] / 100.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Variances that obey the line exactly give its coefficients back.
    #[test]
    fn exact_data_give_exact_coefficients() {
        let truth = [2e-5, 0.35, 0.30, 0.25];
        // A wobbling start, so that the regressors are not collinear.
        let mut variances: Vec<f64> = (0..LONGEST).map(|t| 1e-4 * (1.0 + (t as f64 * 1.7).sin().powi(2))).collect();
        for _ in 0..60 {
            let x = regressors(&variances).unwrap();
            variances.push(truth.iter().zip(x).map(|(b, x)| b * x).sum());
        }
        let har = Har::fit(&variances).unwrap();
        for (found, truth) in har.coefficients().iter().zip(truth) {
            assert!((found - truth).abs() < 1e-7, "{:?}", har.coefficients());
        }
        let x = regressors(&variances).unwrap();
        let closed: f64 = truth.iter().zip(x).map(|(b, x)| b * x).sum();
        assert!((har.forecast(&variances).unwrap() / closed - 1.0).abs() < 1e-9);
    }

    /// On noisy data, the residuals are orthogonal to every regressor: the normal equations, the closed form of least squares.
    #[test]
    fn noisy_data_satisfy_the_normal_equations() {
        let mut state = 1_u64;
        let mut noise = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 11) as f64 / (1_u64 << 53) as f64
        };
        let variances: Vec<f64> = (0..400).map(|_| 1e-4 * (0.5 + noise())).collect();
        let b = Har::fit(&variances).unwrap().coefficients();
        let mut sums = [0.0; 4];
        for t in LONGEST..variances.len() {
            let x = regressors(&variances[..t]).unwrap();
            let residual = variances[t] - b.iter().zip(x).map(|(b, x)| b * x).sum::<f64>();
            for (sum, x) in sums.iter_mut().zip(x) {
                *sum += residual * x;
            }
        }
        assert!(sums[0].abs() < 1e-13 && sums[1..].iter().all(|s| s.abs() < 1e-17), "{sums:?}");
    }

    #[test]
    fn too_little_or_constant_data_give_nothing() {
        assert_eq!(Har::fit(&[1e-4; 31]), None);
        assert_eq!(Har::fit(&[1e-4; 100]), None);
        assert_eq!(Har::fit(&[0.0; 100]), None);
    }
}
