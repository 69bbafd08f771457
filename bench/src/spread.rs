//! Samples in a few numbers, and the growth of a cost.

use serde::Serialize;

/// A sample: middle, tenth from the top, top.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Spread {
    /// How many.
    pub count: usize,
    /// Half are at most this.
    pub median: f64,
    /// Nine in ten are at most this.
    pub p90: f64,
    /// The largest.
    pub worst: f64,
}

impl Spread {
    /// Of a sample; zeros where it is empty.
    pub fn of(sample: impl IntoIterator<Item = f64>) -> Self {
        let mut sorted: Vec<f64> = sample.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        let last = sorted.len().saturating_sub(1) as f64;
        // Between two of the sample, in proportion.
        let at = |part: f64| {
            let (low, share) = ((part * last).floor(), (part * last).fract());
            let value = |k: f64| sorted.get(k as usize).copied().unwrap_or_default();
            value(low) + if share > 0.0 { share * (value(low + 1.0) - value(low)) } else { 0.0 }
        };
        Self { count: sorted.len(), median: at(0.5), p90: at(0.9), worst: at(1.0) }
    }
}

/// The exponent b of the least-squares fit log y = a + b·log x; none without two different x.
pub fn exponent(points: &[(f64, f64)]) -> Option<f64> {
    let logs: Vec<(f64, f64)> = points.iter().filter(|(x, y)| *x > 0.0 && *y > 0.0).map(|(x, y)| (x.ln(), y.ln())).collect();
    let n = logs.len() as f64;
    let (mean_x, mean_y) = (logs.iter().map(|p| p.0).sum::<f64>() / n, logs.iter().map(|p| p.1).sum::<f64>() / n);
    let spread: f64 = logs.iter().map(|p| (p.0 - mean_x).powi(2)).sum();
    let common: f64 = logs.iter().map(|p| (p.0 - mean_x) * (p.1 - mean_y)).sum();
    (spread > 1e-12).then(|| common / spread)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_power_law_gives_its_exponent() {
        let points: Vec<(f64, f64)> = [500.0, 2_000.0, 10_000.0, 40_000.0_f64].iter().map(|&x| (x, 3.0 * x.powf(1.15))).collect();
        assert!((exponent(&points).unwrap() - 1.15).abs() < 1e-12);
    }

    #[test]
    fn the_fit_balances_what_no_line_meets() {
        // Logs (0, 0), (1, 2), (2, 1): the slope of least squares is one half.
        let e = std::f64::consts::E;
        let slope = exponent(&[(1.0, 1.0), (e, e * e), (e * e, e)]).unwrap();
        assert!((slope - 0.5).abs() < 1e-12, "{slope}");
    }

    #[test]
    fn one_size_has_no_exponent() {
        assert_eq!(exponent(&[(500.0, 1.0), (500.0, 2.0)]), None);
        assert_eq!(exponent(&[]), None);
    }

    #[test]
    fn quantiles_are_of_the_sample() {
        let spread = Spread::of((0..=10).rev().map(f64::from));
        assert_eq!((spread.count, spread.median, spread.p90, spread.worst), (11, 5.0, 9.0, 10.0));
    }
}
