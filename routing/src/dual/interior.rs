//! Prices at the corners of the gas-aware dual, by an interior point.
//!
//! Where a market earns just its gas the dual has a corner, and its minimum lies on several of them: rounded corners lead Newton's method
//! there by many short steps. Here a share λ of each market counts, which is an unknown of its own beside the prices, with what the
//! market earns beyond its gas and what it lacks: over − under = profit − gas, over·(1 − λ) = under·λ = μ. Newton's method follows the
//! solution of these equations, and of those that leave nothing over, as μ falls. Its step is the dual's, λ being how much of a market
//! counts and 1/(over/(1 − λ) + under/λ) the weight of its corner.
//!
//! Offers have corners too, at the prices that are their limits: all of an offer is on the market then, whatever that earns, and λ is how
//! much of it is filled. Their rates fall a little towards their caps, as Newton's method has them elsewhere: over − under is that much less.
//!
//! The λ that solves the equations of a market at given prices makes the sum over markets a convex function of the prices, whose corners
//! are rounded by the barrier φ(s) = min over − μ·ln over − μ·ln under. Prices have a barrier at their floors: −μ·ln(ν − floor), so that a
//! little may be left over of each token. Steps are measured by all that, and begin anew from central corners where they do not lead down.
//!
//! Where many prices would do, those are found that are next to where the search began: a weak force holds them there. What no market of a
//! choice pins down would else drift to where markets beside it seem to earn a fortune.
//!
//! Source: the primal-dual method as in Nocedal, Wright, "Numerical Optimization" (2006), chapter 19; the constants are measured.

use super::{Minimum, Workspace};
use crate::market::Token;
use crate::view::{Evaluation, Smoothing, View};

/// How much of the way to a bound a step may take.
const SHORT_OF_BOUND: f64 = 0.99;
/// Steps at the most, and lengths of one that are tried.
const STEPS: u32 = 60;
const TRIALS: u32 = 6;
/// What a step has to gain of what its slope promises.
const ARMIJO: f64 = 1e-4;
/// Steps to the central corner of an offer, and the least of them.
const ROOT_STEPS: u32 = 30;
const CLOSE: f64 = 1e-7;
/// The least that a price counts as being above its floor: some are held there.
const LEAST_ABOVE: f64 = 1e-9;
/// What prices may be held by in the end, as a part of the problem's scale.
const HELD: f64 = 1e-7;
/// How far above its floor a price begins, as a part of that.
const LIFT: f64 = 1e-3;
/// The most that a price rises in one step, and falls, as parts of itself; one that is next to nothing rises as if it were a little more.
const UP: f64 = 0.3;
const DOWN: f64 = 0.8;
const LITTLE: f64 = 0.3;
/// What is left at least of the length of a step that does not lead down, and at the most.
const SHORTER: (f64, f64) = (0.05, 0.5);
/// By how much μ falls after a step that was nearly taken whole, and after one that was long.
const WHOLE: (f64, f64) = (0.9, 0.05);
const LONG: (f64, f64) = (0.5, 0.2);

/// What is to be settled, and how far.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Settle {
    /// What a unit of gas costs. Where it is free only offers have corners.
    pub gas_value: f64,
    /// Fall of the rate of offers over their caps.
    pub linear: f64,
    /// μ to begin and to end with, in value units.
    pub from: f64,
    pub to: f64,
    /// Added to the dual's curvature: prices that next to nothing depends on stay where they are.
    pub damping: f64,
    /// Force that holds prices where they began, by their distance.
    pub hold: f64,
    /// Stops below this value: nobody needs to know how low it goes.
    pub below: f64,
}

/// Where a market is: what all of it earns after gas, and how much less of an offer the last part is worth than the first.
#[derive(Debug, Clone, Copy)]
struct Stand {
    s: f64,
    fall: f64,
}

/// Where a market stands at its corner.
#[derive(Debug, Clone, Copy, Default)]
struct Corner {
    /// How much of the market counts.
    share: f64,
    /// As in [`Stand`].
    fall: f64,
    /// What it earns beyond its gas, and what it lacks, as far as the steps have come: both above zero.
    over: f64,
    under: f64,
    /// Weight of the corner, and the share that the step leads to at the prices that there are.
    bend: f64,
    aim: f64,
    /// Directions of share, over and under.
    turn: [f64; 3],
    /// Share of the central corner at these prices.
    central: f64,
    /// When it was last met.
    met: u32,
}

