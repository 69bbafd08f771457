//! Clearing prices: one price a token, at which every order of a batch is paid what the markets and the other orders bring.
//!
//! The prices that bound a batch do not pay for it: they leave over what the markets earn below the margin, in whichever tokens come
//! cheapest. What is wanted are prices p, fills x and flows with
//!
//! ```text
//! maximise    Σ surplus of the orders
//! subject to  flows + Σ given by the orders − Σ paid to them ≥ 0 in every token,   paid = x·p_sell/p_buy,   every limit kept
//! ```
//!
//! The payments are not linear in p and x, but nearly so in small shifts of ln p: x·ρ·(1 + δ_sell − δ_buy), with ρ the price before. So a
//! few programmes in a row find the prices, each with the shifts it may make bounded closer than the one before. Limits may be missed at
//! a price that is too high to be paid but where there is no other way: who misses his cannot be part of the batch.

use good_lp::{Expression, Variable, constraint, variable};

use super::{Builder, LARGEST, ProgramError, read};
use crate::market::{MarketId, Token};
use crate::path::Hop;
use crate::problem::{Flow, Problem, Wanted};
use crate::solve::Snapshot;
use crate::view::{Kept, Renumber, View};

/// The most that the logarithm of a price moves, one programme after another.
const REACHES: [f64; 7] = [0.1, 0.03, 0.01, 0.003, 0.001, 1e-4, 1e-5];
/// Widths of the chords that go with them.
const WIDTHS: [f64; 7] = [1e-2, 3e-3, 1e-3, 1e-3, 3e-4, 3e-4, 3e-4];
/// A shift of ln p that is as good as none.
const SETTLED: f64 = 1e-9;
/// What a unit below an order's limit or below a claim costs.
const MISSED: f64 = 100.0;
/// What it costs to move a price, as a part of what the move is worth to those who gain by it.
const MOVED: f64 = 1e-4;

/// Which amount of an order is exact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exact {
    /// What is sold.
    Sold,
    /// What is bought.
    Bought,
}

/// An order in a batch, in value units.
#[derive(Debug, Clone, Copy)]
pub struct Trade {
    /// What is given.
    pub sell: Token,
    /// What is taken.
    pub buy: Token,
    /// Which amount the fill is counted in.
    pub exact: Exact,
    /// Units bought that the limit asks for each unit sold, the fee included.
    pub rate: f64,
    /// Units of the sold token that are kept for gas.
    pub fee: f64,
    /// The least and the most that may be filled: sold without the fee, or bought.
    pub fill: [f64; 2],
    /// The fill to start from.
    pub start: f64,
    /// What a unit of surplus is worth.
    pub weight: f64,
}

/// What some trades of one pair must be left with together, if it can be had: they could have as much elsewhere.
#[derive(Debug, Clone)]
pub struct Claim {
    /// Indices of the trades.
    pub trades: Vec<usize>,
    /// Units of their surplus.
    pub surplus: f64,
    /// Units bought for each unit sold, fees included.
    pub price: f64,
}

impl Claim {
    /// Units that the trades lack of what they claim, with what each sells without its fee and buys.
    pub fn lack(&self, trades: &[Trade], amounts: impl Fn(usize) -> [f64; 2]) -> f64 {
        let (mut surplus, mut price) = (self.surplus, 0.0);
        for &k in &self.trades {
            let [sold, bought] = amounts(k);
            surplus -= trades[k].surplus([sold, bought]);
            price += self.price * (sold + trades[k].fee) - bought;
        }
        // Without a surplus to claim, limits say what is asked.
        if self.surplus > 0.0 { surplus.max(price) } else { price }
    }
}

/// Whether trades may be filled for less than they ask, and then pay a smaller fee and claim less.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// Each is there, and pays its fee.
    Fixed,
    /// Each is there for a part: what it is filled for of the most. Says who should be there.
    Free,
}

impl Trade {
    /// Units sold without the fee, and units bought, of a `fill` at `price` units bought for a unit sold.
    pub fn amounts(&self, fill: f64, price: f64) -> [f64; 2] {
        match self.exact {
            Exact::Sold => [fill, fill * price],
            Exact::Bought => [fill / price, fill],
        }
    }

    /// Units bought over and above the limit.
    pub fn surplus(&self, [sold, bought]: [f64; 2]) -> f64 {
        bought - self.rate * (sold + self.fee)
    }
}

/// A batch at its clearing prices.
#[derive(Debug, Clone)]
pub struct Clearing {
    /// What the markets trade.
    pub flows: Vec<Flow>,
    /// The price of each token that a trade touches.
    pub prices: Vec<(Token, f64)>,
    /// The fill of each trade.
    pub fills: Vec<f64>,
}

impl Clearing {
    /// The price of a token; one where no trade touches it.
    pub fn price(&self, token: Token) -> f64 {
        self.prices.iter().find(|p| p.0 == token).map_or(1.0, |p| p.1)
    }

