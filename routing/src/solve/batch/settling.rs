//! Which of the orders that are whole or not at all are filled.
//!
//! A choice has the markets that are worth their gas at its prices, which fill a part of such an order. All of it may need more of them, and
//! is tried with those that the rest would be sold on.

use super::{Batch, Effort, Extent, Joint, Order, WHOLE};
use crate::budget::Budget;
use crate::market::{MarketId, Token};
use crate::path::Hop;
use crate::program;
use crate::solve::choice::joined;
use crate::solve::{Choice, Search};
use crate::view::{Kept, Renumber, View};

/// An order that prices fill for less than this part is not tried as a whole.
const SMALL_PART: f64 = 0.1;
/// A choice is as good as another that is worth this part less.
const AS_GOOD: f64 = 1e-5;
/// Where filling an order loses more than this part of a choice's worth, markets that it could be traded on besides are added.
const LOSES: f64 = 1e-3;
/// An order whose limit is this far from the prices is not open any more.
const HOPELESS: f64 = 0.02;
/// An order loses about what the worst does that loses no less than this part of that.
const LOST: f64 = 0.1;
/// The most orders that a mixed-integer programme decides on.
const MOST_DECISIONS: usize = 24;
/// Width of its chords: whole orders move prices.
const WIDE: f64 = 1e-2;

/// Orders to be filled whole or not at all on the way to one or the other.
#[derive(Clone)]
pub(super) struct Settling<'a> {
    pub batch: &'a Batch,
    pub best: Choice,
    /// Orders that are filled, and those that are not.
    pub forced: Vec<usize>,
    pub left_out: Vec<usize>,
    pub barred: &'a [Hop],
    pub prices: &'a [f64],
    pub counted: f64,
    pub budget: &'a Budget<'a>,
}