impl Corner {
    /// The one that solves the market's equations at what it earns after gas.
    fn central(Stand { s, fall }: Stand, mu: f64) -> Self {
        if fall > 0.0 {
            return Self::central_of_offer(s, fall, mu);
        }
        let u = s / mu;
        let root = (u * u + 4.0).sqrt();
        // √(u² + 4) − |u| cancels.
        let (most, least) = (root + u.abs() + 2.0, 4.0 / (root + u.abs()) + 2.0);
        let (over, under) = if u > 0.0 { (most, least) } else { (least, most) };
        Self { share: 2.0 / under, over: 0.5 * mu * over, under: 0.5 * mu * under, ..Self::default() }
    }

    // μ/(1 − λ) − μ/λ + fall·λ = s, and the same for 1 − λ with fall − s for s: the smaller of both, x, is where the concave
    // μ − μ·x/(1 − x) − fall·x² + s·x comes down to zero, and Newton's method goes there from above without stepping over it. It is above where
    // μ − μ·x − fall·x² + s·x is zero.
    fn central_of_offer(s: f64, fall: f64, mu: f64) -> Self {
        let is_less = s <= 0.5 * fall;
        let s = if is_less { s } else { fall - s };
        let lean = s - mu;
        let root = (lean * lean + 4.0 * fall * mu).sqrt();
        let mut x = (if lean > 0.0 { 0.5 * (lean + root) / fall } else { 2.0 * mu / (root - lean) }).min(0.5);
        for _ in 0..ROOT_STEPS {
            let rest = 1.0 - x;
            let step = (mu + x * (s - mu / rest - fall * x)) / (s - mu / (rest * rest) - 2.0 * fall * x);
            x -= step;
            // What it is off by the barrier feels by the square.
            if step.abs() <= CLOSE * x {
                break;
            }
        }
        let (share, rest) = if is_less { (x, 1.0 - x) } else { (1.0 - x, x) };
        Self { share, fall, over: mu / rest, under: mu / share, ..Self::default() }
    }

    /// φ, of a central one.
    fn barrier(&self, mu: f64) -> f64 {
        self.over + 0.5 * self.fall * self.share * self.share - mu * (self.over * self.under).ln()
    }

    /// Linearises the equations; from the central corner, if it was not there the time before.
    fn meet(&mut self, stand: Stand, central: Self, mu: f64, now: u32) {
        if self.met + 1 != now {
            *self = central;
        }
        (self.met, self.central) = (now, central.share);
        let rest = 1.0 - self.share;
        self.bend = 1.0 / (self.over / rest + self.under / self.share + self.fall);
        self.aim = self.share + self.bend * (stand.s - self.fall * self.share - mu / rest + mu / self.share);
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

/// The corners of all markets of a view: of pairs, limits, then blocks.
#[derive(Debug, Default)]
pub(super) struct Corners {
    corners: Vec<Corner>,
    /// Counts how often corners were met.
    now: u32,
}

/// What has a corner in an evaluation.
struct Cornered<'a> {
    /// Which corner.
    place: usize,
    tokens: &'a [Token],
    trade: &'a [f64],
    /// What it has to pay for.
    gas: f64,
    /// As in [`Stand`].
    fall: f64,
}

impl Cornered<'_> {
    fn along(&self, of: &[f64]) -> f64 {
        self.tokens.iter().zip(self.trade).map(|(&t, z)| z * of[t as usize]).sum()
    }

    fn stand(&self, nu: &[f64]) -> Stand {
        Stand { s: self.along(nu) - self.gas, fall: self.fall }
    }

    /// What its corner adds to the dual once that is rounded, and once it is not.
    fn rounded(&self, Stand { s, .. }: Stand, central: &Corner, mu: f64) -> [f64; 2] {
        let all = s + self.gas;
        // What does not trade counts for nothing. Offers are always there.
        let idle = if self.fall > 0.0 { 0.0 } else { Corner::central(Stand { s: -self.gas, fall: 0.0 }, mu).barrier(mu) };
        [central.barrier(mu) - idle - all, s.max(0.0) - all]
    }
}

