//! Yang–Zhang (2000): variance from opens, highs, lows and closes; unbiased with drift and with overnight jumps.
//!
//! `σ² = σ²_overnight + k σ²_open-to-close + (1−k) σ²_RS`, `k = 0.34 / (1.34 + (n+1)/(n−1))`, with the sample variances (÷ n−1)
//! of `o = ln(O_t/C_{t−1})` and `c = ln(C_t/O_t)`, and the Rogers–Satchell mean of `u(u−c) + d(d−c)`, `u = ln(H/O)`, `d = ln(L/O)`.

use std::collections::VecDeque;

/// One step's logarithms.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Logs {
    overnight: f64,
    close: f64,
    rogers_satchell: f64,
}

/// Rolling Yang–Zhang variance per step.
#[derive(Debug, Clone)]
pub struct YangZhang {
    window: usize,
    steps: VecDeque<Logs>,
}

impl YangZhang {
    /// Over this many steps, at least 2.
    pub fn new(window: usize) -> Self {
        Self { window: window.max(2), steps: VecDeque::new() }
    }

    /// Takes in the next step: its prices and the close before it.
    pub fn push(&mut self, before: f64, open: f64, high: f64, low: f64, close: f64) {
        if self.steps.len() == self.window {
            self.steps.pop_front();
        }
        let (u, d, c) = ((high / open).ln(), (low / open).ln(), (close / open).ln());
        self.steps.push_back(Logs { overnight: (open / before).ln(), close: c, rogers_satchell: u * (u - c) + d * (d - c) });
    }

    /// Variance per step over the window; none before it is full.
    pub fn variance(&self) -> Option<f64> {
        if self.steps.len() < self.window {
            return None;
        }
        let n = self.window as f64;
        let mean = |of: fn(&Logs) -> f64| self.steps.iter().map(of).sum::<f64>() / n;
        let variance = |of: fn(&Logs) -> f64| {
            let mean = mean(of);
            self.steps.iter().map(|s| (of(s) - mean).powi(2)).sum::<f64>() / (n - 1.0)
        };
        let k = weight(self.window);
        Some(variance(|s| s.overnight) + k * variance(|s| s.close) + (1.0 - k) * mean(|s| s.rogers_satchell))
    }
}

/// The weight `k` that minimises the estimator's variance over `n` steps.
fn weight(n: usize) -> f64 {
    let n = n as f64;
    0.34 / (1.34 + (n + 1.0) / (n - 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_its_closed_form_on_three_candles() {
        let bars = [(100.0, 101.0, 104.0, 99.0, 103.0), (103.0, 102.0, 105.0, 101.0, 101.5), (101.5, 103.0, 103.5, 98.0, 99.0)];
        let mut yz = YangZhang::new(3);
        for (before, o, h, l, c) in bars {
            assert_eq!(yz.variance(), None);
            yz.push(before, o, h, l, c);
        }
        // By hand: sample variances of the logarithms, k = 0.34 / (1.34 + 4/2).
        let o: Vec<f64> = bars.iter().map(|b| (b.1 / b.0).ln()).collect();
        let c: Vec<f64> = bars.iter().map(|b| (b.4 / b.1).ln()).collect();
        let rs: f64 =
            bars.iter().map(|b| (b.2 / b.4).ln() * (b.2 / b.1).ln() + (b.3 / b.4).ln() * (b.3 / b.1).ln()).sum::<f64>() / 3.0;
        let var = |x: &[f64]| (x.iter().map(|v| v * v).sum::<f64>() - x.iter().sum::<f64>().powi(2) / 3.0) / 2.0;
        let k = 0.34 / 3.34;
        let closed = var(&o) + k * var(&c) + (1.0 - k) * rs;
        assert!((yz.variance().unwrap() - closed).abs() < 1e-16);
        assert!((weight(3) - k).abs() < 1e-16);
    }

    #[test]
    fn a_flat_series_has_no_variance_and_the_window_rolls() {
        let mut yz = YangZhang::new(2);
        yz.push(1.0, 2.0, 3.0, 0.5, 2.5);
        yz.push(10.0, 10.0, 10.0, 10.0, 10.0);
        assert!(yz.variance().unwrap() > 0.0);
        yz.push(10.0, 10.0, 10.0, 10.0, 10.0);
        assert_eq!(yz.variance(), Some(0.0));
    }
}
