//! The convex programmes behind the targets, given to Clarabel.

use clarabel::{
    algebra::CscMatrix,
    solver::{
        DefaultSettingsBuilder, DefaultSolver, IPSolver as _,
        SolverStatus::{AlmostSolved, Solved},
        SupportedConeT::{self, ExponentialConeT, NonnegativeConeT, ZeroConeT},
    },
};

use super::TargetError;
use crate::forecast::Covariance;

/// Where weights have to be: each in `[low, high]`, each group's sum at most its limit, all summing to one.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Feasible {
    pub low: Vec<f64>,
    pub high: Vec<f64>,
    pub groups: Vec<(Vec<usize>, f64)>,
}

impl Feasible {
    /// Whether `w` is inside, to a billionth.
    pub fn contains(&self, w: &[f64]) -> bool {
        let at = |i: &usize| w.get(*i).copied().unwrap_or(0.0);
        let boxed = w.iter().zip(self.low.iter().zip(&self.high)).all(|(w, (low, high))| *w >= low - 1e-9 && *w <= high + 1e-9);
        boxed && self.groups.iter().all(|(members, most)| members.iter().map(at).sum::<f64>() <= most + 1e-9)
    }
}

/// Rows of `A x + s = b`, collected as triplets.
#[derive(Default)]
struct Rows {
    row: Vec<usize>,
    column: Vec<usize>,
    value: Vec<f64>,
    rhs: Vec<f64>,
}

impl Rows {
    fn push(&mut self, entries: impl IntoIterator<Item = (usize, f64)>, rhs: f64) {
        for (column, value) in entries {
            self.row.push(self.rhs.len());
            self.column.push(column);
            self.value.push(value);
        }
        self.rhs.push(rhs);
    }
}

fn solve(p: CscMatrix<f64>, q: &[f64], rows: Rows, cones: &[SupportedConeT<f64>]) -> Result<Vec<f64>, TargetError> {
    let failed = |reason: String| TargetError::Solver { reason };
    let a = CscMatrix::new_from_triplets(rows.rhs.len(), q.len(), rows.row, rows.column, rows.value);
    // An objective is flat at its optimum: weights good to 1e-6 take a gap of 1e-12.
    let mut settings = DefaultSettingsBuilder::default();
    settings.verbose(false).tol_gap_abs(1e-12).tol_gap_rel(1e-12).tol_feas(1e-10);
    let settings = settings.build().map_err(|e| failed(e.to_string()))?;
    let mut solver = DefaultSolver::new(&p, q, &a, &rows.rhs, cones, settings).map_err(|e| failed(e.to_string()))?;
    solver.solve();
    match solver.solution.status {
        Solved | AlmostSolved => Ok(solver.solution.x.clone()),
        status => Err(failed(format!("{status:?}"))),
    }
}

/// The upper triangle of `scale·Σ + ridge·I` as Clarabel wants it.
fn quadratic(covariance: Option<&Covariance>, n: usize, scale: f64, ridge: f64, extra: usize) -> CscMatrix<f64> {
    let (mut row, mut column, mut value) = (Vec::new(), Vec::new(), Vec::new());
    for j in 0..n {
        for i in 0..=j {
            row.push(i);
            column.push(j);
            value.push(scale * covariance.map_or(0.0, |c| c.get(i, j)) + if i == j { ridge } else { 0.0 });
        }
    }
    CscMatrix::new_from_triplets(n + extra, n + extra, row, column, value)
}

/// `min ½γ wᵀΣw − μᵀw` over the feasible weights.
pub(super) fn mean_variance(
    covariance: &Covariance,
    returns: &[f64],
    risk_aversion: f64,
    feasible: &Feasible,
) -> Result<Vec<f64>, TargetError> {
    let n = returns.len();
    let q: Vec<f64> = returns.iter().map(|r| -r).collect();
    // The ridge decides between assets that are worth the same.
    minimise(quadratic(Some(covariance), n, risk_aversion, 1e-9, 0), &q, feasible)
}

/// The feasible weights nearest to `wanted`: `min (w−w₀)ᵀ(Σ+εI)(w−w₀)`, that is by tracking error, or plainly without a forecast.
pub(super) fn nearest(covariance: Option<&Covariance>, wanted: &[f64], feasible: &Feasible) -> Result<Vec<f64>, TargetError> {
    let n = wanted.len();
    let ridge = if covariance.is_some() { 1e-4 } else { 1.0 };
    let mut pull = Vec::new();
    if let Some(covariance) = covariance {
        covariance.times(wanted, &mut pull);
    }
    let q: Vec<f64> = wanted.iter().enumerate().map(|(i, w)| -(ridge * w + pull.get(i).copied().unwrap_or(0.0))).collect();
    minimise(quadratic(covariance, n, 1.0, ridge, 0), &q, feasible)
}

fn minimise(p: CscMatrix<f64>, q: &[f64], feasible: &Feasible) -> Result<Vec<f64>, TargetError> {
    let mut rows = Rows::default();
    rows.push((0..q.len()).map(|i| (i, 1.0)), 1.0);
    for (i, (low, high)) in feasible.low.iter().zip(&feasible.high).enumerate() {
        rows.push([(i, -1.0)], -low);
        rows.push([(i, 1.0)], *high);
    }
    for (members, most) in &feasible.groups {
        rows.push(members.iter().map(|&i| (i, 1.0)), *most);
    }
    let cones = [ZeroConeT(1), NonnegativeConeT(rows.rhs.len() - 1)];
    solve(p, q, rows, &cones)
}

/// Weights whose shares of the variance are `budgets`: `min ½ yᵀΣy − Σ bᵢ ln yᵢ`, scaled to sum to one. At the optimum `yᵢ(Σy)ᵢ = bᵢ`.
/// Only for assets that move.
pub(super) fn risk_parity(covariance: &Covariance, budgets: &[f64]) -> Result<Vec<f64>, TargetError> {
    let n = budgets.len();
    let scale = (0..n).map(|i| covariance.get(i, i)).sum::<f64>() / n as f64;
    // Variables y, then t with (tᵢ, 1, yᵢ) in the exponential cone: tᵢ ≤ ln yᵢ.
    let q: Vec<f64> = std::iter::repeat_n(0.0, n).chain(budgets.iter().map(|b| -b)).collect();
    let mut rows = Rows::default();
    for i in 0..n {
        rows.push([(n + i, -1.0)], 0.0);
        rows.push([], 1.0);
        rows.push([(i, -1.0)], 0.0);
    }
    let y = solve(quadratic(Some(covariance), n, 1.0 / scale, 0.0, n), &q, rows, &vec![ExponentialConeT(); n])?;
    let sum: f64 = y.iter().take(n).sum();
    Ok(y.into_iter().take(n).map(|y| y / sum).collect())
}
