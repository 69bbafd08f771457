//! The linear programme that turns prices into flows.
//!
//! Near the optimal prices every curve is replaced by chords between the points where it answers ν·e^{±δ}: an inner
//! approximation, so whatever the programme finds can be executed. A pair becomes one column a chord (later chords pay less, so
//! the programme fills them in order); a larger market becomes a convex combination of trades, one column each. What the
//! chords cost against the curve is second order in δ, and the certificate measures it.

use std::panic::{AssertUnwindSafe, catch_unwind};

use arrayvec::ArrayVec;
use good_lp::{Constraint, Expression, ProblemVariables, Solution, SolverModel, Variable, WithTimeLimit, constraint, variable};

use crate::curve::{Curve, Response};
use rustc_hash::FxHashMap;

use crate::market::{MarketId, Token};
use crate::problem::Flow;
use crate::view::{Evaluation, Smoothing, View};

/// Price offsets of the chords' ends, as parts of δ.
const OFFSETS: [f64; 4] = [0.1, 0.5, 2.0, 8.0];

/// The largest amount of a programme that counts in units of its own: a solver's tolerances are absolute.
const LARGEST: f64 = 1e4;
/// The most that a programme may take.
const MOST_SECONDS: f64 = 1.0;

/// Why a programme gave no flows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProgramError {
    /// What the solver said.
    #[error("the linear programme has no solution: {0}")]
    Solver(String),
}

/// A feasible point of a view's problem.
#[derive(Debug, Clone, Default)]
pub(crate) struct Flows {
    pub markets: Vec<Flow>,
    pub fills: Vec<f64>,
    /// Σ weight·z from the curves themselves: a solver's own objective is not to be trusted.
    pub gross: f64,
}

mod around;
pub(crate) mod one_price;
pub(crate) mod uniform;

/// The columns, and the values of their variables and of others after them.
type Solved = (Vec<(Column, Variable)>, Vec<f64>);

enum Column {
    /// Input of a pair, in one direction, between two points of its curve; or less of it.
    Chord { pair: usize, forward: bool, less: bool, most: f64 },
    /// A share of a larger market's trade.
    Trade { block: usize, trade: ArrayVec<f64, 8> },
    /// Units taken by a limit.
    Limit { limit: usize },
    /// Units of a bundle.
    Bundle { bundle: usize },
}

/// What the markets answer to `nu`: flows that need no programme, where the prices leave no amount open.
pub(crate) fn answers(view: &View, nu: &[f64], smoothing: &Smoothing) -> Flows {
    let mut at = Evaluation::default();
    view.evaluate(nu, smoothing, &mut at);
    flows_of(view, nu, &at)
}

/// The flows of an evaluation in which every market counts whole.
pub(crate) fn flows_of(view: &View, nu: &[f64], at: &Evaluation) -> Flows {
    let mut flows = Flows { fills: vec![0.0; view.limits.len() + view.bundles.len()], ..Flows::default() };
    for active in &at.bundles {
        flows.fills[view.limits.len() + active.index as usize] = active.fill;
    }
    for active in &at.pairs {
        let index = active.index as usize;
        let Some(pair) = view.pairs.get(index) else {
            flows.fills[index - view.pairs.len()] = active.x;
            continue;
        };
        let (from, to) = if active.input == pair.tokens[0] { (0, 1) } else { (1, 0) };
        let mut trade: ArrayVec<f64, 8> = view.markets.coins(pair.market).iter().map(|_| 0.0).collect();
        trade[pair.coins[from] as usize] = -active.x;
        trade[pair.coins[to] as usize] = active.y;
        flows.markets.push(Flow { market: pair.market, trade });
    }
    for active in &at.blocks {
        flows.markets.push(Flow { market: view.blocks[active.index as usize].market, trade: active.response.trade.clone() });
    }
    flows.gross = gross(view, nu, &flows);
    flows
}

/// Solves the programme at `nu` with chords of width δ. An `incumbent` becomes a point of its curves, so that the result is
/// never worse than it but for rounding.
pub(crate) fn solve(view: &View, nu: &[f64], delta: f64, incumbent: Option<&Flows>) -> Result<Flows, ProgramError> {
    let mut build = Builder::new(view, 1.0);
    build.markets(nu, delta, incumbent);
    build.offers();
    build.finish(nu)
}

