//! The series of `tests/reference/figures.py`, made the same way.

/// Nearly normal numbers from a linear congruential generator: twelve uniforms less six.
pub struct Normals(u64);

impl Normals {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }

    pub fn next(&mut self) -> f64 {
        (0..12).map(|_| self.uniform()).fold(0.0, |sum, u| sum + u) - 6.0
    }
}

pub fn garch_series(seed: u64, n: usize, mu: f64, omega: f64, alpha: f64, beta: f64) -> Vec<f64> {
    let mut normals = Normals::new(seed);
    let mut variance = omega / (1.0 - alpha - beta);
    let step = |_| {
        let e = variance.sqrt() * normals.next();
        variance = omega + alpha * e * e + beta * variance;
        mu + e
    };
    (0..n).map(step).collect()
}
