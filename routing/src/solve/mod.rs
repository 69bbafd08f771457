//! The loop: a choice of markets, flows, prices with gas, certificate.
//!
//! 1. **Choice.** On a choice of markets everything is convex, and the dual gives its worth in a few dozen evaluations of a few
//!    markets, without a programme: so choices are compared by the hundred. From the best single path and the best few, markets that do
//!    not earn their gas are dropped, markets that would and detours that pay at the choice's prices are added, for as long as it helps.
//!    This alone is what [`Search::first`] answers from, cut short for large orders among many markets; [`Search::improve`] then goes on
//!    with it, and with detours along the best paths for a part more.
//! 2. **Prices** over all markets, each at its gas or not at all: the minimum of the gas-aware dual, its corners rounded less and
//!    less. They bound what any choice could reach, and [`Search::improve`] takes them, and other paths, to begin again from. Once no
//!    market outside of a choice would earn its gas and all inside do, the choice is optimal: its worth is the bound. The bound is
//!    the least of those at all prices met on the way. Prices to start from are found once for many solves ([`clearing_prices`]).
//! 3. **Flows** on the best choice: the markets' answers to its prices, balanced by steps too small for prices to show; the linear programme
//!    where that leaves a gap.

pub(crate) mod basket;
pub(crate) mod batch;
mod candidates;
pub(crate) mod ceiling;
mod choice;
mod clear;
mod refine;

use rustc_hash::FxHashSet;

use crate::budget::Budget;
use crate::curve::Curve;
use crate::dual::{Stop, Workspace, balance, minimise};
use crate::market::{MarketError, MarketId, Markets, Token};
use crate::path::{Hop, Hops};
use crate::problem::{Certificate, GasPrice, Limit, Outcome, Problem, Status, Wanted};
use crate::program::{self, Flows};
use crate::view::{Kept, Renumber, Smoothing, View, gas};

/// How far an offer may be from the prices and still be looked at: where no market would earn its gas, prices are loose.
const NEAR: f64 = 0.3;
/// Smoothing of limits once markets are chosen.
const FINE: f64 = 3e-6;
/// The same once flows are, sharper and sharper.
const SHARPER: [f64; 5] = [FINE, 1e-7, 3e-9, 1e-10, 3e-12];
/// Widths of the chords around prices that are as good as they come.
const WIDTHS: [f64; 4] = [1e-2, 1e-3, 1e-4, 1e-5];
/// A convex gap that is as good as none: a part of the problem's scale (10⁻⁴ basis points).
const CLOSED: f64 = 1e-8;

/// What may be spent on the first outcome: so much, and so many looks at each market. Large orders would take many times that.
const FIRST_WORK: u64 = 20_000;
const FIRST_LOOKS: u64 = 20;

/// Markets with what is derived of them once and used by every solve.
#[derive(Debug, Clone)]
pub struct Snapshot {
    markets: Markets,
    hops: Hops,
    identity: Vec<Token>,
    /// How many markets hold each token.
    degree: Vec<u32>,
}

impl Snapshot {
    /// Takes the markets as they are.
    pub fn new(markets: Markets) -> Self {
        let hops = Hops::new(&markets);
        let identity = (0..markets.tokens() as Token).collect();
        let mut degree = vec![0; markets.tokens()];
        for market in 0..markets.len() as MarketId {
            for &token in markets.coins(market) {
                degree[token as usize] += 1;
            }
        }
        Self { markets, hops, identity, degree }
    }

    /// The markets.
    pub fn markets(&self) -> &Markets {
        &self.markets
    }

    /// Follows trades: these markets have other curves.
    ///
    /// # Errors
    /// As [`Markets::replace`]; some of them may have been replaced then.
    pub fn follow(&mut self, moved: impl IntoIterator<Item = (MarketId, Curve)>) -> Result<(), MarketError> {
        moved.into_iter().try_for_each(|(market, curve)| self.markets.replace(market, curve))?;
        self.hops = Hops::new(&self.markets);
        Ok(())
    }

    /// The token that most markets hold.
    pub fn hub(&self) -> Option<Token> {
        self.identity.iter().copied().max_by_key(|&t| (self.degree[t as usize], std::cmp::Reverse(t)))
    }

    /// Whether any market holds a token.
    pub fn is_traded(&self, token: Token) -> bool {
        self.degree.get(token as usize).is_some_and(|degree| *degree > 0)
    }

    /// The ways between tokens.
    pub fn hops(&self) -> &Hops {
        &self.hops
    }
}

/// Finds the best flows for `problem`: all that a [`Search`] finds within the budget.
pub fn solve(snapshot: &Snapshot, problem: &Problem, warm: Option<&[f64]>, barred: &[Hop], budget: &Budget) -> Outcome {
    let mut search = Search::new(snapshot, problem, warm, barred, budget);
    let mut outcome = search.first();
    if let Some(better) = search.improve() {
        outcome = better;
    }
    outcome.certificate.bound = search.bound();
    outcome
}

