//! Many orders in one problem.
//!
//! An order is a market too: it gives what it sells for what it buys, at its limit and up to its amount, and takes gas of its own. So
//! orders are matched with each other, in pairs and rings, and routed where that does not suffice, all by the same prices; and an order
//! that does not earn its gas is dropped like a pool that does not. What is left over of the tokens that surplus is paid in is worth
//! something: that is the batch's welfare.
//!
//! Prices answer with parts of orders. Those to be filled whole or not at all are settled one after another: those that prices fill
//! for a small part are left out, the others are tried both ways, each as an endowment to be traded whatever it brings. While the budget
//! lasts, a mixed-integer programme over just those says once more which to fill, and the better choice is taken.

mod bound;
mod settling;
mod swaps;
mod tokens;
mod uniform;

use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::budget::Budget;
use crate::curve::{Curve, Linear};
use crate::market::{MarketError, MarketId, Token};
use crate::path::Hop;
use crate::problem::{Flow, GasPrice, Limit, Problem, Wanted};
use crate::program;
use crate::program::uniform::Exact;
use crate::view::{Kept, Renumber, Smoothing, View, gas};

pub use self::bound::Bounds;
use self::settling::Settling;
use super::choice::{NEAR_BY, Reach};
use super::{Choice, FINE, Search, Snapshot};

/// Width of those in which it is settled what is traded.
const BALANCED: f64 = 1e-3;
/// A part that is as good as all.
const WHOLE: f64 = 1.0 - 1e-6;

/// How much of an order may be filled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// Any part.
    Part,
    /// All of it or nothing.
    Whole,
    /// All of it, whatever that brings: what is chosen are the markets.
    Given,
}

/// An order of a batch, in value units.
#[derive(Debug, Clone, Copy)]
pub struct Order {
    /// What is given.
    pub sell: Token,
    /// What is taken.
    pub buy: Token,
    /// The most that is given.
    pub sell_amount: f64,
    /// What is asked for all of it.
    pub buy_amount: f64,
    /// Which of the two is exact: what it is paid beyond its limit is in the other.
    pub exact: Exact,
    /// Whether that is surplus that counts.
    pub is_scored: bool,
    /// How much of that may be filled.
    pub extent: Extent,
    /// Gas of its own.
    pub gas: f64,
}

impl Order {
    /// Whether no part of it is filled but all.
    pub fn is_whole(&self) -> bool {
        self.extent != Extent::Part
    }
}

/// What a leftover of a token is worth.
#[derive(Debug, Clone, Copy)]
pub struct Leftover {
    /// The token.
    pub token: Token,
    /// What a unit is worth.
    pub weight: f64,
    /// How many units are worth that in a choice: at one price a token more could not go to those who are paid in it. Bounds count all.
    pub most: f64,
}

/// Orders with the markets they are traded on.
#[derive(Debug, Clone)]
pub struct Batch {
    snapshot: Arc<Snapshot>,
    orders: Vec<Order>,
    /// The market that the first order is.
    first: MarketId,
    problem: Problem,
    /// Least prices of tokens at which no leftover is worth more.
    floors: Vec<(Token, f64)>,
    /// The most gas that a settlement may take.
    most_gas: f64,
}

/// Where a choice begins.
#[derive(Debug, Clone, Copy)]
pub struct Start<'a> {
    /// Prices to start from.
    pub warm: Option<&'a [f64]>,
    /// Orders that are not used, by their places.
    pub out: &'a [usize],
    /// Ways that are not gone.
    pub barred: &'a [Hop],
    /// What a unit of gas is counted at: fewer markets and orders are chosen the more that is. What they are worth is told at its cost all
    /// the same, and is mostly higher where it was counted at a few times that: prices like many markets for a small part.
    pub counted: f64,
}

/// Which markets and which orders, and what they are worth together; value units of the objective, gas paid.
#[derive(Debug, Clone)]
pub struct Joint {
    /// The markets, each with the coins it may trade as a bit mask.
    pub markets: Vec<(MarketId, u8)>,
    /// What they trade at these prices.
    pub flows: Vec<Flow>,
    /// The part of each order that is filled; whole orders are filled or not.
    pub parts: Vec<f64>,
    /// Prices of all tokens.
    pub prices: Vec<f64>,
    /// What no choice and no fills can exceed.
    pub bound: f64,
    /// Worth with every order filled for as large a part as prices like.
    pub relaxed: f64,
    /// Worth with whole orders filled whole or not at all.
    pub value: f64,
    /// What a unit of gas was counted at.
    pub counted: f64,
    /// The same when it was settled which markets there are: more, where it would have been too much. None are added then.
    pub spared: f64,
    /// Gas of all.
    pub gas: f64,
}

