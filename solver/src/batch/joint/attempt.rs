//! From a choice of markets and orders to a batch: the first choice at once, then the best, and again without those that had to go.

use ballast_routing::{Batch, Budget, Distance, Effort, Extent, GasPrice, Hop, Joint as Choice, Start, Token};

use super::clear::{Chosen, Cleared, LITTLE, Lessons};
use super::fair::Manner;
use super::orders::{Member, leftovers};
use super::{Floors, Joint, Obstacle, Welfare};
use crate::auction::Auction;
use crate::batch::Liquidity;
use crate::batch::cycles::{Arbitrage, arbitrage};
use crate::batch::step::{Step, Way};
use crate::config::Config;

/// Times that a batch is chosen again without those that were left out of the one before.
const AGAIN: usize = 4;
/// How many times its cost gas is counted at, one after another.
const THRIFT: [f64; 6] = [2.0, 3.0, 1.4, 4.5, 8.0, 16.0];
/// The last of them: what still takes too much then is left out.
const MOST_THRIFT: f64 = THRIFT[THRIFT.len() - 1];
/// A choice may take this many times the gas that a settlement may, before it is settled which orders are filled whole or not at all.
const ROOM: f64 = 1.1;
/// Choices that are settled before the best of them is looked at for longer.
const TRIES: usize = 3;
/// A batch that is worth this part of its choice is well settled.
const WELL: f64 = 0.97;
/// Why a choice is none that takes too much gas.
const HEAVY: &str = "it takes more gas than a settlement may";
/// Times that a choice is cleared again without what stood in its way.
const REPAIRS: usize = 16;

/// Orders of an auction, to be settled together.
pub struct Attempt<'a> {
    pub(super) auction: &'a Auction,
    pub(super) liquidity: &'a Liquidity,
    pub(super) config: &'a Config,
    pub(super) floors: Floors,
    pub(super) members: Vec<Member>,
    pub(super) batch: Batch,
    lessons: Lessons,
    best: Option<Best>,
    is_heavy: bool,
}

/// What came of the best choice so far.
struct Best {
    choice: Choice,
    welfare: Welfare,
    /// Members that were left out of the choice.
    out: Vec<usize>,
}

/// A batch on its way: the best so far, and what was learnt from all.
struct Course<'f> {
    lessons: Lessons,
    best: Option<Best>,
    attempts: usize,
    /// Why the last choice is none.
    why: String,
    found: &'f mut dyn FnMut(Joint),
}

impl<'a> Attempt<'a> {
    /// Lays `orders` out, those that can be part of a batch. No pair will be left with less than its floor. How much may be filled of orders that
    /// were [`entered`](Auction::enter) is up to the caller.
    ///
    /// # Errors
    /// In words, where there are none, or amounts that make no sense.
    pub fn new(
        auction: &'a Auction,
        liquidity: &'a Liquidity,
        config: &'a Config,
        orders: &[usize],
        floors: Floors,
        entered: Extent,
    ) -> Result<Self, String> {
        let member = |&k: &usize| Member::new(auction, liquidity, config, k, entered);
        let members: Vec<Member> = orders.iter().filter_map(member).collect();
        if members.is_empty() {
            return Err("no order can be part of a batch".to_owned());
        }
        let fixed = config.settlement_gas.saturating_sub(config.trade_gas) as f64;
        let gas = GasPrice { token: liquidity.numeraire(), price: liquidity.gas_price, fixed };
        let legs = members.iter().map(|m| m.leg).collect();
        let batch = Batch::new(&liquidity.snapshot, legs, &leftovers(&members), gas).map_err(|e| e.to_string())?;
        Ok(Self { auction, liquidity, config, floors, members, batch, lessons: Lessons::default(), best: None, is_heavy: false })
    }

    /// What each pair could have in a bid of its own.
    pub fn floors(&self) -> &Floors {
        &self.floors
    }

    /// Whether the last choice took more gas than a settlement may.
    pub fn is_heavy(&self) -> bool {
        self.is_heavy
    }