impl Settling<'_> {
    /// Settles every order that must be whole.
    pub fn settle(self, effort: Effort, [bound, relaxed]: [f64; 2]) -> Option<Joint> {
        let mut settled = self.clone();
        settled.decide()?;
        if effort == Effort::Full {
            if let Some(at_once) = self.decide_at_once().filter(|at_once| at_once.best.value > settled.best.value) {
                settled = at_once;
            }
            settled.reconsider();
        }
        let Self { batch, best, forced, prices, counted, budget, .. } = settled;
        Some(batch.joint(best, forced, prices.to_vec(), counted, [bound, relaxed], budget))
    }

    /// Decides on those nearest to the prices by one mixed-integer programme, and on what becomes open by that one by one.
    fn decide_at_once(mut self) -> Option<Self> {
        let batch = self.batch;
        let open = self.nearest();
        if open.len() < 2 || self.budget.is_spent() {
            return None;
        }
        let market = |k: usize| batch.first + k as MarketId;
        let mut kept = self.best.kept.clone();
        kept.extend(open.iter().map(|&k| Kept { market: market(k), coins: 0b11 }));
        kept.sort_unstable_by_key(|k| k.market);
        kept.dedup_by_key(|k| k.market);
        let problem = batch.forced(&self.forced, batch.problem.gas.price);
        let mut view = View::part(&batch.snapshot.markets, &problem, &kept, 0.0, &mut Renumber::default());
        view.bar(self.barred);
        let nu: Vec<f64> = view.tokens.iter().map(|&t| self.price(t)).collect();
        let gas = |k: usize| batch.orders[k].gas * self.counted;
        let orders = open.iter().map(|&k| (market(k), gas(k))).collect();
        let filled = program::whole(&view, &nu, WIDE, &orders).ok()?;
        let (filled, left_out): (Vec<usize>, Vec<usize>) = open.iter().partition(|&&k| filled.contains(&market(k)));
        self.forced.extend(filled);
        self.left_out = left_out;
        self.best = self.attempt(&self.forced, &self.left_out, f64::NEG_INFINITY)?;
        self.decide()?;
        Some(self)
    }

    /// Orders that must be whole, by how near their limits are to the prices.
    fn nearest(&self) -> Vec<usize> {
        let orders = self
            .batch
            .orders
            .iter()
            .enumerate()
            .filter(|(k, order)| order.is_whole() && !self.barred.contains(&self.batch.hop(*k)) && !self.forced.contains(k));
        let far =
            |order: &Order| (self.price(order.sell) * order.sell_amount / (self.price(order.buy) * order.buy_amount)).ln().abs();
        let mut near: Vec<(f64, usize)> = orders.map(|(k, order)| (far(order), k)).filter(|o| o.0 < HOPELESS).collect();
        near.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        near.into_iter().take(MOST_DECISIONS).map(|o| o.1).collect()
    }

    fn price(&self, token: Token) -> f64 {
        self.best.prices.iter().find(|p| p.0 == token).map_or(self.prices[token as usize], |p| p.1)
    }

    /// The choice anew, from its own prices, with some orders forced and some left out: looked at for long only where it is worth
    /// more than it has `to_beat`.
    fn attempt(&self, forced: &[usize], left_out: &[usize], to_beat: f64) -> Option<Choice> {
        self.attempt_on(&[], forced, left_out, to_beat)
    }

    /// The same with more markets.
    fn attempt_on(&self, more: &[Kept], forced: &[usize], left_out: &[usize], to_beat: f64) -> Option<Choice> {
        let Self { batch, best, barred, prices, counted, budget, .. } = self;
        let problem = batch.forced(forced, *counted);
        let mut search = Search::new(&batch.snapshot, &problem, None, barred, budget);
        search.to_beat = to_beat;
        search.prices.copy_from_slice(prices);
        for &(token, price) in &best.prices {
            search.prices[token as usize] = price;
        }
        let gone = |market: MarketId| {
            let k = market.wrapping_sub(batch.first) as usize;
            forced.contains(&k) || left_out.contains(&k)
        };
        let kept = best.kept.iter().filter(|k| !gone(k.market)).copied().collect();
        search.prune(joined(kept, more));
        search.best.take()
    }

    /// The same, if it is worth more than that.
    fn better(&self, forced: &[usize], left_out: &[usize], to_beat: f64) -> Option<Choice> {
        self.attempt(forced, left_out, to_beat).filter(|choice| choice.value > to_beat)
    }

    /// The choice with one order more forced, of which prices fill a part; on more markets where it costs the others much, or cannot be done
    /// on these. Only if it is worth more than it has `to_beat`.
    fn filled(&self, (k, part): (usize, f64), with: &[usize], left_out: &[usize], to_beat: f64) -> Option<Choice> {
        let filled = self.better(with, left_out, to_beat);
        let well = self.best.value - LOSES * self.best.value.abs();
        if filled.as_ref().is_some_and(|choice| choice.value >= well) || self.budget.is_spent() {
            return filled;
        }
        let worth = filled.as_ref().map_or(to_beat, |choice| choice.value);
        let more = self.sale(k, 1.0 - part);
        self.attempt_on(&more, with, left_out, worth).filter(|choice| choice.value > worth).or(filled)
    }

    /// What a part of an order could be traded on beside what the choice's markets carry.
    fn sale(&self, k: usize, part: f64) -> Vec<Kept> {
        let Self { batch, best, prices, counted, budget, .. } = self;
        let Order { sell, buy, sell_amount, .. } = batch.orders[k];
        let problem = batch.forced(&self.forced, *counted);
        let mut search = Search::new(&batch.snapshot, &problem, None, self.barred, budget);
        search.gas_value = counted * prices[problem.gas.token as usize];
        search.best = Some(best.clone());
        search.sale((sell, buy), part * sell_amount, batch.first)
    }

    /// Until no order that must be whole is filled in part.
    fn decide(&mut self) -> Option<()> {
        loop {
            let orders = &self.batch.orders;
            let parts = self.batch.parts(&self.best, &self.batch.forced(&self.forced, self.counted), self.budget);
            let open = parts.into_iter().filter(|(k, part)| orders[*k].is_whole() && *part < WHOLE && !self.forced.contains(k));
            let mut open: Vec<(usize, f64)> = open.collect();
            open.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
            let Some(&(k, part)) = open.first() else { return Some(()) };
            let small: Vec<usize> = open.iter().filter(|o| o.1 < SMALL_PART || self.budget.is_spent()).map(|o| o.0).collect();
            if !small.is_empty() {
                let without = [self.left_out.as_slice(), &small].concat();
                self.leave(without)?;
                continue;
            }
            let with = [self.forced.as_slice(), &[k]].concat();
            let without = [self.left_out.as_slice(), &[k]].concat();
            let filled = self.filled((k, part), &with, &self.left_out, self.least());
            let to_beat = filled.as_ref().map_or(self.least(), |filled| filled.value);
            // A part of it may be best, and all is as good: nothing is better.
            let is_as_good = filled.is_some() && to_beat >= self.best.value - AS_GOOD * self.best.value.abs();
            let dropped = (!is_as_good).then(|| self.better(&self.forced, &without, to_beat)).flatten();
            match (dropped, filled) {
                (Some(dropped), _) => (self.best, self.left_out) = (dropped, without),
                (None, Some(filled)) => (self.best, self.forced) = (filled, with),
                (None, None) => self.leave(without)?,
            }
        }
    }

    /// Leaves out whole orders that cost the others more than they bring, for as long as that helps.
    pub fn relieve(&mut self) {
        while !self.budget.is_spent() {
            let loss = |&k: &usize| {
                let order = &self.batch.orders[k];
                let loss = self.price(order.buy) * order.buy_amount - self.price(order.sell) * order.sell_amount;
                (order.extent != Extent::Given && loss > 0.0).then_some((loss, k))
            };
            let mut losing: Vec<(f64, usize)> = self.forced.iter().filter_map(loss).collect();
            losing.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
            let many = if self.best.value == f64::NEG_INFINITY {
                // It cannot be traded at all: prices ran away from those who ask for what there is not.
                let far = losing.first().map_or(0.0, |most| LOST * most.0);
                losing.iter().take_while(|l| l.0 >= far).count()
            } else {
                losing.len().div_ceil(2)
            };
            let losing: Vec<usize> = losing.into_iter().map(|l| l.1).collect();
            let without = |out: &[usize]| {
                let stay = self.forced.iter().copied().filter(|k| !out.contains(k)).collect::<Vec<usize>>();
                let left_out = [self.left_out.as_slice(), out].concat();
                // What cannot be traded at all has to become less in any case.
                let of_use = |choice: &Choice| choice.value > self.best.value || self.best.value == f64::NEG_INFINITY;
                Some((self.attempt(&stay, &left_out, self.best.value).filter(of_use)?, stay, left_out))
            };
            // One that loses may do so for another.
            let some = [many, 1].into_iter().filter_map(|count| losing.get(..count));
            let Some(better) = some.filter(|out| !out.is_empty()).find_map(without) else { return };
            (self.best, self.forced, self.left_out) = better;
        }
    }

    /// What it is worth not to trade at all; what is given is traded in any case.
    fn least(&self) -> f64 {
        let is_given = |k: &usize| self.batch.orders[*k].extent == Extent::Given;
        if self.forced.iter().any(is_given) { f64::NEG_INFINITY } else { 0.0 }
    }

    /// Leaves orders out. Those that are forced may have lived on them, and then go as well.
    fn leave(&mut self, mut without: Vec<usize>) -> Option<()> {
        loop {
            if let Some(choice) = self.better(&self.forced, &without, self.least()) {
                (self.best, self.left_out) = (choice, without);
                return Some(());
            }
            // The last to be forced had the least to offer.
            without.push(self.forced.pop_if(|k| self.batch.orders[*k].extent != Extent::Given)?);
        }
    }

    /// Tries those that were left out once more, now that it is clear who else is there.
    fn reconsider(&mut self) {
        for k in self.left_out.clone() {
            if self.budget.is_spent() {
                return;
            }
            let order = &self.batch.orders[k];
            // Far from its limit there is nothing to be had.
            if self.price(order.sell) * order.sell_amount < self.price(order.buy) * order.buy_amount * (1.0 - HOPELESS) {
                continue;
            }
            let with = [self.forced.as_slice(), &[k]].concat();
            let without: Vec<usize> = self.left_out.iter().copied().filter(|other| *other != k).collect();
            let Some(choice) = self.filled((k, 0.0), &with, &without, self.best.value) else { continue };
            let parts = self.batch.parts(&choice, &self.batch.forced(&with, self.counted), self.budget);
            let orders = &self.batch.orders;
            let whole = parts.iter().all(|(k, part)| !orders[*k].is_whole() || *part >= WHOLE || with.contains(k));
            if whole {
                (self.best, self.forced, self.left_out) = (choice, with, without);
            }
        }
    }
}