impl Batch {
    /// Adds `orders` to the markets of `snapshot`. Some leftovers are worth something; gas is paid in a token that no market trades.
    ///
    /// # Errors
    /// When an order's amounts are not positive and finite, or its tokens are one.
    pub fn new(snapshot: &Snapshot, orders: Vec<Order>, leftovers: &[Leftover], gas: GasPrice) -> Result<Self, MarketError> {
        let first = snapshot.markets.len() as MarketId;
        let mut markets = snapshot.markets.clone();
        for order in &orders {
            let curve = Linear::new(order.sell_amount / order.buy_amount, order.buy_amount).ok_or(MarketError::Rate)?;
            markets.add(&[order.buy, order.sell], Curve::Linear(curve), order.gas)?;
        }
        let served = first..first + orders.len() as MarketId;
        let sold = leftovers.iter().map(|&Leftover { token, weight, most }| Limit {
            take: token,
            give: gas.token,
            rate: weight,
            cap: most,
        });
        let problem = Problem {
            wanted: vec![Wanted { token: gas.token, weight: 1.0, free: true }],
            limits: sold.collect(),
            gas,
            served,
            ..Problem::default()
        };
        let floors = leftovers.iter().map(|l| (l.token, l.weight)).collect();
        let snapshot = Arc::new(Snapshot::new(markets));
        Ok(Self { snapshot, orders, first, problem, floors, most_gas: f64::INFINITY })
    }

    /// The same where a settlement may not take more than so much gas: bounds know of that, choices are [spared](Opening::spare) by the caller.
    #[must_use]
    pub fn with_most_gas(self, most_gas: f64) -> Self {
        Self { most_gas, ..self }
    }

    /// What a choice with these markets and orders is worth where gas is counted at its cost.
    fn at_cost(&self, value: f64, counted: f64, kept: &[Kept], forced: &[usize]) -> f64 {
        let gas = self.gas(kept) + self.gas_of(forced);
        value + (counted - self.problem.gas.price) * gas
    }

    /// Gas of orders' own.
    fn gas_of(&self, orders: &[usize]) -> f64 {
        orders.iter().map(|&k| self.orders[k].gas).sum()
    }

    fn gas(&self, kept: &[Kept]) -> f64 {
        self.problem.gas.fixed + gas(&self.snapshot.markets, kept)
    }