    /// Solves it, from `warm` prices. Each batch that is better than those before goes to `found`. Returns what no batch exceeds, in value
    /// units: lower, in the end, than what was known when the first was found.
    ///
    /// # Errors
    /// Why there is no batch, in words.
    pub fn solve(
        &mut self,
        warm: Option<&[f64]>,
        stop: &(dyn Fn() -> bool + Sync),
        found: &mut dyn FnMut(Joint),
    ) -> Result<f64, String> {
        let nothing = "no orders that together pay for their gas";
        let lessons = std::mem::take(&mut self.lessons);
        let mut course = Course { lessons, best: None, attempts: 0, why: nothing.to_owned(), found };
        let budget = || Budget::until(self.config.work_per_batch, stop);
        let (mut bound, mut prices) = (f64::INFINITY, warm.map(<[f64]>::to_vec));
        // At how many times its cost gas was still too much, and choices that were settled.
        let (mut heavy, mut tried) = (0.0, 0);
        for thrift in THRIFT {
            if thrift < heavy {
                continue;
            }
            let start =
                Start { warm: prices.as_deref(), near: bound.is_finite(), out: &[], barred: &course.lessons.barred, thrift };
            let Some(opening) = self.batch.open(start, &budget()) else { break };
            bound = bound.min(opening.bound());
            prices = Some(opening.prices().to_vec());
            let well = |best: &Best| best.welfare.realised >= WELL * opening.value();
            if tried == TRIES || course.best.as_ref().is_some_and(well) || stop() {
                break;
            }
            if thrift < MOST_THRIFT && opening.gas() > ROOM * self.config.max_gas as f64 {
                heavy = thrift;
                continue;
            }
            let Some(choice) = opening.settle(Effort::Quick, &budget()) else { continue };
            let first = course.best.is_none();
            if first {
                // Something is to be there soon.
                self.consider(&choice, Manner::Hasty, &[], bound, &mut course, stop);
                if !stop() {
                    bound = bound.min(self.batch.least_bound(opening.prices(), &budget()));
                }
            }
            if !first || course.best.as_ref().is_none_or(|best| !best.out.is_empty()) {
                self.consider(&choice, Manner::Patient, &[], bound, &mut course, stop);
            }
            tried += 1;
        }
        let mut out = Vec::new();
        for _ in 0..=AGAIN {
            let Some(best) = course.best.as_ref().filter(|_| !stop()) else { break };
            let thrift = best.choice.thrift;
            let start = Start { warm: prices.as_deref(), near: true, out: &out, barred: &course.lessons.barred, thrift };
            let Some(mut opening) = self.batch.open(start, &budget()) else { break };
            opening.climb(&budget());
            let Some(choice) = opening.settle(Effort::Full, &budget()) else { break };
            let gone = self.consider(&choice, Manner::Patient, &out, bound, &mut course, stop);
            let Some(gone) = gone.filter(|gone| !gone.is_empty()) else { break };
            out.extend(gone);
        }
        let Course { lessons, best, why, .. } = course;
        (self.lessons, self.best, self.is_heavy) = (lessons, best, why == HEAVY);
        match &mut self.best {
            Some(best) => {
                best.welfare.bound = bound;
                Ok(bound)
            }
            None => Err(why),
        }
    }

    /// Settles a choice without the members that are `out`; those that had to leave besides, if it is the best so far.
    fn consider(
        &self,
        choice: &Choice,
        manner: Manner,
        out: &[usize],
        bound: f64,
        course: &mut Course<'_>,
        stop: &(dyn Fn() -> bool + Sync),
    ) -> Option<Vec<usize>> {
        course.attempts += 1;
        // What is left out later is lost to what it is left out for.
        let before = course.best.as_ref().filter(|_| !out.is_empty()).map(|best| best.welfare);
        let Choice { relaxed, value: whole, .. } = *choice;
        let welfare = before.unwrap_or(Welfare { bound, relaxed, whole, ..Welfare::default() });
        let (joint, gone) = match self.settle(choice, &mut course.lessons, manner, welfare, stop) {
            Ok(settled) => settled,
            Err(reason) => {
                tracing::debug!(reason, "a choice that cannot be settled");
                course.why = reason;
                return None;
            }
        };
        let Welfare { realised, .. } = joint.welfare;
        let (fills, thrift, left) = (joint.fills.len(), choice.thrift, gone.len());
        tracing::debug!(attempts = course.attempts, thrift, whole, realised, fills, left, "a batch");
        if course.best.as_ref().is_some_and(|best| realised <= best.welfare.realised) {
            return None;
        }
        let (mut choice, out) = (choice.clone(), out.iter().chain(&gone).copied().collect::<Vec<usize>>());
        out.iter().for_each(|&m| choice.parts[m] = 0.0);
        let displaced = out.iter().map(|&m| self.members[m].index).collect();
        course.best = Some(Best { choice, welfare: joint.welfare, out });
        (course.found)(Joint { displaced, attempts: course.attempts, ..joint });
        Some(gone)
    }

