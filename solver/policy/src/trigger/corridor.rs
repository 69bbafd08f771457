//! The cost-optimal corridor: trade when the drift reaches ±b, and stop at ±a.
//!
//! A drift `x` that moves like a Brownian motion of variance rate `s²` costs `λx²` a year for being off target and, whenever it reaches
//! `±b`, `F + c(b−a)` to bring back to `±a`. Renewal at the landings gives, per year,
//!
//! `J(a,b) = λ(a²+b²)/6 + s²·[F + c(b−a)]/(b²−a²)`, trades `s²/(b²−a²)`, `E[x²] = (a²+b²)/6`.
//!
//! With `u = a+b`, `v = b−a`, the two conditions `∂J = 0` become `u(u²−v²) = K` and `v(u³−K) = G`, with
//! `K = 6s²c/λ`, `G = 6s²F/λ`. Eliminating `v` leaves `y³ = G²u` for `y = u³−K`: a fixed point that contracts by at least nine
//! a turn, from any start. `F = 0` gives `a = b = (3cs²/4λ)^⅓`, `c = 0` gives `a = 0`, `b = (6Fs²/λ)^¼`.

/// What the corridor follows from. Weights are fractions of the portfolio, rates annual.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CorridorInputs {
    /// Variance rate `s²` of the drift: `wᵢ²(eᵢ−w)ᵀΣ(eᵢ−w)`; two assets: `w²(1−w)²σ²`.
    pub drift_variance: f64,
    /// Tracking penalty `λ` on `x²`; mean-variance: `½γσ²`.
    pub penalty: f64,
    /// Proportional cost `c` per unit of weight moved.
    pub proportional: f64,
    /// Fixed cost `F` of a rebalance, as a fraction of the portfolio's value.
    pub fixed: f64,
}

/// The trigger, the landing and what they cost.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Corridor {
    /// Where a trade stops, `a`: distance from the target weight.
    pub landing: f64,
    /// Where a trade starts, `b`.
    pub trigger: f64,
    /// Expected yearly cost `J`, a fraction of the value.
    pub cost: f64,
    /// Expected rebalances a year; infinite without a fixed cost.
    pub trades: f64,
}

/// The corridor that minimises `J`. None unless variance and penalty are positive and the costs at least zero and finite;
/// with both costs zero the corridor is closed, `a = b = 0`.
pub fn cost_optimal(inputs: &CorridorInputs) -> Option<Corridor> {
    optimal(inputs, &mut 0.0)
}