    /// The markets with the orders among them.
    pub fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// Markets and orders that prices choose. `None` where no order can be served.
    pub fn open(&self, start: Start<'_>, budget: &Budget) -> Option<Opening<'_>> {
        let given = self.given(start.out);
        let mut barred = start.barred.to_vec();
        barred.extend(start.out.iter().chain(&given).map(|&k| self.hop(k)));
        let problem = self.forced(&given, start.counted);
        let mut search = Search::new(&self.snapshot, &problem, None, &barred, budget);
        if let Some(warm) = start.warm.filter(|w| w.len() == search.prices.len()) {
            search.prices.clone_from_slice(warm);
        }
        let view = search.whole.clone();
        search.aim(&view);
        let fixed = self.problem.gas.fixed + self.gas_of(&given);
        let bound = self.bound_at(&search.whole, &search.prices, [fixed, start.counted], 1.0).value;
        let (best, prices) = (search.best.take()?, search.prices);
        Some(Opening { batch: self, best, prices, bound, barred, given, counted: start.counted, spared: start.counted })
    }

    fn joint(
        &self,
        choice: Choice,
        forced: Vec<usize>,
        mut prices: Vec<f64>,
        counted: f64,
        [bound, relaxed]: [f64; 2],
        budget: &Budget,
    ) -> Joint {
        let whole = |k: usize, part: f64| forced.contains(&k) || self.orders[k].is_whole() && part >= WHOLE;
        let at_prices = self.parts(&choice, &self.forced(&forced, counted), budget);
        let filled = (0..self.orders.len()).filter(|&k| whole(k, at_prices.get(&k).copied().unwrap_or_default()));
        let filled: Vec<usize> = filled.collect();
        let (parts, flows) = self.balanced(&choice, &filled);
        let parts = (0..self.orders.len())
            .map(|k| match parts.get(&k) {
                _ if filled.contains(&k) => 1.0,
                Some(&part) if !self.orders[k].is_whole() => part,
                _ => 0.0,
            })
            .collect();
        for &(token, price) in &choice.prices {
            prices[token as usize] = price;
        }
        let markets = choice.kept.iter().filter(|k| k.market < self.first).map(|k| (k.market, k.coins)).collect();
        let value = self.at_cost(choice.value, counted, &choice.kept, &forced);
        let gas = self.gas(&choice.kept) + self.gas_of(&forced);
        Joint { markets, flows, parts, prices, bound, relaxed, value, counted, spared: counted, gas }
    }

    /// Orders that are filled in any case, without those that are `out`.
    fn given(&self, out: &[usize]) -> Vec<usize> {
        (0..self.orders.len()).filter(|k| self.orders[*k].extent == Extent::Given && !out.contains(k)).collect()
    }

    /// The way through an order.
    fn hop(&self, order: usize) -> Hop {
        Hop { market: self.first + order as MarketId, input: 0, output: 1 }
    }

    /// The same where no more units of what is left over of tokens count than so many of each. Bounds count all.
    #[must_use]
    pub fn capped(&self, most: &FxHashMap<Token, f64>) -> Self {
        let mut batch = self.clone();
        for limit in &mut batch.problem.limits {
            if let Some(most) = most.get(&limit.take) {
                limit.cap = limit.cap.min(*most);
            }
        }
        batch
    }

    /// The problem with some orders traded whatever they bring, and a unit of gas counted at so much.
    fn forced(&self, forced: &[usize], counted: f64) -> Problem {
        let mut problem = self.problem.clone();
        problem.gas.price = counted;
        for order in forced.iter().map(|&k| &self.orders[k]) {
            problem.endowment.push((order.sell, order.sell_amount));
            problem.endowment.push((order.buy, -order.buy_amount));
            problem.gas.fixed += order.gas;
        }
        problem
    }

    /// The part of each order that the choice's prices fill.
    fn parts(&self, choice: &Choice, problem: &Problem, budget: &Budget) -> FxHashMap<usize, f64> {
        let mut search = Search::new(&self.snapshot, problem, None, &[], budget);
        let (view, nu) = search.part_of(choice);
        let flows = program::answers(&view, &nu, &Smoothing { gas: None, gas_value: 0.0, linear: Some(FINE) });
        self.split(flows.markets).0
    }

    /// A choice for some of its orders only: its markets, others beside them where those help, prices, parts of orders that need not be
    /// whole, and flows.
    pub fn only(&self, joint: &Joint, stay: &[usize], barred: &[Hop], budget: &Budget) -> Option<Joint> {
        let (filled, open): (Vec<usize>, Vec<usize>) = stay.iter().partition(|&&k| self.orders[k].is_whole());
        let problem = self.forced(&filled, joint.counted);
        let gone = (0..self.orders.len()).filter(|k| !open.contains(k)).map(|k| self.hop(k));
        let barred: Vec<Hop> = barred.iter().copied().chain(gone).collect();
        let mut search = Search::new(&self.snapshot, &problem, None, &barred, budget);
        search.prices.copy_from_slice(&joint.prices);
        let mut kept: Vec<Kept> = joint.markets.iter().map(|&(market, coins)| Kept { market, coins }).collect();
        kept.extend(open.iter().map(|&k| Kept { market: self.hop(k).market, coins: 0b11 }));
        search.best = Some(search.weigh(kept)?);
        if joint.spared <= joint.counted {
            search.grow(&NEAR_BY);
        }
        let best = search.best.take()?;
        let prices = &search.prices;
        let mut settling = Settling {
            batch: self,
            best,
            forced: filled,
            left_out: Vec::new(),
            barred: &barred,
            prices,
            counted: joint.counted,
            budget,
        };
        settling.relieve();
        let Settling { best: choice, forced: filled, .. } = settling;
        let (open, flows) = self.balanced(&choice, &filled);
        let part = |k: usize| if filled.contains(&k) { 1.0 } else { open.get(&k).copied().unwrap_or_default() };
        let mut prices = joint.prices.clone();
        for &(token, price) in &choice.prices {
            prices[token as usize] = price;
        }
        let markets = choice.kept.iter().filter(|k| k.market < self.first).map(|k| (k.market, k.coins)).collect();
        let (parts, gas) = ((0..self.orders.len()).map(part).collect(), self.gas(&choice.kept) + self.gas_of(&filled));
        Some(Joint { markets, flows, prices, parts, gas, ..joint.clone() })
    }

    /// The same where what the orders give and take is what the markets trade: at prices that are an order's limit any part of it would do.
    fn balanced(&self, choice: &Choice, filled: &[usize]) -> (FxHashMap<usize, f64>, Vec<Flow>) {
        // The programme counts no gas.
        let problem = self.forced(filled, self.problem.gas.price);
        let gone: Vec<MarketId> = filled.iter().map(|&k| self.hop(k).market).collect();
        let kept: Vec<Kept> = choice.kept.iter().filter(|k| !gone.contains(&k.market)).copied().collect();
        let view = View::part(&self.snapshot.markets, &problem, &kept, 0.0, &mut Renumber::default());
        let price = |t: &Token| choice.prices.iter().find(|p| p.0 == *t).map_or(1.0, |p| p.1);
        let nu: Vec<f64> = view.tokens.iter().map(price).collect();
        // What the markets answer to the prices is nearly right.
        let answers = program::answers(&view, &nu, &Smoothing { gas: None, gas_value: 0.0, linear: Some(FINE) });
        let flows = program::solve_around(&view, &nu, BALANCED, &answers).or_else(|_| program::solve(&view, &nu, BALANCED, None));
        // Where they cannot be balanced, who is in the way is found out later.
        let flows = flows.unwrap_or(answers);
        self.split(flows.markets)
    }

    /// The parts of orders, and what the markets trade.
    fn split(&self, flows: Vec<Flow>) -> (FxHashMap<usize, f64>, Vec<Flow>) {
        let (orders, flows): (Vec<Flow>, Vec<Flow>) = flows.into_iter().partition(|flow| flow.market >= self.first);
        let part = |flow: Flow| {
            let k = (flow.market - self.first) as usize;
            (k, -flow.trade[0] / self.orders[k].buy_amount)
        };
        (orders.into_iter().map(part).collect(), flows)
    }
}

/// Markets and orders, each of those for as large a part as is best.
#[derive(Debug, Clone)]
pub struct Opening<'b> {
    batch: &'b Batch,
    /// Weighed with gas at what it is spared at.
    best: Choice,
    prices: Vec<f64>,
    bound: f64,
    barred: Vec<Hop>,
    /// Orders that are filled in any case.
    given: Vec<usize>,
    counted: f64,
    spared: f64,
}

