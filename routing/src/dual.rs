//! Prices: the minimum of the dual function, by a semismooth Newton method.
//!
//! The Hessian of the dual is a sum of rank-one terms, one a pair that trades, and of small blocks, one a larger market. The
//! step solves (H + μI)s = −z on the tokens whose price is not held at its floor, by a Cholesky factorisation ([`cholesky`]), and where that would fill up
//! by conjugate gradients with the diagonal as preconditioner; μ (Levenberg–Marquardt) falls while the quadratic model is right and rises when it is not, and no price moves by more
//! than a share of itself in one step, which is doubled or cut likewise.
//!
//! Source: Diamandis, Resnick, Chitra, Angeris, "An Efficient Algorithm for Optimal Routing Through Constant Function Market
//! Makers" (2023), for the dual; the damping and its constants are measured.

mod cholesky;
mod interior;

pub(crate) use interior::{Settle, settle};

use crate::market::Token;
use crate::view::{Evaluation, Smoothing, View};
use cholesky::Cholesky;

/// Damping is measured against this many value units at least: against the order alone, dust fails.
const DAMPING_SCALE: f64 = 5e3;

/// Buffers that outlive a solve, so that the next allocates nothing.
#[derive(Debug, Default)]
pub(crate) struct Workspace {
    current: Evaluation,
    trial: Evaluation,
    trial_nu: Vec<f64>,
    touched: Vec<u32>,
    is_touched: Vec<bool>,
    diagonal: Vec<f64>,
    step: Vec<f64>,
    residual: Vec<f64>,
    conditioned: Vec<f64>,
    direction: Vec<f64>,
    product: Vec<f64>,
    /// Curvature of each token's price by itself.
    own: Vec<f64>,
    factor: Cholesky,
    /// Rows of the factor by token, and how many markets trade each token.
    place: Vec<u32>,
    degree: Vec<u32>,
    corners: interior::Corners,
}

impl Workspace {
    /// The dual at the prices of the last solve.
    pub fn last(&self) -> &Evaluation {
        &self.current
    }
}

/// How a minimisation ended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Minimum {
    pub evaluations: u32,
    pub converged: bool,
}

/// When to stop.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stop {
    pub tolerance: f64,
    pub iterations: u32,
    /// Stops once [`PATIENCE`] iterations together gain less than this part of the problem's scale.
    pub progress: f64,
    /// Stops below this value: nobody needs to know how low it goes.
    pub below: f64,
}

/// A step is found by a factorisation that holds up to so many numbers for each token, or so many in all.
const ROW: usize = 160;
const SMALL: usize = 10_000;
/// What is left over of a token counts at no less than this price: where prices run away to nothing it is still there.
const WORTH_SOMETHING: f64 = 1e-3;
/// Iterations without progress.
const PATIENCE: u32 = 5;
/// Lengths of a step that are tried.
const TRIALS: u32 = 10;
/// A length will do where the dual's slope along the step is this part of what it was.
const FLATTER: f64 = 0.9;