/// Prices at which no cycle pays for its gas, or at which all together earn the least beyond it, but for about a hundredth of a swap's
/// gas: where solves on these markets best start from. `anchor` keeps its reference value; `gas_price` is what a unit of gas costs. From
/// `warm` prices, those of the same markets before some of them moved, fewer steps lead there.
pub fn clearing_prices(snapshot: &Snapshot, anchor: Token, gas_price: f64, warm: Option<&[f64]>, budget: &Budget) -> Vec<f64> {
    let problem = cycles(anchor, gas_price);
    let mut search = Search::new(snapshot, &problem, warm, &[], budget);
    search.clearing(warm.is_some());
    search.prices
}

/// The same where the markets are left with what is `sold` to them, and give what is bought of them (negative): [`clearing_prices`] once that
/// is traded. What one is worth more or less than the other is paid for in `anchor`.
pub fn trading_prices(
    snapshot: &Snapshot,
    sold: &[(Token, f64)],
    anchor: Token,
    gas_price: f64,
    warm: &[f64],
    budget: &Budget,
) -> Vec<f64> {
    let problem = Problem { endowment: sold.to_vec(), ..cycles(anchor, gas_price) };
    let mut search = Search::new(snapshot, &problem, Some(warm), &[], budget);
    let view = search.whole.clone();
    search.refine(&view, &refine::STAGES[1..]);
    search.prices
}

/// What all markets together could earn at `prices`, each after its gas, in units of `anchor`: the dual's value. No cycles earn more, and
/// clearing prices leave the least of it.
pub fn unclaimed(snapshot: &Snapshot, anchor: Token, gas_price: f64, prices: &[f64]) -> f64 {
    let view = View::whole(&snapshot.markets, &snapshot.identity, &cycles(anchor, gas_price));
    let unit = prices[anchor as usize];
    view.bound(prices, gas_price * unit) / unit
}

/// Nothing is brought, and what cycles earn is wanted in one token.
fn cycles(anchor: Token, gas_price: f64) -> Problem {
    Problem {
        wanted: vec![Wanted { token: anchor, weight: 1.0, free: true }],
        gas: GasPrice { token: anchor, price: gas_price, fixed: 0.0 },
        ..Problem::default()
    }
}

/// Flows on a choice of markets near `prices`, by the linear programme alone: step 3 for prices found elsewhere. Of each market the
/// coins it may trade are a bit mask, and the gas of all their swaps is paid. None where no programme has a solution.
pub fn flows_at(snapshot: &Snapshot, problem: &Problem, choice: &[(MarketId, u8)], prices: &[f64]) -> Option<Outcome> {
    let kept: Vec<Kept> = choice.iter().map(|&(market, coins)| Kept { market, coins }).collect();
    let gas = gas(&snapshot.markets, &kept);
    let view = View::part(&snapshot.markets, problem, &kept, gas, &mut Renumber::default());
    let nu: Vec<f64> = view.tokens.iter().zip(&view.floor).map(|(&t, floor)| prices[t as usize].max(*floor)).collect();
    let mut flows: Option<Flows> = None;
    for delta in WIDTHS {
        if let Ok(found) = program::solve(&view, &nu, delta, flows.as_ref())
            && found.gross > flows.as_ref().map_or(f64::NEG_INFINITY, |f| f.gross)
        {
            flows = Some(found);
        }
    }
    let flows = flows?;
    let bound = view.bound(&nu, 0.0);
    let certificate = Certificate { value: flows.gross, gas: problem.gas.fixed + gas, bound_kept: bound, bound: f64::INFINITY };
    Some(Outcome { flows: flows.markets, fills: flows.fills, prices: prices.to_vec(), certificate, status: Status::Feasible })
}

/// A choice of markets with its worth.
#[derive(Debug, Clone)]
struct Choice {
    kept: Vec<Kept>,
    /// The dual value: a bound on the choice.
    bound: f64,
    /// The same if the prices converged, else what the programme makes of them.
    value: f64,
    /// Prices of the tokens that the choice touches.
    prices: Vec<(Token, f64)>,
    /// Profit less gas of each market kept.
    margins: Vec<f64>,
}

impl Choice {
    /// The price of a token; one where the choice does not touch it.
    fn price(&self, token: Token) -> f64 {
        self.prices.iter().find(|p| p.0 == token).map_or(1.0, |p| p.1)
    }
}