    /// The best batch so far with other floors.
    ///
    /// # Errors
    /// As for [`Self::solve`].
    pub fn with_floors(&mut self, floors: Floors, stop: &(dyn Fn() -> bool + Sync)) -> Result<Joint, String> {
        self.floors = floors;
        let Some(Best { mut choice, welfare, mut out }) = self.best.take() else {
            return Err("there is no batch".to_owned());
        };
        let mut lessons = std::mem::take(&mut self.lessons);
        let by = |manner, lessons: &mut Lessons| self.settle(&choice, lessons, manner, welfare, stop);
        let settled = by(Manner::Patient, &mut lessons).or_else(|_| by(Manner::Hasty, &mut lessons));
        self.lessons = lessons;
        let (joint, gone) = settled?;
        gone.iter().for_each(|&m| choice.parts[m] = 0.0);
        out.extend(gone);
        let displaced = out.iter().map(|&m| self.members[m].index).collect();
        self.best = Some(Best { choice, welfare: joint.welfare, out });
        Ok(Joint { displaced, ..joint })
    }

    /// One choice, all the way, with the members that had to leave.
    fn settle(
        &self,
        original: &Choice,
        lessons: &mut Lessons,
        manner: Manner,
        mut welfare: Welfare,
        stop: &(dyn Fn() -> bool + Sync),
    ) -> Result<(Joint, Vec<usize>), String> {
        (lessons.gas, lessons.spare) = Default::default();
        let mut choice = original.clone();
        let cleared = self.at_choice(&choice)?;
        self.rehearse(&choice, &cleared, lessons);
        let heavy = self.heaviest(&cleared, cleared.gas()).ok_or(HEAVY)?;
        if !heavy.is_empty() && original.thrift < MOST_THRIFT {
            return Err(HEAVY.to_owned());
        }
        let (mut cleared, mut gone) = self.leave(&mut choice, &lessons.barred, cleared, &heavy, Vec::new(), stop)?;
        let mut distance = Distance::Far;
        // Members that lacked something when the swaps were last executed.
        let mut waited: Vec<usize> = Vec::new();
        let mut why = "no batch that can be executed after many attempts".to_owned();
        for repair in 0..REPAIRS {
            let (fair, more) = self.be_fair(&mut choice, lessons, cleared, (distance, manner), stop)?;
            let chosen = Chosen { choice: &choice, lessons };
            gone.extend(more);
            welfare.fair = fair.welfare();
            let leave = match self.execute(chosen, &fair, welfare) {
                Ok(mut joint) => {
                    if welfare.uniform == 0.0 {
                        // Of all: who left is lost to claims.
                        let all = Chosen { choice: original, lessons };
                        joint.welfare.uniform = self.uniform(all).unwrap_or(welfare.fair);
                    }
                    return Ok((joint, gone));
                }
                Err(Obstacle::Failed(why)) => return Err(why),
                Err(Obstacle::Unpaid(gas)) => {
                    tracing::debug!(gas, "more gas than is paid for");
                    lessons.gas = lessons.gas.saturating_add(gas);
                    Vec::new()
                }
                Err(Obstacle::Heavy(gas)) => {
                    tracing::debug!(gas, "more gas than a settlement may take");
                    self.heaviest(&fair, gas).ok_or(HEAVY)?
                }
                Err(Obstacle::Barred(ways)) => {
                    tracing::debug!(?ways, "barred");
                    lessons.barred.extend(ways.iter().filter_map(|way| self.liquidity.hop(self.auction, way)));
                    Vec::new()
                }
                Err(Obstacle::Lacking { lost, places }) => {
                    tracing::debug!(?lost, ?places, "have less than they ask for, or could have elsewhere");
                    let all = lost.is_empty() || repair >= REPAIRS / 2;
                    lessons.lost(lost);
                    // Those who gain nothing anyway are waited for once.
                    let before = std::mem::replace(&mut waited, places.iter().map(|&k| fair.trades[k].member).collect());
                    let again = |k: usize| fair.surplus(k) < LITTLE && before.contains(&fair.trades[k].member);
                    places.into_iter().filter(|&k| all || again(k)).collect()
                }
                Err(Obstacle::Short { missing, places }) => {
                    tracing::debug!(?missing, ?places, "are not paid by what the swaps leave");
                    why = "prices that what the swaps leave does not pay".to_owned();
                    lessons.missing(missing);
                    if repair < REPAIRS / 2 { Vec::new() } else { places }
                }
            };
            distance = if leave.is_empty() { Distance::Close } else { Distance::Far };
            (cleared, gone) = self.leave(&mut choice, &lessons.barred, fair, &leave, gone, stop)?;
        }
        Err(why)
    }

