//! Prices at the corners of the gas-aware dual, by an interior point.
//!
//! Where a market earns just its gas the dual has a corner, and its minimum lies on several of them: rounded corners lead Newton's method
//! there by many short steps. Here a share λ of each market counts, which is an unknown of its own beside the prices, with what the
//! market earns beyond its gas and what it lacks: over − under = profit − gas, over·(1 − λ) = under·λ = μ. Newton's method follows the
//! solution of these equations, and of those that leave nothing over, as μ falls. Its step is the dual's, λ being how much of a market
//! counts and 1/(over/(1 − λ) + under/λ) the weight of its corner.
//!
//! The λ that solves the equations of a market at given prices makes the sum over markets a convex function of the prices, whose corners
//! are rounded by the barrier φ(s) = min over − μ·ln over − μ·ln under. Steps are measured by that, and begin anew from there
//! where they do not lead down.
//!
//! Source: the primal-dual method as in Nocedal, Wright, "Numerical Optimization" (2006), chapter 19; the constants are measured.

use super::{Minimum, Workspace};
use crate::market::{MarketId, Token};
use crate::view::{Evaluation, Smoothing, View};

/// How much of the way to a bound a step may take.
const SHORT_OF_BOUND: f64 = 0.99;
/// Steps at the most, and lengths of one that are tried.
const STEPS: u32 = 60;
const TRIALS: u32 = 6;
/// What a step has to gain of what its slope promises.
const ARMIJO: f64 = 1e-4;
/// The most that a price moves in one step, as a part of itself.
const REACH: f64 = 0.1;
/// By how much μ falls after a step that was nearly taken whole, and after one that was long.
const WHOLE: (f64, f64) = (0.9, 0.05);
const LONG: (f64, f64) = (0.5, 0.2);

/// What is to be settled, and how far.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Settle {
    /// What a unit of gas costs; above zero.
    pub gas_value: f64,
    /// Smoothing of markets at one rate.
    pub linear: f64,
    /// μ to begin and to end with, in value units.
    pub from: f64,
    pub to: f64,
    /// Added to the dual's curvature: prices that next to nothing depends on stay where they are.
    pub damping: f64,
}

/// Where a market stands at its corner.
#[derive(Debug, Clone, Copy, Default)]
struct Corner {
    /// How much of the market counts.
    share: f64,
    /// What it earns beyond its gas, and what it lacks, as far as the steps have come: both above zero.
    over: f64,
    under: f64,
    /// Weight of the corner, and the share that the step leads to at the prices that there are.
    bend: f64,
    aim: f64,
    /// Directions of share, over and under.
    turn: [f64; 3],
    /// When it was last met.
    met: u32,
}

impl Corner {
    /// The one that solves the market's equations at what it earns after gas.
    fn central(s: f64, mu: f64) -> Self {
        let u = s / mu;
        let root = (u * u + 4.0).sqrt();
        // √(u² + 4) − |u| cancels.
        let (most, least) = (root + u.abs() + 2.0, 4.0 / (root + u.abs()) + 2.0);
        let (over, under) = if u > 0.0 { (most, least) } else { (least, most) };
        Self { share: 2.0 / under, over: 0.5 * mu * over, under: 0.5 * mu * under, ..Self::default() }
    }

    /// φ, of a central one.
    fn barrier(&self, mu: f64) -> f64 {
        self.over - mu * (self.over * self.under).ln()
    }

    /// Linearises the equations; from the central corner, if it was not there the time before.
    fn meet(&mut self, s: f64, mu: f64, now: u32) {
        if self.met + 1 != now {
            *self = Self::central(s, mu);
        }
        self.met = now;
        let rest = 1.0 - self.share;
        self.bend = 1.0 / (self.over / rest + self.under / self.share);
        self.aim = self.share + self.bend * (s - mu / rest + mu / self.share);
    }

    /// Finds the directions, where the step of the prices moves the profit by `along`.
    fn turn(&mut self, along: f64, mu: f64) {
        let (share, rest) = (self.share, 1.0 - self.share);
        let turn = self.aim - share + self.bend * along;
        self.turn =
            [turn, (mu - rest * self.over + self.over * turn) / rest, (mu - share * self.under - self.under * turn) / share];
    }

    /// How far the share may go, and over and under.
    fn room(&self) -> [f64; 2] {
        let until = |x: f64, turn: f64| if turn < 0.0 { -SHORT_OF_BOUND * x / turn } else { 1.0 };
        let [share, over, under] = self.turn;
        [until(self.share, share).min(until(1.0 - self.share, -share)), until(self.over, over).min(until(self.under, under))]
    }

    fn go(&mut self, [of_share, of_rest]: [f64; 2]) {
        self.share += of_share * self.turn[0];
        self.over += of_rest * self.turn[1];
        self.under += of_rest * self.turn[2];
    }
}