/// The same, starting from (and leaving) the last solution `y`, which saves most turns while inputs move slowly.
pub(crate) fn optimal(inputs: &CorridorInputs, warm: &mut f64) -> Option<Corridor> {
    let CorridorInputs { drift_variance: s2, penalty, proportional, fixed } = *inputs;
    let sound = s2 > 0.0 && penalty > 0.0 && proportional >= 0.0 && fixed >= 0.0;
    if !sound || ![s2, penalty, proportional, fixed].iter().all(|x| x.is_finite()) {
        return None;
    }
    if proportional == 0.0 && fixed == 0.0 {
        return Some(Corridor { landing: 0.0, trigger: 0.0, cost: 0.0, trades: f64::INFINITY });
    }
    let (k, g) = (6.0 * s2 * proportional / penalty, 6.0 * s2 * fixed / penalty);
    // Newton on the convex y³ − G²(y+K)^⅓, whose digits double; where it is not yet rising, a turn of the contraction instead.
    let mut y = if g == 0.0 {
        0.0
    } else if *warm > 0.0 {
        *warm
    } else {
        (g * g * (g.powf(0.75) + k).cbrt()).cbrt()
    };
    for _ in 0..if g > 0.0 { 60 } else { 0 } {
        let root = (y + k).cbrt();
        let slope = 3.0 * y * y - g * g / (3.0 * root * root);
        let newton = y - (y * y * y - g * g * root) / slope;
        let rising = slope > y * y && newton > 0.1 * y;
        let next = if rising { newton } else { (g * g * root).cbrt() };
        let done = rising && (next - y).abs() <= 1e-7 * next;
        y = next;
        if done {
            break;
        }
    }
    *warm = y;
    let u = (y + k).cbrt();
    let v = (y / u).sqrt();
    // (u−v)/2 without cancellation: u²−v² = K/u.
    let a = k / u / (2.0 * (u + v));
    let b = u - a;
    let trades = s2 / (u * v);
    let cost = penalty * (a * a + b * b) / 6.0 + s2 * proportional / u + if fixed > 0.0 { trades * fixed } else { 0.0 };
    Some(Corridor { landing: a, trigger: b, cost, trades })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn inputs(c: f64, f: f64) -> CorridorInputs {
        let (sigma, w, gamma) = (0.8_f64, 0.5_f64, 4.0);
        let s = w * (1.0 - w) * sigma;
        CorridorInputs { drift_variance: s * s, penalty: 0.5 * gamma * sigma * sigma, proportional: c, fixed: f }
    }

    fn cost(i: &CorridorInputs, a: f64, b: f64) -> f64 {
        i.penalty * (a * a + b * b) / 6.0 + i.drift_variance * (i.fixed + i.proportional * (b - a)) / (b * b - a * a)
    }

    /// The table of the reference, to the digits given: σ = 0.8, w = 0.5, γ = 4.
    #[test]
    fn the_table() {
        for (c, f, a, b, cost, trades) in [
            (0.003, 0.0, 0.04127, 0.04127, 21.805, f64::INFINITY),
            (0.003, 1e-5, 0.02887, 0.05684, 24.340, 16.69),
            (0.003, 1e-4, 0.01901, 0.07702, 33.103, 7.18),
            (0.003, 1e-3, 0.00885, 0.12168, 68.106, 2.72),
            (0.0, 1e-4, 0.0, 0.06580, 18.475, 9.24),
            (0.0005, 1e-5, 0.01023, 0.04301, 10.218, 22.92),
        ] {
            let found = cost_optimal(&inputs(c, f)).unwrap();
            assert!((found.landing - a).abs() <= 0.5001e-5, "{found:?}");
            assert!((found.trigger - b).abs() <= 0.5001e-5, "{found:?}");
            assert!((found.cost * 1e4 - cost).abs() <= 0.5001e-3, "{found:?}");
            assert!(found.trades == trades || (found.trades - trades).abs() <= 0.5001e-2, "{found:?}");
        }
    }

    #[test]
    fn the_limits_are_the_closed_forms() {
        let i = inputs(0.003, 0.0);
        let closed = (3.0 * i.proportional * i.drift_variance / (4.0 * i.penalty)).cbrt();
        let found = cost_optimal(&i).unwrap();
        assert!((found.landing / closed - 1.0).abs() < 1e-12 && (found.trigger / closed - 1.0).abs() < 1e-12);
        let i = inputs(0.0, 1e-4);
        let closed = (6.0 * i.fixed * i.drift_variance / i.penalty).powf(0.25);
        let found = cost_optimal(&i).unwrap();
        assert!(found.landing == 0.0 && (found.trigger / closed - 1.0).abs() < 1e-12);
    }

    #[test]
    fn nonsense_gives_nothing() {
        assert_eq!(cost_optimal(&CorridorInputs { drift_variance: 0.0, ..inputs(0.003, 0.0) }), None);
        assert_eq!(cost_optimal(&CorridorInputs { fixed: f64::NAN, ..inputs(0.003, 0.0) }), None);
        assert_eq!(cost_optimal(&CorridorInputs { proportional: -1.0, ..inputs(0.003, 0.0) }), None);
    }

    proptest! {
        /// No corridor around the optimum is cheaper.
        #[test]
        fn nothing_near_is_cheaper(c in 0.0..0.02_f64, f in 1e-7..1e-2_f64, sigma in 0.05..2.0_f64, w in 0.02..0.98_f64, warm in 0.0..1.0_f64) {
            let s = w * (1.0 - w) * sigma;
            let i = CorridorInputs { drift_variance: s * s, penalty: 2.0 * sigma * sigma, proportional: c, fixed: f };
            let found = cost_optimal(&i).unwrap();
            prop_assert!(found.landing >= 0.0 && found.landing < found.trigger);
            prop_assert!((found.cost / cost(&i, found.landing, found.trigger) - 1.0).abs() < 1e-9);
            for (da, db) in [(1.0, 0.0), (-1.0, 0.0), (0.0, 1.0), (0.0, -1.0), (1.0, 1.0), (-1.0, -1.0), (1.0, -1.0), (-1.0, 1.0)] {
                let (a, b) = (found.landing * (1.0 + 0.01 * da), found.trigger * (1.0 + 0.01 * db));
                if a < b {
                    prop_assert!(cost(&i, a, b) >= found.cost * (1.0 - 1e-12));
                }
            }
            let warmed = optimal(&i, &mut warm.clone()).unwrap();
            prop_assert!((warmed.trigger / found.trigger - 1.0).abs() < 1e-10);
        }
    }
}