impl Settle {
    /// Goes through all that has a corner: offers, and where gas costs something the markets that trade.
    fn each(&self, view: &View, at: &Evaluation, mut each: impl FnMut(Cornered<'_>)) {
        let gas = |market| view.markets.gas(market) * self.gas_value;
        for p in &at.pairs {
            let (place, tokens, trade) = (p.index as usize, &[p.input, p.output], &[-p.x, p.y]);
            let (gas, is_offer) = view.pairs.get(place).map_or((0.0, true), |pair| (gas(pair.market), view.is_offer(pair)));
            if gas > 0.0 || is_offer {
                each(Cornered { place, tokens, trade, gas, fall: if is_offer { self.linear * p.y } else { 0.0 } });
            }
        }
        for active in &at.blocks {
            let block = &view.blocks[active.index as usize];
            let (place, gas) = (first_block(view) + active.index as usize, gas(block.market));
            if gas > 0.0 {
                each(Cornered { place, tokens: &block.tokens, trade: &active.response.trade, gas, fall: 0.0 });
            }
        }
    }

    /// The dual with corners rounded by the barrier, from what it is as if all traded and paid no gas; and how that changes along a step.
    fn rounded(&self, view: &View, nu: &[f64], step: &[f64], at: &Evaluation, mu: f64) -> [f64; 2] {
        let (mut value, mut slope) = (at.value + self.of_prices(view, nu, mu), 0.0);
        self.each(view, at, |cornered| {
            let stand = cornered.stand(nu);
            let central = Corner::central(stand, mu);
            value += cornered.rounded(stand, &central, mu)[0];
            slope -= (1.0 - central.share) * cornered.along(step);
        });
        [value, slope]
    }

    /// Whether prices have a barrier: where offers sell what nobody has to take.
    fn is_fenced(&self) -> bool {
        self.hold > 0.0
    }

    /// The barrier of the prices.
    fn of_prices(&self, view: &View, nu: &[f64], mu: f64) -> f64 {
        let logarithms = || view.floor.iter().zip(nu).map(|(floor, price)| above(*price, *floor).ln()).sum::<f64>();
        if self.is_fenced() { -mu * logarithms() } else { 0.0 }
    }
}

/// How far a price is above its floor.
fn above(price: f64, floor: f64) -> f64 {
    (price - floor).max(LEAST_ABOVE)
}

/// The place of the first block's corner: limits follow the pairs.
fn first_block(view: &View) -> usize {
    view.pairs.len() + view.limits.len()
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

    /// Lets each market count by its share and its corner. Returns the dual, and the same with corners rounded by the barrier.
    fn meet(&mut self, how: &Settle, view: &View, nu: &[f64], at: &mut Evaluation, mu: f64) -> [f64; 2] {
        self.now += 1;
        let (corners, now) = (&mut self.corners, self.now);
        let mut surplus = std::mem::take(&mut at.surplus);
        let (mut dual, mut value) = (at.value, at.value + how.of_prices(view, nu, mu));
        how.each(view, at, |cornered| {
            let (corner, stand) = (&mut corners[cornered.place], cornered.stand(nu));
            let central = Corner::central(stand, mu);
            let [rounded, sharp] = cornered.rounded(stand, &central, mu);
            (value, dual) = (value + rounded, dual + sharp);
            corner.meet(stand, central, mu, now);
            for (&t, z) in cornered.tokens.iter().zip(cornered.trade) {
                surplus[t as usize] -= (1.0 - corner.aim) * z;
            }
        });
        at.surplus = surplus;
        // What pays no gas counts whole.
        let met = |place: usize| corners.get(place).filter(|corner| corner.met == now);
        for p in &mut at.pairs {
            if let Some(corner) = met(p.index as usize) {
                (p.share, p.bend, p.h) = (corner.share, corner.bend, p.h * corner.share);
            }
        }
        for active in &mut at.blocks {
            if let Some(corner) = met(first_block(view) + active.index as usize) {
                (active.share, active.bend) = (corner.share, corner.bend);
            }
        }
        [dual, value]
    }

    /// Turns all corners along the step of the prices. Returns the slope of the rounded dual along it, and how far corners may go.
    fn turn(&mut self, how: &Settle, view: &View, at: &Evaluation, step: &[f64], mu: f64) -> (f64, [f64; 2]) {
        let (mut slope, mut room) = (0.0, [1.0_f64; 2]);
        how.each(view, at, |cornered| {
            let (corner, along) = (&mut self.corners[cornered.place], cornered.along(step));
            corner.turn(along, mu);
            room = std::array::from_fn(|k| room[k].min(corner.room()[k]));
            slope += (corner.central - corner.aim) * along;
        });
        (slope, room)
    }
}

/// Moves `nu` to the minimum of the gas-aware dual of `view`, which has no bundles: up to 2μ for each corner.
pub(crate) fn settle(view: &View, nu: &mut [f64], how: Settle, work: &mut Workspace) -> Minimum {
    debug_assert!(view.bundles.is_empty());
    let Settle { from, to, damping, .. } = how;
    let smoothing = Smoothing { gas: None, gas_value: 0.0, linear: None };
    let mut corners = std::mem::take(&mut work.corners);
    corners.begin(first_block(view) + view.blocks.len());
    view.admit(nu);
    for (t, price) in nu.iter_mut().enumerate().filter(|(t, _)| !view.free[*t]) {
        *price = price.max(view.floor[t] * (1.0 + LIFT));
    }
    let start = nu.to_vec();
    let hold_at = |mu: f64| how.hold * (mu / from.max(to)).sqrt();
    let held = |nu: &[f64], mu: f64| 0.5 * hold_at(mu) * nu.iter().zip(&start).map(|(a, b)| (a - b) * (a - b)).sum::<f64>();
    // What holds a price and what keeps it above its floor: slope and curvature.
    let pull = |t: usize, price: f64, mu: f64| {
        let above = above(price, view.floor[t]);
        let fence = if how.is_fenced() { mu / above } else { 0.0 };
        [hold_at(mu) * (price - start[t]) - fence, hold_at(mu) + fence / above]
    };
    work.prepare(nu.len());
    view.evaluate(nu, &smoothing, &mut work.current);
    let (mut evaluations, mut converged) = (1, false);
    let (mut mu, mut is_central) = (from.max(to), true);
    for _ in 0..STEPS {
        let [dual, value] = corners.meet(&how, view, nu, &mut work.current, mu);
        if dual < how.below {
            break;
        }
        work.touch(view, nu);
        for t in work.touched.iter().map(|&t| t as usize) {
            let [force, curvature] = pull(t, nu[t], mu);
            work.current.surplus[t] += force;
            work.own[t] = curvature;
        }
        work.newton_step(view, damping);
        let (mut slope, [of_share, mut length]) = corners.turn(&how, view, &work.current, &work.step, mu);
        for t in work.touched.iter().map(|&t| t as usize) {
            slope += work.current.surplus[t] * work.step[t];
            let is_fenced = how.is_fenced() && work.step[t] < 0.0;
            let room = if is_fenced { SHORT_OF_BOUND * above(nu[t], view.floor[t]) } else { f64::INFINITY };
            let reach = if work.step[t] < 0.0 { DOWN * nu[t] } else { UP * nu[t].max(LITTLE) };
            length = length.min(reach.min(room) / work.step[t].abs());
        }
        let markets = work.current.pairs.len() + work.current.blocks.len();
        if mu <= to && slope.abs() <= to * markets as f64 {
            // Where what holds prices is what keeps them from going further, they are not the least.
            let force: f64 = nu.iter().zip(&start).map(|(price, start)| (price - start).abs() * price).sum();
            converged = hold_at(mu) * force <= HELD * view.scale();
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
            let most = value + held(nu, mu) + ARMIJO * length * slope + 1e-13 * value.abs();
            let [there, mut rises] = how.rounded(view, &work.trial_nu, &work.step, &work.trial, mu);
            leads_down = there + held(&work.trial_nu, mu) <= most;
            if leads_down {
                break;
            }
            for t in work.touched.iter().map(|&t| t as usize) {
                rises += (work.trial.surplus[t] + pull(t, work.trial_nu[t], mu)[0]) * work.step[t];
            }
            // Where a straight line between the slopes has none.
            length *= (slope / (slope - rises.max(0.0))).clamp(SHORTER.0, SHORTER.1);
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
    use crate::curve::{Curve, Linear, Product};
    use crate::dual::{Stop, minimise};
    use crate::market::Markets;
    use crate::problem::{GasPrice, Limit, Problem, Wanted};

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
            let how = Settle {
                gas_value: GAS_VALUE,
                linear: 1e-4,
                from: 0.1,
                to: 1e-7,
                damping: 1.0,
                hold: 0.0,
                below: f64::NEG_INFINITY,
            };
            let minimum = settle(&view, &mut nu, how, &mut Workspace::default());
            let found = earned(nu[1]);
            assert!(minimum.converged && (nu[0] - 1.0).abs() == 0.0, "from {start}: {minimum:?}");
            assert!((least - 1e-9..=least + 1e-6).contains(&found), "from {start}: {found} instead of {least}");
        }
    }

    #[test]
    fn offers_meet_where_newton_has_them_meet() {
        const FALL: f64 = 1e-5;
        let mut markets = Markets::new(4);
        // A ring of offers between tokens 1 to 3, more of the first than the others can take, and a pool that takes some of it.
        for (tokens, rate, cap) in [([1, 2], 1.01, 900.0), ([2, 3], 1.004, 500.0), ([3, 1], 1.0, 700.0), ([2, 1], 0.97, 300.0)] {
            markets.add(&tokens, Curve::Linear(Linear::new(rate, cap).unwrap()), 0.0).unwrap();
        }
        let pool = Curve::Product(Product::new([3e4, 3.01e4], 0.003).unwrap());
        markets.add(&[1, 2], pool, 0.0).unwrap();
        let limits = (1..4).map(|take| Limit { take, give: 0, rate: 1.0, cap: 100.0 }).collect();
        let wanted = vec![Wanted { token: 0, weight: 1.0, free: true }];
        let view = View::whole(&markets, &[0, 1, 2, 3], &Problem { wanted, limits, ..Problem::default() });
        let smoothing = Smoothing { gas: None, gas_value: 0.0, linear: Some(FALL) };
        let stop = Stop { tolerance: 1e-12, iterations: 400, progress: 0.0, below: f64::NEG_INFINITY };
        let (mut settled, mut work) = (vec![1.0; 4], Workspace::default());
        let how =
            Settle { gas_value: 0.0, linear: FALL, from: 1.0, to: 1e-9, damping: 0.0, hold: 1e-3, below: f64::NEG_INFINITY };
        assert!(settle(&view, &mut settled, how, &mut work).converged);
        let found = view.bound(&settled, 0.0);
        let mut nu = settled.clone();
        minimise(&view, &mut nu, &smoothing, stop, &mut work);
        let least = view.bound(&nu, 0.0);
        assert!(least > 5.0 && (found - least).abs() < 1e-4 * least, "{found} instead of {least}");
        // What Newton's method makes of it from far off is no less.
        let mut far = vec![1.0, 0.9, 1.1, 1.0];
        minimise(&view, &mut far, &smoothing, stop, &mut work);
        assert!(view.bound(&far, 0.0) >= least - 1e-4 * least);
    }

    #[test]
    fn a_central_corner_solves_its_equations() {
        for s in [-1e6, -3.0, -1e-9, 0.0, 1e-9, 2e-3, 3.0, 1e6] {
            for (mu, fall) in [1e-7, 1e-2, 1.0].into_iter().flat_map(|mu| [0.0, 3e-3, 10.0].map(|fall| (mu, fall))) {
                let Corner { share, over, under, .. } = Corner::central(Stand { s, fall }, mu);
                let close = if fall > 0.0 { 1e-6 } else { 1e-12 };
                assert!((over - under + fall * share - s).abs() <= close * (over + under), "{s} {mu} {fall}");
                assert!((share * under - mu).abs() <= 1e-12 * mu, "{s} {mu} {fall}");
                // 1 − λ cancels where λ is nearly one.
                assert!(((1.0 - share) * over - mu).abs() <= 1e-15 * over + 1e-12 * mu, "{s} {mu} {fall}");
            }
        }
    }
}