/// The corners of all markets of a view: of pairs, then of blocks.
#[derive(Debug, Default)]
pub(super) struct Corners {
    corners: Vec<Corner>,
    /// Counts how often corners were met.
    now: u32,
}

/// Goes through the markets that trade: where its corner is, which it is, its tokens, and what it trades of them.
fn trading(view: &View, at: &Evaluation, mut each: impl FnMut(usize, MarketId, &[Token], &[f64])) {
    for p in &at.pairs {
        each(p.index as usize, view.pairs[p.index as usize].market, &[p.input, p.output], &[-p.x, p.y]);
    }
    for active in &at.blocks {
        let block = &view.blocks[active.index as usize];
        each(view.pairs.len() + active.index as usize, block.market, &block.tokens, &active.response.trade);
    }
}

fn dot(tokens: &[Token], trade: &[f64], of: &[f64]) -> f64 {
    tokens.iter().zip(trade).map(|(&t, z)| z * of[t as usize]).sum()
}

/// The dual with corners rounded by the barrier, from what it is as if gas were free. Markets that do not trade count for nothing.
fn rounded(view: &View, nu: &[f64], at: &Evaluation, gas_value: f64, mu: f64) -> f64 {
    let mut value = at.value;
    trading(view, at, |_, market, tokens, trade| {
        let (profit, gas) = (dot(tokens, trade, nu), view.markets.gas(market) * gas_value);
        value += Corner::central(profit - gas, mu).barrier(mu) - Corner::central(-gas, mu).barrier(mu) - profit;
    });
    value
}

impl Corners {
    fn begin(&mut self, markets: usize) {
        self.corners.clear();
        self.corners.resize(markets, Corner::default());
        self.now = 1;
    }

    /// All are to be central when they are met next.
    fn forget(&mut self) {
        self.now += 1;
    }

    /// Lets each market count by its share and its corner.
    fn meet(&mut self, view: &View, nu: &[f64], at: &mut Evaluation, gas_value: f64, mu: f64) {
        self.now += 1;
        let mut surplus = std::mem::take(&mut at.surplus);
        trading(view, at, |place, market, tokens, trade| {
            let corner = &mut self.corners[place];
            corner.meet(dot(tokens, trade, nu) - view.markets.gas(market) * gas_value, mu, self.now);
            for (&t, z) in tokens.iter().zip(trade) {
                surplus[t as usize] -= (1.0 - corner.aim) * z;
            }
        });
        at.surplus = surplus;
        for p in &mut at.pairs {
            let corner = &self.corners[p.index as usize];
            (p.share, p.bend, p.h) = (corner.share, corner.bend, p.h * corner.share);
        }
        for active in &mut at.blocks {
            let corner = &self.corners[view.pairs.len() + active.index as usize];
            (active.share, active.bend) = (corner.share, corner.bend);
        }
    }

    /// Turns all corners along the step of the prices. Returns the slope of the rounded dual along it, and how far corners may go.
    fn turn(&mut self, view: &View, nu: &[f64], at: &Evaluation, step: &[f64], gas_value: f64, mu: f64) -> (f64, [f64; 2]) {
        let (mut slope, mut room) = (0.0, [1.0_f64; 2]);
        trading(view, at, |place, market, tokens, trade| {
            let (corner, along) = (&mut self.corners[place], dot(tokens, trade, step));
            corner.turn(along, mu);
            room = std::array::from_fn(|k| room[k].min(corner.room()[k]));
            let central = Corner::central(dot(tokens, trade, nu) - view.markets.gas(market) * gas_value, mu);
            slope += (central.share - corner.aim) * along;
        });
        (slope, room)
    }
}