    /// What a trade sells without its fee and what it buys.
    pub fn amounts(&self, k: usize, trade: &Trade) -> [f64; 2] {
        trade.amounts(self.fills[k], self.price(trade.sell) / self.price(trade.buy))
    }
}

/// Clears `trades` over a choice of markets (each with the coins it may trade as a bit mask, without the ways that are `barred`) and
/// what else is there or is missing, the `endowment`. `nu` are prices of all tokens near which the markets are traded, `start` those to start clearing from.
///
/// # Errors
/// When a programme has no solution.
#[expect(clippy::too_many_arguments, reason = "what there is, what is wanted, and where to start")]
pub fn clear(
    snapshot: &Snapshot,
    choice: &[(MarketId, u8)],
    barred: &[Hop],
    endowment: &[(Token, f64)],
    trades: &[Trade],
    claims: &[Claim],
    presence: Presence,
    nu: &[f64],
    start: impl Fn(Token) -> f64,
) -> Result<Clearing, ProgramError> {
    let kept: Vec<Kept> = choice.iter().map(|&(market, coins)| Kept { market, coins }).collect();
    // Leftovers are worth nothing; naming the tokens gives them a number.
    let wanted = trades.iter().flat_map(|t| [t.sell, t.buy]).map(|token| Wanted { token, weight: 0.0, free: false }).collect();
    let problem = Problem { endowment: endowment.to_vec(), wanted, ..Problem::default() };
    let mut view = View::part(snapshot.markets(), &problem, &kept, 0.0, &mut Renumber::default());
    view.bar(barred);
    let nu: Vec<f64> = view.tokens.iter().map(|&t| nu.get(t as usize).copied().unwrap_or(1.0)).collect();
    let number = |token| view.local(token).unwrap_or_default() as usize;
    let ends: Vec<[usize; 2]> = trades.iter().map(|t| [number(t.sell), number(t.buy)]).collect();
    let roots = roots(&ends, view.tokens.len());
    let mut prices: Vec<f64> = view.tokens.iter().map(|&t| start(t)).collect();
    let mut fills: Vec<f64> = trades.iter().map(|t| t.start).collect();
    let unit = trades.iter().map(|t| t.fill[1]).fold(f64::MIN_POSITIVE, f64::max) / LARGEST;
    let mut flows = None;
    for (reach, width) in REACHES.into_iter().zip(WIDTHS) {
        let mut build = Builder::new(&view, unit);
        build.markets(&nu, width, flows.as_ref());
        let step = Step { build, trades, claims, presence, ends: &ends, roots: &roots, prices: &prices, fills: &fills };
        let step = step.solve(reach);
        let step = match step {
            Ok(step) => step,
            // It may fail on numbers that are nearly the same; the step before will do.
            Err(_) if flows.is_some() => break,
            Err(error) => return Err(error),
        };
        let most = step.shifts.iter().fold(0.0_f64, |most, s| most.max(s.abs()));
        let moved = step.fills.iter().zip(&fills).zip(trades).fold(0.0_f64, |m, ((a, b), t)| m.max((a - b).abs() / t.fill[1]));
        for (price, shift) in prices.iter_mut().zip(&step.shifts) {
            *price *= shift.exp();
        }
        (fills, flows) = (step.fills, Some(step.flows));
        if most.max(moved) < SETTLED {
            break;
        }
    }
    let prices = trades.iter().zip(&ends).flat_map(|(t, e)| [(t.sell, prices[e[0]]), (t.buy, prices[e[1]])]);
    let mut prices: Vec<(Token, f64)> = prices.collect();
    prices.sort_by_key(|p| p.0);
    prices.dedup_by_key(|p| p.0);
    Ok(Clearing { flows: flows.map(|f| f.markets).unwrap_or_default(), prices, fills })
}

/// Of each of the ends one token, the same for all that trades connect.
fn roots(ends: &[[usize; 2]], tokens: usize) -> Vec<usize> {
    let mut root: Vec<usize> = (0..tokens).collect();
    loop {
        let mut settled = true;
        for &[a, b] in ends {
            let least = root[a].min(root[b]);
            settled &= root[a] == root[b];
            (root[a], root[b]) = (least, least);
        }
        if settled {
            return ends.iter().flatten().map(|&t| root[t]).collect();
        }
    }
}

/// A trade in a programme's variables: what it gives, fee included, what it gets, and what it is filled for of the most.
struct Given {
    paid: Expression,
    bought: Expression,
    surplus: Expression,
    part: Expression,
}

/// One programme.
struct Step<'a, 'v, 'm> {
    build: Builder<'v, 'm>,
    trades: &'a [Trade],
    claims: &'a [Claim],
    presence: Presence,
    ends: &'a [[usize; 2]],
    /// Of each of the ends: a token whose price stays.
    roots: &'a [usize],
    prices: &'a [f64],
    fills: &'a [f64],
}

struct Stepped {
    flows: super::Flows,
    shifts: Vec<f64>,
    fills: Vec<f64>,
}

