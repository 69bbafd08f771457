//! GARCH(1,1) with a constant mean and normal shocks, by maximum likelihood (Bollerslev 1986).
//!
//! `r_t = μ + e_t`, `σ²_t = ω + α e²_{t−1} + β σ²_{t−1}`, `ln L = −½ Σ (ln 2π + ln σ²_t + e²_t/σ²_t)`. The recursion starts, as in the
//! Python package `arch`, from the backcast: the mean of the first 75 squared residuals with weights 0.94ᵏ.
//! Nelder–Mead (argmin) searches over `μ`, `ln ω` and `(α, β, 1−α−β)` as a softmax, so that every point tried is a stationary model.

use argmin::{
    core::{CostFunction, Error, Executor, State as _},
    solver::neldermead::NelderMead,
};

/// Fewest returns a fit is tried on.
pub const FEWEST: usize = 100;
const BACKCAST: usize = 75;
const BACKCAST_DECAY: f64 = 0.94;

/// A fitted model and its state after the last return; `μ` in the returns' unit, variances in its square.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Garch {
    /// Mean return.
    pub mu: f64,
    /// Constant of the variance.
    pub omega: f64,
    /// Weight of the last squared residual.
    pub alpha: f64,
    /// Weight of the last variance.
    pub beta: f64,
    /// Log-likelihood of the sample.
    pub log_likelihood: f64,
    /// Variance of the next return.
    next: f64,
}

/// The negative mean log-likelihood of returns scaled to a unit variance.
struct Likelihood<'a> {
    returns: &'a [f64],
    backcast: f64,
}

impl Likelihood<'_> {
    /// `μ, ω, α, β` of a point of the unbounded search space.
    fn model(point: &[f64]) -> Option<[f64; 4]> {
        let &[mu, log_omega, a, b] = point else { return None };
        let top = a.max(b).max(0.0);
        let (ea, eb, rest) = ((a - top).exp(), (b - top).exp(), (-top).exp());
        let sum = ea + eb + rest;
        Some([mu, log_omega.exp(), ea / sum, eb / sum])
    }

    fn point([mu, omega, alpha, beta]: [f64; 4]) -> Vec<f64> {
        let rest = (1.0 - alpha - beta).max(1e-9);
        vec![mu, omega.ln(), (alpha.max(1e-9) / rest).ln(), (beta.max(1e-9) / rest).ln()]
    }

    /// Log-likelihood without its constant, and the next variance.
    fn run(&self, [mu, omega, alpha, beta]: [f64; 4]) -> (f64, f64) {
        let mut variance = omega + (alpha + beta) * self.backcast;
        let mut sum = 0.0;
        for r in self.returns {
            let square = (r - mu) * (r - mu);
            sum += variance.ln() + square / variance;
            variance = omega + alpha * square + beta * variance;
        }
        (-0.5 * sum, variance)
    }
}

impl CostFunction for Likelihood<'_> {
    type Param = Vec<f64>;
    type Output = f64;

    fn cost(&self, point: &Vec<f64>) -> Result<f64, Error> {
        let cost = Self::model(point).map_or(f64::MAX, |model| -self.run(model).0 / self.returns.len() as f64);
        Ok(if cost.is_finite() { cost } else { f64::MAX })
    }
}

impl Garch {
    /// The likeliest model of `returns` (oldest first); from `start` if an earlier fit is at hand, which is quicker.
    /// None with fewer than a hundred returns, or if they do not vary.
    pub fn fit(returns: &[f64], start: Option<&Self>) -> Option<Self> {
        if returns.len() < FEWEST || returns.iter().any(|r| !r.is_finite()) {
            return None;
        }
        let n = returns.len() as f64;
        let mean = returns.iter().sum::<f64>() / n;
        let scale = (returns.iter().map(|r| (r - mean) * (r - mean)).sum::<f64>() / n).sqrt();
        if !(scale > 0.0) {
            return None;
        }
        let scaled: Vec<f64> = returns.iter().map(|r| r / scale).collect();
        let first = scaled.iter().take(BACKCAST).map(|r| (r - mean / scale).powi(2));
        let weights = std::iter::successors(Some(1.0), |w| Some(w * BACKCAST_DECAY));
        let (sum, weight) = first.zip(weights).fold((0.0, 0.0), |(sum, weight), (e, w)| (sum + w * e, weight + w));
        let likelihood = |returns| Likelihood { returns, backcast: sum / weight };

        let starts: Vec<[f64; 4]> = match start {
            Some(g) => vec![[g.mu / scale, g.omega / (scale * scale), g.alpha, g.beta]],
            // The surface has a ridge along α + β = 1: begin on both sides of it.
            None => vec![[mean / scale, 0.05, 0.05, 0.90], [mean / scale, 0.2, 0.15, 0.65]],
        };
        let mut best: Option<(f64, Vec<f64>)> = None;
        // A second run from where the first ended shakes off a collapsed simplex; an earlier fit needs one small run.
        let (sizes, tolerance): (&[f64], f64) = if start.is_some() { (&[0.1], 1e-9) } else { (&[0.3, 0.05], 1e-14) };
        for start in starts {
            let mut point = Likelihood::point(start);
            for &size in sizes {
                let (cost, found) = search(likelihood(&scaled), point, size, tolerance)?;
                if best.as_ref().is_none_or(|(least, _)| cost < *least) {
                    best = Some((cost, found.clone()));
                }
                point = found;
            }
        }
        let [mu, omega, alpha, beta] = Likelihood::model(&best?.1)?;
        let (sum, next) = likelihood(&scaled).run([mu, omega, alpha, beta]);
        Some(Self {
            mu: mu * scale,
            omega: omega * scale * scale,
            alpha,
            beta,
            // Of the unscaled returns: the constant, and the Jacobian of the scaling.
            log_likelihood: sum - n * (0.5 * (2.0 * std::f64::consts::PI).ln() + scale.ln()),
            next: next * scale * scale,
        })
    }

