//! One auction, from request to verified solutions.
//!
//! ```text
//! one order by itself, at once ──► all orders in one batch, no pair of tokens worse off than with its best single order; and those
//!   ──► every order by itself, for longer, and the orders of each pair together ──► the batch again, where that made a pair better off
//!   ──► orders outside of the batch, on the pools as better bids leave them
//! ```
//!
//! Where single bids, each on the pools as the better ones leave them, score more than the batch with what is left beside it, they are sent
//! instead of it.
//!
//! Something valid is there early, and improves until time is up.

mod order;
mod sequence;
mod strategy;
mod together;

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use alloy_primitives::U256;
use ballast_routing::Ceiling;
use rayon::prelude::*;
use tracing::Span;

use crate::auction::{Auction, Drops, Subject};
use crate::batch::Liquidity;
use crate::batch::execute::from_f64;
use crate::batch::joint::MANY_ORDERS;
use crate::batch::prices::WEI_PER_UNIT;
use crate::config::Config;
use crate::settlement::Verified;

pub use order::{Answer, Filled, Gaps, answer, answer_early};
use order::{Depth, Most, Setting, attempt};
pub use sequence::Sequence;
use strategy::strategy;
pub use together::Together;
use together::{Whole, floors, floors_of};

/// A batch that is worth less than this part of what it was is chosen anew.
const SAME: f64 = 0.99;

/// What came of an auction.
#[derive(Debug)]
pub struct Report {
    /// One for each order of the auction by itself, in its order, with the time it took.
    pub answers: Vec<(Answer, Duration)>,
    /// All orders in one settlement, as far as they are better off there.
    pub batch: Result<Box<Together>, String>,
    /// Orders whose bids of their own are not sent, by their place in the auction: they are worth more than their pair has in the batch,
    /// which would be dropped for them.
    pub withheld: Vec<usize>,
    /// The orders of one pair of tokens in one settlement, for each pair with several.
    pub pairs: Vec<Together>,
    /// Orders outside of the batch whose bids meet at a pool.
    pub sequence: Sequence,
    /// What was left out on the way.
    pub drops: Drops,
    /// Pools that took part.
    pub pools: usize,
    /// Time to lay the pools out, and for all.
    pub times: [Duration; 2],
}

impl Report {
    /// Verified solutions, the best first, numbered anew.
    pub fn solutions(&self) -> Vec<ballast_wire::Solution> {
        let mut all: Vec<&Verified> = self.verified().collect();
        all.sort_by_key(|verified| std::cmp::Reverse(verified.score()));
        all.into_iter()
            .zip(0..)
            .map(|(verified, id)| {
                let mut solution = verified.solution().clone();
                solution.id = id;
                solution
            })
            .collect()
    }

    /// All that may be sent.
    pub fn verified(&self) -> impl Iterator<Item = &Verified> {
        let together = self.batch.iter().map(|batch| &batch.verified).chain(self.pairs.iter().map(|pair| &pair.verified));
        let after = |order: usize| self.sequence.after.iter().find(|(k, _)| *k == order).map(|(_, again)| again);
        let sent = self.filled().filter(|(order, _)| !self.withheld.contains(order));
        together.chain(sent.map(move |(order, filled)| &after(order).unwrap_or(filled).verified))
    }

    /// The filled orders by their place in the auction.
    pub fn filled(&self) -> impl Iterator<Item = (usize, &Filled)> {
        self.answers.iter().enumerate().filter_map(|(k, (answer, _))| match answer {
            Answer::Filled(filled) => Some((k, filled.as_ref())),
            Answer::Unfilled(_) => None,
        })
    }
}

/// Solves the orders of an auction on all of its liquidity, each by itself and all together. `stop` says when time is up.
pub fn run(auction: &Auction, config: &Config, stop: &(dyn Fn() -> bool + Sync)) -> Report {
    run_with(auction, config, stop, &|_| {})
}