/// Moves `nu` to the minimum of the gas-aware dual of `view`, which has markets alone and no offers: up to 2μ for each of them.
pub(crate) fn settle(view: &View, nu: &mut [f64], how: Settle, work: &mut Workspace) -> Minimum {
    debug_assert!(view.limits.is_empty() && view.bundles.is_empty());
    let Settle { gas_value, linear, from, to, damping } = how;
    let smoothing = Smoothing { gas: None, gas_value, linear };
    let mut corners = std::mem::take(&mut work.corners);
    corners.begin(view.pairs.len() + view.blocks.len());
    view.admit(nu);
    work.prepare(nu.len());
    view.evaluate(nu, &smoothing, &mut work.current);
    let (mut evaluations, mut converged) = (1, false);
    let (mut mu, mut is_central) = (from.max(to), true);
    for _ in 0..STEPS {
        let value = rounded(view, nu, &work.current, gas_value, mu);
        corners.meet(view, nu, &mut work.current, gas_value, mu);
        work.touch(view, nu);
        work.newton_step(view, damping);
        let (mut slope, [of_share, mut length]) = corners.turn(view, nu, &work.current, &work.step, gas_value, mu);
        for t in work.touched.iter().map(|&t| t as usize) {
            slope += work.current.surplus[t] * work.step[t];
            length = length.min(REACH * nu[t] / work.step[t].abs());
        }
        let markets = work.current.pairs.len() + work.current.blocks.len();
        if mu <= to && slope.abs() <= to * markets as f64 {
            converged = true;
            break;
        }
        let mut leads_down = false;
        for _ in 0..TRIALS {
            if slope >= 0.0 || leads_down {
                break;
            }
            work.try_step(view, nu, length, &smoothing);
            evaluations += 1;
            // Rounding alone may raise it by the last bits.
            let most = value + ARMIJO * length * slope + 1e-13 * value.abs();
            leads_down = rounded(view, &work.trial_nu, &work.trial, gas_value, mu) <= most;
            length *= if leads_down { 1.0 } else { 0.3 };
        }
        if leads_down {
            nu.copy_from_slice(&work.trial_nu);
            std::mem::swap(&mut work.current, &mut work.trial);
            let now = corners.now;
            corners.corners.iter_mut().filter(|c| c.met == now).for_each(|c| c.go([of_share, length]));
            is_central = false;
            let fall = [WHOLE, LONG].iter().find(|(least, _)| length.min(of_share) >= *least).map_or(1.0, |(_, fall)| *fall);
            mu = (mu * fall).max(to);
            continue;
        }
        if is_central {
            // There is no way down: these prices are the least for this μ, as far as rounding lets one see.
            if mu <= to {
                break;
            }
            mu = (mu * LONG.1).max(to);
        }
        is_central = true;
        corners.forget();
        view.evaluate(nu, &smoothing, &mut work.current);
        evaluations += 1;
    }
    work.corners = corners;
    Minimum { evaluations, converged }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::curve::{Curve, Product};
    use crate::market::Markets;
    use crate::problem::{GasPrice, Problem, Wanted};

    #[test]
    fn the_least_lies_where_several_markets_earn_just_their_gas() {
        const GAS_VALUE: f64 = 1e-5;
        let mut markets = Markets::new(2);
        // Prices a per cent and two apart: each pool would earn about its gas somewhere in between.
        for (depth, price) in [(2e5, 0.98), (9e4, 0.985), (3e5, 1.0), (5e4, 1.015), (1.5e5, 1.02)] {
            let curve = Curve::Product(Product::new([depth, depth * price], 0.001).unwrap());
            markets.add(&[0, 1], curve, 1e5).unwrap();
        }
        let wanted = vec![Wanted { token: 0, weight: 1.0, free: true }];
        let problem = Problem { wanted, gas: GasPrice { token: 0, price: GAS_VALUE, fixed: 0.0 }, ..Problem::default() };
        let view = View::whole(&markets, &[0, 1], &problem);
        let earned = |price: f64| view.bound(&[1.0, price], GAS_VALUE);
        // Convex along the one price: a search by thirds.
        let (mut low, mut high) = (0.9_f64, 1.1_f64);
        for _ in 0..200 {
            let third = (high - low) / 3.0;
            if earned(low + third) < earned(high - third) { high -= third } else { low += third }
        }
        let least = earned(low);
        assert!(least > 1.0, "{least}: there is nothing between the pools");
        for start in [0.95, 1.0, 1.05] {
            let mut nu = [1.0, start];
            let how = Settle { gas_value: GAS_VALUE, linear: 1e-4, from: 0.1, to: 1e-7, damping: 1.0 };
            let minimum = settle(&view, &mut nu, how, &mut Workspace::default());
            let found = earned(nu[1]);
            assert!(minimum.converged && (nu[0] - 1.0).abs() == 0.0, "from {start}: {minimum:?}");
            assert!((least - 1e-9..=least + 1e-6).contains(&found), "from {start}: {found} instead of {least}");
        }
    }

    #[test]
    fn a_central_corner_solves_its_equations() {
        for s in [-1e6, -3.0, -1e-9, 0.0, 1e-9, 3.0, 1e6] {
            for mu in [1e-7, 1e-2, 1.0] {
                let Corner { share, over, under, .. } = Corner::central(s, mu);
                assert!((over - under - s).abs() <= 1e-12 * (over + under), "{s} {mu}");
                assert!((share * under - mu).abs() <= 1e-12 * mu, "{s} {mu}");
                // 1 − λ cancels where λ is nearly one.
                assert!(((1.0 - share) * over - mu).abs() <= 1e-15 * over + 1e-12 * mu, "{s} {mu}");
            }
        }
    }
}