    /// Takes in the next return without fitting again.
    pub fn push(&mut self, r: f64) {
        let e = r - self.mu;
        self.next = self.omega + self.alpha * e * e + self.beta * self.next;
    }

    /// Variances of the next `steps` returns: `σ²_{k+1} = ω + (α+β) σ²_k`.
    pub fn forecast(&self, steps: usize) -> impl Iterator<Item = f64> {
        std::iter::successors(Some(self.next), |v| Some(self.omega + (self.alpha + self.beta) * v)).take(steps)
    }
}

fn search(likelihood: Likelihood<'_>, from: Vec<f64>, size: f64, tolerance: f64) -> Option<(f64, Vec<f64>)> {
    let corner = |i: usize| {
        let mut corner = from.clone();
        if let Some(x) = i.checked_sub(1).and_then(|i| corner.get_mut(i)) {
            *x += size;
        }
        corner
    };
    let simplex = (0..=from.len()).map(corner).collect();
    let solver = NelderMead::new(simplex).with_sd_tolerance(tolerance).ok()?;
    let result = Executor::new(likelihood, solver).configure(|state| state.max_iters(600)).run().ok()?;
    Some((result.state().get_best_cost(), result.state().get_best_param()?.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forecast::reference::garch_series;

    /// Figures of `arch` 8.0.0 (Python 3.11, numpy 2.4.6, scipy 1.17.1) on series that both sides make from a seed:
    /// `pip install arch==8.0.0 scikit-learn==1.9.1 && python tests/reference/figures.py`, where the model is
    /// `arch_model(x, mean='Constant', vol='GARCH', p=1, q=1, dist='normal', rescale=False).fit(options={'ftol': 1e-14, 'maxiter': 1000})`.
    struct Figures {
        series: Vec<f64>,
        params: [f64; 4],
        log_likelihood: f64,
        forecast: [f64; 5],
    }

    fn figures() -> [Figures; 2] {
        [
            Figures {
                series: garch_series(1, 3000, 0.05, 0.02, 0.10, 0.88),
                params: [0.050867539430594716, 0.01802887452502823, 0.10695979283398684, 0.8728580360493554],
                log_likelihood: -3760.702296,
                forecast: [2.206360669496532, 2.1798603954447175, 2.1538949544584556, 2.1284535524452974, 2.1035256131610165],
            },
            Figures {
                series: garch_series(2, 1500, -0.02, 0.05, 0.15, 0.75),
                params: [-0.017613538014996866, 0.05919228348629937, 0.14523389641403653, 0.7219949278502404],
                log_likelihood: -1477.808459,
                forecast: [0.3256862653951135, 0.3416368005039269, 0.35546956431272925, 0.3674657358069623, 0.37786916150757865],
            },
        ]
    }

    #[test]
    fn the_series_are_those_of_the_python_side() {
        let [one, two] = figures();
        assert!((one.series.iter().sum::<f64>() - 184.52684943237924).abs() < 1e-9);
        assert!((two.series.iter().sum::<f64>() + 16.47151728859584).abs() < 1e-9);
    }

    #[test]
    fn fits_as_arch_does() {
        for figures in figures() {
            let garch = Garch::fit(&figures.series, None).unwrap();
            assert!((garch.log_likelihood - figures.log_likelihood).abs() < 2e-6, "{garch:?}");
            for (found, arch) in [garch.mu, garch.omega, garch.alpha, garch.beta].iter().zip(figures.params) {
                assert!((found - arch).abs() < 2e-5, "{garch:?}");
            }
            for (found, arch) in garch.forecast(5).zip(figures.forecast) {
                assert!((found / arch - 1.0).abs() < 1e-4, "{found} {arch}");
            }
        }
    }

    #[test]
    fn a_fit_does_not_depend_on_the_unit_or_the_start() {
        let series = garch_series(2, 1500, -0.02, 0.05, 0.15, 0.75);
        let percent = Garch::fit(&series, None).unwrap();
        let small: Vec<f64> = series.iter().map(|r| r / 100.0).collect();
        let plain = Garch::fit(&small, None).unwrap();
        assert!((plain.alpha - percent.alpha).abs() < 1e-6 && (plain.omega * 1e4 - percent.omega).abs() < 1e-6);
        let warm = Garch::fit(&series, Some(&Garch { alpha: 0.05, beta: 0.9, ..percent })).unwrap();
        assert!((warm.log_likelihood - percent.log_likelihood).abs() < 1e-4, "{warm:?} {percent:?}");
    }

    #[test]
    fn pushing_moves_the_state_as_the_likelihood_does() {
        let series = garch_series(1, 500, 0.0, 0.05, 0.1, 0.8);
        let mut garch = Garch::fit(&series, None).unwrap();
        let by_hand = garch.omega + garch.alpha * (1.5 - garch.mu).powi(2) + garch.beta * garch.forecast(1).next().unwrap();
        garch.push(1.5);
        assert_eq!(garch.forecast(1).next(), Some(by_hand));
    }

    #[test]
    fn nothing_to_fit_is_no_panic() {
        assert_eq!(Garch::fit(&[0.0; 500], None), None);
        assert_eq!(Garch::fit(&[1.0; 50], None), None);
        assert_eq!(Garch::fit(&[f64::NAN; 500], None), None);
    }
}