/// Solves the programme at `nu` from flows that are nearly right, with chords of width δ around those.
pub(crate) fn solve_around(view: &View, nu: &[f64], delta: f64, from: &Flows) -> Result<Flows, ProgramError> {
    let mut build = Builder::new(view, 1.0);
    build.around(nu, delta, &from.markets);
    build.offers();
    build.finish(nu)
}

/// Which orders the programme at `nu` fills if each of them is filled whole or not at all; those of `orders`, with what the gas of each
/// costs. All else is traded in any part, near `nu` by chords of width δ.
pub(crate) fn whole(
    view: &View,
    nu: &[f64],
    delta: f64,
    orders: &FxHashMap<MarketId, f64>,
) -> Result<Vec<MarketId>, ProgramError> {
    let sizes = orders.keys().map(|&market| view.markets.curve(market).cap(0, 1));
    let mut build = Builder::new(view, sizes.fold(f64::MIN_POSITIVE, f64::max) / LARGEST);
    build.is_integral = true;
    let unit = build.unit;
    let mut decisions = Vec::with_capacity(orders.len());
    for (index, pair) in view.pairs.iter().enumerate() {
        let Some(gas) = orders.get(&pair.market) else {
            build.pair(nu, delta, index, true, None);
            build.pair(nu, delta, index, false, None);
            continue;
        };
        // An order takes what it buys, its first coin.
        let (from, to) = if pair.coins[0] == 0 { (0, 1) } else { (1, 0) };
        let curve = view.markets.curve(pair.market);
        let most = curve.cap(0, 1);
        let given = curve.output(0, 1, most);
        let v = build.variables.add(variable().binary());
        build.objective.add_mul(-gas / unit, v);
        build.entries(v, &[(pair.tokens[from], -most / unit), (pair.tokens[to], given / unit)]);
        decisions.push((pair.market, v));
    }
    for index in 0..view.blocks.len() {
        build.block(nu, delta, index, None);
    }
    build.limits();
    let named: Vec<Variable> = decisions.iter().map(|d| d.1).collect();
    let (columns, values) = build.run(nu, &named)?;
    Ok(decisions.iter().zip(&values[columns.len()..]).filter(|(_, on)| **on > 0.5).map(|(d, _)| d.0).collect())
}

/// What the markets trade already: columns are what they trade besides.
#[derive(Debug, Clone, Default)]
struct Base {
    /// Input of each pair, by direction; nothing where there are none.
    pairs: Vec<[f64; 2]>,
    /// Trade of each larger market; empty where it has none.
    blocks: Vec<ArrayVec<f64, 8>>,
}

struct Builder<'v, 'm> {
    view: &'v View<'m>,
    /// Value units that an amount of one is in the programme.
    unit: f64,
    /// Whether some variables are integers.
    is_integral: bool,
    variables: ProblemVariables,
    objective: Expression,
    rows: Vec<Option<Expression>>,
    shares: Vec<Expression>,
    /// What else is to hold.
    held: Vec<Constraint>,
    columns: Vec<(Column, Variable)>,
    points: Vec<(f64, f64)>,
    base: Base,
}

impl<'v, 'm> Builder<'v, 'm> {
    fn new(view: &'v View<'m>, unit: f64) -> Self {
        let rows = (0..view.tokens.len()).map(|_| None).collect();
        Self {
            view,
            unit,
            is_integral: false,
            variables: ProblemVariables::new(),
            objective: Expression::default(),
            rows,
            shares: Vec::new(),
            held: Vec::new(),
            columns: Vec::new(),
            points: Vec::new(),
            base: Base::default(),
        }
    }

    fn column(&mut self, column: Column, most: f64, entries: &[(Token, f64)]) {
        // An amount is counted in units; a part of a trade is not, but what it trades is.
        let (most, size) = match column {
            Column::Trade { .. } => (most, self.unit.recip()),
            Column::Chord { .. } | Column::Limit { .. } | Column::Bundle { .. } => (most / self.unit, 1.0),
        };
        let v = self.variables.add(variable().min(0.0).max(most));
        let entries: Vec<(Token, f64)> = entries.iter().map(|&(token, k)| (token, k * size)).collect();
        self.entries(v, &entries);
        self.columns.push((column, v));
    }

