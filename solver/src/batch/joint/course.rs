//! From one choice of markets and orders to the next: the first that can be settled at once, then the best, and again without those that
//! had to go.

use ballast_routing::{Bounds, Effort, Joint as Choice, Opening, Start};

use super::attempt::NoBatch;
use super::clear::Lessons;
use super::fair::Manner;
use super::{Attempt, Joint, MANY_ORDERS, Welfare};

/// Times that a batch is chosen again without those that were left out of the one before.
const AGAIN: usize = 4;
/// How many times its value gas is counted at, one after another.
const THRIFT: [f64; 6] = [2.0, 1.4, 3.0, 4.5, 8.0, 16.0];
/// The same once there is a batch that was looked at for longer.
const CHEAPER: [f64; 2] = [1.4, 1.0];
/// What gas is counted at more times where it is too much still: in larger steps what is worth its gas goes with what is not.
const DEARER: f64 = 1.5;
/// A choice that takes so many times the gas that it may is not added to.
const FAR_TOO_MUCH: f64 = 1.3;
/// Where a choice takes less than this part of the gas that it may, one between it and the one before is tried, so often.
const FULL: f64 = 0.93;
const HALVES: usize = 6;
/// Where what a choice settles to takes too much still it is made lighter, to such a part, to no less than such a part of all, and so often.
const LIGHTER: f64 = 0.95;
const LEAST_ROOM: f64 = 0.5;
const LIGHTENED: usize = 3;
/// The most that it is counted at.
const MOST_THRIFT: f64 = 64.0;
/// Where it is known at what gas was too much, choices begin at this part of that.
const BELOW: f64 = 0.3;
/// Choices that are settled before the best of them is looked at for longer.
const TRIES: usize = 3;
/// A batch that is worth this part of its choice is well settled, and one that is worth less than these badly, or poorly.
const WELL: f64 = 0.97;
const BADLY: f64 = 0.9;
const POORLY: f64 = 0.8;
/// Times that a choice is made again where that went badly.
const WITHOUT: usize = 3;

/// What came of the best choice so far.
pub(super) struct Best {
    pub choice: Choice,
    /// The choice of all that it came from.
    pub of_all: Choice,
    pub welfare: Welfare,
    /// Members that were left out of the choice.
    pub out: Vec<usize>,
}

/// A batch on its way: the best so far, and what was learnt from all.
pub(super) struct Course<'f> {
    pub lessons: Lessons,
    pub best: Option<Best>,
    pub attempts: usize,
    /// What no batch exceeds.
    pub bounds: Bounds,
    /// The last choice of all.
    pub of_all: Option<Choice>,
    /// Prices that choices were last made at.
    pub prices: Option<Vec<f64>>,
    /// As [`Attempt::heavy`].
    pub heavy: f64,
    /// Why the last choice is none.
    pub why: NoBatch,
    /// Is told what is found.
    pub found: &'f mut dyn FnMut(Found<'_>),
}

/// What is found on the way to the best batch.
#[derive(Debug)]
pub enum Found<'a> {
    /// A batch that is better than those before.
    Better(Box<Joint>),
    /// No more comes of a choice. Why there is no batch yet, if there is none.
    Settled(Option<&'a NoBatch>),
}

impl Course<'_> {
    /// No batch exceeds these either.
    fn below(&mut self, Bounds { apart, uniform }: Bounds) {
        self.bounds = Bounds { apart: self.bounds.apart.min(apart), uniform: self.bounds.uniform.min(uniform) };
    }

    fn settled(&mut self) {
        let why = self.best.is_none().then_some(&self.why);
        (self.found)(Found::Settled(why));
    }
}