/// A problem on its way to its solution: [`first`](Self::first) what is found at once, then [`improve`](Self::improve) for as long as the
/// budget lasts.
pub struct Search<'a> {
    snapshot: &'a Snapshot,
    problem: &'a Problem,
    barred: &'a [Hop],
    budget: &'a Budget<'a>,
    /// What the work that is under way has to leave of the budget.
    spare: u64,
    /// All markets that are not barred.
    whole: View<'a>,
    /// Prices of all tokens.
    prices: Vec<f64>,
    /// What a unit of gas costs in the objective.
    gas_value: f64,
    /// What a unit of worth counts in the objective.
    unit: f64,
    bound: f64,
    work: Workspace,
    renumber: Renumber,
    seen: FxHashSet<Vec<Kept>>,
    best: Option<Choice>,
    /// What a choice must be worth to be looked at for long.
    to_beat: f64,
    /// What single paths led to, before markets beside them were added.
    plain: Option<Choice>,
    /// Tokens that no detour through them would earn its gas, at prices met since this was last forgotten.
    dull: Vec<bool>,
    /// What is traded for what, with the paths between the two: found by the first look, used again by later ones.
    ways: Vec<choice::Way<'a>>,
}

impl<'a> Search<'a> {
    /// Begins. `warm` are prices to start from, such as those of a solve before; without, every token starts at one, its reference
    /// value. Ways that are `barred` are not used: a market of three coins and more not in any way, once one of its ways is barred.
    pub fn new(
        snapshot: &'a Snapshot,
        problem: &'a Problem,
        warm: Option<&[f64]>,
        barred: &'a [Hop],
        budget: &'a Budget<'a>,
    ) -> Self {
        let mut prices = vec![1.0; snapshot.markets.tokens()];
        if let Some(warm) = warm.filter(|w| w.len() == prices.len()) {
            // In units of what is wanted.
            let wanted = problem.wanted.first();
            let scale = wanted.map_or(1.0, |w| w.weight / warm.get(w.token as usize).copied().unwrap_or(1.0));
            for (price, warm) in prices.iter_mut().zip(warm) {
                *price = warm * scale;
            }
        }
        let gas_value = problem.gas.price * prices.get(problem.gas.token as usize).copied().unwrap_or(1.0);
        let mut whole = View::whole(&snapshot.markets, &snapshot.identity, problem);
        whole.bar(barred);
        Self {
            snapshot,
            problem,
            barred,
            budget,
            spare: 0,
            whole,
            prices,
            gas_value,
            unit: 1.0,
            bound: f64::INFINITY,
            work: Workspace::default(),
            renumber: Renumber::default(),
            seen: FxHashSet::default(),
            best: None,
            to_beat: f64::NEG_INFINITY,
            plain: None,
            dull: vec![false; snapshot.markets.tokens()],
            ways: Vec::new(),
        }
    }

    /// The best that a few paths lead to, by adding and dropping markets: what can be had at once.
    pub fn first(&mut self) -> Outcome {
        if self.is_hopeless() {
            return self.idle();
        }
        let most = FIRST_WORK + FIRST_LOOKS * self.snapshot.markets.len() as u64;
        self.spare = self.budget.left().saturating_sub(most);
        self.choose();
        self.outcome()
    }

    /// What paths alone lead to: worth less than the first outcome, but with no cycles in it that cannot be funded. None where they
    /// lead nowhere, or where that is the first outcome.
    pub fn plain(&mut self) -> Option<Outcome> {
        let plain = self.plain.take()?;
        let best = self.best.replace(plain);
        let outcome = self.outcome();
        self.best = best;
        Some(outcome)
    }

    /// Looks for a better choice of markets and a lower bound with what is left of the budget; the outcome, if it is a better one.
    pub fn improve(&mut self) -> Option<Outcome> {
        let before = self.best.as_ref()?.value;
        if self.is_hopeless() || self.is_far_off() || self.budget.is_spent() {
            return None;
        }
        self.spare = 0;
        self.settle();
        self.bound_and_retry();
        let better = self.best.as_ref().is_some_and(|best| best.value > before);
        better.then(|| self.outcome())
    }

    /// The least bound so far on the worth of any choice.
    pub fn bound(&self) -> f64 {
        self.bound
    }

    /// Whether nothing is brought and no offer comes near the prices, or the bound is below what is of use.
    fn is_hopeless(&self) -> bool {
        let price = |token: Token| self.prices[token as usize];
        let far = |l: &Limit| price(l.give) * l.rate * (1.0 + NEAR) <= price(l.take);
        let idle = self.problem.endowment.is_empty() && self.problem.served.is_empty();
        self.bound <= self.problem.reserve || (idle && self.problem.limits.iter().all(far))
    }

    /// Whether the work that is under way has to end.
    fn is_over(&self) -> bool {
        self.budget.is_spent() || self.budget.left() <= self.spare
    }