    /// What one of `v` trades.
    fn entries(&mut self, v: Variable, entries: &[(Token, f64)]) {
        for &(token, k) in entries {
            let t = token as usize;
            if self.view.weight[t] != 0.0 {
                self.objective.add_mul(self.view.weight[t] * k, v);
            }
            if !self.view.free[t] {
                self.rows[t].get_or_insert_default().add_mul(k, v);
            }
        }
    }

    /// The markets' columns, with chords of width δ around `nu` and through the trades of the incumbent.
    fn markets(&mut self, nu: &[f64], delta: f64, incumbent: Option<&Flows>) {
        let held: FxHashMap<MarketId, &Flow> =
            incumbent.iter().flat_map(|f| &f.markets).map(|flow| (flow.market, flow)).collect();
        for (index, pair) in self.view.pairs.iter().enumerate() {
            for forward in [true, false] {
                self.pair(nu, delta, index, forward, held.get(&pair.market).copied());
            }
        }
        for (index, block) in self.view.blocks.iter().enumerate() {
            self.block(nu, delta, index, held.get(&block.market).copied());
        }
    }

    /// The columns of limits and bundles.
    fn offers(&mut self) {
        self.limits();
        for (index, bundle) in self.view.bundles.iter().enumerate() {
            self.column(Column::Bundle { bundle: index }, bundle.cap, &bundle.moves);
        }
    }

    /// The limits' columns.
    fn limits(&mut self) {
        for (index, limit) in self.view.limits.iter().enumerate() {
            let column = Column::Limit { limit: index };
            self.column(column, limit.cap, &[(limit.take, -1.0), (limit.give, limit.rate)]);
        }
    }

    fn pair(&mut self, nu: &[f64], delta: f64, index: usize, forward: bool, held: Option<&Flow>) {
        let pair = &self.view.pairs[index];
        let (i, o) = if forward { (0, 1) } else { (1, 0) };
        let (input, output) = (pair.tokens[i], pair.tokens[o]);
        let (ci, co) = (pair.coins[i] as usize, pair.coins[o] as usize);
        let m = nu[input as usize] / nu[output as usize];
        let held = held.map_or(0.0, |flow| (-flow.trade[ci]).max(0.0));
        if pair.rates[i] <= m * (-OFFSETS[3] * delta).exp() && held == 0.0 {
            return;
        }
        let curve = self.view.markets.curve(pair.market);
        self.points.clear();
        self.points.push((0.0, 0.0));
        if let Curve::Linear(_) = curve {
            let cap = curve.cap(ci, co);
            self.points.push((cap, curve.output(ci, co, cap)));
        } else {
            for offset in OFFSETS.iter().flat_map(|k| [*k, -k]).chain([0.0]) {
                let r = curve.respond_pair(ci, co, m * (offset * delta).exp(), 0.0);
                if r.input > 0.0 {
                    self.points.push((r.input, r.output));
                }
            }
            if held > 0.0 {
                self.points.push((held, curve.output(ci, co, held)));
            }
        }
        self.points.sort_by(|a, b| a.0.total_cmp(&b.0));
        let top = self.points.last().map_or(0.0, |p| p.0);
        if top <= 1e-9 {
            return;
        }
        let mut last = (0.0, 0.0);
        let mut steepest = f64::INFINITY;
        for k in 1..self.points.len() {
            let point = self.points[k];
            let most = point.0 - last.0;
            if most < 1e-7 * top.max(1e-2) {
                continue;
            }
            // Rounding must not make a later chord the better one.
            let slope = ((point.1 - last.1) / most).min(steepest);
            steepest = slope;
            self.column(Column::Chord { pair: index, forward, less: false, most }, most, &[(input, -1.0), (output, slope)]);
            last = point;
        }
    }