/// Moves `nu` to the minimum of the smoothed dual of `view`.
pub(crate) fn minimise(view: &View, nu: &mut [f64], smoothing: &Smoothing, stop: Stop, work: &mut Workspace) -> Minimum {
    let n = nu.len();
    view.admit(nu);
    let scale = view.scale();
    let damping = scale.max(DAMPING_SCALE);
    let (mut mu, mut reach) = (damping * 1e-2, 0.05_f64);
    let mut evaluations = 1;
    work.prepare(n);
    view.evaluate(nu, smoothing, &mut work.current);
    let mut residual = f64::INFINITY;
    let mut settled = false;
    let (mut milestone, mut since) = (work.current.value, 0);
    for _ in 0..stop.iterations {
        work.touch(view, nu);
        let over = |&t: &u32| work.current.surplus[t as usize].abs() * nu[t as usize].max(WORTH_SOMETHING);
        residual = work.touched.iter().map(over).sum::<f64>() / scale;
        if residual < stop.tolerance || work.current.value < stop.below {
            break;
        }
        work.newton_step(view, mu);
        // What the model says there is left to gain: below a part in 10¹² of the scale it drowns in rounding, whatever the residual
        // (next to a limit's corner a price that is right to the last bit still leaves the amount open).
        let left: f64 = work.touched.iter().map(|&t| -0.5 * work.current.surplus[t as usize] * work.step[t as usize]).sum();
        if mu <= damping * 1e-2 && residual < 1e-4 && left < 1e-12 * scale.max(work.current.value.abs()) {
            settled = true;
            break;
        }
        since += 1;
        if milestone - work.current.value > stop.progress * scale {
            (milestone, since) = (work.current.value, 0);
        } else if since >= PATIENCE && stop.progress > 0.0 {
            break;
        }
        let mut accepted = false;
        let slope = work.aim(view, nu, reach);
        // Along the step the dual is convex: between a length where it still falls and one where it rises again lies the least.
        let (mut falls, mut rises) = (0.0, None);
        let mut length = 1.0;
        for trial in 1..=TRIALS {
            work.try_step(view, nu, length, smoothing);
            evaluations += 1;
            let fall = work.current.value - work.trial.value;
            let here: f64 = work.touched.iter().map(|&t| work.trial.surplus[t as usize] * work.step[t as usize]).sum();
            let flatter = here.abs() <= FLATTER * slope.abs() || (here < 0.0 && rises.is_none());
            if fall > 1e-15 * work.current.value.abs() && (flatter || trial == TRIALS) {
                let ratio = fall / (-0.5 * length * slope).max(1e-300);
                nu.copy_from_slice(&work.trial_nu);
                std::mem::swap(&mut work.current, &mut work.trial);
                if ratio > 0.5 {
                    mu = (mu * 0.2).max(damping * 1e-10);
                    reach = (reach * 2.0).min(0.5);
                } else if ratio < 0.1 {
                    mu *= 4.0;
                }
                if trial > 1 {
                    mu *= 2.0;
                }
                accepted = true;
                break;
            }
            if here >= 0.0 {
                rises = Some((length, here));
            } else if rises.is_some() {
                falls = length;
            } else {
                break;
            }
            let Some((above, steep)) = rises else { break };
            length = if trial + 1 == TRIALS && falls > 0.0 {
                falls
            } else if trial % 2 == 1 && falls == 0.0 {
                above * (slope / (slope - steep)).clamp(0.05, 0.5)
            } else {
                0.5 * (falls + above)
            };
        }
        if !accepted {
            mu *= 100.0;
            reach = (reach * 0.3).max(1e-9);
            if mu > damping * 1e10 {
                break;
            }
        }
    }
    Minimum { evaluations, converged: settled || residual < stop.tolerance.max(1e-7) }
}

/// Rounds in which amounts are balanced: each leaves a small part of what the one before left.
const ROUNDS: usize = 4;
/// What is left over is nothing: a part of the problem's scale.
const BALANCED: f64 = 1e-13;

/// The markets' answers to `nu`, their amounts then moved along further Newton steps until nothing is left over or short. The prices
/// stay: such steps are too small to be seen in them, as the amounts of a deep market move by more than a small order for the last bit
/// of a price. Limits and linear curves pay what they pay, unsmoothed.
pub(crate) fn balance<'w>(view: &View, nu: &[f64], smoothing: &Smoothing, work: &'w mut Workspace) -> &'w Evaluation {
    work.prepare(nu.len());
    view.evaluate(nu, smoothing, &mut work.current);
    view.follow(&mut work.current, &work.step);
    for _ in 0..ROUNDS {
        work.touch(view, nu);
        let left: f64 = work.touched.iter().map(|&t| work.current.surplus[t as usize].abs() * nu[t as usize]).sum();
        if left <= BALANCED * view.scale() {
            break;
        }
        work.newton_step(view, BALANCED * view.scale().max(DAMPING_SCALE));
        view.follow(&mut work.current, &work.step);
    }
    &work.current
}

/// Goes through the Hessian of the dual: pairs of tokens, the same twice on the diagonal, with what each market adds there.
fn each_curvature(view: &View, at: &Evaluation, mut each: impl FnMut(Token, Token, f64)) {
    for p in &at.pairs {
        each(p.input, p.input, p.h + p.bend * p.x * p.x);
        each(p.output, p.output, p.h * p.m * p.m + p.bend * p.y * p.y);
        each(p.input, p.output, -p.h * p.m - p.bend * p.x * p.y);
    }
    for active in &at.blocks {
        let (tokens, response) = (&view.blocks[active.index as usize].tokens, &active.response);
        for (k, &a) in tokens.iter().enumerate().filter(|(k, _)| response.trade[*k] != 0.0) {
            for (j, &b) in tokens.iter().enumerate().take(k + 1).filter(|(j, _)| response.trade[*j] != 0.0) {
                let bend = active.bend * response.trade[k] * response.trade[j];
                each(a, b, active.share * response.hessian[k * tokens.len() + j] + bend);
            }
        }
    }
    for active in at.bundles.iter().filter(|b| b.h > 0.0) {
        let moves = &view.bundles[active.index as usize].moves;
        for (k, &(a, x)) in moves.iter().enumerate() {
            moves[..=k].iter().for_each(|&(b, y)| each(a, b, active.h * x * y));
        }
    }
}