/// As [`run`], and shows each verified solution to `sink` as soon as it is found; one with the number of another takes its place.
pub fn run_with(
    auction: &Auction,
    config: &Config,
    stop: &(dyn Fn() -> bool + Sync),
    sink: &(dyn Fn(&Verified) + Sync),
) -> Report {
    let began = Instant::now();
    let mut drops = auction.drops.clone();
    let liquidity = Liquidity::new(auction, config, &mut drops);
    let warm = liquidity.clearing_prices(stop);
    let ceiling = Ceiling::new(&liquidity.snapshot, &warm);
    let laid_out = began.elapsed();
    let mosts: Vec<OnceLock<Most>> = auction.orders.iter().map(|_| OnceLock::new()).collect();
    let most = |index: usize| *mosts[index].get_or_init(|| Most::new(auction, &liquidity, config, &ceiling, index));
    let worth = |index: usize| most(index).worth;
    let setting =
        Setting { auction, liquidity: &liquidity, config, warm: Some(&warm), most: Some(&worth), ceiling: Some(&ceiling), stop };
    let pass = |index: usize, depth: Depth| {
        let began = Instant::now();
        let _span = tracing::debug_span!("order", uid = %auction.orders[index].uid).entered();
        (attempt(setting, index, &[], depth, None), began.elapsed())
    };
    let show = |answer: &Answer| answer.verified().into_iter().for_each(sink);
    // What is to be had at once for every order, before any is looked at for longer.
    let firsts: Vec<OnceLock<(Answer, Duration)>> = auction.orders.iter().map(|_| OnceLock::new()).collect();
    let first = |index: usize| {
        let solve = || {
            let first = pass(index, Depth::First);
            show(&first.0);
            first
        };
        &firsts[index].get_or_init(solve).0
    };
    strategy("one order", |_| (0..auction.orders.len()).find(|&index| first(index).verified().is_some()));
    let here = Span::current();
    let singles = || {
        let _here = here.enter();
        strategy("single orders", |span| {
            let solve = |index| {
                let _span = span.enter();
                first(index);
            };
            (0..auction.orders.len()).into_par_iter().for_each(solve);
        });
    };
    // Bids that may win together, as soon as it is seen that they are wanted: time may run out later. Those beside the batch that scores so
    // much, and, where that may be worth less, single bids only.
    let (mut beside, mut apart): (Option<(U256, Sequence)>, Option<Sequence>) = (None, None);
    let mut tried = |batch: Option<&Together>| {
        let orders = 0..auction.orders.len();
        let alone = |k: usize| (k, first(k));
        // Orders of the batch can wait where there are many, as their own bids are hardly worth more.
        let can_wait = orders.len() > MANY_ORDERS && batch.is_some_and(Together::is_ahead);
        let score = |k| first(k).verified().map(Verified::score).unwrap_or_default();
        let promised = || orders.clone().into_par_iter().map(score).reduce(|| U256::ZERO, U256::saturating_add);
        if !can_wait && batch.map_or(U256::ZERO, |batch| batch.verified.score()) < promised() {
            let sequence = || strategy("single orders in sequence", |_| setting.in_sequence(None, orders.clone().map(alone)));
            apart.get_or_insert_with(sequence);
        }
        let new = batch.filter(|batch| beside.as_ref().is_none_or(|(of, _)| *of != batch.verified.score()));
        if let Some(batch) = new {
            let others = orders.filter(|&k| !batch.fills(k)).map(alone);
            let sent = others.filter(|(_, answer)| !batch.is_outdone(auction, answer));
            let found = strategy("in sequence", |_| setting.in_sequence(Some(batch), sent));
            beside = Some((batch.verified.score(), found));
        }
    };
    // The batch asks for those that are in its way.
    let most_score = |index: usize| from_f64(most(index).score * WEI_PER_UNIT).unwrap_or(U256::MAX);
    let all = || strategy("batch", |_| setting.all(floors_of(auction, most_score, first), sink, &mut tried));
    let (mut whole, ()) = rayon::join(all, singles);
    let mut answers: Vec<(Answer, Duration)> = firsts.iter().filter_map(|first| first.get().cloned()).collect();
    // A better bid for an order of the batch is shown once the batch is as good.
    let in_batch = |index: usize, whole: &Result<Whole, String>| whole.as_ref().is_ok_and(|whole| whole.batch.fills(index));
    let improve = |index: usize, answer: &mut Answer, took: &mut Duration| {
        if stop() {
            return false;
        }
        let (better, more) = pass(index, Depth::All);
        *took += more;
        if better.realised() > answer.realised() || matches!((&*answer, &better), (Answer::Unfilled(_), Answer::Unfilled(_))) {
            *answer = better;
            if !in_batch(index, &whole) {
                show(answer);
            }
            true
        } else {
            answer.learn(&better);
            false
        }
    };
    let improved: Vec<bool> = strategy("single orders, longer", |span| {
        let each = answers.par_iter_mut().enumerate();
        each.map(|(index, (answer, took))| span.in_scope(|| improve(index, answer, took))).collect()
    });
    let mut pairs = if stop() { Vec::new() } else { strategy("pairs", |span| setting.pairs(span)) };
    let claimed = floors(auction, &answers, &pairs);
    match &mut whole {
        Ok(whole) if !whole.batch.is_fair(auction, &claimed) => {
            let before = whole.batch.realised();
            let again = strategy("batch", |_| setting.again(whole, claimed.clone()));
            // What others could have now may ask for another choice.
            if (!again || whole.batch.realised() < SAME * before)
                && !stop()
                && let Ok(other) = strategy("batch", |_| setting.all(claimed, &|_| {}, &mut |_| {}))
                && (!again || other.batch.realised() > whole.batch.realised())
            {
                *whole = other;
            }
        }
        Ok(_) => {}
        // Where there was no batch for want of time there may be one by now.
        Err(_) if !stop() => whole = strategy("batch", |_| setting.all(claimed, &|_| {}, &mut |_| {})),
        Err(_) => {}
    }
    let mut batch = whole.map(|whole| whole.batch);
    // What is worth more than its pair has in the batch would only take the batch's place, which is worth more.
    let outdone = |batch: &Result<Box<Together>, String>, answers: &[(Answer, Duration)]| -> Vec<usize> {
        let outdone = |k: &usize| batch.as_ref().is_ok_and(|batch| batch.is_outdone(auction, &answers[*k].0));
        (0..answers.len()).filter(outdone).collect()
    };
    let mut withheld = outdone(&batch, &answers);
    let in_sequence = |batch: Option<&Together>, withheld: &[usize]| {
        let sent = answers.iter().map(|(answer, _)| answer).enumerate().filter(|(k, _)| !withheld.contains(k));
        strategy("in sequence", |_| setting.in_sequence(batch, sent))
    };
    let mut sequence = if config.batch { in_sequence(batch.as_deref().ok(), &withheld) } else { Sequence::default() };
    let scored = batch.as_ref().map_or(U256::ZERO, |batch| batch.verified.score());
    // As much as was found earlier, where time ran out since; of those orders that were looked at for longer the first bids are taken then.
    let mut is_early = false;
    if let Some((_, found)) = beside.filter(|(of, found)| *of == scored && found.score > sequence.score) {
        (sequence, is_early) = (found, true);
    }
    let apart = apart.filter(|apart| apart.score > scored.saturating_add(sequence.score));
    tracing::debug!(batch = %scored, beside = %sequence.score, apart = ?apart.as_ref().map(|apart| apart.score), "scored together, in wei");
    if let Some(apart) = apart {
        let longer = in_sequence(None, &[]);
        (sequence, is_early) = if longer.score < apart.score { (apart, true) } else { (longer, false) };
        batch = batch.and(Err("single bids, one after another, score more".to_owned()));
    }
    if is_early {
        answers = firsts.iter().filter_map(|first| first.get().cloned()).collect();
    }
    withheld = outdone(&batch, &answers);
    if let Ok(batch) = &batch {
        sink(&batch.verified);
        pairs.retain(|pair| batch.outdoes(auction, &pair.verified));
    }
    pairs.iter().for_each(|pair| sink(&pair.verified));
    let shown = |k: &usize| improved[*k] && !withheld.contains(k);
    (0..answers.len()).filter(shown).for_each(|k| show(&answers[k].0));
    sequence.after.iter().for_each(|(_, again)| sink(&again.verified));
    for (index, (order, (answer, _))) in auction.orders.iter().zip(&answers).enumerate() {
        if let Answer::Unfilled(reason) = answer
            && !batch.as_ref().is_ok_and(|batch| batch.fills(index))
        {
            drops.add(Subject::Order, Some(order.uid.to_string()), reason, "");
        }
    }
    Report { answers, batch, withheld, pairs, sequence, drops, pools: liquidity.len(), times: [laid_out, began.elapsed()] }
}