    fn block(&mut self, nu: &[f64], delta: f64, index: usize, held: Option<&Flow>) {
        let block = &self.view.blocks[index];
        let curve = self.view.markets.curve(block.market);
        let prices: ArrayVec<f64, 8> = block.tokens.iter().map(|&t| nu[t as usize]).collect();
        let mut trades: Vec<ArrayVec<f64, 8>> = held.map(|flow| flow.trade.clone()).into_iter().collect();
        let mut response = Response::default();
        let mut point = |prices: &[f64]| {
            curve.respond(prices, block.allowed, &mut response);
            if response.trade.iter().any(|z| *z != 0.0) && !trades.contains(&response.trade) {
                trades.push(response.trade.clone());
            }
        };
        point(&prices);
        for k in (0..prices.len()).filter(|k| block.allowed & (1 << k) != 0) {
            for offset in OFFSETS.iter().flat_map(|o| [*o, -o]) {
                let mut moved = prices.clone();
                moved[k] *= (offset * delta).exp();
                point(&moved);
            }
        }
        if trades.is_empty() {
            return;
        }
        let first = self.columns.len();
        for trade in trades {
            let entries: ArrayVec<(Token, f64), 8> =
                block.tokens.iter().copied().zip(trade.iter().copied()).filter(|e| e.1 != 0.0).collect();
            self.column(Column::Trade { block: index, trade }, 1.0, &entries);
        }
        let mut share = Expression::default();
        for (_, v) in &self.columns[first..] {
            share.add_mul(1.0, *v);
        }
        self.shares.push(share);
    }

    fn finish(mut self, nu: &[f64]) -> Result<Flows, ProgramError> {
        let (view, base) = (self.view, std::mem::take(&mut self.base));
        let (columns, values) = self.run(nu, &[])?;
        let mut flows = read(view, &columns, &values, 1.0, base);
        flows.gross = gross(view, nu, &flows);
        Ok(flows)
    }

    /// Solves it: the columns with their values, and then the values of `others`.
    ///
    /// A simplex begins with each column at the bound that its own worth asks for. So what a column trades is counted at `nu`, and what is
    /// left over costs as much: that is the same programme, and it begins where the markets answer `nu`, some pivots from its end.
    fn run(mut self, nu: &[f64], others: &[Variable]) -> Result<Solved, ProgramError> {
        if self.columns.is_empty() && others.is_empty() {
            return Ok((self.columns, Vec::new()));
        }
        let mut constraints = Vec::with_capacity(self.rows.len() + self.shares.len() + self.held.len());
        for (t, row) in self.rows.into_iter().enumerate() {
            let Some(row) = row else { continue };
            let row = row - self.variables.add(variable().min(0.0));
            self.objective += nu[t] * row.clone();
            constraints.push(constraint::eq(row, -self.view.endowment[t] / self.unit));
        }
        constraints.extend(self.shares.into_iter().map(|share| constraint::leq(share, 1.0)));
        constraints.extend(self.held);
        let model = self.variables.clone().maximise(self.objective.clone()).using(good_lp::default_solver);
        // A simplex may cycle; an ordinary programme takes less than a hundredth of this.
        let model = constraints.iter().cloned().fold(model.with_time_limit(MOST_SECONDS), SolverModel::with);
        let names = || self.columns.iter().map(|c| c.1).chain(others.iter().copied());
        let values: Vec<f64> = match solved(model) {
            Ok(solution) => names().map(|v| solution.value(v)).collect(),
            // It may also fail on columns that are nearly the same, which an interior point does not mind.
            Err(error) if self.is_integral => return Err(error),
            Err(_) => {
                let model = self.variables.maximise(self.objective).using(good_lp::clarabel);
                let solution = solved(constraints.into_iter().fold(model, SolverModel::with))?;
                names().map(|v| solution.value(v)).collect()
            }
        };
        Ok((self.columns, values))
    }
}

/// What a solver makes of a model. Solvers assert what rounding may break, deep inside of a search: one that panics has failed as well.
fn solved<M: SolverModel>(model: M) -> Result<M::Solution, ProgramError> {
    match catch_unwind(AssertUnwindSafe(|| model.solve())) {
        Ok(solution) => solution.map_err(|e| ProgramError::Solver(e.to_string())),
        Err(_) => Err(ProgramError::Solver("the solver panicked".to_owned())),
    }
}