impl Workspace {
    fn prepare(&mut self, n: usize) {
        for buffer in [
            &mut self.diagonal,
            &mut self.step,
            &mut self.residual,
            &mut self.conditioned,
            &mut self.direction,
            &mut self.product,
            &mut self.own,
        ] {
            buffer.clear();
            buffer.resize(n, 0.0);
        }
        self.place.clear();
        self.place.resize(n, u32::MAX);
        self.degree.clear();
        self.degree.resize(n, 0);
        self.is_touched.clear();
        self.is_touched.resize(n, false);
        self.touched.clear();
    }

    /// Lists the tokens that may move: not free, and not held at their floor by a leftover.
    fn touch(&mut self, view: &View, nu: &[f64]) {
        for &t in &self.touched {
            self.is_touched[t as usize] = false;
        }
        self.touched.clear();
        let (touched, is_touched, surplus) = (&mut self.touched, &mut self.is_touched, &self.current.surplus);
        let mut add = |t: u32| {
            let at = t as usize;
            let held = view.free[at] || (nu[at] <= view.floor[at] * (1.0 + 1e-12) && surplus[at] >= 0.0);
            if !held && !is_touched[at] {
                is_touched[at] = true;
                touched.push(t);
            }
        };
        for pair in &self.current.pairs {
            add(pair.input);
            add(pair.output);
        }
        for active in &self.current.blocks {
            let block = &view.blocks[active.index as usize];
            for (k, &t) in block.tokens.iter().enumerate() {
                if active.response.trade[k] != 0.0 {
                    add(t);
                }
            }
        }
        for active in &self.current.bundles {
            view.bundles[active.index as usize].moves.iter().for_each(|&(t, _)| add(t));
        }
        for t in 0..view.endowment.len() {
            if view.endowment[t] != 0.0 {
                add(t as u32);
            }
        }
    }

    /// Evaluates the dual so far along the step.
    fn try_step(&mut self, view: &View, nu: &[f64], length: f64, smoothing: &Smoothing) {
        self.trial_nu.clear();
        self.trial_nu.extend_from_slice(nu);
        for t in self.touched.iter().map(|&t| t as usize) {
            self.trial_nu[t] = (nu[t] + length * self.step[t]).max(view.floor[t]);
        }
        view.evaluate(&self.trial_nu, smoothing, &mut self.trial);
    }

    /// Makes the step one that moves no price by more than `reach` of itself, nor below its floor; returns the dual's slope along it.
    fn aim(&mut self, view: &View, nu: &[f64], reach: f64) -> f64 {
        let mut slope = 0.0;
        for &t in &self.touched {
            let t = t as usize;
            let most = reach * nu[t];
            self.step[t] = self.step[t].clamp((-most).max(view.floor[t] - nu[t]), most);
            slope += self.current.surplus[t] * self.step[t];
        }
        slope
    }

    /// Solves (H + μI)·step = −surplus on the touched tokens.
    fn newton_step(&mut self, view: &View, mu: f64) {
        if !self.factorise(view, mu) {
            self.iterate(view, mu);
        }
    }

    /// The same by a Cholesky factorisation, tokens that few markets trade first: little is added to their rows by eliminating others. False
    /// where it would hold too much, or rounding leaves no positive pivot.
    fn factorise(&mut self, view: &View, mu: f64) -> bool {
        let n = self.touched.len();
        let mut touched = std::mem::take(&mut self.touched);
        for &t in &touched {
            self.degree[t as usize] = 0;
        }
        let degree = &mut self.degree;
        each_curvature(view, &self.current, |a, b, _| {
            if a != b {
                degree[a as usize] += 1;
                degree[b as usize] += 1;
            }
        });
        touched.sort_unstable_by_key(|&t| (self.degree[t as usize], t));
        for (row, &t) in touched.iter().enumerate() {
            self.place[t as usize] = row as u32;
        }
        let (factor, place) = (&mut self.factor, &self.place);
        factor.begin(n);
        each_curvature(view, &self.current, |a, b, value| {
            let (a, b) = (place[a as usize] as usize, place[b as usize] as usize);
            // Only of tokens that may move.
            if a < n && b < n {
                factor.add(a, b, value);
            }
        });
        for (row, &t) in touched.iter().enumerate() {
            factor.add(row, row, self.own[t as usize]);
        }
        let done = factor.factorise(mu, SMALL.max(ROW * n));
        if done {
            factor.solution.clear();
            factor.solution.extend(touched.iter().map(|&t| -self.current.surplus[t as usize]));
            factor.solve();
            for (&t, step) in touched.iter().zip(&factor.solution) {
                self.step[t as usize] = *step;
            }
        }
        for &t in &touched {
            self.place[t as usize] = u32::MAX;
        }
        self.touched = touched;
        done
    }