/// How much time it is worth to settle which orders are filled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effort {
    /// One after another.
    Quick,
    /// And then those nearest to the prices at once, and those that were left out again.
    Full,
}

impl Opening<'_> {
    /// Prices of all tokens.
    pub fn prices(&self) -> &[f64] {
        &self.prices
    }

    /// Gas of all.
    pub fn gas(&self) -> f64 {
        self.batch.gas(&self.best.kept) + self.batch.gas_of(&self.given)
    }

    /// What it is worth, gas at its cost.
    pub fn value(&self) -> f64 {
        self.batch.at_cost(self.best.value, self.spared, &self.best.kept, &self.given)
    }

    /// What no choice can exceed.
    pub fn bound(&self) -> f64 {
        self.bound
    }

    /// A search that begins at its prices.
    fn search<'a>(&'a self, problem: &'a Problem, budget: &'a Budget<'a>) -> Search<'a> {
        let mut search = Search::new(&self.batch.snapshot, problem, None, &self.barred, budget);
        search.prices.clone_from_slice(&self.prices);
        search.gas_value = problem.gas.price * self.prices[problem.gas.token as usize];
        search
    }

    /// Adds and drops markets and orders for as long as that helps; none where there were too many.
    pub fn climb(&mut self, budget: &Budget) {
        if self.spared > self.counted {
            return;
        }
        let problem = self.batch.forced(&self.given, self.counted);
        let mut search = self.search(&problem, budget);
        search.best = Some(self.best.clone());
        search.climb(&[Reach::Far]);
        if let Some(best) = search.best.take() {
            self.best = best;
        }
    }

    /// What a unit of gas is counted at.
    pub fn counted(&self) -> f64 {
        self.counted
    }

    /// The same when it was settled which markets there are.
    pub fn spared(&self) -> f64 {
        self.spared
    }

    /// Some of its markets and orders only: those that are worth it with a unit of gas counted at so much.
    pub fn spare(&mut self, spared: f64, budget: &Budget) {
        let problem = self.batch.forced(&self.given, spared);
        let mut search = self.search(&problem, budget);
        let mut view = View::part(&self.batch.snapshot.markets, &problem, &self.best.kept, 0.0, &mut Renumber::default());
        view.bar(&self.barred);
        search.aim(&view);
        match search.best.take() {
            Some(lighter) => self.best = lighter,
            None => self.best.value -= (spared - self.spared) * self.gas(),
        }
        self.spared = spared;
    }

    /// Settles which of the orders that must be whole are filled. `None` where there are none that can be.
    pub fn settle(&self, effort: Effort, budget: &Budget) -> Option<Joint> {
        let Self { batch, best, prices, barred, counted, spared, .. } = self;
        let (forced, left_out) = (self.given.clone(), Vec::new());
        Settling { batch, best: best.clone(), forced, left_out, barred, prices, counted: *spared, budget }
            .settle(effort, [self.bound, self.value()])
            .map(|joint| Joint { counted: *counted, ..joint })
    }
}
