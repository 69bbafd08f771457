//! How likely a drift is to reach its band in time.
//!
//! For a driftless Brownian motion of deviation `s√T` started at `x₀`, the probability that `|x|` reaches `b` within `T` is
//! `1 − Σ_{k odd} (4/kπ) sin(kπ(x₀+b)/2b) exp(−k²π²s²T/8b²)`, or, by reflections,
//! `Σ_{n≥0} (−1)ⁿ [erfc(((2n+1)b−x₀)/(s√2T)) + erfc(((2n+1)b+x₀)/(s√2T))]`. The first converges fast for long horizons, the second for short.

use std::f64::consts::{FRAC_1_SQRT_2, PI};

/// Probability that `|x|` reaches `band` when it starts at `drift` and moves with standard deviation `deviation` over the horizon.
/// All three in units of weight. At or past the band it is one; without movement zero. Error below 1e-12.
pub fn hit_probability(drift: f64, band: f64, deviation: f64) -> f64 {
    if !(drift.abs() < band) {
        return 1.0;
    }
    if !(deviation > 0.0) {
        return 0.0;
    }
    let p = if deviation < band { by_reflections(drift, band, deviation) } else { by_modes(drift, band, deviation) };
    p.clamp(0.0, 1.0)
}

/// Probability that `x` reaches `distance` on one side within the horizon: `erfc(d / (s√2T))`.
pub fn one_sided(distance: f64, deviation: f64) -> f64 {
    if distance <= 0.0 {
        1.0
    } else if deviation > 0.0 {
        libm::erfc(distance / deviation * FRAC_1_SQRT_2)
    } else {
        0.0
    }
}

fn by_modes(drift: f64, band: f64, deviation: f64) -> f64 {
    let rate = (PI * deviation / band).powi(2) / 8.0;
    let mut survival = 0.0;
    for k in (1..).step_by(2).map(f64::from).take(40) {
        let decay = (-k * k * rate).exp();
        survival += 4.0 / (k * PI) * (k * PI * (drift + band) / (2.0 * band)).sin() * decay;
        if decay < 1e-15 {
            break;
        }
    }
    1.0 - survival
}

fn by_reflections(drift: f64, band: f64, deviation: f64) -> f64 {
    let (mut sum, mut sign) = (0.0, 1.0);
    for n in (1..).step_by(2).map(f64::from).take(40) {
        let term = one_sided(n * band - drift, deviation) + one_sided(n * band + drift, deviation);
        sum += sign * term;
        sign = -sign;
        if term < 1e-15 {
            break;
        }
    }
    sum
}

/// The drift at which the probability is `p`: where the trigger would fire. None if it is above `p` at any drift.
pub fn drift_at(p: f64, band: f64, deviation: f64) -> Option<f64> {
    if hit_probability(0.0, band, deviation) >= p {
        return None;
    }
    // The probability rises with |x₀|: bisect.
    let (mut low, mut high) = (0.0, band);
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        if hit_probability(middle, band, deviation) < p { low = middle } else { high = middle }
    }
    Some(high)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_check_values() {
        for (drift, band, p) in [(0.0, 1.0, 0.629_222_57), (0.0, 2.0, 0.091_000_52), (0.5, 1.0, 0.737_811_72)] {
            assert!((hit_probability(drift, band, 1.0) - p).abs() < 0.5001e-8);
        }
        assert!((one_sided(1.0, 1.0) - 0.317_310_51).abs() < 0.5001e-8);
    }

    #[test]
    fn the_ends() {
        assert_eq!(hit_probability(0.05, 0.05, 0.01), 1.0);
        assert_eq!(hit_probability(0.01, 0.05, 0.0), 0.0);
        assert_eq!(hit_probability(f64::NAN, 0.05, 0.1), 1.0, "an unknown drift is no reason to wait");
        assert!(hit_probability(0.0, 1e-6, 10.0) > 1.0 - 1e-12);
        assert_eq!(one_sided(-1.0, 1.0), 1.0);
    }

    #[test]
    fn the_drift_that_fires_is_the_inverse() {
        let drift = drift_at(0.3, 0.05, 0.02).unwrap();
        assert!((hit_probability(drift, 0.05, 0.02) - 0.3).abs() < 1e-12);
        assert_eq!(drift_at(0.3, 0.05, 0.2), None);
    }

    proptest! {
        #[test]
        fn both_series_are_one_function(x in -0.99..0.99_f64, s in 0.4..3.0_f64) {
            prop_assert!((by_modes(x, 1.0, s) - by_reflections(x, 1.0, s)).abs() < 1e-11);
        }

        #[test]
        fn rises_with_drift_and_deviation(x in 0.0..0.9_f64, s in 0.05..3.0_f64) {
            prop_assert!(hit_probability(x + 0.05, 1.0, s) >= hit_probability(x, 1.0, s) - 1e-12);
            prop_assert!(hit_probability(x, 1.0, s * 1.1) >= hit_probability(x, 1.0, s) - 1e-12);
            prop_assert!((hit_probability(x, 1.0, s) - hit_probability(-x, 1.0, s)).abs() < 1e-12);
        }
    }
}