/// What the values of the columns say that each market trades, and each limit takes.
fn read(view: &View, columns: &[(Column, Variable)], values: &[f64], unit: f64, base: Base) -> Flows {
    let mut flows = Flows { fills: vec![0.0; view.limits.len() + view.bundles.len()], ..Flows::default() };
    let Base { mut pairs, blocks: held } = base;
    pairs.resize(view.pairs.len(), [0.0; 2]);
    let mut shares = vec![0.0_f64; view.blocks.len()];
    for ((column, _), value) in columns.iter().zip(values) {
        if let Column::Trade { block, .. } = column {
            shares[*block] += value.clamp(0.0, 1.0);
        }
    }
    // What is not traded otherwise is traded as before.
    let mut blocks: Vec<ArrayVec<f64, 8>> = view
        .blocks
        .iter()
        .enumerate()
        .map(|(k, block)| match held.get(k) {
            Some(trade) if !trade.is_empty() => trade.iter().map(|z| (1.0 - shares[k].min(1.0)) * z).collect(),
            _ => block.tokens.iter().map(|_| 0.0).collect(),
        })
        .collect();
    for ((column, _), value) in columns.iter().zip(values) {
        match column {
            Column::Chord { pair, forward, less, most } => {
                let more = (value * unit).clamp(0.0, *most);
                pairs[*pair][usize::from(!forward)] += if *less { -more } else { more };
            }
            Column::Trade { block, trade } => {
                // The solver keeps the shares' sum at one only to its tolerance.
                let share = value.clamp(0.0, 1.0) / shares[*block].max(1.0);
                for (sum, z) in blocks[*block].iter_mut().zip(trade) {
                    *sum += share * z;
                }
            }
            Column::Limit { limit } => flows.fills[*limit] = (value * unit).clamp(0.0, view.limits[*limit].cap),
            Column::Bundle { bundle } => {
                flows.fills[view.limits.len() + bundle] = (value * unit).clamp(0.0, view.bundles[*bundle].cap);
            }
        }
    }
    for (pair, inputs) in view.pairs.iter().zip(pairs) {
        // Both directions at once only lose: the smaller one is undone.
        let (from, to, input) = if inputs[0] >= inputs[1] { (0, 1, inputs[0]) } else { (1, 0, inputs[1]) };
        if input > 1e-9 {
            let curve = view.markets.curve(pair.market);
            let (i, o) = (pair.coins[from] as usize, pair.coins[to] as usize);
            let mut trade: ArrayVec<f64, 8> = (0..curve.coins()).map(|_| 0.0).collect();
            trade[i] = -input;
            trade[o] = curve.output(i, o, input);
            flows.markets.push(Flow { market: pair.market, trade });
        }
    }
    for (block, trade) in view.blocks.iter().zip(blocks) {
        if trade.iter().any(|z| *z < -1e-9) {
            flows.markets.push(Flow { market: block.market, trade });
        }
    }
    flows
}

/// Σ weight·z of flows, each market at what its curve pays. What is short for rounding is charged at its price, so that the sum
/// never exceeds the bound at these prices; short by more is minus infinity.
pub(crate) fn gross(view: &View, nu: &[f64], flows: &Flows) -> f64 {
    let mut left = view.endowment.clone();
    for flow in &flows.markets {
        let coins = view.markets.coins(flow.market);
        for (&token, z) in coins.iter().zip(&flow.trade).filter(|(_, z)| **z != 0.0) {
            if let Some(t) = view.local(token) {
                left[t as usize] += z;
            }
        }
    }
    for (limit, fill) in view.limits.iter().zip(&flows.fills) {
        left[limit.take as usize] -= fill;
        left[limit.give as usize] += limit.rate * fill;
    }
    for (bundle, fill) in view.bundles.iter().zip(&flows.fills[view.limits.len()..]) {
        bundle.moves.iter().for_each(|&(t, k)| left[t as usize] += k * fill);
    }
    let tolerance = 1e-6 * view.scale();
    let mut worth = 0.0;
    for t in 0..left.len() {
        worth += view.weight[t] * left[t];
        if !view.free[t] && left[t] < 0.0 {
            if left[t] < -tolerance {
                return f64::NEG_INFINITY;
            }
            worth += nu[t] * left[t];
        }
    }
    worth
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use good_lp::constraint::ConstraintReference;
    use good_lp::solvers::microlp::MicroLpSolution;

    use super::*;

    struct Panics;

    impl SolverModel for Panics {
        type Solution = MicroLpSolution;
        type Error = Infallible;

        fn solve(self) -> Result<Self::Solution, Self::Error> {
            panic!("norms are finite")
        }

        fn add_constraint(&mut self, _: Constraint) -> ConstraintReference {
            unreachable!("it has none")
        }

        fn name() -> &'static str {
            "panics"
        }
    }

    #[test]
    fn a_solver_that_panics_has_failed() {
        assert!(matches!(solved(Panics), Err(ProgramError::Solver(_))));
    }
}