impl Step<'_, '_, '_> {
    fn solve(mut self, reach: f64) -> Result<Stepped, ProgramError> {
        let unit = self.build.unit;
        // Shifts are counted in what they move, so that all numbers of the programme are of one size.
        let mut moved = vec![0.0_f64; self.prices.len()];
        for (k, trade) in self.trades.iter().enumerate() {
            let [s, b] = self.ends[k];
            let amounts = trade.amounts(self.fills[k] / unit, self.prices[s] / self.prices[b]);
            let amount = amounts.into_iter().fold(1e-3, f64::max);
            moved[s] = moved[s].max(amount);
            moved[b] = moved[b].max(amount);
        }
        let mut shift: Vec<Option<Variable>> = vec![None; self.prices.len()];
        for (&t, &root) in self.ends.iter().flatten().zip(self.roots) {
            // Prices are ratios: one of those that hang together stays.
            let most = if t == root { 0.0 } else { reach * moved[t] };
            shift[t].get_or_insert_with(|| self.build.variables.add(variable().min(-most).max(most)));
        }
        // Prices that nobody gains by moving stay.
        for &shift in shift.iter().flatten() {
            let size = self.build.variables.add(variable().min(0.0));
            self.build.objective.add_mul(-MOVED, size);
            self.build.held.push(constraint::geq(size - shift, 0.0));
            self.build.held.push(constraint::geq(size + shift, 0.0));
        }
        let mut fill = Vec::with_capacity(self.trades.len());
        let mut given: Vec<Option<Given>> = Vec::with_capacity(self.trades.len());
        let free = self.presence == Presence::Free;
        for (k, trade) in self.trades.iter().enumerate() {
            let [s, b] = self.ends[k];
            let (Some(up), Some(down)) = (shift[s], shift[b]) else {
                given.push(None);
                continue;
            };
            let [least, most] = trade.fill.map(|x| x / unit);
            let amount = self.build.variables.add(variable().min(if free { 0.0 } else { least }).max(most));
            let (at, fee) = (self.fills[k] / unit, trade.fee / unit);
            fill.push(amount);
            let rho = self.prices[s] / self.prices[b];
            // The exact side moves with the fill, the other with the price as well.
            let (ratio, by_price) = match trade.exact {
                Exact::Sold => (rho, rho * at),
                Exact::Bought => (rho.recip(), -at / rho),
            };
            let exact = Expression::from(amount);
            let mut other = ratio * amount;
            other.add_mul(by_price / moved[s], up);
            other.add_mul(-by_price / moved[b], down);
            let (sold, bought) = if trade.exact == Exact::Sold { (exact, other) } else { (other, exact) };
            *self.build.rows[s].get_or_insert_default() += sold.clone();
            *self.build.rows[b].get_or_insert_default() -= bought.clone();
            let paid = sold + if free { fee / most * amount } else { Expression::from(fee) };
            let surplus = bought.clone() - trade.rate * paid.clone();
            let missed = self.build.variables.add(variable().min(0.0));
            self.build.objective += trade.weight * surplus.clone();
            self.build.objective.add_mul(-MISSED, missed);
            self.build.held.push(constraint::geq(surplus.clone() + missed, 0.0));
            given.push(Some(Given { paid, bought, surplus, part: amount / most }));
        }
        for claim in self.claims {
            let behind = self.build.variables.add(variable().min(0.0));
            self.build.objective.add_mul(-MISSED, behind);
            let (mut price, mut surplus) = (Expression::from(behind), Expression::from(behind));
            for given in claim.trades.iter().filter_map(|&k| given[k].as_ref()) {
                price += given.bought.clone() - claim.price * given.paid.clone();
                surplus += given.surplus.clone();
            }
            if claim.price > 0.0 {
                self.build.held.push(constraint::geq(price, 0.0));
            }
            if claim.surplus <= 0.0 {
                continue;
            }
            if !free {
                self.build.held.push(constraint::geq(surplus, claim.surplus / unit));
                continue;
            }
            for given in claim.trades.iter().filter_map(|&k| given[k].as_ref()) {
                self.build.held.push(constraint::geq(surplus.clone() - claim.surplus / unit * given.part.clone(), 0.0));
            }
        }
        let named: Vec<Variable> = shift.iter().flatten().chain(&fill).copied().collect();
        let view = self.build.view;
        let (columns, values) = self.build.run(&named)?;
        let flows = read(view, &columns, &values, unit);
        let mut others = values[columns.len()..].iter().copied();
        let shifts = shift
            .iter()
            .zip(&moved)
            .map(|(s, moved)| s.and_then(|_| others.next()).map_or(0.0, |by| (by / moved).clamp(-reach, reach)))
            .collect();
        let least = |trade: &Trade| if free { 0.0 } else { trade.fill[0] };
        let fills = others.zip(self.trades).map(|(x, trade)| (x * unit).clamp(least(trade), trade.fill[1])).collect();
        Ok(Stepped { flows, shifts, fills })
    }
}