    /// Units that the problem moves.
    fn scale(&self) -> f64 {
        self.whole.scale()
    }

    /// The problem on a choice of markets, and the prices found there.
    fn part_of(&mut self, choice: &Choice) -> (View<'a>, Vec<f64>) {
        let markets = &self.snapshot.markets;
        let mut view = View::part(markets, self.problem, &choice.kept, gas(markets, &choice.kept), &mut self.renumber);
        view.bar(self.barred);
        (view, choice.prices.iter().map(|p| p.1).collect())
    }

    /// Prices anew with corners of limits of another width.
    fn sharpen(&mut self, view: &View, nu: &mut [f64], linear: f64) {
        let smoothing = Smoothing { gas: None, gas_value: self.gas_value, linear: Some(linear) };
        let stop = Stop { tolerance: 1e-10, iterations: 60, progress: 0.0, below: f64::NEG_INFINITY };
        let minimum = minimise(view, nu, &smoothing, stop, &mut self.work);
        self.budget.spend(u64::from(minimum.evaluations) * view.size());
    }

    /// Step 3: flows and certificate.
    fn outcome(&mut self) -> Outcome {
        let Some(best) = self.best.clone().filter(|best| best.bound > self.problem.reserve) else { return self.idle() };
        let (view, mut nu) = self.part_of(&best);
        let enough = CLOSED * view.scale();
        let mut bound = best.bound;
        let mut flows: Option<Flows> = None;
        let gap = |bound: f64, flows: &Option<Flows>| flows.as_ref().map_or(f64::INFINITY, |f| bound - f.gross);
        // Where prices leave no amount open, the markets' answers to them are the flows; where limits do, their corners are made sharper.
        for linear in SHARPER {
            if linear != FINE {
                self.sharpen(&view, &mut nu, linear);
                bound = bound.min(view.bound(&nu, 0.0));
            }
            let smoothing = Smoothing { gas: None, gas_value: self.gas_value, linear: Some(linear) };
            let found = program::flows_of(&view, &nu, balance(&view, &nu, &smoothing, &mut self.work));
            if found.gross > flows.as_ref().map_or(f64::NEG_INFINITY, |f| f.gross) {
                flows = Some(found);
            }
            if gap(bound, &flows) <= enough || !view.has_corners() {
                break;
            }
        }
        // A programme asks for no derivatives. The later ones cost more than they bring where the gap is small.
        for (linear, widths, enough) in
            [(None, [1e-2, 1e-4], enough), (Some(1e-4), [1e-2, 1e-3], 10.0 * enough), (Some(1e-6), [1e-3, 1e-4], 10.0 * enough)]
        {
            if gap(bound, &flows) <= enough {
                break;
            }
            if let Some(linear) = linear {
                self.sharpen(&view, &mut nu, linear);
                bound = bound.min(view.bound(&nu, 0.0));
            }
            for delta in widths {
                // A programme that fails is no answer; the next width may do.
                let found = match &flows {
                    Some(near) if near.gross.is_finite() => program::solve_around(&view, &nu, delta, near),
                    _ => program::solve(&view, &nu, delta, flows.as_ref()),
                };
                if let Ok(found) = found
                    && flows.as_ref().is_none_or(|f| found.gross > f.gross)
                {
                    flows = Some(found);
                }
                if gap(bound, &flows) <= enough {
                    break;
                }
            }
        }
        let Some(mut flows) = flows.filter(|f| f.gross.is_finite()) else { return self.idle() };
        flows.gross = program::gross(&view, &nu, &flows);
        // What the flows show is better than what was thought of a choice whose prices did not converge.
        if let Some(best) = &mut self.best {
            best.value = best.value.max(flows.gross);
        }
        let mut prices = self.prices.clone();
        for (&token, &price) in view.tokens.iter().zip(&nu) {
            prices[token as usize] = price;
        }
        let status = if self.budget.is_spent() {
            Status::Budget
        } else if bound - flows.gross <= 100.0 * enough {
            Status::Optimal
        } else {
            Status::Feasible
        };
        let certificate = Certificate {
            value: flows.gross,
            gas: self.problem.gas.fixed + gas(&self.snapshot.markets, &best.kept),
            bound_kept: bound,
            bound: self.bound,
        };
        Outcome { flows: flows.markets, fills: flows.fills, prices, certificate, status }
    }

    fn idle(&self) -> Outcome {
        let certificate = Certificate { value: 0.0, gas: 0.0, bound_kept: 0.0, bound: self.bound };
        let fills = vec![0.0; self.problem.limits.len() + self.problem.bundles.len()];
        let status = if self.budget.is_spent() { Status::Budget } else { Status::Idle };
        Outcome { flows: Vec::new(), fills, prices: self.prices.clone(), certificate, status }
    }
}
