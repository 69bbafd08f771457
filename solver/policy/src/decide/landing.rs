//! Where a rebalance stops.

/// Weights within `half` of `target` that move least: every tradable drift is cut to its half-width, and what then is missing
/// from a sum of one comes off the largest drifts (or the smallest, by sign), evenly from the top.
///
/// Cutting alone moves the least for each asset; what is over after it must move anyway, so the total is the least possible,
/// and taking it from the top leaves the smallest worst drift. `fixed` assets stay; if they leave no room, the others go as far as
/// they can (never below zero weight).
pub(super) fn land(target: &[f64], drift: &[f64], half: &[f64], fixed: &[bool]) -> Vec<f64> {
    let is_fixed = |i: usize| fixed.get(i).copied().unwrap_or(false);
    let mut left: Vec<f64> =
        drift.iter().zip(half).enumerate().map(|(i, (&x, &a))| if is_fixed(i) { x } else { x.clamp(-a, a) }).collect();
    let over: f64 = left.iter().sum();
    // The drifts sum to zero; below a rounding of them there is nothing to spread.
    if over.abs() > 1e-14 {
        let sign = over.signum();
        // A ceiling on the drifts (a floor, if weight is missing) under which they sum to zero: bisect, the sum falls with it.
        let under = |ceiling: f64| -> Vec<f64> {
            let cut = |(i, &x): (usize, &f64)| {
                if is_fixed(i) { x } else { (sign * (sign * x).min(ceiling)).max(-target.get(i).copied().unwrap_or(0.0)) }
            };
            left.iter().enumerate().map(cut).collect()
        };
        let (mut low, mut high) = (-1.0, 1.0);
        for _ in 0..60 {
            let middle = 0.5 * (low + high);
            if sign * under(middle).iter().sum::<f64>() > 0.0 { high = middle } else { low = middle }
        }
        left = under(low);
    }
    target.iter().zip(&left).map(|(w, x)| w + x).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn close(found: &[f64], wanted: &[f64]) {
        assert!(found.iter().zip(wanted).all(|(a, b)| (a - b).abs() < 1e-12), "{found:?} is not {wanted:?}");
    }

    #[test]
    fn two_assets_stop_at_the_landing() {
        close(&land(&[0.5, 0.5], &[0.1, -0.1], &[0.02, 0.02], &[]), &[0.52, 0.48]);
        close(&land(&[0.5, 0.5], &[0.1, -0.1], &[0.0, 0.0], &[]), &[0.5, 0.5]);
    }

    #[test]
    fn inside_nothing_moves() {
        close(&land(&[0.5, 0.3, 0.2], &[0.01, -0.02, 0.01], &[0.05; 3], &[]), &[0.51, 0.28, 0.21]);
    }

    #[test]
    fn what_is_over_comes_off_the_top() {
        // A is cut from 0.10 to 0.05 and frees 0.05, which goes to the lowest, B.
        close(&land(&[0.4, 0.3, 0.3], &[0.10, -0.06, -0.04], &[0.05; 3], &[]), &[0.45, 0.275, 0.275]);
    }

    #[test]
    fn fixed_assets_stay() {
        close(&land(&[0.4, 0.3, 0.3], &[0.10, -0.06, -0.04], &[0.0; 3], &[true, false, false]), &[0.5, 0.25, 0.25]);
    }

    proptest! {
        #[test]
        fn sums_to_one_stays_inside_and_only_moves_inwards(
            raw in prop::collection::vec((0.01..1.0_f64, 0.0..1.0_f64, 0.0..0.3_f64), 2..8),
        ) {
            let (targets, holdings): (f64, f64) = (raw.iter().map(|r| r.0).sum(), raw.iter().map(|r| r.1).sum());
            prop_assume!(holdings > 0.1);
            let target: Vec<f64> = raw.iter().map(|r| r.0 / targets).collect();
            let drift: Vec<f64> = raw.iter().zip(&target).map(|(r, w)| r.1 / holdings - w).collect();
            let half: Vec<f64> = raw.iter().map(|r| r.2).collect();
            let landed = land(&target, &drift, &half, &[]);
            prop_assert!((landed.iter().sum::<f64>() - 1.0).abs() < 1e-12);
            for i in 0..target.len() {
                let x = landed[i] - target[i];
                prop_assert!(x.abs() <= half[i] + 1e-12, "{} outside {}", x, half[i]);
                prop_assert!(x.abs() <= drift[i].abs() + 1e-12 || x * drift[i] >= 0.0 || drift[i].abs() < 1e-12, "{} was {}", x, drift[i]);
                prop_assert!(landed[i] >= -1e-12);
            }
        }
    }
}