    /// The trades without some of them, whose members are `gone` too.
    fn leave(
        &self,
        choice: &mut Choice,
        barred: &[Hop],
        cleared: Cleared,
        leave: &[usize],
        mut gone: Vec<usize>,
        stop: &(dyn Fn() -> bool + Sync),
    ) -> Result<(Cleared, Vec<usize>), String> {
        if leave.is_empty() {
            return Ok((cleared, gone));
        }
        let (leave, stay): (Vec<usize>, Vec<usize>) = (0..cleared.trades.len()).partition(|k| leave.contains(k));
        gone.extend(leave.iter().map(|&k| cleared.trades[k].member));
        Ok((self.only(choice, barred, cleared, &stay, stop)?, gone))
    }

    /// Some of the trades, by their places, on the same markets: those trade something else then.
    pub(super) fn only(
        &self,
        choice: &mut Choice,
        barred: &[Hop],
        cleared: Cleared,
        stay: &[usize],
        stop: &(dyn Fn() -> bool + Sync),
    ) -> Result<Cleared, String> {
        let members: Vec<usize> = stay.iter().map(|&k| cleared.trades[k].member).collect();
        match self.batch.only(choice, &members, barred, &Budget::until(self.config.work_per_batch, stop)) {
            Some(other) => *choice = other,
            None => return Ok(cleared.only(stay)),
        }
        self.at_choice(choice)
    }

    /// Where a settlement takes more `gas` than it may: the trades that gain least by what they take of it. `None` where those that are given
    /// are too much by themselves.
    fn heaviest(&self, cleared: &Cleared, gas: u64) -> Option<Vec<usize>> {
        let mut over = gas.saturating_sub(self.config.max_gas);
        let may_leave = |k: &usize| self.members[cleared.trades[*k].member].leg.extent != Extent::Given;
        let mut order: Vec<usize> = (0..cleared.trades.len()).filter(may_leave).collect();
        let gain = |k: usize| cleared.surplus(k) / cleared.trades[k].share as f64;
        order.sort_by(|&a, &b| gain(a).total_cmp(&gain(b)));
        let leaves = |&k: &usize| {
            let leaves = over > 0;
            over = over.saturating_sub(cleared.trades[k].share);
            leaves
        };
        let heaviest = order.into_iter().take_while(leaves).collect();
        (over == 0).then_some(heaviest)
    }

    /// What cycles of the steps earn, unless it is more than is believable.
    pub(super) fn believable(&self, steps: &[Step], choice: &Choice) -> Result<Arbitrage, Obstacle> {
        let price = |token: Token| self.liquidity.units.get(token).unwrap_or(0.0) * choice.prices[token as usize];
        let harvest = arbitrage(steps, price);
        let suspects = harvest.suspects(self.config);
        if suspects.is_empty() {
            return Ok(harvest);
        }
        tracing::warn!(pools = ?suspects, "cycles earn more than is believable; solving again without");
        Err(Obstacle::Barred(steps.iter().filter(|s| suspects.contains(&s.pool)).map(Way::of).collect()))
    }
}