    /// The same by conjugate gradients.
    fn iterate(&mut self, view: &View, mu: f64) {
        let touched = std::mem::take(&mut self.touched);
        let each = || touched.iter().map(|&t| t as usize);
        for t in each() {
            self.diagonal[t] = mu + self.own[t];
        }
        // Tokens that are not touched collect numbers that nobody reads.
        for p in &self.current.pairs {
            self.diagonal[p.input as usize] += p.h + p.bend * p.x * p.x;
            self.diagonal[p.output as usize] += p.h * p.m * p.m + p.bend * p.y * p.y;
        }
        for active in &self.current.blocks {
            let tokens = &view.blocks[active.index as usize].tokens;
            let n = tokens.len();
            for k in 0..n {
                let z = active.response.trade[k];
                self.diagonal[tokens[k] as usize] += active.share * active.response.hessian[k * n + k] + active.bend * z * z;
            }
        }
        for active in self.current.bundles.iter().filter(|b| b.h > 0.0) {
            for &(t, k) in &view.bundles[active.index as usize].moves {
                self.diagonal[t as usize] += active.h * k * k;
            }
        }
        let mut power = 0.0;
        for t in each() {
            self.step[t] = 0.0;
            self.residual[t] = -self.current.surplus[t];
            self.conditioned[t] = self.residual[t] / self.diagonal[t];
            self.direction[t] = self.conditioned[t];
            power += self.residual[t] * self.conditioned[t];
        }
        let first = power;
        for _ in 0..200.min(4 * touched.len() + 4) {
            if power <= 1e-16 * first || power == 0.0 {
                break;
            }
            self.multiply(view, mu, &touched);
            let curvature: f64 = each().map(|t| self.direction[t] * self.product[t]).sum();
            if curvature <= 0.0 || !curvature.is_finite() {
                break;
            }
            let along = power / curvature;
            let mut next = 0.0;
            for t in each() {
                self.step[t] += along * self.direction[t];
                self.residual[t] -= along * self.product[t];
                self.conditioned[t] = self.residual[t] / self.diagonal[t];
                next += self.residual[t] * self.conditioned[t];
            }
            let turn = next / power;
            power = next;
            for t in each() {
                self.direction[t] = self.conditioned[t] + turn * self.direction[t];
            }
        }
        for t in each() {
            self.direction[t] = 0.0;
            self.diagonal[t] = 0.0;
        }
        self.touched = touched;
    }

    /// product = (H + μI)·direction; the direction is zero on tokens that are not touched.
    fn multiply(&mut self, view: &View, mu: f64, touched: &[u32]) {
        for &t in touched {
            self.product[t as usize] = (mu + self.own[t as usize]) * self.direction[t as usize];
        }
        for p in &self.current.pairs {
            let (i, o) = (p.input as usize, p.output as usize);
            let (di, d_o) = (self.direction[i], self.direction[o]);
            let v = p.h * (di - p.m * d_o);
            let w = p.bend * (p.y * d_o - p.x * di);
            self.product[i] += v - w * p.x;
            self.product[o] += w * p.y - v * p.m;
        }
        for active in self.current.bundles.iter().filter(|b| b.h > 0.0) {
            let moves = &view.bundles[active.index as usize].moves;
            let along = active.h * moves.iter().map(|&(t, k)| k * self.direction[t as usize]).sum::<f64>();
            for &(t, k) in moves {
                self.product[t as usize] += along * k;
            }
        }
        for active in &self.current.blocks {
            let tokens = &view.blocks[active.index as usize].tokens;
            let (n, trade) = (tokens.len(), &active.response.trade);
            let along: f64 = (0..n).map(|k| trade[k] * self.direction[tokens[k] as usize]).sum::<f64>() * active.bend;
            for k in 0..n {
                let row = &active.response.hessian[k * n..(k + 1) * n];
                let sum: f64 = (0..n).map(|j| row[j] * self.direction[tokens[j] as usize]).sum();
                self.product[tokens[k] as usize] += active.share * sum + along * trade[k];
            }
        }
    }
}