impl Attempt<'_> {
    /// Choices with gas counted at more and less than it is worth: the first that can be settled at once, others until one is settled well.
    pub(super) fn choose(&self, course: &mut Course<'_>, stop: &(dyn Fn() -> bool + Sync)) {
        let (mut tried, mut is_bounded) = (0, false);
        for (k, counted) in THRIFT.iter().map(|times| times * self.gas_value).enumerate() {
            if counted < BELOW * course.heavy && k + 1 < THRIFT.len() {
                continue;
            }
            if tried > 0 && stop() {
                break;
            }
            let Course { prices, lessons, .. } = &*course;
            let start = Start { warm: prices.as_deref(), out: &[], barred: &lessons.barred, counted };
            let Some(mut opening) = self.batch().open(start, &self.budget(stop)) else { break };
            course.below(Bounds { apart: opening.bound(), uniform: opening.bound() });
            if self.capped.get().is_none() && !self.gives() {
                self.cap(opening.prices());
                if !self.reopen(&mut opening, &[], course, counted, stop) {
                    break;
                }
            }
            course.prices = Some(opening.prices().to_vec());
            let well = |best: &Best| best.welfare.realised >= WELL * opening.value();
            if tried == TRIES || course.best.as_ref().is_some_and(well) || stop() {
                break;
            }
            // Something is to be there soon.
            let manner = if course.best.is_none() { Manner::Hasty } else { Manner::Patient };
            self.settle_light(&mut opening, manner, course, stop);
            tried += 1;
            let went_poorly = course.best.as_ref().is_some_and(|best| best.welfare.realised < POORLY * opening.value());
            if self.is_large() && course.attempts == 1 && went_poorly {
                // A better one comes before all else, which takes long.
                continue;
            }
            if course.best.is_some() && !is_bounded && !stop() {
                course.below(self.batch.bounds(opening.prices(), &self.budget(stop)));
                is_bounded = true;
            }
            course.settled();
        }
    }

    /// Settles what of an opening takes no more gas than a settlement may; again without those who are in the way where that goes badly.
    fn settle_light<'b>(
        &'b self,
        opening: &mut Opening<'b>,
        manner: Manner,
        course: &mut Course<'_>,
        stop: &(dyn Fn() -> bool + Sync),
    ) {
        let max_gas = self.config.max_gas as f64;
        let (mut out, mut rounds, mut most, mut lightened) = (Vec::new(), 0, max_gas, 0);
        // What is given is not scored, and stays in any case.
        let without = if self.gives() { 0 } else { WITHOUT };
        loop {
            self.lighten(opening, most, course, stop);
            let Some(choice) = opening.settle(Effort::Quick, &self.budget(stop)) else { return };
            // Whole orders may have brought markets with them.
            let over = choice.gas - max_gas;
            if over > 0.0 && lightened < LIGHTENED && !stop() {
                most = (opening.gas() - over).max(LEAST_ROOM * max_gas);
                lightened += 1;
                continue;
            }
            let orders = choice.parts.iter().filter(|part| **part > 0.0).count();
            tracing::debug!(orders, markets = choice.markets.len(), value = choice.value, "orders settled");
            let can_wait = !self.is_large() || rounds > 0;
            let manner = if manner == Manner::Hasty && can_wait && rounds < without { Manner::Choosy } else { manner };
            let settled = self.consider(&choice, manner, &out, course, stop);
            let in_the_way = std::mem::take(&mut course.lessons.in_the_way);
            if settled == Err(NoBatch::Heavy) && opening.spared() < self.most_counted() {
                most = LIGHTER * opening.gas();
                continue;
            }
            let badly = course.best.as_ref().is_none_or(|best| best.welfare.realised < BADLY * choice.value);
            if !badly || rounds == without || in_the_way.is_empty() || stop() {
                return;
            }
            rounds += 1;
            out.extend(in_the_way);
            if !self.reopen(opening, &out, course, choice.counted, stop) {
                return;
            }
        }
    }

    /// From now on no more counts of what is left over than could be handed out at some prices.
    fn cap(&self, prices: &[f64]) {
        self.capped.get_or_init(|| self.batch.capped(&self.shares(prices)));
    }

    /// Opens once more from its prices, without the members that are `out`. False where nobody can be served then.
    fn reopen<'b>(
        &'b self,
        opening: &mut Opening<'b>,
        out: &[usize],
        course: &Course<'_>,
        counted: f64,
        stop: &(dyn Fn() -> bool + Sync),
    ) -> bool {
        let start = Start { warm: Some(opening.prices()), out, barred: &course.lessons.barred, counted };
        let other = self.batch().open(start, &self.budget(stop));
        let is_open = other.is_some();
        if let Some(other) = other {
            *opening = other;
        }
        is_open
    }

    /// The most that a unit of gas is counted at: what takes too much then is left out.
    pub(super) fn most_counted(&self) -> f64 {
        MOST_THRIFT * self.gas_value
    }

    /// Whether there are so many orders that everything takes long.
    pub(super) fn is_large(&self) -> bool {
        self.members.len() > MANY_ORDERS
    }

    /// Drops what an opening has of markets and orders beyond the gas that a settlement may take, and not many more.
    fn lighten<'b>(&self, opening: &mut Opening<'b>, most: f64, course: &mut Course<'_>, stop: &(dyn Fn() -> bool + Sync)) {
        let mut heavier = None;
        while opening.gas() > most && opening.spared() < self.most_counted() {
            let spared = opening.spared();
            heavier = Some(opening.clone());
            opening.spare((DEARER * spared).min(self.most_counted()), &self.budget(stop));
            course.heavy = spared;
            tracing::debug!(spared = opening.spared(), gas = opening.gas(), value = opening.value(), "a lighter choice");
        }
        for _ in 0..HALVES {
            let Some(last) = heavier.as_ref().filter(|_| opening.gas() < FULL * most) else { break };
            let mut between = last.clone();
            between.spare((last.spared() * opening.spared()).sqrt(), &self.budget(stop));
            tracing::debug!(spared = between.spared(), gas = between.gas(), value = between.value(), "one between");
            if between.gas() <= most {
                // Much may hang on little: fewer are not always the better ones.
                if between.value() < opening.value() {
                    break;
                }
                *opening = between;
            } else {
                heavier = Some(between);
            }
        }
    }

    /// Looks for longer, and again without those who have to leave. Then with gas counted at less.
    pub(super) fn improve(&self, course: &mut Course<'_>, stop: &(dyn Fn() -> bool + Sync)) {
        let Some(counted) = course.best.as_ref().map(|best| best.choice.counted) else { return };
        let mut out = Vec::new();
        for _ in 0..=AGAIN {
            match self.climb(counted, &out, course, stop) {
                Some(gone) if !gone.is_empty() => out.extend(gone),
                _ => break,
            }
        }
        let cheaper = CHEAPER.iter().map(|times| times * self.gas_value).filter(|cheaper| *cheaper < counted && !self.gives());
        cheaper.for_each(|counted| _ = self.climb(counted, &[], course, stop));
    }

    /// Opens without the members that are `out`, adds and drops for as long as that helps, and settles what comes of it: those that had to
    /// leave besides, if it is the best so far.
    fn climb(
        &self,
        counted: f64,
        out: &[usize],
        course: &mut Course<'_>,
        stop: &(dyn Fn() -> bool + Sync),
    ) -> Option<Vec<usize>> {
        if stop() {
            return None;
        }
        let start = Start { warm: course.prices.as_deref(), out, barred: &course.lessons.barred, counted };
        let mut opening = self.batch().open(start, &self.budget(stop))?;
        // What is far too much takes long, and most of it for nothing.
        if opening.gas() <= FAR_TOO_MUCH * self.config.max_gas as f64 {
            opening.climb(&self.budget(stop));
        }
        self.lighten(&mut opening, self.config.max_gas as f64, course, stop);
        let choice = opening.settle(Effort::Full, &self.budget(stop))?;
        let gone = self.consider(&choice, Manner::Patient, out, course, stop);
        course.settled();
        gone.ok().flatten()
    }

    /// Settles a choice without the members that are `out`; those that had to leave besides, if it is the best so far.
    ///
    /// # Errors
    /// Why it cannot be settled.
    fn consider(
        &self,
        choice: &Choice,
        manner: Manner,
        out: &[usize],
        course: &mut Course<'_>,
        stop: &(dyn Fn() -> bool + Sync),
    ) -> Result<Option<Vec<usize>>, NoBatch> {
        course.attempts += 1;
        if out.is_empty() {
            course.of_all = Some(choice.clone());
        }
        // What is left out later is lost to what it is left out for.
        let before = course.best.as_ref().filter(|_| !out.is_empty()).map(|best| &best.of_all);
        let of_all = before.or(course.of_all.as_ref()).unwrap_or(choice).clone();
        let Bounds { apart, uniform: bound } = course.bounds;
        let welfare =
            Welfare { apart, bound, relaxed: of_all.relaxed, whole: of_all.value.max(choice.value), ..Welfare::default() };
        let (joint, gone) = match self.settle(choice, &mut course.lessons, manner, welfare, stop) {
            Ok(settled) => settled,
            Err(reason) => {
                tracing::debug!(%reason, "a choice that cannot be settled");
                course.why = reason.clone();
                return Err(reason);
            }
        };
        let Welfare { whole, realised, .. } = joint.welfare;
        let (fills, times, left) = (joint.fills.len(), choice.counted / self.gas_value, gone.len());
        tracing::debug!(attempts = course.attempts, times, whole, realised, fills, left, "a batch");
        if course.best.as_ref().is_some_and(|best| realised <= best.welfare.realised) {
            return Ok(None);
        }
        let displaced = self.displaced(choice, out, &joint);
        let (mut choice, out) = (choice.clone(), out.iter().chain(&gone).copied().collect::<Vec<usize>>());
        out.iter().for_each(|&m| choice.parts[m] = 0.0);
        let best = course.best.insert(Best { choice, of_all, welfare: joint.welfare, out });
        (course.found)(Found::Better(Box::new(Joint { displaced, attempts: course.attempts, ..joint })));
        // Of many orders that takes long, and is left to the end.
        if !self.is_large() && !stop() {
            self.tell_uniform(best);
        }
        Ok(Some(gone))
    }

    /// Orders, by their places in the auction, that a batch does without though they were chosen, or were left out of the choice.
    pub(super) fn displaced(&self, choice: &Choice, out: &[usize], joint: &Joint) -> Vec<usize> {
        let chosen = (0..self.members.len()).filter(|m| choice.parts[*m] > 0.0 || out.contains(m)).map(|m| self.members[m].index);
        chosen.filter(|&order| joint.fills.iter().all(|fill| fill.order != order)).collect()
    }
}
